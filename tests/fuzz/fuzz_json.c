/* Bytes as JSON: what is accepted is printed and read again, to the same text. */
#include "fuzz.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* Visits everything inside a value; returns how many values there are. */
static int64_t walk(const mg_json *v) {
  int64_t seen = 1, length = 0;
  switch (mg_json_kind_of(v)) {
    case MG_JSON_LIST:
      for (int64_t i = 0; i < mg_json_count(v); i++) seen += walk(mg_json_entry(v, i));
      break;
    case MG_JSON_OBJECT:
      for (const char *key = mg_json_next(v, NULL); key; key = mg_json_next(v, key))
        seen += walk(mg_json_field(v, key));
      break;
    case MG_JSON_TEXT: assert(mg_json_text(v, &length)[length] == 0); break;
    case MG_JSON_NUMBER: assert(mg_json_number(v) == mg_json_number(v)); break;
    case MG_JSON_NULL:
    case MG_JSON_FALSE:
    case MG_JSON_TRUE: break;
  }
  return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  mg_json *v = mg_json_parse((const char *)bytes, (int64_t)count);
  if (!v) {
    fuzz_failed();
    return 0;
  }
  mg_array *first = mg_json_print(v, count % 4 ? 0 : 2);
  assert(first);
  int64_t length = mg_array_shape(first)[0];
  mg_json *again = mg_json_parse(mg_array_bytes(first), length);
  assert(again && walk(again) == walk(v));
  mg_array *second = mg_json_print(again, count % 4 ? 0 : 2);
  assert(second && mg_array_shape(second)[0] == length);
  assert(memcmp(mg_array_bytes(first), mg_array_bytes(second), (size_t)length) == 0);
  mg_array_free(first);
  mg_array_free(second);
  mg_json_free(v);
  mg_json_free(again);
  return 0;
}
