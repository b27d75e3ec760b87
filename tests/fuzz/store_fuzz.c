/* store_fuzz.c - any bytes as what lies in the trees of a store whose pages are sound: its notes (identity, mark, anchor, keys,
 * and what a backup says of itself), batches, ids, bodies, what was kept, and the rows of a checkpoint.
 *
 * Input: one byte of options (bit 0: with the checkpoint of an empty state; bit 1: opened to serve, else to read), one for how
 * many changes are made to that checkpoint (u8 chunk, u16 place, u8 bits to turn), those, and then values:
 *   u8   tree (of the 8); bit 7: as it is, else as the engine would put it, with its checksums
 *   u8   number; in the tree of notes which one
 *   u8   length, and so many bytes
 * What it proves: opening and reading end with what is there or with words, and a state that is recovered is whole.
 */
#include "base/assert.h"
#include "base/hash.h"
#include "commit/recover.h"
#include "store/copy.h"
#include "store/lmdb.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNKS_MAX   64U
#define VALUES_MAX   32U
#define READS_MAX    64U
#define MARK_BYTES   96U /* as lmdb_table.c has it */
#define CHUNK_SHIFT  32U
#define AS_IT_IS     0x80U
#define SNAPSHOT_MAP (UINT64_C(256) << 20)

enum option { WITH_CHECKPOINT = 1, SERVES = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct aw_state_limits limits = {.tickets_max = 64,
                                              .identities_max = 64,
                                              .ids_max = 64,
                                              .leases_max = 16,
                                              .lanes_max = 8,
                                              .agents_max = 8,
                                              .keys_max = 16,
                                              .facts_max = 64,
                                              .flights_max = 8,
                                              .asides_max = 8,
                                              .replies_max = 16,
                                              .commitments_max = 8,
                                              .contacts_max = 16,
                                              .preimage_bytes_max = 1U << 20};

static char                      folder[256];
static char                      path[300];
static uint8_t                  *sound; /* owns, for ever: the file of an empty store */
static size_t                    sound_bytes;
static struct aw_chunk           chunks[CHUNKS_MAX]; /* of an empty state; own their bytes */
static uint32_t                  chunk_count;
static struct aw_checkpoint_mark mark;

/* --- what is changed ---------------------------------------------------------------------------------------------------------- */

static int
remove_one(const char *name, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(name);
}

static void
remove_folder(void)
{
    (void)nftw(folder, remove_one, 4, FTW_DEPTH | FTW_PHYS);
}

static void
cut_empty_state(void)
{
    struct aw_state *state = NULL;
    struct aw_chunk  chunk;
    struct aw_why    why = {""};
    enum aw_err      err = aw_state_new(&state, &limits, 0, &why);
    bool             has_begun;

    AW_ASSERT(err == AW_OK);
    has_begun = aw_state_cut_begin(state, &mark);
    AW_ASSERT(has_begun);
    while (aw_state_cut_next(state, &chunk, &mark)) {
        char *bytes = malloc(chunk.bytes.len);

        AW_ASSERT(bytes != NULL && chunk_count < CHUNKS_MAX);
        AW_ASSERT(chunk.bytes.len > 0);
        memcpy(bytes, chunk.bytes.ptr, chunk.bytes.len);
        chunk.bytes = aw_slice_of(bytes, chunk.bytes.len);
        chunks[chunk_count++] = chunk;
    }
    AW_ASSERT(chunk_count > 0 && mark.chunks == chunk_count);
    aw_state_cut_end(state);
    aw_state_free(&state);
}

static struct aw_store_config
config_of(enum aw_store_access access)
{
    return (struct aw_store_config){.folder = folder,
                                    .access = access,
                                    .bytes_max = 64 * AW_MIB,
                                    .map_bytes = SNAPSHOT_MAP,
                                    .reserve_bytes = AW_MIB,
                                    .readers_max = 4};
}

static void
prepare(void)
{
    const char            *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    struct aw_store_config config = config_of(AW_STORE_SERVE);
    struct aw_journal     *journal = NULL;
    struct aw_table       *table = NULL;
    struct aw_why          why = {""};
    enum aw_err            err;
    off_t                  end;
    int                    fd;

    if (sound != NULL)
        return;
    (void)snprintf(folder, sizeof(folder), "%s/aswolk-values-XXXXXX", base == NULL ? P_tmpdir : base);
    AW_ASSERT(aw_hash_init() && mkdtemp(folder) != NULL && atexit(remove_folder) == 0);
    (void)snprintf(path, sizeof(path), "%s/data.mdb", folder);
    cut_empty_state();
    err = aw_lmdb_open(&journal, &table, &config, &why);
    AW_ASSERT(err == AW_OK);
    aw_journal_close(&journal); /* and the table */
    fd = open(path, O_RDONLY | O_CLOEXEC);
    AW_ASSERT(fd >= 0);
    end = lseek(fd, 0, SEEK_END);
    sound_bytes = end < (off_t)AW_MIB ? (size_t)end : (size_t)AW_MIB; /* behind its pages lies only the reserve */
    sound = malloc(sound_bytes);
    AW_ASSERT(sound != NULL && pread(fd, sound, sound_bytes, 0) == (ssize_t)sound_bytes);
    (void)close(fd); /* was only read */
}

static uint8_t
take(const uint8_t **data, size_t *size)
{
    if (*size == 0)
        return 0;
    (*size)--;
    return *(*data)++;
}

/* --- what is put -------------------------------------------------------------------------------------------------------------- */

static void
put_note(MDB_txn *txn, MDB_dbi tree, const char *name, uint8_t *bytes, size_t len, bool is_fixed)
{
    MDB_val  key = {strlen(name), (void *)(uintptr_t)name}, value = {len, bytes};
    uint32_t crc;

    if (is_fixed && len > sizeof(crc)) {
        crc = aw_crc32c(0, bytes, len - sizeof(crc));
        memcpy(bytes + len - sizeof(crc), &crc, sizeof(crc));
    }
    (void)mdb_put(txn, tree, &key, &value, 0); /* what does not fit is not there */
}

/* As aw_lmdb_mark_read reads it. */
static void
put_mark(MDB_txn *txn, MDB_dbi tree)
{
    uint8_t bytes[MARK_BYTES] = {0};

    memcpy(bytes + 4, &mark.sm_version, 4);
    memcpy(bytes + 8, &mark.seq, 8);
    memcpy(bytes + 16, &mark.index, 8);
    memcpy(bytes + 24, mark.hash.bytes, 32);
    memcpy(bytes + 56, &mark.digest.low, 8);
    memcpy(bytes + 64, &mark.digest.high, 8);
    memcpy(bytes + 72, &mark.chunks, 4);
    put_note(txn, tree, AW_MARK_TEXT, bytes, sizeof(bytes), true);
}

static void
put_checkpoint(MDB_txn *txn, const MDB_dbi trees[AW_TREE_COUNT], const uint8_t **data, size_t *size, unsigned changes)
{
    static uint8_t changed[CHUNKS_MAX][AW_CHUNK_BYTES_MAX];

    for (uint32_t i = 0; i < chunk_count; i++)
        memcpy(changed[i], chunks[i].bytes.ptr, chunks[i].bytes.len);
    AW_ASSERT(chunk_count > 0);
    for (; changes > 0 && *size >= 4; changes--) {
        uint32_t i = take(data, size) % chunk_count;
        size_t   at = take(data, size);

        at |= (size_t)take(data, size) << 8;
        changed[i][at % chunks[i].bytes.len] ^= take(data, size);
    }
    for (uint32_t i = 0; i < chunk_count; i++) {
        uint64_t id = (uint64_t)chunks[i].table << CHUNK_SHIFT | chunks[i].chunk;
        int      rc = aw_value_append(txn, trees[AW_TREE_TABLE0], id, 1, aw_slice_of(changed[i], chunks[i].bytes.len));

        AW_ASSERT(rc == MDB_SUCCESS);
    }
    put_mark(txn, trees[AW_TREE_META]);
}

/* What is not above all that is there can't be appended. */
static void
append(MDB_txn *txn, MDB_dbi tree, uint64_t id, const uint8_t *bytes, size_t len)
{
    int rc = aw_value_append(txn, tree, id, bytes[0], aw_slice_of(bytes, len));

    AW_ASSERT(rc == MDB_SUCCESS || rc == MDB_KEYEXIST);
}

static void
put_values(MDB_txn *txn, const MDB_dbi trees[AW_TREE_COUNT], const uint8_t *data, size_t size)
{
    static const char *const notes[] = {"identity", AW_MARK_TEXT, "anchor", "keys", "copy"};
    uint8_t                  bytes[UINT8_MAX];

    for (unsigned i = 0; i < VALUES_MAX && size > 0; i++) {
        uint8_t  where = take(&data, &size);
        uint64_t id = take(&data, &size);
        size_t   len = take(&data, &size);
        unsigned tree = where % AW_TREE_COUNT;
        uint64_t piece = id << AW_PIECE_BITS;
        MDB_val  key = {sizeof(piece), &piece}, value = {len, bytes};

        len = len < size ? len : size;
        if (len == 0)
            continue;
        memcpy(bytes, data, len);
        data += len;
        size -= len;
        value.mv_size = len;
        /* What the engine refuses is not there. */
        if (tree == AW_TREE_META)
            put_note(txn, trees[tree], notes[id % AW_ARRAY_LEN(notes)], bytes, len, (where & AS_IT_IS) == 0);
        else if ((where & AS_IT_IS) != 0)
            (void)mdb_put(txn, trees[tree], &key, &value, 0);
        else if (id > 0)
            append(txn, trees[tree], id, bytes, len);
    }
}

static void
change(uint8_t options, const uint8_t *data, size_t size)
{
    unsigned changes = take(&data, &size) % 16;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi  trees[AW_TREE_COUNT];
    int      rc;

    AW_ASSERT(mdb_env_create(&env) == MDB_SUCCESS && mdb_env_set_maxdbs(env, AW_TREE_COUNT) == MDB_SUCCESS);
    AW_ASSERT(mdb_env_set_mapsize(env, SNAPSHOT_MAP) == MDB_SUCCESS);
    rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600);
    AW_ASSERT(rc == MDB_SUCCESS && mdb_txn_begin(env, NULL, 0, &txn) == MDB_SUCCESS);
    for (unsigned i = 0; i < AW_TREE_COUNT; i++)
        AW_ASSERT(mdb_dbi_open(txn, aw_lmdb_trees[i].name, aw_lmdb_trees[i].flags, &trees[i]) == MDB_SUCCESS);
    if ((options & WITH_CHECKPOINT) != 0)
        put_checkpoint(txn, trees, &data, &size, changes);
    put_values(txn, trees, data, size);
    rc = mdb_txn_commit(txn);
    AW_ASSERT(rc == MDB_SUCCESS);
    mdb_env_close(env);
}

