/* boot.h - a start on a state of the disk, as the server makes it, and what it finds beside what was ever written.
 *
 * The reference is the store at the end of the recording: all that the servers wrote, in order. A start must find a beginning of
 * it, whole in every byte of batches and bodies, with the state that the servers had there, and at least as long as what had been
 * acknowledged. Then nothing is lost, nothing is there twice and nothing was made up: the reference itself is held against what
 * the clients know (tests/e2e/test_power.py).   Owns: the reference. Thread: one.
 */
#ifndef AW_TESTS_POWER_BOOT_H
#define AW_TESTS_POWER_BOOT_H

#include "base/why.h"

#include <stdbool.h>
#include <stdint.h>

struct boot;
struct seen;

/* Reads the reference in `folder`, which has its journal from the first batch on. NULL: it cannot be read, and why. */
struct boot *boot_new(const char *folder, struct aw_why *why);
void         boot_free(struct boot **boot);
uint64_t     boot_batches(const struct boot *boot);
/* Starts so far that recovered the state and compared everything. The others opened the store with all its checks, and found byte
 * for byte what an earlier start read (power/seen.h); one of these in 128 goes all the way nevertheless. */
uint64_t boot_whole(const struct boot *boot);

/* For seen_flush and seen_pending. */
struct seen *boot_seen(struct boot *boot);

enum boot_verdict {
    BOOT_FINE,
    BOOT_REFUSED, /* the server would not start */
    BOOT_LOST,    /* something that was acknowledged is not there */
    BOOT_OTHER,   /* something is there that was not written so */
    BOOT_VERDICTS,
};
/* Starts on `folder`, with the key file that lies beside it, when all records up to `acknowledged` must be there. */
enum boot_verdict boot_try(struct boot *boot, const char *folder, uint64_t acknowledged, struct aw_why *why);

#endif
