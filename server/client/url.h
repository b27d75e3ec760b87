/* url.h - the address of a server, as people write it: http://host:port or https://[::1]:8443.
 *
 * Owns itself; a value. Thread: any.
 */
#ifndef AW_CLIENT_URL_H
#define AW_CLIENT_URL_H

#include "base/assert.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/why.h"

#include <stdbool.h>

#define AW_URL_HOST_BYTES      256
#define AW_URL_AUTHORITY_BYTES (AW_URL_HOST_BYTES + 8)

struct aw_url {
    bool tls;                               /* https */
    char host[AW_URL_HOST_BYTES];           /* without brackets */
    char port[6];                           /* decimal; 80 or 443 when not written */
    char authority[AW_URL_AUTHORITY_BYTES]; /* as it goes into :authority */
};

/* AW_E_BAD_VALUE for anything but scheme, host and port (a "/" at the end is allowed): user names, paths and queries are
 * refused and not silently dropped. */
AW_MUST_USE enum aw_err aw_url_parse(struct aw_slice text, struct aw_url *ret_url, struct aw_why *why);

#endif
