/* Proves that an arena gives aligned, separate pieces, gives all back, and never holds more than the pool's limit; that a job run
 * with less and less memory fails cleanly at each of its allocations and works with enough. How: a job of mixed sizes runs once to
 * count its bytes, then under every limit below that; pieces are filled and compared, so that an overlap shows. */
#include "support/test.h"

#include "base/arena.h"
#include "base/list.h"
#include "base/mem.h"

#include <stdlib.h>

#define BLOCK 1024

static void
pieces_are_aligned_and_apart(void **state)
{
    enum { COUNT = 400 };
    struct aw_blocks *blocks = aw_blocks_new(BLOCK, 1 << 20);
    struct aw_arena   arena;
    unsigned char    *pieces[COUNT];

    (void)state;
    assert_non_null(blocks);
    aw_arena_init(&arena, blocks);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            pieces[i] = aw_arena_take(&arena, (size_t)i * 2);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            memset(pieces[i], i & 0xFF, (size_t)i * 2);
        }
        for (int i = 0; i < COUNT; i++) {
            for (int k = 0; k < i * 2; k++)
                assert_int_equal(pieces[i][k], i & 0xFF);
        }
        assert_true(aw_blocks_used(blocks) >= (size_t)COUNT * (COUNT - 1));
        aw_arena_reset(&arena);
        assert_int_equal(aw_blocks_used(blocks), 0);
    }
    aw_blocks_free(&blocks);
    assert_null(blocks);
    aw_blocks_free(&blocks);
}

static void
a_zeroed_arena_may_be_reset(void **state)
{
    struct aw_arena arena = {0};

    (void)state;
    aw_arena_reset(&arena);
    aw_arena_reset(&arena);
}

static void
sizes_that_overflow_are_refused(void **state)
{
    struct aw_blocks *blocks = aw_blocks_new(BLOCK, SIZE_MAX);
    struct aw_arena   arena;

    (void)state;
    aw_arena_init(&arena, blocks);
    assert_null(aw_arena_take(&arena, SIZE_MAX));
    assert_null(aw_arena_take(&arena, SIZE_MAX - 8));
    assert_null(aw_arena_take_zeroed(&arena, SIZE_MAX / 2, 3));
    assert_int_equal(aw_blocks_used(blocks), 0);
    aw_blocks_free(&blocks);
}

/* Zeroed memory must be zero even where a former request wrote. */
static void
zeroed_pieces_are_zero_after_reuse(void **state)
{
    struct aw_blocks *blocks = aw_blocks_new(BLOCK, 1 << 20);
    struct aw_arena   arena;

    (void)state;
    aw_arena_init(&arena, blocks);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20; i++) {
            unsigned char *piece = aw_arena_take_zeroed(&arena, 10, 10);

            assert_non_null(piece);
            for (int k = 0; k < 100; k++)
                assert_int_equal(piece[k], 0);
            memset(piece, 0xEE, 100);
        }
        aw_arena_reset(&arena);
    }
    aw_blocks_free(&blocks);
}

/* A request as it might be: copies, a growing answer, one large piece. False at the first that finds no room. */
static bool
job(struct aw_arena *arena)
{
    struct aw_buffer buffer;
    struct aw_slice  copy;

    if (!aw_arena_copy(arena, AW_SLICE("a name"), &copy))
        return false;
    assert_slice(copy, "a name");
    aw_buffer_init(&buffer, arena);
    for (int i = 0; i < 200; i++)
        aw_buffer_printf(&buffer, "%03d,", i);
    if (buffer.failed) {
        assert_null(aw_buffer_reserve(&buffer, 1));
        return false;
    }
    assert_int_equal(buffer.len, 800);
    assert_memory_equal(buffer.ptr + 796, "199,", 4);
    for (int i = 0; i < 10; i++) {
        if (aw_arena_take(arena, 100) == NULL)
            return false;
    }
    return aw_arena_take_zeroed(arena, 3, BLOCK) != NULL;
}

