/* Tables of text (RFC 4180): fields between delimiters, records between line ends, quotes around
 * fields that hold either. The bytes are kept whole, with the offset of each record. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"

enum {
  NUMBER = 512,          /* longest text of a number */
  GRAIN_BYTES = 1 << 16, /* of a chunk of records */
  FIRST_ROWS = 256,
  TICK = 1024,        /* records between two looks for interrupts */
  WIDE_TICK = 1 << 16 /* fields of one record */
};

struct mg_csv {
  char *path;
  mg_array *content;
  const char *bytes;
  int64_t size;
  char delimiter;
  int64_t columns, rows, capacity;
  int64_t *starts; /* offset of each record but the header */
  int64_t header;  /* offset of the header, -1: none */
  char *field;     /* the last one given out */
  int64_t room;
};

typedef struct field {
  const char *first;
  int64_t length;
  int is_quoted; /* between quotes, which are not part of it; two inside stand for one */
} field;

/* ---- fields */

/* A failure at an offset: the reason with line and column, both from 1, and what is wrong. */
static mg_status bad(const mg_csv *c, const char *reason, int64_t offset, int64_t column,
                     const char *want, const char *got, int64_t length) {
  file_source f;
  char shown[4 * 40 + 1];
  int64_t line = 1;
  file_stream(&f, "csv", c->path, c->size, NULL, NULL);
  const char *place = c->bytes + offset;
  for (const char *p = c->bytes; (p = memchr(p, '\n', (size_t)(place - p))); p++) line++;
  file_show_bytes(shown, got, length < 40 ? (int)length : 40);
  return file_bad(&f, reason, offset, "line %lld, column %lld: expected %s, got '%s'",
                  (long long)line, (long long)column, want, shown);
}

static int ends_line(const char *p, const char *end) {
  return p == end || *p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n');
}

/* A quoted field at p; returns what follows its second quote, NULL if there is none. */
static const char *scan_quoted(const char *p, const char *end, field *out) {
  out->first = ++p;
  out->is_quoted = 1;
  for (;;) {
    p = memchr(p, '"', (size_t)(end - p));
    if (!p) return NULL;
    if (p + 1 == end || p[1] != '"') break;
    p += 2;
  }
  out->length = p - out->first;
  return p + 1;
}

/* The field at p; returns the delimiter or the end of the line behind it; NULL: a quote is open. */
static const char *scan(const char *p, const char *end, char delimiter, field *out) {
  if (p < end && *p == '"') return scan_quoted(p, end, out);
  out->first = p;
  out->is_quoted = 0;
  while (p < end && *p != delimiter && *p != '\n') p++;
  out->length = p - out->first;
  int is_windows = p < end && *p == '\n' && out->length > 0 && p[-1] == '\r';
  if (is_windows) out->length--;
  return p - is_windows;
}

/* The start of the next line, from the end of one. */
static const char *next_line(const char *p, const char *end) {
  if (p < end && *p == '\r') p++;
  return p < end ? p + 1 : end;
}

/* ---- opening */

/* Takes the record at p: its end to *end_of_record, its fields to *columns. */
static mg_status take_record(const mg_csv *c, const char *p, const char **end_of_record,
                             int64_t *columns) {
  const char *end = c->bytes + c->size;
  for (*columns = 1;; (*columns)++, p++) {
    field f;
    const char *start = p;
    mg_status status = *columns % WIDE_TICK == 0 ? interrupt_tick() : MG_OK;
    if (status != MG_OK) return status;
    p = scan(p, end, c->delimiter, &f);
    if (!p)
      return bad(c, "open quote", start - c->bytes, *columns, "a quote that ends the field", start,
                 end - start);
    const char *lone = f.is_quoted ? NULL : memchr(f.first, '\r', (size_t)f.length);
    if (lone)
      return bad(c, "lone carriage return", lone - c->bytes, *columns,
                 "lines that end in \\n or \\r\\n", lone, 1);
    if (ends_line(p, end)) break;
    if (*p != c->delimiter)
      return bad(c, "text after a quoted field", p - c->bytes, *columns,
                 "a delimiter or the end of the line", p, 1);
  }
  *end_of_record = p;
  return MG_OK;
}

static mg_status add_row(mg_csv *c, int64_t offset) {
  if (c->rows == c->capacity) {
    int64_t capacity = c->capacity ? 2 * c->capacity : FIRST_ROWS;
    int64_t *starts = memory_array(capacity, (int64_t)sizeof *starts);
    if (!starts) return MG_NO_MEMORY;
    if (c->rows > 0) memcpy(starts, c->starts, (size_t)c->rows * sizeof *starts);
    memory_free(c->starts);
    c->starts = starts;
    c->capacity = capacity;
  }
  c->starts[c->rows++] = offset;
  return MG_OK;
}

