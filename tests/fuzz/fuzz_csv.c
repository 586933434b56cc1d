/* Tables with and without header; all fields as text, then as numbers. */
#include <stdlib.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void use_texts(mg_csv *c, int has_header) {
  int first = has_header && mg_csv_columns(c) > 0 ? -1 : 0;
  for (int64_t row = first; row < mg_csv_rows(c); row++)
    for (int64_t column = 0; column < mg_csv_columns(c); column++) {
      int64_t length = 0;
      volatile char byte = 0;
      const char *text = mg_csv_field(c, row, column, &length);
      if (!text) abort();
      for (int64_t i = 0; i < length; i++) byte = text[i];
      (void)byte;
    }
}

static void use_numbers(mg_csv *c, int is_missing_fine) {
  int64_t columns = mg_csv_columns(c), rows = mg_csv_rows(c);
  int64_t *list = malloc((size_t)columns * sizeof *list + 1);
  mg_real *out = malloc((size_t)(rows * columns) * sizeof *out + 1);
  for (int64_t i = 0; i < columns; i++) list[i] = columns - 1 - i;
  if (mg_csv_numbers(c, list, columns, is_missing_fine, out) != MG_OK) fuzz_failed();
  free(list);
  free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  if (count < 1) return 0;
  int has_header = bytes[0] & 1, is_missing_fine = bytes[0] >> 1 & 1;
  char delimiter = bytes[0] & 4 ? ';' : ',';
  mg_csv *c = mg_csv_open(fuzz_file(bytes + 1, count - 1), delimiter, has_header, FUZZ_LIMIT);
  if (!c) fuzz_failed();
  if (c) use_texts(c, has_header);
  if (c) use_numbers(c, is_missing_fine);
  mg_csv_free(c);
  fuzz_check_memory(count, 1);
  return 0;
}
