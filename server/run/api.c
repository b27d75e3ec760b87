/* api.c - routes, and what several handlers need. */
#include "run/api.h"

#include "base/text.h"
#include "proto/proto.h"
#include "run/io.h"

#include <stdio.h>
#include <string.h>

#define EXACT(method, path, handler, roles)                                                                                      \
    {                                                                                                                            \
        method, {path, sizeof(path) - 1}, {NULL, 0}, 0, roles, handler                                                           \
    }
#define WITH_ID(method, path, rest, handler, roles)                                                                              \
    {                                                                                                                            \
        method, {path, sizeof(path) - 1}, {rest, sizeof(rest) - 1}, 1, roles, handler                                            \
    }
#define WITH_TWO_IDS(method, path, handler, roles)                                                                               \
    {                                                                                                                            \
        method, {path, sizeof(path) - 1}, {NULL, 0}, 2, roles, handler                                                           \
    }
#define GATEWAY    AW_ROUTE_GATEWAY
#define AGENTS     AW_ROUTE_AGENTS
#define SUPERVISOR AW_ROUTE_SUPERVISOR
#define MONITOR    AW_ROUTE_MONITOR
#define ANY        AW_ROUTE_ANY
#define PUBLIC     AW_ROUTE_PUBLIC

/* The first that fits: exact paths stand before those with a variable part. Each says who may: within it, tokens have bounds of
 * their own (access.h), which handlers look at. */
