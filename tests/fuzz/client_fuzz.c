/* client_fuzz.c - any bytes as what a server sends, to the client that `aswolk` and the load programs use.
 *
 * Input: one byte of options, one of pace, then frames; it is changed as frames, too (session_mutator.h).
 *   options  bit 0    the server reads nothing of what it is sent
 *            bit 1    it closes its side at the end; else the client leaves
 *            bit 2    its SETTINGS are sent first (else they must be in the input)
 *            bit 3    an exchange is given up in the middle
 *   pace     size of the pieces
 * What it proves beyond memory errors: every exchange ends once, by a result that makes sense and lies within the limits, and
 * nothing is left. The client is one for all inputs, the connection a new one for each.
 */
#include "base/assert.h"
#include "client/client.h"

#include "session_mutator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXCHANGES    4U
#define ANSWER_BYTES 1024U
#define TURNS_MAX    2000 /* until the client knows that its server is gone */

enum option { DEAF = 1, CLOSES = 2, GREETS = 4, GIVES_UP = 8 };

struct told {
    struct aw_exchange *exchange; /* NULL: over */
    uint32_t            ends;
    uint32_t            pieces_bytes;
};

int    LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room); /* libFuzzer's, or that of replay.c */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed);

static struct ev_loop   *loop;
static int               listener = -1;
static struct aw_client *client;
static struct aw_url     url;

static void
on_done(void *user, const struct aw_exchange_result *result)
{
    struct told *told = user;

    told->ends++;
    told->exchange = NULL;
    AW_ASSERT(result->end <= AW_EXCHANGE_CLOSED && result->field_count <= AW_ANSWER_FIELDS_MAX);
    if (result->end != AW_EXCHANGE_ANSWERED) {
        AW_ASSERT(result->why[0] != '\0');
        return;
    }
    AW_ASSERT(result->status >= 200 && result->status <= 999 && !result->unprocessed);
    AW_ASSERT(result->body.len <= ANSWER_BYTES);
    for (uint32_t i = 0; i < result->field_count; i++)
        AW_ASSERT(result->fields[i].name.len > 0 && result->fields[i].name.ptr[0] != ':');
}

static void
on_piece(void *user, struct aw_slice piece)
{
    struct told *told = user;

    AW_ASSERT(piece.len > 0 && told->ends == 0);
    told->pieces_bytes += (uint32_t)piece.len;
}

static void
prepare(void)
{
    struct sockaddr_in      address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct aw_client_config config = {
        .exchanges_max = EXCHANGES, .answer_bytes_max = ANSWER_BYTES, .insecure = true, .token = AW_SLICE("aswolk_token")};
    struct aw_why why = {""};
    socklen_t     len = sizeof(address);
    char          text[64];
    enum aw_err   err;

    if (listener >= 0)
        return;
    loop = ev_loop_new(EVFLAG_AUTO);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    AW_ASSERT(loop != NULL && listener >= 0 && bind(listener, (const struct sockaddr *)&address, len) == 0);
    AW_ASSERT(listen(listener, 8) == 0 && getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    (void)snprintf(text, sizeof(text), "http://127.0.0.1:%d", ntohs(address.sin_port));
    config.loop = loop;
    err = aw_client_new(&client, &config, &why);
    AW_ASSERT(err == AW_OK);
    err = aw_url_parse(aw_slice_str(text), &url, &why);
    AW_ASSERT(err == AW_OK);
}

/* The loop is what connects. */
static int
take_client(void)
{
    int fd = -1;

    for (int i = 0; i < TURNS_MAX && fd < 0; i++) {
        (void)ev_run(loop, EVRUN_NOWAIT);
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
    AW_ASSERT(fd >= 0);
    return fd;
}

static void
submit(struct aw_trunk *trunk, struct told told[EXCHANGES])
{
    static const struct aw_exchange_field fields[] = {{.name = {"aswolk-agent", 12}, .value = {"ann", 3}, .secret = true}};

    for (unsigned i = 0; i < EXCHANGES; i++) {
        struct aw_exchange_request request = {.method = i == 1   ? AW_SLICE("POST")
                                                        : i == 2 ? AW_SLICE("HEAD")
                                                                 : AW_SLICE("GET"),
                                              .path = AW_SLICE("/v1/messages"),
                                              .fields = fields,
                                              .field_count = AW_ARRAY_LEN(fields)};

        if (i == 1)
            request.body = AW_SLICE("{\"a\":1}");
        if (i == 3) {
            request.on_piece = on_piece;
            request.piece_user = &told[i];
        }
        told[i] = (struct told){.exchange = NULL};
        told[i].exchange = aw_exchange_submit(trunk, &request, on_done, &told[i]);
        AW_ASSERT(told[i].exchange != NULL);
    }
}

static void
turn(int fd, bool is_deaf)
{
    char bytes[4096];

    for (int i = 0; i < 3; i++)
        (void)ev_run(loop, EVRUN_NOWAIT);
    while (!is_deaf && recv(fd, bytes, sizeof(bytes), 0) > 0)
        continue;
}

static void
converse(struct aw_trunk *trunk, struct told told[EXCHANGES], int fd, const uint8_t *data, size_t size)
{
    static const char settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0};
    const uint8_t     options = data[0];
    size_t            piece = 1 + (size_t)data[1] * 7;
    bool              is_deaf = (options & DEAF) != 0;

    if ((options & GREETS) != 0)
        (void)send(fd, settings, sizeof(settings), MSG_NOSIGNAL);
    turn(fd, is_deaf);
    for (size_t at = 2; at < size; at += piece) {
        size_t len = size - at < piece ? size - at : piece;

        if (send(fd, data + at, len, MSG_NOSIGNAL) != (ssize_t)len)
            break; /* it is not listened to any more */
        turn(fd, is_deaf);
        if ((options & GIVES_UP) != 0 && at <= size / 2 && told[0].exchange != NULL) {
            aw_exchange_cancel(&told[0].exchange);
            told[0].ends++;
        }
    }
    turn(fd, is_deaf);
    if ((options & CLOSES) == 0)
        return;
    (void)shutdown(fd, SHUT_RDWR);
    for (int i = 0; i < TURNS_MAX && aw_trunk_state(trunk) != AW_TRUNK_CLOSED; i++)
        (void)ev_run(loop, EVRUN_NOWAIT);
    AW_ASSERT(aw_trunk_state(trunk) == AW_TRUNK_CLOSED && aw_trunk_why(trunk)[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aw_trunk *trunk;
    struct told      told[EXCHANGES];
    struct aw_why    why = {""};
    enum aw_err      err;
    int              fd;

    if (size < 2)
        return 0;
    prepare();
    err = aw_trunk_open(&trunk, client, &url, NULL, NULL, &why);
    AW_ASSERT(err == AW_OK);
    submit(trunk, told);
    fd = take_client();
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger)); /* no port waits */
    converse(trunk, told, fd, data, size);
    aw_trunk_close(&trunk);
    (void)ev_run(loop, EVRUN_NOWAIT); /* what was closed is freed between turns */
    AW_ASSERT(aw_client_exchanges(client) == 0);
    for (unsigned i = 0; i < EXCHANGES; i++)
        AW_ASSERT(told[i].ends == 1);
    (void)close(fd);
    return 0;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed)
{
    return session_mutator(data, size, room, seed, LLVMFuzzerMutate);
}
