/* boot.c - opens a store with the engine and the recovery that the server uses, then reads all of it. */
#include "power/boot.h"

#include "commit/recover.h"
#include "power/seen.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES  4096U
#define WHOLE_EVERY 128U /* of starts on what was seen before: this one looks at all of it again */

struct batch {
    uint64_t          first_seq;
    uint32_t          count;
    struct aw_slice   bytes;
    struct aw_sha256  hash;
    struct aw_hash128 digest_before;
};

struct boot {
    uint8_t          uuid[16];
    struct batch    *batches;
    uint64_t         batch_count;
    struct aw_slice *bodies; /* by sequence number; ptr NULL: none */
    uint64_t         next_seq;
    struct seen     *seen; /* owns */
    uint64_t         repeats;
    uint64_t         whole;
};

/* An opened store and a snapshot of it. */
struct opened {
    struct aw_journal        *journal;
    struct aw_table          *table;
    struct aw_journal_reader *reader;
    bool                      is_reading; /* in the snapshot */
};

static void
close_store(struct opened *store)
{
    if (store->is_reading)
        aw_journal_read_end(store->reader);
    aw_journal_reader_free(&store->reader);
    aw_journal_close(&store->journal);
}

static enum aw_err
begin_reading(struct opened *store)
{
    enum aw_err err = aw_journal_read_begin(store->reader);

    store->is_reading = err == AW_OK;
    return err;
}

static enum aw_err
open_store(struct opened *store, const char *folder, const char *keys, enum aw_store_access access, struct aw_why *why)
{
    struct aw_store_config config = {.folder = folder, .keys = keys, .access = access, .reserve_bytes = 1U << 20};
    enum aw_err            err = aw_lmdb_open(&store->journal, &store->table, &config, why);

    if (err != AW_OK)
        return err;
    store->reader = aw_journal_reader_new(store->journal);
    return store->reader == NULL ? AW_E_MEMORY : AW_OK;
}

/* --- the reference ---------------------------------------------------------------------------------------------------------- */

static bool
copy(struct aw_slice from, struct aw_slice *ret_copy)
{
    char *to = malloc(from.len + 1);

    if (to == NULL)
        return false;
    memcpy(to, from.ptr, from.len);
    *ret_copy = aw_slice_of(to, from.len);
    return true;
}

static enum aw_err
add_batch(struct boot *boot, struct aw_slice bytes, struct aw_why *why)
{
    struct aw_batch_header header;
    struct batch          *batch;
    void                  *more = realloc(boot->batches, (boot->batch_count + 1) * sizeof(*boot->batches));
    enum aw_err            err;

    if (more == NULL)
        return AW_E_MEMORY;
    boot->batches = more;
    batch = &boot->batches[boot->batch_count];
    err = aw_batch_header_read(bytes, &header, why);
    if (err != AW_OK)
        return err;
    if (header.index != boot->batch_count + 1)
        return aw_why(why, AW_E_CORRUPT, "batch %" PRIu64 " where %" PRIu64 " belongs", header.index, boot->batch_count + 1);
    *batch = (struct batch){.first_seq = header.first_seq, .count = header.count, .digest_before = header.digest_before};
    if (!copy(bytes, &batch->bytes) || !aw_batch_hash(&header.previous, bytes, &batch->hash))
        return AW_E_MEMORY;
    boot->batch_count++;
    boot->next_seq = header.first_seq + header.count;
    return AW_OK;
}

static enum aw_err
read_bodies(struct boot *boot, struct aw_journal_reader *reader)
{
    boot->bodies = calloc(boot->next_seq, sizeof(*boot->bodies));
    if (boot->bodies == NULL)
        return AW_E_MEMORY;
    for (uint64_t seq = 1; seq < boot->next_seq; seq++) {
        struct aw_slice bytes;
        enum aw_err     err = aw_journal_read_body(reader, seq, &bytes);

        if (err == AW_OK && !copy(bytes, &boot->bodies[seq]))
            return AW_E_MEMORY;
        if (err != AW_OK && err != AW_E_NOT_FOUND)
            return err;
    }
    return AW_OK;
}

