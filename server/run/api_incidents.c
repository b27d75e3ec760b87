/* api_incidents.c - incidents: list, look, make, change, put tickets into one and take them out. */
#include "base/text.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/query.h"

#include <string.h>

/* In one answer; a cursor goes on. */
#define PER_PAGE 50U

/* Tickets linked by one submission: others go between. */
#define LINKS_PIECE 128U

struct incidents {
    struct aw_call             call;
    enum aw_media              media;
    struct aw_submission       submission;
    struct aw_query            query;
    struct aw_incident_answer *found; /* room for `query.room` */
    enum aw_incident_state     state; /* of a list; NONE: any */
    /* Changing. */
    struct aw_slice           by;
    struct aw_entry           entry;
    bool                      is_linking; /* `links` are out */
    bool                      created;
    struct aw_incident_change change;
    const struct aw_slice    *tickets; /* that the request names */
    uint32_t                  ticket_count;
    bool                      parts;
    struct aw_entry          *links; /* of those tickets whose ids can be read */
    uint32_t                  link_count;
    uint32_t                  link_at; /* of the piece that is out */
};

static bool
parse_id(struct incidents *incidents, struct aw_slice id, struct aw_incident_id *ret_id)
{
    if (aw_incident_id_parse(id, ret_id))
        return true;
    aw_call_fail(&incidents->call, AW_E_NOT_FOUND, "there is no incident by that id");
    return false;
}

/* False: answered. */
static bool
ask(struct incidents *incidents, enum aw_query_kind kind, uint32_t room)
{
    incidents->found = aw_arena_take_zeroed(aw_call_arena(&incidents->call), room, sizeof(incidents->found[0]));
    if (incidents->found == NULL) {
        aw_call_fail(&incidents->call, AW_E_MEMORY, "");
        return false;
    }
    incidents->query.kind = kind;
    incidents->query.room = room;
    incidents->query.incidents = incidents->found;
    incidents->query.incident_state = incidents->state;
    incidents->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &incidents->query};
    aw_call_submit(&incidents->call, &incidents->submission);
    return true;
}

/* --- answers ---------------------------------------------------------------------------------------------------------------- */

/* As aw_api_next, with the state that the list is of. */
static struct aw_slice
page_end(struct incidents *incidents, struct aw_header_field *ret_link)
{
    struct aw_slice  next = aw_api_next(&incidents->call, incidents->query.next, ret_link);
    struct aw_buffer link;

    if (incidents->state == AW_INCIDENT_NONE || next.len == 0)
        return next;
    aw_buffer_init(&link, aw_call_arena(&incidents->call));
    aw_buffer_printf(&link, "</v1/incidents?state=%s&cursor=%.*s>; rel=\"next\"", aw_incident_state_name(incidents->state),
                     AW_SLICE_ARGS(next));
    ret_link->value = aw_buffer_slice(&link);
    return link.failed ? (struct aw_slice){NULL, 0} : next;
}

static void
answer_list(struct incidents *incidents)
{
    bool                   has_next = incidents->query.next != 0;
    struct aw_header_field link = {.name = {NULL, 0}};
    struct aw_slice        next = has_next ? page_end(incidents, &link) : (struct aw_slice){NULL, 0};
    struct aw_buffer       buffer;
    struct aw_writer       writer;

    aw_buffer_init(&buffer, aw_call_arena(&incidents->call));
    aw_writer_init(&writer, &buffer, incidents->media);
    aw_proto_write_incidents(&writer, incidents->found, incidents->query.count, next);
    buffer.failed |= has_next && next.len == 0;
    aw_call_answer(&incidents->call, 200, incidents->media, &buffer, &link, has_next);
}

