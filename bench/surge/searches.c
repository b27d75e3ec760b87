/* searches.c - see searches.h. */
#include "bench/surge/searches.h"

#include "base/mem.h"
#include "port/clock.h"

#include <stdlib.h>

#define TIMEOUT (30 * AW_NS_PER_S)

struct surge_searcher {
    struct surge_searches *searches;
    struct aw_exchange    *exchange; /* under way, or NULL */
    uint32_t               number;
    aw_ns                  sent_at;
};

/* Each looks through all tickets; what is found is a page, a few, or next to nothing. */
static const char *const paths[] = {
    "/v1/tickets?state=waiting",
    "/v1/tickets?class=care,imminent&older_than_s=60&limit=20",
    "/v1/tickets?flight=ZZ1/2031-01-01",
};

static void search(struct surge_searcher *searcher);

static void
on_answered(void *user, const struct aw_exchange_result *result)
{
    struct surge_searcher *searcher = user;
    struct surge_searches *searches = searcher->searches;

    searcher->exchange = NULL;
    if (result->end == AW_EXCHANGE_CLOSED || searches->took == NULL)
        return;
    if (result->end != AW_EXCHANGE_ANSWERED || result->status != 200) {
        searches->refused++;
        return;
    }
    if (searcher->sent_at != 0)
        aw_histogram_record(searches->took, result->at - searcher->sent_at);
    searcher->number++;
    search(searcher);
}

static void
search(struct surge_searcher *searcher)
{
    struct surge_searches     *searches = searcher->searches;
    struct aw_exchange_field   fields[2];
    struct aw_exchange_request request = {.method = AW_SLICE("GET"),
                                          .path = aw_slice_str(paths[searcher->number % AW_ARRAY_LEN(paths)]),
                                          .fields = fields,
                                          .timeout = TIMEOUT};
    struct aw_trunk           *trunk = surge_fleet_trunk(searches->fleet, searcher->number % searches->fleet->config.count);

    fields[request.field_count++] = (struct aw_exchange_field){AW_SLICE("aswolk-agent"), AW_SLICE("surge"), false};
    if (searches->token != NULL)
        fields[request.field_count++] =
            (struct aw_exchange_field){AW_SLICE("authorization"), aw_slice_str(searches->token), true};
    searcher->sent_at = aw_clock_mono();
    searcher->exchange = trunk == NULL ? NULL : aw_exchange_submit(trunk, &request, on_answered, searcher);
    searches->refused += searcher->exchange == NULL;
}

bool
surge_searches_open(struct surge_searches *searches, const struct surge_fleet *fleet, const char *token, uint32_t count)
{
    *searches = (struct surge_searches){.fleet = fleet, .token = token, .count = count};
    searches->searchers = aw_new_array(struct surge_searcher, count);
    for (uint32_t i = 0; searches->searchers != NULL && i < count; i++)
        searches->searchers[i] = (struct surge_searcher){.searches = searches, .number = i};
    return searches->searchers != NULL;
}

void
surge_searches_start(struct surge_searches *searches, struct aw_histogram *took)
{
    searches->took = took;
    for (uint32_t i = 0; i < searches->count; i++) {
        struct surge_searcher *searcher = &searches->searchers[i];

        if (searcher->exchange == NULL)
            search(searcher);
        else
            searcher->sent_at = 0; /* of the time before: its answer begins the next */
    }
}

void
surge_searches_stop(struct surge_searches *searches)
{
    searches->took = NULL;
}

void
surge_searches_close(struct surge_searches *searches)
{
    for (uint32_t i = 0; searches->searchers != NULL && i < searches->count; i++) {
        if (searches->searchers[i].exchange != NULL)
            aw_exchange_cancel(&searches->searchers[i].exchange);
    }
    free(searches->searchers);
    *searches = (struct surge_searches){.count = 0};
}