static const struct aw_api_route routes[] = {
    EXACT(AW_POST, "/v1/messages", aw_api_post_messages, GATEWAY),
    EXACT(AW_POST, "/v1/messages/withdraw", aw_api_withdraw, GATEWAY),
    EXACT(AW_POST, "/v1/leases", aw_api_pull, AGENTS),
    EXACT(AW_GET, "/v1/leases", aw_api_held, AGENTS),
    EXACT(AW_GET, "/v1/stream", aw_api_stream, AGENTS),
    EXACT(AW_POST, "/v1/leases/extend", aw_api_extend_many, AGENTS),
    EXACT(AW_POST, "/v1/leases/complete", aw_api_complete_many, AGENTS),
    EXACT(AW_GET, "/v1/replies", aw_api_list_replies, AGENTS | SUPERVISOR),
    EXACT(AW_POST, "/v1/replies/leases", aw_api_take_replies, GATEWAY),
    EXACT(AW_POST, "/v1/replies/redrive", aw_api_redrive, SUPERVISOR),
    EXACT(AW_GET, "/v1/tickets", aw_api_find_tickets, SUPERVISOR),
    EXACT(AW_POST, "/v1/tickets/bulk", aw_api_bulk, SUPERVISOR),
    EXACT(AW_GET, "/v1/lanes", aw_api_list_lanes, AGENTS | SUPERVISOR),
    EXACT(AW_GET, "/v1/agents", aw_api_list_agents, SUPERVISOR),
    EXACT(AW_GET, "/v1/flights", aw_api_list_flights, AGENTS | SUPERVISOR),
    EXACT(AW_POST, "/v1/flights", aw_api_post_flights, SUPERVISOR),
    EXACT(AW_GET, "/v1/airports", aw_api_list_airports, AGENTS | SUPERVISOR),
    EXACT(AW_GET, "/v1/incidents", aw_api_list_incidents, AGENTS | SUPERVISOR),
    EXACT(AW_POST, "/v1/incidents", aw_api_post_incident, SUPERVISOR),
    EXACT(AW_POST, "/v1/replies/check", aw_api_check_reply, AGENTS | SUPERVISOR),
    EXACT(AW_GET, "/v1/surge", aw_api_get_surge, SUPERVISOR | MONITOR),
    EXACT(AW_PUT, "/v1/surge", aw_api_put_surge, SUPERVISOR),
    EXACT(AW_GET, "/v1/commitments", aw_api_list_commitments, SUPERVISOR),
    EXACT(AW_POST, "/v1/contacts/opt-out", aw_api_opt_out, GATEWAY | SUPERVISOR),
    EXACT(AW_POST, "/v1/contacts/opt-in", aw_api_opt_in, SUPERVISOR),
    EXACT(AW_GET, "/v1/contacts", aw_api_get_contact, SUPERVISOR),
    EXACT(AW_POST, "/v1/customers/erase", aw_api_erase, SUPERVISOR),
    EXACT(AW_GET, "/v1/stats", aw_api_stats, SUPERVISOR | MONITOR),
    EXACT(AW_GET, "/v1/response-time", aw_api_response_time, PUBLIC),
    EXACT(AW_GET, "/v1/response-time.svg", aw_api_response_time_svg, PUBLIC),
    EXACT(AW_GET, "/v1/events", aw_api_events, SUPERVISOR),
    EXACT(AW_GET, "/healthz", aw_api_healthz, PUBLIC),
    EXACT(AW_GET, "/readyz", aw_api_readyz, ANY),
    EXACT(AW_GET, "/metrics", aw_api_metrics, SUPERVISOR | MONITOR),
    EXACT(AW_GET, "/openapi.json", aw_api_openapi, PUBLIC),
    EXACT(AW_GET, "/", aw_api_index, PUBLIC),
    EXACT(AW_GET, "/v1/whoami", aw_api_whoami, ANY),
    WITH_ID(AW_GET, "/v1/messages/", "", aw_api_get_message, GATEWAY | SUPERVISOR),
    WITH_ID(AW_POST, "/v1/leases/", "/extend", aw_api_extend, AGENTS),
    WITH_ID(AW_POST, "/v1/leases/", "/complete", aw_api_complete, AGENTS),
    WITH_ID(AW_POST, "/v1/leases/", "/release", aw_api_release, AGENTS),
    WITH_ID(AW_POST, "/v1/leases/", "/decline", aw_api_decline, AGENTS),
    WITH_ID(AW_POST, "/v1/leases/", "/transfer", aw_api_transfer, AGENTS),
    WITH_ID(AW_POST, "/v1/leases/", "/defer", aw_api_defer, AGENTS),
    WITH_ID(AW_POST, "/v1/leases/", "/reply", aw_api_reply, AGENTS),
    WITH_ID(AW_GET, "/v1/replies/", "", aw_api_get_reply, GATEWAY | AGENTS | SUPERVISOR),
    WITH_ID(AW_POST, "/v1/replies/", "/status", aw_api_report_reply, GATEWAY),
    WITH_ID(AW_POST, "/v1/replies/", "/approve", aw_api_approve_reply, AGENTS | SUPERVISOR),
    WITH_ID(AW_POST, "/v1/replies/", "/refuse", aw_api_refuse_reply, AGENTS | SUPERVISOR),
    WITH_ID(AW_GET, "/v1/channels/", "", aw_api_get_channel, SUPERVISOR),
    WITH_ID(AW_PUT, "/v1/channels/", "", aw_api_put_channel, SUPERVISOR),
    WITH_ID(AW_GET, "/v1/templates/", "", aw_api_get_template, SUPERVISOR),
    WITH_ID(AW_PUT, "/v1/templates/", "", aw_api_put_template, SUPERVISOR),
    WITH_ID(AW_GET, "/v1/tickets/", "/why", aw_api_why, AGENTS | SUPERVISOR),
    WITH_ID(AW_GET, "/v1/tickets/", "/history", aw_api_history, AGENTS | SUPERVISOR),
    WITH_ID(AW_GET, "/v1/tickets/", "", aw_api_get_ticket, AGENTS | SUPERVISOR),
    WITH_ID(AW_PATCH, "/v1/tickets/", "", aw_api_patch_ticket, SUPERVISOR),
    WITH_ID(AW_POST, "/v1/tickets/", "/cancel", aw_api_cancel_ticket, SUPERVISOR),
    WITH_ID(AW_POST, "/v1/tickets/", "/unfold", aw_api_unfold_ticket, SUPERVISOR),
    WITH_ID(AW_POST, "/v1/tickets/", "/notes", aw_api_note_ticket, AGENTS | SUPERVISOR),
    WITH_ID(AW_POST, "/v1/incidents/", "/answer", aw_api_answer_incident, SUPERVISOR),
    WITH_ID(AW_POST, "/v1/incidents/", "/link", aw_api_link_incident, SUPERVISOR),
    WITH_ID(AW_POST, "/v1/incidents/", "/unlink", aw_api_unlink_incident, SUPERVISOR),
    WITH_ID(AW_GET, "/v1/incidents/", "", aw_api_get_incident, AGENTS | SUPERVISOR),
    WITH_ID(AW_PATCH, "/v1/incidents/", "", aw_api_patch_incident, SUPERVISOR),
    WITH_ID(AW_GET, "/v1/lanes/", "", aw_api_get_lane, AGENTS | SUPERVISOR),
    WITH_ID(AW_PUT, "/v1/lanes/", "", aw_api_put_lane, SUPERVISOR),
    WITH_ID(AW_GET, "/v1/agents/", "/day", aw_api_agent_day, AGENTS),
    WITH_ID(AW_PUT, "/v1/agents/", "/presence", aw_api_put_presence, AGENTS | SUPERVISOR),
    WITH_ID(AW_GET, "/v1/agents/", "", aw_api_get_agent, AGENTS | SUPERVISOR),
    WITH_ID(AW_PUT, "/v1/agents/", "", aw_api_put_agent, SUPERVISOR),
    WITH_TWO_IDS(AW_GET, "/v1/flights/", aw_api_get_flight, AGENTS | SUPERVISOR),
    WITH_TWO_IDS(AW_PUT, "/v1/flights/", aw_api_put_flight, SUPERVISOR),
    WITH_ID(AW_GET, "/v1/airports/", "", aw_api_get_airport, AGENTS | SUPERVISOR),
    WITH_ID(AW_PUT, "/v1/airports/", "", aw_api_put_airport, SUPERVISOR),
    WITH_ID(AW_POST, "/v1/changes/", "/undo", aw_api_undo, SUPERVISOR),
};

