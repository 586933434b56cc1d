/* Plans and batches. A plan is made once and never changes but for its idle scratch blocks, which
 * threads take and give back: after the first calls nothing is allocated. */
#include "solver.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"

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

mg_solver *solver_new_of(const solver_kind *kind) {
  mg_solver *s = memory_new((int64_t)sizeof *s);
  if (!s) return NULL;
  memset(s, 0, sizeof *s);
  s->kind = kind;
  s->is_constant_sum = kind->kind.is_constant_sum;
  atomic_init(&s->references, 1);
  return s;
}

mg_solver *solver_finish_new(mg_solver *s) {
  s->scratch_bytes = s->kind->scratch_bytes(s);
  void *scratch = solver_take_scratch(s);
  if (!scratch) return mg_solver_free(s), NULL;
  solver_give_scratch(s, scratch);
  return s;
}

/* The width that a context's form asks for: a number, "n", or a product of settings. */
static int64_t form_width(const mg_solver *s, const settings *given, const char *form) {
  if (strcmp(form, "n") == 0) return s->n;
  if (form[0] >= '0' && form[0] <= '9') return form[0] - '0';
  int64_t width = 1;
  char name[64];
  for (int used; sscanf(form, "%63s%n", name, &used) == 1; form += used)
    width *= settings_count(given, name);
  return width;
}

mg_solver *mg_solver_new(const char *kind, const mg_setting *values, int count) {
  const solver_kind *found = find_kind(kind);
  if (!found) return fail_null(MG_BAD_ARGUMENT, "solver: there is no kind '%.40s'", kind);
  settings given = {.kind = &found->kind, .given = values, .count = count};
  if (settings_check(&given) != MG_OK) return NULL;
  mg_solver *s = solver_new_of(found);
  if (!s) return NULL;
  if (found->prepare(s, &given) != MG_OK) return mg_solver_free(s), NULL;
  for (const mg_option *c = found->kind.contexts; c[s->contexts].name; s->contexts++)
    s->widths[s->contexts] = form_width(s, &given, c[s->contexts].form);
  return solver_finish_new(s);
}

void mg_solver_free(mg_solver *s) {
  if (!s || atomic_fetch_sub(&s->references, 1) > 1) return;
  for (int i = 0; i < SOLVER_SCRATCHES; i++) memory_free(atomic_load(&s->idle[i]));
  if (s->kind->release && s->plan) s->kind->release(s);
  memory_free(s->plan);
  memory_free(s);
}

int64_t mg_solver_size(const mg_solver *s) { return s->n; }

int mg_solver_is_constant_sum(const mg_solver *s) { return s->is_constant_sum; }

int64_t mg_solver_context_width(const mg_solver *s, int i) {
  return i >= 0 && i < s->contexts ? s->widths[i] : 0;
}

int64_t mg_solver_warm_size(const mg_solver *s) { return s->warm; }

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

/* The caller's number of a row's instance and of the block in it, from 0. */
static int64_t instance_of(const solver_rows *rows, int64_t row, int64_t *block) {
  int64_t number = (rows->first + row) % rows->period, blocks = rows->blocks > 1 ? rows->blocks : 1;
  *block = number % blocks;
  return number / blocks;
}

mg_status solver_fail(const mg_solver *s, const solver_rows *rows, int64_t row, mg_status status,
                      const char *format, ...) {
  char text[STATUS_MESSAGE_BYTES];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  int64_t block, instance = instance_of(rows, row, &block);
  if (rows->blocks > 1)
    return fail(status, "%s: instance %lld, block %lld: %s", s->kind->kind.name,
                (long long)instance + 1, (long long)block + 1, text);
  return fail(status, "%s: instance %lld: %s", s->kind->kind.name, (long long)instance + 1, text);
}

void solver_answer_bound(solver_rows *rows, int64_t row, double objective, double bound) {
  if (rows->answers)
    rows->answers[row] = (mg_answer){
        .objective = objective, .bound = bound, .status = MG_OK, .proved = bound <= objective};
}