/* What was asked for, over what there is. */
static void
put_over(struct aw_incident_answer *now, const struct aw_in_incident *in)
{
    if (in->state != AW_INCIDENT_NONE)
        now->state = in->state;
    if (in->follow != AW_FOLLOW_AS_IS)
        now->follows = in->follow == AW_FOLLOW_LATER;
    if (in->title.len > 0) {
        memcpy(now->title, in->title.ptr, in->title.len);
        now->title_len = (uint8_t)in->title.len;
    }
    if (!in->has_keys)
        return;
    now->key_count = in->key_count;
    for (uint32_t i = 0; i < in->key_count; i++) {
        now->keys[i] = (struct aw_incident_key_answer){
            .kind = in->keys[i].kind, .date_days = in->keys[i].date_days, .name_len = (uint8_t)in->keys[i].name.len};
        memcpy(now->keys[i].name, in->keys[i].name.ptr, in->keys[i].name.len);
    }
}

/* Which of the tickets that the request names were not linked, and why. False: no memory. */
static bool
tell_links(struct incidents *incidents)
{
    struct aw_incident_change  *change = &incidents->change;
    struct aw_incident_refusal *refused =
        aw_arena_take_zeroed(aw_call_arena(&incidents->call), incidents->ticket_count + 1, sizeof(refused[0]));
    uint32_t link = 0;

    if (refused == NULL)
        return false;
    change->names_tickets = true;
    change->refused = refused;
    for (uint32_t i = 0; i < incidents->ticket_count; i++) {
        struct aw_ticket_id      id;
        const struct aw_command *command =
            aw_ticket_id_parse(incidents->tickets[i], &id) ? &incidents->links[link++].command : NULL;
        enum aw_err err = command == NULL ? AW_E_NOT_FOUND : command->out.err;

        if (err == AW_OK)
            change->linked += command->out.changed ? 1 : 0;
        else
            refused[change->refused_count++] = (struct aw_incident_refusal){
                .ticket = incidents->tickets[i],
                .err = err,
                .other = err == AW_E_OTHER_INCIDENT ? command->out.u.incident.other : (struct aw_incident_id){.seq = 0}};
    }
    return true;
}

static void
answer_one(struct incidents *incidents)
{
    struct aw_incident_change *change = &incidents->change;
    struct aw_header_field     etag;
    struct aw_buffer           buffer;
    struct aw_writer           writer;

    change->now = incidents->found[0];
    /* Of what this request changed, not of what others did since: an If-Match by it must fail then. */
    if (incidents->entry.command.kind == AW_COMMAND_INCIDENT && !change->dry_run)
        change->now.version = incidents->entry.command.out.u.incident.version;
    if (change->dry_run)
        put_over(&change->now, &incidents->entry.command.in.incident);
    if (incidents->is_linking && !tell_links(incidents)) {
        aw_call_fail(&incidents->call, AW_E_MEMORY, "");
        return;
    }
    etag = (struct aw_header_field){AW_SLICE("etag"), aw_api_etag(aw_call_arena(&incidents->call), change->now.version)};
    aw_buffer_init(&buffer, aw_call_arena(&incidents->call));
    aw_writer_init(&writer, &buffer, incidents->media);
    aw_proto_write_incident(&writer, change);
    aw_call_answer(&incidents->call, incidents->created ? 201 : 200, incidents->media, &buffer, &etag, !change->dry_run);
}

static void
refuse(struct incidents *incidents, enum aw_err err)
{
    aw_call_fail(&incidents->call, err,
                 err == AW_E_NOT_FOUND     ? "there is no incident by that id"
                 : err == AW_E_WRONG_STATE ? "an incident that is open can't be proposed"
                 : err == AW_E_BAD_VALUE   ? "each flight, airport and booking is named once, and 64 at most"
                 : err == AW_E_TABLE_FULL  ? "as many incidents are open, or idempotency-keys known, as can be kept"
                                           : "");
}

/* --- steps ------------------------------------------------------------------------------------------------------------------ */

