/* Cheapest closed tour through all cities: the symmetric travelling salesman, exact. Small ones by the
 * table of tour_table.c, larger ones by the search of tour_search.c. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "tour.h"

enum { MOST_CITIES = 1000, AUTO_TABLE = 13 /* cities up to which the table is the quicker method */ };

typedef struct plan {
  int cities;
  int is_matrix;
  int has_table;
  double seconds; /* for an instance; 0: no limit */
  tour_sets sets;
} plan;

/* The parts of a scratch block. */
typedef struct work {
  double *cost;  /* [cities, cities] */
  int32_t *tour; /* [cities] */
  void *rest;    /* of the method */
} work;

/* ---------------------------------------------------------------- plan */

static mg_status read_settings(plan *p, const settings *given) {
  int64_t cities = settings_count(given, "cities");
  if (cities < 3 || cities > MOST_CITIES)
    return fail(MG_BAD_ARGUMENT, "tour: cities = %" PRId64 ", expected 3..%d", cities, MOST_CITIES);
  const char *method = settings_text(given, "method");
  if (method[0] == 't' && cities > TOUR_MOST_TABLE)
    return fail(MG_BAD_ARGUMENT, "tour: cities = %" PRId64 ", method \"table\" takes at most %d", cities,
                TOUR_MOST_TABLE);
  p->seconds = settings_real(given, "time_limit");
  if (p->seconds < 0)
    return fail(MG_BAD_ARGUMENT, "tour: time_limit = %g, expected seconds, or 0 for none", p->seconds);
  p->cities = (int)cities;
  p->is_matrix = settings_text(given, "form")[0] == 'm';
  p->has_table = method[0] == 't' || (method[0] == 'a' && cities <= AUTO_TABLE);
  return MG_OK;
}

static mg_status prepare(mg_solver *s, const settings *given) {
  plan read = {0};
  mg_status status = read_settings(&read, given);
  if (status != MG_OK) return status;
  int64_t bytes = read.has_table ? tour_sets_bytes(read.cities) : 0;
  plan *p = memory_new((int64_t)sizeof *p + bytes);
  if (!p) return MG_NO_MEMORY;
  *p = read;
  s->plan = p;
  int64_t n = p->cities;
  s->n = p->is_matrix ? n * n : n * (n - 1) / 2;
  if (p->has_table) {
    p->sets.set = (uint16_t *)(p + 1);
    tour_sets_fill(&p->sets, p->cities);
  }
  return MG_OK;
}

static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

static int64_t cost_bytes(int64_t n) { return aligned(n * n * (int64_t)sizeof(double)); }

static int64_t scratch_bytes(const mg_solver *s) {
  const plan *p = s->plan;
  return cost_bytes(p->cities) + aligned(p->cities * (int64_t)sizeof(int32_t)) +
         (p->has_table ? tour_table_bytes(p->cities) : tour_search_bytes(p->cities));
}

static work split(const plan *p, void *scratch) {
  char *at = scratch;
  work w = {.cost = scratch};
  at += cost_bytes(p->cities);
  w.tour = (int32_t *)(void *)at;
  w.rest = at + aligned(p->cities * (int64_t)sizeof(int32_t));
  return w;
}

/* ---------------------------------------------------------------- costs */

/* Entry of the pair i < j. */
static int64_t pair_entry(int64_t n, int64_t i, int64_t j) { return i * n - i * (i + 1) / 2 + j - i - 1; }

/* The power of two that brings the largest finite cost to a size of 1 to 2. */
static int scale_of(const double *cost, int64_t n) {
  double largest = 0;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < i; j++) {
      double size = fabs(cost[i * n + j]);
      if (size > largest && size != INFINITY) largest = size;
    }
  int exponent;
  frexp(largest, &exponent);
  return largest > 0 ? 1 - exponent : 0;
}

/* cost[i][j] of both orders from theta, INFINITY where forbidden and on the diagonal. Of a matrix half
 * the sum of both entries, which cannot overflow. */
static void load_costs(const plan *p, const mg_real *theta, double *cost) {
  int64_t n = p->cities;
  for (int64_t i = 0; i < n; i++) {
    cost[i * n + i] = INFINITY;
    if (p->is_matrix)
      for (int64_t j = 0; j < i; j++)
        cost[i * n + j] = cost[j * n + i] = -0.5 * theta[i * n + j] - 0.5 * theta[j * n + i];
    else
      for (int64_t j = i + 1; j < n; j++)
        cost[i * n + j] = cost[j * n + i] = -(double)theta[pair_entry(n, i, j)];
  }
}

