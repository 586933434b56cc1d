/* What the fuzz targets share: the input as a regular file. */
#ifndef FUZZ_H
#define FUZZ_H
#include <stddef.h>
#include <stdint.h>

#include "mapgrad.h"

/* Most bytes that a reader may take in: above it the target is slow, not wrong. */
enum { FUZZ_LIMIT = 1 << 24 };

/* The path of a file in memory that holds the input, until the next call. */
const char *fuzz_file(const uint8_t *bytes, size_t count);
/* Reads all of an array, so that a wrong length is seen, and frees it. */
void fuzz_use(mg_array *a);
/* A failure must be one of files, with a sentence. */
void fuzz_failed(void);
/* That none of the core's memory is in use, and that its peak since fuzz_file stays within what
 * `count` bytes of file can fill, of which each, inflated, holds `per_byte` elements. */
void fuzz_check_memory(size_t count, int per_byte);

#endif
