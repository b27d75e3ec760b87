/* trim.c - three walks in small steps: over the oldest batches, over bodies that may go before them, over what was kept. */
#include "commit/trim.h"

#include "commit/kept.h"
#include "commit/parts.h"

/* Of one flush: records looked through and bytes copied; when room is short so many times that. A look costs a ticket's row (a miss
 * of the cache), so this is about as much as the posts that share the flush. */
#define STEP_RECORDS 512U
#define STEP_BYTES   (64U * 1024U)
#define HURRY_FACTOR 4U
/* Pages that a flush gives back: with a group under way fewer, for each of them is read and its neighbours are written. */
#define STEP_PAGES       400U
#define STEP_PAGES_RIDES 64U
/* A group of so many records goes without us. */
#define YIELD_RECORDS 1024U
/* Rests, in record time. What has become old enough is taken a minute at a time, so that no batch wakes a quiet server. */
#define REST_MS       UINT64_C(60000)
#define REST_SHORT_MS UINT64_C(1000)
#define SWEEP_MS      UINT64_C(3600000)
/* A store that had to refuse a post counts as short of room for so long. */
#define SHORT_MS UINT64_C(60000)

#define ARENA_BLOCK_BYTES (64U * 1024U)

/* How a piece of work ended. */
enum progress {
    PROGRESS_DONE, /* nothing more is to do just now */
    PROGRESS_MORE, /* this step's share is used up */
    PROGRESS_STOP, /* no room, damage, or a broken store: a rest */
};

struct step {
    struct aw_committer *c;
    aw_ms                now;
    bool                 is_short;
    uint32_t             records; /* left to look through */
    size_t               bytes;   /* left to copy */
};

/* One look through a batch. */
struct pass {
    const struct aw_batch_header *header;
    struct aw_slice               batch;
    const struct aw_sha256       *hash;      /* NULL: of its bodies alone */
    uint64_t                      closed_ms; /* bodies of tickets closed longer ago may go */
};

bool
aw_trim_init(struct aw_trim *trim, struct aw_journal *journal)
{
    *trim = (struct aw_trim){.anchor = {.next_seq = 1, .kept_seq = 1, .body_seq = 1}};
    trim->reader = aw_journal_reader_new(journal);
    trim->blocks = aw_blocks_new(ARENA_BLOCK_BYTES, 4 * ARENA_BLOCK_BYTES);
    if (trim->reader == NULL || trim->blocks == NULL)
        return false;
    aw_arena_init(&trim->arena, trim->blocks);
    return true;
}

void
aw_trim_fini(struct aw_trim *trim)
{
    aw_journal_reader_free(&trim->reader);
    if (trim->blocks != NULL)
        aw_arena_reset(&trim->arena);
    aw_blocks_free(&trim->blocks);
}

enum aw_err
aw_trim_start(struct aw_committer *c, struct aw_why *why)
{
    struct aw_trim           *trim = &c->trim;
    struct aw_checkpoint_mark mark;
    enum aw_err               err = aw_journal_read_begin(trim->reader);

    if (err != AW_OK)
        return aw_why(why, err, "the store cannot be read");
    err = aw_journal_read_anchor(trim->reader, &trim->anchor);
    aw_journal_read_end(trim->reader);
    if (err != AW_OK)
        return aw_why(why, err, "the anchor of the trimmed journal cannot be read");
    err = aw_table_read_mark(c->config.table, &mark);
    if (err != AW_OK && err != AW_E_NOT_FOUND)
        return aw_why(why, err, "the mark of the last checkpoint cannot be read");
    trim->checkpoint_seq = err == AW_OK ? mark.seq : 0;
    /* A stop may have come between an anchor and the last of what it left behind. */
    trim->is_waste = trim->anchor.next_seq > 1;
    trim->is_body_waste = trim->anchor.body_seq > 1;
    return AW_OK;
}

void
aw_trim_note_checkpoint(struct aw_committer *c, uint64_t seq)
{
    c->trim.checkpoint_seq = seq;
    c->trim.walk_at = 0;
}

/* --- what is needed ------------------------------------------------------------------------------------------------------- */

static bool
is_living(const struct step *step, const struct aw_ticket_view *view, uint64_t closed_ms)
{
    return view->state != AW_TICKET_CLOSED || step->now - view->closed_at < closed_ms ||
           aw_state_ticket_awaits_approval(step->c->config.state, view->ticket.seq);
}

