/* The k largest of n scores, or from `least` to k of them.
 *
 * Scores become unsigned keys of the same order; a key that k of them reach is closed in on from
 * both sides by counting passes without branches. Keys that reach it are taken; if ties make them more
 * than k, the last of the least ones are not. Where fewer may be taken, k is lowered to the number of
 * scores above 0 first, but not below `least`. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "order.h"
#include "solver.h"

enum { K = 0, LEAST = 1, MASK = 2, AS_K = -1, PART = 1 << 12, FEW = 16 };

#ifdef MG_DOUBLE
typedef int64_t lane_count;
#else
typedef int32_t lane_count;
#endif

typedef struct plan {
  int64_t k, least; /* least: AS_K if every solution has k ones */
} plan;

static mg_status prepare(mg_solver *s, const settings *given) {
  plan *p = memory_new((int64_t)sizeof *p);
  if (!p) return MG_NO_MEMORY;
  s->plan = p;
  s->n = settings_count(given, "n");
  p->k = settings_count(given, "k");
  double least = settings_real(given, "least");
  if (p->k > s->n)
    return fail(MG_BAD_ARGUMENT, "top_k: k = %" PRId64 " is more than n = %" PRId64, p->k, s->n);
  if (!(least >= 0 && least <= (double)p->k) || least != floor(least))
    return fail(MG_BAD_ARGUMENT, "top_k: least = %g, expected an integer in 0..%" PRId64, least, p->k);
  s->is_constant_sum = least == (double)p->k;
  p->least = s->is_constant_sum ? AS_K : (int64_t)least;
  return MG_OK;
}

/* Of few entries all ranks are counted. */
static int is_few(const mg_solver *s) { return s->n <= FEW; }

static int64_t scratch_bytes(const mg_solver *s) {
  if (is_few(s)) return 2 * FEW * (int64_t)sizeof(mg_real) + order_ranks_bytes(s->n);
  return s->n * (int64_t)sizeof(order_key);
}

/* How many keys of entries that may be taken there are, and the range they are in. */
typedef struct span {
  int64_t count;
  order_key least, most;
} span;

/* Fills keys; those of entries that may not be taken are 0. At most PART entries. */
static span fill_part(const mg_real *theta, const mg_real *mask, int64_t n, order_key *keys) {
  const order_key forbidden = order_key_of(-INFINITY);
  order_key least = (order_key)-1, most = 0;
  lane_count count = 0;
  for (int64_t i = 0; i < n; i++) keys[i] = order_key_of(theta[i]);
  for (int64_t i = 0; mask && i < n; i++) keys[i] = mask[i] != 0 ? keys[i] : 0;
  for (int64_t i = 0; i < n; i++) {
    order_key allowed = (order_key)0 - (keys[i] > forbidden); /* all bits or none */
    order_key key = keys[i] & allowed, low = key - 1;         /* of key 0 the largest */
    keys[i] = key;
    most = key > most ? key : most;
    least = low < least ? low : least;
    count -= (lane_count)allowed;
  }
  return (span){count, least + 1, most};
}

static span fill_keys(const mg_real *theta, const mg_real *mask, int64_t n, order_key *keys) {
  span all = {0, (order_key)-1, 0};
  for (int64_t i = 0; i < n; i += PART) {
    span part = fill_part(theta + i, mask ? mask + i : NULL, n - i < PART ? n - i : PART, keys + i);
    if (part.count == 0) continue;
    all.count += part.count;
    all.least = part.least < all.least ? part.least : all.least;
    all.most = part.most > all.most ? part.most : all.most;
  }
  return all;
}

static int64_t count_from(const order_key *keys, int64_t n, order_key least) {
  int64_t total = 0;
  for (int64_t i = 0; i < n; i += PART) {
    int64_t end = n - i < PART ? n : i + PART;
    lane_count part = 0;
    for (int64_t j = i; j < end; j++) part += keys[j] >= least;
    total += part;
  }
  return total;
}

/* A key that exactly k keys reach, or if there is none the largest that more do. Between a key that at
 * least k reach and one that fewer do a guess is made as if keys lay evenly between them; every fourth
 * time the middle, so that 4 passes a bit of the keys are the most. *reached: how many reach it. */
static order_key threshold(const order_key *keys, int64_t n, int64_t k, span s, int64_t *reached) {
  order_key low = s.least, high = s.most + 1;
  int64_t at_low = s.count, at_high = 0;
  for (int step = 0; at_low != k && high - low > 1; step++) {
    double share = ((double)(k - at_high) + 0.5) / ((double)(at_low - at_high) + 1);
    order_key down = step % 4 == 3 ? (high - low) / 2 : (order_key)(share * (double)(high - low));
    order_key tried = high - (down < 1 ? 1 : down >= high - low ? high - low - 1 : down);
    int64_t at_tried = count_from(keys, n, tried);
    if (at_tried >= k) low = tried, at_low = at_tried;
    else high = tried, at_high = at_tried;
  }
  *reached = at_low;
  return low;
}

/* z = 1 at the k largest keys, k >= 1. */
static void mark(const order_key *keys, int64_t n, int64_t k, span s, mg_real *z) {
  int64_t reached;
  order_key least = threshold(keys, n, k, s, &reached);
  for (int64_t i = 0; i < n; i++) z[i] = keys[i] >= least ? (mg_real)1 : 0;
  for (int64_t i = n - 1; reached > k; i--)
    if (keys[i] == least) {
      z[i] = 0;
      reached--;
    }
}

