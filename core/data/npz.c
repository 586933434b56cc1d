/* NumPy's .npz files: zip archives of npy members, by libzip, which reads and writes through the
 * functions of file.h. Its own blocks are small and come from malloc; members pass through buffers.
 * What a directory claims is compared with what the file can hold before anything is inflated. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zip.h>

#include "array.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "gzip.h"
#include "npy.h"

enum { LEVEL = 6, SHOWN = 300, SMALLEST = 22 /* an archive of nothing */ };

static const char suffix[] = ".npy";

/* ---- reading: the archive */

typedef struct member {
  char *name; /* without .npy */
  zip_uint64_t index;
  int64_t size;    /* once inflated, as the directory says */
  int is_deflated;
} member;

struct mg_npz {
  char *path;
  file_source file;
  zip_t *zip;
  int64_t place; /* libzip's in the file */
  zip_error_t error;
  mg_status status; /* of a read that failed in libzip's callback, which recorded it */
  int64_t count, limit;
  member *members;
};

static zip_int64_t read_bytes(mg_npz *z, void *out, zip_uint64_t length) {
  int64_t left = z->file.size - z->place;
  int64_t count = (zip_uint64_t)left < length ? left : (int64_t)length;
  mg_status status = file_read_at(&z->file, out, count, z->place);
  if (status == MG_OK) {
    z->place += count;
    return count;
  }
  z->status = status;
  zip_error_set(&z->error, ZIP_ER_READ, EIO);
  return -1;
}

static zip_int64_t tell_size(int64_t size, void *data) {
  zip_stat_t *about = data;
  zip_stat_init(about);
  about->size = (zip_uint64_t)size;
  about->valid |= ZIP_STAT_SIZE;
  return (zip_int64_t)sizeof *about;
}

/* A zip_source over the file. */
static zip_int64_t on_archive(void *user, void *data, zip_uint64_t length,
                              zip_source_cmd_t command) {
  mg_npz *z = user;
  zip_int64_t place;
  switch (command) {
  case ZIP_SOURCE_OPEN: z->place = 0; return 0;
  case ZIP_SOURCE_READ: return read_bytes(z, data, length);
  case ZIP_SOURCE_SEEK:
    place = zip_source_seek_compute_offset((zip_uint64_t)z->place, (zip_uint64_t)z->file.size, data,
                                           length, &z->error);
    if (place < 0) return -1;
    z->place = place;
    return 0;
  case ZIP_SOURCE_TELL: return z->place;
  case ZIP_SOURCE_STAT: return tell_size(z->file.size, data);
  case ZIP_SOURCE_ERROR: return zip_error_to_data(&z->error, data, length);
  case ZIP_SOURCE_CLOSE:
  case ZIP_SOURCE_FREE: return 0;
  case ZIP_SOURCE_SUPPORTS:
    return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE,
                                          ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE,
                                          ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, -1);
  default: zip_error_set(&z->error, ZIP_ER_OPNOTSUPP, 0); return -1;
  }
}

/* A failure of libzip's, or the callback's own behind it. */
static mg_status bad_archive(mg_npz *z, zip_error_t *error) {
  if (z->status != MG_OK) return z->status;
  if (zip_error_code_zip(error) == ZIP_ER_MEMORY) return fail(MG_NO_MEMORY, "npz: no memory");
  return file_bad(&z->file, "damaged archive", z->place, "expected a zip archive, got \"%s\"",
                  zip_error_strerror(error));
}

static mg_status open_archive(mg_npz *z) {
  zip_error_t error;
  if (z->file.size < SMALLEST) /* libzip takes an empty file for an archive */
    return file_bad(&z->file, "file cut", z->file.size, "expected at least %d bytes, got %lld",
                    (int)SMALLEST, (long long)z->file.size);
  zip_error_init(&error);
  zip_source_t *source = zip_source_function_create(on_archive, z, &error);
  if (source) z->zip = zip_open_from_source(source, ZIP_RDONLY, &error);
  mg_status status = z->zip ? MG_OK : bad_archive(z, &error);
  if (source && !z->zip) zip_source_free(source);
  zip_error_fini(&error);
  return status;
}

/* ---- reading: the directory */

static char *copy_text(const char *text, size_t length) {
  char *copy = memory_new((int64_t)length + 1);
  if (!copy) return NULL;
  memcpy(copy, text, length);
  copy[length] = 0;
  return copy;
}

static mg_status bad_member(const mg_npz *z, const char *name, const char *reason) {
  char shown[4 * 40 + 1];
  size_t length = strlen(name);
  file_show_bytes(shown, name, length < 40 ? (int)length : 40);
  return file_bad(&z->file, "bad member", z->place,
                  "expected arrays under names of their own ending in .npy, stored or deflated, "
                  "got '%s', %s",
                  shown, reason);
}

