/* Proves that only a whole, fitting, valid certificate makes a context, that a failed reload leaves the old context alone, that
 * the certificate for --dev is what it should be, and that nothing but TLS 1.3 (1.2 when allowed, without CBC) with ALPN h2
 * comes through; with an authority for clients, only theirs. How: certificates made here; handshakes over two memory pipes. */
#include "support/http_pki.h"

#include "http/tls.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MS_PER_DAY UINT64_C(86400000)

static aw_ms
now_ms(void)
{
    return (aw_ms)time(NULL) * AW_MS_PER_S;
}

static struct aw_tls_config
config_of(const char *cert, const char *key)
{
    return (struct aw_tls_config){.cert_pem = aw_slice_str(cert), .key_pem = aw_slice_str(key), .now = now_ms()};
}

/* Handshakes -------------------------------------------------------------------------------------------------------------------*/

struct handshake {
    SSL *server;
    SSL *client;
    int  alert; /* the fatal alert that the client received; 0: none */
};

static void
on_alert(const SSL *ssl, int where, int ret)
{
    if ((where & SSL_CB_READ) != 0 && (where & SSL_CB_ALERT) != 0 && (ret >> 8) == SSL3_AL_FATAL)
        *(int *)SSL_get_app_data(ssl) = ret & 0xff;
}

/* Runs both ends until they are done or stuck. Whether both are done, the server's reading included. */
static bool
shake(struct handshake *hands, SSL_CTX *server_ctx, SSL_CTX *client_ctx, const char *alpn)
{
    BIO *up_in;
    BIO *up_out;
    int  server = 0;
    int  client = 0;

    hands->alert = 0;
    hands->server = SSL_new(server_ctx);
    hands->client = SSL_new(client_ctx);
    assert_int_equal(BIO_new_bio_pair(&up_in, 0, &up_out, 0), 1);
    SSL_set_bio(hands->server, up_in, up_in);
    SSL_set_bio(hands->client, up_out, up_out);
    SSL_set_accept_state(hands->server);
    SSL_set_connect_state(hands->client);
    SSL_set_app_data(hands->client, &hands->alert);
    SSL_set_info_callback(hands->client, on_alert);
    if (alpn != NULL)
        assert_int_equal(SSL_set_alpn_protos(hands->client, (const unsigned char *)alpn, (unsigned)strlen(alpn)), 0);
    for (int i = 0; i < 20; i++) {
        char byte;

        client = SSL_do_handshake(hands->client);
        server = SSL_do_handshake(hands->server);
        (void)SSL_read(hands->client, &byte, 1); /* takes alerts that come after the client believes it is done */
    }
    ERR_clear_error();
    return server == 1 && client == 1 && hands->alert == 0;
}

static void
part(struct handshake *hands)
{
    SSL_free(hands->server);
    SSL_free(hands->client);
}

/* A context from a pair for --dev. */
static SSL_CTX *
dev_context(bool allow_tls12)
{
    struct aw_tls_pair   pair;
    struct aw_tls_config config;
    SSL_CTX             *ctx = NULL;
    struct aw_why        why;

    assert_int_equal(aw_tls_make_pair(&pair, now_ms()), AW_OK);
    config = config_of(pair.cert_pem, pair.key_pem);
    config.allow_tls12 = allow_tls12;
    assert_int_equal(aw_tls_new(&ctx, &config, &why), AW_OK);
    aw_tls_pair_fini(&pair);
    return ctx;
}