const struct aw_api_route *
aw_api_routes(size_t *ret_count)
{
    *ret_count = AW_ARRAY_LEN(routes);
    return routes;
}

static const char *const method_names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};

static bool
ends_with(struct aw_slice slice, struct aw_slice end)
{
    return slice.len >= end.len && aw_slice_eq(aw_slice_of(slice.ptr + slice.len - end.len, end.len), end);
}

static unsigned
count_parts(struct aw_slice path)
{
    unsigned parts = 1;

    for (size_t i = 0; i < path.len; i++)
        parts += path.ptr[i] == '/';
    return parts;
}

/* Bytes are compared as they came: nothing is decoded, so nothing can be smuggled in. */
static bool
path_fits(const struct aw_api_route *route, struct aw_slice path, struct aw_slice *ret_id)
{
    if (route->ids == 0)
        return aw_slice_eq(path, route->before);
    if (path.len <= route->before.len + route->after.len || !aw_slice_starts(path, route->before) ||
        !ends_with(path, route->after))
        return false;
    *ret_id = aw_slice_of(path.ptr + route->before.len, path.len - route->before.len - route->after.len);
    return count_parts(*ret_id) == route->ids;
}

/* Answered at any time: they are how one learns what is going on. */
static bool
is_always_open(const struct aw_api_route *route)
{
    return route->handler == aw_api_healthz || route->handler == aw_api_readyz || route->handler == aw_api_metrics ||
           route->handler == aw_api_openapi || route->handler == aw_api_index;
}

static bool
takes_a_look(const struct aw_api_route *route)
{
    return route->handler == aw_api_why || route->handler == aw_api_find_tickets || route->handler == aw_api_list_replies;
}

/* Of the places for requests in work half are for pulls that wait, a quarter is for posts, and the rest for who extends, completes
 * and steers: neither a flood nor a crowd of idle agents keeps the others out. A few may search at a time, or ask why a ticket is
 * where it is. */
