/* What readers return: reals with a shape, or bytes. */
#ifndef ARRAY_H
#define ARRAY_H
#include "element.h"
#include "file.h"

struct mg_array {
  mg_real *values; /* C order; NULL for bytes */
  char *bytes;     /* NULL for reals */
  int64_t count;   /* of either */
  int64_t shape[MG_MAX_AXES];
  int axes;
};

/* An array of reals, entries unset. The caller has checked axes, extents and their product. */
mg_array *array_new(const int64_t *shape, int axes);

/* An array of that shape, its elements the next bytes of f, in order. If f's size is only claimed,
 * memory grows with what comes. As for array_new; MG_BAD_FILE, MG_INTERRUPTED. */
mg_array *array_read(file_source *f, const int64_t *shape, int axes, const element_type *type,
                     int is_big);

/* The product of extents >= 0, of which those that are 0 count last: the others must not overflow
 * either. -1 if they do. */
int64_t array_count(const int64_t *shape, int axes);

/* An array that owns `bytes`, a block of memory_new, from now on, also if it fails. */
mg_array *array_of_bytes(char *bytes, int64_t count);

#endif
