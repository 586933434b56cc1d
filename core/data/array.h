/* What readers return: reals with a shape, or bytes. */
#ifndef ARRAY_H
#define ARRAY_H
#include "mapgrad.h"

struct mg_array {
  mg_real *values; /* C order; NULL for bytes */
  char *bytes;     /* NULL for reals */
  int64_t count;   /* of either */
  int64_t shape[MG_MAX_AXES];
  int axes;
};

/* An array of reals, entries unset. The caller has checked axes, extents and their product. */
mg_array *array_new(const int64_t *shape, int axes);

/* The product of extents >= 0, of which those that are 0 count last: the others must not overflow
 * either. -1 if they do. */
int64_t array_count(const int64_t *shape, int axes);

/* An array that owns `bytes`, a block of memory_new, from now on, also if it fails. */
mg_array *array_of_bytes(char *bytes, int64_t count);

#endif
