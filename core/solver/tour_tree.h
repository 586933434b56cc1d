/* 1-trees: what bounds tours from below. */
#ifndef TOUR_TREE_H
#define TOUR_TREE_H
#include "tour.h"

typedef double lanes __attribute__((vector_size(TOUR_LANES * sizeof(double))));
typedef int64_t masks __attribute__((vector_size(TOUR_LANES * sizeof(int64_t))));

/* A spanning tree of the cities 1..n-1 and two edges of city 0, of least total weight, where edge i-j
 * weighs weight[i][j] + price[i] + price[j]. The weight is the cost, INFINITY of an edge that is left
 * out and TOUR_REQUIRED of one that must be in. */
#define TOUR_REQUIRED (-1e9)

typedef struct tour_tree {
  int n, width;         /* width: n rounded up to lanes */
  const double *cost;   /* [n, n] */
  double *weight;       /* [n, width]; INFINITY on the diagonal and past n */
  double *price;        /* [width] */
  double *best_price;   /* [width] of the greatest value of an ascent */
  double *slope;        /* [width] degree - 2 of the tree before */
  double *open, *least; /* [width] Prim: price or INFINITY; least weight of an edge to the tree */
  int64_t *nearest;     /* [width] that edge's end in the tree */
  int32_t *parent;      /* [n] of cities 2..n-1 */
  int32_t *order;       /* [n - 1] as they joined, from 1 on */
  int32_t *depth;       /* [n] */
  double *key;          /* [n] weight of the edge to the parent, with prices */
  int32_t *degree;      /* [n] */
  int32_t special[2];   /* the other ends of the edges of city 0 */
  double special_key[3]; /* their weights, and of the third least */
} tour_tree;

int64_t tour_tree_bytes(int n);
/* Lays t out in the block; weights are the costs, prices 0. */
void tour_tree_start(tour_tree *t, int n, const double *cost, void *block);
/* The least 1-tree at the prices: its value, the tree's weight less twice the prices, in whose place
 * required edges cost what they cost. INFINITY if there is none. No tour with the required and without
 * the left-out edges costs less. O(n^2). */
double tour_tree_make(tour_tree *t);
/* Whether the tree is a tour; then writes it. */
int tour_tree_is_tour(const tour_tree *t);
void tour_tree_tour(const tour_tree *t, int32_t *tour);
/* Moves the prices a step of this length along the slope (Held, Karp 1971), part of it along the slope
 * before. */
void tour_tree_step(tour_tree *t, double length);
double tour_tree_slope_square(const tour_tree *t);

#endif
