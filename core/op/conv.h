/* A convolution as its files see it: shapes, places, the cut into tiles. */
#ifndef CONV_H
#define CONV_H
#include "op.h"

enum { CONV_PARTS = 8 }; /* parts of a batch with sums of their own for the weight's gradient */

typedef struct conv {
  int64_t batch, all_channels, height, width, all_filters;
  int64_t groups, channels, filters; /* channels and filters of a group */
  int64_t kernel_height, kernel_width;
  mg_conv window;
  int64_t rows, columns; /* of an image of the result */
  int64_t taps;          /* channels * kernel_height * kernel_width */
  int64_t tile, tiles;   /* rows of the result in a tile, tiles in an image */
  int is_direct;         /* the columns are the image itself: kernel 1, stride 1, no pad */
  int is_shift;          /* a tap meets the image shifted: stride 1, the result as wide */
  const mg_real *x, *weight, *bias, *dy;
  mg_real *out;
  int64_t part;     /* images that share a partial sum of the weight's gradient */
  mg_real *partial; /* [parts, all filters, taps] */
} conv;

/* Whether the way of winograd.c can be taken and pays. */
int winograd_fits(const conv *c);
/* They set c->out, as the functions of the public header say. */
mg_status winograd_forward(const conv *c);
mg_status winograd_input(const conv *c);
mg_status winograd_weight(const conv *c);

#endif
