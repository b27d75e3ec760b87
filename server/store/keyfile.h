/* keyfile.h - what a key file holds, and how it is read and replaced.
 *
 *   head   12 "aswolk keys\n", u32 format, 16 uuid of the store, u32 1 when a secret seals the rest, u64 bytes of the rest,
 *          16 salt
 *   rest   AES-256-GCM under SHA-256(word, salt, secret), or clear with the first 16 bytes of SHA-256(head, rest) behind it:
 *          32 secret of hashes, u64 erased_through, u32 last generation, u32 generations, u64 nodes, then those
 *          as they lie in memory
 * Little-endian. Replaced whole: FILE.new is written and synced, renamed, and its folder synced; it is
 * whose the old one was. Then an empty FILE.new gets the
 * blocks for the next time, when the disk may be full.
 *
 * To change it: raise the format, and read the older one. Who owns: the keyring. Thread: one. Fails: as said at each.
 */
#ifndef AW_STORE_KEYFILE_H
#define AW_STORE_KEYFILE_H

#include "base/why.h"
#include "store/keytree.h"

struct aw_key_generation {
    uint32_t           number;
    uint32_t           reserved;
    uint64_t           from;  /* it was begun for records from this one on */
    uint64_t           until; /* the store went on from this one under the next; UINT64_MAX: it was not seen to */
    struct aw_seal_key value_key;
};
AW_STATIC_ASSERT(sizeof(struct aw_key_generation) == 56, "no holes");

struct aw_keys {
    struct aw_seal_key        hash_secret;
    uint64_t                  erased_through;
    uint32_t                  last_generation; /* 0: never used */
    uint32_t                  generation_count;
    struct aw_key_generation *generations; /* owns; ascending by number */
    struct aw_keytree         tree;        /* owns */
};

/* What seals the file; len 0: nothing does. */
struct aw_key_secret {
    size_t  len;
    uint8_t bytes[4096];
};

void aw_keys_fini(struct aw_keys *keys); /* wipes */
/* Gives the open file, which lies beside the key file `path`, to whose that is: root replaces the file of a service, as `aswolk
 * rotate-key` does, and it stays that service's. Who is not root gives nothing away: what he writes is his. False: errno says. */
AW_MUST_USE bool aw_keyfile_keep_owner(int fd, const char *path);
/* The secret that lies in this file; NULL: none. AW_E_CONFIG. */
AW_MUST_USE enum aw_err aw_key_secret_read(const char *path, struct aw_key_secret *ret_secret, struct aw_why *why);
/* AW_E_NOT_FOUND, AW_E_IO, AW_E_CORRUPT, AW_E_VERSION, AW_E_CONFIG (another secret), AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_keyfile_read(const char *path, const struct aw_key_secret *secret, struct aw_keys *ret_keys,
                                        uint8_t ret_uuid[16], struct aw_why *why);
/* AW_E_MEMORY: what was there still is. AW_E_IO: it is, or the new one is there and a power cut may bring the old one back. */
AW_MUST_USE enum aw_err aw_keyfile_replace(const char *path, const struct aw_key_secret *secret, const struct aw_keys *keys,
                                           const uint8_t uuid[16], struct aw_why *why);

#endif