static void
submit_piece(struct incidents *incidents)
{
    uint32_t left = incidents->link_count - incidents->link_at;

    incidents->submission = (struct aw_submission){.kind = AW_SUBMIT_COMMANDS,
                                                   .entries = incidents->links + incidents->link_at,
                                                   .count = left < LINKS_PIECE ? left : LINKS_PIECE,
                                                   .woken_lane = AW_LANE_NONE,
                                                   .rests = true};
    aw_call_submit(&incidents->call, &incidents->submission);
}

/* False: answered. */
static bool
submit_links(struct incidents *incidents, struct aw_incident_id id)
{
    incidents->links = aw_arena_take_zeroed(aw_call_arena(&incidents->call), incidents->ticket_count, sizeof(struct aw_entry));
    if (incidents->links == NULL) {
        aw_call_fail(&incidents->call, AW_E_MEMORY, "");
        return false;
    }
    incidents->is_linking = true;
    for (uint32_t i = 0; i < incidents->ticket_count; i++) {
        struct aw_in_incident_link in = {.incident = id, .parts = incidents->parts, .by = incidents->by};

        if (aw_ticket_id_parse(incidents->tickets[i], &in.ticket))
            incidents->links[incidents->link_count++].command =
                (struct aw_command){.kind = AW_COMMAND_INCIDENT_LINK, .in.incident_link = in};
    }
    submit_piece(incidents);
    return true;
}

/* It is set; what the request names besides, and then what it is now. */
static void
go_on_after_set(struct incidents *incidents)
{
    const struct aw_command *command = &incidents->entry.command;

    incidents->created = command->out.u.incident.created && !incidents->change.dry_run;
    incidents->change.duplicate = command->out.repeated;
    incidents->query.incident = command->out.u.incident.incident;
    if (incidents->change.dry_run && incidents->query.incident.seq == 0) {
        incidents->found = aw_arena_take_zeroed(aw_call_arena(&incidents->call), 1, sizeof(incidents->found[0]));
        if (incidents->found == NULL)
            aw_call_fail(&incidents->call, AW_E_MEMORY, "");
        else
            answer_one(incidents);
    } else if (incidents->ticket_count > 0 && !incidents->change.dry_run) {
        (void)submit_links(incidents, incidents->query.incident); /* or it is answered */
    } else {
        (void)ask(incidents, AW_QUERY_INCIDENT, 1);
    }
}

static void
on_back(struct aw_call *call)
{
    struct incidents *incidents = (struct incidents *)call;
    bool              is_query = incidents->submission.kind == AW_SUBMIT_QUERY;
    enum aw_err       err = incidents->submission.err;

    if (err == AW_OK && is_query)
        err = incidents->query.err;
    else if (err == AW_OK && !incidents->is_linking)
        err = incidents->entry.command.out.err;
    if (err != AW_OK)
        refuse(incidents, err);
    else if (is_query && incidents->query.kind == AW_QUERY_INCIDENTS)
        answer_list(incidents);
    else if (is_query)
        answer_one(incidents);
    else if (incidents->is_linking && (incidents->link_at += incidents->submission.count) < incidents->link_count)
        submit_piece(incidents);
    else if (incidents->is_linking)
        (void)ask(incidents, AW_QUERY_INCIDENT, 1); /* or it is answered */
    else
        go_on_after_set(incidents);
}

static const struct aw_call_ops incidents_ops = {.on_back = on_back};

/* --- looking ---------------------------------------------------------------------------------------------------------------- */

static bool
find_state(struct aw_slice name, enum aw_incident_state *ret_state)
{
    for (unsigned state = AW_INCIDENT_PROPOSED; state <= AW_INCIDENT_CLOSED; state++) {
        if (!aw_slice_eq(name, aw_slice_str(aw_incident_state_name((enum aw_incident_state)state))))
            continue;
        *ret_state = (enum aw_incident_state)state;
        return true;
    }
    return false;
}

