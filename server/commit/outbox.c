/* outbox.c - gateways that wait for replies to send, and what is asked of replies.
 *
 * Gateways are few, and each takes what it gets with a command of its own, so all that wait for an account are told when something
 * can go out on it: the first gets it, the others wait again. They are looked at when a reply began to wait or a pace changed, and
 * when the pace of an account that somebody waits for lets the next one go; never in between.
 */
#include "commit/parts.h"

static void
note_due(struct aw_committer *c, aw_ms at)
{
    if (at != 0 && (c->await_due == 0 || at < c->await_due))
        c->await_due = at;
}

void
aw_outbox_await(struct aw_committer *c, struct aw_submission *gateway)
{
    aw_ms at;

    gateway->err = c->role == AW_ROLE_BROKEN ? AW_E_STORE_BROKEN : AW_OK;
    at = aw_state_replies_ready_at(c->config.state, gateway->accounts, gateway->account_count, c->now);
    if (gateway->err != AW_OK || (at != 0 && at <= c->now)) {
        aw_committer_give_back(c, gateway);
        return;
    }
    note_due(c, at);
    aw_list_push_back(&c->gateways, &gateway->link);
}

void
aw_outbox_look(struct aw_committer *c)
{
    uint64_t came = aw_state_replies_came(c->config.state);

    if (came == c->replies_came && (c->await_due == 0 || c->now < c->await_due))
        return;
    c->replies_came = came;
    c->await_due = 0;
    for (struct aw_list *at = c->gateways.next, *next; at != &c->gateways; at = next) {
        struct aw_submission *gateway = AW_CONTAINER(at, struct aw_submission, link);
        aw_ms ready = aw_state_replies_ready_at(c->config.state, gateway->accounts, gateway->account_count, c->now);

        next = at->next;
        if (ready == 0 || ready > c->now) {
            note_due(c, ready);
            continue;
        }
        aw_list_remove(at);
        aw_committer_give_back(c, gateway);
    }
}

static void
answer_texts(struct aw_committer *c, struct aw_query *query)
{
    for (query->count = 0; query->count < query->room; query->count++) {
        struct aw_text_view *view = &query->own_texts[query->count];

        if (aw_state_text(c->config.state, query->text_refs[query->count], view) != AW_OK)
            view->len = 0;
    }
}

void
aw_outbox_answer(struct aw_committer *c, struct aw_query *query)
{
    if (query->kind == AW_QUERY_REPLY) {
        query->err = aw_state_reply(c->config.state, query->seq, &query->replies[0]);
        query->count = query->err == AW_OK;
    } else if (query->kind == AW_QUERY_CHANNEL) {
        query->err = aw_state_channel(c->config.state, query->name, query->channel);
    } else if (query->kind == AW_QUERY_TEMPLATE) {
        query->count = aw_state_template(c->config.state, query->reply_kind, query->own_texts, &query->version);
    } else if (query->kind == AW_QUERY_TEXTS) {
        answer_texts(c, query);
    } else {
        query->err = AW_OK;
        for (query->count = 0; query->count < query->room; query->count++)
            aw_state_seen_by(c->config.state, query->leases[query->count], &query->held[query->count]);
    }
}