static bool
has_place(const struct aw_io *io, const struct aw_api_route *route)
{
    uint64_t at_work = io->out - io->out_parked;

    if (route->handler == aw_api_post_messages || route->handler == aw_api_withdraw || route->handler == aw_api_opt_out)
        return at_work < io->out_max / 4;
    if (route->handler == aw_api_pull || route->handler == aw_api_stream || route->handler == aw_api_take_replies)
        return io->out_parked + io->agent_streams_awake < io->out_max / 2 && at_work < io->out_max / 8 * 3 &&
               io->out < io->out_max / 8 * 5;
    if (takes_a_look(route) && io->out_looks >= AW_IO_LOOKS_MAX)
        return false;
    return io->out < io->out_max;
}

static bool
is_too_busy(const struct aw_io *io, struct aw_request *request, const struct aw_api_route *route)
{
    uint64_t role;

    if (is_always_open(route))
        return false;
    role = aw_metric_sum(io->shared->metrics, AW_METRIC_ROLE);
    /* Also for what needs no committer: nothing is taken from the queues nor read from a store that failed. */
    if (role == AW_ROLE_BROKEN) {
        aw_request_fail(request, &(struct aw_problem){.err = AW_E_STORE_BROKEN});
        return true;
    }
    if (role == AW_ROLE_STARTING) {
        aw_request_fail(request, &(struct aw_problem){.err = AW_E_STARTING, .detail = AW_SLICE("see /readyz for how far it is")});
        return true;
    }
    if (io->draining) {
        aw_request_fail(request, &(struct aw_problem){.err = AW_E_DRAINING});
        return true;
    }
    if (has_place(io, route))
        return false;
    aw_request_fail(request, &(struct aw_problem){.err = AW_E_OVERLOADED, .detail = AW_SLICE("too many requests are in work")});
    return true;
}

/* Who may ask for it at all. A path that is none, or not with this method, is told to those only whom we know. */
static unsigned
roles_of(const struct aw_request *request)
{
    enum aw_method  method = request->method == AW_HEAD ? AW_GET : request->method;
    struct aw_slice id;

    for (size_t i = 0; i < AW_ARRAY_LEN(routes); i++) {
        if (routes[i].method == method && path_fits(&routes[i], request->path, &id))
            return routes[i].roles;
    }
    return ANY;
}

static enum aw_err
check(void *user, const struct aw_request *request)
{
    return aw_access_check(user, request, roles_of(request));
}

static void
on_request(void *user, struct aw_request *request)
{
    struct aw_io    *io = user;
    struct aw_buffer allow;
    struct aw_slice  id = {NULL, 0};
    enum aw_method   method = request->method == AW_HEAD ? AW_GET : request->method;

    if (!aw_access_enter(io, request, roles_of(request)))
        return;
    aw_buffer_init(&allow, &request->arena);
    for (size_t i = 0; i < AW_ARRAY_LEN(routes); i++) {
        if (!path_fits(&routes[i], request->path, &id))
            continue;
        if (routes[i].method == method) {
            if (!is_too_busy(io, request, &routes[i]))
                routes[i].handler(io, request, id);
            return;
        }
        aw_buffer_add_str(&allow, allow.len > 0 ? ", " : "");
        aw_buffer_add_str(&allow, method_names[routes[i].method]);
        if (routes[i].method == AW_GET)
            aw_buffer_add_str(&allow, ", HEAD");
    }
    if (allow.len > 0 && !allow.failed)
        aw_request_fail_with(request, &(struct aw_problem){.err = AW_E_METHOD, .detail = aw_buffer_slice(&allow)},
                             &(struct aw_header_field){AW_SLICE("allow"), aw_buffer_slice(&allow)}, 1);
    else
        aw_request_fail(request, &(struct aw_problem){.err = AW_E_NOT_FOUND, .detail = AW_SLICE("there is no such path")});
}

