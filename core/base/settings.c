/* Settings are checked once against the kind's rows; afterwards readers trust them. */
#include "settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "status.h"

static const mg_option *find_option(const mg_kind *kind, const char *name) {
  for (const mg_option *o = kind->settings; o->name; o++)
    if (strcmp(o->name, name) == 0) return o;
  return NULL;
}

static const mg_setting *find_given(const settings *s, const char *name) {
  for (int i = 0; i < s->count; i++)
    if (strcmp(s->given[i].name, name) == 0) return &s->given[i];
  return NULL;
}

/* Whether text is one of the words of "choice a|b|c". */
static int is_choice(const char *form, const char *text) {
  size_t length = strlen(text);
  for (const char *word = form + strlen("choice "); *word;) {
    size_t n = strcspn(word, "|");
    if (n == length && strncmp(word, text, n) == 0) return 1;
    word += n + (word[n] == '|');
  }
  return 0;
}

static mg_status check_choice(const settings *s, const mg_option *o, const mg_setting *given) {
  if (!given->text)
    return fail(MG_BAD_ARGUMENT, "%s: %s is a number, expected %s", s->kind->name, o->name,
                o->form + strlen("choice "));
  if (!is_choice(o->form, given->text))
    return fail(MG_BAD_ARGUMENT, "%s: %s = '%.40s', expected %s", s->kind->name, o->name,
                given->text, o->form + strlen("choice "));
  return MG_OK;
}

static mg_status check_number(const settings *s, const mg_option *o, const mg_setting *given) {
  const char *expected = NULL;
  double v = given->count == 1 && given->numbers ? given->numbers[0] : NAN;
  if (!isfinite(v)) expected = "one finite number";
  else if (strcmp(o->form, "count") == 0 && !(v >= 1 && v == floor(v) && v < 0x1p31))
    expected = "an integer from 1";
  else if (strcmp(o->form, "whole") == 0 && !(v >= 0 && v == floor(v) && v < 0x1p31))
    expected = "an integer from 0";
  else if (strcmp(o->form, "positive") == 0 && !(v > 0)) expected = "a number above 0";
  else if (strcmp(o->form, "flag") == 0 && v != 0 && v != 1) expected = "0 or 1";
  if (!expected) return MG_OK;
  if (given->text)
    return fail(MG_BAD_ARGUMENT, "%s: %s = '%.40s', expected %s", s->kind->name, o->name,
                given->text, expected);
  return fail(MG_BAD_ARGUMENT, "%s: %s = %g, expected %s", s->kind->name, o->name, v, expected);
}

static mg_status check_list(const settings *s, const mg_option *o, const mg_setting *given) {
  if (given->text)
    return fail(MG_BAD_ARGUMENT, "%s: %s = '%.40s', expected a list of numbers", s->kind->name, o->name,
                given->text);
  for (int64_t i = 0; i < given->count; i++)
    if (isnan(given->numbers[i]))
      return fail(MG_BAD_ARGUMENT, "%s: %s is NaN at entry %lld", s->kind->name, o->name,
                  (long long)i + 1);
  return MG_OK;
}

static mg_status check_value(const settings *s, const mg_option *o, const mg_setting *given) {
  if (strncmp(o->form, "choice ", 7) == 0) return check_choice(s, o, given);
  if (strcmp(o->form, "list") == 0) return check_list(s, o, given);
  return check_number(s, o, given);
}

mg_status settings_check(const settings *s) {
  for (int i = 0; i < s->count; i++) {
    const mg_setting *given = &s->given[i];
    const mg_option *o = find_option(s->kind, given->name);
    if (!o) return fail(MG_BAD_ARGUMENT, "%s: unknown setting '%.40s'", s->kind->name, given->name);
    if (find_given(s, given->name) != given)
      return fail(MG_BAD_ARGUMENT, "%s: setting '%s' is given twice", s->kind->name, given->name);
    mg_status status = check_value(s, o, given);
    if (status != MG_OK) return status;
  }
  for (const mg_option *o = s->kind->settings; o->name; o++)
    if (!o->preset && !find_given(s, o->name))
      return fail(MG_BAD_ARGUMENT, "%s: setting '%s' is missing (%s)", s->kind->name, o->name, o->doc);
  return MG_OK;
}

double settings_real(const settings *s, const char *name) {
  const mg_setting *given = find_given(s, name);
  if (given) return given->numbers[0];
  const char *preset = find_option(s->kind, name)->preset;
  return find_option(s->kind, preset) ? settings_real(s, preset) : atof(preset);
}

int64_t settings_count(const settings *s, const char *name) {
  return (int64_t)settings_real(s, name);
}

const char *settings_text(const settings *s, const char *name) {
  const mg_setting *given = find_given(s, name);
  return given ? given->text : find_option(s->kind, name)->preset;
}

const double *settings_list(const settings *s, const char *name, int64_t *count) {
  const mg_setting *given = find_given(s, name);
  *count = given ? given->count : 0;
  return given ? given->numbers : NULL;
}
