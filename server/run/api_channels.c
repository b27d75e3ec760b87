/* api_channels.c - what channels are set to: look, set. */
#include "proto/check.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"

struct channels {
    struct aw_call            call;
    enum aw_media             media;
    struct aw_submission      submission;
    struct aw_query           query;
    struct aw_channel_view    view;
    struct aw_entry           entry; /* PUT */
    struct aw_channel_request want;
    struct aw_slice           name;
    bool                      created;
};

static void
ask(struct channels *channels)
{
    channels->query = (struct aw_query){.kind = AW_QUERY_CHANNEL, .name = channels->name, .channel = &channels->view};
    channels->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &channels->query};
    aw_call_submit(&channels->call, &channels->submission);
}

/* As it is, or with a dry run as it would be. */
static uint32_t
fill_paces(const struct channels *channels, struct aw_pace_answer paces[AW_CHANNEL_PACES_MAX])
{
    const struct aw_channel_request *want = &channels->want;
    const struct aw_channel_view    *view = &channels->view;
    uint32_t                         count = want->dry_run ? want->pace_count : view->pace_count;

    for (uint32_t i = 0; i < count && want->dry_run; i++)
        paces[i] = (struct aw_pace_answer){want->paces[i].account, want->paces[i].replies, want->paces[i].slice_s};
    for (uint32_t i = 0; i < count && !want->dry_run; i++)
        paces[i] = (struct aw_pace_answer){aw_slice_of(view->paces[i].account, view->paces[i].account_len),
                                           view->paces[i].replies, view->paces[i].slice_s};
    return count;
}

static void
answer(struct channels *channels)
{
    struct aw_pace_answer    paces[AW_CHANNEL_PACES_MAX];
    struct aw_channel_answer told = {.name = channels->name,
                                     .paces = paces,
                                     .pace_count = fill_paces(channels, paces),
                                     .version = channels->view.version,
                                     .dry_run = channels->want.dry_run};
    struct aw_buffer         buffer;
    struct aw_writer         writer;
    struct aw_header_field   etag;

    aw_buffer_init(&buffer, aw_call_arena(&channels->call));
    aw_writer_init(&writer, &buffer, channels->media);
    etag = (struct aw_header_field){AW_SLICE("etag"), aw_api_etag(aw_call_arena(&channels->call), told.version)};
    aw_proto_write_channel(&writer, &told);
    aw_call_answer(&channels->call, channels->created ? 201 : 200, channels->media, &buffer, &etag,
                   told.version > 0 && !told.dry_run);
}

static void
refuse(struct channels *channels, enum aw_err err)
{
    aw_call_fail(&channels->call, err,
                 err == AW_E_NOT_FOUND    ? "nothing was set for a channel by that name"
                 : err == AW_E_TABLE_FULL ? "64 channels are set already"
                                          : "");
}

static void
on_back(struct aw_call *call)
{
    struct channels *channels = (struct channels *)call;
    bool             is_query = channels->submission.kind == AW_SUBMIT_QUERY;
    enum aw_err      err = channels->submission.err;

    if (err == AW_OK)
        err = is_query ? channels->query.err : channels->entry.command.out.err;
    if (err != AW_OK && !(is_query && err == AW_E_NOT_FOUND && channels->want.dry_run)) {
        refuse(channels, err);
    } else if (is_query) {
        answer(channels);
    } else { /* after a change, what it is now */
        channels->created = channels->entry.command.out.u.channel.created && !channels->want.dry_run;
        ask(channels);
    }
}

static const struct aw_call_ops channels_ops = {.on_back = on_back};

static bool
check_name(struct channels *channels, struct aw_slice id)
{
    channels->name = id;
    if (id.len <= AW_CHANNEL_BYTES_MAX && aw_check_name(id))
        return true;
    aw_call_fail(&channels->call, AW_E_BAD_VALUE, "a channel's name has 1 to 32 of a-z 0-9 _ . -");
    return false;
}

void
aw_api_get_channel(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct channels *channels = aw_call_new(io, request, &channels_ops, sizeof(*channels));

    if (channels != NULL && aw_call_negotiate(&channels->call, false, &channels->media) && check_name(channels, id))
        ask(channels);
}

void
aw_api_put_channel(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct channels        *channels = aw_call_new(io, request, &channels_ops, sizeof(*channels));
    struct aw_proto_problem problem;
    struct aw_if_match      if_match;
    struct aw_slice         by;
    enum aw_media           media;

    if (channels == NULL || !aw_api_agent(&channels->call, &by) || !aw_api_media(&channels->call, false, &media) ||
        !aw_call_negotiate(&channels->call, false, &channels->media) || !aw_api_if_match(&channels->call, &if_match) ||
        !check_name(channels, id))
        return;
    if (aw_proto_decode_channel_put(&request->arena, media, request->body, &channels->want, &problem) != AW_OK) {
        aw_api_refuse_body(&channels->call, &problem);
        return;
    }
    channels->entry.command = (struct aw_command){.kind = AW_COMMAND_CHANNEL,
                                                  .in.channel = {.name = channels->name,
                                                                 .paces = channels->want.paces,
                                                                 .pace_count = channels->want.pace_count,
                                                                 .by = by,
                                                                 .if_match = if_match,
                                                                 .dry_run = channels->want.dry_run}};
    channels->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &channels->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&channels->call, &channels->submission);
}
