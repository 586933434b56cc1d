/* Reading and replacing files, and the sentences about them. Only here does the core open files. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "gzip.h"

/* PATH_SHOWN bytes of a path's end stand in a sentence, so that the reason has its place too. */
enum { PATH_SHOWN = 200, HEAD = 16, WRITE_CHUNK = 1 << 20, TEMPORARY_TRIES = 1000 };

/* ---- sentences */

static mg_status bad(const char *format, const char *path, const char *sentence) {
  size_t length = strlen(path);
  int is_long = length > PATH_SHOWN;
  return fail(MG_BAD_FILE, "%s: %s%s: %s", format, is_long ? "..." : "",
              is_long ? path + length - PATH_SHOWN : path, sentence);
}

/* What the system said about the call that just failed. */
static mg_status bad_call(const char *format, const char *path, const char *call) {
  char sentence[STATUS_MESSAGE_BYTES];
  snprintf(sentence, sizeof sentence, "cannot %s: %s", call, strerror(errno));
  return bad(format, path, sentence);
}

static mg_status bad_mode(const char *format, const char *path, mode_t mode) {
  const char *kind = S_ISDIR(mode)    ? "a folder"
                     : S_ISLNK(mode)  ? "a symbolic link to nothing"
                     : S_ISFIFO(mode) ? "a pipe"
                     : S_ISSOCK(mode) ? "a socket"
                                      : "a device";
  char sentence[STATUS_MESSAGE_BYTES];
  snprintf(sentence, sizeof sentence, "not a regular file: expected a file, got %s", kind);
  return bad(format, path, sentence);
}

mg_status file_bad(const file_source *f, const char *reason, int64_t offset, const char *format,
                   ...) {
  char end[STATUS_MESSAGE_BYTES / 2], sentence[STATUS_MESSAGE_BYTES];
  va_list values;
  va_start(values, format);
  vsnprintf(end, sizeof end, format, values);
  va_end(values);
  snprintf(sentence, sizeof sentence, "%s at byte %lld%s: %s", reason, (long long)offset,
           f->next ? " of the content" : "", end);
  return bad(f->format, f->path, sentence);
}

void file_show_bytes(char *text, const void *bytes, int count) {
  static const char digits[] = "0123456789abcdef";
  const unsigned char *in = bytes;
  for (int i = 0; i < count; i++) {
    if (in[i] >= 0x20 && in[i] < 0x7f) {
      *text++ = (char)in[i];
    } else {
      *text++ = '\\';
      *text++ = 'x';
      *text++ = digits[in[i] >> 4];
      *text++ = digits[in[i] & 15];
    }
  }
  *text = 0;
}

/* What the file's first bytes look like. */
static const char *looks_like(const unsigned char *head, int count) {
  static const struct {
    int at, count;
    const char *bytes, *kind;
  } kinds[] = {
      {0, 2, "\x1f\x8b", "a gzip file"},
      {0, 4, "PK\3\4", "a zip archive, perhaps npz"},
      {0, 4, "PK\5\6", "an empty zip archive"},
      {0, 4, "\x89PNG", "a PNG picture"},
      {0, 5, "\x93NUMP", "a damaged npy file"},
      {0, 3, "\xff\xd8\xff", "a JPEG picture"},
      {8, 1, "{", "a safetensors file"},
      {0, 1, "{", "JSON"},
      {0, 1, "[", "JSON"},
      {0, 2, "<!", "HTML"},
      {0, 2, "<h", "HTML"},
      {0, 2, "<H", "HTML"},
  };
  if (count == 0) return "an empty file";
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (count >= kinds[i].at + kinds[i].count &&
        memcmp(head + kinds[i].at, kinds[i].bytes, (size_t)kinds[i].count) == 0)
      return kinds[i].kind;
  for (int i = 0; i < count; i++)
    if (head[i] < 0x20 && head[i] != '\t' && head[i] != '\n' && head[i] != '\r')
      return "other binary data";
  return "text";
}

/* ---- reading */

void file_stream(file_source *f, const char *format, const char *path, int64_t size,
                 mg_status (*next)(file_source *f, int *count), void *job) {
  f->format = format;
  f->path = path;
  f->size = size;
  f->offset = 0;
  f->handle = -1;
  f->next = next;
  f->job = job;
  f->is_claimed = 0;
  f->at = f->filled = 0;
}

mg_status file_open(file_source *f, const char *format, const char *path) {
  file_stream(f, format, path, 0, NULL, NULL);
  f->handle = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe must not block */
  if (f->handle < 0) return bad_call(format, path, "open the file");
  struct stat about;
  mg_status status = MG_OK;
  if (fstat(f->handle, &about) != 0) status = bad_call(format, path, "look at the file");
  else if (!S_ISREG(about.st_mode)) status = bad_mode(format, path, about.st_mode);
  if (status != MG_OK) return file_close(f), status;
  f->size = (int64_t)about.st_size;
  return MG_OK;
}

void file_close(file_source *f) { close(f->handle); }

