/* environment_fuzz.c - any bytes as what a service manager leaves in the environment, and as an address to listen on.
 *
 * Input: a byte, then texts that end with a zero byte, in the order of `names`; one that is empty is not set. The byte's bit 0: it
 * is meant for this process, whatever LISTEN_PID and WATCHDOG_PID say; bit 1: a descriptor that is handed down listens. What is
 * left: an address, which is only listened on when it is a number of this machine.
 * What it proves: a start takes what makes sense or refuses it with words, and nothing of it is handed on.
 */
#include "base/assert.h"
#include "run/listen.h"
#include "run/notify.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FD 3 /* where handed down descriptors begin */

enum option { FOR_US = 1, LISTENS = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC",  "WATCHDOG_PID",
                                    "LISTEN_FDS",    "LISTEN_FDNAMES", "LISTEN_PID"};

/* Puts a listening socket where one would be handed down, or something else; what was there comes back by `put_back`. */
static int
put_socket(bool listens)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int                kept = fcntl(FIRST_FD, F_DUPFD_CLOEXEC, 10);
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    AW_ASSERT(fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    AW_ASSERT(!listens || listen(fd, 1) == 0);
    if (fd != FIRST_FD) {
        AW_ASSERT(dup2(fd, FIRST_FD) == FIRST_FD);
        (void)close(fd);
    }
    return kept;
}

static void
put_back(int kept)
{
    (void)close(FIRST_FD);
    if (kept < 0)
        return;
    AW_ASSERT(dup2(kept, FIRST_FD) == FIRST_FD);
    (void)close(kept);
}

/* Returns what is left of the texts. */
static char *
set_environment(char *at, const char *end, bool is_for_us)
{
    char pid[32];

    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    for (size_t i = 0; i < AW_ARRAY_LEN(names); i++) {
        size_t len = strlen(at);

        if (len > 0)
            AW_ASSERT(setenv(names[i], at, 1) == 0);
        else
            AW_ASSERT(unsetenv(names[i]) == 0);
        if (is_for_us && strstr(names[i], "_PID") != NULL)
            AW_ASSERT(setenv(names[i], pid, 1) == 0);
        at += at + len < end ? len + 1 : len;
    }
    return at;
}

static void
check_notify(bool listens)
{
    struct aw_notify    notify;
    struct aw_inherited sockets;
    struct aw_why       why = {""};
    bool                is_wanted = getenv("NOTIFY_SOCKET") != NULL;

    if (aw_notify_init(&notify, &why) != AW_OK)
        AW_ASSERT(why.text[0] != '\0');
    else
        AW_ASSERT((notify.fd >= 0) == is_wanted);
    aw_notify_fini(&notify);
    why.text[0] = '\0';
    if (aw_notify_inherit(&sockets, &why) != AW_OK) {
        AW_ASSERT(why.text[0] != '\0');
    } else {
        AW_ASSERT(sockets.plain_fd < 0 || (listens && sockets.plain_fd == FIRST_FD && sockets.plain_text[0] != '\0'));
        AW_ASSERT(sockets.tls_fd < 0 || (listens && sockets.tls_fd == FIRST_FD && sockets.tls_text[0] != '\0'));
    }
    for (size_t i = 0; i < AW_ARRAY_LEN(names); i++)
        AW_ASSERT(getenv(names[i]) == NULL);
}

static void
check_listen(const char *address)
{
    struct aw_why why = {""};
    char          text[AW_ADDRESS_TEXT_BYTES];
    int           fd = -1;

    /* A name would be asked for in the network. */
    if (strspn(address, "0123456789.:[]") != strlen(address))
        return;
    if (aw_listen(address, &fd, text, &why) == AW_OK) {
        AW_ASSERT(fd >= 0 && strchr(text, ':') != NULL);
        (void)close(fd);
    } else {
        AW_ASSERT(why.text[0] != '\0');
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t options = size == 0 ? 0 : data[0];
    size_t  len = size == 0 ? 0 : size - 1;
    char   *texts = malloc(len + 1);
    char   *rest;
    int     kept;

    AW_ASSERT(texts != NULL);
    if (len > 0)
        memcpy(texts, data + 1, len);
    texts[len] = '\0';
    rest = set_environment(texts, texts + len, (options & FOR_US) != 0);
    kept = put_socket((options & LISTENS) != 0);
    check_notify((options & LISTENS) != 0);
    put_back(kept);
    check_listen(rest);
    free(texts);
    return 0;
}
