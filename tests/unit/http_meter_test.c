/* Proves that the meter finds the same frames however the bytes are cut, that it times frames but not bodies, and that buckets
 * fill and leak as they say. How: one stream of frames cut at every size; time as an argument. */
#include "support/test.h"

#include "http/meter.h"

#include <nghttp2/nghttp2.h>

struct frame {
    uint32_t length;
    uint8_t  type;
    uint8_t  flags;
    uint32_t stream;
};

static const struct frame frames[] = {
    {0, NGHTTP2_SETTINGS, 0, 0},
    {8, NGHTTP2_PING, 1, 0},
    {300, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1},
    {1000, NGHTTP2_DATA, 0, 1},
    {0, NGHTTP2_DATA, 1, 1},
    {5, 0x42, 0xff, 0x7fffffff},
    {70000, 0x43, 0, 0x01020304},
    {1, NGHTTP2_DATA, 0, 77},
    {4, NGHTTP2_RST_STREAM, 0, 77},
    {0, NGHTTP2_HEADERS, 0, 79},
    {0, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 79},
};

static size_t
write_frames(uint8_t *to)
{
    size_t len = 0;

    for (size_t i = 0; i < AW_ARRAY_LEN(frames); i++) {
        const struct frame *f = &frames[i];
        uint32_t            stream = f->stream | UINT32_C(1) << 31; /* the reserved bit means nothing */
        uint8_t             head[9];

        for (int k = 0; k < 3; k++)
            head[k] = (uint8_t)(f->length >> (16 - 8 * k));
        head[3] = f->type;
        head[4] = f->flags;
        for (int k = 0; k < 4; k++)
            head[5 + k] = (uint8_t)(stream >> (24 - 8 * k));
        memcpy(to + len, head, 9);
        memset(to + len + 9, 0, f->length);
        len += 9 + f->length;
    }
    return len;
}

static void
any_cut_finds_the_frames(void **state)
{
    static uint8_t      bytes[100000];
    static const size_t cuts[] = {1, 2, 3, 7, 8, 9, 10, 16, 100, 1009, 16384, 100000};
    size_t              len = write_frames(bytes);

    (void)state;
    for (size_t c = 0; c < AW_ARRAY_LEN(cuts); c++) {
        struct aw_meter meter = {.head = {0}};
        size_t          seen = 0;

        for (size_t at = 0; at < len;) {
            size_t left = len - at < cuts[c] ? len - at : cuts[c];

            while (left > 0) {
                bool   is_head;
                size_t used = aw_meter_next(&meter, aw_slice_of(bytes + at, left), 1, &is_head);

                assert_in_range(used, 1, left);
                if (is_head) {
                    assert_true(seen < AW_ARRAY_LEN(frames));
                    assert_int_equal(meter.head.length, frames[seen].length);
                    assert_int_equal(meter.head.type, frames[seen].type);
                    assert_int_equal(meter.head.flags, frames[seen].flags);
                    assert_int_equal(meter.head.stream, frames[seen].stream); /* without the reserved bit */
                    seen++;
                }
                at += used;
                left -= used;
            }
        }
        assert_int_equal(seen, AW_ARRAY_LEN(frames));
        assert_int_equal(aw_meter_open_since(&meter), 0);
    }
}

static void
feed(struct aw_meter *meter, const void *bytes, size_t len, aw_ns now)
{
    for (size_t at = 0; at < len;) {
        bool is_head;

        at += aw_meter_next(meter, aw_slice_of((const char *)bytes + at, len - at), now, &is_head);
    }
}

static void
open_frames_are_timed(void **state)
{
    struct aw_meter meter = {.head = {0}};

    (void)state;
    feed(&meter, "\0\0\2", 3, 100); /* a head in pieces */
    assert_int_equal(aw_meter_open_since(&meter), 100);
    feed(&meter, "\6\0\0\0\0\0", 6, 110);
    assert_int_equal(aw_meter_open_since(&meter), 100);
    feed(&meter, "x", 1, 120);
    assert_int_equal(aw_meter_open_since(&meter), 100);
    feed(&meter, "x", 1, 130);
    assert_int_equal(aw_meter_open_since(&meter), 0);
    /* A header block counts from its first byte to its last frame. */
    feed(&meter, "\0\0\0\1\0\0\0\0\1", 9, 200);
    assert_int_equal(aw_meter_open_since(&meter), 200);
    feed(&meter, "\0\0\0\11\0\0\0\0\1", 9, 210);
    assert_int_equal(aw_meter_open_since(&meter), 200);
    feed(&meter, "\0\0\0\11\4\0\0\0\1", 9, 220);
    assert_int_equal(aw_meter_open_since(&meter), 0);
    /* DATA is judged elsewhere, but its head is a head. */
    feed(&meter, "\0\1\0\0", 4, 300);
    assert_int_equal(aw_meter_open_since(&meter), 300);
    feed(&meter, "\0\0\0\0\1", 5, 310);
    assert_int_equal(aw_meter_open_since(&meter), 0);
}

static void
buckets(void **state)
{
    struct aw_bucket bucket;
    aw_ns            now = 50 * AW_NS_PER_S;

    (void)state;
    aw_bucket_init(&bucket, 100, 10);
    for (uint32_t i = 1; i < 100; i++)
        assert_in_range(aw_bucket_charge(&bucket, 1, now), i - 1, i);
    assert_true(aw_bucket_charge(&bucket, 1, now) <= 100);
    assert_true(aw_bucket_charge(&bucket, 1, now) > 100);
    now += AW_NS_PER_S; /* ten leak out: nine fit beside the one too many */
    assert_true(aw_bucket_charge(&bucket, 9, now) <= 100);
    assert_true(aw_bucket_charge(&bucket, 1, now) > 100);
    now += 1000 * AW_NS_PER_S;
    assert_int_equal(aw_bucket_charge(&bucket, 1, now), 0);
    assert_in_range(aw_bucket_charge(&bucket, 50, now), 49, 51);
    aw_bucket_earn(&bucket, 41, now);
    assert_in_range(aw_bucket_charge(&bucket, 0, now), 8, 10);
    aw_bucket_earn(&bucket, 1000, now); /* no credit beyond empty */
    assert_true(aw_bucket_charge(&bucket, 101, now) > 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_cut_finds_the_frames),
        cmocka_unit_test(open_frames_are_timed),
        cmocka_unit_test(buckets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