/* The next bytes of a stream, into the empty buffer. */
static mg_status fill_from_stream(file_source *f) {
  int count = 0;
  mg_status status = f->next(f, &count);
  if (status != MG_OK) return status;
  if (count == 0)
    return file_bad(f, "content cut", f->offset, "expected %lld bytes more, got its end",
                    (long long)(f->size - f->offset));
  f->at = 0;
  f->filled = count;
  return MG_OK;
}

static mg_status fill_buffer(file_source *f) {
  mg_status status = interrupt_tick();
  if (status != MG_OK) return status;
  if (f->next) return fill_from_stream(f);
  ssize_t count;
  do count = read(f->handle, f->buffer, FILE_CHUNK);
  while (count < 0 && errno == EINTR);
  if (count < 0) return bad_call(f->format, f->path, "read the file");
  if (count == 0)
    return file_bad(f, "file shrank while it was read", f->offset, "expected %lld bytes, got none",
                    (long long)(f->size - f->offset));
  f->at = 0;
  f->filled = (int)count;
  return MG_OK;
}

mg_status file_read(file_source *f, void *out, int64_t count) {
  if (count > f->size - f->offset)
    return file_bad(f, "file cut", f->size, "expected %lld bytes more, got the end of the file",
                    (long long)(count - (f->size - f->offset)));
  char *to = out;
  while (count > 0) {
    if (f->at == f->filled) {
      mg_status status = fill_buffer(f);
      if (status != MG_OK) return status;
    }
    int64_t part = f->filled - f->at < count ? f->filled - f->at : count;
    memcpy(to, f->buffer + f->at, (size_t)part);
    f->at += (int)part;
    f->offset += part;
    to += part;
    count -= part;
  }
  return MG_OK;
}

mg_status file_read_at(const file_source *f, void *out, int64_t count, int64_t offset) {
  char *to = out;
  for (int64_t at = 0; at < count;) {
    mg_status status = interrupt_tick();
    if (status != MG_OK) return status;
    ssize_t part = pread(f->handle, to + at, (size_t)(count - at), (off_t)(offset + at));
    if (part < 0 && errno == EINTR) continue;
    if (part < 0) return bad_call(f->format, f->path, "read the file");
    if (part == 0)
      return file_bad(f, "file shrank while it was read", offset + at,
                      "expected %lld bytes, got none", (long long)(count - at));
    at += part;
  }
  return MG_OK;
}

mg_status file_peek(file_source *f, void *out, int count) {
  if (!f->next) return file_read_at(f, out, count, 0);
  mg_status status = f->filled == 0 && count > 0 ? fill_buffer(f) : MG_OK;
  if (status != MG_OK) return status;
  if (f->filled < count)
    return file_bad(f, "content cut", f->filled, "expected %d bytes more, got its end",
                    count - f->filled);
  memcpy(out, f->buffer, (size_t)count);
  return MG_OK;
}

mg_status file_read_end(file_source *f) {
  int more = f->filled - f->at;
  if (f->next && more == 0) {
    mg_status status = f->next(f, &more);
    if (status != MG_OK) return status;
  }
  if (f->next ? more == 0 : f->offset == f->size) return MG_OK;
  return file_bad(f, "bytes after the data", f->offset, "expected the end, got %s%lld bytes more",
                  f->next ? "at least " : "", (long long)(f->next ? more : f->size - f->offset));
}

mg_status file_read_magic(file_source *f, const char *magic, int count) {
  unsigned char head[HEAD] = {0};
  int there = f->size < HEAD ? (int)f->size : HEAD;
  mg_status status = file_peek(f, head, there);
  if (status != MG_OK) return status;
  if (there >= count && memcmp(head, magic, (size_t)count) == 0) return file_read(f, head, count);
  char want[4 * HEAD + 1], got[4 * HEAD + 1];
  file_show_bytes(want, magic, count);
  file_show_bytes(got, head, there < 8 ? there : 8);
  return file_bad(f, "wrong first bytes", 0, "expected %s, got %s (%s)", want, got,
                  looks_like(head, there));
}

static mg_array *read_plain(file_source *f, int64_t limit) {
  if (f->size > limit) {
    file_bad(f, "file too large", limit, "expected at most %lld bytes, got %lld", (long long)limit,
             (long long)f->size);
    return NULL;
  }
  char *bytes = memory_new(f->size);
  if (!bytes) return NULL;
  int64_t count = f->size;
  if (file_read(f, bytes, count) == MG_OK) return array_of_bytes(bytes, count);
  memory_free(bytes);
  return NULL;
}

mg_array *file_read_whole(const char *format, const char *path, int64_t limit) {
  file_source f;
  if (file_open(&f, format, path) != MG_OK) return NULL;
  mg_array *a = NULL;
  int is_gzip = 0;
  if (gzip_detect(&f, &is_gzip) == MG_OK)
    a = is_gzip ? gzip_read(&f, limit) : read_plain(&f, limit);
  file_close(&f);
  return a;
}

mg_array *mg_file_read(const char *path, int64_t limit) {
  if (limit < 0)
    return fail_null(MG_BAD_ARGUMENT, "file_read: limit = %lld is negative", (long long)limit);
  return file_read_whole("file", path, limit);
}

