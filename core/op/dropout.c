/* Dropout (Srivastava et al. 2014). Entry i reads word i % 4 of block i / 4 of the draw, so the mask
 * needs no memory: the gradient is the same function of dy. */
#include "base/random.h"
#include "base/status.h"
#include "op.h"

enum { LANES = 16 }; /* blocks made together */

typedef struct dropout {
  uint32_t key[2];
  uint32_t limit; /* words below it drop their entry */
  mg_real scale;
  const mg_real *x;
  mg_real *out;
} dropout;

/* Blocks first..first+LANES-1 of a key, as random_words (low, high, 0, 0) gives them one by one. */
static void blocks(const uint32_t key[2], uint64_t first, uint32_t c[4][LANES]) {
  uint32_t k0 = key[0], k1 = key[1];
  for (int l = 0; l < LANES; l++) {
    c[0][l] = (uint32_t)(first + (uint64_t)l);
    c[1][l] = (uint32_t)((first + (uint64_t)l) >> 32);
    c[2][l] = c[3][l] = 0;
  }
  for (int round = 0; round < 10; round++) {
    for (int l = 0; l < LANES; l++) {
      uint64_t p = (uint64_t)0xD2511F53u * c[0][l], q = (uint64_t)0xCD9E8D57u * c[2][l];
      c[0][l] = (uint32_t)(q >> 32) ^ c[1][l] ^ k0;
      c[2][l] = (uint32_t)(p >> 32) ^ c[3][l] ^ k1;
      c[1][l] = (uint32_t)q;
      c[3][l] = (uint32_t)p;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

/* Chunks start at multiples of 4 LANES. */
static mg_status dropout_chunk(void *job, int64_t first, int64_t last) {
  const dropout *d = job;
  uint32_t words[4][LANES];
  for (int64_t i = first; i < last; i += 4 * LANES) {
    int n = (int)(last - i < 4 * LANES ? last - i : 4 * LANES);
    const mg_real *x = d->x + i;
    mg_real *out = d->out + i;
    blocks(d->key, (uint64_t)i / 4, words);
    for (int j = 0; j < n; j++) out[j] = words[j % 4][j / 4] < d->limit ? 0 : x[j] * d->scale;
  }
  return MG_OK;
}

mg_tensor *mg_dropout(const mg_tensor *x, double rate, const mg_draw *draw) {
  if (!(rate >= 0 && rate < 1))
    return fail_null(MG_BAD_ARGUMENT, "dropout: rate = %g is not in [0, 1)", rate);
  mg_tensor *y = tensor_like(x);
  if (!y) return NULL;
  dropout d = {.limit = (uint32_t)(rate * 0x1p32), .scale = (mg_real)(1 / (1 - rate))};
  d.x = x->data;
  d.out = y->data;
  random_key(draw, d.key);
  return op_finish(y, op_for(x->size, OP_GRAIN, dropout_chunk, &d));
}
