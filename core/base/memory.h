/* Blocks of memory: 64-byte aligned, counted, the large ones kept for reuse when freed. */
#ifndef MEMORY_H
#define MEMORY_H
#include <stddef.h>

#include "../mapgrad.h"

/* A block of at least `bytes` >= 0 bytes, contents unset, for memory_free. NULL and MG_NO_MEMORY if
 * there is none. */
void *memory_new(int64_t bytes);
/* count * size bytes, refusing products that overflow. */
void *memory_array(int64_t count, int64_t size);
/* Gives a block back. NULL is fine. */
void memory_free(void *block);
/* count * size, or -1 if that passes what memory can hold; both >= 0. */
int64_t memory_product(int64_t count, int64_t size);

#endif
