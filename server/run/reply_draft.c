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
    if (want->consent.len > 0 && !aw_message_id_parse(want->consent, &draft->consent))
        draft->consent.seq = 0;
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

/* Elsewhere nobody but the customer was there to read it. */
static enum aw_visibility
visibility_of(const struct aw_draft *draft, const struct aw_read_item *item)
{
    if (draft->is_moved)
        return AW_VISIBILITY_PRIVATE;
    return (enum aw_visibility)(draft->want.visibility == AW_VISIBILITY_AS_TO ? item->visibility : draft->want.visibility);
}

/* Whether the rules object to one text of it. False: no memory. */
static bool
check_words(struct aw_call *call, struct aw_draft *draft, const struct aw_read_item *item, const char *field,
            struct aw_slice text)
{
    struct aw_outgoing_reply reply = {.text = text};

    AW_ASSERT(item != NULL); /* what answers nothing was refused before */
    reply.visibility = visibility_of(draft, item);
    reply.channel = item->channel;
    if (draft->is_moved) {
        reply.channel = draft->want.via.channel;
        reply.origin = item->channel;
    }

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

/* To another address only as the customer said; `consent` is NULL when no message of this server is named. Whether it is one of the
 * ticket, the state machine knows. */
static void
check_consent(struct aw_draft *draft, const struct aw_read_item *consent)
{
    const char *why = NULL;

    if (draft->want.consent.len == 0)
        why =
            "the message that it answers did not come from there: answer one that did, or name the one in which he agreed to it";
    else if (consent == NULL)
        why = "consent is no message of this ticket";
    else if (consent->addressed != AW_ADDRESSED_TO_US)
        why = "consent is a message that only talks about us";
    if (why == NULL)
        return;
    refuse(draft, "consent", why);
    draft->command->in.fenced.reply.refusal = AW_E_CHANNEL_CHANGE_REFUSED;
}

/* All that is known of a reply and of the message that it answers is known here: the place for whatever else is to be checked
 * before one goes out. False: no memory. */
static bool
check(struct aw_call *call, struct aw_draft *draft, const struct aw_read_item *item, const struct aw_read_item *consent)
{
    bool ok = true;

    if (item == NULL)
        refuse(draft, "to", "to is no message of this ticket");
    else if (draft->want.consent.len > 0 && !draft->want.via_known)
        refuse(draft, "consent", "consent goes with via");
    else if (draft->want.visibility == AW_VISIBILITY_PUBLIC && (item->visibility == AW_VISIBILITY_PRIVATE || draft->is_moved))
        refuse(draft, "visibility", "visibility may not be public: the message that it answers is private, or it goes elsewhere");
    else if (draft->is_moved)
        check_consent(draft, consent);
    if (draft->command->in.fenced.reply.refusal == AW_OK && !draft->want.is_override) {
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
    struct aw_slice  customer = draft->is_moved ? draft->want.via.customer : item->customer;
    struct aw_buffer buffer;
    struct aw_writer writer;

    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_writer_init(&writer, &buffer, AW_MEDIA_MSGPACK);
    aw_writer_begin_map(&writer);
    if (customer.len > 0) {
        AW_WRITER_KEY(&writer, "customer");
        aw_writer_str(&writer, customer);
    }
    if (item->source_id.len > 0 && !draft->is_moved) { /* there is no such message there */
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
    return aw_sha256(&ret_body->bytes, 1, &ret_body->hash);
}

static bool
is_elsewhere(const struct aw_reply *want, const struct aw_read_item *item)
{
    return want->via_known && !(aw_slice_eq(want->via.channel, item->channel) && aw_slice_eq(want->via.account, item->account) &&
                                aw_slice_eq(want->via.customer, item->customer));
}

static bool
fill(struct aw_call *call, struct aw_draft *draft, const struct aw_read_item *item, const struct aw_read_item *consent)
{
    struct aw_in_reply *in = &draft->command->in.fenced.reply;

    *in = (struct aw_in_reply){.is_there = true, .is_override = draft->want.is_override};
    draft->is_moved = item != NULL && is_elsewhere(&draft->want, item);
    if (!check(call, draft, item, consent))
        return false;
    if (item == NULL)
        return true;
    in->visibility = (uint8_t)visibility_of(draft, item);
    in->to = item->to;
    in->to_ticket = item->to_ticket;
    in->channel = item->channel;
    in->account = item->account;
    if (draft->is_moved) {
        in->channel = draft->want.via.channel;
        in->account = draft->want.via.account;
    }
    if (draft->is_moved && consent != NULL) {
        in->consent = consent->to;
        in->consent_ticket = consent->to_ticket;
    }
    return make_body(call, draft, item, &in->body);
}

/* NULL: none was asked for, or there is no such message. */
static const struct aw_read_item *
found(const struct aw_drafts *drafts, uint32_t item)
{
    return item == UINT32_MAX || drafts->read->items[item].err != AW_OK ? NULL : &drafts->read->items[item];
}

static enum aw_drafting
fill_all(struct aw_call *call, struct aw_drafts *drafts)
{
    for (uint32_t i = 0; i < drafts->read->count; i++) {
        if (drafts->read->items[i].err != AW_OK && drafts->read->items[i].err != AW_E_NOT_FOUND) {
            aw_call_fail(call, AW_E_INTERNAL, "a stored message cannot be read");
            return AW_DRAFTING_OUT;
        }
    }
    for (uint32_t i = 0; i < drafts->count; i++) {
        struct aw_draft *draft = drafts->list[i];

        if (!fill(call, draft, found(drafts, draft->item), found(drafts, draft->consent_item))) {
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
    struct aw_seen     *held = aw_arena_take(arena, drafts->count * sizeof(held[0]));

    if (leases == NULL || held == NULL) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return AW_DRAFTING_OUT;
    }
    for (uint32_t i = 0; i < drafts->count; i++)
        leases[i] = drafts->list[i]->command->in.fenced.lease;
    drafts->query = (struct aw_query){.kind = AW_QUERY_SEEN, .leases = leases, .held = held, .room = drafts->count};
    drafts->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &drafts->query};
    aw_call_submit(call, &drafts->submission);
    return AW_DRAFTING_OUT;
}

/* Its place among those that are read; UINT32_MAX: it is none of this server's. */
static uint32_t
ask(const struct aw_call *call, struct aw_drafts *drafts, const struct aw_seen *held, struct aw_message_id message,
    uint32_t *count)
{
    if (message.seq == 0 || message.shard != call->io->shared->shard)
        return UINT32_MAX;
    drafts->read->items[*count] = (struct aw_read_item){
        .kind = AW_READ_ADDRESS, .last_seq = message.seq, .ticket_seq = held->ticket_seq, .chain_seq = held->last_seq};
    return (*count)++;
}

/* The messages that are answered: those named, else the newest that the holder was given. A lease that does not run has none, and
 * needs none: at most it is a repeat. */
static enum aw_drafting
read_addresses(struct aw_call *call, struct aw_drafts *drafts)
{
    uint32_t count = 0;

    drafts->read = aw_api_read_new(call, 2 * drafts->count, drafts->count * (size_t)ADDRESS_BYTES);
    if (drafts->read == NULL) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return AW_DRAFTING_OUT;
    }
    for (uint32_t i = 0; i < drafts->count; i++) {
        const struct aw_seen *held = &drafts->query.held[i];
        struct aw_draft      *draft = drafts->list[i];
        struct aw_message_id  newest = {.seq = held->message_seq, .shard = call->io->shared->shard};

        draft->item = ask(call, drafts, held, draft->want.to.len > 0 ? draft->to : newest, &count);
        draft->consent_item = ask(call, drafts, held, draft->consent, &count);
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
