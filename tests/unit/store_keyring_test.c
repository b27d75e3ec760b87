/* store_keyring_test.c - the keys of a store: what was sealed is read again, what was erased is not, by nobody who has the file.
 *
 * The tree is compared with a set of erased numbers, over thousands of random cuts. What "can't be read" means is tried with all
 * that the file holds after the erasure, on bytes that were sealed before it; and the same bytes are read with the file as it was,
 * so that the test would notice if nothing had been erased. Replaced files are looked at as files.
 */
#include "store_kit.h"

#include "base/seal.h"
#include "store/keyfile.h"
#include "store/keyring.h"
#include "store/keytree.h"

#include <fcntl.h>
#include <sys/stat.h>

#define TEXT      "they cancelled my flight and my mother is ill"
#define TEXT_LEN  (sizeof(TEXT) - 1)
#define BODY_ROOM (TEXT_LEN + AW_SEALED_BODY_BYTES)

static const uint8_t uuid[16] = "0123456789abcde";

struct place {
    char scratch[256];
    char path[300];
    char secret[300];
};

static int
setup(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    assert_true(aw_hash_init());
    assert_true(aw_seal_init());
    kit_scratch_in_memory(place->scratch);
    (void)snprintf(place->path, sizeof(place->path), "%s/store.keys", place->scratch);
    (void)snprintf(place->secret, sizeof(place->secret), "%s/secret", place->scratch);
    *state = place;
    return 0;
}

static int
teardown(void **state)
{
    struct place *place = *state;

    kit_remove(place->scratch);
    free(place);
    return 0;
}

