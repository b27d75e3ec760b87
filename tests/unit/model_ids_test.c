/* The text forms of ids: what is written is read back, one text for one id, and a lease's token cannot be made up.
 * How: fixed texts, the ends of each number's range, every single-character change of a text, random ids. */
#include "support/random.h"

#include "model/answer.h"
#include "model/class.h"
#include "model/ids.h"

static const struct aw_hash_key key = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static void
test_fixed_texts(void **state)
{
    char text[AW_ID_TEXT_BYTES];

    (void)state;
    aw_message_id_format((struct aw_message_id){.seq = 1, .shard = 0}, text);
    assert_string_equal(text, "m001");
    aw_message_id_format((struct aw_message_id){.seq = UINT64_MAX, .shard = 255}, text);
    assert_string_equal(text, "m7zfzzzzzzzzzzzz");
    aw_ticket_id_format((struct aw_ticket_id){.seq = 32, .slot = 7, .shard = 1}, text);
    assert_string_equal(text, "t01000000710");
    aw_ticket_id_format((struct aw_ticket_id){.seq = UINT64_MAX, .slot = UINT32_MAX, .shard = 255}, text);
    assert_string_equal(text, "t7z3zzzzzzfzzzzzzzzzzzz");
    assert_true(strlen(text) < AW_ID_TEXT_BYTES);
    aw_lease_id_format((struct aw_lease_id){.fence = UINT64_MAX, .slot = UINT32_MAX, .shard = 255}, &key, text);
    assert_int_equal(strlen(text), AW_ID_TEXT_BYTES - 1);
}

static void
test_refused_texts(void **state)
{
    static const char *const messages[] = {
        "",
        "m",
        "m0",
        "m00",
        "m000",
        "m0001", /* no sequence, a leading zero */
        "M001",
        "t001",
        "m00i",
        "m00l",
        "m00o",
        "m00u", /* letters that base32 leaves out */
        "m00A",
        "m 01",
        "m001 ",
        "m801",
        "mzz1",
        "m7zgzzzzzzzzzzzz", /* upper case, shard and sequence too large */
        "m7zfzzzzzzzzzzzzz",
    };
    static const char *const tickets[] = {"",           "t", "t00", "t000000000", "t0000000000", "t0040000001", "t8z00000001",
                                          "m0000000001"};
    struct aw_message_id     message = {.seq = 77};
    struct aw_ticket_id      ticket = {.seq = 77};

    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(messages); i++)
        assert_false(aw_message_id_parse(aw_slice_str(messages[i]), &message));
    for (size_t i = 0; i < AW_ARRAY_LEN(tickets); i++)
        assert_false(aw_ticket_id_parse(aw_slice_str(tickets[i]), &ticket));
    assert_false(aw_message_id_parse(AW_SLICE("m00\0001"), &message));
    assert_int_equal(message.seq, 77);
    assert_int_equal(ticket.seq, 77);
}

static uint64_t
random_u64(struct random *random)
{
    uint64_t value = random_next(random);

    return value >> random_below(random, 64); /* of every length */
}

static void
test_round_trip(void **state)
{
    struct random random = random_of(random_seed(20100415));

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct aw_message_id message = {.seq = random_u64(&random) | 1, .shard = (uint8_t)random_next(&random)};
        struct aw_ticket_id  ticket = {
             .seq = random_u64(&random) | 1, .slot = (uint32_t)random_u64(&random), .shard = (uint8_t)random_next(&random)};
        struct aw_lease_id lease = {
            .fence = random_u64(&random) | 1, .slot = (uint32_t)random_u64(&random), .shard = (uint8_t)random_next(&random)};
        struct aw_message_id message_back;
        struct aw_ticket_id  ticket_back;
        struct aw_lease_id   lease_back;
        char                 text[AW_ID_TEXT_BYTES];

        aw_message_id_format(message, text);
        assert_true(aw_message_id_parse(aw_slice_str(text), &message_back));
        assert_true(message_back.seq == message.seq && message_back.shard == message.shard);
        aw_ticket_id_format(ticket, text);
        assert_true(aw_ticket_id_parse(aw_slice_str(text), &ticket_back));
        assert_true(ticket_back.seq == ticket.seq && ticket_back.slot == ticket.slot && ticket_back.shard == ticket.shard);
        aw_lease_id_format(lease, &key, text);
        assert_true(aw_lease_id_parse(aw_slice_str(text), &key, &lease_back));
        assert_true(lease_back.fence == lease.fence && lease_back.slot == lease.slot && lease_back.shard == lease.shard);
    }
}

static void
test_lease_cannot_be_made_up(void **state)
{
    static const char        digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_ =+/.";
    const struct aw_hash_key other = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17}};
    struct aw_lease_id       lease = {.fence = 4711, .slot = 12, .shard = 3};
    struct aw_lease_id       back;
    char                     text[AW_ID_TEXT_BYTES];
    char                     changed[AW_ID_TEXT_BYTES + 1];
    size_t                   len;

    (void)state;
    aw_lease_id_format(lease, &key, text);
    len = strlen(text);
    assert_false(aw_lease_id_parse(aw_slice_str(text), &other, &back));
    assert_false(aw_lease_id_parse(aw_slice_of(text, len - 1), &key, &back));
    for (size_t i = 0; i < len; i++) {
        for (size_t d = 0; d < sizeof(digits); d++) {
            memcpy(changed, text, sizeof(text));
            if (changed[i] == digits[d])
                continue;
            changed[i] = digits[d];
            assert_false(aw_lease_id_parse(aw_slice_of(changed, len), &key, &back));
        }
    }
    (void)snprintf(changed, sizeof(changed), "%sA", text);
    assert_false(aw_lease_id_parse(aw_slice_str(changed), &key, &back));
    /* A token of no lease, although its mac is ours. */
    lease.fence = 0;
    aw_lease_id_format(lease, &key, text);
    assert_false(aw_lease_id_parse(aw_slice_str(text), &key, &back));
}

static void
test_names(void **state)
{
    enum aw_class class_ = AW_CLASS_OTHER;

    (void)state;
    assert_string_equal(aw_ticket_state_name(AW_TICKET_FREE), "free");
    assert_string_equal(aw_ticket_state_name(AW_TICKET_WAITING), "waiting");
    assert_string_equal(aw_ticket_state_name(AW_TICKET_LEASED), "leased");
    assert_string_equal(aw_ticket_state_name(AW_TICKET_HELD), "held");
    assert_string_equal(aw_ticket_state_name(AW_TICKET_CLOSED), "closed");
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        assert_true(aw_class_parse(aw_slice_str(aw_class_name((enum aw_class)i)), &class_));
        assert_int_equal(class_, i);
    }
    assert_false(aw_class_parse(AW_SLICE("Care"), &class_));
    assert_false(aw_class_parse(AW_SLICE(""), &class_));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed_texts), cmocka_unit_test(test_refused_texts),
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_lease_cannot_be_made_up),
        cmocka_unit_test(test_names),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
