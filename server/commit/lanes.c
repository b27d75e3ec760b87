#include "commit/lanes.h"

#include "base/home.h"
#include "base/mem.h"
#include "base/reserve.h"
#include "commit/calendar.h"

#include <stdlib.h>
#include <string.h>

#define STALE_DROPS_MAX 64U
/* A step of reclaim: queues looked at, words of hints passed over, chunks unlinked, blocks freed. */
#define SWEEP_QUEUES 32U
#define SWEEP_WORDS  512U
#define CLEAN_CHUNKS 1024U
#define FREE_BLOCKS  4096U
/* A word of hints holds 8 lanes, one byte each, one bit a queue. */
#define LANES_PER_WORD 8U
#define LANE_BITS      8U
AW_STATIC_ASSERT(AW_LANES_QUEUES <= LANE_BITS, "one bit a queue");
#define WINDOW_SET     0x10U
#define WINDOW_CLOSING 0x20U
#define WINDOW_CLASS   0x0FU
/* In the same word, so that a head is filled without another miss. */
#define SHELF_SHIFT  8U
#define SHELF_MASK   0x0F00U
#define SHELF_MOVING 0x1000U /* it counts on shelf 0 too */
#define SHELF_BITS   (SHELF_MASK | SHELF_MOVING)
AW_STATIC_ASSERT(AW_LANES_SHELVES - 1 <= SHELF_MASK >> SHELF_SHIFT, "a shelf fits the word");

struct aw_lanes {
    struct aw_home home; /* the committer */
    /* Set before start, then read-only for all. */
    struct aw_lanes_config   config;
    struct aw_calendar_pool *pool; /* owns */
    /* Written by the committer, read by all. */
    _Atomic uint64_t *hints;   /* owns: a set bit means that the queue may have entries */
    _Atomic uint64_t *shown;   /* owns: by slot; version << 32 | age tick */
    _Atomic uint64_t *windows; /* owns: by slot; reply_by tick << 32 | WINDOW_ bits | class, if it has one; SHELF_ bits */
    _Atomic uint64_t  published;
    _Atomic uint32_t  shelves; /* a bit each: ever used */
    _Atomic bool      is_shut;
    /* Shared. */
    struct aw_calendar *queues; /* owns: shelves x lanes x AW_LANES_QUEUES */
    /* Committer only. */
    uint32_t sweep;        /* the word of hints, of all shelves, where reclaim goes on */
    uint32_t slots_used;   /* the highest slot shown, + 1 */
    uint32_t windows_used; /* of windows that were written, as above */
    uint32_t lanes_used[AW_LANES_SHELVES];
};

/* --- start and end -------------------------------------------------------------------------------------------------------- */

/* Of a shelf. */
static size_t
hint_words(const struct aw_lanes *lanes)
{
    return (lanes->config.lanes_max + LANES_PER_WORD - 1) / LANES_PER_WORD;
}

static size_t
queues_bytes(const struct aw_lanes *lanes)
{
    return (size_t)AW_LANES_SHELVES * lanes->config.lanes_max * AW_LANES_QUEUES * sizeof(struct aw_calendar);
}

static size_t
shown_bytes(const struct aw_lanes *lanes)
{
    return (size_t)lanes->config.tickets_max * sizeof(uint64_t);
}

enum aw_err
aw_lanes_new(struct aw_lanes **ret_lanes, const struct aw_lanes_config *config, struct aw_qsbr *qsbr)
{
    struct aw_lanes *lanes;
    enum aw_err      err;

    AW_ASSERT(config->lanes_max > 0 && config->tickets_max > 0);
    lanes = aw_new(struct aw_lanes);
    if (lanes == NULL)
        return AW_E_MEMORY;
    lanes->config = *config;
    lanes->config.base -= config->base % AW_LANES_TICK_MS; /* ticks are the same ones after each start */
    err = aw_calendar_pool_new(&lanes->pool, config->bytes_max, qsbr);
    if (err != AW_OK)
        goto fail;
    lanes->queues = aw_reserve_take(queues_bytes(lanes));
    lanes->shown = aw_reserve_take(shown_bytes(lanes));
    lanes->windows = aw_reserve_take(shown_bytes(lanes));
    lanes->hints = aw_mem_zeroed(AW_LANES_SHELVES * hint_words(lanes), sizeof(uint64_t), AW_CACHE_LINE);
    if (lanes->queues == NULL || lanes->shown == NULL || lanes->windows == NULL || lanes->hints == NULL) {
        err = AW_E_MEMORY;
        goto fail;
    }
    atomic_init(&lanes->shelves, 1);
    aw_home_enter(&lanes->home);
    *ret_lanes = lanes;
    return AW_OK;
fail:
    aw_lanes_free(&lanes);
    return err;
}

