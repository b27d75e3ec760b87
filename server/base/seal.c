/* seal.c - AES-256-GCM with one context a thread: to make one for each value would cost more than most values. */
#include "base/seal.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

/* Written by aw_seal_init before the threads start, then read-only for all. */
static EVP_CIPHER   *cipher;  /* owns, until the process ends */
static pthread_key_t ctx_key; /* frees the context when its thread ends */

static _Thread_local EVP_CIPHER_CTX *ctx_here; /* owns */

static void
free_ctx(void *ctx)
{
    EVP_CIPHER_CTX_free(ctx); /* wipes the keys in it */
    ctx_here = NULL;
}

bool
aw_seal_init(void)
{
    if (cipher != NULL)
        return true;
    cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (cipher == NULL)
        return false;
    if (pthread_key_create(&ctx_key, free_ctx) == 0)
        return true;
    EVP_CIPHER_free(cipher);
    cipher = NULL;
    return false;
}

static EVP_CIPHER_CTX *
ctx_of_thread(void)
{
    EVP_CIPHER_CTX *ctx = ctx_here;

    AW_ASSERT(cipher != NULL);
    if (ctx != NULL)
        return ctx;
    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL)
        return NULL;
    if (pthread_setspecific(ctx_key, ctx) != 0) {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }
    ctx_here = ctx;
    return ctx;
}

static const uint8_t *
bytes_of(struct aw_slice slice)
{
    return (const uint8_t *)slice.ptr;
}

bool
aw_seal(const struct aw_seal_key *key, const struct aw_seal_nonce *nonce, struct aw_slice about, struct aw_slice plain,
        uint8_t *to)
{
    EVP_CIPHER_CTX *ctx = ctx_of_thread();
    int             len = 0;

    AW_ASSERT(about.len <= INT_MAX);
    AW_ASSERT(plain.len <= INT_MAX);
    return ctx != NULL && EVP_EncryptInit_ex2(ctx, cipher, key->bytes, nonce->bytes, NULL) == 1 &&
           (about.len == 0 || EVP_EncryptUpdate(ctx, NULL, &len, bytes_of(about), (int)about.len) == 1) &&
           (plain.len == 0 || EVP_EncryptUpdate(ctx, to, &len, bytes_of(plain), (int)plain.len) == 1) &&
           EVP_EncryptFinal_ex(ctx, to + plain.len, &len) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AW_SEAL_TAG_BYTES, to + plain.len) == 1;
}

enum aw_err
aw_unseal(const struct aw_seal_key *key, const struct aw_seal_nonce *nonce, struct aw_slice about, struct aw_slice sealed,
          uint8_t *to)
{
    EVP_CIPHER_CTX *ctx = ctx_of_thread();
    uint8_t         tag[AW_SEAL_TAG_BYTES];
    size_t          bytes = sealed.len - AW_SEAL_TAG_BYTES;
    int             len = 0;

    if (sealed.len < AW_SEAL_TAG_BYTES || bytes > INT_MAX)
        return AW_E_CORRUPT;
    memcpy(tag, sealed.ptr + bytes, sizeof(tag));
    if (ctx == NULL || EVP_DecryptInit_ex2(ctx, cipher, key->bytes, nonce->bytes, NULL) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AW_SEAL_TAG_BYTES, tag) != 1 ||
        (about.len > 0 && EVP_DecryptUpdate(ctx, NULL, &len, bytes_of(about), (int)about.len) != 1) ||
        (bytes > 0 && EVP_DecryptUpdate(ctx, to, &len, bytes_of(sealed), (int)bytes) != 1))
        return AW_E_MEMORY;
    return EVP_DecryptFinal_ex(ctx, to + bytes, &len) == 1 ? AW_OK : AW_E_CORRUPT;
}

void
aw_wipe(void *bytes, size_t len)
{
    if (len > 0)
        OPENSSL_cleanse(bytes, len);
}
