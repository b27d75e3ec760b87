/* proto_events_test.c - proves that every kind of record has its event: a whole CloudEvent, of a type that the documents name, and
 * never larger than readers make room for.
 *
 * How: a command of each kind that there is, once with nothing but what it must have and once with every text and list at its limit
 * in characters that JSON writes longest; both encodings are read back. The types are compared with openapi.json and PROTOCOL.md.
 */
#include "proto_rig.h"

#include "proto/events.h"
#include "proto/tree.h"

#include <jansson.h>

#define KINDS_END 256U
#define AT        UINT64_C(1776240300000)

static char                  worst[1024]; /* control characters: six bytes each in JSON */
static const struct aw_slice worst_reason = {"medical \"quoted words\"", 22};
static uint64_t              worst_messages[AW_UNFOLD_MESSAGES_MAX];

static struct aw_slice
lane_name(void *user, uint32_t lane)
{
    (void)user;
    return lane == 7 ? aw_slice_of(worst, AW_LANE_BYTES_MAX) : AW_SLICE("main");
}

static const uint8_t store[16] = {0xf8, 0x1d, 0x4f, 0xae, 0x7d, 0xec, 0x11, 0xd0, 0xa7, 0x65, 0, 0xa0, 0xc9, 0x1e, 0x6b, 0xf6};
static const struct aw_event_source source = {.store = store, .shard = 1, .lane_name = lane_name};

static struct aw_slice
longest(size_t len)
{
    assert_in_range(len, 1, sizeof(worst));
    return aw_slice_of(worst, len);
}

static void
fill_ticket_command(struct aw_command *command)
{
    struct aw_slice by = longest(AW_AGENT_BYTES_MAX), words = longest(AW_RELEASE_REASON_BYTES_MAX);

    if (command->kind == AW_COMMAND_UNFOLD)
        command->in.unfold = (struct aw_in_unfold){.on = {.ticket = {.seq = 5, .slot = 1}, .by = by, .words = words},
                                                   .messages = worst_messages,
                                                   .message_count = AW_UNFOLD_MESSAGES_MAX};
    else if (command->kind == AW_COMMAND_LEASE)
        command->in.lease = (struct aw_in_lease){.slot = 1, .agent = by, .lease_ms = 1000, .through = 8};
    else if (command->kind == AW_COMMAND_MESSAGE)
        command->in.message = (struct aw_in_message){.channel = longest(AW_CHANNEL_BYTES_MAX),
                                                     .account = longest(AW_ACCOUNT_BYTES_MAX),
                                                     .lang = longest(AW_LANG_BYTES_MAX),
                                                     .reasons = &worst_reason,
                                                     .reason_count = 1,
                                                     .gentle = true,
                                                     .received_at = AT,
                                                     .departs_at = AT,
                                                     .reply_by = AT};
    else if (command->kind >= AW_COMMAND_HOLD && command->kind <= AW_COMMAND_PLACE)
        command->in.ticket = (struct aw_in_ticket){.ticket = {.seq = 5, .slot = 1}, .until = AT, .by = by, .words = words};
    else if (command->kind == AW_COMMAND_INCIDENT_TIMER)
        command->in.incident_timer =
            (struct aw_in_incident_timer){.ticket = {.seq = 5, .slot = 1}, .incident = {.seq = 4, .slot = 2}};
    else if (command->kind == AW_COMMAND_INCIDENT_LINK)
        command->in.incident_link = (struct aw_in_incident_link){
            .ticket = {.seq = 5, .slot = 1}, .incident = {.seq = 4, .slot = 2}, .parts = true, .by = by};
    else if (command->kind == AW_COMMAND_APPROVE)
        command->in.approve = (struct aw_in_approve){.goes = true, .by = by};
    else if (command->kind == AW_COMMAND_WITHDRAW)
        command->in.withdraw = (struct aw_in_withdraw){.message = {.seq = 5}, .by = by};
    else if (command->kind == AW_COMMAND_ERASE)
        command->in.erase = (struct aw_in_erase){.ticket = {.seq = 5, .slot = 1}, .by = by};
    else if (command->kind == AW_COMMAND_OPT_OUT)
        command->in.opt_out = (struct aw_in_opt_out){.channel = AW_SLICE("web"), .account = AW_SLICE("main"), .by = by};
    else if (command->kind != AW_COMMAND_TIMER)
        command->in.fenced = (struct aw_in_fenced){.lease.slot = 1, .agent = by, .words = words, .lease_ms = 1000};
}