/* Finds all records, which must have the same number of fields; empty lines are none. */
static mg_status find_records(mg_csv *c, int has_header) {
  const char *end = c->bytes + c->size, *p = c->bytes;
  if (c->size >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) p += 3; /* a mark of UTF-8 */
  for (int64_t count = 0; p < end; p = next_line(p, end)) {
    const char *start = p;
    int64_t columns;
    if (ends_line(p, end)) continue;
    mg_status status = count % TICK == 0 ? interrupt_tick() : MG_OK;
    if (status == MG_OK) status = take_record(c, start, &p, &columns);
    if (status != MG_OK) return status;
    if (count++ == 0) c->columns = columns;
    if (columns != c->columns) {
      char want[64], got[32];
      snprintf(want, sizeof want, "%lld fields as in the first line", (long long)c->columns);
      int length = snprintf(got, sizeof got, "%lld", (long long)columns);
      return bad(c, "wrong number of fields", start - c->bytes, columns, want, got, length);
    }
    if (count == 1 && has_header) c->header = start - c->bytes;
    else if ((status = add_row(c, start - c->bytes)) != MG_OK) return status;
  }
  return MG_OK;
}

mg_csv *mg_csv_open(const char *path, char delimiter, int has_header, int64_t limit) {
  if (delimiter == '"' || delimiter == '\n' || delimiter == '\r')
    return fail_null(MG_BAD_ARGUMENT, "csv_read: the delimiter is a quote or the end of a line");
  mg_csv *c = memory_new((int64_t)sizeof *c);
  if (!c) return NULL;
  *c = (mg_csv){.delimiter = delimiter, .header = -1};
  c->path = memory_new((int64_t)strlen(path) + 1);
  if (c->path) memcpy(c->path, path, strlen(path) + 1);
  if (c->path) c->content = file_read_whole("csv", path, limit);
  if (c->content) {
    c->bytes = c->content->bytes;
    c->size = c->content->count;
    if (find_records(c, has_header) == MG_OK) return c;
  }
  mg_csv_free(c);
  return NULL;
}

void mg_csv_free(mg_csv *c) {
  if (!c) return;
  mg_array_free(c->content);
  memory_free(c->starts);
  memory_free(c->field);
  memory_free(c->path);
  memory_free(c);
}

int64_t mg_csv_rows(const mg_csv *c) { return c->rows; }
int64_t mg_csv_columns(const mg_csv *c) { return c->columns; }

/* The field of a column in the record at an offset. */
static field find_field(const mg_csv *c, int64_t offset, int64_t column) {
  const char *p = c->bytes + offset, *end = c->bytes + c->size;
  field f;
  p = scan(p, end, c->delimiter, &f);
  for (; column > 0; column--) p = scan(p + 1, end, c->delimiter, &f);
  return f;
}

const char *mg_csv_field(mg_csv *c, int64_t row, int64_t column, int64_t *length) {
  int64_t first = c->header < 0 ? 0 : -1;
  if (row < first || row >= c->rows || column < 0 || column >= c->columns)
    return fail_null(MG_BAD_ARGUMENT, "csv_read: row %lld, column %lld of %lld x %lld",
                     (long long)row, (long long)column, (long long)c->rows, (long long)c->columns);
  field f = find_field(c, row < 0 ? c->header : c->starts[row], column);
  *length = f.length;
  if (!f.is_quoted || !memchr(f.first, '"', (size_t)f.length)) return f.first;
  if (c->room < f.length) {
    memory_free(c->field);
    c->field = memory_new(f.length);
    c->room = c->field ? f.length : 0;
    if (!c->field) return NULL;
  }
  int64_t count = 0;
  for (int64_t i = 0; i < f.length; i++) {
    c->field[count++] = f.first[i];
    if (f.first[i] == '"') i++; /* the second of two */
  }
  *length = count;
  return c->field;
}

/* ---- numbers */

/* Digits from *p on into *mantissa as long as it stays below 2^53; returns how many there were, and
 * adds those that did not fit to *dropped. */
static int64_t take_digits(const char **p, const char *end, uint64_t *mantissa, int64_t *dropped) {
  const char *start = *p;
  for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
    uint64_t wider = 10 * *mantissa + (uint64_t)(**p - '0');
    if (*dropped > 0 || wider > (uint64_t)1 << 53) (*dropped)++;
    else *mantissa = wider;
  }
  return *p - start;
}

