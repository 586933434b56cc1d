/* Assignment: the parts that its files share. Here "rows" are the smaller side and "cols" the larger
 * one, whichever way the person has them; assignment.c turns the matrix.
 *
 * Arithmetic is exact. Costs are rounded to multiples of a quantum so small that no sum of the
 * algorithm needs more digits than a value has: duals, ties and answers are those of the rounded
 * costs, and an answer is a function of theta alone. */
#ifndef ASSIGNMENT_H
#define ASSIGNMENT_H
#include <math.h>
#include <string.h>

#include "solver.h"

#if !defined __clang__ /* vectors are passed to inlined functions only */
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#define INLINED static inline __attribute__((always_inline))

enum { LANES = 4, WIDTH_STEP = 2 * LANES, UNMATCHED = -1 };

/* Every finite value is below VALUE_FAR in size, a forbidden cell's stays above it whatever finite
 * numbers are added: it is a mark, never part of a sum that counts. */
#ifdef MG_DOUBLE
typedef int64_t value;
enum { VALUE_BITS = 60 };
#define VALUE_FAR ((value)1 << 61)
#define VALUE_FORBIDDEN ((value)3 << 60)
#else
typedef double value;
enum { VALUE_BITS = 52 };
#define VALUE_FAR ((value)INFINITY)
#define VALUE_FORBIDDEN ((value)INFINITY)
#endif

typedef value values __attribute__((vector_size(LANES * sizeof(value))));
typedef int64_t marks __attribute__((vector_size(LANES * sizeof(int64_t))));

INLINED values values_pick(marks where, values yes, values no) {
  return (values)((where & (marks)yes) | (~where & (marks)no));
}
INLINED marks marks_pick(marks where, marks yes, marks no) { return (where & yes) | (~where & no); }
INLINED values values_at(const value *at) { return *(const values *)(const void *)at; }
INLINED values values_all(value x) { return (values){0} + x; }
INLINED marks marks_all(int64_t x) { return (marks){0} + x; }

/* How numbers become values. */
typedef struct scale {
  value half;  /* half a quantum: makes columns that are taken look dearer among equals */
  value least; /* no price goes below by choice */
#ifdef MG_DOUBLE
  double up[2]; /* value = 2 * round(x * up[0] * up[1]) */
#else
  double magic; /* value = x + magic - magic */
#endif
} scale;

/* The scale for an instance of `rows` rows whose finite numbers are at most `largest` in size. */
scale assignment_scale(double largest, int64_t rows);

INLINED value value_of(const scale *k, double x) {
#ifdef MG_DOUBLE
  return x == INFINITY ? VALUE_FORBIDDEN : 2 * (value)llrint(x * k->up[0] * k->up[1]);
#else
  return x + k->magic - k->magic;
#endif
}
INLINED double number_of(const scale *k, value x) {
#ifdef MG_DOUBLE
  return (double)(x / 2) / k->up[0] / k->up[1];
#else
  return (void)k, x;
#endif
}

/* One instance, in scratch. */
typedef struct problem {
  int64_t rows, cols, width; /* width: cols up to a multiple of WIDTH_STEP */
  int is_square;             /* every column gets a row; else prices are <= 0 */
  scale scale;
  value *cost;         /* [rows, width], padded with forbidden cells; or NULL and */
  const mg_real *theta; /* [rows, width] minus the costs, padded with -inf, of large problems */
  const value *alone;  /* [rows] cost of a row without a column, or NULL */
  value *price;        /* [width] of columns; those of taken ones less half a quantum */
  value *key;          /* [width] distances in a search */
  int64_t *from;       /* [width] the row that a distance came from */
  int64_t *col_of;     /* [rows] or UNMATCHED */
  int64_t *row_of;     /* [width] or UNMATCHED */
  int64_t *open;       /* [rows] rows to be placed */
  int64_t *done;       /* [rows] columns settled in a search */
  value *done_key;     /* [rows] their distances */
  value *done_price;   /* [rows] their prices */
  uint64_t *tight;     /* [rows, words] cells of reduced cost 0 */
  int64_t words;       /* of cols bits */
} problem;

/* The price of a column as it is. */
INLINED value true_price(const problem *p, int64_t col) {
  return p->row_of[col] == UNMATCHED ? p->price[col] : p->price[col] + p->scale.half;
}
INLINED value cost_at(const problem *p, int64_t row, int64_t col) {
  if (p->theta) return value_of(&p->scale, -(double)p->theta[row * p->width + col]);
  return p->cost[row * p->width + col];
}

/* LANES costs of a row from a column on; from_theta: whether p->theta is set. */
INLINED values costs_at(const problem *p, int64_t place, int from_theta) {
#ifndef MG_DOUBLE
  if (from_theta) {
    typedef mg_real reals
        __attribute__((vector_size(LANES * sizeof(mg_real)), aligned(sizeof(mg_real))));
    const reals theta = *(const reals *)(const void *)(p->theta + place);
    return p->scale.magic - __builtin_convertvector(theta, values) - p->scale.magic;
  }
#endif
  (void)from_theta;
  return values_at(p->cost + place);
}

typedef enum outcome { SOLVED, IMPOSSIBLE, STOPPED } outcome;

/* Places all rows at least cost, from the prices given (not yet lowered by half a quantum). */
outcome assignment_dense(problem *p);
/* After that: prices without the half quantum; then the tight cells of a row, [words]. */
void assignment_true_prices(problem *p);
void assignment_mark_row(const problem *p, int64_t row, uint64_t *tight);

/* What ties need to know, in the person's sides. */
typedef struct ties {
  int64_t rows, cols, words;
  int is_perfect;        /* 1: every row and column has a partner */
  const uint64_t *tight; /* [rows, words of cols] cells of optimal assignments */
  int64_t *col_of;       /* [rows] an optimal assignment, or UNMATCHED: becomes the smallest */
  int64_t *row_of;       /* [cols] */
  unsigned char *free_row, *free_col; /* 1: may be without a partner at the same cost */
  void *work;            /* assignment_ties_bytes */
} ties;

int64_t assignment_ties_bytes(int64_t rows, int64_t cols);
/* Turns the assignment into the lexicographically smallest of the tight ones. MG_INTERRUPTED. */
mg_status assignment_break_ties(ties *t);

#endif
