/* NumPy's .npy files, versions 1.0, 2.0 and 3.0 (numpy.lib.format). Elements pass through a buffer
 * of FILE_CHUNK bytes: the array is the only block of the file's size, made once the header and the
 * file's length agree. */
#include <stdio.h>
#include <string.h>

#include "array.h"
#include "base/memory.h"
#include "base/status.h"
#include "element.h"
#include "file.h"
#include "npy_header.h"

enum { MAGIC = 6, ALIGNMENT = 64, HEADER_MAX = 512 };

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
static mg_status check_length(const file_source *f, const npy_header *h) {
  int64_t count = array_count(h->shape, h->axes), rest = f->size - f->offset;
  int64_t bytes = count < 0 ? -1 : memory_product(count, h->type->bytes);
  if (bytes < 0 || memory_product(count, (int64_t)sizeof(mg_real)) < 0)
    return file_bad(f, "shape too large", f->offset,
                    "expected one that fits the file, got more elements than memory can hold");
  if (bytes != rest)
    return file_bad(f, bytes > rest ? "data cut" : "bytes after the data",
                    bytes > rest ? f->size : f->offset + bytes,
                    "expected %lld bytes of data, got %lld", (long long)bytes, (long long)rest);
  return MG_OK;
}

/* Walks over the elements of an array in Fortran order. */
typedef struct walk {
  int axes;
  int64_t extent[MG_MAX_AXES], stride[MG_MAX_AXES], index[MG_MAX_AXES];
  int64_t place; /* of the element in C order */
} walk;

static void walk_start(walk *w, const mg_array *a) {
  *w = (walk){.axes = a->axes};
  int64_t stride = 1;
  for (int i = a->axes - 1; i >= 0; i--) {
    w->extent[i] = a->shape[i];
    w->stride[i] = stride;
    stride *= a->shape[i];
  }
}

static void walk_on(walk *w) {
  for (int i = 0; i < w->axes; i++) {
    w->place += w->stride[i];
    if (++w->index[i] < w->extent[i]) return;
    w->place -= w->extent[i] * w->stride[i];
    w->index[i] = 0;
  }
}

static void scatter(walk *w, const mg_real *values, int64_t count, mg_real *out) {
  for (int64_t i = 0; i < count; i++, walk_on(w)) out[w->place] = values[i];
}

static mg_status read_elements(file_source *f, const npy_header *h, mg_array *a) {
  unsigned char bytes[FILE_CHUNK];
  mg_real values[FILE_CHUNK / ELEMENT_MAX_BYTES];
  const int64_t step = FILE_CHUNK / ELEMENT_MAX_BYTES;
  walk w;
  walk_start(&w, a);
  for (int64_t i = 0; i < a->count; i += step) {
    int64_t count = a->count - i < step ? a->count - i : step;
    mg_status status = file_read(f, bytes, count * h->type->bytes);
    if (status != MG_OK) return status;
    if (h->is_big != element_host_is_big()) element_swap(bytes, count, h->type->bytes);
    h->type->read(bytes, count, h->is_fortran ? values : a->values + i);
    if (h->is_fortran) scatter(&w, values, count, a->values);
  }
  return MG_OK;
}

mg_array *mg_npy_read(const char *path) {
  file_source f;
  npy_header h;
  if (file_open(&f, "npy", path) != MG_OK) return NULL;
  mg_array *a = NULL;
  if (read_header(&f, &h) == MG_OK && check_length(&f, &h) == MG_OK) a = array_new(h.shape, h.axes);
  if (a && read_elements(&f, &h, a) != MG_OK) {
    mg_array_free(a);
    a = NULL;
  }
  file_close(&f);
  return a;
}

/* ---- writing */

/* What goes into a file. */
typedef struct content {
  const mg_real *values;
  int64_t count;
  const int64_t *shape;
  int axes;
  const element_type *type;
} content;

/* Magic, version 1.0, length and dictionary, padded to a multiple of ALIGNMENT bytes. Returns how
 * many. At most 8 extents of 19 digits: HEADER_MAX is more than enough. */
static int64_t form_header(const content *c, char out[HEADER_MAX]) {
  const int prefix = MAGIC + 4;
  char order = c->type->bytes == 1 ? '|' : element_host_is_big() ? '>' : '<';
  int at = prefix + snprintf(out + prefix, HEADER_MAX - prefix,
                             "{'descr': '%c%s', 'fortran_order': False, 'shape': (", order,
                             c->type->name);
  for (int i = 0; i < c->axes; i++)
    at += snprintf(out + at, (size_t)(HEADER_MAX - at), i == 0 ? "%lld," : " %lld,",
                   (long long)c->shape[i]);
  if (c->axes > 1) at--; /* (3,) but (3, 4) */
  at += snprintf(out + at, (size_t)(HEADER_MAX - at), "), }");
  int length = (at + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  memset(out + at, ' ', (size_t)(length - at));
  out[length - 1] = '\n';
  memcpy(out, magic, MAGIC);
  out[MAGIC] = 1;
  out[MAGIC + 1] = 0;
  out[MAGIC + 2] = (char)((length - prefix) & 255);
  out[MAGIC + 3] = (char)((length - prefix) >> 8);
  return length;
}

static mg_status fill(file_sink *sink, void *job) {
  const content *c = job;
  char header[HEADER_MAX];
  unsigned char bytes[FILE_CHUNK];
  const int64_t step = FILE_CHUNK / ELEMENT_MAX_BYTES;
  mg_status status = file_put(sink, header, form_header(c, header));
  for (int64_t i = 0; i < c->count && status == MG_OK; i += step) {
    int64_t count = c->count - i < step ? c->count - i : step;
    c->type->write(c->values + i, count, bytes);
    status = file_put(sink, bytes, count * c->type->bytes);
  }
  return status;
}

mg_status mg_npy_write(const char *path, const mg_real *values, const int64_t *shape, int axes,
                       const char *type) {
  content c = {values, 0, shape, axes, element_find(type)};
  if (!c.type || !c.type->write)
    return fail(MG_BAD_ARGUMENT, "npy_write: type is '%s', expected f4, f8, i8, i4 or u1", type);
  if (axes < 0 || axes > MG_MAX_AXES)
    return fail(MG_BAD_SHAPE, "npy_write: %d axes, expected 0..%d", axes, (int)MG_MAX_AXES);
  for (int i = 0; i < axes; i++)
    if (shape[i] < 0)
      return fail(MG_BAD_SHAPE, "npy_write: extent %lld of axis %d is negative",
                  (long long)shape[i], i + 1);
  c.count = array_count(shape, axes);
  if (c.count < 0 || memory_product(c.count, ELEMENT_MAX_BYTES) < 0)
    return fail(MG_BAD_SHAPE, "npy_write: the shape has more elements than memory can hold");
  int64_t misfit = element_misfit(c.type, values, c.count);
  if (misfit < c.count)
    return fail(MG_BAD_ARGUMENT, "npy_write: value %.9g at index %lld cannot be held by type %s",
                (double)values[misfit], (long long)misfit, type);
  return file_write_atomic("npy", path, fill, &c);
}