void
aw_lanes_free(struct aw_lanes **lanes)
{
    struct aw_lanes *old = *lanes;

    if (old == NULL)
        return;
    aw_reserve_give(old->queues, queues_bytes(old));
    aw_reserve_give(old->shown, shown_bytes(old));
    aw_reserve_give(old->windows, shown_bytes(old));
    free(old->hints);
    aw_calendar_pool_free(&old->pool);
    free(old);
    *lanes = NULL;
}

void
aw_lanes_enter(struct aw_lanes *lanes)
{
    aw_home_enter(&lanes->home);
    aw_calendar_pool_enter(lanes->pool);
}

static uint32_t
queue_of(const struct aw_lanes *lanes, uint32_t lane, uint32_t shelf, unsigned queue)
{
    AW_ASSERT(lane < lanes->config.lanes_max);
    AW_ASSERT(shelf < AW_LANES_SHELVES);
    AW_ASSERT(queue < AW_LANES_QUEUES);
    return (shelf * lanes->config.lanes_max + lane) * AW_LANES_QUEUES + queue;
}

/* What is outside the range goes to its ends, and keeps its order as far as these tell. */
static uint32_t
tick_of(const struct aw_lanes *lanes, aw_ms at, uint32_t max)
{
    uint64_t tick = at <= lanes->config.base ? 0 : (at - lanes->config.base) / AW_LANES_TICK_MS;

    return tick < max ? (uint32_t)tick : max;
}

static aw_ms
ms_of(const struct aw_lanes *lanes, uint32_t tick)
{
    return lanes->config.base + (aw_ms)tick * AW_LANES_TICK_MS;
}

/* --- hints ---------------------------------------------------------------------------------------------------------------- */

static _Atomic uint64_t *
hint_word(const struct aw_lanes *lanes, uint32_t lane, uint32_t shelf)
{
    return &lanes->hints[shelf * hint_words(lanes) + lane / LANES_PER_WORD];
}

static unsigned
hint_shift(uint32_t lane, unsigned queue)
{
    return lane % LANES_PER_WORD * LANE_BITS + queue;
}

/* Only the committer changes hints, so a load and a store will do; and only it fills queues, so that an empty one stays empty
 * while its bit is cleared. Seq_cst like the cursors, so that a push that returned has set its bit for everybody. */
static void
hint_set(struct aw_lanes *lanes, uint32_t lane, uint32_t shelf, unsigned queue)
{
    _Atomic uint64_t *word = hint_word(lanes, lane, shelf);
    uint64_t          bit = UINT64_C(1) << hint_shift(lane, queue);
    uint64_t          hints = atomic_load_explicit(word, memory_order_relaxed); /* the committer's own */

    if ((hints & bit) == 0)
        atomic_store_explicit(word, hints | bit, memory_order_seq_cst); /* pairs with the loads in queues and find */
}

static void
hint_clear(struct aw_lanes *lanes, uint32_t lane, uint32_t shelf, unsigned queue)
{
    _Atomic uint64_t *word = hint_word(lanes, lane, shelf);
    uint64_t          bit = UINT64_C(1) << hint_shift(lane, queue);
    uint64_t          hints = atomic_load_explicit(word, memory_order_relaxed); /* the committer's own */

    atomic_store_explicit(word, hints & ~bit, memory_order_seq_cst); /* pairs with the loads in queues and find */
}

