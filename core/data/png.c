/* PNG pictures by libpng. Its failures are longjmps to the one function that set the jump: decode
 * and encode, which keep all that must survive in a struct of their caller and own nothing. */
#include <png.h>
#include <stdio.h>
#include <string.h>

#include "array.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "file.h"

enum {
  SIGNATURE = 8,
  MAX_EXTENT = 1000000,
  MAX_CHUNKS = 128,         /* ancillary chunks kept */
  MAX_CHUNK_BYTES = 8 << 20 /* of one of them, inflated */
};

static const char signature[] = "\x89PNG\r\n\x1a\n";

/* What libpng's callbacks share. */
typedef struct session {
  png_structp png;
  png_infop info;
  mg_status status; /* of the callback that failed, which recorded it */
  char reason[96];  /* libpng's, if the failure was its own */
} session;

static void on_error(png_structp png, png_const_charp reason) {
  session *s = png_get_error_ptr(png);
  snprintf(s->reason, sizeof s->reason, "%s", reason);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp reason) {
  (void)png;
  (void)reason;
}

static png_voidp on_new(png_structp png, png_alloc_size_t bytes) {
  session *s = png_get_mem_ptr(png);
  void *block = memory_new(bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes);
  if (!block) s->status = MG_NO_MEMORY;
  return block;
}

static void on_free(png_structp png, png_voidp block) {
  (void)png;
  memory_free(block);
}

/* Leaves libpng if a call of ours failed. */
static void require(session *s, mg_status status) {
  if (status == MG_OK) return;
  s->status = status;
  png_error(s->png, "stopped");
}

/* ---- reading */

typedef struct reader {
  session session; /* first: libpng's pointers to it are pointers to this */
  file_source file;
  int64_t limit;
  mg_array *array;
} reader;

static void on_read(png_structp png, png_bytep out, size_t count) {
  reader *r = png_get_io_ptr(png);
  require(&r->session, file_read(&r->file, out, (int64_t)count));
}

/* Deflate makes at most 1032 bytes of one: a picture that has more is refused before anything of
 * its size is allocated. */
static mg_status check_size(const reader *r) {
  int64_t height = png_get_image_height(r->session.png, r->session.info);
  int64_t width = png_get_image_width(r->session.png, r->session.info);
  int64_t row = (int64_t)png_get_rowbytes(r->session.png, r->session.info);
  int64_t bytes = memory_product(height, row);
  int is_false = bytes > memory_product(r->file.size, 1032);
  if (!is_false && bytes <= r->limit) return MG_OK;
  const char *reason = is_false ? "picture larger than its file can hold" : "picture too large";
  return file_bad(&r->file, reason, SIGNATURE + 8,
                  "expected at most %lld bytes of pixels, got %lld x %lld pixels",
                  (long long)(is_false ? r->file.size * 1032 : r->limit), (long long)height,
                  (long long)width);
}

/* Asks for 8 bits a channel and no palette, and makes the array for what will come. */
static mg_status make_array(reader *r) {
  png_structp png = r->session.png;
  png_infop info = r->session.info;
  mg_status status = check_size(r);
  if (status != MG_OK) return status;
  png_set_expand(png);
  png_set_scale_16(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  const int64_t shape[3] = {png_get_image_height(png, info), png_get_image_width(png, info),
                            png_get_channels(png, info)};
  r->array = array_new(shape, 3);
  return r->array ? MG_OK : MG_NO_MEMORY;
}

/* All passes of an interlaced picture work on the same bytes. */
static void read_rows(reader *r, unsigned char *bytes) {
  png_structp png = r->session.png;
  int64_t row = r->array->shape[1] * r->array->shape[2];
  int passes = png_get_interlace_type(png, r->session.info) == PNG_INTERLACE_NONE ? 1 : 7;
  for (int pass = 0; pass < passes; pass++)
    for (int64_t i = 0; i < r->array->shape[0]; i++) {
      require(&r->session, interrupt_tick());
      png_read_row(png, bytes + i * row, NULL);
    }
}

static mg_status decode(reader *r) {
  session *s = &r->session;
  if (setjmp(png_jmpbuf(s->png))) {
    if (s->status != MG_OK) return s->status;
    return file_bad(&r->file, "damaged picture", r->file.offset,
                    "expected a valid PNG file, got \"%s\"", s->reason);
  }
  png_set_user_limits(s->png, MAX_EXTENT, MAX_EXTENT);
  png_set_chunk_cache_max(s->png, MAX_CHUNKS);
  png_set_chunk_malloc_max(s->png, MAX_CHUNK_BYTES);
  png_set_read_fn(s->png, r, on_read);
  png_set_sig_bytes(s->png, SIGNATURE);
  png_read_info(s->png, s->info);
  require(s, make_array(r));
  /* The bytes lie at the end of the reals: turned into reals from the first on, in place, none is
   * overwritten before it was read. */
  mg_array *a = r->array;
  unsigned char *bytes =
      (unsigned char *)a->values + (size_t)a->count * (sizeof *a->values - 1);
  read_rows(r, bytes);
  png_read_end(s->png, NULL);
  for (int64_t i = 0; i < a->count; i++) a->values[i] = bytes[i];
  return MG_OK;
}

static mg_status read_file(reader *r) {
  session *s = &r->session;
  mg_status status = file_read_magic(&r->file, signature, SIGNATURE);
  if (status != MG_OK) return status;
  s->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, s, on_error, on_warning, s, on_new,
                                    on_free);
  s->info = s->png ? png_create_info_struct(s->png) : NULL;
  status = s->info ? decode(r) : fail(MG_NO_MEMORY, "png_read: libpng did not start");
  png_destroy_read_struct(&s->png, &s->info, NULL);
  return status;
}

