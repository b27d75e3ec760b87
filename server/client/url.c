/* url.c - RFC 3986 section 3.2, as far as a server's address goes. */
#include "client/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool
is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

/* Cuts "host" or "[v6]" from the front of `rest`. */
static bool
take_host(struct aw_slice *rest, struct aw_url *url, bool *ret_is_v6)
{
    struct in6_addr v6;
    size_t          len = 0;

    *ret_is_v6 = rest->len > 0 && rest->ptr[0] == '[';
    if (*ret_is_v6) {
        const char *end = memchr(rest->ptr, ']', rest->len);

        if (end == NULL || (size_t)(end - rest->ptr - 1) >= sizeof(url->host))
            return false;
        len = (size_t)(end - rest->ptr - 1);
        memcpy(url->host, rest->ptr + 1, len);
        url->host[len] = '\0';
        *rest = aw_slice_of(end + 1, rest->len - len - 2);
        return strlen(url->host) == len && inet_pton(AF_INET6, url->host, &v6) == 1;
    }
    while (len < rest->len && is_host_char(rest->ptr[len]))
        len++;
    if (len == 0 || len >= sizeof(url->host))
        return false;
    memcpy(url->host, rest->ptr, len);
    url->host[len] = '\0';
    *rest = aw_slice_of(rest->ptr + len, rest->len - len);
    return true;
}

static bool
take_port(struct aw_slice *rest, struct aw_url *url)
{
    struct aw_slice digits;
    uint64_t        port;
    size_t          len = 1;

    if (rest->len == 0 || rest->ptr[0] != ':') {
        (void)snprintf(url->port, sizeof(url->port), "%s", url->tls ? "443" : "80");
        return true;
    }
    while (len < rest->len && rest->ptr[len] >= '0' && rest->ptr[len] <= '9')
        len++;
    digits = aw_slice_of(rest->ptr + 1, len - 1);
    if (!aw_slice_to_u64(digits, 65535, &port) || port == 0)
        return false;
    (void)snprintf(url->port, sizeof(url->port), "%u", (unsigned)port);
    *rest = aw_slice_of(rest->ptr + len, rest->len - len);
    return true;
}

enum aw_err
aw_url_parse(struct aw_slice text, struct aw_url *ret_url, struct aw_why *why)
{
    struct aw_url   url = {.tls = aw_slice_starts(text, AW_SLICE("https://"))};
    struct aw_slice rest = text;
    size_t          scheme = url.tls ? strlen("https://") : strlen("http://");
    bool            is_v6;

    if (!url.tls && !aw_slice_starts(text, AW_SLICE("http://")))
        return aw_why(why, AW_E_BAD_VALUE, "\"%.*s\" does not begin with http:// or https://", AW_SLICE_ARGS(text));
    rest = aw_slice_of(text.ptr + scheme, text.len - scheme);
    if (!take_host(&rest, &url, &is_v6))
        return aw_why(why, AW_E_BAD_VALUE, "\"%.*s\" names no host", AW_SLICE_ARGS(text));
    if (!take_port(&rest, &url))
        return aw_why(why, AW_E_BAD_VALUE, "\"%.*s\" has a port that is none", AW_SLICE_ARGS(text));
    if (rest.len != 0 && !aw_slice_eq(rest, AW_SLICE("/")))
        return aw_why(why, AW_E_BAD_VALUE, "\"%.*s\" has more than scheme, host and port", AW_SLICE_ARGS(text));
    (void)snprintf(url.authority, sizeof(url.authority), is_v6 ? "[%s]:%s" : "%s:%s", url.host, url.port);
    *ret_url = url;
    return AW_OK;
}
