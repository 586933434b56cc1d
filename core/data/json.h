/* JSON text as values, for the files of this folder. The public functions stand in mapgrad.h. */
#ifndef JSON_H
#define JSON_H
#include "file.h"

/* The value in the next `count` bytes of f, which has them. Whole numbers stay exact: those beyond
 * int64_t are refused. A key given twice, text that is not UTF-8, more than 2048 levels and
 * anything after the value are MG_BAD_FILE with line, column and byte. MG_INTERRUPTED. */
mg_json *json_parse_exact(file_source *f, int64_t count);

/* Sets out and returns 1 if v is a number written without fraction or exponent, read exactly. */
int json_exact_integer(const mg_json *v, int64_t *out);

/* The text of a value on one line without spaces, object entries in the order of their making: a
 * block for memory_free of *count bytes with room for `room` more. */
char *json_print_compact(const mg_json *v, int64_t room, int64_t *count);

#endif
