/* Safetensors files: 8 bytes with the length of the header, the header as JSON, the data (format of
 * github.com/huggingface/safetensors), all little-endian. Elements pass through a buffer of
 * FILE_CHUNK bytes; the header is the only part in memory, and no longer than the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "element.h"
#include "file.h"
#include "gzip.h"
#include "json.h"

/* The header starts behind its length; what starts behind it is aligned. The checksum is a CRC-32
 * in hexadecimal digits. Names are shown up to SHOWN bytes. */
enum { LENGTH = 8, ALIGNMENT = 8, HEADER_MAX = 100000000, SUM = 8, SHOWN = 60, FIELDS = 3 };

static const char metadata_key[] = "__metadata__", checksum_key[] = "checksum";
static const char zeros[] = "00000000"; /* where the checksum will stand */
/* How a file with a checksum goes on after the length of its header; the digits follow. */
static const char checksum_head[] = "{\"__metadata__\":{\"checksum\":\"";
enum { SUM_AT = LENGTH + (int)sizeof checksum_head - 1 };

/* A type's name in these files. */
static const struct {
  const char *name, *element;
} types[] = {
    {"F64", "f8"}, {"F32", "f4"}, {"F16", "f2"}, {"BF16", NULL}, {"I64", "i8"},
    {"I32", "i4"}, {"I16", "i2"}, {"I8", "i1"},  {"U64", "u8"},  {"U32", "u4"},
    {"U16", "u2"}, {"U8", "u1"},  {"BOOL", "b1"},
};

/* One tensor of a file. */
typedef struct tensor_entry {
  const char *name; /* of the header, like label */
  const char *label;
  const element_type *type;
  int axes;
  int64_t shape[MG_MAX_AXES];
  int64_t begin, end; /* bytes of the data */
  int64_t count;
} tensor_entry;

struct mg_store {
  file_source file;
  mg_json *header;
  tensor_entry *tensors;
  int64_t count;
  int64_t data; /* offset of the data in the file */
  char path[];
};

/* ---- reading the header */

typedef struct shown_name {
  char text[4 * SHOWN + 1];
} shown_name;

static shown_name show(const char *name) {
  shown_name s;
  size_t length = strlen(name);
  file_show_bytes(s.text, name, length < SHOWN ? (int)length : SHOWN);
  return s;
}

/* A failure of the header: "PATH: REASON at byte 8: tensor 'NAME': expected X, got Y". */
static mg_status bad_tensor(const mg_store *s, const tensor_entry *t, const char *reason,
                            const char *sentence) {
  return file_bad(&s->file, reason, LENGTH, "tensor '%s': %s", show(t->name).text, sentence);
}

/* The length of the header, which fits into the file. f stands after it. */
static mg_status read_length(file_source *f, int64_t *length) {
  unsigned char bytes[LENGTH], first = 0;
  mg_status status = file_read(f, bytes, LENGTH);
  if (status != MG_OK) return status;
  uint64_t value = 0;
  for (int i = LENGTH - 1; i >= 0; i--) value = value << 8 | bytes[i];
  int64_t rest = f->size - LENGTH, most = rest < HEADER_MAX ? rest : HEADER_MAX;
  if (value > (uint64_t)most)
    return file_bad(f, rest < HEADER_MAX ? "header longer than the file" : "header too long", 0,
                    "expected a length of at most %lld, got %llu", (long long)most,
                    (unsigned long long)value);
  *length = (int64_t)value;
  if (value > 0) status = file_read_at(f, &first, 1, LENGTH);
  if (status != MG_OK || first == '{') return status;
  shown_name got = {"the end of the header"};
  if (value > 0) file_show_bytes(got.text, &first, 1);
  return file_bad(f, "header is no object", LENGTH, "expected {, got %s", got.text);
}

static mg_status take_type(const mg_store *s, tensor_entry *t, const mg_json *v) {
  const char *name = v ? mg_json_text(v, NULL) : NULL;
  if (!name) return bad_tensor(s, t, "bad header", "expected the text dtype");
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strcmp(types[i].name, name) == 0) {
      t->label = types[i].name;
      t->type = types[i].element ? element_find(types[i].element) : &element_bf2;
      return MG_OK;
    }
  return file_bad(&s->file, "elements cannot be read", LENGTH,
                  "tensor '%s': expected a type F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 or "
                  "BOOL, got '%s'",
                  show(t->name).text, show(name).text);
}

