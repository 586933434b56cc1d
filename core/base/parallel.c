/* One pool of workers for the process. A loop is published as `pool.loop`; workers that see it join
 * (counted in `users`, under the mutex), take chunks by an atomic counter, and leave. The caller works
 * too, then withdraws the loop and waits for those who joined, so that no worker touches a loop that
 * has ended and none has to wake for a loop that is over. Idle workers spin for some 50 us before they
 * sleep: a wake-up costs as much as a small batch. */
#include "parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "interrupt.h"
#include "status.h"

enum { MOST_THREADS = 256, SPINS = 4000 };

typedef struct loop {
  parallel_body body;
  void *job;
  int64_t count, grain, chunks;
  _Atomic int64_t next;   /* the next chunk to take */
  _Atomic int64_t failed; /* the lowest chunk that failed; chunks: none */
  atomic_int stopped;     /* a chunk was interrupted: the others are to end, too */
  spin_lock lock;         /* guards what follows */
  mg_status status;
  char message[STATUS_MESSAGE_BYTES];
} loop;

static struct {
  pthread_mutex_t owner; /* held by the thread whose loop it is */
  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t published;
  loop *loop; /* NULL: none open */
  int users, workers, stop, sleeping;
  pthread_t threads[MOST_THREADS];
  _Atomic uint64_t generation; /* goes up when a loop is published or the pool stops */
} pool = {.owner = PTHREAD_MUTEX_INITIALIZER,
          .mutex = PTHREAD_MUTEX_INITIALIZER,
          .published = PTHREAD_COND_INITIALIZER};

static _Atomic int64_t wanted; /* threads; 0: not yet known */
static _Thread_local int inside;
static _Thread_local loop *current; /* the loop this thread works in */

void lock_take(spin_lock *lock) {
  for (int tries = 0; atomic_exchange_explicit(&lock->taken, 1, memory_order_acquire); tries++)
    if (tries > 100) sched_yield();
}

void lock_give(spin_lock *lock) { atomic_store_explicit(&lock->taken, 0, memory_order_release); }

int parallel_is_stopped(void) {
  return current && atomic_load_explicit(&current->stopped, memory_order_relaxed);
}

int64_t parallel_chunks(int64_t count, int64_t grain) { return (count + grain - 1) / grain; }

int64_t mg_threads(void) {
  int64_t n = atomic_load(&wanted);
  if (n == 0) {
    cpu_set_t set;
    n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    if (n > MOST_THREADS) n = MOST_THREADS;
    atomic_store(&wanted, n);
  }
  return n;
}

/* Keeps the failure of a chunk if no lower chunk has failed. */
static void keep_failure(loop *l, int64_t chunk, mg_status status) {
  lock_take(&l->lock);
  /* Of interrupted chunks the first to see it knows why. */
  int is_echo = status == MG_INTERRUPTED && atomic_load(&l->stopped);
  if (status == MG_INTERRUPTED) atomic_store(&l->stopped, 1);
  if (chunk < atomic_load(&l->failed) && !is_echo) {
    atomic_store(&l->failed, chunk);
    l->status = status;
    snprintf(l->message, sizeof l->message, "%s", mg_message());
  }
  lock_give(&l->lock);
}

static mg_status run_chunk(parallel_body body, void *job, int64_t count, int64_t grain,
                           int64_t chunk) {
  int64_t first = chunk * grain;
  int64_t last = count - first < grain ? count : first + grain;
  return body(job, first, last);
}

/* Takes chunks until there are none, or one below failed. */
static void work(loop *l) {
  inside++;
  current = l;
  for (;;) {
    int64_t chunk = atomic_fetch_add(&l->next, 1);
    if (chunk >= l->chunks || chunk > atomic_load(&l->failed)) break;
    mg_status status = interrupt_tick();
    if (status == MG_OK) status = run_chunk(l->body, l->job, l->count, l->grain, chunk);
    if (status != MG_OK) keep_failure(l, chunk, status);
  }
  current = NULL;
  inside--;
}

