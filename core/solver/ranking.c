/* Permutations as linear problems: ranks, and given values put in the order of the scores. By the
 * rearrangement inequality <theta, z> is largest over the orders z of fixed values when the larger
 * theta has the larger value. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "order.h"
#include "solver.h"

#ifdef MG_DOUBLE
enum { MOST_PLACES = INT32_MAX };
#else
enum { MOST_PLACES = 1 << 24 }; /* whole numbers that a real can tell apart */
#endif

enum { MASK = 0, WINDOW = 1 << 14 /* places looked at side by side */ };

typedef struct plan {
  mg_real values[1]; /* [n] ascending, of sorting */
} plan;

/* The parts of a scratch block. */
typedef struct work {
  mg_real *x, *ranks; /* [n] what is ranked, and its ranks */
  int32_t *index;     /* [n] where in theta */
  void *order;
} work;

static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

static int64_t scratch_bytes(const mg_solver *s) {
  return 2 * aligned(s->n * (int64_t)sizeof(mg_real)) + aligned(s->n * (int64_t)sizeof(int32_t)) +
         order_ranks_bytes(s->n);
}

static work split(const mg_solver *s, void *scratch) {
  char *at = scratch;
  work w;
  w.x = (mg_real *)(void *)at;
  at += aligned(s->n * (int64_t)sizeof(mg_real));
  w.ranks = (mg_real *)(void *)at;
  at += aligned(s->n * (int64_t)sizeof(mg_real));
  w.index = (int32_t *)(void *)at;
  at += aligned(s->n * (int64_t)sizeof(int32_t));
  w.order = at;
  return w;
}

static mg_status set_size(mg_solver *s, const settings *given) {
  s->n = settings_count(given, "n");
  if (s->n <= MOST_PLACES) return MG_OK;
  return fail(MG_BAD_ARGUMENT, "%s: n = %" PRId64 " is more than a real can count, %d",
              s->kind->kind.name, s->n, MOST_PLACES);
}

static void answer(const mg_solver *s, solver_rows *rows, int64_t row) {
  const mg_real *theta = rows->theta + row * s->n, *z = rows->z + row * s->n;
  double sum = 0;
  for (int64_t i = 0; rows->answers && i < s->n; i++) sum += (double)theta[i] * (double)z[i];
  solver_answer(rows, row, sum);
}

/* ---------------------------------------------------------------- ranking */

static mg_status rank_masked(const mg_solver *s, const mg_real *theta, const mg_real *mask,
                             const work *w, mg_real *z) {
  int64_t count = 0;
  for (int64_t i = 0; i < s->n; i++) {
    z[i] = 0;
    w->x[count] = theta[i];
    w->index[count] = (int32_t)i;
    count += mask[i] != 0;
  }
  mg_status status = order_ranks(w->x, count, w->ranks, w->order);
  for (int64_t i = 0; i < count; i++) z[w->index[i]] = w->ranks[i] + 1;
  return status;
}

static mg_status rank(const mg_solver *s, solver_rows *rows, void *scratch) {
  work w = split(s, scratch);
  mg_status status = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++) {
    const mg_real *theta = rows->theta + r * s->n, *mask = solver_context(rows, MASK, r);
    mg_real *z = rows->z + r * s->n;
    if (mask) status = rank_masked(s, theta, mask, &w, z);
    else {
      status = order_ranks(theta, s->n, z, w.order);
      for (int64_t i = 0; i < s->n; i++) z[i] += 1;
    }
    answer(s, rows, r);
  }
  return status;
}

/* Whether each of 1..count stands in z once, and 0 where the mask is 0. Goes through z once for each WINDOW
 * of ranks. */
