/* scratch.c - one pool, one arena and one zone a thread, and jansson's allocator. */
#include "proto/scratch.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

#define BLOCK_BYTES (32U * 1024U)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t  key; /* only to free the scratch when its thread ends */
static bool           key_made;

static _Thread_local struct aw_scratch *mine;

static void *
jansson_malloc(size_t size)
{
    struct aw_scratch *scratch = mine;
    void              *ptr;

    if (scratch == NULL || !scratch->busy)
        return malloc(size);
    if (scratch->fail_at > 0 && --scratch->fail_at == 0) {
        scratch->failed = true;
        return NULL;
    }
    ptr = aw_arena_take(&scratch->arena, size);
    if (ptr == NULL) {
        scratch->failed = true;
        scratch->full = aw_blocks_used(scratch->blocks) + size + BLOCK_BYTES > AW_SCRATCH_BYTES_MAX;
    }
    return ptr;
}

static void
jansson_free(void *ptr)
{
    if (mine == NULL || !mine->busy)
        free(ptr);
}

static void
scratch_free(void *arg)
{
    struct aw_scratch *scratch = arg;

    AW_ASSERT(!scratch->busy);
    msgpack_zone_destroy(&scratch->zone);
    aw_blocks_free(&scratch->blocks);
    free(scratch);
    mine = NULL;
}

static void
init_process(void)
{
    json_set_alloc_funcs(jansson_malloc, jansson_free);
    key_made = pthread_key_create(&key, scratch_free) == 0;
}

static struct aw_scratch *
scratch_new(void)
{
    struct aw_scratch *scratch;

    (void)pthread_once(&once, init_process); /* fails only on a bad argument */
    if (!key_made)
        return NULL;
    scratch = malloc(sizeof(*scratch)); /* the large arrays at its end are touched as they are needed */
    if (scratch == NULL)
        return NULL;
    scratch->busy = false;
    scratch->fail_at = 0;
    scratch->blocks = aw_blocks_new(BLOCK_BYTES, AW_SCRATCH_BYTES_MAX);
    if (scratch->blocks == NULL)
        goto fail_blocks;
    if (!msgpack_zone_init(&scratch->zone, BLOCK_BYTES))
        goto fail_zone;
    if (pthread_setspecific(key, scratch) != 0)
        goto fail_key;
    aw_arena_init(&scratch->arena, scratch->blocks);
    return scratch;
fail_key:
    msgpack_zone_destroy(&scratch->zone);
fail_zone:
    aw_blocks_free(&scratch->blocks);
fail_blocks:
    free(scratch);
    return NULL;
}

struct aw_scratch *
aw_scratch_begin(void)
{
    if (mine == NULL)
        mine = scratch_new();
    if (mine == NULL)
        return NULL;
    AW_ASSERT(!mine->busy);
    mine->busy = true;
    mine->failed = false;
    mine->full = false;
    return mine;
}

void
aw_scratch_end(struct aw_scratch *scratch)
{
    AW_ASSERT(scratch == mine);
    AW_ASSERT(scratch->busy);
    aw_arena_reset(&scratch->arena);
    msgpack_zone_clear(&scratch->zone);
    scratch->busy = false;
}

void
aw_scratch_fail_at(uint32_t nth)
{
    struct aw_scratch *scratch = aw_scratch_begin();

    AW_ASSERT(scratch != NULL);
    scratch->fail_at = nth;
    aw_scratch_end(scratch);
}