static int is_list(const mg_json *v) { return v && mg_json_kind_of(v) == MG_JSON_LIST; }

static mg_status take_shape(const mg_store *s, tensor_entry *t, const mg_json *v) {
  if (!is_list(v)) return bad_tensor(s, t, "bad header", "expected the list shape");
  if (mg_json_count(v) > MG_MAX_AXES)
    return bad_tensor(s, t, "too many axes", "expected at most 8, got more");
  t->axes = (int)mg_json_count(v);
  for (int i = 0; i < t->axes; i++)
    if (!json_exact_integer(mg_json_entry(v, i), &t->shape[i]) || t->shape[i] < 0)
      return bad_tensor(s, t, "bad header", "expected a shape of whole numbers from 0");
  t->count = array_count(t->shape, t->axes);
  if (t->count < 0 || memory_product(t->count, ELEMENT_MAX_BYTES) < 0)
    return bad_tensor(s, t, "shape too large",
                      "expected one that fits the file, got more elements than memory can hold");
  return MG_OK;
}

static mg_status take_span(const mg_store *s, tensor_entry *t, const mg_json *v) {
  int64_t rest = s->file.size - s->data;
  if (!is_list(v) || mg_json_count(v) != 2 || !json_exact_integer(mg_json_entry(v, 0), &t->begin) ||
      !json_exact_integer(mg_json_entry(v, 1), &t->end) || t->begin < 0 || t->end < t->begin)
    return bad_tensor(s, t, "bad header", "expected data_offsets [begin, end], 0 <= begin <= end");
  if (t->end > rest)
    return file_bad(&s->file, "data cut", s->file.size,
                    "tensor '%s': expected data up to byte %lld after the header, got %lld bytes",
                    show(t->name).text, (long long)t->end, (long long)rest);
  int64_t bytes = t->count * t->type->bytes;
  if (t->end - t->begin == bytes) return MG_OK;
  return file_bad(&s->file, "data_offsets do not fit the shape", LENGTH,
                  "tensor '%s': expected %lld bytes, got %lld", show(t->name).text,
                  (long long)bytes, (long long)(t->end - t->begin));
}

static mg_status take_tensor(const mg_store *s, tensor_entry *t, const mg_json *v) {
  if (mg_json_kind_of(v) != MG_JSON_OBJECT || mg_json_count(v) != FIELDS)
    return bad_tensor(s, t, "bad header", "expected an object of dtype, shape and data_offsets");
  mg_status status = take_type(s, t, mg_json_field(v, "dtype"));
  if (status == MG_OK) status = take_shape(s, t, mg_json_field(v, "shape"));
  return status == MG_OK ? take_span(s, t, mg_json_field(v, "data_offsets")) : status;
}

static mg_status check_metadata(const mg_store *s, const mg_json *v) {
  if (mg_json_kind_of(v) != MG_JSON_OBJECT)
    return file_bad(&s->file, "bad header", LENGTH, "expected an object __metadata__");
  for (const char *key = mg_json_next(v, NULL); key; key = mg_json_next(v, key))
    if (!mg_json_text(mg_json_field(v, key), NULL))
      return file_bad(&s->file, "bad header", LENGTH, "__metadata__: expected a text for '%s'",
                      show(key).text);
  return MG_OK;
}

/* In the order of the data; those without elements before the one that starts there. */
static int compare(const void *left, const void *right) {
  const tensor_entry *a = left, *b = right;
  if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
  if (a->end != b->end) return a->end < b->end ? -1 : 1;
  return strcmp(a->name, b->name);
}

/* Whether the tensors, now sorted, cover the data without gap or overlap. */
static mg_status check_cover(const mg_store *s) {
  int64_t at = 0, rest = s->file.size - s->data;
  for (int64_t i = 0; i < s->count; i++) {
    const tensor_entry *t = &s->tensors[i];
    if (t->begin != at)
      return file_bad(&s->file, t->begin < at ? "tensors overlap" : "bytes of no tensor",
                      s->data + (t->begin < at ? t->begin : at),
                      "expected tensor '%s' to start there at %lld, got %lld", show(t->name).text,
                      (long long)at, (long long)t->begin);
    at = t->end;
  }
  if (at == rest) return MG_OK;
  return file_bad(&s->file, "bytes after the data", s->data + at, "expected %lld bytes, got %lld",
                  (long long)at, (long long)rest);
}