/* A slot serves one ticket at a time: a record that names it is of the ticket that is there now, unless that was opened later. Or
 * it was moved to another one. */
static bool
is_needed(const struct step *step, enum aw_kept_kind kind, uint32_t slot, uint64_t seq, uint64_t closed_ms)
{
    const struct aw_state *state = step->c->config.state;
    struct aw_ticket_view  view;

    if (kind == AW_KEPT_RECORD && aw_state_reply_answers(state, seq))
        return true; /* else who asks that the customer be erased would not find the reply */
    if (aw_state_reply_is_open(state, seq) || aw_state_reply_reads(state, seq))
        return true; /* of a ticket that may be long over: it may have to be sent */
    if (aw_state_ticket_at(state, slot, &view) && view.ticket.seq <= seq && is_living(step, &view, closed_ms))
        return true;
    return aw_state_ticket_at(state, aw_state_moved_to(state, seq), &view) && is_living(step, &view, closed_ms);
}

/* Texts are to be erased by it, and perhaps are not yet: who does it, or a start that goes on with it, has to find it. */
static bool
is_wish(const struct step *step, enum aw_command_kind kind, uint64_t seq)
{
    const struct aw_committer_config *config = &step->c->config;

    return aw_command_erases(kind) && config->erased_through != NULL && seq > config->erased_through(config->report.user);
}

static uint64_t
reopen_ms(const struct step *step)
{
    return aw_state_settings(step->c->config.state)->reopen_ms;
}

/* --- copying -------------------------------------------------------------------------------------------------------------- */

static enum progress
damaged(const struct step *step, const char *what, uint64_t seq)
{
    struct aw_committer *c = step->c;

    c->trim.is_damaged = true;
    if (c->config.report.trim_damage != NULL)
        c->config.report.trim_damage(c->config.report.user, what, seq);
    return PROGRESS_STOP;
}

static enum progress
keep(struct step *step, enum aw_kept_kind kind, uint64_t seq, uint32_t slot, struct aw_slice bytes)
{
    struct aw_committer *c = step->c;
    struct aw_kept       kept = {.seq = seq, .owner = slot, .bytes = bytes};
    uint64_t             cost = aw_journal_cost(c->config.journal, bytes.len, 0);
    enum aw_outcome      outcome;

    if (cost > c->admission.drain_bytes)
        return PROGRESS_STOP;
    outcome = aw_journal_keep(c->config.journal, kind, &kept);
    if (outcome == AW_OUTCOME_FULL)
        return PROGRESS_STOP;
    c->must_flush = true; /* also when the store broke: the flush says so */
    if (outcome != AW_OUTCOME_OK)
        return PROGRESS_STOP;
    c->admission.drain_bytes -= cost;
    c->trim.anchor.kept[kind]++;
    c->trim.is_moved = true;
    step->bytes -= bytes.len < step->bytes ? bytes.len : step->bytes;
    return PROGRESS_DONE;
}

static enum progress
keep_body(struct step *step, uint64_t seq, uint32_t slot)
{
    struct aw_slice body;
    enum aw_err     err = aw_journal_read_body(step->c->trim.reader, seq, &body);

    if (err == AW_E_NOT_FOUND)
        return PROGRESS_DONE; /* erased before */
    if (err == AW_E_CORRUPT)
        return damaged(step, "a body fails its checks", seq);
    if (err != AW_OK)
        return PROGRESS_STOP;
    return keep(step, AW_KEPT_BODY, seq, slot, body);
}

static enum progress
keep_record(struct step *step, const struct pass *pass, const struct aw_record *record, uint32_t slot)
{
    struct aw_kept_record kept = {.index = pass->header->index,
                                  .now = pass->header->now,
                                  .shard = pass->header->shard,
                                  .hash = *pass->hash,
                                  .record = *record};
    uint8_t               bytes[AW_KEPT_RECORD_BYTES_MAX];
    size_t                len = aw_kept_write(&kept, bytes);

    if (step->c->trim.oldest == 0)
        step->c->trim.oldest = kept.now;
    return keep(step, AW_KEPT_RECORD, record->seq, slot, aw_slice_of(bytes, len));
}