/* As with hints: set before the push returns. */
static void
shelf_set(struct aw_lanes *lanes, uint32_t shelf)
{
    uint32_t shelves = atomic_load_explicit(&lanes->shelves, memory_order_relaxed); /* the committer's own */

    if ((shelves >> shelf & 1) == 0)
        atomic_store_explicit(&lanes->shelves, shelves | 1U << shelf, memory_order_seq_cst); /* pairs with the load in shelves */
}

unsigned
aw_lanes_shelves(const struct aw_lanes *lanes)
{
    return atomic_load_explicit(&lanes->shelves, memory_order_seq_cst); /* pairs with shelf_set */
}

unsigned
aw_lanes_queues(const struct aw_lanes *lanes, uint32_t lane, uint32_t shelf)
{
    uint64_t hints;

    AW_ASSERT(lane < lanes->config.lanes_max);
    AW_ASSERT(shelf < AW_LANES_SHELVES);
    hints = atomic_load_explicit(hint_word(lanes, lane, shelf), memory_order_seq_cst); /* pairs with hint_set */
    return hints >> hint_shift(lane, 0) & ((1U << AW_LANES_QUEUES) - 1);
}

uint32_t
aw_lanes_find(const struct aw_lanes *lanes, uint32_t from, uint32_t shelf)
{
    uint32_t max = lanes->config.lanes_max;
    uint64_t mask = ~UINT64_C(0) << hint_shift(from, 0); /* lanes before `from` in its word */

    AW_ASSERT(shelf < AW_LANES_SHELVES);
    for (uint32_t at = from / LANES_PER_WORD; at * LANES_PER_WORD < max; at++, mask = ~UINT64_C(0)) {
        _Atomic uint64_t *word = hint_word(lanes, at * LANES_PER_WORD, shelf);
        uint64_t          hints = atomic_load_explicit(word, memory_order_seq_cst) & mask; /* pairs with hint_set */

        if (hints != 0)
            return at * LANES_PER_WORD + (uint32_t)__builtin_ctzll(hints) / LANE_BITS;
    }
    return max;
}

uint32_t
aw_lanes_find_any(const struct aw_lanes *lanes, uint32_t from)
{
    uint32_t first = lanes->config.lanes_max;

    for (unsigned left = aw_lanes_shelves(lanes); left != 0; left &= left - 1) {
        uint32_t lane = aw_lanes_find(lanes, from, (uint32_t)__builtin_ctz(left));

        first = lane < first ? lane : first;
    }
    return first;
}

/* --- pushing: committer --------------------------------------------------------------------------------------------------- */

void
aw_lanes_show(struct aw_lanes *lanes, uint32_t slot, uint32_t version, aw_ms age)
{
    uint64_t shown = (uint64_t)version << 32 | tick_of(lanes, age, UINT32_MAX);

    AW_ON(lanes);
    AW_ASSERT(slot < lanes->config.tickets_max);
    if (slot >= lanes->slots_used)
        lanes->slots_used = slot + 1;
    /* Release: pairs with the load in head_fill. */
    atomic_store_explicit(&lanes->shown[slot], shown, memory_order_release);
}

void
aw_lanes_set_published(struct aw_lanes *lanes, uint64_t seq)
{
    AW_ON(lanes);
    /* Seq_cst like pushes and takes, so that of a look before a take and a look after another one the numbers tell which take came
     * first. Pairs with the load in aw_lanes_published. */
    atomic_store_explicit(&lanes->published, seq, memory_order_seq_cst);
}

uint64_t
aw_lanes_published(const struct aw_lanes *lanes)
{
    return atomic_load_explicit(&lanes->published, memory_order_seq_cst); /* pairs with the store in set_published */
}

static void
window_touched(struct aw_lanes *lanes, uint32_t slot)
{
    if (slot >= lanes->windows_used)
        lanes->windows_used = slot + 1;
}

