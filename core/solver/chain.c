/* The best sequence of states: nodes scored (chain) or steps (chain_edges).
 *
 * best[t][a] is the most that positions t and after give from state a on; filled from the end (Viterbi
 * 1967), so that the sequence is read off from its start, the smallest state first. Sums in double. */
#pragma GCC diagnostic ignored "-Wpsabi" /* inlined: no vector crosses a call */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "solver.h"

enum { LANES = 4, TRANSITIONS = 0, TICK_CELLS = 1 << 18 };

typedef struct plan {
  int64_t positions, states;
  int is_edges;
} plan;

/* An instance: the score of position t in state a is nodes[t, a], of going on to b edges[t, a, b]; NULL: 0. */
typedef struct chain {
  const mg_real *nodes, *edges;
  int64_t stride; /* from edges of one t to the next: 0 if all are the same */
  double factor;  /* of all scores: keeps sums finite */
} chain;

static mg_status make_plan(mg_solver *s, int64_t positions, int64_t states, int is_edges) {
  plan *p = memory_new((int64_t)sizeof *p);
  if (!p) return MG_NO_MEMORY;
  s->plan = p;
  *p = (plan){positions, states, is_edges};
  int64_t cells = memory_product(positions, states);
  int64_t size = is_edges && cells >= 0 ? memory_product((positions - 1) * states, states) : cells;
  if (cells < 0 || size < 0 || memory_product(size, (int64_t)sizeof(double)) < 0)
    return fail(MG_BAD_ARGUMENT, "%s: %" PRId64 " positions of %" PRId64 " states are too many",
                s->kind->kind.name, positions, states);
  s->n = size;
  return MG_OK;
}

static mg_status prepare_nodes(mg_solver *s, const settings *given) {
  return make_plan(s, settings_count(given, "length"), settings_count(given, "states"), 0);
}

static mg_status prepare_edges(mg_solver *s, const settings *given) {
  return make_plan(s, settings_count(given, "steps") + 1, settings_count(given, "states"), 1);
}

static int64_t scratch_bytes(const mg_solver *s) {
  const plan *p = s->plan;
  return p->positions * p->states * (int64_t)sizeof(double);
}

static chain chain_of(const mg_solver *s, const solver_rows *rows, int64_t row) {
  const plan *p = s->plan;
  const mg_real *theta = rows->theta ? rows->theta + row * s->n : NULL;
  if (p->is_edges) return (chain){.edges = theta, .stride = p->states * p->states, .factor = 1};
  return (chain){.nodes = theta, .edges = solver_context(rows, TRANSITIONS, row), .factor = 1};
}

/* Vectors, read from anywhere; all bits of a mask are set where a comparison holds. */
typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double)), may_alias));
typedef mg_real real_lanes
    __attribute__((vector_size(LANES * sizeof(mg_real)), aligned(sizeof(mg_real)), may_alias));
typedef int64_t masks __attribute__((vector_size(LANES * sizeof(int64_t))));

/* The larger entries of two vectors. */
static inline lanes larger(lanes a, lanes b) {
  masks take = a > b;
  return (lanes)((take & (masks)a) | (~take & (masks)b));
}

/* The largest of scores[b] + next[b]; scores NULL: of next[b]. */
static double largest_sum(const mg_real *scores, const double *next, int64_t states, double factor) {
  double most = -INFINITY;
  int64_t b = 0;
  if (scores && states >= LANES) {
    lanes found = {-INFINITY, -INFINITY, -INFINITY, -INFINITY}, other = found;
    for (; b + 2 * LANES <= states; b += 2 * LANES) {
      const real_lanes *x = (const real_lanes *)(scores + b);
      const lanes *y = (const lanes *)(next + b);
      found = larger(__builtin_convertvector(x[0], lanes) * factor + y[0], found);
      other = larger(__builtin_convertvector(x[1], lanes) * factor + y[1], other);
    }
    for (; b + LANES <= states; b += LANES)
      found = larger(__builtin_convertvector(*(const real_lanes *)(scores + b), lanes) * factor +
                         *(const lanes *)(next + b),
                     found);
    found = larger(found, other);
    for (int l = 0; l < LANES; l++) most = found[l] > most ? found[l] : most;
  }
  for (; b < states; b++) {
    double sum = (scores ? scores[b] * factor : 0) + next[b];
    most = sum > most ? sum : most;
  }
  return most;
}

static const mg_real *edges_of(const chain *c, int64_t t, int64_t a, int64_t states) {
  return c->edges ? c->edges + t * c->stride + a * states : NULL;
}