static enum progress
look_at_record(struct step *step, const struct pass *pass, const struct aw_record *record)
{
    struct aw_trim   *trim = &step->c->trim;
    struct aw_command command;
    struct aw_in_body body;
    enum progress     progress = PROGRESS_DONE;
    uint32_t          slot = 0;
    bool              has_slot;

    aw_arena_reset(&trim->arena);
    if (aw_record_read(record, &trim->arena, &command, NULL) != AW_OK)
        return damaged(step, "a record cannot be read", record->seq);
    has_slot = aw_command_slot(&command, &slot);
    if (record->seq >= trim->anchor.body_seq) {
        if (aw_command_body(&command, &body) && is_needed(step, AW_KEPT_BODY, slot, record->seq, pass->closed_ms))
            progress = keep_body(step, record->seq, slot);
        if (progress != PROGRESS_DONE)
            return progress;
        trim->anchor.body_seq = record->seq + 1;
        trim->is_moved = true;
    }
    if (pass->hash == NULL)
        return PROGRESS_DONE;
    if ((has_slot && is_needed(step, AW_KEPT_RECORD, slot, record->seq, reopen_ms(step))) ||
        is_wish(step, record->kind, record->seq))
        progress = keep_record(step, pass, record, slot);
    if (progress == PROGRESS_DONE) {
        trim->anchor.kept_seq = record->seq + 1;
        trim->is_moved = true;
    }
    return progress;
}

/* From where an earlier look ended. DONE: to its last record. */
static enum progress
look_through(struct step *step, const struct pass *pass)
{
    const struct aw_journal_anchor *anchor = &step->c->trim.anchor;
    struct aw_slice  at = aw_slice_of(pass->batch.ptr + AW_BATCH_HEADER_BYTES, pass->batch.len - AW_BATCH_HEADER_BYTES);
    struct aw_record record = {.seq = pass->header->first_seq - 1};
    enum aw_err      err;

    while ((err = aw_record_next(&at, &record, NULL)) == AW_OK) {
        enum progress progress;

        if (record.seq < (pass->hash == NULL ? anchor->body_seq : anchor->kept_seq))
            continue;
        if (step->records == 0 || step->bytes == 0)
            return PROGRESS_MORE;
        step->records--;
        progress = look_at_record(step, pass, &record);
        if (progress != PROGRESS_DONE)
            return progress;
    }
    return err == AW_E_AGAIN ? PROGRESS_DONE : damaged(step, "a record fails its checks behind record", record.seq);
}

/* --- the oldest batches ----------------------------------------------------------------------------------------------------- */

/* Whether the batch may go; if not, when to look again. */
static bool
may_go(struct step *step, const struct aw_batch_header *header)
{
    struct aw_committer *c = step->c;
    struct aw_trim      *trim = &c->trim;
    uint64_t             dedupe_ms = aw_state_settings(c->config.state)->dedupe_ms;
    aw_ms                rest = step->now + (step->is_short ? REST_SHORT_MS : REST_MS);

    if (header->now + dedupe_ms >= step->now) { /* its source ids still count */
        trim->walk_at = header->now + dedupe_ms + 1;
        trim->walk_at = trim->walk_at > rest ? trim->walk_at : rest;
        return false;
    }
    trim->walk_at = rest;
    if (header->index >= c->head.index)
        return false; /* the newest stays: it says where the journal goes on */
    if (header->first_seq + header->count - 1 > trim->checkpoint_seq) {
        /* Once for all that is there now: what comes later is not old enough for a long time. */
        trim->wants_checkpoint = c->checkpoint == AW_CHECKPOINT_REST;
        return false;
    }
    trim->walk_at = 0;
    return true;
}

/* The batch at the anchor continues its chain: else it must not be thrown away. */
static enum progress
check_batch(struct step *step, const struct aw_batch_header *header, struct aw_slice batch)
{
    struct aw_trim                 *trim = &step->c->trim;
    const struct aw_journal_anchor *anchor = &trim->anchor;

    if (trim->hash_index == header->index)
        return PROGRESS_DONE;
    if (header->index != anchor->index + 1 || header->first_seq != anchor->next_seq ||
        memcmp(&header->previous, &anchor->hash, sizeof(anchor->hash)) != 0)
        return damaged(step, "the oldest batch does not continue the chain, at record", anchor->next_seq);
    if (!aw_batch_hash(&header->previous, batch, &trim->hash))
        return PROGRESS_STOP;
    trim->hash_index = header->index;
    return PROGRESS_DONE;
}

