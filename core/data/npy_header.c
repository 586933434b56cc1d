/* A parser of the few literals that a header may hold. */
#include "npy_header.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"

enum { WORD = 24, KEYS = 3 };

static const char *const keys[KEYS] = {"descr", "fortran_order", "shape"};

/* A place in the header. */
typedef struct cursor {
  const file_source *file;
  const char *text;
  int64_t at, length;
  int64_t first; /* offset of text in the file */
} cursor;

static void skip_space(cursor *c) {
  while (c->at < c->length && c->text[c->at] && strchr(" \t\r\n", c->text[c->at])) c->at++;
}

/* The byte at the cursor, or -1 at the end. */
static int look(const cursor *c) {
  return c->at < c->length ? (unsigned char)c->text[c->at] : -1;
}

/* A failure at the cursor, which meets something other than `want`. */
static mg_status bad_here(const cursor *c, const char *want) {
  char got[2 * WORD] = "the end of the header", shown[4 + 1];
  if (c->at < c->length) {
    file_show_bytes(shown, c->text + c->at, 1);
    snprintf(got, sizeof got, "'%s'", shown);
  }
  return file_bad(c->file, "bad header", c->first + c->at, "expected %s, got %s", want, got);
}

/* Takes the byte if it comes next, space before it aside. */
static int accept_byte(cursor *c, char byte) {
  skip_space(c);
  if (look(c) != byte) return 0;
  c->at++;
  return 1;
}

static mg_status take_byte(cursor *c, char byte, const char *want) {
  return accept_byte(c, byte) ? MG_OK : bad_here(c, want);
}

static int accept_word(cursor *c, const char *word) {
  int64_t length = (int64_t)strlen(word);
  if (c->length - c->at < length || memcmp(c->text + c->at, word, (size_t)length) != 0) return 0;
  c->at += length;
  return 1;
}

/* A string in single or double quotes, without escapes, of at most WORD - 1 bytes. */
static mg_status take_string(cursor *c, char out[WORD], const char *want) {
  skip_space(c);
  int quote = look(c);
  if (quote != '\'' && quote != '"') return bad_here(c, want);
  c->at++;
  int count = 0;
  for (; look(c) != quote; c->at++) {
    int byte = look(c);
    if (byte < 0x20 || byte > 0x7e || byte == '\\') return bad_here(c, "a plain letter or a quote");
    if (count == WORD - 1) return bad_here(c, "the quote that ends a short string");
    out[count++] = (char)byte;
  }
  out[count] = 0;
  c->at++;
  return MG_OK;
}

/* Why an element type is not read. */
static const char *refusal(const char *name) {
  switch (name[0]) {
  case 'O': return "Python objects (a pickle), which are never read";
  case 'c': return "complex numbers";
  case 'S':
  case 'a':
  case 'U': return "strings";
  case 'V': return "records";
  case 'M':
  case 'm': return "dates or times";
  default: return "no type of npy that is known";
  }
}

/* descr: a byte order of < > | = and the name of a type. */
static mg_status take_type(cursor *c, npy_header *out) {
  static const char want[] = "a numeric type (b1 u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8)";
  char descr[WORD], shown[4 * WORD];
  skip_space(c);
  int64_t start = c->first + c->at;
  if (look(c) == '[')
    return file_bad(c->file, "elements cannot be read", start, "expected %s, got records", want);
  mg_status status = take_string(c, descr, "the string of a type");
  if (status != MG_OK) return status;
  int has_order = descr[0] && strchr("<>|=", descr[0]);
  out->type = has_order ? element_find(descr + 1) : NULL;
  out->is_big = descr[0] == '>' || (descr[0] != '<' && element_host_is_big());
  if (out->type) return MG_OK;
  file_show_bytes(shown, descr, (int)strlen(descr));
  return file_bad(c->file, "elements cannot be read", start,
                  "expected < > | or = and %s, got '%s': %s", want, shown,
                  refusal(has_order ? descr + 1 : descr));
}

