/* pool.h - memory for a protocol library that takes and gives small pieces with every request: free lists by size.
 *  Pieces of 64 bytes to 16 KiB come from lists of their size class, larger ones from malloc. A list keeps what it got back, up
 * to POOL_KEPT_BYTES_MAX together. Under the address sanitizer every piece is a malloc block of its own. Who owns: the caller
 * owns the pool; all pieces must be back before aw_pool_fini. Thread: one. Fails only by NULL.
 */
#ifndef AW_CLIENT_POOL_H
#define AW_CLIENT_POOL_H

#include "base/assert.h"

#include <stddef.h>

#define AW_POOL_CLASSES        9 /* 64 << 0 to 64 << 8 */
#define AW_POOL_KEPT_BYTES_MAX ((size_t)32 * 1024 * 1024)

struct aw_pool_piece;
struct aw_pool {
    struct aw_pool_piece *_spare[AW_POOL_CLASSES];
    size_t                _kept_bytes;
    size_t                _pieces; /* out with users */
};

void              aw_pool_init(struct aw_pool *pool);
void              aw_pool_fini(struct aw_pool *pool);
AW_MUST_USE void *aw_pool_take(struct aw_pool *pool, size_t size);
AW_MUST_USE void *aw_pool_take_zeroed(struct aw_pool *pool, size_t count, size_t size);
/* As realloc: a failure leaves the piece as it was. */
AW_MUST_USE void *aw_pool_resize(struct aw_pool *pool, void *ptr, size_t size);
/* Accepts NULL. */
void aw_pool_give(struct aw_pool *pool, void *ptr);

#endif
