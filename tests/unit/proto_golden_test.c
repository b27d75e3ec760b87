/* Golden vectors: tests/golden/NAME.json is a body as a client may write it, NAME.msgpack.hex the canonical MessagePack of the
 * same object, made by another MessagePack library. Proves that the stored form is the documented one, whatever the input looked
 * like. How: for each pair, decode the JSON and the MessagePack; encode both; both must be the golden bytes. NAME begins with the
 * kind. */
#include "proto_rig.h"

#include "support/random.h"

static const char *const names[] = {
    "message_small",     "message_defaults",
    "message_full",      "message_text_forms",
    "message_text_long", "message_attachment_only",
    "message_meta_16",   "pull_full",
    "pull_empty",        "extend",
    "complete",          "release",
    "extend_line",       "complete_line",
    "lane_put",          "lane_put_open",
    "agent_put",         "presence_put",
    "ticket_patch_hold", "ticket_patch_unhold",
    "ticket_cancel",     "ticket_patch_place",
};

/* The object whose name the file's begins with; the longest such name. */
static enum aw_object_kind
kind_of(const char *file)
{
    enum aw_object_kind found = AW_OBJECT_COUNT;
    size_t              longest = 0;

    for (unsigned kind = 0; kind < AW_OBJECT_COUNT; kind++) {
        const char *name = aw_object_of((enum aw_object_kind)kind)->name;

        if (strlen(name) > longest && strncasecmp(file, name, strlen(name)) == 0) {
            found = (enum aw_object_kind)kind;
            longest = strlen(name);
        }
    }
    assert_true(found != AW_OBJECT_COUNT);
    return found;
}

static struct aw_slice
from_hex(struct rig *rig, struct aw_slice text)
{
    uint8_t *bytes = aw_arena_take(&rig->arena, text.len / 2 + 1);
    size_t   digits = 0;

    assert_non_null(bytes);
    for (size_t i = 0; i < text.len; i++) {
        const char *hex = "0123456789abcdef";
        const char *digit = text.ptr[i] == '\n' ? NULL : strchr(hex, text.ptr[i]);

        if (digit == NULL)
            continue;
        bytes[digits / 2] = (uint8_t)((digits % 2 == 0 ? 0 : bytes[digits / 2] << 4) | (digit - hex));
        digits++;
    }
    assert_int_equal(digits % 2, 0);
    return aw_slice_of(bytes, digits / 2);
}

static void
test_golden(void **state)
{
    struct rig *rig = *state;

    for (size_t i = 0; i < AW_ARRAY_LEN(names); i++) {
        enum aw_object_kind     kind = kind_of(names[i]);
        struct aw_proto_problem problem;
        union rig_object        object;
        struct aw_slice         golden;
        struct aw_slice         written;
        char                    path[128];

        (void)snprintf(path, sizeof(path), "tests/golden/%s.msgpack.hex", names[i]);
        golden = from_hex(rig, rig_file(rig, path));
        (void)snprintf(path, sizeof(path), "tests/golden/%s.json", names[i]);
        if (rig_decode(rig, AW_MEDIA_JSON, rig_file(rig, path), kind, false, &object, &problem) != AW_OK)
            fail_msg("%s.json: %s", names[i], problem.detail);
        written = rig_write(rig, AW_MEDIA_MSGPACK, kind, &object);
        if (!aw_slice_eq(written, golden))
            fail_msg("%s.json does not become the golden bytes", names[i]);
        if (rig_decode(rig, AW_MEDIA_MSGPACK, golden, kind, false, &object, &problem) != AW_OK)
            fail_msg("%s.msgpack.hex: %s", names[i], problem.detail);
        written = rig_write(rig, AW_MEDIA_MSGPACK, kind, &object);
        if (!aw_slice_eq(written, golden))
            fail_msg("%s.msgpack.hex does not become itself", names[i]);
    }
}

/* --- Random messages -------------------------------------------------------------------------------------------------------- */

static struct aw_slice
random_text(struct rig *rig, struct random *random, uint32_t max)
{
    static const char *const pieces[] = {"a", "Z", "0", " ", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x9b\xab", "\"", "\\", "/"};
    struct aw_buffer         buffer;
    uint32_t                 len = 1 + random_below(random, random_below(random, 4) == 0 ? max / 4 : 20);

    aw_buffer_init(&buffer, &rig->arena);
    while (buffer.len < len)
        aw_buffer_add_str(&buffer, pieces[random_below(random, AW_ARRAY_LEN(pieces))]);
    return aw_buffer_slice(&buffer);
}

static aw_ms
random_time(struct random *random)
{
    return random_below(random, 2) == 0 ? 0 : 1 + random_next(random) % AW_MS_MAX;
}

/* `count` texts, NULL when there are none. */
static const struct aw_slice *
random_texts(struct rig *rig, struct random *random, uint32_t count)
{
    struct aw_slice *texts = aw_arena_take(&rig->arena, (count + 1) * sizeof(*texts));

    for (uint32_t i = 0; i < count; i++)
        texts[i] = random_text(rig, random, AW_TAG_BYTES_MAX);
    return count == 0 ? NULL : texts;
}

