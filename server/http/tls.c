#include "http/tls.h"

#include "base/assert.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* RFC 9113 section 9.2.2 forbids the rest of TLS 1.2. */
#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define TLS_GROUPS    "X25519:P-256:P-384"
/* Tickets are honoured so long; their keys end with the context anyway. */
#define TICKET_S     3600
#define CHAIN_DEPTH  2
#define PAIR_DAYS    30
#define PAIR_BACK_S  3600 /* for clocks that are behind ours */
#define SERIAL_BYTES 16

/* The words of OpenSSL behind ours; empties its queue, which belongs to the thread and would confuse the next operation. */
static enum aw_err
tls_why(struct aw_why *why, const char *what, const char *path)
{
    char          text[160] = "no reason given";
    unsigned long code = ERR_peek_last_error();

    if (code != 0)
        ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    return aw_why(why, AW_E_CONFIG, "%s%s%s: %s", what, path == NULL ? "" : " ", path == NULL ? "" : path, text);
}

/* Reading ----------------------------------------------------------------------------------------------------------------------*/

/* NULL when the file cannot be opened. */
static BIO *
open_pem(const char *path, struct aw_slice pem)
{
    if (path != NULL)
        return BIO_new_file(path, "r");
    return pem.len == 0 || pem.len > INT32_MAX ? NULL : BIO_new_mem_buf(pem.ptr, (int)pem.len);
}

/* A password prompt would stop the server at its start; a key with a password is an error instead. */
static int
no_password(char *buf, int size, int is_write, void *user)
{
    (void)buf;
    (void)size;
    (void)is_write;
    (void)user;
    return -1;
}

/* The end of a PEM file is an error to OpenSSL. */
static bool
is_pem_end(void)
{
    unsigned long code = ERR_peek_last_error();
    bool          is_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;

    if (is_end)
        ERR_clear_error();
    return is_end;
}

