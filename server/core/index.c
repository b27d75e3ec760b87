#include "core/index.h"

#include "base/reserve.h"

#include <string.h>

#define BUCKETS_MIN 64U

static char *
row_of(const struct aw_index *index, uint32_t slot)
{
    return index->_rows + (size_t)slot * index->_layout.stride;
}

static uint32_t *
link_of(const struct aw_index *index, uint32_t slot)
{
    return (uint32_t *)(void *)(row_of(index, slot) + index->_layout.link_at);
}

static struct aw_hash128
key_of(const struct aw_index *index, uint32_t slot)
{
    struct aw_hash128 key;

    memcpy(&key, row_of(index, slot) + index->_layout.key_at, sizeof(key));
    return key;
}

/* Folds a key to the bits that choose a bucket. The product spreads keys that tests make up by counting. */
static uint32_t
fold(struct aw_hash128 key)
{
    return (uint32_t)(((key.low ^ key.high) * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

/* The largest power of two not above the number of buckets: buckets from there on exist only as far as the index has grown. */
static uint32_t
level_of(uint32_t bucket_count)
{
    return UINT32_C(1) << (31 - (unsigned)__builtin_clz(bucket_count));
}

static uint32_t
bucket_of(const struct aw_index *index, uint32_t folded)
{
    uint32_t level = level_of(index->_bucket_count);
    uint32_t bucket = folded & (level * 2 - 1);

    return bucket < index->_bucket_count ? bucket : bucket - level;
}

bool
aw_index_init(struct aw_index *index, void *rows, const struct aw_index_layout *layout, uint32_t rows_max)
{
    AW_ASSERT(rows_max > 0);
    AW_ASSERT(rows_max < UINT32_C(1) << 31);
    *index = (struct aw_index){
        ._rows = rows,
        ._layout = *layout,
        ._bucket_count = BUCKETS_MIN,
        ._bucket_count_max = rows_max > BUCKETS_MIN ? rows_max : BUCKETS_MIN,
    };
    index->_bytes = (size_t)index->_bucket_count_max * sizeof(uint32_t);
    index->_buckets = aw_reserve_take(index->_bytes);
    return index->_buckets != NULL;
}

void
aw_index_fini(struct aw_index *index)
{
    aw_reserve_give(index->_buckets, index->_bytes);
    *index = (struct aw_index){0};
}

void
aw_index_presize(struct aw_index *index, uint32_t rows)
{
    AW_ASSERT(index->_count == 0);
    if (rows > index->_bucket_count)
        index->_bucket_count = rows < index->_bucket_count_max ? rows : index->_bucket_count_max;
}

/* One more bucket: the rows that now belong there move over from the one bucket that held them. */
static void
grow(struct aw_index *index)
{
    uint32_t  added = index->_bucket_count;
    uint32_t  level = level_of(added);
    uint32_t *from = &index->_buckets[added - level];
    uint32_t *to = &index->_buckets[added];

    AW_ASSERT(*to == 0);
    index->_bucket_count++;
    while (*from != 0) {
        uint32_t  slot = *from;
        uint32_t *link = link_of(index, slot);

        if ((fold(key_of(index, slot)) & (level * 2 - 1)) == added) {
            *from = *link;
            *to = slot;
            to = link;
        } else {
            from = link;
        }
    }
    *to = 0;
    /* The next insertion will split the next bucket; by then its first row, somewhere in memory, should be near. */
    __builtin_prefetch(row_of(index, index->_buckets[index->_bucket_count - level_of(index->_bucket_count)]));
}

void
aw_index_insert(struct aw_index *index, uint32_t slot)
{
    uint32_t *head;

    AW_ASSERT(slot != 0);
    if (index->_count >= index->_bucket_count && index->_bucket_count < index->_bucket_count_max)
        grow(index);
    head = &index->_buckets[bucket_of(index, fold(key_of(index, slot)))];
    *link_of(index, slot) = *head;
    *head = slot;
    index->_count++;
}

void
aw_index_remove(struct aw_index *index, uint32_t slot)
{
    uint32_t *at = &index->_buckets[bucket_of(index, fold(key_of(index, slot)))];

    while (*at != slot) {
        AW_ASSERT(*at != 0);
        at = link_of(index, *at);
    }
    *at = *link_of(index, slot);
    *link_of(index, slot) = 0;
    index->_count--;
}

static uint32_t
find_from(const struct aw_index *index, uint32_t slot, struct aw_hash128 key)
{
    while (slot != 0 && !aw_hash128_eq(key_of(index, slot), key))
        slot = *link_of(index, slot);
    return slot;
}

uint32_t
aw_index_find(const struct aw_index *index, struct aw_hash128 key)
{
    return find_from(index, index->_buckets[bucket_of(index, fold(key))], key);
}

uint32_t
aw_index_find_next(const struct aw_index *index, uint32_t slot)
{
    return find_from(index, *link_of(index, slot), key_of(index, slot));
}

void
aw_index_prefetch(const struct aw_index *index, struct aw_hash128 key)
{
    __builtin_prefetch(&index->_buckets[bucket_of(index, fold(key))]);
}

size_t
aw_index_bytes(const struct aw_index *index)
{
    return (size_t)index->_bucket_count * sizeof(uint32_t);
}