/* The exponent e+12 at *p; 0 if what follows is none. Beyond +-9999 it no longer counts. */
static int take_exponent(const char **p, const char *end, int *exponent) {
  int is_minus = 0, value = 0;
  (*p)++;
  if (*p < end && (**p == '+' || **p == '-')) is_minus = *(*p)++ == '-';
  const char *start = *p;
  for (; *p < end && **p >= '0' && **p <= '9'; (*p)++)
    if (value < 10000) value = 10 * value + (**p - '0');
  *exponent = is_minus ? -value : value;
  return *p > start;
}

static int is_word(const char *p, int64_t length, const char *word) {
  if (length != (int64_t)strlen(word)) return 0;
  for (; *word; p++, word++)
    if ((*p | 0x20) != *word) return 0;
  return 1;
}

/* By the system's strtod, for what is not short: rounded to nearest. */
static int parse_long(const char *p, int64_t length, locale_t locale, double *out) {
  char text[NUMBER];
  if (length >= NUMBER) return 0;
  memcpy(text, p, (size_t)length);
  text[length] = 0;
  *out = strtod_l(text, NULL, locale);
  return 1;
}

/* Whether the text is a number: digits, perhaps a point, an exponent, a sign; nan, inf, infinity.
 * Mantissas to 2^53 and powers to 10^22 are exact, so one product or quotient rounds right. */
static int parse(const char *p, int64_t length, locale_t locale, double *out) {
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  const char *start = p, *end = p + length;
  int is_minus = 0, exponent = 0;
  if (p < end && (*p == '+' || *p == '-')) is_minus = *p++ == '-';
  if (is_word(p, end - p, "nan")) return *out = NAN, 1;
  if (is_word(p, end - p, "inf") || is_word(p, end - p, "infinity"))
    return *out = is_minus ? -INFINITY : INFINITY, 1;
  uint64_t mantissa = 0;
  int64_t dropped = 0, whole = take_digits(&p, end, &mantissa, &dropped), fraction = 0;
  if (p < end && *p == '.') p++, fraction = take_digits(&p, end, &mantissa, &dropped);
  if (whole + fraction == 0) return 0;
  if (p < end && (*p == 'e' || *p == 'E') && !take_exponent(&p, end, &exponent)) return 0;
  if (p != end) return 0;
  int64_t power = exponent - fraction;
  if (dropped > 0 || power < -22 || power > 22) return parse_long(start, length, locale, out);
  double value = (double)mantissa;
  value = power < 0 ? value / powers[-power] : value * powers[power];
  *out = is_minus ? -value : value;
  return 1;
}

static int is_blank(char byte) { return byte == ' ' || byte == '\t'; }

static field trimmed(field f) {
  while (f.length > 0 && is_blank(*f.first)) f.first++, f.length--;
  while (f.length > 0 && is_blank(f.first[f.length - 1])) f.length--;
  return f;
}

/* What the chunks of rows share. */
typedef struct parsing {
  const mg_csv *csv;
  const int64_t *slots; /* [columns]: the place of a column in a row of out, or -1 */
  int64_t count;
  int is_missing_fine;
  locale_t locale;
  mg_real *out;
} parsing;

static mg_status parse_field(const parsing *job, field f, int64_t column, mg_real *out) {
  const mg_csv *c = job->csv;
  double value = NAN;
  field t = trimmed(f);
  int is_missing = t.length == 0 || (t.length == 2 && t.first[0] == 'N' && t.first[1] == 'A');
  if (is_missing && !job->is_missing_fine)
    return bad(c, "missing value", f.first - c->bytes, column + 1, "a number", f.first, f.length);
  if (!is_missing && !parse(t.first, t.length, job->locale, &value))
    return bad(c, "no number", f.first - c->bytes, column + 1, "a number", f.first, f.length);
  *out = (mg_real)value;
  return MG_OK;
}

static mg_status parse_rows(void *data, int64_t first, int64_t last) {
  const parsing *job = data;
  const mg_csv *c = job->csv;
  const char *end = c->bytes + c->size;
  for (int64_t row = first; row < last; row++) {
    const char *p = c->bytes + c->starts[row];
    for (int64_t column = 0; column < c->columns; column++) {
      field f;
      p = scan(p, end, c->delimiter, &f);
      if (column + 1 < c->columns) p++; /* the delimiter */
      mg_status status = (column + 1) % WIDE_TICK == 0 ? interrupt_tick() : MG_OK;
      if (status != MG_OK) return status;
      if (job->slots[column] < 0) continue;
      status = parse_field(job, f, column, job->out + row * job->count + job->slots[column]);
      if (status != MG_OK) return status;
    }
  }
  return MG_OK;
}