void
aw_lanes_show_window(struct aw_lanes *lanes, uint32_t slot, enum aw_class class_, aw_ms reply_by, bool closing)
{
    uint64_t old, window = 0;

    AW_ON(lanes);
    AW_ASSERT(slot < lanes->config.tickets_max);
    if (reply_by != 0)
        window =
            (uint64_t)tick_of(lanes, reply_by, UINT32_MAX) << 32 | WINDOW_SET | (closing ? WINDOW_CLOSING : 0) | (unsigned)class_;
    /* Relaxed: show makes it known. Where no channel has a window the memory stays untouched. */
    old = atomic_load_explicit(&lanes->windows[slot], memory_order_relaxed);
    if ((old & ~(uint64_t)SHELF_BITS) == window)
        return;
    atomic_store_explicit(&lanes->windows[slot], window | (old & SHELF_BITS), memory_order_relaxed);
    window_touched(lanes, slot);
}

/* Release: what was pushed before is there for whoever learns by it that an entry on shelf 0 is stale. Pairs with the load in
 * head_fill. */
static void
set_shelf(struct aw_lanes *lanes, uint32_t slot, uint64_t bits)
{
    uint64_t window = atomic_load_explicit(&lanes->windows[slot], memory_order_relaxed); /* the committer's own */

    AW_ON(lanes);
    if ((window & SHELF_BITS) == bits)
        return;
    atomic_store_explicit(&lanes->windows[slot], (window & ~(uint64_t)SHELF_BITS) | bits, memory_order_release);
    window_touched(lanes, slot);
}

void
aw_lanes_show_shelf(struct aw_lanes *lanes, uint32_t slot, uint32_t shelf)
{
    AW_ASSERT(slot < lanes->config.tickets_max);
    AW_ASSERT(shelf < AW_LANES_SHELVES);
    set_shelf(lanes, slot, shelf << SHELF_SHIFT);
}

uint32_t
aw_lanes_shown_shelf(const struct aw_lanes *lanes, uint32_t slot)
{
    AW_ASSERT(slot < lanes->config.tickets_max);
    /* Relaxed: the committer's own. */
    return (uint32_t)(atomic_load_explicit(&lanes->windows[slot], memory_order_relaxed) & SHELF_MASK) >> SHELF_SHIFT;
}

void
aw_lanes_begin_move(struct aw_lanes *lanes, uint32_t slot, uint32_t shelf)
{
    AW_ASSERT(slot < lanes->config.tickets_max);
    AW_ASSERT(shelf > 0);
    AW_ASSERT(shelf < AW_LANES_SHELVES);
    AW_ASSERT(aw_lanes_shown_shelf(lanes, slot) == 0 || aw_lanes_is_moving(lanes, slot));
    set_shelf(lanes, slot, shelf << SHELF_SHIFT | SHELF_MOVING);
}

void
aw_lanes_end_move(struct aw_lanes *lanes, uint32_t slot)
{
    set_shelf(lanes, slot, aw_lanes_shown_shelf(lanes, slot) << SHELF_SHIFT);
}

bool
aw_lanes_is_moving(const struct aw_lanes *lanes, uint32_t slot)
{
    AW_ASSERT(slot < lanes->config.tickets_max);
    return (atomic_load_explicit(&lanes->windows[slot], memory_order_relaxed) & SHELF_MOVING) != 0; /* the committer's own */
}

static uint64_t
entry_of(uint32_t slot, uint32_t version)
{
    return (uint64_t)version << 32 | slot;
}

static enum aw_err
push_many(struct aw_lanes *lanes, uint32_t queue, uint32_t tick, const uint64_t *entries, size_t count)
{
    enum aw_err err = aw_calendar_push(lanes->pool, &lanes->queues[queue], tick, entries, count);
    uint32_t    lane = queue / AW_LANES_QUEUES % lanes->config.lanes_max;
    uint32_t    shelf = queue / AW_LANES_QUEUES / lanes->config.lanes_max;

    if (err != AW_OK)
        return err;
    if (lane >= lanes->lanes_used[shelf])
        lanes->lanes_used[shelf] = lane + 1;
    /* After the push, so that reclaim never sees a bit without its entry having been there; before the return, which is what
     * counts. */
    hint_set(lanes, lane, shelf, queue % AW_LANES_QUEUES);
    shelf_set(lanes, shelf);
    return AW_OK;
}

