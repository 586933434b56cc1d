/* The failure record of each thread. */
#include "status.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[STATUS_MESSAGE_BYTES];
static _Thread_local mg_status last = MG_OK;

static void record(mg_status status, const char *format, va_list values) {
  /* Through a second buffer: a value may be the old message. */
  char text[STATUS_MESSAGE_BYTES];
  vsnprintf(text, sizeof text, format, values);
  snprintf(message, sizeof message, "%s", text);
  last = status;
}

mg_status fail(mg_status status, const char *format, ...) {
  va_list values;
  va_start(values, format);
  record(status, format, values);
  va_end(values);
  return status;
}

void *fail_null(mg_status status, const char *format, ...) {
  va_list values;
  va_start(values, format);
  record(status, format, values);
  va_end(values);
  return NULL;
}

const char *mg_message(void) { return message; }

mg_status mg_last_status(void) { return last; }

const char *mg_version(void) { return "0.1.0"; }

int mg_real_bytes(void) { return (int)sizeof(mg_real); }
