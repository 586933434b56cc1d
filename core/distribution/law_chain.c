/* Sequences of states: scores of states (chain) or of steps (chain_edges), as in a linear-chain
 * CRF. */
#include <inttypes.h>

#include "base/memory.h"
#include "lattice.h"

/* The source, a node for each position and state, the sink. */
static mg_status build(mg_law *p, int64_t positions, int64_t states, int is_edges) {
  lattice *g;
  int64_t cells = memory_product(positions, states),
          arcs = cells < 0 ? -1 : memory_product(cells, states);
  int64_t square = states * states;
  mg_status status =
      lattice_begin(p, cells < 0 ? -1 : cells + 2, arcs < 0 ? -1 : arcs + 2 * states, &g);
  if (status != MG_OK) return status;
  lattice_node(g);
  for (int64_t t = 0; t < positions; t++)
    for (int64_t b = 0; b < states; b++) {
      lattice_node(g);
      if (t == 0) lattice_arc(g, 0, is_edges ? -1 : b);
      for (int64_t a = 0; t > 0 && a < states; a++)
        lattice_arc(g, 1 + (t - 1) * states + a,
                    is_edges ? (t - 1) * square + a * states + b : t * states + b);
    }
  lattice_node(g);
  for (int64_t a = 0; a < states; a++) lattice_arc(g, 1 + (positions - 1) * states + a, -1);
  lattice_done(p);
  return MG_OK;
}

static mg_status prepare_nodes(mg_law *p, const settings *given) {
  int64_t length = settings_count(given, "length"), states = settings_count(given, "states");
  p->n = length * states;
  return build(p, length, states, 0);
}

static mg_status prepare_edges(mg_law *p, const settings *given) {
  int64_t steps = settings_count(given, "steps"), states = settings_count(given, "states");
  int64_t square = memory_product(states, states);
  p->n = square < 0 ? -1 : memory_product(steps, square);
  if (p->n < 0)
    return fail(MG_BAD_ARGUMENT, "chain_edges: %" PRId64 " states are too many", states);
  return build(p, steps + 1, states, 1);
}

static const mg_option node_options[] = {
    {.name = "length", .form = "count", .doc = "positions"},
    {.name = "states", .form = "count", .doc = "states of a position"},
    {0},
};
static const mg_option edge_options[] = {
    {.name = "steps", .form = "count", .doc = "steps from one position to the next"},
    {.name = "states", .form = "count", .doc = "states of a position"},
    {0},
};

const law_kind law_chain, law_chain_edges;
const law_kind law_chain = {.kind = {.name = "chain", .settings = node_options},
                            .none = "no sequence of states is allowed",
                            .prepare = prepare_nodes,
                            LATTICE_FUNCTIONS};
const law_kind law_chain_edges = {.kind = {.name = "chain_edges", .settings = edge_options},
                                  .none = "no sequence of states is allowed",
                                  .prepare = prepare_edges,
                                  LATTICE_FUNCTIONS};
