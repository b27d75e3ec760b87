/* tls.h - contexts for TLS 1.3 (1.2 by setting) with ALPN h2, from files or from memory; mutual TLS; reload.
 *
 * An SSL_CTX is counted by references: a connection holds one, so an old context lives until its last connection is closed.
 * Thread: any, but a context is made by one. aw_tls_reload changes only the pointer that it is given: one pointer a thread, or
 * handed over by a mailbox.
 * Fails: AW_E_CONFIG (a file, key or certificate is wrong), AW_E_MEMORY; `why` says which and how.
 */
#ifndef AW_HTTP_TLS_H
#define AW_HTTP_TLS_H

#include "base/err.h"
#include "base/slice.h"
#include "base/time.h"
#include "base/why.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

/* Each of these as the path of a PEM file, or, where the path is NULL, as PEM bytes. Borrowed during the call. */
struct aw_tls_config {
    const char     *cert_path; /* the server's certificate and its chain, in order */
    const char     *key_path;
    const char     *client_ca_path; /* with it, or client_ca_pem, every client must have a certificate of this authority */
    struct aw_slice cert_pem;
    struct aw_slice key_pem;
    struct aw_slice client_ca_pem;
    bool            allow_tls12; /* with ECDHE and AES-GCM or ChaCha20 only (RFC 9113 section 9.2.2) */
    aw_ms           now;         /* certificates are checked against this time */
};

/* A context that was checked: the key fits, the certificate is valid now, each certificate of the chain signs the one before. */
AW_MUST_USE enum aw_err aw_tls_new(SSL_CTX **ret_ctx, const struct aw_tls_config *config, struct aw_why *why);
/* Builds and checks a whole new context, then puts it in the place of *ctx, whose reference is given back. On failure *ctx stays as
 * it was. Ticket keys live in the context: old tickets end with it. */
AW_MUST_USE enum aw_err aw_tls_reload(SSL_CTX **ctx, const struct aw_tls_config *config, struct aw_why *why);
/* Takes the address, accepts NULL, leaves NULL. */
void aw_tls_free(SSL_CTX **ctx);

#define AW_TLS_SERIAL_BYTES 20U /* RFC 5280 section 4.1.2.2 */
/* What people want to know of the certificate that is served. */
struct aw_tls_about {
    char  serial[2 * AW_TLS_SERIAL_BYTES + 1]; /* hexadecimal digits; of a longer one the last */
    char  names[256];                          /* its DNS names and addresses, by commas, as many as fit */
    aw_ms ends_at;                             /* of the chain the one that ends first */
};
void aw_tls_about(SSL_CTX *ctx, struct aw_tls_about *ret_about);

/* A self-made certificate for --dev: P-256, localhost, 127.0.0.1 and ::1, valid from an hour before `now` for 30 days. */
struct aw_tls_pair {
    char  *cert_pem; /* owns both; NUL-terminated */
    char  *key_pem;
    size_t cert_bytes;
    size_t key_bytes;
};
/* AW_E_MEMORY or AW_OK. */
AW_MUST_USE enum aw_err aw_tls_make_pair(struct aw_tls_pair *ret_pair, aw_ms now);
/* Wipes the key. */
void aw_tls_pair_fini(struct aw_tls_pair *pair);

#define AW_TLS_IDENTITY_BYTES 256
/* Who a client proves to be by a certificate: the first URI, else the first DNS name among its alternative names; never its common
 * name. Writes bytes without a NUL; returns their number, 0 when there is no certificate, no such name, or it is longer than
 * AW_TLS_IDENTITY_BYTES or holds a NUL. Compare exactly. */
size_t aw_tls_identity_of(const X509 *cert, char identity[AW_TLS_IDENTITY_BYTES]);
/* Of the client at the other end. */
size_t aw_tls_identity(const SSL *ssl, char identity[AW_TLS_IDENTITY_BYTES]);
/* Until when the client's certificate is valid; 0: there is none. A handshake looks at it once, but connections last. */
aw_ms aw_tls_identity_ends_at(const SSL *ssl);

#endif
