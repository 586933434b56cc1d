#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  fuzz_use(mg_npy_read(fuzz_file(bytes, count), FUZZ_LIMIT));
  fuzz_check_memory(count, 1);
  return 0;
}
