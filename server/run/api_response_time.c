/* api_response_time.c - how long it takes, for everybody: figures by lane and class, a sentence in each language, a badge.
 *
 * Told is what was published last (core/promise.c), not what the figures are this second, so that caches may keep it, and so that
 * the page and the receipts say the same. While the store is broken this is answered 503 like everything else; stale-if-error lets
 * caches go on with what they have.
 */
#include "base/text.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/query.h"
#include "run/wording.h"

#include <inttypes.h>

#define LANES_PER_PAGE 100U
/* A look every 30 s is the rule. */
#define CACHING "public, max-age=15, stale-while-revalidate=60, stale-if-error=3600"
#define STEP_S  (AW_PROMISE_STEP_MS / AW_MS_PER_S)

struct times {
    struct aw_call       call;
    enum aw_media        media;
    struct aw_submission submission;
    struct aw_query      query;
    struct aw_told_look  told;
    struct aw_told_lane  lanes[LANES_PER_PAGE];
    enum aw_class        class_;
    bool                 has_language;
    bool                 is_badge;
};

/* --- words ------------------------------------------------------------------------------------------------------------------ */

/* Durations stand as after "within" (wording.h). */
struct sentence_words {
    const char *known[3]; /* around the two durations */
    const char *unknown;
    const char *label; /* of the badge */
};
static const struct sentence_words words[AW_LANGUAGES] = {
    [AW_LANGUAGE_EN] = {{"Half of all who write now are helped within ", ", nine of ten within ", "."},
                        "We cannot say just now how long an answer takes.",
                        "response time"},
    [AW_LANGUAGE_NL] = {{"Van wie nu schrijft is de helft binnen ", " aan de beurt, negen van de tien binnen ", "."},
                        "We kunnen nu niet zeggen hoe lang een antwoord duurt.",
                        "reactietijd"},
    [AW_LANGUAGE_DE] = {{"Von allen, die jetzt schreiben, wird der Hälfte innerhalb von ",
                         " geholfen, neun von zehn innerhalb von ", "."},
                        "Wir können im Moment nicht sagen, wie lange eine Antwort dauert.",
                        "Antwortzeit"},
    [AW_LANGUAGE_FR] = {{"La moitié de ceux qui écrivent maintenant sont pris en charge en ", ", neuf sur dix en ", "."},
                        "Nous ne pouvons pas dire pour le moment combien de temps prend une réponse.",
                        "temps de réponse"},
    [AW_LANGUAGE_ES] = {{"La mitad de quienes escriben ahora recibe ayuda en ", ", nueve de cada diez en ", "."},
                        "En este momento no podemos decir cuánto tarda una respuesta.",
                        "tiempo de respuesta"},
};

static struct aw_slice
sentence_of(struct aw_arena *arena, enum aw_language language, const struct aw_class_time *time)
{
    const struct sentence_words *in = &words[language];
    struct aw_buffer             buffer;

    aw_buffer_init(&buffer, arena);
    if (time->half_s == 0) {
        aw_buffer_add_str(&buffer, in->unknown);
    } else {
        aw_buffer_add_str(&buffer, in->known[0]);
        aw_wording_add_duration(&buffer, language, time->half_s * AW_MS_PER_S);
        aw_buffer_add_str(&buffer, in->known[1]);
        aw_wording_add_duration(&buffer, language, time->nine_of_ten_s * AW_MS_PER_S);
        aw_buffer_add_str(&buffer, in->known[2]);
    }
    return buffer.failed ? (struct aw_slice){NULL, 0} : aw_buffer_slice(&buffer);
}

/* --- figures ---------------------------------------------------------------------------------------------------------------- */

static struct aw_class_time
time_of(const struct aw_told_wait *wait)
{
    return (struct aw_class_time){wait->steps[AW_HALF] * STEP_S, wait->steps[AW_NINE_OF_TEN] * STEP_S};
}

/* The first departure that can be made, by the middle of its ten minutes: who will miss his is taken as disrupted. */
static uint32_t
first_lead(const struct aw_order_settings *order)
{
    uint32_t lead = 0;

    while (lead < AW_PROMISE_LEADS - 1 &&
           lead * AW_PROMISE_LEAD_MS + AW_PROMISE_LEAD_MS / 2 <= order->handling_ms[AW_CLASS_IMMINENT])
        lead++;
    return lead;
}

