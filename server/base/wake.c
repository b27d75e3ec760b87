#include "base/wake.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Why no wake is lost. The sleeper writes _asleep, then looks at its rings; a waker writes a ring, then looks at _asleep. With
 * plain loads and stores both could look too early. So every access to _asleep is an exchange, and exchanges of one word have one
 * order:
 * - the waker's comes after the sleeper's in prepare: it reads 1 and writes the descriptor;
 * - it comes before: the exchange in prepare reads from it (or from another waker's that continues it) and acquires what the waker
 *   released, so the look at the rings that follows finds the item.
 * This holds whatever was published, with any atomics or none, before aw_wake_up. */

enum aw_err
aw_wake_init(struct aw_wake *wake, struct aw_why *why)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0)
        return aw_why_errno(why, AW_E_IO, errno, "eventfd");
    wake->_fd = fd;
    wake->_napping = false;
    wake->_owed = 0;
    atomic_init(&wake->_asleep, 0);
    return AW_OK;
}

void
aw_wake_fini(struct aw_wake *wake)
{
    (void)close(wake->_fd); /* nothing is buffered in an eventfd */
    wake->_fd = -1;
}

int
aw_wake_fd(const struct aw_wake *wake)
{
    return wake->_fd;
}

/* Writes `asleep` and counts the wake that ended the nap until now, if one did: its write has come or will come. */
static void
swap_asleep(struct aw_wake *wake, uint32_t asleep)
{
    /* Pairs with the exchange in up, both ways. */
    uint32_t was = atomic_exchange_explicit(&wake->_asleep, asleep, memory_order_acq_rel);

    if (wake->_napping && was == 0)
        wake->_owed++;
    wake->_napping = asleep == 1;
}

void
aw_wake_prepare(struct aw_wake *wake)
{
    swap_asleep(wake, 1);
}

void
aw_wake_wait(struct aw_wake *wake, aw_ns timeout)
{
    struct pollfd   item = {.fd = wake->_fd, .events = POLLIN};
    struct timespec time = {.tv_sec = (time_t)(timeout / AW_NS_PER_S), .tv_nsec = (long)(timeout % AW_NS_PER_S)};
    int             ready = ppoll(&item, 1, timeout == AW_NS_NEVER ? NULL : &time, NULL);

    /* A signal ends the sleep early; the caller's loop comes round again. */
    AW_ASSERT(ready >= 0 || errno == EINTR || errno == ENOMEM);
    aw_wake_clear(wake);
}

void
aw_wake_clear(struct aw_wake *wake)
{
    uint64_t count;
    ssize_t  got;

    swap_asleep(wake, 0);
    /* Nothing owed, nothing to read: deciding not to sleep costs no system call. */
    if (wake->_owed == 0)
        return;
    do {
        got = read(wake->_fd, &count, sizeof(count));
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        /* The waker is between its exchange and its write: the next nap will end at once, which is harmless. */
        AW_ASSERT(errno == EAGAIN);
        return;
    }
    AW_ASSERT(got == (ssize_t)sizeof(count));
    AW_ASSERT(count <= wake->_owed);
    wake->_owed -= count;
}

void
aw_wake_up(struct aw_wake *wake)
{
    const uint64_t one = 1;
    int            saved = errno; /* a signal handler may call this */
    ssize_t        put;

    /* Pairs with the exchange in swap_asleep. */
    if (atomic_exchange_explicit(&wake->_asleep, 0, memory_order_acq_rel) == 0)
        return;
    do {
        put = write(wake->_fd, &one, sizeof(one));
    } while (put < 0 && errno == EINTR);
    AW_ASSERT(put == (ssize_t)sizeof(one));
    errno = saved;
}
