/* crowd.c - see crowd.h. */
#include "bench/surge/crowd.h"

#include "base/mem.h"
#include "proto/media.h"

#include <stdio.h>
#include <stdlib.h>

#define ASKERS    128U
#define TRIES_MAX 100U
#define PAUSE_S   0.1
#define TIMEOUT   (10 * AW_NS_PER_S)

/* One request at a time. */
struct surge_asker {
    struct surge_crowd        *crowd;
    struct aw_exchange        *exchange; /* under way, or NULL */
    uint64_t                   number;
    unsigned                   tries;
    ev_timer                   again;
    struct surge_crowd_request request;
};

static void ask(struct surge_asker *asker);

static void
take_next(struct surge_asker *asker)
{
    struct surge_crowd *crowd = asker->crowd;

    if (crowd->next == crowd->config.count) {
        if (--crowd->busy == 0)
            crowd->config.finished(crowd->config.user);
        return;
    }
    asker->number = crowd->next++;
    asker->tries = 0;
    asker->request = (struct surge_crowd_request){.method = "GET"};
    crowd->config.write(crowd->config.user, asker->number, &asker->request);
    ask(asker);
}

static void
try_again(struct surge_asker *asker)
{
    struct surge_crowd *crowd = asker->crowd;

    if (++asker->tries == TRIES_MAX) {
        crowd->config.broken(crowd->config.user, "a request got no answer");
        return;
    }
    ev_timer_set(&asker->again, PAUSE_S, 0.);
    ev_timer_start(crowd->config.loop, &asker->again);
}

static void
on_answered(void *user, const struct aw_exchange_result *result)
{
    struct surge_asker *asker = user;
    struct surge_crowd *crowd = asker->crowd;

    asker->exchange = NULL;
    if (result->end == AW_EXCHANGE_CLOSED)
        return;
    if (result->end != AW_EXCHANGE_ANSWERED || result->status == 429 || result->status == 503) {
        try_again(asker);
        return;
    }
    crowd->config.answered(crowd->config.user, asker->number, result);
    take_next(asker);
}

static void
ask(struct surge_asker *asker)
{
    struct surge_crowd        *crowd = asker->crowd;
    uint32_t                   line = (uint32_t)((asker->number + asker->tries) % crowd->config.fleet->config.count);
    struct aw_trunk           *trunk = surge_fleet_trunk(crowd->config.fleet, line);
    const struct aw_slice      json = aw_media_type(AW_MEDIA_JSON);
    const struct aw_slice      token = crowd->config.token == NULL ? AW_SLICE("") : aw_slice_str(crowd->config.token);
    struct aw_exchange_field   fields[4];
    struct aw_exchange_request request = {.method = aw_slice_str(asker->request.method),
                                          .path = aw_slice_str(asker->request.path),
                                          .fields = fields,
                                          .body = asker->request.body,
                                          .timeout = TIMEOUT};

    fields[request.field_count++] = (struct aw_exchange_field){AW_SLICE("aswolk-agent"), AW_SLICE("surge"), false};
    if (token.len > 0)
        fields[request.field_count++] = (struct aw_exchange_field){AW_SLICE("authorization"), token, true};
    if (asker->request.body.len > 0)
        fields[request.field_count++] = (struct aw_exchange_field){AW_SLICE("content-type"), json, false};
    asker->exchange = trunk == NULL ? NULL : aw_exchange_submit(trunk, &request, on_answered, asker);
    if (asker->exchange == NULL)
        try_again(asker);
}

/* The first one, or the same again; from the loop, so that nothing is called back from inside surge_crowd_start. */
static void
on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct surge_asker *asker = timer->data;

    (void)loop;
    (void)events;
    if (asker->tries > 0)
        ask(asker);
    else
        take_next(asker);
}

bool
surge_crowd_start(struct surge_crowd *crowd, const struct surge_crowd_config *config)
{
    *crowd = (struct surge_crowd){.config = *config, .busy = ASKERS, .askers = aw_new_array(struct surge_asker, ASKERS)};
    for (uint32_t i = 0; crowd->askers != NULL && i < ASKERS; i++) {
        struct surge_asker *asker = &crowd->askers[i];

        asker->crowd = crowd;
        ev_timer_init(&asker->again, on_timer, 0., 0.);
        asker->again.data = asker;
        ev_timer_start(config->loop, &asker->again);
    }
    return crowd->askers != NULL;
}

void
surge_crowd_close(struct surge_crowd *crowd)
{
    for (uint32_t i = 0; crowd->askers != NULL && i < ASKERS; i++) {
        ev_timer_stop(crowd->config.loop, &crowd->askers[i].again);
        if (crowd->askers[i].exchange != NULL)
            aw_exchange_cancel(&crowd->askers[i].exchange);
    }
    free(crowd->askers);
    *crowd = (struct surge_crowd){.askers = NULL};
}