/* Fills best [positions, states]. */
static mg_status fill(const plan *p, const chain *c, double *best) {
  int64_t states = p->states, since = 0;
  for (int64_t t = p->positions - 1; t >= 0; t--) {
    double *own = best + t * states, after = 0;
    int is_last = t == p->positions - 1;
    if (!is_last && !c->edges) after = largest_sum(NULL, own + states, states, c->factor);
    for (int64_t a = 0; a < states; a++) {
      if (!is_last && c->edges)
        after = largest_sum(edges_of(c, t, a, states), own + states, states, c->factor);
      own[a] = after + (c->nodes ? c->nodes[t * states + a] * c->factor : 0);
      since += c->edges ? states : 1;
      if (since < TICK_CELLS) continue;
      since = 0;
      mg_status status = interrupt_tick();
      if (status != MG_OK) return status;
    }
  }
  return MG_OK;
}

/* The smallest state that is best after state a at position t - 1 (a < 0: at the start). */
static int64_t best_state(const plan *p, const chain *c, const double *best, int64_t t, int64_t a) {
  const double *own = best + t * p->states;
  const mg_real *scores = a >= 0 ? edges_of(c, t - 1, a, p->states) : NULL;
  double most = -INFINITY;
  int64_t found = 0;
  for (int64_t b = 0; b < p->states; b++) {
    double sum = (scores ? scores[b] * c->factor : 0) + own[b];
    if (!(sum > most)) continue;
    most = sum;
    found = b;
  }
  return found;
}

/* Marks position t in state b, after a, in z; returns what that scores. */
static double mark(const plan *p, const chain *c, int64_t t, int64_t a, int64_t b, mg_real *z) {
  double score = c->nodes ? c->nodes[t * p->states + b] : 0;
  if (t > 0 && c->edges) score += edges_of(c, t - 1, a, p->states)[b];
  if (!p->is_edges) z[t * p->states + b] = 1;
  else if (t > 0) z[((t - 1) * p->states + a) * p->states + b] = 1;
  return score;
}

/* Keeps sums of doubles finite: scales when scores are near to the largest double. +inf among
 * transitions is an error. */
static mg_status check(const mg_solver *s, const solver_rows *rows, int64_t row, chain *c) {
  const plan *p = s->plan;
  const mg_real *theta = rows->theta + row * s->n, *transitions = p->is_edges ? NULL : c->edges;
  double largest = 0;
  for (int64_t i = 0; i < s->n; i++) {
    double size = fabs(theta[i]);
    largest = size > largest && size < INFINITY ? size : largest;
  }
  for (int64_t i = 0; transitions && i < p->states * p->states; i++) {
    if (transitions[i] == INFINITY)
      return solver_fail(s, rows, row, MG_BAD_ARGUMENT,
                         "the transition from state %" PRId64 " to %" PRId64 " is inf",
                         i / p->states + 1, i % p->states + 1);
    double size = fabs(transitions[i]);
    largest = size > largest && size < INFINITY ? size : largest;
  }
  if (largest > 0x1p900) c->factor = 0x1p-100;
  return MG_OK;
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, double *best) {
  const plan *p = s->plan;
  chain c = chain_of(s, rows, row);
  mg_status status = check(s, rows, row, &c);
  if (status == MG_OK) status = fill(p, &c, best);
  if (status != MG_OK) return status;
  mg_real *z = rows->z + row * s->n;
  int64_t a = best_state(p, &c, best, 0, -1);
  if (best[a] == -INFINITY)
    return solver_none(s, rows, row, "every sequence of states has a score of -inf in it");
  memset(z, 0, (size_t)s->n * sizeof *z);
  double sum = mark(p, &c, 0, -1, a, z);
  for (int64_t t = 1; t < p->positions; t++) {
    int64_t b = best_state(p, &c, best, t, a);
    sum += mark(p, &c, t, a, b, z);
    a = b;
  }
  solver_answer(rows, row, sum);
  return MG_OK;
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  mg_status status = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++) status = solve_one(s, rows, r, scratch);
  return status;
}

/* ---------------------------------------------------------------- the set of solutions */

/* The one entry that is 1 in z [n], all others 0; -1: no. */
static int64_t only_one(const mg_real *z, int64_t n) {
  int64_t found = -1;
  for (int64_t i = 0; i < n; i++) {
    if (z[i] == 0) continue;
    if (z[i] != 1 || found >= 0) return -1;
    found = i;
  }
  return found;
}

static int is_allowed(const plan *p, const mg_real *transitions, int64_t a, int64_t b) {
  return !transitions || transitions[a * p->states + b] != -INFINITY;
}

