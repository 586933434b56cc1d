/* Pictures; the CRCs of the chunks are made right after each mutation, or hardly any would get past
 * them. */
#include "fuzz.h"

enum { SIGNATURE = 8, FRAME = 12 }; /* a chunk's length, name and CRC */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t most, unsigned seed);

static uint32_t crc_of(const uint8_t *bytes, size_t count) {
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < count; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t most, unsigned seed) {
  count = LLVMFuzzerMutate(bytes, count, most);
  if (seed % 16 == 0) return count; /* wrong ones are to be seen too */
  for (size_t at = SIGNATURE; at + FRAME <= count;) {
    size_t length = 0;
    for (int i = 0; i < 4; i++) length = length << 8 | bytes[at + (size_t)i];
    if (length > count - at - FRAME) break;
    uint32_t crc = crc_of(bytes + at + 4, length + 4);
    for (size_t i = 0; i < 4; i++)
      bytes[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
    at += FRAME + length;
  }
  return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  fuzz_use(mg_png_read(fuzz_file(bytes, count), FUZZ_LIMIT));
  fuzz_check_memory(count, 8); /* bits of grey */
  return 0;
}
