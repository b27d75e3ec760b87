/* keyring.h - the keys of one store, in a file of its own, and how a text is lost for ever (adr/0029).
 *
 * A body is sealed with a key of its own, which follows from its sequence number and a node of a tree above it. Erasing it takes
 * that node away and puts its other children in its place, level by level. Everything else that is stored is sealed with one key a
 * generation. A generation begins with each start and, while it runs, each time that one is made ready, so that no key ever
 * seals two values.
 *
 * The file is made with the store, belongs to it by uuid, and is replaced whole: what was durable before the call or what is
 * durable after it, nothing between. It lies outside the data folder, and no backup has it. One process changes it: it holds a
 * lock on FILE.lock from opening to closing. A link to the file stays one.
 *
 * Who owns: the engine, from its opening to its end. Thread: sealing by the committer; unsealing by any; the others by one thread
 * at a time, beside both. A mutex guards the nodes; it is held for a look or a swap, never over the disk, and nothing is
 * taken under it. Fails: as said; a file that could not be replaced is as it was.
 */
#ifndef AW_STORE_KEYRING_H
#define AW_STORE_KEYRING_H

#include "base/assert.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/why.h"

#include <stdint.h>

struct aw_keyring;

struct aw_keyring_config {
    const char *path;        /* of the key file */
    const char *secret_path; /* a file of at least AW_KEYRING_SECRET_BYTES_MIN random bytes that seals it; NULL: none does */
    bool        read_only;   /* for tools beside a running server: takes no lock; neither begin, erase nor reseal */
};
#define AW_KEYRING_SECRET_BYTES_MIN 32U
#define AW_KEYRING_SECRET_BYTES_MAX 4096U

/* What sealing adds. */
#define AW_SEALED_BODY_BYTES  20U /* generation, tag */
#define AW_SEALED_VALUE_BYTES 28U /* generation, number, tag */

/* A fresh one for a store that is being made, durable at return. AW_E_IN_USE: there is a key file of a store that was used, and it
 * stays; or another process has it. AW_E_IO, AW_E_CONFIG (the secret), AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_keyring_create(const struct aw_keyring_config *config, const uint8_t uuid[16], struct aw_why *why);
/* AW_E_NOT_FOUND: no such file. AW_E_IN_USE: another process may change it. AW_E_CONFIG: of another store, or under another secret.
 * AW_E_CORRUPT, AW_E_VERSION, AW_E_IO, AW_E_MEMORY. Nothing is changed. */
AW_MUST_USE enum aw_err aw_keyring_open(struct aw_keyring **ret_ring, const struct aw_keyring_config *config,
                                        const uint8_t uuid[16], struct aw_why *why);
/* Takes the address, accepts NULL, leaves NULL. Wipes what it held. */
void aw_keyring_close(struct aw_keyring **ring);

/* A new generation, for records from `next_seq` on; durable at return. `store_generation` is the last one that the store saw, 0 in
 * a new one; `is_copy`: the store is a copy that nothing was written to, and the other one may have gone on under that generation.
 * `floor_seq`: as below at aw_keyring_erase, matters when the file is full. AW_E_CONFIG: the file is older than the store.
 * AW_E_TABLE_FULL: it has AW_KEYRING_STARTS_MAX. AW_E_IO, AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_keyring_begin(struct aw_keyring *ring, uint64_t next_seq, uint32_t store_generation, bool is_copy,
                                         uint64_t floor_seq, struct aw_why *why);
/* What seals now; 0: not begun. Thread: the committer. */
uint32_t aw_keyring_generation(const struct aw_keyring *ring);
/* As if that had not begun, for a store in which nothing is that it sealed: or each start that fails would leave a generation for
 * good. Nothing when nothing was begun, or another one is ready. Where the file can't be replaced it stays as it is, which is no
 * harm. Nothing is sealed any more then. */
void aw_keyring_take_back(struct aw_keyring *ring);
/* For a store whose next record this is, before a generation is begun: AW_E_CONFIG: it would be refused. In a store that was
 * put back numbers come again, and new records ask for erasure under them: aw_keyring_erased_through says so from here on, the
 * file with what is begun. */
AW_MUST_USE enum aw_err aw_keyring_check(struct aw_keyring *ring, uint64_t next_seq, uint32_t store_generation,
                                         struct aw_why *why);

