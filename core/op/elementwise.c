/* Operations entry by entry: one formula a kind, forward and gradient side by side. Loops are made
 * from the formulas with the kind a constant, so that each becomes vector code. */
#include <string.h>
#include <tgmath.h>

#include "base/memory.h"
#include "base/real_math.h"
#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

#define UNARY_LIST(X) \
  X(MG_ABS)           \
  X(MG_EXP)           \
  X(MG_LOG)           \
  X(MG_SQRT)          \
  X(MG_SQUARE)        \
  X(MG_RELU)          \
  X(MG_SIGMOID)       \
  X(MG_SOFTPLUS)      \
  X(MG_TANH)          \
  X(MG_SIGN)

#define BINARY_LIST(X) \
  X(MG_ADD)            \
  X(MG_SUBTRACT)       \
  X(MG_MULTIPLY)       \
  X(MG_DIVIDE)         \
  X(MG_MAXIMUM)        \
  X(MG_MINIMUM)        \
  X(MG_LESS)           \
  X(MG_LESS_EQUAL)     \
  X(MG_EQUAL)

static mg_status check_kind(const char *op, int kind, int kinds) {
  if (kind >= 0 && kind < kinds) return MG_OK;
  return fail(MG_BAD_ARGUMENT, "%s: kind %d is not in 0..%d", op, kind, kinds - 1);
}

/* ---- one operand */

INLINED mg_real unary_at(mg_unary_kind kind, mg_real x) {
  switch (kind) {
    case MG_ABS: return fabs(x);
    case MG_EXP: return real_exp(x);
    case MG_LOG: return real_log(x);
    case MG_SQRT: return sqrt(x);
    case MG_SQUARE: return x * x;
    case MG_RELU: return x <= 0 ? 0 : x;
    case MG_SIGMOID: return real_sigmoid(x);
    case MG_SOFTPLUS: return real_softplus(x);
    case MG_TANH: return real_tanh(x);
    default: return x > 0 ? 1 : x < 0 ? -1 : x; /* MG_SIGN; NaN stays */
  }
}

/* The gradient at x, where the result is y. */
INLINED mg_real unary_vjp_at(mg_unary_kind kind, mg_real x, mg_real y, mg_real dy) {
  switch (kind) {
    case MG_ABS: return x > 0 ? dy : x < 0 ? -dy : 0;
    case MG_EXP: return dy * y;
    case MG_LOG: return dy / x;
    case MG_SQRT: return dy / (2 * y);
    case MG_SQUARE: return 2 * dy * x;
    case MG_RELU: return x <= 0 ? 0 : dy;
    case MG_SIGMOID: return dy * y * (1 - y);
    case MG_SOFTPLUS: return dy * real_sigmoid(x);
    case MG_TANH: return dy * (1 - y * y);
    default: return 0; /* MG_SIGN */
  }
}

typedef struct unary_job {
  mg_unary_kind kind;
  const mg_real *x, *y, *dy;
  mg_real *out;
} unary_job;

INLINED void unary_loop(mg_unary_kind kind, const unary_job *j, int64_t first, int64_t last) {
  const mg_real *x = j->x;
  mg_real *out = j->out;
  for (int64_t i = first; i < last; i++) out[i] = unary_at(kind, x[i]);
}

INLINED void unary_vjp_loop(mg_unary_kind kind, const unary_job *j, int64_t first, int64_t last) {
  const mg_real *x = j->x, *y = j->y, *dy = j->dy;
  mg_real *out = j->out;
  for (int64_t i = first; i < last; i++) out[i] = unary_vjp_at(kind, x[i], y[i], dy[i]);
}

static mg_status unary_chunk(void *job, int64_t first, int64_t last) {
  const unary_job *j = job;
  switch (j->kind) {
#define CASE(kind) \
  case kind: unary_loop(kind, j, first, last); break;
    UNARY_LIST(CASE)
#undef CASE
    default: break;
  }
  return MG_OK;
}

static mg_status unary_vjp_chunk(void *job, int64_t first, int64_t last) {
  const unary_job *j = job;
  switch (j->kind) {
#define CASE(kind) \
  case kind: unary_vjp_loop(kind, j, first, last); break;
    UNARY_LIST(CASE)
#undef CASE
    default: break;
  }
  return MG_OK;
}

