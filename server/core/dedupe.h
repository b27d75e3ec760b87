/* dedupe.h - the source ids that were accepted lately: hash -> the message that came first.
 *
 * A ring in order of acceptance, with an index over it. Whether an id still counts is decided by its time alone (the caller's
 * `floor`), never by whether it was dropped yet: dropping is lazy, so a state that was loaded and one that lived through it all
 * may hold different old ids, and still answer alike, also when the ring is full (full = the oldest still counts).
 * For the same reason it is not in the digest.
 *
 * Who owns: its ring, until fini. Thread: that of the state. Fails: only init; aw_dedupe_add wants room asked for before.
 */
#ifndef AW_CORE_DEDUPE_H
#define AW_CORE_DEDUPE_H

#include "base/time.h"
#include "core/index.h"

struct aw_dedupe_row {
    struct aw_hash128 hash;
    uint64_t          seq : 48;
    uint64_t          at_low : 16;
    uint32_t          at_high; /* accepted_at = at_high << 16 | at_low */
    uint32_t          chain;
};
AW_STATIC_ASSERT(sizeof(struct aw_dedupe_row) == 32, "half a cache line");

struct aw_dedupe {
    struct aw_dedupe_row *_rows; /* owns; slots 1 to _max */
    struct aw_index       _index;
    uint64_t              _first; /* positions in the ring, ever growing: the oldest, and the next to come */
    uint64_t              _next;
    uint32_t              _max;
};

AW_MUST_USE bool aw_dedupe_init(struct aw_dedupe *ids, uint32_t max);
void             aw_dedupe_fini(struct aw_dedupe *ids);
/* The message that came first; 0: none at or after `floor`. */
uint64_t aw_dedupe_find(const struct aw_dedupe *ids, struct aw_hash128 hash, aw_ms floor);
void     aw_dedupe_prefetch(const struct aw_dedupe *ids, struct aw_hash128 hash);
/* Whether one more would fit, once those before `floor` are dropped. */
bool aw_dedupe_has_room(const struct aw_dedupe *ids, aw_ms floor);
/* Drops a few that are before `floor`, then remembers. `accepted_at` never falls. */
void     aw_dedupe_add(struct aw_dedupe *ids, struct aw_hash128 hash, uint64_t seq, aw_ms accepted_at, aw_ms floor);
uint32_t aw_dedupe_count(const struct aw_dedupe *ids);
size_t   aw_dedupe_bytes(const struct aw_dedupe *ids);

#endif
