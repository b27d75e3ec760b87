/* api_templates.c - what the server itself writes, and in which words: look, set. */
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/own_texts.h"
#include "run/wording.h"

struct templates {
    struct aw_call             call;
    enum aw_media              media;
    enum aw_reply_kind         kind;
    struct aw_submission       submission;
    struct aw_query            query;
    struct aw_entry            entry; /* PUT */
    struct aw_template_request want;
    const struct aw_slice     *rendered; /* PUT: of each text, on sample data */
};

/* --- the texts of a request ------------------------------------------------------------------------------------------------- */

/* What is known whenever a reply of this kind is written. */
static uint32_t
known_always(enum aw_reply_kind kind)
{
    const uint32_t of_promise = AW_WORDING_BIT(AW_WORDING_HALF_BY) | AW_WORDING_BIT(AW_WORDING_NINE_OF_TEN_BY) |
                                AW_WORDING_BIT(AW_WORDING_HALF_IN) | AW_WORDING_BIT(AW_WORDING_NINE_OF_TEN_IN);

    return AW_WORDING_BIT(AW_WORDING_TICKET) | (kind == AW_REPLY_PROMISE_MOVED ? of_promise : 0);
}

static bool
check_texts(struct templates *templates)
{
    const struct aw_own_texts_rules rules = {.always = known_always(templates->kind), .visibility = AW_VISIBILITY_PUBLIC};

    templates->rendered = aw_own_texts_check(&templates->call, templates->want.texts, templates->want.text_count, &rules, NULL);
    return templates->rendered != NULL;
}

/* --- answers ---------------------------------------------------------------------------------------------------------------- */

static void
ask(struct templates *templates)
{
    struct aw_text_view *views = aw_arena_take(aw_call_arena(&templates->call), AW_OWN_TEXTS_MAX * sizeof(views[0]));

    if (views == NULL) {
        aw_call_fail(&templates->call, AW_E_MEMORY, "");
        return;
    }
    templates->query =
        (struct aw_query){.kind = AW_QUERY_TEMPLATE, .reply_kind = templates->kind, .own_texts = views, .room = AW_OWN_TEXTS_MAX};
    templates->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &templates->query};
    aw_call_submit(&templates->call, &templates->submission);
}

/* As it is, or with a dry run as it would be. */
static void
fill_texts(const struct templates *templates, struct aw_own_text_answer texts[AW_OWN_TEXTS_MAX], uint32_t *ret_count)
{
    const struct aw_template_request *want = &templates->want;
    bool                              dry_run = want->dry_run;

    *ret_count = dry_run ? want->text_count : templates->query.count;
    for (uint32_t i = 0; i < *ret_count; i++) {
        const struct aw_text_view *view = dry_run ? NULL : &templates->query.own_texts[i];

        texts[i] = dry_run ? (struct aw_own_text_answer){want->texts[i].lang, want->texts[i].words, templates->rendered[i]}
                           : (struct aw_own_text_answer){.lang = aw_slice_of(view->lang, view->lang_len),
                                                         .words = aw_slice_of(view->words, view->len)};
    }
}

static void
answer(struct templates *templates, uint64_t version)
{
    struct aw_own_text_answer texts[AW_OWN_TEXTS_MAX];
    struct aw_template_answer told = {
        .kind = templates->kind, .texts = texts, .version = version, .dry_run = templates->want.dry_run};
    struct aw_buffer       buffer;
    struct aw_writer       writer;
    struct aw_header_field etag = {AW_SLICE("etag"), aw_api_etag(aw_call_arena(&templates->call), version)};

    fill_texts(templates, texts, &told.text_count);
    aw_buffer_init(&buffer, aw_call_arena(&templates->call));
    aw_writer_init(&writer, &buffer, templates->media);
    aw_proto_write_template(&writer, &told);
    aw_call_answer(&templates->call, 200, templates->media, &buffer, &etag, version > 0 && !told.dry_run);
}

static void
on_back(struct aw_call *call)
{
    struct templates *templates = (struct templates *)call;
    bool              is_query = templates->submission.kind == AW_SUBMIT_QUERY;
    enum aw_err       err = templates->submission.err;

    if (err == AW_OK && !is_query)
        err = templates->entry.command.out.err;
    if (err != AW_OK)
        aw_call_fail(call, err,
                     err == AW_E_TABLE_FULL ? "too many texts are in use by replies on their way"
                     : err == AW_E_BAD_VALUE
                         ? "each text needs a language tag, and no two may be for the same language (its first part)"
                         : "");
    else if (is_query)
        answer(templates, templates->query.version);
    else if (templates->want.dry_run)
        answer(templates, templates->entry.command.out.u.template_.version);
    else
        ask(templates); /* after a change, what it is now */
}

static const struct aw_call_ops templates_ops = {.on_back = on_back};

static bool
find_kind(struct templates *templates, struct aw_slice id)
{
    for (unsigned i = 0; i < AW_TEMPLATES; i++) {
        templates->kind = (enum aw_reply_kind)(AW_REPLY_ACKNOWLEDGEMENT + i);
        if (aw_slice_eq(id, aw_slice_str(aw_reply_kind_name(templates->kind))))
            return true;
    }
    aw_call_fail(&templates->call, AW_E_NOT_FOUND, "templates are acknowledgement, promise_moved and still_needed");
    return false;
}

void
aw_api_get_template(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct templates *templates = aw_call_new(io, request, &templates_ops, sizeof(*templates));

    if (templates != NULL && aw_call_negotiate(&templates->call, false, &templates->media) && find_kind(templates, id))
        ask(templates);
}

void
aw_api_put_template(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct templates       *templates = aw_call_new(io, request, &templates_ops, sizeof(*templates));
    struct aw_proto_problem problem;
    struct aw_if_match      if_match;
    struct aw_slice         by;
    enum aw_media           media;

    if (templates == NULL || !aw_api_agent(&templates->call, &by) || !aw_api_media(&templates->call, false, &media) ||
        !aw_call_negotiate(&templates->call, false, &templates->media) || !aw_api_if_match(&templates->call, &if_match) ||
        !find_kind(templates, id))
        return;
    if (aw_proto_decode_template_put(&request->arena, media, request->body, &templates->want, &problem) != AW_OK) {
        aw_api_refuse_body(&templates->call, &problem);
        return;
    }
    if (!check_texts(templates))
        return;
    templates->entry.command = (struct aw_command){.kind = AW_COMMAND_TEMPLATE,
                                                   .in.template_ = {.kind = templates->kind,
                                                                    .texts = templates->want.texts,
                                                                    .text_count = templates->want.text_count,
                                                                    .by = by,
                                                                    .if_match = if_match,
                                                                    .dry_run = templates->want.dry_run}};
    templates->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = &templates->entry, .count = 1, .woken_lane = AW_LANE_NONE};
    aw_call_submit(&templates->call, &templates->submission);
}