static mg_status take_header(mg_store *s) {
  const mg_json *metadata = mg_store_metadata(s);
  mg_status status = metadata ? check_metadata(s, metadata) : MG_OK;
  if (status != MG_OK) return status;
  int64_t count = mg_json_count(s->header) - (metadata != NULL);
  s->tensors = memory_array(count, (int64_t)sizeof *s->tensors);
  if (!s->tensors) return MG_NO_MEMORY;
  for (const char *key = mg_json_next(s->header, NULL); key; key = mg_json_next(s->header, key)) {
    if (strcmp(key, metadata_key) == 0) continue;
    tensor_entry *t = &s->tensors[s->count++];
    *t = (tensor_entry){.name = key};
    status = take_tensor(s, t, mg_json_field(s->header, key));
    if (status != MG_OK) return status;
  }
  if (s->count > 0) qsort(s->tensors, (size_t)s->count, sizeof *s->tensors, compare);
  return check_cover(s);
}

static mg_status read_header(mg_store *s) {
  int64_t length = 0;
  mg_status status = read_length(&s->file, &length);
  if (status != MG_OK) return status;
  s->data = LENGTH + length;
  s->header = json_parse_exact(&s->file, length);
  return s->header ? take_header(s) : mg_last_status();
}

mg_store *mg_store_open(const char *path) {
  int64_t length = (int64_t)strlen(path) + 1;
  mg_store *s = memory_new((int64_t)sizeof *s + length);
  if (!s) return NULL;
  s->header = NULL;
  s->tensors = NULL;
  s->count = s->data = 0;
  memcpy(s->path, path, (size_t)length);
  if (file_open(&s->file, "safetensors", s->path) != MG_OK) {
    memory_free(s);
    return NULL;
  }
  if (read_header(s) == MG_OK) return s;
  mg_store_free(s);
  return NULL;
}

void mg_store_free(mg_store *s) {
  if (!s) return;
  file_close(&s->file);
  mg_json_free(s->header);
  memory_free(s->tensors);
  memory_free(s);
}

/* ---- what is in it */

int64_t mg_store_count(const mg_store *s) { return s->count; }

const char *mg_store_name(const mg_store *s, int64_t index) { return s->tensors[index].name; }

const char *mg_store_type(const mg_store *s, int64_t index) { return s->tensors[index].label; }

int mg_store_axes(const mg_store *s, int64_t index) { return s->tensors[index].axes; }

const int64_t *mg_store_shape(const mg_store *s, int64_t index) { return s->tensors[index].shape; }

const mg_json *mg_store_metadata(const mg_store *s) {
  return mg_json_field(s->header, metadata_key);
}

mg_status mg_store_read(const mg_store *s, int64_t index, mg_real *out) {
  if (index < 0 || index >= s->count)
    return fail(MG_BAD_ARGUMENT, "store_read: index %lld of %lld tensors", (long long)index,
                (long long)s->count);
  const tensor_entry *t = &s->tensors[index];
  unsigned char bytes[FILE_CHUNK];
  const int64_t step = FILE_CHUNK / ELEMENT_MAX_BYTES;
  for (int64_t i = 0; i < t->count; i += step) {
    int64_t count = t->count - i < step ? t->count - i : step, size = t->type->bytes;
    mg_status status = file_read_at(&s->file, bytes, count * size, s->data + t->begin + i * size);
    if (status != MG_OK) return status;
    if (element_host_is_big()) element_swap(bytes, count, t->type->bytes);
    t->type->read(bytes, count, out + i);
  }
  return MG_OK;
}

static void show_sum(uint32_t sum, char digits[SUM + 1]) {
  snprintf(digits, SUM + 1, "%08lx", (unsigned long)sum);
}

