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
#include "tile_product.h"

enum { STEP = 4, SIDE = 6, POINTS = SIDE * SIDE, LANES = TILE_LANES, UNIT_TILES = 144 };

typedef mg_real lanes __attribute__((vector_size(LANES * sizeof(mg_real)), aligned(sizeof(mg_real)),
                                     may_alias));

#ifdef MG_DOUBLE
typedef int64_t mask_bits;
#else
typedef int32_t mask_bits;
#endif
typedef mask_bits masks __attribute__((vector_size(LANES * sizeof(mask_bits)),
                                       aligned(sizeof(mask_bits)), may_alias));

#define INLINED static inline __attribute__((always_inline))

/* Planes that are split into tiles: x after rows and columns of zeros, or dy. */
typedef struct planes {
  const mg_real *first, *end;
  int64_t height, width;
  int64_t pad;     /* columns of zeros before the first */
  mask_bits *mask; /* [STEP * phase]: all bits of the columns inside */
} planes;

/* A convolution of planes x with a weight, in units of images, or of bands of tile rows of one. */
typedef struct filtering {
  int64_t batch, channels, filters;
  int64_t rows, columns; /* of the result */
  int64_t pad;           /* rows of zeros before those of x */
  int64_t tile_rows, tile_columns; /* of an image */
  int64_t images;                  /* of a unit */
  int64_t band, bands;             /* tile rows of an image in a unit, units for them */
  int64_t units;
  int64_t stride; /* of rows of tiles: those of a unit, and lanes to write past their end */
  int64_t phase;  /* entries for a phase of a row of x */
  const mg_real *weight, *bias;
  planes x, dy;
  mg_real *out;
  int is_turned;      /* the weight is [channels, filters, 3, 3], windows turned half around */
  mg_real *points;    /* [POINTS, filters, channels] of the weight */
  int64_t part;       /* units that share a sum for the weight's gradient */
  mg_real *part_sums; /* [parts, POINTS, filters, channels] */
} filtering;

/* Scratch of a thread: a row of x, its phases, transformed planes of x and of the result. */
typedef struct scratch {
  mg_real *line, *phases, *inputs, *results;
} scratch;

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

/* The lanes at any address of a real, to read or to set. Not by memcpy, which goes through memory. */
#define LANES_AT(place) (*(lanes *)(void *)(place))
#define LANES_OF(place) (*(const lanes *)(const void *)(place))

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

#define SHUFFLE(a, b, i0, i1, i2, i3, i4, i5, i6, i7) \
  __builtin_shufflevector(a, b, i0, i1, i2, i3, i4, i5, i6, i7)
#define EVEN(a, b) SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD(a, b) SHUFFLE(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#define LOW(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH(a, b) SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15)

/* Entries 4 t + p of a line, masked, to phase p, t = 0..7; phases lie `apart`. */
INLINED void split_lanes(const mg_real *line, const mask_bits *mask, mg_real *phases,
                         int64_t apart) {
  lanes v[STEP];
  for (int i = 0; i < STEP; i++)
    v[i] = (lanes)((masks)LANES_OF(line + i * LANES) &
                   *(const masks *)(const void *)(mask + i * LANES));
  lanes even = EVEN(v[0], v[1]), odd = ODD(v[0], v[1]);
  lanes far_even = EVEN(v[2], v[3]), far_odd = ODD(v[2], v[3]);
  lanes p[STEP] = {EVEN(even, far_even), EVEN(odd, far_odd), ODD(even, far_even), ODD(odd, far_odd)};
  for (int i = 0; i < STEP; i++) LANES_AT(phases + i * apart) = p[i];
}

/* The other way. */
INLINED void join_lanes(const lanes *p, mg_real *line) {
  lanes a = LOW(p[0], p[2]), b = HIGH(p[0], p[2]), c = LOW(p[1], p[3]), d = HIGH(p[1], p[3]);
  LANES_AT(line) = LOW(a, c);
  LANES_AT(line + LANES) = HIGH(a, c);
  LANES_AT(line + 2 * LANES) = LOW(b, d);
  LANES_AT(line + 3 * LANES) = HIGH(b, d);
}

/* phases [STEP, phase] of a row of planes; NULL: of zeros. Columns outside are masked, not skipped:
 * what is loaded there is a neighbour's, or, at the ends of the planes, of a copy in `line`. */
