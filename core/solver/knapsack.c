/* The most valuable set of items within a capacity.
 *
 * Items that are worth nothing are dropped, those of weight 0 taken. The rest is sorted by value per
 * weight; with the bound of the first item that does not fit, most items turn out to be in every optimum
 * or in none (Ingargiola and Korsh 1973, bound of Dembo and Hammer 1980). What is left, the core, goes to
 * knapsack_core.c. Values are scaled by a power of two to be about 1, exactly. */
#include "knapsack.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "deadline.h"

enum { CAPACITY = 0, WEIGHTS = 1 };
#define ROUNDING 1e-12 /* of sums of weights that are no decimals, of bounds */
#ifdef MG_DOUBLE
#define REAL_EPSILON DBL_EPSILON
#else
#define REAL_EPSILON ((double)FLT_EPSILON)
#endif

/* Weights and capacity in a unit that makes them integers, if there is one. */
typedef struct load {
  const double *weights; /* [n], inf: fits nowhere */
  double capacity;
  double scale; /* units in 1; 0: the weights are no decimals */
} load;

typedef struct plan {
  double capacity, seconds, scale;
  double weights[]; /* [n], scaled */
} plan;

typedef struct work {
  knapsack_item *items, *spare; /* [n] */
  double *weights, *lightest;   /* [n], [n + 1] */
  knapsack_step *steps;         /* [n] */
  unsigned char *taken;         /* [n] */
} work;

/* ---------------------------------------------------------------- weights */

/* Whether times * every weight is an integer, within the rounding of numbers that stand for decimals. */
static int is_scale(const double *weights, int64_t n, double times, double epsilon) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) {
    if (weights[i] == INFINITY) continue;
    double x = weights[i] * times, slack = 4 * epsilon * x;
    if (fabs(x - rint(x)) > (slack < 1e-3 ? slack : 1e-3)) return 0;
    sum += x;
  }
  return sum < 0x1p52;
}

/* Scales weights that are integers or decimals of up to 4 digits; returns the scale, or 0. */
static double scale_weights(double *weights, int64_t n, double epsilon) {
  for (double scale = 1; scale <= 1e4; scale *= 10) {
    if (!is_scale(weights, n, scale, epsilon)) continue;
    for (int64_t i = 0; i < n; i++) weights[i] = rint(weights[i] * scale);
    return scale;
  }
  return 0;
}

static double scale_capacity(double capacity, double scale, double epsilon) {
  if (scale == 0) return capacity * (1 + ROUNDING);
  double x = capacity * scale, slack = 4 * epsilon * x;
  return floor(x + (slack < 1e-3 ? slack : 1e-3));
}

static mg_status prepare(mg_solver *s, const settings *given) {
  const double *weights = settings_list(given, "weights", &s->n);
  if (s->n < 1) return fail(MG_BAD_ARGUMENT, "knapsack: weights are empty, expected one number and more");
  for (int64_t i = 0; i < s->n; i++)
    if (!(weights[i] >= 0))
      return fail(MG_BAD_ARGUMENT, "knapsack: weight %" PRId64 " is %g, expected 0 and more", i + 1,
                  weights[i]);
  plan *p = memory_new((int64_t)sizeof *p + s->n * (int64_t)sizeof *p->weights);
  if (!p) return MG_NO_MEMORY;
  s->plan = p;
  p->capacity = settings_real(given, "capacity");
  p->seconds = settings_real(given, "time_limit");
  if (p->capacity < 0)
    return fail(MG_BAD_ARGUMENT, "knapsack: capacity = %g, expected 0 and more", p->capacity);
  if (p->seconds < 0)
    return fail(MG_BAD_ARGUMENT, "knapsack: time_limit = %g, expected seconds, or 0 for none", p->seconds);
  memcpy(p->weights, weights, (size_t)s->n * sizeof *weights);
  p->scale = scale_weights(p->weights, s->n, DBL_EPSILON);
  return MG_OK;
}

/* The load of an instance; room [n]. Weights below 0 are left to the caller. */
static load load_of(const mg_solver *s, const solver_rows *rows, int64_t row, double *room) {
  const plan *p = s->plan;
  const mg_real *capacity = solver_context(rows, CAPACITY, row);
  const mg_real *weights = solver_context(rows, WEIGHTS, row);
  load l = {.weights = p->weights, .scale = p->scale};
  if (weights) {
    for (int64_t i = 0; i < s->n; i++) room[i] = weights[i];
    l.weights = room;
    l.scale = scale_weights(room, s->n, REAL_EPSILON);
  }
  l.capacity = capacity ? scale_capacity(*capacity, l.scale, REAL_EPSILON)
                        : scale_capacity(p->capacity, l.scale, DBL_EPSILON);
  return l;
}

/* ---------------------------------------------------------------- order */

static int before(const knapsack_item *a, const knapsack_item *b) {
  return a->ratio > b->ratio || (a->ratio == b->ratio && a->index < b->index);
}

