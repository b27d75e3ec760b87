/* seal.h - bytes that only who has the key can read, and nobody can change unseen: AES-256-GCM (NIST SP 800-38D) from OpenSSL.
 *
 * A key must never seal two values under one nonce: whoever seals sees to it. Owns nothing but a context a thread, which ends with
 * its thread. Thread: any; aw_seal_init once before. Fails only when the library does (out of memory).
 */
#ifndef AW_BASE_SEAL_H
#define AW_BASE_SEAL_H

#include "base/assert.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

#define AW_SEAL_TAG_BYTES 16U

struct aw_seal_key {
    uint8_t bytes[32];
};
struct aw_seal_nonce {
    uint8_t bytes[12];
};

AW_MUST_USE bool aw_seal_init(void);
/* Writes plain.len + AW_SEAL_TAG_BYTES to `to`. `about` is not written; the same must be there when it is opened. */
AW_MUST_USE bool aw_seal(const struct aw_seal_key *key, const struct aw_seal_nonce *nonce, struct aw_slice about,
                         struct aw_slice plain, uint8_t *to);
/* Writes sealed.len - AW_SEAL_TAG_BYTES to `to`; after a failure what is there means nothing. AW_E_CORRUPT: it was not sealed so.
 * AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_unseal(const struct aw_seal_key *key, const struct aw_seal_nonce *nonce, struct aw_slice about,
                                  struct aw_slice sealed, uint8_t *to);
/* Zeros that no compiler leaves out. */
void aw_wipe(void *bytes, size_t len);

#endif
