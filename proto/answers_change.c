/* answers_change.c - flights, airports, surges, and the changes of them. */
#include "model/surge.h"
#include "proto/parts.h"

#define KEY AW_WRITER_KEY

static void
write_change_id(struct aw_writer *writer, struct aw_change_id id)
{
    char text[AW_ID_TEXT_BYTES];

    KEY(writer, "change");
    if (id.seq == 0) {
        aw_writer_null(writer);
        return;
    }
    aw_change_id_format(id, text);
    aw_part_string(writer, text);
}

static void
write_flight_fields(struct aw_writer *writer, const struct aw_flight_answer *flight)
{
    char date[11];

    aw_date_format(flight->date_days, date);
    KEY(writer, "number");
    aw_writer_str(writer, aw_slice_of(flight->number, flight->number_len));
    KEY(writer, "date");
    aw_part_string(writer, date);
    KEY(writer, "state");
    aw_part_string(writer, aw_flight_state_name(flight->state));
    KEY(writer, "departs_at");
    aw_writer_time(writer, flight->departs_at);
    KEY(writer, "version");
    aw_writer_u64(writer, flight->version);
    write_change_id(writer, flight->change);
}

static void
write_airport_fields(struct aw_writer *writer, const struct aw_airport_answer *airport)
{
    KEY(writer, "airport");
    aw_writer_str(writer, aw_slice_of(airport->code, sizeof(airport->code)));
    KEY(writer, "state");
    aw_part_string(writer, airport->closed ? "closed" : "open");
    KEY(writer, "from");
    aw_writer_time(writer, airport->from);
    KEY(writer, "until");
    aw_writer_time(writer, airport->until);
    KEY(writer, "version");
    aw_writer_u64(writer, airport->version);
    write_change_id(writer, airport->change);
}

void
aw_proto_write_flight(struct aw_writer *writer, const struct aw_flight_answer *flight)
{
    aw_writer_begin_map(writer);
    write_flight_fields(writer, flight);
    aw_writer_end_map(writer);
}

void
aw_proto_write_airport(struct aw_writer *writer, const struct aw_airport_answer *airport)
{
    aw_writer_begin_map(writer);
    write_airport_fields(writer, airport);
    aw_writer_end_map(writer);
}

void
aw_proto_write_flights(struct aw_writer *writer, const struct aw_flight_answer *flights, uint32_t count, struct aw_slice next)
{
    aw_part_begin_page(writer, count);
    for (uint32_t i = 0; i < count; i++)
        aw_proto_write_flight(writer, &flights[i]);
    aw_part_end_page(writer, next);
}

void
aw_proto_write_airports(struct aw_writer *writer, const struct aw_airport_answer *airports, uint32_t count, struct aw_slice next)
{
    aw_part_begin_page(writer, count);
    for (uint32_t i = 0; i < count; i++)
        aw_proto_write_airport(writer, &airports[i]);
    aw_part_end_page(writer, next);
}

/* Of a flight or an airport; of a surge: aw_proto_write_surge. */
static void
write_change_fields(struct aw_writer *writer, const struct aw_change_answer *change)
{
    AW_ASSERT(change->of != AW_CHANGE_SURGE);
    if (change->of == AW_CHANGE_FLIGHT)
        write_flight_fields(writer, &change->flight);
    else
        write_airport_fields(writer, &change->airport);
    KEY(writer, "tickets");
    aw_writer_u64(writer, change->tickets);
    KEY(writer, "dry_run");
    aw_writer_bool(writer, change->dry_run);
    KEY(writer, "duplicate");
    aw_writer_bool(writer, change->duplicate);
}

void
aw_proto_write_change(struct aw_writer *writer, const struct aw_change_answer *change)
{
    aw_writer_begin_map(writer);
    write_change_fields(writer, change);
    aw_writer_end_map(writer);
}

