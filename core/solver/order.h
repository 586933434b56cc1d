/* Reals in order: keys, a stable sort by digits, ranks. */
#ifndef SOLVER_ORDER_H
#define SOLVER_ORDER_H
#include <string.h>

#include "mapgrad.h"

#ifdef MG_DOUBLE
typedef uint64_t order_key;
#else
typedef uint32_t order_key;
#endif

enum {
  ORDER_KEY_BITS = 8 * sizeof(order_key),
  ORDER_LANES = 128 / sizeof(mg_real) /* ranks counted side by side */
};

typedef struct order_item {
  order_key key, index;
} order_item;

/* The key of a number: larger numbers have larger keys, both zeros the same, none has key 0. */
static inline order_key order_key_of(mg_real x) {
  const order_key top = (order_key)1 << (ORDER_KEY_BITS - 1);
  order_key bits;
  x += 0; /* -0 becomes 0 */
  memcpy(&bits, &x, sizeof bits);
  return bits & top ? ~bits : bits | top;
}

/* Sorts room[0..n-1] by key, ascending and stable; room has 2 n items, and *sorted says which half the
 * result is in. n < 2^31. MG_INTERRUPTED. */
mg_status order_sort(order_item *room, int64_t n, order_item **sorted);

/* Bytes that order_ranks needs for n numbers. */
int64_t order_ranks_bytes(int64_t n);
/* ranks[i] = how many numbers are smaller than x[i], or equal and before it. MG_INTERRUPTED. */
mg_status order_ranks(const mg_real *x, int64_t n, mg_real *ranks, void *scratch);

#endif
