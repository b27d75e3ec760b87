/* client.c - what connections share: slots of exchanges, deadlines, and handing out results between turns of the protocol
 * library. */
#include "client/internal.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/secret.h"
#include "port/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define EXCHANGES_MAX_DEFAULT    4096U
#define ANSWER_BYTES_MAX_DEFAULT (16U * 1024U * 1024U)
#define CONNECT_NS_MAX_DEFAULT   (5 * AW_NS_PER_S)
/* Callbacks that submit again as soon as their exchange ended go round this often before the loop looks at sockets again. */
#define ROUNDS_MAX 16

/* --- the library's memory ------------------------------------------------------------------------------------------------- */

static void *
memory_take(size_t size, void *client)
{
    return aw_pool_take(&((struct aw_client *)client)->pool, size);
}

static void
memory_give(void *ptr, void *client)
{
    aw_pool_give(&((struct aw_client *)client)->pool, ptr);
}

static void *
memory_take_zeroed(size_t count, size_t size, void *client)
{
    return aw_pool_take_zeroed(&((struct aw_client *)client)->pool, count, size);
}

static void *
memory_resize(void *ptr, size_t size, void *client)
{
    return aw_pool_resize(&((struct aw_client *)client)->pool, ptr, size);
}

/* --- exchanges ------------------------------------------------------------------------------------------------------------ */

const char *
aw_exchange_end_name(enum aw_exchange_end end)
{
    switch (end) {
    case AW_EXCHANGE_ANSWERED:
        return "answered";
    case AW_EXCHANGE_UNREACHED:
        return "unreached";
    case AW_EXCHANGE_UNPROCESSED:
        return "unprocessed";
    case AW_EXCHANGE_LOST:
        return "lost";
    case AW_EXCHANGE_RESET:
        return "reset";
    case AW_EXCHANGE_TIMEOUT:
        return "timeout";
    case AW_EXCHANGE_TOO_LARGE:
        return "too-large";
    case AW_EXCHANGE_CLOSED:
        return "closed";
    }
    AW_UNREACHABLE();
}

struct aw_slice
aw_exchange_field_of(const struct aw_exchange_result *result, struct aw_slice name)
{
    for (uint32_t i = 0; i < result->field_count; i++) {
        if (aw_slice_eq(result->fields[i].name, name))
            return result->fields[i].value;
    }
    return (struct aw_slice){NULL, 0};
}

struct aw_exchange *
aw_exchange_take(struct aw_trunk *trunk)
{
    struct aw_client   *client = trunk->client;
    struct aw_list     *spare;
    struct aw_exchange *exchange;

    /* Cancelled exchanges whose stream the server still has to make room for keep their slot: these are bounded too. */
    if (client->exchanges >= client->exchanges_max || client->slots >= 2 * (uint64_t)client->exchanges_max)
        return NULL;
    spare = aw_list_first(&client->spare);
    if (spare != NULL) {
        exchange = AW_CONTAINER(spare, struct aw_exchange, in_trunk);
        aw_list_remove(&exchange->in_trunk);
    } else {
        exchange = calloc(1, sizeof(*exchange));
        if (exchange == NULL)
            return NULL;
        aw_list_init(&exchange->in_trunk);
        aw_list_init(&exchange->in_wheel);
        aw_list_init(&exchange->in_finished);
    }
    AW_ASSERT(exchange->state == EXCHANGE_SPARE);
    exchange->state = EXCHANGE_OPEN;
    exchange->let_go = false;
    exchange->silent = false;
    exchange->sent = false;
    exchange->over = false;
    exchange->stream_id = 0;
    exchange->deadline = 0;
    exchange->trunk = trunk;
    exchange->result = (struct aw_exchange_result){.fields = exchange->fields, .why = ""};
    aw_list_push_back(&trunk->exchanges, &exchange->in_trunk);
    trunk->exchange_count++;
    client->slots++;
    client->exchanges++;
    return exchange;
}

void
aw_exchange_forget_answer(struct aw_exchange *exchange)
{
    for (uint32_t i = 0; i < 2 * exchange->result.field_count; i++)
        nghttp2_rcbuf_decref(exchange->field_bufs[i]);
    exchange->result = (struct aw_exchange_result){.fields = exchange->fields, .why = ""};
    exchange->field_bytes = 0;
    exchange->body_len = 0;
}

