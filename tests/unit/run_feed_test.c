/* run_feed_test.c - how an event is framed, in both encodings: a reader of lines and one of MessagePack maps find the same. */
#include "run/feed.h"

#include "support/test.h"

static struct aw_blocks *blocks;

/* What an event with a text of several lines becomes. */
static struct aw_slice
framed(struct aw_arena *arena, enum aw_media media)
{
    struct aw_feed   feed = {.media = media};
    struct aw_writer writer;
    struct aw_buffer buffer;

    aw_buffer_init(&buffer, arena);
    for (uint64_t id = 1; id <= 2; id++) {
        aw_feed_begin_event(&feed, &writer, &buffer, AW_SLICE("note"), id == 1 ? 7 : UINT64_MAX);
        aw_writer_begin_map(&writer);
        AW_WRITER_KEY(&writer, "text");
        aw_writer_str(&writer, id == 1 ? AW_SLICE("one\r\ntwo\n\nevent: three") : AW_SLICE(""));
        aw_writer_end_map(&writer);
        aw_feed_end_event(&feed, &writer, &buffer);
    }
    assert_false(buffer.failed);
    return aw_buffer_slice(&buffer);
}

static void
lines_hold_one_event_each(void **state)
{
    static const char want[] = "event: note\nid: 7\ndata: {\"text\":\"one\\r\\ntwo\\n\\nevent: three\"}\n\n"
                               "event: note\nid: 18446744073709551615\ndata: {\"text\":\"\"}\n\n";
    struct aw_arena   arena;
    struct aw_slice   got;

    (void)state;
    aw_arena_init(&arena, blocks);
    got = framed(&arena, AW_MEDIA_EVENTS);
    assert_int_equal(got.len, sizeof(want) - 1);
    assert_memory_equal(got.ptr, want, got.len);
    aw_arena_reset(&arena);
}

static void
maps_hold_one_event_each(void **state)
{
    static const char want[] = "\x83\xa5"
                               "event\xa4note\xa2id\xa1"
                               "7\xa4"
                               "data\x81\xa4text\xb6one\r\ntwo\n\nevent: three"
                               "\x83\xa5"
                               "event\xa4note\xa2id\xb4"
                               "18446744073709551615\xa4"
                               "data\x81\xa4text\xa0";
    struct aw_arena   arena;
    struct aw_slice   got;

    (void)state;
    aw_arena_init(&arena, blocks);
    got = framed(&arena, AW_MEDIA_MSGPACK_SEQ);
    assert_int_equal(got.len, sizeof(want) - 1);
    assert_memory_equal(got.ptr, want, got.len);
    aw_arena_reset(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines_hold_one_event_each), cmocka_unit_test(maps_hold_one_event_each)};
    int                     failed;

    blocks = aw_blocks_new(1024, 1 << 20);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    aw_blocks_free(&blocks);
    return failed;
}
