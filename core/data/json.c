/* JSON through Jansson: an mg_json is a json_t. Only here does the core see Jansson, whose own
 * small blocks come from malloc: its allocator is one for the process, not ours to change. Parsing
 * takes a multiple of the text's bytes, so callers limit the text. */
#include "json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "array.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"

/* Digits that name a double exactly. */
enum { DIGITS = 17, MAX_INDENT = 31, LARGEST_INTEGER_BITS = 53, FIRST_CAPACITY = 1 << 10 };

static const json_t *in(const mg_json *v) { return (const json_t *)v; }

static json_t *own(mg_json *v) { return (json_t *)v; }

static mg_json *out(json_t *v) { return (mg_json *)v; }

/* A new value of Jansson, NULL meaning that memory ran out. */
static mg_json *made(json_t *v) {
  return v ? out(v) : fail_null(MG_NO_MEMORY, "json: not enough memory for a value");
}

/* ---- reading */

/* What the parser is fed with: a file, or a text. */
typedef struct feed {
  file_source *file;
  const char *text; /* without a file */
  int64_t left;
  mg_status status; /* of the file, or of an interrupt */
} feed;

static size_t feed_next(void *buffer, size_t size, void *data) {
  feed *f = data;
  if (f->status != MG_OK) return 0;
  size_t count = f->left < (int64_t)size ? (size_t)f->left : size;
  if (f->file) {
    f->status = file_read(f->file, buffer, (int64_t)count);
  } else {
    f->status = interrupt_tick();
    memcpy(buffer, f->text, count);
    f->text += count;
  }
  if (f->status != MG_OK) return (size_t)-1;
  f->left -= (int64_t)count;
  return count;
}

