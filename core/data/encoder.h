/* The bytes of a file that is a header and elements, made as they are asked for. */
#ifndef ENCODER_H
#define ENCODER_H
#include "element.h"
#include "file.h"

enum { ENCODER_HEADER = 512 };

typedef struct encoder {
  char header[ENCODER_HEADER];
  int header_length;
  const mg_real *values; /* borrowed */
  int64_t count, done;   /* of values: all, encoded so far */
  const element_type *type;
  int is_big;            /* byte order of the elements */
  int has_header;        /* given out */
  int at, filled;        /* of the buffer */
  unsigned char buffer[FILE_CHUNK];
} encoder;

/* Starts e on values of that shape in this machine's byte order, with an empty header. A type that
 * is not written or a value that it cannot hold is MG_BAD_ARGUMENT, a wrong shape MG_BAD_SHAPE, in
 * a sentence that starts with `function`. */
mg_status encoder_start(encoder *e, const char *function, const mg_real *values,
                        const int64_t *shape, int axes, const element_type *type);
/* Goes back to the first byte. */
void encoder_rewind(encoder *e);
/* Bytes in all. */
int64_t encoder_size(const encoder *e);
/* The next bytes, at most `room` of them, to out. Returns how many; 0 at the end. */
int64_t encoder_next(encoder *e, void *out, int64_t room);
/* A file_filler: all bytes of the encoder `job`. */
mg_status encoder_fill(file_sink *sink, void *job);

#endif
