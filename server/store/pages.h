/* pages.h - a walk through the pages of a data file without LMDB, which takes what lies in a page for true.
 *
 * LMDB has no checksums of its own: a damaged branch page sends it anywhere, a damaged free list lets it overwrite what is in use.
 * So a store is walked before LMDB works on it: heads, the list of free pages, every tree. Each page is where its tree says, is of
 * the right kind, packed without gaps, its keys in order and within what the page above it promises; and each page of the file is
 * in use once or free once. What lies in values is checked by their own CRC, elsewhere. Pages come by pread, so that one that the
 * disk can't read is an error here and not a fault in a map.
 *
 * Owns nothing but for the call: a bit for each page and a page for each level. Thread: any. Changes nothing. Fails: AW_E_CORRUPT
 * with the page, its byte in the file and its tree; AW_E_VERSION; AW_E_IO; AW_E_MEMORY; AW_E_AGAIN the snapshot was written over.
 */
#ifndef AW_STORE_PAGES_H
#define AW_STORE_PAGES_H

#include "base/assert.h"
#include "base/why.h"

#include <stdint.h>

enum aw_pages_depth {
    AW_PAGES_START, /* all but the leaves that no start reads: bodies, what was kept, the journal before the checkpoint */
    AW_PAGES_ALL,
};

struct aw_pages_sum {
    uint64_t page_bytes;
    uint64_t pages; /* of the file, up to its last one in use */
    uint64_t free;
    uint64_t read;
    uint64_t txn; /* of the head that was followed */
};

/* Who wants to know how far a walk is: told at its begin and then every few megabytes. */
struct aw_pages_watch {
    void (*tell)(void *user, uint64_t pages, uint64_t pages_total);
    void *user;
};

/* The two heads of a data file. AW_E_CORRUPT also when they do not follow each other, so that an older head can't pass for the
 * newest. A writer beside us may change them: that is looked at again. */
AW_MUST_USE enum aw_err aw_pages_check_heads(int fd, struct aw_why *why);
/* `txn`: of a reader's snapshot that is held during the call, or 0 for the newest when nobody writes. `watch` may be NULL. */
AW_MUST_USE enum aw_err aw_pages_check(int fd, uint64_t txn, enum aw_pages_depth depth, const struct aw_pages_watch *watch,
                                       struct aw_pages_sum *ret_sum, struct aw_why *why);

#endif