static void
every_limit_fails_cleanly_or_suffices(void **state)
{
    struct aw_blocks *blocks = aw_blocks_new(BLOCK, 1 << 20);
    struct aw_arena   arena;
    size_t            need;
    unsigned          failed = 0;

    (void)state;
    aw_arena_init(&arena, blocks);
    assert_true(job(&arena));
    need = aw_blocks_used(blocks);
    aw_arena_reset(&arena);
    aw_blocks_free(&blocks);
    assert_true(need > 5000);

    for (size_t limit = 0; limit <= need; limit += 16) {
        blocks = aw_blocks_new(BLOCK, limit);
        aw_arena_init(&arena, blocks);
        if (limit < need) {
            assert_false(job(&arena));
            failed++;
        } else {
            assert_true(job(&arena));
        }
        assert_true(aw_blocks_used(blocks) <= limit);
        /* After a failure the arena can be emptied and used within the limit. */
        aw_arena_reset(&arena);
        assert_int_equal(aw_blocks_used(blocks), 0);
        if (limit >= BLOCK)
            assert_non_null(aw_arena_take(&arena, 1));
        aw_arena_reset(&arena);
        aw_blocks_free(&blocks);
    }
    assert_true(failed > 100);
    blocks = aw_blocks_new(BLOCK, need);
    aw_arena_init(&arena, blocks);
    assert_true(job(&arena));
    aw_arena_reset(&arena);
    aw_blocks_free(&blocks);
}

/* Spare blocks count: a pool full of them still serves a large piece, by dropping them, and never holds more than its limit. */
static void
spare_blocks_make_room_for_a_large_piece(void **state)
{
    struct aw_blocks *blocks = aw_blocks_new(BLOCK, 8 * BLOCK);
    struct aw_arena   a;
    struct aw_arena   b;

    (void)state;
    aw_arena_init(&a, blocks);
    aw_arena_init(&b, blocks);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 40; i++)
            assert_non_null(aw_arena_take(&a, 100));
        assert_non_null(aw_arena_take(&b, 100));
        assert_null(aw_arena_take(&b, 7 * BLOCK)); /* the two together would be over */
        aw_arena_reset(&a);
        aw_arena_reset(&b);
        assert_non_null(aw_arena_take(&b, 7 * BLOCK));
        assert_true(aw_blocks_held(blocks) <= 8 * BLOCK);
        assert_null(aw_arena_take(&a, 2 * BLOCK));
        aw_arena_reset(&b);
    }
    aw_blocks_free(&blocks);
}

/* A buffer grows in place while nothing stands behind it, and moves once something does. */
static void
buffers_grow_and_keep_their_bytes(void **state)
{
    enum { PIECES = 50, EACH = 1000 };
    struct aw_blocks *blocks = aw_blocks_new(1 << 16, 1 << 22);
    struct aw_arena   arena;
    struct aw_buffer  buffer;
    unsigned char    *pieces[PIECES];
    char             *room;

    (void)state;
    aw_arena_init(&arena, blocks);
    aw_buffer_init(&buffer, &arena);
    assert_slice(aw_buffer_slice(&buffer), "");
    for (uint32_t i = 0; i < PIECES * EACH; i++) {
        aw_buffer_add(&buffer, &i, sizeof(i));
        if (i % EACH == EACH / 2) {
            pieces[i / EACH] = aw_arena_take(&arena, 16);
            assert_non_null(pieces[i / EACH]);
            memset(pieces[i / EACH], 0xEE, 16);
        }
    }
    assert_false(buffer.failed);
    assert_int_equal(buffer.len, PIECES * EACH * sizeof(uint32_t));
    for (uint32_t i = 0; i < PIECES * EACH; i++)
        assert_memory_equal(buffer.ptr + i * sizeof(i), &i, sizeof(i));
    for (int i = 0; i < PIECES; i++) {
        for (int k = 0; k < 16; k++)
            assert_int_equal(pieces[i][k], 0xEE);
    }
    room = aw_buffer_reserve(&buffer, 3);
    assert_non_null(room);
    memcpy(room, "end", 3);
    buffer.len += 3;
    assert_memory_equal(buffer.ptr + PIECES * EACH * sizeof(uint32_t), "end", 3);
    aw_arena_reset(&arena);
    aw_blocks_free(&blocks);
}

