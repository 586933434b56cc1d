/* npy inside of other files. */
#ifndef NPY_H
#define NPY_H
#include "array.h"
#include "encoder.h"

/* The array of a whole npy file, which f has not begun to give. More than `limit` bytes of elements
 * are refused. MG_BAD_FILE, MG_INTERRUPTED. */
mg_array *npy_read(file_source *f, int64_t limit);

/* Starts e on the npy file of an array; `function` is for the sentence if shape, type or a value is
 * wrong. values is borrowed while e is used. MG_BAD_ARGUMENT, MG_BAD_SHAPE. */
mg_status npy_encoder(encoder *e, const char *function, const mg_real *values, const int64_t *shape,
                      int axes, const char *type);

#endif
