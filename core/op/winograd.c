/* Convolution with 3x3 windows of stride 1 by the minimal filtering F(4x4, 3x3) of Winograd: Lavin, Gray
 * 2016. A tile of 4x4 results needs 6x6 entries of x; transformed, d = B'x B, u = G g G', a tile is
 * A'(u d)A with the product taken entry by entry: 36 multiplications in place of 144. For each of the
 * 36 points the sums over channels are a matrix product [filters, channels] [channels, tiles].
 * The gradient of the weight runs through the same formula backwards: G'(sum of (A dy A') d') G.
 *
 * Tiles of a row are transformed eight at a time: a row of x is split into its four phases (columns
 * 4 t + p), so that the same column of eight tiles lies side by side. */
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "blas.h"
#include "conv.h"

enum { STEP = 4, SIDE = 6, POINTS = SIDE * SIDE, LANES = 8, UNIT_TILES = 144 };

typedef mg_real lanes __attribute__((vector_size(LANES * sizeof(mg_real)), aligned(sizeof(mg_real)),
                                     may_alias));

#define INLINED static inline __attribute__((always_inline))

/* A convolution of planes x with a weight, in units of images, or of bands of tile rows of one. */
typedef struct filtering {
  int64_t batch, channels, height, width; /* of x */
  int64_t filters, rows, columns;         /* of the result */
  int64_t pad[2];
  int64_t tile_rows, tile_columns; /* of an image */
  int64_t images;                  /* of a unit */
  int64_t band, bands;             /* tile rows of an image in a unit, units for them */
  int64_t units;
  int64_t stride; /* of rows of tiles: those of a unit, and lanes to write past their end */
  int64_t phase;  /* entries for a phase of a row of x */
  const mg_real *x, *weight, *bias, *dy;
  mg_real *out;
  int is_turned;      /* the weight is [channels, filters, 3, 3], windows turned half around */
  mg_real *points;    /* [POINTS, filters, channels] of the weight */
  int64_t part;       /* units that share a sum for the weight's gradient */
  mg_real *part_sums; /* [parts, POINTS, filters, channels] */
} filtering;

/* A unit: images from first_image on, tile rows from first_row on. */
typedef struct unit {
  int64_t first_image, images, first_row, rows, tiles;
} unit;