static mg_status take_truth(cursor *c, int *out) {
  skip_space(c);
  if (accept_word(c, "True")) *out = 1;
  else if (accept_word(c, "False")) *out = 0;
  else return bad_here(c, "True or False");
  return MG_OK;
}

static mg_status take_extent(cursor *c, int64_t *out) {
  int64_t start = c->at, value = 0;
  for (; look(c) >= '0' && look(c) <= '9'; c->at++) {
    int digit = look(c) - '0';
    if (value > (INT64_MAX - digit) / 10)
      return file_bad(c->file, "bad header", c->first + start,
                      "expected an extent below 2^63, got a larger one");
    value = 10 * value + digit;
  }
  if (c->at == start) return bad_here(c, "an extent, which is a whole number and not negative");
  if (c->at > start + 1 && c->text[start] == '0')
    return file_bad(c->file, "bad header", c->first + start,
                    "expected a whole number, got one that starts with 0");
  accept_word(c, "L"); /* Python 2 wrote long integers so */
  *out = value;
  return MG_OK;
}

/* A tuple: "()", "(3,)", "(3, 4)", "(3, 4,)". */
static mg_status take_shape(cursor *c, npy_header *out) {
  mg_status status = take_byte(c, '(', "'(', the start of a tuple");
  out->axes = 0;
  int has_comma = 1;
  while (status == MG_OK && has_comma && !accept_byte(c, ')')) {
    if (out->axes == MG_MAX_AXES)
      return file_bad(c->file, "too many axes", c->first + c->at, "expected at most %d, got more",
                      (int)MG_MAX_AXES);
    status = take_extent(c, &out->shape[out->axes]);
    if (status != MG_OK) return status;
    out->axes++;
    has_comma = accept_byte(c, ',');
    if (!has_comma && out->axes == 1) return bad_here(c, "',' after the only extent of a tuple");
    if (!has_comma) status = take_byte(c, ')', "',' or ')'");
  }
  return status;
}

static mg_status take_value(cursor *c, int key, npy_header *out) {
  if (key == 0) return take_type(c, out);
  if (key == 1) return take_truth(c, &out->is_fortran);
  return take_shape(c, out);
}

/* One key and its value; seen has a flag for each key met. */
static mg_status take_entry(cursor *c, int seen[KEYS], npy_header *out) {
  char name[WORD];
  skip_space(c);
  int64_t start = c->first + c->at;
  mg_status status = take_string(c, name, "a key in quotes or '}'");
  if (status != MG_OK) return status;
  int key = 0;
  while (key < KEYS && strcmp(name, keys[key]) != 0) key++;
  if (key == KEYS || seen[key])
    return file_bad(c->file, key == KEYS ? "unknown key" : "key given twice", start,
                    "expected descr, fortran_order and shape once each, got '%s'", name);
  seen[key] = 1;
  status = take_byte(c, ':', "':'");
  return status == MG_OK ? take_value(c, key, out) : status;
}

mg_status npy_header_parse(const file_source *f, const char *text, int64_t length, int64_t first,
                           npy_header *out) {
  cursor c = {f, text, 0, length, first};
  int seen[KEYS] = {0}, has_comma = 1;
  mg_status status = take_byte(&c, '{', "'{'");
  while (status == MG_OK && has_comma && !accept_byte(&c, '}')) {
    status = take_entry(&c, seen, out);
    if (status != MG_OK) return status;
    has_comma = accept_byte(&c, ',');
    if (!has_comma) status = take_byte(&c, '}', "',' or '}'");
  }
  if (status != MG_OK) return status;
  skip_space(&c);
  if (c.at < length) return bad_here(&c, "the end of the header");
  for (int i = 0; i < KEYS; i++)
    if (!seen[i])
      return file_bad(f, "key missing", first + length, "expected '%s', got the end of the header",
                      keys[i]);
  return MG_OK;
}