static void
on_gone(void *user, struct aw_request *request)
{
    (void)user;
    aw_call_request_gone(request);
}

static void
on_sent(void *user, struct aw_request *request, bool delivered)
{
    aw_call_request_sent(request, delivered);
    aw_access_leave(user, request);
}

static void
on_drained(void *user, struct aw_request *request)
{
    (void)user;
    aw_call_request_drained(request);
}

struct aw_handlers
aw_api_handlers(struct aw_io *io)
{
    return (struct aw_handlers){
        .user = io, .check = check, .on_request = on_request, .on_gone = on_gone, .on_sent = on_sent, .on_drained = on_drained};
}

void
aw_api_drain(struct aw_io *io)
{
    struct aw_wheel_node *node;

    /* Only long polls and streams wait: each is told that its time has come. */
    while ((node = aw_wheel_pop(&io->wheel, io->now + AW_WHEEL_SLOTS * AW_WHEEL_TICK_NS)) != NULL) {
        struct aw_call *call = AW_CONTAINER(node, struct aw_call, node);

        call->ops->on_time(call);
    }
    aw_api_events_drain(io);
}

/* Names are compared and shown, so they hold no control bytes and no blanks at the ends. */
static bool
is_name(struct aw_slice name)
{
    if (name.len == 0 || name.len > AW_AGENT_BYTES_MAX || !aw_slice_is_utf8(name))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
            return false;
    }
    return aw_slice_trim(name).len == name.len;
}

void
aw_api_refuse_body(struct aw_call *call, const struct aw_proto_problem *problem)
{
    struct aw_problem answer = aw_proto_problem_answer(problem, 0);

    aw_call_problem(call, &answer);
}

void
aw_api_refuse_field(struct aw_call *call, const char *field, const char *detail)
{
    aw_call_problem(call,
                    &(struct aw_problem){.err = AW_E_BAD_VALUE, .field = aw_slice_str(field), .detail = aw_slice_str(detail)});
}

bool
aw_api_note(struct aw_call *call, struct aw_slice text, struct aw_in_body *ret_body)
{
    struct aw_buffer buffer;

    aw_buffer_init(&buffer, aw_call_arena(call));
    if (!aw_proto_encode_note(&buffer, text))
        return false;
    *ret_body = (struct aw_in_body){.bytes = aw_buffer_slice(&buffer), .len = (uint32_t)buffer.len};
    return aw_sha256(&ret_body->bytes, 1, &ret_body->hash);
}

/* Of a token that names its own. A copy, made once a request: what is still at work when tokens are read anew outlives the set that
 * the name came from (access.h). False: answered 403, as the field names somebody else, or 503. */
static bool
take_own_name(struct aw_call *call, const struct aw_token *token, struct aw_slice *ret_agent)
{
    struct aw_slice *agent = &call->request->agent;

    if (agent->len == 0 && !aw_arena_copy(aw_call_arena_kept(call), token->name, agent)) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return false;
    }
    if (!aw_slice_eq(*agent, token->name)) {
        aw_call_fail(call, AW_E_FORBIDDEN, "aswolk-agent names somebody else than the token; only a desk's token takes any name");
        return false;
    }
    *ret_agent = *agent;
    return true;
}

bool
aw_api_agent(struct aw_call *call, struct aw_slice *ret_agent)
{
    const struct aw_token *token = aw_access_token(call->request);
    struct aw_slice        agent = call->request->agent;

    if (token != NULL && token->role != AW_TOKEN_DESK)
        return take_own_name(call, token, ret_agent);
    if (agent.len == 0) {
        aw_call_fail(call, token == NULL ? AW_E_UNAUTHORIZED : AW_E_BAD_VALUE, "name the agent in the header field aswolk-agent");
        return false;
    }
    if (!is_name(agent)) {
        aw_call_fail(call, AW_E_BAD_VALUE, "aswolk-agent takes 1 to 64 bytes of text without control characters");
        return false;
    }
    *ret_agent = agent;
    return true;
}

bool
aw_api_is_agent(struct aw_slice name)
{
    return is_name(name);
}

