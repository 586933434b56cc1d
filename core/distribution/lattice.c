/* Sums over the paths of a graph. The forward pass leaves with each arc the probability that a path
 * into its head comes by it: marginals, their tangents and samples need nothing else, and as it
 * lies in [0, 1] nothing overflows. */
#include "lattice.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"

enum { TICK = 1 << 14, MOST_ARCS = 1 << 28 };

typedef struct work {
  double *score;   /* [nodes] log of the sum over paths from the source */
  double *share;   /* [arcs] */
  double *slope;   /* [nodes] of score along dx */
  double *mass;    /* [nodes] probability that a path meets the node */
  double *tangent; /* [nodes] of mass along dx */
} work;

/* ---------------------------------------------------------------- building */

mg_status lattice_begin(mg_law *p, int64_t nodes, int64_t arcs, lattice **out) {
  if (nodes < 0 || arcs < 0 || nodes > MOST_ARCS || arcs > MOST_ARCS)
    return fail(MG_BAD_ARGUMENT, "%s: the recurrence would take over %d steps", p->kind->kind.name,
                MOST_ARCS);
  lattice *g = memory_new((int64_t)sizeof *g);
  if (!g) return MG_NO_MEMORY;
  *g = (lattice){.most_nodes = nodes, .most_arcs = arcs};
  p->plan = g;
  g->first = memory_array(nodes + 1, (int64_t)sizeof *g->first);
  g->from = memory_array(arcs, (int64_t)sizeof *g->from);
  g->entry = memory_array(arcs, (int64_t)sizeof *g->entry);
  if (!g->first || !g->from || !g->entry) return MG_NO_MEMORY;
  g->first[0] = 0;
  *out = g;
  return MG_OK;
}

int64_t lattice_node(lattice *g) {
  g->first[g->nodes + 1] = g->first[g->nodes];
  return g->nodes++;
}

void lattice_arc(lattice *g, int64_t from, int64_t entry) {
  int64_t arc = g->first[g->nodes]++;
  g->from[arc] = (int32_t)from;
  g->entry[arc] = (int32_t)entry;
}

void lattice_done(mg_law *p) {
  lattice *g = p->plan;
  g->sink = g->nodes - 1;
  p->cost = g->first[g->nodes] + g->nodes;
}

void lattice_release(mg_law *p) {
  lattice *g = p->plan;
  memory_free(g->first);
  memory_free(g->from);
  memory_free(g->entry);
}

/* ---------------------------------------------------------------- passes */

static work split(const lattice *g, void *scratch) {
  double *at = scratch;
  work w = {.score = at, .slope = at + g->nodes, .mass = at + 2 * g->nodes};
  w.tangent = at + 3 * g->nodes;
  w.share = at + 4 * g->nodes;
  return w;
}

int64_t lattice_scratch_bytes(const mg_law *p) {
  const lattice *g = p->plan;
  return (4 * g->nodes + g->first[g->nodes]) * (int64_t)sizeof(double);
}

/* The score of a node from those of the arcs into it, and their shares. */
static double gather(const lattice *g, const work *w, const double *x, int64_t v) {
  double most = -INFINITY, sum = 0;
  int64_t begin = g->first[v], end = g->first[v + 1];
  for (int64_t k = begin; k < end; k++) {
    double t = w->score[g->from[k]];
    if (g->entry[k] >= 0) t += x[g->entry[k]];
    w->share[k] = t;
    most = t > most ? t : most;
  }
  for (int64_t k = begin; k < end; k++) {
    w->share[k] = most == -INFINITY ? 0 : w->share[k] == most ? 1 : exp(w->share[k] - most);
    sum += w->share[k];
  }
  for (int64_t k = begin; k < end; k++) w->share[k] = sum > 0 ? w->share[k] / sum : 0;
  return sum > 0 ? most + log(sum) : -INFINITY;
}

static mg_status tick(int64_t v) { return v % TICK == TICK - 1 ? interrupt_tick() : MG_OK; }

mg_status lattice_forward(const mg_law *p, const double *x, void *scratch, double *log_partition) {
  const lattice *g = p->plan;
  work w = split(g, scratch);
  mg_status status = MG_OK;
  for (int64_t v = 0; v < g->nodes && status == MG_OK; v++) {
    w.score[v] = v == g->source ? 0 : gather(g, &w, x, v);
    status = tick(v);
  }
  *log_partition = w.score[g->sink];
  return status;
}

/* Slopes of scores along dx. */
static mg_status differentiate(const lattice *g, const work *w, const double *dx) {
  mg_status status = MG_OK;
  for (int64_t v = 0; v < g->nodes && status == MG_OK; v++) {
    double sum = 0;
    for (int64_t k = g->first[v]; v != g->source && k < g->first[v + 1]; k++)
      sum += w->share[k] * (w->slope[g->from[k]] + (g->entry[k] >= 0 ? dx[g->entry[k]] : 0));
    w->slope[v] = sum;
    status = tick(v);
  }
  return status;
}

/* Hands the mass of a node, and its change along dx if that is not NULL, to the arcs into it. */
static void spread(const lattice *g, const work *w, const double *dx, int64_t v, double *mu,
                   double *dmu) {
  for (int64_t k = g->first[v]; k < g->first[v + 1]; k++) {
    int64_t u = g->from[k], e = g->entry[k];
    double mass = w->mass[v] * w->share[k];
    w->mass[u] += mass;
    if (e >= 0) mu[e] += mass;
    if (!dx || w->share[k] == 0) continue;
    double change = w->slope[u] + (e >= 0 ? dx[e] : 0) - w->slope[v]; /* of the log of share */
    double tangent = w->tangent[v] * w->share[k] + mass * change;
    w->tangent[u] += tangent;
    if (e >= 0) dmu[e] += tangent;
  }
}

mg_status lattice_backward(const mg_law *p, const double *x, const double *dx, void *scratch,
                           double *mu, double *dmu) {
  const lattice *g = p->plan;
  work w = split(g, scratch);
  (void)x;
  mg_status status = dx ? differentiate(g, &w, dx) : MG_OK;
  memset(mu, 0, (size_t)p->n * sizeof *mu);
  if (dx) memset(dmu, 0, (size_t)p->n * sizeof *dmu);
  memset(w.mass, 0, (size_t)g->nodes * sizeof *w.mass);
  memset(w.tangent, 0, (size_t)g->nodes * sizeof *w.tangent);
  w.mass[g->sink] = 1;
  for (int64_t v = g->sink; v >= 0 && status == MG_OK; v--) {
    if (v != g->source) spread(g, &w, dx, v, mu, dmu);
    status = tick(v);
  }
  return status;
}

void lattice_sample(const mg_law *p, const double *x, void *scratch, law_place *place, mg_real *z) {
  const lattice *g = p->plan;
  work w = split(g, scratch);
  (void)x;
  for (int64_t v = g->sink; v != g->source;) {
    int64_t last = g->first[v], end = g->first[v + 1];
    double u = end - last > 1 ? law_uniform(place) : 0, sum = 0;
    for (int64_t k = last; k < end; k++) {
      if (w.share[k] == 0) continue;
      last = k; /* the last one stands for what rounding leaves of 1 */
      sum += w.share[k];
      if (u < sum) break;
    }
    if (g->entry[last] >= 0) z[g->entry[last]] = 1;
    v = g->from[last];
  }
}
