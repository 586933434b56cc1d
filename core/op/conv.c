/* Convolution as matrix products. For an image and a group of channels, `columns` [C kh kw, cells]
 * holds what each weight meets at each cell of the result; then y = weight columns, with weight as
 * [D, C kh kw], C and D those of the group. Columns are made for a tile of rows of the result at a
 * time, so that they stay in the cache. Windows of 3x3 take the shorter way of winograd.c. */
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "blas.h"
#include "conv.h"
#include "tensor/shape.h"

/* ---- geometry */

enum { TILE_ENTRIES = 1 << 17 }; /* of columns */

static mg_status check_window(const char *op, const mg_conv *o) {
  for (int i = 0; i < 2; i++)
    if (o->stride[i] < 1 || o->pad[i] < 0 || o->dilation[i] < 1)
      return fail(MG_BAD_ARGUMENT, "%s: stride %d, pad %d and dilation %d, expected 1, 0 and 1 at least",
                  op, o->stride[i], o->pad[i], o->dilation[i]);
  if (o->groups < 1)
    return fail(MG_BAD_ARGUMENT, "%s: %d groups, expected 1 at least", op, o->groups);
  return MG_OK;
}

/* Rows or columns of the result; 0 where the window does not fit. */
static int64_t results(int64_t extent, int64_t kernel, const mg_conv *o, int axis) {
  int64_t room = extent + 2 * (int64_t)o->pad[axis] - ((kernel - 1) * o->dilation[axis] + 1);
  return room < 0 || kernel < 1 ? 0 : room / o->stride[axis] + 1;
}

/* Rows of the result in a tile, as even as can be. */
static void plan_tiles(conv *c) {
  int64_t row = c->taps * c->columns;
  int64_t most = row > TILE_ENTRIES ? 1 : row > 0 ? TILE_ENTRIES / row : c->rows;
  c->tiles = parallel_chunks(c->rows, most);
  c->tile = parallel_chunks(c->rows, c->tiles);
  c->tiles = parallel_chunks(c->rows, c->tile);
}

/* Reads the shapes of x and weight; MG_BAD_SHAPE, MG_BAD_ARGUMENT. */
static mg_status plan(const char *op, const mg_tensor *x, const mg_tensor *weight, const mg_conv *o,
                      conv *c) {
  if (shape_expect_axes(op, "x", x, 4) != MG_OK) return MG_BAD_SHAPE;
  if (shape_expect_axes(op, "weight", weight, 4) != MG_OK) return MG_BAD_SHAPE;
  if (check_window(op, o) != MG_OK) return MG_BAD_ARGUMENT;
  const int64_t *xs = x->shape, *ws = weight->shape;
  *c = (conv){.batch = xs[0], .all_channels = xs[1], .height = xs[2], .width = xs[3],
              .all_filters = ws[0], .groups = o->groups,
              .channels = xs[1] / o->groups, .filters = ws[0] / o->groups,
              .kernel_height = ws[2], .kernel_width = ws[3], .window = *o,
              .taps = ws[1] * ws[2] * ws[3],
              .rows = results(xs[2], ws[2], o, 0), .columns = results(xs[3], ws[3], o, 1),
              .x = x->data, .weight = weight->data};
  if (xs[1] % o->groups || ws[0] % o->groups || c->channels != ws[1] || c->rows == 0 ||
      c->columns == 0) {
    char left[SHAPE_TEXT_BYTES], right[SHAPE_TEXT_BYTES];
    return fail(MG_BAD_SHAPE, "%s: weight of shape %s does not fit x of shape %s with pad %dx%d, "
                "dilation %dx%d and %d groups", op, shape_of(right, weight), shape_of(left, x),
                o->pad[0], o->pad[1], o->dilation[0], o->dilation[1], o->groups);
  }
  int is_dense = o->stride[0] == 1 && o->stride[1] == 1;
  c->is_direct = ws[2] == 1 && ws[3] == 1 && is_dense && o->pad[0] == 0 && o->pad[1] == 0;
  c->is_shift = is_dense && c->columns == c->width;
  plan_tiles(c);
  return MG_OK;
}

