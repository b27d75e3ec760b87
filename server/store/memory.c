/* memory.c - the engine for tests and simulation: the same contract in arrays, with a plan of what goes wrong.
 *
 *   series   values in key order: | trimmed | durable ... | taken, not yet flushed |
 *            a trim moves the first mark, a flush the last; a crash forgets what is behind it (or keeps it, by the plan)
 * What is trimmed is freed when no reader holds a snapshot.
 */
#include "base/hash.h"
#include "base/mem.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT  (UINT64_C(1) << 40)
#define ENTRY_OVERHEAD 64U /* counted for each value, so that many small ones fill the store too */
#define FRAME_BYTES    (AW_SUBMITS_MAX * (AW_BATCH_FRAME_BYTES_MAX + 2U * ENTRY_OVERHEAD))

struct entry {
    uint64_t id;
    uint32_t count;
    uint64_t gone_at; /* the flush that deleted it; GONE_UNFLUSHED, or 0 while it is there */
    size_t   len;
    char     bytes[];
};
#define GONE_UNFLUSHED UINT64_MAX

struct series {
    struct entry **entries; /* owns; from `first` to `end` */
    size_t         room;
    size_t         freed;   /* entries below are gone */
    size_t         first;   /* below: trimmed and flushed */
    size_t         trim_to; /* below: trimmed with the next flush */
    size_t         durable; /* below: flushed */
    size_t         end;
    size_t         gone; /* in the middle: deleted, or to be with the next flush */
};

enum {
    SERIES_JOURNAL,
    SERIES_BODIES,
    SERIES_IDS,
    SERIES_TABLE0,
    SERIES_TABLE1,
    SERIES_KEPT, /* never trimmed: its entries go one by one */
    SERIES_KEPT_BODIES,
    SERIES_COUNT
};

#define GENERATION_NONE UINT32_MAX

struct memory_table {
    uint32_t                  current;
    uint32_t                  growing;
    struct aw_checkpoint_mark mark; /* of current */
    struct aw_checkpoint_mark next_mark;
    bool                      marked;
};

struct memory {
    struct aw_journal        journal; /* first: the port's handle is this struct */
    struct aw_table          table;
    struct aw_store_identity identity;
    struct aw_fault_plan     plan;
    struct series            series[SERIES_COUNT];
    struct memory_table      generations;
    struct aw_journal_anchor anchor;
    struct aw_journal_anchor next_anchor;
    bool                     is_anchored; /* there is an anchor */
    bool                     is_moving;   /* next_anchor is to be flushed */
    uint64_t                 flushed;     /* flushes that succeeded */
    uint64_t                 used_bytes;
    uint64_t                 owed_bytes;
    uint64_t                 next_seq;
    uint64_t                 last_index; /* 0: not known yet */
    uint64_t                 pending[AW_SUBMITS_MAX];
    uint32_t                 pending_count;
    struct aw_journal_done   done[AW_SUBMITS_MAX];
    uint32_t                 done_at;
    uint32_t                 done_count;
    uint32_t                 delay; /* polls that still report nothing */
    uint64_t                 submits;
    uint64_t                 flushes;
    uint32_t                 snapshots; /* readers between begin and end */
    bool                     broken;
    bool                     kept;                /* the flush that failed reached the disk all the same */
    bool                     damaged;             /* by a crash */
    size_t                   sound[SERIES_COUNT]; /* then: entries below are what was durable */
};

struct memory_reader {
    struct aw_journal_reader_head head; /* first: the port's handle is this struct */
    bool                          open;
    size_t                        first[SERIES_COUNT];
    size_t                        end[SERIES_COUNT];
    struct aw_journal_anchor      anchor;
    bool                          is_anchored;
    uint64_t                      flushed; /* when the snapshot began */
};

static const struct aw_journal_ops memory_journal_ops;
static const struct aw_table_ops   memory_table_ops;

static struct memory *
memory_of(struct aw_journal *journal)
{
    AW_ASSERT(journal->ops == &memory_journal_ops);
    return AW_CONTAINER(journal, struct memory, journal);
}

static struct memory *
memory_of_table(struct aw_table *table)
{
    AW_ASSERT(table->ops == &memory_table_ops);
    return AW_CONTAINER(table, struct memory, table);
}

static enum aw_fault
draw(const struct memory *store, enum aw_fault_at at)
{
    return store->broken || store->plan.draw == NULL ? AW_FAULT_NONE : store->plan.draw(store->plan.user, at);
}

static uint64_t
entry_cost(size_t len)
{
    return len + ENTRY_OVERHEAD;
}

static bool
series_append(struct memory *store, uint32_t which, uint64_t id, uint32_t count, struct aw_slice bytes)
{
    struct series *series = &store->series[which];
    struct entry  *entry;

    AW_ASSERT(series->end == series->first || series->entries[series->end - 1]->id < id);
    if (series->end == series->room) {
        size_t         room = series->room == 0 ? 64 : series->room * 2;
        struct entry **entries = realloc(series->entries, room * sizeof(*entries));

        if (entries == NULL)
            return false;
        series->entries = entries;
        series->room = room;
    }
    entry = malloc(sizeof(*entry) + bytes.len);
    if (entry == NULL)
        return false;
    entry->id = id;
    entry->count = count;
    entry->gone_at = 0;
    entry->len = bytes.len;
    if (bytes.len != 0)
        memcpy(entry->bytes, bytes.ptr, bytes.len);
    series->entries[series->end++] = entry;
    store->used_bytes += entry_cost(bytes.len);
    return true;
}

