/* Assignment of rows to columns at least cost. What a person gives becomes a problem (assignment.h).
 * Its optimal duals tell which cells are tight; among the assignments of tight cells the
 * lexicographically smallest is the answer. */
#include "assignment.h"

#include <inttypes.h>

#include "base/interrupt.h"
#include "base/memory.h"

/* From this many cells on a matrix of values leaves the fast caches: costs are read from theta. */
enum { ALONE = 0, DIRECT_CELLS = 1 << 17 };

typedef struct sides {
  int64_t rows, cols; /* the person's */
  int may_stay;       /* rows may stay unmatched */
  int is_turned;      /* rows of the problem are the person's columns */
  int is_direct;      /* no matrix of values */
  int is_copied;      /* but a copy of theta, turned or padded */
  int64_t lesser, larger, width, words;
} sides;

/* ---------------------------------------------------------------- the plan */

static mg_status prepare(mg_solver *s, const settings *given) {
  sides *p = memory_new((int64_t)sizeof *p);
  if (!p) return MG_NO_MEMORY;
  s->plan = p;
  p->rows = settings_count(given, "rows");
  p->cols = settings_count(given, "cols");
  if (memory_product(p->rows + WIDTH_STEP, p->cols + WIDTH_STEP) < 0 ||
      memory_product((p->rows + WIDTH_STEP) * (p->cols + WIDTH_STEP), 4 * (int64_t)sizeof(value)) <
          0)
    return fail(MG_BAD_ARGUMENT, "assignment: %" PRId64 " x %" PRId64 " cells are too many", p->rows,
                p->cols);
  p->may_stay = settings_count(given, "unmatched") == 1;
  p->is_turned = !p->may_stay && p->rows > p->cols;
  p->lesser = p->is_turned ? p->cols : p->rows;
  p->larger = p->is_turned ? p->rows : p->cols;
  p->width = (p->larger + WIDTH_STEP - 1) / WIDTH_STEP * WIDTH_STEP;
  p->words = (p->larger + 63) / 64;
  s->n = p->rows * p->cols;
  p->is_direct = sizeof(mg_real) == 4 && s->n >= DIRECT_CELLS;
  p->is_copied = p->is_direct && (p->is_turned || p->width != p->larger);
  s->is_constant_sum = !p->may_stay;
  s->warm = !p->may_stay && p->rows == p->cols ? p->cols : 0;
  return MG_OK;
}

typedef struct carver {
  char *at;
  int64_t used;
} carver;

/* The next `bytes` of scratch; NULL while only counting. */
static void *carve(carver *c, int64_t bytes) {
  void *part = c->at ? c->at + c->used : NULL;
  c->used += (bytes + 63) / 64 * 64;
  return part;
}

typedef struct work {
  problem p;
  ties ties;
  value *alone;
  mg_real *copy; /* [rows, width] */
  uint64_t *turned;
} work;

/* Lays out scratch; its size. */
static int64_t lay_out(const sides *plan, void *scratch, work *w) {
  const int64_t eight = 8, rows = plan->lesser, width = plan->width;
  const int64_t person_words = (plan->cols + 63) / 64;
  carver c = {scratch, 0};
  problem *p = &w->p;
  *w = (work){.p = {.rows = rows, .cols = plan->larger, .width = width, .words = plan->words}};
  p->is_square = rows == plan->larger && !plan->may_stay;
  p->cost = plan->is_direct ? NULL : carve(&c, rows * width * eight);
  w->copy = carve(&c, plan->is_copied ? rows * width * (int64_t)sizeof(mg_real) : 0);
  p->price = carve(&c, width * eight);
  p->key = carve(&c, width * eight);
  p->from = carve(&c, width * eight);
  p->col_of = carve(&c, rows * eight);
  p->row_of = carve(&c, width * eight);
  p->open = carve(&c, rows * eight);
  p->done = carve(&c, rows * eight);
  p->done_key = carve(&c, rows * eight);
  p->done_price = carve(&c, rows * eight);
  p->tight = carve(&c, rows * plan->words * eight);
  w->alone = carve(&c, rows * eight);
  w->turned = carve(&c, plan->is_turned ? plan->rows * person_words * eight : 0);
  w->ties = (ties){.rows = plan->rows, .cols = plan->cols, .words = person_words};
  w->ties.free_row = carve(&c, plan->rows);
  w->ties.free_col = carve(&c, plan->cols);
  w->ties.work = carve(&c, assignment_ties_bytes(plan->rows, plan->cols));
  return c.used;
}