static mg_status check_dy(const char *op, const conv *c, const mg_tensor *dy) {
  int64_t shape[4] = {c->batch, c->all_filters, c->rows, c->columns};
  if (dy->axes == 4 && memcmp(dy->shape, shape, sizeof shape) == 0) return MG_OK;
  char expected[SHAPE_TEXT_BYTES], got[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "%s: dy has shape %s, the result has %s", op, shape_of(got, dy),
              shape_text(expected, shape, 4));
}

/* Rows of the result in the tile that starts at row `first`. */
static int64_t tile_rows(const conv *c, int64_t first) {
  return c->rows - first < c->tile ? c->rows - first : c->tile;
}

/* The columns of a tile, for memory_free. */
static mg_real *new_columns(const conv *c) {
  return memory_array(c->taps * c->tile * c->columns, (int64_t)sizeof(mg_real));
}

/* Images or tiles for a chunk: a product's flops weigh a sixteenth of an element's work. */
static int64_t grain_of(const conv *c, int64_t rows) {
  return op_grain(c->filters * c->taps / 16 * rows * c->columns);
}

/* Results first..last-1 of a row whose tap at kernel column k lies inside an image. */
static void inside(const conv *c, int64_t k, int64_t *first, int64_t *last) {
  int64_t stride = c->window.stride[1];
  int64_t left = c->window.pad[1] - k * c->window.dilation[1], right = c->width + left;
  *first = left > 0 ? (left + stride - 1) / stride : 0; /* left <= i stride < right */
  *last = c->columns;
  if ((c->columns - 1) * stride >= right) /* seldom: divisions are slow */
    *last = right > 0 ? (right + stride - 1) / stride : 0;
  if (*first > *last) *first = *last;
}

/* ---- between images and columns */

/* to [n] = every stride-th entry of from */
static void gather(mg_real *to, const mg_real *from, int64_t stride, int64_t n) {
  if (stride == 1) memcpy(to, from, (size_t)n * sizeof *to);
  else if (stride == 2)
    for (int64_t i = 0; i < n; i++) to[i] = from[2 * i];
  else
    for (int64_t i = 0; i < n; i++) to[i] = from[stride * i];
}

/* every stride-th entry of to += from [n] */
static void scatter_add(mg_real *to, const mg_real *from, int64_t stride, int64_t n) {
  if (stride == 1)
    for (int64_t i = 0; i < n; i++) to[i] += from[i];
  else if (stride == 2)
    for (int64_t i = 0; i < n; i++) to[2 * i] += from[i];
  else
    for (int64_t i = 0; i < n; i++) to[stride * i] += from[i];
}

static void clear(mg_real *to, int64_t n) { memset(to, 0, (size_t)n * sizeof *to); }

/* Sets entries outside start..end-1 of rows [count, c->columns] to 0. */
static void clear_borders(const conv *c, mg_real *rows, int64_t count, int64_t start, int64_t end) {
  for (int64_t i = 0; i < count; i++, rows += c->columns) {
    for (int64_t k = 0; k < start; k++) rows[k] = 0;
    for (int64_t k = end; k < c->columns; k++) rows[k] = 0;
  }
}

/* Of `count` rows of the result from row `from` on: those, first..last-1, whose tap at kernel row k
 * lies inside an image. */
static void rows_inside(const conv *c, int64_t k, int64_t from, int64_t count, int64_t *first,
                        int64_t *last) {
  int64_t stride = c->window.stride[0]; /* 0 <= y + i stride < height */
  int64_t y = from * stride - c->window.pad[0] + k * c->window.dilation[0];
  *first = y < 0 ? (-y + stride - 1) / stride : 0;
  *last = y < c->height ? (c->height - y + stride - 1) / stride : 0;
  if (*last > count) *last = count;
  if (*first > *last) *first = *last;
}

/* Where in a plane tap (ky, kx) lies for a cell (row, column) of the result. */
static int64_t place(const conv *c, int64_t ky, int64_t kx, int64_t row, int64_t column) {
  const mg_conv *o = &c->window;
  return (row * o->stride[0] - o->pad[0] + ky * o->dilation[0]) * c->width +
         column * o->stride[1] - o->pad[1] + kx * o->dilation[1];
}

/* One row of columns, [count, c->columns]: what tap (ky, kx) of a plane [height, width] meets from
 * row `first` of the result on. */
