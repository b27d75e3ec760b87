/* api_incident_answer.c - one answer for all tickets of an incident: shown first, page by page, then approved.
 *
 * A dry run asks the committer who goes and who is held out, reads the message that each of a page answers, and renders. Its digest
 * holds up to which record the tickets were looked at, what is known of the incident and its flights, and the texts: what is
 * approved is what was shown, or nothing. So does the cursor of a page, that all pages show the same. */
#include "base/text.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/own_texts.h"
#include "run/reply_words.h"

#include <string.h>

#define ADDRESS_BYTES 1024U

struct answering {
    struct aw_call                    call;
    enum aw_media                     media;
    struct aw_incident_answer_request want;
    struct aw_slice                   by;
    unsigned                          needs;
    uint64_t                          texts_hash;
    uint64_t                          facts; /* of the pages before; 0: there are none */
    struct aw_submission              submission;
    struct aw_submission              cancel;
    struct aw_query                   query;
    struct aw_incident_try            try_;
    struct aw_read                   *read; /* what the tickets of the page that go are answered to */
    struct aw_entry                   entry;
    struct aw_incident_answer         now; /* after an approval */
};

/* --- the texts -------------------------------------------------------------------------------------------------------------- */

/* Fields that may stand alone: tickets of which they are not known are held out. Of a name nobody knows beforehand. */
#define OF_PROMISE                                                                                                               \
    (AW_WORDING_BIT(AW_WORDING_HALF_BY) | AW_WORDING_BIT(AW_WORDING_NINE_OF_TEN_BY) | AW_WORDING_BIT(AW_WORDING_HALF_IN) |       \
     AW_WORDING_BIT(AW_WORDING_NINE_OF_TEN_IN))
#define MAY_STAND_ALONE                                                                                                          \
    (AW_WORDING_BIT(AW_WORDING_TICKET) | AW_WORDING_BIT(AW_WORDING_FLIGHT) | AW_WORDING_BIT(AW_WORDING_DEPARTURE) |              \
     AW_WORDING_BIT(AW_WORDING_NEW_DEPARTURE) | OF_PROMISE)

static unsigned
needs_of(struct aw_slice words)
{
    uint32_t fields = aw_wording_needs(words);

    return ((fields & AW_WORDING_BIT(AW_WORDING_FLIGHT)) != 0 ? AW_NEEDS_FLIGHT : 0) |
           ((fields & AW_WORDING_BIT(AW_WORDING_DEPARTURE)) != 0 ? AW_NEEDS_DEPARTURE : 0) |
           ((fields & AW_WORDING_BIT(AW_WORDING_NEW_DEPARTURE)) != 0 ? AW_NEEDS_NEW_DEPARTURE : 0) |
           ((fields & OF_PROMISE) != 0 ? AW_NEEDS_PROMISE : 0);
}

/* False: answered. */
static bool
check_texts(struct answering *answering)
{
    const struct aw_own_texts_rules rules = {.always = MAY_STAND_ALONE, .visibility = AW_VISIBILITY_PRIVATE};
    struct aw_buffer                all;
    bool                            is_private = false;

    if (answering->want.text_count == 0) {
        aw_api_refuse_field(&answering->call, "texts", "an answer has one text or more");
        return false;
    }
    if (aw_own_texts_check(&answering->call, answering->want.texts, answering->want.text_count, &rules, &is_private) == NULL)
        return false;
    answering->needs = is_private ? AW_NEEDS_PRIVATE : 0;
    aw_buffer_init(&all, aw_call_arena(&answering->call));
    for (uint32_t i = 0; i < answering->want.text_count; i++) {
        const struct aw_own_text *text = &answering->want.texts[i];

        answering->needs |= needs_of(text->words);
        aw_buffer_printf(&all, "%zu %zu ", text->lang.len, text->words.len);
        aw_buffer_add(&all, text->lang.ptr, text->lang.len);
        aw_buffer_add(&all, text->words.ptr, text->words.len);
    }
    if (all.failed) {
        aw_call_fail(&answering->call, AW_E_MEMORY, "");
        return false;
    }
    answering->texts_hash = aw_hash64(&answering->call.io->shared->table_key, all.ptr, all.len);
    return true;
}

