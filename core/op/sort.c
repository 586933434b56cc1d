/* Sorting along an axis: x is seen as rows [outer, n, inner]. A row becomes items of an unsigned key,
 * which grows as the result is to, and an index; few of them are gathered by insertion, many sorted
 * digit by digit. Both are stable. */
#include <stdint.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

#ifdef MG_DOUBLE
typedef uint64_t word;
#define PLACES ((int64_t)1 << 53)
#else
typedef uint32_t word;
#define PLACES ((int64_t)1 << 24) /* whole numbers that a real can tell apart */
#endif

enum { FEW = 64, DIGIT_BITS = 8, DIGITS = 1 << DIGIT_BITS, STEPS = 1 << 15 };

typedef struct item {
  word key, index;
} item;

typedef struct sort_job {
  int64_t n, count, inner; /* count: entries wanted of each row */
  int is_descending;
  const mg_real *x, *order, *dy;
  mg_real *y;
} sort_job;

/* NaN is the largest key; the zeros are one number. */
static word key_of(mg_real x, int is_descending) {
  const word sign = (word)1 << (sizeof(word) * 8 - 1);
  word bits;
  if (x != x) return (word)-1;
  x += 0;
  memcpy(&bits, &x, sizeof bits);
  bits = (bits & sign) ? ~bits : bits | sign;
  return is_descending ? ~bits : bits;
}

/* best [count] = the smallest items of a row, in order. O(n count) at worst. */
static mg_status sort_few(const sort_job *j, const mg_real *x, item *best) {
  int64_t held = 0;
  for (int64_t i = 0; i < j->n; i++) {
    word key = key_of(x[i * j->inner], j->is_descending);
    if (i % STEPS == STEPS - 1 && interrupt_tick() != MG_OK) return MG_INTERRUPTED;
    if (held == j->count && key >= best[held - 1].key) continue;
    if (held < j->count) held++;
    int64_t at = held - 1;
    for (; at > 0 && best[at - 1].key > key; at--) best[at] = best[at - 1];
    best[at] = (item){key, (word)i};
  }
  return MG_OK;
}

/* to = from sorted by the digit of the keys that starts at bit `shift`;
 * start[d]: where the next of digit d goes. */
static mg_status sort_digit(const item *from, item *to, int64_t n, unsigned shift, int64_t *start) {
  for (int64_t i = 0; i < n; i++) {
    to[start[from[i].key >> shift & (DIGITS - 1)]++] = from[i];
    if (i % STEPS == STEPS - 1 && interrupt_tick() != MG_OK) return MG_INTERRUPTED;
  }
  return MG_OK;
}

/* Sorts a row with room for 2 n items; *sorted: where they are. */
static mg_status sort_many(const sort_job *j, const mg_real *x, item *room, const item **sorted) {
  int64_t counts[sizeof(word)][DIGITS] = {{0}};
  item *from = room, *to = room + j->n;
  for (int64_t i = 0; i < j->n; i++) {
    word key = key_of(x[i * j->inner], j->is_descending);
    from[i] = (item){key, (word)i};
    for (unsigned d = 0; d < sizeof(word); d++) counts[d][key >> d * DIGIT_BITS & (DIGITS - 1)]++;
    if (i % STEPS == STEPS - 1 && interrupt_tick() != MG_OK) return MG_INTERRUPTED;
  }
  for (unsigned d = 0; d < sizeof(word); d++) {
    unsigned shift = d * DIGIT_BITS;
    int64_t start = 0;
    if (counts[d][from[0].key >> shift & (DIGITS - 1)] == j->n) continue; /* all share this digit */
    for (int i = 0; i < DIGITS; i++) {
      int64_t count = counts[d][i];
      counts[d][i] = start;
      start += count;
    }
    if (sort_digit(from, to, j->n, shift, counts[d]) != MG_OK) return MG_INTERRUPTED;
    item *other = from;
    from = to;
    to = other;
  }
  *sorted = from;
  return MG_OK;
}

static mg_status order_chunk(void *job, int64_t first, int64_t last) {
  const sort_job *j = job;
  int is_few = j->count <= FEW;
  item *room = memory_array(is_few ? j->count : 2 * j->n, (int64_t)sizeof *room);
  if (!room) return MG_NO_MEMORY;
  const item *sorted = room;
  mg_status status = MG_OK;
  for (int64_t r = first; status == MG_OK && r < last; r++) {
    int64_t outer = r / j->inner, column = r % j->inner;
    const mg_real *x = j->x + outer * j->n * j->inner + column;
    mg_real *y = j->y + outer * j->count * j->inner + column;
    status = is_few ? sort_few(j, x, room) : sort_many(j, x, room, &sorted);
    for (int64_t i = 0; status == MG_OK && i < j->count; i++)
      y[i * j->inner] = (mg_real)sorted[i].index;
  }
  memory_free(room);
  return status;
}

