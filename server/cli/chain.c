/* chain.c - header, numbering, hash; then record by record; then what hangs on them. */
#include "cli/chain.h"

#include "commit/recover.h"

#include <inttypes.h>
#include <string.h>

enum aw_err
aw_cli_chain_check_body(struct aw_cli_chain *chain, const struct aw_command *command, struct aw_slice *ret_body)
{
    struct aw_why    *why = &chain->folder->why;
    struct aw_in_body content;
    struct aw_slice   body;
    struct aw_sha256  hash;
    enum aw_err       err;

    if (ret_body != NULL)
        *ret_body = (struct aw_slice){NULL, 0};
    if (!aw_command_body(command, &content))
        return AW_OK;
    err = aw_journal_read_body(chain->folder->reader, command->out.seq, &body);
    if (err == AW_E_NOT_FOUND) {
        chain->erased++;
        return AW_OK;
    }
    if (err != AW_OK)
        return aw_why(why, err, "the body of record %" PRIu64 " can't be read: %s", command->out.seq, aw_err_text(err));
    if (!aw_sha256(&body, 1, &hash))
        return aw_why(why, AW_E_MEMORY, "out of memory");
    if (memcmp(&hash, &content.hash, sizeof(hash)) != 0)
        return aw_why(why, AW_E_CORRUPT, "the body of record %" PRIu64 " is not the one that was accepted", command->out.seq);
    chain->bodies++;
    if (ret_body != NULL)
        *ret_body = body;
    return chain->on_body == NULL ? AW_OK : chain->on_body(chain->user, command->out.seq, body);
}

/* A body that no record names: the number that it lies under was altered, and its own record would pass for one whose text is gone.
 * All below `seq` are looked at. */
static enum aw_err
check_strays(struct aw_cli_chain *chain, uint64_t seq)
{
    uint64_t    found = seq;
    enum aw_err err = aw_journal_find_body(chain->folder->reader, chain->_body_seq, &found);

    if (err != AW_OK && err != AW_E_NOT_FOUND)
        return aw_why(&chain->folder->why, err, "the body at or behind record %" PRIu64 " can't be read: %s", chain->_body_seq,
                      aw_err_text(err));
    if (found < seq)
        return aw_why(&chain->folder->why, AW_E_CORRUPT, "a body lies under record %" PRIu64 ", which has none", found);
    chain->_body_seq = seq;
    return AW_OK;
}

static enum aw_err
check_bodies(struct aw_cli_chain *chain, const struct aw_command *command)
{
    struct aw_in_body content;
    enum aw_err       err;

    if (!aw_command_body(command, &content))
        return AW_OK;
    err = check_strays(chain, command->out.seq);
    chain->_body_seq = command->out.seq + 1;
    return err == AW_OK ? aw_cli_chain_check_body(chain, command, NULL) : err;
}

/* Numbering and chain, as far as they can be checked without a state. */
static enum aw_err
check_header(struct aw_cli_chain *chain, const struct aw_batch_header *header)
{
    static const struct aw_sha256 zero;
    struct aw_why                *why = &chain->folder->why;

    if (chain->first_index == 0)
        chain->first_index = header->index;
    if (memcmp(header->uuid, aw_journal_identity(chain->folder->journal)->uuid, sizeof(header->uuid)) != 0)
        return aw_why(why, AW_E_CORRUPT, "batch %" PRIu64 " is of another store", header->index);
    if (header->index == 1 && memcmp(&header->previous, &zero, sizeof(zero)) != 0)
        return aw_why(why, AW_E_CORRUPT, "the first batch claims to follow another");
    if (header->index != chain->last_index + 1 || header->first_seq != chain->next_seq)
        return aw_why(why, AW_E_CORRUPT,
                      "batch %" PRIu64 " from record %" PRIu64 " where batch %" PRIu64 " from record %" PRIu64 " belongs",
                      header->index, header->first_seq, chain->last_index + 1, chain->next_seq);
    if (memcmp(&header->previous, &chain->hash, sizeof(chain->hash)) != 0)
        return aw_why(why, AW_E_CORRUPT, "batch %" PRIu64 " does not continue the chain: batch %" PRIu64 " was altered",
                      header->index, chain->last_index);
    return AW_OK;
}

/* --- source ids: one row a message, in the order of the records ------------------------------------------------------------ */