mg_status mg_csv_numbers(const mg_csv *c, const int64_t *columns, int64_t count,
                         int is_missing_fine, mg_real *out) {
  int64_t *slots = memory_array(c->columns, (int64_t)sizeof *slots);
  if (!slots) return MG_NO_MEMORY;
  for (int64_t i = 0; i < c->columns; i++) slots[i] = -1;
  mg_status status = MG_OK;
  for (int64_t i = 0; i < count && status == MG_OK; i++)
    if (columns[i] < 0 || columns[i] >= c->columns || slots[columns[i]] >= 0)
      status = fail(MG_BAD_ARGUMENT, "csv_read: column %lld is not one of %lld or given twice",
                    (long long)columns[i] + 1, (long long)c->columns);
    else slots[columns[i]] = i;
  locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (!locale && status == MG_OK) status = fail(MG_NO_MEMORY, "csv_read: no memory for a locale");
  parsing job = {c, slots, count, is_missing_fine, locale, out};
  int64_t grain = c->rows > 0 ? GRAIN_BYTES / (c->size / c->rows + 1) + 1 : 1;
  if (status == MG_OK) status = parallel_for(c->rows, grain, parse_rows, &job);
  if (locale) freelocale(locale);
  memory_free(slots);
  return status;
}

/* ---- writing */

typedef struct writer {
  const mg_real *values;
  int64_t rows, columns;
  const char *const *names;
  char delimiter;
} writer;

/* The shortest text that reads as the same real; returns its length. */
static int format_number(mg_real value, char out[32]) {
  double wide = (double)value;
  int is_double = sizeof(mg_real) == 8, length = 0;
  if (isnan(wide)) return snprintf(out, 32, "nan");
  for (int digits = is_double ? 15 : 6; digits <= (is_double ? 17 : 9); digits++) {
    length = snprintf(out, 32, "%.*g", digits, wide);
    if ((mg_real)strtod(out, NULL) == value) break;
  }
  return length;
}

static mg_status put_name(file_sink *sink, const writer *w, const char *name) {
  const char special[] = {w->delimiter, '"', '\n', '\r', ' ', 0};
  if (*name && !name[strcspn(name, special)]) return file_put(sink, name, (int64_t)strlen(name));
  mg_status status = file_put(sink, "\"", 1);
  for (; *name && status == MG_OK; name++)
    status = file_put(sink, *name == '"' ? "\"\"" : name, *name == '"' ? 2 : 1);
  return status == MG_OK ? file_put(sink, "\"", 1) : status;
}

static mg_status put_header(file_sink *sink, const writer *w) {
  mg_status status = MG_OK;
  for (int64_t i = 0; i < w->columns && status == MG_OK; i++) {
    status = put_name(sink, w, w->names[i]);
    if (status == MG_OK) status = file_put(sink, i + 1 < w->columns ? &w->delimiter : "\n", 1);
  }
  return status;
}

static mg_status fill_rows(file_sink *sink, const writer *w) {
  char text[FILE_CHUNK];
  int64_t at = 0;
  mg_status status = w->names ? put_header(sink, w) : MG_OK;
  for (int64_t i = 0; i < w->rows * w->columns && status == MG_OK; i++) {
    at += format_number(w->values[i], text + at);
    text[at++] = (i + 1) % w->columns == 0 ? '\n' : w->delimiter;
    if (at < FILE_CHUNK - 64) continue;
    status = file_put(sink, text, at);
    at = 0;
  }
  return status == MG_OK ? file_put(sink, text, at) : status;
}

/* Numbers have a point whatever the locale of the program. */
static mg_status fill(file_sink *sink, void *job) {
  locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (!plain) return fail(MG_NO_MEMORY, "csv_write: no memory for a locale");
  locale_t old = uselocale(plain);
  mg_status status = fill_rows(sink, job);
  uselocale(old);
  freelocale(plain);
  return status;
}

mg_status mg_csv_write(const char *path, const mg_real *values, int64_t rows, int64_t columns,
                       const char *const *names, char delimiter) {
  if (delimiter == 0 || strchr("\"\n\r+-.0123456789einfa", delimiter))
    return fail(MG_BAD_ARGUMENT, "csv_write: the delimiter is part of numbers or ends lines");
  if (rows < 0 || columns < 1 || memory_product(rows, columns) < 0)
    return fail(MG_BAD_SHAPE, "csv_write: %lld x %lld, expected rows and at least one column",
                (long long)rows, (long long)columns);
  writer w = {values, rows, columns, names, delimiter};
  return file_write_atomic("csv", path, fill, &w);
}
