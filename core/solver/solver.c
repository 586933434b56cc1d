/* Plans and batches. A plan is made once and never changes but for its idle scratch blocks, which
 * threads take and give back: after the first calls nothing is allocated. */
#include "solver.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"

const mg_kind *mg_solver_kind(int i) {
  for (int j = 0; solver_list[j]; j++)
    if (j == i) return &solver_list[j]->kind;
  return NULL;
}

static const solver_kind *find_kind(const char *name) {
  for (int i = 0; solver_list[i]; i++)
    if (strcmp(solver_list[i]->kind.name, name) == 0) return solver_list[i];
  return NULL;
}

mg_solver *mg_solver_new(const char *kind, const mg_setting *values, int count) {
  const solver_kind *found = find_kind(kind);
  if (!found) return fail_null(MG_BAD_ARGUMENT, "solver: there is no kind '%.40s'", kind);
  settings given = {.kind = &found->kind, .given = values, .count = count};
  if (settings_check(&given) != MG_OK) return NULL;
  mg_solver *s = memory_new((int64_t)sizeof *s);
  if (!s) return NULL;
  memset(s, 0, sizeof *s);
  s->kind = found;
  while (found->kind.contexts[s->contexts].name) s->contexts++;
  if (found->prepare(s, &given) != MG_OK) return mg_solver_free(s), NULL;
  s->scratch_bytes = found->scratch_bytes(s);
  void *scratch = solver_take_scratch(s);
  if (!scratch) return mg_solver_free(s), NULL;
  solver_give_scratch(s, scratch);
  return s;
}

void mg_solver_free(mg_solver *s) {
  if (!s) return;
  for (int i = 0; i < SOLVER_SCRATCHES; i++) memory_free(atomic_load(&s->idle[i]));
  if (s->kind->release && s->plan) s->kind->release(s);
  memory_free(s->plan);
  memory_free(s);
}

int64_t mg_solver_size(const mg_solver *s) { return s->n; }

/* The idle blocks are the one part of a plan that changes. */
static _Atomic(void *) *idle_of(const mg_solver *s) { return ((mg_solver *)(uintptr_t)s)->idle; }

void *solver_take_scratch(const mg_solver *s) {
  _Atomic(void *) *idle = idle_of(s);
  for (int i = 0; i < SOLVER_SCRATCHES; i++) {
    void *scratch = atomic_exchange(&idle[i], NULL);
    if (scratch) return scratch;
  }
  return memory_new(s->scratch_bytes);
}

void solver_give_scratch(const mg_solver *s, void *scratch) {
  _Atomic(void *) *idle = idle_of(s);
  for (int i = 0; i < SOLVER_SCRATCHES; i++) {
    void *expected = NULL;
    if (atomic_compare_exchange_strong(&idle[i], &expected, scratch)) return;
  }
  memory_free(scratch);
}

const mg_real *solver_context(const solver_rows *rows, int index, int64_t row) {
  const mg_context *c = rows->contexts[index];
  if (!c) return NULL;
  return c->values + (rows->first + row) % rows->period % c->rows * c->width;
}

mg_status solver_fail(const mg_solver *s, const solver_rows *rows, int64_t row, mg_status status,
                      const char *format, ...) {
  char text[STATUS_MESSAGE_BYTES];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  return fail(status, "%s: instance %lld: %s", s->kind->kind.name,
              (long long)((rows->first + row) % rows->period) + 1, text);
}

/* The width that a context's form asks for: "n" or a number. */
static int64_t form_width(const mg_solver *s, const char *form) {
  return strcmp(form, "n") == 0 ? s->n : form[0] - '0';
}

static mg_status check_context(const mg_solver *s, const mg_context *c, int index) {
  const char *kind = s->kind->kind.name;
  int64_t width = form_width(s, s->kind->kind.contexts[index].form);
  if (c->width != width)
    return fail(MG_BAD_SHAPE, "%s: context %s has %lld entries an instance, expected %lld", kind,
                c->name, (long long)c->width, (long long)width);
  if (c->rows < 1) return fail(MG_BAD_SHAPE, "%s: context %s has no rows", kind, c->name);
  for (int64_t i = 0; i < c->rows * c->width; i++)
    if (isnan(c->values[i]))
      return fail(MG_BAD_ARGUMENT, "%s: context %s of instance %lld is NaN at entry %lld", kind,
                  c->name, (long long)(i / c->width) + 1, (long long)(i % c->width) + 1);
  return MG_OK;
}