static enum aw_err
read_ids(struct aw_cli_chain *chain, uint64_t first_seq)
{
    uint64_t    at;
    enum aw_err err = aw_journal_read_ids(chain->folder->reader, first_seq, &at, &chain->_ids);

    if (err == AW_E_NOT_FOUND || (err == AW_OK && at != first_seq)) {
        chain->_ids = aw_slice_of("", 0);
        return AW_OK;
    }
    return err == AW_OK ? AW_OK
                        : aw_why(&chain->folder->why, err, "the source ids of the batch at record %" PRIu64 " can't be read: %s",
                                 first_seq, aw_err_text(err));
}

static enum aw_err
check_id(struct aw_cli_chain *chain, const struct aw_batch_header *header, const struct aw_command *command, size_t *at)
{
    struct aw_id_entry entry = {.seq = 0};

    if (command->kind != AW_COMMAND_MESSAGE)
        return AW_OK;
    if (chain->_ids.len >= *at + AW_ID_ENTRY_BYTES)
        aw_id_entry_read((const uint8_t *)chain->_ids.ptr + *at, &entry);
    *at += AW_ID_ENTRY_BYTES;
    if (entry.seq == command->out.seq && entry.accepted_at == header->now &&
        aw_hash128_eq(entry.hash, command->in.message.id_hash))
        return AW_OK;
    return aw_why(&chain->folder->why, AW_E_CORRUPT,
                  "record %" PRIu64 " is missing among the source ids, or has those of another message", command->out.seq);
}

/* --- records ---------------------------------------------------------------------------------------------------------------- */

static enum aw_err
walk_record(struct aw_cli_chain *chain, const struct aw_batch_header *header, const struct aw_record *record, size_t *id_at)
{
    struct aw_command command;
    enum aw_err       err;

    aw_arena_reset(&chain->folder->arena);
    err = aw_record_read(record, &chain->folder->arena, &command, &chain->folder->why);
    if (err == AW_OK && chain->checks_all)
        err = check_id(chain, header, &command, id_at);
    if (err == AW_OK && chain->checks_all)
        err = check_bodies(chain, &command);
    if (err == AW_OK && chain->on_record != NULL)
        err = chain->on_record(chain->user, header, record, &command);
    return err;
}

static enum aw_err
walk_records(struct aw_cli_chain *chain, const struct aw_batch_header *header, struct aw_slice batch)
{
    struct aw_slice  at = aw_slice_of(batch.ptr + AW_BATCH_HEADER_BYTES, batch.len - AW_BATCH_HEADER_BYTES);
    struct aw_why   *why = &chain->folder->why;
    struct aw_record record;
    enum aw_err      err;
    uint64_t         seq = header->first_seq;
    size_t           id_at = 0;

    while ((err = aw_record_next(&at, &record, why)) != AW_E_AGAIN) {
        chain->bad_seq = seq;
        if (err != AW_OK)
            return err;
        if (record.seq != seq)
            return aw_why(why, AW_E_CORRUPT, "record %" PRIu64 " lies where %" PRIu64 " belongs", record.seq, seq);
        err = walk_record(chain, header, &record, &id_at);
        if (err != AW_OK)
            return err;
        chain->messages += record.kind == AW_COMMAND_MESSAGE;
        chain->records++;
        seq++;
    }
    chain->bad_seq = 0;
    if (seq != header->first_seq + header->count)
        return aw_why(why, AW_E_CORRUPT, "batch %" PRIu64 " holds %" PRIu64 " records, its header says %u", header->index,
                      seq - header->first_seq, header->count);
    if (chain->checks_all && chain->_ids.len != id_at)
        return aw_why(why, AW_E_CORRUPT, "batch %" PRIu64 " has more source ids than messages", header->index);
    return AW_OK;
}