/* Where an imminent ticket lies in its second queue: at its age. Older ages than a key can say count as the oldest. */
static uint32_t
shown_tick(const struct aw_lanes *lanes, uint32_t slot)
{
    uint32_t tick = (uint32_t)atomic_load_explicit(&lanes->shown[slot], memory_order_relaxed); /* the committer's own */

    return tick < AW_CALENDAR_TICK_MAX ? tick : AW_CALENDAR_TICK_MAX;
}

/* Those that an entry of this ticket lies in. */
static unsigned
queues_of(const struct aw_lanes *lanes, uint32_t slot, enum aw_class class_)
{
    uint64_t window = atomic_load_explicit(&lanes->windows[slot], memory_order_relaxed); /* the committer's own */
    unsigned queues = 1U << class_;

    if (class_ == AW_CLASS_IMMINENT)
        queues |= 1U << AW_LANES_BY_AGE;
    if ((window & WINDOW_CLOSING) != 0)
        queues |= 1U << AW_LANES_BY_WINDOW;
    return queues;
}

/* Where it lies in one of them. */
static uint32_t
tick_in(const struct aw_lanes *lanes, unsigned queue, aw_ms key, uint32_t slot)
{
    uint64_t tick = tick_of(lanes, key, AW_CALENDAR_TICK_MAX);

    if (queue == AW_LANES_BY_AGE)
        return shown_tick(lanes, slot);
    if (queue == AW_LANES_BY_WINDOW)
        tick = atomic_load_explicit(&lanes->windows[slot], memory_order_relaxed) >> 32; /* the committer's own */
    return tick < AW_CALENDAR_TICK_MAX ? (uint32_t)tick : AW_CALENDAR_TICK_MAX;
}

enum aw_err
aw_lanes_push(struct aw_lanes *lanes, uint32_t lane, enum aw_class class_, aw_ms key, uint32_t slot, uint32_t version)
{
    return aw_lanes_push_back(lanes, lane, queues_of(lanes, slot, class_), key, slot, version);
}

enum aw_err
aw_lanes_push_back(struct aw_lanes *lanes, uint32_t lane, unsigned queues, aw_ms key, uint32_t slot, uint32_t version)
{
    uint64_t    entry = entry_of(slot, version);
    uint32_t    shelf = aw_lanes_shown_shelf(lanes, slot);
    enum aw_err err = AW_OK;

    AW_ON(lanes);
    if ((queues & (queues - 1)) != 0 && aw_lanes_room(lanes) == 0)
        return AW_E_TABLE_FULL; /* all or none */
    for (; queues != 0 && err == AW_OK; queues &= queues - 1) {
        unsigned queue = (unsigned)__builtin_ctz(queues);

        err = push_many(lanes, queue_of(lanes, lane, shelf, queue), tick_in(lanes, queue, key, slot), &entry, 1);
    }
    return err;
}

/* An imminent one that is closing lies in three. */
#define QUEUES_PER_PUSH 3U

size_t
aw_lanes_room(const struct aw_lanes *lanes)
{
    return aw_calendar_pool_room(lanes->pool) / QUEUES_PER_PUSH;
}

size_t
aw_lanes_bytes_for(size_t pushes)
{
    return aw_calendar_pool_bytes_for(pushes * QUEUES_PER_PUSH);
}

size_t
aw_lanes_room_held_up(const struct aw_lanes *lanes)
{
    /* What each push adds to such an arena is what it may take at most. */
    size_t bytes = (aw_lanes_bytes_for(1024) - aw_lanes_bytes_for(0)) / 1024;

    return aw_calendar_pool_retired(lanes->pool) / bytes;
}

void
aw_lanes_set_shut(struct aw_lanes *lanes, bool is_shut)
{
    AW_ON(lanes);
    /* Release for form: it shows nothing else. Pairs with the load in is_shut. */
    atomic_store_explicit(&lanes->is_shut, is_shut, memory_order_release);
}

bool
aw_lanes_is_shut(const struct aw_lanes *lanes)
{
    return atomic_load_explicit(&lanes->is_shut, memory_order_acquire); /* pairs with the store in set_shut */
}