static void merge(const knapsack_item *from, int64_t first, int64_t middle, int64_t last,
                  knapsack_item *to) {
  int64_t a = first, b = middle;
  for (int64_t i = first; i < last; i++)
    to[i] = b == last || (a < middle && before(&from[a], &from[b])) ? from[a++] : from[b++];
}

/* Sorts by falling ratio, then rising index: merges runs that insertion has sorted. */
static void sort_items(knapsack_item *items, int64_t n, knapsack_item *spare) {
  enum { RUN = 8 };
  for (int64_t first = 0; first < n; first += RUN)
    for (int64_t i = first + 1; i < n && i < first + RUN; i++) {
      knapsack_item item = items[i];
      int64_t j = i;
      for (; j > first && before(&item, &items[j - 1]); j--) items[j] = items[j - 1];
      items[j] = item;
    }
  knapsack_item *from = items, *to = spare;
  for (int64_t width = RUN; width < n; width *= 2) {
    for (int64_t first = 0; first < n; first += 2 * width) {
      int64_t middle = first + width < n ? first + width : n;
      merge(from, first, middle, middle + width < n ? middle + width : n, to);
    }
    knapsack_item *other = from;
    from = to;
    to = other;
  }
  if (from != items) memcpy(items, from, (size_t)n * sizeof *items);
}

/* ---------------------------------------------------------------- what is certain */

/* Collects the items that matter; those of weight 0 go into z at once. Returns their number. */
static int64_t collect(const mg_real *theta, const load *l, int64_t n, int exponent,
                       knapsack_item *items, mg_real *z) {
  int64_t count = 0;
  int half = exponent / 2; /* of denormal values the whole power is infinite */
  double first = ldexp(1, -half), second = ldexp(1, half - exponent);
  for (int64_t i = 0; i < n; i++) {
    double value = theta[i] * first * second, weight = l->weights[i];
    z[i] = theta[i] > 0 && weight == 0;
    items[count] = (knapsack_item){value / weight, value, weight, i};
    count += theta[i] > 0 && weight > 0 && weight <= l->capacity && weight < INFINITY;
  }
  return count;
}

/* A value that some solution has: fill up to the first item that does not fit, then one more item, or
 * that item for one of those taken. */
static double reachable(const knapsack_item *items, int64_t count, int64_t broken, double value,
                        double capacity) {
  double best = value;
  const knapsack_item *b = &items[broken];
  for (int64_t i = 0; i < broken; i++)
    if (items[i].weight + capacity >= b->weight && value - items[i].value + b->value > best)
      best = value - items[i].value + b->value;
  for (int64_t i = broken + 1; i < count; i++)
    if (items[i].weight <= capacity && value + items[i].value > best) best = value + items[i].value;
  return best;
}

/* Decides the items that are in every optimum (into z) or in none. Keeps the others in place, sorted;
 * the capacity they have is left in *capacity. */
static int64_t fix(knapsack_item *items, int64_t count, double *capacity, double *bound, mg_real *z) {
  double value = 0, left = *capacity;
  int64_t broken = 0, kept = 0;
  for (; broken < count && items[broken].weight <= left; broken++) {
    value += items[broken].value;
    left -= items[broken].weight;
  }
  if (broken == count) { /* all fit */
    for (int64_t i = 0; i < count; i++) z[items[i].index] = 1;
    return 0;
  }
  double ratio = items[broken].ratio;
  *bound = value + left * ratio;
  double needed = reachable(items, count, broken, value, left) * (1 - ROUNDING);
  for (int64_t i = 0; i < count; i++) {
    double sign = i < broken ? -1 : 1; /* the bound when item i is the other way round */
    double other = value + sign * items[i].value + (left - sign * items[i].weight) * ratio;
    if (other >= needed) {
      items[kept++] = items[i];
    } else if (i < broken) {
      z[items[i].index] = 1;
      *capacity -= items[i].weight;
    }
  }
  return kept;
}

/* ---------------------------------------------------------------- an instance */

static mg_status check(const mg_solver *s, solver_rows *rows, int64_t row) {
  const mg_real *weights = solver_context(rows, WEIGHTS, row);
  for (int64_t i = 0; weights && i < s->n; i++)
    if (weights[i] < 0)
      return solver_fail(s, rows, row, MG_BAD_ARGUMENT, "weight %" PRId64 " is %g, expected 0 and more",
                         i + 1, (double)weights[i]);
  return MG_OK;
}

