/* commit_agents_directory_test.c - what agents are set to, as every thread reads it: a name that was never set has no row; settings
 * are replaced as a whole and stay as they were for who is reading them; a block is used again only after all were quiet; a publish
 * that was reserved needs no memory; and a thread that reads while another publishes never sees a half of each. */
#include "commit/agents_directory.h"

#include "support/test.h"

#include <pthread.h>
#include <stdio.h>

static struct aw_agent_settings *
make(struct aw_agents_directory *directory, bool is_gentle, uint32_t lane_count, uint32_t first)
{
    struct aw_agent_settings *settings;

    assert_true(aw_agents_directory_reserve(directory));
    settings = aw_agents_directory_begin(directory);
    settings->is_gentle = is_gentle;
    settings->lane_count = lane_count;
    for (uint32_t i = 0; i < lane_count; i++)
        settings->lanes[i] = first + i;
    return settings;
}

static void
test_rows(void **state)
{
    struct aw_agents_directory directory;
    struct aw_qsbr             qsbr;
    char                       names[100][8];
    uint64_t                   stamp = 0;
    struct aw_units            units, read;

    (void)state;
    aw_qsbr_init(&qsbr);
    assert_true(aw_agents_directory_init(&directory, 100, &qsbr));
    assert_null(aw_agents_directory_find(&directory, AW_SLICE("ann")));
    assert_null(aw_agents_row_settings(NULL));
    aw_agents_row_units(NULL, &units);
    assert_int_equal(aw_units_full(&units), 0);
    for (uint32_t i = 0; i < 100; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "a%u", i);
        (void)aw_agents_directory_publish(&directory, aw_slice_str(names[i]), make(&directory, i % 2 == 0, i % 3, i));
    }
    for (uint32_t i = 0; i < 100; i++) {
        struct aw_agents_row           *row = aw_agents_directory_find(&directory, aw_slice_str(names[i]));
        const struct aw_agent_settings *settings = aw_agents_row_settings(row);

        assert_non_null(settings);
        assert_int_equal(settings->is_gentle, i % 2 == 0);
        assert_int_equal(settings->lane_count, i % 3);
        assert_true(settings->stamp > stamp);
        stamp = settings->stamp;
        aw_agents_row_units(row, &units);
        assert_int_equal(aw_units_full(&units), 0);
        units.free[i % 16] = (uint8_t)(i % 2);
        aw_agents_row_set_units(row, &units);
        aw_agents_row_units(row, &read);
        assert_memory_equal(&read, &units, sizeof(units));
        assert_int_equal(aw_units_full(&read), i % 2 != 0 ? 0 : i % 16 == 0 ? UINT16_MAX : 1U << i % 16);
    }
    assert_null(aw_agents_directory_find(&directory, AW_SLICE("a100")));
    aw_agents_directory_fini(&directory);
}

/* A reader that is online keeps what it found; the block is taken again when it was quiet, not before. */
static void
test_replaced(void **state)
{
    struct aw_agents_directory      directory;
    struct aw_qsbr                  qsbr;
    struct aw_qsbr_reader          *reader;
    struct aw_agents_row           *row;
    const struct aw_agent_settings *old;
    struct aw_agent_settings       *next;

    (void)state;
    aw_qsbr_init(&qsbr);
    reader = aw_qsbr_join(&qsbr);
    assert_true(aw_agents_directory_init(&directory, 4, &qsbr));
    row = aw_agents_directory_publish(&directory, AW_SLICE("ann"), make(&directory, false, 3, 7));
    aw_qsbr_quiet(&qsbr, reader);
    old = aw_agents_row_settings(row);
    assert_ptr_equal(aw_agents_directory_publish(&directory, AW_SLICE("ann"), make(&directory, true, 1, 9)), row);
    assert_true(aw_agents_row_settings(row)->is_gentle);
    assert_true(aw_agents_row_settings(row)->stamp != old->stamp);
    next = make(&directory, false, 0, 0);
    assert_ptr_not_equal(next, old);
    assert_int_equal(old->lane_count, 3);
    assert_int_equal(old->lanes[2], 9);
    (void)aw_agents_directory_publish(&directory, AW_SLICE("ann"), next);
    aw_qsbr_quiet(&qsbr, reader);
    next = make(&directory, false, 0, 0); /* one of the two that were retired */
    (void)aw_agents_directory_publish(&directory, AW_SLICE("bob"), next);
    next = make(&directory, false, 0, 0);
    (void)aw_agents_directory_publish(&directory, AW_SLICE("cid"), next);
    assert_true(aw_agents_row_settings(aw_agents_directory_find(&directory, AW_SLICE("bob"))) == old ||
                aw_agents_row_settings(aw_agents_directory_find(&directory, AW_SLICE("cid"))) == old);
    aw_agents_directory_fini(&directory);
}