static void
protocols(void **state)
{
    SSL_CTX             *strict = dev_context(false);
    SSL_CTX             *both = dev_context(true);
    SSL_CTX             *client = SSL_CTX_new(TLS_client_method());
    struct handshake     hands;
    const unsigned char *name;
    unsigned             len;

    (void)state;
    assert_true(shake(&hands, strict, client, "\2h2"));
    assert_string_equal(SSL_get_version(hands.server), "TLSv1.3");
    SSL_get0_alpn_selected(hands.server, &name, &len);
    assert_int_equal(len, 2);
    assert_memory_equal(name, "h2", 2);
    part(&hands);
    assert_true(shake(&hands, strict, client, "\10http/1.1\2h2"));
    part(&hands);
    /* Others are refused by alert, also those that do not say what they speak. */
    assert_false(shake(&hands, strict, client, "\10http/1.1"));
    assert_int_equal(hands.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
    part(&hands);
    assert_false(shake(&hands, strict, client, NULL));
    assert_int_equal(hands.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
    part(&hands);
    /* TLS 1.2 by setting only, and without CBC in any case. */
    SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
    assert_false(shake(&hands, strict, client, "\2h2"));
    assert_int_equal(hands.alert, SSL_AD_PROTOCOL_VERSION);
    part(&hands);
    assert_true(shake(&hands, both, client, "\2h2"));
    assert_string_equal(SSL_get_version(hands.server), "TLSv1.2");
    part(&hands);
    assert_int_equal(SSL_CTX_set_cipher_list(client, "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA"), 1);
    assert_false(shake(&hands, both, client, "\2h2"));
    assert_int_equal(hands.alert, SSL_AD_HANDSHAKE_FAILURE);
    part(&hands);
    assert_int_equal(SSL_CTX_get_max_early_data(strict), 0);
    SSL_CTX_free(client);
    aw_tls_free(&strict);
    aw_tls_free(&both);
}

static void
dev_pair(void **state)
{
    struct aw_tls_pair pair;
    BIO               *bio;
    X509              *cert;
    time_t             soon = time(NULL) + 29 * 86400;
    time_t             late = time(NULL) + 31 * 86400;

    (void)state;
    assert_int_equal(aw_tls_make_pair(&pair, now_ms()), AW_OK);
    assert_int_equal(strlen(pair.cert_pem), pair.cert_bytes);
    assert_int_equal(strlen(pair.key_pem), pair.key_bytes);
    bio = BIO_new_mem_buf(pair.cert_pem, -1);
    cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_non_null(cert);
    assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "::1", 0), 1);
    assert_int_equal(X509_check_host(cert, "example.org", 0, 0, NULL), 0);
    assert_true(X509_cmp_time(X509_get0_notAfter(cert), &soon) > 0);
    assert_true(X509_cmp_time(X509_get0_notAfter(cert), &late) < 0);
    assert_int_equal(EVP_PKEY_get_bits(X509_get0_pubkey(cert)), 256);
    X509_free(cert);
    BIO_free(bio);
    aw_tls_pair_fini(&pair);
    assert_null(pair.key_pem);
    aw_tls_pair_fini(&pair);
}

