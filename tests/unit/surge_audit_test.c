/* surge_audit_test.c - proves that the audit finds what must not be, and nothing else; and that answers are read rightly.
 *
 * How: the book is told of receipts and leases as a server might send them, right and wrong ones; each wrong one must be
 * counted under its own name. A million messages fit. The cursor reads golden answers in both encodings, and survives every
 * cut and every flipped byte of them.
 */
#include "support/test.h"

#include "bench/surge/answers.h"
#include "bench/surge/ledger.h"
#include "bench/surge/report.h"
#include "bench/surge/source.h"
#include "bench/surge/tally.h"
#include "proto/writer.h"

#include <stdlib.h>

static struct aw_slice
message_text(uint64_t seq, char text[AW_ID_TEXT_BYTES])
{
    aw_message_id_format((struct aw_message_id){.seq = seq, .shard = 1}, text);
    return aw_slice_str(text);
}

static struct aw_slice
ticket_text(uint64_t seq, char text[AW_ID_TEXT_BYTES])
{
    aw_ticket_id_format((struct aw_ticket_id){.seq = seq, .slot = (uint32_t)seq + 7, .shard = 1}, text);
    return aw_slice_str(text);
}

static bool
receive(struct surge_ledger *ledger, uint64_t message, uint64_t ticket, uint64_t source, enum surge_receipt receipt)
{
    char m[AW_ID_TEXT_BYTES], t[AW_ID_TEXT_BYTES];

    return surge_ledger_acknowledge(ledger, message_text(message, m), ticket_text(ticket, t), source, receipt, 1000);
}

static uint32_t
show(struct surge_ledger *ledger, uint64_t message, uint64_t ticket, uint64_t source)
{
    char m[AW_ID_TEXT_BYTES], t[AW_ID_TEXT_BYTES];

    return surge_ledger_show(ledger, message_text(message, m), ticket_text(ticket, t), source);
}

/* Exactly these breaches, each once. */
static void
assert_breaches(const struct surge_ledger *ledger, unsigned bits)
{
    for (unsigned i = 0; i < SURGE_BREACH_COUNT; i++) {
        if (ledger->breaches[i] != ((bits >> i) & 1))
            fail_msg("%s: %llu", surge_breach_name((enum surge_breach)i), (unsigned long long)ledger->breaches[i]);
    }
}

static void
test_a_run_without_fault(void **state)
{
    struct surge_ledger ledger;
    uint32_t            entry;
    char                text[AW_ID_TEXT_BYTES], want[AW_ID_TEXT_BYTES];

    (void)state;
    assert_true(surge_ledger_init(&ledger, 0, true));
    assert_true(receive(&ledger, 10, 10, 100, SURGE_RECEIPT_FIRST));
    assert_true(receive(&ledger, 11, 10, 101, SURGE_RECEIPT_FIRST));
    assert_true(receive(&ledger, 10, 10, 100, SURGE_RECEIPT_DUPLICATE));
    assert_true(receive(&ledger, 12, 12, 102, SURGE_RECEIPT_RECOVERED)); /* its first answer was lost */
    assert_true(receive(&ledger, 5, 5, 50, SURGE_RECEIPT_DUPLICATE));    /* an earlier run's */
    assert_int_equal(ledger.acknowledged, 3);
    assert_int_equal(ledger.earlier, 1);
    assert_int_equal(surge_ledger_open(&ledger), 3);
    entry = show(&ledger, 10, 10, 100);
    assert_false(surge_ledger_is_covered(&ledger, entry));
    surge_ledger_completing(&ledger, entry);
    assert_true(surge_ledger_is_covered(&ledger, entry));
    surge_ledger_refused(&ledger, entry);
    assert_false(surge_ledger_is_covered(&ledger, entry));
    surge_ledger_completing(&ledger, entry);
    surge_ledger_answered(&ledger, entry);
    surge_ledger_answered(&ledger, entry);
    assert_int_equal(surge_ledger_open(&ledger), 2);
    surge_entry_message(&ledger.entries[entry], text);
    assert_slice(message_text(10, want), text);
    surge_entry_ticket(&ledger.entries[entry], text);
    assert_slice(ticket_text(10, want), text);
    /* A lease may be seen before the receipt of what it shows. */
    entry = show(&ledger, 13, 13, 103);
    surge_ledger_answered(&ledger, entry);
    assert_int_equal(surge_ledger_open(&ledger), 2);
    assert_true(receive(&ledger, 13, 13, 103, SURGE_RECEIPT_FIRST));
    assert_int_equal(surge_ledger_open(&ledger), 2);
    assert_breaches(&ledger, 0);
    assert_int_equal(surge_ledger_breaches(&ledger), 0);
    surge_ledger_fini(&ledger);
}

