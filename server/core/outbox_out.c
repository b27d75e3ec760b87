/* outbox_out.c - what gateways do with replies, and what time does: REPLY_LEASE, REPLY_STATUS, REPLY_TIMER, REDRIVE. */
#include "core/outbox.h"

#define ATTEMPTS_MAX UINT16_MAX

/* The record, and the reply's row to change. */
static struct aw_reply_row *
begin(struct aw_state *state, struct aw_command *command, uint32_t slot)
{
    struct aw_reply_row *row = aw_rows_change(&state->replies, slot);

    command->out.prev_seq = row->last_seq;
    row->last_seq = aw_state_record(state, command) & AW_ROW_SEQ_MAX;
    return row;
}

void
aw_outbox_fill_out(const struct aw_state *state, uint32_t slot, struct aw_out_reply *out)
{
    const struct aw_reply_row *row = aw_reply_at(state, slot);

    *out = (struct aw_out_reply){
        .reply = {.seq = row->seq, .shard = (uint8_t)state->globals.shard},
        .ticket = {.seq = row->ticket_seq, .slot = row->ticket, .shard = (uint8_t)state->globals.shard},
        .to = {.seq = row->to_seq, .shard = (uint8_t)state->globals.shard},
        .fence = row->state == AW_REPLY_LEASED ? row->fence : 0,
        .state = (enum aw_reply_state)row->state,
        .attempt = row->attempts,
        .is_uncertain = row->is_uncertain,
        .written_at = row->written_at,
        .due_at = row->due_at,
        .kind = (enum aw_reply_kind)row->kind,
        .text = aw_outbox_text(state, row),
    };
    out->chain_seq = aw_outbox_chain(state, row);
    aw_outbox_facts(row, &out->facts);
}

/* --- given to a gateway ----------------------------------------------------------------------------------------------------- */

struct named {
    uint32_t count;
    uint32_t slots[AW_REPLY_ACCOUNTS_MAX]; /* 0: no reply ever named it */
};

static void
find_named(const struct aw_state *state, const struct aw_account_name *accounts, uint32_t count, struct named *named)
{
    AW_ASSERT(count <= AW_REPLY_ACCOUNTS_MAX);
    named->count = count;
    for (uint32_t i = 0; i < count; i++)
        named->slots[i] = aw_account_find(state, accounts[i].channel, accounts[i].account);
}

static uint32_t
first_of(const struct aw_state *state, uint32_t account)
{
    const struct aw_account_row *row = account == 0 ? NULL : aw_account_at(state, account);

    return row == NULL ? 0 : row->links.first;
}

/* The reply that goes first of those that may go now; 0: none. */
static uint32_t
choose(const struct aw_state *state, const struct named *named, uint32_t *ret_account)
{
    uint32_t best = 0;

    for (uint32_t i = 0; i < named->count; i++) {
        uint32_t first = first_of(state, named->slots[i]);

        if (first == 0 || aw_account_ready_at(aw_account_at(state, named->slots[i]), state->now) > state->now)
            continue;
        if (best == 0 || aw_outbox_goes_before(state, first, best)) {
            best = first;
            *ret_account = i;
        }
    }
    return best;
}

static void
give(struct aw_state *state, uint32_t slot, uint64_t fence, uint64_t lease_ms)
{
    struct aw_reply_row *row = aw_rows_change(&state->replies, slot);

    row->fence = fence & AW_ROW_SEQ_MAX;
    if (row->attempts < ATTEMPTS_MAX)
        row->attempts++;
    aw_account_count(state, row->account);
    aw_outbox_move(state, slot, AW_REPLY_LEASED, state->now + lease_ms);
}

void
aw_apply_reply_lease(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_reply_lease *in = &command->in.reply_lease;
    uint32_t                        account = 0, count = 0;
    struct named                    named;
    uint64_t                        fence;
    uint32_t                        slot;

    AW_ASSERT(in->max <= AW_REPLIES_PER_LEASE_MAX);
    find_named(state, in->accounts, in->account_count, &named);
    slot = in->max == 0 ? 0 : choose(state, &named, &account);
    if (slot == 0)
        return; /* AW_OK, unchanged */
    fence = aw_state_record(state, command);
    for (; slot != 0; slot = count < in->max ? choose(state, &named, &account) : 0) {
        give(state, slot, fence, in->lease_ms);
        if (in->replies != NULL) {
            aw_outbox_fill_out(state, slot, &in->replies[count]);
            in->replies[count].account = account;
        }
        count++;
        aw_ledger_settle(&state->ledger);
    }
    command->out.u.reply_lease.count = count;
}