static void tap_to_columns(const conv *c, const mg_real *plane, int64_t ky, int64_t kx,
                           int64_t first, int64_t count, mg_real *to) {
  int64_t start, end, top, bottom;
  inside(c, kx, &start, &end);
  rows_inside(c, ky, first, count, &top, &bottom);
  if (start == end || top == bottom) {
    clear(to, count * c->columns);
    return;
  }
  int64_t step = c->window.stride[0] * c->width;
  const mg_real *from = plane + place(c, ky, kx, first + top, start);
  clear(to, top * c->columns);
  if (c->is_shift)
    gather(to + top * c->columns + start, from, 1, (bottom - top - 1) * c->columns + end - start);
  else
    for (int64_t i = top; i < bottom; i++, from += step)
      gather(to + i * c->columns + start, from, c->window.stride[1], end - start);
  clear_borders(c, to + top * c->columns, bottom - top, start, end);
  clear(to + bottom * c->columns, (count - bottom) * c->columns);
}

/* The adjoint: adds a row of columns to the plane. Clears the entries of the row that met zeros. */
static void tap_from_columns(const conv *c, mg_real *from, int64_t ky, int64_t kx, int64_t first,
                             int64_t count, mg_real *plane) {
  int64_t start, end, top, bottom;
  inside(c, kx, &start, &end);
  rows_inside(c, ky, first, count, &top, &bottom);
  if (start == end || top == bottom) return;
  mg_real *to = plane + place(c, ky, kx, first + top, start);
  from += top * c->columns;
  if (c->is_shift) {
    clear_borders(c, from, bottom - top, start, end);
    scatter_add(to, from + start, 1, (bottom - top - 1) * c->columns + end - start);
    return;
  }
  int64_t step = c->window.stride[0] * c->width;
  for (int64_t i = top; i < bottom; i++, from += c->columns, to += step)
    scatter_add(to, from + start, c->window.stride[1], end - start);
}

/* to [taps, count * c->columns] for rows first..first+count-1 of the result. */
static void to_columns(const conv *c, const mg_real *image, int64_t first, int64_t count,
                       mg_real *to) {
  for (int64_t channel = 0; channel < c->channels; channel++)
    for (int64_t ky = 0; ky < c->kernel_height; ky++)
      for (int64_t kx = 0; kx < c->kernel_width; kx++, to += count * c->columns)
        tap_to_columns(c, image + channel * c->height * c->width, ky, kx, first, count, to);
}

static void from_columns(const conv *c, mg_real *from, int64_t first, int64_t count,
                         mg_real *image) {
  for (int64_t channel = 0; channel < c->channels; channel++)
    for (int64_t ky = 0; ky < c->kernel_height; ky++)
      for (int64_t kx = 0; kx < c->kernel_width; kx++, from += count * c->columns)
        tap_from_columns(c, from, ky, kx, first, count, image + channel * c->height * c->width);
}

/* The columns of a tile as a matrix: in the image, or made in `scratch`. */
static blas_matrix columns_of(const conv *c, const mg_real *image, int64_t first, int64_t count,
                              mg_real *scratch) {
  if (c->is_direct) return (blas_matrix){image + first * c->columns, c->rows * c->columns, 0};
  to_columns(c, image, first, count, scratch);
  return (blas_matrix){scratch, count * c->columns, 0};
}

/* ---- places: image and group i / groups, i % groups */

static int64_t x_place(const conv *c, int64_t i) {
  return i * c->channels * c->height * c->width;
}

static int64_t y_place(const conv *c, int64_t i) { return i * c->filters * c->rows * c->columns; }

static int64_t weight_place(const conv *c, int64_t i) {
  return i % c->groups * c->filters * c->taps;
}

/* ---- forward */

/* out [filters, count * columns] of a tile; rows lie `cells` apart. */
static mg_status forward_tile(const conv *c, int64_t i, int64_t first, mg_real *scratch) {
  int64_t count = tile_rows(c, first), cells = c->rows * c->columns, n = count * c->columns;
  mg_real *out = c->out + y_place(c, i) + first * c->columns;
  const mg_real *x = c->x + x_place(c, i);
  blas_matrix weight = {c->weight + weight_place(c, i), c->taps, 0};
  if (c->bias) {
    const mg_real *bias = c->bias + i % c->groups * c->filters;
    for (int64_t d = 0; d < c->filters; d++)
      for (int64_t k = 0; k < n; k++) out[d * cells + k] = bias[d];
  }
  return blas_gemm(c->filters, n, c->taps, weight, columns_of(c, x, first, count, scratch),
                   c->bias != NULL, out, cells);
}

