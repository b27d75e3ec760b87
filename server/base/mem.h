/* mem.h - zeroed memory with the alignment that its type asks for.
 *
 * Structs that hold a ring, a wake or a stats block are aligned to a cache line, which malloc and calloc do not promise: make them
 * with these. The caller owns the result and gives it to free(). Thread: any. Fails only by NULL.
 */
#ifndef AW_BASE_MEM_H
#define AW_BASE_MEM_H

#include "base/assert.h"

#include <stddef.h>

/* `align`: a power of two. NULL also when count * size overflows or is 0. */
AW_MUST_USE void *aw_mem_zeroed(size_t count, size_t size, size_t align);

#define aw_new(type)              ((type *)aw_mem_zeroed(1, sizeof(type), _Alignof(type)))
#define aw_new_array(type, count) ((type *)aw_mem_zeroed((count), sizeof(type), _Alignof(type)))

#endif