/* Waits for a generation past `seen`: spinning first, then asleep. */
static uint64_t wait_for_work(uint64_t seen) {
  for (int i = 0; i < SPINS; i++) {
    if (atomic_load_explicit(&pool.generation, memory_order_acquire) != seen) break;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  pthread_mutex_lock(&pool.mutex);
  pool.sleeping++;
  while (atomic_load(&pool.generation) == seen) pthread_cond_wait(&pool.published, &pool.mutex);
  pool.sleeping--;
  seen = atomic_load(&pool.generation);
  pthread_mutex_unlock(&pool.mutex);
  return seen;
}

static void *worker(void *start) {
  uint64_t seen = (uint64_t)(uintptr_t)start;
  for (;;) {
    seen = wait_for_work(seen);
    pthread_mutex_lock(&pool.mutex);
    int stop = pool.stop;
    loop *l = pool.loop;
    if (l) pool.users++;
    pthread_mutex_unlock(&pool.mutex);
    if (stop) return NULL;
    if (!l) continue;
    work(l);
    pthread_mutex_lock(&pool.mutex);
    pool.users--;
    pthread_mutex_unlock(&pool.mutex);
  }
}

/* Ends all workers. The owner mutex is held. */
static void stop_workers(void) {
  pthread_mutex_lock(&pool.mutex);
  pool.stop = 1;
  atomic_fetch_add(&pool.generation, 1);
  pthread_cond_broadcast(&pool.published);
  pthread_mutex_unlock(&pool.mutex);
  for (int i = 0; i < pool.workers; i++) pthread_join(pool.threads[i], NULL);
  pool.workers = 0;
  pool.stop = 0;
}

/* A forked child has no workers, and a mutex may have been held by a thread that is gone. */
static void forget_workers(void) {
  pool.workers = pool.users = pool.sleeping = 0;
  pool.loop = NULL;
  pthread_mutex_init(&pool.owner, NULL);
  pthread_mutex_init(&pool.mutex, NULL);
  pthread_cond_init(&pool.published, NULL);
}

/* Starts the workers that are missing; fewer than wanted is fine. The owner mutex is held. */
static void start_workers(int64_t threads) {
  static int prepared;
  if (!prepared) prepared = pthread_atfork(NULL, NULL, forget_workers) == 0;
  void *seen = (void *)(uintptr_t)atomic_load(&pool.generation);
  while (pool.workers < threads - 1) {
    if (pthread_create(&pool.threads[pool.workers], NULL, worker, seen) != 0) break;
    pool.workers++;
  }
}

mg_status mg_threads_set(int64_t count) {
  if (count < 1 || count > MOST_THREADS)
    return fail(MG_BAD_ARGUMENT, "threads_set: count = %lld is not in 1..%d", (long long)count,
                MOST_THREADS);
  pthread_mutex_lock(&pool.owner);
  if (count - 1 < pool.workers) stop_workers();
  atomic_store(&wanted, count);
  pthread_mutex_unlock(&pool.owner);
  return MG_OK;
}

/* All chunks in order on this thread. */
static mg_status run_in_place(int64_t count, int64_t grain, parallel_body body, void *job) {
  int64_t chunks = parallel_chunks(count, grain);
  mg_status status = MG_OK;
  for (int64_t i = 0; i < chunks && status == MG_OK; i++) {
    status = interrupt_tick();
    if (status == MG_OK) status = run_chunk(body, job, count, grain, i);
  }
  return status;
}

static void publish(loop *l) {
  pthread_mutex_lock(&pool.mutex);
  pool.loop = l;
  atomic_fetch_add_explicit(&pool.generation, 1, memory_order_release);
  if (pool.sleeping) pthread_cond_broadcast(&pool.published);
  pthread_mutex_unlock(&pool.mutex);
}

/* Closes the loop to newcomers and waits for those inside. */
static void withdraw(void) {
  pthread_mutex_lock(&pool.mutex);
  pool.loop = NULL;
  while (pool.users > 0) {
    pthread_mutex_unlock(&pool.mutex);
    sched_yield();
    pthread_mutex_lock(&pool.mutex);
  }
  pthread_mutex_unlock(&pool.mutex);
}

mg_status parallel_for(int64_t count, int64_t grain, parallel_body body, void *job) {
  if (count <= 0) return MG_OK;
  int64_t chunks = parallel_chunks(count, grain), threads = mg_threads();
  if (chunks == 1) return body(job, 0, count);
  if (threads == 1 || inside || pthread_mutex_trylock(&pool.owner) != 0)
    return run_in_place(count, grain, body, job);
  start_workers(threads);
  loop l = {.body = body, .job = job, .count = count, .grain = grain, .chunks = chunks};
  atomic_init(&l.next, 0);
  atomic_init(&l.failed, chunks);
  publish(&l);
  work(&l);
  withdraw();
  pthread_mutex_unlock(&pool.owner);
  return l.status == MG_OK ? MG_OK : fail(l.status, "%s", l.message);
}
