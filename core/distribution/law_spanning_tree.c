/* Spanning trees: the matrix-tree theorem by elimination of one node after the other, in
 * logarithms. Eliminating node v joins each two of the others by weight w_iv w_jv / d_v, d_v =
 * sum_k w_kv, and the sum over trees is the product of all d_v: nothing is subtracted, so any
 * spread of scores will do. A tree is sampled backwards: of the joined edges those that came by v
 * are dropped, and v is joined to each part that is left by one of its edges. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "law.h"

enum { MOST_NODES = 256 };

typedef struct plan {
  int64_t nodes;
  int32_t ends[]; /* [2 n] */
} plan;

/* Stage v is the graph of nodes 0..v: a matrix of v + 1 rows. */
typedef struct work {
  double *stages, *slopes; /* logs of weights, and their change along dx */
  double *mass, *tangent;  /* [nodes, nodes] probability of an edge, above the diagonal */
  double *own, *change;                 /* [nodes] those of the edges of one node */
  int32_t *heads, *tails, *part, *last; /* [nodes] x 3, [nodes^2]: sampling */
} work;

static int64_t stages_size(int64_t nodes) { return nodes * (nodes + 1) * (2 * nodes + 1) / 6; }

/* Where stage v begins. */
static double *stage(double *all, int64_t v) { return all + stages_size(v); }

static mg_status prepare(mg_law *p, const settings *given) {
  int64_t count, nodes = settings_count(given, "nodes");
  const double *ends = settings_list(given, "edges", &count);
  if (count == 0 || count % 2 != 0)
    return fail(MG_BAD_ARGUMENT,
                "spanning_tree: edges has %" PRId64 " numbers, expected pairs of nodes", count);
  if (nodes > MOST_NODES)
    return fail(MG_BAD_ARGUMENT, "spanning_tree: the law takes up to %d nodes, got %" PRId64,
                MOST_NODES, nodes);
  p->n = count / 2;
  plan *q = memory_new((int64_t)sizeof *q + count * (int64_t)sizeof *q->ends);
  if (!q) return MG_NO_MEMORY;
  p->plan = q;
  p->cost = nodes * nodes * nodes / 3 + p->n;
  q->nodes = nodes;
  for (int64_t i = 0; i < count; i++) {
    if (!(ends[i] >= 0 && ends[i] < (double)nodes) || ends[i] != floor(ends[i]))
      return fail(MG_BAD_ARGUMENT,
                  "spanning_tree: edge %" PRId64 " has the end %g, expected a node in 1..%" PRId64,
                  i / 2 + 1, ends[i] + 1, nodes);
    q->ends[i] = (int32_t)ends[i];
    if (i % 2 == 1 && q->ends[i] == q->ends[i - 1])
      return fail(MG_BAD_ARGUMENT, "spanning_tree: edge %" PRId64 " joins node %g to itself",
                  i / 2 + 1, ends[i] + 1);
  }
  return MG_OK;
}

static void release(mg_law *p) { (void)p; }

static int64_t scratch_bytes(const mg_law *p) {
  int64_t nodes = ((const plan *)p->plan)->nodes;
  int64_t reals = 2 * stages_size(nodes) + 2 * nodes * nodes + 2 * nodes;
  return reals * (int64_t)sizeof(double) + (3 * nodes + nodes * nodes) * (int64_t)sizeof(int32_t);
}

static work split(int64_t nodes, void *scratch) {
  work w = {.stages = scratch};
  w.slopes = w.stages + stages_size(nodes);
  w.mass = w.slopes + stages_size(nodes);
  w.tangent = w.mass + nodes * nodes;
  w.own = w.tangent + nodes * nodes;
  w.change = w.own + nodes;
  w.heads = (int32_t *)(void *)(w.change + nodes);
  w.tails = w.heads + nodes;
  w.part = w.tails + nodes;
  w.last = w.part + nodes;
  return w;
}

/* log(exp a + exp b). */
static double add_logs(double a, double b) {
  double most = a > b ? a : b, least = a > b ? b : a;
  return least == -INFINITY ? most : most + log1p(exp(least - most));
}

/* exp(part - all), 0 where all is -inf: the share of a part in a sum. */
static double share_of(double part, double all) { return part == -INFINITY ? 0 : exp(part - all); }

/* Where an edge stands in the matrix of the last stage: row above column. */
static int64_t cell(const plan *q, int64_t e) {
  int32_t a = q->ends[2 * e], b = q->ends[2 * e + 1];
  return a < b ? a * q->nodes + b : b * q->nodes + a;
}