static int64_t scratch_bytes(const mg_solver *s) {
  work w;
  return lay_out(s->plan, NULL, &w);
}

/* ---------------------------------------------------------------- costs */

scale assignment_scale(double largest, int64_t rows) {
  int exponent = 0, room = 0;
  scale k;
  frexp(8.0 * (double)rows + 64, &room);
  if (largest > 0) frexp(largest, &exponent);
  const double bound = 2.0 * (double)rows;
#ifdef MG_DOUBLE
  /* |x| < 2^exponent becomes less than 2^(VALUE_BITS - room) */
  const int shift = VALUE_BITS - 1 - room - exponent;
  k.up[0] = ldexp(1, shift / 2);
  k.up[1] = ldexp(1, shift - shift / 2);
  k.half = 1;
  k.least = -(value)(bound * ldexp(1, VALUE_BITS - room));
#else
  const double quantum = ldexp(1, exponent + room - VALUE_BITS);
  k.magic = 1.5 * 0x1p52 * quantum;
  k.half = quantum / 2;
  k.least = -bound * ldexp(1, exponent);
#endif
  return k;
}

static double larger_size(double largest, mg_real x) {
  const double size = x < 0 ? -(double)x : (double)x;
  return size > largest && size < INFINITY ? size : largest;
}

/* The largest finite number, in size, of theta and the costs of staying unmatched. */
static double largest_size(const sides *plan, const mg_real *theta, int64_t n,
                           const mg_real *alone) {
  mg_real lanes[16] = {0};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int l = 0; l < 16; l++) {
      mg_real size = theta[i + l] < 0 ? -theta[i + l] : theta[i + l];
      size = size == (mg_real)INFINITY ? 0 : size;
      lanes[l] = size > lanes[l] ? size : lanes[l];
    }
  double largest = 0;
  for (; i < n; i++)
    largest = larger_size(largest, theta[i]);
  for (int l = 0; l < 16; l++) largest = larger_size(largest, lanes[l]);
  for (i = 0; alone && i < plan->rows; i++) largest = larger_size(largest, alone[i]);
  return largest;
}

static void load_costs(const sides *plan, const mg_real *theta, problem *p) {
  for (int64_t i = 0; i < p->rows; i++) {
    value *cost = p->cost + i * p->width;
    const mg_real *from = theta + i * (plan->is_turned ? 1 : plan->cols);
    if (plan->is_turned)
      for (int64_t j = 0; j < p->cols; j++)
        cost[j] = value_of(&p->scale, -(double)from[j * plan->cols]);
    else
      for (int64_t j = 0; j < p->cols; j++) cost[j] = value_of(&p->scale, -(double)from[j]);
    for (int64_t j = p->cols; j < p->width; j++) cost[j] = VALUE_FORBIDDEN;
  }
}

/* theta with the problem's rows and their padding. */
static void copy_theta(const sides *plan, const mg_real *theta, const problem *p, mg_real *copy) {
  const int64_t row_step = plan->is_turned ? 1 : plan->cols;
  const int64_t col_step = plan->is_turned ? plan->cols : 1;
  for (int64_t i = 0; i < p->rows; i++, copy += p->width) {
    for (int64_t j = 0; j < p->cols; j++) copy[j] = theta[i * row_step + j * col_step];
    for (int64_t j = p->cols; j < p->width; j++) copy[j] = -(mg_real)INFINITY;
  }
}

