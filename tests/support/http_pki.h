/* http_pki.h - certificates for tests, made on the spot: P-256, valid around a given time. All fails by assertion. Thread: any. */
#ifndef AW_TESTS_SUPPORT_HTTP_PKI_H
#define AW_TESTS_SUPPORT_HTTP_PKI_H

#include "support/test.h"

#include "base/time.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct pki_cert {
    X509     *cert;
    EVP_PKEY *key;
};

static inline void
pki_extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX      context;
    X509_EXTENSION *extension;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* Signed by `issuer` (NULL: by itself, and then an authority); alt: its alternative names or NULL; valid `days` from an hour before
 * `now`. */
static inline struct pki_cert
pki_make(const char *name, const char *alt, const struct pki_cert *issuer, aw_ms now, int days)
{
    struct pki_cert made = {X509_new(), EVP_EC_gen("P-256")};
    time_t          at = (time_t)(now / AW_MS_PER_S);
    X509_NAME      *subject = X509_get_subject_name(made.cert);

    assert_non_null(made.key);
    X509_set_version(made.cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.cert), 4711);
    assert_non_null(X509_time_adj_ex(X509_getm_notBefore(made.cert), 0, -3600, &at));
    assert_non_null(X509_time_adj_ex(X509_getm_notAfter(made.cert), days, 0, &at));
    assert_int_equal(X509_set_pubkey(made.cert, made.key), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0), 1);
    X509_set_issuer_name(made.cert, issuer == NULL ? subject : X509_get_subject_name(issuer->cert));
    if (alt != NULL)
        pki_extend(made.cert, issuer == NULL ? made.cert : issuer->cert, NID_subject_alt_name, alt);
    if (issuer == NULL)
        pki_extend(made.cert, made.cert, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(made.cert, issuer == NULL ? made.key : issuer->key, EVP_sha256()) > 0);
    return made;
}

static inline void
pki_free(struct pki_cert *made)
{
    X509_free(made->cert);
    EVP_PKEY_free(made->key);
}

/* PEM text of up to two certificates, or of a key; free it with OPENSSL_free. */
static inline char *
pki_text(BIO *bio)
{
    char *from;
    long  len = BIO_get_mem_data(bio, &from);
    char *text = OPENSSL_zalloc((size_t)len + 1);

    assert_non_null(text);
    memcpy(text, from, (size_t)len);
    BIO_free(bio);
    return text;
}

static inline char *
pki_cert_pem(const struct pki_cert *first, const struct pki_cert *second)
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_X509(bio, first->cert), 1);
    if (second != NULL)
        assert_int_equal(PEM_write_bio_X509(bio, second->cert), 1);
    return pki_text(bio);
}

static inline char *
pki_key_pem(const struct pki_cert *made)
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_PrivateKey(bio, made->key, NULL, NULL, 0, NULL, NULL), 1);
    return pki_text(bio);
}

#endif