/* Once the result was handed out and the library let go, the slot is free. */
static void
recycle(struct aw_exchange *exchange)
{
    struct aw_client *client = exchange->trunk->client;

    if (exchange->state != EXCHANGE_ENDED || !exchange->let_go || exchange->telling || !aw_list_is_empty(&exchange->in_finished))
        return;
    aw_exchange_forget_answer(exchange);
    aw_list_remove(&exchange->in_trunk);
    AW_ASSERT(aw_list_is_empty(&exchange->in_wheel));
    AW_ASSERT(client->slots > 0);
    client->slots--;
    exchange->state = EXCHANGE_SPARE;
    exchange->trunk = NULL;
    if (exchange->body_room > BODY_KEPT_MAX) {
        free(exchange->body_ptr);
        exchange->body_ptr = NULL;
        exchange->body_room = 0;
    }
    /* The one used last comes back first: it is in the cache. */
    aw_list_insert_before(client->spare.next, &exchange->in_trunk);
}

void
aw_exchange_end(struct aw_exchange *exchange, enum aw_exchange_end end, const char *why)
{
    struct aw_client *client = exchange->trunk->client;

    if (exchange->state != EXCHANGE_OPEN)
        return;
    AW_ASSERT(client->exchanges > 0);
    AW_ASSERT(exchange->trunk->exchange_count > 0);
    client->exchanges--;
    exchange->trunk->exchange_count--;
    exchange->state = EXCHANGE_ENDED;
    exchange->body = (struct aw_slice){NULL, 0}; /* the caller may free it from here on */
    aw_list_remove(&exchange->in_wheel);
    if (end != AW_EXCHANGE_ANSWERED)
        aw_exchange_forget_answer(exchange);
    exchange->result.end = end;
    exchange->result.at = client->now;
    exchange->result.unprocessed =
        end == AW_EXCHANGE_UNREACHED || end == AW_EXCHANGE_UNPROCESSED || (end != AW_EXCHANGE_ANSWERED && !exchange->sent);
    exchange->result.body = aw_slice_of(exchange->body_ptr, exchange->body_len);
    exchange->result.why = why;
    if (!exchange->silent)
        aw_list_push_back(&client->finished, &exchange->in_finished);
}

void
aw_exchange_let_go(struct aw_exchange *exchange)
{
    AW_ASSERT(exchange->state == EXCHANGE_ENDED);
    if (exchange->trunk->recent == exchange)
        exchange->trunk->recent = NULL;
    exchange->let_go = true;
    recycle(exchange);
}

void
aw_exchange_undo(struct aw_exchange *exchange)
{
    exchange->silent = true;
    aw_exchange_end(exchange, AW_EXCHANGE_CLOSED, "");
    aw_exchange_let_go(exchange);
}

void
aw_exchange_cancel(struct aw_exchange **exchange_of)
{
    struct aw_exchange *exchange = *exchange_of;

    if (exchange == NULL)
        return;
    *exchange_of = NULL;
    exchange->silent = true;
    aw_list_remove(&exchange->in_finished); /* it may have ended already, unknown to the caller */
    if (exchange->state == EXCHANGE_OPEN) {
        aw_exchange_end(exchange, AW_EXCHANGE_CLOSED, "");
        if (exchange->trunk->session != NULL && exchange->stream_id != 0) {
            (void)nghttp2_submit_rst_stream(exchange->trunk->session, NGHTTP2_FLAG_NONE, exchange->stream_id, NGHTTP2_CANCEL);
            aw_client_dirty(exchange->trunk);
        }
    }
    recycle(exchange);
}

/* --- deadlines ------------------------------------------------------------------------------------------------------------ */

void
aw_client_watch_deadline(struct aw_exchange *exchange, aw_ns now)
{
    struct aw_client *client = exchange->trunk->client;
    uint64_t          tick = exchange->deadline / WHEEL_TICK + 1; /* the first at which it has certainly passed */

    if (!ev_is_active(&client->ticker)) {
        client->wheel_tick = now / WHEEL_TICK + 1;
        ev_timer_again(client->loop, &client->ticker);
    }
    aw_list_push_back(&client->wheel[tick % WHEEL_SLOTS], &exchange->in_wheel);
}

/* Those of one slot; a deadline a turn or more away stays. */
static void
expire_slot(struct aw_client *client, struct aw_list *slot)
{
    struct aw_list *node = slot->next;

    while (node != slot) {
        struct aw_exchange *exchange = AW_CONTAINER(node, struct aw_exchange, in_wheel);

        node = node->next;
        if (exchange->deadline > client->now)
            continue;
        aw_exchange_end(exchange, AW_EXCHANGE_TIMEOUT, "no answer in time");
        if (exchange->trunk->session != NULL) {
            (void)nghttp2_submit_rst_stream(exchange->trunk->session, NGHTTP2_FLAG_NONE, exchange->stream_id, NGHTTP2_CANCEL);
            aw_client_dirty(exchange->trunk);
        }
    }
}

