/* secret.c - see secret.h. */
#include "base/secret.h"

#include <openssl/crypto.h>

bool
aw_secret_eq(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

void
aw_secret_wipe(void *bytes, size_t len)
{
    if (len > 0)
        OPENSSL_cleanse(bytes, len);
}