mg_status solver_contexts(const mg_solver *s, const mg_context *given, int count,
                          const mg_context *ordered[SOLVER_MOST_CONTEXTS]) {
  const mg_option *known = s->kind->kind.contexts;
  memset(ordered, 0, SOLVER_MOST_CONTEXTS * sizeof *ordered);
  for (int i = 0; i < count; i++) {
    int index = 0;
    while (index < s->contexts && strcmp(known[index].name, given[i].name) != 0) index++;
    if (index == s->contexts)
      return fail(MG_BAD_ARGUMENT, "%s: unknown context '%.40s'", s->kind->kind.name, given[i].name);
    mg_status status = check_context(s, &given[i], index);
    if (status != MG_OK) return status;
    ordered[index] = &given[i];
  }
  return MG_OK;
}

/* A sum with a NaN is NaN, and so is one with infinities of both signs: then look closer. */
static int may_hold_nan(const mg_real *theta, int64_t n) {
  mg_real lanes[8] = {0};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; j++) lanes[j] += theta[i + j] * 0;
  mg_real sum = 0;
  for (; i < n; i++) sum += theta[i] * 0;
  for (int j = 0; j < 8; j++) sum += lanes[j];
  return sum != 0 || isnan(sum);
}

/* The first row that holds a NaN, recorded as the failure; rows->count if none does. */
static int64_t find_nan(const mg_solver *s, const solver_rows *rows) {
  const char *what = strcmp(s->kind->kind.sense, "min") == 0 ? "cost" : "score";
  for (int64_t r = 0; r < rows->count; r++) {
    const mg_real *theta = rows->theta + r * s->n;
    if (!may_hold_nan(theta, s->n)) continue;
    for (int64_t i = 0; i < s->n; i++)
      if (isnan(theta[i])) {
        solver_fail(s, rows, r, MG_BAD_ARGUMENT, "%s at entry %lld is NaN", what, (long long)i + 1);
        return r;
      }
  }
  return rows->count;
}

mg_status solver_solve_rows(const mg_solver *s, solver_rows *rows, void *scratch) {
  int64_t count = rows->count, clean = find_nan(s, rows);
  rows->count = clean; /* a row before it may fail, too */
  mg_status status = clean > 0 ? s->kind->solve(s, rows, scratch) : MG_OK;
  rows->count = count;
  return status == MG_OK && clean < count ? MG_BAD_ARGUMENT : status;
}

typedef struct batch {
  const mg_solver *s;
  const mg_real *theta;
  mg_real *z;
  double *objective;
  int64_t count;
  const mg_context *contexts[SOLVER_MOST_CONTEXTS];
  _Atomic int64_t repaired;
} batch;

static mg_status solve_chunk(void *job, int64_t first, int64_t last) {
  batch *b = job;
  void *scratch = solver_take_scratch(b->s);
  if (!scratch) return MG_NO_MEMORY;
  solver_rows rows = {.theta = b->theta + first * b->s->n,
                      .z = b->z + first * b->s->n,
                      .objective = b->objective ? b->objective + first : NULL,
                      .count = last - first,
                      .first = first,
                      .period = b->count};
  memcpy(rows.contexts, b->contexts, sizeof rows.contexts);
  mg_status status = solver_solve_rows(b->s, &rows, scratch);
  solver_give_scratch(b->s, scratch);
  atomic_fetch_add(&b->repaired, rows.repaired);
  return status;
}

mg_status mg_solver_solve(const mg_solver *s, const mg_real *theta, const mg_context *context,
                          int contexts, mg_real *z, double *objective, mg_report *report,
                          int64_t count) {
  batch b = {.s = s, .theta = theta, .z = z, .objective = objective, .count = count};
  mg_status status = solver_contexts(s, context, contexts, b.contexts);
  if (status == MG_OK) status = parallel_for(count, s->kind->rows_at_once, solve_chunk, &b);
  if (status == MG_OK && report) {
    report->solves += count;
    report->entries += count * s->n;
    report->repaired += atomic_load(&b.repaired);
  }
  return status;
}