#define WORD_BITS 64U

/* Makes the list ascending, each lane once: a bit each, since a thousand lanes in any order are too many to be put in one by one.
 * Returns how many there are; 0: no memory. */
static uint32_t
sort_lanes(struct aw_call *call, uint32_t *lanes, uint32_t count)
{
    uint32_t  words = aw_lanes_directory_count(call->io->shared->directory) / WORD_BITS + 1;
    uint64_t *bits = aw_arena_take_zeroed(aw_call_arena(call), words, sizeof(bits[0]));
    uint32_t  sorted = 0;

    if (bits == NULL)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        bits[lanes[i] / WORD_BITS] |= UINT64_C(1) << lanes[i] % WORD_BITS;
    for (uint32_t word = 0; word < words; word++) {
        for (uint64_t left = bits[word]; left != 0; left &= left - 1)
            lanes[sorted++] = word * WORD_BITS + (uint32_t)__builtin_ctzll(left);
    }
    return sorted;
}

bool
aw_api_find_lanes(struct aw_call *call, const struct aw_slice *names, uint32_t count, const uint32_t **ret_lanes,
                  uint32_t *ret_count)
{
    struct aw_lanes_directory *directory = call->io->shared->directory;
    uint32_t                  *lanes = NULL;

    if (count > 0)
        lanes = aw_arena_take(aw_call_arena(call), count * sizeof(lanes[0]));
    for (uint32_t i = 0; lanes != NULL && i < count; i++) {
        lanes[i] = aw_lanes_directory_find(directory, names[i]);
        if (lanes[i] == AW_LANE_NONE) {
            aw_call_problem(call, &(struct aw_problem){.err = AW_E_NOT_FOUND,
                                                       .detail = AW_SLICE("there is no lane by that name"),
                                                       .field = AW_SLICE("lanes")});
            return false;
        }
    }
    *ret_lanes = lanes;
    *ret_count = lanes == NULL ? 0 : sort_lanes(call, lanes, count);
    if (count == 0 || *ret_count > 0)
        return true;
    aw_call_fail(call, AW_E_MEMORY, "");
    return false;
}

/* 1 to 255 bytes that one can see, as they came: a quoted one (an item of RFC 8941) counts with its quotes. */
static bool
is_idempotency_key(struct aw_slice key)
{
    if (key.len == 0 || key.len > AW_IDEMPOTENCY_KEY_BYTES_MAX)
        return false;
    for (size_t i = 0; i < key.len; i++) {
        if ((unsigned char)key.ptr[i] < 0x20 || (unsigned char)key.ptr[i] > 0x7e)
            return false;
    }
    return true;
}

bool
aw_api_once(struct aw_call *call, struct aw_slice who, struct aw_once *ret_once)
{
    const struct aw_request  *request = call->request;
    const struct aw_hash_key *hash_key = &call->io->shared->table_key;
    struct aw_slice           key = request->idempotency_key;
    struct aw_buffer          buffer;

    *ret_once = (struct aw_once){.request = 0};
    if (key.ptr == NULL)
        return true;
    if (!is_idempotency_key(key)) {
        aw_call_fail(call, AW_E_BAD_VALUE, "idempotency-key takes 1 to 255 visible characters");
        return false;
    }
    /* Lengths stand before what varies, so that no two different requests give the same bytes. */
    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_buffer_printf(&buffer, "key %zu ", who.len);
    aw_buffer_add(&buffer, who.ptr, who.len);
    aw_buffer_add(&buffer, key.ptr, key.len);
    if (!buffer.failed)
        ret_once->key = aw_hash128(hash_key, buffer.ptr, buffer.len);
    buffer.len = 0;
    aw_buffer_printf(&buffer, "%zu %zu ", request->path.len, request->content_type.len);
    aw_buffer_add(&buffer, request->path.ptr, request->path.len);
    aw_buffer_add(&buffer, request->content_type.ptr, request->content_type.len);
    aw_buffer_add(&buffer, request->body.ptr, request->body.len);
    if (buffer.failed) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return false;
    }
    ret_once->request = aw_hash64(hash_key, buffer.ptr, buffer.len);
    return true;
}

