/* When a solver with the setting time_limit is to give up. */
#ifndef DEADLINE_H
#define DEADLINE_H
#include <math.h>
#include <time.h>

/* Seconds on the monotonic clock. */
static inline double deadline_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The moment `seconds` from now; seconds <= 0: never. */
static inline double deadline_after(double seconds) {
  return seconds > 0 ? deadline_now() + seconds : INFINITY;
}

static inline int deadline_is_past(double moment) {
  return moment != INFINITY && deadline_now() >= moment;
}

#endif
