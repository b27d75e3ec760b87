/* slab.h - blocks of a few fixed sizes out of one reserved piece of address space, named by 32-bit indices.
 *
 * The whole range is reserved when the slab is made and touched as it is needed. It is cut into pages; a page holds blocks of one
 * size and goes back to the common stock when its last block has been given back. An index is the distance from the start in
 * units of 8 bytes; 0 names nothing.
 * Who owns: the caller, until aw_slab_fini; blocks belong to whoever took them. Thread: take and give belong to one thread
 * (the owner of the slab); aw_slab_at may be used by any thread that has learnt an index in a way that orders it after the take.
 * What can fail: init, when the address space can't be had. A take never fails as long as the caller asked aw_slab_pages_free
 * before.
 */
#ifndef AW_COMMIT_SLAB_H
#define AW_COMMIT_SLAB_H

#include "base/assert.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define AW_SLAB_UNIT        8U
#define AW_SLAB_PAGE_BYTES  16384U
#define AW_SLAB_CLASSES_MAX 24U
/* 2^32 units of 8 bytes. */
#define AW_SLAB_BYTES_MAX (UINT64_C(32) << 30)

struct aw_slab_page;
struct aw_slab_class {
    uint32_t _bytes;    /* of a block */
    uint32_t _per_page; /* blocks */
    uint32_t _partial;  /* first page with a free block; 0: none */
};
struct aw_slab {
    /* Set by init, then read-only for all; on a line of its own, as every reader needs it and the owner's counters change all
     * the time. */
    _Alignas(AW_CACHE_LINE) char *_base; /* owns: the reserved range */
    /* Owner only. */
    _Alignas(AW_CACHE_LINE) struct aw_slab_page *_pages; /* owns: reserved too, one a page */
    size_t               _bytes;
    size_t               _pages_bytes;
    uint32_t             _page_count;
    uint32_t             _page_next;  /* pages from here on were never used */
    uint32_t             _page_stock; /* first of those given back; 0: none */
    uint32_t             _pages_free;
    uint32_t             _class_count;
    struct aw_slab_class _classes[AW_SLAB_CLASSES_MAX];
};

/* sizes: bytes of a block by class, multiples of AW_SLAB_UNIT, at most AW_SLAB_PAGE_BYTES. bytes_max is rounded down to pages,
 * and one page of it is never used; AW_E_CONFIG when it is less than two pages or over AW_SLAB_BYTES_MAX; AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_slab_init(struct aw_slab *slab, size_t bytes_max, const uint32_t *sizes, uint32_t count);
/* Accepts a zeroed struct. */
void aw_slab_fini(struct aw_slab *slab);
/* A block of this class, contents undefined. There must be room. */
uint32_t aw_slab_take(struct aw_slab *slab, uint32_t class_);
void     aw_slab_give(struct aw_slab *slab, uint32_t index);
/* The class that the block was taken with. */
uint32_t aw_slab_class_of(const struct aw_slab *slab, uint32_t index);
/* Pages that any class may still have. */
static inline uint32_t
aw_slab_pages_free(const struct aw_slab *slab)
{
    return slab->_pages_free;
}
/* Bytes in pages that hold at least one block. */
static inline size_t
aw_slab_bytes_used(const struct aw_slab *slab)
{
    return (size_t)(slab->_page_count - 1 - slab->_pages_free) * AW_SLAB_PAGE_BYTES;
}
static inline void *
aw_slab_at(const struct aw_slab *slab, uint32_t index)
{
    return slab->_base + (size_t)index * AW_SLAB_UNIT;
}

#endif
