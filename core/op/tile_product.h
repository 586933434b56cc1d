/* Products of small matrices that lie in the cache, without BLAS's packing. */
#ifndef TILE_PRODUCT_H
#define TILE_PRODUCT_H
#include "../mapgrad.h"

enum { TILE_LANES = 8 };

/* c [rows, columns] = a [rows, inner] b [inner, columns]. Rows of b and c lie `stride` reals apart, a
 * multiple of TILE_LANES; columns are rounded up to one: what lies there in b is read, in c written. */
void tile_product(int64_t rows, int64_t columns, int64_t inner, const mg_real *a, const mg_real *b,
                  mg_real *c, int64_t stride);

#endif