/* Rows along an axis with `count` entries wanted of each; MG_BAD_SHAPE if there is no such axis. */
static mg_status rows_along(const char *op, const mg_tensor *x, int axis, int64_t count,
                            sort_job *j) {
  if (axis < 0 || axis >= x->axes)
    return fail(MG_BAD_SHAPE, "%s: axis %d, there are %d", op, axis + 1, x->axes);
  *j = (sort_job){.n = x->shape[axis], .count = count, .x = x->data};
  j->inner = shape_product(x->shape, axis + 1, x->axes);
  return MG_OK;
}

mg_tensor *mg_sort_order(const mg_tensor *x, int axis, int64_t count, int is_descending) {
  sort_job j;
  if (rows_along("sort", x, axis, count, &j) != MG_OK) return NULL;
  if (count < 0 || count > j.n)
    return fail_null(MG_BAD_ARGUMENT, "sort: %lld of the %lld entries of axis %d", (long long)count,
                     (long long)j.n, axis + 1);
  if (j.n > PLACES)
    return fail_null(MG_BAD_SHAPE, "sort: %lld entries are more than a real can count, %lld",
                     (long long)j.n, (long long)PLACES);
  int64_t shape[MG_MAX_AXES];
  memcpy(shape, x->shape, sizeof shape);
  shape[axis] = count;
  mg_tensor *order = mg_tensor_new(shape, x->axes);
  if (!order || order->size == 0) return order;
  j.is_descending = is_descending;
  j.y = order->data;
  int64_t grain = op_grain(8 * j.n);
  return op_finish(order, op_for(order->size / count, grain, order_chunk, &j));
}

/* The place that an entry of an order names, or -1. */
static int64_t place_of(const sort_job *j, mg_real entry) {
  double place = (double)entry + 0.5;
  return place >= 0 && place < (double)j->n ? (int64_t)place : -1;
}

static mg_status bad_place(const sort_job *j, mg_real entry) {
  return fail(MG_BAD_ARGUMENT, "sort: place %g of %lld entries", (double)entry + 1,
              (long long)j->n);
}

static mg_status values_chunk(void *job, int64_t first, int64_t last) {
  const sort_job *j = job;
  for (int64_t r = first; r < last; r++) {
    int64_t outer = r / j->inner, column = r % j->inner;
    const mg_real *x = j->x + outer * j->n * j->inner + column;
    int64_t at = outer * j->count * j->inner + column;
    for (int64_t i = 0; i < j->count; i++, at += j->inner) {
      int64_t place = place_of(j, j->order[at]);
      if (place < 0) return bad_place(j, j->order[at]);
      j->y[at] = x[place * j->inner];
    }
  }
  return MG_OK;
}

static mg_status vjp_chunk(void *job, int64_t first, int64_t last) {
  const sort_job *j = job;
  for (int64_t r = first; r < last; r++) {
    int64_t outer = r / j->inner, column = r % j->inner;
    mg_real *dx = j->y + outer * j->n * j->inner + column;
    int64_t at = outer * j->count * j->inner + column;
    for (int64_t i = 0; i < j->n; i++) dx[i * j->inner] = 0;
    for (int64_t i = 0; i < j->count; i++, at += j->inner) {
      int64_t place = place_of(j, j->order[at]);
      if (place < 0) return bad_place(j, j->order[at]);
      dx[place * j->inner] += j->dy[at];
    }
  }
  return MG_OK;
}

/* Rows of x with the entries that an order names; MG_BAD_SHAPE if the order's other axes are not x's. */
static mg_status rows_of_order(const char *op, const mg_tensor *x, const mg_tensor *order, int axis,
                               sort_job *j) {
  int fits = x->axes == order->axes;
  int64_t count = axis >= 0 && axis < order->axes ? order->shape[axis] : 0;
  mg_status status = rows_along(op, x, axis, count, j);
  if (status != MG_OK) return status;
  for (int i = 0; fits && i < x->axes; i++) fits = i == axis || x->shape[i] == order->shape[i];
  j->order = order->data;
  if (fits) return MG_OK;
  char left[SHAPE_TEXT_BYTES], right[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "%s: order has shape %s for axis %d of %s", op, shape_of(left, order),
              axis + 1, shape_of(right, x));
}

mg_tensor *mg_sort_values(const mg_tensor *x, const mg_tensor *order, int axis) {
  sort_job j;
  if (rows_of_order("sort_values", x, order, axis, &j) != MG_OK) return NULL;
  mg_tensor *y = tensor_like(order);
  if (!y || y->size == 0) return y;
  j.y = y->data;
  return op_finish(y, op_for(y->size / j.count, op_grain(j.count), values_chunk, &j));
}

mg_tensor *mg_sort_vjp(const mg_tensor *x, const mg_tensor *order, const mg_tensor *dy, int axis) {
  sort_job j;
  if (rows_of_order("sort_vjp", x, order, axis, &j) != MG_OK) return NULL;
  if (shape_expect("sort_vjp", order, dy) != MG_OK) return NULL;
  mg_tensor *dx = tensor_like(x);
  if (!dx || dx->size == 0) return dx;
  j.dy = dy->data;
  j.y = dx->data;
  return op_finish(dx, op_for(dx->size / j.n, op_grain(j.n), vjp_chunk, &j));
}
