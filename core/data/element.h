/* Types of the elements in files, and their conversion from and to reals. */
#ifndef ELEMENT_H
#define ELEMENT_H
#include "mapgrad.h"

enum { ELEMENT_MAX_BYTES = 8 };

/* Bytes here are elements in this machine's byte order, at any address. */
typedef struct element_type {
  const char *name; /* kind and bytes, as in npy: "f4" */
  int bytes;
  /* To reals: u8, i8, f8 (and u4, i4 in the float build) round to nearest, the others are exact.
   * NaN stays NaN, f8 beyond the largest real becomes infinite. */
  void (*read)(const unsigned char *in, int64_t count, mg_real *out);
  /* From reals that fit; NULL for types that are not written. f4 rounds doubles to nearest. */
  void (*write)(const mg_real *in, int64_t count, unsigned char *out);
  double low, high; /* an integer type that is written holds the integers low..high - 1 */
} element_type;

/* The type of that name, or NULL. */
const element_type *element_find(const char *name);
/* bfloat16, the upper half of an f4, which npy does not know. Read only. */
extern const element_type element_bf2;
/* Index of the first value that an element of this type cannot hold, or count. */
int64_t element_misfit(const element_type *type, const mg_real *values, int64_t count);
/* Turns the byte order of each element. */
void element_swap(unsigned char *bytes, int64_t count, int size);
/* Whether this machine's byte order is big-endian. */
int element_host_is_big(void);

#endif