/* --- what is read ------------------------------------------------------------------------------------------------------------- */

/* What the port says that a read may say. */
static void
expect(enum aw_err err)
{
    AW_ASSERT(err == AW_OK || err == AW_E_NOT_FOUND || err == AW_E_CORRUPT || err == AW_E_IO || err == AW_E_SEALED);
}

static void
read_kept(struct aw_journal_reader *reader, enum aw_kept_kind kind)
{
    struct aw_kept kept;
    uint64_t       seq = 0;

    for (unsigned i = 0; i < READS_MAX && aw_journal_find_kept(reader, kind, seq, &kept) == AW_OK; i++) {
        AW_ASSERT(kept.seq >= seq);
        seq = kept.seq + 1;
        if (aw_journal_read_kept(reader, kind, kept.seq, &kept) == AW_OK)
            AW_ASSERT(kept.bytes.len <= AW_KEPT_BYTES_MAX);
    }
}

static void
read_all(struct aw_journal *journal)
{
    struct aw_journal_reader *reader = aw_journal_reader_new(journal);
    struct aw_journal_anchor  anchor;
    struct aw_slice           bytes;
    uint64_t                  seq, first = 0;

    AW_ASSERT(reader != NULL);
    if (aw_journal_read_begin(reader) == AW_OK) {
        expect(aw_journal_read_anchor(reader, &anchor));
        expect(aw_journal_read_last(reader, &seq, &bytes));
        for (unsigned i = 0; i < READS_MAX && aw_journal_read_next(reader, first, &seq, &bytes) == AW_OK; i++) {
            AW_ASSERT(seq >= first);
            first = seq + 1;
            expect(aw_journal_read_batch(reader, seq, &bytes));
        }
        first = 0;
        for (unsigned i = 0; i < READS_MAX && aw_journal_read_ids(reader, first, &seq, &bytes) == AW_OK; i++)
            first = seq + 1;
        first = 0;
        for (unsigned i = 0; i < READS_MAX && aw_journal_find_body(reader, first, &seq) == AW_OK; i++) {
            AW_ASSERT(seq >= first);
            expect(aw_journal_read_body(reader, seq, &bytes));
            first = seq + 1;
        }
        read_kept(reader, AW_KEPT_RECORD);
        read_kept(reader, AW_KEPT_BODY);
        aw_journal_read_end(reader);
    }
    aw_journal_reader_free(&reader);
}