aw_ms
aw_state_replies_ready_at(const struct aw_state *state, const struct aw_account_name *accounts, uint32_t count, aw_ms now)
{
    struct named named;
    aw_ms        at = 0;

    find_named(state, accounts, count, &named);
    for (uint32_t i = 0; i < count; i++) {
        aw_ms ready;

        if (first_of(state, named.slots[i]) == 0)
            continue;
        ready = aw_account_ready_at(aw_account_at(state, named.slots[i]), now);
        at = at == 0 || ready < at ? ready : at;
    }
    return at;
}

/* --- what became of it ------------------------------------------------------------------------------------------------------ */

static bool
is_fact(enum aw_reply_state state)
{
    return state == AW_REPLY_SENT || state == AW_REPLY_DELIVERED || state == AW_REPLY_READ;
}

static uint64_t
backoff_ms(const struct aw_core_settings *settings, uint64_t attempts)
{
    uint64_t ms = settings->reply_retry_ms;

    for (uint64_t i = 1; i < attempts && ms < settings->reply_retry_ms_max; i++)
        ms *= 2;
    return ms < settings->reply_retry_ms_max ? ms : settings->reply_retry_ms_max;
}

static void
fail(struct aw_state *state, uint32_t slot, const struct aw_in_reply_status *in)
{
    struct aw_reply_row           *row = aw_rows_change(&state->replies, slot);
    const struct aw_core_settings *settings = &state->globals.settings;
    uint64_t                       wait_ms = backoff_ms(settings, row->attempts);
    /* One that was sent gave its place in the table away; without one to spare it can't be tried again. */
    bool has_place = !aw_reply_is_over(row) || aw_outbox_admits(state) == AW_OK;

    row->ended_fence = row->fence;
    row->fence = 0;
    row->has_failed = 1;
    row->is_uncertain |= in->is_uncertain;
    aw_outbox_set_code(row, in->code);
    wait_ms = in->retry_after_ms > wait_ms ? in->retry_after_ms : wait_ms;
    if (in->is_permanent || row->attempts >= settings->reply_attempts_max || !has_place)
        aw_outbox_move(state, slot, AW_REPLY_DEAD, 0);
    else
        aw_outbox_move(state, slot, AW_REPLY_FAILED, state->now + wait_ms);
}

static bool
is_provider_told(const struct aw_in_reply_status *in)
{
    return in->provider.low != 0 || in->provider.high != 0;
}

static bool
has_provider(const struct aw_reply_row *row, struct aw_hash128 provider)
{
    return memcmp(row->provider, &provider, sizeof(provider)) == 0;
}

/* An id that two replies got, as of a gateway that makes them up, is that of the newer one. */
static bool
gets_provider(const struct aw_state *state, const struct aw_reply_row *row, const struct aw_in_reply_status *in)
{
    uint32_t other = is_provider_told(in) ? aw_outbox_find_provider(state, in->provider) : 0;

    return is_provider_told(in) && (other == 0 || aw_reply_at(state, other)->seq < row->seq);
}

static void
clear_provider(struct aw_state *state, uint32_t slot)
{
    static const uint32_t none[4];
    struct aw_reply_row  *row = aw_rows_change(&state->replies, slot);

    if (memcmp(row->provider, none, sizeof(none)) == 0)
        return;
    aw_index_remove(&state->by_provider, slot);
    memset(row->provider, 0, sizeof(row->provider));
}

static void
set_provider(struct aw_state *state, uint32_t slot, struct aw_hash128 provider)
{
    uint32_t             other = aw_outbox_find_provider(state, provider);
    struct aw_reply_row *row;

    if (other != 0)
        clear_provider(state, other);
    clear_provider(state, slot);
    row = aw_rows_change(&state->replies, slot);
    memcpy(row->provider, &provider, sizeof(provider));
    aw_index_insert(&state->by_provider, slot);
}