/* Of departures that can be made the one for which it takes longest: who reads this has not said when he departs. One of which
 * nothing is known is longer than any. */
static struct aw_class_time
class_time(const struct aw_told_group *group, enum aw_class class_, const struct aw_order_settings *order)
{
    uint32_t             lead = class_ == AW_CLASS_IMMINENT ? first_lead(order) : 0;
    struct aw_class_time longest = time_of(&group->waits[aw_promise_wait_of(class_, 0, lead * AW_PROMISE_LEAD_MS)]);

    for (lead++; class_ == AW_CLASS_IMMINENT && lead < AW_PROMISE_LEADS && longest.half_s != 0; lead++) {
        struct aw_class_time other = time_of(&group->waits[aw_promise_wait_of(class_, 0, lead * AW_PROMISE_LEAD_MS)]);

        if (other.half_s == 0 || other.nine_of_ten_s > longest.nine_of_ten_s)
            longest = other;
    }
    return longest;
}

static void
fill_classes(const struct times *times, const struct aw_told_lane *lane, struct aw_class_time classes[AW_CLASS_COUNT])
{
    for (enum aw_class class_ = AW_CLASS_CARE; class_ < AW_CLASS_COUNT; class_++) {
        classes[class_] = (struct aw_class_time){0, 0};
        if (lane->group < AW_PROMISE_GROUPS_MAX && times->told.groups[lane->group].at != 0)
            classes[class_] = class_time(&times->told.groups[lane->group], class_, &times->call.io->order);
    }
}

static bool
fill_lane(struct times *times, const struct aw_told_lane *from, struct aw_lane_time *lane)
{
    struct aw_arena    *arena = aw_call_arena(&times->call);
    enum aw_language    asked = aw_language_of(times->told.lang);
    struct aw_sentence *sentences = aw_arena_take(arena, AW_LANGUAGES * sizeof(*sentences));
    bool                all = sentences != NULL;

    *lane = (struct aw_lane_time){.lane = from->name, .sentences = sentences};
    fill_classes(times, from, lane->classes);
    for (enum aw_language language = AW_LANGUAGE_EN; all && language < AW_LANGUAGES; language++) {
        struct aw_sentence *sentence = &sentences[lane->sentence_count];

        if (times->has_language && asked < AW_LANGUAGES && language != asked)
            continue;
        *sentence = (struct aw_sentence){aw_slice_str(aw_language_tag(language)),
                                         sentence_of(arena, language, &lane->classes[times->class_])};
        all = sentence->text.len > 0;
        lane->sentence_count++;
    }
    return all;
}

/* --- the answer ------------------------------------------------------------------------------------------------------------- */

/* Whether the client has it already: If-None-Match lists its tag, or `*` (RFC 9110 section 13.1.2; weak tags count as well). */
static bool
has_it(struct aw_slice if_none_match, struct aw_slice etag)
{
    while (if_none_match.len > 0) {
        struct aw_slice one = aw_slice_trim(aw_slice_cut(&if_none_match, ','));

        if (aw_slice_starts(one, AW_SLICE("W/")))
            one = aw_slice_of(one.ptr + 2, one.len - 2);
        if (aw_slice_eq(one, AW_SLICE("*")) || aw_slice_eq(one, etag))
            return true;
    }
    return false;
}

static void
answer(struct times *times, const struct aw_buffer *body, enum aw_media media, const struct aw_header_field *link)
{
    struct aw_slice        bytes = aw_buffer_slice(body);
    struct aw_buffer       tag;
    struct aw_header_field fields[4];
    size_t                 count = 0;
    uint16_t               status;

    aw_buffer_init(&tag, aw_call_arena(&times->call));
    aw_buffer_printf(&tag, "\"%016" PRIx64 "\"", aw_hash_name(bytes.ptr, bytes.len));
    if (body->failed || tag.failed) {
        aw_call_fail(&times->call, AW_E_MEMORY, "");
        return;
    }
    fields[count++] = (struct aw_header_field){AW_SLICE("etag"), aw_buffer_slice(&tag)};
    fields[count++] = (struct aw_header_field){AW_SLICE("cache-control"), AW_SLICE(CACHING)};
    fields[count++] = (struct aw_header_field){AW_SLICE("vary"), AW_SLICE("accept")};
    if (link != NULL)
        fields[count++] = *link;
    status = has_it(times->call.request->if_none_match, aw_buffer_slice(&tag)) ? 304 : 200;
    aw_call_answer(&times->call, status, media, body, fields, count);
}

