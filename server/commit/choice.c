/* choice.c - the heads of many queues, compared as they are met. */
#include "commit/choice.h"

#include "commit/lanes_directory.h"

/* The departure is what an imminent ticket's own queue is ordered by. Found by age or by window it is not known, nor does it
 * matter: were it near, the head by departure, which is no later, would go before. */
static aw_ms
departure_of(const struct aw_head *head)
{
    if (head->class_ != AW_CLASS_IMMINENT)
        return 0;
    return head->queue == AW_CLASS_IMMINENT ? head->key : AW_MS_MAX;
}

struct aw_order_candidate
aw_choice_candidate(const struct aw_head *head)
{
    return (struct aw_order_candidate){
        .class_ = head->class_, .age = head->age, .departs_at = departure_of(head), .reply_by = head->reply_by, .id = head->slot};
}

/* The first entry of a queue that still counts. False: there is none. */
static bool
peek(struct aw_lanes *lanes, uint32_t lane, unsigned queue, struct aw_choice *ret_choice)
{
    struct aw_head *head = &ret_choice->head;

    do { /* a peek drops a bounded number of stale ones */
        if (!aw_lanes_peek(lanes, lane, queue, head))
            return false;
    } while (head->stale);
    ret_choice->candidate = aw_choice_candidate(head);
    return true;
}

unsigned
aw_choice_look(struct aw_lanes *lanes, uint32_t lane, struct aw_choice ret_choices[AW_LANES_QUEUES])
{
    unsigned count = 0;

    for (unsigned queues = aw_lanes_queues(lanes, lane); queues != 0; queues &= queues - 1)
        count += peek(lanes, lane, (unsigned)__builtin_ctz(queues), &ret_choices[count]);
    return count;
}

struct best {
    struct aw_choice choice;
    bool             any;
};

/* The rule is a total order, so the best of all is the best of the bests. */
static void
consider_lane(const struct aw_choice_of *of, aw_ms now, uint32_t lane, struct best *best)
{
    unsigned queues = aw_lanes_queues(of->lanes, lane);

    if (queues == 0 || (of->directory != NULL && !aw_lanes_directory_gives(of->directory, lane)))
        return;
    for (; queues != 0; queues &= queues - 1) {
        struct aw_choice choice;

        if (!peek(of->lanes, lane, (unsigned)__builtin_ctz(queues), &choice))
            continue;
        if (best->any && !aw_order_goes_before(of->order, now, &choice.candidate, &best->choice.candidate))
            continue;
        best->choice = choice;
        best->any = true;
    }
}

bool
aw_choice_find(const struct aw_choice_of *of, aw_ms now, struct aw_choice *ret_choice)
{
    struct best best = {.any = false};

    if (of->lane_list == NULL) {
        uint32_t count = aw_lanes_directory_count(of->directory);

        for (uint32_t lane = aw_lanes_find(of->lanes, 0); lane < count; lane = aw_lanes_find(of->lanes, lane + 1))
            consider_lane(of, now, lane, &best);
    } else {
        for (uint32_t i = 0; i < of->lane_count; i++)
            consider_lane(of, now, of->lane_list[i], &best);
    }
    if (best.any)
        *ret_choice = best.choice;
    return best.any;
}

bool
aw_choice_take(const struct aw_choice_of *of, aw_ms now, struct aw_choice *ret_choice)
{
    uint64_t seen_seq;

    do { /* again when somebody was faster, which is progress, or when something more urgent came */
        seen_seq = aw_lanes_published(of->lanes);
        if (!aw_choice_find(of, now, ret_choice))
            return false;
    } while (!aw_lanes_try_take(of->lanes, &ret_choice->head));
    ret_choice->seen_seq = seen_seq;
    ret_choice->taken_seq = aw_lanes_published(of->lanes);
    return true;
}
