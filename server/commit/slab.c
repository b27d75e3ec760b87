/* A page is full, partial (on the list of its class) or in stock. Free blocks of a page are linked through their first four
 * bytes. Under the address sanitizer a free block is poisoned, so that a look at memory that was reclaimed too early is caught
 * at once; with AW_WITH_AUDIT it is also overwritten. */
#include "commit/slab.h"

#include "base/reserve.h"

#include <stdbool.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(at, bytes)   ASAN_POISON_MEMORY_REGION(at, bytes)
#define UNPOISON(at, bytes) ASAN_UNPOISON_MEMORY_REGION(at, bytes)
#else
#define POISON(at, bytes)   ((void)(at), (void)(bytes))
#define UNPOISON(at, bytes) ((void)(at), (void)(bytes))
#endif

#define UNITS_PER_PAGE (AW_SLAB_PAGE_BYTES / AW_SLAB_UNIT)

struct aw_slab_page {
    uint32_t next;   /* of its list; 0: none */
    uint32_t prev;   /* 0: the first */
    uint32_t free;   /* first block given back; 0: none */
    uint16_t used;   /* blocks taken */
    uint16_t carved; /* blocks ever taken since the page left the stock: those behind were never touched */
    uint32_t class_;
};

enum aw_err
aw_slab_init(struct aw_slab *slab, size_t bytes_max, const uint32_t *sizes, uint32_t count)
{
    size_t page_count = bytes_max / AW_SLAB_PAGE_BYTES;

    AW_ASSERT(count <= AW_SLAB_CLASSES_MAX);
    if (page_count < 2 || bytes_max > AW_SLAB_BYTES_MAX)
        return AW_E_CONFIG;
    *slab = (struct aw_slab){
        ._bytes = page_count * AW_SLAB_PAGE_BYTES,
        ._pages_bytes = page_count * sizeof(struct aw_slab_page),
        ._page_count = (uint32_t)page_count,
        ._page_next = 1, /* page 0 stays unused, so that index 0 names nothing */
        ._pages_free = (uint32_t)page_count - 1,
        ._class_count = count,
    };
    for (uint32_t i = 0; i < count; i++) {
        AW_ASSERT(sizes[i] > 0 && sizes[i] % AW_SLAB_UNIT == 0);
        AW_ASSERT(sizes[i] <= AW_SLAB_PAGE_BYTES);
        slab->_classes[i]._bytes = sizes[i];
        slab->_classes[i]._per_page = AW_SLAB_PAGE_BYTES / sizes[i];
    }
    slab->_base = aw_reserve_take(slab->_bytes);
    slab->_pages = aw_reserve_take(slab->_pages_bytes);
    if (slab->_base == NULL || slab->_pages == NULL) {
        aw_slab_fini(slab);
        return AW_E_MEMORY;
    }
    return AW_OK;
}

void
aw_slab_fini(struct aw_slab *slab)
{
    if (slab->_base != NULL)
        UNPOISON(slab->_base, slab->_bytes); /* the next mapping at this address is not ours */
    aw_reserve_give(slab->_base, slab->_bytes);
    aw_reserve_give(slab->_pages, slab->_pages_bytes);
    *slab = (struct aw_slab){._base = NULL};
}

static void
partial_add(struct aw_slab *slab, uint32_t at)
{
    struct aw_slab_page  *page = &slab->_pages[at];
    struct aw_slab_class *class_ = &slab->_classes[page->class_];

    page->prev = 0;
    page->next = class_->_partial;
    if (page->next != 0)
        slab->_pages[page->next].prev = at;
    class_->_partial = at;
}

static void
partial_remove(struct aw_slab *slab, uint32_t at)
{
    struct aw_slab_page *page = &slab->_pages[at];

    if (page->prev != 0)
        slab->_pages[page->prev].next = page->next;
    else
        slab->_classes[page->class_]._partial = page->next;
    if (page->next != 0)
        slab->_pages[page->next].prev = page->prev;
}

static uint32_t
page_take(struct aw_slab *slab, uint32_t class_)
{
    uint32_t at = slab->_page_stock;

    AW_ASSERT(slab->_pages_free > 0);
    if (at != 0)
        slab->_page_stock = slab->_pages[at].next;
    else
        at = slab->_page_next++;
    AW_ASSERT(at < slab->_page_count);
    slab->_pages_free--;
    slab->_pages[at] = (struct aw_slab_page){.class_ = class_};
    partial_add(slab, at);
    return at;
}

static void
page_give(struct aw_slab *slab, uint32_t at)
{
    partial_remove(slab, at);
    slab->_pages[at].next = slab->_page_stock;
    slab->_page_stock = at;
    slab->_pages_free++;
}

uint32_t
aw_slab_take(struct aw_slab *slab, uint32_t class_)
{
    struct aw_slab_class *sizes = &slab->_classes[class_];
    uint32_t              at = sizes->_partial != 0 ? sizes->_partial : page_take(slab, class_);
    struct aw_slab_page  *page = &slab->_pages[at];
    uint32_t              index = page->free;

    AW_ASSERT(class_ < slab->_class_count);
    if (index != 0) {
        UNPOISON(aw_slab_at(slab, index), sizes->_bytes);
        page->free = *(const uint32_t *)aw_slab_at(slab, index);
        __builtin_prefetch(aw_slab_at(slab, page->free), 1); /* the next take's; was given back long ago */
    } else {
        index = at * UNITS_PER_PAGE + page->carved * (sizes->_bytes / AW_SLAB_UNIT);
        page->carved++;
        UNPOISON(aw_slab_at(slab, index), sizes->_bytes); /* poisoned if the page had another life */
    }
    if (++page->used == sizes->_per_page)
        partial_remove(slab, at);
    return index;
}

void
aw_slab_give(struct aw_slab *slab, uint32_t index)
{
    uint32_t              at = index / UNITS_PER_PAGE;
    struct aw_slab_page  *page = &slab->_pages[at];
    struct aw_slab_class *sizes = &slab->_classes[page->class_];
    void                 *block = aw_slab_at(slab, index);

    AW_ASSERT(at > 0 && at < slab->_page_next);
    AW_ASSERT(page->used > 0);
#ifdef AW_WITH_AUDIT
    memset(block, 0xdd, sizes->_bytes);
#endif
    *(uint32_t *)block = page->free;
    page->free = index;
    POISON(block, sizes->_bytes);
    if (page->used-- == sizes->_per_page)
        partial_add(slab, at);
    if (page->used == 0)
        page_give(slab, at);
}

uint32_t
aw_slab_class_of(const struct aw_slab *slab, uint32_t index)
{
    return slab->_pages[index / UNITS_PER_PAGE].class_;
}