mg_status mg_store_verify(const mg_store *s) {
  unsigned char bytes[FILE_CHUNK];
  char want[SUM + 1] = "", got[SUM + 1];
  uint32_t sum = 0;
  for (int64_t at = 0; at < s->file.size; at += FILE_CHUNK) {
    int64_t rest = s->file.size - at, count = rest < FILE_CHUNK ? rest : FILE_CHUNK;
    mg_status status = file_read_at(&s->file, bytes, count, at);
    if (status != MG_OK) return status;
    if (at == 0) {
      if (count < SUM_AT + SUM ||
          memcmp(bytes + LENGTH, checksum_head, sizeof checksum_head - 1) != 0)
        return file_bad(&s->file, "checksum missing", LENGTH, "expected %s and %d digits",
                        checksum_head, (int)SUM);
      memcpy(want, bytes + SUM_AT, SUM);
      memcpy(bytes + SUM_AT, zeros, SUM);
    }
    sum = gzip_crc(sum, bytes, count);
  }
  show_sum(sum, got);
  if (memcmp(want, got, SUM) == 0) return MG_OK;
  return file_bad(&s->file, "checksum wrong, the file is damaged", SUM_AT, "expected %s, got %s",
                  show(want).text, got);
}

/* ---- writing */

/* What goes into a file. */
typedef struct content {
  const mg_store_part *parts;
  int64_t count;
  const element_type *type;
  const char *label;
  char *header; /* its length in front */
  int64_t length;
} content;

typedef mg_status (*byte_taker)(void *to, const void *bytes, int64_t count);

static mg_status put_bytes(void *to, const void *bytes, int64_t count) {
  return file_put(to, bytes, count);
}

static mg_status add_bytes(void *to, const void *bytes, int64_t count) {
  uint32_t *sum = to;
  *sum = gzip_crc(*sum, bytes, count);
  return interrupt_tick();
}

static mg_status give_part(const content *c, const mg_store_part *p, byte_taker take, void *to) {
  unsigned char bytes[FILE_CHUNK];
  const int64_t step = FILE_CHUNK / ELEMENT_MAX_BYTES, all = array_count(p->shape, p->axes);
  for (int64_t i = 0; i < all; i += step) {
    int64_t count = all - i < step ? all - i : step;
    c->type->write(p->values + i, count, bytes);
    if (element_host_is_big()) element_swap(bytes, count, c->type->bytes);
    mg_status status = take(to, bytes, count * c->type->bytes);
    if (status != MG_OK) return status;
  }
  return MG_OK;
}

/* Hands all bytes of the file to `take`. */
static mg_status give(const content *c, byte_taker take, void *to) {
  mg_status status = take(to, c->header, c->length);
  for (int64_t i = 0; i < c->count && status == MG_OK; i++)
    status = give_part(c, &c->parts[i], take, to);
  return status;
}

static mg_status fill(file_sink *sink, void *job) { return give(job, put_bytes, sink); }

/* Puts a new value, NULL if making it failed, under a key of an object. */
static mg_status set(mg_json *object, const char *key, mg_json *value) {
  return value ? mg_json_set(object, key, value) : mg_last_status();
}

static mg_status set_text(mg_json *object, const char *key, const char *text) {
  return set(object, key, mg_json_new_text(text, (int64_t)strlen(text)));
}

static mg_status set_numbers(mg_json *object, const char *key, const int64_t *numbers, int count) {
  mg_json *list = mg_json_new(MG_JSON_LIST);
  mg_status status = list ? MG_OK : mg_last_status();
  for (int i = 0; i < count && status == MG_OK; i++) {
    mg_json *number = mg_json_new_number((double)numbers[i]);
    status = number ? mg_json_append(list, number) : mg_last_status();
  }
  if (status == MG_OK) return mg_json_set(object, key, list);
  mg_json_free(list);
  return status;
}

/* Checks one tensor and sets *bytes to what it takes. */
static mg_status check_part(const content *c, const mg_store_part *p, int64_t *bytes) {
  if (p->axes < 0 || p->axes > MG_MAX_AXES)
    return fail(MG_BAD_SHAPE, "store_write: '%s' has %d axes, expected 0..%d", show(p->name).text,
                p->axes, (int)MG_MAX_AXES);
  for (int i = 0; i < p->axes; i++)
    if (p->shape[i] < 0)
      return fail(MG_BAD_SHAPE, "store_write: '%s': extent %lld of axis %d is negative",
                  show(p->name).text, (long long)p->shape[i], i + 1);
  int64_t count = array_count(p->shape, p->axes);
  *bytes = count < 0 ? -1 : memory_product(count, c->type->bytes);
  if (*bytes < 0)
    return fail(MG_BAD_SHAPE, "store_write: '%s' has more elements than memory can hold",
                show(p->name).text);
  return MG_OK;
}