static enum aw_err
walk_batch(void *user, uint64_t first_seq, struct aw_slice batch, bool *ret_end)
{
    struct aw_cli_chain   *chain = user;
    struct aw_batch_header header;
    enum aw_err            err = aw_batch_header_read(batch, &header, &chain->folder->why);

    (void)first_seq; /* the header says it too, and the chain that it is true */
    if (err == AW_OK)
        err = check_header(chain, &header);
    if (err == AW_OK && chain->checks_all)
        err = read_ids(chain, header.first_seq);
    if (chain->_body_seq < header.first_seq)
        chain->_body_seq = header.first_seq; /* what lies below is waste of a trim */
    if (err == AW_OK)
        err = walk_records(chain, &header, batch);
    if (err == AW_OK && chain->checks_all)
        err = check_strays(chain, header.first_seq + header.count);
    if (err == AW_OK && chain->on_batch != NULL)
        err = chain->on_batch(chain->user, &header, batch, chain->_ids, ret_end);
    if (err != AW_OK)
        return err;
    if (!aw_batch_hash(&header.previous, batch, &chain->hash))
        return aw_why(&chain->folder->why, AW_E_MEMORY, "out of memory");
    chain->last_index = header.index;
    chain->next_seq = header.first_seq + header.count;
    chain->epoch = header.epoch;
    chain->last_at = header.now;
    return AW_OK;
}

/* A running server may have trimmed what we have not come to yet: the walk goes on at its anchor. */
static enum aw_err
follow_anchor(void *user)
{
    struct aw_cli_chain     *chain = user;
    struct aw_journal_anchor anchor;
    enum aw_err              err = aw_check_anchor(chain->folder->reader, &anchor, &chain->folder->why);

    if (err != AW_OK || (anchor.next_seq <= chain->next_seq && chain->next_seq > 1))
        return err;
    if (chain->first_index == 0)
        chain->anchor = anchor;
    chain->is_trimmed = chain->is_trimmed || anchor.index > 0;
    chain->next_seq = anchor.next_seq;
    chain->last_index = anchor.index;
    chain->hash = anchor.hash;
    return AW_OK;
}

/* Nor may one lie behind the last record, unless the server has gone on meanwhile. */
static enum aw_err
check_end(struct aw_cli_chain *chain)
{
    struct aw_journal_reader *reader = chain->folder->reader;
    struct aw_slice           batch;
    uint64_t                  found, first_seq;
    enum aw_err               err = aw_cli_folder_begin(chain->folder);

    if (err != AW_OK)
        return err;
    err = aw_journal_find_body(reader, chain->next_seq, &found);
    if (err == AW_OK && aw_journal_read_next(reader, chain->next_seq, &first_seq, &batch) == AW_E_NOT_FOUND)
        err = aw_why(&chain->folder->why, AW_E_CORRUPT, "a body lies under record %" PRIu64 ", which there is not", found);
    else if (err == AW_E_NOT_FOUND || err == AW_OK)
        err = AW_OK;
    else
        err = aw_why(&chain->folder->why, err, "the body behind the last record can't be read: %s", aw_err_text(err));
    aw_journal_read_end(reader);
    return err;
}

enum aw_err
aw_cli_chain_walk(struct aw_cli_chain *chain)
{
    const struct aw_cli_walk steps = {
        .user = chain, .next_seq = &chain->next_seq, .on_snapshot = follow_anchor, .on_batch = walk_batch};
    enum aw_err err = aw_cli_folder_walk(chain->folder, &steps);

    return err == AW_OK && chain->checks_all ? check_end(chain) : err;
}

int
aw_cli_chain_report(struct aw_cli *cli, const struct aw_cli_chain *chain, enum aw_err err)
{
    const char *what = err == AW_E_SEALED ? aw_cli_folder_sealed(chain->folder) : chain->folder->why.text;
    json_t     *line;

    if (err == AW_OK)
        return AW_CLI_OK;
    if (chain->bad_seq > chain->last_index && chain->bad_seq >= chain->next_seq)
        aw_cli_error(cli, "first bad record: %" PRIu64 ", in batch %" PRIu64 ", behind batch %" PRIu64 ": %s", chain->bad_seq,
                     chain->last_index + 1, chain->last_index, what);
    else if (chain->bad_seq != 0)
        aw_cli_error(cli, "first bad record: %" PRIu64 ", one that was kept: %s", chain->bad_seq, what);
    else
        aw_cli_error(cli, "behind batch %" PRIu64 " and record %" PRIu64 ": %s", chain->last_index, chain->next_seq - 1, what);
    if (cli->common.json) {
        line = json_pack("{s:b,s:s,s:s,s:I,s:I,s:I}", "ok", 0, "error", aw_err_problem(err), "detail", what, "last_good_batch",
                         (json_int_t)chain->last_index, "last_good_record", (json_int_t)(chain->next_seq - 1), "bad_record",
                         (json_int_t)chain->bad_seq);
        aw_cli_print_json(line);
        json_decref(line);
    }
    return AW_CLI_FAILED;
}