static void
pass_batch(struct step *step, const struct aw_batch_header *header)
{
    struct aw_trim           *trim = &step->c->trim;
    struct aw_journal_anchor *anchor = &trim->anchor;

    anchor->index = header->index;
    anchor->hash = trim->hash;
    anchor->next_seq = header->first_seq + header->count;
    AW_ASSERT(anchor->kept_seq == anchor->next_seq);
    AW_ASSERT(anchor->body_seq >= anchor->next_seq);
    trim->records_gone += header->count;
    trim->is_moved = true;
    trim->is_waste = true;
    step->c->must_flush = true;
}

static enum progress
walk(struct step *step)
{
    struct aw_trim *trim = &step->c->trim;

    while (step->now >= trim->walk_at) {
        struct aw_batch_header header;
        struct pass            pass = {.header = &header, .hash = &trim->hash, .closed_ms = reopen_ms(step)};
        enum progress          progress;
        uint64_t               first;
        enum aw_err            err = aw_journal_read_next(trim->reader, trim->anchor.next_seq, &first, &pass.batch);

        if (err == AW_E_NOT_FOUND) {
            trim->walk_at = step->now + REST_MS;
            return PROGRESS_DONE;
        }
        if (err == AW_OK)
            err = aw_batch_header_read(pass.batch, &header, NULL);
        if (err == AW_E_IO || err == AW_E_MEMORY)
            return PROGRESS_STOP;
        if (err != AW_OK)
            return damaged(step, "the oldest batch cannot be read, at record", trim->anchor.next_seq);
        if (!may_go(step, &header))
            return PROGRESS_DONE;
        progress = check_batch(step, &header, pass.batch);
        if (progress == PROGRESS_DONE)
            progress = look_through(step, &pass);
        if (progress != PROGRESS_DONE)
            return progress;
        if (trim->anchor.kept_seq != header.first_seq + header.count)
            return damaged(step, "the oldest batch lacks records, at record", trim->anchor.kept_seq);
        pass_batch(step, &header);
    }
    return PROGRESS_DONE;
}

/* --- bodies alone, when room is short ----------------------------------------------------------------------------------------- */

static enum progress
walk_bodies(struct step *step)
{
    struct aw_trim *trim = &step->c->trim;
    uint64_t        min_ms = step->c->config.bodies_min_ms;

    while (step->is_short && min_ms != 0 && step->now >= trim->bodies_at) {
        struct aw_batch_header header;
        struct pass            pass = {.header = &header, .hash = NULL, .closed_ms = min_ms};
        enum progress          progress;
        enum aw_err            err = aw_journal_read_batch(trim->reader, trim->anchor.body_seq, &pass.batch);

        if (err == AW_OK)
            err = aw_batch_header_read(pass.batch, &header, NULL);
        if (err == AW_E_CORRUPT || err == AW_E_VERSION)
            return damaged(step, "a batch cannot be read, at record", trim->anchor.body_seq);
        if (err != AW_OK || header.now + min_ms >= step->now) {
            trim->bodies_at = step->now + REST_MS; /* not old enough, or not durable yet */
            return PROGRESS_DONE;
        }
        progress = look_through(step, &pass);
        trim->is_body_waste = true;
        step->c->must_flush = true;
        if (progress != PROGRESS_DONE)
            return progress;
    }
    return PROGRESS_DONE;
}

/* --- the sweep over what was kept --------------------------------------------------------------------------------------------- */

static bool
read_kept(const struct step *step, uint64_t seq, struct aw_kept_record *ret_record)
{
    struct aw_kept kept;

    return aw_journal_read_kept(step->c->trim.reader, AW_KEPT_RECORD, seq, &kept) == AW_OK &&
           aw_kept_read(kept.bytes, ret_record, NULL) == AW_OK;
}

static aw_ms
time_of(const struct step *step, uint64_t seq)
{
    struct aw_kept_record record;

    return read_kept(step, seq, &record) ? record.now : 0;
}

