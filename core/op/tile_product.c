/* Blocks of 4 rows by 3 vectors stay in registers while the inner index runs. The Makefile lets the
 * compiler fuse multiplications and additions in this file, as BLAS does. */
#include "tile_product.h"

enum { ROWS = 4, VECTORS = 3 };

typedef mg_real lanes __attribute__((vector_size(TILE_LANES * sizeof(mg_real)),
                                     aligned(sizeof(mg_real)), may_alias));

/* Loads of b once and not again for each row, which would take more time than the products. */
#if defined(__AVX__) && !defined(MG_DOUBLE)
#define IN_REGISTER(x) __asm__("" : "+x"(x))
#else
#define IN_REGISTER(x) ((void)0)
#endif

/* A block of `rows` x `vectors`, both constants. */
static inline __attribute__((always_inline)) void block(int rows, int vectors, int64_t inner,
                                                        const mg_real *a, const mg_real *b,
                                                        mg_real *c, int64_t stride) {
  lanes sum[ROWS][VECTORS];
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++) sum[r][v] = (lanes){0};
  for (int64_t k = 0; k < inner; k++) {
    lanes x[VECTORS];
    for (int v = 0; v < vectors; v++) {
      x[v] = *(const lanes *)(const void *)(b + k * stride + v * TILE_LANES);
      IN_REGISTER(x[v]);
    }
    for (int r = 0; r < rows; r++)
      for (int v = 0; v < vectors; v++) sum[r][v] += a[r * inner + k] * x[v];
  }
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++)
      *(lanes *)(void *)(c + r * stride + v * TILE_LANES) = sum[r][v];
}

/* A band of `rows` rows, a constant. */
static inline __attribute__((always_inline)) void band(int rows, int64_t vectors, int64_t inner,
                                                       const mg_real *a, const mg_real *b,
                                                       mg_real *c, int64_t stride) {
  for (; vectors >= 3; vectors -= 3, b += 3 * TILE_LANES, c += 3 * TILE_LANES)
    block(rows, 3, inner, a, b, c, stride);
  if (vectors == 2) block(rows, 2, inner, a, b, c, stride);
  else if (vectors == 1) block(rows, 1, inner, a, b, c, stride);
}

void tile_product(int64_t rows, int64_t columns, int64_t inner, const mg_real *a, const mg_real *b,
                  mg_real *c, int64_t stride) {
  int64_t vectors = (columns + TILE_LANES - 1) / TILE_LANES;
  for (; rows >= ROWS; rows -= ROWS, a += ROWS * inner, c += ROWS * stride)
    band(ROWS, vectors, inner, a, b, c, stride);
  for (; rows > 0; rows--, a += inner, c += stride) band(1, vectors, inner, a, b, c, stride);
}
