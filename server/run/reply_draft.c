/* reply_draft.c - looks up where replies go, and checks what may be checked beforehand. */
#include "run/reply_draft.h"

#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/reply_check.h"
#include "run/rulebook.h"

#include <string.h>

#define ADDRESS_BYTES 1024U

bool
aw_draft_make(struct aw_call *call, const struct aw_reply *want, struct aw_command *command, struct aw_draft **ret_draft,
              bool *ret_is_large)
{
    struct aw_draft *draft = aw_arena_take_zeroed(aw_call_arena(call), 1, sizeof(*draft));
    struct aw_buffer buffer;

    *ret_is_large = false;
    if (draft == NULL)
        return false;
    draft->command = command;
    draft->want = *want;
    aw_buffer_init(&buffer, aw_call_arena(call));
    if (!aw_proto_encode_reply(&buffer, want)) {
        *ret_is_large = !buffer.failed;
        return false;
    }
    draft->content = aw_buffer_slice(&buffer);
    if (want->to.len > 0 && !aw_message_id_parse(want->to, &draft->to))
        draft->to.seq = 0;
    *ret_draft = draft;
    return true;
}

uint64_t
aw_draft_hash(const struct aw_draft *draft, const struct aw_hash_key *key, uint64_t op_hash)
{
    return aw_hash64(key, draft->content.ptr, draft->content.len) ^ op_hash;
}

/* --- what speaks against it --------------------------------------------------------------------------------------------------- */

static void
refuse(struct aw_draft *draft, const char *field, const char *why)
{
    draft->command->in.fenced.reply.refusal = AW_E_REPLY_REFUSED;
    draft->refused = aw_slice_str(field);
    draft->why_refused = why;
}

static enum aw_visibility
visibility_of(const struct aw_draft *draft, const struct aw_read_item *item)
{
    return (enum aw_visibility)(draft->want.visibility == AW_VISIBILITY_AS_TO ? item->visibility : draft->want.visibility);
}

/* Whether the rules object to one text of it. False: no memory. */
static bool
check_words(struct aw_call *call, struct aw_draft *draft, const struct aw_read_item *item, const char *field,
            struct aw_slice text)
{
    struct aw_outgoing_reply reply = {.text = text, .visibility = visibility_of(draft, item), .channel = item->channel};

    if (draft->command->in.fenced.reply.refusal != AW_OK || text.len == 0)
        return true;
    if (!aw_reply_check(&call->io->rules->replies, &reply, aw_call_arena(call), &draft->flagged))
        return false;
    if (draft->flagged.span_count == 0 && !draft->flagged.cut)
        return true;
    refuse(draft, field,
           draft->flagged.cut
               ? "the words have too many phrases to be checked to their end"
               : "the words send the customer elsewhere, or tell others too much; `override` sends them all the same");
    draft->command->in.fenced.reply.refusal = AW_E_REPLY_CHECK;
    return true;
}

/* All that is known of a reply and of the message that it answers is known here: the place for whatever else is to be checked
 * before one goes out. False: no memory. */
static bool
check(struct aw_call *call, struct aw_draft *draft, const struct aw_read_item *item)
{
    bool ok = true;

    if (item == NULL)
        refuse(draft, "to", "to is no message of this ticket");
    else if (draft->want.visibility == AW_VISIBILITY_PUBLIC && item->visibility == AW_VISIBILITY_PRIVATE)
        refuse(draft, "visibility", "visibility may not be public: the message that it answers is private");
    else if (!draft->want.is_override) {
        ok = check_words(call, draft, item, "text", draft->want.text);
        for (uint32_t i = 0; ok && i < draft->want.field_count; i++)
            ok = check_words(call, draft, item, "fields", draft->want.fields[i].value);
        for (uint32_t i = 0; ok && i < draft->want.action_count; i++)
            ok = check_words(call, draft, item, "actions", draft->want.actions[i].label) &&
                 check_words(call, draft, item, "actions", draft->want.actions[i].url);
    }
    return ok;
}

/* --- what is stored ----------------------------------------------------------------------------------------------------------- */

/* With the customer's name on the channel, so that it can go out when the message itself is gone. */
static bool
make_body(struct aw_call *call, const struct aw_draft *draft, const struct aw_read_item *item, struct aw_in_body *ret_body)
{
    struct aw_buffer buffer;
    struct aw_writer writer;

    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_writer_init(&writer, &buffer, AW_MEDIA_MSGPACK);
    aw_writer_begin_map(&writer);
    if (item->customer.len > 0) {
        AW_WRITER_KEY(&writer, "customer");
        aw_writer_str(&writer, item->customer);
    }
    if (item->source_id.len > 0) {
        AW_WRITER_KEY(&writer, "source_id");
        aw_writer_str(&writer, item->source_id);
    }
    AW_WRITER_KEY(&writer, "content");
    if (!aw_writer_copy(&writer, draft->content))
        return false;
    aw_writer_end_map(&writer);
    if (buffer.failed)
        return false;
    ret_body->bytes = aw_buffer_slice(&buffer);
    ret_body->len = (uint32_t)ret_body->bytes.len;
    ret_body->form = AW_BODY_PLAIN;
    return aw_sha256(&ret_body->bytes, 1, &ret_body->hash);
}