/* Starts from the least cost of each column. */
static void reduce_columns(problem *p) {
  value *price = p->price;
  for (int64_t j = 0; j < p->width; j++) price[j] = p->theta ? -VALUE_FORBIDDEN : VALUE_FORBIDDEN;
  for (int64_t i = 0; i < p->rows && p->theta; i++) {
    const mg_real *theta = p->theta + i * p->width;
    for (int64_t j = 0; j < p->width; j++) {
      const value x = (value)theta[j];
      price[j] = x > price[j] ? x : price[j];
    }
  }
  for (int64_t j = 0; j < p->width && p->theta; j++)
    price[j] = value_of(&p->scale, -(double)price[j]);
  for (int64_t i = 0; i < p->rows && !p->theta; i++) {
    const value *cost = p->cost + i * p->width;
    for (int64_t j = 0; j < p->width; j++) price[j] = cost[j] < price[j] ? cost[j] : price[j];
  }
  for (int64_t j = 0; j < p->width; j++) price[j] = price[j] >= VALUE_FAR ? 0 : price[j];
}

/* Starts from the prices of an earlier solve; 0 if there are none. */
static int warm_prices(problem *p, const double *warm) {
  const double most = -number_of(&p->scale, p->scale.least);
  double sum = 0;
  for (int64_t j = 0; j < p->cols; j++) sum += fabs(warm[j]);
  if (!(sum > 0) || !isfinite(sum)) return 0;
  for (int64_t j = 0; j < p->width; j++) {
    const double x = j < p->cols ? fmin(fmax(warm[j], -most), most) : 0;
    p->price[j] = value_of(&p->scale, x);
  }
  return 1;
}

static void start_prices(problem *p, const double *warm) {
  if (warm && warm_prices(p, warm)) return;
  if (p->is_square) reduce_columns(p);
  else
    for (int64_t j = 0; j < p->width; j++) p->price[j] = 0;
}

/* ---------------------------------------------------------------- ties */

/* Bits of columns by rows, turned. */
static void turn_bits(const problem *p, uint64_t *turned, int64_t words) {
  memset(turned, 0, (size_t)(p->cols * words) * sizeof *turned);
  for (int64_t i = 0; i < p->rows; i++)
    for (int64_t w = 0; w < p->words; w++)
      for (uint64_t bits = p->tight[i * p->words + w]; bits; bits &= bits - 1)
        turned[(64 * w + __builtin_ctzll(bits)) * words + i / 64] |= (uint64_t)1 << i % 64;
}

/* Whether a square problem of one word has one optimal assignment only: rows that could take no other
 * column, or only those of such rows, are crossed out until none is left. */
static int is_forced(const problem *p) {
  if (!p->is_square) return 0;
  uint64_t left = 0, before;
  for (int64_t i = 0; i < p->rows; i++) left |= (uint64_t)1 << p->col_of[i];
  do {
    before = left;
    for (int64_t i = 0; i < p->rows; i++) {
      const uint64_t own = (uint64_t)1 << p->col_of[i];
      left &= ~((p->tight[i] & left & ~own) ? 0 : own);
    }
  } while (left != before && left);
  return !left;
}

static mg_status break_ties(const sides *plan, work *w) {
  problem *p = &w->p;
  ties *t = &w->ties;
  assignment_true_prices(p);
  for (int64_t i = 0; i < p->rows; i++) assignment_mark_row(p, i, p->tight + i * p->words);
  t->is_perfect = p->is_square;
  t->tight = p->tight;
  t->col_of = p->col_of;
  t->row_of = p->row_of;
  if (plan->words == 1 && is_forced(p)) return MG_OK;
  unsigned char *lesser = t->free_row, *larger = t->free_col;
  if (plan->is_turned) {
    turn_bits(p, w->turned, t->words);
    t->tight = w->turned;
    t->col_of = p->row_of;
    t->row_of = p->col_of;
    lesser = t->free_col;
    larger = t->free_row;
  }
  for (int64_t i = 0; i < p->rows; i++) {
    const int64_t col = p->col_of[i];
    lesser[i] = p->alone && (col == UNMATCHED || cost_at(p, i, col) - p->price[col] == p->alone[i]);
  }
  for (int64_t j = 0; j < p->cols; j++) larger[j] = !p->is_square && p->price[j] == 0;
  return assignment_break_ties(t);
}

/* ---------------------------------------------------------------- solving */