void solver_answer(solver_rows *rows, int64_t row, double objective) {
  solver_answer_bound(rows, row, objective, objective);
}

/* Notes a gap at an instance, its reason if it is the lowest so far. */
static void note_gap(solver_gaps *gaps, int64_t instance, const char *reason) {
  lock_take(&gaps->lock);
  gaps->count++;
  int place = 0;
  while (place < gaps->named && gaps->lowest[place] < instance) place++;
  int is_new = place == gaps->named || gaps->lowest[place] != instance;
  if (is_new && place < SOLVER_NAMED_GAPS) {
    if (gaps->named < SOLVER_NAMED_GAPS) gaps->named++;
    memmove(&gaps->lowest[place + 1], &gaps->lowest[place],
            (size_t)(gaps->named - 1 - place) * sizeof *gaps->lowest);
    gaps->lowest[place] = instance;
    if (place == 0) memcpy(gaps->reason, reason, STATUS_MESSAGE_BYTES);
  }
  lock_give(&gaps->lock);
}

mg_status solver_none(const mg_solver *s, solver_rows *rows, int64_t row, const char *format, ...) {
  char text[STATUS_MESSAGE_BYTES] = {0};
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  memset(rows->z + row * s->n, 0, (size_t)s->n * sizeof *rows->z);
  if (rows->answers)
    rows->answers[row] = (mg_answer){.objective = NAN, .bound = NAN, .status = MG_NO_SOLUTION};
  int64_t block;
  note_gap(rows->gaps, instance_of(rows, row, &block), text);
  return MG_OK;
}

mg_status solver_gaps_failure(const mg_solver *s, const solver_gaps *gaps) {
  if (gaps->count == 0) return MG_OK;
  char others[STATUS_MESSAGE_BYTES] = "";
  size_t length = 0;
  for (int i = 0; i < gaps->named && gaps->named > 1; i++)
    length += (size_t)snprintf(others + length, sizeof others - length, "%s%lld", i ? ", " : "",
                               (long long)gaps->lowest[i] + 1);
  long long first = (long long)gaps->lowest[0] + 1;
  if (gaps->count == 1)
    return fail(MG_NO_SOLUTION, "%s: instance %lld: no solution: %.300s", s->kind->kind.name, first,
                gaps->reason);
  return fail(MG_NO_SOLUTION, "%s: instance %lld: no solution: %.300s (and %lld more%s%s%s)",
              s->kind->kind.name, first, gaps->reason, (long long)gaps->count - 1,
              gaps->named > 1 ? ": instances " : "", others,
              gaps->count > gaps->named && gaps->named == SOLVER_NAMED_GAPS ? ", ..." : "");
}

static mg_status check_context(const mg_solver *s, const mg_context *c, int index) {
  const char *kind = s->kind->kind.name;
  int64_t width = s->widths[index];
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

/* Whether there is a NaN or an infinity. */
static int is_suspect(const mg_real *theta, int64_t n) {
  mg_real lanes[8] = {0};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; j++) lanes[j] += theta[i + j] * 0;
  mg_real sum = 0;
  for (; i < n; i++) sum += theta[i] * 0;
  for (int j = 0; j < 8; j++) sum += lanes[j];
  return sum != 0 || isnan(sum);
}

/* Whether a number may not stand in theta, and its name as the person sees it. */
static const char *offence(const solver_kind *kind, mg_real value) {
  if (isnan(value)) return "NaN";
  if (kind->domain == SOLVER_OWN || isfinite(value)) return NULL;
  if (value == -INFINITY && kind->domain == SOLVER_FORBIDS) return NULL;
  return (value > 0) == (kind->kind.sense[1] == 'a') ? "inf" : "-inf"; /* "max": as it is */
}

/* The first row that holds what theta may not, recorded as the failure; rows->count if none does. */
static int64_t find_offence(const mg_solver *s, const solver_rows *rows) {
  const char *what = strcmp(s->kind->kind.sense, "min") == 0 ? "cost" : "score";
  for (int64_t r = 0; r < rows->count; r++) {
    const mg_real *theta = rows->theta + r * s->n;
    if (!is_suspect(theta, s->n)) continue;
    for (int64_t i = 0; i < s->n; i++) {
      const char *found = offence(s->kind, theta[i]);
      if (!found) continue;
      solver_fail(s, rows, r, MG_BAD_ARGUMENT, "%s at entry %lld is %s", what, (long long)i + 1, found);
      return r;
    }
  }
  return rows->count;
}

