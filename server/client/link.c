/* link.c - a loop, a client and one trunk at a time, behind a call that waits. */
#include "client/link.h"

#include "base/arena.h"
#include "base/mem.h"
#include "port/clock.h"

#include <ev.h>
#include <stdlib.h>

struct aw_link {
    struct aw_url     url;
    struct ev_loop   *loop;
    struct aw_client *client;
    struct aw_trunk  *trunk;
    ev_async          interrupted;
    bool              interrupt; /* set in the loop, taken by the call that returns for it */
    /* The call under way. */
    bool                      waiting;
    struct aw_exchange       *exchange;
    struct aw_exchange_result result;
    struct aw_arena           arena; /* owns: what `result` borrows */
    struct aw_blocks         *blocks;
};

#define ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

static void
on_interrupted(struct ev_loop *loop, ev_async *watcher, int events)
{
    struct aw_link *link = watcher->data;

    (void)events;
    link->interrupt = true;
    ev_break(loop, EVBREAK_ONE);
}

enum aw_err
aw_link_open(struct aw_link **ret_link, const struct aw_link_config *config, struct aw_why *why)
{
    struct aw_link         *link = aw_new(struct aw_link);
    struct aw_client_config client = {.exchanges_max = 1,
                                      .ca_file = config->ca_file,
                                      .insecure = config->insecure,
                                      .connect_ns_max = config->connect_ns_max,
                                      .token = config->token,
                                      .cert_file = config->cert_file,
                                      .key_file = config->key_file};
    enum aw_err             err = AW_E_MEMORY;

    if (link == NULL)
        return aw_why(why, AW_E_MEMORY, "out of memory");
    link->url = config->url;
    link->loop = ev_loop_new(EVFLAG_AUTO);
    link->blocks = aw_blocks_new(64 * 1024, ARENA_BYTES_MAX);
    if (link->loop == NULL || link->blocks == NULL) {
        (void)aw_why(why, AW_E_MEMORY, "out of memory");
        goto fail;
    }
    aw_arena_init(&link->arena, link->blocks);
    ev_async_init(&link->interrupted, on_interrupted);
    link->interrupted.data = link;
    ev_async_start(link->loop, &link->interrupted);
    client.loop = link->loop;
    err = aw_client_new(&link->client, &client, why);
    if (err != AW_OK)
        goto fail;
    *ret_link = link;
    return AW_OK;
fail:
    aw_link_close(&link);
    return err;
}

void
aw_link_close(struct aw_link **link_of)
{
    struct aw_link *link = *link_of;

    if (link == NULL)
        return;
    *link_of = NULL;
    aw_trunk_close(&link->trunk);
    aw_client_free(&link->client);
    aw_arena_reset(&link->arena);
    aw_blocks_free(&link->blocks);
    if (link->loop != NULL)
        ev_loop_destroy(link->loop);
    free(link);
}

/* Copies the result, which goes away with the callback. */
static void
on_done(void *user, const struct aw_exchange_result *result)
{
    struct aw_link           *link = user;
    struct aw_exchange_field *fields = aw_arena_take(&link->arena, result->field_count * sizeof(*fields));
    bool                      ok = fields != NULL && aw_arena_copy(&link->arena, result->body, &link->result.body);
    struct aw_slice           body = link->result.body, why;

    for (uint32_t i = 0; ok && i < result->field_count; i++)
        ok = aw_arena_copy(&link->arena, result->fields[i].name, &fields[i].name) &&
             aw_arena_copy(&link->arena, result->fields[i].value, &fields[i].value);
    /* With its NUL. */
    ok = ok && aw_arena_copy(&link->arena, aw_slice_of(result->why, strlen(result->why) + 1), &why);
    link->result = *result;
    if (ok) {
        link->result.body = body;
        link->result.fields = fields;
        link->result.why = why.ptr;
    } else {
        link->result = (struct aw_exchange_result){.end = AW_EXCHANGE_TOO_LARGE, .why = "no memory for the answer"};
    }
    link->waiting = false;
    link->exchange = NULL;
    ev_break(link->loop, EVBREAK_ONE);
}

/* A trunk that takes exchanges, or the result that says why there is none. */
static bool
ensure_trunk(struct aw_link *link)
{
    struct aw_why   why = {""};
    struct aw_slice text;

    if (link->trunk != NULL && aw_trunk_state(link->trunk) <= AW_TRUNK_OPEN)
        return true;
    aw_trunk_close(&link->trunk);
    if (aw_trunk_open(&link->trunk, link->client, &link->url, NULL, NULL, &why) == AW_OK)
        return true;
    link->result = (struct aw_exchange_result){.end = AW_EXCHANGE_UNREACHED, .unprocessed = true, .why = "no memory"};
    if (aw_arena_copy(&link->arena, aw_slice_of(why.text, strlen(why.text) + 1), &text))
        link->result.why = text.ptr;
    return false;
}

static void
call_once(struct aw_link *link, const struct aw_exchange_request *request)
{
    aw_arena_reset(&link->arena);
    if (!ensure_trunk(link))
        return;
    link->exchange = aw_exchange_submit(link->trunk, request, on_done, link);
    if (link->exchange == NULL) {
        link->result = (struct aw_exchange_result){.end = AW_EXCHANGE_UNPROCESSED, .unprocessed = true, .why = "no memory"};
        return;
    }
    link->waiting = true;
    while (link->waiting && !link->interrupt)
        (void)ev_run(link->loop, EVRUN_ONCE);
    link->interrupt = false;
    if (link->waiting) {
        link->waiting = false;
        aw_exchange_cancel(&link->exchange);
        (void)ev_run(link->loop, EVRUN_NOWAIT); /* the server is told */
        link->result = (struct aw_exchange_result){.end = AW_EXCHANGE_CLOSED, .why = "interrupted"};
    }
}

enum aw_exchange_end
aw_client_call(struct aw_link *link, const struct aw_exchange_request *request, struct aw_exchange_result *ret_result)
{
    AW_ASSERT(!link->waiting);
    call_once(link, request);
    if (link->result.unprocessed && link->result.end == AW_EXCHANGE_UNPROCESSED) {
        aw_trunk_close(&link->trunk);
        call_once(link, request);
    }
    *ret_result = link->result;
    return ret_result->end;
}

void
aw_link_interrupt(struct aw_link *link)
{
    ev_async_send(link->loop, &link->interrupted);
}
