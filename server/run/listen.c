/* listen.c - bind and listen. */
#include "run/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections that wait to be accepted; the kernel cuts it to net.core.somaxconn. */
#define BACKLOG 4096

/* "[::1]:8480" or "127.0.0.1:8480" -> host and port. */
static bool
split(const char *address, char *host, size_t host_room, const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    size_t      len;

    if (colon == NULL || colon == address)
        return false;
    len = (size_t)(colon - address);
    if (address[0] == '[') {
        if (len < 3 || colon[-1] != ']')
            return false;
        address++;
        len -= 2;
    }
    if (len >= host_room)
        return false;
    memcpy(host, address, len);
    host[len] = '\0';
    *ret_port = colon + 1;
    return true;
}

void
aw_listen_address(int fd, char text[AW_ADDRESS_TEXT_BYTES])
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t               len = sizeof(address);
    char                    host[INET6_ADDRSTRLEN], port[8];

    text[0] = '\0';
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 ||
        getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) !=
            0)
        return;
    (void)snprintf(text, AW_ADDRESS_TEXT_BYTES, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

enum aw_err
aw_listen(const char *address, int *ret_fd, char ret_text[AW_ADDRESS_TEXT_BYTES], struct aw_why *why)
{
    struct addrinfo  hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    const char      *port;
    char             host[128];
    int              fd, error, on = 1;

    if (!split(address, host, sizeof(host), &port))
        return aw_why(why, AW_E_CONFIG, "'%s' is no ADDRESS:PORT", address);
    error = getaddrinfo(host, port, &hints, &found);
    if (error != 0)
        return aw_why(why, AW_E_CONFIG, "'%s': %s", address, gai_strerror(error));
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        enum aw_err err = aw_why_errno(why, AW_E_IO, errno, "can't listen on %s", address);

        if (fd >= 0)
            (void)close(fd);
        freeaddrinfo(found);
        return err;
    }
    freeaddrinfo(found);
    aw_listen_address(fd, ret_text);
    *ret_fd = fd;
    return AW_OK;
}