/* The first place in [first, end) whose id is at least `id`. */
static size_t
series_find(const struct series *series, size_t first, size_t end, uint64_t id)
{
    while (first < end) {
        size_t middle = first + (end - first) / 2;

        if (series->entries[middle]->id < id)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

static void
series_free_range(struct memory *store, struct series *series, size_t from, size_t to)
{
    for (; from < to; from++) {
        store->used_bytes -= entry_cost(series->entries[from]->len);
        free(series->entries[from]);
        series->entries[from] = NULL;
    }
}

/* Frees what was trimmed, and moves the rest to the front when most of the array is empty. */
static void
series_sweep(struct memory *store, struct series *series)
{
    size_t gone;

    series_free_range(store, series, series->freed, series->first);
    series->freed = series->first;
    gone = series->first;
    if (gone < 1024 || gone < series->room / 2)
        return;
    memmove(series->entries, series->entries + gone, (series->end - gone) * sizeof(series->entries[0]));
    series->freed -= gone;
    series->first -= gone;
    series->trim_to -= gone;
    series->durable -= gone;
    series->end -= gone;
}

/* Closes the gaps that deletions in the middle have left. */
static void
series_close_gaps(struct memory *store, struct series *series)
{
    size_t durable = series->durable;
    size_t from, to = series->first;

    if (series->gone == 0)
        return;
    for (from = series->first; from < series->end; from++) {
        struct entry *entry = series->entries[from];

        if (entry->gone_at != 0 && entry->gone_at != GONE_UNFLUSHED) {
            store->used_bytes -= entry_cost(entry->len);
            free(entry);
            series->gone--;
            series->durable -= from < durable;
            continue;
        }
        series->entries[to++] = entry;
    }
    series->end = to;
}

static void
sweep(struct memory *store)
{
    uint32_t i;

    if (store->snapshots != 0)
        return;
    for (i = 0; i < SERIES_COUNT; i++)
        series_sweep(store, &store->series[i]);
    series_close_gaps(store, &store->series[SERIES_KEPT]);
    series_close_gaps(store, &store->series[SERIES_KEPT_BODIES]);
}

/* What unkeep asked for becomes so, or is forgotten. */
static void
settle_gone(struct series *series, uint64_t gone_at)
{
    size_t at;

    for (at = series->first; series->gone > 0 && at < series->end; at++) {
        if (series->entries[at]->gone_at != GONE_UNFLUSHED)
            continue;
        series->entries[at]->gone_at = gone_at;
        series->gone -= gone_at == 0;
    }
}

static const struct aw_store_identity *
memory_identity(struct aw_journal *journal)
{
    return &memory_of(journal)->identity;
}

static void
report(struct memory *store, uint64_t index, enum aw_outcome outcome)
{
    uint32_t at = (store->done_at + store->done_count) % AW_SUBMITS_MAX;

    AW_ASSERT(store->done_count < AW_SUBMITS_MAX);
    store->done[at] = (struct aw_journal_done){.index = index, .outcome = outcome};
    store->done_count++;
}

static void
report_pending(struct memory *store, enum aw_outcome outcome)
{
    uint32_t i;

    for (i = 0; i < store->pending_count; i++)
        report(store, store->pending[i], outcome);
    store->pending_count = 0;
}

static void
memory_break(struct memory *store)
{
    if (store->broken)
        return;
    report_pending(store, AW_OUTCOME_BROKEN);
    store->broken = true;
}

/* Asks the plan, at an operation that can only work or break the engine. Whether it is broken. */
static bool
is_broken_at(struct memory *store, enum aw_fault_at at)
{
    if (draw(store, at) != AW_FAULT_NONE)
        memory_break(store);
    return store->broken;
}

/* The same at one that may find no room. */
static enum aw_outcome
outcome_at(struct memory *store, enum aw_fault_at at)
{
    enum aw_fault fault = draw(store, at);

    if (fault == AW_FAULT_FULL)
        return AW_OUTCOME_FULL;
    if (fault != AW_FAULT_NONE)
        memory_break(store);
    return store->broken ? AW_OUTCOME_BROKEN : AW_OUTCOME_OK;
}

static uint64_t
limit_of(const struct memory *store)
{
    return store->plan.full_from_bytes == 0 ? LIMIT_DEFAULT : store->plan.full_from_bytes;
}

static uint64_t
reserve_of(const struct memory *store)
{
    return store->plan.reserve_bytes == 0 ? limit_of(store) / 8 : store->plan.reserve_bytes;
}

static uint64_t
room_left(const struct memory *store)
{
    uint64_t limit = limit_of(store);

    return limit > store->used_bytes ? limit - store->used_bytes : 0;
}

static void
memory_set_owed(struct aw_journal *journal, uint64_t bytes)
{
    memory_of(journal)->owed_bytes = bytes;
}

static void
memory_room(struct aw_journal *journal, struct aw_journal_room *ret_room)
{
    struct memory *store = memory_of(journal);
    uint64_t       limit = limit_of(store);
    uint64_t       reserve = reserve_of(store);
    uint64_t       drain = room_left(store);

    *ret_room = (struct aw_journal_room){.limit_bytes = limit, .reserve_bytes = reserve, .is_broken = store->broken};
    if (store->broken)
        return;
    drain = drain > FRAME_BYTES ? drain - FRAME_BYTES : 0;
    ret_room->drain_bytes = drain;
    ret_room->posts_bytes = drain > reserve + store->owed_bytes ? drain - reserve - store->owed_bytes : 0;
    if (store->plan.ahead_bytes != 0 && ret_room->posts_bytes > store->plan.ahead_bytes)
        ret_room->posts_bytes = store->plan.ahead_bytes;
    ret_room->used_bytes = store->used_bytes;
}

static uint64_t
memory_cost(struct aw_journal *journal, uint64_t record_bytes, uint64_t body_bytes)
{
    (void)journal;
    return record_bytes + AW_ID_BYTES_MAX + (body_bytes == 0 ? 0 : entry_cost(body_bytes));
}

static uint64_t
batch_cost(const struct aw_journal_batch *batch)
{
    uint64_t bytes = entry_cost(batch->bytes.len);
    uint32_t i;

    if (batch->ids.len != 0)
        bytes += entry_cost(batch->ids.len);
    for (i = 0; i < batch->body_count; i++)
        bytes += entry_cost(batch->bodies[i].bytes.len);
    return bytes;
}

static void
take_back(struct memory *store, uint32_t which, size_t end)
{
    series_free_range(store, &store->series[which], end, store->series[which].end);
    store->series[which].end = end;
}

/* All of it or nothing: a crash may leave what was not flushed. */
static bool
append_batch(struct memory *store, const struct aw_journal_batch *batch)
{
    size_t   journal_end = store->series[SERIES_JOURNAL].end;
    size_t   ids_end = store->series[SERIES_IDS].end;
    size_t   bodies_end = store->series[SERIES_BODIES].end;
    bool     ok = series_append(store, SERIES_JOURNAL, batch->first_seq, batch->count, batch->bytes);
    uint32_t i;

    if (ok && batch->ids.len != 0)
        ok = series_append(store, SERIES_IDS, batch->first_seq, batch->count, batch->ids);
    for (i = 0; ok && i < batch->body_count; i++)
        ok = series_append(store, SERIES_BODIES, batch->bodies[i].seq, 1, batch->bodies[i].bytes);
    if (ok)
        return true;
    take_back(store, SERIES_JOURNAL, journal_end);
    take_back(store, SERIES_IDS, ids_end);
    take_back(store, SERIES_BODIES, bodies_end);
    return false;
}

static enum aw_outcome
memory_submit(struct aw_journal *journal, const struct aw_journal_batch *batch)
{
    struct memory *store = memory_of(journal);

    if (is_broken_at(store, AW_FAULT_AT_SUBMIT))
        return AW_OUTCOME_BROKEN;
    AW_ASSERT(batch->first_seq == store->next_seq);
    AW_IMPLIES(store->last_index != 0, batch->index == store->last_index + 1);
    AW_ASSERT(store->pending_count + store->done_count < AW_SUBMITS_MAX);
    if (++store->submits == store->plan.fail_submit_at) {
        memory_break(store);
        return AW_OUTCOME_BROKEN;
    }
    if (batch_cost(batch) > room_left(store))
        return AW_OUTCOME_FULL;
    if (!append_batch(store, batch)) {
        memory_break(store);
        return AW_OUTCOME_BROKEN;
    }
    store->next_seq = batch->first_seq + batch->count;
    store->last_index = batch->index;
    store->pending[store->pending_count++] = batch->index;
    return AW_OUTCOME_OK;
}

/* What was taken becomes durable. */
static void
settle(struct memory *store)
{
    struct memory_table *generations = &store->generations;
    uint32_t             i;

    store->flushed++;
    for (i = 0; i < SERIES_COUNT; i++) {
        store->series[i].durable = store->series[i].end;
        store->series[i].first = store->series[i].trim_to;
    }
    settle_gone(&store->series[SERIES_KEPT], store->flushed);
    settle_gone(&store->series[SERIES_KEPT_BODIES], store->flushed);
    if (store->is_moving) {
        store->anchor = store->next_anchor;
        store->is_anchored = true;
        store->is_moving = false;
    }
    if (generations->marked) {
        generations->mark = generations->next_mark;
        generations->current = generations->growing;
        generations->growing = GENERATION_NONE;
        generations->marked = false;
    }
    sweep(store);
}

static enum aw_outcome
memory_flush(struct aw_journal *journal)
{
    struct memory *store = memory_of(journal);
    enum aw_fault  fault = draw(store, AW_FAULT_AT_FLUSH);

    if (store->broken)
        return AW_OUTCOME_BROKEN;
    if (++store->flushes == store->plan.fail_flush_at || fault != AW_FAULT_NONE) {
        store->kept = fault == AW_FAULT_NONE ? store->plan.fail_flush_keeps : fault == AW_FAULT_BROKEN_KEPT;
        memory_break(store);
        return AW_OUTCOME_BROKEN;
    }
    report_pending(store, AW_OUTCOME_OK);
    settle(store);
    store->delay = store->plan.completion_delay;
    return AW_OUTCOME_OK;
}

static bool
memory_poll(struct aw_journal *journal, struct aw_journal_done *ret_done)
{
    struct memory *store = memory_of(journal);
    enum aw_fault  fault;

    if (store->done_count == 0)
        return false;
    if (store->delay != 0) {
        store->delay--;
        return false;
    }
    fault = draw(store, AW_FAULT_AT_POLL);
    if (fault == AW_FAULT_LATER)
        return false;
    *ret_done = store->done[store->done_at];
    if (fault == AW_FAULT_TWICE)
        return true;
    store->done_at = (store->done_at + 1) % AW_SUBMITS_MAX;
    store->done_count--;
    return true;
}

/* The first record of the batch that holds `seq`, or of the newest one. False in an empty journal. */
static bool
find_cut(const struct series *journal, uint64_t seq, uint64_t *ret_cut)
{
    size_t at;

    if (journal->trim_to == journal->end)
        return false;
    at = series_find(journal, journal->trim_to, journal->end, seq == UINT64_MAX ? seq : seq + 1);
    if (at == journal->trim_to)
        return false;
    *ret_cut = journal->entries[at - 1]->id;
    return true;
}

static enum aw_err
memory_trim_step(struct aw_journal *journal, uint64_t below_seq, uint64_t bodies_below_seq, uint32_t pages_max, bool *ret_done)
{
    static const uint32_t order[] = {SERIES_BODIES, SERIES_IDS, SERIES_JOURNAL};
    struct memory        *store = memory_of(journal);
    uint64_t              budget = (uint64_t)pages_max * 4096;
    uint64_t              spent = 0;
    uint64_t              cut;
    size_t                i;

    *ret_done = false;
    if (is_broken_at(store, AW_FAULT_AT_TRIM))
        return AW_E_IO;
    if (!find_cut(&store->series[SERIES_JOURNAL], below_seq, &cut))
        cut = 0; /* no batch begins before it */
    for (i = 0; i < AW_ARRAY_LEN(order); i++) {
        struct series *series = &store->series[order[i]];
        uint64_t       below = order[i] == SERIES_BODIES && below_seq == 0 ? bodies_below_seq : cut;

        while (series->trim_to < series->end && series->entries[series->trim_to]->id < below) {
            if (spent >= budget)
                return AW_OK;
            spent += entry_cost(series->entries[series->trim_to]->len);
            series->trim_to++;
        }
    }
    *ret_done = true;
    return AW_OK;
}

static uint32_t
kept_series(enum aw_kept_kind kind)
{
    return kind == AW_KEPT_RECORD ? SERIES_KEPT : SERIES_KEPT_BODIES;
}

static enum aw_outcome
memory_keep(struct aw_journal *journal, enum aw_kept_kind kind, const struct aw_kept *kept)
{
    struct memory  *store = memory_of(journal);
    enum aw_outcome outcome = outcome_at(store, AW_FAULT_AT_KEEP);

    if (outcome != AW_OUTCOME_OK)
        return outcome;
    /* Half of the reserve stays for the journal. */
    if (entry_cost(kept->bytes.len) + reserve_of(store) / 2 > room_left(store))
        return AW_OUTCOME_FULL;
    if (series_append(store, kept_series(kind), kept->seq, kept->owner, kept->bytes))
        return AW_OUTCOME_OK;
    memory_break(store);
    return AW_OUTCOME_BROKEN;
}

static enum aw_outcome
memory_unkeep(struct aw_journal *journal, enum aw_kept_kind kind, uint64_t seq)
{
    struct memory  *store = memory_of(journal);
    struct series  *series = &store->series[kept_series(kind)];
    enum aw_outcome outcome = outcome_at(store, AW_FAULT_AT_UNKEEP);
    size_t          at;

    if (outcome != AW_OUTCOME_OK)
        return outcome;
    at = series_find(series, series->first, series->end, seq);
    if (at < series->end && series->entries[at]->id == seq && series->entries[at]->gone_at == 0) {
        series->entries[at]->gone_at = GONE_UNFLUSHED;
        series->gone++;
    }
    return AW_OUTCOME_OK;
}

static enum aw_outcome
memory_set_anchor(struct aw_journal *journal, const struct aw_journal_anchor *anchor)
{
    struct memory *store = memory_of(journal);

    if (is_broken_at(store, AW_FAULT_AT_ANCHOR))
        return AW_OUTCOME_BROKEN;
    store->next_anchor = *anchor;
    store->is_moving = true;
    return AW_OUTCOME_OK;
}

static struct memory_reader *
reader_of(struct aw_journal_reader *reader)
{
    return (struct memory_reader *)(void *)reader;
}

static struct aw_journal_reader *
memory_reader_new(struct aw_journal *journal)
{
    struct memory_reader *reader = aw_new(struct memory_reader);

    if (reader == NULL)
        return NULL;
    reader->head.journal = journal;
    return (struct aw_journal_reader *)(void *)reader;
}

static void
memory_reader_free(struct aw_journal_reader *handle)
{
    AW_ASSERT(!reader_of(handle)->open);
    free(handle);
}

static enum aw_err
memory_read_begin(struct aw_journal_reader *handle)
{
    struct memory_reader *reader = reader_of(handle);
    struct memory        *store = memory_of(reader->head.journal);
    uint32_t              i;

    AW_ASSERT(!reader->open);
    if (store->broken)
        return AW_E_IO;
    for (i = 0; i < SERIES_COUNT; i++) {
        reader->first[i] = store->series[i].first;
        reader->end[i] = store->series[i].durable;
    }
    reader->anchor = store->anchor;
    reader->is_anchored = store->is_anchored;
    reader->flushed = store->flushed;
    reader->open = true;
    store->snapshots++;
    return AW_OK;
}

static void
memory_read_end(struct aw_journal_reader *handle)
{
    struct memory_reader *reader = reader_of(handle);
    struct memory        *store = memory_of(reader->head.journal);

    AW_ASSERT(reader->open);
    reader->open = false;
    store->snapshots--;
    sweep(store);
}

/* The entry at or behind `id` in the reader's snapshot, or NULL. */
static const struct entry *
entry_from(struct memory_reader *reader, uint32_t which, uint64_t id)
{
    const struct series *series = &memory_of(reader->head.journal)->series[which];
    size_t               at;

    AW_ASSERT(reader->open);
    at = series_find(series, reader->first[which], reader->end[which], id);
    return at < reader->end[which] ? series->entries[at] : NULL;
}

static enum aw_err
memory_read_batch(struct aw_journal_reader *handle, uint64_t seq, struct aw_slice *ret_bytes)
{
    struct memory_reader *reader = reader_of(handle);
    const struct series  *series = &memory_of(reader->head.journal)->series[SERIES_JOURNAL];
    const struct entry   *entry;
    size_t                at;

    AW_ASSERT(reader->open);
    at = series_find(series, reader->first[SERIES_JOURNAL], reader->end[SERIES_JOURNAL], seq == UINT64_MAX ? seq : seq + 1);
    if (at == reader->first[SERIES_JOURNAL])
        return AW_E_NOT_FOUND;
    entry = series->entries[at - 1];
    if (seq - entry->id >= entry->count)
        return AW_E_NOT_FOUND;
    *ret_bytes = aw_slice_of(entry->bytes, entry->len);
    return AW_OK;
}

static bool
can_open(struct aw_journal_reader *handle, uint64_t seq)
{
    const struct aw_fault_plan *plan = &memory_of(reader_of(handle)->head.journal)->plan;

    return plan->has_key == NULL || plan->has_key(plan->user, seq);
}

static enum aw_err
memory_read_body(struct aw_journal_reader *handle, uint64_t seq, struct aw_slice *ret_bytes)
{
    const struct entry *entry = entry_from(reader_of(handle), SERIES_BODIES, seq);

    if (entry == NULL || entry->id != seq || !can_open(handle, seq))
        return AW_E_NOT_FOUND;
    *ret_bytes = aw_slice_of(entry->bytes, entry->len);
    return AW_OK;
}

static enum aw_err
find_entry(struct aw_journal_reader *handle, uint32_t which, uint64_t id, uint64_t *ret_id)
{
    const struct entry *entry = entry_from(reader_of(handle), which, id);

    if (entry == NULL)
        return AW_E_NOT_FOUND;
    *ret_id = entry->id;
    return AW_OK;
}

static enum aw_err
memory_find_body(struct aw_journal_reader *handle, uint64_t seq, uint64_t *ret_seq)
{
    return find_entry(handle, SERIES_BODIES, seq, ret_seq);
}

static enum aw_err
memory_find_batch(struct aw_journal_reader *handle, uint64_t first_seq, uint64_t *ret_first_seq)
{
    return find_entry(handle, SERIES_JOURNAL, first_seq, ret_first_seq);
}

static enum aw_err
give_entry(const struct entry *entry, uint64_t *ret_first_seq, struct aw_slice *ret_bytes)
{
    if (entry == NULL)
        return AW_E_NOT_FOUND;
    *ret_first_seq = entry->id;
    *ret_bytes = aw_slice_of(entry->bytes, entry->len);
    return AW_OK;
}

static enum aw_err
memory_read_next(struct aw_journal_reader *handle, uint64_t first_seq, uint64_t *ret_first_seq, struct aw_slice *ret_bytes)
{
    return give_entry(entry_from(reader_of(handle), SERIES_JOURNAL, first_seq), ret_first_seq, ret_bytes);
}

static enum aw_err
memory_read_ids(struct aw_journal_reader *handle, uint64_t first_seq, uint64_t *ret_first_seq, struct aw_slice *ret_bytes)
{
    return give_entry(entry_from(reader_of(handle), SERIES_IDS, first_seq), ret_first_seq, ret_bytes);
}

static enum aw_err
memory_read_last(struct aw_journal_reader *handle, uint64_t *ret_first_seq, struct aw_slice *ret_bytes)
{
    struct memory_reader *reader = reader_of(handle);
    size_t                end = reader->end[SERIES_JOURNAL];

    AW_ASSERT(reader->open);
    if (end == reader->first[SERIES_JOURNAL])
        return AW_E_NOT_FOUND;
    return give_entry(memory_of(reader->head.journal)->series[SERIES_JOURNAL].entries[end - 1], ret_first_seq, ret_bytes);
}

static enum aw_err
memory_read_anchor(struct aw_journal_reader *handle, struct aw_journal_anchor *ret_anchor)
{
    const struct memory_reader *reader = reader_of(handle);

    AW_ASSERT(reader->open);
    *ret_anchor = reader->anchor;
    return reader->is_anchored ? AW_OK : AW_E_NOT_FOUND;
}

/* The kept entry at or behind `seq` that the snapshot sees. */
static const struct entry *
kept_from(struct memory_reader *reader, enum aw_kept_kind kind, uint64_t seq)
{
    const struct entry *entry = entry_from(reader, kept_series(kind), seq);

    while (entry != NULL && entry->gone_at != 0 && entry->gone_at <= reader->flushed)
        entry = entry_from(reader, kept_series(kind), entry->id + 1);
    return entry;
}

static enum aw_err
memory_find_kept(struct aw_journal_reader *handle, enum aw_kept_kind kind, uint64_t seq, struct aw_kept *ret_kept)
{
    const struct entry *entry = kept_from(reader_of(handle), kind, seq);

    if (entry == NULL)
        return AW_E_NOT_FOUND;
    *ret_kept = (struct aw_kept){.seq = entry->id, .owner = entry->count};
    return AW_OK;
}

static enum aw_err
memory_read_kept(struct aw_journal_reader *handle, enum aw_kept_kind kind, uint64_t seq, struct aw_kept *ret_kept)
{
    const struct entry *entry = kept_from(reader_of(handle), kind, seq);

    if (entry == NULL || entry->id != seq || (kind == AW_KEPT_BODY && !can_open(handle, seq)))
        return AW_E_NOT_FOUND;
    *ret_kept = (struct aw_kept){.seq = seq, .owner = entry->count, .bytes = aw_slice_of(entry->bytes, entry->len)};
    return AW_OK;
}

static void
memory_close(struct aw_journal *journal)
{
    struct memory *store = memory_of(journal);
    uint32_t       i;

    AW_ASSERT(store->snapshots == 0);
    for (i = 0; i < SERIES_COUNT; i++) {
        series_free_range(store, &store->series[i], store->series[i].freed, store->series[i].end);
        free(store->series[i].entries);
    }
    free(store);
}

static uint32_t
series_of(uint32_t generation)
{
    return generation == 0 ? SERIES_TABLE0 : SERIES_TABLE1;
}

static void
begin_generation(struct memory *store)
{
    struct memory_table *generations = &store->generations;
    uint32_t             next = generations->current == 0 ? 1 : 0;
    const struct series *series = &store->series[series_of(next)];

    AW_ASSERT(series->trim_to == series->end); /* drop_step said done */
    generations->growing = next;
}

static uint32_t
chunks_of(const struct memory *store, uint32_t generation)
{
    const struct series *series = &store->series[series_of(generation)];

    return (uint32_t)(series->end - series->trim_to);
}

static enum aw_outcome
memory_put(struct aw_table *table, const struct aw_chunk *chunk)
{
    struct memory       *store = memory_of_table(table);
    struct memory_table *generations = &store->generations;
    enum aw_outcome      outcome = outcome_at(store, AW_FAULT_AT_PUT);
    uint64_t             id = (uint64_t)chunk->table << 32 | chunk->chunk;

    if (outcome != AW_OUTCOME_OK)
        return outcome;
    AW_ASSERT(!generations->marked);
    /* Half of the reserve stays for the journal. */
    if (entry_cost(chunk->bytes.len) + reserve_of(store) / 2 > room_left(store))
        return AW_OUTCOME_FULL;
    if (generations->growing == GENERATION_NONE)
        begin_generation(store);
    if (!series_append(store, series_of(generations->growing), id, 1, chunk->bytes)) {
        memory_break(store);
        return AW_OUTCOME_BROKEN;
    }
    return AW_OUTCOME_OK;
}

static enum aw_outcome
memory_mark(struct aw_table *table, const struct aw_checkpoint_mark *mark)
{
    struct memory       *store = memory_of_table(table);
    struct memory_table *generations = &store->generations;

    if (is_broken_at(store, AW_FAULT_AT_MARK))
        return AW_OUTCOME_BROKEN;
    AW_ASSERT(!generations->marked);
    if (generations->growing == GENERATION_NONE)
        begin_generation(store);
    AW_ASSERT(mark->chunks == chunks_of(store, generations->growing));
    generations->next_mark = *mark;
    generations->marked = true;
    return AW_OUTCOME_OK;
}

static enum aw_outcome
memory_abandon(struct aw_table *table)
{
    struct memory *store = memory_of_table(table);

    if (is_broken_at(store, AW_FAULT_AT_ABANDON))
        return AW_OUTCOME_BROKEN;
    AW_ASSERT(!store->generations.marked);
    store->generations.growing = GENERATION_NONE;
    return AW_OUTCOME_OK;
}

static enum aw_outcome
memory_drop_step(struct aw_table *table, uint32_t chunks_max, bool *ret_done)
{
    struct memory *store = memory_of_table(table);
    uint32_t       generation;

    *ret_done = false;
    if (is_broken_at(store, AW_FAULT_AT_DROP))
        return AW_OUTCOME_BROKEN;
    for (generation = 0; generation < 2; generation++) {
        struct series *series = &store->series[series_of(generation)];

        if (generation == store->generations.current || generation == store->generations.growing)
            continue;
        for (; series->trim_to < series->end; series->trim_to++) {
            if (chunks_max-- == 0)
                return AW_OUTCOME_OK;
        }
    }
    *ret_done = true;
    return AW_OUTCOME_OK;
}

static enum aw_err
memory_read_mark(struct aw_table *table, struct aw_checkpoint_mark *ret_mark)
{
    struct memory *store = memory_of_table(table);

    if (store->broken)
        return AW_E_IO;
    if (store->generations.current == GENERATION_NONE)
        return AW_E_NOT_FOUND;
    *ret_mark = store->generations.mark;
    return AW_OK;
}

static enum aw_err
memory_read_chunks(struct aw_table *table, enum aw_err (*each)(void *, const struct aw_chunk *), void *user, struct aw_why *why)
{
    struct memory       *store = memory_of_table(table);
    const struct series *series;
    enum aw_err          err = AW_OK;
    size_t               at;

    if (store->broken)
        return aw_why(why, AW_E_IO, "the store is broken");
    if (store->generations.current == GENERATION_NONE)
        return AW_E_NOT_FOUND;
    series = &store->series[series_of(store->generations.current)];
    for (at = series->first; err == AW_OK && at < series->durable; at++) {
        const struct entry *entry = series->entries[at];
        struct aw_chunk     chunk = {
                .table = (uint32_t)(entry->id >> 32), .chunk = (uint32_t)entry->id, .bytes = aw_slice_of(entry->bytes, entry->len)};

        err = each(user, &chunk);
    }
    if (err == AW_OK && series->durable - series->first != store->generations.mark.chunks)
        err = aw_why(why, AW_E_CORRUPT, "the checkpoint has %zu chunks, its mark says %u", series->durable - series->first,
                     store->generations.mark.chunks);
    return err;
}

/* The first of what was not flushed, in `series`, that belongs to a record from `seq` on. */
static size_t
unflushed_from(const struct series *series, uint64_t seq)
{
    return series_find(series, series->durable, series->end, seq);
}

/* Of batches, ids and bodies that were not flushed, those of the batches [from, to) stay: the rest goes. */
static void
leave_batches(struct memory *store, size_t from, size_t to)
{
    static const uint32_t which[] = {SERIES_BODIES, SERIES_IDS, SERIES_JOURNAL}; /* the batches last: they tell the numbers */
    struct series        *batches = &store->series[SERIES_JOURNAL];
    uint64_t              first_seq = from < batches->end ? batches->entries[from]->id : UINT64_MAX;
    uint64_t              end_seq = to < batches->end ? batches->entries[to]->id : UINT64_MAX;

    for (uint32_t i = 0; i < AW_ARRAY_LEN(which); i++) {
        struct series *series = &store->series[which[i]];
        size_t         first = unflushed_from(series, first_seq), end = unflushed_from(series, end_seq);

        store->sound[which[i]] = series->durable;
        series_free_range(store, series, series->durable, first);
        series_free_range(store, series, end, series->end);
        if (end > first)
            memmove(series->entries + series->durable, series->entries + first, (end - first) * sizeof(series->entries[0]));
        series->durable += end - first;
        series->end = series->durable;
    }
}

static void
tear(struct memory *store, struct entry *entry)
{
    store->used_bytes -= entry->len - entry->len / 2;
    entry->len /= 2;
    store->damaged = true;
}

static void
leave_by_plan(struct memory *store)
{
    struct series *batches = &store->series[SERIES_JOURNAL];
    size_t         first = batches->durable, count = batches->end - first;

    if (count == 0)
        return;
    switch (store->plan.crash_leaves) {
    case AW_CRASH_LEAVES_BY_PLAN:
        return;
    case AW_CRASH_LEAVES_SOME:
        leave_batches(store, first, first + (count + 1) / 2);
        return;
    case AW_CRASH_LEAVES_TORN:
        leave_batches(store, first, batches->end);
        tear(store, batches->entries[batches->end - 1]);
        return;
    case AW_CRASH_LEAVES_GAP:
        leave_batches(store, first + 1, batches->end);
        store->damaged = count > 1;
        return;
    }
    AW_UNREACHABLE();
}

static void
find_next_seq(struct memory *store)
{
    const struct series *batches = &store->series[SERIES_JOURNAL];

    store->next_seq = 1;
    if (batches->end != batches->first)
        store->next_seq = batches->entries[batches->end - 1]->id + batches->entries[batches->end - 1]->count;
}

bool
aw_memory_is_damaged(struct aw_journal *journal)
{
    return memory_of(journal)->damaged;
}

void
aw_memory_mend(struct aw_journal *journal)
{
    static const uint32_t which[] = {SERIES_BODIES, SERIES_IDS, SERIES_JOURNAL};
    struct memory        *store = memory_of(journal);

    AW_ASSERT(store->damaged);
    AW_ASSERT(store->snapshots == 0);
    for (uint32_t i = 0; i < AW_ARRAY_LEN(which); i++) {
        struct series *series = &store->series[which[i]];

        series_free_range(store, series, store->sound[which[i]], series->end);
        series->durable = series->end = store->sound[which[i]];
    }
    store->damaged = false;
    store->broken = false;
    find_next_seq(store);
}

void
aw_memory_crash(struct aw_journal *journal, const struct aw_fault_plan *next_plan)
{
    struct memory *store = memory_of(journal);
    uint64_t       seed = store->plan.seed;
    uint32_t       i;

    AW_ASSERT(store->snapshots == 0);
    AW_ASSERT(!store->damaged);
    if (store->plan.crash_leaves == AW_CRASH_LEAVES_BY_PLAN ? (store->broken ? store->kept : !store->plan.lose_unflushed)
                                                            : store->broken && store->kept)
        settle(store);
    else
        leave_by_plan(store);
    settle_gone(&store->series[SERIES_KEPT], 0);
    settle_gone(&store->series[SERIES_KEPT_BODIES], 0);
    for (i = 0; i < SERIES_COUNT; i++) {
        struct series *series = &store->series[i];

        series_free_range(store, series, series->durable, series->end);
        series->end = series->durable;
        series->trim_to = series->first;
    }
    store->is_moving = false;
    sweep(store);
    store->generations.growing = GENERATION_NONE;
    store->generations.marked = false;
    store->plan = next_plan == NULL ? (struct aw_fault_plan){.lose_unflushed = true} : *next_plan;
    store->plan.seed = seed; /* the store stays who it is */
    store->pending_count = 0;
    store->done_count = 0;
    store->delay = 0;
    store->submits = 0;
    store->flushes = 0;
    store->last_index = 0;
    store->broken = false;
    store->kept = false;
    find_next_seq(store);
}

/* Not random: the same seed makes the same store, or a simulation could not be repeated. */
static void
identity_from_seed(struct aw_store_identity *identity, uint64_t seed)
{
    static const struct aw_hash_key key = {"memory identity"};
    struct aw_hash128               parts[3];
    uint64_t                        i;

    for (i = 0; i < 3; i++) {
        uint64_t words[2] = {seed, i};

        parts[i] = aw_hash128(&key, words, sizeof(words));
    }
    identity->format = AW_STORE_FORMAT;
    memcpy(identity->uuid, &parts[0], sizeof(identity->uuid));
    memcpy(identity->table_key.bytes, &parts[1], sizeof(identity->table_key.bytes));
    memcpy(identity->token_key.bytes, &parts[2], sizeof(identity->token_key.bytes));
}

enum aw_err
aw_memory_open(struct aw_journal **ret_journal, struct aw_table **ret_table, const struct aw_fault_plan *plan, struct aw_why *why)
{
    struct memory *store = aw_new(struct memory);

    if (store == NULL)
        return aw_why(why, AW_E_MEMORY, "out of memory");
    store->journal.ops = &memory_journal_ops;
    store->table.ops = &memory_table_ops;
    store->plan = plan == NULL ? (struct aw_fault_plan){.lose_unflushed = true} : *plan;
    store->generations.current = GENERATION_NONE;
    store->generations.growing = GENERATION_NONE;
    store->next_seq = 1;
    identity_from_seed(&store->identity, store->plan.seed);
    *ret_journal = &store->journal;
    *ret_table = &store->table;
    return AW_OK;
}

static const struct aw_journal_ops memory_journal_ops = {
    .identity = memory_identity,
    .submit = memory_submit,
    .flush = memory_flush,
    .poll = memory_poll,
    .set_owed = memory_set_owed,
    .room = memory_room,
    .cost = memory_cost,
    .trim_step = memory_trim_step,
    .keep = memory_keep,
    .unkeep = memory_unkeep,
    .set_anchor = memory_set_anchor,
    .reader_new = memory_reader_new,
    .reader_free = memory_reader_free,
    .read_begin = memory_read_begin,
    .read_end = memory_read_end,
    .read_batch = memory_read_batch,
    .read_body = memory_read_body,
    .find_body = memory_find_body,
    .find_batch = memory_find_batch,
    .read_next = memory_read_next,
    .read_last = memory_read_last,
    .read_ids = memory_read_ids,
    .read_anchor = memory_read_anchor,
    .read_kept = memory_read_kept,
    .find_kept = memory_find_kept,
    .close = memory_close,
};
static const struct aw_table_ops memory_table_ops = {
    .put = memory_put,
    .mark = memory_mark,
    .abandon = memory_abandon,
    .drop_step = memory_drop_step,
    .read_mark = memory_read_mark,
    .read_chunks = memory_read_chunks,
};