/* False: answered. */
static bool
read_query(struct incidents *incidents)
{
    struct aw_call     *call = &incidents->call;
    struct aw_slice     query = call->request->query;
    struct aw_parameter parameter;
    bool                failed = false;
    uint64_t            after;

    while (aw_query_take(aw_call_arena(call), &query, &parameter, &failed)) {
        if (aw_slice_eq(parameter.name, AW_SLICE("state")) && find_state(parameter.value, &incidents->state))
            continue;
        if (aw_slice_eq(parameter.name, AW_SLICE("cursor")) && aw_base32_to_u64(parameter.value, &after)) {
            incidents->query.skip = after < UINT32_MAX ? (uint32_t)after : UINT32_MAX;
            continue;
        }
        aw_api_refuse_field(call, aw_slice_eq(parameter.name, AW_SLICE("state")) ? "state" : "cursor",
                            "the query takes state, one of proposed, open and closed, and cursor, as `next` gave it");
        return false;
    }
    if (failed)
        aw_call_fail(call, AW_E_MEMORY, "");
    return !failed;
}

void
aw_api_list_incidents(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct incidents *incidents = aw_call_new(io, request, &incidents_ops, sizeof(*incidents));

    (void)id;
    if (incidents != NULL && aw_call_negotiate(&incidents->call, false, &incidents->media) && read_query(incidents))
        (void)ask(incidents, AW_QUERY_INCIDENTS, PER_PAGE);
}

void
aw_api_get_incident(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct incidents *incidents = aw_call_new(io, request, &incidents_ops, sizeof(*incidents));

    if (incidents != NULL && aw_call_negotiate(&incidents->call, false, &incidents->media) &&
        parse_id(incidents, id, &incidents->query.incident))
        (void)ask(incidents, AW_QUERY_INCIDENT, 1);
}

/* --- changing --------------------------------------------------------------------------------------------------------------- */

/* NULL: answered. */
static struct incidents *
begin(struct aw_io *io, struct aw_request *request, enum aw_media *ret_media)
{
    struct incidents *incidents = aw_call_new(io, request, &incidents_ops, sizeof(*incidents));

    if (incidents == NULL || !aw_api_agent(&incidents->call, &incidents->by) ||
        !aw_api_media(&incidents->call, false, ret_media) || !aw_call_negotiate(&incidents->call, false, &incidents->media))
        return NULL;
    return incidents;
}

/* What a request names as keys. */
struct named_keys {
    const struct aw_incident_flight *flights;
    const struct aw_slice           *airports;
    const struct aw_slice           *bookings;
    uint32_t                         flight_count;
    uint32_t                         airport_count;
    uint32_t                         booking_count;
};

/* Into the arena. False: answered. */
static bool
make_keys(struct incidents *incidents, const struct named_keys *named, struct aw_in_incident *in)
{
    const struct aw_hash_key *hash_key = &incidents->call.io->shared->table_key;
    uint32_t                  count = named->flight_count + named->airport_count + named->booking_count;
    struct aw_incident_key   *keys, *key;

    if (count > AW_INCIDENT_KEYS_MAX) {
        aw_api_refuse_field(&incidents->call, "flights", "flights, airports and bookings together are 64 at most");
        return false;
    }
    keys = aw_arena_take_zeroed(aw_call_arena(&incidents->call), count + 1, sizeof(keys[0]));
    if (keys == NULL) {
        aw_call_fail(&incidents->call, AW_E_MEMORY, "");
        return false;
    }
    key = keys;
    for (uint32_t i = 0; i < named->flight_count; i++)
        *key++ =
            (struct aw_incident_key){.kind = AW_INCIDENT_FLIGHT,
                                     .hash = aw_api_flight_hash(hash_key, named->flights[i].number, named->flights[i].date_days),
                                     .name = named->flights[i].number,
                                     .date_days = named->flights[i].date_days};
    for (uint32_t i = 0; i < named->airport_count; i++)
        *key++ = (struct aw_incident_key){.kind = AW_INCIDENT_AIRPORT, .name = named->airports[i]};
    for (uint32_t i = 0; i < named->booking_count; i++)
        *key++ = (struct aw_incident_key){
            .kind = AW_INCIDENT_BOOKING, .hash = aw_api_booking_hash(hash_key, named->bookings[i]), .name = named->bookings[i]};
    in->keys = keys;
    in->key_count = count;
    in->by = incidents->by;
    return true;
}