/* The log of d_v from the column of v. */
static double degree(const double *l, int64_t v) {
  double most = -INFINITY, sum = 0;
  for (int64_t k = 0; k < v; k++) most = l[k * (v + 1) + v] > most ? l[k * (v + 1) + v] : most;
  if (most == -INFINITY) return most;
  for (int64_t k = 0; k < v; k++) sum += exp(l[k * (v + 1) + v] - most);
  return most + log(sum);
}

static mg_status forward(const mg_law *p, const double *x, void *scratch, double *log_partition) {
  const plan *q = p->plan;
  work w = split(q->nodes, scratch);
  double *l = stage(w.stages, q->nodes - 1);
  *log_partition = 0;
  for (int64_t i = 0; i < q->nodes * q->nodes; i++) l[i] = -INFINITY;
  for (int64_t e = 0; e < p->n; e++) l[cell(q, e)] = add_logs(l[cell(q, e)], x[e]);
  for (int64_t v = q->nodes - 1; v > 0; v--) {
    double *next = stage(w.stages, v - 1), d = degree(l, v);
    mg_status status = interrupt_tick();
    *log_partition += d;
    if (status != MG_OK || d == -INFINITY) return status;
    for (int64_t i = 0; i < v; i++)
      for (int64_t j = i + 1; j < v; j++)
        next[i * v + j] = add_logs(l[i * (v + 1) + j], l[i * (v + 1) + v] + l[j * (v + 1) + v] - d);
    l = next;
  }
  return MG_OK;
}

/* ---------------------------------------------------------------- marginals */

/* Fills the slopes of all stages along dx. */
static mg_status differentiate(const mg_law *p, const double *x, const double *dx, const work *w) {
  const plan *q = p->plan;
  double *l = stage(w->stages, q->nodes - 1), *s = stage(w->slopes, q->nodes - 1);
  memset(s, 0, (size_t)(q->nodes * q->nodes) * sizeof *s);
  for (int64_t e = 0; e < p->n; e++) s[cell(q, e)] += share_of(x[e], l[cell(q, e)]) * dx[e];
  for (int64_t v = q->nodes - 1; v > 0; v--) {
    double *next = stage(w->stages, v - 1), *t = stage(w->slopes, v - 1), d = degree(l, v),
           slope = 0;
    int64_t width = v + 1;
    for (int64_t k = 0; k < v; k++) slope += share_of(l[k * width + v], d) * s[k * width + v];
    for (int64_t i = 0; i < v; i++)
      for (int64_t j = i + 1; j < v; j++) {
        double by = share_of(l[i * width + v] + l[j * width + v] - d, next[i * v + j]);
        t[i * v + j] = share_of(l[i * width + j], next[i * v + j]) * s[i * width + j] +
                       by * (s[i * width + v] + s[j * width + v] - slope);
      }
    l = next, s = t;
    mg_status status = interrupt_tick();
    if (status != MG_OK) return status;
  }
  return MG_OK;
}

/* Of the edge i, j of the stage below v: splits its mass into that of its own edge, and that by v.
 * Returns the mass by v; *turned: its change along dx. */
static double divide(const work *w, int64_t nodes, int64_t v, int64_t i, int64_t j, double d,
                     double slope, int with_tangent, double *turned) {
  const double *l = stage(w->stages, v), *next = stage(w->stages, v - 1);
  int64_t width = v + 1, at = i * nodes + j;
  double all = next[i * v + j], mass = w->mass[at];
  double by = share_of(l[i * width + v] + l[j * width + v] - d, all),
         own = share_of(l[i * width + j], all);
  w->mass[at] = mass * own;
  *turned = 0;
  if (with_tangent) {
    const double *s = stage(w->slopes, v), *t = stage(w->slopes, v - 1);
    double of_all = t[i * v + j], tangent = w->tangent[at];
    *turned = by * (tangent + mass * (s[i * width + v] + s[j * width + v] - slope - of_all));
    w->tangent[at] = own * (tangent + mass * (s[i * width + j] - of_all));
  }
  return mass * by;
}

/* Goes from the masses of edges of the stage below v to those of stage v. */
static void restore(const work *w, int64_t nodes, int64_t v, int with_tangent) {
  const double *l = stage(w->stages, v), *s = stage(w->slopes, v);
  int64_t width = v + 1;
  double d = degree(l, v), slope = 0, total = 0, tangent = 0, turned;
  for (int64_t k = 0; k < v; k++) {
    w->own[k] = w->change[k] = 0;
    if (with_tangent) slope += share_of(l[k * width + v], d) * s[k * width + v];
  }
  for (int64_t i = 0; i < v; i++)
    for (int64_t j = i + 1; j < v; j++) {
      double mass = divide(w, nodes, v, i, j, d, slope, with_tangent, &turned);
      total += mass, tangent += turned;
      w->own[i] += mass, w->own[j] += mass;
      w->change[i] += turned, w->change[j] += turned;
    }
  for (int64_t k = 0; k < v; k++) {
    double share = share_of(l[k * width + v], d);
    w->mass[k * nodes + v] = w->own[k] + (1 - total) * share;
    if (with_tangent)
      w->tangent[k * nodes + v] =
          w->change[k] + share * ((1 - total) * (s[k * width + v] - slope) - tangent);
  }
}

