/* Finds and loads cbc.so, which lies beside the shared object that this is part of. */
#include "cbc.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/parallel.h"
#include "base/status.h"

enum { PATH_BYTES = 4096 };

static spin_lock lock;
static cbc_solve_function *solve_function; /* set once, last */
static cbc_version_function *version_function;

/* The path of cbc.so; 0 if there is no such file. */
static int find_module(char path[PATH_BYTES]) {
  Dl_info own;
  if (!dladdr(&lock, &own) || !own.dli_fname) return 0;
  const char *end = strrchr(own.dli_fname, '/');
  int length = end ? (int)(end - own.dli_fname) + 1 : 0;
  int written = snprintf(path, PATH_BYTES, "%.*scbc.so", length, own.dli_fname);
  return written < PATH_BYTES && access(path, R_OK) == 0;
}

/* A symbol as a function pointer of whatever type stands at `function`. */
static int find_symbol(void *module, const char *name, void *function) {
  void *found = dlsym(module, name);
  memcpy(function, &found, sizeof found);
  return found != NULL;
}

static mg_status load(void) {
  char path[PATH_BYTES];
  if (!find_module(path))
    return fail(MG_BAD_ARGUMENT,
                "ilp: built without COIN-OR CBC; install coinor-libcbc-dev and rebuild");
  void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  cbc_solve_function *found;
  if (!module || !find_symbol(module, "mg_cbc_version_with", &version_function) ||
      !find_symbol(module, "mg_cbc_solve_with", &found))
    return fail(MG_BAD_ARGUMENT, "ilp: COIN-OR CBC does not load: %.300s", dlerror());
  solve_function = found; /* the module stays loaded */
  return MG_OK;
}

mg_status cbc_load(void) {
  lock_take(&lock);
  mg_status status = solve_function ? MG_OK : load();
  lock_give(&lock);
  return status;
}

mg_status cbc_solve(const cbc_program *program, const double *objective, double end, double *x,
                    double *bound, program_outcome *outcome) {
  const cbc_hooks hooks = {.tick = interrupt_tick, .fail = fail};
  return solve_function(&hooks, program, objective, end, x, bound, outcome);
}

double cbc_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *mg_cbc_version(void) { return cbc_load() == MG_OK ? version_function() : NULL; }