static aw_ms
newest(const struct times *times)
{
    aw_ms at = 0;

    for (uint32_t i = 0; i < AW_PROMISE_GROUPS_MAX; i++)
        at = times->told.groups[i].at > at ? times->told.groups[i].at : at;
    return at;
}

static void
answer_figures(struct times *times)
{
    struct aw_lane_time           *lanes = aw_arena_take(aw_call_arena(&times->call), LANES_PER_PAGE * sizeof(*lanes));
    struct aw_response_time_answer told = {
        .as_of = newest(times), .class_ = times->class_, .lanes = lanes, .lane_count = times->query.count};
    struct aw_header_field link;
    struct aw_buffer       buffer;
    struct aw_writer       writer;
    bool                   all = lanes != NULL;

    for (uint32_t i = 0; i < times->query.count && all; i++)
        all = fill_lane(times, &times->lanes[i], &lanes[i]);
    if (times->query.next != 0 && all)
        told.next = aw_api_next(&times->call, times->query.next, &link);
    if (!all || (times->query.next != 0 && told.next.len == 0)) {
        aw_call_fail(&times->call, AW_E_MEMORY, "");
        return;
    }
    aw_buffer_init(&buffer, aw_call_arena(&times->call));
    aw_writer_init(&writer, &buffer, times->media);
    aw_proto_write_response_time(&writer, &told);
    answer(times, &buffer, times->media, told.next.len > 0 ? &link : NULL);
}

/* About as wide as letters of 11 pixels are. */
static uint32_t
width_of(struct aw_slice text)
{
    uint32_t letters = 0;

    for (size_t i = 0; i < text.len; i++)
        letters += ((unsigned char)text.ptr[i] & 0xC0) != 0x80; /* bytes that begin one */
    return 10 + letters * 13 / 2;
}

/* "half 2 h, 9/10 4 h", without words, so that it is the same in every language. */
static struct aw_slice
badge_value(struct aw_arena *arena, const struct aw_class_time *time)
{
    struct aw_buffer buffer;

    aw_buffer_init(&buffer, arena);
    if (time->half_s == 0) {
        aw_buffer_add_str(&buffer, "?");
    } else {
        aw_buffer_add_str(&buffer, "50 %: ");
        aw_wording_add_duration(&buffer, AW_LANGUAGE_OTHER, time->half_s * AW_MS_PER_S);
        aw_buffer_add_str(&buffer, ", 90 %: ");
        aw_wording_add_duration(&buffer, AW_LANGUAGE_OTHER, time->nine_of_ten_s * AW_MS_PER_S);
    }
    return buffer.failed ? (struct aw_slice){NULL, 0} : aw_buffer_slice(&buffer);
}

static void
answer_badge(struct times *times)
{
    struct aw_arena     *arena = aw_call_arena(&times->call);
    enum aw_language     language = aw_language_of(times->told.lang);
    struct aw_slice      label = aw_slice_str(words[language < AW_LANGUAGES ? language : AW_LANGUAGE_EN].label);
    struct aw_class_time classes[AW_CLASS_COUNT];
    struct aw_slice      value;
    struct aw_buffer     buffer;
    uint32_t             left, right;

    fill_classes(times, &times->lanes[0], classes);
    value = badge_value(arena, &classes[times->class_]);
    left = width_of(label);
    right = width_of(value);
    aw_buffer_init(&buffer, arena);
    aw_buffer_printf(
        &buffer,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"20\" role=\"img\" aria-label=\"%.*s: %.*s\">"
        "<rect width=\"%u\" height=\"20\" fill=\"#444\"/><rect x=\"%u\" width=\"%u\" height=\"20\" fill=\"#06598c\"/>"
        "<g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">"
        "<text x=\"5\" y=\"14\">%.*s</text><text x=\"%u\" y=\"14\">%.*s</text></g></svg>\n",
        left + right, AW_SLICE_ARGS(label), AW_SLICE_ARGS(value), left, left, right, AW_SLICE_ARGS(label), left + 5,
        AW_SLICE_ARGS(value));
    buffer.failed |= value.len == 0;
    answer(times, &buffer, AW_MEDIA_SVG, NULL);
}

