#include "base/home.h"
#include "http/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void *
plain_take(size_t size, void *user)
{
    (void)user;
    return malloc(size);
}

static void
plain_give(void *ptr, void *user)
{
    (void)user;
    free(ptr);
}

static void *
plain_take_zeroed(size_t count, size_t size, void *user)
{
    (void)user;
    return calloc(count, size);
}

static void *
plain_resize(void *ptr, size_t size, void *user)
{
    (void)user;
    return realloc(ptr, size);
}

static void
edge_set_options(struct aw_edge *edge)
{
    const struct aw_http_limits *limits = &edge->limits;
    nghttp2_option              *options = edge->options;

    /* The library's own limit on resets (1000 and 33 a second) reads the system's clock; ours, a tighter one, is in session.c.
     * Windows are given back by hand: at once for the connection, for a stream when its bytes are accepted. */
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_max_outbound_ack(options, limits->acks_queued_max);
    nghttp2_option_set_max_settings(options, limits->settings_entries_max);
    /* A library without the fix of CVE-2024-28182 lacks this function: the build fails, as it should. */
    nghttp2_option_set_max_continuations(options, limits->continuations_max);
}

enum aw_err
aw_edge_new(struct aw_edge **ret_edge, const struct aw_edge_config *config)
{
    struct aw_http_memory memory = config->memory;
    struct aw_edge       *edge;

    AW_ASSERT(config->blocks != NULL);
    AW_ASSERT(config->handlers.on_request != NULL && config->handlers.on_gone != NULL && config->handlers.on_sent != NULL);
    if (memory.take == NULL)
        memory = (struct aw_http_memory){
            .take = plain_take, .give = plain_give, .take_zeroed = plain_take_zeroed, .resize = plain_resize};
    edge = memory.take_zeroed(1, sizeof(*edge), memory.user);
    if (edge == NULL)
        return AW_E_MEMORY;
    aw_home_enter(&edge->home);
    edge->limits = config->limits;
    edge->handlers = config->handlers;
    edge->blocks = config->blocks;
    edge->bodies_bytes_max = config->bodies_bytes_max;
    edge->mem = (nghttp2_mem){memory.user, memory.take, memory.give, memory.take_zeroed, memory.resize};
    edge->jitter = config->seed | 1;
    edge->in = memory.take(AW_HTTP_READ_CHUNK_BYTES, memory.user);
    edge->out = memory.take(AW_HTTP_OUT_CHUNK_BYTES, memory.user);
    /* The library takes these two from malloc whatever allocator its sessions use. */
    if (edge->in == NULL || edge->out == NULL || nghttp2_session_callbacks_new(&edge->callbacks) != 0 ||
        nghttp2_option_new(&edge->options) != 0) {
        aw_edge_free(&edge);
        return AW_E_MEMORY;
    }
    edge_set_options(edge);
    aw_events_install(edge->callbacks);
    *ret_edge = edge;
    return AW_OK;
}

void
aw_edge_free(struct aw_edge **edge)
{
    struct aw_edge *gone = *edge;

    if (gone == NULL)
        return;
    AW_ASSERT(gone->stats.connections_now == 0);
    AW_ASSERT(gone->stats.sessions_now == 0);
    AW_ASSERT(gone->stats.requests_now == 0);
    AW_ASSERT(gone->stats.bodies_bytes_now == 0);
    nghttp2_option_del(gone->options);
    nghttp2_session_callbacks_del(gone->callbacks);
    gone->mem.free(gone->in, gone->mem.mem_user_data);
    gone->mem.free(gone->out, gone->mem.mem_user_data);
    gone->mem.free(gone, gone->mem.mem_user_data);
    *edge = NULL;
}

const struct aw_edge_stats *
aw_edge_stats(const struct aw_edge *edge)
{
    return &edge->stats;
}

const struct aw_http_limits *
aw_edge_limits(const struct aw_edge *edge)
{
    return &edge->limits;
}

void
aw_edge_enter(struct aw_edge *edge)
{
    aw_home_enter(&edge->home);
}

/* RFC 9110 section 5.6.7, always in English. */
void
aw_edge_set_date(struct aw_edge *edge, aw_ms now)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t            seconds = (time_t)(now / AW_MS_PER_S);
    struct tm         tm;

    AW_ON(edge);
    AW_ASSERT(now <= AW_MS_MAX);
    gmtime_r(&seconds, &tm);
    snprintf(edge->date, sizeof(edge->date), "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday], tm.tm_mday % 32u,
             months[tm.tm_mon], (tm.tm_year + 1900) % 10000u, tm.tm_hour % 24u, tm.tm_min % 60u, tm.tm_sec % 61u);
}

/* Marsaglia, xorshift64: only spreads times, so neither strength nor evenness matters much. */
uint64_t
aw_edge_random(struct aw_edge *edge, uint64_t bound)
{
    AW_ASSERT(bound > 0);
    edge->jitter ^= edge->jitter << 13;
    edge->jitter ^= edge->jitter >> 7;
    edge->jitter ^= edge->jitter << 17;
    return edge->jitter % bound;
}

void
aw_edge_count_answer(struct aw_edge *edge, unsigned status)
{
    AW_ASSERT(status >= AW_STATUS_MIN && status <= AW_STATUS_MAX);
    edge->stats.answers[status - AW_STATUS_MIN]++;
}

const char *
aw_cause_name(enum aw_cause cause)
{
    static const char *const names[AW_CAUSES] = {
        [AW_CAUSE_NONE] = "none",
        [AW_CAUSE_PEER] = "peer",
        [AW_CAUSE_DRAIN] = "drain",
        [AW_CAUSE_IDLE] = "idle",
        [AW_CAUSE_AGE] = "age",
        [AW_CAUSE_HELLO] = "hello",
        [AW_CAUSE_HANDSHAKE] = "handshake",
        [AW_CAUSE_HTTP1] = "http1",
        [AW_CAUSE_GARBAGE] = "garbage",
        [AW_CAUSE_PROTOCOL] = "protocol",
        [AW_CAUSE_RESET] = "reset",
        [AW_CAUSE_GLITCH] = "glitch",
        [AW_CAUSE_CONTROL] = "control",
        [AW_CAUSE_CONTINUATION] = "continuation",
        [AW_CAUSE_OUTBOUND] = "outbound",
        [AW_CAUSE_SETTINGS] = "settings",
        [AW_CAUSE_FRAME_SLOW] = "frame_slow",
        [AW_CAUSE_BODY_SLOW] = "body_slow",
        [AW_CAUSE_ANSWER_SLOW] = "answer_slow",
        [AW_CAUSE_SOCKET_SLOW] = "socket_slow",
        [AW_CAUSE_PING] = "ping",
        [AW_CAUSE_HEADERS] = "headers",
        [AW_CAUSE_BODY_LARGE] = "body_large",
        [AW_CAUSE_BODIES] = "bodies",
        [AW_CAUSE_POLLS] = "polls",
        [AW_CAUSE_REQUEST] = "request",
        [AW_CAUSE_MEMORY] = "memory",
        [AW_CAUSE_IO] = "io",
        [AW_CAUSE_ADDRESS] = "address",
    };

    AW_ASSERT(cause < AW_CAUSES);
    return names[cause];
}
