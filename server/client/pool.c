#include "client/pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define KEEPS_PIECES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEPS_PIECES 0
#endif
#endif
#ifndef KEEPS_PIECES
#define KEEPS_PIECES 1
#endif

#define SMALLEST 64U
#define LARGE    AW_POOL_CLASSES /* not of a class: straight from malloc */

/* Stands in front of the bytes. 16 bytes, so that these keep malloc's alignment. */
struct aw_pool_piece {
    union {
        struct aw_pool_piece *next; /* while spare */
        size_t                room; /* while out */
    } u;
    size_t class_;
};
AW_STATIC_ASSERT(sizeof(struct aw_pool_piece) == 16, "the header keeps malloc's alignment");

static size_t
class_of(size_t size)
{
    if (size <= SMALLEST)
        return 0;
    if (size > (size_t)SMALLEST << (AW_POOL_CLASSES - 1))
        return LARGE;
    /* The power of two at or above size, counted from the smallest. */
    return (size_t)(64 - __builtin_clzll((unsigned long long)size - 1)) - 6;
}
AW_STATIC_ASSERT(SMALLEST == 1U << 6, "class_of counts from it");

void
aw_pool_init(struct aw_pool *pool)
{
    *pool = (struct aw_pool){._pieces = 0};
}

void
aw_pool_fini(struct aw_pool *pool)
{
    AW_ASSERT(pool->_pieces == 0);
    for (size_t i = 0; i < AW_POOL_CLASSES; i++) {
        while (pool->_spare[i] != NULL) {
            struct aw_pool_piece *piece = pool->_spare[i];

            pool->_spare[i] = piece->u.next;
            free(piece);
        }
    }
    pool->_kept_bytes = 0;
}

void *
aw_pool_take(struct aw_pool *pool, size_t size)
{
    size_t                class_ = class_of(size);
    size_t                room = class_ == LARGE ? size : (size_t)SMALLEST << class_;
    struct aw_pool_piece *piece;

    if (!KEEPS_PIECES)
        room = size; /* so that one byte too far is seen */
    if (class_ != LARGE && pool->_spare[class_] != NULL) {
        piece = pool->_spare[class_];
        pool->_spare[class_] = piece->u.next;
        pool->_kept_bytes -= room;
    } else {
        if (room > SIZE_MAX - sizeof(*piece))
            return NULL;
        piece = malloc(sizeof(*piece) + room);
        if (piece == NULL)
            return NULL;
        piece->class_ = class_;
    }
    piece->u.room = room;
    pool->_pieces++;
    return piece + 1;
}

void *
aw_pool_take_zeroed(struct aw_pool *pool, size_t count, size_t size)
{
    size_t bytes;
    void  *ptr;

    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    ptr = aw_pool_take(pool, bytes);
    if (ptr != NULL)
        memset(ptr, 0, bytes);
    return ptr;
}

void *
aw_pool_resize(struct aw_pool *pool, void *ptr, size_t size)
{
    struct aw_pool_piece *piece;
    void                 *larger;

    if (ptr == NULL)
        return aw_pool_take(pool, size);
    piece = (struct aw_pool_piece *)ptr - 1;
    if (size <= piece->u.room)
        return ptr;
    larger = aw_pool_take(pool, size);
    if (larger == NULL)
        return NULL;
    memcpy(larger, ptr, piece->u.room);
    aw_pool_give(pool, ptr);
    return larger;
}

void
aw_pool_give(struct aw_pool *pool, void *ptr)
{
    struct aw_pool_piece *piece;

    if (ptr == NULL)
        return;
    piece = (struct aw_pool_piece *)ptr - 1;
    AW_ASSERT(pool->_pieces > 0);
    pool->_pieces--;
    if (!KEEPS_PIECES || piece->class_ == LARGE || pool->_kept_bytes + piece->u.room > AW_POOL_KEPT_BYTES_MAX) {
        free(piece);
        return;
    }
    pool->_kept_bytes += piece->u.room;
    piece->u.next = pool->_spare[piece->class_];
    pool->_spare[piece->class_] = piece;
}