static enum aw_err
read_reference(struct boot *boot, struct opened *store, struct aw_why *why)
{
    struct aw_slice bytes;
    uint64_t        seq = 1;
    enum aw_err     err = begin_reading(store);

    if (err != AW_OK)
        return err;
    memcpy(boot->uuid, aw_journal_identity(store->journal)->uuid, sizeof(boot->uuid));
    while ((err = aw_journal_read_next(store->reader, seq, &seq, &bytes)) == AW_OK) {
        err = add_batch(boot, bytes, why);
        if (err != AW_OK)
            return err;
        seq = boot->next_seq;
    }
    return err == AW_E_NOT_FOUND ? read_bodies(boot, store->reader) : err;
}

struct boot *
boot_new(const char *folder, struct aw_why *why)
{
    struct boot  *boot = calloc(1, sizeof(*boot));
    struct opened store = {.journal = NULL};
    char          keys[PATH_BYTES];
    enum aw_err   err = boot == NULL ? AW_E_MEMORY : AW_OK;

    if (err == AW_OK && !aw_store_keys_path(folder, keys, sizeof(keys)))
        err = AW_E_CONFIG;
    if (err == AW_OK)
        err = open_store(&store, folder, keys, AW_STORE_READ, why);
    if (err == AW_OK)
        err = read_reference(boot, &store, why);
    close_store(&store);
    if (err == AW_OK)
        boot->seen = seen_new();
    else
        boot_free(&boot);
    return boot;
}

void
boot_free(struct boot **boot)
{
    if (*boot == NULL)
        return;
    for (uint64_t i = 0; i < (*boot)->batch_count; i++)
        free((void *)(uintptr_t)(*boot)->batches[i].bytes.ptr);
    for (uint64_t seq = 0; (*boot)->bodies != NULL && seq < (*boot)->next_seq; seq++)
        free((void *)(uintptr_t)(*boot)->bodies[seq].ptr);
    free((*boot)->batches);
    free((*boot)->bodies);
    seen_free(&(*boot)->seen);
    free(*boot);
    *boot = NULL;
}

uint64_t
boot_batches(const struct boot *boot)
{
    return boot->batch_count;
}

struct seen *
boot_seen(struct boot *boot)
{
    return boot->seen;
}

uint64_t
boot_whole(const struct boot *boot)
{
    return boot->whole;
}

/* --- a start ---------------------------------------------------------------------------------------------------------------- */

/* Batch for batch and body for body, up to where the start came. */
static enum boot_verdict
compare_bytes(const struct boot *boot, struct aw_journal_reader *reader, uint64_t count, struct aw_why *why)
{
    for (uint64_t i = 0; i < count; i++) {
        const struct batch *batch = &boot->batches[i];
        struct aw_slice     bytes;
        uint64_t            seq;

        if (aw_journal_read_next(reader, batch->first_seq, &seq, &bytes) != AW_OK || seq != batch->first_seq ||
            !aw_slice_eq(bytes, batch->bytes)) {
            (void)aw_why(why, AW_E_CORRUPT, "batch %" PRIu64 " is not the one that was written", i + 1);
            return BOOT_OTHER;
        }
        for (seq = batch->first_seq; seq < batch->first_seq + batch->count; seq++) {
            enum aw_err err = aw_journal_read_body(reader, seq, &bytes);
            bool        has = boot->bodies[seq].ptr != NULL;

            if (err != (has ? AW_OK : AW_E_NOT_FOUND) || (has && !aw_slice_eq(bytes, boot->bodies[seq]))) {
                (void)aw_why(why, AW_E_CORRUPT, "the body of record %" PRIu64 " is not the one that was written", seq);
                return BOOT_OTHER;
            }
        }
    }
    return BOOT_FINE;
}