int winograd_fits(const conv *c) {
  enum { LEAST = 16 };
  const mg_conv *o = &c->window;
  return c->kernel_height == 3 && c->kernel_width == 3 && o->stride[0] == 1 && o->stride[1] == 1 &&
         o->dilation[0] == 1 && o->dilation[1] == 1 && o->groups == 1 && o->pad[0] <= 2 &&
         o->pad[1] <= 2 && c->channels >= LEAST && c->filters >= LEAST &&
         c->rows * c->columns >= LEAST && c->batch > 0;
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* Cuts the work; the shapes of x and the result are set. */
static void plan_units(filtering *f) {
  f->tile_rows = (f->rows + STEP - 1) / STEP;
  f->tile_columns = (f->columns + STEP - 1) / STEP;
  int64_t tiles = f->tile_rows * f->tile_columns;
  f->images = tiles < UNIT_TILES ? smaller(UNIT_TILES / tiles, f->batch) : 1;
  f->band = tiles <= 2 * UNIT_TILES ? f->tile_rows : (UNIT_TILES - 1) / f->tile_columns + 1;
  f->bands = (f->tile_rows + f->band - 1) / f->band;
  f->units = (f->batch + f->images - 1) / f->images * f->bands;
  int64_t most = f->images * f->band * f->tile_columns;
  f->stride = (most + LANES - 1) / LANES * LANES + LANES;
  f->phase = (f->tile_columns + LANES) / LANES * LANES + LANES;
}

static unit unit_at(const filtering *f, int64_t i) {
  unit u = {.first_image = i / f->bands * f->images, .first_row = i % f->bands * f->band};
  u.images = smaller(f->images, f->batch - u.first_image);
  u.rows = smaller(f->band, f->tile_rows - u.first_row);
  u.tiles = u.images * u.rows * f->tile_columns;
  return u;
}

/* ---- transforms of one line, o = T d, each entry a vector of tiles; `s` apart in d and o */

INLINED void times_b(const lanes *d, lanes *o, int s) {
  lanes even = d[4 * s] - 4 * d[2 * s], odd = d[3 * s] - 4 * d[s];
  lanes far_even = d[4 * s] - d[2 * s], far_odd = 2 * (d[3 * s] - d[s]);
  o[0] = 4 * d[0] - 5 * d[2 * s] + d[4 * s];
  o[s] = even + odd;
  o[2 * s] = even - odd;
  o[3 * s] = far_even + far_odd;
  o[4 * s] = far_even - far_odd;
  o[5 * s] = 4 * d[s] - 5 * d[3 * s] + d[5 * s];
}

/* A, four entries to six */
INLINED void times_a(const lanes *d, lanes *o, int s) {
  lanes even = d[0] + d[2 * s], odd = d[s] + d[3 * s];
  lanes far_even = d[0] + 4 * d[2 * s], far_odd = 2 * d[s] + 8 * d[3 * s];
  lanes last = d[3 * s];
  o[0] = d[0];
  o[s] = even + odd;
  o[2 * s] = even - odd;
  o[3 * s] = far_even + far_odd;
  o[4 * s] = far_even - far_odd;
  o[5 * s] = last;
}

/* A', six entries to four */
INLINED void times_a_turned(const lanes *d, lanes *o, int s) {
  lanes sum = d[s] + d[2 * s], difference = d[s] - d[2 * s];
  lanes far_sum = d[3 * s] + d[4 * s], far_difference = d[3 * s] - d[4 * s];
  lanes last = d[5 * s];
  o[0] = d[0] + sum + far_sum;
  o[s] = difference + 2 * far_difference;
  o[2 * s] = sum + 4 * far_sum;
  o[3 * s] = difference + 8 * far_difference + last;
}

/* ---- rows and their phases */

/* phases [STEP, f->phase] of the row at `from` of `width` entries, which starts at column `pad` of a
 * row of zeros */
static void split_row(const filtering *f, const mg_real *from, int64_t width, int64_t pad,
                      mg_real *phases) {
  memset(phases, 0, (size_t)(STEP * f->phase) * sizeof *phases);
  if (!from) return;
  int64_t i = 0;
  for (; i < width && (i + pad) % STEP; i++)
    phases[(i + pad) % STEP * f->phase + (i + pad) / STEP] = from[i];
  mg_real *p0 = phases + (i + pad) / STEP, *p1 = p0 + f->phase, *p2 = p1 + f->phase;
  mg_real *p3 = p2 + f->phase;
  const mg_real *x = from + i;
  int64_t whole = (width - i) / STEP;
  for (int64_t t = 0; t < whole; t++) {
    p0[t] = x[STEP * t];
    p1[t] = x[STEP * t + 1];
    p2[t] = x[STEP * t + 2];
    p3[t] = x[STEP * t + 3];
  }
  for (i += STEP * whole; i < width; i++)
    phases[(i + pad) % STEP * f->phase + (i + pad) / STEP] = from[i];
}

/* Phases of `count` rows of a plane from row `first` on; rows outside are zeros. */
static void split_rows(const filtering *f, const mg_real *plane, int64_t height, int64_t width,
                       int64_t pad, int64_t first, int64_t count, mg_real *phases) {
  for (int64_t i = 0; i < count; i++) {
    int64_t row = first + i;
    int is_inside = row >= 0 && row < height;
    split_row(f, is_inside ? plane + row * width : NULL, width, pad,
              phases + i * STEP * f->phase);
  }
}

INLINED void put(mg_real *to, const lanes *v, int64_t apart) {
  for (int i = 0; i < POINTS; i++) memcpy(to + i * apart, v + i, sizeof *v);
}

/* d [POINTS] of the tiles t..t+7 whose rows start at `phases`: B'x B. */
INLINED void input_tiles(const mg_real *phases, int64_t phase, mg_real *to, int64_t apart) {
  lanes d[POINTS], o[POINTS];
  for (int i = 0; i < SIDE; i++)
    for (int j = 0; j < SIDE; j++)
      memcpy(d + i * SIDE + j, phases + (i * STEP + j % STEP) * phase + j / STEP, sizeof *d);
  for (int j = 0; j < SIDE; j++) times_b(d + j, o + j, SIDE);
  for (int i = 0; i < SIDE; i++) times_b(o + i * SIDE, d + i * SIDE, 1);
  put(to, d, apart);
}

/* The same for a gradient of the result: A dy A'. */
INLINED void gradient_tiles(const mg_real *phases, int64_t phase, mg_real *to, int64_t apart) {
  lanes d[STEP * STEP], o[SIDE * STEP], e[POINTS];
  for (int i = 0; i < STEP; i++)
    for (int j = 0; j < STEP; j++)
      memcpy(d + i * STEP + j, phases + (i * STEP + j) * phase, sizeof *d);
  for (int j = 0; j < STEP; j++) times_a(d + j, o + j, STEP);
  for (int i = 0; i < SIDE; i++) times_a(o + i * STEP, e + i * SIDE, 1);
  put(to, e, apart);
}

/* to [POINTS, channels, f->stride] of a unit: planes of x. */
static void transform_input(const filtering *f, const unit *u, mg_real *phases, mg_real *to) {
  int64_t apart = f->channels * f->stride, size = f->height * f->width;
  for (int64_t c = 0; c < f->channels; c++) {
    mg_real *out = to + c * f->stride;
    for (int64_t b = 0; b < u->images; b++) {
      const mg_real *plane = f->x + ((u->first_image + b) * f->channels + c) * size;
      split_rows(f, plane, f->height, f->width, f->pad[1], u->first_row * STEP - f->pad[0],
                 u->rows * STEP + 2, phases);
      for (int64_t r = 0; r < u->rows; r++, out += f->tile_columns)
        for (int64_t t = 0; t < f->tile_columns; t += LANES)
          input_tiles(phases + r * STEP * STEP * f->phase + t, f->phase, out + t, apart);
    }
  }
}

/* to [POINTS, filters, f->stride] of a unit: planes of dy. */
static void transform_gradient(const filtering *f, const unit *u, mg_real *phases, mg_real *to) {
  int64_t apart = f->filters * f->stride, size = f->rows * f->columns;
  for (int64_t d = 0; d < f->filters; d++) {
    mg_real *out = to + d * f->stride;
    for (int64_t b = 0; b < u->images; b++) {
      const mg_real *plane = f->dy + ((u->first_image + b) * f->filters + d) * size;
      split_rows(f, plane, f->rows, f->columns, 0, u->first_row * STEP, u->rows * STEP, phases);
      for (int64_t r = 0; r < u->rows; r++, out += f->tile_columns)
        for (int64_t t = 0; t < f->tile_columns; t += LANES)
          gradient_tiles(phases + r * STEP * STEP * f->phase + t, f->phase, out + t, apart);
    }
  }
}

/* ---- results */

/* rows [STEP, STEP * LANES] = A'm A of the tiles at `from` */
INLINED void result_tiles(const mg_real *from, int64_t apart, mg_real bias, mg_real *rows) {
  lanes m[POINTS], v[STEP * SIDE], o[STEP * STEP];
  for (int i = 0; i < POINTS; i++) memcpy(m + i, from + i * apart, sizeof *m);
  for (int j = 0; j < SIDE; j++) times_a_turned(m + j, v + j, SIDE);
  for (int i = 0; i < STEP; i++) times_a_turned(v + i * SIDE, o + i * STEP, 1);
  for (int i = 0; i < STEP; i++)
    for (int t = 0; t < LANES; t++)
      for (int j = 0; j < STEP; j++) rows[(i * LANES + t) * STEP + j] = o[i * STEP + j][t] + bias;
}

/* A row of tiles at `from` to the plane's rows from `row` on. */
static void write_tiles(const filtering *f, const mg_real *from, mg_real bias, mg_real *plane,
                        int64_t row) {
  mg_real rows[STEP * STEP * LANES];
  int64_t count = smaller(STEP, f->rows - row);
  for (int64_t t = 0; t < f->tile_columns; t += LANES) {
    result_tiles(from + t, f->filters * f->stride, bias, rows);
    int64_t column = t * STEP, width = smaller(STEP * LANES, f->columns - column);
    for (int64_t i = 0; i < count; i++)
      memcpy(plane + (row + i) * f->columns + column, rows + i * STEP * LANES,
             (size_t)width * sizeof *plane);
  }
}

/* from [POINTS, filters, f->stride] of a unit to the result. */
static void write_results(const filtering *f, const unit *u, const mg_real *from) {
  int64_t size = f->rows * f->columns;
  for (int64_t d = 0; d < f->filters; d++) {
    mg_real bias = f->bias ? f->bias[d] : 0;
    const mg_real *tiles = from + d * f->stride;
    for (int64_t b = 0; b < u->images; b++) {
      mg_real *plane = f->out + ((u->first_image + b) * f->filters + d) * size;
      for (int64_t r = 0; r < u->rows; r++, tiles += f->tile_columns)
        write_tiles(f, tiles, bias, plane, (u->first_row + r) * STEP);
    }
  }
}

/* ---- the weight */

/* o [SIDE] = G g, each `s` apart in o and `t` apart in g */
static void times_g(const double *g, int t, double *o, int s) {
  double even = g[0] + g[2 * t], far = g[0] + 4 * g[2 * t];
  o[0] = g[0] / 4;
  o[s] = -(even + g[t]) / 6;
  o[2 * s] = -(even - g[t]) / 6;
  o[3 * s] = (far + 2 * g[t]) / 24;
  o[4 * s] = (far - 2 * g[t]) / 24;
  o[5 * s] = g[2 * t];
}

/* o [3] = G'd */
static void times_g_turned(const double *d, int t, double *o, int s) {
  double sum = d[t] + d[2 * t], far = d[3 * t] + d[4 * t];
  o[0] = d[0] / 4 - sum / 6 + far / 24;
  o[s] = (d[2 * t] - d[t]) / 6 + (d[3 * t] - d[4 * t]) / 12;
  o[2 * s] = (far - sum) / 6 + d[5 * t];
}

/* Points of filters first..last-1. */
static mg_status weight_points(void *job, int64_t first, int64_t last) {
  const filtering *f = job;
  int64_t apart = f->filters * f->channels;
  for (int64_t i = first * f->channels; i < last * f->channels; i++) {
    int64_t d = i / f->channels, c = i % f->channels;
    const mg_real *window = f->weight + 9 * (f->is_turned ? c * f->filters + d : i);
    double g[9], half[SIDE * 3], whole[POINTS];
    for (int k = 0; k < 9; k++) g[k] = (double)window[f->is_turned ? 8 - k : k];
    for (int k = 0; k < 3; k++) times_g(g + k, 3, half + k, 3);
    for (int k = 0; k < SIDE; k++) times_g(half + 3 * k, 1, whole + SIDE * k, 1);
    for (int k = 0; k < POINTS; k++) f->points[k * apart + i] = (mg_real)whole[k];
  }
  return MG_OK;
}

/* The weight's gradient for filters first..last-1: parts joined in order, then G' and G. */
static mg_status weight_from_points(void *job, int64_t first, int64_t last) {
  const filtering *f = job;
  int64_t apart = f->filters * f->channels, parts = parallel_chunks(f->units, f->part);
  for (int64_t i = first * f->channels; i < last * f->channels; i++) {
    double whole[POINTS], half[3 * SIDE], g[9];
    for (int k = 0; k < POINTS; k++) {
      double sum = 0;
      for (int64_t p = 0; p < parts; p++) sum += (double)f->part_sums[(p * POINTS + k) * apart + i];
      whole[k] = sum;
    }
    for (int k = 0; k < SIDE; k++) times_g_turned(whole + k, SIDE, half + k, SIDE);
    for (int k = 0; k < 3; k++) times_g_turned(half + SIDE * k, 1, g + 3 * k, 1);
    for (int k = 0; k < 9; k++) f->out[9 * i + k] = (mg_real)g[k];
  }
  return MG_OK;
}

/* ---- the whole */

/* Scratch of a thread: phases, transformed planes of x and of the result. */
typedef struct scratch {
  mg_real *phases, *inputs, *results;
} scratch;

static mg_status scratch_new(const filtering *f, scratch *s) {
  int64_t phases = (f->band * STEP + 2) * STEP * f->phase;
  int64_t inputs = POINTS * f->channels * f->stride, results = POINTS * f->filters * f->stride;
  s->phases = memory_array(phases + inputs + results, (int64_t)sizeof *s->phases);
  if (!s->phases) return MG_NO_MEMORY;
  s->inputs = s->phases + phases;
  s->results = s->inputs + inputs;
  return MG_OK;
}

static mg_status filter_unit(const filtering *f, const unit *u, const scratch *s) {
  transform_input(f, u, s->phases, s->inputs);
  mg_status status = MG_OK;
  for (int k = 0; k < POINTS && status == MG_OK; k++) {
    blas_matrix weight = {f->points + k * f->filters * f->channels, f->channels, 0};
    blas_matrix inputs = {s->inputs + k * f->channels * f->stride, f->stride, 0};
    status = blas_gemm(f->filters, u->tiles, f->channels, weight, inputs, 0,
                       s->results + k * f->filters * f->stride, f->stride);
  }
  if (status == MG_OK) write_results(f, u, s->results);
  return status;
}

/* Units first..last-1. */
static mg_status filter_chunk(void *job, int64_t first, int64_t last) {
  const filtering *f = job;
  scratch s;
  mg_status status = scratch_new(f, &s);
  if (status != MG_OK) return status;
  for (int64_t i = first; i < last && status == MG_OK; i++) {
    unit u = unit_at(f, i);
    status = filter_unit(f, &u, &s);
  }
  memory_free(s.phases);
  return status;
}

static mg_status filter_all(filtering *f) {
  plan_units(f);
  int64_t points = POINTS * f->filters * f->channels;
  f->points = memory_array(points, (int64_t)sizeof *f->points);
  if (!f->points) return MG_NO_MEMORY;
  mg_status status = op_for(f->filters, op_grain(f->channels * POINTS * 4), weight_points, f);
  if (status == MG_OK) status = op_for(f->units, 1, filter_chunk, f);
  memory_free(f->points);
  return status;
}

mg_status winograd_forward(const conv *c) {
  filtering f = {.batch = c->batch, .channels = c->channels, .height = c->height, .width = c->width,
                 .filters = c->filters, .rows = c->rows, .columns = c->columns,
                 .pad = {c->window.pad[0], c->window.pad[1]},
                 .x = c->x, .weight = c->weight, .bias = c->bias, .out = c->out};
  return filter_all(&f);
}

/* dx is dy filtered with the windows turned around. */
mg_status winograd_input(const conv *c) {
  filtering f = {.batch = c->batch, .channels = c->filters, .height = c->rows, .width = c->columns,
                 .filters = c->channels, .rows = c->height, .columns = c->width,
                 .pad = {2 - c->window.pad[0], 2 - c->window.pad[1]},
                 .x = c->dy, .weight = c->weight, .out = c->out, .is_turned = 1};
  return filter_all(&f);
}

static mg_status weight_unit(const filtering *f, const unit *u, int add, const scratch *s,
                             mg_real *sums) {
  transform_input(f, u, s->phases, s->inputs);
  transform_gradient(f, u, s->phases, s->results);
  mg_status status = interrupt_tick();
  for (int k = 0; k < POINTS && status == MG_OK; k++) {
    blas_matrix results = {s->results + k * f->filters * f->stride, f->stride, 0};
    blas_matrix inputs = {s->inputs + k * f->channels * f->stride, f->stride, 1};
    status = blas_gemm(f->filters, f->channels, u->tiles, results, inputs, add,
                       sums + k * f->filters * f->channels, f->channels);
  }
  return status;
}

/* The part with units first..last-1. */
static mg_status weight_chunk(void *job, int64_t first, int64_t last) {
  const filtering *f = job;
  scratch s;
  mg_status status = scratch_new(f, &s);
  if (status != MG_OK) return status;
  mg_real *sums = f->part_sums + first / f->part * POINTS * f->filters * f->channels;
  for (int64_t i = first; i < last && status == MG_OK; i++) {
    unit u = unit_at(f, i);
    status = weight_unit(f, &u, i > first, &s, sums);
  }
  memory_free(s.phases);
  return status;
}

mg_status winograd_weight(const conv *c) {
  filtering f = {.batch = c->batch, .channels = c->channels, .height = c->height, .width = c->width,
                 .filters = c->filters, .rows = c->rows, .columns = c->columns,
                 .pad = {c->window.pad[0], c->window.pad[1]},
                 .x = c->x, .dy = c->dy, .out = c->out};
  plan_units(&f);
  f.part = f.units > CONV_PARTS ? (f.units + CONV_PARTS - 1) / CONV_PARTS : 1;
  int64_t parts = parallel_chunks(f.units, f.part);
  f.part_sums = memory_array(parts * POINTS * f.filters * f.channels, (int64_t)sizeof *f.part_sums);
  if (!f.part_sums) return MG_NO_MEMORY;
  mg_status status = op_for(f.units, f.part, weight_chunk, &f);
  int64_t grain = op_grain(f.channels * POINTS * (4 + parts));
  if (status == MG_OK) status = op_for(f.filters, grain, weight_from_points, &f);
  memory_free(f.part_sums);
  return status;
}