/* Why the member i cannot be read; NULL: it can. *rest: bytes of the file that no member has. */
static const char *refusal(const mg_npz *z, const zip_stat_t *about, int64_t *rest) {
  const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_INDEX | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                              ZIP_STAT_COMP_METHOD;
  if ((about->valid & needed) != needed) return "whose entry is not complete";
  if (about->valid & ZIP_STAT_ENCRYPTION_METHOD && about->encryption_method != ZIP_EM_NONE)
    return "which is encrypted";
  if (about->comp_method != ZIP_CM_STORE && about->comp_method != ZIP_CM_DEFLATE)
    return "compressed in another way";
  if (zip_name_locate(z->zip, about->name, ZIP_FL_ENC_GUESS) != (zip_int64_t)about->index)
    return "a name that is there twice";
  size_t length = strlen(about->name);
  if (length < sizeof suffix || strcmp(about->name + length - (sizeof suffix - 1), suffix) != 0)
    return "another name";
  if (about->comp_size > (zip_uint64_t)*rest) return "which is longer than the file";
  *rest -= (int64_t)about->comp_size;
  int64_t most = about->comp_method == ZIP_CM_STORE ? (int64_t)about->comp_size
                                                    : gzip_most((int64_t)about->comp_size);
  return about->size > (zip_uint64_t)most ? "which claims more than its bytes can hold" : NULL;
}

/* Whether a member is a folder, which some archivers list. */
static int is_folder(const zip_stat_t *about) {
  return about->valid & ZIP_STAT_NAME && about->name[0] &&
         about->name[strlen(about->name) - 1] == '/';
}

static mg_status add_member(mg_npz *z, const zip_stat_t *about) {
  member *m = &z->members[z->count];
  m->index = about->index;
  m->size = (int64_t)about->size;
  m->is_deflated = about->comp_method == ZIP_CM_DEFLATE;
  m->name = copy_text(about->name, strlen(about->name) - (sizeof suffix - 1));
  if (!m->name) return MG_NO_MEMORY;
  z->count++;
  return MG_OK;
}

/* Lists the members, of which `only` (NULL: all) is wanted. */
static mg_status read_directory(mg_npz *z, const char *only) {
  zip_int64_t entries = zip_get_num_entries(z->zip, 0);
  int64_t rest = z->file.size, total = 0;
  z->members = memory_array(entries, (int64_t)sizeof *z->members);
  if (!z->members) return MG_NO_MEMORY;
  for (zip_int64_t i = 0; i < entries; i++) {
    zip_stat_t about;
    mg_status status = interrupt_tick();
    if (status != MG_OK) return status;
    if (zip_stat_index(z->zip, (zip_uint64_t)i, ZIP_FL_ENC_GUESS, &about) != 0)
      return bad_archive(z, zip_get_error(z->zip));
    if (is_folder(&about)) continue;
    const char *reason = refusal(z, &about, &rest);
    if (reason) return bad_member(z, about.valid & ZIP_STAT_NAME ? about.name : "", reason);
    size_t length = strlen(about.name) - (sizeof suffix - 1);
    if (only && (strlen(only) != length || strncmp(only, about.name, length) != 0)) continue;
    total += (int64_t)about.size;
    if ((status = add_member(z, &about)) != MG_OK) return status;
  }
  if (total <= z->limit) return MG_OK;
  return file_bad(&z->file, "data too large", z->place,
                  "expected at most %lld bytes once inflated, got %lld", (long long)z->limit,
                  (long long)total);
}

mg_npz *mg_npz_open(const char *path, const char *only, int64_t limit) {
  mg_npz *z = memory_new((int64_t)sizeof *z);
  if (!z) return NULL;
  *z = (mg_npz){.limit = limit, .path = copy_text(path, strlen(path))};
  zip_error_init(&z->error);
  z->file.handle = -1;
  mg_status status = z->path ? file_open(&z->file, "npz", z->path) : MG_NO_MEMORY;
  if (status != MG_OK) z->file.handle = -1; /* closed already */
  if (status == MG_OK) status = open_archive(z);
  if (status == MG_OK) status = read_directory(z, only);
  if (status == MG_OK) return z;
  mg_npz_free(z);
  return NULL;
}

void mg_npz_free(mg_npz *z) {
  if (!z) return;
  if (z->zip) zip_discard(z->zip);
  if (z->file.handle >= 0) file_close(&z->file);
  for (int64_t i = 0; i < z->count; i++) memory_free(z->members[i].name);
  memory_free(z->members);
  memory_free(z->path);
  zip_error_fini(&z->error);
  memory_free(z);
}