static void
on_tick(struct ev_loop *loop, ev_timer *ticker, int events)
{
    struct aw_client *client = ticker->data;
    uint64_t          tick;
    bool              any = false;

    (void)loop;
    (void)events;
    client->now = aw_clock_mono();
    tick = client->now / WHEEL_TICK;
    if (tick >= client->wheel_tick + WHEEL_SLOTS) /* the loop was held up for longer than a turn */
        client->wheel_tick = tick + 1 - WHEEL_SLOTS;
    for (; client->wheel_tick <= tick; client->wheel_tick++)
        expire_slot(client, &client->wheel[client->wheel_tick % WHEEL_SLOTS]);
    for (unsigned i = 0; i < WHEEL_SLOTS && !any; i++)
        any = !aw_list_is_empty(&client->wheel[i]);
    if (!any)
        ev_timer_stop(client->loop, &client->ticker);
    aw_client_deliver(client);
}

/* --- results -------------------------------------------------------------------------------------------------------------- */

void
aw_client_dirty(struct aw_trunk *trunk)
{
    if (aw_list_is_empty(&trunk->in_dirty))
        aw_list_push_back(&trunk->client->dirty, &trunk->in_dirty);
}

static void
tell(struct aw_exchange *exchange)
{
    aw_list_remove(&exchange->in_finished);
    exchange->telling = true; /* not to be recycled under the callback, whatever that calls */
    exchange->done(exchange->user, &exchange->result);
    exchange->telling = false;
    recycle(exchange);
}

void
aw_client_deliver_of(struct aw_trunk *trunk)
{
    struct aw_list *node = trunk->exchanges.next;

    while (node != &trunk->exchanges) {
        struct aw_exchange *exchange = AW_CONTAINER(node, struct aw_exchange, in_trunk);

        node = node->next;
        if (aw_list_is_empty(&exchange->in_finished))
            continue;
        tell(exchange);
        node = trunk->exchanges.next; /* the callback may have cancelled the next one */
    }
}

void
aw_client_sweep(struct aw_client *client)
{
    struct aw_list *node;

    if (client->delivering)
        return;
    while ((node = aw_list_first(&client->forgotten)) != NULL)
        aw_trunk_free(AW_CONTAINER(node, struct aw_trunk, in_client));
}

void
aw_client_deliver(struct aw_client *client)
{
    struct aw_list *node;

    if (client->delivering)
        return;
    client->delivering = true;
    client->told = !aw_list_is_empty(&client->finished) || !aw_list_is_empty(&client->changed);
    for (;;) {
        node = aw_list_first(&client->finished);
        if (node != NULL) {
            tell(AW_CONTAINER(node, struct aw_exchange, in_finished));
            continue;
        }
        node = aw_list_first(&client->changed);
        if (node == NULL)
            break;
        aw_list_remove(node);
        aw_trunk_tell(AW_CONTAINER(node, struct aw_trunk, in_changed));
    }
    client->delivering = false;
    aw_client_sweep(client);
}

/* Output leaves once a turn, after all that the turn brought. */
static void
on_before_sleep(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    struct aw_client *client = watcher->data;
    struct aw_list   *node;
    bool              any_told = false;

    (void)events;
    for (unsigned round = 0; round < ROUNDS_MAX && !aw_list_is_empty(&client->dirty); round++) {
        while ((node = aw_list_first(&client->dirty)) != NULL) {
            aw_list_remove(node);
            aw_trunk_flush(AW_CONTAINER(node, struct aw_trunk, in_dirty));
        }
        aw_client_deliver(client);
        any_told = any_told || client->told;
    }
    /* Whoever runs the loop one turn at a time must see what its callbacks did before the loop sleeps. */
    if (any_told || !aw_list_is_empty(&client->dirty))
        ev_idle_start(loop, &client->awake);
    else
        ev_idle_stop(loop, &client->awake);
}

static void
on_awake(struct ev_loop *loop, ev_idle *watcher, int events)
{
    /* Only there to keep the loop from sleeping. */
    (void)loop;
    (void)watcher;
    (void)events;
}

/* --- the client ----------------------------------------------------------------------------------------------------------- */