static void
test_breaches_are_found(void **state)
{
    struct surge_ledger ledger;

    (void)state;
    assert_true(surge_ledger_init(&ledger, 0, true));
    assert_true(receive(&ledger, 10, 10, 100, SURGE_RECEIPT_FIRST));
    (void)receive(&ledger, 10, 10, 100, SURGE_RECEIPT_FIRST);
    assert_breaches(&ledger, 1U << SURGE_BREACH_TWO_FIRSTS);
    (void)receive(&ledger, 11, 10, 100, SURGE_RECEIPT_DUPLICATE);
    assert_breaches(&ledger, 1U << SURGE_BREACH_TWO_FIRSTS | 1U << SURGE_BREACH_STORED_TWICE);
    surge_ledger_fini(&ledger);

    assert_true(surge_ledger_init(&ledger, 0, true));
    assert_true(receive(&ledger, 10, 10, 100, SURGE_RECEIPT_FIRST));
    (void)receive(&ledger, 10, 10, 101, SURGE_RECEIPT_DUPLICATE);
    assert_breaches(&ledger, 1U << SURGE_BREACH_REUSED_ID);
    (void)receive(&ledger, 10, 11, 100, SURGE_RECEIPT_DUPLICATE);
    assert_breaches(&ledger, 1U << SURGE_BREACH_REUSED_ID | 1U << SURGE_BREACH_OTHER_RECEIPT);
    assert_false(surge_ledger_acknowledge(&ledger, AW_SLICE("nonsense"), AW_SLICE("t"), 1, SURGE_RECEIPT_FIRST, 1));
    assert_int_equal(ledger.breaches[SURGE_BREACH_BAD_ID], 1);
    assert_string_equal(ledger.examples[SURGE_BREACH_BAD_ID], "message \"nonsense\" of ticket \"t\"");
    surge_ledger_fini(&ledger);

    /* A message that was stored twice, seen in a lease only. */
    assert_true(surge_ledger_init(&ledger, 0, true));
    assert_true(receive(&ledger, 10, 10, 100, SURGE_RECEIPT_FIRST));
    (void)show(&ledger, 12, 12, 100);
    assert_breaches(&ledger, 1U << SURGE_BREACH_STORED_TWICE);
    surge_ledger_fini(&ledger);
}

static void
test_a_million(void **state)
{
    struct surge_ledger ledger;
    const uint64_t      n = 1000000;

    (void)state;
    assert_true(surge_ledger_init(&ledger, 1000, true)); /* and it grows */
    for (uint64_t i = 1; i <= n; i++)
        assert_true(receive(&ledger, 3 * i, 3 * i, i * 7919, SURGE_RECEIPT_FIRST));
    for (uint64_t i = 1; i <= n; i += 2)
        surge_ledger_answered(&ledger, show(&ledger, 3 * i, 3 * i, i * 7919));
    assert_int_equal(ledger.count, n);
    assert_int_equal(surge_ledger_open(&ledger), n / 2);
    assert_int_equal(surge_ledger_breaches(&ledger), 0);
    surge_ledger_fini(&ledger);
}

/* The last messages of a long ticket stand for all before them. */
static void
test_long_ticket(void **state)
{
    struct surge_ledger ledger;

    (void)state;
    assert_true(surge_ledger_init(&ledger, 0, true));
    for (uint64_t i = 0; i < 300; i++)
        assert_true(receive(&ledger, 10 + i, 10, 100 + i, SURGE_RECEIPT_FIRST));
    assert_true(receive(&ledger, 5, 5, 50, SURGE_RECEIPT_FIRST)); /* older, of another ticket */
    surge_ledger_answer_older(&ledger, show(&ledger, 10 + 100, 10, 100 + 100));
    assert_int_equal(surge_ledger_open(&ledger), 301 - 100);
    surge_ledger_fini(&ledger);
}

static void
test_source_keys(void **state)
{
    uint64_t a = surge_source_key(AW_SLICE("web"), AW_SLICE("main"), AW_SLICE("x1"));

    (void)state;
    assert_true(a == surge_source_key(AW_SLICE("web"), AW_SLICE("main"), AW_SLICE("x1")));
    assert_true(a != surge_source_key(AW_SLICE("web"), AW_SLICE("mainx"), AW_SLICE("1")));
    assert_true(a != surge_source_key(AW_SLICE("webm"), AW_SLICE("ain"), AW_SLICE("x1")));
}