/* Whether a report of failure that names no lease is of what was told already: of an attempt before the one that was sent, as far
 * as the provider's ids tell, or of the one that it failed for. */
static bool
is_old_failure(const struct aw_reply_row *row, const struct aw_in_reply_status *in)
{
    if (row->state == AW_REPLY_SENT)
        return is_provider_told(in) && !has_provider(row, in->provider);
    return row->state == AW_REPLY_DEAD || row->has_failed;
}

/* Told sent under a lease that was over, while another gateway held it. */
static bool
is_held_by_another(const struct aw_reply_row *row)
{
    return row->state == AW_REPLY_SENT && row->is_uncertain && row->ended_fence > row->fence;
}

/* Whether the newest lease that it had says that it was sent: nobody is left who may send it once more. */
static bool
is_made_certain(const struct aw_reply_row *row, const struct aw_in_reply_status *in)
{
    uint64_t newest = is_held_by_another(row) ? row->ended_fence : row->fence;

    return row->state == AW_REPLY_SENT && row->is_uncertain && in->fence != 0 && in->fence == newest;
}

/* What a report that it is there leaves open: who holds it by now does not know, and may send it once more when this one comes
 * back. What was delivered or read never does. */
static bool
stays_uncertain(const struct aw_reply_row *row, const struct aw_in_reply_status *in)
{
    if (in->state != AW_REPLY_SENT)
        return false;
    if (row->state == AW_REPLY_LEASED)
        return in->fence != row->fence;
    return row->state == AW_REPLY_SENT && row->is_uncertain && !is_made_certain(row, in);
}

/* Whether the report says something new. AW_E_LEASE_LOST: of an attempt that is not the one under way. */
static enum aw_err
judge(const struct aw_state *state, const struct aw_reply_row *row, const struct aw_in_reply_status *in, bool *ret_is_news)
{
    bool is_held = row->state == AW_REPLY_LEASED && in->fence == row->fence;

    *ret_is_news = false;
    if (row->state == AW_REPLY_PENDING || row->state == AW_REPLY_REFUSED)
        return AW_E_LEASE_LOST; /* nobody was given it */
    if (is_fact(in->state)) {
        *ret_is_news = row->state < (unsigned)in->state || gets_provider(state, row, in) || is_made_certain(row, in);
        return AW_OK;
    }
    if (in->fence != 0 && in->fence == row->ended_fence && !is_held_by_another(row))
        return AW_OK; /* the same report again */
    if (row->state == AW_REPLY_DELIVERED || row->state == AW_REPLY_READ || (in->fence == 0 && is_old_failure(row, in)))
        return AW_OK; /* it failed on its way and got there all the same; or it has failed already */
    *ret_is_news = is_held || (row->state == AW_REPLY_SENT && (in->fence == 0 || in->fence == row->fence));
    return *ret_is_news ? AW_OK : AW_E_LEASE_LOST;
}

static void
arrive(struct aw_state *state, uint32_t slot, struct aw_reply_row *row, const struct aw_in_reply_status *in)
{
    bool is_further = row->state < (unsigned)in->state;

    if (gets_provider(state, row, in))
        set_provider(state, slot, in->provider);
    row->is_uncertain = stays_uncertain(row, in);
    if (in->fence != 0 && is_further) { /* who sent it need not be who holds it by now */
        if (row->is_uncertain)
            row->ended_fence = row->fence;
        row->fence = in->fence & AW_ROW_SEQ_MAX;
    }
    if (is_further)
        aw_outbox_move(state, slot, in->state, 0);
}

void
aw_apply_reply_status(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_reply_status *in = &command->in.reply_status;
    uint32_t                         slot = in->reply.shard == state->globals.shard ? aw_outbox_find(state, in->reply.seq) : 0;
    bool                             is_news;

    if (slot == 0 || (!is_fact(in->state) && in->state != AW_REPLY_FAILED)) {
        command->out.err = slot == 0 ? AW_E_NOT_FOUND : AW_E_BAD_VALUE;
        return;
    }
    command->out.err = judge(state, aw_reply_at(state, slot), in, &is_news);
    if (is_news) {
        struct aw_reply_row *row = begin(state, command, slot);

        if (is_fact(in->state))
            arrive(state, slot, row, in);
        else
            fail(state, slot, in);
    }
    aw_outbox_fill_out(state, slot, &command->out.u.reply);
}

