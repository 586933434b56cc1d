/* Isotonic regression of rows by pooling adjacent violators (Best, Chakravarti 1990): the decreasing row
 * nearest to a row; its Jacobian averages over the blocks of equal entries. */
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

typedef struct rows_job {
  const mg_real *x, *dy;
  mg_real *y;
  int64_t n;
} rows_job;

typedef struct block {
  double sum;
  int64_t count;
} block;

static int is_out_of_order(const block *above, const block *below) {
  return above->sum * (double)below->count < below->sum * (double)above->count;
}

/* Each entry joins as a block; blocks that rise are pooled: every pooling takes a block away. */
static mg_status regress_rows(void *job, int64_t first, int64_t last) {
  const rows_job *r = job;
  block *blocks = memory_array(r->n, (int64_t)sizeof *blocks);
  if (!blocks) return MG_NO_MEMORY;
  mg_status status = MG_OK;
  for (int64_t row = first; row < last && status == MG_OK; row++) {
    const mg_real *x = r->x + row * r->n;
    mg_real *y = r->y + row * r->n;
    int64_t count = 0;
    for (int64_t i = 0; i < r->n; i++) {
      blocks[count++] = (block){(double)x[i], 1};
      while (count > 1 && is_out_of_order(&blocks[count - 2], &blocks[count - 1])) {
        blocks[count - 2].sum += blocks[count - 1].sum;
        blocks[count - 2].count += blocks[count - 1].count;
        count--;
      }
    }
    for (int64_t b = 0; b < count; b++) {
      mg_real mean = (mg_real)(blocks[b].sum / (double)blocks[b].count);
      for (int64_t i = 0; i < blocks[b].count; i++) *y++ = mean;
    }
    status = interrupt_tick();
  }
  memory_free(blocks);
  return status;
}

static mg_status average_rows(void *job, int64_t first, int64_t last) {
  const rows_job *r = job;
  for (int64_t row = first; row < last; row++) {
    const mg_real *v = r->x + row * r->n, *dy = r->dy + row * r->n;
    mg_real *dx = r->y + row * r->n;
    for (int64_t i = 0, end; i < r->n; i = end) {
      double sum = 0;
      for (end = i; end < r->n && (v[end] == v[i] || end == i); end++) sum += (double)dy[end];
      for (int64_t j = i; j < end; j++) dx[j] = (mg_real)(sum / (double)(end - i));
    }
  }
  return MG_OK;
}

static mg_tensor *for_rows(const char *name, const mg_tensor *x, const mg_tensor *dy,
                           parallel_body body) {
  if (x->axes == 0) return fail_null(MG_BAD_SHAPE, "%s: expected rows, got a number", name);
  mg_tensor *y = tensor_like(x);
  if (!y || y->size == 0) return y;
  rows_job r = {.x = x->data, .dy = dy ? dy->data : NULL, .y = y->data, .n = x->shape[x->axes - 1]};
  return op_finish(y, op_for(y->size / r.n, op_grain(r.n), body, &r));
}

mg_tensor *mg_isotonic(const mg_tensor *x) { return for_rows("isotonic", x, NULL, regress_rows); }

mg_tensor *mg_isotonic_vjp(const mg_tensor *y, const mg_tensor *dy) {
  if (y->size != dy->size)
    return fail_null(MG_BAD_SHAPE, "isotonic_vjp: dy has %lld entries, y %lld", (long long)dy->size,
                     (long long)y->size);
  return for_rows("isotonic_vjp", y, dy, average_rows);
}
