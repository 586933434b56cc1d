/* The kinds of laws there are. */
#include <stddef.h>

#include "law.h"

extern const law_kind law_one_hot, law_top_k, law_chain, law_chain_edges, law_dag_path,
    law_knapsack, law_assignment, law_spanning_tree;

const law_kind *const law_list[] = {&law_one_hot,     &law_top_k,         &law_chain,
                                    &law_chain_edges, &law_dag_path,      &law_knapsack,
                                    &law_assignment,  &law_spanning_tree, NULL};
