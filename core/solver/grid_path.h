/* What the parts of grid_path share. Cells are numbered with a border of one cell around the grid. */
#ifndef GRID_PATH_H
#define GRID_PATH_H
#include "solver.h"

enum { START = 0, GOAL = 1, GRID_BUCKETS = 4096, GRID_LANE_CELLS = 1 << 14 };
/* Instances side by side: a group fills a vector register. */
enum { GRID_GROUP = 32 / sizeof(mg_real), GRID_LANES = 2 * GRID_GROUP };
typedef enum { NEGATIVE_ERROR, NEGATIVE_CLIP, NEGATIVE_SHIFT } negative_rule;

typedef struct grid_plan {
  int64_t rows, cols;
  int diagonal; /* 8 neighbours */
  negative_rule negative;
} grid_plan;

/* Cells with the border. */
int64_t grid_bordered(const grid_plan *p);
/* The number without the border of a cell inside. */
int64_t grid_plain_cell(const grid_plan *p, int64_t cell);
/* Offsets of the neighbours of a cell in ascending order; returns how many. */
int grid_neighbours(const grid_plan *p, int64_t offsets[8]);
/* The cell given by context START or GOAL, or the corner that is its default. */
mg_status grid_end(const mg_solver *s, const solver_rows *rows, int64_t row, int which, int64_t *cell);

/* What is known of a cell; unmet: the distance is infinite. Obstacles and the border cost inf. */
typedef struct grid_node {
  mg_real distance, cost;
} grid_node;

typedef struct grid_entry {
  mg_real distance;
  int32_t cell;
} grid_entry;

/* Of the costs that are finite. */
typedef struct grid_range {
  mg_real least, most;
  double sum;
  int64_t count;
} grid_range;

/* grid_path_search.c: distances from the start at least of all cells on cheapest paths to the goal.
 * Scratch: heap and next [bordered], which may be one place, head [GRID_BUCKETS]. */
mg_status grid_search(const grid_plan *p, const grid_range *range, grid_node *nodes, grid_entry *heap,
                      int32_t *next, int32_t *head, int64_t start, int64_t goal);

/* grid_path_lanes.c: distances from the starts of `used` of the lanes, which are GRID_GROUP or
 * GRID_LANES. distance and cost [bordered, lanes], bordered at most GRID_LANE_CELLS; border cells cost
 * anything finite. */
mg_status grid_sweep_lanes(const grid_plan *p, int lanes, mg_real *distance, const mg_real *cost,
                           const int64_t *starts, int used);

/* grid_path_set.c: the feasible set */
int grid_is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z);
mg_status grid_enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit);

#endif