/* The leaf and the chain behind it. */
static enum aw_err
use_certificates(SSL_CTX *ctx, const struct aw_tls_config *config, struct aw_why *why)
{
    BIO  *bio = open_pem(config->cert_path, config->cert_pem);
    X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
    bool  is_good = cert != NULL && SSL_CTX_use_certificate(ctx, cert) == 1;

    X509_free(cert);
    while (is_good && (cert = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
        is_good = SSL_CTX_add0_chain_cert(ctx, cert) == 1;
        if (!is_good)
            X509_free(cert);
    }
    BIO_free(bio);
    if (!is_good || !is_pem_end())
        return tls_why(why, "cannot use the certificate", config->cert_path);
    return AW_OK;
}

static enum aw_err
use_key(SSL_CTX *ctx, const struct aw_tls_config *config, struct aw_why *why)
{
    BIO      *bio = open_pem(config->key_path, config->key_pem);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    bool      is_good = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1;

    EVP_PKEY_free(key);
    BIO_free(bio);
    if (!is_good)
        return tls_why(why, "cannot use the key", config->key_path);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return tls_why(why, "the key does not fit the certificate", config->cert_path);
    return AW_OK;
}

static enum aw_err
check_dates(const X509 *cert, aw_ms now, struct aw_why *why)
{
    time_t at = (time_t)(now / AW_MS_PER_S);
    char   name[128];

    X509_NAME_oneline(X509_get_subject_name(cert), name, sizeof(name));
    if (X509_cmp_time(X509_get0_notBefore(cert), &at) >= 0)
        return aw_why(why, AW_E_CONFIG, "the certificate of %s is not valid yet", name);
    if (X509_cmp_time(X509_get0_notAfter(cert), &at) <= 0)
        return aw_why(why, AW_E_CONFIG, "the certificate of %s has expired", name);
    return AW_OK;
}

/* Dates of all, and that each certificate was issued by the next. */
static enum aw_err
check_chain(SSL_CTX *ctx, aw_ms now, struct aw_why *why)
{
    X509 *cert = SSL_CTX_get0_certificate(ctx);
    STACK_OF(X509) *chain = NULL;
    enum aw_err err = check_dates(cert, now, why);

    if (SSL_CTX_get0_chain_certs(ctx, &chain) != 1)
        return tls_why(why, "cannot read the chain back", NULL);
    for (int i = 0; err == AW_OK && i < sk_X509_num(chain); i++) {
        X509 *issuer = sk_X509_value(chain, i);

        err = check_dates(issuer, now, why);
        if (err == AW_OK && X509_verify(cert, X509_get0_pubkey(issuer)) != 1)
            err = tls_why(why, "the certificates are not in order: one is not signed by the next", NULL);
        cert = issuer;
    }
    return err;
}

/* Settings ---------------------------------------------------------------------------------------------------------------------*/

/* RFC 7301: h2, or a fatal alert. */
static int
choose_protocol(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_len, const unsigned char *offered,
                unsigned int offered_len, void *user)
{
    (void)ssl;
    (void)user;
    for (unsigned int at = 0; at < offered_len; at += 1u + offered[at]) {
        if (offered[at] == 2 && at + 3 <= offered_len && memcmp(offered + at + 1, "h2", 2) == 0) {
            *ret_name = offered + at + 1;
            *ret_len = 2;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* A client without ALPN never reaches the callback above, so it is refused here, with the same alert. */
static int
require_alpn(SSL *ssl, int *ret_alert, void *user)
{
    const unsigned char *bytes;
    size_t               len;

    (void)user;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &bytes, &len) == 1)
        return SSL_CLIENT_HELLO_SUCCESS;
    *ret_alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
}

static bool
set_protocols(SSL_CTX *ctx, const struct aw_tls_config *config)
{
    char groups[] = TLS_GROUPS; /* the macro below casts const away */

    /* A connection cut without close_notify is closed like any other: HTTP/2 has its own marks for the end of what it carries. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* RELEASE_BUFFERS: an idle connection keeps no 34 KiB of buffers. The other two: what is retried may have moved and grown. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ctx, TICKET_S);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    SSL_CTX_set_client_hello_cb(ctx, require_alpn, NULL);
    /* Early data can be replayed. */
    return SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
           SSL_CTX_set_min_proto_version(ctx, config->allow_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ctx, TLS12_CIPHERS) == 1 && SSL_CTX_set1_groups_list(ctx, groups) == 1;
}

/* Authorities that may have signed a client's certificate: each certificate of the file. */
static enum aw_err
set_client_authority(SSL_CTX *ctx, const struct aw_tls_config *config, struct aw_why *why)
{
    static const unsigned char context[] = "aswolk";
    BIO                       *bio = open_pem(config->client_ca_path, config->client_ca_pem);
    X509                      *cert;
    int                        count = 0;
    bool                       is_good = bio != NULL;

    while (is_good && (cert = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
        is_good = X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) == 1 && SSL_CTX_add_client_CA(ctx, cert) == 1;
        X509_free(cert);
        count++;
    }
    BIO_free(bio);
    if (!is_good || count == 0 || !is_pem_end())
        return tls_why(why, "cannot use the authority of clients", config->client_ca_path);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(ctx, CHAIN_DEPTH);
    /* A resumed session would bring its certificate without a new check, so clients with certificates shake hands in full. The
     * context is set all the same: without it OpenSSL refuses whoever tries to resume. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    if (SSL_CTX_set_num_tickets(ctx, 0) != 1 || SSL_CTX_set_session_id_context(ctx, context, sizeof(context) - 1) != 1 ||
        SSL_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT) != 1)
        return tls_why(why, "cannot require certificates of clients", NULL);
    return AW_OK;
}

enum aw_err
aw_tls_new(SSL_CTX **ret_ctx, const struct aw_tls_config *config, struct aw_why *why)
{
    SSL_CTX    *ctx;
    enum aw_err err;

    ERR_clear_error();
    ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL) {
        ERR_clear_error();
        return aw_why(why, AW_E_MEMORY, "no memory for a TLS context");
    }
    err = set_protocols(ctx, config) ? AW_OK : tls_why(why, "cannot set up TLS", NULL);
    if (err == AW_OK)
        err = use_certificates(ctx, config, why);
    if (err == AW_OK)
        err = use_key(ctx, config, why);
    if (err == AW_OK)
        err = check_chain(ctx, config->now, why);
    if (err == AW_OK && (config->client_ca_path != NULL || config->client_ca_pem.len > 0))
        err = set_client_authority(ctx, config, why);
    if (err != AW_OK) {
        aw_tls_free(&ctx);
        return err;
    }
    *ret_ctx = ctx;
    return AW_OK;
}

enum aw_err
aw_tls_reload(SSL_CTX **ctx, const struct aw_tls_config *config, struct aw_why *why)
{
    SSL_CTX    *fresh = NULL;
    enum aw_err err = aw_tls_new(&fresh, config, why);

    if (err != AW_OK)
        return err;
    AW_ASSERT(fresh != NULL);
    aw_tls_free(ctx);
    *ctx = fresh;
    return AW_OK;
}

void
aw_tls_free(SSL_CTX **ctx)
{
    SSL_CTX_free(*ctx);
    *ctx = NULL;
}

/* A certificate of our own ------------------------------------------------------------------------------------------------------*/

static bool
add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX      context;
    X509_EXTENSION *extension;
    bool            is_good;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    is_good = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_good;
}

/* 127 random bits, positive (RFC 5280 section 4.1.2.2). */
static bool
set_serial(X509 *cert)
{
    unsigned char bytes[SERIAL_BYTES];
    BIGNUM       *number;
    bool          is_good;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    is_good = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return is_good;
}

static bool
fill_certificate(X509 *cert, EVP_PKEY *key, aw_ms now)
{
    time_t               at = (time_t)(now / AW_MS_PER_S);
    X509_NAME           *name = X509_get_subject_name(cert);
    const unsigned char *text = (const unsigned char *)"aswolk --dev";

    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
           X509_time_adj_ex(X509_getm_notBefore(cert), 0, -PAIR_BACK_S, &at) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(cert), PAIR_DAYS, 0, &at) != NULL && X509_set_pubkey(cert, key) == 1 &&
           X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC, text, -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, name) == 1 &&
           add_extension(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth") && X509_sign(cert, key, EVP_sha256()) > 0;
}

/* Copies what was written into `bio`. NULL without memory. */
static char *
take_pem(BIO *bio, size_t *ret_bytes)
{
    char *from = NULL;
    long  len = BIO_get_mem_data(bio, &from);
    char *pem = len <= 0 ? NULL : OPENSSL_malloc((size_t)len + 1);

    if (pem == NULL)
        return NULL;
    memcpy(pem, from, (size_t)len);
    pem[len] = '\0';
    *ret_bytes = (size_t)len;
    return pem;
}

enum aw_err
aw_tls_make_pair(struct aw_tls_pair *ret_pair, aw_ms now)
{
    struct aw_tls_pair pair = {.cert_pem = NULL};
    EVP_PKEY          *key = EVP_EC_gen("P-256");
    X509              *cert = X509_new();
    BIO               *cert_bio = BIO_new(BIO_s_mem());
    BIO               *key_bio = BIO_new(BIO_s_secmem());

    if (key != NULL && cert != NULL && cert_bio != NULL && key_bio != NULL && fill_certificate(cert, key, now) &&
        PEM_write_bio_X509(cert_bio, cert) == 1 && PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        pair.cert_pem = take_pem(cert_bio, &pair.cert_bytes);
        pair.key_pem = take_pem(key_bio, &pair.key_bytes);
    }
    BIO_free(key_bio);
    BIO_free(cert_bio);
    X509_free(cert);
    EVP_PKEY_free(key);
    if (pair.cert_pem == NULL || pair.key_pem == NULL) {
        ERR_clear_error();
        aw_tls_pair_fini(&pair);
        return AW_E_MEMORY;
    }
    *ret_pair = pair;
    return AW_OK;
}

void
aw_tls_pair_fini(struct aw_tls_pair *pair)
{
    OPENSSL_free(pair->cert_pem);
    OPENSSL_clear_free(pair->key_pem, pair->key_bytes);
    *pair = (struct aw_tls_pair){.cert_pem = NULL};
}

/* Who the client is ------------------------------------------------------------------------------------------------------------*/

/* Copies the first name of `type`; 0 when there is none that fits. */
static size_t
copy_name(const GENERAL_NAMES *names, int type, char identity[AW_TLS_IDENTITY_BYTES])
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        const ASN1_STRING  *text;
        int                 len;

        if (name->type != type)
            continue;
        text = type == GEN_URI ? name->d.uniformResourceIdentifier : name->d.dNSName;
        len = ASN1_STRING_length(text);
        /* A NUL inside would end the name early for whoever prints it. */
        if (len <= 0 || len > AW_TLS_IDENTITY_BYTES || memchr(ASN1_STRING_get0_data(text), '\0', (size_t)len) != NULL)
            return 0;
        memcpy(identity, ASN1_STRING_get0_data(text), (size_t)len);
        return (size_t)len;
    }
    return 0;
}