/* --- numbers as text -------------------------------------------------------------------------------------------------------- */

static struct aw_slice
join_numbers(struct answering *answering, const uint64_t *numbers, uint32_t count)
{
    char *text = aw_arena_take(aw_call_arena(&answering->call), (size_t)count * AW_BASE32_U64_CHARS);

    if (text == NULL)
        return (struct aw_slice){NULL, 0};
    for (uint32_t i = 0; i < count; i++)
        aw_base32_u64(numbers[i], text + (size_t)i * AW_BASE32_U64_CHARS);
    return aw_slice_of(text, (size_t)count * AW_BASE32_U64_CHARS);
}

static bool
split_numbers(struct aw_slice text, uint64_t *numbers, uint32_t count)
{
    bool ok = text.len == (size_t)count * AW_BASE32_U64_CHARS;

    for (uint32_t i = 0; ok && i < count; i++)
        ok = aw_base32_to_u64(aw_slice_of(text.ptr + (size_t)i * AW_BASE32_U64_CHARS, AW_BASE32_U64_CHARS), &numbers[i]);
    return ok;
}

/* --- a dry run -------------------------------------------------------------------------------------------------------------- */

/* False: no memory. */
static bool
render(struct answering *answering, const struct aw_incident_item *item, const struct aw_read_item *address,
       struct aw_incident_try_item *told)
{
    const struct aw_own_text *text = &answering->want.texts[item->text];
    char                      id[AW_ID_TEXT_BYTES];
    struct aw_wording_facts   facts;
    struct aw_buffer          words;

    aw_ticket_id_format(item->ticket, id);
    aw_reply_words_facts(&answering->call.io->shared->table_key, &item->facts, address, &facts);
    facts.ticket = aw_slice_str(id);
    aw_buffer_init(&words, aw_call_arena(&answering->call));
    aw_wording_render(&words, aw_language_of(text->lang), text->words, &facts);
    told->lang = text->lang;
    told->text = aw_buffer_slice(&words);
    return !words.failed;
}

static void
answer_page(struct answering *answering)
{
    const struct aw_incident_try *try_ = &answering->try_;
    const uint64_t                digest[] = {try_->through, try_->facts, answering->texts_hash};
    const uint64_t                cursor[] = {try_->next, try_->through, try_->facts, answering->texts_hash};
    struct aw_incident_try_item *items = aw_arena_take_zeroed(aw_call_arena(&answering->call), try_->count + 1, sizeof(items[0]));
    struct aw_incident_try_answer told = {.incident = try_->incident,
                                          .digest = join_numbers(answering, digest, AW_ARRAY_LEN(digest)),
                                          .verdicts = try_->verdicts,
                                          .items = items,
                                          .item_count = try_->count};
    struct aw_buffer              buffer;
    struct aw_writer              writer;
    bool                          ok = items != NULL && told.digest.len > 0;

    for (uint32_t i = 0, read = 0; ok && i < try_->count; i++) {
        items[i].ticket = try_->items[i].ticket;
        items[i].verdict = try_->items[i].verdict;
        if (items[i].verdict == AW_VERDICT_GOES)
            ok = render(answering, &try_->items[i], &answering->read->items[read++], &items[i]);
    }
    if (try_->next != 0)
        told.next = join_numbers(answering, cursor, AW_ARRAY_LEN(cursor));
    if (!ok || (try_->next != 0 && told.next.len == 0)) {
        aw_call_fail(&answering->call, AW_E_MEMORY, "");
        return;
    }
    aw_buffer_init(&buffer, aw_call_arena(&answering->call));
    aw_writer_init(&writer, &buffer, answering->media);
    aw_proto_write_incident_try(&writer, &told);
    aw_call_answer(&answering->call, 200, answering->media, &buffer, NULL, 0);
}

