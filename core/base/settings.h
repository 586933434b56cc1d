/* Reading the named settings of a kind of solver or noise. */
#ifndef SETTINGS_H
#define SETTINGS_H
#include "../mapgrad.h"

/* Settings that passed settings_check. */
typedef struct settings {
  const mg_kind *kind;
  const mg_setting *given;
  int count;
} settings;

/* Every name known, none twice, none missing, every value of its option's form; else MG_BAD_ARGUMENT.
 * Forms: "count" an integer >= 1; "whole" one >= 0; "real"; "positive" a real > 0; "flag" 0 or 1; "choice a|b" a text;
 * "list" any number of reals without NaN (preset "": empty). */
mg_status settings_check(const settings *s);

/* The value given, or the preset, or the value of the setting that the preset names. The name must be one of the kind's settings. */
double settings_real(const settings *s, const char *name);
int64_t settings_count(const settings *s, const char *name);
const char *settings_text(const settings *s, const char *name);
/* A list and its length; borrowed from the caller of the constructor. */
const double *settings_list(const settings *s, const char *name, int64_t *count);

#endif
