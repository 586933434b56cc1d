/* Dropout (Srivastava et al. 2014). Entry i reads word i % 4 of block i / 4 of the draw, so the
 * mask needs no memory: the gradient is the same function of dy. */
#include "base/random.h"
#include "base/status.h"
#include "op.h"

enum { LANES = 64 }; /* blocks made together */

typedef struct dropout {
  uint32_t key[2];
  uint32_t limit; /* words below it drop their entry */
  mg_real scale;
  int64_t first; /* number of the first entry */
  const mg_real *x;
  mg_real *out;
} dropout;

/* Words of blocks first..first+LANES-1 of a key, as random_words (low, high, 0, 0) gives them one
 * block at a time. */
static void words_of(const uint32_t key[2], uint64_t first, uint32_t words[4 * LANES]) {
  uint32_t a[LANES], b[LANES], c[LANES] = {0}, d[LANES] = {0}, k0 = key[0], k1 = key[1];
  for (int l = 0; l < LANES; l++) {
    a[l] = (uint32_t)first + (uint32_t)l; /* first is a multiple of LANES: no carry */
    b[l] = (uint32_t)(first >> 32);
  }
  for (int round = 0; round < 10; round++) {
    for (int l = 0; l < LANES; l++) {
      uint64_t p = (uint64_t)0xD2511F53u * a[l], q = (uint64_t)0xCD9E8D57u * c[l];
      a[l] = (uint32_t)(q >> 32) ^ b[l] ^ k0;
      c[l] = (uint32_t)(p >> 32) ^ d[l] ^ k1;
      b[l] = (uint32_t)q;
      d[l] = (uint32_t)p;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int l = 0; l < LANES; l++) {
    words[4 * l] = a[l];
    words[4 * l + 1] = b[l];
    words[4 * l + 2] = c[l];
    words[4 * l + 3] = d[l];
  }
}

static mg_status dropout_chunk(void *job, int64_t first, int64_t last) {
  const dropout *d = job;
  const mg_real scale = d->scale;
  uint32_t words[4 * LANES], limit = d->limit;
  for (int64_t i = first; i < last;) {
    int skip = (int)((d->first + i) % (4 * LANES)), left = 4 * LANES - skip;
    int n = (int)(last - i < left ? last - i : left);
    const mg_real *x = d->x + i;
    mg_real *out = d->out + i;
    words_of(d->key, (uint64_t)(d->first + i - skip) / 4, words);
    for (int j = 0; j < n; j++) {
      mg_real kept = x[j] * scale;
      out[j] = words[skip + j] < limit ? 0 : kept;
    }
    i += n;
  }
  return MG_OK;
}

mg_tensor *mg_dropout(const mg_tensor *x, double rate, const mg_draw *draw, int64_t first) {
  if (!(rate >= 0 && rate < 1))
    return fail_null(MG_BAD_ARGUMENT, "dropout: rate = %g is not in [0, 1)", rate);
  mg_tensor *y = tensor_like(x);
  if (!y) return NULL;
  dropout d = {.limit = (uint32_t)(rate * 0x1p32), .scale = (mg_real)(1 / (1 - rate))};
  d.first = first;
  d.x = x->data;
  d.out = y->data;
  random_key(draw, d.key);
  return op_finish(y, op_for(x->size, OP_GRAIN, dropout_chunk, &d));
}
