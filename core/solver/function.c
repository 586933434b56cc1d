/* Solvers that are functions of somebody else's, given as pointers or found in a shared object. */
#include <dlfcn.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "solver.h"

enum { ROWS = 16, TEXT = 64, MESSAGE = 256 };

typedef struct plan {
  solver_kind kind;
  mg_solve_function solve;
  void *state;
  void *library; /* of dlopen, or NULL */
  int is_minimum, is_exact;
  mg_option contexts[SOLVER_MOST_CONTEXTS + 1];
  char name[TEXT], context_names[SOLVER_MOST_CONTEXTS][TEXT];
} plan;

static void release(mg_solver *s) {
  const plan *p = s->plan;
  if (p->library) dlclose(p->library);
}

static int64_t scratch_bytes(const mg_solver *s) { return s->n * (int64_t)sizeof(mg_real); }

/* Junk is named: instance, entry, what it is. */
static mg_status check_answer(const mg_solver *s, solver_rows *rows, int64_t row) {
  const mg_real *z = rows->z + row * s->n, *theta = rows->theta + row * s->n;
  double objective = 0;
  for (int64_t i = 0; i < s->n; i++) {
    if (!isfinite(z[i]))
      return solver_fail(s, rows, row, MG_BAD_ARGUMENT,
                         "the answer's entry %" PRId64 " is %s, expected a finite number", i + 1,
                         isnan(z[i]) ? "NaN" : "infinite");
    if (z[i] != 0) objective += (double)theta[i] * z[i];
  }
  solver_answer_bound(rows, row, objective, ((const plan *)s->plan)->is_exact ? objective : INFINITY);
  return MG_OK;
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, mg_real *costs) {
  const plan *p = s->plan;
  const mg_real *contexts[SOLVER_MOST_CONTEXTS], *theta = rows->theta + row * s->n;
  mg_real *z = rows->z + row * s->n;
  char message[MESSAGE] = "";
  for (int c = 0; c < s->contexts; c++) contexts[c] = solver_context(rows, c, row);
  for (int64_t i = 0; p->is_minimum && i < s->n; i++) costs[i] = -theta[i];
  memset(z, 0, (size_t)s->n * sizeof *z);
  mg_instance instance = {.theta = p->is_minimum ? costs : theta,
                          .contexts = contexts,
                          .message = message,
                          .n = s->n,
                          .number = (rows->first + row) % rows->period};
  int status = p->solve(&instance, z, p->state);
  message[MESSAGE - 1] = 0;
  if (status == MG_OK) return check_answer(s, rows, row);
  const char *reason = message[0] ? message : "the function gave no reason";
  if (status == MG_NO_SOLUTION) return solver_none(s, rows, row, "%s", reason);
  return solver_fail(s, rows, row, MG_BAD_ARGUMENT, "the function returned %d: %s", status, reason);
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  mg_status status = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++)
    status = solve_one(s, rows, r, scratch);
  return status;
}

static mg_status copy_contexts(mg_solver *s, plan *p, const mg_option *contexts, const int64_t *widths) {
  for (; contexts && contexts[s->contexts].name; s->contexts++) {
    int i = s->contexts;
    if (i == SOLVER_MOST_CONTEXTS || widths[i] < 1)
      return fail(MG_BAD_ARGUMENT, "%s: context %d: expected at most %d contexts of a width from 1", p->name,
                  i + 1, SOLVER_MOST_CONTEXTS);
    snprintf(p->context_names[i], TEXT, "%s", contexts[i].name);
    p->contexts[i] = (mg_option){.name = p->context_names[i], .form = "", .doc = ""};
    s->widths[i] = widths[i];
  }
  return MG_OK;
}

static mg_solver *new_function(const mg_function *f) {
  if (!f->solve || !f->name || f->n < 1)
    return fail_null(MG_BAD_ARGUMENT, "solver: a function needs a name, a pointer and n from 1");
  plan *p = memory_new((int64_t)sizeof *p);
  if (!p) return NULL;
  memset(p, 0, sizeof *p);
  snprintf(p->name, TEXT, "%s", f->name);
  p->kind = (solver_kind){.kind = {.name = p->name,
                                   .sense = f->is_minimum ? "min" : "max",
                                   .shape = "size",
                                   .doc = "a function",
                                   .contexts = p->contexts,
                                   .is_exact = f->is_exact},
                          .domain = SOLVER_OWN,
                          .rows_at_once = ROWS,
                          .release = release,
                          .scratch_bytes = scratch_bytes,
                          .solve = solve};
  p->solve = f->solve;
  p->state = f->state;
  p->is_minimum = f->is_minimum;
  p->is_exact = f->is_exact;
  mg_solver *s = solver_new_of(&p->kind);
  if (!s) return memory_free(p), NULL;
  s->plan = p;
  s->n = f->n;
  if (copy_contexts(s, p, f->contexts, f->widths) != MG_OK) return mg_solver_free(s), NULL;
  return solver_finish_new(s);
}

mg_solver *mg_solver_load(const char *path, const char *symbol, const mg_function *f) {
  if (!path) return new_function(f);
  dlerror();
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) return fail_null(MG_BAD_FILE, "solver: %.300s", dlerror());
  mg_function found = *f;
  *(void **)&found.solve = dlsym(library, symbol);
  const int *bytes = dlsym(library, "mg_solver_reals");
  if (!found.solve || !bytes || *bytes != (int)sizeof(mg_real)) {
    if (!found.solve)
      fail(MG_BAD_FILE, "solver: %.200s has no function %.100s", path, symbol);
    else if (!bytes)
      fail(MG_BAD_FILE, "solver: %.200s does not say its reals: add `const int mg_solver_reals = "
           "sizeof(mg_real);`", path);
    else
      fail(MG_BAD_FILE, "solver: %.200s is built for reals of %d bytes, expected %d: %s", path, *bytes,
           (int)sizeof(mg_real),
           sizeof(mg_real) == 4 ? "build it without -DMG_DOUBLE" : "build it with -DMG_DOUBLE");
    dlclose(library);
    return NULL;
  }
  mg_solver *s = new_function(&found);
  if (!s) dlclose(library);
  else ((plan *)s->plan)->library = library;
  return s;
}
