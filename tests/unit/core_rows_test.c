/* Proves the parts below the state machine, each against a naive twin: the index against a list, the timers against a scan, the
 * duplicate table against an array, and rows: the digest kept up equals the digest computed, a cut holds the old rows whatever
 * changes, and a pool that is too small loses the cut but nothing else. */
#include "core_kit.h"

#include "base/reserve.h"
#include "core/dedupe.h"
#include "core/index.h"
#include "core/rows.h"
#include "core/timers.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t
next_random(uint64_t *seed)
{
    /* SplitMix64 (Steele, Lea, Flood 2014). */
    uint64_t z = *seed += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void
test_reserve_reads_as_zeros_and_stops_at_its_end(void **unused)
{
    size_t bytes = (size_t)1 << 40; /* far more than the machine has */
    char  *ptr = aw_reserve_take(bytes);
    int    status;
    pid_t  child;

    (void)unused;
    assert_null(aw_reserve_take(0));
    if (ptr == NULL) {
        skip(); /* strict overcommit */
        return;
    }
    assert_int_equal(ptr[0], 0);
    assert_int_equal(ptr[bytes - 1], 0);
    ptr[bytes / 2] = 1;
    child = fork();
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka would take it for a failure of its own */
        *(volatile char *)(ptr + bytes) = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    aw_reserve_give(ptr, bytes);
    aw_reserve_give(NULL, bytes);
}

/* --- index ---------------------------------------------------------------------------------------------------------------- */

#define INDEX_ROWS 5000U
struct row {
    uint32_t key[4];
    uint32_t link;
};

static void
count_equal(const struct aw_index *index, const struct row *rows, const bool *is_in, uint64_t key)
{
    unsigned want = 0, got = 0;

    for (uint32_t i = 1; i < INDEX_ROWS; i++)
        want += is_in[i] && rows[i].key[0] == key ? 1 : 0;
    for (uint32_t slot = aw_index_find(index, (struct aw_hash128){key, 0}); slot != 0; slot = aw_index_find_next(index, slot)) {
        assert_true(is_in[slot]);
        assert_int_equal(rows[slot].key[0], key);
        got++;
    }
    assert_int_equal(got, want);
}

static void
test_index_finds_what_a_list_finds(void **unused)
{
    static struct row      rows[INDEX_ROWS];
    static bool            is_in[INDEX_ROWS];
    struct aw_index_layout layout = {.stride = sizeof(struct row), .key_at = 0, .link_at = offsetof(struct row, link)};
    struct aw_index        index;
    uint64_t               seed = 11;

    (void)unused;
    assert_true(aw_index_init(&index, rows, &layout, INDEX_ROWS));
    for (int round = 0; round < 60000; round++) {
        uint32_t slot = 1 + (uint32_t)(next_random(&seed) % (INDEX_ROWS - 1));

        if (is_in[slot]) {
            aw_index_remove(&index, slot);
        } else {
            rows[slot].key[0] = (uint32_t)(next_random(&seed) % 2000);
            aw_index_insert(&index, slot);
        }
        is_in[slot] = !is_in[slot];
        if (round % 64 == 0)
            count_equal(&index, rows, is_in, next_random(&seed) % 2001);
    }
    assert_true(aw_index_bytes(&index) >= 2000 * sizeof(uint32_t)); /* it did grow */
    aw_index_fini(&index);
    /* Loaded at once, it is the same index. */
    assert_true(aw_index_init(&index, rows, &layout, INDEX_ROWS));
    aw_index_presize(&index, 3000);
    for (uint32_t i = 1; i < INDEX_ROWS; i++) {
        if (is_in[i])
            aw_index_insert(&index, i);
    }
    for (uint64_t key = 0; key < 2001; key += 7)
        count_equal(&index, rows, is_in, key);
    aw_index_fini(&index);
}

/* --- timers --------------------------------------------------------------------------------------------------------------- */

static void
test_timers_give_the_earliest_then_the_smaller_slot(void **unused)
{
    enum { SLOTS = 300 };
    struct aw_timers timers;
    struct aw_timer  first;
    aw_ms            at[SLOTS] = {0};
    bool             is_late[SLOTS] = {false};
    uint64_t         seed = 5;

    (void)unused;
    assert_true(aw_timers_init(&timers, SLOTS));
    assert_false(aw_timers_first(&timers, &first));
    for (int round = 0; round < 40000; round++) {
        uint32_t slot = (uint32_t)(next_random(&seed) % SLOTS), best = 0, late = 0;
        bool     is_any = false;

        at[slot] = next_random(&seed) % 3 == 0 ? 0 : 1 + next_random(&seed) % 50;
        aw_timers_set(&timers, slot, at[slot]);
        is_late[slot] = at[slot] != 0 && next_random(&seed) % 3 == 0;
        if (is_late[slot])
            aw_timers_mark_late(&timers, slot);
        for (uint32_t i = 0; i < SLOTS; i++) {
            late += is_late[i];
            if (at[i] != 0 && (!is_any || at[i] < at[best])) {
                best = i;
                is_any = true;
            }
        }
        assert_int_equal(aw_timers_late_count(&timers), late);
        assert_int_equal(aw_timers_first(&timers, &first), is_any);
        if (is_any) {
            assert_int_equal(first.slot, best);
            assert_int_equal(first.is_late, is_late[best]);
            assert_int_equal(first.at, at[best]);
        }
    }
    aw_timers_fini(&timers);
}

/* --- duplicates ----------------------------------------------------------------------------------------------------------- */

static void
test_dedupe_answers_by_time_and_is_full_by_time(void **unused)
{
    enum { MAX = 50, ROUNDS = 20000, KEEP = 400 };
    struct aw_dedupe ids;
    uint64_t         keys[ROUNDS] = {0}, seed = 3;
    aw_ms            at[ROUNDS] = {0}, now = 1000;
    unsigned         refused = 0;
    int              count = 0;

    (void)unused;
    assert_true(aw_dedupe_init(&ids, MAX));
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t key = next_random(&seed) % 300;
        aw_ms    floor;
        unsigned living = 0;
        uint64_t want = 0;

        now += next_random(&seed) % 15;
        floor = now > KEEP ? now - KEEP : 0;
        for (int i = count; i-- > 0 && at[i] >= floor;) {
            living++;
            if (keys[i] == key)
                want = (uint64_t)i + 1;
        }
        assert_int_equal(aw_dedupe_find(&ids, kit_hash(key), floor), want);
        assert_int_equal(aw_dedupe_has_room(&ids, floor), living < MAX);
        if (want != 0 || living == MAX) {
            refused += living == MAX ? 1 : 0;
            continue;
        }
        aw_dedupe_add(&ids, kit_hash(key), (uint64_t)count + 1, now, floor);
        keys[count] = key;
        at[count++] = now;
    }
    assert_true(refused > 10); /* the limit was met */
    assert_true(aw_dedupe_count(&ids) <= MAX);
    aw_dedupe_fini(&ids);
}

