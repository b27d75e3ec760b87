/* floor.c - see floor.h. */
#include "bench/surge/floor.h"

#include "port/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FLUSHES     500U
#define FLUSH_BYTES 4096U

enum aw_err
surge_floor_measure(const char *folder, struct aw_histogram *histogram, struct aw_why *why)
{
    static const char page[FLUSH_BYTES];
    int               fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    enum aw_err       err = fd < 0 ? aw_why_errno(why, AW_E_IO, errno, "%s", folder) : AW_OK;

    for (uint32_t i = 0; err == AW_OK && i < FLUSHES; i++) {
        aw_ns began = aw_clock_mono();

        if (pwrite(fd, page, sizeof(page), (off_t)i * FLUSH_BYTES) != FLUSH_BYTES || fdatasync(fd) != 0)
            err = aw_why_errno(why, AW_E_IO, errno, "%s", folder);
        else
            aw_histogram_record(histogram, aw_clock_mono() - began);
    }
    if (fd >= 0)
        (void)close(fd); /* nothing in it is wanted */
    return err;
}
