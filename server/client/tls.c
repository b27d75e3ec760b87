/* tls.c - TLS for trunks: RFC 9113 section 9.2 (1.2 with AEAD and ECDHE, or 1.3; ALPN h2), certificates checked by default. */
#include "client/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

/* --- a socket that raises no SIGPIPE -------------------------------------------------------------------------------------- */

static int
bio_write(BIO *bio, const char *bytes, int len)
{
    int    *fd = BIO_get_data(bio);
    ssize_t n = send(*fd, bytes, (size_t)len, MSG_NOSIGNAL);

    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)n;
}

static int
bio_read(BIO *bio, char *bytes, int len)
{
    int    *fd = BIO_get_data(bio);
    ssize_t n = recv(*fd, bytes, (size_t)len, 0);

    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(bio);
    return (int)n;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP || command == BIO_CTRL_PUSH || command == BIO_CTRL_POP ? 1 : 0;
}

static BIO_METHOD *
bio_method(void)
{
    static BIO_METHOD *method; /* one a process, for ever */

    if (method != NULL)
        return method;
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "aswolk socket");
    if (method == NULL)
        return NULL;
    if (BIO_meth_set_write(method, bio_write) != 1 || BIO_meth_set_read(method, bio_read) != 1 ||
        BIO_meth_set_ctrl(method, bio_ctrl) != 1) {
        BIO_meth_free(method);
        method = NULL;
    }
    return method;
}

/* --- the context ---------------------------------------------------------------------------------------------------------- */

static const char *
last_tls_error(void)
{
    unsigned long code = ERR_peek_last_error();
    const char   *text = ERR_reason_error_string(code);

    ERR_clear_error();
    return text == NULL ? "unknown TLS error" : text;
}

enum aw_err
aw_client_tls_new(struct aw_client *client, const struct aw_client_config *config, struct aw_why *why)
{
    static const unsigned char alpn[] = {2, 'h', '2'};
    const char                *ca_file = config->ca_file;
    SSL_CTX                   *tls = SSL_CTX_new(TLS_client_method());

    client->tls = tls;
    if (tls == NULL)
        return aw_why(why, AW_E_MEMORY, "TLS context: %s", last_tls_error());
    if (SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(tls, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 || SSL_CTX_set_alpn_protos(tls, alpn, sizeof(alpn)) != 0)
        return aw_why(why, AW_E_CONFIG, "TLS context: %s", last_tls_error());
    (void)SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(tls, client->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (ca_file != NULL && SSL_CTX_load_verify_file(tls, ca_file) != 1)
        return aw_why(why, AW_E_CONFIG, "certificates in %s: %s", ca_file, last_tls_error());
    if (ca_file == NULL && SSL_CTX_set_default_verify_paths(tls) != 1)
        return aw_why(why, AW_E_CONFIG, "certificates of the system: %s", last_tls_error());
    if (config->cert_file != NULL && SSL_CTX_use_certificate_chain_file(tls, config->cert_file) != 1)
        return aw_why(why, AW_E_CONFIG, "the certificate in %s: %s", config->cert_file, last_tls_error());
    if (config->key_file != NULL && SSL_CTX_use_PrivateKey_file(tls, config->key_file, SSL_FILETYPE_PEM) != 1)
        return aw_why(why, AW_E_CONFIG, "the key in %s: %s", config->key_file, last_tls_error());
    return AW_OK;
}

/* --- one connection ------------------------------------------------------------------------------------------------------- */

/* The certificate must name what we asked for: an address as an address, a name as a name. (OpenSSL only reads `host`.) */
static bool
expect_name(SSL *ssl, char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set1_host(ssl, host) == 1 && SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host) == 1;
}

bool
aw_client_tls_start(struct aw_trunk *trunk)
{
    BIO_METHOD *method = bio_method();
    BIO        *bio = method == NULL ? NULL : BIO_new(method);

    trunk->ssl = bio == NULL ? NULL : SSL_new(trunk->client->tls);
    if (trunk->ssl == NULL || !expect_name(trunk->ssl, trunk->url.host)) {
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, &trunk->fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(trunk->ssl, bio, bio); /* takes bio */
    SSL_set_connect_state(trunk->ssl);
    return true;
}

static void
explain_handshake(struct aw_trunk *trunk, int reason)
{
    long verified = SSL_get_verify_result(trunk->ssl);

    if (verified != X509_V_OK && !trunk->client->insecure)
        (void)aw_why(&trunk->why, AW_E_IO, "certificate of %s refused: %s", trunk->url.authority,
                     X509_verify_cert_error_string(verified));
    else if (reason == SSL_ERROR_SYSCALL && ERR_peek_error() == 0)
        (void)aw_why(&trunk->why, AW_E_IO, "TLS with %s: the connection ended during the handshake", trunk->url.authority);
    else
        (void)aw_why(&trunk->why, AW_E_IO, "TLS with %s: %s", trunk->url.authority, last_tls_error());
    ERR_clear_error();
}

int
aw_client_tls_handshake(struct aw_trunk *trunk)
{
    const unsigned char *protocol;
    unsigned             len;
    int                  rc, reason;

    ERR_clear_error();
    rc = SSL_do_handshake(trunk->ssl);
    if (rc != 1) {
        reason = SSL_get_error(trunk->ssl, rc);
        if (reason == SSL_ERROR_WANT_READ) {
            ev_io_stop(trunk->client->loop, &trunk->writable);
            return 0;
        }
        if (reason == SSL_ERROR_WANT_WRITE) {
            ev_io_start(trunk->client->loop, &trunk->writable);
            return 0;
        }
        explain_handshake(trunk, reason);
        return -1;
    }
    SSL_get0_alpn_selected(trunk->ssl, &protocol, &len);
    if (!aw_slice_eq(aw_slice_of(protocol, len), AW_SLICE("h2"))) {
        (void)aw_why(&trunk->why, AW_E_PROTOCOL, "%s speaks TLS but not HTTP/2", trunk->url.authority);
        return -1;
    }
    return 1;
}

/* 0 for "wait", -1 with `why` for the rest. */
static long
explain_io(struct aw_trunk *trunk, int rc)
{
    int reason = SSL_get_error(trunk->ssl, rc);

    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)
        return 0;
    if (reason == SSL_ERROR_SSL)
        (void)aw_why(&trunk->why, AW_E_IO, "TLS with %s: %s", trunk->url.authority, last_tls_error());
    else if (reason == SSL_ERROR_SYSCALL && errno != 0)
        (void)aw_why_errno(&trunk->why, AW_E_IO, errno, "connection to %s", trunk->url.authority);
    return -1;
}

long
aw_client_tls_read(struct aw_trunk *trunk, char *bytes, size_t room)
{
    int n;

    ERR_clear_error();
    errno = 0;
    n = SSL_read(trunk->ssl, bytes, (int)room);
    return n > 0 ? n : explain_io(trunk, n);
}

long
aw_client_tls_write(struct aw_trunk *trunk, const char *bytes, size_t len)
{
    int n;

    ERR_clear_error();
    errno = 0;
    n = SSL_write(trunk->ssl, bytes, (int)len);
    return n > 0 ? n : explain_io(trunk, n);
}
