/* NumPy's .npy files, versions 1.0, 2.0 and 3.0 (numpy.lib.format). Elements pass through a buffer
 * of FILE_CHUNK bytes: the array is the only block of the file's size (two for Fortran order), made
 * once the header and the file's length agree. */
#include <stdio.h>
#include <string.h>

#include "array.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "encoder.h"
#include "npy.h"
#include "npy_header.h"

enum { MAGIC = 6, ALIGNMENT = 64, TICK = 1 << 16 };

static const char magic[] = "\x93NUMPY";

/* ---- reading */

/* Bytes of the header, which follows; f stands after the magic. */
static mg_status read_header_length(file_source *f, int64_t *length) {
  unsigned char version[2], bytes[4] = {0};
  mg_status status = file_read(f, version, 2);
  if (status != MG_OK) return status;
  if (version[0] < 1 || version[0] > 3 || version[1] != 0)
    return file_bad(f, "unknown version", MAGIC, "expected 1.0, 2.0 or 3.0, got %d.%d", version[0],
                    version[1]);
  int64_t start = f->offset;
  status = file_read(f, bytes, version[0] == 1 ? 2 : 4);
  if (status != MG_OK) return status;
  for (int i = 3; i >= 0; i--) *length = *length << 8 | bytes[i];
  if (*length > f->size - f->offset)
    return file_bad(f, "header longer than the file", start,
                    "expected a length of at most %lld, got %lld",
                    (long long)(f->size - f->offset), (long long)*length);
  return MG_OK;
}

static mg_status read_header(file_source *f, npy_header *header) {
  int64_t length = 0;
  mg_status status = file_read_magic(f, magic, MAGIC);
  if (status == MG_OK) status = read_header_length(f, &length);
  if (status != MG_OK) return status;
  char *text = memory_new(length);
  if (!text) return MG_NO_MEMORY;
  int64_t first = f->offset;
  status = file_read(f, text, length);
  if (status == MG_OK) status = npy_header_parse(f, text, length, first, header);
  memory_free(text);
  return status;
}

/* Whether the rest of the file is as long as shape and type say. */
static mg_status check_length(const file_source *f, const npy_header *h, int64_t limit) {
  int64_t count = array_count(h->shape, h->axes), rest = f->size - f->offset;
  int64_t bytes = count < 0 ? -1 : memory_product(count, h->type->bytes);
  if (bytes < 0 || memory_product(count, (int64_t)sizeof(mg_real)) < 0)
    return file_bad(f, "shape too large", f->offset,
                    "expected one that fits the file, got more elements than memory can hold");
  if (bytes != rest)
    return file_bad(f, bytes > rest ? "data cut" : "bytes after the data",
                    bytes > rest ? f->size : f->offset + bytes,
                    "expected %lld bytes of data, got %lld", (long long)bytes, (long long)rest);
  if (bytes > limit)
    return file_bad(f, "data too large", f->offset, "expected at most %lld bytes of data, got %lld",
                    (long long)limit, (long long)bytes);
  return MG_OK;
}

/* The array whose elements stand in `a` in Fortran order; takes a over. */
static mg_array *turned(mg_array *a) {
  mg_array *b = array_new(a->shape, a->axes);
  int64_t stride[MG_MAX_AXES], index[MG_MAX_AXES] = {0}, place = 0, step = 1;
  for (int i = a->axes - 1; i >= 0; i--, step *= a->shape[i + 1]) stride[i] = step;
  for (int64_t at = 0; b && at < a->count; at++) {
    if (at % TICK == 0 && interrupt_tick() != MG_OK) {
      mg_array_free(b);
      b = NULL;
      break;
    }
    b->values[place] = a->values[at];
    for (int i = 0; i < a->axes; i++) {
      place += stride[i];
      if (++index[i] < a->shape[i]) break;
      place -= a->shape[i] * stride[i];
      index[i] = 0;
    }
  }
  mg_array_free(a);
  return b;
}

mg_array *npy_read(file_source *f, int64_t limit) {
  npy_header h;
  if (read_header(f, &h) != MG_OK || check_length(f, &h, limit) != MG_OK) return NULL;
  mg_array *a = array_read(f, h.shape, h.axes, h.type, h.is_big);
  return a && h.is_fortran && h.axes > 1 ? turned(a) : a;
}

mg_array *mg_npy_read(const char *path, int64_t limit) {
  file_source f;
  if (file_open(&f, "npy", path) != MG_OK) return NULL;
  mg_array *a = npy_read(&f, limit);
  file_close(&f);
  return a;
}

/* ---- writing */

/* Version 1.0, the dictionary padded to a multiple of ALIGNMENT bytes. At most 8 extents of 19
 * digits: ENCODER_HEADER is more than enough. */
static void form_header(encoder *e, const int64_t *shape, int axes) {
  const int prefix = MAGIC + 4;
  char *out = e->header;
  char order = e->type->bytes == 1 ? '|' : element_host_is_big() ? '>' : '<';
  int at = prefix + snprintf(out + prefix, (size_t)(ENCODER_HEADER - prefix),
                             "{'descr': '%c%s', 'fortran_order': False, 'shape': (", order,
                             e->type->name);
  for (int i = 0; i < axes; i++)
    at += snprintf(out + at, (size_t)(ENCODER_HEADER - at), i == 0 ? "%lld," : " %lld,",
                   (long long)shape[i]);
  if (axes > 1) at--; /* (3,) but (3, 4) */
  at += snprintf(out + at, (size_t)(ENCODER_HEADER - at), "), }");
  int length = (at + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  memset(out + at, ' ', (size_t)(length - at));
  out[length - 1] = '\n';
  memcpy(out, magic, MAGIC);
  out[MAGIC] = 1;
  out[MAGIC + 1] = 0;
  out[MAGIC + 2] = (char)((length - prefix) & 255);
  out[MAGIC + 3] = (char)((length - prefix) >> 8);
  e->header_length = length;
}

mg_status npy_encoder(encoder *e, const char *function, const mg_real *values, const int64_t *shape,
                      int axes, const char *type) {
  const element_type *found = element_find(type);
  if (!found || !found->write)
    return fail(MG_BAD_ARGUMENT, "%s: type is '%s', expected f4, f8, i8, i4, i2, i1 or u1",
                function, type);
  mg_status status = encoder_start(e, function, values, shape, axes, found);
  if (status == MG_OK) form_header(e, shape, axes);
  return status;
}

mg_status mg_npy_write(const char *path, const mg_real *values, const int64_t *shape, int axes,
                       const char *type) {
  encoder e;
  mg_status status = npy_encoder(&e, "npy_write", values, shape, axes, type);
  return status == MG_OK ? file_write_atomic("npy", path, encoder_fill, &e) : status;
}