static mg_status add_part(const content *c, const mg_store_part *p, mg_json *root, int64_t *end) {
  int64_t span[2] = {*end, 0}, bytes = 0;
  mg_status status = check_part(c, p, &bytes);
  if (status != MG_OK) return status;
  if (strcmp(p->name, metadata_key) == 0 || mg_json_field(root, p->name))
    return fail(MG_BAD_ARGUMENT, "store_write: the name '%s' is taken", show(p->name).text);
  if (bytes > INT64_MAX - *end)
    return fail(MG_BAD_SHAPE, "store_write: the tensors have more bytes than a file can hold");
  span[1] = *end += bytes;
  mg_json *entry = mg_json_new(MG_JSON_OBJECT);
  if (!entry) return mg_last_status();
  status = set_text(entry, "dtype", c->label);
  if (status == MG_OK) status = set_numbers(entry, "shape", p->shape, p->axes);
  if (status == MG_OK) status = set_numbers(entry, "data_offsets", span, 2);
  if (status == MG_OK) return mg_json_set(root, p->name, entry);
  mg_json_free(entry);
  return status;
}

static mg_status add_metadata(mg_json *root, const char *const *metadata, int checksum) {
  if (!checksum && (!metadata || !*metadata)) return MG_OK;
  mg_status status = set(root, metadata_key, mg_json_new(MG_JSON_OBJECT));
  if (status != MG_OK) return status;
  mg_json *object = (mg_json *)mg_json_field(root, metadata_key); /* root is ours */
  if (checksum) status = set_text(object, checksum_key, zeros);
  for (; metadata && *metadata && status == MG_OK; metadata += 2) {
    if (mg_json_field(object, metadata[0]))
      return fail(MG_BAD_ARGUMENT, "store_write: metadata '%s' is given twice or reserved",
                  show(metadata[0]).text);
    status = set_text(object, metadata[0], metadata[1]);
  }
  return status;
}

/* Makes the header: JSON padded with spaces, its length in front. */
static mg_status print_header(content *c, const mg_json *root) {
  int64_t count = 0;
  char *text = json_print_compact(root, LENGTH + ALIGNMENT, &count);
  if (!text) return mg_last_status();
  c->header = text;
  memmove(text + LENGTH, text, (size_t)count);
  int64_t length = (count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  memset(text + LENGTH + count, ' ', (size_t)(length - count));
  for (int i = 0; i < LENGTH; i++) text[i] = (char)(length >> 8 * i & 255);
  c->length = LENGTH + length;
  if (length <= HEADER_MAX) return MG_OK;
  return fail(MG_BAD_ARGUMENT,
              "store_write: names and metadata make %lld bytes, expected at most %d",
              (long long)length, (int)HEADER_MAX);
}

static mg_status form_header(content *c, const char *const *metadata, int checksum) {
  mg_json *root = mg_json_new(MG_JSON_OBJECT);
  if (!root) return mg_last_status();
  int64_t end = 0;
  mg_status status = add_metadata(root, metadata, checksum);
  for (int64_t i = 0; i < c->count && status == MG_OK; i++)
    status = add_part(c, &c->parts[i], root, &end);
  if (status == MG_OK) status = print_header(c, root);
  mg_json_free(root);
  if (status != MG_OK || !checksum) return status;
  uint32_t sum = 0;
  char digits[SUM + 1];
  status = give(c, add_bytes, &sum);
  show_sum(sum, digits);
  memcpy(c->header + SUM_AT, digits, SUM);
  return status;
}

mg_status mg_store_write(const char *path, const mg_store_part *parts, int64_t count,
                         const char *type, const char *const *metadata, int checksum) {
  if (!type) type = sizeof(mg_real) == sizeof(double) ? "F64" : "F32";
  int is_double = strcmp(type, "F64") == 0;
  if (!is_double && strcmp(type, "F32") != 0)
    return fail(MG_BAD_ARGUMENT, "store_write: type is '%s', expected F32 or F64", show(type).text);
  if (count < 0)
    return fail(MG_BAD_ARGUMENT, "store_write: count = %lld is negative", (long long)count);
  content c = {parts, count, element_find(is_double ? "f8" : "f4"), type, NULL, 0};
  mg_status status = form_header(&c, metadata, checksum);
  if (status == MG_OK) status = file_write_atomic("safetensors", path, fill, &c);
  memory_free(c.header);
  return status;
}