/* --- time ------------------------------------------------------------------------------------------------------------------- */

void
aw_apply_reply_timer(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_reply_timer *in = &command->in.reply_timer;
    const struct aw_reply_row      *row;
    struct aw_reply_row            *changed;

    if (!aw_rows_has(&state->replies, in->slot))
        return;
    row = aw_reply_at(state, in->slot);
    if (row->seq != in->seq || row->due_at != in->due_at || row->due_at == 0 || row->due_at > state->now)
        return;
    changed = begin(state, command, in->slot);
    if (row->state == AW_REPLY_LEASED) {
        changed->fence = 0;
        changed->is_uncertain = 1;
        if (row->attempts >= state->globals.settings.reply_attempts_max) {
            aw_outbox_set_code(changed, AW_SLICE("lease-expired"));
            aw_outbox_move(state, in->slot, AW_REPLY_DEAD, 0);
            aw_outbox_fill_out(state, in->slot, &command->out.u.reply);
            return;
        }
    }
    aw_outbox_move(state, in->slot, AW_REPLY_WAITING, 0);
    aw_outbox_fill_out(state, in->slot, &command->out.u.reply);
}

bool
aw_outbox_due(const struct aw_state *state, struct aw_timer *ret_timer)
{
    return aw_timers_first(&state->reply_timers, ret_timer);
}

/* --- what is dead comes back ------------------------------------------------------------------------------------------------ */

static bool
is_chosen(const struct aw_state *state, const struct aw_reply_row *row, const struct aw_in_redrive *in)
{
    const struct aw_account_row *account = aw_account_at(state, row->account);

    return (in->channel.len == 0 || aw_slice_eq(in->channel, aw_slice_of(account->channel, account->channel_len))) &&
           (in->account.len == 0 || aw_slice_eq(in->account, aw_slice_of(account->account, account->account_len))) &&
           (in->code.len == 0 || aw_slice_eq(in->code, aw_slice_of(row->code, strnlen(row->code, sizeof(row->code))))) &&
           (in->ticket.seq == 0 || (in->ticket.seq == row->ticket_seq && in->ticket.slot == row->ticket)) &&
           row->over_at >= in->since && !aw_reply_never_goes(row) && !aw_contact_holds_back(state, row);
}

static void
redrive(struct aw_state *state, uint32_t slot)
{
    struct aw_reply_row *row = aw_rows_change(&state->replies, slot);

    row->attempts = 0;
    aw_outbox_set_code(row, (struct aw_slice){NULL, 0});
    aw_outbox_move(state, slot, AW_REPLY_WAITING, 0);
    aw_ledger_settle(&state->ledger);
}

/* How many may come back: each takes a place in the table that could have been given away. */
static uint32_t
places(const struct aw_state *state, const struct aw_in_redrive *in)
{
    uint32_t room = aw_outbox_room(state), leases = aw_state_lease_count(state);
    uint32_t spare = room > leases ? room - leases : 0;

    return in->max < spare ? in->max : spare;
}

void
aw_apply_redrive(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_redrive *in = &command->in.redrive;
    struct aw_out_redrive      *out = &command->out.u.redrive;
    uint32_t                    most = places(state, in);
    uint32_t                    next;

    AW_ASSERT(in->max <= AW_REDRIVE_MAX);
    for (uint32_t slot = state->globals.replies_dead.first; slot != 0; slot = next) {
        const struct aw_reply_row *row = aw_reply_at(state, slot);

        next = row->next;
        if (!is_chosen(state, row, in))
            continue;
        if (out->count == most) {
            out->left++;
            continue;
        }
        out->count++;
        if (in->dry_run)
            continue;
        if (!command->out.changed)
            (void)aw_state_record(state, command);
        redrive(state, slot);
    }
    if (out->count == 0 && out->left > 0 && in->max > 0)
        command->out.err = AW_E_TABLE_FULL;
}
