/* reserve.h - address space for large tables: all of it had at start, memory only where it is touched.
 *
 * A table that grows inside a reservation never moves, so its rows keep their addresses and growing never stops the thread that
 * owns it. Pages read as zeros before they are written. A page behind the end is not accessible: a walk over the end stops at
 * once.
 *
 * Who owns: the caller, until aw_reserve_give. Thread: any. What can fail: no address space left (a limit on it, or strict
 * overcommit); that memory runs out later is the kernel's to tell, so tables are sized by their limits.
 */
#ifndef AW_BASE_RESERVE_H
#define AW_BASE_RESERVE_H

#include "base/assert.h"

#include <stddef.h>

/* `bytes` of zeros, aligned to a page. NULL when the address space can't be had or `bytes` is 0. */
AW_MUST_USE void *aw_reserve_take(size_t bytes);
/* Gives back what aw_reserve_take returned for the same `bytes`; accepts NULL. */
void aw_reserve_give(void *ptr, size_t bytes);

#endif