static void
write_surge_scope(struct aw_writer *writer, const struct aw_surge_answer *answer)
{
    const struct aw_surge *surge = answer->surge;

    KEY(writer, "scope");
    aw_writer_begin_map(writer);
    KEY(writer, "lanes");
    aw_part_strings(writer, answer->lanes, surge->lane_count);
    KEY(writer, "channels");
    aw_writer_begin_array(writer, surge->channel_count);
    for (uint32_t i = 0; i < surge->channel_count; i++)
        aw_writer_str(writer, aw_surge_text(surge->channels[i], sizeof(surge->channels[i])));
    aw_writer_end_array(writer);
    KEY(writer, "flights");
    aw_writer_begin_array(writer, surge->flight_count);
    for (uint32_t i = 0; i < surge->flight_count; i++) {
        char date[11];

        aw_date_format(surge->flights[i].date_days, date);
        aw_writer_begin_map(writer);
        KEY(writer, "number");
        aw_writer_str(writer, aw_surge_text(surge->flights[i].number, sizeof(surge->flights[i].number)));
        KEY(writer, "date");
        aw_part_string(writer, date);
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
    KEY(writer, "airports");
    aw_writer_begin_array(writer, surge->airport_count);
    for (uint32_t i = 0; i < surge->airport_count; i++)
        aw_writer_str(writer, aw_slice_of(surge->airports[i].letters, sizeof(surge->airports[i].letters)));
    aw_writer_end_array(writer);
    aw_writer_end_map(writer);
}

static void
write_surge_receipt(struct aw_writer *writer, const struct aw_surge *surge)
{
    KEY(writer, "receipt");
    aw_writer_begin_map(writer);
    KEY(writer, "notice");
    aw_writer_begin_array(writer, surge->notice_count);
    for (uint32_t i = 0; i < surge->notice_count; i++) {
        const struct aw_surge_notice *notice = &surge->notices[i];
        struct aw_slice               lang = aw_surge_text(notice->lang, sizeof(notice->lang));

        aw_writer_begin_map(writer);
        if (lang.len > 0) {
            KEY(writer, "lang");
            aw_writer_str(writer, lang);
        }
        KEY(writer, "text");
        aw_writer_str(writer, aw_surge_text(notice->text, sizeof(notice->text)));
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
    KEY(writer, "acknowledgement");
    aw_part_string(writer, surge->is_receipt != 0 ? "off" : "on");
    aw_writer_end_map(writer);
}

/* What the policy leaves as it is set is left out, as in a request. */
static void
write_surge_policy(struct aw_writer *writer, const struct aw_surge *surge)
{
    KEY(writer, "policy");
    aw_writer_begin_map(writer);
    if (surge->order != AW_SURGE_ORDER_AS_SET) {
        KEY(writer, "order");
        aw_part_string(writer, surge->order == AW_SURGE_ORDER_STRICT ? "strict" : "ratio");
    }
    KEY(writer, "targets_s");
    aw_writer_begin_map(writer);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        if (surge->target_s[i] == 0)
            continue;
        aw_writer_key(writer, aw_slice_str(aw_class_name((enum aw_class)i)));
        aw_writer_u64(writer, surge->target_s[i]);
    }
    aw_writer_end_map(writer);
    if (surge->overflow_after_s != 0) {
        KEY(writer, "overflow_after_s");
        aw_writer_u64(writer, surge->overflow_after_s);
    }
    write_surge_receipt(writer, surge);
    aw_writer_end_map(writer);
}

void
aw_proto_write_surge(struct aw_writer *writer, const struct aw_surge_answer *answer)
{
    const struct aw_surge *surge = answer->surge;
    struct aw_slice        reason = aw_surge_text(surge->reason, sizeof(surge->reason));

    aw_writer_begin_map(writer);
    KEY(writer, "state");
    aw_part_string(writer, surge->is_on != 0 ? "on" : "off");
    KEY(writer, "since");
    aw_writer_time(writer, surge->since);
    if (reason.len > 0) {
        KEY(writer, "reason");
        aw_writer_str(writer, reason);
    }
    if (surge->is_on != 0) {
        write_surge_scope(writer, answer);
        write_surge_policy(writer, surge);
    }
    KEY(writer, "version");
    aw_writer_u64(writer, answer->version);
    write_change_id(writer, answer->change);
    if (answer->is_change) {
        KEY(writer, "tickets");
        aw_writer_u64(writer, answer->tickets);
        KEY(writer, "dry_run");
        aw_writer_bool(writer, answer->dry_run);
        KEY(writer, "duplicate");
        aw_writer_bool(writer, answer->duplicate);
    }
    aw_writer_end_map(writer);
}

void
aw_proto_write_change_line(struct aw_writer *writer, uint32_t line, int status, const struct aw_change_answer *change)
{
    aw_part_begin_line(writer, line, status);
    write_change_fields(writer, change);
    aw_part_end_line(writer);
}