static void
fill(struct aw_command *command)
{
    struct aw_slice by = longest(AW_AGENT_BYTES_MAX);
    uint32_t        slot;

    if (aw_command_slot(command, &slot)) {
        fill_ticket_command(command);
        command->out.effect = (struct aw_effect){.ticket_seq = 5,
                                                 .lane = 7,
                                                 .lane_before = 7,
                                                 .class_before = AW_CLASS_CARE,
                                                 .class_ = AW_CLASS_IMMINENT,
                                                 .state = AW_TICKET_WAITING,
                                                 .state_before = AW_TICKET_LEASED,
                                                 .incident = {.seq = 4, .slot = 2},
                                                 .holder = by};
    } else if (command->kind == AW_COMMAND_LANE) {
        command->in.lane.name = longest(AW_LANE_BYTES_MAX);
    } else if (command->kind == AW_COMMAND_INCIDENT) {
        command->in.incident =
            (struct aw_in_incident){.state = AW_INCIDENT_PROPOSED, .title = longest(AW_INCIDENT_TITLE_BYTES_MAX), .by = by};
        command->out.u.incident.incident = (struct aw_incident_id){.seq = 42, .slot = 1024};
    } else if (command->kind == AW_COMMAND_AGENT) {
        command->in.agent = (struct aw_in_agent){.name = by, .by = by};
    } else if (command->kind == AW_COMMAND_PRESENCE) {
        command->in.presence = (struct aw_in_presence){.name = by, .presence = AW_PRESENCE_WRAP_UP, .by = by};
    } else if (command->kind == AW_COMMAND_FLIGHT) {
        command->in.flight = (struct aw_in_flight){.number = AW_SLICE("KL1234X"), .by = by, .departs_at = AT};
    } else if (command->kind == AW_COMMAND_AIRPORT) {
        command->in.airport = (struct aw_in_airport){.code = {{'A', 'M', 'S'}}, .from = AT, .until = AT, .by = by};
    }
}

static const char *
text_of(const json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));

    if (text == NULL)
        fail_msg("an event without %s", key);
    return text;
}

/* Writes it in both encodings; gives the JSON. */
static json_t *
event_of(struct rig *rig, const struct aw_command *command)
{
    struct aw_proto_problem problem;
    struct aw_buffer        json, msgpack, again;
    struct aw_writer        writer;
    json_t                 *event;

    aw_buffer_init(&json, &rig->arena);
    aw_writer_init(&writer, &json, AW_MEDIA_NDJSON);
    aw_proto_write_event(&writer, &source, command, AT);
    aw_buffer_init(&msgpack, &rig->arena);
    aw_writer_init(&writer, &msgpack, AW_MEDIA_MSGPACK_SEQ);
    aw_proto_write_event(&writer, &source, command, AT);
    assert_false(json.failed);
    assert_false(msgpack.failed);
    assert_in_range(json.len, 1, AW_EVENT_BYTES_MAX);
    assert_in_range(msgpack.len, 1, AW_EVENT_BYTES_MAX);
    assert_int_equal(aw_msgpack_check(aw_buffer_slice(&msgpack), &problem), AW_OK);
    aw_buffer_init(&again, &rig->arena);
    aw_writer_init(&writer, &again, AW_MEDIA_JSON);
    assert_true(aw_writer_copy(&writer, aw_buffer_slice(&msgpack)));
    assert_null(memmem(json.ptr, json.len, "quoted words", 12)); /* reasons quote a text */
    event = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(event);
    return event;
}

