/* dev_cert.h - the certificate of --dev: made once in the data folder, made anew when it is about to run out.
 *
 * Kept in files so that clients can be told to trust it (curl --cacert) over restarts. The key file is readable by its owner only.
 * Thread: main. Fails: AW_E_IO, AW_E_MEMORY.
 */
#ifndef AW_RUN_DEV_CERT_H
#define AW_RUN_DEV_CERT_H

#include "base/time.h"
#include "base/why.h"

#include <limits.h>

struct aw_dev_cert {
    char cert_path[PATH_MAX];
    char key_path[PATH_MAX];
};

AW_MUST_USE enum aw_err aw_dev_cert_get(struct aw_dev_cert *ret_cert, const char *folder, aw_ms now, struct aw_why *why);

#endif