mg_tensor *mg_unary(mg_unary_kind kind, const mg_tensor *x) {
  if (check_kind("unary", (int)kind, MG_UNARY_KINDS) != MG_OK) return NULL;
  mg_tensor *y = tensor_like(x);
  if (!y) return NULL;
  unary_job job = {.kind = kind, .x = x->data, .out = y->data};
  return op_finish(y, op_for(x->size, OP_GRAIN, unary_chunk, &job));
}

mg_tensor *mg_unary_vjp(mg_unary_kind kind, const mg_tensor *x, const mg_tensor *y,
                        const mg_tensor *dy) {
  if (check_kind("unary_vjp", (int)kind, MG_UNARY_KINDS) != MG_OK) return NULL;
  if (shape_expect("unary_vjp", x, y) != MG_OK) return NULL;
  if (shape_expect("unary_vjp", x, dy) != MG_OK) return NULL;
  mg_tensor *dx = tensor_like(x);
  if (!dx) return NULL;
  unary_job job = {kind, x->data, y->data, dy->data, dx->data};
  return op_finish(dx, op_for(x->size, OP_GRAIN, unary_vjp_chunk, &job));
}

/* ---- two operands that broadcast */

/* The first operand wins a maximum or minimum; NaN wins, the first one if both are. */
INLINED int first_wins(mg_binary_kind kind, mg_real a, mg_real b) {
  return (kind == MG_MAXIMUM ? a >= b : a <= b) | (a != a);
}

INLINED mg_real binary_at(mg_binary_kind kind, mg_real a, mg_real b) {
  switch (kind) {
    case MG_ADD: return a + b;
    case MG_SUBTRACT: return a - b;
    case MG_MULTIPLY: return a * b;
    case MG_DIVIDE: return a / b;
    case MG_LESS: return a < b ? 1 : 0;
    case MG_LESS_EQUAL: return a <= b ? 1 : 0;
    case MG_EQUAL: return a == b ? 1 : 0;
    default: return first_wins(kind, a, b) ? a : b;
  }
}

/* The gradient for operand `which`. */
INLINED mg_real binary_vjp_at(mg_binary_kind kind, int which, mg_real a, mg_real b, mg_real dy) {
  switch (kind) {
    case MG_ADD: return dy;
    case MG_SUBTRACT: return which ? -dy : dy;
    case MG_MULTIPLY: return dy * (which ? a : b);
    case MG_DIVIDE: return which ? -(dy / b) * (a / b) : dy / b;
    case MG_MAXIMUM:
    case MG_MINIMUM: return first_wins(kind, a, b) != which ? dy : 0;
    default: return 0; /* comparisons */
  }
}

/* A piece of n results along which each operand moves by 1 or stays (step 0). */
typedef struct run {
  const mg_real *a, *b, *dy;
  int64_t a_step, b_step;
  mg_real *out;
  int64_t n;
} run;

INLINED void binary_loop(mg_binary_kind kind, const run *r) {
  const mg_real *a = r->a, *b = r->b;
  mg_real *out = r->out;
  int64_t n = r->n;
  if (r->a_step && r->b_step) {
    for (int64_t i = 0; i < n; i++) out[i] = binary_at(kind, a[i], b[i]);
  } else if (r->a_step) {
    mg_real fixed = b[0];
    for (int64_t i = 0; i < n; i++) out[i] = binary_at(kind, a[i], fixed);
  } else {
    mg_real fixed = a[0];
    for (int64_t i = 0; i < n; i++) out[i] = binary_at(kind, fixed, b[i]);
  }
}

INLINED void binary_vjp_loop(mg_binary_kind kind, int which, const run *r) {
  const mg_real *a = r->a, *b = r->b, *dy = r->dy;
  mg_real *out = r->out;
  int64_t n = r->n;
  if (r->a_step && r->b_step) {
    for (int64_t i = 0; i < n; i++) out[i] = binary_vjp_at(kind, which, a[i], b[i], dy[i]);
  } else if (r->a_step) {
    mg_real fixed = b[0];
    for (int64_t i = 0; i < n; i++) out[i] = binary_vjp_at(kind, which, a[i], fixed, dy[i]);
  } else {
    mg_real fixed = a[0];
    for (int64_t i = 0; i < n; i++) out[i] = binary_vjp_at(kind, which, fixed, b[i], dy[i]);
  }
}

static void binary_run(mg_binary_kind kind, const run *r) {
  switch (kind) {
#define CASE(kind) \
  case kind: binary_loop(kind, r); break;
    BINARY_LIST(CASE)
#undef CASE
    default: break;
  }
}

