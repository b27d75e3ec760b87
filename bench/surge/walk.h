/* walk.h - a cursor over an answer, JSON or MessagePack alike, that reads what it is asked for and passes over the rest.
 *
 * For answers of a server that is being measured: nothing is built, nothing allocated, one pass. It trusts nothing: whatever
 * does not fit sets `failed`, after which every call says "no more". It is no validator: what is passed over is only followed,
 * not judged.
 *
 *     surge_walk_begin(&walk, body, msgpack);
 *     if (surge_walk_map(&walk))
 *         while (surge_walk_key(&walk, &key))       each key's value must be taken or skipped before the next key
 *             if (aw_slice_eq(key, AW_SLICE("ticket"))) ok = surge_walk_text(&walk, &text); else surge_walk_skip(&walk);
 *
 * Borrows the body. A text with escapes lives in the walk until the next one. Thread: one at a time.
 */
#ifndef AW_BENCH_SURGE_WALK_H
#define AW_BENCH_SURGE_WALK_H

#include "base/assert.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define SURGE_WALK_DEPTH_MAX  8
#define SURGE_WALK_TEXT_BYTES 1024 /* of a text with escapes */

struct surge_walk {
    const char *at;
    const char *end;
    bool        msgpack;
    bool        failed;
    bool        first[SURGE_WALK_DEPTH_MAX]; /* JSON: no comma yet */
    uint32_t    left[SURGE_WALK_DEPTH_MAX];  /* MessagePack: pairs or items */
    uint32_t    depth;
    char        text[SURGE_WALK_TEXT_BYTES];
};

void surge_walk_begin(struct surge_walk *walk, struct aw_slice body, bool msgpack);
/* Whether another value follows at the top: lines of NDJSON, values of a sequence. */
AW_MUST_USE bool surge_walk_more(struct surge_walk *walk);
/* Goes into the map or list that comes next. False: something else comes, and it failed. */
AW_MUST_USE bool surge_walk_map(struct surge_walk *walk);
AW_MUST_USE bool surge_walk_list(struct surge_walk *walk);
/* The next key of the map; false at its end, and then the cursor is behind the map. */
AW_MUST_USE bool surge_walk_key(struct surge_walk *walk, struct aw_slice *ret_key);
/* The same for a list: whether another item comes. */
AW_MUST_USE bool surge_walk_item(struct surge_walk *walk);
/* The value; false when it is of another type (it failed then). */
AW_MUST_USE bool surge_walk_text(struct surge_walk *walk, struct aw_slice *ret_text);
AW_MUST_USE bool surge_walk_u64(struct surge_walk *walk, uint64_t *ret_value);
AW_MUST_USE bool surge_walk_flag(struct surge_walk *walk, bool *ret_value);
void             surge_walk_skip(struct surge_walk *walk);

#endif