static void
submit_set(struct incidents *incidents, const struct aw_in_incident *in)
{
    incidents->change.dry_run = in->dry_run;
    incidents->entry.command.kind = AW_COMMAND_INCIDENT;
    incidents->entry.command.in.incident = *in;
    incidents->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &incidents->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&incidents->call, &incidents->submission);
}

void
aw_api_post_incident(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    enum aw_media              media;
    struct incidents          *incidents = begin(io, request, &media);
    struct aw_incident_request want;
    struct aw_proto_problem    problem;
    struct aw_in_incident      in = {.state = AW_INCIDENT_OPEN, .has_keys = true};
    struct named_keys          keys;

    (void)id;
    if (incidents == NULL || !aw_api_once(&incidents->call, incidents->by, &incidents->entry.command.once))
        return;
    if (aw_proto_decode_incident_post(&request->arena, media, request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(&incidents->call, &problem);
        return;
    }
    keys = (struct named_keys){.flights = want.flights,
                               .airports = want.airports,
                               .bookings = want.bookings,
                               .flight_count = want.flight_count,
                               .airport_count = want.airport_count,
                               .booking_count = want.booking_count};
    if (!make_keys(incidents, &keys, &in))
        return;
    in.title = want.title;
    in.follow = want.follow_known && !want.follow ? AW_FOLLOW_NOT : AW_FOLLOW_LATER;
    in.dry_run = want.dry_run;
    incidents->tickets = want.tickets;
    incidents->ticket_count = want.ticket_count;
    submit_set(incidents, &in);
}

void
aw_api_patch_incident(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    enum aw_media            media;
    struct incidents        *incidents = begin(io, request, &media);
    struct aw_incident_patch want;
    struct aw_proto_problem  problem;
    struct aw_in_incident    in = {.state = AW_INCIDENT_NONE};
    struct named_keys        keys;

    if (incidents == NULL || !parse_id(incidents, id, &in.incident) || !aw_api_if_match(&incidents->call, &in.if_match))
        return;
    if (aw_proto_decode_incident_patch(&request->arena, media, request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(&incidents->call, &problem);
        return;
    }
    keys = (struct named_keys){.flights = want.flights,
                               .airports = want.airports,
                               .bookings = want.bookings,
                               .flight_count = want.flight_count,
                               .airport_count = want.airport_count,
                               .booking_count = want.booking_count};
    if (!make_keys(incidents, &keys, &in))
        return;
    in.state = (enum aw_incident_state)want.state;
    in.title = want.title;
    in.has_keys = want.keys_known;
    in.follow = !want.follow_known ? AW_FOLLOW_AS_IS : want.follow ? AW_FOLLOW_LATER : AW_FOLLOW_NOT;
    in.dry_run = want.dry_run;
    submit_set(incidents, &in);
}

static void
link_many(struct aw_io *io, struct aw_request *request, struct aw_slice id, bool parts)
{
    enum aw_media              media;
    struct incidents          *incidents = begin(io, request, &media);
    struct aw_incident_tickets want;
    struct aw_proto_problem    problem;

    if (incidents == NULL || !parse_id(incidents, id, &incidents->query.incident))
        return;
    if (aw_proto_decode_incident_tickets(&request->arena, media, request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(&incidents->call, &problem);
        return;
    }
    incidents->tickets = want.tickets;
    incidents->ticket_count = want.ticket_count;
    incidents->parts = parts;
    (void)submit_links(incidents, incidents->query.incident); /* or it is answered */
}

void
aw_api_link_incident(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    link_many(io, request, id, false);
}

void
aw_api_unlink_incident(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    link_many(io, request, id, true);
}
