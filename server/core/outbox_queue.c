/* outbox_queue.c - which reply of an account goes next, and when it may: a heap for each account, and a count of what went out.
 *
 * The heap is a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) threaded through the rows: constant time to put one in,
 * logarithmic over many to take one out, also from the middle, when a late report says that it was sent. No two replies compare
 * equal, so what comes out first does not depend on the shape; it is derived from the rows.
 */
#include "core/outbox.h"

static struct aw_reply_links *
links_of(struct aw_state *state, uint32_t slot)
{
    return aw_rows_links(&state->replies, slot);
}

bool
aw_outbox_goes_before(const struct aw_state *state, uint32_t slot, uint32_t other)
{
    const struct aw_reply_row *a = aw_reply_at(state, slot), *b = aw_reply_at(state, other);

    return a->rank != b->rank ? a->rank < b->rank : a->seq < b->seq;
}

/* Of two heaps one; their roots have no siblings. */
static uint32_t
meld(struct aw_state *state, uint32_t a, uint32_t b)
{
    uint32_t first, second;

    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    first = aw_outbox_goes_before(state, a, b) ? a : b;
    second = first == a ? b : a;
    links_of(state, second)->next = links_of(state, first)->child;
    links_of(state, second)->prev = first;
    if (links_of(state, first)->child != 0)
        links_of(state, links_of(state, first)->child)->prev = second;
    links_of(state, first)->child = second;
    return first;
}

/* Of a list of siblings one heap: two by two from the left, then all of these from the right. */
static uint32_t
meld_siblings(struct aw_state *state, uint32_t at)
{
    uint32_t pairs = 0, root = 0;

    while (at != 0) {
        uint32_t second = links_of(state, at)->next;
        uint32_t rest = second == 0 ? 0 : links_of(state, second)->next;
        uint32_t pair;

        links_of(state, at)->next = 0;
        links_of(state, at)->prev = 0;
        if (second != 0) {
            links_of(state, second)->next = 0;
            links_of(state, second)->prev = 0;
        }
        pair = meld(state, at, second);
        links_of(state, pair)->next = pairs;
        pairs = pair;
        at = rest;
    }
    while (pairs != 0) {
        uint32_t rest = links_of(state, pairs)->next;

        links_of(state, pairs)->next = 0;
        root = meld(state, root, pairs);
        pairs = rest;
    }
    return root;
}

void
aw_outbox_enqueue(struct aw_state *state, uint32_t slot)
{
    struct aw_account_links *account = aw_rows_links(&state->accounts, aw_reply_at(state, slot)->account);
    struct aw_reply_links   *links = links_of(state, slot);

    links->child = 0;
    links->next = 0;
    links->prev = 0;
    account->first = meld(state, account->first, slot);
    state->replies_came++;
}

void
aw_outbox_dequeue(struct aw_state *state, uint32_t slot)
{
    struct aw_account_links *account = aw_rows_links(&state->accounts, aw_reply_at(state, slot)->account);
    struct aw_reply_links   *links = links_of(state, slot);
    uint32_t                 below = meld_siblings(state, links->child);

    if (account->first == slot) {
        account->first = below;
    } else {
        if (links_of(state, links->prev)->child == slot)
            links_of(state, links->prev)->child = links->next;
        else
            links_of(state, links->prev)->next = links->next;
        if (links->next != 0)
            links_of(state, links->next)->prev = links->prev;
        account->first = meld(state, account->first, below);
    }
    links->child = 0;
    links->next = 0;
    links->prev = 0;
}

/* --- accounts --------------------------------------------------------------------------------------------------------------- */

static struct aw_hash128
name_hash(struct aw_slice channel, struct aw_slice account)
{
    static const struct aw_hash_key key = {"aswolk accounts."};
    char                            bytes[1 + AW_CHANNEL_BYTES_MAX + AW_ACCOUNT_BYTES_MAX];

    AW_ASSERT(channel.len <= AW_CHANNEL_BYTES_MAX);
    AW_ASSERT(account.len <= AW_ACCOUNT_BYTES_MAX);
    bytes[0] = (char)channel.len;
    memcpy(bytes + 1, channel.ptr, channel.len);
    memcpy(bytes + 1 + channel.len, account.ptr, account.len);
    return aw_hash128(&key, bytes, 1 + channel.len + account.len);
}

