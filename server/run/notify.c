/* notify.c - the words to the service manager, and the sockets from it. */
#include "run/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORDS_BYTES      512U
#define FIRST_FD         3 /* where handed down descriptors begin */
#define INHERITED_MAX    2
#define ENV_NUMBER_BYTES 20U
#define NS_PER_US        (AW_NS_PER_S / 1000000)

/* False: not set, or no number. */
static bool
env_number(const char *name, uint64_t max, uint64_t *ret_value)
{
    const char *text = getenv(name);

    return text != NULL && strlen(text) <= ENV_NUMBER_BYTES && aw_slice_to_u64(aw_slice_str(text), max, ret_value);
}

/* Of a variable that names whom the others are for: unset means us. */
static bool
is_for_us(const char *name, bool when_unset)
{
    uint64_t pid;

    if (getenv(name) == NULL)
        return when_unset;
    return env_number(name, INT32_MAX, &pid) && pid == (uint64_t)getpid();
}

/* --- telling -------------------------------------------------------------------------------------------------------------- */

static enum aw_err
take_address(struct aw_notify *notify, const char *path, struct aw_why *why)
{
    size_t len = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(notify->address.sun_path))
        return aw_why(why, AW_E_CONFIG, "NOTIFY_SOCKET is '%s': a path, or @ and a name", path);
    notify->address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(notify->address.sun_path, path, len);
    if (path[0] == '@') /* a name that is no file begins with a NUL (unix(7)) */
        notify->address.sun_path[0] = '\0';
    notify->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return AW_OK;
}

enum aw_err
aw_notify_init(struct aw_notify *notify, struct aw_why *why)
{
    const char *path = getenv("NOTIFY_SOCKET");
    uint64_t    watchdog_us;
    enum aw_err err = AW_OK;

    *notify = (struct aw_notify){.fd = -1};
    if (path != NULL) {
        err = take_address(notify, path, why);
        if (err == AW_OK)
            notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (err == AW_OK && notify->fd < 0)
            err = aw_why_errno(why, AW_E_IO, errno, "no socket to the service manager");
        if (is_for_us("WATCHDOG_PID", true) && env_number("WATCHDOG_USEC", UINT64_MAX / NS_PER_US, &watchdog_us))
            notify->watchdog = watchdog_us * NS_PER_US;
    }
    (void)unsetenv("NOTIFY_SOCKET"); /* can't fail for these names */
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    return err;
}

void
aw_notify_fini(struct aw_notify *notify)
{
    if (notify->fd >= 0)
        (void)close(notify->fd);
    notify->fd = -1;
}

bool
aw_notify_tell(const struct aw_notify *notify, const char *format, ...)
{
    char    words[WORDS_BYTES];
    va_list args;
    int     len;

    if (notify->fd < 0)
        return true;
    va_start(args, format);
    len = vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    AW_ASSERT(len > 0 && (size_t)len < sizeof(words));
    return sendto(notify->fd, words, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&notify->address,
                  notify->address_len) == (ssize_t)len;
}

/* --- sockets -------------------------------------------------------------------------------------------------------------- */

static bool
is_listening_tcp(int fd)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t               address_len = sizeof(address), len = sizeof(int);
    int                     type = 0, listens = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_STREAM)
        return false;
    len = sizeof(int);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 || listens != 1)
        return false;
    return getsockname(fd, (struct sockaddr *)&address, &address_len) == 0 &&
           (address.ss_family == AF_INET || address.ss_family == AF_INET6);
}

static enum aw_err
take_socket(int fd, struct aw_slice name, struct aw_inherited *sockets, struct aw_why *why)
{
    bool  is_tls = aw_slice_eq(name, aw_slice_str("tls"));
    int  *to = is_tls ? &sockets->tls_fd : &sockets->plain_fd;
    char *text = is_tls ? sockets->tls_text : sockets->plain_text;
    int   flags = fcntl(fd, F_GETFL);

    if (!is_tls && !aw_slice_eq(name, aw_slice_str("plain")))
        return aw_why(why, AW_E_CONFIG, "descriptor %d is handed down as '%.*s'; FileDescriptorName= is plain or tls", fd,
                      (int)name.len, name.ptr);
    if (*to >= 0)
        return aw_why(why, AW_E_CONFIG, "two sockets are handed down as '%.*s'", (int)name.len, name.ptr);
    if (!is_listening_tcp(fd))
        return aw_why(why, AW_E_CONFIG, "descriptor %d, handed down as '%.*s', is no listening TCP socket", fd, (int)name.len,
                      name.ptr);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return aw_why_errno(why, AW_E_IO, errno, "descriptor %d", fd);
    aw_listen_address(fd, text);
    *to = fd;
    return AW_OK;
}

static enum aw_err
take_sockets(uint64_t count, struct aw_inherited *sockets, struct aw_why *why)
{
    const char     *given = getenv("LISTEN_FDNAMES");
    struct aw_slice names = aw_slice_str(given == NULL ? "" : given);
    enum aw_err     err = AW_OK;

    for (uint64_t i = 0; err == AW_OK && i < count; i++)
        err = take_socket(FIRST_FD + (int)i, aw_slice_cut(&names, ':'), sockets, why);
    return err;
}

enum aw_err
aw_notify_inherit(struct aw_inherited *ret_sockets, struct aw_why *why)
{
    uint64_t    count = 0;
    enum aw_err err = AW_OK;

    *ret_sockets = (struct aw_inherited){.plain_fd = -1, .tls_fd = -1};
    /* What is meant for a process that started us is not for us. */
    if (is_for_us("LISTEN_PID", false)) {
        if (!env_number("LISTEN_FDS", INHERITED_MAX, &count))
            err = aw_why(why, AW_E_CONFIG, "LISTEN_FDS is '%s': one socket named plain, one named tls, or both",
                         getenv("LISTEN_FDS") == NULL ? "" : getenv("LISTEN_FDS"));
        else
            err = take_sockets(count, ret_sockets, why);
    }
    (void)unsetenv("LISTEN_PID"); /* can't fail for these names */
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return err;
}