static void
check_event(struct rig *rig, const struct aw_command *command)
{
    json_t  *event = event_of(rig, command);
    uint32_t slot;

    assert_string_equal(text_of(event, "specversion"), "1.0");
    assert_string_equal(text_of(event, "id"), "42");
    assert_string_equal(text_of(event, "source"), "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    assert_string_equal(text_of(event, "time"), "2026-04-15T08:05:00.000Z");
    assert_string_equal(text_of(event, "datacontenttype"), "application/json");
    assert_true(aw_slice_eq(aw_slice_str(text_of(event, "type")), aw_event_type_name(aw_event_type_of(command))));
    assert_true(json_is_object(json_object_get(event, "data")));
    if (command->out.effect.ticket_seq != 0) {
        assert_true(aw_command_slot(command, &slot));
        assert_string_equal(text_of(event, "subject"), text_of(json_object_get(event, "data"), "ticket"));
    }
    json_decref(event);
}

static void
test_every_kind(void **state)
{
    struct rig *rig = *state;
    unsigned    count = 0;

    memset(worst, 1, sizeof(worst));
    for (unsigned kind = 0; kind < KINDS_END; kind++) {
        struct aw_command command = {.kind = (enum aw_command_kind)kind, .out.seq = 42};

        if (strcmp(aw_command_name(kind), "unknown") == 0)
            continue;
        if (kind == AW_COMMAND_AIRPORT)
            command.in.airport.code = (struct aw_airport_code){{'A', 'M', 'S'}};
        check_event(rig, &command);
        fill(&command);
        check_event(rig, &command);
        aw_arena_reset(&rig->arena);
        count++;
    }
    assert_true(count >= 19);
}

/* What the record says of its ticket's way. */
static void
test_effect(void **state)
{
    struct rig       *rig = *state;
    struct aw_command command = {.kind = AW_COMMAND_TIMER,
                                 .in.timer.slot = 1,
                                 .out = {.seq = 42,
                                         .effect = {.ticket_seq = 5,
                                                    .class_ = AW_CLASS_CARE,
                                                    .class_before = AW_CLASS_CARE,
                                                    .state = AW_TICKET_WAITING,
                                                    .state_before = AW_TICKET_LEASED,
                                                    .cause = AW_TIMER_LEASE_OVER,
                                                    .holder = AW_SLICE("ann")}}};
    json_t           *event = event_of(rig, &command);
    json_t           *data = json_object_get(event, "data");

    assert_string_equal(text_of(event, "type"), "aswolk.ticket.expired");
    assert_string_equal(text_of(data, "state"), "waiting");
    assert_string_equal(text_of(data, "state_before"), "leased");
    assert_string_equal(text_of(data, "taken_from"), "ann");
    assert_string_equal(text_of(data, "class"), "care");
    assert_null(json_object_get(data, "class_before"));
    assert_null(json_object_get(data, "lane_before"));
    json_decref(event);
}

static void
test_names(void **state)
{
    const uint64_t all = (UINT64_C(1) << AW_EVENT_TYPES) - 1;

    (void)state;
    for (unsigned i = 0; i < AW_EVENT_TYPES; i++) {
        assert_true(aw_event_types_named(aw_event_type_name((enum aw_event_type)i)) == UINT64_C(1) << i);
        if (i > 0) /* in order: for people who read the list */
            assert_true(
                strcmp(aw_event_type_name((enum aw_event_type)(i - 1)).ptr, aw_event_type_name((enum aw_event_type)i).ptr) < 0);
    }
    assert_true(aw_event_types_named(AW_SLICE("aswolk")) == all);
    assert_true(aw_event_types_named(AW_SLICE("aswolk.lane")) == UINT64_C(1) << AW_EVENT_TYPE_LANE_SET);
    assert_true(aw_event_types_named(AW_SLICE("aswolk.ticket.open")) == 0);
    assert_true(aw_event_types_named(AW_SLICE("aswolk.")) == 0);
    assert_true(aw_event_types_named(AW_SLICE("")) == 0);
}

/* The documents name the types that there are, and no others. */
static void
test_documents(void **state)
{
    struct rig     *rig = *state;
    struct aw_slice text = aw_proto_openapi();
    json_t         *root = json_loadb(text.ptr, text.len, 0, NULL);
    json_t         *schemas = json_object_get(json_object_get(root, "components"), "schemas");
    json_t         *properties = json_object_get(json_object_get(schemas, "Event"), "properties"), *types;
    const char     *protocol = rig_file(rig, "proto/PROTOCOL.md").ptr;

    types = json_object_get(json_object_get(properties, "type"), "enum");
    assert_int_equal(json_array_size(types), AW_EVENT_TYPES);
    for (unsigned i = 0; i < AW_EVENT_TYPES; i++) {
        struct aw_slice name = aw_event_type_name((enum aw_event_type)i);
        const char     *last = strrchr(name.ptr, '.');
        char            quoted[64];

        assert_string_equal(json_string_value(json_array_get(types, i)), name.ptr);
        (void)snprintf(quoted, sizeof(quoted), "%s`", last); /* `aswolk.ticket.opened`, or `.joined` behind it */
        if (strstr(protocol, quoted) == NULL)
            fail_msg("PROTOCOL.md does not name %s", name.ptr);
    }
    json_decref(root);
}

static void
test_gap(void **state)
{
    struct rig      *rig = *state;
    struct aw_buffer buffer;
    struct aw_writer writer;

    aw_buffer_init(&buffer, &rig->arena);
    aw_writer_init(&writer, &buffer, AW_MEDIA_NDJSON);
    aw_proto_write_gap(&writer, &source, 1, 42);
    assert_true(aw_slice_eq(aw_buffer_slice(&buffer),
                            AW_SLICE("{\"specversion\":\"1.0\",\"id\":\"gap-1-42\",\"source\":"
                                     "\"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6\",\"type\":\"aswolk.events.gap\","
                                     "\"datacontenttype\":\"application/json\",\"data\":{\"from\":1,\"to\":42}}")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_every_kind), rig_test(test_effect), rig_test(test_names), rig_test(test_documents), rig_test(test_gap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
