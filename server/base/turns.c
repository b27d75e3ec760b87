#include "base/turns.h"

#include "base/mem.h"

#include <stdlib.h>

bool
aw_turns_init(struct aw_turns *turns, uint32_t count, uint32_t quantum)
{
    AW_ASSERT(quantum > 0);
    *turns = (struct aw_turns){._count = count, ._quantum = quantum};
    aw_list_init(&turns->_fresh);
    aw_list_init(&turns->_round);
    turns->_turns = aw_new_array(struct aw_turns_party, count);
    if (turns->_turns == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        aw_list_init(&turns->_turns[i].link);
        aw_list_init(&turns->_turns[i].waiting);
    }
    return true;
}

void
aw_turns_fini(struct aw_turns *turns)
{
    for (uint32_t i = 0; turns->_turns != NULL && i < turns->_count; i++)
        AW_ASSERT(aw_list_is_empty(&turns->_turns[i].waiting));
    free(turns->_turns);
    *turns = (struct aw_turns){0};
}

void
aw_turns_add(struct aw_turns *turns, uint32_t party, struct aw_list *node)
{
    struct aw_turns_party *turn = &turns->_turns[party];

    AW_ASSERT(party < turns->_count);
    aw_list_push_back(&turn->waiting, node);
    if (!aw_list_is_empty(&turn->link))
        return;
    turn->credit = turns->_quantum;
    turn->is_fresh = true;
    aw_list_push_back(&turns->_fresh, &turn->link);
}

static void
join_round(struct aw_turns *turns, struct aw_turns_party *turn)
{
    aw_list_remove(&turn->link);
    turn->is_fresh = false;
    aw_list_push_back(&turns->_round, &turn->link);
}

/* The first of `list` that has credit and something that waits. Who was fresh and is through stays for a round, or by coming and
 * going he would always be the first. */
static struct aw_turns_party *
first_of(struct aw_turns *turns, struct aw_list *list)
{
    struct aw_list *link;

    while ((link = aw_list_first(list)) != NULL) {
        struct aw_turns_party *turn = AW_CONTAINER(link, struct aw_turns_party, link);

        if (turn->credit <= 0) {
            turn->credit += turns->_quantum;
            join_round(turns, turn);
        } else if (!aw_list_is_empty(&turn->waiting)) {
            return turn;
        } else if (turn->is_fresh && !aw_list_is_empty(&turns->_round)) {
            join_round(turns, turn);
        } else {
            aw_list_remove(&turn->link);
        }
    }
    return NULL;
}

struct aw_list *
aw_turns_next(struct aw_turns *turns, uint32_t *ret_party)
{
    struct aw_turns_party *turn = first_of(turns, &turns->_fresh);

    if (turn == NULL)
        turn = first_of(turns, &turns->_round);
    if (turn == NULL)
        return NULL;
    *ret_party = (uint32_t)(turn - turns->_turns);
    return aw_list_first(&turn->waiting);
}

void
aw_turns_charge(struct aw_turns *turns, uint32_t party, uint32_t cost)
{
    AW_ASSERT(party < turns->_count);
    turns->_turns[party].credit -= cost;
}

bool
aw_turns_has_fresh(struct aw_turns *turns)
{
    return first_of(turns, &turns->_fresh) != NULL;
}