/* Shelves that nothing was ever put on have no hints. */
static uint32_t
next_word(const struct aw_lanes *lanes, uint32_t words, unsigned shelves)
{
    uint32_t word = lanes->sweep + 1;
    uint32_t shelf = word / words;

    if (word % words != 0)
        return word;
    shelves &= ~((1U << shelf) - 1);
    return shelves == 0 ? 0 : (uint32_t)__builtin_ctz(shelves) * words; /* shelf 0 is always there */
}

size_t
aw_lanes_reclaim(struct aw_lanes *lanes)
{
    uint32_t words = (uint32_t)hint_words(lanes);
    uint32_t shelves = aw_lanes_shelves(lanes);
    uint32_t queues_left = SWEEP_QUEUES;
    uint32_t words_left = words * (uint32_t)__builtin_popcount(shelves);
    size_t   work = 0;

    AW_ON(lanes);
    if (words_left > SWEEP_WORDS)
        words_left = SWEEP_WORDS;
    for (; queues_left > 0 && words_left > 0 && work < CLEAN_CHUNKS; words_left--) {
        /* Relaxed: the committer's own. */
        uint64_t hints = atomic_load_explicit(&lanes->hints[lanes->sweep], memory_order_relaxed);
        uint32_t shelf = lanes->sweep / words;

        for (; hints != 0; hints &= hints - 1) {
            unsigned            bit = (unsigned)__builtin_ctzll(hints);
            uint32_t            lane = lanes->sweep % words * LANES_PER_WORD + bit / LANE_BITS;
            struct aw_calendar *queue = &lanes->queues[queue_of(lanes, lane, shelf, bit % LANE_BITS)];
            size_t              cleaned = aw_calendar_clean(lanes->pool, queue, CLEAN_CHUNKS);

            work += cleaned;
            queues_left -= queues_left > 0;
            if (cleaned < CLEAN_CHUNKS && aw_calendar_is_empty(queue)) {
                hint_clear(lanes, lane, shelf, bit % LANE_BITS);
                work++;
            }
        }
        lanes->sweep = next_word(lanes, words, shelves);
    }
    return work + aw_calendar_pool_reclaim(lanes->pool, FREE_BLOCKS);
}

void
aw_lanes_count(const struct aw_lanes *lanes, uint32_t lane, enum aw_class class_, struct aw_lanes_count *ret_count)
{
    struct aw_lanes_count count = {0};
    uint64_t              gone;

    for (unsigned shelves = aw_lanes_shelves(lanes); shelves != 0; shelves &= shelves - 1) {
        const struct aw_calendar *queue = &lanes->queues[queue_of(lanes, lane, (uint32_t)__builtin_ctz(shelves), class_)];

        count.waiting += aw_calendar_waiting(lanes->pool, queue);
        count.pushed += aw_calendar_pushed(queue);
        count.stale += atomic_load_explicit(&queue->void_count, memory_order_relaxed); /* a statistic */
    }
    gone = count.pushed - count.waiting;
    /* A popper may have dropped an entry that `waiting` does not know to be gone yet. */
    count.taken = gone > count.stale ? gone - count.stale : 0;
    *ret_count = count;
}

size_t
aw_lanes_queue_bytes(const struct aw_lanes *lanes)
{
    size_t touched = 0;

    for (uint32_t shelf = 0; shelf < AW_LANES_SHELVES; shelf++)
        touched += lanes->lanes_used[shelf];
    return aw_calendar_pool_bytes(lanes->pool) + touched * AW_LANES_QUEUES * sizeof(struct aw_calendar) +
           AW_LANES_SHELVES * hint_words(lanes) * sizeof(uint64_t);
}

size_t
aw_lanes_bytes(const struct aw_lanes *lanes)
{
    return aw_lanes_queue_bytes(lanes) + ((size_t)lanes->slots_used + lanes->windows_used) * sizeof(uint64_t);
}

/* --- loading: committer --------------------------------------------------------------------------------------------------- */

#define DIGIT_BITS 11U
#define DIGITS     6U
#define DIGIT_SIZE (1U << DIGIT_BITS)
#define RUN_MAX    1024U
/* Entries loaded before retired blocks are given back: many more, and what later pushes can't use would stay. */
#define RECLAIM_EACH 4096U