/* So that sums do not overflow, and for the search, which reckons with costs of about 1. Returns the
 * power of two; its halves are factors that are no infinity. */
static int scale_costs(const plan *p, double *cost) {
  int64_t n = p->cities;
  if (p->has_table && sizeof(mg_real) == sizeof(float)) return 0;
  int scale = scale_of(cost, n);
  double one = ldexp(1, scale / 2), two = ldexp(1, scale - scale / 2);
  for (int64_t i = 0; i < n * n && scale != 0; i++) cost[i] = cost[i] * one * two;
  return scale;
}

/* ---------------------------------------------------------------- answers */

/* Marks the tour in z. Returns <theta, z>. */
static double mark_tour(const plan *p, const int32_t *tour, const mg_real *theta, mg_real *z) {
  int64_t n = p->cities;
  const double small = sizeof(mg_real) == sizeof(float) ? 1 : 0x1p-12;
  double sum = 0, part = 0; /* part: of small terms, where the sum passes the largest double on its way */
  for (int64_t place = 0; place < n; place++) {
    int64_t i = tour[place], j = tour[place + 1 < n ? place + 1 : 0];
    int64_t low = i < j ? i : j, high = i < j ? j : i;
    int64_t one = p->is_matrix ? low * n + high : pair_entry(n, low, high), two = high * n + low;
    z[one] = 1;
    sum += theta[one], part += theta[one] * small;
    if (!p->is_matrix) continue;
    z[two] = 1;
    sum += theta[two], part += theta[two] * small;
  }
  return isfinite(sum) ? sum : part / small;
}

static mg_status find_tour(const plan *p, const work *w, tour_result *result) {
  if (!p->has_table) return tour_search_solve(p->cities, w->cost, p->seconds, w->rest, w->tour, result);
  *result = (tour_result){.proved = 1};
  result->found = tour_table_solve(&p->sets, w->cost, w->rest, w->tour);
  return MG_OK;
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, const work *w) {
  const plan *p = s->plan;
  const mg_real *theta = rows->theta + row * s->n;
  mg_real *z = rows->z + row * s->n;
  load_costs(p, theta, w->cost);
  int scale = scale_costs(p, w->cost);
  tour_result result;
  mg_status status = find_tour(p, w, &result);
  if (status != MG_OK) return status;
  if (!result.found && result.proved)
    return solver_none(s, rows, row, "every tour through the %d cities has a forbidden edge", p->cities);
  if (!result.found)
    return solver_none(s, rows, row, "no tour without a forbidden edge was found in %g seconds",
                       p->seconds);
  memset(z, 0, (size_t)s->n * sizeof *z);
  double objective = mark_tour(p, w->tour, theta, z);
  double bound = -ldexp(result.bound, -scale) * (p->is_matrix ? 2 : 1);
  if (result.proved) solver_answer(rows, row, objective);
  else solver_answer_bound(rows, row, objective, bound > objective ? bound : objective);
  return MG_OK;
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  work w = split(s->plan, scratch);
  mg_status status = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++) status = solve_one(s, rows, r, &w);
  return status;
}

/* ---------------------------------------------------------------- the feasible set */

/* Entry of z for the edge between two cities. */
static mg_real edge(const plan *p, const mg_real *z, int64_t i, int64_t j) {
  int64_t n = p->cities;
  if (p->is_matrix) return z[i * n + j];
  return i < j ? z[pair_entry(n, i, j)] : z[pair_entry(n, j, i)];
}

/* Whether z has 0 and 1 only, n edges in all, and as a matrix is symmetric with nothing on the diagonal. */
static int has_form(const plan *p, int64_t size, const mg_real *z) {
  int64_t n = p->cities, ones = 0;
  for (int64_t e = 0; e < size; e++) {
    if (z[e] != 0 && z[e] != 1) return 0;
    ones += z[e] == 1;
  }
  for (int64_t i = 0; p->is_matrix && i < n; i++)
    for (int64_t j = 0; j <= i; j++)
      if (z[i * n + j] != z[j * n + i] || (i == j && z[i * n + j] != 0)) return 0;
  return ones == (p->is_matrix ? 2 * n : n);
}

