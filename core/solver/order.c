/* Sorting by digits, least significant first; few numbers are ranked by counting instead. */
#include "order.h"

#include "base/interrupt.h"

enum {
  MOST_COUNTED = 256,       /* numbers ranked by comparing each with each */
  FEW = 4096,               /* items up to which small digits pay */
  SMALL_BITS = 8,
  LARGE_BITS = 11,
  MOST_COUNTERS = (8 * sizeof(order_key) + LARGE_BITS - 1) / LARGE_BITS << LARGE_BITS,
  STEPS = 1 << 16 /* between looks at the interrupt flag */
};

#ifdef MG_DOUBLE
typedef int64_t lane_count;
#else
typedef int32_t lane_count;
#endif

/* ---------------------------------------------------------------- by digits */

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* counts[d] of each digit of bits `bits`, as running sums: where the first item of a digit goes. */
static mg_status count_digits(const order_item *items, int64_t n, int bits, uint32_t *counts) {
  const int digits = (ORDER_KEY_BITS + bits - 1) / bits;
  const order_key last = ((order_key)1 << bits) - 1;
  memset(counts, 0, (size_t)digits * sizeof *counts << bits);
  for (int64_t i = 0; i < n;) {
    for (int64_t end = smaller(n, i + STEPS); i < end; i++) {
      order_key key = items[i].key;
      for (int d = 0; d < digits; d++, key >>= bits) counts[((order_key)d << bits) + (key & last)]++;
    }
    if (interrupt_tick() != MG_OK) return MG_INTERRUPTED;
  }
  return MG_OK;
}

/* to = from in order of the digit at bit `shift`. start: of that digit, running sums afterwards. */
static mg_status sort_digit(const order_item *from, order_item *to, int64_t n, int shift,
                            order_key last, uint32_t *start) {
  uint32_t sum = 0;
  for (order_key d = 0; d <= last; d++) {
    uint32_t count = start[d];
    start[d] = sum;
    sum += count;
  }
  for (int64_t i = 0; i < n;) {
    for (int64_t end = smaller(n, i + STEPS); i < end; i++)
      to[start[from[i].key >> shift & last]++] = from[i];
    if (interrupt_tick() != MG_OK) return MG_INTERRUPTED;
  }
  return MG_OK;
}

mg_status order_sort(order_item *room, int64_t n, order_item **sorted) {
  uint32_t counts[MOST_COUNTERS];
  const int bits = n <= FEW ? SMALL_BITS : LARGE_BITS;
  const order_key last = ((order_key)1 << bits) - 1;
  order_item *from = room, *to = room + n;
  *sorted = room;
  if (n < 2) return MG_OK;
  mg_status status = count_digits(from, n, bits, counts);
  for (int shift = 0; shift < ORDER_KEY_BITS && status == MG_OK; shift += bits) {
    uint32_t *own = counts + ((size_t)(shift / bits) << bits);
    if (own[from[0].key >> shift & last] == n) continue; /* all share this digit */
    status = sort_digit(from, to, n, shift, last, own);
    order_item *other = from;
    from = to;
    to = other;
  }
  *sorted = from;
  return status;
}

/* ---------------------------------------------------------------- ranks */

/* Ranks of x[first .. first + ORDER_LANES - 1], counted; x is readable to there. */
static void count_ranks(const mg_real *x, int64_t n, int64_t first, mg_real *ranks) {
  const mg_real *own = x + first;
  int64_t end = smaller(n, first + ORDER_LANES);
  lane_count below[ORDER_LANES] = {0};
  for (int64_t j = 0; j < first; j++)
    for (int l = 0; l < ORDER_LANES; l++) below[l] += x[j] <= own[l];
  for (int64_t j = first; j < end; j++)
    for (int l = 0; l < ORDER_LANES; l++)
      below[l] += (x[j] < own[l]) | ((x[j] == own[l]) & (l > (lane_count)(j - first)));
  for (int64_t j = end; j < n; j++)
    for (int l = 0; l < ORDER_LANES; l++) below[l] += x[j] < own[l];
  for (int64_t i = first; i < end; i++) ranks[i] = (mg_real)below[i - first];
}

int64_t order_ranks_bytes(int64_t n) {
  if (n <= MOST_COUNTED) return (n + ORDER_LANES) * (int64_t)sizeof(mg_real);
  return 2 * n * (int64_t)sizeof(order_item);
}

mg_status order_ranks(const mg_real *x, int64_t n, mg_real *ranks, void *scratch) {
  if (n <= MOST_COUNTED) {
    mg_real *padded = scratch;
    memcpy(padded, x, (size_t)n * sizeof *x);
    memset(padded + n, 0, ORDER_LANES * sizeof *x);
    for (int64_t i = 0; i < n; i += ORDER_LANES) count_ranks(padded, n, i, ranks);
    return MG_OK;
  }
  order_item *items = scratch, *sorted;
  for (int64_t i = 0; i < n; i++) items[i] = (order_item){order_key_of(x[i]), (order_key)i};
  mg_status status = order_sort(items, n, &sorted);
  for (int64_t p = 0; p < n; p++) ranks[sorted[p].index] = (mg_real)p;
  return status;
}