/* Tiles first..last-1 of all groups of all images. */
static mg_status forward_chunk(void *job, int64_t first, int64_t last) {
  const conv *c = job;
  mg_real *scratch = c->is_direct ? NULL : new_columns(c);
  if (!scratch && !c->is_direct) return MG_NO_MEMORY;
  mg_status status = MG_OK;
  for (int64_t i = first; i < last && status == MG_OK; i++)
    status = forward_tile(c, i / c->tiles, i % c->tiles * c->tile, scratch);
  memory_free(scratch);
  return status;
}

static mg_status check_bias(const mg_tensor *bias, int64_t filters) {
  if (!bias || (bias->axes == 1 && bias->shape[0] == filters)) return MG_OK;
  char text[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "conv2d: bias has shape %s, weight has %lld filters",
              shape_of(text, bias), (long long)filters);
}

mg_tensor *mg_conv2d(const mg_tensor *x, const mg_tensor *weight, const mg_tensor *bias,
                     const mg_conv *window) {
  conv c;
  if (plan("conv2d", x, weight, window, &c) != MG_OK) return NULL;
  if (check_bias(bias, c.all_filters) != MG_OK) return NULL;
  int64_t shape[4] = {c.batch, c.all_filters, c.rows, c.columns};
  mg_tensor *y = mg_tensor_new(shape, 4);
  if (!y || y->size == 0) return y;
  c.bias = bias ? bias->data : NULL;
  c.out = y->data;
  if (winograd_fits(&c)) return op_finish(y, winograd_forward(&c));
  return op_finish(y, op_for(c.batch * c.groups * c.tiles, grain_of(&c, c.tile), forward_chunk, &c));
}

/* ---- gradients */

/* dx [channels, height, width] of a group of an image: the gradients of the columns, tile by tile,
 * added where the columns came from. */
static mg_status input_group(const conv *c, int64_t i, mg_real *scratch) {
  int64_t cells = c->rows * c->columns;
  const mg_real *dy = c->dy + y_place(c, i);
  mg_real *dx = c->out + x_place(c, i);
  blas_matrix weight = {c->weight + weight_place(c, i), c->taps, 1};
  if (c->is_direct)
    return blas_gemm(c->taps, cells, c->filters, weight, (blas_matrix){dy, cells, 0}, 0, dx, cells);
  clear(dx, c->channels * c->height * c->width);
  mg_status status = MG_OK;
  for (int64_t first = 0; first < c->rows && status == MG_OK; first += c->tile) {
    int64_t count = tile_rows(c, first), n = count * c->columns;
    blas_matrix part = {dy + first * c->columns, cells, 0};
    status = blas_gemm(c->taps, n, c->filters, weight, part, 0, scratch, n);
    if (status == MG_OK) from_columns(c, scratch, first, count, dx);
  }
  return status;
}

/* Groups first..last-1 of all images. */
static mg_status input_chunk(void *job, int64_t first, int64_t last) {
  const conv *c = job;
  mg_real *scratch = c->is_direct ? NULL : new_columns(c);
  if (!scratch && !c->is_direct) return MG_NO_MEMORY;
  mg_status status = MG_OK;
  for (int64_t i = first; i < last && status == MG_OK; i++) status = input_group(c, i, scratch);
  memory_free(scratch);
  return status;
}

mg_tensor *mg_conv2d_vjp_input(const mg_tensor *x, const mg_tensor *weight, const mg_tensor *dy,
                               const mg_conv *window) {
  conv c;
  if (plan("conv2d_vjp_input", x, weight, window, &c) != MG_OK) return NULL;
  if (check_dy("conv2d_vjp_input", &c, dy) != MG_OK) return NULL;
  mg_tensor *dx = tensor_like(x);
  if (!dx || dx->size == 0) return dx;
  c.dy = dy->data;
  c.out = dx->data;
  if (winograd_fits(&c)) return op_finish(dx, winograd_input(&c));
  return op_finish(dx, op_for(c.batch * c.groups, grain_of(&c, c.rows), input_chunk, &c));
}