static int is_ranking(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  const mg_real *mask = solver_context(rows, MASK, row);
  unsigned char seen[WINDOW];
  int64_t count = 0;
  for (int64_t i = 0; i < s->n; i++) {
    int is_ranked = !mask || mask[i] != 0;
    count += is_ranked;
    if (is_ranked ? !(z[i] >= 1 && z[i] <= (mg_real)s->n && z[i] == (mg_real)(int64_t)z[i]) : z[i] != 0)
      return 0;
  }
  for (int64_t first = 1; first <= s->n; first += WINDOW) {
    memset(seen, 0, sizeof seen);
    for (int64_t i = 0; i < s->n; i++) {
      int64_t at = (int64_t)z[i] - first;
      if (z[i] == 0 || at < 0 || at >= WINDOW) continue;
      if (z[i] > (mg_real)count || seen[at]) return 0;
      seen[at] = 1;
    }
  }
  return 1;
}

/* The lexicographically next order of v [n]; 0 after the last. */
static int next_order(mg_real *v, int64_t n) {
  int64_t i = n - 2, j = n - 1;
  while (i >= 0 && v[i] >= v[i + 1]) i--;
  if (i < 0) return 0;
  while (v[j] <= v[i]) j--;
  mg_real swap = v[i];
  v[i] = v[j];
  v[j] = swap;
  for (i++, j = n - 1; i < j; i++, j--) {
    swap = v[i];
    v[i] = v[j];
    v[j] = swap;
  }
  return 1;
}

/* Visits all orders of values [count], ascending at first, put at the entries that mask allows. */
static mg_status visit_orders(const mg_solver *s, mg_real *values, const mg_real *mask, int64_t count,
                              solver_visit *visit) {
  mg_real *z = memory_array(s->n, (int64_t)sizeof *z);
  if (!z) return MG_NO_MEMORY;
  mg_status status;
  do {
    for (int64_t i = 0, at = 0; i < s->n; i++) z[i] = !mask || mask[i] != 0 ? values[at++] : 0;
    status = solver_found(visit, z);
  } while (status == MG_OK && next_order(values, count));
  memory_free(z);
  return status;
}

static mg_status enumerate_ranks(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  const mg_real *mask = solver_context(rows, MASK, 0);
  mg_real *values = memory_array(s->n, (int64_t)sizeof *values);
  if (!values) return MG_NO_MEMORY;
  int64_t count = 0;
  for (int64_t i = 0; i < s->n; i++)
    if (!mask || mask[i] != 0) {
      values[count] = (mg_real)(count + 1);
      count++;
    }
  mg_status status = visit_orders(s, values, mask, count, visit);
  memory_free(values);
  return status;
}

static const mg_option ranking_options[] = {{.name = "n", .form = "count", .doc = "entries"}, {0}};
static const mg_option ranking_contexts[] = {
    {.name = "mask", .form = "n", .doc = "0 where an entry is left out: its rank is 0"}, {0}};

const solver_kind solver_ranking;
const solver_kind solver_ranking = {
    .kind = {.name = "ranking",
             .sense = "min",
             .shape = "n",
             .doc = "ranks of n scores, 1 for the largest: argmin <scores, z> over the orders z of "
                    "1..n. scores [n] -> z [n]. s(-scores), and s:argmax(scores), rank the smallest "
                    "first. Ties: the smaller index has the smaller rank. "
                    "inf is an error. O(n log n) by digits, to n = 256 by counting. Rolinek et al. "
                    "2020. Example: solver.ranking { n = 3 } (tensor { 5, 7, 6 }) is 3 1 2; "
                    "solver.permutation makes the matrix.",
             .settings = ranking_options,
             .contexts = ranking_contexts,
             .is_exact = 1,
             .is_constant_sum = 1},
    .rows_at_once = 16,
    .prepare = set_size,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_FINITE,
    .solve = rank,
    .is_feasible = is_ranking,
    .enumerate = enumerate_ranks};

/* ---------------------------------------------------------------- sorting */

static int compare(const void *a, const void *b) {
  mg_real x = *(const mg_real *)a, y = *(const mg_real *)b;
  return (x > y) - (x < y);
}

