/* Inflating and deflating with zlib, bytes counted here. */
#include "gzip.h"

#include <string.h>
#include <zlib.h>

#include "array.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "encoder.h"

enum { GZIP_ONLY = 16 + MAX_WBITS, FIRST_CAPACITY = 16 << 10, OUT_CHUNK = 1 << 20 };

/* What one file inflates to. */
typedef struct inflation {
  file_source *file;
  z_stream stream;
  int is_ended; /* the last member of the file is */
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

/* One call of inflate: *count of at most `room` bytes more to out. */
static mg_status advance(inflation *g, void *out, int64_t room, int64_t *count) {
  *count = 0;
  mg_status status = interrupt_tick();
  if (status == MG_OK) status = take_input(g);
  if (status != MG_OK) return status;
  g->stream.next_out = out;
  g->stream.avail_out = (unsigned)room;
  int code = inflate(&g->stream, Z_NO_FLUSH);
  *count = room - g->stream.avail_out;
  if (code == Z_MEM_ERROR) return MG_NO_MEMORY; /* recorded by memory_new */
  if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
    return file_bad(g->file, "damaged gzip stream", place(g), "expected valid data, got %s",
                    g->stream.msg ? g->stream.msg : "a preset dictionary");
  if (code != Z_STREAM_END) return MG_OK;
  g->is_ended = place(g) == g->file->size;
  if (!g->is_ended) inflateReset(&g->stream);
  return MG_OK;
}

static mg_status start(inflation *g, file_source *f) {
  memset(&g->stream, 0, sizeof g->stream);
  g->file = f;
  g->is_ended = 0;
  g->stream.zalloc = zlib_new;
  g->stream.zfree = zlib_free;
  return inflateInit2(&g->stream, GZIP_ONLY) == Z_OK ? MG_OK : MG_NO_MEMORY;
}

/* ---- all at once */

/* The block while it grows. */
typedef struct block {
  char *bytes;
  int64_t count, capacity, limit;
} block;

/* Makes room for at least one byte more, up to one beyond the limit. */
static mg_status grow(block *b) {
  if (b->count < b->capacity) return MG_OK;
  int64_t capacity = b->capacity <= b->limit / 2 ? 2 * b->capacity : b->limit + 1;
  char *bytes = memory_new(capacity);
  if (!bytes) return MG_NO_MEMORY;
  memcpy(bytes, b->bytes, (size_t)b->count);
  memory_free(b->bytes);
  b->bytes = bytes;
  b->capacity = capacity;
  return MG_OK;
}

static mg_status inflate_all(inflation *g, block *b) {
  while (!g->is_ended) {
    mg_status status = grow(b);
    if (status != MG_OK) return status;
    int64_t room = b->capacity - b->count < OUT_CHUNK ? b->capacity - b->count : OUT_CHUNK, more;
    status = advance(g, b->bytes + b->count, room, &more);
    b->count += more;
    if (status != MG_OK) return status;
    if (b->count > b->limit)
      return file_bad(g->file, "content too large", place(g),
                      "expected at most %lld bytes once inflated, got more", (long long)b->limit);
  }
  return MG_OK;
}

mg_array *gzip_read(file_source *f, int64_t limit) {
  block b = {.limit = limit < INT64_MAX / 4 ? limit : INT64_MAX / 4};
  int64_t guess = f->size > FIRST_CAPACITY / 4 ? memory_product(f->size, 4) : FIRST_CAPACITY;
  b.capacity = guess >= 0 && guess <= b.limit ? guess : b.limit + 1;
  b.bytes = memory_new(b.capacity);
  if (!b.bytes) return NULL;
  inflation g;
  mg_status status = start(&g, f);
  if (status == MG_OK) {
    status = inflate_all(&g, &b);
    inflateEnd(&g.stream);
  }
  if (status == MG_OK) return array_of_bytes(b.bytes, b.count);
  memory_free(b.bytes);
  return NULL;
}

/* ---- as a stream */

static mg_status next(file_source *out, int *count) {
  inflation *g = out->job;
  int64_t more = 0;
  mg_status status = MG_OK;
  while (status == MG_OK && more == 0 && !g->is_ended)
    status = advance(g, out->buffer, FILE_CHUNK, &more);
  *count = (int)more;
  return status;
}

mg_status gzip_open(file_source *out, file_source *f) {
  inflation *g = memory_new((int64_t)sizeof *g);
  if (!g) return MG_NO_MEMORY;
  mg_status status = start(g, f);
  if (status != MG_OK) {
    memory_free(g);
    return status;
  }
  file_stream(out, f->format, f->path, INT64_MAX, next, g);
  out->is_claimed = 1;
  return MG_OK;
}

void gzip_close(file_source *out) {
  inflation *g = out->job;
  inflateEnd(&g->stream);
  memory_free(g);
}

int64_t gzip_most(int64_t size) { return size < INT64_MAX / 2048 ? size * 1032 : INT64_MAX / 2; }

/* ---- writing */

/* Deflates what is there, to the end if `flush` says so, and writes it. */
static mg_status put_deflated(z_stream *stream, file_sink *sink, int flush) {
  unsigned char out[FILE_CHUNK];
  int code;
  do {
    stream->next_out = out;
    stream->avail_out = FILE_CHUNK;
    code = deflate(stream, flush);
    mg_status status = file_put(sink, out, FILE_CHUNK - (int64_t)stream->avail_out);
    if (status != MG_OK) return status;
  } while (flush == Z_FINISH ? code != Z_STREAM_END : stream->avail_out == 0);
  return MG_OK;
}

mg_status gzip_fill(file_sink *sink, void *job) {
  unsigned char bytes[FILE_CHUNK];
  z_stream stream = {.zalloc = zlib_new, .zfree = zlib_free};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_ONLY, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK)
    return MG_NO_MEMORY;
  mg_status status = MG_OK;
  for (int64_t count = 1; count > 0 && status == MG_OK;) {
    count = encoder_next(job, bytes, FILE_CHUNK);
    stream.next_in = bytes;
    stream.avail_in = (unsigned)count;
    status = put_deflated(&stream, sink, count > 0 ? Z_NO_FLUSH : Z_FINISH);
  }
  deflateEnd(&stream);
  return status;
}

uint32_t gzip_crc(uint32_t before, const void *bytes, int64_t count) {
  return (uint32_t)crc32_z(before, bytes, (size_t)count);
}