/* --- answers ---------------------------------------------------------------------------------------------------------------- */

#define LEASE_JSON                                                                                                               \
    "{\"leases\": [{\"ticket\":\"t1\",\"reasons\":[\"a]b\",{\"x\":[1,2]}],\"lease\":\"l\\u0041\\n\",\"class\":\"care\","         \
    "\"expires_in_s\": 300 ,\"gentle\":false,\"promise\":null,\"messages_total\":2,\"messages\":"                                \
    "[{\"message\":\"m1\",\"channel\":\"web\",\"source_id\":\"a\\\"b\",\"text\":\"}{\"},{\"message\":\"m2\",\"channel\":"        \
    "\"web\","                                                                                                                   \
    "\"account\":\"x\",\"source_id\":\"c\",\"n\":-1.5e3}]}]}"

static void
test_lease_json(void **state)
{
    struct surge_walk           walk;
    struct surge_lease_answer   lease;
    struct surge_message_answer message;

    (void)state;
    surge_walk_begin(&walk, AW_SLICE(LEASE_JSON), false);
    assert_true(surge_answer_leases(&walk));
    assert_true(surge_walk_item(&walk));
    assert_true(surge_answer_lease(&walk, &lease));
    assert_slice(lease.ticket, "t1");
    assert_slice(lease.lease, "lA\n");
    assert_slice(lease.class_, "care");
    assert_int_equal(lease.expires_in_s, 300);
    assert_int_equal(lease.messages_total, 2);
    assert_false(surge_walk_item(&walk));
    assert_false(walk.failed);
    surge_walk_begin(&walk, lease.messages, false);
    assert_true(surge_walk_list(&walk));
    assert_true(surge_walk_item(&walk));
    assert_true(surge_answer_message(&walk, &message));
    assert_slice(message.message, "m1");
    assert_true(message.source == surge_source_key(AW_SLICE("web"), AW_SLICE("main"), AW_SLICE("a\"b")));
    assert_true(surge_walk_item(&walk));
    assert_true(surge_answer_message(&walk, &message));
    assert_true(message.source == surge_source_key(AW_SLICE("web"), AW_SLICE("x"), AW_SLICE("c")));
    assert_false(surge_walk_item(&walk));
    assert_false(walk.failed);
}

static size_t
write_lines(char *room, size_t size, enum aw_media media)
{
    struct aw_buffer buffer;
    struct aw_writer writer;

    aw_buffer_init_fixed(&buffer, room, size);
    aw_writer_init(&writer, &buffer, media);
    for (uint32_t line = 1; line <= 2; line++) {
        aw_writer_begin_map(&writer);
        AW_WRITER_KEY(&writer, "line");
        aw_writer_u64(&writer, line);
        AW_WRITER_KEY(&writer, "status");
        aw_writer_u64(&writer, line == 1 ? 202 : 507);
        aw_writer_key(&writer, line == 1 ? AW_SLICE("message") : AW_SLICE("type"));
        aw_writer_str(&writer, line == 1 ? AW_SLICE("m1") : AW_SLICE("urn:aswolk:store-full"));
        AW_WRITER_KEY(&writer, "commit");
        aw_writer_begin_map(&writer);
        AW_WRITER_KEY(&writer, "hash");
        aw_writer_str(&writer, AW_SLICE("ab"));
        aw_writer_end_map(&writer);
        AW_WRITER_KEY(&writer, "duplicate");
        aw_writer_bool(&writer, line == 1);
        aw_writer_end_map(&writer);
        aw_writer_end_line(&writer);
    }
    assert_false(buffer.failed);
    return buffer.len;
}

static void
check_lines(enum aw_media media)
{
    char                     room[512];
    size_t                   len = write_lines(room, sizeof(room), media);
    struct surge_walk        walk;
    struct surge_line_answer answer;

    surge_walk_begin(&walk, aw_slice_of(room, len), aw_media_is_msgpack(media));
    assert_true(surge_walk_more(&walk));
    assert_true(surge_answer_line(&walk, &answer));
    assert_int_equal(answer.line, 1);
    assert_int_equal(answer.status, 202);
    assert_slice(answer.message, "m1");
    assert_true(answer.duplicate);
    assert_true(surge_walk_more(&walk));
    assert_true(surge_answer_line(&walk, &answer));
    assert_int_equal(answer.line, 2);
    assert_slice(answer.problem, "store-full");
    assert_false(answer.duplicate);
    assert_false(surge_walk_more(&walk));
    assert_false(walk.failed);
}