mg_status solver_solve_rows(const mg_solver *s, solver_rows *rows, void *scratch) {
  int64_t count = rows->count, clean = find_offence(s, rows);
  char text[STATUS_MESSAGE_BYTES];
  if (clean < count) snprintf(text, sizeof text, "%s", mg_message());
  rows->count = clean; /* a row before it may fail, too */
  mg_status status = clean > 0 ? s->kind->solve(s, rows, scratch) : MG_OK;
  rows->count = count;
  return status == MG_OK && clean < count ? fail(MG_BAD_ARGUMENT, "%s", text) : status;
}

typedef struct batch {
  const mg_solver *s;
  const mg_real *theta;
  mg_real *z;
  mg_answer *answers;
  double *warm;
  int64_t count;
  const mg_context *contexts[SOLVER_MOST_CONTEXTS];
  _Atomic int64_t repaired;
  solver_gaps gaps;
} batch;

static mg_status solve_chunk(void *job, int64_t first, int64_t last) {
  batch *b = job;
  if (interrupt_tick() != MG_OK) return MG_INTERRUPTED; /* a batch of one chunk meets none in parallel_for */
  void *scratch = solver_take_scratch(b->s);
  if (!scratch) return MG_NO_MEMORY;
  solver_rows rows = {.theta = b->theta + first * b->s->n,
                      .z = b->z + first * b->s->n,
                      .answers = b->answers ? b->answers + first : NULL,
                      .warm = b->warm && b->s->warm ? b->warm + first * b->s->warm : NULL,
                      .count = last - first,
                      .first = first,
                      .period = b->count,
                      .gaps = &b->gaps};
  memcpy(rows.contexts, b->contexts, sizeof rows.contexts);
  mg_status status = solver_solve_rows(b->s, &rows, scratch);
  solver_give_scratch(b->s, scratch);
  atomic_fetch_add(&b->repaired, rows.repaired);
  return status;
}

/* Fewer rows where they are long, so that interrupts are met between chunks. */
static int64_t rows_of_chunk(const mg_solver *s) {
  int64_t fit = (1 << 18) / s->n + 1;
  return fit < s->kind->rows_at_once ? fit : s->kind->rows_at_once;
}

mg_status mg_solver_solve(const mg_solver *s, const mg_real *theta, const mg_context *context,
                          int contexts, mg_real *z, mg_answer *answers, double *warm,
                          mg_report *report, int64_t count) {
  batch b = {.s = s, .theta = theta, .z = z, .answers = answers, .warm = warm, .count = count};
  mg_status status = solver_contexts(s, context, contexts, b.contexts);
  if (status == MG_OK) status = parallel_for(count, rows_of_chunk(s), solve_chunk, &b);
  if (status == MG_OK && !answers) status = solver_gaps_failure(s, &b.gaps);
  if (status == MG_OK && report) {
    report->solves += count;
    report->entries += count * s->n;
    report->repaired += atomic_load(&b.repaired);
  }
  return status;
}

mg_status mg_solver_is_feasible(const mg_solver *s, const mg_context *context, int contexts,
                                const mg_real *z, unsigned char *feasible, int64_t count) {
  solver_rows rows = {.count = count, .period = count};
  if (!s->kind->is_feasible)
    return fail(MG_BAD_ARGUMENT, "%s: the function's set of solutions is not known", s->kind->kind.name);
  mg_status status = solver_contexts(s, context, contexts, rows.contexts);
  for (int64_t r = 0; r < count && status == MG_OK; r++) {
    feasible[r] = s->kind->is_feasible(s, &rows, r, z + r * s->n) != 0;
    if (r % 64 == 63) status = interrupt_tick();
  }
  return status;
}
