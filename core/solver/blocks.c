/* Blocks of another solver side by side: block b of instance i is instance i * blocks + b of the inner
 * solver. No data moves: theta [count, blocks, n] is [count * blocks, n]. */
#include <string.h>

#include "base/memory.h"
#include "solver.h"

enum { ROWS = 16, MOST_LISTED = 1 << 20 };

typedef struct plan {
  mg_solver *inner;
  int64_t blocks;
} plan;

static void release(mg_solver *s) { mg_solver_free(((plan *)s->plan)->inner); }

static int64_t answers_bytes(const plan *p) {
  return (ROWS * p->blocks * (int64_t)sizeof(mg_answer) + 63) / 64 * 64;
}

static int64_t scratch_bytes(const mg_solver *s) {
  const plan *p = s->plan;
  return answers_bytes(p) + p->inner->scratch_bytes;
}

/* The rows of the inner solver; their contexts in own. */
static solver_rows inner_rows(const plan *p, const solver_rows *rows, mg_context *own) {
  solver_rows inner = *rows;
  inner.count *= p->blocks;
  inner.first *= p->blocks;
  inner.period *= p->blocks;
  inner.blocks = p->blocks * (rows->blocks ? rows->blocks : 1);
  for (int i = 0; i < p->inner->contexts; i++) {
    if (!rows->contexts[i]) continue;
    own[i] = *rows->contexts[i];
    own[i].width /= p->blocks;
    own[i].rows *= p->blocks;
    inner.contexts[i] = &own[i];
  }
  return inner;
}

static mg_status solve_inner(const plan *p, solver_rows *all, void *scratch) {
  const mg_solver *s = p->inner;
  for (int64_t done = 0; done < all->count;) {
    solver_rows part = *all;
    int64_t left = all->count - done, most = s->kind->rows_at_once;
    part.count = left < most ? left : most;
    part.first += done;
    part.theta += done * s->n;
    part.z += done * s->n;
    part.answers += done;
    if (part.warm) part.warm += done * s->warm;
    mg_status status = s->kind->solve(s, &part, scratch);
    all->repaired = part.repaired;
    if (status != MG_OK) return status;
    done += part.count;
  }
  return MG_OK;
}

/* The answer of a row from those of its blocks. */
static void join(const mg_solver *s, solver_rows *rows, int64_t row, const mg_answer *answers) {
  const plan *p = s->plan;
  mg_answer sum = {.status = MG_OK, .proved = 1};
  for (int64_t b = 0; b < p->blocks; b++) {
    sum.objective += answers[b].objective; /* NaN without a solution */
    sum.bound += answers[b].bound;
    if (answers[b].status != MG_OK) sum.status = answers[b].status;
    sum.proved &= answers[b].proved;
  }
  if (sum.status != MG_OK) memset(rows->z + row * s->n, 0, (size_t)s->n * sizeof *rows->z);
  if (rows->answers) rows->answers[row] = sum;
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  const plan *p = s->plan;
  mg_context own[SOLVER_MOST_CONTEXTS];
  solver_rows inner = inner_rows(p, rows, own);
  inner.answers = scratch;
  mg_status status = solve_inner(p, &inner, (char *)scratch + answers_bytes(p));
  rows->repaired = inner.repaired;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++)
    join(s, rows, r, inner.answers + r * p->blocks);
  return status;
}

static int is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  const plan *p = s->plan;
  mg_context own[SOLVER_MOST_CONTEXTS];
  solver_rows inner = inner_rows(p, rows, own);
  for (int64_t b = 0; b < p->blocks; b++)
    if (!p->inner->kind->is_feasible(p->inner, &inner, row * p->blocks + b, z + b * p->inner->n))
      return 0;
  return 1;
}

/* Every choice of a solution for each block, the last block fastest. lists[b] holds counts[b]. */
static mg_status visit_choices(const mg_solver *s, mg_real *const *lists, const int64_t *counts,
                               int64_t *at, mg_real *z, solver_visit *visit) {
  const plan *p = s->plan;
  const int64_t n = p->inner->n;
  for (int64_t b = 0; b < p->blocks; b++)
    if (counts[b] == 0) return MG_OK;
  for (;;) {
    for (int64_t b = 0; b < p->blocks; b++)
      memcpy(z + b * n, lists[b] + at[b] * n, (size_t)n * sizeof *z);
    mg_status status = solver_found(visit, z);
    if (status != MG_OK) return status;
    int64_t b = p->blocks - 1;
    while (b >= 0 && ++at[b] == counts[b]) at[b--] = 0;
    if (b < 0) return MG_OK;
  }
}

static mg_status enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  const plan *p = s->plan;
  mg_context own[SOLVER_MOST_CONTEXTS];
  solver_rows inner = inner_rows(p, rows, own);
  mg_real **lists = memory_array(p->blocks, (int64_t)sizeof *lists);
  int64_t *counts = memory_array(2 * p->blocks, (int64_t)sizeof *counts);
  mg_real *z = memory_array(s->n, (int64_t)sizeof *z);
  mg_status status = lists && counts && z ? MG_OK : MG_NO_MEMORY;
  int64_t listed = 0;
  inner.count = 1;
  for (; listed < p->blocks && status == MG_OK; listed++) {
    inner.first = listed;
    lists[listed] = NULL;
    status = solver_collect(p->inner, &inner, MOST_LISTED, &lists[listed], &counts[listed]);
  }
  if (status == MG_OK) {
    memset(counts + p->blocks, 0, (size_t)p->blocks * sizeof *counts);
    status = visit_choices(s, lists, counts, counts + p->blocks, z, visit);
  }
  while (listed > 0) memory_free(lists[--listed]);
  memory_free(z);
  memory_free(counts);
  memory_free(lists);
  return status;
}

mg_solver *mg_solver_blocks(mg_solver *inner, int64_t blocks) {
  if (blocks < 1 || memory_product(inner->n, blocks) < 0)
    return fail_null(MG_BAD_ARGUMENT, "blocks: %lld blocks of %lld entries, expected 1 and more",
                     (long long)blocks, (long long)inner->n);
  /* One block of memory: the plan, and the kind, which is the inner one's but for its functions. */
  struct {
    plan plan;
    solver_kind kind;
  } *made = memory_new((int64_t)sizeof *made);
  if (!made) return NULL;
  solver_kind *kind = &made->kind;
  *kind = *inner->kind;
  kind->rows_at_once = ROWS;
  kind->prepare = NULL;
  kind->release = release;
  kind->scratch_bytes = scratch_bytes;
  kind->solve = solve;
  kind->is_feasible = inner->kind->is_feasible ? is_feasible : NULL;
  kind->enumerate = kind->is_feasible ? enumerate : NULL;
  mg_solver *s = solver_new_of(kind);
  if (!s) return memory_free(made), NULL;
  made->plan = (plan){inner, blocks};
  atomic_fetch_add(&inner->references, 1);
  s->plan = made;
  s->n = inner->n * blocks;
  s->warm = inner->warm * blocks;
  s->is_constant_sum = inner->is_constant_sum;
  s->contexts = inner->contexts;
  for (int i = 0; i < s->contexts; i++) s->widths[i] = inner->widths[i] * blocks;
  return solver_finish_new(s);
}
