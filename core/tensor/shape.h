/* Shapes: axes, products, broadcasting, their text. */
#ifndef SHAPE_H
#define SHAPE_H
#include "tensor.h"

enum { SHAPE_TEXT_BYTES = 160 };

/* "2x3x4"; "scalar" for no axes. Writes to text and returns it. */
const char *shape_text(char text[SHAPE_TEXT_BYTES], const int64_t *shape, int axes);
/* The same for a tensor. */
const char *shape_of(char text[SHAPE_TEXT_BYTES], const mg_tensor *x);

/* Product of extents first..last-1 of a shape; 1 if there are none. */
int64_t shape_product(const int64_t *shape, int first, int last);

int shape_equal(const mg_tensor *a, const mg_tensor *b);
/* MG_BAD_SHAPE "op: expected 2x3, got 4" unless b has a's shape. */
mg_status shape_expect(const char *op, const mg_tensor *a, const mg_tensor *b);
/* MG_BAD_SHAPE unless x has so many axes; what: "x", "weight", ... */
mg_status shape_expect_axes(const char *op, const char *what, const mg_tensor *x, int axes);

/* NumPy's rules: shape[axes] of the result, or MG_BAD_SHAPE "op: shapes 2x3 and 2 do not broadcast". */
mg_status shape_broadcast(const char *op, const mg_tensor *a, const mg_tensor *b, int64_t *shape,
                          int *axes);

#endif
