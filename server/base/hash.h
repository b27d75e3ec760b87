/* hash.h - the three hashes: CRC-32C finds damage, SipHash finds equals, SHA-256 proves.
 *
 * Thread: any; aw_hash_init once before. Sources: CRC-32C RFC 3720 appendix B.4; SipHash-2-4 with 128 bits of output (Aumasson,
 * Bernstein 2012) from libsodium, keyed, so that nobody outside can aim at our tables; SHA-256 FIPS 180-4 from OpenSSL.
 */
#ifndef AW_BASE_HASH_H
#define AW_BASE_HASH_H

#include "base/assert.h"
#include "base/slice.h"

#include <stdint.h>

struct aw_hash_key {
    uint8_t bytes[16];
};
struct aw_hash128 {
    uint64_t low;
    uint64_t high;
};
struct aw_sha256 {
    uint8_t bytes[32];
};

/* Chooses the CPU's way to do CRC-32C and starts the libraries. False when a library refuses to start. */
AW_MUST_USE bool aw_hash_init(void);
/* Continues from `crc` (0 at first). */
uint32_t aw_crc32c(uint32_t crc, const void *bytes, size_t len);
/* The same without the CPU's instruction: what other machines use, and what the test compares with. */
uint32_t          aw_crc32c_soft(uint32_t crc, const void *bytes, size_t len);
struct aw_hash128 aw_hash128(const struct aw_hash_key *key, const void *bytes, size_t len);
uint64_t          aw_hash64(const struct aw_hash_key *key, const void *bytes, size_t len);
/* Without a key, for names that only those give who may set things up: who can choose what is hashed can make a table slow. FNV-1a,
 * 64 bits (Fowler, Noll, Vo 1991). */
uint64_t aw_hash_name(const void *bytes, size_t len);
/* SHA-256 over the parts in order. False when the library fails (out of memory). */
AW_MUST_USE bool aw_sha256(const struct aw_slice *parts, size_t count, struct aw_sha256 *ret_hash);
/* Fills with random bytes from the kernel. False when the kernel has none. */
AW_MUST_USE bool aw_random(void *bytes, size_t len);

static inline bool
aw_hash128_eq(struct aw_hash128 a, struct aw_hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

#endif
