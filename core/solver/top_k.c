/* The k largest of n scores.
 *
 * Scores become unsigned keys of the same order; the k-th largest key is found bit by bit from the top,
 * each bit by one counting pass without branches. Keys above it are taken, then as many equal to it,
 * from the smallest index on, as are missing: exactly k ones. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "solver.h"

#ifdef MG_DOUBLE
typedef uint64_t order_key;
#else
typedef uint32_t order_key;
#endif

enum { KEY_BITS = 8 * sizeof(order_key), K = 0, MASK = 1 };

typedef struct plan {
  int64_t k;
} plan;

static mg_status prepare(mg_solver *s, const settings *given) {
  plan *p = memory_new((int64_t)sizeof *p);
  if (!p) return MG_NO_MEMORY;
  s->plan = p;
  s->n = settings_count(given, "n");
  p->k = settings_count(given, "k");
  if (p->k > s->n)
    return fail(MG_BAD_ARGUMENT, "top_k: k = %" PRId64 " is more than n = %" PRId64, p->k, s->n);
  return MG_OK;
}

static int64_t scratch_bytes(const mg_solver *s) { return s->n * (int64_t)sizeof(order_key); }

/* The key of a score: larger scores have larger keys, both zeros the same, none has key 0. */
static order_key key_of(mg_real score) {
  const order_key top = (order_key)1 << (KEY_BITS - 1);
  order_key bits;
  score += 0; /* -0 becomes 0 */
  memcpy(&bits, &score, sizeof bits);
  return bits & top ? ~bits : bits | top;
}

/* Fills keys; those outside of the mask get 0. Returns the index of a -inf inside, or -1. */
static int64_t fill_keys(const mg_real *theta, const mg_real *mask, int64_t n, order_key *keys) {
  const order_key lowest = key_of(-INFINITY);
  int64_t bad = 0;
  for (int64_t i = 0; i < n; i++) {
    order_key key = key_of(theta[i]);
    keys[i] = !mask || mask[i] != 0 ? key : 0;
    bad += keys[i] == lowest;
  }
  for (int64_t i = 0; bad && i < n; i++)
    if (keys[i] == lowest) return i;
  return -1;
}

static int64_t count_from(const order_key *keys, int64_t n, order_key least) {
  int64_t total = 0;
  for (int64_t i = 0; i < n;) { /* short sums, so that the lanes stay narrow */
    int64_t end = n - i < 1 << 16 ? n : i + (1 << 16);
    int32_t part = 0;
    for (; i < end; i++) part += keys[i] >= least;
    total += part;
  }
  return total;
}

/* The largest key that at least k keys reach. */
static order_key threshold(const order_key *keys, int64_t n, int64_t k) {
  order_key found = 0;
  for (int bit = KEY_BITS - 1; bit >= 0; bit--) {
    order_key tried = found | (order_key)1 << bit;
    int64_t reached = count_from(keys, n, tried);
    if (reached >= k) found = tried;
    if (reached == k) break; /* exactly the k largest */
  }
  return found;
}

static void mark(const order_key *keys, int64_t n, int64_t k, mg_real *z) {
  order_key least = threshold(keys, n, k);
  int64_t above = 0;
  for (int64_t i = 0; i < n; i++) {
    int take = keys[i] > least;
    z[i] = (mg_real)take;
    above += take;
  }
  for (int64_t i = 0; above < k && i < n; i++)
    if (keys[i] == least) {
      z[i] = 1;
      above++;
    }
}

/* The instance's k, checked; -1: no solution. */
static mg_status k_of(const mg_solver *s, solver_rows *rows, int64_t row, int64_t *k) {
  const mg_real *given = solver_context(rows, K, row), *mask = solver_context(rows, MASK, row);
  *k = ((const plan *)s->plan)->k;
  if (given) {
    if (!(*given >= 0 && *given <= (mg_real)s->n) || *given != floor(*given))
      return solver_fail(s, rows, row, MG_BAD_ARGUMENT, "k = %g, expected an integer in 0..%" PRId64,
                         (double)*given, s->n);
    *k = (int64_t)*given;
  }
  int64_t allowed = s->n;
  for (int64_t i = 0; mask && i < s->n; i++) allowed -= mask[i] == 0;
  if (*k <= allowed) return MG_OK;
  mg_status status = solver_none(s, rows, row, "the mask leaves %" PRId64 " entries, k = %" PRId64,
                                 allowed, *k);
  *k = -1;
  return status;
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, order_key *keys) {
  const mg_real *theta = rows->theta + row * s->n;
  mg_real *z = rows->z + row * s->n;
  int64_t k;
  mg_status status = k_of(s, rows, row, &k);
  if (status != MG_OK || k < 0) return status;
  int64_t bad = fill_keys(theta, solver_context(rows, MASK, row), s->n, keys);
  if (bad >= 0)
    return solver_fail(s, rows, row, MG_BAD_ARGUMENT, "score at entry %" PRId64 " is -inf", bad + 1);
  if (k > 0) mark(keys, s->n, k, z);
  else memset(z, 0, (size_t)s->n * sizeof *z);
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
  const mg_real *given = solver_context(rows, K, row), *mask = solver_context(rows, MASK, row);
  int64_t k = given ? (int64_t)*given : ((const plan *)s->plan)->k, ones = 0;
  for (int64_t i = 0; i < s->n; i++) {
    if (z[i] != 0 && (z[i] != 1 || (mask && mask[i] == 0))) return 0;
    ones += z[i] == 1;
  }
  return ones == k;
}

static const mg_option options[] = {
    {.name = "n", .form = "count", .doc = "entries"},
    {.name = "k", .form = "count", .doc = "how many are taken, at most n"},
    {0},
};
static const mg_option contexts[] = {
    {.name = "k", .form = "1", .doc = "another k for the instance, 0..n"},
    {.name = "mask", .form = "n", .doc = "0 where an entry may not be taken"},
    {0},
};

const solver_kind solver_top_k;
const solver_kind solver_top_k = {
    .kind = {.name = "top_k",
             .sense = "max",
             .shape = "n",
             .doc = "the k largest of n entries. theta [n] -> z [n] in {0,1}, exactly k ones. Ties to "
                    "the smaller index, O(n). -inf is an error: use the mask.",
             .settings = options,
             .contexts = contexts,
             .is_exact = 1,
             .is_constant_sum = 1},
    .rows_at_once = 64,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_OWN,
    .solve = solve,
    .is_feasible = is_feasible};