/* The messages of those that go. */
static void
read_page(struct answering *answering)
{
    const struct aw_incident_try *try_ = &answering->try_;
    uint32_t                      count = 0;

    answering->read = aw_api_read_new(&answering->call, try_->count + 1, (try_->count + 1) * (size_t)ADDRESS_BYTES);
    if (answering->read == NULL) {
        aw_call_fail(&answering->call, AW_E_MEMORY, "");
        return;
    }
    for (uint32_t i = 0; i < try_->count; i++) {
        if (try_->items[i].verdict == AW_VERDICT_GOES)
            answering->read->items[count++] = (struct aw_read_item){.kind = AW_READ_ADDRESS, .last_seq = try_->items[i].to.seq};
    }
    answering->read->count = count;
    if (count == 0)
        answer_page(answering);
    else
        aw_call_read(&answering->call, answering->read);
}

static const char *
detail_of(enum aw_err err)
{
    return err == AW_E_NOT_FOUND      ? "there is no incident by that id"
           : err == AW_E_WRONG_STATE  ? "the incident is not open, or is being answered"
           : err == AW_E_PRECONDITION ? "the texts, the incident or one of its flights are not those that were shown"
           : err == AW_E_BAD_VALUE    ? "each text needs a language tag, and no two may be for the same language (its first part)"
           : err == AW_E_TABLE_FULL   ? "too many texts are in use by replies on their way"
                                      : "";
}

static void
on_tried(struct aw_call *call)
{
    struct answering *answering = (struct answering *)call;
    enum aw_err       err = answering->submission.err != AW_OK ? answering->submission.err : answering->query.err;
    bool              has_failed = false;

    if (err == AW_OK && answering->facts != 0 && answering->facts != answering->try_.facts)
        err = AW_E_PRECONDITION;
    if (err != AW_OK) {
        aw_call_fail(call, err, detail_of(err));
        return;
    }
    if (answering->read == NULL) {
        read_page(answering);
        return;
    }
    if (aw_api_read_again(call, answering->read, &has_failed))
        return;
    if (has_failed)
        aw_call_fail(call, AW_E_MEMORY, "");
    else
        answer_page(answering);
}

/* Nobody needs it any more. */
static void
on_left(struct aw_call *call)
{
    struct answering *answering = (struct answering *)call;

    if (answering->read != NULL)
        return;
    answering->cancel = (struct aw_submission){.kind = AW_SUBMIT_CANCEL, .target = &answering->submission};
    aw_call_submit(call, &answering->cancel);
}

static const struct aw_call_ops try_ops = {.on_back = on_tried, .on_leave = on_left};

static void
try_out(struct answering *answering, struct aw_incident_id incident)
{
    uint64_t cursor[4] = {0, 0, 0, 0};

    if (answering->want.cursor.len > 0 && !split_numbers(answering->want.cursor, cursor, AW_ARRAY_LEN(cursor))) {
        aw_api_refuse_field(&answering->call, "cursor", "a cursor is the `next` of a page before");
        return;
    }
    if (answering->want.cursor.len > 0 && cursor[3] != answering->texts_hash) {
        aw_call_fail(&answering->call, AW_E_PRECONDITION, detail_of(AW_E_PRECONDITION));
        return;
    }
    answering->facts = cursor[2];
    answering->try_ = (struct aw_incident_try){
        .incident = incident,
        .texts = answering->want.texts,
        .text_count = answering->want.text_count,
        .needs = answering->needs,
        .through = cursor[1],
        .after = (uint32_t)cursor[0],
        .items = aw_arena_take(aw_call_arena(&answering->call), answering->want.limit * sizeof(struct aw_incident_item)),
        .room = answering->want.limit};
    if (answering->try_.items == NULL) {
        aw_call_fail(&answering->call, AW_E_MEMORY, "");
        return;
    }
    answering->call.ops = &try_ops;
    answering->query = (struct aw_query){.kind = AW_QUERY_INCIDENT_TRY, .try_ = &answering->try_};
    answering->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &answering->query};
    aw_call_submit(&answering->call, &answering->submission);
}

