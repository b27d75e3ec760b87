/* session_fuzz.c - any bytes into a session, with a handler that answers at once, late, in a stream or never.
 *
 * Input: one byte of options, one of pace, then what the peer sends.
 *   options  bit 0-1  answers: at once, late, streaming, never
 *            bit 2    the preface and SETTINGS are sent first (else they must be in the input)
 *            bit 3    the peer reads nothing until the end
 *            bit 4    tight limits
 *            bit 5    a drain begins in the middle
 *            bit 6    the handler keeps requests that are gone until the end
 *            bit 7    answers are long and have fields, streams of them are broken off; the peer reads in small pieces; half of the
 *                     requests are bulk, and who sends one is known
 *   pace     low nibble: size of the pieces; high nibble: seconds between them
 * What it proves beyond memory errors: every request that was given is told of exactly once, and nothing is left (asserted by
 * aw_edge_free and aw_blocks_free).
 */
#include "base/arena.h"
#include "http/edge.h"
#include "http/request.h"
#include "http/session.h"

#include "session_mutator.h"

#include <nghttp2/nghttp2.h>
#include <stdint.h>
#include <stdlib.h>

#define HELD 128

enum answers { AT_ONCE, LATE, STREAMING, NEVER };

struct fuzz {
    enum answers       answers;
    bool               keeps_gone;
    bool               is_rich;
    struct aw_request *held[HELD];
    size_t             held_count;
    struct aw_request *gone[HELD];
    size_t             gone_count;
    uint64_t           given;
    uint64_t           told;
};

static char                     rich_body[70000]; /* more than the window that a client begins with */
static const struct aw_response rich = {.status = 200,
                                        .content_type = {"text/plain", 10},
                                        .field_count = 2,
                                        .fields = {{{"etag", 4}, {"\"1\"", 3}}, {{"retry-after", 11}, {"1", 1}}},
                                        .body = {rich_body, sizeof(rich_body)}};
static const struct aw_response plain = {.status = 200, .content_type = {"text/plain", 10}, .body = {"ok\n", 3}};
static const struct aw_response events = {.status = 200, .content_type = {"text/event-stream", 17}};

int    LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room); /* libFuzzer's, or that of replay.c */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed);

static void
forget(struct fuzz *fuzz, const struct aw_request *request)
{
    for (size_t i = 0; i < fuzz->held_count; i++) {
        if (fuzz->held[i] == request) {
            fuzz->held[i] = fuzz->held[--fuzz->held_count];
            return;
        }
    }
}

static void
on_request(void *user, struct aw_request *request)
{
    struct fuzz *fuzz = user;

    fuzz->given++;
    AW_ASSERT(request->path.len > 0);
    if (fuzz->is_rich) {
        aw_request_mark_known(request);
        if (fuzz->given % 2 == 0)
            aw_request_mark_bulk(request);
    }
    if (fuzz->answers == AT_ONCE || fuzz->held_count == HELD || !aw_request_try_park(request))
        aw_request_respond(request, fuzz->is_rich ? &rich : &plain);
    else
        fuzz->held[fuzz->held_count++] = request;
}

static void
on_gone(void *user, struct aw_request *request)
{
    struct fuzz *fuzz = user;

    forget(fuzz, request);
    if (fuzz->keeps_gone && fuzz->gone_count < HELD) {
        fuzz->gone[fuzz->gone_count++] = request;
        return;
    }
    fuzz->told++;
    aw_request_discard(request);
}

static void
on_sent(void *user, struct aw_request *request, bool delivered)
{
    struct fuzz *fuzz = user;

    (void)delivered;
    forget(fuzz, request);
    fuzz->told++;
}

/* Goes on with one request that is away. */
static void
work(struct fuzz *fuzz)
{
    struct aw_request *request;

    if (fuzz->held_count == 0 || fuzz->answers == NEVER)
        return;
    request = fuzz->held[0];
    if (fuzz->answers == LATE) {
        fuzz->held[0] = fuzz->held[--fuzz->held_count];
        aw_request_respond(request, fuzz->is_rich ? &rich : &plain);
    } else if (request->user == NULL) {
        request->user = fuzz;
        if (!aw_request_respond_begin(request, &events))
            AW_ASSERT(aw_request_is_gone(request)); /* on_gone comes */
    } else if (!aw_request_is_gone(request) && (request->state[0]++ > 2 || !aw_request_write(request, AW_SLICE("data: x\n\n")))) {
        fuzz->held[0] = fuzz->held[--fuzz->held_count];
        if (fuzz->is_rich && fuzz->given % 3 == 0)
            aw_request_abort(request);
        else
            aw_request_end(request);
    }
}

