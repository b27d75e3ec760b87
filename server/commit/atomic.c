/* atomic.c - commands that are carried out all, or none of them: whether they can be, asked before the first changes anything.
 *
 * Each is tried with dry_run, which changes nothing and tells its outcome, and the room for all is counted. They are about
 * different tickets, so what one does is no news to the next. Those that pass lie in one batch, which is on disk whole or not at
 * all.
 */
#include "commit/parts.h"

/* What all of them take together. */
struct needs {
    size_t   record_bytes;
    uint64_t cost;
    uint64_t kept_bytes; /* to be left to draining */
    uint32_t pushes;
};

static struct needs
count(const struct aw_committer *c, const struct aw_submission *submission)
{
    struct needs needs = {.pushes = 0};

    for (uint32_t i = 0; i < submission->count; i++) {
        const struct aw_command *command = &submission->entries[i].command;
        size_t                   record = aw_record_bytes_max(command);
        uint64_t                 kept = aw_group_bytes_kept(c, command);

        AW_ASSERT(aw_command_is_bulk(command->kind));
        needs.record_bytes += record;
        needs.cost += aw_journal_cost(c->config.journal, record, 0);
        needs.kept_bytes = kept > needs.kept_bytes ? kept : needs.kept_bytes;
        needs.pushes += aw_group_pushes_anew(command);
    }
    return needs;
}

/* True: at least one fails by itself. *ret_keys: how many keys are to be remembered, if none does. */
static bool
try_all(struct aw_committer *c, struct aw_submission *submission, uint32_t *ret_keys)
{
    bool fails = false;

    *ret_keys = 0;
    for (uint32_t i = 0; i < submission->count; i++) {
        struct aw_command *command = &submission->entries[i].command;
        bool               dry_run = command->in.ticket.dry_run;

        command->in.ticket.dry_run = true;
        command->out = (struct aw_outcome_of){.err = aw_state_admits(c->config.state, command)};
        if (command->out.err == AW_OK)
            (void)aw_state_apply(c->config.state, command); /* its outcome is in `out` */
        AW_ASSERT(!command->out.changed);
        fails |= command->out.err != AW_OK;
        command->in.ticket.dry_run = dry_run;
        *ret_keys += aw_once_is_set(&command->once) && !command->out.repeated ? 1 : 0;
    }
    return fails;
}

/* None is done: those that would not have failed fail by `err`. */
static enum aw_atomic
refuse(struct aw_committer *c, struct aw_submission *submission, enum aw_err err)
{
    for (uint32_t i = 0; i < submission->count; i++) {
        struct aw_entry *entry = &submission->entries[i];

        entry->point = (struct aw_commit_point){.index = 0};
        if (entry->command.out.err == AW_OK)
            entry->command.out.err = err;
    }
    submission->done = submission->count;
    c->group_records += submission->count;
    return AW_ATOMIC_REFUSED;
}

enum aw_atomic
aw_atomic_try(struct aw_committer *c, struct aw_submission *submission)
{
    struct needs needs = count(c, submission);
    uint32_t     keys;

    AW_ASSERT(submission->count <= AW_ATOMIC_MAX);
    if (c->group_records + submission->count > AW_GROUP_RECORDS_MAX)
        return AW_ATOMIC_NEXT_GROUP;
    if (!aw_batch_fits_many(&c->batch, submission->count, needs.record_bytes) && aw_batch_count(&c->batch) > 0)
        return AW_ATOMIC_NEXT_BATCH;
    if (try_all(c, submission, &keys))
        return refuse(c, submission, AW_E_NONE_DONE);
    if (!aw_batch_fits_many(&c->batch, submission->count, needs.record_bytes))
        return refuse(c, submission, AW_E_BODY_LARGE);
    if (needs.cost + needs.kept_bytes > c->admission.drain_bytes)
        return needs.cost + needs.kept_bytes <= c->admission.drain_begun_bytes ? AW_ATOMIC_NEXT_GROUP
                                                                               : refuse(c, submission, AW_E_STORE_FULL);
    if (needs.pushes > 0 && aw_group_admit_pushes(c, needs.pushes) != AW_OK)
        return refuse(c, submission, aw_group_admit_pushes(c, needs.pushes));
    if (keys > 0 && !aw_state_has_room_for_keys(c->config.state, keys))
        return refuse(c, submission, AW_E_TABLE_FULL);
    return AW_ATOMIC_GO;
}