bool
aw_api_media(struct aw_call *call, bool sequence_ok, enum aw_media *ret_media)
{
    struct aw_slice type = call->request->content_type;
    enum aw_media   media;

    if (call->request->body.len == 0) { /* whatever its type says: curl -d '' calls nothing a form */
        *ret_media = AW_MEDIA_JSON;
        return true;
    }
    if (aw_media_parse(type, &media) && (media == AW_MEDIA_JSON || media == AW_MEDIA_MSGPACK ||
                                         (sequence_ok && (media == AW_MEDIA_NDJSON || media == AW_MEDIA_MSGPACK_SEQ)))) {
        *ret_media = media;
        return true;
    }
    aw_call_fail(call, AW_E_MEDIA_TYPE,
                 sequence_ok ? "content-type is application/json or application/msgpack, or for several "
                               "application/x-ndjson or application/vnd.msgpack-seq"
                             : "content-type is application/json or application/msgpack");
    return false;
}

struct aw_read *
aw_api_read_new(struct aw_call *call, uint32_t count, size_t bytes)
{
    struct aw_arena *arena = aw_call_arena(call);
    struct aw_read  *read = aw_arena_take_zeroed(arena, 1, sizeof(*read));

    if (read == NULL)
        return NULL;
    read->items = aw_arena_take_zeroed(arena, count, sizeof(read->items[0]));
    read->count = count;
    read->shard = call->io->shared->shard;
    read->memory = aw_arena_take(arena, bytes);
    read->room = bytes;
    read->bytes_max = AW_LEASE_MESSAGES_BYTES_MAX;
    return read->items == NULL || read->memory == NULL ? NULL : read;
}

bool
aw_api_read_again(struct aw_call *call, struct aw_read *read, bool *ret_failed)
{
    *ret_failed = false;
    if (read->is_unfinished) {
        aw_call_read(call, read);
        return true;
    }
    if (read->need <= read->room)
        return false;
    read->memory = aw_arena_take(aw_call_arena(call), read->need);
    if (read->memory == NULL) {
        *ret_failed = true;
        return false;
    }
    read->room = read->need;
    aw_call_read(call, read);
    return true;
}

bool
aw_api_cursor(struct aw_call *call, uint64_t *ret_after)
{
    const struct aw_slice name = AW_SLICE("cursor=");
    struct aw_slice       query = call->request->query;

    *ret_after = 0;
    if (query.len == 0)
        return true;
    if (aw_slice_starts(query, name) && aw_base32_to_u64(aw_slice_of(query.ptr + name.len, query.len - name.len), ret_after))
        return true;
    aw_api_refuse_field(call, "cursor", "the query is cursor=C, with C as `next` gave it");
    return false;
}

/* As it came, but for what would end the field's URI (RFC 3986 section 2): a client may have sent that as it is. */
static void
add_part(struct aw_buffer *link, struct aw_slice part)
{
    for (size_t i = 0; i < part.len; i++) {
        unsigned char c = (unsigned char)part.ptr[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}", c) != NULL)
            aw_buffer_printf(link, "%%%02X", c);
        else
            aw_buffer_add(link, &part.ptr[i], 1);
    }
}

void
aw_api_add_query(struct aw_buffer *link, struct aw_slice query)
{
    while (query.len > 0) {
        struct aw_slice part = aw_slice_cut(&query, '&');

        if (part.len == 0 || aw_slice_starts(part, AW_SLICE("cursor=")))
            continue;
        add_part(link, part);
        aw_buffer_add_str(link, "&");
    }
}