static void binary_vjp_run(mg_binary_kind kind, int which, const run *r) {
  switch (kind) {
#define CASE(kind)                            \
  case kind:                                  \
    if (which) binary_vjp_loop(kind, 1, r);   \
    else binary_vjp_loop(kind, 0, r);         \
    break;
    BINARY_LIST(CASE)
#undef CASE
    default: break;
  }
}

/* How two operands are walked: the axes of the result, those of extent 1 left out and neighbours
 * merged where both operands allow it, so that the last axis is as long as can be. Strides are 0
 * along broadcast axes; along the last axis they are 0 or 1, not both 0. */
typedef struct walk {
  int axes; /* at least 1 */
  int64_t extent[MG_MAX_AXES], stride[2][MG_MAX_AXES];
} walk;

/* A position in a walk and the offsets of the operands there. */
typedef struct cursor {
  int64_t index[MG_MAX_AXES], offset[2];
} cursor;

/* Strides of x in a result of so many axes, 0 where x has extent 1. */
static void strides_in(const mg_tensor *x, int axes, int64_t *stride) {
  int64_t step = 1;
  for (int i = axes - 1, j = x->axes - 1; i >= 0; i--, j--) {
    int64_t extent = j >= 0 ? x->shape[j] : 1;
    stride[i] = extent == 1 ? 0 : step;
    step *= extent;
  }
}

static walk walk_of(const mg_tensor *a, const mg_tensor *b, const int64_t *shape, int axes) {
  int64_t stride[2][MG_MAX_AXES];
  strides_in(a, axes, stride[0]);
  strides_in(b, axes, stride[1]);
  walk w = {.axes = 0};
  for (int i = 0; i < axes; i++) {
    if (shape[i] == 1) continue;
    int last = w.axes - 1;
    int merges = last >= 0 && w.stride[0][last] == stride[0][i] * shape[i] &&
                 w.stride[1][last] == stride[1][i] * shape[i];
    if (!merges) {
      last = w.axes++;
      w.extent[last] = 1;
    }
    w.extent[last] *= shape[i];
    w.stride[0][last] = stride[0][i];
    w.stride[1][last] = stride[1][i];
  }
  if (w.axes == 0) w = (walk){1, {1}, {{1}, {1}}};
  return w;
}

/* The cursor at a position of the result. */
static cursor seek(const walk *w, int64_t position) {
  cursor c;
  c.offset[0] = c.offset[1] = 0;
  for (int i = w->axes - 1; i >= 0; i--) {
    c.index[i] = i > 0 ? position % w->extent[i] : position;
    if (i > 0) position /= w->extent[i];
    for (int k = 0; k < 2; k++) c.offset[k] += c.index[i] * w->stride[k][i];
  }
  return c;
}

/* Moves on by n places, at most to the end of the row. */
static void advance(const walk *w, cursor *c, int64_t n) {
  int i = w->axes - 1;
  c->index[i] += n;
  for (int k = 0; k < 2; k++) c->offset[k] += n * w->stride[k][i];
  for (; i > 0 && c->index[i] == w->extent[i]; i--) {
    c->index[i] = 0;
    c->index[i - 1]++;
    for (int k = 0; k < 2; k++)
      c->offset[k] += w->stride[k][i - 1] - w->extent[i] * w->stride[k][i];
  }
}

typedef struct binary_job {
  mg_binary_kind kind;
  int which;
  walk w;
  const mg_real *a, *b, *dy;
  mg_real *out;
  double *total;       /* sums for the gradient's entries, a row of `size` for each part */
  int64_t size;        /* entries of the gradient */
  int64_t slice;       /* entries of the result for one index of the first axis */
  int64_t part_slices; /* indices of the first axis that share a part */
} binary_job;

/* The run of at most `limit` results that starts at a cursor and ends with the row. */
static run run_at(const binary_job *j, const cursor *c, int64_t position, int64_t limit) {
  int last = j->w.axes - 1;
  int64_t left = j->w.extent[last] - c->index[last];
  run r = {.a = j->a + c->offset[0],
           .b = j->b + c->offset[1],
           .a_step = j->w.stride[0][last],
           .b_step = j->w.stride[1][last],
           .n = left < limit ? left : limit};
  if (j->dy) r.dy = j->dy + position;
  return r;
}

