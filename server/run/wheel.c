/* wheel.c - a ring of lists; the cursor walks over what is due. */
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

void
aw_wheel_add(struct aw_wheel *wheel, struct aw_wheel_node *node, aw_ns at, aw_ns now)
{
    uint64_t tick = at / AW_WHEEL_TICK_NS + 1; /* the first tick that begins after `at`: never early */

    AW_ASSERT(aw_list_is_empty(&node->link));
    if (wheel->count == 0)
        wheel->tick = now / AW_WHEEL_TICK_NS;
    if (tick < wheel->tick)
        tick = wheel->tick;
    AW_ASSERT(tick - wheel->tick < AW_WHEEL_SLOTS);
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

struct aw_wheel_node *
aw_wheel_pop(struct aw_wheel *wheel, aw_ns now)
{
    uint64_t until = now / AW_WHEEL_TICK_NS;

    if (wheel->count == 0) {
        wheel->tick = until;
        return NULL;
    }
    for (; wheel->tick <= until; wheel->tick++) {
        struct aw_list       *link = aw_list_first(&wheel->slots[wheel->tick % AW_WHEEL_SLOTS]);
        struct aw_wheel_node *node;

        if (link == NULL)
            continue;
        node = AW_CONTAINER(link, struct aw_wheel_node, link);
        aw_wheel_remove(wheel, node);
        return node;
    }
    return NULL;
}
