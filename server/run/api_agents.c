/* api_agents.c - agents: list, look, set. */
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/query.h"

/* Agents in one answer; a cursor goes on. Each may serve a thousand lanes. */
#define AGENTS_PER_PAGE 20U

struct agents {
    struct aw_call          call;
    enum aw_media           media;
    struct aw_submission    submission;
    struct aw_query         query;
    struct aw_entry         entry; /* PUT */
    struct aw_agent_request want;
    struct aw_slice         name;
    bool                    created;
};

static bool
make_query(struct agents *agents, enum aw_query_kind kind, uint32_t room)
{
    struct aw_arena *arena = aw_call_arena(&agents->call);

    agents->query = (struct aw_query){.kind = kind,
                                      .name = agents->name,
                                      .room = room,
                                      .agents = aw_arena_take(arena, room * sizeof(struct aw_agent_view)),
                                      .agent_lanes = aw_arena_take(arena, room * AW_LANES_PER_PULL_MAX * sizeof(uint32_t))};
    agents->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &agents->query};
    if (agents->query.agents != NULL && agents->query.agent_lanes != NULL)
        return true;
    aw_call_fail(&agents->call, AW_E_MEMORY, "");
    return false;
}

/* By their names. False: no memory. */
static bool
tell_lanes(struct agents *agents, const uint32_t *lanes, uint32_t count, struct aw_agent_answer *answer)
{
    struct aw_lanes_directory *directory = agents->call.io->shared->directory;
    struct aw_slice           *names = aw_arena_take(aw_call_arena(&agents->call), count * sizeof(names[0]));

    if (names == NULL && count > 0)
        return false;
    for (uint32_t i = 0; i < count; i++)
        names[i] = aw_lanes_directory_name(directory, lanes[i]);
    answer->lanes = names;
    answer->lane_count = count;
    return true;
}

/* False: no memory. */
static bool
make_answer(struct agents *agents, const struct aw_agent_view *view, struct aw_agent_answer *ret_answer)
{
    *ret_answer = (struct aw_agent_answer){.name = view->name,
                                           .presence = view->presence,
                                           .barred = view->barred,
                                           .needs_approval = view->needs_approval,
                                           .is_gentle = view->is_gentle,
                                           .units = view->units,
                                           .held = view->held,
                                           .unit_count = view->unit_count,
                                           .units_total = view->units_total,
                                           .leases = view->leases,
                                           .version = view->version};
    return tell_lanes(agents, view->lanes, view->lane_count, ret_answer);
}

static void
answer_list(struct agents *agents)
{
    struct aw_arena        *arena = aw_call_arena(&agents->call);
    uint32_t                count = agents->query.count;
    struct aw_agent_answer *answers = aw_arena_take(arena, count * sizeof(answers[0]));
    bool                    has_more = agents->query.next != 0;
    bool                    failed = answers == NULL && count > 0;
    struct aw_slice         next = {NULL, 0};
    struct aw_header_field  link;
    struct aw_buffer        buffer;
    struct aw_writer        writer;

    for (uint32_t i = 0; !failed && i < count; i++)
        failed = !make_answer(agents, &agents->query.agents[i], &answers[i]);
    if (failed) {
        aw_call_fail(&agents->call, AW_E_MEMORY, "");
        return;
    }
    if (has_more)
        next = aw_api_next(&agents->call, agents->query.next, &link);
    aw_buffer_init(&buffer, arena);
    aw_writer_init(&writer, &buffer, agents->media);
    aw_proto_write_agents(&writer, answers, count, next);
    buffer.failed |= has_more && next.len == 0;
    aw_call_answer(&agents->call, 200, agents->media, &buffer, &link, has_more);
}