static void
write_file(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static size_t
read_file(const char *path, uint8_t *bytes, size_t room)
{
    FILE  *file = fopen(path, "r");
    size_t len;

    assert_non_null(file);
    len = fread(bytes, 1, room, file);
    assert_int_equal(fclose(file), 0);
    return len;
}

static struct aw_keyring *
must_open(const struct place *place, const char *secret)
{
    const struct aw_keyring_config config = {.path = place->path, .secret_path = secret};
    struct aw_keyring             *ring = NULL;
    struct aw_why                  why = {""};

    if (aw_keyring_open(&ring, &config, uuid, &why) != AW_OK)
        fail_msg("%s", why.text);
    return ring;
}

/* A fresh file, and a generation from `seq` on. */
static struct aw_keyring *
must_begin(const struct place *place, uint64_t seq, uint32_t seen)
{
    struct aw_keyring *ring = must_open(place, NULL);

    assert_int_equal(aw_keyring_begin(ring, seq, seen, false, 0, NULL), AW_OK);
    return ring;
}

static void
must_create(const struct place *place)
{
    const struct aw_keyring_config config = {.path = place->path};

    assert_int_equal(aw_keyring_create(&config, uuid, NULL), AW_OK);
}

static void
seal_text(struct aw_keyring *ring, uint64_t seq, uint8_t sealed[BODY_ROOM])
{
    assert_true(aw_keyring_seal_body(ring, seq, AW_SLICE(TEXT), sealed));
    assert_null(memmem(sealed, BODY_ROOM, "cancelled", 9));
}

static enum aw_err
unseal_text(struct aw_keyring *ring, uint64_t seq, const uint8_t sealed[BODY_ROOM])
{
    uint8_t         text[BODY_ROOM];
    struct aw_slice body = {NULL, 0};
    enum aw_err     err = aw_keyring_unseal_body(ring, seq, aw_slice_of(sealed, BODY_ROOM), text, &body);

    if (err == AW_OK) {
        assert_int_equal(body.len, TEXT_LEN);
        assert_memory_equal(body.ptr, TEXT, TEXT_LEN);
    }
    return err;
}

static void
test_seal(void **state)
{
    const struct place *place = *state;
    struct aw_keyring  *ring;
    uint8_t             first[BODY_ROOM], second[BODY_ROOM], far[BODY_ROOM];
    uint8_t             value[TEXT_LEN + AW_SEALED_VALUE_BYTES], out[TEXT_LEN + AW_SEALED_VALUE_BYTES];
    struct aw_slice     opened;

    must_create(place);
    ring = must_begin(place, 1, 0);
    seal_text(ring, 1, first);
    seal_text(ring, 2, second);
    seal_text(ring, AW_KEYTREE_LEAVES - 1, far);
    assert_memory_not_equal(first + 4, second + 4, TEXT_LEN);
    assert_int_equal(unseal_text(ring, 1, first), AW_OK);
    assert_int_equal(unseal_text(ring, AW_KEYTREE_LEAVES - 1, far), AW_OK);
    assert_int_equal(unseal_text(ring, 2, first), AW_E_CORRUPT); /* it is not where it was sealed */
    for (size_t i = 0; i < sizeof(first); i++) {                 /* one bit, anywhere */
        first[i] ^= 1;
        assert_int_not_equal(unseal_text(ring, 1, first), AW_OK);
        first[i] ^= 1;
    }
    assert_true(aw_keyring_seal_value(ring, 77, AW_SLICE(TEXT), value));
    assert_null(memmem(value, sizeof(value), "cancelled", 9));
    assert_int_equal(aw_keyring_unseal_value(ring, 78, aw_slice_of(value, sizeof(value)), out, &opened), AW_E_CORRUPT);
    aw_keyring_close(&ring);
    assert_null(ring);

    ring = must_begin(place, 3, 1); /* after a restart */
    assert_int_equal(aw_keyring_generation(ring), 2);
    assert_int_equal(unseal_text(ring, 2, second), AW_OK);
    assert_int_equal(aw_keyring_unseal_value(ring, 77, aw_slice_of(value, sizeof(value)), out, &opened), AW_OK);
    assert_true(aw_slice_eq(opened, AW_SLICE(TEXT)));
    aw_keyring_close(&ring);
}

static void
test_erase(void **state)
{
    const struct place *place = *state;
    struct aw_keyring  *ring;
    uint8_t             sealed[64][BODY_ROOM], before[65536];
    uint64_t            gone[] = {40, 7, 7, 8, 63};
    size_t              before_len;

    must_create(place);
    ring = must_begin(place, 1, 0);
    for (uint64_t seq = 1; seq < 64; seq++)
        seal_text(ring, seq, sealed[seq]);
    before_len = read_file(place->path, before, sizeof(before));
    assert_int_equal(aw_keyring_erase(ring, gone, AW_ARRAY_LEN(gone), 64, 0, NULL), AW_OK);
    seal_text(ring, 64, sealed[0]); /* it goes on */
    for (unsigned again = 0; again < 2; again++) {
        assert_int_equal(aw_keyring_erased_through(ring), 64);
        for (uint64_t seq = 1; seq < 64; seq++) {
            bool is_gone = seq == 7 || seq == 8 || seq == 40 || seq == 63;

            assert_int_equal(unseal_text(ring, seq, sealed[seq]), is_gone ? AW_E_NOT_FOUND : AW_OK);
        }
        assert_int_equal(unseal_text(ring, 64, sealed[0]), AW_OK);
        aw_keyring_close(&ring);
        ring = must_open(place, NULL); /* from what the disk has */
    }
    aw_keyring_close(&ring);
    write_file(place->path, before, before_len); /* with the old file they could be read: that is what the erasure took away */
    ring = must_open(place, NULL);
    assert_int_equal(unseal_text(ring, 40, sealed[40]), AW_OK);
    aw_keyring_close(&ring);
}

static size_t
nodes_of(const struct place *place)
{
    struct aw_keys keys;
    uint8_t        of[16];
    size_t         count;

    assert_int_equal(aw_keyfile_read(place->path, NULL, &keys, of, NULL), AW_OK);
    count = keys.tree.count;
    aw_keys_fini(&keys);
    return count;
}

/* Below the floor all texts go, and with a generation of which nothing is left its root; what opens older backups stays. */
static void
test_floor(void **state)
{
    const struct place *place = *state;
    struct aw_keyring  *ring;
    uint8_t             sealed[3][BODY_ROOM], value[TEXT_LEN + AW_SEALED_VALUE_BYTES], out[TEXT_LEN + AW_SEALED_VALUE_BYTES];
    uint64_t            gone = 5;
    struct aw_slice     opened;

    must_create(place);
    ring = must_begin(place, 1, 0);
    seal_text(ring, 5, sealed[0]);
    seal_text(ring, 99, sealed[1]);
    assert_true(aw_keyring_seal_value(ring, 1, AW_SLICE(TEXT), value));
    aw_keyring_close(&ring);
    ring = must_begin(place, 100, 1);
    seal_text(ring, 100, sealed[2]);
    assert_int_equal(aw_keyring_erase(ring, &gone, 1, 101, 64, NULL), AW_OK);
    assert_int_equal(unseal_text(ring, 5, sealed[0]), AW_E_NOT_FOUND);
    assert_int_equal(unseal_text(ring, 99, sealed[1]), AW_OK);
    assert_int_equal(aw_keyring_unseal_value(ring, 1, aw_slice_of(value, sizeof(value)), out, &opened), AW_OK);
    assert_int_equal(aw_keyring_erase(ring, NULL, 0, 101, 100, NULL), AW_OK);
    assert_int_equal(aw_keyring_unseal_value(ring, 1, aw_slice_of(value, sizeof(value)), out, &opened), AW_OK);
    assert_int_equal(unseal_text(ring, 99, sealed[1]), AW_E_NOT_FOUND);
    assert_int_equal(nodes_of(place), 1); /* of the second generation, which began at the floor */
    assert_int_equal(unseal_text(ring, 100, sealed[2]), AW_OK);
    assert_int_equal(aw_keyring_erase(ring, NULL, 0, 101, 101, NULL), AW_OK);
    assert_int_equal(unseal_text(ring, 100, sealed[2]), AW_E_NOT_FOUND); /* also of the one that goes on */
    seal_text(ring, 101, sealed[2]);
    assert_int_equal(unseal_text(ring, 101, sealed[2]), AW_OK);
    aw_keyring_close(&ring);
}

/* A backup is put back: what is written then has other keys than what had these numbers before, and an erasure takes both. */
static void
test_restored(void **state)
{
    const struct place *place = *state;
    struct aw_keyring  *ring;
    uint8_t             before[BODY_ROOM], after[BODY_ROOM];
    uint64_t            gone = 50;

    must_create(place);
    ring = must_begin(place, 1, 0);
    seal_text(ring, 50, before);
    aw_keyring_close(&ring);
    ring = must_begin(place, 60, 1);
    aw_keyring_close(&ring);
    ring = must_begin(place, 40, 1); /* the store has seen generation 1 only, and is at record 40 */
    seal_text(ring, 50, after);
    assert_int_equal(unseal_text(ring, 50, before), AW_OK);
    assert_int_equal(unseal_text(ring, 50, after), AW_OK);
    assert_memory_not_equal(before + 4, after + 4, TEXT_LEN);
    assert_int_equal(aw_keyring_erase(ring, &gone, 1, 70, 0, NULL), AW_OK);
    assert_int_equal(unseal_text(ring, 50, after), AW_E_NOT_FOUND);
    assert_int_equal(unseal_text(ring, 50, before), AW_E_NOT_FOUND);
    aw_keyring_close(&ring);
}

/* A backup is tried out with the same key file, then the store itself goes on: what it wrote behind the backup is erased all
 * the same, and nothing of it is lost with what the tried one trimmed. */
static void
test_tried_out(void **state)
{
    const struct place *place = *state;
    struct aw_keyring  *ring;
    uint8_t             text[2][BODY_ROOM], value[TEXT_LEN + AW_SEALED_VALUE_BYTES], out[TEXT_LEN + AW_SEALED_VALUE_BYTES];
    uint64_t            gone = 50;
    struct aw_slice     opened;

    must_create(place);
    ring = must_begin(place, 1, 0);
    seal_text(ring, 50, text[0]);
    seal_text(ring, 59, text[1]);
    assert_true(aw_keyring_seal_value(ring, 50, AW_SLICE(TEXT), value));
    assert_int_equal(aw_keyring_erase(ring, NULL, 0, 55, 0, NULL), AW_OK);
    aw_keyring_close(&ring);
    ring = must_open(place, NULL);
    assert_int_equal(aw_keyring_begin(ring, 40, 1, true, 0, NULL), AW_OK);
    assert_int_equal(aw_keyring_erased_through(ring), 39); /* what it journals as 40 is not carried out yet */
    assert_int_equal(aw_keyring_erase(ring, NULL, 0, 48, 45, NULL), AW_OK);
    assert_int_equal(aw_keyring_unseal_value(ring, 50, aw_slice_of(value, sizeof(value)), out, &opened), AW_OK);
    aw_keyring_close(&ring);
    ring = must_begin(place, 40, 1); /* a copy by other means, of which nobody knows that it is one */
    aw_keyring_close(&ring);
    ring = must_begin(place, 60, 1);
    assert_int_equal(aw_keyring_erase(ring, &gone, 1, 61, 41, NULL), AW_OK);
    assert_int_equal(unseal_text(ring, 50, text[0]), AW_E_NOT_FOUND);
    assert_int_equal(unseal_text(ring, 59, text[1]), AW_OK);
    assert_int_equal(aw_keyring_unseal_value(ring, 50, aw_slice_of(value, sizeof(value)), out, &opened), AW_OK);
    aw_keyring_close(&ring);
}

/* One may change the file; others look. */
static void
test_locked(void **state)
{
    const struct place            *place = *state;
    const struct aw_keyring_config config = {.path = place->path};
    const struct aw_keyring_config look = {.path = place->path, .read_only = true};
    struct aw_keyring             *ring, *other = NULL;
    uint8_t                        text[BODY_ROOM];

    must_create(place);
    ring = must_begin(place, 1, 0);
    seal_text(ring, 1, text);
    assert_int_equal(aw_keyring_open(&other, &config, uuid, NULL), AW_E_IN_USE);
    assert_null(other);
    assert_int_equal(aw_keyring_create(&config, uuid, NULL), AW_E_IN_USE);
    assert_int_equal(aw_keyring_open(&other, &look, uuid, NULL), AW_OK);
    assert_int_equal(unseal_text(other, 1, text), AW_OK);
    aw_keyring_close(&other);
    aw_keyring_close(&ring);
    ring = must_begin(place, 2, 1);
    aw_keyring_close(&ring);
}

/* The file lies on another disk, and a link leads there. */
static void
test_linked(void **state)
{
    const struct place *place = *state;
    struct place        real = *place;
    struct aw_keyring  *ring;
    struct stat         file;

    (void)snprintf(real.path, sizeof(real.path), "%s/far.keys", place->scratch);
    assert_int_equal(symlink(real.path, place->path), 0);
    assert_int_equal(aw_keyring_create(&(struct aw_keyring_config){.path = place->path}, uuid, NULL), AW_E_CONFIG);
    must_create(&real);
    ring = must_begin(place, 1, 0);
    aw_keyring_close(&ring);
    assert_int_equal(lstat(place->path, &file), 0);
    assert_true(S_ISLNK(file.st_mode));
    ring = must_begin(&real, 2, 1); /* it has what was written through the link */
    aw_keyring_close(&ring);
}

/* Root changes the secret of a service's key file: what then lies there is the service's as before, be it made anew or not. */
static void
test_owner(void **state)
{
    const struct place *place = *state;
    struct aw_keyring  *ring;
    struct stat         file;
    char                path[320];

    if (geteuid() != 0)
        skip(); /* nobody else can give files away */
    must_create(place);
    assert_int_equal(chown(place->path, 12345, 23456), 0);
    for (unsigned round = 0; round < 3; round++) {
        static const char *const suffixes[] = {"", ".new", ".lock"};

        (void)snprintf(path, sizeof(path), "%s.new", place->path);
        if (round == 1) /* in the first it was root's, of the creation */
            assert_int_equal(unlink(path), 0);
        ring = must_open(place, NULL);
        assert_int_equal(aw_keyring_reseal(ring, NULL, NULL), AW_OK);
        aw_keyring_close(&ring);
        for (size_t i = 0; i < AW_ARRAY_LEN(suffixes); i++) {
            (void)snprintf(path, sizeof(path), "%s%s", place->path, suffixes[i]);
            assert_int_equal(stat(path, &file), 0);
            assert_int_equal(file.st_uid, 12345);
            assert_int_equal(file.st_gid, 23456);
            assert_int_equal(file.st_mode & 0777, 0600);
        }
    }
}

static void
test_refused(void **state)
{
    const struct place      *place = *state;
    struct aw_keyring_config config = {.path = place->path};
    struct aw_keyring       *ring = NULL;
    struct aw_why            why = {""};
    uint8_t                  bytes[4096], other[16] = "another store";
    struct stat              file;
    size_t                   len;

    assert_int_equal(aw_keyring_open(&ring, &config, uuid, &why), AW_E_NOT_FOUND);
    must_create(place);
    assert_int_equal(stat(place->path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    must_create(place); /* a creation that did not end leaves one that was never used */
    assert_int_equal(aw_keyring_open(&ring, &config, other, &why), AW_E_CONFIG);
    ring = must_begin(place, 1, 0);
    aw_keyring_close(&ring);
    assert_int_equal(aw_keyring_create(&config, other, &why), AW_E_IN_USE);
    ring = must_open(place, NULL);
    assert_int_equal(aw_keyring_begin(ring, 1, 2, false, 0, &why), AW_E_CONFIG); /* older than the store */
    aw_keyring_close(&ring);
    len = read_file(place->path, bytes, sizeof(bytes));
    for (size_t i = 0; i < len; i += 3) {
        bytes[i] ^= 4;
        write_file(place->path, bytes, len);
        assert_int_not_equal(aw_keyring_open(&ring, &config, uuid, &why), AW_OK);
        bytes[i] ^= 4;
    }
    for (size_t cut = 0; cut < len; cut += 7) {
        write_file(place->path, bytes, cut);
        assert_int_not_equal(aw_keyring_open(&ring, &config, uuid, &why), AW_OK);
    }
    write_file(place->path, bytes, len);
    ring = must_open(place, NULL);
    aw_keyring_close(&ring);
}

static off_t
size_of(const char *path)
{
    struct stat file;

    assert_int_equal(stat(path, &file), 0);
    return file.st_size;
}

/* A start that fails before anything is written leaves the file as large as it was, and one that wrote a thing does not. */
static void
test_starts_that_fail(void **state)
{
    const struct place    *place = *state;
    char                   folder[300];
    struct aw_store_config config = KIT_CONFIG(folder);
    struct aw_journal     *journal = NULL;
    struct aw_table       *table = NULL;
    off_t                  bytes = 0;

    (void)snprintf(folder, sizeof(folder), "%s/store", place->scratch);
    config.keys = place->path;
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(aw_lmdb_open(&journal, &table, &config, NULL), AW_OK);
        assert_int_equal(aw_keyring_last_generation(aw_lmdb_keyring(journal)), 0); /* also should it be killed here */
        if (i % 2 != 0) {
            assert_int_equal(aw_lmdb_begin(journal, NULL), AW_OK);
            assert_int_equal(aw_lmdb_begin(journal, NULL), AW_OK); /* once */
            assert_int_equal(aw_keyring_last_generation(aw_lmdb_keyring(journal)), 1);
            if (i > 2) /* in a transaction that is never committed */
                assert_int_equal(
                    aw_journal_set_anchor(journal, &(struct aw_journal_anchor){.next_seq = 1, .kept_seq = 1, .body_seq = 1}),
                    AW_OUTCOME_OK);
        }
        aw_journal_close(&journal);
        assert_true(i == 0 || size_of(place->path) == bytes);
        bytes = size_of(place->path);
    }
    for (uint32_t i = 1; i < 4; i++) {
        assert_int_equal(aw_lmdb_open(&journal, &table, &config, NULL), AW_OK);
        assert_int_equal(aw_lmdb_begin(journal, NULL), AW_OK);
        assert_int_equal(aw_journal_set_anchor(journal, &(struct aw_journal_anchor){.next_seq = 1, .kept_seq = 1, .body_seq = 1}),
                         AW_OUTCOME_OK);
        assert_int_equal(aw_journal_flush(journal), AW_OUTCOME_OK);
        aw_journal_close(&journal);
        assert_int_equal(nodes_of(place), i);
    }
}

/* While it runs: what is sealed before and after is read by the file of after; what was sealed before is not erased with what has
 * the same place in the tree; and keys of a generation that ended go when nothing of it is stored, as with a start. */
static void
test_renewed(void **state)
{
    const struct place *place = *state;
    const uint64_t      gone[] = {7, 12};
    struct aw_keyring  *ring;
    uint8_t old[BODY_ROOM], young[BODY_ROOM], sealed[TEXT_LEN + AW_SEALED_VALUE_BYTES], text[64], before[8192], after[8192];
    struct aw_slice value;
    size_t          len;

    must_create(place);
    ring = must_begin(place, 5, 0);
    seal_text(ring, 7, old);
    assert_true(aw_keyring_seal_value(ring, 3, AW_SLICE(TEXT), sealed));
    assert_false(aw_keyring_use_next(ring, 8));
    assert_int_equal(aw_keyring_renew(ring, 7, 0, NULL), AW_OK);
    len = read_file(place->path, before, sizeof(before));
    assert_int_equal(aw_keyring_renew(ring, 7, 0, NULL), AW_OK); /* one is ready */
    assert_int_equal(read_file(place->path, after, sizeof(after)), len);
    assert_memory_equal(before, after, len);
    assert_int_equal(aw_keyring_generation(ring), 1);
    assert_false(aw_keyring_has_ended(ring));
    assert_true(aw_keyring_use_next(ring, 10));
    assert_int_equal(aw_keyring_generation(ring), 2);
    assert_true(aw_keyring_has_ended(ring));
    seal_text(ring, 12, young);
    assert_int_equal(unseal_text(ring, 7, old), AW_OK);
    assert_int_equal(unseal_text(ring, 12, young), AW_OK);
    assert_int_equal(aw_keyring_note_ended(ring, NULL), AW_OK);
    assert_false(aw_keyring_has_ended(ring));
    assert_int_equal(aw_keyring_erase(ring, gone, 1, 13, 1, NULL), AW_OK);
    assert_int_equal(unseal_text(ring, 7, old), AW_E_NOT_FOUND);
    assert_int_equal(unseal_text(ring, 12, young), AW_OK);
    assert_int_equal(aw_keyring_unseal_value(ring, 3, aw_slice_of(sealed, sizeof(sealed)), text, &value), AW_OK);
    assert_int_equal(aw_keyring_erase(ring, gone, 0, 13, 9, NULL), AW_OK); /* its last record may be there */
    assert_int_equal(aw_keyring_unseal_value(ring, 3, aw_slice_of(sealed, sizeof(sealed)), text, &value), AW_OK);
    assert_true(nodes_of(place) > 1);
    assert_int_equal(aw_keyring_erase(ring, gone, 0, 13, 10, NULL), AW_OK);
    assert_int_equal(nodes_of(place), 1);
    assert_int_equal(aw_keyring_unseal_value(ring, 3, aw_slice_of(sealed, sizeof(sealed)), text, &value), AW_OK);
    assert_int_equal(aw_keyring_erase(ring, gone + 1, 1, 13, 10, NULL), AW_OK);
    assert_int_equal(unseal_text(ring, 12, young), AW_E_NOT_FOUND);
    aw_keyring_close(&ring);
    ring = must_begin(place, 20, 2);
    assert_int_equal(aw_keyring_generation(ring), 3);
    assert_int_equal(unseal_text(ring, 12, young), AW_E_NOT_FOUND);
    aw_keyring_close(&ring);
}

/* An erasure between: it says where the one before ended, and one that is ready meanwhile stays so. One that was never used is no
 * harm, and a start goes on behind it. */
static void
test_renewed_and_erased(void **state)
{
    const struct place *place = *state;
    const uint64_t      gone[] = {7, 12};
    struct aw_keyring  *ring;
    uint8_t             old[BODY_ROOM], young[BODY_ROOM];

    must_create(place);
    ring = must_begin(place, 5, 0);
    seal_text(ring, 7, old);
    assert_int_equal(aw_keyring_renew(ring, 7, 0, NULL), AW_OK);
    assert_int_equal(aw_keyring_erase(ring, gone, 1, 8, 1, NULL), AW_OK);
    assert_true(aw_keyring_use_next(ring, 10));
    seal_text(ring, 12, young);
    assert_int_equal(aw_keyring_erase(ring, gone + 1, 1, 13, 10, NULL), AW_OK);
    assert_false(aw_keyring_has_ended(ring));
    assert_int_equal(unseal_text(ring, 7, old), AW_E_NOT_FOUND);
    assert_int_equal(unseal_text(ring, 12, young), AW_E_NOT_FOUND);
    seal_text(ring, 13, young);
    assert_int_equal(aw_keyring_renew(ring, 13, 0, NULL), AW_OK);
    aw_keyring_close(&ring);
    ring = must_begin(place, 14, 2);
    assert_int_equal(aw_keyring_generation(ring), 4);
    assert_int_equal(unseal_text(ring, 13, young), AW_OK);
    aw_keyring_close(&ring);
}

/* A file with as many generations as it takes, of ten records each, and the store is at the last one of them. */
static void
fill(const struct place *place)
{
    static const struct aw_key_secret none;
    struct aw_keys                    keys;
    uint8_t                           of[16];

    assert_int_equal(aw_keyfile_read(place->path, NULL, &keys, of, NULL), AW_OK);
    free(keys.generations);
    aw_keytree_fini(&keys.tree);
    keys.generations = calloc(AW_KEYRING_GENERATIONS_MAX, sizeof(keys.generations[0]));
    assert_non_null(keys.generations);
    for (uint32_t i = 0; i < AW_KEYRING_GENERATIONS_MAX; i++) {
        struct aw_keynode root = {.generation = i + 1, .level = AW_KEYTREE_LEVELS};

        memset(&root.key, (int)(i % 251), sizeof(root.key));
        keys.generations[i] = (struct aw_key_generation){.number = i + 1, .from = 1 + 10 * i, .until = 11 + 10 * i};
        keys.generations[i].value_key = root.key;
        assert_true(aw_keytree_add(&keys.tree, &root));
    }
    keys.generations[AW_KEYRING_GENERATIONS_MAX - 1].until = UINT64_MAX;
    keys.last_generation = keys.generation_count = AW_KEYRING_GENERATIONS_MAX;
    assert_int_equal(aw_keyfile_replace(place->path, &none, &keys, of, NULL), AW_OK);
    aw_keys_fini(&keys);
}

/* Which generations it has: the first, the second, and how many. */
static void
check_first(const struct place *place, uint32_t first, uint32_t second, uint32_t count)
{
    struct aw_keys keys;
    uint8_t        of[16];

    assert_int_equal(aw_keyfile_read(place->path, NULL, &keys, of, NULL), AW_OK);
    assert_int_equal(keys.generations[0].number, first);
    assert_int_equal(keys.generations[1].number, second);
    assert_int_equal(keys.generation_count, count);
    assert_int_equal(keys.tree.count, count); /* with a generation its root goes, and no other */
    aw_keys_fini(&keys);
}

/* A full file: one more takes the place of the oldest of which nothing is stored, and of no other; what that had sealed is known as
 * gone. While there is none no fresh ones are made, but starts go on. */
static void
test_full(void **state)
{
    const struct place *place = *state;
    struct aw_keyring  *ring;
    uint8_t             value[TEXT_LEN + AW_SEALED_VALUE_BYTES], out[64];
    const uint32_t      max = AW_KEYRING_GENERATIONS_MAX;
    const uint64_t      seq = UINT64_C(11) + 10 * max;
    struct aw_slice     opened;
    struct aw_why       why = {""};

    must_create(place);
    ring = must_begin(place, 1, 0);
    assert_false(aw_keyring_is_full(ring));
    assert_true(aw_keyring_seal_value(ring, 1, AW_SLICE(TEXT), value));
    aw_keyring_close(&ring);
    fill(place);
    ring = must_open(place, NULL);
    assert_true(aw_keyring_is_full(ring));
    assert_int_equal(aw_keyring_begin(ring, seq, max, false, 10, &why), AW_OK); /* the first may have record 10 */
    check_first(place, 1, 2, max + 1);
    assert_int_equal(aw_keyring_renew(ring, seq, 10, &why), AW_E_TABLE_FULL);
    assert_int_equal(aw_keyring_erase(ring, NULL, 0, 1, 11, &why), AW_OK); /* it has no part in that, but for bodies */
    assert_int_equal(aw_keyring_unseal_value(ring, 1, aw_slice_of(value, sizeof(value)), out, &opened), AW_E_CORRUPT); /* ours */
    assert_int_equal(aw_keyring_renew(ring, seq, 11, &why), AW_E_TABLE_FULL); /* one is not enough: a start took a place */
    assert_int_equal(aw_keyring_renew(ring, seq, 41, &why), AW_OK);
    check_first(place, 3, 4, max);
    assert_true(aw_keyring_use_next(ring, seq));
    assert_int_equal(aw_keyring_renew(ring, seq, 41, &why), AW_OK);
    check_first(place, 4, 5, max);
    assert_int_equal(aw_keyring_unseal_value(ring, 1, aw_slice_of(value, sizeof(value)), out, &opened), AW_E_NOT_FOUND);
    aw_keyring_close(&ring);
    ring = must_open(place, NULL);
    assert_int_equal(aw_keyring_begin(ring, seq, max + 2, false, 41, &why), AW_OK);
    check_first(place, 5, 6, max);
    aw_keyring_close(&ring);
}

static void
test_secret(void **state)
{
    const struct place      *place = *state;
    struct aw_keyring_config config = {.path = place->path, .secret_path = place->secret};
    struct aw_keyring       *ring = NULL;
    uint8_t                  sealed[BODY_ROOM], secret[64];
    struct aw_hash_key       salt = {{1}}, one, two;

    memset(secret, 'a', sizeof(secret));
    assert_int_equal(aw_keyring_create(&config, uuid, NULL), AW_E_CONFIG); /* no such secret */
    write_file(place->secret, secret, AW_KEYRING_SECRET_BYTES_MIN - 1);
    assert_int_equal(aw_keyring_create(&config, uuid, NULL), AW_E_CONFIG);
    write_file(place->secret, secret, sizeof(secret));
    assert_int_equal(aw_keyring_create(&config, uuid, NULL), AW_OK);
    ring = must_open(place, place->secret);
    assert_int_equal(aw_keyring_begin(ring, 1, 0, false, 0, NULL), AW_OK);
    seal_text(ring, 1, sealed);
    one = aw_keyring_hash_key(ring, AW_SLICE("table"), &salt);
    two = aw_keyring_hash_key(ring, AW_SLICE("token"), &salt);
    assert_memory_not_equal(&one, &two, sizeof(one));
    aw_keyring_close(&ring);
    config.secret_path = NULL;
    assert_int_equal(aw_keyring_open(&ring, &config, uuid, NULL), AW_E_CONFIG);
    ring = must_open(place, place->secret);
    secret[5] = 'b';
    write_file(place->secret, secret, sizeof(secret));
    assert_int_equal(aw_keyring_reseal(ring, place->secret, NULL), AW_OK);
    aw_keyring_close(&ring);
    ring = must_open(place, place->secret);
    assert_int_equal(unseal_text(ring, 1, sealed), AW_OK);
    two = aw_keyring_hash_key(ring, AW_SLICE("table"), &salt);
    assert_memory_equal(&one, &two, sizeof(one));
    assert_int_equal(aw_keyring_reseal(ring, NULL, NULL), AW_OK);
    aw_keyring_close(&ring);
    ring = must_open(place, NULL);
    aw_keyring_close(&ring);
}

/* Random cuts over a few generations, some far apart: the tree against a plain set. */
static void
test_random_cuts(void **state)
{
    struct aw_keytree  tree = {NULL, 0, 0};
    struct kit_random  random = {20};
    struct aw_keynode  root = {.level = AW_KEYTREE_LEVELS};
    bool               gone[2][512] = {{false}};
    struct aw_seal_key key, keys[512];

    (void)state;
    for (uint32_t generation = 1; generation <= 2; generation++) {
        root.generation = generation;
        memset(&root.key, (int)generation, sizeof(root.key));
        assert_true(aw_keytree_add(&tree, &root));
    }
    for (uint64_t i = 0; i < AW_ARRAY_LEN(keys); i++)
        assert_true(aw_keytree_leaf(aw_keytree_find(&tree, 1, i), i, &keys[i]));
    for (unsigned round = 0; round < 60; round++) {
        uint64_t          leaves[2][4];
        struct aw_keycut  cuts[2];
        struct aw_keytree next = {NULL, 0, 0};

        for (unsigned g = 0; g < 2; g++) {
            uint64_t at = kit_below(&random, 100);
            size_t   count = kit_below(&random, 5);

            for (size_t i = 0; i < count; i++, at += 1 + kit_below(&random, 100)) {
                leaves[g][i] = at;
                gone[g][at] = true;
            }
            cuts[g] = (struct aw_keycut){.generation = g + 1, .leaves = leaves[g], .count = count};
        }
        assert_true(aw_keytree_cut(&tree, cuts, 2, &next));
        aw_keytree_fini(&tree);
        tree = next;
        for (uint64_t i = 0; i < AW_ARRAY_LEN(keys); i++) {
            assert_int_equal(aw_keytree_find(&tree, 1, i) == NULL, gone[0][i]);
            assert_int_equal(aw_keytree_find(&tree, 2, i) == NULL, gone[1][i]);
        }
        assert_non_null(aw_keytree_find(&tree, 2, AW_KEYTREE_LEAVES - 1));
        assert_null(aw_keytree_find(&tree, 3, 1));
    }
    for (uint64_t i = 0; i < AW_ARRAY_LEN(keys); i++) {
        if (gone[0][i])
            continue;
        assert_true(aw_keytree_leaf(aw_keytree_find(&tree, 1, i), i, &key));
        assert_memory_equal(&key, &keys[i], sizeof(key));
    }
    assert_true(tree.count < 2 * 512 + 2 * 3 * AW_KEYTREE_LEVELS);
    aw_keytree_fini(&tree);
}

/* The next file's blocks lie ready, empty, and it is of them that the next file is made. */
static void
test_ready_for_a_full_disk(void **state)
{
    const struct place *place = *state;
    uint64_t            seq = 7;
    struct aw_keyring  *ring;
    struct stat         now, ready, next;
    char                fresh[310];
    uint8_t             bytes[1 << 17];
    size_t              len;

    (void)snprintf(fresh, sizeof(fresh), "%s.new", place->path);
    must_create(place);
    for (uint32_t starts = 0; starts < 3; starts++) {
        assert_int_equal(stat(place->path, &now), 0);
        assert_int_equal(stat(fresh, &ready), 0);
        assert_true(ready.st_size > now.st_size && ready.st_blocks * 512 >= ready.st_size);
        assert_int_equal(ready.st_mode & 0777, 0600);
        ring = must_begin(place, 1 + 100 * (uint64_t)starts, starts);
        assert_int_equal(stat(place->path, &next), 0);
        assert_true(next.st_ino == ready.st_ino);
        aw_keyring_close(&ring);
    }
    ring = must_begin(place, 301, 3);
    assert_int_equal(aw_keyring_erase(ring, &seq, 1, 1, 1, NULL), AW_OK);
    aw_keyring_close(&ring);
    len = read_file(fresh, bytes, sizeof(bytes));
    assert_true(len > 0 && len < sizeof(bytes));
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_seal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_erase, setup, teardown),
        cmocka_unit_test_setup_teardown(test_floor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tried_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_locked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_linked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_starts_that_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_renewed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_renewed_and_erased, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_secret, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ready_for_a_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_cuts, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