/* --- rows, digest, cut ---------------------------------------------------------------------------------------------------- */

struct thing {
    uint64_t value;
    uint32_t link;
    char     text[AW_CELL_BYTES + 12]; /* more than a cell of the pool */
    /* derived */
    uint64_t scratch;
};
#define THING_KEPT   offsetof(struct thing, scratch)
#define THINGS_MAX   2000U
#define CHUNK_THINGS (AW_CUT_BYTES / THING_KEPT)

struct things {
    struct aw_ledger    ledger;
    struct aw_rows_head head;
    struct aw_rows      rows;
    bool                is_used[THINGS_MAX];
};

static void
things_open(struct things *things, size_t pool_bytes)
{
    struct aw_rows_layout layout = {
        .table = 9, .stride = sizeof(struct thing), .kept = THING_KEPT, .link_at = offsetof(struct thing, link)};

    assert_true(aw_hash_init());
    *things = (struct things){0};
    assert_true(aw_ledger_init(&things->ledger, pool_bytes));
    assert_true(aw_rows_init(&things->rows, &things->ledger, &things->head, &layout, THINGS_MAX));
}

static void
things_close(struct things *things)
{
    aw_rows_fini(&things->rows);
    aw_ledger_fini(&things->ledger);
}

/* Takes, gives or changes a few rows and settles. */
static void
things_step(struct things *things, uint64_t *seed)
{
    for (uint64_t i = next_random(seed) % 6 + 1; i > 0; i--) {
        uint32_t      slot = 1 + (uint32_t)(next_random(seed) % (THINGS_MAX - 1));
        struct thing *thing;

        if (aw_rows_room(&things->rows) > 0 && next_random(seed) % 3 == 0) {
            slot = aw_rows_take(&things->rows);
            assert_false(things->is_used[slot]);
            things->is_used[slot] = true;
        }
        if (!things->is_used[slot])
            continue;
        thing = aw_rows_change(&things->rows, slot);
        thing->value = next_random(seed);
        thing->text[next_random(seed) % sizeof(thing->text)]++;
        *(uint64_t *)aw_rows_links(&things->rows, slot) = next_random(seed); /* no change of the state */
        if (next_random(seed) % 4 == 0) {
            aw_rows_give(&things->rows, slot);
            things->is_used[slot] = false;
        }
    }
    aw_ledger_settle(&things->ledger);
}