/* What is wrong, and a word that the explanation must hold. */
static void
assert_refused(const struct aw_tls_config *config, const char *word)
{
    SSL_CTX      *ctx = NULL;
    struct aw_why why = {.text = ""};

    assert_int_equal(aw_tls_new(&ctx, config, &why), AW_E_CONFIG);
    assert_null(ctx);
    if (strstr(why.text, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.text, word);
    assert_int_equal(ERR_peek_error(), 0);
}

/* What is told of the certificate that is served: its number, whom it is for, and which of the chain ends first. */
static void
about_certificate(void **state)
{
    struct pki_cert root = pki_make("root", NULL, NULL, now_ms(), 5);
    struct pki_cert good = pki_make("good", "DNS:a.example,URI:urn:b,IP:127.0.0.1,IP:::1,email:c@d.example", &root, now_ms(), 9);
    char           *pem = pki_cert_pem(&good, NULL);
    char           *chain = pki_cert_pem(&good, &root);
    char           *key = pki_key_pem(&good);
    struct aw_tls_config config = config_of(pem, key);
    struct aw_tls_about  alone, chained;
    SSL_CTX             *ctx = NULL;

    (void)state;
    assert_int_equal(aw_tls_new(&ctx, &config, NULL), AW_OK);
    aw_tls_about(ctx, &alone);
    assert_string_equal(alone.names, "a.example,127.0.0.1,::1");
    assert_true(strlen(alone.serial) >= 2 && strspn(alone.serial, "0123456789abcdef") == strlen(alone.serial));
    assert_in_range(alone.ends_at, now_ms() + 8 * MS_PER_DAY, now_ms() + 9 * MS_PER_DAY);
    config.cert_pem = aw_slice_str(chain);
    assert_int_equal(aw_tls_reload(&ctx, &config, NULL), AW_OK);
    aw_tls_about(ctx, &chained);
    assert_string_equal(chained.serial, alone.serial);
    assert_in_range(chained.ends_at, now_ms() + 4 * MS_PER_DAY, now_ms() + 5 * MS_PER_DAY);
    assert_int_equal(ERR_peek_error(), 0);
    aw_tls_free(&ctx);
    OPENSSL_free(key);
    OPENSSL_free(chain);
    OPENSSL_free(pem);
    pki_free(&good);
    pki_free(&root);
}

static void
wrong_certificates(void **state)
{
    struct pki_cert      root = pki_make("root", NULL, NULL, now_ms(), 10);
    struct pki_cert      good = pki_make("good", "DNS:localhost", &root, now_ms(), 10);
    struct pki_cert      other = pki_make("other", NULL, NULL, now_ms(), 10);
    char                *good_pem = pki_cert_pem(&good, NULL);
    char                *key_pem = pki_key_pem(&good);
    char                *other_key = pki_key_pem(&other);
    char                *chain = pki_cert_pem(&good, &root);
    char                *mixed = pki_cert_pem(&good, &other);
    struct aw_tls_config config = config_of(good_pem, key_pem);
    SSL_CTX             *ctx = NULL;
    struct aw_why        why;

    (void)state;
    assert_int_equal(aw_tls_new(&ctx, &config, &why), AW_OK);
    aw_tls_free(&ctx);
    config.cert_pem = aw_slice_str(chain);
    assert_int_equal(aw_tls_new(&ctx, &config, &why), AW_OK);
    aw_tls_free(&ctx);
    config.cert_pem = aw_slice_str(mixed);
    assert_refused(&config, "not in order");
    config = config_of(good_pem, other_key);
    assert_refused(&config, "key");
    config = config_of(key_pem, key_pem);
    assert_refused(&config, "certificate");
    config = config_of(good_pem, good_pem);
    assert_refused(&config, "key");
    config = config_of(good_pem, key_pem);
    config.now += UINT64_C(11) * 86400 * 1000;
    assert_refused(&config, "expired");
    config.now -= UINT64_C(22) * 86400 * 1000;
    assert_refused(&config, "not valid yet");
    config = config_of(good_pem, key_pem);
    config.cert_pem.len -= 40; /* cut off */
    assert_refused(&config, "certificate");
    config = config_of(good_pem, key_pem);
    config.cert_path = "no/such/file.pem";
    assert_refused(&config, "no/such/file.pem");
    config = config_of(good_pem, key_pem);
    config.client_ca_pem = aw_slice_str(key_pem);
    assert_refused(&config, "authority");
    OPENSSL_free(good_pem);
    OPENSSL_free(key_pem);
    OPENSSL_free(other_key);
    OPENSSL_free(chain);
    OPENSSL_free(mixed);
    pki_free(&root);
    pki_free(&good);
    pki_free(&other);
}

static void
reload(void **state)
{
    SSL_CTX             *ctx = dev_context(false);
    SSL_CTX             *old = ctx;
    struct aw_tls_config config = config_of("nonsense", "nonsense");
    struct aw_tls_pair   pair;
    struct aw_why        why;
    SSL                 *ssl = SSL_new(ctx);

    (void)state;
    assert_int_equal(aw_tls_reload(&ctx, &config, &why), AW_E_CONFIG);
    assert_ptr_equal(ctx, old);
    assert_int_equal(aw_tls_make_pair(&pair, now_ms()), AW_OK);
    config = config_of(pair.cert_pem, pair.key_pem);
    assert_int_equal(aw_tls_reload(&ctx, &config, &why), AW_OK);
    assert_ptr_not_equal(ctx, old);
    assert_ptr_equal(SSL_get_SSL_CTX(ssl), old); /* a connection keeps the context that it began with */
    SSL_free(ssl);
    aw_tls_pair_fini(&pair);
    aw_tls_free(&ctx);
}

static void
identity_of(SSL_CTX *server, const struct pki_cert *who, const char *expected)
{
    SSL_CTX         *client = SSL_CTX_new(TLS_client_method());
    struct handshake hands;
    char             identity[AW_TLS_IDENTITY_BYTES];
    size_t           len;

    if (who != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(client, who->cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(client, who->key), 1);
    }
    assert_int_equal(shake(&hands, server, client, "\2h2"), expected != NULL);
    if (expected != NULL) {
        len = aw_tls_identity(hands.server, identity);
        assert_true(aw_tls_identity_ends_at(hands.server) > now_ms() + UINT64_C(9) * 86400000);
        assert_true(aw_tls_identity_ends_at(hands.server) <= now_ms() + UINT64_C(10) * 86400000);
        assert_slice(aw_slice_of(identity, len), expected);
        assert_false(SSL_SESSION_has_ticket(SSL_get0_session(hands.client)));
    }
    part(&hands);
    SSL_CTX_free(client);
}

static void
clients_with_certificates(void **state)
{
    struct pki_cert      root = pki_make("root", NULL, NULL, now_ms(), 10);
    struct pki_cert      stranger_root = pki_make("root", NULL, NULL, now_ms(), 10);
    struct pki_cert      uri = pki_make("a", "DNS:gate.example,URI:spiffe://desk/gateway/7", &root, now_ms(), 10);
    struct pki_cert      dns = pki_make("b", "DNS:gate.example", &root, now_ms(), 10);
    struct pki_cert      nameless = pki_make("spiffe://desk/gateway/7", NULL, &root, now_ms(), 10);
    struct pki_cert      expired = pki_make("c", "URI:spiffe://x", &root, now_ms() - UINT64_C(20) * 86400000, 10);
    struct pki_cert      stranger = pki_make("d", "URI:spiffe://desk/gateway/7", &stranger_root, now_ms(), 10);
    char                *ca = pki_cert_pem(&root, NULL);
    struct aw_tls_pair   pair;
    struct aw_tls_config config;
    SSL_CTX             *ctx = NULL;
    struct aw_why        why;

    (void)state;
    assert_int_equal(aw_tls_make_pair(&pair, now_ms()), AW_OK);
    config = config_of(pair.cert_pem, pair.key_pem);
    config.client_ca_pem = aw_slice_str(ca);
    assert_int_equal(aw_tls_new(&ctx, &config, &why), AW_OK);
    identity_of(ctx, &uri, "spiffe://desk/gateway/7");
    identity_of(ctx, &dns, "gate.example");
    identity_of(ctx, &nameless, ""); /* a common name is no identity */
    identity_of(ctx, NULL, NULL);
    identity_of(ctx, &expired, NULL);
    identity_of(ctx, &stranger, NULL);
    aw_tls_free(&ctx);
    aw_tls_pair_fini(&pair);
    OPENSSL_free(ca);
    pki_free(&root);
    pki_free(&stranger_root);
    pki_free(&uri);
    pki_free(&dns);
    pki_free(&nameless);
    pki_free(&expired);
    pki_free(&stranger);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protocols),          cmocka_unit_test(dev_pair), cmocka_unit_test(about_certificate),
        cmocka_unit_test(wrong_certificates), cmocka_unit_test(reload),   cmocka_unit_test(clients_with_certificates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