static void
random_lists(struct rig *rig, struct random *random, struct aw_message *m)
{
    struct aw_attachment *attachments = aw_arena_take_zeroed(&rig->arena, AW_ATTACHMENTS_MAX, sizeof(*attachments));
    struct aw_flight     *flights = aw_arena_take_zeroed(&rig->arena, AW_FLIGHTS_MAX, sizeof(*flights));
    struct aw_pair       *meta = aw_arena_take_zeroed(&rig->arena, AW_META_MAX, sizeof(*meta));

    m->attachment_count = random_below(random, 4);
    m->attachments = attachments;
    for (uint32_t i = 0; i < m->attachment_count; i++) {
        attachments[i].kind = AW_SLICE("image");
        attachments[i].bytes_known = random_below(random, 2) == 0;
        attachments[i].bytes = attachments[i].bytes_known ? random_next(random) >> 11 : 0;
    }
    m->flight_count = random_below(random, AW_FLIGHTS_MAX + 1);
    m->flights = flights;
    for (uint32_t i = 0; i < m->flight_count; i++) {
        flights[i].number = AW_SLICE("KL1234");
        flights[i].date_known = random_below(random, 2) == 0;
        flights[i].date_days = flights[i].date_known ? random_below(random, 40000) : 0;
        flights[i].departs_at = random_time(random);
    }
    m->tag_count = random_below(random, AW_TAGS_MAX + 1);
    m->tags = random_texts(rig, random, m->tag_count);
    m->meta_count = random_below(random, AW_META_MAX + 1);
    m->meta = meta;
    for (uint32_t i = 0; i < m->meta_count; i++) {
        char key[8];

        (void)snprintf(key, sizeof(key), "k%02u", i); /* sorted */
        assert_true(aw_arena_copy(&rig->arena, aw_slice_str(key), &meta[i].key));
        meta[i].value = random_text(rig, random, AW_META_VALUE_BYTES_MAX);
    }
}

static struct aw_message
random_message(struct rig *rig, struct random *random)
{
    struct aw_message m = {
        .channel = AW_SLICE("web"),
        .account = random_below(random, 2) == 0 ? AW_SLICE("main") : random_text(rig, random, AW_ACCOUNT_BYTES_MAX),
        .source_id = random_text(rig, random, AW_EXTERNAL_ID_BYTES_MAX),
        .customer = random_text(rig, random, AW_EXTERNAL_ID_BYTES_MAX),
        .text = random_text(rig, random, 20000),
        .received_at = random_time(random),
        .reply_by = random_time(random),
        .care = (uint8_t)random_below(random, 32),
        .class_hint = random_below(random, 2) == 0 ? AW_CLASS_NONE : (uint8_t)random_below(random, AW_CLASS_COUNT),
        .visibility = (uint8_t)random_below(random, 2),
        .addressed = (uint8_t)random_below(random, 3),
    };

    if (random_below(random, 2) == 0)
        m.thread = random_text(rig, random, AW_EXTERNAL_ID_BYTES_MAX);
    random_lists(rig, random, &m);
    return m;
}

/* Written and read back it is the same, through JSON and through MessagePack; and a stored body copied into JSON is that JSON. */
static void
test_random_messages(void **state)
{
    struct rig   *rig = *state;
    struct random random = random_of(random_seed(20100415));

    for (int i = 0; i < 3000; i++) {
        struct aw_message       message = random_message(rig, &random);
        struct aw_slice         stored = rig_write(rig, AW_MEDIA_MSGPACK, AW_OBJECT_MESSAGE, &message);
        struct aw_slice         json = rig_write(rig, AW_MEDIA_JSON, AW_OBJECT_MESSAGE, &message);
        struct aw_proto_problem problem;
        struct aw_message       back;
        struct aw_buffer        buffer;
        struct aw_writer        writer;

        if (aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, json, false, &back, &problem) != AW_OK)
            fail_msg("message %d: %s\n%.*s", i, problem.detail, AW_SLICE_ARGS(json));
        assert_true(aw_slice_eq(rig_write(rig, AW_MEDIA_MSGPACK, AW_OBJECT_MESSAGE, &back), stored));
        assert_int_equal(aw_proto_decode_message(&rig->arena, AW_MEDIA_MSGPACK, stored, false, &back, &problem), AW_OK);
        assert_true(aw_slice_eq(rig_write(rig, AW_MEDIA_MSGPACK, AW_OBJECT_MESSAGE, &back), stored));
        aw_buffer_init(&buffer, &rig->arena);
        aw_writer_init(&writer, &buffer, AW_MEDIA_JSON);
        assert_true(aw_writer_copy(&writer, stored));
        assert_true(aw_slice_eq(aw_buffer_slice(&buffer), json));
        aw_arena_reset(&rig->arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {rig_test(test_golden), rig_test(test_random_messages)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
