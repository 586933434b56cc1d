/* A tensor: a pointer and a shape. Always contiguous and row-major; handles may share storage. */
#ifndef TENSOR_H
#define TENSOR_H
#include "../mapgrad.h"

struct mg_tensor {
  mg_real *data;
  int64_t size; /* product of the extents */
  int axes;
  int64_t shape[MG_MAX_AXES];
  struct storage *storage; /* counted; private to tensor.c */
};

/* A tensor of x's shape, entries unset. */
mg_tensor *tensor_like(const mg_tensor *x);

#endif
