#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define SEPARATE_PIECES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SEPARATE_PIECES 1
#endif
#endif
#ifndef SEPARATE_PIECES
#define SEPARATE_PIECES 0
#endif

#define ALIGN            16
#define BLOCK_BYTES_MIN  512
#define BLOCK_BYTES_MAX  (1024 * 1024)
#define BUFFER_BYTES_MIN 256

/* Stands in front of the bytes that it describes. */
struct aw_arena_block {
    struct aw_arena_block *next;
    size_t                 bytes; /* with this header */
};
AW_STATIC_ASSERT(sizeof(struct aw_arena_block) % ALIGN == 0, "what follows a header must be aligned");

struct aw_blocks {
    size_t                 block_bytes;
    size_t                 bytes_max;
    size_t                 used; /* bytes of blocks inside arenas */
    size_t                 kept; /* bytes of blocks waiting for the next request; used + kept <= bytes_max */
    struct aw_arena_block *spare;
};

struct aw_blocks *
aw_blocks_new(size_t block_bytes, size_t bytes_max)
{
    struct aw_blocks *blocks;

    AW_ASSERT(block_bytes >= BLOCK_BYTES_MIN);
    AW_ASSERT(block_bytes <= BLOCK_BYTES_MAX);
    blocks = malloc(sizeof(*blocks));
    if (blocks == NULL)
        return NULL;
    *blocks = (struct aw_blocks){.block_bytes = block_bytes / ALIGN * ALIGN, .bytes_max = bytes_max};
    return blocks;
}

static void
drop_spare(struct aw_blocks *blocks)
{
    struct aw_arena_block *block = blocks->spare;

    AW_ASSERT(block != NULL); /* it was counted in `kept` */
    blocks->spare = block->next;
    blocks->kept -= block->bytes;
    free(block);
}

void
aw_blocks_free(struct aw_blocks **blocks)
{
    if (*blocks == NULL)
        return;
    AW_ASSERT((*blocks)->used == 0);
    while ((*blocks)->spare != NULL)
        drop_spare(*blocks);
    AW_ASSERT((*blocks)->kept == 0);
    free(*blocks);
    *blocks = NULL;
}

size_t
aw_blocks_used(const struct aw_blocks *blocks)
{
    return blocks->used;
}

size_t
aw_blocks_held(const struct aw_blocks *blocks)
{
    return blocks->used + blocks->kept;
}

/* A block of exactly `bytes`, its header included. */
static struct aw_arena_block *
blocks_take(struct aw_blocks *blocks, size_t bytes)
{
    struct aw_arena_block *block = blocks->spare;

    if (bytes > blocks->bytes_max - blocks->used)
        return NULL;
    if (block != NULL && bytes == block->bytes) {
        blocks->spare = block->next;
        blocks->kept -= bytes;
    } else {
        /* Spare blocks count too, or a change from small to large requests would hold twice the limit. */
        while (blocks->kept > blocks->bytes_max - blocks->used - bytes)
            drop_spare(blocks);
        block = malloc(bytes);
        if (block == NULL)
            return NULL;
        block->bytes = bytes;
    }
    block->next = NULL;
    blocks->used += bytes;
    return block;
}

static void
blocks_give(struct aw_blocks *blocks, struct aw_arena_block *block)
{
    AW_ASSERT(blocks->used >= block->bytes);
    blocks->used -= block->bytes;
    if (SEPARATE_PIECES || block->bytes != blocks->block_bytes) {
        free(block);
        return;
    }
    blocks->kept += block->bytes;
    block->next = blocks->spare;
    blocks->spare = block;
}

void
aw_arena_init(struct aw_arena *arena, struct aw_blocks *blocks)
{
    AW_ASSERT(blocks != NULL);
    *arena = (struct aw_arena){._blocks = blocks};
}

void
aw_arena_reset(struct aw_arena *arena)
{
    while (arena->_head != NULL) {
        struct aw_arena_block *block = arena->_head;

        arena->_head = block->next;
        arena->_bytes -= block->bytes;
        blocks_give(arena->_blocks, block);
    }
    AW_ASSERT(arena->_bytes == 0);
    arena->_at = NULL;
    arena->_end = NULL;
}

/* Links a new block of `bytes` (header included) and returns what follows its header. */
static char *
grow(struct aw_arena *arena, size_t bytes)
{
    struct aw_arena_block *block = blocks_take(arena->_blocks, bytes);

    if (block == NULL)
        return NULL;
    block->next = arena->_head;
    arena->_head = block;
    arena->_bytes += bytes;
    return (char *)(block + 1);
}