static mg_status backward(const mg_law *p, const double *x, const double *dx, void *scratch,
                          double *mu, double *dmu) {
  const plan *q = p->plan;
  work w = split(q->nodes, scratch);
  mg_status status = dx ? differentiate(p, x, dx, &w) : MG_OK;
  for (int64_t v = 1; v < q->nodes && status == MG_OK; v++) {
    restore(&w, q->nodes, v, dx != NULL);
    status = interrupt_tick();
  }
  const double *l = stage(w.stages, q->nodes - 1), *s = stage(w.slopes, q->nodes - 1);
  for (int64_t e = 0; e < p->n && status == MG_OK; e++) {
    int64_t at = cell(q, e);
    double share = share_of(x[e], l[at]), mass = w.mass[at] * share;
    mu[e] = mass < 0 ? 0 : mass > 1 ? 1 : mass; /* rounding only */
    if (dx) dmu[e] = share * w.tangent[at] + mass * (dx[e] - s[at]);
  }
  return status;
}

/* ---------------------------------------------------------------- samples */

static int32_t root_of(int32_t *part, int32_t v) {
  while (part[v] != v) v = part[v] = part[part[v]];
  return v;
}

/* One of the edges from v to the nodes of a part, by their weights; width columns. */
static int32_t pick(const double *l, int64_t v, int32_t *part, int32_t root, double u) {
  double most = -INFINITY, sum = 0, all = 0;
  int32_t last = root;
  for (int pass = 0; pass < 3; pass++)
    for (int32_t k = 0; k < v; k++) {
      double here = l[k * (v + 1) + v];
      if (root_of(part, k) != root || here == -INFINITY) continue;
      if (pass == 0) most = here > most ? here : most;
      if (pass == 1) all += exp(here - most);
      if (pass < 2 || sum > u * all) continue;
      sum += exp(here - most);
      last = k;
    }
  return last;
}

/* Turns a tree of stage v - 1 into one of stage v. */
static void grow(const work *w, int64_t v, law_place *place) {
  const double *l = stage(w->stages, v), *next = stage(w->stages, v - 1);
  int64_t width = v + 1, count = 0;
  for (int32_t k = 0; k < v; k++) w->part[k] = k;
  for (int64_t k = 0; k < v - 1; k++) {
    int32_t i = w->heads[k], j = w->tails[k];
    if (law_uniform(place) >= share_of(l[i * width + j], next[i * v + j])) continue;
    w->part[root_of(w->part, i)] = root_of(w->part, j);
    w->heads[count] = i, w->tails[count++] = j;
  }
  for (int32_t k = 0; k < v; k++) {
    if (root_of(w->part, k) != k) continue;
    w->heads[count] = pick(l, v, w->part, k, law_uniform(place));
    w->tails[count++] = (int32_t)v;
  }
}

static void sample(const mg_law *p, const double *x, void *scratch, law_place *place, mg_real *z) {
  const plan *q = p->plan;
  work w = split(q->nodes, scratch);
  const double *l = stage(w.stages, q->nodes - 1);
  for (int64_t v = 1; v < q->nodes; v++) grow(&w, v, place);
  for (int64_t i = 0; i < q->nodes * q->nodes; i++) w.mass[i] = -1, w.last[i] = -1;
  for (int64_t k = 0; k < q->nodes - 1; k++)
    w.mass[w.heads[k] * q->nodes + w.tails[k]] = law_uniform(place);
  for (int64_t e = 0; e < p->n;
       e++) { /* of parallel edges one; mass: what is left of the uniform number */
    int64_t at = cell(q, e);
    if (w.mass[at] < 0 || x[e] == -INFINITY) continue;
    w.mass[at] -= share_of(x[e], l[at]);
    if (w.last[at] >= 0) z[w.last[at]] = 0;
    w.last[at] = (int32_t)e;
    z[e] = 1;
  }
}

static const mg_option options[] = {
    {.name = "nodes", .form = "count", .doc = "how many"},
    {.name = "edges", .form = "list", .doc = "the two nodes of each edge", .is_index = 1},
    {0},
};

const law_kind law_spanning_tree;
const law_kind law_spanning_tree = {.kind = {.name = "spanning_tree", .settings = options},
                                    .none = "the allowed edges do not connect all nodes",
                                    .prepare = prepare,
                                    .release = release,
                                    .scratch_bytes = scratch_bytes,
                                    .forward = forward,
                                    .backward = backward,
                                    .sample = sample};
