/* What the parts of grid_path share. Cells are numbered with a border of one cell around the grid. */
#ifndef GRID_PATH_H
#define GRID_PATH_H
#include "solver.h"

enum { START = 0, GOAL = 1 };
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

/* grid_path_set.c: the feasible set */
int grid_is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z);
mg_status grid_enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit);

#endif