static void
test_rows_digest_is_that_of_the_rows(void **unused)
{
    struct things     things;
    struct aw_hash128 before, after;
    uint64_t          seed = 7;

    (void)unused;
    things_open(&things, 4096);
    for (int round = 0; round < 3000; round++) {
        things_step(&things, &seed);
        if (round % 10 == 0)
            assert_true(aw_hash128_eq(aw_ledger_digest(&things.ledger), aw_rows_digest_slow(&things.rows)));
    }
    /* It sees one bit, and where a row lies; it does not see how a row came to be what it is. */
    before = aw_ledger_digest(&things.ledger);
    ((struct thing *)aw_rows_change(&things.rows, 1))->value ^= 1;
    aw_ledger_settle(&things.ledger);
    after = aw_ledger_digest(&things.ledger);
    assert_false(aw_hash128_eq(before, after));
    ((struct thing *)aw_rows_change(&things.rows, 1))->value ^= 1;
    aw_ledger_settle(&things.ledger);
    assert_true(aw_hash128_eq(before, aw_ledger_digest(&things.ledger)));
    assert_false(aw_hash128_eq(aw_row_hash(9, 1, &seed, 8), aw_row_hash(9, 2, &seed, 8)));
    assert_false(aw_hash128_eq(aw_row_hash(9, 1, &seed, 8), aw_row_hash(8, 1, &seed, 8)));
    things_close(&things);
}

static void
begin_cut(struct things *things)
{
    aw_ledger_cut_begin(&things->ledger);
    aw_rows_cut_begin(&things->rows);
}

static void
end_cut(struct things *things)
{
    aw_rows_cut_end(&things->rows);
    aw_ledger_cut_end(&things->ledger);
}