/* ---- writing */

/* Sets target, name and folder, and the permissions of the file that is there. */
static mg_status find_target(file_sink *s, int *permissions) {
  if (!realpath(s->path, s->target)) {
    if (errno == ENOENT && strlen(s->path) >= sizeof s->target) errno = ENAMETOOLONG;
    if (errno != ENOENT) return bad_call(s->format, s->path, "find the file");
    memcpy(s->target, s->path, strlen(s->path) + 1);
  }
  char *slash = strrchr(s->target, '/');
  s->name = slash ? slash + 1 : s->target;
  if (!*s->name) return bad(s->format, s->path, "expected the name of a file, got none");
  const char *folder = slash == s->target ? "/" : slash ? s->target : ".";
  if (slash) *slash = 0;
  s->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (s->folder < 0) return bad_call(s->format, s->path, "open the folder of the file");
  struct stat about;
  mg_status status = MG_OK;
  if (fstatat(s->folder, s->name, &about, AT_SYMLINK_NOFOLLOW) == 0) {
    *permissions = (int)(about.st_mode & 0777);
    if (!S_ISREG(about.st_mode)) status = bad_mode(s->format, s->path, about.st_mode);
  } else if (errno != ENOENT) {
    status = bad_call(s->format, s->path, "look at the file");
  }
  if (status != MG_OK) close(s->folder);
  return status;
}

static mg_status make_temporary(file_sink *s, int permissions) {
  static _Atomic int64_t number;
  s->handle = -1;
  errno = EEXIST;
  for (int i = 0; i < TEMPORARY_TRIES && s->handle < 0 && errno == EEXIST; i++) {
    snprintf(s->temporary, sizeof s->temporary, ".mapgrad-%ld-%lld.tmp", (long)getpid(),
             (long long)atomic_fetch_add(&number, 1));
    s->handle =
        openat(s->folder, s->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  }
  if (s->handle < 0) return bad_call(s->format, s->path, "make a temporary file beside it");
  if (permissions >= 0 && fchmod(s->handle, (mode_t)permissions) != 0) {
    /* a file system without permissions: the file is none the worse for it */
  }
  return MG_OK;
}

mg_status file_put(file_sink *s, const void *bytes, int64_t count) {
  const char *from = bytes;
  while (count > 0) {
    mg_status status = interrupt_tick();
    if (status != MG_OK) return status;
    errno = EIO; /* should write return 0 */
    ssize_t done = write(s->handle, from, (size_t)(count < WRITE_CHUNK ? count : WRITE_CHUNK));
    if (done > 0) {
      from += done;
      count -= done;
    } else if (done == 0 || errno != EINTR) {
      return bad_call(s->format, s->path, "write the file");
    }
  }
  return MG_OK;
}

mg_status file_seek(file_sink *s, int64_t offset) {
  if (lseek(s->handle, (off_t)offset, SEEK_SET) >= 0) return MG_OK;
  return bad_call(s->format, s->path, "write the file");
}

static int flush(int handle) {
  int result;
  do result = fsync(handle);
  while (result != 0 && errno == EINTR);
  return result;
}

/* Flushes, closes and renames what fill has written, `status` being what it returned. */
static mg_status finish(file_sink *s, mg_status status) {
  if (status == MG_OK && flush(s->handle) != 0)
    status = bad_call(s->format, s->path, "flush the file to the disk");
  /* Linux has closed the handle when close says EINTR, and the content is on the disk. */
  if (close(s->handle) != 0 && errno != EINTR && status == MG_OK)
    status = bad_call(s->format, s->path, "close the file");
  if (status == MG_OK && renameat(s->folder, s->temporary, s->folder, s->name) != 0)
    status = bad_call(s->format, s->path, "put the new file in place");
  if (status != MG_OK) {
    unlinkat(s->folder, s->temporary, 0);
    return status;
  }
  if (flush(s->folder) != 0 && errno != EINVAL) /* EINVAL: no such thing in this file system */
    status = bad_call(s->format, s->path, "flush the folder of the file to the disk");
  return status;
}

mg_status file_write_atomic(const char *format, const char *path, file_filler fill, void *job) {
  file_sink s = {.format = format, .path = path};
  int permissions = -1;
  mg_status status = find_target(&s, &permissions);
  if (status != MG_OK) return status;
  status = make_temporary(&s, permissions);
  if (status == MG_OK) status = finish(&s, fill(&s, job));
  close(s.folder);
  return status;
}

typedef struct piece {
  const char *bytes;
  int64_t count;
} piece;

static mg_status fill_with_bytes(file_sink *sink, void *job) {
  const piece *p = job;
  return file_put(sink, p->bytes, p->count);
}

mg_status mg_file_write(const char *path, const char *bytes, int64_t count) {
  if (count < 0)
    return fail(MG_BAD_ARGUMENT, "file_write: count = %lld is negative", (long long)count);
  piece p = {bytes, count};
  return file_write_atomic("file", path, fill_with_bytes, &p);
}
