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

unsigned
aw_choice_barred_queues(unsigned barred)
{
    return (barred >> AW_CLASS_IMMINENT & 1) != 0 ? barred | 1U << AW_LANES_BY_AGE : barred; /* a class's queue has its number */
}

/* The first entry of a queue that still counts. False: there is none. */
static bool
peek(struct aw_lanes *lanes, uint32_t lane, uint32_t shelf, unsigned queue, struct aw_choice *ret_choice)
{
    struct aw_head *head = &ret_choice->head;

    do { /* a peek drops a bounded number of stale ones */
        if (!aw_lanes_peek(lanes, lane, shelf, queue, head))
            return false;
    } while (head->stale);
    ret_choice->candidate = aw_choice_candidate(head);
    return true;
}

unsigned
aw_choice_look(struct aw_lanes *lanes, uint32_t lane, struct aw_choice ret_choices[AW_CHOICE_HEADS_MAX])
{
    unsigned count = 0;

    for (unsigned shelves = aw_lanes_shelves(lanes); shelves != 0; shelves &= shelves - 1) {
        uint32_t shelf = (uint32_t)__builtin_ctz(shelves);

        for (unsigned queues = aw_lanes_queues(lanes, lane, shelf); queues != 0; queues &= queues - 1)
            count += peek(lanes, lane, shelf, (unsigned)__builtin_ctz(queues), &ret_choices[count]);
    }
    return count;
}

struct best {
    struct aw_choice choice;
    bool             any;
};

/* The rule is a total order, so the best of all is the best of the bests. */
static void
consider_lane(const struct aw_choice_of *of, aw_ms now, uint32_t lane, uint32_t shelf, struct best *best)
{
    unsigned queues = aw_lanes_queues(of->lanes, lane, shelf);

    if (queues == 0 || (of->directory != NULL && !aw_lanes_directory_gives(of->directory, lane)))
        return;
    for (queues &= ~aw_choice_barred_queues(of->barred); queues != 0; queues &= queues - 1) {
        struct aw_choice choice;

        if (!peek(of->lanes, lane, shelf, (unsigned)__builtin_ctz(queues), &choice) ||
            (of->barred >> choice.head.class_ & 1) != 0) /* of those that close */
            continue;
        if (best->any && !aw_order_goes_before(of->order, now, &choice.candidate, &best->choice.candidate))
            continue;
        best->choice = choice;
        best->any = true;
    }
}

static void
consider_shelf(const struct aw_choice_of *of, aw_ms now, uint32_t shelf, struct best *best)
{
    if (of->lane_list == NULL) {
        uint32_t count = aw_lanes_directory_count(of->directory);

        for (uint32_t lane = aw_lanes_find(of->lanes, 0, shelf); lane < count; lane = aw_lanes_find(of->lanes, lane + 1, shelf))
            consider_lane(of, now, lane, shelf, best);
    } else {
        for (uint32_t i = 0; i < of->lane_count; i++)
            consider_lane(of, now, of->lane_list[i], shelf, best);
    }
}

bool
aw_choice_find(const struct aw_choice_of *of, aw_ms now, struct aw_choice *ret_choice)
{
    unsigned    shelves;
    struct best best;

    do { /* again when tickets may have moved to a shelf that is new */
        best.any = false;
        shelves = aw_lanes_shelves(of->lanes);
        /* Shelf 0 first: what leaves it lies on the other one by then (aw_lanes_begin_move). */
        for (unsigned left = shelves & ~(unsigned)of->full; left != 0; left &= left - 1)
            consider_shelf(of, now, (uint32_t)__builtin_ctz(left), &best);
    } while (shelves != aw_lanes_shelves(of->lanes));
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
