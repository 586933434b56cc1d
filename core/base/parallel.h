/* The thread pool: the only file that knows pthreads. */
#ifndef PARALLEL_H
#define PARALLEL_H
#include <stdatomic.h>

#include "../mapgrad.h"

/* Works on first..last-1. */
typedef mg_status (*parallel_body)(void *job, int64_t first, int64_t last);

/* Calls body for the chunks [0, grain), [grain, 2 grain), ... of 0..count-1, on all threads. Borders
 * depend on count and grain alone, so results do not depend on the number of threads as long as each
 * chunk writes its own place. Looks for interrupts between chunks. Of failing chunks the lowest wins:
 * its status is returned, its message is this thread's; higher chunks may not have run. Inside a body
 * it runs in place. Choose the grain so that a chunk takes 10 us and more. */
mg_status parallel_for(int64_t count, int64_t grain, parallel_body body, void *job);

/* Number of chunks of such a loop, for arrays of partial sums. */
int64_t parallel_chunks(int64_t count, int64_t grain);

/* Whether the loop that this thread works in was interrupted elsewhere. */
int parallel_is_stopped(void);

/* A lock for a few instructions. Starts as {0}. */
typedef struct spin_lock {
  atomic_int taken;
} spin_lock;

void lock_take(spin_lock *lock);
void lock_give(spin_lock *lock);

#endif
