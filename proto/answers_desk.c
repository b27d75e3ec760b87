/* answers_desk.c - what the desk is made of: lanes, agents, channels, templates. */
#include "proto/parts.h"

#define KEY AW_WRITER_KEY

static void
write_match(struct aw_writer *writer, const struct aw_lane_match *match)
{
    KEY(writer, "match");
    aw_writer_begin_map(writer);
    KEY(writer, "langs");
    aw_part_strings(writer, match->langs, match->lang_count);
    KEY(writer, "channels");
    aw_part_strings(writer, match->channels, match->channel_count);
    KEY(writer, "accounts");
    aw_part_strings(writer, match->accounts, match->account_count);
    KEY(writer, "tags");
    aw_part_strings(writer, match->tags, match->tag_count);
    aw_writer_end_map(writer);
}

void
aw_proto_write_lane(struct aw_writer *writer, const struct aw_lane_answer *lane)
{
    aw_writer_begin_map(writer);
    KEY(writer, "lane");
    aw_writer_str(writer, lane->name);
    KEY(writer, "pause");
    aw_part_string(writer, aw_lane_pause_name(lane->pause));
    write_match(writer, &lane->match);
    aw_part_helpers(writer, "overflow", lane->helpers, lane->helper_count);
    KEY(writer, "waiting");
    aw_part_by_class(writer, lane->waiting);
    KEY(writer, "leased");
    aw_writer_u64(writer, lane->leased);
    KEY(writer, "held");
    aw_writer_u64(writer, lane->held);
    KEY(writer, "helped");
    aw_writer_u64(writer, lane->helped);
    KEY(writer, "version");
    aw_writer_u64(writer, lane->version);
    aw_writer_end_map(writer);
}

void
aw_proto_write_lanes(struct aw_writer *writer, const struct aw_lane_answer *lanes, uint32_t count, struct aw_slice next)
{
    aw_part_begin_page(writer, count);
    for (uint32_t i = 0; i < count; i++)
        aw_proto_write_lane(writer, &lanes[i]);
    aw_part_end_page(writer, next);
}

static void
write_units(struct aw_writer *writer, const struct aw_agent_answer *agent, bool held)
{
    aw_writer_begin_map(writer);
    for (uint32_t i = 0; i < agent->unit_count; i++) {
        aw_writer_key(writer, agent->units[i].channel);
        aw_writer_u64(writer, held ? agent->held[i] : agent->units[i].units);
    }
    aw_writer_end_map(writer);
}

/* null: all. */
static void
write_classes(struct aw_writer *writer, unsigned barred)
{
    unsigned taken = AW_CLASSES_ALL & ~barred;

    if (barred == 0) {
        aw_writer_null(writer);
        return;
    }
    aw_writer_begin_array(writer, (uint32_t)__builtin_popcount(taken));
    for (; taken != 0; taken &= taken - 1)
        aw_part_string(writer, aw_class_name((enum aw_class)__builtin_ctz(taken)));
    aw_writer_end_array(writer);
}

void
aw_proto_write_agent(struct aw_writer *writer, const struct aw_agent_answer *agent)
{
    aw_writer_begin_map(writer);
    KEY(writer, "agent");
    aw_writer_str(writer, agent->name);
    KEY(writer, "lanes");
    if (agent->lane_count > 0)
        aw_part_strings(writer, agent->lanes, agent->lane_count);
    else
        aw_writer_null(writer);
    KEY(writer, "presence");
    aw_part_string(writer, aw_presence_name(agent->presence));
    KEY(writer, "classes");
    write_classes(writer, agent->barred);
    KEY(writer, "approval");
    aw_writer_bool(writer, agent->needs_approval);
    KEY(writer, "gentle");
    aw_writer_bool(writer, agent->is_gentle);
    KEY(writer, "units");
    write_units(writer, agent, false);
    KEY(writer, "units_total");
    if (agent->units_total != AW_UNITS_NO_TOTAL)
        aw_writer_u64(writer, agent->units_total);
    else
        aw_writer_null(writer);
    KEY(writer, "leases");
    aw_writer_u64(writer, agent->leases);
    KEY(writer, "held");
    write_units(writer, agent, true);
    KEY(writer, "version");
    aw_writer_u64(writer, agent->version);
    if (agent->dry_run) {
        KEY(writer, "dry_run");
        aw_writer_bool(writer, true);
    }
    aw_writer_end_map(writer);
}

void
aw_proto_write_agents(struct aw_writer *writer, const struct aw_agent_answer *agents, uint32_t count, struct aw_slice next)
{
    aw_part_begin_page(writer, count);
    for (uint32_t i = 0; i < count; i++)
        aw_proto_write_agent(writer, &agents[i]);
    aw_part_end_page(writer, next);
}

void
aw_proto_write_template(struct aw_writer *writer, const struct aw_template_answer *answer)
{
    aw_writer_begin_map(writer);
    KEY(writer, "template");
    aw_part_string(writer, aw_reply_kind_name(answer->kind));
    KEY(writer, "texts");
    aw_writer_begin_array(writer, answer->text_count);
    for (uint32_t i = 0; i < answer->text_count; i++) {
        aw_writer_begin_map(writer);
        KEY(writer, "lang");
        aw_writer_str(writer, answer->texts[i].lang);
        KEY(writer, "text");
        aw_writer_str(writer, answer->texts[i].words);
        if (answer->dry_run) {
            KEY(writer, "rendered");
            aw_writer_str(writer, answer->texts[i].rendered);
        }
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
    KEY(writer, "version");
    aw_writer_u64(writer, answer->version);
    if (answer->dry_run) {
        KEY(writer, "dry_run");
        aw_writer_bool(writer, true);
    }
    aw_writer_end_map(writer);
}

void
aw_proto_write_channel(struct aw_writer *writer, const struct aw_channel_answer *channel)
{
    aw_writer_begin_map(writer);
    KEY(writer, "channel");
    aw_writer_str(writer, channel->name);
    KEY(writer, "accounts");
    aw_writer_begin_array(writer, channel->pace_count);
    for (uint32_t i = 0; i < channel->pace_count; i++) {
        aw_writer_begin_map(writer);
        KEY(writer, "account");
        aw_writer_str(writer, channel->paces[i].account);
        KEY(writer, "replies");
        aw_writer_u64(writer, channel->paces[i].replies);
        KEY(writer, "slice_s");
        aw_writer_u64(writer, channel->paces[i].slice_s);
        aw_writer_end_map(writer);
    }
    aw_writer_end_array(writer);
    KEY(writer, "version");
    aw_writer_u64(writer, channel->version);
    if (channel->dry_run) {
        KEY(writer, "dry_run");
        aw_writer_bool(writer, true);
    }
    aw_writer_end_map(writer);
}