/* As much as the socket takes: all, or with a slow peer 100 bytes. */
static void
pull(struct aw_session *session, bool is_slow, aw_ns now)
{
    for (;;) {
        size_t len = aw_session_pull(session, now).len;

        if (len == 0)
            return;
        if (is_slow && len > 100)
            len = 100;
        aw_session_wrote(session, len, now);
        if (is_slow)
            return;
    }
}

/* What its connection asks of it. */
static void
check_wants(const struct fuzz *fuzz, const struct aw_session *session)
{
    AW_ASSERT(aw_session_is_done(session) == (!aw_session_wants_read(session) && !aw_session_wants_write(session)));
    AW_ASSERT(aw_cause_name(aw_session_cause(session))[0] != '\0');
    AW_IMPLIES(aw_session_is_bulk(session), fuzz->is_rich);
    for (size_t i = 0; i < fuzz->held_count; i++)
        AW_IMPLIES(fuzz->held[i]->user != NULL, aw_request_unsent(fuzz->held[i]) <= 1 << 20);
}

static void
converse(struct fuzz *fuzz, struct aw_session *session, const uint8_t *data, size_t size, uint8_t options, uint8_t pace)
{
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0";
    size_t            piece = 1 + (size_t)(pace & 15) * 37;
    aw_ns             pause = (pace >> 4) * AW_NS_PER_S;
    aw_ns             now = 1000 * AW_NS_PER_S;
    size_t            half = size / 2;

    if ((options & 4) != 0)
        aw_session_feed(session, aw_slice_of(hello, sizeof(hello) - 1), now);
    for (size_t at = 0; at < size; at += piece) {
        size_t len = size - at < piece ? size - at : piece;

        aw_session_feed(session, aw_slice_of(data + at, len), now);
        work(fuzz);
        if ((options & 8) == 0)
            pull(session, fuzz->is_rich, now);
        check_wants(fuzz, session);
        if ((options & 32) != 0 && at <= half && half < at + len)
            aw_session_shutdown(session, now);
        now += pause;
        for (int i = 0; i < 3 && (i == 0 || aw_session_next_deadline(session) <= now); i++)
            aw_session_step(session, now);
        AW_ASSERT(aw_session_next_deadline(session) > now); /* what was due is done: a loop around it does not spin */
    }
    for (int i = 0; i < 4; i++) {
        work(fuzz);
        pull(session, false, now);
        check_wants(fuzz, session);
        now += 10 * AW_NS_PER_S;
        aw_session_step(session, now);
    }
}

static struct aw_http_limits
choose_limits(bool is_tight)
{
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;

    if (!is_tight)
        return limits;
    limits.streams_max = 3;
    limits.header_fields_max = 6;
    limits.header_bytes_max = 300;
    limits.path_bytes_max = 16;
    limits.body_bytes_max = 200;
    limits.bodies_bytes_max = 300;
    limits.stream_out_bytes_max = 20;
    limits.outbound_frames_max = 10;
    limits.acks_queued_max = 5;
    limits.glitches_burst_max = 10;
    limits.controls_burst_max = 30;
    limits.requests_max = 20;
    return limits;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz           fuzz = {.answers = AT_ONCE};
    struct aw_edge_config config = {.bodies_bytes_max = 1 << 20, .seed = 1};
    struct aw_edge       *edge;
    struct aw_session    *session;

    if (size < 2)
        return 0;
    fuzz.answers = (enum answers)(data[0] & 3);
    fuzz.keeps_gone = (data[0] & 64) != 0;
    fuzz.is_rich = (data[0] & 128) != 0;
    config.limits = choose_limits((data[0] & 16) != 0);
    config.blocks = aw_blocks_new(AW_HTTP_BLOCK_BYTES, 1 << 20);
    config.handlers = (struct aw_handlers){&fuzz, NULL, on_request, on_gone, on_sent, NULL};
    AW_ASSERT(config.blocks != NULL);
    if (aw_edge_new(&edge, &config) != AW_OK)
        abort();
    if (aw_session_new(&session, &(struct aw_session_config){.edge = edge, .accept_at = 1000 * AW_NS_PER_S}) != AW_OK)
        abort();
    converse(&fuzz, session, data + 2, size - 2, data[0], data[1]);
    aw_session_free(&session);
    /* Half of what is gone is answered by mistake, which is harmless. */
    while (fuzz.gone_count > 0) {
        struct aw_request *request = fuzz.gone[--fuzz.gone_count];

        if (request->user != NULL || fuzz.gone_count % 2 == 0) {
            fuzz.told++;
            aw_request_discard(request);
        } else {
            aw_request_respond(request, &plain);
        }
    }
    AW_ASSERT(fuzz.held_count == 0);
    AW_ASSERT(fuzz.given == fuzz.told);
    aw_edge_free(&edge);
    aw_blocks_free(&config.blocks);
    return 0;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed)
{
    return session_mutator(data, size, room, seed, LLVMFuzzerMutate);
}
