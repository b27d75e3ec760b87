/* dev_cert.c - looks at the files, makes new ones when they don't serve. */
#include "run/dev_cert.h"

#include "http/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

/* A certificate that ends within a day is made anew: a demonstration should not die overnight. */
#define AHEAD_MS (UINT64_C(24) * 3600 * 1000)

static bool
serves(const struct aw_dev_cert *cert, aw_ms now)
{
    struct aw_tls_config config = {.cert_path = cert->cert_path, .key_path = cert->key_path, .now = now + AHEAD_MS};
    SSL_CTX             *ctx = NULL;
    bool                 ok = access(cert->cert_path, R_OK) == 0 && aw_tls_new(&ctx, &config, NULL) == AW_OK;

    aw_tls_free(&ctx);
    return ok;
}

static enum aw_err
write_file(const char *path, const char *bytes, size_t len, mode_t mode, struct aw_why *why)
{
    int  fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    bool ok;

    if (fd < 0)
        return aw_why_errno(why, AW_E_IO, errno, "can't write %s", path);
    ok = write(fd, bytes, len) == (ssize_t)len;
    ok = close(fd) == 0 && ok;
    return ok ? AW_OK : aw_why_errno(why, AW_E_IO, errno, "can't write %s", path);
}

enum aw_err
aw_dev_cert_get(struct aw_dev_cert *ret_cert, const char *folder, aw_ms now, struct aw_why *why)
{
    struct aw_tls_pair pair;
    enum aw_err        err;

    if (snprintf(ret_cert->cert_path, sizeof(ret_cert->cert_path), "%s/dev-cert.pem", folder) >= PATH_MAX ||
        snprintf(ret_cert->key_path, sizeof(ret_cert->key_path), "%s/dev-key.pem", folder) >= PATH_MAX)
        return aw_why(why, AW_E_IO, "the path of the data folder is too long");
    if (serves(ret_cert, now))
        return AW_OK;
    err = aw_tls_make_pair(&pair, now);
    if (err != AW_OK)
        return aw_why(why, err, "no certificate for --dev could be made");
    err = write_file(ret_cert->key_path, pair.key_pem, pair.key_bytes, 0600, why);
    if (err == AW_OK)
        err = write_file(ret_cert->cert_path, pair.cert_pem, pair.cert_bytes, 0644, why);
    aw_tls_pair_fini(&pair);
    return err;
}