/* Adds dy columns^T of a group of an image to its partial [filters, taps], or sets it. */
static mg_status weight_group(const conv *c, int64_t i, int add, mg_real *scratch,
                              mg_real *partial) {
  int64_t cells = c->rows * c->columns;
  const mg_real *dy = c->dy + y_place(c, i), *x = c->x + x_place(c, i);
  partial += weight_place(c, i);
  mg_status status = MG_OK;
  for (int64_t first = 0; first < c->rows && status == MG_OK; first += c->tile, add = 1) {
    int64_t count = tile_rows(c, first);
    blas_matrix part = {dy + first * c->columns, cells, 0};
    blas_matrix columns = columns_of(c, x, first, count, scratch);
    columns.transposed = 1;
    status = blas_gemm(c->filters, c->taps, count * c->columns, part, columns, add, partial,
                       c->taps);
  }
  return status;
}

/* The part of the batch with images first..last-1. */
static mg_status weight_chunk(void *job, int64_t first, int64_t last) {
  const conv *c = job;
  mg_real *partial = c->partial + first / c->part * c->all_filters * c->taps;
  mg_real *scratch = c->is_direct ? NULL : new_columns(c);
  if (!scratch && !c->is_direct) return MG_NO_MEMORY;
  mg_status status = MG_OK;
  for (int64_t i = first * c->groups; i < last * c->groups && status == MG_OK; i++) {
    status = interrupt_tick();
    if (status == MG_OK)
      status = weight_group(c, i, i / c->groups > first, scratch, partial);
  }
  memory_free(scratch);
  return status;
}

/* Entries first..last-1 of the weight's gradient: the sums of the parts, in order. */
static mg_status join_chunk(void *job, int64_t first, int64_t last) {
  const conv *c = job;
  int64_t size = c->all_filters * c->taps, parts = parallel_chunks(c->batch, c->part);
  for (int64_t i = first; i < last; i++) {
    double sum = 0;
    for (int64_t p = 0; p < parts; p++) sum += (double)c->partial[p * size + i];
    c->out[i] = (mg_real)sum;
  }
  return MG_OK;
}

mg_tensor *mg_conv2d_vjp_weight(const mg_tensor *x, const mg_tensor *weight, const mg_tensor *dy,
                                const mg_conv *window) {
  conv c;
  if (plan("conv2d_vjp_weight", x, weight, window, &c) != MG_OK) return NULL;
  if (check_dy("conv2d_vjp_weight", &c, dy) != MG_OK) return NULL;
  mg_tensor *dw = tensor_like(weight);
  if (!dw || dw->size == 0) return dw;
  c.dy = dy->data;
  c.out = dw->data;
  if (winograd_fits(&c)) return op_finish(dw, winograd_weight(&c));
  c.part = c.batch > CONV_PARTS ? (c.batch + CONV_PARTS - 1) / CONV_PARTS : 1;
  c.partial = memory_array(parallel_chunks(c.batch, c.part) * dw->size, (int64_t)sizeof *c.out);
  if (!c.partial) return op_finish(dw, MG_NO_MEMORY);
  mg_status status = op_for(c.batch, c.part, weight_chunk, &c);
  if (status == MG_OK) status = op_for(dw->size, OP_GRAIN, join_chunk, &c);
  memory_free(c.partial);
  return op_finish(dw, status);
}

/* Filters first..last-1. */
static mg_status bias_chunk(void *job, int64_t first, int64_t last) {
  const conv *c = job;
  int64_t cells = c->rows * c->columns;
  for (int64_t d = first; d < last; d++) {
    double sum = 0;
    for (int64_t b = 0; b < c->batch; b++)
      sum += op_sum(c->dy + (b * c->filters + d) * cells, cells);
    c->out[d] = (mg_real)sum;
  }
  return MG_OK;
}

mg_tensor *mg_conv2d_vjp_bias(const mg_tensor *dy) {
  if (shape_expect_axes("conv2d_vjp_bias", "dy", dy, 4) != MG_OK) return NULL;
  conv c = {.batch = dy->shape[0], .filters = dy->shape[1], .rows = dy->shape[2],
            .columns = dy->shape[3], .dy = dy->data};
  mg_tensor *db = mg_tensor_new(&c.filters, 1);
  if (!db) return NULL;
  c.out = db->data;
  int64_t grain = op_grain(c.batch * c.rows * c.columns);
  return op_finish(db, op_for(c.filters, grain, bias_chunk, &c));
}