/* The costs of staying unmatched, checked. */
static mg_status load_alone(const mg_solver *s, solver_rows *rows, int64_t row,
                            const mg_real **given) {
  const sides *plan = s->plan;
  *given = solver_context(rows, ALONE, row);
  if (*given && !plan->may_stay)
    return solver_fail(s, rows, row, MG_BAD_ARGUMENT,
                       "the context unmatched needs the setting unmatched");
  for (int64_t i = 0; *given && i < plan->rows; i++)
    if ((*given)[i] == -(mg_real)INFINITY)
      return solver_fail(s, rows, row, MG_BAD_ARGUMENT, "context unmatched is -inf at entry %" PRId64,
                         i + 1);
  return MG_OK;
}

static void write_answer(const sides *plan, solver_rows *rows, int64_t row, const ties *t,
                         const mg_real *alone) {
  const int64_t n = plan->rows * plan->cols;
  const mg_real *theta = rows->theta + row * n;
  mg_real *z = rows->z + row * n;
  double sum = 0;
  memset(z, 0, (size_t)n * sizeof *z);
  for (int64_t i = 0; i < plan->rows; i++) {
    const int64_t col = t->col_of[i];
    if (col != UNMATCHED) {
      z[i * plan->cols + col] = 1;
      sum += (double)theta[i * plan->cols + col];
    } else if (alone) {
      sum -= (double)alone[i];
    }
  }
  solver_answer(rows, row, sum);
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, work *w) {
  const sides *plan = s->plan;
  const mg_real *theta = rows->theta + row * s->n, *alone;
  double *warm = rows->warm ? rows->warm + row * s->warm : NULL;
  problem *p = &w->p;
  mg_status status = load_alone(s, rows, row, &alone);
  if (status != MG_OK) return status;
  p->scale = assignment_scale(largest_size(plan, theta, s->n, alone), p->rows);
  p->theta = plan->is_copied ? w->copy : plan->is_direct ? theta : NULL;
  if (plan->is_copied) copy_theta(plan, theta, p, w->copy);
  else if (!plan->is_direct) load_costs(plan, theta, p);
  p->alone = plan->may_stay ? w->alone : NULL;
  for (int64_t i = 0; plan->may_stay && i < p->rows; i++)
    w->alone[i] = value_of(&p->scale, alone ? (double)alone[i] : 0);
  start_prices(p, warm);
  const outcome o = assignment_dense(p);
  if (o == STOPPED) return MG_INTERRUPTED;
  if (o == IMPOSSIBLE)
    return solver_none(s, rows, row, "the finite costs do not match every %s",
                       plan->is_turned ? "column" : "row");
  status = break_ties(plan, w);
  if (status != MG_OK) return status;
  for (int64_t j = 0; warm && j < p->cols; j++) warm[j] = number_of(&p->scale, p->price[j]);
  write_answer(plan, rows, row, &w->ties, alone);
  return MG_OK;
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  work w;
  mg_status status = MG_OK;
  lay_out(s->plan, scratch, &w);
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++) {
    status = solve_one(s, rows, r, &w);
    if (status == MG_OK) status = interrupt_tick();
  }
  return status;
}

/* ---------------------------------------------------------------- the feasible set */

/* Whether row i of an instance may stay without a column. */
static int may_stay(const sides *plan, const mg_real *alone, int64_t i) {
  return plan->may_stay ? !alone || alone[i] != (mg_real)INFINITY : plan->rows > plan->cols;
}

static int is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  const sides *plan = s->plan;
  const mg_real *alone = solver_context(rows, ALONE, row);
  int64_t ones = 0;
  for (int64_t i = 0; i < plan->rows; i++) {
    int64_t here = 0;
    for (int64_t j = 0; j < plan->cols; j++) {
      const mg_real x = z[i * plan->cols + j];
      if (x != 0 && x != 1) return 0;
      here += x == 1;
    }
    if (here > 1 || (here == 0 && !may_stay(plan, alone, i))) return 0;
    ones += here;
  }
  for (int64_t j = 0; j < plan->cols; j++) {
    int64_t here = 0;
    for (int64_t i = 0; i < plan->rows; i++) here += z[i * plan->cols + j] == 1;
    if (here > 1) return 0;
  }
  return plan->may_stay || ones == (plan->rows < plan->cols ? plan->rows : plan->cols);
}

