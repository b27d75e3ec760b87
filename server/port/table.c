/* table.c - the port's calls: check what the contract says about the caller, then ask the engine. */
#include "port/table.h"

enum aw_outcome
aw_table_put(struct aw_table *table, const struct aw_chunk *chunk)
{
    AW_ASSERT(table != NULL);
    AW_ASSERT(chunk != NULL);
    AW_ASSERT(chunk->bytes.len != 0);
    AW_ASSERT(chunk->bytes.len <= AW_CHUNK_BYTES_MAX);
    return table->ops->put(table, chunk);
}

enum aw_outcome
aw_table_mark(struct aw_table *table, const struct aw_checkpoint_mark *mark)
{
    AW_ASSERT(table != NULL);
    AW_ASSERT(mark != NULL);
    return table->ops->mark(table, mark);
}

enum aw_outcome
aw_table_abandon(struct aw_table *table)
{
    AW_ASSERT(table != NULL);
    return table->ops->abandon(table);
}

enum aw_outcome
aw_table_drop_step(struct aw_table *table, uint32_t chunks_max, bool *ret_done)
{
    AW_ASSERT(table != NULL);
    AW_ASSERT(chunks_max != 0);
    AW_ASSERT(ret_done != NULL);
    return table->ops->drop_step(table, chunks_max, ret_done);
}

enum aw_err
aw_table_read_mark(struct aw_table *table, struct aw_checkpoint_mark *ret_mark)
{
    AW_ASSERT(table != NULL);
    AW_ASSERT(ret_mark != NULL);
    return table->ops->read_mark(table, ret_mark);
}

enum aw_err
aw_table_read_chunks(struct aw_table *table, enum aw_err (*each)(void *user, const struct aw_chunk *chunk), void *user,
                     struct aw_why *why)
{
    AW_ASSERT(table != NULL);
    AW_ASSERT(each != NULL);
    return table->ops->read_chunks(table, each, user, why);
}
