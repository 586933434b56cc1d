/* Sorting by digits, least significant first; few numbers are ranked by counting instead. */
#include "order.h"

#include "base/interrupt.h"

enum {
  MOST_COUNTED = 256, /* numbers ranked by comparing each with each */
  FEW = 4096,         /* items up to which small digits pay */
  SMALL_BITS = 9,
  LARGE_BITS = 11,
  MOST_COUNTERS = (ORDER_KEY_BITS + SMALL_BITS - 1) / SMALL_BITS << LARGE_BITS,
  STEPS = 1 << 16 /* between looks at the interrupt flag */
};

/* Digits of keys minus the least key, without the low bits that all share. */
typedef struct digits {
  order_key least, last; /* last: the largest digit */
  int count, bits, skipped;
} digits;

#ifdef MG_DOUBLE
typedef int64_t lane_count;
#else
typedef int32_t lane_count;
#endif

/* ---------------------------------------------------------------- by digits */

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* The fewest digits that tell the keys apart. */
static mg_status find_digits(const order_item *items, int64_t n, digits *d) {
  order_key least = items[0].key, most = least, differing = 0;
  for (int64_t i = 0; i < n;) {
    for (int64_t end = smaller(n, i + STEPS); i < end; i++) {
      order_key key = items[i].key;
      least = key < least ? key : least;
      most = key > most ? key : most;
      differing |= key ^ items[0].key;
    }
    if (interrupt_tick() != MG_OK) return MG_INTERRUPTED;
  }
  int skipped = 0, bits = 0;
  while (differing != 0 && !(differing >> skipped & 1)) skipped++;
  for (order_key range = (most - least) >> skipped; range != 0; range >>= 1) bits++;
  int largest = n <= FEW ? SMALL_BITS : LARGE_BITS;
  d->count = (bits + largest - 1) / largest;
  d->bits = d->count ? (bits + d->count - 1) / d->count : 0;
  d->least = least;
  d->last = ((order_key)1 << d->bits) - 1;
  d->skipped = skipped;
  return MG_OK;
}

/* counts[i << bits | j]: how many keys have digit i equal to j. */
static mg_status count_digits(const digits *d, const order_item *items, int64_t n, uint32_t *counts) {
  memset(counts, 0, (size_t)d->count * sizeof *counts << d->bits);
  for (int64_t i = 0; i < n;) {
    for (int64_t end = smaller(n, i + STEPS); i < end; i++) {
      order_key key = (items[i].key - d->least) >> d->skipped;
      for (int j = 0; j < d->count; j++, key >>= d->bits)
        counts[((order_key)j << d->bits) + (key & d->last)]++;
    }
    if (interrupt_tick() != MG_OK) return MG_INTERRUPTED;
  }
  return MG_OK;
}

/* Makes counts running sums: where the first item of each digit goes. */
static void add_up(const digits *d, uint32_t *counts) {
  uint32_t sum = 0;
  for (order_key j = 0; j <= d->last; j++) {
    uint32_t count = counts[j];
    counts[j] = sum;
    sum += count;
  }
}

/* to = from in order of digit `which`, or if ranks is not NULL the places only, at their indices. */
static mg_status sort_digit(const digits *d, int which, const order_item *from, int64_t n,
                            uint32_t *start, order_item *to, mg_real *ranks) {
  const int shift = which * d->bits + d->skipped;
  add_up(d, start);
  for (int64_t i = 0; i < n;) {
    int64_t end = smaller(n, i + STEPS);
    if (ranks)
      for (; i < end; i++) {
        uint32_t place = start[(from[i].key - d->least) >> shift & d->last]++;
        ranks[from[i].index] = (mg_real)place;
      }
    else
      for (; i < end; i++) to[start[(from[i].key - d->least) >> shift & d->last]++] = from[i];
    if (interrupt_tick() != MG_OK) return MG_INTERRUPTED;
  }
  return MG_OK;
}

/* order_sort; with ranks the places at their indices instead, where there are digits. */
static mg_status sort_items(order_item *room, int64_t n, order_item **sorted, mg_real *ranks,
                            int *digit_count) {
  uint32_t counts[MOST_COUNTERS];
  order_item *from = room, *to = room + n;
  digits d = {0};
  mg_status status = find_digits(from, n, &d);
  if (status == MG_OK) status = count_digits(&d, from, n, counts);
  for (int i = 0; i < d.count && status == MG_OK; i++) {
    status = sort_digit(&d, i, from, n, counts + ((size_t)i << d.bits), to,
                        i == d.count - 1 ? ranks : NULL);
    order_item *other = from;
    from = to;
    to = other;
  }
  *sorted = from;
  *digit_count = d.count;
  return status;
}

mg_status order_sort(order_item *room, int64_t n, order_item **sorted) {
  int digit_count;
  *sorted = room;
  return n < 2 ? MG_OK : sort_items(room, n, sorted, NULL, &digit_count);
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
  int digit_count;
  mg_status status = sort_items(items, n, &sorted, ranks, &digit_count);
  for (int64_t i = 0; digit_count == 0 && i < n; i++) ranks[i] = (mg_real)i; /* all equal */
  return status;
}