static void
printf_takes_any_length(void **state)
{
    struct aw_blocks *blocks = aw_blocks_new(BLOCK, 1 << 20);
    struct aw_arena   arena;

    (void)state;
    aw_arena_init(&arena, blocks);
    for (int width = 1; width < 600; width++) {
        struct aw_buffer buffer;

        aw_buffer_init(&buffer, &arena);
        aw_buffer_add_str(&buffer, "<");
        aw_buffer_printf(&buffer, "%*d", width, 7);
        aw_buffer_add_str(&buffer, ">");
        assert_false(buffer.failed);
        assert_int_equal(buffer.len, width + 2);
        assert_memory_equal(buffer.ptr + buffer.len - 2, "7>", 2);
        aw_arena_reset(&arena);
    }
    aw_blocks_free(&blocks);
}

static void
a_fixed_buffer_stops_at_its_end(void **state)
{
    char             room[8];
    struct aw_buffer buffer;

    (void)state;
    aw_buffer_init_fixed(&buffer, room, sizeof(room));
    aw_buffer_add(&buffer, "12345678", 8);
    assert_false(buffer.failed);
    aw_buffer_add(&buffer, "", 0);
    assert_false(buffer.failed);
    aw_buffer_add(&buffer, "9", 1);
    assert_true(buffer.failed);
    assert_slice(aw_buffer_slice(&buffer), "12345678");
}

static void
zeroed_memory_is_aligned(void **state)
{
    struct wide {
        _Alignas(AW_CACHE_LINE) char byte;
    };
    struct wide *one = aw_new(struct wide);
    struct wide *many = aw_new_array(struct wide, 3);

    (void)state;
    assert_non_null(one);
    assert_non_null(many);
    assert_int_equal((uintptr_t)one % AW_CACHE_LINE, 0);
    assert_int_equal((uintptr_t)many % AW_CACHE_LINE, 0);
    assert_int_equal(many[2].byte, 0);
    free(one);
    free(many);
    assert_null(aw_mem_zeroed(SIZE_MAX / 2, 3, 8));
    assert_null(aw_mem_zeroed(0, 3, 8));
}

static void
list_nodes_unlink_twice_without_harm(void **state)
{
    struct aw_list list;
    struct aw_list nodes[3];

    (void)state;
    aw_list_init(&list);
    assert_true(aw_list_is_empty(&list));
    assert_null(aw_list_first(&list));
    for (int i = 0; i < 3; i++) {
        aw_list_init(&nodes[i]);
        aw_list_push_back(&list, &nodes[i]);
    }
    assert_ptr_equal(aw_list_first(&list), &nodes[0]);
    aw_list_remove(&nodes[1]);
    aw_list_remove(&nodes[1]);
    aw_list_remove(&nodes[0]);
    assert_ptr_equal(aw_list_first(&list), &nodes[2]);
    assert_ptr_equal(nodes[2].next, &list);
    aw_list_remove(&nodes[2]);
    assert_true(aw_list_is_empty(&list));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),          cmocka_unit_test(a_zeroed_arena_may_be_reset),
        cmocka_unit_test(sizes_that_overflow_are_refused),       cmocka_unit_test(zeroed_pieces_are_zero_after_reuse),
        cmocka_unit_test(every_limit_fails_cleanly_or_suffices), cmocka_unit_test(spare_blocks_make_room_for_a_large_piece),
        cmocka_unit_test(buffers_grow_and_keep_their_bytes),     cmocka_unit_test(printf_takes_any_length),
        cmocka_unit_test(a_fixed_buffer_stops_at_its_end),       cmocka_unit_test(zeroed_memory_is_aligned),
        cmocka_unit_test(list_nodes_unlink_twice_without_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