static void
test_lines(void **state)
{
    (void)state;
    check_lines(AW_MEDIA_NDJSON);
    check_lines(AW_MEDIA_MSGPACK_SEQ);
}

/* Reads whatever it is as far as it goes; must end, within the bytes (the sanitizers watch). */
static void
read_anything(const char *bytes, size_t len, bool msgpack)
{
    char                       *copy = malloc(len == 0 ? 1 : len); /* exactly as long, so that an overrun is seen */
    struct surge_walk           walk;
    struct surge_line_answer    line;
    struct surge_lease_answer   lease;
    struct surge_message_answer message;

    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, bytes, len);
    surge_walk_begin(&walk, aw_slice_of(copy, len), msgpack);
    while (surge_walk_more(&walk) && surge_answer_line(&walk, &line))
        continue;
    surge_walk_begin(&walk, aw_slice_of(copy, len), msgpack);
    if (surge_answer_leases(&walk)) {
        while (surge_walk_item(&walk) && surge_answer_lease(&walk, &lease)) {
            struct surge_walk inner;

            if (lease.messages.len == 0)
                continue;
            surge_walk_begin(&inner, lease.messages, msgpack);
            if (surge_walk_list(&inner)) {
                while (surge_walk_item(&inner) && surge_answer_message(&inner, &message))
                    continue;
            }
        }
    }
    free(copy);
}

static void
test_broken_answers(void **state)
{
    static const char json[] = LEASE_JSON;
    char              room[512];
    size_t            len = write_lines(room, sizeof(room), AW_MEDIA_MSGPACK_SEQ);
    uint64_t          random = 1;

    (void)state;
    for (size_t cut = 0; cut < sizeof(json); cut++)
        read_anything(json, cut, false);
    for (size_t cut = 0; cut <= len; cut++)
        read_anything(room, cut, true);
    for (unsigned i = 0; i < 20000; i++) {
        char   broken[sizeof(json)];
        size_t at;

        memcpy(broken, json, sizeof(json));
        at = test_random(&random) % (sizeof(json) - 1);
        broken[at] = (char)test_random(&random);
        read_anything(broken, sizeof(json) - 1, false);
        memcpy(broken, room, len);
        broken[test_random(&random) % len] = (char)test_random(&random);
        read_anything(broken, len, true);
    }
}

/* --- figures ---------------------------------------------------------------------------------------------------------------- */

static void
test_schedule(void **state)
{
    (void)state;
    assert_int_equal(surge_due_of(0, 2000), 0);
    assert_int_equal(surge_due_of(1, 2000), 500000);
    assert_int_equal(surge_due_of(3600U * 2000, 2000), UINT64_C(3600) * AW_NS_PER_S); /* no drift */
    assert_int_equal(surge_due_at(60000, 1), 60 * AW_NS_PER_S);
    assert_int_equal(surge_due_at(60000, 1000), 60 * AW_NS_PER_MS);
}

static void
test_median_and_tally(void **state)
{
    const double       odd[] = {5, 1, 3};
    const double       even[] = {4, 1, 3, 2};
    struct surge_tally tally = {.count = 0};
    char               name[16];

    (void)state;
    assert_true(surge_median(odd, 3) > 2.99 && surge_median(odd, 3) < 3.01);
    assert_true(surge_median(even, 4) > 2.49 && surge_median(even, 4) < 2.51);
    surge_tally_add(&tally, AW_SLICE("store-full"), 2);
    surge_tally_add(&tally, AW_SLICE("store-full"), 1);
    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof(name), "reason-%u", i);
        surge_tally_add(&tally, aw_slice_str(name), 1);
    }
    assert_int_equal(tally.rows[0].times, 3);
    assert_int_equal(tally.count, SURGE_TALLY_NAMES_MAX);
    assert_string_equal(tally.rows[SURGE_TALLY_NAMES_MAX - 1].name, "other");
    assert_int_equal(surge_tally_sum(&tally), 43);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_without_fault),
        cmocka_unit_test(test_breaches_are_found),
        cmocka_unit_test(test_a_million),
        cmocka_unit_test(test_long_ticket),
        cmocka_unit_test(test_source_keys),
        cmocka_unit_test(test_lease_json),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_broken_answers),
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_median_and_tally),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
