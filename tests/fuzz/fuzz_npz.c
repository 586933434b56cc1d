#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  mg_npz *z = mg_npz_open(fuzz_file(bytes, count), NULL, FUZZ_LIMIT);
  if (!z) fuzz_failed();
  for (int64_t i = 0; z && i < mg_npz_count(z); i++) fuzz_use(mg_npz_read(z, i));
  mg_npz_free(z);
  fuzz_check_memory(count, 1);
  return 0;
}