static bool
has_name(const struct aw_account_row *row, struct aw_slice channel, struct aw_slice account)
{
    return aw_slice_eq(aw_slice_of(row->channel, row->channel_len), channel) &&
           aw_slice_eq(aw_slice_of(row->account, row->account_len), account);
}

uint32_t
aw_account_find(const struct aw_state *state, struct aw_slice channel, struct aw_slice account)
{
    uint32_t slot = aw_index_find(&state->by_account, name_hash(channel, account));

    while (slot != 0 && !has_name(aw_account_at(state, slot), channel, account))
        slot = aw_index_find_next(&state->by_account, slot);
    return slot;
}

static void
index_account(struct aw_state *state, uint32_t slot)
{
    const struct aw_account_row *row = aw_account_at(state, slot);
    struct aw_account_links     *links = aw_rows_links(&state->accounts, slot);
    struct aw_hash128 hash = name_hash(aw_slice_of(row->channel, row->channel_len), aw_slice_of(row->account, row->account_len));

    *links = (struct aw_account_links){.first = 0};
    memcpy(links->hash, &hash, sizeof(hash));
    aw_index_insert(&state->by_account, slot);
}

uint32_t
aw_account_make(struct aw_state *state, struct aw_slice channel, struct aw_slice account)
{
    uint32_t                      slot = aw_account_find(state, channel, account);
    const struct aw_channel_pace *pace = aw_channel_pace_of(state, channel, account);
    struct aw_account_row        *row;

    if (slot != 0)
        return slot;
    slot = aw_rows_take(&state->accounts);
    row = aw_rows_change(&state->accounts, slot);
    memcpy(row->channel, channel.ptr, channel.len);
    memcpy(row->account, account.ptr, account.len);
    row->channel_len = (uint8_t)channel.len;
    row->account_len = (uint8_t)account.len;
    if (pace != NULL) {
        row->pace = pace->replies;
        row->slice_s = pace->slice_s;
    }
    index_account(state, slot);
    return slot;
}

static void
drop_if_nobodys(struct aw_state *state, uint32_t slot)
{
    const struct aw_account_row *row = aw_account_at(state, slot);

    if (row->replies != 0 || row->pace != 0 || ((struct aw_account_links *)aw_rows_links(&state->accounts, slot))->tickets != 0)
        return;
    aw_index_remove(&state->by_account, slot);
    aw_rows_give(&state->accounts, slot);
}

void
aw_account_refer(struct aw_state *state, uint32_t slot, int by)
{
    struct aw_account_row *row = aw_rows_change(&state->accounts, slot);

    AW_ASSERT(by > 0 || row->replies > 0);
    row->replies += (uint32_t)by;
    drop_if_nobodys(state, slot);
}

/* A ticket more names it. */
static void
count_ticket(struct aw_state *state, uint32_t slot)
{
    struct aw_account_links *links = aw_rows_links(&state->accounts, slot);

    state->ticket_accounts += links->tickets == 0;
    links->tickets++;
}

static void
discount_ticket(struct aw_state *state, uint32_t slot)
{
    struct aw_account_links *links = aw_rows_links(&state->accounts, slot);

    AW_ASSERT(links->tickets > 0);
    links->tickets--;
    state->ticket_accounts -= links->tickets == 0;
    drop_if_nobodys(state, slot);
}

static bool
may_be_named(const struct aw_state *state, uint32_t slot)
{
    return state->ticket_accounts < AW_TICKET_ACCOUNTS_MAX || (slot != 0 && aw_account_at(state, slot)->links.tickets > 0);
}