struct item {
    uint64_t place; /* queue << 30 | tick */
    uint64_t entry;
};
struct aw_lanes_load {
    struct aw_lanes *lanes; /* borrows; outlives the load */
    struct item     *items; /* owns: entries_max of them */
    struct item     *other; /* owns: as many, for sorting */
    uint32_t         count;
    uint32_t         max;
    bool             is_sorted; /* so far */
    uint32_t         counts[DIGITS][DIGIT_SIZE];
};

enum aw_err
aw_lanes_load_new(struct aw_lanes_load **ret_load, struct aw_lanes *lanes, uint32_t entries_max)
{
    struct aw_lanes_load *load = aw_new(struct aw_lanes_load);

    AW_ASSERT(entries_max > 0);
    if (load == NULL)
        return AW_E_MEMORY;
    load->lanes = lanes;
    load->max = entries_max;
    load->is_sorted = true;
    load->items = malloc(entries_max * sizeof(*load->items));
    load->other = malloc(entries_max * sizeof(*load->other));
    if (load->items == NULL || load->other == NULL) {
        aw_lanes_load_free(&load);
        return AW_E_MEMORY;
    }
    *ret_load = load;
    return AW_OK;
}

void
aw_lanes_load_free(struct aw_lanes_load **load)
{
    if (*load == NULL)
        return;
    free((*load)->items);
    free((*load)->other);
    free(*load);
    *load = NULL;
}

/* By place, entries of one place in their order: radix sort from the lowest digit; digits that are equal in all cost one look. */
static void
load_sort(struct aw_lanes_load *load)
{
    uint32_t(*counts)[DIGIT_SIZE] = load->counts;

    memset(load->counts, 0, sizeof(load->counts));
    for (uint32_t i = 0; i < load->count; i++)
        for (uint32_t d = 0; d < DIGITS; d++)
            counts[d][load->items[i].place >> (d * DIGIT_BITS) & (DIGIT_SIZE - 1)]++;
    for (uint32_t d = 0; d < DIGITS; d++) {
        unsigned     shift = d * DIGIT_BITS;
        struct item *items = load->items;
        uint32_t     sum = 0;

        if (counts[d][items[0].place >> shift & (DIGIT_SIZE - 1)] == load->count)
            continue;
        for (uint32_t i = 0; i < DIGIT_SIZE; i++) {
            uint32_t count = counts[d][i];

            counts[d][i] = sum;
            sum += count;
        }
        for (uint32_t i = 0; i < load->count; i++)
            load->other[counts[d][items[i].place >> shift & (DIGIT_SIZE - 1)]++] = items[i];
        load->items = load->other;
        load->other = items;
    }
}

static enum aw_err
load_flush(struct aw_lanes_load *load)
{
    uint64_t run[RUN_MAX];
    uint32_t next = 0;

    if (load->count > 0 && !load->is_sorted)
        load_sort(load);
    while (next < load->count) {
        uint64_t    place = load->items[next].place;
        size_t      length = 0;
        enum aw_err err;

        while (next < load->count && load->items[next].place == place && length < RUN_MAX)
            run[length++] = load->items[next++].entry;
        err = push_many(load->lanes, (uint32_t)(place >> 30), (uint32_t)place & AW_CALENDAR_TICK_MAX, run, length);
        if (err != AW_OK)
            return err;
        /* Nodes that grew on the way. At a start nobody reads yet, so what is retired now is free two times later. */
        if ((next - length) / RECLAIM_EACH != next / RECLAIM_EACH)
            (void)aw_calendar_pool_reclaim(load->lanes->pool, SIZE_MAX);
    }
    load->count = 0;
    load->is_sorted = true;
    return AW_OK;
}

static enum aw_err
load_item(struct aw_lanes_load *load, uint64_t queue, uint32_t tick, uint64_t entry)
{
    struct item item = {queue << 30 | tick, entry};

    if (load->count == load->max) {
        enum aw_err err = load_flush(load);

        if (err != AW_OK)
            return err;
    }
    if (load->count > 0 && load->items[load->count - 1].place > item.place)
        load->is_sorted = false;
    load->items[load->count++] = item;
    return AW_OK;
}

