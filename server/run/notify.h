/* notify.h - telling the service manager how we are, and the sockets that it opened for us: systemd's protocols, which are a few
 * lines of text over a datagram socket and three variables; so nothing is linked for them.
 *
 * Without the variables every call does nothing. They are taken out of the environment. Who owns: the server. Thread: main, at the
 * start also before others run. Fails: only as said; a manager that does not listen is no reason to end.
 */
#ifndef AW_RUN_NOTIFY_H
#define AW_RUN_NOTIFY_H

#include "base/assert.h"
#include "base/time.h"
#include "base/why.h"
#include "run/listen.h"

#include <sys/socket.h>
#include <sys/un.h>

struct aw_notify {
    int                fd; /* -1: nobody wants to know */
    struct sockaddr_un address;
    socklen_t          address_len;
    aw_ns              watchdog; /* it wants to hear from us at least this often; 0: never */
};

/* From $NOTIFY_SOCKET, $WATCHDOG_USEC, $WATCHDOG_PID. AW_E_CONFIG, AW_E_IO. */
AW_MUST_USE enum aw_err aw_notify_init(struct aw_notify *notify, struct aw_why *why);
void                    aw_notify_fini(struct aw_notify *notify);
/* "READY=1\nSTATUS=...": lines of NAME=value. False: the manager did not take them now; who must be heard says it again. */
bool aw_notify_tell(const struct aw_notify *notify, const char *format, ...) AW_PRINTF(2, 3);

/* The sockets of $LISTEN_FDS, by their names in $LISTEN_FDNAMES: "plain" and "tls" (FileDescriptorName= in the .socket units).
 * *ret_x is -1 where none was handed down. Non-blocking and close-on-exec afterwards; the caller owns them. AW_E_CONFIG: a
 * name that is not one of these or twice, or what is no listening TCP socket. */
struct aw_inherited {
    int  plain_fd;
    int  tls_fd;
    char plain_text[AW_ADDRESS_TEXT_BYTES]; /* where it listens */
    char tls_text[AW_ADDRESS_TEXT_BYTES];
};
AW_MUST_USE enum aw_err aw_notify_inherit(struct aw_inherited *ret_sockets, struct aw_why *why);

#endif