static int is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  const plan *p = s->plan;
  const mg_real *transitions = p->is_edges ? NULL : solver_context(rows, TRANSITIONS, row);
  int64_t width = p->is_edges ? p->states * p->states : p->states, last = -1;
  for (int64_t t = 0; t < s->n / width; t++) {
    int64_t found = only_one(z + t * width, width);
    int64_t from = p->is_edges ? found / p->states : found;
    if (found < 0) return 0;
    if (t > 0 && (p->is_edges ? from != last : !is_allowed(p, transitions, last, from))) return 0;
    last = found % p->states;
  }
  return 1;
}

/* Sequences from the position t on, given that z holds what is before and ends in state a. */
static mg_status extend(const mg_solver *s, const mg_real *transitions, solver_visit *visit, mg_real *z,
                        int64_t *sequence) {
  const plan *p = s->plan;
  int64_t t = 0, steps = 0;
  sequence[0] = -1;
  while (t >= 0) { /* odometer, the last position fastest */
    if (++steps % 4096 == 0 && interrupt_tick() != MG_OK) return MG_INTERRUPTED;
    if (++sequence[t] == p->states) {
      t--;
      continue;
    }
    if (t > 0 && !is_allowed(p, transitions, sequence[t - 1], sequence[t])) continue;
    if (t + 1 < p->positions) {
      sequence[++t] = -1;
      continue;
    }
    chain nothing = {0};
    memset(z, 0, (size_t)s->n * sizeof *z);
    for (int64_t i = 0; i < p->positions; i++)
      mark(p, &nothing, i, i > 0 ? sequence[i - 1] : -1, sequence[i], z);
    mg_status status = solver_found(visit, z);
    if (status != MG_OK) return status;
  }
  return MG_OK;
}

/* In lexicographic order of the states. Dead ends of transitions are walked into. */
static mg_status enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  const plan *p = s->plan;
  const mg_real *transitions = p->is_edges ? NULL : solver_context(rows, TRANSITIONS, 0);
  mg_real *z = memory_array(s->n, (int64_t)sizeof *z);
  int64_t *sequence = memory_array(p->positions, (int64_t)sizeof *sequence);
  mg_status status = z && sequence ? extend(s, transitions, visit, z, sequence) : MG_NO_MEMORY;
  memory_free(sequence);
  memory_free(z);
  return status;
}

/* ---------------------------------------------------------------- the kinds */

static const mg_option node_options[] = {
    {.name = "length", .form = "count", .doc = "positions"},
    {.name = "states", .form = "count", .doc = "states of a position"},
    {0},
};
static const mg_option node_contexts[] = {
    {.name = "transitions",
     .form = "states states",
     .doc = "score of a state (row) being followed by another (column); -inf forbids it; default 0"},
    {0},
};
static const mg_option edge_options[] = {
    {.name = "steps", .form = "count", .doc = "steps from one position to the next"},
    {.name = "states", .form = "count", .doc = "states of a position"},
    {0},
};
static const mg_option edge_contexts[] = {{0}};

const solver_kind solver_chain, solver_chain_edges;
const solver_kind solver_chain = {
    .kind = {.name = "chain",
             .sense = "max",
             .shape = "length states",
             .doc = "the best sequence of states (Viterbi 1967). theta [length, states], the score of each "
                    "state at each position -> z [length, states], one 1 a position. The context "
                    "transitions adds a score, which is no part of theta, for each two states in "
                    "succession; objectives contain it. -inf is forbidden. Ties: the smallest first "
                    "state, then the smallest second one, ... O(length states^2). To learn transitions: "
                    "chain_edges. Example: solver.chain { length = 5, states = 3 }.",
             .settings = node_options,
             .contexts = node_contexts,
             .is_exact = 1,
             .is_constant_sum = 1},
    .rows_at_once = 16,
    .prepare = prepare_nodes,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_FORBIDS,
    .solve = solve,
    .is_feasible = is_feasible,
    .enumerate = enumerate};
const solver_kind solver_chain_edges = {
    .kind = {.name = "chain_edges",
             .sense = "max",
             .shape = "steps states states",
             .doc = "the best sequence of states whose steps are scored (Viterbi 1967), as in a linear-chain "
                    "CRF. theta [steps, states, states], the score of going from a state (row) to the next "
                    "(column) -> z of the same shape, one 1 a step, each from the state where the last one "
                    "ended. Scores of states and shared transitions are added by broadcasting before: "
                    "edges = unary[step + 1] + transitions. -inf is forbidden. Ties: the smallest first "
                    "state, then the smallest second one, ... O(steps states^2).",
             .settings = edge_options,
             .contexts = edge_contexts,
             .is_exact = 1,
             .is_constant_sum = 1},
    .rows_at_once = 16,
    .prepare = prepare_edges,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_FORBIDS,
    .solve = solve,
    .is_feasible = is_feasible,
    .enumerate = enumerate};
