/* Every block starts with a line of 64 bytes that holds its capacity. Capacities of 64 bytes and more
 * are rounded up to a size class (an eighth of a power of two), so that a freed block serves the next
 * request of its class: fresh pages cost milliseconds, small blocks a tenth of a microsecond, a block
 * from the cache a few nanoseconds. */
#include "memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "parallel.h"
#include "status.h"

enum { LINE = 64, FIRST_POWER = 6, FIRST_CACHED = 1 << FIRST_POWER, HUGE = 4 << 20, PAGE = 2 << 20 };
enum { CLASSES = 8 * (63 - FIRST_POWER) };

#if defined(__SANITIZE_ADDRESS__)
#define CACHE_LIMIT 0 /* so that a use after free is seen */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CACHE_LIMIT 0
#endif
#endif
#ifndef CACHE_LIMIT
#define CACHE_LIMIT ((int64_t)512 << 20)
#endif

typedef struct block {
  int64_t capacity;   /* bytes after the line */
  struct block *next; /* in the cache */
} block;

static struct {
  spin_lock lock;
  block *free[CLASSES];
  int64_t cached, limit;
} cache = {.limit = CACHE_LIMIT};

static _Atomic int64_t live, peak, allocations;
static _Atomic int64_t fail_from = -1, fail_count = 0;

int64_t memory_product(int64_t count, int64_t size) {
  if (count > 0 && size > (INT64_MAX >> 1) / count) return -1;
  return count * size;
}

/* Rounds *bytes >= FIRST_CACHED up to its class and returns the class. */
static int size_class(int64_t *bytes) {
  int power = 63 - __builtin_clzll((unsigned long long)*bytes);
  int64_t eighth = (int64_t)1 << (power - 3);
  int64_t eighths = (*bytes + eighth - 1) / eighth; /* 8..16 */
  *bytes = eighths * eighth;
  return (power - FIRST_POWER) * 8 + (int)(eighths - 8);
}

/* Whether a test asked this allocation to fail. */
static int must_fail(void) {
  if (atomic_load_explicit(&fail_from, memory_order_relaxed) < 0) return 0;
  if (atomic_fetch_sub(&fail_from, 1) > 0) return 0;
  int64_t left = atomic_fetch_sub(&fail_count, 1);
  if (left == 1) return atomic_store(&fail_from, -1), 1;
  if (left < 0) atomic_store(&fail_count, -1); /* for ever */
  atomic_store(&fail_from, 0);
  return 1;
}

static block *from_cache(int class) {
  lock_take(&cache.lock);
  block *b = cache.free[class];
  if (b) {
    cache.free[class] = b->next;
    cache.cached -= b->capacity;
  }
  lock_give(&cache.lock);
  return b;
}

static block *from_system(int64_t capacity) {
  void *memory = NULL;
  size_t alignment = capacity >= HUGE ? PAGE : LINE;
  if (posix_memalign(&memory, alignment, (size_t)capacity + LINE) != 0) return NULL;
  if (capacity >= HUGE) madvise(memory, (size_t)capacity + LINE, MADV_HUGEPAGE); /* best effort */
  block *b = memory;
  b->capacity = capacity;
  return b;
}

static void count_live(int64_t bytes) {
  int64_t now = atomic_fetch_add(&live, bytes) + bytes;
  int64_t seen = atomic_load(&peak);
  while (now > seen && !atomic_compare_exchange_weak(&peak, &seen, now)) {
  }
}

void *memory_new(int64_t bytes) {
  atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
  int64_t capacity = bytes;
  block *b = NULL;
  if (bytes <= INT64_MAX >> 1 && !must_fail()) {
    if (bytes >= FIRST_CACHED) b = from_cache(size_class(&capacity));
    if (!b) b = from_system(capacity);
    if (!b) {
      mg_memory_trim();
      b = from_system(capacity);
    }
  }
  if (!b)
    return fail_null(MG_NO_MEMORY, "memory: no block of %lld bytes, %lld are in use",
                     (long long)bytes, (long long)atomic_load(&live));
  count_live(b->capacity);
  return (char *)b + LINE;
}

void *memory_array(int64_t count, int64_t size) {
  int64_t bytes = memory_product(count, size);
  return memory_new(bytes < 0 ? INT64_MAX : bytes);
}

void memory_free(void *pointer) {
  if (!pointer) return;
  block *b = (block *)(void *)((char *)pointer - LINE);
  atomic_fetch_sub(&live, b->capacity);
  if (b->capacity >= FIRST_CACHED) {
    int64_t capacity = b->capacity;
    int class = size_class(&capacity);
    lock_take(&cache.lock);
    int keep = cache.cached + b->capacity <= cache.limit;
    if (keep) {
      b->next = cache.free[class];
      cache.free[class] = b;
      cache.cached += b->capacity;
    }
    lock_give(&cache.lock);
    if (keep) return;
  }
  free(b);
}

void mg_memory_trim(void) {
  for (int i = 0; i < CLASSES; i++) {
    lock_take(&cache.lock);
    block *b = cache.free[i];
    cache.free[i] = NULL;
    for (block *c = b; c; c = c->next) cache.cached -= c->capacity;
    lock_give(&cache.lock);
    while (b) {
      block *next = b->next;
      free(b);
      b = next;
    }
  }
}

void mg_memory_cache_set(int64_t bytes) {
  lock_take(&cache.lock);
  cache.limit = bytes;
  int over = cache.cached > bytes;
  lock_give(&cache.lock);
  if (over) mg_memory_trim();
}

void mg_memory_read(mg_memory *out) {
  out->live = atomic_load(&live);
  out->peak = atomic_load(&peak);
  out->allocations = atomic_load(&allocations);
  lock_take(&cache.lock);
  out->cached = cache.cached;
  lock_give(&cache.lock);
}

void mg_memory_reset_peak(void) { atomic_store(&peak, atomic_load(&live)); }

void mg_memory_fail(int64_t after, int64_t times) {
  atomic_store(&fail_count, times);
  atomic_store(&fail_from, times == 0 ? -1 : after);
}
