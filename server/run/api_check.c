/* api_check.c - a reply's text against the rules, for those who write templates: nothing is sent, stored or told. */
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/reply_check.h"
#include "run/rulebook.h"

static const struct aw_call_ops check_ops = {.on_back = NULL};

void
aw_api_check_reply(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct aw_call               *call = aw_call_new(io, request, &check_ops, sizeof(*call));
    struct aw_reply_check_request want;
    struct aw_reply_check_answer  answer;
    struct aw_proto_problem       problem;
    struct aw_outgoing_reply      reply;
    struct aw_slice               agent;
    struct aw_buffer              buffer;
    struct aw_writer              writer;
    enum aw_media                 media;
    enum aw_media                 accepted;

    (void)id;
    if (call == NULL || !aw_api_agent(call, &agent) || !aw_api_media(call, false, &media) ||
        !aw_call_negotiate(call, false, &accepted))
        return;
    if (aw_proto_decode_reply_check(&request->arena, media, request->body, &want, &problem) != AW_OK) {
        aw_api_refuse_body(call, &problem);
        return;
    }
    reply =
        (struct aw_outgoing_reply){.text = want.text, .visibility = (enum aw_visibility)want.visibility, .channel = want.channel};
    if (!aw_reply_check(&io->rules->replies, &reply, &request->arena, &answer)) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return;
    }
    aw_buffer_init(&buffer, &request->arena);
    aw_writer_init(&writer, &buffer, accepted);
    aw_proto_write_reply_check(&writer, &answer);
    aw_call_answer(call, 200, accepted, &buffer, NULL, 0);
}