static void
on_back(struct aw_call *call)
{
    struct times *times = (struct times *)call;

    if (times->submission.err != AW_OK || times->query.err != AW_OK)
        aw_call_fail(call, times->submission.err != AW_OK ? times->submission.err : times->query.err,
                     times->query.err == AW_E_NOT_FOUND ? "there is no lane by that name" : "");
    else if (times->is_badge)
        answer_badge(times);
    else
        answer_figures(times);
}

static const struct aw_call_ops times_ops = {.on_back = on_back};

/* --- the request ------------------------------------------------------------------------------------------------------------ */

/* Of a message that would come: where it would go. */
static bool
take_text(struct times *times, const struct aw_parameter *parameter, const char *name, struct aw_slice *ret_value)
{
    if (!aw_slice_eq(parameter->name, aw_slice_str(name)))
        return false;
    *ret_value = parameter->value;
    times->told.is_one |= parameter->value.len > 0;
    return true;
}

/* False: answered 400. */
static bool
set_parameter(struct times *times, const struct aw_parameter *parameter)
{
    uint64_t cursor;

    if (take_text(times, parameter, "lane", &times->told.lane) || take_text(times, parameter, "channel", &times->told.channel) ||
        take_text(times, parameter, "account", &times->told.account))
        return true;
    if (take_text(times, parameter, "lang", &times->told.lang)) {
        times->has_language = times->told.lang.len > 0;
        return true;
    }
    if (aw_slice_eq(parameter->name, AW_SLICE("class"))) {
        if (aw_class_parse(parameter->value, &times->class_))
            return true;
        aw_api_refuse_field(&times->call, "class", "care, imminent, disrupted, general or other");
        return false;
    }
    if (aw_slice_eq(parameter->name, AW_SLICE("cursor")) && !times->is_badge) {
        if (aw_base32_to_u64(parameter->value, &cursor) && cursor <= UINT32_MAX) {
            times->query.skip = (uint32_t)cursor;
            return true;
        }
        aw_api_refuse_field(&times->call, "cursor", "as `next` gave it");
        return false;
    }
    aw_call_problem(&times->call, &(struct aw_problem){
                                      .err = AW_E_UNKNOWN_FIELD,
                                      .field = aw_slice_is_utf8(parameter->name) ? parameter->name : (struct aw_slice){NULL, 0},
                                      .detail = AW_SLICE("the query takes lane, lang, channel, account, class and cursor")});
    return false;
}

static void
ask(struct times *times)
{
    struct aw_slice     query = times->call.request->query;
    struct aw_parameter parameter;
    bool                failed = false;

    times->class_ = AW_CLASS_GENERAL;
    times->query = (struct aw_query){.kind = AW_QUERY_TOLD, .room = LANES_PER_PAGE, .told = &times->told};
    while (aw_query_take(aw_call_arena(&times->call), &query, &parameter, &failed)) {
        if (!set_parameter(times, &parameter))
            return;
    }
    times->told.lanes = times->lanes;
    times->told.is_one |= times->is_badge;
    times->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &times->query};
    if (failed)
        aw_call_fail(&times->call, AW_E_MEMORY, "");
    else
        aw_call_submit(&times->call, &times->submission);
}

void
aw_api_response_time(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct times *times = aw_call_new(io, request, &times_ops, sizeof(*times));

    (void)id;
    if (times != NULL && aw_call_negotiate(&times->call, false, &times->media))
        ask(times);
}

void
aw_api_response_time_svg(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct times *times = aw_call_new(io, request, &times_ops, sizeof(*times));

    (void)id;
    if (times == NULL)
        return;
    times->is_badge = true;
    ask(times);
}
