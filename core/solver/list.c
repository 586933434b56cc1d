/* The kinds of solvers, in the order in which they are listed to people. */
#include <stddef.h>

#include "solver.h"

extern const solver_kind solver_arborescence, solver_assignment, solver_chain, solver_chain_edges,
    solver_dag_path, solver_graph_path, solver_grid_path, solver_ilp, solver_knapsack,
    solver_maximum_spanning_tree, solver_min_cost_flow, solver_one_hot, solver_perfect_matching,
    solver_quadratic_assignment, solver_ranking, solver_scheduling, solver_sorting,
    solver_spanning_tree, solver_top_k, solver_tour;

const solver_kind *const solver_list[] = {
    &solver_one_hot, &solver_top_k, &solver_ranking, &solver_sorting, &solver_knapsack,
    &solver_grid_path, &solver_graph_path, &solver_dag_path, &solver_min_cost_flow,
    &solver_spanning_tree, &solver_maximum_spanning_tree, &solver_arborescence, &solver_assignment,
    &solver_perfect_matching, &solver_tour, &solver_chain, &solver_chain_edges, &solver_scheduling,
    &solver_quadratic_assignment, &solver_ilp, NULL,
};