mg_array *mg_png_read(const char *path, int64_t limit) {
  reader r = {.limit = limit};
  if (file_open(&r.file, "png", path) != MG_OK) return NULL;
  mg_status status = read_file(&r);
  file_close(&r.file);
  if (status == MG_OK) return r.array;
  mg_array_free(r.array);
  return NULL;
}

/* ---- writing */

typedef struct writer {
  session session;
  file_sink *sink;
  const mg_real *pixels;
  int64_t height, width, channels;
  unsigned char *row;
} writer;

static void on_write(png_structp png, png_bytep bytes, size_t count) {
  writer *w = png_get_io_ptr(png);
  require(&w->session, file_put(w->sink, bytes, (int64_t)count));
}

static void on_flush(png_structp png) { (void)png; }

/* To the nearest of 0..255, halves up; NaN to 0. */
static unsigned char to_byte(mg_real value) {
  double x = (double)value + 0.5;
  return x >= 255 ? 255 : x >= 1 ? (unsigned char)x : 0;
}

static mg_status encode(writer *w) {
  session *s = &w->session;
  if (setjmp(png_jmpbuf(s->png))) {
    if (s->status != MG_OK) return s->status;
    return fail(MG_BAD_FILE, "png: %.200s: cannot write the picture: %s", w->sink->path, s->reason);
  }
  const int colours[5] = {0, PNG_COLOR_TYPE_GRAY, 0, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGBA};
  png_set_write_fn(s->png, w, on_write, on_flush);
  png_set_IHDR(s->png, s->info, (png_uint_32)w->width, (png_uint_32)w->height, 8,
               colours[w->channels], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(s->png, s->info);
  const int64_t count = w->width * w->channels;
  for (int64_t i = 0; i < w->height; i++) {
    require(s, interrupt_tick());
    for (int64_t k = 0; k < count; k++) w->row[k] = to_byte(w->pixels[i * count + k]);
    png_write_row(s->png, w->row);
  }
  png_write_end(s->png, NULL);
  return MG_OK;
}

static mg_status fill(file_sink *sink, void *job) {
  writer *w = job;
  session *s = &w->session;
  w->sink = sink;
  w->row = memory_array(w->width, w->channels);
  if (!w->row) return MG_NO_MEMORY;
  s->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, s, on_error, on_warning, s, on_new,
                                     on_free);
  s->info = s->png ? png_create_info_struct(s->png) : NULL;
  mg_status status = s->info ? encode(w) : fail(MG_NO_MEMORY, "png_write: libpng did not start");
  png_destroy_write_struct(&s->png, &s->info);
  memory_free(w->row);
  return status;
}

mg_status mg_png_write(const char *path, const mg_real *pixels, int64_t height, int64_t width,
                       int64_t channels) {
  if (channels != 1 && channels != 3 && channels != 4)
    return fail(MG_BAD_ARGUMENT, "png_write: %lld channels, expected 1, 3 or 4",
                (long long)channels);
  if (height < 1 || height > MAX_EXTENT || width < 1 || width > MAX_EXTENT)
    return fail(MG_BAD_ARGUMENT, "png_write: %lld x %lld pixels, expected 1..%d each",
                (long long)height, (long long)width, (int)MAX_EXTENT);
  writer w = {.pixels = pixels, .height = height, .width = width, .channels = channels};
  return file_write_atomic("png", path, fill, &w);
}