/* With `steps` of changes between two chunks. Returns whether the cut held. */
static bool
cut_and_compare(struct things *things, uint64_t *seed, unsigned steps)
{
    static char         was[THINGS_MAX * THING_KEPT], now[THINGS_MAX * THING_KEPT], buffer[AW_CUT_BYTES];
    uint32_t            used = things->head.used, chunk, expected = 0;
    size_t              len, total = 0;
    struct aw_rows_head head = things->head;

    for (uint32_t slot = 1; slot <= used; slot++)
        memcpy(was + (slot - 1) * THING_KEPT, aw_rows_at(&things->rows, slot), THING_KEPT);
    begin_cut(things);
    for (;;) {
        for (unsigned i = 0; i < steps; i++)
            things_step(things, seed);
        if (things->ledger._is_lost || !aw_rows_cut_next(&things->rows, buffer, &chunk, &len))
            break;
        assert_int_equal(chunk, expected++);
        memcpy(now + (size_t)chunk * CHUNK_THINGS * THING_KEPT, buffer, len);
        total += len;
    }
    if (things->ledger._is_lost) {
        end_cut(things);
        return false;
    }
    assert_int_equal(total, used * THING_KEPT);
    assert_int_equal(memcmp(was, now, total), 0);
    end_cut(things);
    /* And what was cut loads. */
    {
        struct things copy;

        things_open(&copy, 4096);
        copy.head = head;
        for (chunk = 0; chunk < expected; chunk++) {
            size_t at = (size_t)chunk * CHUNK_THINGS * THING_KEPT;

            assert_true(aw_rows_load(
                &copy.rows, chunk,
                aw_slice_of(now + at, total - at < CHUNK_THINGS * THING_KEPT ? total - at : CHUNK_THINGS * THING_KEPT)));
        }
        assert_false(aw_rows_load(&copy.rows, expected, aw_slice_of(now, THING_KEPT)));
        assert_false(aw_rows_load(&copy.rows, 0, aw_slice_of(now, THING_KEPT - 1)));
        things_close(&copy);
    }
    return true;
}

static void
test_cut_holds_the_rows_of_its_beginning(void **unused)
{
    struct things things;
    uint64_t      seed = 23;

    (void)unused;
    things_open(&things, 1U << 20);
    for (int i = 0; i < 2000; i++)
        things_step(&things, &seed);
    assert_true(things.head.used > 2 * CHUNK_THINGS);
    for (unsigned i = 0; i < 30; i++)
        assert_true(cut_and_compare(&things, &seed, i * 7));
    /* Given up in the middle: nothing of it is left for the next one. */
    begin_cut(&things);
    for (int i = 0; i < 200; i++)
        things_step(&things, &seed);
    end_cut(&things);
    assert_true(cut_and_compare(&things, &seed, 100));
    assert_true(aw_hash128_eq(aw_ledger_digest(&things.ledger), aw_rows_digest_slow(&things.rows)));
    things_close(&things);
}

static void
test_cut_keeps_one_old_row_however_often_it_changes(void **unused)
{
    struct things things;
    uint64_t      seed = 31;

    (void)unused;
    things_open(&things, 400); /* one row of two cells, and no second */
    for (int i = 0; i < 500; i++)
        things_step(&things, &seed);
    begin_cut(&things);
    for (uint64_t i = 0; i < 100; i++) {
        ((struct thing *)aw_rows_change(&things.rows, 1))->value = i;
        aw_ledger_settle(&things.ledger);
    }
    assert_false(things.ledger._is_lost);
    (void)aw_rows_change(&things.rows, 2);
    aw_ledger_settle(&things.ledger);
    assert_true(things.ledger._is_lost);
    end_cut(&things);
    things_close(&things);
}

static void
test_cut_is_lost_when_the_pool_is_too_small(void **unused)
{
    struct things things;
    uint64_t      seed = 29;

    (void)unused;
    things_open(&things, 2000);
    for (int i = 0; i < 2000; i++)
        things_step(&things, &seed);
    assert_false(cut_and_compare(&things, &seed, 50));
    assert_true(cut_and_compare(&things, &seed, 0)); /* the next one, without haste, is right */
    assert_true(aw_hash128_eq(aw_ledger_digest(&things.ledger), aw_rows_digest_slow(&things.rows)));
    things_close(&things);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reserve_reads_as_zeros_and_stops_at_its_end),
        cmocka_unit_test(test_index_finds_what_a_list_finds),
        cmocka_unit_test(test_timers_give_the_earliest_then_the_smaller_slot),
        cmocka_unit_test(test_dedupe_answers_by_time_and_is_full_by_time),
        cmocka_unit_test(test_rows_digest_is_that_of_the_rows),
        cmocka_unit_test(test_cut_holds_the_rows_of_its_beginning),
        cmocka_unit_test(test_cut_keeps_one_old_row_however_often_it_changes),
        cmocka_unit_test(test_cut_is_lost_when_the_pool_is_too_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
