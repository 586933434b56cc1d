/* Who may stop a computation: the flag (any thread, a signal handler), a poll of the computing thread,
 * a time limit. A poll stops the loop of its thread only, workers included: other threads may compute
 * for other Lua states. */
#include "interrupt.h"

#include <stdatomic.h>
#include <time.h>

#include "parallel.h"
#include "status.h"

static atomic_int raised;
static _Atomic int64_t limit; /* nanoseconds on the monotonic clock; 0: none */
static _Thread_local int (*poll_function)(void *);
static _Thread_local void *poll_state;

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void mg_interrupt_set(int on) { atomic_store(&raised, on != 0); }

void mg_interrupt_poll(int (*poll)(void *state), void *state) {
  poll_function = poll;
  poll_state = state;
}

void mg_time_limit_set(double seconds) {
  if (seconds > 1e9) seconds = 0;
  atomic_store(&limit, seconds > 0 ? now() + (int64_t)(seconds * 1e9) : 0);
}

mg_status interrupt_tick(void) {
  if ((poll_function && poll_function(poll_state)) || parallel_is_stopped() ||
      atomic_load_explicit(&raised, memory_order_relaxed))
    return fail(MG_INTERRUPTED, "interrupted");
  int64_t end = atomic_load_explicit(&limit, memory_order_relaxed);
  if (end && now() > end) return fail(MG_INTERRUPTED, "time limit reached");
  return MG_OK;
}