static void split_row(const planes *p, const mg_real *row, int64_t phase, mg_real *line,
                      mg_real *phases) {
  if (!row) {
    memset(phases, 0, (size_t)(STEP * phase) * sizeof *phases);
    return;
  }
  const mg_real *from = row - p->pad;
  if (row - p->first < p->pad || p->end - from < STEP * phase) {
    memcpy(line + p->pad, row, (size_t)p->width * sizeof *line);
    from = line;
  }
  int64_t t = 0;
  for (; STEP * t < p->pad + p->width; t += LANES)
    split_lanes(from + STEP * t, p->mask + STEP * t, phases + t, phase);
  for (int i = 0; i < STEP; i++)
    memset(phases + i * phase + t, 0, (size_t)(phase - t) * sizeof *phases);
}

/* Phases of `count` rows of a plane from row `first` on; rows outside are zeros. */
static void split_rows(const planes *p, int64_t plane, int64_t first, int64_t count, int64_t phase,
                       mg_real *line, mg_real *phases) {
  const mg_real *start = p->first + plane * p->height * p->width;
  for (int64_t i = 0; i < count; i++, phases += STEP * phase) {
    int64_t row = first + i;
    int is_inside = row >= 0 && row < p->height;
    split_row(p, is_inside ? start + row * p->width : NULL, phase, line, phases);
  }
}

INLINED void put(mg_real *to, const lanes *v, int64_t apart) {
  for (int i = 0; i < POINTS; i++) LANES_AT(to + i * apart) = v[i];
}

/* d [POINTS] of the tiles t..t+7 whose rows start at `phases`: B'x B. */
INLINED void input_tiles(const mg_real *phases, int64_t phase, mg_real *to, int64_t apart) {
  lanes d[POINTS], o[POINTS];
  for (int i = 0; i < SIDE; i++)
    for (int j = 0; j < SIDE; j++)
      d[i * SIDE + j] = LANES_OF(phases + (i * STEP + j % STEP) * phase + j / STEP);
  for (int j = 0; j < SIDE; j++) times_b(d + j, o + j, SIDE);
  for (int i = 0; i < SIDE; i++) times_b(o + i * SIDE, d + i * SIDE, 1);
  put(to, d, apart);
}

/* The same for a gradient of the result: A dy A'. */
INLINED void gradient_tiles(const mg_real *phases, int64_t phase, mg_real *to, int64_t apart) {
  lanes d[STEP * STEP], o[SIDE * STEP], e[POINTS];
  for (int i = 0; i < STEP; i++)
    for (int j = 0; j < STEP; j++)
      d[i * STEP + j] = LANES_OF(phases + (i * STEP + j) * phase);
  for (int j = 0; j < STEP; j++) times_a(d + j, o + j, STEP);
  for (int i = 0; i < SIDE; i++) times_a(o + i * STEP, e + i * SIDE, 1);
  put(to, e, apart);
}

/* to [POINTS, channels, f->stride] of a unit: planes of x. */
static void transform_input(const filtering *f, const unit *u, const scratch *s) {
  int64_t apart = f->channels * f->stride;
  for (int64_t c = 0; c < f->channels; c++) {
    mg_real *out = s->inputs + c * f->stride;
    for (int64_t b = 0; b < u->images; b++) {
      split_rows(&f->x, (u->first_image + b) * f->channels + c, u->first_row * STEP - f->pad,
                 u->rows * STEP + 2, f->phase, s->line, s->phases);
      for (int64_t r = 0; r < u->rows; r++, out += f->tile_columns)
        for (int64_t t = 0; t < f->tile_columns; t += LANES)
          input_tiles(s->phases + r * STEP * STEP * f->phase + t, f->phase, out + t, apart);
    }
  }
}

/* to [POINTS, filters, f->stride] of a unit: planes of dy. */
static void transform_gradient(const filtering *f, const unit *u, const scratch *s) {
  int64_t apart = f->filters * f->stride;
  for (int64_t d = 0; d < f->filters; d++) {
    mg_real *out = s->results + d * f->stride;
    for (int64_t b = 0; b < u->images; b++) {
      split_rows(&f->dy, (u->first_image + b) * f->filters + d, u->first_row * STEP, u->rows * STEP,
                 f->phase, s->line, s->phases);
      for (int64_t r = 0; r < u->rows; r++, out += f->tile_columns)
        for (int64_t t = 0; t < f->tile_columns; t += LANES)
          gradient_tiles(s->phases + r * STEP * STEP * f->phase + t, f->phase, out + t, apart);
    }
  }
}