/* What it would be: as asked, and what it holds now. `view` NULL: there is no such agent so far. False: no memory. */
static bool
tell_dry_run(struct agents *agents, const struct aw_agent_view *view, struct aw_agent_answer *answer, uint32_t *held)
{
    const struct aw_in_agent *in = &agents->entry.command.in.agent;

    for (uint32_t i = 0; i < in->unit_count; i++) {
        held[i] = 0;
        for (uint32_t at = 0; view != NULL && at < view->held_in_count; at++) {
            if (aw_slice_eq(view->held_in[at].channel, in->units[i].channel))
                held[i] = view->held_in[at].leases;
        }
    }
    answer->barred = in->barred;
    answer->needs_approval = in->needs_approval;
    answer->is_gentle = in->is_gentle;
    answer->units = in->units;
    answer->held = held;
    answer->unit_count = in->unit_count;
    answer->units_total = in->units_total;
    answer->dry_run = true;
    return tell_lanes(agents, in->lanes, in->lane_count, answer);
}

static void
answer_one(struct agents *agents)
{
    struct aw_arena            *arena = aw_call_arena(&agents->call);
    const struct aw_agent_view *view = agents->query.err == AW_OK ? &agents->query.agents[0] : NULL;
    struct aw_agent_answer      answer = {.name = agents->name};
    uint32_t                    held[AW_CHANNELS_MAX];
    struct aw_buffer            buffer;
    struct aw_writer            writer;
    struct aw_header_field      etag;

    if ((view != NULL && !make_answer(agents, view, &answer)) ||
        (agents->want.dry_run && !tell_dry_run(agents, view, &answer, held))) {
        aw_call_fail(&agents->call, AW_E_MEMORY, "");
        return;
    }
    aw_buffer_init(&buffer, arena);
    aw_writer_init(&writer, &buffer, agents->media);
    etag = (struct aw_header_field){AW_SLICE("etag"), aw_api_etag(arena, answer.version)};
    aw_proto_write_agent(&writer, &answer);
    aw_call_answer(&agents->call, agents->created ? 201 : 200, agents->media, &buffer, &etag,
                   answer.version > 0 && !answer.dry_run);
}

static void
refuse(struct agents *agents, enum aw_err err)
{
    aw_call_fail(&agents->call, err,
                 err == AW_E_NOT_FOUND    ? "there is no agent by that name"
                 : err == AW_E_TABLE_FULL ? "the table of agents, of those marked gentle or of channels is at its limit"
                                          : "");
}

static void
on_back(struct aw_call *call)
{
    struct agents *agents = (struct agents *)call;
    bool           is_query = agents->submission.kind == AW_SUBMIT_QUERY;
    enum aw_err    err = agents->submission.err;

    if (err == AW_OK)
        err = is_query ? agents->query.err : agents->entry.command.out.err;
    if (err != AW_OK && !(is_query && err == AW_E_NOT_FOUND && agents->want.dry_run)) {
        refuse(agents, err);
    } else if (is_query && agents->query.kind == AW_QUERY_AGENTS) {
        answer_list(agents);
    } else if (is_query) {
        answer_one(agents);
    } else { /* after a change, what the agent is now */
        agents->created = agents->entry.command.out.u.agent.created && !agents->want.dry_run;
        if (make_query(agents, AW_QUERY_AGENT, 1))
            aw_call_submit(call, &agents->submission);
    }
}

static const struct aw_call_ops agents_ops = {.on_back = on_back};

void
aw_api_list_agents(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct agents *agents = aw_call_new(io, request, &agents_ops, sizeof(*agents));
    uint64_t       after;

    (void)id;
    if (agents == NULL || !aw_call_negotiate(&agents->call, false, &agents->media) || !aw_api_cursor(&agents->call, &after) ||
        !make_query(agents, AW_QUERY_AGENTS, AGENTS_PER_PAGE))
        return;
    /* No agent ever goes away, so a place is the number of one; beyond the last there are none. */
    agents->query.skip = after < UINT32_MAX - 1 ? (uint32_t)after : UINT32_MAX - 1;
    aw_call_submit(&agents->call, &agents->submission);
}

/* Agents are called as people are, so here the path is decoded. False: answered. */
static bool
decode_name(struct agents *agents, struct aw_slice id)
{
    if (!aw_percent_decode(aw_call_arena(&agents->call), id, &agents->name)) {
        aw_call_fail(&agents->call, AW_E_MEMORY, "");
        return false;
    }
    if (aw_api_is_agent(agents->name))
        return true;
    aw_call_fail(&agents->call, AW_E_BAD_VALUE, "an agent's name has 1 to 64 bytes of text without control characters");
    return false;
}