void
aw_account_of_ticket(struct aw_state *state, struct aw_ticket_row *ticket, struct aw_slice channel, struct aw_slice account)
{
    uint32_t before = ticket->account;
    uint32_t slot = channel.len == 0 ? 0 : aw_account_find(state, channel, account);

    if (slot != 0 && slot == before)
        return;
    if (channel.len > 0 && may_be_named(state, slot)) {
        slot = aw_account_make(state, channel, account);
        count_ticket(state, slot);
        ticket->account = slot;
    } else {
        ticket->account = 0;
    }
    if (before != 0)
        discount_ticket(state, before);
}

void
aw_account_load_all(struct aw_state *state)
{
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_ACCOUNTS].used; slot++) {
        if (aw_account_at(state, slot)->channel_len != 0)
            index_account(state, slot);
    }
    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_TICKETS].used; slot++) {
        if (aw_ticket_at(state, slot)->account != 0)
            count_ticket(state, aw_ticket_at(state, slot)->account);
    }
}

/* --- pace ------------------------------------------------------------------------------------------------------------------- */

#define COUNTS (AW_PACE_PARTS + 1)

/* Rounded up, so that the parts are together never shorter than a slice. */
static uint64_t
part_ms(uint32_t slice_s)
{
    return (slice_s * AW_MS_PER_S + AW_PACE_PARTS - 1) / AW_PACE_PARTS;
}

/* Of the part so many behind the one of `now`; those before the oldest count are gone. */
static uint32_t
given_in(const struct aw_account_row *row, uint64_t part)
{
    return part <= row->part && part + COUNTS > row->part ? row->given[part % COUNTS] : 0;
}

static uint64_t
given_since(const struct aw_account_row *row, uint64_t part)
{
    uint64_t sum = 0;

    for (; part <= row->part; part++)
        sum += given_in(row, part);
    return sum;
}

aw_ms
aw_account_ready_at(const struct aw_account_row *account, aw_ms now)
{
    uint64_t part, oldest;

    if (account->pace == 0)
        return now;
    part = now / part_ms(account->slice_s);
    oldest = part >= AW_PACE_PARTS ? part - AW_PACE_PARTS : 0;
    if (given_since(account, oldest) < account->pace)
        return now;
    /* As parts leave at the old end, until enough have. */
    while (given_since(account, oldest) >= account->pace)
        oldest++;
    return (oldest + AW_PACE_PARTS) * part_ms(account->slice_s);
}

static void
go_to_part(struct aw_account_row *row, uint64_t part)
{
    if (part >= row->part + COUNTS)
        memset(row->given, 0, sizeof(row->given));
    else
        for (uint64_t at = row->part + 1; at <= part; at++)
            row->given[at % COUNTS] = 0;
    row->part = part > row->part ? part : row->part;
}

void
aw_account_count(struct aw_state *state, uint32_t slot)
{
    struct aw_account_row *row = aw_rows_change(&state->accounts, slot);

    if (row->pace == 0)
        return;
    go_to_part(row, state->now / part_ms(row->slice_s));
    row->given[row->part % COUNTS]++;
}

void
aw_account_set_pace(struct aw_state *state, uint32_t slot, uint32_t replies, uint32_t slice_s)
{
    struct aw_account_row *row = aw_rows_change(&state->accounts, slot);
    uint64_t               given = 0;

    if (row->pace == replies && row->slice_s == slice_s)
        return;
    if (row->pace != 0) {
        go_to_part(row, state->now / part_ms(row->slice_s));
        for (uint32_t i = 0; i < COUNTS; i++)
            given += row->given[i];
    }
    memset(row->given, 0, sizeof(row->given));
    row->pace = replies;
    row->slice_s = replies == 0 ? 0 : slice_s;
    row->part = replies == 0 ? 0 : state->now / part_ms(slice_s);
    if (replies != 0 && given > 0) /* as if it had been given just now: rather too slow for one slice than too fast */
        row->given[row->part % COUNTS] = given < UINT32_MAX ? (uint32_t)given : UINT32_MAX;
    drop_if_nobodys(state, slot);
}