/* ---- results */

/* rows [STEP, STEP * LANES] = A'm A of the tiles at `from` */
INLINED void result_tiles(const mg_real *from, int64_t apart, mg_real bias, mg_real *rows) {
  lanes m[POINTS], v[STEP * SIDE], o[STEP * STEP];
  for (int i = 0; i < POINTS; i++) m[i] = LANES_OF(from + i * apart);
  for (int j = 0; j < SIDE; j++) times_a_turned(m + j, v + j, SIDE);
  for (int i = 0; i < STEP; i++) times_a_turned(v + i * SIDE, o + i * STEP, 1);
  for (int i = 0; i < STEP * STEP; i++) o[i] += bias;
  for (int i = 0; i < STEP; i++) join_lanes(o + i * STEP, rows + i * STEP * LANES);
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

/* whole [POINTS][n] = parts of the sums of windows i..i+n-1, joined in order */
static void join_parts(const filtering *f, int64_t i, int64_t n, double whole[][LANES]) {
  int64_t apart = f->filters * f->channels, parts = parallel_chunks(f->units, f->part);
  for (int k = 0; k < POINTS; k++) {
    for (int64_t l = 0; l < n; l++) whole[k][l] = 0;
    for (int64_t p = 0; p < parts; p++)
      for (int64_t l = 0; l < n; l++)
        whole[k][l] += (double)f->part_sums[(p * POINTS + k) * apart + i + l];
  }
}

/* The weight's gradient for groups of LANES windows first..last-1: parts joined, then G' and G. */
static mg_status weight_from_points(void *job, int64_t first, int64_t last) {
  const filtering *f = job;
  double whole[POINTS][LANES], line[POINTS], half[3 * SIDE], g[9];
  int64_t windows = f->filters * f->channels;
  for (int64_t i = first * LANES; i < last * LANES && i < windows; i += LANES) {
    int64_t n = smaller(LANES, windows - i);
    join_parts(f, i, n, whole);
    for (int64_t l = 0; l < n; l++) {
      for (int k = 0; k < POINTS; k++) line[k] = whole[k][l];
      for (int k = 0; k < SIDE; k++) times_g_turned(line + k, SIDE, half + k, SIDE);
      for (int k = 0; k < 3; k++) times_g_turned(half + SIDE * k, 1, g + 3 * k, 1);
      for (int k = 0; k < 9; k++) f->out[9 * (i + l) + k] = (mg_real)g[k];
    }
  }
  return MG_OK;
}

/* ---- the whole */

static mg_status scratch_new(const filtering *f, scratch *s) {
  int64_t line = STEP * f->phase, phases = (f->band * STEP + 2) * line;
  int64_t inputs = POINTS * f->channels * f->stride, results = POINTS * f->filters * f->stride;
  s->line = memory_array(line + phases + inputs + results, (int64_t)sizeof *s->line);
  if (!s->line) return MG_NO_MEMORY;
  memset(s->line, 0, (size_t)line * sizeof *s->line);
  s->phases = s->line + line;
  s->inputs = s->phases + phases;
  s->results = s->inputs + inputs;
  return MG_OK;
}

static void filter_unit(const filtering *f, const unit *u, const scratch *s) {
  transform_input(f, u, s);
  for (int k = 0; k < POINTS; k++)
    tile_product(f->filters, u->tiles, f->channels, f->points + k * f->filters * f->channels,
                 s->inputs + k * f->channels * f->stride, s->results + k * f->filters * f->stride,
                 f->stride);
  write_results(f, u, s->results);
}

/* Units first..last-1. */
static mg_status filter_chunk(void *job, int64_t first, int64_t last) {
  const filtering *f = job;
  scratch s;
  mg_status status = scratch_new(f, &s);
  if (status != MG_OK) return status;
  for (int64_t i = first; i < last && status == MG_OK; i++) {
    unit u = unit_at(f, i);
    filter_unit(f, &u, &s);
    status = interrupt_tick();
  }
  memory_free(s.line);
  return status;
}

/* Cuts the work and makes the masks, for plan_free. */
static mg_status plan_new(filtering *f) {
  plan_units(f);
  int64_t line = STEP * f->phase;
  mask_bits *mask = memory_array(2 * line, (int64_t)sizeof *mask);
  if (!mask) return MG_NO_MEMORY;
  planes *both[] = {&f->x, &f->dy};
  for (int k = 0; k < 2; k++) {
    planes *p = both[k];
    p->mask = mask + k * line;
    for (int64_t i = 0; i < line; i++) p->mask[i] = i >= p->pad && i < p->pad + p->width ? -1 : 0;
  }
  return MG_OK;
}

static void plan_free(filtering *f) { memory_free(f->x.mask); }

static mg_status filter_all(filtering *f) {
  mg_status status = plan_new(f);
  if (status != MG_OK) return status;
  f->points = memory_array(POINTS * f->filters * f->channels, (int64_t)sizeof *f->points);
  if (!f->points) status = MG_NO_MEMORY;
  int64_t grain = op_grain(f->channels * POINTS * 4);
  if (status == MG_OK) status = op_for(f->filters, grain, weight_points, f);
  if (status == MG_OK) status = op_for(f->units, 1, filter_chunk, f);
  memory_free(f->points);
  plan_free(f);
  return status;
}

/* Planes [count, height, width] after so many columns of zeros. */
static planes planes_of(const mg_real *data, int64_t count, int64_t height, int64_t width,
                        int64_t pad) {
  return (planes){data, data + count * height * width, height, width, pad, NULL};
}

mg_status winograd_forward(const conv *c) {
  filtering f = {.batch = c->batch, .channels = c->channels, .filters = c->filters,
                 .rows = c->rows, .columns = c->columns, .pad = c->window.pad[0],
                 .x = planes_of(c->x, c->batch * c->channels, c->height, c->width, c->window.pad[1]),
                 .weight = c->weight, .bias = c->bias, .out = c->out};
  return filter_all(&f);
}

/* dx is dy filtered with the windows turned around. */
mg_status winograd_input(const conv *c) {
  int64_t pad = 2 - c->window.pad[1];
  filtering f = {.batch = c->batch, .channels = c->filters, .filters = c->channels,
                 .rows = c->height, .columns = c->width, .pad = 2 - c->window.pad[0],
                 .x = planes_of(c->dy, c->batch * c->filters, c->rows, c->columns, pad),
                 .weight = c->weight, .out = c->out, .is_turned = 1};
  return filter_all(&f);
}

static mg_status weight_unit(const filtering *f, const unit *u, int add, const scratch *s,
                             mg_real *sums) {
  transform_input(f, u, s);
  transform_gradient(f, u, s);
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
  memory_free(s.line);
  return status;
}

mg_status winograd_weight(const conv *c) {
  filtering f = {.batch = c->batch, .channels = c->channels, .filters = c->filters,
                 .rows = c->rows, .columns = c->columns, .pad = c->window.pad[0],
                 .x = planes_of(c->x, c->batch * c->channels, c->height, c->width, c->window.pad[1]),
                 .dy = planes_of(c->dy, c->batch * c->filters, c->rows, c->columns, 0),
                 .out = c->out};
  mg_status status = plan_new(&f);
  if (status != MG_OK) return status;
  f.part = f.units > CONV_PARTS ? (f.units + CONV_PARTS - 1) / CONV_PARTS : 1;
  int64_t parts = parallel_chunks(f.units, f.part);
  f.part_sums = memory_array(parts * POINTS * f.filters * f.channels, (int64_t)sizeof *f.part_sums);
  if (!f.part_sums) status = MG_NO_MEMORY;
  if (status == MG_OK) status = op_for(f.units, f.part, weight_chunk, &f);
  int64_t groups = parallel_chunks(f.filters * f.channels, LANES);
  int64_t grain = op_grain(LANES * POINTS * (4 + parts));
  if (status == MG_OK) status = op_for(groups, grain, weight_from_points, &f);
  memory_free(f.part_sums);
  plan_free(&f);
  return status;
}