/* The first city next to `at` that is not `from`, or -1; other: another one, or -1. */
static int64_t next_city(const plan *p, const mg_real *z, int64_t at, int64_t from, int64_t *other) {
  int64_t found = -1;
  *other = -1;
  for (int64_t j = 0; j < p->cities; j++) {
    if (j == at || j == from || edge(p, z, at, j) == 0) continue;
    if (found < 0) found = j;
    else *other = j;
  }
  return found;
}

/* Walks from the first city on: n steps along edges that never fork must lead back to it, not sooner. */
static int is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  (void)rows, (void)row;
  const plan *p = s->plan;
  if (!has_form(p, s->n, z)) return 0;
  int64_t other, from = 0, at = next_city(p, z, 0, -1, &other);
  if (at < 0 || other < 0) return 0;
  for (int64_t step = 1; step < p->cities; step++) {
    if (at == 0) return 0;
    int64_t next = next_city(p, z, at, from, &other);
    if (next < 0 || other >= 0) return 0;
    from = at;
    at = next;
  }
  return at == 0;
}

/* Tours in lexicographic order of their cities, each in the direction in which its second city is the
 * smaller neighbour of the first. */
static mg_status visit_tours(const mg_solver *s, int place, int32_t *tour, mg_real *z,
                             solver_visit *visit) {
  const plan *p = s->plan;
  int n = p->cities;
  if (place == n) {
    if (tour[1] > tour[n - 1]) return MG_OK;
    memset(z, 0, (size_t)s->n * sizeof *z);
    mark_tour(p, tour, z, z);
    return solver_found(visit, z);
  }
  mg_status status = MG_OK;
  for (int32_t city = 1; city < n && status == MG_OK; city++) {
    int used = 0;
    for (int i = 1; i < place; i++) used |= tour[i] == city;
    if (used) continue;
    tour[place] = city;
    status = visit_tours(s, place + 1, tour, z, visit);
  }
  return status;
}

static mg_status enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  (void)rows;
  enum { MOST = 14 };
  mg_real z[MOST * MOST];
  int32_t tour[MOST] = {0};
  if (((const plan *)s->plan)->cities > MOST)
    return fail(MG_BAD_ARGUMENT, "tour: enumerate: the tours through %d cities are too many",
                ((const plan *)s->plan)->cities);
  return visit_tours(s, 1, tour, z, visit);
}

static const mg_option options[] = {
    {.name = "cities", .form = "count", .doc = "cities, from 3"},
    {.name = "form",
     .form = "choice pairs|matrix",
     .preset = "pairs",
     .doc = "an entry for each pair of cities, or a matrix"},
    {.name = "method",
     .form = "choice auto|table|search",
     .preset = "auto",
     .doc = "by a table of all subsets, at most 16 cities, or by branch and bound; auto: the quicker"},
    {.name = "time_limit",
     .form = "real",
     .preset = "0",
     .doc = "seconds for an instance of the search, then the best tour so far and a bound; 0: none"},
    {0},
};
static const mg_option contexts[] = {{0}};

const solver_kind solver_tour;
const solver_kind solver_tour = {
    .kind = {.name = "tour",
             .sense = "min",
             .shape = "form=matrix: cities cities | size",
             .doc = "the cheapest closed tour through all cities, the same cost in both directions "
                    "(symmetric travelling salesman). costs [n (n - 1) / 2], an entry for each pair (1,2), "
                    "(1,3), ..., (2,3), ... -> z of the same shape, 1 on the tour's n edges. With form = "
                    "\"matrix\" costs [n, n] -> z [n, n], symmetric: edge i-j costs the sum of both entries, "
                    "so that the objective counts both, twice the length if costs are symmetric; the "
                    "diagonal does not count. Costs of any sign; inf is a forbidden edge. Exact: up to 13 "
                    "cities by dynamic programming over subsets, O(2^n n^2) (Held, Karp 1962), ties to the "
                    "lexicographically smallest tour from city 1; beyond by branch and bound with 1-trees "
                    "(Held, Karp 1971; Volgenant, Jonker 1982), ties by a rule of the costs alone. Example: "
                    "solver.tour { cities = 4 } (tensor { 1, 2, 1, 1, 2, 1 })",
             .settings = options,
             .contexts = contexts,
             .is_exact = 1,
             .is_constant_sum = 1},
    .rows_at_once = 1,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_FORBIDS,
    .solve = solve,
    .is_feasible = is_feasible,
    .enumerate = enumerate};
