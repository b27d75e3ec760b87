/* api_whoami.c - GET /v1/whoami: as whom the server takes who asks, and what the token is bound to. */
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"

#include <stdio.h>

#define KEY AW_WRITER_KEY

static void
write_bounds(struct aw_writer *writer, const struct aw_token *token)
{
    char text[AW_CHANNEL_BYTES_MAX + 1 + AW_ACCOUNT_BYTES_MAX + 1];

    if (token->account_count > 0) {
        KEY(writer, "channels");
        aw_writer_begin_array(writer, token->account_count);
        for (uint32_t i = 0; i < token->account_count; i++) {
            const struct aw_token_account *own = &token->accounts[i];
            int len = snprintf(text, sizeof(text), "%.*s%s%.*s", AW_SLICE_ARGS(own->channel), own->account.len > 0 ? "/" : "",
                               AW_SLICE_ARGS(own->account));

            aw_writer_str(writer, aw_slice_of(text, (size_t)len));
        }
        aw_writer_end_array(writer);
    }
    if (token->lane_count > 0) {
        KEY(writer, "lanes");
        aw_writer_begin_array(writer, token->lane_count);
        for (uint32_t i = 0; i < token->lane_count; i++)
            aw_writer_str(writer, token->lanes[i]);
        aw_writer_end_array(writer);
    }
    if (token->may_override) {
        KEY(writer, "override");
        aw_writer_bool(writer, true);
    }
    if (token->expires_at != 0) {
        KEY(writer, "expires_at");
        aw_writer_time(writer, token->expires_at);
    }
}

void
aw_api_whoami(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    static const struct aw_call_ops ops = {.on_back = NULL}; /* it asks nobody */
    const struct aw_token          *token = aw_access_token(request);
    struct aw_call                 *call = aw_call_new(io, request, &ops, sizeof(*call));
    enum aw_media                   media;
    struct aw_buffer                buffer;
    struct aw_writer                writer;

    (void)id;
    if (call == NULL || !aw_call_negotiate(call, false, &media))
        return;
    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_writer_init(&writer, &buffer, media);
    aw_writer_begin_map(&writer);
    if (token == NULL) { /* --dev: whoever one says that one is, and all of it */
        KEY(&writer, "role");
        aw_writer_str(&writer, AW_SLICE("dev"));
    } else {
        KEY(&writer, "name");
        aw_writer_str(&writer, token->name);
        KEY(&writer, "role");
        aw_writer_str(&writer, aw_slice_str(aw_token_role_name(token->role)));
        write_bounds(&writer, token);
    }
    aw_writer_end_map(&writer);
    aw_call_answer(call, 200, media, &buffer, NULL, 0);
}
