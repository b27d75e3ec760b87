#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void *
aw_mem_zeroed(size_t count, size_t size, size_t align)
{
    size_t bytes;
    void  *ptr;

    AW_ASSERT(align != 0);
    AW_ASSERT((align & (align - 1)) == 0);
    if (__builtin_mul_overflow(count, size, &bytes) || bytes == 0)
        return NULL;
    /* calloc leaves fresh pages untouched, which matters for the large tables. */
    if (align <= _Alignof(max_align_t))
        return calloc(count, size);
    if (posix_memalign(&ptr, align, bytes) != 0)
        return NULL;
    memset(ptr, 0, bytes);
    return ptr;
}
