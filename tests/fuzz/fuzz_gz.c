/* Bytes of any gzip file, then the same as IDX. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  const char *path = fuzz_file(bytes, count);
  fuzz_use(mg_file_read(path, FUZZ_LIMIT));
  fuzz_use(mg_idx_read(path, FUZZ_LIMIT));
  fuzz_check_memory(count, 1);
  return 0;
}
