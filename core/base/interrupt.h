/* Ctrl-C and time limits. */
#ifndef INTERRUPT_H
#define INTERRUPT_H
#include "../mapgrad.h"

/* MG_OK, or MG_INTERRUPTED with its message when this computation is to end. A few ns: call it every
 * 1 us to 1 ms of work. parallel_for does between chunks; loops inside a chunk of over 1 ms call it. */
mg_status interrupt_tick(void);

#endif