/* Answers with z, whose bound is in scaled values if it is not proved. */
static void answer(const mg_solver *s, solver_rows *rows, int64_t row, int is_proved, double bound) {
  const mg_real *theta = rows->theta + row * s->n, *z = rows->z + row * s->n;
  double sum = 0;
  for (int64_t i = 0; i < s->n; i++)
    if (z[i] != 0) sum += theta[i];
  if (is_proved || bound <= sum) solver_answer(rows, row, sum);
  else solver_answer_bound(rows, row, sum, bound);
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, const work *w) {
  const plan *p = s->plan;
  const mg_real *theta = rows->theta + row * s->n;
  mg_real *z = rows->z + row * s->n, largest = 0;
  mg_status status = check(s, rows, row);
  if (status != MG_OK) return status;
  load l = load_of(s, rows, row, w->weights);
  if (l.capacity < 0) return solver_none(s, rows, row, "the capacity is below 0");
  int exponent;
  for (int64_t i = 0; i < s->n; i++) largest = theta[i] > largest ? theta[i] : largest;
  frexp(largest, &exponent);
  int64_t count = collect(theta, &l, s->n, exponent, w->items, z);
  double room = l.capacity, bound = 0, zeros = 0;
  sort_items(w->items, count, w->spare);
  for (int64_t i = 0; i < s->n; i++)
    if (z[i] != 0) zeros += theta[i];
  knapsack_core k = {.items = w->items, .is_integral = l.scale > 0, .lightest = w->lightest,
                     .steps = w->steps, .taken = w->taken, .is_proved = 1};
  k.count = fix(w->items, count, &room, &bound, z);
  k.capacity = room;
  k.deadline = deadline_after(p->seconds);
  if (k.count > 0) status = knapsack_solve_core(&k);
  if (status != MG_OK) return status;
  for (int64_t i = 0; i < k.count; i++)
    if (k.taken[i]) z[k.items[i].index] = 1;
  answer(s, rows, row, k.is_proved, zeros + ldexp(bound * (1 + ROUNDING), exponent));
  return MG_OK;
}

static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

static int64_t scratch_bytes(const mg_solver *s) {
  return 2 * aligned((s->n + 1) * (int64_t)sizeof(knapsack_item)) +
         2 * aligned((s->n + 1) * (int64_t)sizeof(double)) +
         aligned(s->n * (int64_t)sizeof(knapsack_step)) + aligned(s->n);
}

/* The next part of a block. */
static void *part(char **at, int64_t bytes) {
  void *here = *at;
  *at += aligned(bytes);
  return here;
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  char *at = scratch;
  work w;
  w.items = part(&at, (s->n + 1) * (int64_t)sizeof *w.items); /* collect writes one too many */
  w.spare = part(&at, (s->n + 1) * (int64_t)sizeof *w.spare);
  w.weights = part(&at, (s->n + 1) * (int64_t)sizeof *w.weights);
  w.lightest = part(&at, (s->n + 1) * (int64_t)sizeof *w.lightest);
  w.steps = part(&at, s->n * (int64_t)sizeof *w.steps);
  w.taken = part(&at, s->n);
  mg_status status = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++) status = solve_one(s, rows, r, &w);
  return status;
}

static int is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  double *room = memory_array(s->n, (int64_t)sizeof *room);
  if (!room) return 0;
  load l = load_of(s, rows, row, room);
  double sum = 0;
  int fits = 1;
  for (int64_t i = 0; i < s->n; i++) {
    if (z[i] != 0 && z[i] != 1) fits = 0;
    if (z[i] != 0) sum += l.weights[i];
  }
  memory_free(room);
  return fits && sum <= l.capacity && sum < INFINITY;
}

static const mg_option options[] = {
    {.name = "weights", .form = "list", .doc = "what each item weighs, 0 and more"},
    {.name = "capacity", .form = "real", .doc = "the most that the items taken may weigh, 0 and more"},
    {.name = "time_limit",
     .form = "real",
     .preset = "0",
     .doc = "seconds for an instance of the search, then the best set so far and a bound; 0: none"},
    {0},
};
static const mg_option contexts[] = {
    {.name = "capacity", .form = "1", .doc = "another capacity for the instance"},
    {.name = "weights", .form = "n", .doc = "other weights for the instance; inf: never taken"},
    {0},
};

const solver_kind solver_knapsack;
const solver_kind solver_knapsack = {
    .kind = {.name = "knapsack",
             .sense = "max",
             .shape = "size",
             .doc = "the most valuable set of items within a capacity. theta [n], the values -> z [n] in "
                    "{0,1}. Items of value 0 and less are never taken, -inf is a forbidden item. Ties: with "
                    "the items sorted by falling value / weight (in double), then index, the optimum that "
                    "takes the first item if any does, and so on. Weights that are decimals of at most 4 "
                    "digits are added exactly; sums of others may pass the capacity by 1e-12 of it. Branch "
                    "and bound on the few items that are not certain; if that takes long and weights are "
                    "integers, dynamic programming in O(n capacity), which allocates one bit a cell. "
                    "Horowitz and Sahni 1974, Dembo and Hammer 1980. Example: "
                    "solver.knapsack { weights = { 3, 4, 5 }, capacity = 8 }.",
             .settings = options,
             .contexts = contexts,
             .is_exact = 1},
    .rows_at_once = 16,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_FORBIDS,
    .solve = solve,
    .is_feasible = is_feasible};