typedef struct listing {
  const sides *plan;
  const mg_real *alone;
  mg_real *z;
  int64_t *choice; /* [rows] the column of a row, cols: none */
  int64_t *taken;  /* [cols] */
  int64_t spare;   /* rows that may still stay without a column */
} listing;

/* Gives row i its next choice after the present one, -1 before all; 0 if there is none. */
static int next_choice(listing *l, int64_t i) {
  const int64_t cols = l->plan->cols;
  int64_t j = l->choice[i];
  if (j >= 0 && j < cols) l->taken[j] = 0, l->z[i * cols + j] = 0;
  if (j == cols) l->spare++;
  for (j++; j < cols && l->taken[j]; j++) {
  }
  if (j > cols || (j == cols && (l->spare == 0 || !may_stay(l->plan, l->alone, i)))) return 0;
  if (j < cols) l->taken[j] = 1, l->z[i * cols + j] = 1;
  else l->spare--;
  l->choice[i] = j;
  return 1;
}

/* In lexicographic order: the answer to equal costs first. */
static mg_status visit_all(listing *l, solver_visit *visit) {
  mg_status status = MG_OK;
  int64_t i = 0, tried = 0;
  l->choice[0] = -1;
  while (i >= 0 && status == MG_OK) {
    if (!next_choice(l, i)) {
      i--;
    } else if (i + 1 == l->plan->rows) {
      status = solver_found(visit, l->z);
    } else {
      l->choice[++i] = -1;
    }
    if (status == MG_OK && ++tried % 1024 == 0) status = interrupt_tick();
  }
  return status;
}

static mg_status enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  const sides *plan = s->plan;
  const mg_real *alone;
  solver_rows row = *rows;
  mg_status status = load_alone(s, &row, 0, &alone);
  if (status != MG_OK) return status;
  listing l = {.plan = plan, .alone = alone};
  l.z = memory_array(s->n, (int64_t)sizeof *l.z);
  l.choice = memory_array(plan->rows + plan->cols, (int64_t)sizeof *l.choice);
  l.spare = plan->may_stay ? plan->rows : plan->rows > plan->cols ? plan->rows - plan->cols : 0;
  status = l.z && l.choice ? MG_OK : MG_NO_MEMORY;
  if (status == MG_OK) {
    memset(l.z, 0, (size_t)s->n * sizeof *l.z);
    memset(l.choice, 0, (size_t)(plan->rows + plan->cols) * sizeof *l.choice);
    l.taken = l.choice + plan->rows;
    status = visit_all(&l, visit);
  }
  memory_free(l.choice);
  memory_free(l.z);
  return status;
}

static const mg_option options[] = {
    {.name = "rows", .form = "count", .doc = "what is assigned"},
    {.name = "cols", .form = "count", .doc = "what it goes to; the smaller side is all matched"},
    {.name = "unmatched", .form = "flag", .preset = "0", .doc = "rows may stay without a column"},
    {0},
};
static const mg_option contexts[] = {
    {.name = "unmatched",
     .form = "rows",
     .doc = "the cost of leaving each row unmatched, with the setting of that name; inf: it may "
            "not stay so; 0 if not given"},
    {0},
};

const solver_kind solver_assignment;
const solver_kind solver_assignment = {
    .kind = {.name = "assignment",
             .sense = "min",
             .shape = "rows cols",
             .doc = "each row to a column, each column to a row at most, at least cost. costs [rows, "
                    "cols], of any sign -> z [rows, cols], 1 where matched. Every one of the smaller "
                    "side is matched; with unmatched = true a row may stay without, at a cost that "
                    "counts in the objective. inf is a forbidden cell. Ties: row 1 has its smallest "
                    "possible column, then row 2, ...; no column comes last. Costs are rounded by "
                    "(n + 8) 2^-48 of the largest at most (double: 2^-55); the rest is exact. Shortest "
                    "augmenting paths, O(n^3) at worst (Jonker and Volgenant 1987). "
                    "Example: solver.assignment { rows = 3, cols = 3 }",
             .settings = options,
             .contexts = contexts,
             .is_exact = 1},
    .rows_at_once = 16,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_FORBIDS,
    .solve = solve,
    .is_feasible = is_feasible,
    .enumerate = enumerate};
