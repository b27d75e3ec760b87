/* secret.h - bytes that nobody else may learn: compared without telling by the time it takes, and wiped after use.
 *
 * Owns nothing. Thread: any. Cannot fail.
 */
#ifndef AW_BASE_SECRET_H
#define AW_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* How long it takes depends on `len` alone. */
bool aw_secret_eq(const void *a, const void *b, size_t len);
/* Overwrites; no compiler leaves it out. NULL with 0 is allowed. */
void aw_secret_wipe(void *bytes, size_t len);

#endif
