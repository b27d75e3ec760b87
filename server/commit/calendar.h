/* calendar.h - a priority queue that one thread fills and any number of threads empty, without a lock.
 *
 * The key is a tick (30 bits); entries of one tick leave in the order of their push. Order is exact: every entry leaves by one
 * compare-and-swap on the cursor, the one word that says which entry is next (the protocol and why it holds: calendar.c).
 *   push   lock-free for its one thread, the writer (the committer).
 *   peek, try_pop   lock-free for any number of threads; they never wait, allocate, free, or change the structure.
 * A popper belongs to the QSBR domain of the pool: it is online from before its peek until after its try_pop. A popper stopped in
 * between delays only the reuse of memory.
 *
 * A calendar is 128 bytes, all zero when new, so that a reserved array of them costs nothing until used; it is never freed, only
 * emptied with its pool. Many calendars share a pool: one arena with a limit, from which a writer takes entries and index nodes.
 * Who owns: the caller owns calendars and pool. What can fail: a push, when the arena is at its limit, before anything changed.
 */
#ifndef AW_COMMIT_CALENDAR_H
#define AW_COMMIT_CALENDAR_H

#include "base/assert.h"
#include "base/err.h"
#include "base/qsbr.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AW_CALENDAR_TICK_MAX ((UINT32_C(1) << 30) - 1)

struct aw_calendar_pool;

struct aw_calendar {
    /* Shared. */
    _Alignas(AW_CACHE_LINE) _Atomic uint64_t _cursor;
    _Atomic uint32_t _version;   /* makes each searching state of the cursor unlike all before */
    _Atomic uint32_t _root;      /* index; 0: none */
    _Atomic uint64_t void_count; /* for the users: entries that they popped and found void */
    /* Writer only. */
    _Alignas(AW_CACHE_LINE) uint64_t _pushed;
    uint64_t _gone;  /* entries known to have been popped: all but those of the chunk under the cursor */
    uint64_t _ticks; /* that have a chain */
};
AW_STATIC_ASSERT(sizeof(struct aw_calendar) == 2 * AW_CACHE_LINE, "thousands of empty calendars stay small");

struct aw_calendar_head {
    uint64_t entry;
    uint32_t tick;
    uint64_t _cursor; /* the state in which this entry is next */
};

/* Reserves bytes_max of address space (at least 1 MiB, at most 16 GiB). `qsbr` is borrowed and outlives the pool; the pool's
 * thread is its owner. AW_E_CONFIG, AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_calendar_pool_new(struct aw_calendar_pool **ret_pool, size_t bytes_max, struct aw_qsbr *qsbr);
/* No thread may use a calendar of this pool any more. Takes the address, accepts NULL, leaves NULL. */
void aw_calendar_pool_free(struct aw_calendar_pool **pool);
/* From here on the calling thread is the writer. */
void aw_calendar_pool_enter(struct aw_calendar_pool *pool);
/* How many entries can surely be pushed from here on, into whatever calendars and ticks. Thread: writer. */
size_t aw_calendar_pool_room(const struct aw_calendar_pool *pool);
/* How large an arena must be for so much room when nothing is in it. */
size_t aw_calendar_pool_bytes_for(size_t room);
/* Bytes of the arena in use, including what waits for its grace period. Thread: writer. */
size_t aw_calendar_pool_bytes(const struct aw_calendar_pool *pool);
/* Of them, what is only kept as some reader might still look at it, or is about to be freed. Thread: writer. */
size_t aw_calendar_pool_retired(const struct aw_calendar_pool *pool);
/* Frees at most `max` blocks whose readers are all gone; returns how many. Thread: writer. */
size_t aw_calendar_pool_reclaim(struct aw_calendar_pool *pool, size_t max);

/* Appends the entries at the end of `tick`, in order. AW_E_TABLE_FULL when the pool has no room for so many; nothing changed
 * then. Thread: writer. */
AW_MUST_USE enum aw_err aw_calendar_push(struct aw_calendar_pool *pool, struct aw_calendar *calendar, uint32_t tick,
                                         const uint64_t *entries, size_t count);
struct aw_calendar_item {
    struct aw_calendar *calendar;
    uint64_t            entry;
    uint32_t            tick;
};
/* Pushes one after the other. Faster than alone where ticks are sparse, since the memory that they need is fetched side by side.
 * AW_E_TABLE_FULL when they are more than aw_calendar_pool_room says; nothing changed then. Thread: writer. */
AW_MUST_USE enum aw_err aw_calendar_push_items(struct aw_calendar_pool *pool, const struct aw_calendar_item *items, size_t count);
/* The entry that is next. False when the calendar is empty: then no push that returned before this call has an entry left.
 * Thread: any. */
AW_MUST_USE bool aw_calendar_peek(const struct aw_calendar_pool *pool, struct aw_calendar *calendar,
                                  struct aw_calendar_head *ret_head);
/* Takes the peeked entry, if it is still the next one. Thread: the one that peeked, with no quiet point in between. */
AW_MUST_USE bool aw_calendar_try_pop(struct aw_calendar *calendar, const struct aw_calendar_head *head);
/* Unlinks at most about `max` chunks that were emptied; returns how many. Thread: writer. */
size_t aw_calendar_clean(struct aw_calendar_pool *pool, struct aw_calendar *calendar, size_t max);
/* Entries waiting. Exact when no popper is active and clean has nothing to do, else a little too high. Thread: writer. */
uint64_t aw_calendar_waiting(const struct aw_calendar_pool *pool, const struct aw_calendar *calendar);
/* Entries ever pushed. Thread: writer. */
static inline uint64_t
aw_calendar_pushed(const struct aw_calendar *calendar)
{
    return calendar->_pushed;
}
/* True when the calendar is empty, which only the writer can change. Thread: writer. */
AW_MUST_USE bool aw_calendar_is_empty(const struct aw_calendar *calendar);

#endif
