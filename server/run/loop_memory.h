/* loop_memory.h - what the event loops grow by when there is no memory.
 *
 * libev ends the process when a list of it can't grow, for a hundred bytes and for what no caller can refuse: a timer, an event.
 * With this it takes such memory from a reserve of the program, which costs nothing before it is used, and is not given back. Lists
 * double, so AW_LOOP_RESERVE_BYTES are enough for two of 200,000 entries; beyond that libev ends the process as before.
 *
 * Thread: any. Who owns: libev what it got.
 */
#ifndef AW_RUN_LOOP_MEMORY_H
#define AW_RUN_LOOP_MEMORY_H

#include <stddef.h>

#define AW_LOOP_RESERVE_BYTES ((size_t)16 << 20)

/* From now on, for all loops of the process. Before the first one is made. */
void aw_loop_memory_use(void);
/* As libev asks: realloc, and with size 0 free. */
void *aw_loop_memory(void *ptr, long size);
/* So much of the reserve was taken. */
size_t aw_loop_memory_used(void);

#endif
