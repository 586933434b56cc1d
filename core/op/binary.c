/* Operations entry by entry on two operands that broadcast, and a choice between two by a third: one
 * formula a kind, forward and gradient side by side. */
#include <tgmath.h>

#include "base/real_math.h"
#include "base/status.h"
#include "broadcast.h"

#define BINARY_LIST(X) \
  X(MG_ADD)            \
  X(MG_SUBTRACT)       \
  X(MG_MULTIPLY)       \
  X(MG_DIVIDE)         \
  X(MG_MAXIMUM)        \
  X(MG_MINIMUM)        \
  X(MG_LESS)           \
  X(MG_LESS_EQUAL)     \
  X(MG_EQUAL)          \
  X(MG_NOT_EQUAL)      \
  X(MG_POWER)          \
  X(MG_ADD_RELU)

/* The first operand wins a maximum or minimum; NaN wins, the first one if both are. */
INLINED int first_wins(mg_binary_kind kind, mg_real a, mg_real b) {
  return (kind == MG_MAXIMUM ? a >= b : a <= b) | (a != a);
}

INLINED mg_real binary_at(mg_binary_kind kind, mg_real a, mg_real b) {
  switch (kind) {
    case MG_ADD: return a + b;
    case MG_SUBTRACT: return a - b;
    case MG_MULTIPLY: return a * b;
    case MG_DIVIDE: return a / b;
    case MG_LESS: return a < b ? 1 : 0;
    case MG_LESS_EQUAL: return a <= b ? 1 : 0;
    case MG_EQUAL: return a == b ? 1 : 0;
    case MG_NOT_EQUAL: return a != b ? 1 : 0;
    case MG_POWER: return pow(a, b);
    case MG_ADD_RELU: return a + b <= 0 ? 0 : a + b;
    default: return first_wins(kind, a, b) ? a : b;
  }
}

/* The gradient of a^b: 0 where b is 0, whatever a is; for b: 0 where a is 0 and b not negative. */
INLINED mg_real power_vjp_at(int which, mg_real a, mg_real b, mg_real dy) {
  if (which) return a == 0 && b >= 0 ? 0 : dy * pow(a, b) * real_log(a);
  return b == 0 ? 0 : dy * b * pow(a, b - 1);
}

/* The gradient for operand `which`. */
INLINED mg_real binary_vjp_at(mg_binary_kind kind, int which, mg_real a, mg_real b, mg_real dy) {
  switch (kind) {
    case MG_ADD: return dy;
    case MG_SUBTRACT: return which ? -dy : dy;
    case MG_MULTIPLY: return dy * (which ? a : b);
    case MG_DIVIDE: return which ? -(dy / b) * (a / b) : dy / b;
    case MG_MAXIMUM:
    case MG_MINIMUM: return first_wins(kind, a, b) != which ? dy : 0;
    case MG_POWER: return power_vjp_at(which, a, b, dy);
    case MG_ADD_RELU: return a + b <= 0 ? 0 : dy;
    default: return 0; /* comparisons */
  }
}

INLINED void binary_loop(mg_binary_kind kind, const piece *p) {
  const mg_real *a = p->x[0], *b = p->x[1];
  mg_real *out = p->out;
  int64_t n = p->n;
  if (p->step[0] && p->step[1]) {
    for (int64_t i = 0; i < n; i++) out[i] = binary_at(kind, a[i], b[i]);
  } else if (p->step[0]) {
    mg_real fixed = b[0];
    for (int64_t i = 0; i < n; i++) out[i] = binary_at(kind, a[i], fixed);
  } else {
    mg_real fixed = a[0];
    for (int64_t i = 0; i < n; i++) out[i] = binary_at(kind, fixed, b[i]);
  }
}

INLINED void binary_vjp_loop(mg_binary_kind kind, int which, const piece *p) {
  const mg_real *a = p->x[0], *b = p->x[1], *dy = p->dy;
  mg_real *out = p->out;
  int64_t n = p->n;
  if (p->step[0] && p->step[1]) {
    for (int64_t i = 0; i < n; i++) out[i] = binary_vjp_at(kind, which, a[i], b[i], dy[i]);
  } else if (p->step[0]) {
    mg_real fixed = b[0];
    for (int64_t i = 0; i < n; i++) out[i] = binary_vjp_at(kind, which, a[i], fixed, dy[i]);
  } else {
    mg_real fixed = a[0];
    for (int64_t i = 0; i < n; i++) out[i] = binary_vjp_at(kind, which, fixed, b[i], dy[i]);
  }
}

typedef struct binary_formula {
  mg_binary_kind kind;
  int which;
} binary_formula;

static void binary_piece(const void *formula, const piece *p) {
  const binary_formula *f = formula;
  switch (f->kind) {
#define CASE(kind) \
  case kind: binary_loop(kind, p); break;
    BINARY_LIST(CASE)
#undef CASE
    default: break;
  }
}