/* What it asks for is looked at only while something is still to be erased behind it. */
static bool
is_kept_wish(const struct step *step, enum aw_kept_kind kind, uint64_t seq)
{
    struct aw_kept_record record;

    return kind == AW_KEPT_RECORD && is_wish(step, AW_COMMAND_ERASE, seq) && read_kept(step, seq, &record) &&
           is_wish(step, record.record.kind, seq);
}

static enum progress
unkeep(struct step *step, enum aw_kept_kind kind, uint64_t seq, bool *any)
{
    struct aw_committer *c = step->c;
    enum aw_outcome      outcome = aw_journal_unkeep(c->config.journal, kind, seq);

    if (outcome == AW_OUTCOME_FULL)
        return *any ? PROGRESS_MORE : PROGRESS_STOP;
    c->must_flush = true; /* also when the store broke: the flush says so */
    if (outcome != AW_OUTCOME_OK)
        return PROGRESS_STOP;
    if (c->trim.anchor.kept[kind] > 0)
        c->trim.anchor.kept[kind]--;
    c->trim.unkept++;
    c->trim.is_moved = true;
    *any = true;
    return PROGRESS_DONE;
}

static enum progress
sweep_kind(struct step *step, enum aw_kept_kind kind)
{
    struct aw_trim *trim = &step->c->trim;
    uint64_t        min_ms = step->c->config.bodies_min_ms;
    uint64_t        closed_ms = kind == AW_KEPT_BODY && step->is_short && min_ms != 0 ? min_ms : reopen_ms(step);
    bool            any = false;

    for (; step->records > 0; step->records--) {
        struct aw_kept kept;
        enum progress  progress = PROGRESS_DONE;
        enum aw_err    err = aw_journal_find_kept(trim->reader, kind, trim->sweep_seq, &kept);

        if (err == AW_E_NOT_FOUND)
            return PROGRESS_DONE;
        if (err != AW_OK)
            return err == AW_E_CORRUPT ? damaged(step, "what was kept cannot be read, at record", trim->sweep_seq)
                                       : PROGRESS_STOP;
        if (!is_needed(step, kind, kept.owner, kept.seq, closed_ms) && !is_kept_wish(step, kind, kept.seq))
            progress = unkeep(step, kind, kept.seq, &any);
        else if (kind == AW_KEPT_RECORD && trim->sweep_oldest == 0)
            trim->sweep_oldest = time_of(step, kept.seq);
        if (progress != PROGRESS_DONE)
            return progress;
        trim->sweep_seq = kept.seq + 1;
    }
    return PROGRESS_MORE;
}

static bool
has_kept(const struct aw_trim *trim)
{
    return trim->anchor.kept[AW_KEPT_RECORD] > 0 || trim->anchor.kept[AW_KEPT_BODY] > 0;
}

static enum progress
sweep(struct step *step)
{
    struct aw_trim *trim = &step->c->trim;

    if (!trim->is_sweeping) {
        if (!has_kept(trim) || step->now < trim->sweep_at)
            return PROGRESS_DONE;
        trim->is_sweeping = true;
        trim->sweep_kind = 0;
        trim->sweep_seq = 0;
        trim->sweep_oldest = 0;
    }
    for (; trim->sweep_kind < AW_KEPT_KINDS; trim->sweep_kind++) {
        enum progress progress = sweep_kind(step, (enum aw_kept_kind)trim->sweep_kind);

        if (progress != PROGRESS_DONE)
            return progress;
        trim->sweep_seq = 0;
    }
    trim->is_sweeping = false;
    trim->sweep_at = step->now + (step->is_short ? REST_MS : SWEEP_MS);
    trim->oldest = trim->sweep_oldest;
    return PROGRESS_DONE;
}

/* --- a step ------------------------------------------------------------------------------------------------------------------- */

static bool
note_room(struct aw_committer *c, aw_ms now)
{
    struct aw_trim *trim = &c->trim;

    if (c->refused_post || c->role == AW_ROLE_FULL || c->admission.limit_bytes < c->admission.low_bytes) {
        if (now >= trim->short_until) {
            trim->bodies_at = 0;
            trim->sweep_at = 0;
        }
        trim->short_until = now + SHORT_MS;
    }
    return now < trim->short_until;
}

