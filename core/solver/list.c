/* The kinds of solvers, in the order in which they are listed to people. */
#include <stddef.h>

#include "solver.h"

extern const solver_kind solver_grid_path, solver_one_hot, solver_perfect_matching, solver_top_k;

const solver_kind *const solver_list[] = {&solver_one_hot, &solver_top_k, &solver_grid_path,
                                          &solver_perfect_matching, NULL};
