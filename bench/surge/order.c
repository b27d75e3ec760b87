/* order.c - see order.h. */
#include "bench/surge/order.h"

#include "base/mem.h"
#include "bench/arrivals/random.h"
#include "bench/surge/answers.h"

#include <stdio.h>
#include <stdlib.h>

#define IS(key, literal) aw_slice_eq((key), AW_SLICE(literal))

static void
write_request(void *user, uint64_t number, struct surge_crowd_request *request)
{
    struct surge_order *order = user;
    char                id[AW_ID_TEXT_BYTES];

    surge_entry_ticket(&order->config.ledger->entries[number], id);
    (void)snprintf(request->path, sizeof(request->path), "/v1/tickets/%s", id);
}

static uint64_t
hash_of(struct aw_slice key, struct aw_slice value)
{
    return surge_source_key(key, AW_SLICE("place"), value);
}

/* A hash of what an order follows from; 0: it does not wait, or the answer can't be read. */
static uint64_t
place_of(const struct aw_exchange_result *result)
{
    struct surge_walk walk;
    struct aw_slice   key;
    uint64_t          place = 0;
    bool              ok = true, waits = false;

    surge_walk_begin(&walk, result->body, surge_answer_is_msgpack(result));
    if (result->status != 200 || !surge_walk_map(&walk))
        return 0;
    while (ok && surge_walk_key(&walk, &key)) {
        /* Copied: the key may live where the next text goes. */
        bool            counts = IS(key, "class") || IS(key, "lane") || IS(key, "age_from") || IS(key, "opened_at");
        bool            is_state = IS(key, "state");
        const char     *start = walk.at;
        struct aw_slice name = IS(key, "departs_at") ? AW_SLICE("departs_at") : AW_SLICE("other");

        surge_walk_skip(&walk);
        ok = !walk.failed;
        if (ok && is_state)
            waits = memmem(start, (size_t)(walk.at - start), "waiting", 7) != NULL;
        else if (ok && (counts || name.len == strlen("departs_at")))
            place = surge_random_mix(place, hash_of(name, aw_slice_of(start, (size_t)(walk.at - start))));
    }
    return ok && waits ? place | 1 : 0;
}

static void
on_answered(void *user, uint64_t number, const struct aw_exchange_result *result)
{
    struct surge_order *order = user;

    order->places[order->round][number] = place_of(result);
}

static void
on_finished(void *user)
{
    struct surge_order *order = user;

    surge_crowd_close(&order->crowd);
    order->round++;
    order->config.finished(order->config.user);
}

static void
on_broken(void *user, const char *why)
{
    struct surge_order *order = user;

    order->config.broken(order->config.user, why);
}

bool
surge_order_open(struct surge_order *order, const struct surge_order_config *config)
{
    *order = (struct surge_order){.config = *config};
    for (unsigned i = 0; i < 2; i++)
        order->places[i] = aw_new_array(uint64_t, config->count);
    if (order->places[0] != NULL && order->places[1] != NULL)
        return true;
    surge_order_close(order);
    return false;
}

bool
surge_order_read(struct surge_order *order)
{
    const struct surge_crowd_config crowd = {.loop = order->config.loop,
                                             .fleet = order->config.fleet,
                                             .token = order->config.token,
                                             .count = order->config.count,
                                             .write = write_request,
                                             .answered = on_answered,
                                             .finished = on_finished,
                                             .broken = on_broken,
                                             .user = order};

    AW_ASSERT(order->round < 2);
    return surge_crowd_start(&order->crowd, &crowd);
}

void
surge_order_compare(const struct surge_order *order, uint64_t *ret_compared, uint64_t *ret_displaced, uint64_t ret_digests[2])
{
    AW_ASSERT(order->round == 2);
    *ret_compared = 0;
    *ret_displaced = 0;
    ret_digests[0] = 0;
    ret_digests[1] = 0;
    for (uint32_t i = 0; i < order->config.count; i++) {
        uint64_t before = order->places[0][i], after = order->places[1][i];

        if (before == 0 || after == 0)
            continue;
        ++*ret_compared;
        *ret_displaced += before != after;
        ret_digests[0] += surge_random_mix(order->config.ledger->entries[i].ticket, before);
        ret_digests[1] += surge_random_mix(order->config.ledger->entries[i].ticket, after);
    }
}

void
surge_order_close(struct surge_order *order)
{
    surge_crowd_close(&order->crowd);
    free(order->places[0]);
    free(order->places[1]);
    *order = (struct surge_order){.round = 0};
}
