/* reply_search.c - see reply_search.h. */
#include "core/reply_search.h"

#include "core/outbox.h"

void
aw_reply_search_begin(struct aw_reply_search *search)
{
    AW_ASSERT(search->room > 0);
    search->count = 0;
    search->has_more = false;
    search->_next = 1;
}

static bool
is_named(struct aw_slice wanted, struct aw_slice name)
{
    return wanted.len == 0 || aw_slice_eq(wanted, name);
}

static bool
fits(const struct aw_state *state, const struct aw_reply_search *search, const struct aw_reply_row *row)
{
    const struct aw_account_row *account;

    if (row->state == AW_REPLY_NONE || (search->state != AW_REPLY_NONE && row->state != (unsigned)search->state) ||
        row->seq <= search->after || (search->ticket_seq != 0 && row->ticket_seq != search->ticket_seq))
        return false;
    account = aw_account_at(state, row->account);
    return is_named(search->channel, aw_slice_of(account->channel, account->channel_len)) &&
           is_named(search->account, aw_slice_of(account->account, account->account_len)) &&
           (search->agent.len == 0 || is_named(search->agent, aw_agent_name(state, row->agent)));
}

/* The oldest so many, in order. */
static void
keep(const struct aw_state *state, struct aw_reply_search *search, const struct aw_reply_row *row)
{
    struct aw_reply_found       *found = search->found;
    const struct aw_account_row *account = aw_account_at(state, row->account);
    uint32_t                     at = search->count;

    while (at > 0 && found[at - 1].view.reply.seq > row->seq)
        at--;
    search->has_more |= search->count == search->room;
    if (at == search->room)
        return;
    if (search->count < search->room)
        search->count++;
    memmove(&found[at + 1], &found[at], (search->count - 1 - at) * sizeof(found[0]));
    found[at].channel_len = account->channel_len;
    found[at].account_len = account->account_len;
    memcpy(found[at].channel, account->channel, sizeof(found[at].channel));
    memcpy(found[at].account, account->account, sizeof(found[at].account));
    if (aw_state_reply(state, row->seq, &found[at].view) != AW_OK)
        AW_UNREACHABLE();
}

bool
aw_reply_search_step(const struct aw_state *state, struct aw_reply_search *search, uint32_t slots)
{
    uint32_t last = state->globals.heads[AW_TABLE_REPLIES].used;

    for (; search->_next <= last && slots > 0; search->_next++, slots--) {
        const struct aw_reply_row *row = aw_reply_at(state, search->_next);

        if (fits(state, search, row))
            keep(state, search, row);
    }
    return search->_next > last;
}
