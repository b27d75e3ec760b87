/* upkeep.c - checkpoints, and with them trimming, in bounded steps: they ride on flushes that happen anyway, and make small ones of
 * their own when it is quiet. */
#include "commit/parts.h"

/* How many chunks of a dead generation go with one flush: each frees about four pages, and freeing is work for the writer too. */
#define DROP_CHUNKS 64U
/* Above this pressure (per mille) the cut is written faster than planned: the room for old rows must not run out. */
#define PRESSURE_HIGH 500U
#define HURRY_FACTOR  8U

static void
begin_cut(struct aw_committer *c)
{
    if (!aw_state_cut_begin(c->config.state, &c->mark))
        AW_UNREACHABLE(); /* only this file cuts, and it is at rest */
    c->mark.hash = c->head.hash;
    c->mark.index = c->head.index;
    c->mark.sm_version = AW_SM_VERSION;
    c->is_mark_put = false;
    c->checkpoint = AW_CHECKPOINT_WRITE;
}

/* The engine refused: this checkpoint is given up, the last one stays the one. */
static void
give_up(struct aw_committer *c)
{
    aw_state_cut_end(c->config.state);
    c->checkpoint = AW_CHECKPOINT_DROP;
    if (aw_table_abandon(c->config.table) == AW_OUTCOME_OK)
        return;
    c->checkpoint = AW_CHECKPOINT_REST;
    c->must_flush = true; /* the engine is latched: the flush says so, also when nobody asks for anything */
}

/* Puts chunks until the step's bytes are used up. The mark goes in only with a later flush than the last chunk's: so the flush that
 * names the generation never carries much else. */
static void
write_chunks(struct aw_committer *c)
{
    uint64_t cost = aw_journal_cost(c->config.journal, 0, AW_CHUNK_BYTES_MAX);
    size_t   left = c->config.checkpoint_step_bytes;

    if (aw_state_cut_pressure(c->config.state) > PRESSURE_HIGH)
        left *= HURRY_FACTOR;
    c->is_cut_waiting = cost > c->admission.drain_bytes;
    while (left > 0 && cost <= c->admission.drain_bytes) {
        struct aw_chunk chunk;

        if (!aw_state_cut_next(c->config.state, &chunk, &c->mark)) {
            if (aw_state_cut_is_lost(c->config.state))
                give_up(c); /* more rows changed than there was room for: the next one is begun with the next bytes */
            else
                c->checkpoint = AW_CHECKPOINT_MARK;
            return;
        }
        if (aw_table_put(c->config.table, &chunk) != AW_OUTCOME_OK) {
            give_up(c);
            return;
        }
        c->admission.drain_bytes -= cost;
        c->must_flush = true;
        left -= chunk.bytes.len < left ? chunk.bytes.len : left;
    }
}

static void
advance_checkpoint(struct aw_committer *c)
{
    bool done;

    c->is_cut_waiting = false;
    switch (c->checkpoint) {
    case AW_CHECKPOINT_REST:
        return;
    case AW_CHECKPOINT_WRITE:
        write_chunks(c);
        return;
    case AW_CHECKPOINT_MARK:
        c->must_flush = true; /* also when the store broke: the flush says so */
        c->is_mark_put = aw_table_mark(c->config.table, &c->mark) == AW_OUTCOME_OK;
        return;
    case AW_CHECKPOINT_DROP:
        c->must_flush = true; /* as above */
        if (aw_table_drop_step(c->config.table, DROP_CHUNKS, &done) == AW_OUTCOME_OK && done)
            c->checkpoint = AW_CHECKPOINT_REST;
        return;
    }
    AW_UNREACHABLE();
}

void
aw_upkeep_before_flush(struct aw_committer *c, aw_ms now)
{
    advance_checkpoint(c);
    aw_trim_before_flush(c, now);
}

void
aw_upkeep_after_flush(struct aw_committer *c)
{
    if (c->checkpoint == AW_CHECKPOINT_MARK && c->is_mark_put) {
        aw_state_cut_end(c->config.state);
        c->checkpoint = AW_CHECKPOINT_DROP;
        aw_trim_note_checkpoint(c, c->mark.seq);
        if (c->config.report.checkpoint != NULL)
            c->config.report.checkpoint(c->config.report.user, c->mark.seq);
    }
    if (c->checkpoint == AW_CHECKPOINT_REST &&
        (c->bytes_since_checkpoint >= c->config.checkpoint_bytes || c->trim.wants_checkpoint)) {
        begin_cut(c);
        c->bytes_since_checkpoint = 0;
        c->trim.wants_checkpoint = false;
    }
}

bool
aw_upkeep_is_busy(const struct aw_committer *c)
{
    return c->checkpoint != AW_CHECKPOINT_REST && !c->is_cut_waiting && c->role != AW_ROLE_BROKEN;
}