static mg_status prepare_sorting(mg_solver *s, const settings *given) {
  mg_status status = set_size(s, given);
  int64_t count;
  const double *list = settings_list(given, "values", &count);
  if (status != MG_OK) return status;
  if (count != 0 && count != s->n)
    return fail(MG_BAD_ARGUMENT, "sorting: %" PRId64 " values, expected n = %" PRId64, count, s->n);
  plan *p = memory_array(s->n, (int64_t)sizeof *p->values);
  if (!p) return MG_NO_MEMORY;
  s->plan = p;
  for (int64_t i = 0; i < s->n; i++) {
    p->values[i] = count ? (mg_real)list[i] : (mg_real)(i + 1);
    if (!(p->values[i] * 0 == 0))
      return fail(MG_BAD_ARGUMENT, "sorting: value %" PRId64 " is infinite", i + 1);
  }
  qsort(p->values, (size_t)s->n, sizeof *p->values, compare);
  return MG_OK;
}

/* Ranks minus theta, so that of equal entries the smaller index gets the larger value. */
static mg_status sort(const mg_solver *s, solver_rows *rows, void *scratch) {
  const plan *p = s->plan;
  work w = split(s, scratch);
  mg_status status = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++) {
    const mg_real *theta = rows->theta + r * s->n;
    mg_real *z = rows->z + r * s->n;
    for (int64_t i = 0; i < s->n; i++) w.x[i] = -theta[i];
    status = order_ranks(w.x, s->n, w.ranks, w.order);
    for (int64_t i = 0; status == MG_OK && i < s->n; i++)
      z[i] = p->values[s->n - 1 - (int64_t)w.ranks[i]];
    answer(s, rows, r);
  }
  return status;
}

/* The place of the first of ascending values that is not below x, or n. */
static int64_t place_of(const mg_real *values, int64_t n, mg_real x) {
  int64_t low = 0, high = n;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (values[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* Whether each number stands in z as often as in the values: each takes a place of the run of its equals,
 * which has one for every one of them. Goes through z once for each WINDOW of places. */
static int is_order(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  const plan *p = s->plan;
  int32_t taken[WINDOW];
  (void)rows, (void)row;
  for (int64_t first = 0; first < s->n; first += WINDOW) {
    memset(taken, 0, sizeof taken);
    for (int64_t i = 0; i < s->n; i++) {
      int64_t place = place_of(p->values, s->n, z[i]);
      if (place == s->n || p->values[place] != z[i]) return 0;
      if (place < first || place >= first + WINDOW) continue;
      int64_t last = place + taken[place - first]++;
      if (last >= s->n || p->values[last] != z[i]) return 0;
    }
  }
  return 1;
}

static mg_status enumerate_orders(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  (void)rows;
  mg_real *values = memory_array(s->n, (int64_t)sizeof *values);
  if (!values) return MG_NO_MEMORY;
  memcpy(values, ((const plan *)s->plan)->values, (size_t)s->n * sizeof *values);
  mg_status status = visit_orders(s, values, NULL, s->n, visit);
  memory_free(values);
  return status;
}

static const mg_option sorting_options[] = {
    {.name = "n", .form = "count", .doc = "entries"},
    {.name = "values", .form = "list", .preset = "", .doc = "n numbers in any order; absent: 1..n"},
    {0},
};
static const mg_option sorting_contexts[] = {{0}};

const solver_kind solver_sorting;
const solver_kind solver_sorting = {
    .kind = {.name = "sorting",
             .sense = "max",
             .shape = "n",
             .doc = "given values put in the order of the entries: argmax <theta, z> over all orders z "
                    "of the values (the corners of a permutahedron): the largest entry gets the largest "
                    "value. theta [n] -> z [n]. Values 1..n are ranks with 1 for the smallest, k ones "
                    "and zeros are top_k, gains of places 1 / log2(place + 1) give the ideal order of "
                    "NDCG. Ties: the smaller index has the larger value. inf is an error. O(n log n) by "
                    "digits, to n = 256 by counting. Hardy, Littlewood, Polya 1934. Example: "
                    "solver.sorting { n = 3, values = { 0, 5, 9 } } (tensor { 3, 1, 2 }) is 9 0 5.",
             .settings = sorting_options,
             .contexts = sorting_contexts,
             .is_exact = 1,
             .is_constant_sum = 1},
    .rows_at_once = 16,
    .prepare = prepare_sorting,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_FINITE,
    .solve = sort,
    .is_feasible = is_order,
    .enumerate = enumerate_orders};