int64_t mg_npz_count(const mg_npz *z) { return z->count; }

const char *mg_npz_name(const mg_npz *z, int64_t i) {
  return i >= 0 && i < z->count ? z->members[i].name : NULL;
}

/* ---- reading: a member */

/* What the stream of a member works on. */
typedef struct inflow {
  mg_npz *npz;
  zip_file_t *file;
} inflow;

static mg_status next(file_source *f, int *count) {
  inflow *in = f->job;
  *count = 0;
  while (*count < FILE_CHUNK) {
    zip_int64_t more =
        zip_fread(in->file, f->buffer + *count, (zip_uint64_t)(FILE_CHUNK - *count));
    if (more == 0) break;
    if (more > 0) *count += (int)more;
    else if (in->npz->status != MG_OK) return in->npz->status;
    else
      return file_bad(f, "damaged member", f->offset + *count, "expected valid data, got \"%s\"",
                      zip_error_strerror(zip_file_get_error(in->file)));
  }
  return MG_OK;
}

static mg_array *read_member(mg_npz *z, const member *m, zip_file_t *file) {
  char name[4 * SHOWN + 1], path[5 * SHOWN];
  file_source f;
  size_t length = strlen(m->name);
  file_show_bytes(name, m->name, length < SHOWN ? (int)length : SHOWN);
  snprintf(path, sizeof path, "%s: '%.100s'", z->path, name);
  inflow in = {z, file};
  file_stream(&f, "npz", path, m->size, next, &in);
  f.is_claimed = m->is_deflated;
  mg_array *a = npy_read(&f, INT64_MAX);
  if (!a || file_read_end(&f) == MG_OK) return a; /* the end has the CRC */
  mg_array_free(a);
  return NULL;
}

mg_array *mg_npz_read(mg_npz *z, int64_t i) {
  if (i < 0 || i >= z->count)
    return fail_null(MG_BAD_ARGUMENT, "npz_read: member %lld of %lld", (long long)i,
                     (long long)z->count);
  z->status = MG_OK;
  zip_file_t *file = zip_fopen_index(z->zip, z->members[i].index, 0);
  if (!file) {
    bad_archive(z, zip_get_error(z->zip));
    return NULL;
  }
  mg_array *a = read_member(z, &z->members[i], file);
  zip_fclose(file);
  return a;
}

/* ---- writing */

typedef struct writer {
  const mg_npz_entry *entries;
  int count;
  const char *type;
  int is_deflated;
  file_sink *sink;
  int64_t place, size; /* in the file being written; bytes there */
  encoder *encoders;
  zip_error_t error;
  mg_status status; /* of a write that failed in a callback, which recorded it */
} writer;

static zip_int64_t keep(writer *w, mg_status status, zip_int64_t result) {
  if (status == MG_OK) return result;
  w->status = status;
  zip_error_set(&w->error, ZIP_ER_WRITE, EIO);
  return -1;
}

static zip_int64_t write_bytes(writer *w, const void *data, zip_uint64_t length) {
  mg_status status = file_put(w->sink, data, (int64_t)length);
  if (status == MG_OK) w->place += (int64_t)length;
  if (w->place > w->size) w->size = w->place;
  return keep(w, status, (zip_int64_t)length);
}

static zip_int64_t seek_place(writer *w, void *data, zip_uint64_t length) {
  zip_int64_t place = zip_source_seek_compute_offset(
      (zip_uint64_t)w->place, (zip_uint64_t)w->size, data, length, &w->error);
  if (place < 0) return -1;
  w->place = place;
  return keep(w, file_seek(w->sink, place), 0);
}

/* A zip_source over the file being written, which is empty at first and never read. */
static zip_int64_t on_sink(void *user, void *data, zip_uint64_t length, zip_source_cmd_t command) {
  writer *w = user;
  switch (command) {
  case ZIP_SOURCE_WRITE: return write_bytes(w, data, length);
  case ZIP_SOURCE_SEEK_WRITE: return seek_place(w, data, length);
  case ZIP_SOURCE_TELL_WRITE:
  case ZIP_SOURCE_TELL: return w->place;
  case ZIP_SOURCE_STAT: return tell_size(w->size, data);
  case ZIP_SOURCE_ERROR: return zip_error_to_data(&w->error, data, length);
  case ZIP_SOURCE_SUPPORTS: return ZIP_SOURCE_SUPPORTS_WRITABLE;
  default: return 0; /* opening, closing, beginning, committing: file_write_atomic does it */
  }
}