static void
test_reserve(void **state)
{
    struct aw_agents_directory directory;
    struct aw_qsbr             qsbr;

    (void)state;
    aw_qsbr_init(&qsbr);
    assert_true(aw_agents_directory_init(&directory, 2, &qsbr));
    assert_true(aw_agents_directory_reserve(&directory));
    assert_true(aw_agents_directory_reserve(&directory));
    assert_int_equal(directory._free_count, 2);
    aw_agents_directory_unreserve(&directory);
    assert_true(aw_agents_directory_reserve(&directory)); /* what was spoken for no more */
    assert_int_equal(directory._free_count, 2);
    (void)aw_agents_directory_publish(&directory, AW_SLICE("ann"), aw_agents_directory_begin(&directory));
    (void)aw_agents_directory_publish(&directory, AW_SLICE("bob"), aw_agents_directory_begin(&directory));
    assert_int_equal(directory._free_count, 0);
    aw_agents_directory_fini(&directory);
}

/* --- beside a thread that publishes --------------------------------------------------------------------------------------- */

#define ROUNDS 5000U

struct shared {
    struct aw_agents_directory directory;
    struct aw_qsbr             qsbr;
    struct aw_qsbr_reader     *reader;
    uint64_t                   seen; /* the reader's */
};

/* Settings number n have n % 64 + 1 lanes, all of them n: a mix of two would show. */
static void *
read_all(void *user)
{
    struct shared  *shared = user;
    uint64_t        stamp = 0;
    struct aw_units units;

    aw_qsbr_quiet(&shared->qsbr, shared->reader);
    while (stamp < ROUNDS) {
        struct aw_agents_row           *row = aw_agents_directory_find(&shared->directory, AW_SLICE("ann"));
        const struct aw_agent_settings *settings = aw_agents_row_settings(row);

        if (settings != NULL) {
            AW_ASSERT(settings->stamp >= stamp);
            stamp = settings->stamp;
            AW_ASSERT(settings->lane_count == stamp % 64 + 1);
            for (uint32_t i = 0; i < settings->lane_count; i++)
                AW_ASSERT(settings->lanes[i] == stamp);
            aw_agents_row_units(row, &units);
            AW_ASSERT(units.free[3] == AW_UNITS_FREE_MANY || units.free[3] < 100);
            shared->seen++;
        }
        aw_qsbr_quiet(&shared->qsbr, shared->reader);
    }
    aw_qsbr_offline(shared->reader);
    return NULL;
}

static void
test_beside(void **state)
{
    struct shared   shared = {.seen = 0};
    struct aw_units units = {{0}};
    pthread_t       thread;

    (void)state;
    aw_qsbr_init(&shared.qsbr);
    shared.reader = aw_qsbr_join(&shared.qsbr);
    assert_true(aw_agents_directory_init(&shared.directory, 8, &shared.qsbr));
    assert_int_equal(pthread_create(&thread, NULL, read_all, &shared), 0);
    for (uint32_t n = 1; n <= ROUNDS; n++) {
        struct aw_agent_settings *settings = make(&shared.directory, false, n % 64 + 1, 0);

        for (uint32_t i = 0; i < settings->lane_count; i++)
            settings->lanes[i] = n;
        units.free[3] = (uint8_t)(n % 100);
        aw_agents_row_set_units(aw_agents_directory_publish(&shared.directory, AW_SLICE("ann"), settings), &units);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(shared.seen > 0);
    aw_agents_directory_fini(&shared.directory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_beside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
