#include "base/hash.h"

#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/random.h>

AW_STATIC_ASSERT(sizeof(struct aw_hash_key) == crypto_shorthash_siphashx24_KEYBYTES, "key of SipHash");
AW_STATIC_ASSERT(sizeof(struct aw_hash_key) == crypto_shorthash_siphash24_KEYBYTES, "key of SipHash");
AW_STATIC_ASSERT(crypto_shorthash_siphashx24_BYTES == 16, "128 bits");

/* Written by aw_hash_init before the threads start, then read-only for all. */
static uint32_t (*crc32c_way)(uint32_t crc, const void *bytes, size_t len);
static uint32_t      crc32c_table[8][256];
static EVP_MD       *sha256_md;  /* owns, until the process ends; fetching it by name costs more than hashing a short message */
static pthread_key_t sha256_key; /* frees sha256_ctx when its thread ends */

static _Thread_local EVP_MD_CTX *sha256_ctx; /* owns */

/* CRC-32C, RFC 3720 appendix B.4: reflected polynomial, all ones in, complement out. Table k carries a byte over k more bytes. */
static void
fill_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;

        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (UINT32_C(0x82F63B78) & (0 - (crc & 1)));
        crc32c_table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 1; k < 8; k++) {
            uint32_t crc = crc32c_table[k - 1][i];

            crc32c_table[k][i] = (crc >> 8) ^ crc32c_table[0][crc & 0xFF];
        }
    }
}

static uint64_t
load_le64(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return le64toh(word);
}

uint32_t
aw_crc32c_soft(uint32_t crc, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    AW_ASSERT(crc32c_way != NULL);
    crc = ~crc;
    for (; len >= 8; len -= 8, at += 8) {
        uint64_t word = load_le64(at) ^ crc;

        crc = 0;
        for (unsigned k = 0; k < 8; k++)
            crc ^= crc32c_table[7 - k][(word >> (8 * k)) & 0xFF];
    }
    for (; len > 0; len--, at++)
        crc = (crc >> 8) ^ crc32c_table[0][(crc ^ *at) & 0xFF];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    uint64_t       wide = (uint32_t)~crc;

    for (; len >= 8; len -= 8, at += 8)
        wide = __builtin_ia32_crc32di(wide, load_le64(at));
    crc = (uint32_t)wide;
    for (; len > 0; len--, at++)
        crc = __builtin_ia32_crc32qi(crc, *at);
    return ~crc;
}
#endif

uint32_t
aw_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    AW_ASSERT(crc32c_way != NULL);
    return crc32c_way(crc, bytes, len);
}

static void
free_ctx(void *ctx)
{
    EVP_MD_CTX_free(ctx);
    sha256_ctx = NULL;
}

bool
aw_hash_init(void)
{
    if (crc32c_way != NULL)
        return true;
    if (sodium_init() < 0)
        return false;
    sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (sha256_md == NULL)
        return false;
    if (pthread_key_create(&sha256_key, free_ctx) != 0) {
        EVP_MD_free(sha256_md);
        return false;
    }
    fill_table();
    crc32c_way = aw_crc32c_soft;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        crc32c_way = crc32c_sse42;
#endif
    return true;
}

struct aw_hash128
aw_hash128(const struct aw_hash_key *key, const void *bytes, size_t len)
{
    uint8_t out[crypto_shorthash_siphashx24_BYTES];

    (void)crypto_shorthash_siphashx24(out, bytes, len, key->bytes); /* always 0 */
    return (struct aw_hash128){.low = load_le64(out), .high = load_le64(out + 8)};
}

uint64_t
aw_hash64(const struct aw_hash_key *key, const void *bytes, size_t len)
{
    uint8_t out[crypto_shorthash_siphash24_BYTES];

    (void)crypto_shorthash_siphash24(out, bytes, len, key->bytes); /* always 0 */
    return load_le64(out);
}

/* The calling thread's context; a fresh one for each hash would be two calls of malloc. */
static EVP_MD_CTX *
ctx_of_thread(void)
{
    EVP_MD_CTX *ctx = sha256_ctx;

    if (ctx != NULL)
        return ctx;
    ctx = EVP_MD_CTX_new();
    if (ctx == NULL)
        return NULL;
    if (pthread_setspecific(sha256_key, ctx) != 0) {
        EVP_MD_CTX_free(ctx);
        return NULL;
    }
    sha256_ctx = ctx;
    return ctx;
}

bool
aw_sha256(const struct aw_slice *parts, size_t count, struct aw_sha256 *ret_hash)
{
    EVP_MD_CTX      *ctx;
    struct aw_sha256 hash;

    AW_ASSERT(sha256_md != NULL);
    ctx = ctx_of_thread();
    if (ctx == NULL || EVP_DigestInit_ex2(ctx, sha256_md, NULL) != 1)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0 && EVP_DigestUpdate(ctx, parts[i].ptr, parts[i].len) != 1)
            return false;
    }
    if (EVP_DigestFinal_ex(ctx, hash.bytes, NULL) != 1)
        return false;
    *ret_hash = hash;
    return true;
}

bool
aw_random(void *bytes, size_t len)
{
    uint8_t *at = bytes;

    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        len -= (size_t)got;
    }
    return true;
}

uint64_t
aw_hash_name(const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    uint64_t       hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ from[i]) * UINT64_C(0x100000001b3);
    return hash;
}
