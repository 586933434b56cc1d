/* The kinds of solvers, in the order in which they are listed to people. */
#include <stddef.h>

#include "solver.h"

extern const solver_kind solver_grid_path, solver_one_hot, solver_top_k;
extern const solver_kind solver_knapsack, solver_chain, solver_chain_edges, solver_scheduling;
extern const solver_kind solver_quadratic_assignment;

const solver_kind *const solver_list[] = {&solver_one_hot,  &solver_top_k, &solver_grid_path,
                                          &solver_knapsack, &solver_chain, &solver_chain_edges,
                                          &solver_scheduling, &solver_quadratic_assignment, NULL};
