/* Rows of numbers from one place of a draw: words of many blocks first, then short loops over them, a step
 * each: processors look ahead further in those. Blocks come
 * in groups of eight, with 32 entries in float (a word each), 16 in double (two words each): entry
 * 32 g + 8 k + l is made of word k of block 8 g + l; in double entry 16 g + 8 k + l of words 2 k and
 * 2 k + 1. Normal entries come in pairs, 8 places apart, made of the words of both. */
#include "random_lanes.h"

enum { GROUPS = 32, WORDS = 4 * LANES, ENTRIES = WORDS * 4 / (int)sizeof(mg_real) };

/* Words 0 and 2 of blocks, and words 1 and 3, eight by eight. */
enum { PAIRS = GROUPS * WORDS / 2 };
typedef struct word_pairs {
  uint32_t words[2][PAIRS];
} word_pairs;

/* Words of `groups` groups of blocks from group `first` on. */
static void draw_pairs(const random_place *place, int64_t first, int groups, word_pairs *words) {
  const lanes_out to = {words->words[0], WORDS / 2, {0, PAIRS, LANES, PAIRS + LANES}};
  philox_lanes(place, (uint64_t)first * LANES, groups, &to);
}

static void negate(mg_real *x, int n) {
  for (int i = 0; i < n; i++) x[i] = -x[i];
}

#ifdef MG_DOUBLE

static mg_real transform(random_law law, double u) {
  switch (law) {
    case RANDOM_UNIFORM: return u;
    case RANDOM_EXPONENTIAL: return -log(u);
    case RANDOM_FOLDED: return u < 0.5 ? -u * RANDOM_FOLDS : (1 - u) * RANDOM_FOLDS;
    default: return -log(-log(u));
  }
}

/* All entries of `groups` groups from group `first` on. */
static void fill_groups(random_law law, const random_place *place, int64_t first, int groups,
                        mg_real *out) {
  word_pairs words;
  int n = groups * ENTRIES;
  draw_pairs(place, first, groups, &words);
  uint32_t flip = law == RANDOM_NORMAL ? 0 : place->flip;
  for (int i = 0; i < n; i++)
    out[i] = random_open(words.words[0][i] ^ flip, words.words[1][i] ^ flip);
  if (law != RANDOM_NORMAL) {
    for (int i = 0; i < n; i++) out[i] = transform(law, out[i]);
    return;
  }
  for (int i = 0; i < n; i += i % LANES == LANES - 1 ? LANES + 1 : 1) {
    double radius = sqrt(-2 * log(out[i])), angle = 6.283185307179586 * out[i + LANES];
    out[i] = radius * cos(angle);
    out[i + LANES] = radius * sin(angle);
  }
  if (place->flip) negate(out, n);
}

#else

static void draw_words(const random_place *place, int64_t first, int groups, uint32_t *words) {
  const lanes_out to = {words, WORDS, {0, LANES, 2 * LANES, 3 * LANES}};
  philox_lanes(place, (uint64_t)first * LANES, groups, &to);
}

static void fill_normal(const random_place *place, int64_t first, int groups, mg_real *out) {
  word_pairs words;
  mg_real radius[PAIRS];
  int n = groups * WORDS / 2;
  draw_pairs(place, first, groups, &words);
  for (int i = 0; i < n; i++) radius[i] = radius_of(words.words[0][i]);
  for (int i = 0; i < n; i += LANES)
    for (int l = i; l < i + LANES; l++)
      turn_by(radius[l], words.words[1][l], &out[i + l], &out[i + l + LANES]);
  if (place->flip) negate(out, 2 * n);
}

/* minus u * 2^32 below one half, (1 - u) * 2^32 above, for u = (word + 1/2) / 2^32 */
INLINED float folded_of(uint32_t word) {
  int is_high = (int32_t)word < 0;
  float t = (float)(int32_t)(is_high ? ~word : word) + 0.5F;
  return is_high ? t : -t;
}

/* All entries of `groups` groups from group `first` on. */
static void fill_groups(random_law law, const random_place *place, int64_t first, int groups,
                        mg_real *out) {
  if (law == RANDOM_NORMAL) {
    fill_normal(place, first, groups, out);
    return;
  }
  uint32_t words[GROUPS * WORDS];
  int n = groups * ENTRIES;
  draw_words(place, first, groups, words);
  if (place->flip)
    for (int i = 0; i < n; i++) words[i] = ~words[i];
  if (law == RANDOM_UNIFORM) {
    for (int i = 0; i < n; i++) out[i] = uniform_of(words[i]);
    return;
  }
  if (law == RANDOM_FOLDED) {
    for (int i = 0; i < n; i++) out[i] = folded_of(words[i]);
    return;
  }
  for (int i = 0; i < n; i++) out[i] = exponential_of(words[i]);
  if (law == RANDOM_GUMBEL)
    for (int i = 0; i < n; i++) out[i] = minus_log(out[i]);
}

#endif

/* The group that entry `first` is in, as far as last. Returns the first entry after it. */
static int64_t fill_part(random_law law, const random_place *place, int64_t first, int64_t last,
                         mg_real *out) {
  mg_real whole[ENTRIES];
  int64_t group = first / ENTRIES, end = (group + 1) * ENTRIES;
  if (end > last) end = last;
  fill_groups(law, place, group, 1, whole);
  memcpy(out, whole + first % ENTRIES, (size_t)(end - first) * sizeof *out);
  return end;
}

void random_fill(random_law law, const random_place *place, int64_t first, int64_t last,
                 mg_real *out) {
  for (int64_t i = first; i < last;) {
    int64_t groups = (last - i) / ENTRIES;
    if (groups > GROUPS) groups = GROUPS;
    if (i % ENTRIES != 0 || groups == 0) {
      i = fill_part(law, place, i, last, out + (i - first));
    } else {
      fill_groups(law, place, i / ENTRIES, (int)groups, out + (i - first));
      i += groups * ENTRIES;
    }
  }
}
