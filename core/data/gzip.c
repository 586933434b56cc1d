/* Inflating with zlib, bytes counted here. */
#include "gzip.h"

#include <string.h>
#include <zlib.h>

#include "array.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"

enum { GZIP_ONLY = 16 + MAX_WBITS, FIRST_CAPACITY = 16 << 10, OUT_CHUNK = 1 << 20 };

/* The block of one file while it grows. */
typedef struct inflation {
  file_source *file;
  z_stream stream;
  int64_t limit;
  char *out;
  int64_t count, capacity;
  unsigned char in[FILE_CHUNK];
} inflation;

static void *zlib_new(void *opaque, unsigned count, unsigned size) {
  (void)opaque;
  return memory_array(count, size);
}

static void zlib_free(void *opaque, void *block) {
  (void)opaque;
  memory_free(block);
}

mg_status gzip_detect(file_source *f, int *is_gzip) {
  *is_gzip = 0;
  if (f->size < 2) return MG_OK;
  unsigned char head[2];
  mg_status status = file_peek(f, head, 2);
  *is_gzip = status == MG_OK && head[0] == 0x1f && head[1] == 0x8b;
  return status;
}

/* Offset in the file of the next byte that zlib will take. */
static int64_t place(const inflation *g) { return g->file->offset - g->stream.avail_in; }

/* Makes room for at least one byte more, up to one beyond the limit. */
static mg_status grow(inflation *g) {
  if (g->count < g->capacity) return MG_OK;
  int64_t capacity = g->capacity <= g->limit / 2 ? 2 * g->capacity : g->limit + 1;
  char *out = memory_new(capacity);
  if (!out) return MG_NO_MEMORY;
  memcpy(out, g->out, (size_t)g->count);
  memory_free(g->out);
  g->out = out;
  g->capacity = capacity;
  return MG_OK;
}

static mg_status take_input(inflation *g) {
  if (g->stream.avail_in > 0) return MG_OK;
  int64_t left = g->file->size - g->file->offset;
  if (left == 0)
    return file_bad(g->file, "gzip stream cut", g->file->size,
                    "expected more of the stream, got the end of the file");
  int64_t part = left < FILE_CHUNK ? left : FILE_CHUNK;
  mg_status status = file_read(g->file, g->in, part);
  if (status != MG_OK) return status;
  g->stream.next_in = g->in;
  g->stream.avail_in = (unsigned)part;
  return MG_OK;
}

/* One call of inflate, which ends in *code. */
static mg_status advance(inflation *g, int *code) {
  mg_status status = interrupt_tick();
  if (status == MG_OK) status = take_input(g);
  if (status == MG_OK) status = grow(g);
  if (status != MG_OK) return status;
  int64_t room = g->capacity - g->count < OUT_CHUNK ? g->capacity - g->count : OUT_CHUNK;
  g->stream.next_out = (unsigned char *)g->out + g->count;
  g->stream.avail_out = (unsigned)room;
  *code = inflate(&g->stream, Z_NO_FLUSH);
  g->count += room - g->stream.avail_out;
  if (*code == Z_MEM_ERROR) return MG_NO_MEMORY; /* recorded by memory_new */
  if (*code != Z_OK && *code != Z_STREAM_END && *code != Z_BUF_ERROR)
    return file_bad(g->file, "damaged gzip stream", place(g), "expected valid data, got %s",
                    g->stream.msg ? g->stream.msg : "a preset dictionary");
  if (g->count > g->limit)
    return file_bad(g->file, "content too large", place(g),
                    "expected at most %lld bytes once inflated, got more", (long long)g->limit);
  return MG_OK;
}

static mg_status inflate_members(inflation *g) {
  for (;;) {
    int code = Z_OK;
    mg_status status = advance(g, &code);
    if (status != MG_OK) return status;
    if (code != Z_STREAM_END) continue;
    if (place(g) == g->file->size) return MG_OK;
    inflateReset(&g->stream);
  }
}

mg_array *gzip_read(file_source *f, int64_t limit) {
  inflation g = {.file = f, .limit = limit < INT64_MAX / 4 ? limit : INT64_MAX / 4};
  g.stream.zalloc = zlib_new;
  g.stream.zfree = zlib_free;
  int64_t guess = f->size > FIRST_CAPACITY / 4 ? memory_product(f->size, 4) : FIRST_CAPACITY;
  g.capacity = guess >= 0 && guess <= g.limit ? guess : g.limit + 1;
  g.out = memory_new(g.capacity);
  if (!g.out) return NULL;
  mg_status status = MG_NO_MEMORY;
  if (inflateInit2(&g.stream, GZIP_ONLY) == Z_OK) {
    status = inflate_members(&g);
    inflateEnd(&g.stream);
  }
  if (status == MG_OK) return array_of_bytes(g.out, g.count);
  memory_free(g.out);
  return NULL;
}

uint32_t gzip_crc(uint32_t before, const void *bytes, int64_t count) {
  return (uint32_t)crc32_z(before, bytes, (size_t)count);
}