/* Entries first..last-1 of the result, or of a gradient as large as it. */
static mg_status binary_chunk(void *job, int64_t first, int64_t last) {
  const binary_job *j = job;
  cursor c = seek(&j->w, first);
  while (first < last) {
    run r = run_at(j, &c, first, last - first);
    r.out = j->out + first;
    if (j->dy) binary_vjp_run(j->kind, j->which, &r);
    else binary_run(j->kind, &r);
    advance(&j->w, &c, r.n);
    first += r.n;
  }
  return MG_OK;
}

/* Adds what indices first..last-1 of the first axis give to the sums of their part. */
static mg_status binary_sum_chunk(void *job, int64_t first, int64_t last) {
  enum { BLOCK = 512 };
  mg_real values[BLOCK];
  const binary_job *j = job;
  double *total = j->total + first / j->part_slices * j->size;
  int64_t step = j->w.stride[j->which][j->w.axes - 1];
  int64_t position = first * j->slice, end = last * j->slice;
  cursor c = seek(&j->w, position);
  while (position < end) {
    run r = run_at(j, &c, position, BLOCK);
    r.out = values;
    binary_vjp_run(j->kind, j->which, &r);
    double *place = total + c.offset[j->which];
    if (step) op_add(place, values, r.n);
    else *place += op_sum(values, r.n);
    advance(&j->w, &c, r.n);
    position += r.n;
  }
  return MG_OK;
}

mg_tensor *mg_binary(mg_binary_kind kind, const mg_tensor *a, const mg_tensor *b) {
  static const char *const names[MG_BINARY_KINDS] = {
      [MG_ADD] = "add",         [MG_SUBTRACT] = "subtract", [MG_MULTIPLY] = "multiply",
      [MG_DIVIDE] = "divide",   [MG_MAXIMUM] = "maximum",   [MG_MINIMUM] = "minimum",
      [MG_LESS] = "lt",         [MG_LESS_EQUAL] = "le",     [MG_EQUAL] = "eq"};
  int64_t shape[MG_MAX_AXES];
  int axes;
  if (check_kind("binary", (int)kind, MG_BINARY_KINDS) != MG_OK) return NULL;
  if (shape_broadcast(names[kind], a, b, shape, &axes) != MG_OK) return NULL;
  mg_tensor *y = mg_tensor_new(shape, axes);
  if (!y) return NULL;
  binary_job job = {.kind = kind, .a = a->data, .b = b->data, .out = y->data};
  job.w = walk_of(a, b, shape, axes);
  return op_finish(y, op_for(y->size, OP_GRAIN, binary_chunk, &job));
}

/* The gradient of an operand that was broadcast. Along the first axis of the walk the operand moves
 * or not: if it moves, chunks have their own entries of it; else chunks are at most PARTS parts
 * with sums of their own, which are added in order. */
static mg_status sum_broadcast(binary_job *j, mg_tensor *g) {
  enum { PARTS = 8 };
  if (g->size == 0) return MG_OK;
  int64_t slices = j->w.extent[0], grain, parts = 1;
  j->slice = shape_product(j->w.extent, 1, j->w.axes);
  j->size = g->size;
  grain = op_grain(j->slice);
  j->part_slices = slices > 0 ? slices : 1;
  if (j->w.stride[j->which][0] == 0 && slices > 0) {
    int64_t least = (slices + PARTS - 1) / PARTS;
    j->part_slices = grain = grain < least ? least : grain;
    parts = parallel_chunks(slices, grain);
  }
  j->total = memory_array(parts * g->size, (int64_t)sizeof *j->total);
  if (!j->total) return MG_NO_MEMORY;
  for (int64_t i = 0; i < parts * g->size; i++) j->total[i] = 0;
  mg_status status = op_for(j->slice > 0 ? slices : 0, grain, binary_sum_chunk, j);
  for (int64_t i = 0; i < g->size; i++) {
    double sum = 0;
    for (int64_t p = 0; p < parts; p++) sum += j->total[p * g->size + i];
    g->data[i] = (mg_real)sum;
  }
  memory_free(j->total);
  return status;
}

/* MG_BAD_SHAPE unless dy has the shape of the result. */
static mg_status check_dy(const mg_tensor *dy, const int64_t *shape, int axes) {
  int fits = dy->axes == axes;
  for (int i = 0; fits && i < axes; i++) fits = dy->shape[i] == shape[i];
  if (fits) return MG_OK;
  char expected[SHAPE_TEXT_BYTES], got[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "binary_vjp: dy has shape %s, the result has %s", shape_of(got, dy),
              shape_text(expected, shape, axes));
}