void *
aw_arena_take(struct aw_arena *arena, size_t size)
{
    size_t header = sizeof(struct aw_arena_block);
    size_t room;
    char  *ptr;

    AW_ASSERT(arena->_blocks != NULL);
    if (size > SIZE_MAX / 2)
        return NULL;
    if (SEPARATE_PIECES)
        return grow(arena, header + size);
    size = size == 0 ? ALIGN : (size + ALIGN - 1) / ALIGN * ALIGN;
    if (size <= (size_t)(arena->_end - arena->_at)) {
        ptr = arena->_at;
        arena->_at += size;
        return ptr;
    }
    /* A piece above a quarter of a block gets its own, so that the rest of the open block, at most that much, is all we waste. */
    room = arena->_blocks->block_bytes - header;
    if (size > room / 4)
        return grow(arena, header + size);
    ptr = grow(arena, header + room);
    if (ptr == NULL)
        return NULL;
    arena->_at = ptr + size;
    arena->_end = ptr + room;
    return ptr;
}

void *
aw_arena_take_zeroed(struct aw_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    void  *ptr;

    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    ptr = aw_arena_take(arena, bytes);
    if (ptr != NULL)
        memset(ptr, 0, bytes);
    return ptr;
}

bool
aw_arena_copy(struct aw_arena *arena, struct aw_slice bytes, struct aw_slice *ret_copy)
{
    char *ptr = aw_arena_take(arena, bytes.len);

    if (ptr == NULL)
        return false;
    if (bytes.len > 0)
        memcpy(ptr, bytes.ptr, bytes.len);
    *ret_copy = (struct aw_slice){ptr, bytes.len};
    return true;
}

/* Lengthens the last piece of the open block in place: a growing answer is then not copied. */
static bool
try_extend(struct aw_arena *arena, const char *piece_end, size_t more)
{
    if (SEPARATE_PIECES || piece_end != arena->_at || more > (size_t)(arena->_end - arena->_at))
        return false;
    arena->_at += more;
    return true;
}

void
aw_buffer_init(struct aw_buffer *buffer, struct aw_arena *arena)
{
    AW_ASSERT(arena != NULL);
    *buffer = (struct aw_buffer){.arena = arena};
}

void
aw_buffer_init_fixed(struct aw_buffer *buffer, char *ptr, size_t room)
{
    *buffer = (struct aw_buffer){.ptr = ptr, .room = room};
}

static bool
buffer_grow(struct aw_buffer *buffer, size_t need)
{
    size_t room = buffer->room < BUFFER_BYTES_MIN / 2 ? BUFFER_BYTES_MIN : buffer->room * 2;
    char  *ptr;

    AW_IMPLIES(buffer->len > 0, buffer->ptr != NULL);
    if (buffer->arena == NULL || need > SIZE_MAX / 4)
        return false;
    if (room < need)
        room = need;
    room = (room + ALIGN - 1) / ALIGN * ALIGN;
    if (buffer->room > 0 && try_extend(buffer->arena, buffer->ptr + buffer->room, room - buffer->room)) {
        buffer->room = room;
        return true;
    }
    ptr = aw_arena_take(buffer->arena, room);
    if (ptr == NULL)
        return false;
    if (buffer->len > 0)
        memcpy(ptr, buffer->ptr, buffer->len);
    buffer->ptr = ptr;
    buffer->room = room;
    return true;
}

char *
aw_buffer_reserve(struct aw_buffer *buffer, size_t len)
{
    size_t need;

    if (buffer->failed)
        return NULL;
    AW_ASSERT(buffer->len <= buffer->room);
    if (len > buffer->room - buffer->len || buffer->ptr == NULL) {
        if (__builtin_add_overflow(buffer->len, len, &need) || !buffer_grow(buffer, need)) {
            buffer->failed = true;
            return NULL;
        }
    }
    return buffer->ptr + buffer->len;
}

void
aw_buffer_add(struct aw_buffer *buffer, const void *bytes, size_t len)
{
    char *at = aw_buffer_reserve(buffer, len);

    if (at == NULL || len == 0)
        return;
    memcpy(at, bytes, len);
    buffer->len += len;
}

void
aw_buffer_add_str(struct aw_buffer *buffer, const char *string)
{
    aw_buffer_add(buffer, string, strlen(string));
}

void
aw_buffer_printf(struct aw_buffer *buffer, const char *format, ...)
{
    char    small[128];
    char   *at;
    int     len;
    va_list args;

    va_start(args, format);
    len = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    AW_ASSERT(len >= 0); /* fails only on a broken format */
    if ((size_t)len < sizeof(small)) {
        aw_buffer_add(buffer, small, (size_t)len);
        return;
    }
    at = aw_buffer_reserve(buffer, (size_t)len + 1); /* vsnprintf also writes a NUL */
    if (at == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(at, (size_t)len + 1, format, args);
    va_end(args);
    buffer->len += (size_t)len;
}