struct aw_slice
aw_api_next(struct aw_call *call, uint64_t after, struct aw_header_field *ret_link)
{
    char             text[AW_BASE32_U64_CHARS];
    struct aw_buffer link;
    struct aw_slice  cursor;

    aw_base32_u64(after, text);
    aw_buffer_init(&link, aw_call_arena(call));
    aw_buffer_add_str(&link, "<");
    aw_buffer_add(&link, call->request->path.ptr, call->request->path.len);
    aw_buffer_add_str(&link, "?");
    aw_api_add_query(&link, call->request->query);
    aw_buffer_add_str(&link, "cursor=");
    aw_buffer_add(&link, text, sizeof(text));
    aw_buffer_add_str(&link, ">; rel=\"next\"");
    if (link.failed || !aw_arena_copy(aw_call_arena(call), aw_slice_of(text, sizeof(text)), &cursor))
        return (struct aw_slice){NULL, 0};
    *ret_link = (struct aw_header_field){AW_SLICE("link"), aw_buffer_slice(&link)};
    return cursor;
}

struct aw_slice
aw_api_etag(struct aw_arena *arena, uint64_t version)
{
    struct aw_buffer buffer;

    aw_buffer_init(&buffer, arena);
    aw_buffer_printf(&buffer, "\"%llu\"", (unsigned long long)version);
    return buffer.failed ? (struct aw_slice){NULL, 0} : aw_buffer_slice(&buffer);
}

/* Takes one entity-tag off the front; its version, or AW_VERSION_NONE for what we never gave, and for a weak one, which no change
 * may go by. False: there is none. */
static bool
take_etag(struct aw_slice *list, uint64_t *ret_version)
{
    struct aw_slice at = *list;
    bool            weak = aw_slice_starts(at, AW_SLICE("W/"));
    const char     *end;

    if (weak)
        at = aw_slice_of(at.ptr + 2, at.len - 2);
    if (at.len < 2 || at.ptr[0] != '"')
        return false;
    at = aw_slice_of(at.ptr + 1, at.len - 1);
    end = memchr(at.ptr, '"', at.len);
    if (end == NULL)
        return false;
    if (weak || !aw_slice_to_u64(aw_slice_of(at.ptr, (size_t)(end - at.ptr)), UINT32_MAX, ret_version) || *ret_version == 0)
        *ret_version = AW_VERSION_NONE;
    *list = aw_slice_of(end + 1, at.len - (size_t)(end - at.ptr) - 1);
    return true;
}

/* The tags of a list, which may have empty elements (RFC 9110 section 5.6.1). Their count; 0: malformed or too many. */
static uint32_t
take_etags(struct aw_slice list, uint64_t versions[AW_IF_MATCH_TAGS_MAX])
{
    uint32_t count = 0;

    for (;;) {
        list = aw_slice_trim(list);
        while (list.len > 0 && list.ptr[0] == ',')
            list = aw_slice_trim(aw_slice_of(list.ptr + 1, list.len - 1));
        if (list.len == 0)
            return count;
        if (count == AW_IF_MATCH_TAGS_MAX || !take_etag(&list, &versions[count++]))
            return 0;
        list = aw_slice_trim(list);
        if (list.len > 0 && list.ptr[0] != ',')
            return 0;
    }
}

bool
aw_api_if_match(struct aw_call *call, struct aw_if_match *ret_if_match)
{
    struct aw_slice list = call->request->if_match;
    uint64_t       *versions;
    uint32_t        count;

    *ret_if_match = (struct aw_if_match){.version = 0};
    if (list.ptr == NULL)
        return true;
    if (aw_slice_eq(aw_slice_trim(list), AW_SLICE("*"))) {
        ret_if_match->version = AW_VERSION_SOME;
        return true;
    }
    versions = aw_arena_take(aw_call_arena(call), AW_IF_MATCH_TAGS_MAX * sizeof(versions[0]));
    if (versions == NULL) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return false;
    }
    count = take_etags(list, versions);
    if (count == 0) {
        aw_call_fail(call, AW_E_MALFORMED, "if-match takes 1 to 16 entity-tags, or *");
        return false;
    }
    *ret_if_match = (struct aw_if_match){.version = versions[0], .others = versions + 1, .other_count = count - 1};
    return true;
}
