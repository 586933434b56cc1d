/* Inflating gzip files (RFC 1952), and their checksum. */
#ifndef GZIP_H
#define GZIP_H
#include "file.h"

/* Whether f starts as gzip files do. Takes nothing from it. MG_BAD_FILE. */
mg_status gzip_detect(file_source *f, int *is_gzip);

/* The content of all members of f as bytes; nothing has been taken from f. CRC and length of each
 * member are checked; more than `limit` >= 0 bytes are refused once that many have come out. Memory
 * grows with what has come out, not with what the file claims. MG_BAD_FILE, MG_INTERRUPTED. */
mg_array *gzip_read(file_source *f, int64_t limit);

/* CRC-32 (ISO-HDLC, as in gzip) of what came before, 0 for nothing, and `count` bytes. */
uint32_t gzip_crc(uint32_t before, const void *bytes, int64_t count);

#endif
