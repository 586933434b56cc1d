/* Failures: a status and this thread's sentence about it. */
#ifndef STATUS_H
#define STATUS_H
#include "../mapgrad.h"

/* Longest sentence kept, its final zero included. */
enum { STATUS_MESSAGE_BYTES = 512 };

/* Records a failure of this thread and returns `status`. The sentence is "function: what met what",
 * with the numbers, no capital, no period. */
mg_status fail(mg_status status, const char *format, ...);

/* The same for functions that return a pointer: always NULL. */
void *fail_null(mg_status status, const char *format, ...);

#endif
