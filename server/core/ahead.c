#include "core/ahead.h"

#include "core/layout.h"

static struct aw_order_candidate
candidate_of(enum aw_class class_, aw_ms age, aw_ms departs_at, aw_ms reply_by, uint32_t slot)
{
    return (struct aw_order_candidate){.class_ = class_,
                                       .age = age,
                                       .departs_at = class_ == AW_CLASS_IMMINENT ? departs_at : 0,
                                       .reply_by = reply_by,
                                       .id = slot};
}

void
aw_ahead_begin(const struct aw_state *state, struct aw_ahead *ahead, const struct aw_ticket_view *view)
{
    AW_ASSERT(view->state == AW_TICKET_WAITING);
    *ahead = (struct aw_ahead){.order = aw_state_order_in(state, &ahead->order, view->lane),
                               .at = ahead->at,
                               .own = candidate_of(view->class_, view->age, view->departs_at, view->reply_by, view->ticket.slot),
                               .in_one_step = true,
                               ._lane = view->lane,
                               ._slot = view->ticket.slot,
                               ._next = 1};
}

/* Keeps the last ones of those that go before it. */
static void
note(struct aw_ahead *ahead, const struct aw_ahead_ticket *other)
{
    struct aw_ahead_ticket *nearest = ahead->nearest;
    uint32_t                at = ahead->nearest_count;

    while (at > 0 && aw_order_goes_before(&ahead->order, ahead->at, &nearest[at - 1].candidate, &other->candidate))
        at--;
    if (at == AW_AHEAD_NEAREST_MAX)
        return;
    if (ahead->nearest_count < AW_AHEAD_NEAREST_MAX)
        ahead->nearest_count++;
    memmove(&nearest[at + 1], &nearest[at], (ahead->nearest_count - 1 - at) * sizeof(nearest[0]));
    nearest[at] = *other;
}

bool
aw_ahead_step(const struct aw_state *state, struct aw_ahead *ahead, uint32_t slots)
{
    uint32_t last = state->globals.heads[AW_TABLE_TICKETS].used;

    for (; ahead->_next <= last && slots > 0; ahead->_next++, slots--) {
        const struct aw_ticket_row *row = aw_ticket_at(state, ahead->_next);
        enum aw_class               class_ = (enum aw_class)row->class_;
        struct aw_ahead_ticket      other;

        if (!aw_ticket_waits_in(state, row, ahead->_lane))
            continue;
        if ((row->flags & AW_TICKET_ASIDE) != 0 && ahead->_next != ahead->_slot)
            continue; /* in no queue: not every agent may take it now */
        ahead->in_lane++;
        other.candidate = candidate_of(class_, aw_ticket_age(row), row->departs_at, row->reply_by, ahead->_next);
        if (ahead->_next == ahead->_slot || !aw_order_goes_before(&ahead->order, ahead->at, &other.candidate, &ahead->own))
            continue;
        other.ticket = aw_ticket_id_at(state, ahead->_next);
        ahead->by_class[class_]++;
        note(ahead, &other);
    }
    if (ahead->_next > last)
        return true;
    ahead->in_one_step = false;
    return false;
}
