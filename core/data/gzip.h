/* Inflating and writing gzip files (RFC 1952), and their checksum. */
#ifndef GZIP_H
#define GZIP_H
#include "file.h"

/* Whether f starts as gzip files do. Takes nothing from it. MG_BAD_FILE. */
mg_status gzip_detect(file_source *f, int *is_gzip);

/* The content of all members of f as bytes; nothing has been taken from f. CRC and length of each
 * member are checked; more than `limit` >= 0 bytes are refused once that many have come out. Memory
 * grows with what has come out, not with what the file claims. MG_BAD_FILE, MG_INTERRUPTED. */
mg_array *gzip_read(file_source *f, int64_t limit);

/* Makes `out` a stream of what f inflates to: of unknown size, which the caller sets once known; an
 * `out` that claims more than deflate can make of f is for the caller to refuse (gzip_most). f is
 * borrowed, nothing has been taken from it. On MG_OK the caller calls gzip_close. MG_NO_MEMORY. */
mg_status gzip_open(file_source *out, file_source *f);
void gzip_close(file_source *out);

/* Most bytes that deflate makes of `size` bytes. */
int64_t gzip_most(int64_t size);

/* A file_filler that writes the bytes of an encoder, deflated, as one gzip member without name and
 * date: the same values make the same file. */
mg_status gzip_fill(file_sink *sink, void *job);

/* CRC-32 (ISO-HDLC, as in gzip) of what came before, 0 for nothing, and `count` bytes. */
uint32_t gzip_crc(uint32_t before, const void *bytes, int64_t count);

#endif