static bool
fill(struct aw_call *call, struct aw_draft *draft, const struct aw_read_item *item)
{
    struct aw_in_reply *in = &draft->command->in.fenced.reply;

    *in = (struct aw_in_reply){.is_there = true, .is_override = draft->want.is_override};
    if (!check(call, draft, item))
        return false;
    if (item == NULL)
        return true;
    in->visibility = (uint8_t)visibility_of(draft, item);
    in->to = item->to;
    in->to_ticket = item->to_ticket;
    in->channel = item->channel;
    in->account = item->account;
    return make_body(call, draft, item, &in->body);
}

static enum aw_drafting
fill_all(struct aw_call *call, struct aw_drafts *drafts)
{
    for (uint32_t i = 0; i < drafts->count; i++) {
        struct aw_draft           *draft = drafts->list[i];
        const struct aw_read_item *item = draft->item == UINT32_MAX ? NULL : &drafts->read->items[draft->item];

        if (item != NULL && item->err != AW_OK && item->err != AW_E_NOT_FOUND) {
            aw_call_fail(call, AW_E_INTERNAL, "a stored message cannot be read");
            return AW_DRAFTING_OUT;
        }
        if (!fill(call, draft, item != NULL && item->err == AW_OK ? item : NULL)) {
            aw_call_fail(call, AW_E_MEMORY, "");
            return AW_DRAFTING_OUT;
        }
    }
    return AW_DRAFTING_DONE;
}

/* --- looking up --------------------------------------------------------------------------------------------------------------- */

enum aw_drafting
aw_drafts_begin(struct aw_call *call, struct aw_drafts *drafts)
{
    struct aw_arena    *arena = aw_call_arena(call);
    struct aw_lease_id *leases = aw_arena_take(arena, drafts->count * sizeof(leases[0]));
    uint64_t           *seen = aw_arena_take(arena, drafts->count * sizeof(seen[0]));

    if (leases == NULL || seen == NULL) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return AW_DRAFTING_OUT;
    }
    for (uint32_t i = 0; i < drafts->count; i++)
        leases[i] = drafts->list[i]->command->in.fenced.lease;
    drafts->query = (struct aw_query){.kind = AW_QUERY_SEEN, .leases = leases, .seen = seen, .room = drafts->count};
    drafts->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &drafts->query};
    aw_call_submit(call, &drafts->submission);
    return AW_DRAFTING_OUT;
}

/* The messages that are answered: those named, else the newest that the holder was given. A lease that does not run has none, and
 * needs none: at most it is a repeat. */
static enum aw_drafting
read_addresses(struct aw_call *call, struct aw_drafts *drafts)
{
    uint32_t count = 0;

    drafts->read = aw_api_read_new(call, drafts->count, drafts->count * (size_t)ADDRESS_BYTES);
    if (drafts->read == NULL) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return AW_DRAFTING_OUT;
    }
    for (uint32_t i = 0; i < drafts->count; i++) {
        struct aw_draft *draft = drafts->list[i];
        uint64_t         seq = draft->want.to.len > 0 ? draft->to.seq : drafts->query.seen[i];

        draft->item = UINT32_MAX;
        if (seq == 0 || (draft->want.to.len > 0 && draft->to.shard != call->io->shared->shard))
            continue;
        draft->item = count;
        drafts->read->items[count++] = (struct aw_read_item){.kind = AW_READ_ADDRESS, .last_seq = seq};
    }
    drafts->read->count = count;
    if (count == 0)
        return fill_all(call, drafts);
    aw_call_read(call, drafts->read);
    return AW_DRAFTING_OUT;
}

enum aw_drafting
aw_drafts_go_on(struct aw_call *call, struct aw_drafts *drafts)
{
    bool failed;

    if (drafts->read == NULL && drafts->submission.err != AW_OK) {
        aw_call_fail(call, drafts->submission.err, "");
        return AW_DRAFTING_OUT;
    }
    if (drafts->read == NULL)
        return read_addresses(call, drafts);
    if (aw_api_read_again(call, drafts->read, &failed))
        return AW_DRAFTING_OUT;
    if (!failed)
        return fill_all(call, drafts);
    aw_call_fail(call, AW_E_MEMORY, "");
    return AW_DRAFTING_OUT;
}
