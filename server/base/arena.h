/* arena.h - memory for one request: taken in pieces, given back all at once.
 *
 * An arena owns everything taken from it, until aw_arena_reset or aw_arena_fini. It fetches blocks from an aw_blocks pool, which
 * keeps returned blocks for the next request, so that the hot path does not reach malloc. Under the address sanitizer every piece
 * is a separate malloc block, so that an overrun is caught at once.
 * Thread: an arena and its pool belong to one thread at a time; a request may travel to another thread with its arena, which must
 * not take from it there unless the comment at the hand-over says so (blocks come from the home thread's pool).
 * Fails: only by NULL (no memory, or the pool's limit reached).
 */
#ifndef AW_BASE_ARENA_H
#define AW_BASE_ARENA_H

#include "base/assert.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

/* A pool of equal blocks. Larger pieces are served by malloc and counted in the same limit. */
struct aw_blocks;

/* block_bytes: 512 to 1 MiB. bytes_max: most bytes held by all arenas of this pool together. NULL when out of memory. */
AW_MUST_USE struct aw_blocks *aw_blocks_new(size_t block_bytes, size_t bytes_max);
/* Every arena must have been reset. Takes the address, accepts NULL, leaves NULL. */
void aw_blocks_free(struct aw_blocks **blocks);
/* Bytes in use by arenas just now. */
size_t aw_blocks_used(const struct aw_blocks *blocks);
/* Those and the spare ones; never above bytes_max. */
size_t aw_blocks_held(const struct aw_blocks *blocks);

struct aw_arena_block;
struct aw_arena {
    struct aw_blocks      *_blocks; /* borrows; outlives the arena */
    struct aw_arena_block *_head;   /* owns: the blocks in use, newest first */
    char                  *_at;
    char                  *_end;
    size_t                 _bytes;
};

void aw_arena_init(struct aw_arena *arena, struct aw_blocks *blocks);
/* Gives everything back; the arena may be used again. Accepts a zeroed struct. */
void aw_arena_reset(struct aw_arena *arena);
/* Aligned to 16; contents undefined; size 0 gives a valid pointer. NULL when there is no room. */
AW_MUST_USE void *aw_arena_take(struct aw_arena *arena, size_t size);
AW_MUST_USE void *aw_arena_take_zeroed(struct aw_arena *arena, size_t count, size_t size);
/* Copies `bytes`; the result borrows from the arena. False when there is no room. */
AW_MUST_USE bool aw_arena_copy(struct aw_arena *arena, struct aw_slice bytes, struct aw_slice *ret_copy);

/* A growing byte buffer in an arena, for writing answers. After a failure (`failed`) all appends are no-ops: check once at the
 * end. */
struct aw_buffer {
    struct aw_arena *arena; /* borrows; outlives the buffer. NULL: fixed, never grows */
    char            *ptr;   /* owned by the arena, or by the caller when fixed */
    size_t           len;
    size_t           room;
    bool             failed;
};

void aw_buffer_init(struct aw_buffer *buffer, struct aw_arena *arena);
/* Writes into the caller's `room` bytes and fails beyond them. */
void aw_buffer_init_fixed(struct aw_buffer *buffer, char *ptr, size_t room);
void aw_buffer_add(struct aw_buffer *buffer, const void *bytes, size_t len);
void aw_buffer_add_str(struct aw_buffer *buffer, const char *string);
void aw_buffer_printf(struct aw_buffer *buffer, const char *format, ...) AW_PRINTF(2, 3);
/* Room for `len` more bytes, or NULL (then failed is set). The caller fills it and adds to `len` itself. */
AW_MUST_USE char *aw_buffer_reserve(struct aw_buffer *buffer, size_t len);

static inline struct aw_slice
aw_buffer_slice(const struct aw_buffer *buffer)
{
    return (struct aw_slice){buffer->ptr, buffer->len};
}

#endif