static void
recover(struct aw_journal *journal, struct aw_table *table)
{
    struct aw_state   *state = NULL;
    struct aw_recovery recovery;
    struct aw_why      why = {""};
    enum aw_err        err = aw_state_new(&state, &limits, aw_journal_identity(journal)->shard, &why);

    AW_ASSERT(err == AW_OK);
    err = aw_recover(state, journal, table, NULL, &recovery, &why);
    AW_ASSERT(err == AW_OK || why.text[0] != '\0');
    if (err == AW_OK)
        AW_ASSERT(aw_hash128_eq(aw_state_digest(state), aw_state_digest_slow(state)));
    aw_state_free(&state);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t                options = size == 0 ? 0 : data[0];
    struct aw_store_config config = config_of((options & SERVES) != 0 ? AW_STORE_SERVE : AW_STORE_READ);
    struct aw_journal     *journal = NULL;
    struct aw_table       *table = NULL;
    struct aw_copy_note    note;
    struct aw_why          why = {""};
    int                    fd;

    prepare();
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    AW_ASSERT(fd >= 0 && write(fd, sound, sound_bytes) == (ssize_t)sound_bytes && close(fd) == 0);
    if (size > 0)
        change(options, data + 1, size - 1);
    if (aw_lmdb_open(&journal, &table, &config, &why) != AW_OK) {
        AW_ASSERT(journal == NULL && why.text[0] != '\0');
        return 0;
    }
    if (aw_copy_read_note(journal, &note) == AW_OK)
        AW_ASSERT(note.kind == AW_COPY_BACKUP || note.kind == AW_COPY_RESTORE);
    (void)aw_lmdb_key_generation(journal);
    read_all(journal);
    recover(journal, table);
    aw_journal_close(&journal);
    return 0;
}
