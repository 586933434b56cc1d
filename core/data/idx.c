/* The IDX files of MNIST and its kin, plain or inside gzip: 0, 0, type, number of axes, extents of
 * 4 bytes, elements; all big-endian. Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of
 * handwritten digits" (the section on file formats). */
#include <string.h>

#include "array.h"
#include "base/memory.h"
#include "base/status.h"
#include "encoder.h"
#include "gzip.h"

enum { HEAD = 4 };

/* The code of each element type. */
static const struct {
  unsigned char code;
  const char *type;
} codes[] = {{0x08, "u1"}, {0x09, "i1"}, {0x0b, "i2"}, {0x0c, "i4"}, {0x0d, "f4"}, {0x0e, "f8"}};

enum { CODES = sizeof codes / sizeof *codes };

typedef struct idx_header {
  const element_type *type;
  int axes;
  int64_t shape[MG_MAX_AXES];
} idx_header;

/* ---- reading */

/* The four bytes before the extents. */
static mg_status read_head(file_source *f, idx_header *h) {
  unsigned char head[HEAD];
  mg_status status = file_read(f, head, HEAD);
  if (status != MG_OK) return status;
  if (head[0] != 0 || head[1] != 0)
    return file_bad(f, "wrong first bytes", 0, "expected two zero bytes, got 0x%02x 0x%02x",
                    head[0], head[1]);
  int i = 0;
  while (i < CODES && codes[i].code != head[2]) i++;
  if (i == CODES)
    return file_bad(f, "unknown type", 2, "expected 0x08 0x09 0x0b 0x0c 0x0d or 0x0e, got 0x%02x",
                    head[2]);
  h->type = element_find(codes[i].type);
  h->axes = head[3];
  if (h->axes > MG_MAX_AXES)
    return file_bad(f, "too many axes", 3, "expected at most %d, got %d", (int)MG_MAX_AXES,
                    h->axes);
  return MG_OK;
}

static mg_status read_extents(file_source *f, idx_header *h) {
  for (int i = 0; i < h->axes; i++) {
    unsigned char bytes[4];
    mg_status status = file_read(f, bytes, 4);
    if (status != MG_OK) return status;
    h->shape[i] = (int64_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
  }
  return MG_OK;
}

/* That the elements fit the limit and the file, whose rest has at most `most` bytes of them; a
 * plain file has exactly so many. */
static mg_status check_length(file_source *f, const idx_header *h, int64_t limit, int64_t most) {
  int64_t count = array_count(h->shape, h->axes);
  int64_t bytes = count < 0 ? -1 : memory_product(count, ELEMENT_MAX_BYTES);
  if (bytes < 0)
    return file_bad(f, "shape too large", HEAD,
                    "expected one that fits the file, got more elements than memory can hold");
  bytes = count * h->type->bytes;
  if (bytes > most)
    return file_bad(f, "data cut", f->next ? f->offset : f->size,
                    "expected %lld bytes of data, got at most %lld", (long long)bytes,
                    (long long)most);
  if (bytes > limit)
    return file_bad(f, "data too large", HEAD, "expected at most %lld bytes of data, got %lld",
                    (long long)limit, (long long)bytes);
  if (!f->next && bytes < most)
    return file_bad(f, "bytes after the data", f->offset + bytes,
                    "expected %lld bytes of data, got %lld", (long long)bytes, (long long)most);
  if (f->next) f->size = f->offset + bytes;
  return MG_OK;
}

/* f: the file or what it inflates to, `capacity` bytes at most. */
static mg_array *read_source(file_source *f, int64_t limit, int64_t capacity) {
  idx_header h;
  if (read_head(f, &h) != MG_OK || read_extents(f, &h) != MG_OK) return NULL;
  if (check_length(f, &h, limit, capacity - f->offset) != MG_OK) return NULL;
  mg_array *a = array_read(f, h.shape, h.axes, h.type, 1);
  if (!a || file_read_end(f) == MG_OK) return a;
  mg_array_free(a);
  return NULL;
}

static mg_array *read_gzip(file_source *f, int64_t limit) {
  file_source content;
  if (gzip_open(&content, f) != MG_OK) return NULL;
  mg_array *a = read_source(&content, limit, gzip_most(f->size));
  gzip_close(&content);
  return a;
}

mg_array *mg_idx_read(const char *path, int64_t limit) {
  file_source f;
  int is_gzip = 0;
  if (file_open(&f, "idx", path) != MG_OK) return NULL;
  mg_array *a = NULL;
  if (gzip_detect(&f, &is_gzip) == MG_OK)
    a = is_gzip ? read_gzip(&f, limit) : read_source(&f, limit, f.size);
  file_close(&f);
  return a;
}

/* ---- writing */

mg_status mg_idx_write(const char *path, const mg_real *values, const int64_t *shape, int axes,
                       const char *type, int is_gzip) {
  int i = 0;
  while (i < CODES && strcmp(codes[i].type, type) != 0) i++;
  if (i == CODES)
    return fail(MG_BAD_ARGUMENT, "idx_write: type is '%s', expected u1, i1, i2, i4, f4 or f8",
                type);
  encoder e;
  mg_status status = encoder_start(&e, "idx_write", values, shape, axes, element_find(type));
  if (status != MG_OK) return status;
  e.is_big = 1;
  e.header_length = HEAD + 4 * axes;
  const unsigned char head[HEAD] = {0, 0, codes[i].code, (unsigned char)axes};
  memcpy(e.header, head, HEAD);
  for (int axis = 0; axis < axes; axis++) {
    if (shape[axis] > UINT32_MAX)
      return fail(MG_BAD_SHAPE, "idx_write: extent %lld of axis %d, expected below 2^32",
                  (long long)shape[axis], axis + 1);
    for (int byte = 0; byte < 4; byte++)
      e.header[HEAD + 4 * axis + byte] = (char)(shape[axis] >> (24 - 8 * byte) & 255);
  }
  return file_write_atomic("idx", path, is_gzip ? gzip_fill : encoder_fill, &e);
}