/* A zip_source over an encoder. */
static zip_int64_t on_entry(void *user, void *data, zip_uint64_t length, zip_source_cmd_t command) {
  encoder *e = user;
  switch (command) {
  case ZIP_SOURCE_OPEN: encoder_rewind(e); return 0;
  case ZIP_SOURCE_READ:
    return encoder_next(e, data, length < FILE_CHUNK ? (int64_t)length : FILE_CHUNK);
  case ZIP_SOURCE_STAT: return tell_size(encoder_size(e), data);
  case ZIP_SOURCE_ERROR: memset(data, 0, length); return (zip_int64_t)length;
  case ZIP_SOURCE_SUPPORTS:
    return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE,
                                          ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE, -1);
  default: return 0;
  }
}

static mg_status bad_writing(const writer *w, zip_error_t *error) {
  if (w->status != MG_OK) return w->status;
  if (zip_error_code_zip(error) == ZIP_ER_MEMORY) return fail(MG_NO_MEMORY, "npz: no memory");
  return fail(MG_BAD_FILE, "npz: %.200s: cannot write the archive: %s", w->sink->path,
              zip_error_strerror(error));
}

/* Members are dated 1 January 1980, zip's first day: the same values make the same file. */
static mg_status add_entry(writer *w, zip_t *zip, int i) {
  char name[SHOWN + sizeof suffix];
  snprintf(name, sizeof name, "%s%s", w->entries[i].name, suffix);
  zip_source_t *source = zip_source_function(zip, on_entry, &w->encoders[i]);
  if (!source) return bad_writing(w, zip_get_error(zip));
  zip_int64_t index = zip_file_add(zip, name, source, ZIP_FL_ENC_UTF_8);
  if (index < 0) {
    zip_source_free(source);
    return bad_writing(w, zip_get_error(zip));
  }
  zip_set_file_compression(zip, (zip_uint64_t)index,
                           w->is_deflated ? ZIP_CM_DEFLATE : ZIP_CM_STORE, LEVEL);
  zip_file_set_dostime(zip, (zip_uint64_t)index, 0, 1 << 5 | 1, 0);
  return MG_OK;
}

static mg_status write_archive(writer *w, zip_t *zip) {
  mg_status status = MG_OK;
  for (int i = 0; i < w->count && status == MG_OK; i++) status = add_entry(w, zip, i);
  if (status == MG_OK && zip_close(zip) == 0) return MG_OK;
  if (status == MG_OK) status = bad_writing(w, zip_get_error(zip));
  zip_discard(zip);
  return status;
}

/* An archive without members is the end of a directory alone, which libzip does not write. */
static mg_status write_empty(file_sink *sink) {
  static const char end[SMALLEST] = "PK\5\6";
  return file_put(sink, end, sizeof end);
}

static mg_status fill(file_sink *sink, void *job) {
  writer *w = job;
  w->sink = sink;
  if (w->count == 0) return write_empty(sink);
  zip_error_t error;
  zip_error_init(&error);
  zip_error_init(&w->error);
  zip_source_t *source = zip_source_function_create(on_sink, w, &error);
  zip_t *zip = source ? zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &error) : NULL;
  mg_status status = zip ? write_archive(w, zip) : bad_writing(w, &error);
  if (source && !zip) zip_source_free(source);
  zip_error_fini(&w->error);
  zip_error_fini(&error);
  return status;
}

/* Sets the encoder of each entry; checks names, shapes, values. */
static mg_status prepare(writer *w) {
  for (int i = 0; i < w->count; i++) {
    const mg_npz_entry *e = &w->entries[i];
    size_t length = strlen(e->name);
    if (length == 0 || length > SHOWN - 1)
      return fail(MG_BAD_ARGUMENT, "npz_write: a name of %lld bytes, expected 1..%d",
                  (long long)length, SHOWN - 1);
    for (int k = 0; k < i; k++)
      if (strcmp(w->entries[k].name, e->name) == 0)
        return fail(MG_BAD_ARGUMENT, "npz_write: the name '%.100s' is there twice", e->name);
    mg_status status =
        npy_encoder(&w->encoders[i], "npz_write", e->values, e->shape, e->axes, w->type);
    if (status != MG_OK) return status;
  }
  return MG_OK;
}

mg_status mg_npz_write(const char *path, const mg_npz_entry *entries, int count, const char *type,
                       int is_deflated) {
  writer w = {.entries = entries, .count = count, .type = type, .is_deflated = is_deflated};
  w.encoders = memory_array(count, (int64_t)sizeof *w.encoders);
  if (!w.encoders) return MG_NO_MEMORY;
  mg_status status = prepare(&w);
  if (status == MG_OK) status = file_write_atomic("npz", path, fill, &w);
  memory_free(w.encoders);
  return status;
}
