/* Known answers: rows of bytes (scores and contexts) found again by their hash, compared whole. */
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

struct mg_memo {
  int64_t key_bytes, value_bytes, most;
  int64_t count, next; /* rows held; the place of the next, the oldest when full */
  unsigned char *keys, *values;
  uint64_t *hashes;
  int32_t *slots; /* open addressing by hash: place + 1, 0 empty */
  int64_t slot_mask;
};

mg_memo *mg_memo_new(int64_t key_reals, int64_t value_reals, int64_t most) {
  const int64_t real = (int64_t)sizeof(mg_real);
  if (key_reals < 1 || value_reals < 1 || most < 1 || most > INT32_MAX / 4)
    return fail_null(MG_BAD_ARGUMENT, "memo: %lld answers of %lld reals, expected 1 to %d",
                     (long long)most, (long long)value_reals, INT32_MAX / 4);
  mg_memo *p = memory_new((int64_t)sizeof *p);
  if (!p) return NULL;
  int64_t slots = 4;
  while (slots < 2 * most) slots *= 2;
  *p = (mg_memo){.key_bytes = key_reals * real, .value_bytes = value_reals * real, .most = most};
  p->slot_mask = slots - 1;
  p->keys = memory_array(most, p->key_bytes);
  p->values = memory_array(most, p->value_bytes);
  p->hashes = memory_array(most, (int64_t)sizeof *p->hashes);
  p->slots = memory_array(slots, (int64_t)sizeof *p->slots);
  if (!p->keys || !p->values || !p->hashes || !p->slots) return mg_memo_free(p), NULL;
  memset(p->slots, 0, (size_t)slots * sizeof *p->slots);
  return p;
}

void mg_memo_free(mg_memo *p) {
  if (!p) return;
  memory_free(p->keys);
  memory_free(p->values);
  memory_free(p->hashes);
  memory_free(p->slots);
  memory_free(p);
}

int64_t mg_memo_count(const mg_memo *p) { return p->count; }

const mg_real *mg_memo_values(const mg_memo *p) { return (const mg_real *)(const void *)p->values; }

static uint64_t hash_of(const unsigned char *bytes, int64_t count) {
  uint64_t h = 0x9E3779B97F4A7C15u ^ (uint64_t)count, word;
  for (int64_t i = 0; i < count; i += 8) {
    int64_t left = count - i < 8 ? count - i : 8;
    word = 0;
    memcpy(&word, bytes + i, (size_t)left);
    h = (h ^ word) * 0xBF58476D1CE4E5B9u;
    h ^= h >> 29;
  }
  h *= 0x94D049BB133111EBu;
  return h ^ h >> 32;
}

/* The place of a key, or -1. */
static int64_t find(const mg_memo *p, const unsigned char *key, uint64_t hash) {
  for (int64_t at = (int64_t)hash & p->slot_mask; p->slots[at]; at = (at + 1) & p->slot_mask) {
    int64_t place = p->slots[at] - 1;
    if (p->hashes[place] == hash &&
        memcmp(p->keys + place * p->key_bytes, key, (size_t)p->key_bytes) == 0)
      return place;
  }
  return -1;
}

/* Takes a place out of the slots and closes the gap it leaves. */
static void forget(mg_memo *p, int64_t place) {
  int64_t at = (int64_t)p->hashes[place] & p->slot_mask;
  while (p->slots[at] != place + 1) at = (at + 1) & p->slot_mask;
  for (int64_t next = (at + 1) & p->slot_mask; p->slots[next]; next = (next + 1) & p->slot_mask) {
    int64_t home = (int64_t)p->hashes[p->slots[next] - 1] & p->slot_mask;
    if (((next - home) & p->slot_mask) < ((next - at) & p->slot_mask)) continue;
    p->slots[at] = p->slots[next];
    at = next;
  }
  p->slots[at] = 0;
}

int64_t mg_memo_find(const mg_memo *p, const mg_real *keys, mg_real *values, int64_t count,
                     int64_t *missing) {
  const unsigned char *key = (const unsigned char *)keys;
  unsigned char *value = (unsigned char *)values;
  int64_t misses = 0;
  for (int64_t i = 0; i < count; i++, key += p->key_bytes, value += p->value_bytes) {
    int64_t place = find(p, key, hash_of(key, p->key_bytes));
    if (place >= 0) memcpy(value, p->values + place * p->value_bytes, (size_t)p->value_bytes);
    else missing[misses++] = i;
  }
  return misses;
}

void mg_memo_add(mg_memo *p, const mg_real *keys, const mg_real *values, int64_t count) {
  const unsigned char *key = (const unsigned char *)keys, *value = (const unsigned char *)values;
  for (int64_t i = 0; i < count; i++, key += p->key_bytes, value += p->value_bytes) {
    uint64_t hash = hash_of(key, p->key_bytes);
    if (find(p, key, hash) >= 0) continue;
    int64_t place = p->next, at = (int64_t)hash & p->slot_mask;
    if (p->count == p->most) forget(p, place);
    else p->count++;
    p->next = (place + 1) % p->most;
    memcpy(p->keys + place * p->key_bytes, key, (size_t)p->key_bytes);
    memcpy(p->values + place * p->value_bytes, value, (size_t)p->value_bytes);
    p->hashes[place] = hash;
    while (p->slots[at]) at = (at + 1) & p->slot_mask;
    p->slots[at] = (int32_t)(place + 1);
  }
}