/* --- the approval ----------------------------------------------------------------------------------------------------------- */

static void
answer_now(struct answering *answering)
{
    struct aw_incident_change change = {.now = answering->now, .duplicate = answering->entry.command.out.repeated};
    struct aw_header_field    etag = {AW_SLICE("etag"), aw_api_etag(aw_call_arena(&answering->call), change.now.version)};
    struct aw_buffer          buffer;
    struct aw_writer          writer;

    aw_buffer_init(&buffer, aw_call_arena(&answering->call));
    aw_writer_init(&writer, &buffer, answering->media);
    aw_proto_write_incident(&writer, &change);
    aw_call_answer(&answering->call, 200, answering->media, &buffer, &etag, 1);
}

static void
on_approved(struct aw_call *call)
{
    struct answering *answering = (struct answering *)call;
    bool              is_query = answering->submission.kind == AW_SUBMIT_QUERY;
    enum aw_err       err = answering->submission.err;

    if (err == AW_OK)
        err = is_query ? answering->query.err : answering->entry.command.out.err;
    if (err != AW_OK) {
        aw_call_fail(call, err, detail_of(err));
    } else if (is_query) {
        answer_now(answering);
    } else {
        answering->query = (struct aw_query){.kind = AW_QUERY_INCIDENT,
                                             .incident = answering->entry.command.in.incident_answer.incident,
                                             .incidents = &answering->now,
                                             .room = 1};
        answering->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &answering->query};
        aw_call_submit(call, &answering->submission);
    }
}

static const struct aw_call_ops approve_ops = {.on_back = on_approved};

static void
approve(struct answering *answering, struct aw_incident_id incident)
{
    uint64_t digest[3];

    if (answering->want.digest.len == 0) {
        aw_api_refuse_field(&answering->call, "digest", "the `digest` that a dry run of these texts answered, or dry_run");
        return;
    }
    if (!split_numbers(answering->want.digest, digest, AW_ARRAY_LEN(digest))) {
        aw_api_refuse_field(&answering->call, "digest", "a digest is what a dry run answered");
        return;
    }
    if (digest[2] != answering->texts_hash) {
        aw_call_fail(&answering->call, AW_E_PRECONDITION, detail_of(AW_E_PRECONDITION));
        return;
    }
    answering->entry.command.kind = AW_COMMAND_INCIDENT_ANSWER;
    answering->entry.command.in.incident_answer = (struct aw_in_incident_answer){.incident = incident,
                                                                                 .texts = answering->want.texts,
                                                                                 .text_count = answering->want.text_count,
                                                                                 .needs = (uint8_t)answering->needs,
                                                                                 .through = digest[0],
                                                                                 .facts = digest[1],
                                                                                 .by = answering->by};
    answering->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &answering->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&answering->call, &answering->submission);
}

void
aw_api_answer_incident(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct answering       *answering = aw_call_new(io, request, &approve_ops, sizeof(*answering));
    struct aw_proto_problem problem;
    struct aw_incident_id   incident;
    enum aw_media           media;

    if (answering == NULL || !aw_api_agent(&answering->call, &answering->by) ||
        !aw_api_once(&answering->call, answering->by, &answering->entry.command.once) ||
        !aw_api_media(&answering->call, false, &media) || !aw_call_negotiate(&answering->call, false, &answering->media))
        return;
    if (!aw_incident_id_parse(id, &incident)) {
        aw_call_fail(&answering->call, AW_E_NOT_FOUND, detail_of(AW_E_NOT_FOUND));
        return;
    }
    if (aw_proto_decode_incident_answer(&request->arena, media, request->body, &answering->want, &problem) != AW_OK) {
        aw_api_refuse_body(&answering->call, &problem);
        return;
    }
    if (!check_texts(answering))
        return;
    if (answering->want.dry_run)
        try_out(answering, incident);
    else
        approve(answering, incident);
}