/* The next generation is made, durable at return, and used from when the committer asks for it. `from_seq`: no record that is
 * sealed by it comes before. AW_OK also when one is ready that nobody has asked for yet. AW_E_TABLE_FULL: the file is full, and
 * retention has yet to let one go. AW_E_IO, AW_E_MEMORY. Thread: who erases. */
AW_MUST_USE enum aw_err aw_keyring_renew(struct aw_keyring *ring, uint64_t from_seq, uint64_t floor_seq, struct aw_why *why);
/* From so many on the file is full: each one more takes the place of the oldest that ended below the floor, and backups that have
 * something of that one can't be read from then on. Where none has, starts go on all the same: without one nothing is taken in. */
#define AW_KEYRING_GENERATIONS_MAX 4096U
#define AW_KEYRING_STARTS_MAX      (16U * AW_KEYRING_GENERATIONS_MAX)
/* Thread: who begins or erases. */
bool aw_keyring_is_full(const struct aw_keyring *ring);
/* Whether one was ready: it seals from here on, records from `next_seq` on, and the store is to note it with the first of them.
 * Thread: the committer, between two transactions. */
bool aw_keyring_use_next(struct aw_keyring *ring, uint64_t next_seq);
/* Whether a generation has ended by that, and the file does not say where. AW_OK from the second: now it does, as it does after
 * each erase and renew; until then the keys of its bodies stay. AW_E_IO, AW_E_MEMORY. Thread: who erases. */
bool                    aw_keyring_has_ended(struct aw_keyring *ring);
AW_MUST_USE enum aw_err aw_keyring_note_ended(struct aw_keyring *ring, struct aw_why *why);
/* The newest one that the file knows. */
uint32_t aw_keyring_last_generation(struct aw_keyring *ring);

/* Seals into `to`, which has room for the bytes and what sealing adds. Each sequence number once a generation,
 * ascending. False: the library failed. Only after aw_keyring_begin. Thread: the committer. */
AW_MUST_USE bool aw_keyring_seal_body(struct aw_keyring *ring, uint64_t seq, struct aw_slice body, uint8_t *to);
/* The same of anything else; `place` says what it is and where it lies, and must be said again to unseal it. */
AW_MUST_USE bool aw_keyring_seal_value(struct aw_keyring *ring, uint64_t place, struct aw_slice value, uint8_t *to);
/* The bytes that were sealed, into `to`, which has room for sealed.len. AW_E_NOT_FOUND: it was erased; of a value, its generation
 * had to make place for a younger one. AW_E_CORRUPT: it is not what was sealed, or not here. Thread: any. */
AW_MUST_USE enum aw_err aw_keyring_unseal_body(struct aw_keyring *ring, uint64_t seq, struct aw_slice sealed, uint8_t *to,
                                               struct aw_slice *ret_body);
AW_MUST_USE enum aw_err aw_keyring_unseal_value(struct aw_keyring *ring, uint64_t place, struct aw_slice sealed, uint8_t *to,
                                                struct aw_slice *ret_value);

/* From here on nobody can read the bodies of these records, from wherever their bytes come; durable at return. Those gone already
 * are no error. `through` is the last record that asks for it: aw_keyring_erased_through says so from now on, until a backup is put
 * back that has fewer records. What lies below `floor_seq` is not stored any more in any form: the keys of its bodies go too. Value
 * keys stay, so that older backups are read: their records whole, of bodies what is above the floor. AW_E_MEMORY: nothing changed.
 * AW_E_IO: in the file perhaps, not in use. */
AW_MUST_USE enum aw_err aw_keyring_erase(struct aw_keyring *ring, const uint64_t *seqs, size_t count, uint64_t through,
                                         uint64_t floor_seq, struct aw_why *why);
uint64_t                aw_keyring_erased_through(struct aw_keyring *ring);

/* A key for hashes: follows from the file's own secret, a word, and what the store has. Not changed by any of the above. */
struct aw_hash_key aw_keyring_hash_key(const struct aw_keyring *ring, struct aw_slice word, const struct aw_hash_key *salt);

/* Writes the file anew under another secret, NULL: none. For `aswolk rotate-key`, while no server runs. AW_E_IO, AW_E_CONFIG. */
AW_MUST_USE enum aw_err aw_keyring_reseal(struct aw_keyring *ring, const char *secret_path, struct aw_why *why);

#endif