size_t
aw_tls_identity_of(const X509 *cert, char identity[AW_TLS_IDENTITY_BYTES])
{
    GENERAL_NAMES *names = cert == NULL ? NULL : X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    size_t         len;

    if (names == NULL) {
        ERR_clear_error();
        return 0;
    }
    len = copy_name(names, GEN_URI, identity);
    if (len == 0)
        len = copy_name(names, GEN_DNS, identity);
    GENERAL_NAMES_free(names);
    return len;
}

size_t
aw_tls_identity(const SSL *ssl, char identity[AW_TLS_IDENTITY_BYTES])
{
    return aw_tls_identity_of(SSL_get0_peer_certificate(ssl), identity);
}

/* At least 1. */
static aw_ms
ends_at(const X509 *cert)
{
    struct tm at;
    time_t    seconds;

    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &at) != 1) { /* it was read once to be verified */
        ERR_clear_error();
        return 1;
    }
    seconds = timegm(&at);
    return seconds < 1 ? 1 : (aw_ms)seconds * AW_MS_PER_S;
}

aw_ms
aw_tls_identity_ends_at(const SSL *ssl)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);

    return cert == NULL ? 0 : ends_at(cert);
}

/* What is served ---------------------------------------------------------------------------------------------------------------*/

static void
tell_serial(const X509 *cert, char text[2 * AW_TLS_SERIAL_BYTES + 1])
{
    const ASN1_INTEGER  *serial = X509_get0_serialNumber(cert);
    const unsigned char *bytes = ASN1_STRING_get0_data(serial);
    int                  len = ASN1_STRING_length(serial);

    text[0] = '\0';
    for (int i = len > (int)AW_TLS_SERIAL_BYTES ? len - (int)AW_TLS_SERIAL_BYTES : 0, at = 0; i < len; i++, at += 2)
        (void)snprintf(text + at, 3, "%02x", bytes[i]);
}

