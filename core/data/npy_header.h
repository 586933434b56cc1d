/* The header of .npy files: a Python dictionary literal, parsed here and never evaluated. */
#ifndef NPY_HEADER_H
#define NPY_HEADER_H
#include "element.h"
#include "file.h"

typedef struct npy_header {
  const element_type *type;
  int is_big; /* byte order of the elements */
  int is_fortran;
  int axes;
  int64_t shape[MG_MAX_AXES];
} npy_header;

/* Parses `length` bytes of f that start at offset `first`. The keys are exactly descr,
 * fortran_order and shape, once each, in any order; nothing nests, so depth does not matter.
 * Extents lie in 0..INT64_MAX; their product is the caller's to check. MG_BAD_FILE. */
mg_status npy_header_parse(const file_source *f, const char *text, int64_t length, int64_t first,
                           npy_header *out);

#endif