mg_tensor *mg_binary_vjp(mg_binary_kind kind, int which, const mg_tensor *a, const mg_tensor *b,
                         const mg_tensor *dy) {
  int64_t shape[MG_MAX_AXES];
  int axes;
  if (check_kind("binary_vjp", (int)kind, MG_BINARY_KINDS) != MG_OK) return NULL;
  if (which != 0 && which != 1)
    return fail_null(MG_BAD_ARGUMENT, "binary_vjp: which = %d is not 0 or 1", which);
  if (shape_broadcast("binary_vjp", a, b, shape, &axes) != MG_OK) return NULL;
  if (check_dy(dy, shape, axes) != MG_OK) return NULL;
  mg_tensor *g = tensor_like(which ? b : a);
  if (!g) return NULL;
  binary_job job = {.kind = kind, .which = which, .a = a->data, .b = b->data, .dy = dy->data};
  job.out = g->data;
  job.w = walk_of(a, b, shape, axes);
  if (g->size != dy->size) return op_finish(g, sum_broadcast(&job, g));
  return op_finish(g, op_for(g->size, OP_GRAIN, binary_chunk, &job));
}

/* ---- linear */

typedef struct linear_job {
  const mg_real *x;
  mg_real *y;
  mg_real keep, scale, shift;
} linear_job;

static mg_status affine_chunk(void *job, int64_t first, int64_t last) {
  const linear_job j = *(const linear_job *)job;
  for (int64_t i = first; i < last; i++) j.y[i] = j.scale * j.x[i] + j.shift;
  return MG_OK;
}

static mg_status fill_chunk(void *job, int64_t first, int64_t last) {
  const linear_job j = *(const linear_job *)job;
  for (int64_t i = first; i < last; i++) j.y[i] = j.shift;
  return MG_OK;
}

static mg_status copy_chunk(void *job, int64_t first, int64_t last) {
  const linear_job *j = job;
  memmove(j->y + first, j->x + first, (size_t)(last - first) * sizeof *j->x);
  return MG_OK;
}

static mg_status accumulate_chunk(void *job, int64_t first, int64_t last) {
  const linear_job j = *(const linear_job *)job;
  for (int64_t i = first; i < last; i++) j.y[i] = j.keep * j.y[i] + j.scale * j.x[i];
  return MG_OK;
}

mg_tensor *mg_affine(const mg_tensor *x, double scale, double shift) {
  mg_tensor *y = tensor_like(x);
  if (!y) return NULL;
  linear_job job = {x->data, y->data, 0, (mg_real)scale, (mg_real)shift};
  return op_finish(y, op_for(x->size, OP_GRAIN, affine_chunk, &job));
}

mg_status mg_fill(mg_tensor *y, double value) {
  linear_job job = {.y = y->data, .shift = (mg_real)value};
  return op_for(y->size, OP_GRAIN, fill_chunk, &job);
}

/* MG_BAD_ARGUMENT if y and x share some entries but not in the same places. */
static mg_status check_overlap(const char *op, const mg_tensor *y, const mg_tensor *x) {
  uintptr_t a = (uintptr_t)y->data, b = (uintptr_t)x->data;
  uintptr_t apart = a > b ? a - b : b - a, bytes = (uintptr_t)y->size * sizeof(mg_real);
  if (apart == 0 || apart >= bytes) return MG_OK;
  return fail(MG_BAD_ARGUMENT, "%s: the tensors overlap; clone one of them", op);
}

mg_status mg_copy(mg_tensor *y, const mg_tensor *x) {
  if (shape_expect("copy", y, x) != MG_OK) return MG_BAD_SHAPE;
  if (check_overlap("copy", y, x) != MG_OK) return MG_BAD_ARGUMENT;
  linear_job job = {.x = x->data, .y = y->data};
  return op_for(y->size, OP_GRAIN, copy_chunk, &job);
}

mg_status mg_accumulate(mg_tensor *y, double keep, const mg_tensor *x, double scale) {
  if (shape_expect("accumulate", y, x) != MG_OK) return MG_BAD_SHAPE;
  if (check_overlap("accumulate", y, x) != MG_OK) return MG_BAD_ARGUMENT;
  linear_job job = {x->data, y->data, (mg_real)keep, (mg_real)scale, 0};
  /* Entries of y do not matter where nothing of them is kept: they may be unset. */
  return op_for(y->size, OP_GRAIN, keep == 0 ? affine_chunk : accumulate_chunk, &job);
}