/* One of its names as text; 0: of a kind, or with bytes, that people do not read. */
static size_t
tell_name(const GENERAL_NAME *name, char *text, size_t room)
{
    const ASN1_STRING   *value = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    const unsigned char *bytes;
    int                  len;

    if (name->type != GEN_DNS && name->type != GEN_IPADD)
        return 0;
    bytes = ASN1_STRING_get0_data(value);
    len = ASN1_STRING_length(value);
    if (name->type == GEN_IPADD)
        return (len != 4 && len != 16) || inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, text, (socklen_t)room) == NULL
                   ? 0
                   : strlen(text);
    for (int i = 0; i < len; i++) {
        if (bytes[i] <= ' ' || bytes[i] > '~')
            return 0;
    }
    if (len <= 0 || (size_t)len >= room)
        return 0;
    memcpy(text, bytes, (size_t)len);
    text[len] = '\0';
    return (size_t)len;
}

static void
tell_names(const X509 *cert, char *text, size_t room)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    char           one[128];
    size_t         at = 0;

    text[0] = '\0';
    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        size_t len = tell_name(sk_GENERAL_NAME_value(names, i), one, sizeof(one));

        if (len > 0 && at + 1 + len < room)
            at += (size_t)snprintf(text + at, room - at, "%s%s", at == 0 ? "" : ",", one);
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
}

void
aw_tls_about(SSL_CTX *ctx, struct aw_tls_about *ret_about)
{
    const X509 *cert = SSL_CTX_get0_certificate(ctx);
    STACK_OF(X509) *chain = NULL;

    AW_ASSERT(cert != NULL); /* aw_tls_new makes none without */
    tell_serial(cert, ret_about->serial);
    tell_names(cert, ret_about->names, sizeof(ret_about->names));
    ret_about->ends_at = ends_at(cert);
    if (SSL_CTX_get0_chain_certs(ctx, &chain) != 1)
        ERR_clear_error();
    for (int i = 0; i < sk_X509_num(chain); i++) {
        aw_ms other = ends_at(sk_X509_value(chain, i));

        if (other < ret_about->ends_at)
            ret_about->ends_at = other;
    }
}
