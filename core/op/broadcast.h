/* Operations entry by entry on two or three operands that broadcast: how they are walked in pieces along
 * which each operand moves or stays, and sums of gradients over broadcast axes. */
#ifndef BROADCAST_H
#define BROADCAST_H
#include "op.h"

enum { BROADCAST_MOST = 3 };

/* n results along which operand k moves by step[k], 1 or 0; not all are 0 if n > 1. */
typedef struct piece {
  const mg_real *x[BROADCAST_MOST], *dy;
  int64_t step[BROADCAST_MOST];
  mg_real *out;
  int64_t n;
} piece;

/* Writes the results of a piece, or its gradients if dy is there. */
typedef void (*piece_body)(const void *formula, const piece *p);

/* The result of body over operands x[0..count-1]; op is for messages. MG_BAD_SHAPE. */
mg_tensor *broadcast(const char *op, const mg_tensor *const *x, int count, piece_body body,
                     const void *formula);

/* The gradient for operand `which`: what body writes, summed over its broadcast axes. MG_BAD_SHAPE. */
mg_tensor *broadcast_vjp(const char *op, const mg_tensor *const *x, int count, int which,
                         const mg_tensor *dy, piece_body body, const void *formula);

#endif