/* By an agent's or a desk's token: whether it is about the agent itself. False: answered. */
static bool
is_own(struct agents *agents)
{
    const struct aw_token *token = aw_access_token(agents->call.request);
    struct aw_slice        by;

    if (token == NULL || token->role == AW_TOKEN_SUPERVISOR)
        return true;
    if (!aw_api_agent(&agents->call, &by))
        return false;
    if (aw_slice_eq(agents->name, by))
        return true;
    aw_call_fail(&agents->call, AW_E_FORBIDDEN, "an agent's token is for its own agent only");
    return false;
}

void
aw_api_get_agent(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct agents *agents = aw_call_new(io, request, &agents_ops, sizeof(*agents));

    if (agents == NULL || !aw_call_negotiate(&agents->call, false, &agents->media))
        return;
    if (decode_name(agents, id) && is_own(agents) && make_query(agents, AW_QUERY_AGENT, 1))
        aw_call_submit(&agents->call, &agents->submission);
}

static struct aw_command
command_of(const struct agents *agents, struct aw_slice by, const struct aw_if_match *if_match)
{
    const struct aw_agent_request *want = &agents->want;

    return (struct aw_command){.kind = AW_COMMAND_AGENT,
                               .in.agent = {.name = agents->name,
                                            .barred = want->classes == 0 ? 0 : (uint8_t)(AW_CLASSES_ALL & ~want->classes),
                                            .needs_approval = want->needs_approval,
                                            .is_gentle = want->is_gentle,
                                            .units = want->units,
                                            .unit_count = want->unit_count,
                                            .units_total = want->units_total_known ? want->units_total : AW_UNITS_NO_TOTAL,
                                            .by = by,
                                            .if_match = *if_match,
                                            .dry_run = want->dry_run}};
}

void
aw_api_put_agent(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct agents          *agents = aw_call_new(io, request, &agents_ops, sizeof(*agents));
    struct aw_in_agent     *in;
    struct aw_proto_problem problem;
    struct aw_slice         by;
    enum aw_media           media;
    struct aw_if_match      if_match;

    if (agents == NULL || !aw_api_agent(&agents->call, &by) || !aw_api_media(&agents->call, false, &media) ||
        !aw_call_negotiate(&agents->call, false, &agents->media) || !aw_api_if_match(&agents->call, &if_match))
        return;
    if (!decode_name(agents, id))
        return;
    if (aw_proto_decode_agent_put(&request->arena, media, request->body, &agents->want, &problem) != AW_OK) {
        aw_api_refuse_body(&agents->call, &problem);
        return;
    }
    agents->entry.command = command_of(agents, by, &if_match);
    in = &agents->entry.command.in.agent;
    if (!aw_api_find_lanes(&agents->call, agents->want.lanes, agents->want.lane_count, &in->lanes, &in->lane_count))
        return;
    agents->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &agents->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&agents->call, &agents->submission);
}

void
aw_api_put_presence(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct agents             *agents = aw_call_new(io, request, &agents_ops, sizeof(*agents));
    struct aw_presence_request want;
    struct aw_proto_problem    problem;
    struct aw_slice            by;
    enum aw_media              media;

    if (agents == NULL || !aw_api_agent(&agents->call, &by) || !aw_api_media(&agents->call, false, &media) ||
        !aw_call_negotiate(&agents->call, false, &agents->media) || !decode_name(agents, id))
        return;
    if (!is_own(agents))
        return;
    if (aw_proto_decode_presence_put(&request->arena, media, request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(&agents->call, &problem);
        return;
    }
    agents->entry.command = (struct aw_command){.kind = AW_COMMAND_PRESENCE,
                                                .in.presence = {.name = agents->name, .presence = want.presence, .by = by}};
    agents->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &agents->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&agents->call, &agents->submission);
}