enum aw_err
aw_lanes_load_add(struct aw_lanes_load *load, uint32_t lane, enum aw_class class_, aw_ms key, uint32_t slot, uint32_t version)
{
    struct aw_lanes *lanes = load->lanes;
    uint64_t         entry = entry_of(slot, version);
    uint32_t         shelf = aw_lanes_shown_shelf(lanes, slot);
    enum aw_err      err = AW_OK;

    AW_ON(lanes);
    for (unsigned queues = queues_of(lanes, slot, class_); queues != 0 && err == AW_OK; queues &= queues - 1) {
        unsigned queue = (unsigned)__builtin_ctz(queues);

        err = load_item(load, queue_of(lanes, lane, shelf, queue), tick_in(lanes, queue, key, slot), entry);
    }
    return err;
}

enum aw_err
aw_lanes_load_finish(struct aw_lanes_load *load)
{
    AW_ON(load->lanes);
    return load_flush(load);
}

/* --- pulling: any thread -------------------------------------------------------------------------------------------------- */

static void
head_fill(const struct aw_lanes *lanes, const struct aw_calendar_head *from, struct aw_head *head)
{
    uint32_t slot = (uint32_t)from->entry;
    uint32_t version = (uint32_t)(from->entry >> 32);
    uint64_t shown = atomic_load_explicit(&lanes->shown[slot], memory_order_acquire); /* pairs with the store in show */
    /* That of this version or of a newer one: then the entry is stale, and nobody gets a lease by it. Pairs with set_shelf. */
    uint64_t window = atomic_load_explicit(&lanes->windows[slot], memory_order_acquire);
    uint32_t shelf = (uint32_t)(window & SHELF_MASK) >> SHELF_SHIFT;

    head->key = ms_of(lanes, from->tick);
    head->age = ms_of(lanes, (uint32_t)shown);
    head->reply_by = (window & WINDOW_SET) == 0 ? 0 : ms_of(lanes, (uint32_t)(window >> 32));
    if (head->queue == AW_LANES_BY_WINDOW)
        head->class_ = (enum aw_class)(window & WINDOW_CLASS);
    head->slot = slot;
    head->version = version;
    head->stale = (uint32_t)(shown >> 32) != version || (shelf != head->shelf && (window & SHELF_MOVING) == 0);
    head->_entry = from->entry;
    head->_cursor = from->_cursor;
}

static void
queue_drop(struct aw_calendar *queue, const struct aw_calendar_head *first)
{
    if (aw_calendar_try_pop(queue, first))
        (void)atomic_fetch_add_explicit(&queue->void_count, 1,
                                        memory_order_relaxed); /* a statistic; the old value is not needed */
}

bool
aw_lanes_peek(struct aw_lanes *lanes, uint32_t lane, uint32_t shelf, unsigned number, struct aw_head *ret_head)
{
    struct aw_calendar *queue = &lanes->queues[queue_of(lanes, lane, shelf, number)];
    enum aw_class       class_ = number < AW_CLASS_COUNT ? (enum aw_class)number : AW_CLASS_IMMINENT;
    struct aw_head      head = {.lane = lane, .class_ = class_, .queue = number, .shelf = shelf};

    if ((aw_lanes_queues(lanes, lane, shelf) >> number & 1) == 0)
        return false;
    for (unsigned drops = 0;; drops++) {
        struct aw_calendar_head first;

        if (!aw_calendar_peek(lanes->pool, queue, &first))
            return false;
        head_fill(lanes, &first, &head);
        if (!head.stale || drops == STALE_DROPS_MAX)
            break;
        queue_drop(queue, &first); /* if somebody else dropped it, that is as good */
    }
    *ret_head = head;
    return true;
}

bool
aw_lanes_try_take(struct aw_lanes *lanes, const struct aw_head *head)
{
    struct aw_calendar     *queue = &lanes->queues[queue_of(lanes, head->lane, head->shelf, head->queue)];
    struct aw_calendar_head first = {.entry = head->_entry, ._cursor = head->_cursor};

    if (!aw_calendar_try_pop(queue, &first))
        return false;
    if (head->stale)
        (void)atomic_fetch_add_explicit(&queue->void_count, 1, memory_order_relaxed); /* as above */
    return true;
}