/* The k of the few entries; least <= k. Returns how many are allowed: fewer than `least` are not marked. */
static int64_t solve_few(const mg_real *theta, const mg_real *mask, int64_t n, int64_t least, int64_t k,
                         mg_real *scratch, mg_real *z) {
  mg_real *costs = scratch, *ranks = scratch + FEW;
  int32_t allowed = 0, above = 0;
  for (int64_t i = 0; i < n; i++) {
    costs[i] = mask && mask[i] == 0 ? INFINITY : -theta[i];
    allowed += costs[i] < INFINITY;
    above += costs[i] < 0;
  }
  if (allowed < least) return allowed;
  if (least < k) k = above < least ? least : above < k ? above : k;
  order_ranks(costs, n, ranks, scratch + 2 * FEW); /* few: never interrupted */
  for (int64_t i = 0; i < n; i++) z[i] = ranks[i] < (mg_real)k ? (mg_real)1 : 0;
  return allowed;
}

/* The same for any number of entries. */
static int64_t solve_many(const mg_real *theta, const mg_real *mask, int64_t n, int64_t least, int64_t k,
                          order_key *keys, mg_real *z) {
  span allowed = fill_keys(theta, mask, n, keys);
  if (allowed.count < least) return allowed.count;
  if (least < k) {
    int64_t above = count_from(keys, n, order_key_of(0) + 1);
    k = above < least ? least : above < k ? above : k;
  }
  if (k > 0) mark(keys, n, k, allowed, z);
  else memset(z, 0, (size_t)n * sizeof *z);
  return allowed.count;
}

/* A count of the instance, or the setting; -2 if it is no integer in 0..most. */
static int64_t count_of(const mg_real *given, int64_t setting, int64_t most) {
  if (!given) return setting;
  return *given >= 0 && *given <= (mg_real)most && *given == floor(*given) ? (int64_t)*given : -2;
}

/* The instance's least and k. */
static mg_status bounds_of(const mg_solver *s, const solver_rows *rows, int64_t row, int64_t *least,
                           int64_t *k) {
  const plan *p = s->plan;
  const mg_real *given_k = solver_context(rows, K, row), *given = solver_context(rows, LEAST, row);
  *k = count_of(given_k, p->k, s->n);
  if (*k < 0)
    return solver_fail(s, rows, row, MG_BAD_ARGUMENT, "k = %g, expected an integer in 0..%" PRId64,
                       (double)*given_k, s->n);
  *least = count_of(given, p->least == AS_K ? *k : p->least, *k);
  if (*least < 0 || *least > *k)
    return solver_fail(s, rows, row, MG_BAD_ARGUMENT, "least = %g, expected an integer in 0..%" PRId64,
                       given ? (double)*given : (double)p->least, *k);
  if (p->least == AS_K && *least != *k)
    return solver_fail(s, rows, row, MG_BAD_ARGUMENT,
                       "least = %" PRId64 " and k = %" PRId64
                       ", but the solver was made for exactly k: give it the setting least",
                       *least, *k);
  return MG_OK;
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, void *scratch) {
  const mg_real *theta = rows->theta + row * s->n, *mask = solver_context(rows, MASK, row);
  mg_real *z = rows->z + row * s->n;
  int64_t least, k;
  mg_status status = bounds_of(s, rows, row, &least, &k);
  if (status != MG_OK) return status;
  int64_t allowed = is_few(s) ? solve_few(theta, mask, s->n, least, k, scratch, z)
                              : solve_many(theta, mask, s->n, least, k, scratch, z);
  if (allowed < least)
    return solver_none(s, rows, row, "%" PRId64 " entries are allowed, %s = %" PRId64, allowed,
                       least == k ? "k" : "least", least);
  double sum = 0;
  for (int64_t i = 0; rows->answers && i < s->n; i++)
    if (z[i] != 0) sum += theta[i];
  solver_answer(rows, row, sum);
  return MG_OK;
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  mg_status status = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++)
    status = solve_one(s, rows, r, scratch);
  return status;
}

static int is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  const mg_real *mask = solver_context(rows, MASK, row);
  int64_t least, k, ones = 0;
  if (bounds_of(s, rows, row, &least, &k) != MG_OK) return 0;
  for (int64_t i = 0; i < s->n; i++) {
    if (z[i] != 0 && (z[i] != 1 || (mask && mask[i] == 0))) return 0;
    ones += z[i] == 1;
  }
  return ones >= least && ones <= k;
}

static const mg_option options[] = {
    {.name = "n", .form = "count", .doc = "entries"},
    {.name = "k", .form = "count", .doc = "the most that are taken, at most n"},
    {.name = "least", .form = "real", .preset = "k", .doc = "the fewest, 0..k"},
    {0},
};
static const mg_option contexts[] = {
    {.name = "k", .form = "1", .doc = "another k for the instance, 0..n"},
    {.name = "least", .form = "1", .doc = "another least, 0..k; where the setting is below k"},
    {.name = "mask", .form = "n", .doc = "0 where an entry may not be taken"},
    {0},
};

const solver_kind solver_top_k;
const solver_kind solver_top_k = {
    .kind = {.name = "top_k",
             .sense = "max",
             .shape = "n",
             .doc = "the k largest of n entries; with `least` from least to k of them, beyond least only "
                    "entries above 0 (least = 0: at most k). theta [n] -> z [n] in {0,1}. Ties to the "
                    "smaller index, O(n). -inf: an entry that may not be taken, as mask 0. Example: "
                    "solver.top_k { n = 3, k = 2, least = 0 } (tensor { -1, 4, -2 }) is 0 1 0.",
             .settings = options,
             .contexts = contexts,
             .is_exact = 1,
             .is_constant_sum = 1},
    .rows_at_once = 64,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_FORBIDS,
    .solve = solve,
    .is_feasible = is_feasible};
