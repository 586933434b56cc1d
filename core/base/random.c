/* Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011. */
#include "random.h"

#include "interrupt.h"
#include "parallel.h"
#include "status.h"

enum { GRAIN = 1 << 14 };

void mg_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    uint64_t p = (uint64_t)0xD2511F53u * c0, q = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
    c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)q;
    c3 = (uint32_t)p;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

uint64_t mg_stream(const char *name) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001B3u;
  return hash;
}

void random_key(const mg_draw *draw, uint32_t key[2]) {
  uint32_t seed[2] = {(uint32_t)draw->seed, (uint32_t)(draw->seed >> 32)};
  uint32_t counter[4] = {(uint32_t)draw->stream, (uint32_t)(draw->stream >> 32),
                         (uint32_t)draw->index, (uint32_t)(draw->index >> 32)};
  uint32_t words[4];
  mg_philox(counter, seed, words);
  key[0] = words[0];
  key[1] = words[1];
}

void random_words(const uint32_t key[2], uint32_t element, uint32_t attempt, uint32_t sample,
                  uint32_t instance, uint32_t out[4]) {
  uint32_t counter[4] = {element, attempt, sample, instance};
  mg_philox(counter, key, out);
}

double random_open(uint32_t high, uint32_t low) {
  uint64_t bits = ((uint64_t)high << 20) ^ (low >> 12); /* 52 of them */
  return ((double)bits + 0.5) * 0x1p-52;
}

typedef struct fill {
  random_law law;
  random_place place;
  mg_real *out;
} fill;

static mg_status fill_chunk(void *job, int64_t first, int64_t last) {
  const fill *f = job;
  random_fill(f->law, &f->place, first, last, f->out + first);
  return MG_OK;
}

static mg_status fill_all(random_law law, const mg_draw *draw, mg_real *out, int64_t count) {
  fill f = {.law = law, .out = out};
  random_key(draw, f.place.key);
  return parallel_for(count, GRAIN, fill_chunk, &f);
}

mg_status mg_random_uniform(const mg_draw *draw, mg_real *out, int64_t count) {
  return fill_all(RANDOM_UNIFORM, draw, out, count);
}

mg_status mg_random_exponential(const mg_draw *draw, mg_real *out, int64_t count) {
  return fill_all(RANDOM_EXPONENTIAL, draw, out, count);
}

mg_status mg_random_gumbel(const mg_draw *draw, mg_real *out, int64_t count) {
  return fill_all(RANDOM_GUMBEL, draw, out, count);
}

mg_status mg_random_normal(const mg_draw *draw, mg_real *out, int64_t count) {
  return fill_all(RANDOM_NORMAL, draw, out, count);
}

/* A uniform integer on 0..bound-1 without bias (Lemire 2019): retries come from further attempts. */
static uint32_t below(const uint32_t key[2], uint32_t position, uint32_t bound) {
  for (uint32_t attempt = 0;; attempt++) {
    uint32_t w[4];
    random_words(key, position, attempt, 1, 0, w);
    uint64_t product = (uint64_t)w[0] * bound;
    if ((uint32_t)product >= (uint32_t)(-bound) % bound) return (uint32_t)(product >> 32);
  }
}

mg_status mg_random_order(const mg_draw *draw, int64_t *out, int64_t count) {
  if (count < 0 || count >= INT32_MAX)
    return fail(MG_BAD_ARGUMENT, "random_order: count = %lld is not in 0..2^31-2", (long long)count);
  uint32_t key[2];
  random_key(draw, key);
  for (int64_t i = 0; i < count; i++) out[i] = i;
  for (int64_t i = count - 1; i > 0; i--) {
    int64_t j = below(key, (uint32_t)i, (uint32_t)(i + 1)), kept = out[i];
    out[i] = out[j];
    out[j] = kept;
    if (i % 65536 == 0 && interrupt_tick() != MG_OK) return MG_INTERRUPTED;
  }
  return MG_OK;
}
