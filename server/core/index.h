/* index.h - finds rows by a 16-byte key: linear hashing with chains threaded through the rows (Litwin 1980).
 *
 * It grows by one bucket an insertion, so no insertion ever waits for a rehash: a bucket costs 4 bytes, a row the 4 bytes of its
 * link. Several rows may have the same key. What it finds never depends on the order inside a chain as long as its user picks
 * among equal keys by a rule of its own. It is derived from the rows, so it is neither in a checkpoint nor in the digest.
 * Keys are keyed hashes already (nobody outside can aim at a bucket), so the index only folds them.
 *
 * Who owns: its buckets, until fini; borrows the rows. Thread: that of its owner. Fails: only init.
 */
#ifndef AW_CORE_INDEX_H
#define AW_CORE_INDEX_H

#include "base/assert.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where key and link lie in a row. Both aligned to 4. Slot 0 is no row. */
struct aw_index_layout {
    uint32_t stride;
    uint32_t key_at;
    uint32_t link_at;
};

struct aw_index {
    char                  *_rows; /* borrows */
    struct aw_index_layout _layout;
    uint32_t              *_buckets; /* owns: first slot of each chain; 0: empty */
    size_t                 _bytes;   /* reserved for them */
    uint32_t               _bucket_count;
    uint32_t               _bucket_count_max;
    uint32_t               _count;
};

/* False when the address space can't be had. `rows_max`: most rows ever in it at once. */
AW_MUST_USE bool aw_index_init(struct aw_index *index, void *rows, const struct aw_index_layout *layout, uint32_t rows_max);
void             aw_index_fini(struct aw_index *index);
/* Sets the number of buckets for `rows` rows, once, while it is empty: a load then inserts without growing. */
void aw_index_presize(struct aw_index *index, uint32_t rows);

/* The row in `slot` holds its key already. */
void aw_index_insert(struct aw_index *index, uint32_t slot);
/* `slot` is in the index. */
void aw_index_remove(struct aw_index *index, uint32_t slot);
/* A row with this key, or 0; then the next one of the same key behind it, or 0. */
uint32_t aw_index_find(const struct aw_index *index, struct aw_hash128 key);
uint32_t aw_index_find_next(const struct aw_index *index, uint32_t slot);
/* Starts to fetch what a find of this key will look at first; worth it when there is other work before. */
void aw_index_prefetch(const struct aw_index *index, struct aw_hash128 key);
/* Bytes of buckets in use. */
size_t aw_index_bytes(const struct aw_index *index);

#endif