/* The store, its last batch and the state behind it. */
static bool
is_head_right(const struct boot *boot, const struct opened *store, const struct aw_journal_head *head,
              const struct aw_state *state, struct aw_why *why)
{
    const struct batch *last;

    if (head->index == 0)
        return true; /* a new store; whether there may be one, its caller asks */
    if (head->index > boot->batch_count ||
        memcmp(aw_journal_identity(store->journal)->uuid, boot->uuid, sizeof(boot->uuid)) != 0) {
        (void)aw_why(why, AW_E_CORRUPT, "another store, of %" PRIu64 " batches", head->index);
        return false;
    }
    last = &boot->batches[head->index - 1];
    if (head->next_seq != last->first_seq + last->count || memcmp(&head->hash, &last->hash, sizeof(last->hash)) != 0) {
        (void)aw_why(why, AW_E_CORRUPT, "batch %" PRIu64 " ends another chain", head->index);
        return false;
    }
    if (head->index < boot->batch_count && !aw_hash128_eq(aw_state_digest(state), last[1].digest_before)) {
        (void)aw_why(why, AW_E_CORRUPT, "behind batch %" PRIu64 " the server had another state", head->index);
        return false;
    }
    return true;
}

static enum boot_verdict
compare(const struct boot *boot, const struct opened *store, const struct aw_journal_head *head, const struct aw_state *state,
        struct aw_why *why)
{
    struct aw_slice bytes;
    uint64_t        seq;

    if (!is_head_right(boot, store, head, state, why))
        return BOOT_OTHER;
    if (aw_journal_read_next(store->reader, head->next_seq, &seq, &bytes) != AW_E_NOT_FOUND) {
        (void)aw_why(why, AW_E_CORRUPT, "there is something behind batch %" PRIu64, head->index);
        return BOOT_OTHER;
    }
    return compare_bytes(boot, store->reader, head->index, why);
}

static enum boot_verdict
judge_length(uint64_t next_seq, uint64_t acknowledged, struct aw_why *why)
{
    if (next_seq > acknowledged)
        return BOOT_FINE;
    (void)aw_why(why, AW_E_CORRUPT, "records from %" PRIu64 " to %" PRIu64 " had been acknowledged", next_seq, acknowledged);
    return BOOT_LOST;
}

static enum boot_verdict
start(struct boot *boot, struct opened *store, struct aw_state *state, uint64_t *ret_next_seq, struct aw_why *why)
{
    struct aw_recovery recovery;

    if (aw_recover(state, store->journal, store->table, NULL, &recovery, why) != AW_OK)
        return BOOT_REFUSED;
    if (begin_reading(store) != AW_OK)
        return BOOT_REFUSED;
    *ret_next_seq = recovery.head.next_seq;
    return compare(boot, store, &recovery.head, state, why);
}

static enum boot_verdict
start_whole(struct boot *boot, struct opened *store, uint64_t *ret_next_seq, struct aw_why *why)
{
    struct aw_state  *state = NULL;
    enum boot_verdict verdict = BOOT_REFUSED;

    boot->whole++;
    if (aw_state_new_largest(&state, 0, why) == AW_OK)
        verdict = start(boot, store, state, ret_next_seq, why);
    aw_state_free(&state);
    return verdict;
}

enum boot_verdict
boot_try(struct boot *boot, const char *folder, uint64_t acknowledged, struct aw_why *why)
{
    struct opened     store = {.journal = NULL};
    enum boot_verdict verdict = BOOT_REFUSED;
    uint64_t          next_seq = 0;
    char              keys[PATH_BYTES];

    if (!aw_store_keys_path(folder, keys, sizeof(keys)))
        return BOOT_REFUSED;
    seen_begin(boot->seen, keys);
    if (open_store(&store, folder, keys, AW_STORE_SERVE, why) == AW_OK) {
        next_seq = seen_find(boot->seen, folder);
        verdict = BOOT_FINE;
        if (next_seq == 0 || ++boot->repeats % WHOLE_EVERY == 0) {
            verdict = start_whole(boot, &store, &next_seq, why);
            if (verdict == BOOT_FINE)
                seen_keep(boot->seen, folder, next_seq);
        }
        if (verdict == BOOT_FINE)
            verdict = judge_length(next_seq, acknowledged, why);
    }
    close_store(&store);
    return verdict;
}