static void
start_watchers(struct aw_client *client)
{
    ev_prepare_init(&client->before_sleep, on_before_sleep);
    client->before_sleep.data = client;
    ev_prepare_start(client->loop, &client->before_sleep);
    ev_unref(client->loop); /* it alone must not keep the loop running */
    ev_idle_init(&client->awake, on_awake);
    ev_init(&client->ticker, on_tick);
    client->ticker.repeat = (double)WHEEL_TICK / 1e9;
    client->ticker.data = client;
}

/* As a header field's value: visible characters. The words don't tell what it is. */
static enum aw_err
set_token(struct aw_client *client, struct aw_slice token, struct aw_why *why)
{
    if (token.len > AW_CLIENT_TOKEN_BYTES_MAX)
        return aw_why(why, AW_E_CONFIG, "a token has at most %u characters", AW_CLIENT_TOKEN_BYTES_MAX);
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] <= ' ' || token.ptr[i] > '~')
            return aw_why(why, AW_E_CONFIG, "a token holds visible ASCII characters only");
    }
    if (token.len > 0)
        (void)snprintf(client->bearer, sizeof(client->bearer), "Bearer %.*s", AW_SLICE_ARGS(token));
    return AW_OK;
}

enum aw_err
aw_client_new(struct aw_client **ret_client, const struct aw_client_config *config, struct aw_why *why)
{
    struct aw_client *client = aw_new(struct aw_client);
    enum aw_err       err = AW_E_MEMORY;

    if (client == NULL)
        return aw_why(why, AW_E_MEMORY, "out of memory");
    aw_pool_init(&client->pool);
    client->memory = (nghttp2_mem){client, memory_take, memory_give, memory_take_zeroed, memory_resize};
    client->loop = config->loop;
    client->insecure = config->insecure;
    client->exchanges_max = config->exchanges_max == 0 ? EXCHANGES_MAX_DEFAULT : config->exchanges_max;
    client->answer_bytes_max = config->answer_bytes_max == 0 ? ANSWER_BYTES_MAX_DEFAULT : config->answer_bytes_max;
    client->connect_ns_max = config->connect_ns_max == 0 ? CONNECT_NS_MAX_DEFAULT : config->connect_ns_max;
    client->now = aw_clock_mono();
    aw_list_init(&client->spare);
    aw_list_init(&client->trunks);
    aw_list_init(&client->changed);
    aw_list_init(&client->dirty);
    aw_list_init(&client->finished);
    aw_list_init(&client->forgotten);
    for (unsigned i = 0; i < WHEEL_SLOTS; i++)
        aw_list_init(&client->wheel[i]);
    start_watchers(client);
    client->input = malloc(READ_BYTES);
    client->output = malloc(OUTPUT_BYTES);
    if (client->input == NULL || client->output == NULL || !aw_client_session_callbacks_new(client)) {
        (void)aw_why(why, AW_E_MEMORY, "out of memory");
        goto fail;
    }
    err = set_token(client, config->token, why);
    if (err == AW_OK)
        err = aw_client_tls_new(client, config, why);
    if (err != AW_OK)
        goto fail;
    *ret_client = client;
    return AW_OK;
fail:
    aw_client_free(&client);
    return err;
}

void
aw_client_free(struct aw_client **client_of)
{
    struct aw_client *client = *client_of;
    struct aw_list   *node;

    if (client == NULL)
        return;
    *client_of = NULL;
    AW_ASSERT(!client->delivering);
    while ((node = aw_list_first(&client->trunks)) != NULL) {
        struct aw_trunk *trunk = AW_CONTAINER(node, struct aw_trunk, in_client);

        aw_trunk_close(&trunk);
    }
    aw_client_sweep(client);
    AW_ASSERT(client->slots == 0);
    AW_ASSERT(client->exchanges == 0);
    for (struct aw_list *at = client->spare.next; at != &client->spare;) {
        struct aw_exchange *exchange = AW_CONTAINER(at, struct aw_exchange, in_trunk);

        at = at->next;
        free(exchange->body_ptr);
        free(exchange);
    }
    ev_ref(client->loop);
    ev_prepare_stop(client->loop, &client->before_sleep);
    ev_idle_stop(client->loop, &client->awake);
    ev_timer_stop(client->loop, &client->ticker);
    aw_client_session_callbacks_free(client);
    SSL_CTX_free(client->tls);
    aw_pool_fini(&client->pool);
    free(client->input);
    free(client->output);
    aw_secret_wipe(client->bearer, sizeof(client->bearer));
    free(client);
}

uint32_t
aw_client_exchanges(const struct aw_client *client)
{
    return client->exchanges;
}
