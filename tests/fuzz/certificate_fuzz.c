/* certificate_fuzz.c - any bytes as a certificate (DER): who a client is by it, and what is told of one that is served. Names have
 * no NUL and no blank, and fit.
 */
#include "base/assert.h"
#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_about(X509 *cert)
{
    SSL_CTX            *ctx = SSL_CTX_new(TLS_server_method());
    struct aw_tls_about about;

    AW_ASSERT(ctx != NULL);
    if (SSL_CTX_use_certificate(ctx, cert) == 1) {
        aw_tls_about(ctx, &about);
        AW_ASSERT(about.ends_at > 0 && strlen(about.serial) < sizeof(about.serial) && strlen(about.names) < sizeof(about.names));
        AW_ASSERT(strspn(about.serial, "0123456789abcdef") == strlen(about.serial));
        for (const char *at = about.names; *at != '\0'; at++)
            AW_ASSERT(*at > ' ' && *at <= '~');
    }
    SSL_CTX_free(ctx);
    ERR_clear_error();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const unsigned char *at = data;
    char                 identity[AW_TLS_IDENTITY_BYTES];
    X509                *cert = d2i_X509(NULL, &at, (long)size);
    size_t               len;

    ERR_clear_error();
    if (cert == NULL)
        return 0;
    len = aw_tls_identity_of(cert, identity);
    AW_ASSERT(len <= sizeof(identity) && memchr(identity, '\0', len) == NULL && ERR_peek_error() == 0);
    check_about(cert);
    X509_free(cert);
    return 0;
}