/* Parses what f gives; sentences speak of `about`, in which the text starts at byte `first`. */
static mg_json *parse(feed *f, const file_source *about, int64_t first, size_t flags) {
  json_error_t e;
  json_t *v = json_load_callback(feed_next, f, flags | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
  if (v && f->status == MG_OK) return out(v);
  json_decref(v);
  if (f->status != MG_OK) return NULL;
  if (e.text[0] == 0 || json_error_code(&e) == json_error_out_of_memory) /* mostly the former */
    return fail_null(MG_NO_MEMORY, "json: not enough memory for the value");
  char reason[64], shown[4 * JSON_ERROR_TEXT_LENGTH + 1];
  snprintf(reason, sizeof reason, "bad JSON in line %d, column %d", e.line, e.column);
  file_show_bytes(shown, e.text, (int)strlen(e.text));
  file_bad(about, reason, first + e.position, "%s", shown);
  return NULL;
}

mg_json *json_parse_exact(file_source *f, int64_t count) {
  feed from = {.file = f, .left = count};
  return parse(&from, f, f->offset, 0);
}

mg_json *mg_json_parse(const char *text, int64_t count) {
  if (count < 0)
    return fail_null(MG_BAD_ARGUMENT, "json_parse: count = %lld is negative", (long long)count);
  file_source about = {.format = "json", .path = "text"};
  feed from = {.text = text, .left = count};
  return parse(&from, &about, 0, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL);
}

mg_json *mg_json_read(const char *path, int64_t limit) {
  if (limit < 0)
    return fail_null(MG_BAD_ARGUMENT, "json_read: limit = %lld is negative", (long long)limit);
  file_source f;
  if (file_open(&f, "json", path) != MG_OK) return NULL;
  mg_json *v = NULL;
  feed from = {.file = &f, .left = f.size};
  if (f.size > limit)
    file_bad(&f, "file too large", limit, "expected at most %lld bytes, got %lld", (long long)limit,
             (long long)f.size);
  else v = parse(&from, &f, 0, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL);
  file_close(&f);
  return v;
}

/* ---- looking */

void mg_json_free(mg_json *v) { json_decref(own(v)); }

mg_json_kind mg_json_kind_of(const mg_json *v) {
  switch (json_typeof(in(v))) {
    case JSON_OBJECT: return MG_JSON_OBJECT;
    case JSON_ARRAY: return MG_JSON_LIST;
    case JSON_STRING: return MG_JSON_TEXT;
    case JSON_INTEGER:
    case JSON_REAL: return MG_JSON_NUMBER;
    case JSON_TRUE: return MG_JSON_TRUE;
    case JSON_FALSE: return MG_JSON_FALSE;
    case JSON_NULL: break;
  }
  return MG_JSON_NULL;
}

double mg_json_number(const mg_json *v) { return json_number_value(in(v)); }

int json_exact_integer(const mg_json *v, int64_t *value) {
  if (!json_is_integer(in(v))) return 0;
  *value = (int64_t)json_integer_value(in(v));
  return 1;
}

const char *mg_json_text(const mg_json *v, int64_t *count) {
  if (count) *count = (int64_t)json_string_length(in(v));
  return json_string_value(in(v));
}

int64_t mg_json_count(const mg_json *v) {
  return (int64_t)(json_is_array(in(v)) ? json_array_size(in(v)) : json_object_size(in(v)));
}

const mg_json *mg_json_entry(const mg_json *list, int64_t index) {
  return out(json_array_get(in(list), (size_t)index));
}

const mg_json *mg_json_field(const mg_json *object, const char *key) {
  return out(json_object_get(in(object), key));
}

const char *mg_json_next(const mg_json *object, const char *key) {
  json_t *o = own((mg_json *)object); /* Jansson's iterators are not const */
  void *place = key ? json_object_iter_next(o, json_object_key_to_iter(key)) : json_object_iter(o);
  return place ? json_object_iter_key(place) : NULL;
}

/* ---- making */

mg_json *mg_json_new(mg_json_kind kind) {
  switch (kind) {
    case MG_JSON_NULL: return out(json_null());
    case MG_JSON_FALSE: return out(json_false());
    case MG_JSON_TRUE: return out(json_true());
    case MG_JSON_LIST: return made(json_array());
    case MG_JSON_OBJECT: return made(json_object());
    case MG_JSON_NUMBER:
    case MG_JSON_TEXT: break;
  }
  return fail_null(MG_BAD_ARGUMENT, "json_new: kind %d has a value of its own", (int)kind);
}

mg_json *mg_json_new_number(double value) {
  if (!isfinite(value))
    return fail_null(MG_BAD_ARGUMENT, "json_new_number: expected a finite number, got %g", value);
  int is_whole = value == floor(value) && fabs(value) <= ldexp(1, LARGEST_INTEGER_BITS);
  if (is_whole && !(value == 0 && signbit(value))) return made(json_integer((json_int_t)value));
  return made(json_real(value));
}

/* The bytes that follow the first one of a character in UTF-8, or -1. */
static int followers(unsigned char first) {
  if (first < 0x80) return 0;
  if (first < 0xc2 || first > 0xf4) return -1;
  return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

/* Whether the bytes are UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
static int is_utf8(const char *text, int64_t count) {
  const unsigned char *s = (const unsigned char *)text;
  for (int64_t i = 0; i < count;) {
    int more = followers(s[i]);
    if (more < 0 || more >= count - i) return 0;
    for (int k = 1; k <= more; k++)
      if ((s[i + k] & 0xc0) != 0x80) return 0;
    if ((s[i] == 0xe0 && s[i + 1] < 0xa0) || (s[i] == 0xed && s[i + 1] > 0x9f) ||
        (s[i] == 0xf0 && s[i + 1] < 0x90) || (s[i] == 0xf4 && s[i + 1] > 0x8f))
      return 0;
    i += 1 + more;
  }
  return 1;
}

mg_json *mg_json_new_text(const char *text, int64_t count) {
  if (!is_utf8(text, count))
    return fail_null(MG_BAD_ARGUMENT, "json_new_text: the text is not UTF-8");
  return made(json_stringn_nocheck(text, (size_t)count));
}

mg_status mg_json_append(mg_json *list, mg_json *value) {
  if (json_array_append_new(own(list), own(value)) == 0) return interrupt_tick();
  return fail(MG_NO_MEMORY, "json_append: not enough memory for an entry");
}

mg_status mg_json_set(mg_json *object, const char *key, mg_json *value) {
  if (!is_utf8(key, (int64_t)strlen(key))) {
    mg_json_free(value);
    return fail(MG_BAD_ARGUMENT, "json_set: the key is not UTF-8");
  }
  if (json_object_set_new_nocheck(own(object), key, own(value)) == 0) return interrupt_tick();
  return fail(MG_NO_MEMORY, "json_set: not enough memory for a field");
}

/* ---- writing */

/* A text that grows. */
typedef struct growing {
  char *bytes;
  int64_t count, capacity;
  mg_status status;
} growing;

static mg_status make_room(growing *g, int64_t more) {
  if (more <= g->capacity - g->count) return MG_OK;
  int64_t capacity = 2 * g->capacity + more;
  char *bytes = memory_new(capacity);
  if (!bytes) return MG_NO_MEMORY;
  if (g->count > 0) memcpy(bytes, g->bytes, (size_t)g->count);
  memory_free(g->bytes);
  g->bytes = bytes;
  g->capacity = capacity;
  return MG_OK;
}

static int add_piece(const char *piece, size_t size, void *data) {
  growing *g = data;
  if (g->status == MG_OK) g->status = interrupt_tick(); /* Jansson does not stop for every -1 */
  if (g->status == MG_OK) g->status = make_room(g, (int64_t)size);
  if (g->status != MG_OK) return -1;
  memcpy(g->bytes + g->count, piece, size);
  g->count += (int64_t)size;
  return 0;
}

/* A block of *count bytes with room for `room` more. */
static char *print(const mg_json *v, size_t flags, int64_t room, int64_t *count) {
  growing g = {0};
  g.status = make_room(&g, FIRST_CAPACITY);
  flags |= JSON_ENCODE_ANY | JSON_REAL_PRECISION(DIGITS);
  if (g.status == MG_OK && json_dump_callback(in(v), add_piece, &g, flags) == 0)
    g.status = make_room(&g, room);
  else if (g.status == MG_OK)
    g.status = fail(MG_NO_MEMORY, "json: not enough memory for the text");
  *count = g.count;
  if (g.status == MG_OK) return g.bytes;
  memory_free(g.bytes);
  return NULL;
}

char *json_print_compact(const mg_json *v, int64_t room, int64_t *count) {
  return print(v, JSON_COMPACT, room, count);
}

static char *print_sorted(const mg_json *v, int indent, int64_t *count) {
  if (indent < 0 || indent > MAX_INDENT)
    return fail_null(MG_BAD_ARGUMENT, "json: indent = %d, expected 0..%d", indent, (int)MAX_INDENT);
  return print(v, JSON_SORT_KEYS | JSON_INDENT((size_t)indent), 1, count);
}

mg_array *mg_json_print(const mg_json *v, int indent) {
  int64_t count = 0;
  char *text = print_sorted(v, indent, &count);
  return text ? array_of_bytes(text, count) : NULL;
}

/* A text for a file. */
typedef struct content {
  const char *text;
  int64_t count;
} content;

static mg_status fill(file_sink *sink, void *job) {
  const content *c = job;
  return file_put(sink, c->text, c->count);
}

mg_status mg_json_write(const char *path, const mg_json *v, int indent) {
  int64_t count = 0;
  char *text = print_sorted(v, indent, &count);
  if (!text) return mg_last_status();
  text[count] = '\n';
  content c = {text, count + 1};
  mg_status status = file_write_atomic("json", path, fill, &c);
  memory_free(text);
  return status;
}
