/* Solutions as the paths of a graph without cycles from a source to a sink: each arc gives one
 * entry of z, or none, and each solution is one path. */
#ifndef LATTICE_H
#define LATTICE_H
#include "law.h"

typedef struct lattice {
  int64_t nodes, most_nodes, most_arcs, source, sink;
  int64_t *first; /* [nodes + 1] where the arcs into a node begin */
  int32_t *from;  /* [arcs] nodes, which come before the arc's head */
  int32_t *entry; /* [arcs] of z, or -1 */
} lattice;

/* Makes an empty lattice the plan of p, its source node 0. Then, node by node in an order that arcs
 * follow: lattice_node and its lattice_arcs. The last node is the sink unless g->sink is set after
 * lattice_done. MG_BAD_ARGUMENT if it is too large; arcs < 0 says that their number overflows. */
mg_status lattice_begin(mg_law *p, int64_t nodes, int64_t arcs, lattice **g);
/* Starts the next node; returns its number. */
int64_t lattice_node(lattice *g);
/* An arc into the node started last. */
void lattice_arc(lattice *g, int64_t from, int64_t entry);
void lattice_done(mg_law *p);

/* The functions of a kind whose plan is a lattice. */
void lattice_release(mg_law *p);
int64_t lattice_scratch_bytes(const mg_law *p);
mg_status lattice_forward(const mg_law *p, const double *x, void *scratch, double *log_partition);
mg_status lattice_backward(const mg_law *p, const double *x, const double *dx, void *scratch,
                           double *mu, double *dmu);
void lattice_sample(const mg_law *p, const double *x, void *scratch, law_place *place, mg_real *z);

/* They in the row of such a kind. */
#define LATTICE_FUNCTIONS                                                                          \
  .release = lattice_release, .scratch_bytes = lattice_scratch_bytes, .forward = lattice_forward,  \
  .backward = lattice_backward, .sample = lattice_sample

#endif
