/* wheel.c - a ring of lists; the cursor walks over what is due.
 *
 * A node lies in the slot of the first tick that begins after its time. When the thread was stopped for long (a debugger, a machine
 * that was paused) the cursor is behind, and a new node may be more than one turn ahead of it: the cursor then meets it in the turn
 * before its own and leaves it there.
 */
#include "run/wheel.h"

void
aw_wheel_init(struct aw_wheel *wheel, aw_ns now)
{
    for (uint32_t i = 0; i < AW_WHEEL_SLOTS; i++)
        aw_list_init(&wheel->slots[i]);
    wheel->tick = now / AW_WHEEL_TICK_NS;
    wheel->count = 0;
}

void
aw_wheel_node_init(struct aw_wheel_node *node)
{
    aw_list_init(&node->link);
    node->at = 0;
}

/* Never early. */
static uint64_t
tick_of(aw_ns at)
{
    return at / AW_WHEEL_TICK_NS + 1;
}

void
aw_wheel_add(struct aw_wheel *wheel, struct aw_wheel_node *node, aw_ns at, aw_ns now)
{
    uint64_t tick = tick_of(at);

    AW_ASSERT(at <= now || at - now <= AW_WHEEL_WAIT_NS_MAX);
    AW_ASSERT(aw_list_is_empty(&node->link));
    if (wheel->count == 0)
        wheel->tick = now / AW_WHEEL_TICK_NS;
    if (tick < wheel->tick)
        tick = wheel->tick;
    node->at = at;
    aw_list_push_back(&wheel->slots[tick % AW_WHEEL_SLOTS], &node->link);
    wheel->count++;
}

void
aw_wheel_remove(struct aw_wheel *wheel, struct aw_wheel_node *node)
{
    if (aw_list_is_empty(&node->link))
        return;
    AW_ASSERT(wheel->count > 0);
    aw_list_remove(&node->link);
    wheel->count--;
}

/* The first node of the slot at the cursor whose turn it is. */
static struct aw_wheel_node *
first_due(struct aw_wheel *wheel)
{
    struct aw_list *slot = &wheel->slots[wheel->tick % AW_WHEEL_SLOTS];

    for (struct aw_list *link = slot->next; link != slot; link = link->next) {
        struct aw_wheel_node *node = AW_CONTAINER(link, struct aw_wheel_node, link);

        if (tick_of(node->at) <= wheel->tick)
            return node;
    }
    return NULL;
}

struct aw_wheel_node *
aw_wheel_pop(struct aw_wheel *wheel, aw_ns now)
{
    uint64_t until = now / AW_WHEEL_TICK_NS;

    if (wheel->count == 0) {
        wheel->tick = until;
        return NULL;
    }
    for (; wheel->tick <= until; wheel->tick++) {
        struct aw_wheel_node *node = first_due(wheel);

        if (node != NULL) {
            aw_wheel_remove(wheel, node);
            return node;
        }
    }
    return NULL;
}