/* The three walks, in one snapshot that ends before the flush begins. */
static enum progress
look(struct step *step)
{
    struct aw_trim *trim = &step->c->trim;
    enum progress   progress = PROGRESS_DONE;

    if (aw_journal_read_begin(trim->reader) != AW_OK)
        return PROGRESS_STOP;                      /* broken: the next flush says so */
    if (!trim->is_waste && !trim->is_body_waste) { /* what was passed goes first */
        progress = walk(step);
        if (progress == PROGRESS_DONE)
            progress = walk_bodies(step);
    }
    if (progress == PROGRESS_DONE)
        progress = sweep(step);
    aw_journal_read_end(trim->reader);
    return progress;
}

static void
drop_waste(const struct step *step)
{
    struct aw_committer *c = step->c;
    struct aw_trim      *trim = &c->trim;
    uint32_t             pages = step->is_short || c->group_records == 0 ? STEP_PAGES : STEP_PAGES_RIDES;
    bool                 done = true;
    enum aw_err          err;

    if (!trim->is_waste && !trim->is_body_waste)
        return;
    c->must_flush = true;
    if (trim->is_waste) {
        err = aw_journal_trim_step(c->config.journal, trim->anchor.next_seq, pages, &done);
        trim->is_waste = err != AW_OK || !done;
    }
    if (done && trim->is_body_waste) {
        err = aw_journal_trim_bodies_step(c->config.journal, trim->anchor.body_seq, pages, &done);
        trim->is_body_waste = err != AW_OK || !done; /* an error: the flush says so */
    }
}

/* The earliest of the three walks. */
static aw_ms
next_due(const struct aw_committer *c, aw_ms now)
{
    const struct aw_trim *trim = &c->trim;
    aw_ms                 due = trim->walk_at;

    if (now < trim->short_until && c->config.bodies_min_ms != 0 && trim->bodies_at < due)
        due = trim->bodies_at;
    if (has_kept(trim) && trim->sweep_at < due)
        due = trim->sweep_at;
    return due;
}

void
aw_trim_before_flush(struct aw_committer *c, aw_ms now)
{
    struct aw_trim *trim = &c->trim;
    struct step     step = {.c = c, .now = now, .records = STEP_RECORDS, .bytes = STEP_BYTES};
    enum progress   progress;

    if ((c->role != AW_ROLE_ACTIVE && c->role != AW_ROLE_FULL) || trim->is_damaged)
        return;
    step.is_short = note_room(c, now);
    if (!trim->is_busy && !trim->is_waste && !trim->is_body_waste && now < next_due(c, now))
        return;
    if (c->group_records > YIELD_RECORDS && !step.is_short)
        return;
    if (step.is_short) {
        step.records *= HURRY_FACTOR;
        step.bytes *= HURRY_FACTOR;
    }
    progress = look(&step);
    if (trim->is_moved && c->must_flush) /* a failure: the flush says so */
        trim->is_moved = aw_journal_set_anchor(c->config.journal, &trim->anchor) != AW_OUTCOME_OK;
    drop_waste(&step);
    if (progress == PROGRESS_STOP) {
        trim->walk_at = now + REST_SHORT_MS;
        trim->bodies_at = trim->walk_at;
        trim->sweep_at = trim->walk_at;
    }
    trim->is_busy = progress == PROGRESS_MORE || trim->is_waste || trim->is_body_waste;
}

bool
aw_trim_is_busy(const struct aw_committer *c)
{
    return c->trim.is_busy && !c->trim.is_damaged && c->role != AW_ROLE_BROKEN;
}

aw_ms
aw_trim_next_due(const struct aw_committer *c)
{
    aw_ms due = next_due(c, c->clock._told);

    if (c->trim.is_damaged)
        return 0;
    return due == 0 ? 1 : due; /* 0 is never */
}

void
aw_trim_stats(const struct aw_committer *c, struct aw_trim_stats *ret_stats)
{
    const struct aw_trim *trim = &c->trim;

    *ret_stats = (struct aw_trim_stats){.first_seq = trim->anchor.next_seq,
                                        .records_gone = trim->records_gone,
                                        .kept = {trim->anchor.kept[AW_KEPT_RECORD], trim->anchor.kept[AW_KEPT_BODY]},
                                        .unkept = trim->unkept,
                                        .oldest = trim->oldest,
                                        .is_short = trim->short_until > c->clock._told,
                                        .is_damaged = trim->is_damaged};
}
