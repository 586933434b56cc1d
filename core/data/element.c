/* One row for each element type. */
#include "element.h"

#include <math.h>
#include <string.h>

static void read_b1(const unsigned char *in, int64_t count, mg_real *out) {
  for (int64_t i = 0; i < count; i++) out[i] = in[i] != 0;
}

static void read_u1(const unsigned char *in, int64_t count, mg_real *out) {
  for (int64_t i = 0; i < count; i++) out[i] = in[i];
}

static void read_u2(const unsigned char *in, int64_t count, mg_real *out) {
  for (int64_t i = 0; i < count; i++) {
    uint16_t value;
    memcpy(&value, in + 2 * i, sizeof value);
    out[i] = value;
  }
}

static void read_u4(const unsigned char *in, int64_t count, mg_real *out) {
  for (int64_t i = 0; i < count; i++) {
    uint32_t value;
    memcpy(&value, in + 4 * i, sizeof value);
    out[i] = (mg_real)value;
  }
}

static void read_u8(const unsigned char *in, int64_t count, mg_real *out) {
  for (int64_t i = 0; i < count; i++) {
    uint64_t value;
    memcpy(&value, in + 8 * i, sizeof value);
    out[i] = (mg_real)value;
  }
}

static void read_i1(const unsigned char *in, int64_t count, mg_real *out) {
  for (int64_t i = 0; i < count; i++) {
    int8_t value;
    memcpy(&value, in + i, sizeof value);
    out[i] = value;
  }
}

static void read_i2(const unsigned char *in, int64_t count, mg_real *out) {
  for (int64_t i = 0; i < count; i++) {
    int16_t value;
    memcpy(&value, in + 2 * i, sizeof value);
    out[i] = value;
  }
}

static void read_i4(const unsigned char *in, int64_t count, mg_real *out) {
  for (int64_t i = 0; i < count; i++) {
    int32_t value;
    memcpy(&value, in + 4 * i, sizeof value);
    out[i] = (mg_real)value;
  }
}

static void read_i8(const unsigned char *in, int64_t count, mg_real *out) {
  for (int64_t i = 0; i < count; i++) {
    int64_t value;
    memcpy(&value, in + 8 * i, sizeof value);
    out[i] = (mg_real)value;
  }
}

/* IEEE half precision: 1 bit sign, 5 bits exponent (bias 15), 10 bits fraction. */
static float half(uint16_t bits) {
  uint32_t sign = (uint32_t)(bits & 0x8000) << 16, fraction = bits & 0x3ff;
  uint32_t exponent = (bits >> 10) & 31;
  if (exponent == 0) { /* zero or subnormal: fraction * 2^-24 */
    float value = (float)fraction * 0x1p-24f;
    return sign ? -value : value;
  }
  exponent = exponent == 31 ? 255 : exponent + (127 - 15);
  uint32_t wide = sign | exponent << 23 | fraction << 13;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

static void read_f2(const unsigned char *in, int64_t count, mg_real *out) {
  for (int64_t i = 0; i < count; i++) {
    uint16_t bits;
    memcpy(&bits, in + 2 * i, sizeof bits);
    out[i] = (mg_real)half(bits);
  }
}

static void read_bf2(const unsigned char *in, int64_t count, mg_real *out) {
  for (int64_t i = 0; i < count; i++) {
    uint16_t bits;
    memcpy(&bits, in + 2 * i, sizeof bits);
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    out[i] = (mg_real)value;
  }
}

static void read_f4(const unsigned char *in, int64_t count, mg_real *out) {
  for (int64_t i = 0; i < count; i++) {
    float value;
    memcpy(&value, in + 4 * i, sizeof value);
    out[i] = (mg_real)value;
  }
}

static void read_f8(const unsigned char *in, int64_t count, mg_real *out) {
  for (int64_t i = 0; i < count; i++) {
    double value;
    memcpy(&value, in + 8 * i, sizeof value);
    out[i] = (mg_real)value;
  }
}

static void write_u1(const mg_real *in, int64_t count, unsigned char *out) {
  for (int64_t i = 0; i < count; i++) out[i] = (unsigned char)in[i];
}

static void write_i1(const mg_real *in, int64_t count, unsigned char *out) {
  for (int64_t i = 0; i < count; i++) out[i] = (unsigned char)(signed char)in[i];
}

static void write_i2(const mg_real *in, int64_t count, unsigned char *out) {
  for (int64_t i = 0; i < count; i++) {
    int16_t value = (int16_t)in[i];
    memcpy(out + 2 * i, &value, sizeof value);
  }
}

static void write_i4(const mg_real *in, int64_t count, unsigned char *out) {
  for (int64_t i = 0; i < count; i++) {
    int32_t value = (int32_t)in[i];
    memcpy(out + 4 * i, &value, sizeof value);
  }
}

static void write_i8(const mg_real *in, int64_t count, unsigned char *out) {
  for (int64_t i = 0; i < count; i++) {
    int64_t value = (int64_t)in[i];
    memcpy(out + 8 * i, &value, sizeof value);
  }
}

static void write_f4(const mg_real *in, int64_t count, unsigned char *out) {
  for (int64_t i = 0; i < count; i++) {
    float value = (float)in[i];
    memcpy(out + 4 * i, &value, sizeof value);
  }
}

static void write_f8(const mg_real *in, int64_t count, unsigned char *out) {
  for (int64_t i = 0; i < count; i++) {
    double value = (double)in[i];
    memcpy(out + 8 * i, &value, sizeof value);
  }
}

static const element_type types[] = {
    {"b1", 1, read_b1, NULL, 0, 0},
    {"u1", 1, read_u1, write_u1, 0, 0x1p8},
    {"u2", 2, read_u2, NULL, 0, 0},
    {"u4", 4, read_u4, NULL, 0, 0},
    {"u8", 8, read_u8, NULL, 0, 0},
    {"i1", 1, read_i1, write_i1, -0x1p7, 0x1p7},
    {"i2", 2, read_i2, write_i2, -0x1p15, 0x1p15},
    {"i4", 4, read_i4, write_i4, -0x1p31, 0x1p31},
    {"i8", 8, read_i8, write_i8, -0x1p63, 0x1p63},
    {"f2", 2, read_f2, NULL, 0, 0},
    {"f4", 4, read_f4, write_f4, 0, 0},
    {"f8", 8, read_f8, write_f8, 0, 0},
};

const element_type element_bf2 = {"bf2", 2, read_bf2, NULL, 0, 0};

const element_type *element_find(const char *name) {
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strcmp(types[i].name, name) == 0) return &types[i];
  return NULL;
}

int64_t element_misfit(const element_type *type, const mg_real *values, int64_t count) {
  if (type->high == 0) return count;
  for (int64_t i = 0; i < count; i++) {
    double value = (double)values[i];
    if (!(value >= type->low && value < type->high) || value != floor(value)) return i;
  }
  return count;
}

void element_swap(unsigned char *bytes, int64_t count, int size) {
  for (int64_t i = 0; i < count; i++, bytes += size)
    for (int low = 0, high = size - 1; low < high; low++, high--) {
      unsigned char byte = bytes[low];
      bytes[low] = bytes[high];
      bytes[high] = byte;
    }
}

int element_host_is_big(void) {
  const uint16_t one = 1;
  unsigned char first;
  memcpy(&first, &one, 1);
  return first == 0;
}
