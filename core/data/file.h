/* Files: reading regular ones, replacing them whole, saying what is wrong with them. */
#ifndef FILE_H
#define FILE_H
#include <limits.h>

#include "mapgrad.h"

enum { FILE_CHUNK = 16 << 10 };

/* ---- reading */

/* A regular file open for reading, or a stream of bytes that is made from one. */
typedef struct file_source {
  const char *format; /* "npy", ...: the first word of sentences; borrowed like path */
  const char *path;
  int64_t size;   /* bytes in the file when it was opened: no reader allocates for more */
  int64_t offset; /* bytes given out so far */
  int handle;
  /* Of a stream: puts its next bytes, FILE_CHUNK at most, into the buffer; *count 0: the end. */
  mg_status (*next)(struct file_source *f, int *count);
  void *job;      /* of next */
  int is_claimed; /* size is what a compressed file says: memory is to grow with what comes */
  int at, filled; /* of the buffer: bytes given out, bytes there */
  unsigned char buffer[FILE_CHUNK];
} file_source;

/* Opens path; refuses all but regular files. On MG_OK the caller calls file_close. MG_BAD_FILE. */
mg_status file_open(file_source *f, const char *format, const char *path);
void file_close(file_source *f);

/* A stream of `size` bytes that next gives; nothing is to be closed. */
void file_stream(file_source *f, const char *format, const char *path, int64_t size,
                 mg_status (*next)(file_source *f, int *count), void *job);

/* The next `count` bytes, all of them, to out. MG_BAD_FILE, MG_INTERRUPTED. */
mg_status file_read(file_source *f, void *out, int64_t count);

/* The first `count` bytes of f, which has them and gave out none yet, without taking them.
 * count <= 16. MG_BAD_FILE. */
mg_status file_peek(file_source *f, void *out, int count);

/* `count` bytes from `offset` on of a file, which has them; file_read goes on where it was.
 * MG_BAD_FILE, MG_INTERRUPTED. */
mg_status file_read_at(const file_source *f, void *out, int64_t count, int64_t offset);

/* That f ends here. A stream's checksums are looked at here. MG_BAD_FILE. */
mg_status file_read_end(file_source *f);

/* Reads the first `count` <= 16 bytes of the file, which must be `magic`; else MG_BAD_FILE naming
 * what the file looks like. */
mg_status file_read_magic(file_source *f, const char *magic, int count);

/* Records "FORMAT: PATH: REASON at byte OFFSET: " and the sentence's end, "expected X, got Y". In a
 * stream the byte is one "of the content". Returns MG_BAD_FILE. */
mg_status file_bad(const file_source *f, const char *reason, int64_t offset, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));

/* Bytes as text: printable ASCII as it is, the others as \xHH. text holds 4 * count + 1. */
void file_show_bytes(char *text, const void *bytes, int count);

/* All bytes of the file at path, inflated if it is in gzip; more than limit >= 0 are refused. */
mg_array *file_read_whole(const char *format, const char *path, int64_t limit);

/* ---- writing */

/* A file being written beside the one that it will replace. */
typedef struct file_sink {
  const char *format;
  const char *path;
  int folder; /* handle of the folder of both */
  int handle;
  const char *name;      /* of the target in its folder: points into target */
  char target[PATH_MAX]; /* path, symbolic links followed */
  char temporary[64];    /* name in the folder */
} file_sink;

/* Writes all content of a file with file_put. */
typedef mg_status (*file_filler)(file_sink *sink, void *job);

/* Makes or replaces the file at path (at the end of symbolic links) by what fill writes. Whatever
 * happens, path is the old or the new file, whole; MG_OK means that the new one is on the disk. On
 * failure no temporary file stays. Refuses targets that are no regular files. Keeps the permissions
 * of the old file. MG_BAD_FILE and what fill returns. */
mg_status file_write_atomic(const char *format, const char *path, file_filler fill, void *job);

/* Appends to the file being written. MG_BAD_FILE, MG_INTERRUPTED. */
mg_status file_put(file_sink *sink, const void *bytes, int64_t count);

/* Goes to a place in the file being written, from its start. MG_BAD_FILE. */
mg_status file_seek(file_sink *sink, int64_t offset);

#endif