static void binary_vjp_piece(const void *formula, const piece *p) {
  const binary_formula *f = formula;
  switch (f->kind) {
#define CASE(kind)                            \
  case kind:                                  \
    if (f->which) binary_vjp_loop(kind, 1, p); \
    else binary_vjp_loop(kind, 0, p);         \
    break;
    BINARY_LIST(CASE)
#undef CASE
    default: break;
  }
}

static mg_status check_kind(const char *op, int kind) {
  if (kind >= 0 && kind < MG_BINARY_KINDS) return MG_OK;
  return fail(MG_BAD_ARGUMENT, "%s: kind %d is not in 0..%d", op, kind, MG_BINARY_KINDS - 1);
}

mg_tensor *mg_binary(mg_binary_kind kind, const mg_tensor *a, const mg_tensor *b) {
  static const char *const names[MG_BINARY_KINDS] = {
      [MG_ADD] = "add",         [MG_SUBTRACT] = "subtract", [MG_MULTIPLY] = "multiply",
      [MG_DIVIDE] = "divide",   [MG_MAXIMUM] = "maximum",   [MG_MINIMUM] = "minimum",
      [MG_LESS] = "lt",         [MG_LESS_EQUAL] = "le",     [MG_EQUAL] = "eq",
      [MG_NOT_EQUAL] = "ne",    [MG_POWER] = "pow",         [MG_ADD_RELU] = "add_relu"};
  if (check_kind("binary", (int)kind) != MG_OK) return NULL;
  binary_formula formula = {kind, 0};
  return broadcast(names[kind], (const mg_tensor *[]){a, b}, 2, binary_piece, &formula);
}

mg_tensor *mg_binary_vjp(mg_binary_kind kind, int which, const mg_tensor *a, const mg_tensor *b,
                         const mg_tensor *dy) {
  if (check_kind("binary_vjp", (int)kind) != MG_OK) return NULL;
  if (which != 0 && which != 1)
    return fail_null(MG_BAD_ARGUMENT, "binary_vjp: which = %d is not 0 or 1", which);
  binary_formula formula = {kind, which};
  return broadcast_vjp("binary_vjp", (const mg_tensor *[]){a, b}, 2, which, dy, binary_vjp_piece,
                       &formula);
}

/* ---- a choice */

enum { BLOCK = 256 };

/* Entries first..first+n-1 of an operand in a row: its own, or copies of the one it stays at in
 * `copies`, where they are since first = 0. */
static const mg_real *entries(const piece *p, int k, int64_t first, int64_t n, mg_real *copies) {
  if (p->step[k]) return p->x[k] + first;
  for (int64_t i = 0; first == 0 && i < n; i++) copies[i] = *p->x[k];
  return copies;
}

static void where_piece(const void *formula, const piece *p) {
  (void)formula;
  mg_real copies[3][BLOCK];
  for (int64_t first = 0; first < p->n; first += BLOCK) {
    int64_t n = p->n - first < BLOCK ? p->n - first : BLOCK;
    const mg_real *condition = entries(p, 0, first, n, copies[0]);
    const mg_real *a = entries(p, 1, first, n, copies[1]), *b = entries(p, 2, first, n, copies[2]);
    mg_real *out = p->out + first;
    for (int64_t i = 0; i < n; i++) out[i] = condition[i] != 0 ? a[i] : b[i];
  }
}

/* formula: which of a and b */
static void where_vjp_piece(const void *formula, const piece *p) {
  int chosen = *(const int *)formula == 0;
  mg_real copies[BLOCK];
  for (int64_t first = 0; first < p->n; first += BLOCK) {
    int64_t n = p->n - first < BLOCK ? p->n - first : BLOCK;
    const mg_real *condition = entries(p, 0, first, n, copies), *dy = p->dy + first;
    mg_real *out = p->out + first;
    for (int64_t i = 0; i < n; i++) out[i] = (condition[i] != 0) == chosen ? dy[i] : 0;
  }
}

mg_tensor *mg_where(const mg_tensor *condition, const mg_tensor *a, const mg_tensor *b) {
  return broadcast("where", (const mg_tensor *[]){condition, a, b}, 3, where_piece, NULL);
}

mg_tensor *mg_where_vjp(int which, const mg_tensor *condition, const mg_tensor *a,
                        const mg_tensor *b, const mg_tensor *dy) {
  if (which != 0 && which != 1)
    return fail_null(MG_BAD_ARGUMENT, "where_vjp: which = %d is not 0 or 1", which);
  return broadcast_vjp("where_vjp", (const mg_tensor *[]){condition, a, b}, 3, which + 1, dy,
                       where_vjp_piece, &which);
}
