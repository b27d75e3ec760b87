/* read_kit.h - what the tests of reading stored messages have in common. Thread: one. Fails the test itself. */
#ifndef AW_TESTS_UNIT_READ_KIT_H
#define AW_TESTS_UNIT_READ_KIT_H

#include "base/arena.h"
#include "port/journal.h"
#include "run/reader.h"
#include "support/test.h"

/* What a reader makes of this item, with `bytes_max` for it in `memory`. *ret_need: as aw_read tells it. */
static inline struct aw_read_item
read_kit_item(struct aw_journal *journal, struct aw_read_item want, char *memory, size_t room, size_t bytes_max, size_t *ret_need)
{
    struct aw_journal_reader *reader = aw_journal_reader_new(journal);
    struct aw_blocks         *blocks = aw_blocks_new(65536, 4 << 20);
    struct aw_read            read = {.items = &want, .count = 1, .memory = memory, .room = room, .bytes_max = bytes_max};
    struct aw_arena           scratch;

    assert_non_null(reader);
    assert_non_null(blocks);
    aw_arena_init(&scratch, blocks);
    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    aw_read_carry_out(&read, reader, &scratch);
    aw_journal_read_end(reader);
    assert_int_equal(aw_blocks_used(blocks), 0);
    aw_blocks_free(&blocks);
    aw_journal_reader_free(&reader);
    *ret_need = read.need;
    return want;
}

#endif
