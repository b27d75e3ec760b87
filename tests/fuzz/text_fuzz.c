/* text_fuzz.c - any bytes as each small thing that is read out of a text: times, ids, words, types, addresses, the templates of
 * what the server itself writes. What is taken has exactly one text, or is the same when it is written and read again. */
#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "client/url.h"
#include "model/class.h"
#include "model/ids.h"
#include "proto/media.h"
#include "run/wording.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_times(struct aw_slice text)
{
    char     written[AW_TIME_TEXT_BYTES];
    char     date[11];
    aw_ms    at;
    aw_ms    again;
    uint32_t days;
    uint32_t days_again;

    if (aw_time_parse(text, &at)) {
        AW_ASSERT(at <= AW_MS_MAX);
        aw_time_format(at, written);
        AW_ASSERT(aw_time_parse(aw_slice_str(written), &again) && again == at);
    }
    if (aw_date_parse(text, &days)) {
        aw_date_format(days, date);
        AW_ASSERT(aw_slice_eq(aw_slice_str(date), text));
        AW_ASSERT(aw_date_parse(aw_slice_str(date), &days_again) && days_again == days);
    }
}

static void
check_ids(struct aw_slice text)
{
    static const struct aw_hash_key key = {{1, 2, 3}};
    char                            written[AW_ID_TEXT_BYTES];
    struct aw_message_id            message;
    struct aw_ticket_id             ticket;
    struct aw_incident_id           incident;
    struct aw_change_id             change;
    struct aw_lease_id              lease;

    if (aw_message_id_parse(text, &message)) {
        aw_message_id_format(message, written);
        AW_ASSERT(aw_slice_eq(aw_slice_str(written), text));
    }
    if (aw_reply_id_parse(text, &message)) {
        aw_reply_id_format(message, written);
        AW_ASSERT(aw_slice_eq(aw_slice_str(written), text));
    }
    if (aw_ticket_id_parse(text, &ticket)) {
        aw_ticket_id_format(ticket, written);
        AW_ASSERT(aw_slice_eq(aw_slice_str(written), text));
    }
    if (aw_incident_id_parse(text, &incident)) {
        aw_incident_id_format(incident, written);
        AW_ASSERT(aw_slice_eq(aw_slice_str(written), text));
    }
    if (aw_change_id_parse(text, &change)) {
        aw_change_id_format(change, written);
        AW_ASSERT(aw_slice_eq(aw_slice_str(written), text));
    }
    if (aw_lease_id_parse(text, &key, &lease)) {
        aw_lease_id_format(lease, &key, written);
        AW_ASSERT(aw_slice_eq(aw_slice_str(written), text));
    }
}

static void
check_bytes(struct aw_slice text)
{
    size_t   room = text.len;
    uint8_t *bytes = malloc(room + 1);
    char    *again = malloc(2 * text.len + 16);
    size_t   len;

    AW_ASSERT(bytes != NULL && again != NULL);
    if (aw_base32_decode(text, bytes, room, &len)) {
        AW_ASSERT(len <= room && aw_base32_chars(len) == text.len);
        aw_base32_encode(aw_slice_of(bytes, len), again);
        AW_ASSERT(aw_slice_eq(aw_slice_of(again, text.len), text));
    }
    if (aw_base64_decode(text, bytes, room, &len)) {
        AW_ASSERT(len <= room && aw_base64_chars(len) == text.len);
        aw_base64_encode(aw_slice_of(bytes, len), again);
        AW_ASSERT(aw_slice_eq(aw_slice_of(again, text.len), text));
    }
    free(again);
    free(bytes);
}

static void
check_words(struct aw_slice text)
{
    static const enum aw_media offered[] = {AW_MEDIA_JSON, AW_MEDIA_MSGPACK, AW_MEDIA_EVENTS};
    enum aw_media              media;
    enum aw_class              class_;
    enum aw_log_level          level;
    struct aw_url              url;
    struct aw_why              why = {""};

    if (aw_media_parse(text, &media))
        AW_ASSERT(media < AW_MEDIA_COUNT);
    if (aw_media_negotiate(text, offered, AW_ARRAY_LEN(offered), &media))
        AW_ASSERT(media == AW_MEDIA_JSON || media == AW_MEDIA_MSGPACK || media == AW_MEDIA_EVENTS);
    media = aw_media_for_problem_to(text, text);
    AW_ASSERT(media == AW_MEDIA_PROBLEM_JSON || media == AW_MEDIA_PROBLEM_MSGPACK);
    if (aw_class_parse(text, &class_))
        AW_ASSERT(class_ <= AW_CLASS_OTHER);
    if (aw_log_level_parse(text, &level))
        AW_ASSERT(level <= AW_LOG_ERROR);
    if (aw_url_parse(text, &url, &why) == AW_OK)
        AW_ASSERT(url.host[0] != '\0' && url.port[0] != '\0');
    else
        AW_ASSERT(why.text[0] != '\0');
}

/* A template that is taken is rendered with all that it needs, in every language; a name goes out whole or not at all. */
static void
check_wording(struct aw_arena *arena, struct aw_slice text)
{
    struct aw_wording_facts facts = {.name = aw_wording_name(text),
                                     .ticket = AW_SLICE("t1"),
                                     .flight = AW_SLICE("KL1234"),
                                     .departs_at = 1776261600000,
                                     .new_departs_at = 1776268800000,
                                     .promise = {1776261600000, 1776265200000, 1776272400000}};
    struct aw_wording_flaw  flaw;

    AW_ASSERT(facts.name.len == 0 || (facts.name.len <= AW_WORDING_NAME_BYTES_MAX && facts.name.len <= text.len));
    if (!aw_wording_check(text, AW_WORDING_ALL, 0, &flaw)) {
        AW_ASSERT(flaw.why != NULL && flaw.begin <= flaw.end && flaw.end <= text.len);
        return;
    }
    if ((aw_wording_needs(text) & ~aw_wording_known(&facts)) != 0)
        return;
    for (unsigned language = 0; language <= AW_LANGUAGE_OTHER; language++) {
        struct aw_buffer buffer;

        aw_buffer_init(&buffer, arena);
        aw_wording_render(&buffer, (enum aw_language)language, text, &facts);
        AW_ASSERT(!buffer.failed);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct aw_blocks *blocks;
    struct aw_slice          text = size == 0 ? AW_SLICE("") : aw_slice_of(data, size);
    struct aw_arena          arena;

    if (blocks == NULL) {
        blocks = aw_blocks_new(64 * AW_KIB, 64 * AW_MIB);
        AW_ASSERT(blocks != NULL && aw_hash_init());
    }
    aw_arena_init(&arena, blocks);
    check_times(text);
    check_ids(text);
    check_bytes(text);
    check_words(text);
    if (aw_slice_is_utf8(text))
        check_wording(&arena, text);
    aw_arena_reset(&arena);
    return 0;
}
