/* session_mutator.c - changes a conversation as HTTP/2 frames, so that what comes out still is one: for session_fuzz.
 *
 * The input is options, pace, perhaps the preface, then frames (session_fuzz.c). It is cut into frames; a tail that is none stays
 * as it is. One to four changes are made, each to a frame or to where it stands, and the lengths are put right, except now and
 * then. One time in eight the bytes are changed without a thought of frames.
 *
 * The same input, size and seed give the same result. Room for everything is on the stack. Thread: any.
 */
#include "session_mutator.h"

#include "base/assert.h"

#include <stdbool.h>
#include <string.h>

#define HEAD_BYTES     9U
#define FRAMES_MAX     96U
#define SCRATCH_BYTES  (64U * 1024U)
#define PAYLOAD_BYTES  2048U
#define PREFACE        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PREFACE_BYTES  24U
#define OPTION_GREETED 4U /* the preface is not in the input */

struct frame {
    uint8_t  type;
    uint8_t  flags;
    uint32_t stream; /* with the reserved bit */
    uint32_t lie;    /* added to the length that is told */
    uint32_t at;     /* of the payload, in bytes[] */
    uint32_t len;
};

struct conversation {
    struct frame frames[FRAMES_MAX];
    uint32_t     count;
    uint8_t      bytes[SCRATCH_BYTES]; /* payloads, each as it was or new at the end */
    uint32_t     used;
    size_t       begin; /* of the input: options, pace, the preface */
    size_t       end;   /* of the input: from here on it is no frame */
    uint64_t     state; /* of the random numbers; never 0 */
};

/* xorshift64* (Vigna 2016). */
static uint32_t
draw(struct conversation *talk, uint32_t end)
{
    talk->state ^= talk->state >> 12;
    talk->state ^= talk->state << 25;
    talk->state ^= talk->state >> 27;
    return (uint32_t)(((talk->state * UINT64_C(0x2545f4914f6cdd1d)) >> 32) * end >> 32);
}

static bool
put_payload(struct conversation *talk, struct frame *frame, const void *bytes, uint32_t len)
{
    if (len > SCRATCH_BYTES - talk->used)
        return false;
    frame->at = talk->used;
    frame->len = len;
    if (len > 0)
        memcpy(talk->bytes + talk->used, bytes, len);
    talk->used += len;
    return true;
}

static void
cut(struct conversation *talk, const uint8_t *data, size_t size)
{
    size_t at = 2;

    if ((data[0] & OPTION_GREETED) == 0 && size - at >= PREFACE_BYTES && memcmp(data + at, PREFACE, PREFACE_BYTES) == 0)
        at += PREFACE_BYTES;
    talk->begin = at;
    while (size - at >= HEAD_BYTES && talk->count < FRAMES_MAX) {
        const uint8_t *head = data + at;
        uint32_t       len = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
        struct frame  *frame = &talk->frames[talk->count];

        if (len > size - at - HEAD_BYTES)
            break;
        *frame = (struct frame){.type = head[3], .flags = head[4]};
        frame->stream = (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
        if (!put_payload(talk, frame, head + HEAD_BYTES, len))
            break;
        talk->count++;
        at += HEAD_BYTES + len;
    }
    talk->end = at;
}

static uint32_t
choose_stream(struct conversation *talk)
{
    uint32_t highest = 0;

    for (uint32_t i = 0; i < talk->count; i++)
        highest = talk->frames[i].stream > highest ? talk->frames[i].stream : highest;
    switch (draw(talk, 6)) {
    case 0:
        return 0;
    case 1:
        return (highest + 2) | 1; /* the next of a client's */
    case 2:
        return highest + 1;
    case 3:
        return draw(talk, UINT32_MAX);
    default:
        return talk->count == 0 ? 1 : talk->frames[draw(talk, talk->count)].stream;
    }
}

/* A request in header compression: indexed method, scheme, path, and a literal authority "a". */
#define GET                                                                                                                      \
    "\x82\x86\x84\x01\x01"                                                                                                       \
    "a"
#define POST                                                                                                                     \
    "\x83\x86\x84\x01\x01"                                                                                                       \
    "a"
/* With its length, which strings that hold zero bytes don't tell. */
#define BYTES(text) (text), sizeof(text) - 1

/* Frames of every kind; most are well formed, the others wrong in one thing. */
static const struct {
    uint8_t     type, flags;
    const char *payload;
    uint32_t    len;
} kinds[] = {
    /* DATA */
    {0, 0, BYTES("{\"a\":1}")},
    {0, 1, BYTES("")},
    {0, 8, BYTES("\3ab\0\0\0")},   /* padded */
    {0, 9, BYTES("\0ab")},         /* by nothing */
    {0, 8, BYTES("\7ab")},         /* by more than there is */
    {0, 8, BYTES("\5\0\0\0\0\0")}, /* nothing but padding */
    /* HEADERS: requests */
    {1, 5, BYTES(GET)},
    {1, 4, BYTES(POST)},
    {1, 1, BYTES("\x82\x86")},                     /* to be continued */
    {1, 0x0d, BYTES("\2" GET "\0\0")},             /* padded */
    {1, 0x25, BYTES("\0\0\0\0\x10" GET)},          /* with a priority */
    {1, 0x2d, BYTES("\1\x80\0\0\1\x10" GET "\0")}, /* both */
    {1, 0x25, BYTES("\0\0\0")},                    /* too short for one */
    {1, 4,
     BYTES(POST "\x0f\x0d\1"
                "5")}, /* content-length: 5 */
    {1, 5,
     BYTES(POST "\x0f\x0d\1"
                "5")}, /* and nothing comes */
    {1, 4,
     BYTES(POST "\x0f\x14\x0c"
                "100-continue")}, /* expect */
    {1, 5, BYTES("\x02\4HEAD\x86\x84\x01\1a")},
    {1, 4, BYTES("\x02\7CONNECT\x01\1a")},
    {1, 5, BYTES("\x82\x86\x84\x84\x01\1a")},     /* two paths */
    {1, 5, BYTES("\x82\x86\x01\1a")},             /* none */
    {1, 5, BYTES("\x82\x86\x84\0\1x\1y\x01\1a")}, /* authority behind a field */
    {1, 5, BYTES(GET "\0\1X\1y")},                /* upper case */
    {1, 5, BYTES(GET "\0\2te\5other")},
    {1, 5, BYTES(GET "\0\nconnection\1x")},
    {1, 5, BYTES(GET "\x40\1x\1y\xbe\xbe\xbe")}, /* into the table, and out of it */
    {1, 5, BYTES(GET "\x10\6cookie\3a=b\x10\6cookie\3c=d")},
    {1, 5, BYTES(GET "\0\1x\x82\xff\xff")},        /* Huffman, wrongly padded */
    {1, 5, BYTES("\x20" GET)},                     /* table size 0 */
    {1, 5, BYTES("\x20\x3f\xe1\x1f" GET)},         /* 0, then 4096 */
    {1, 5, BYTES("\x3f\xe1\xff\3" GET)},           /* above what was allowed */
    {1, 5, BYTES(GET "\x20")},                     /* not at the beginning */
    {1, 5, BYTES("\x3f\xff\xff\xff\xff\xff\x0f")}, /* a number without end */
    {1, 5, BYTES("\x80")},                         /* index 0 */
    {1, 5, BYTES("\0\1x\1y")},                     /* trailers */
    {1, 5, BYTES("\x84")},                         /* of a pseudo-header */
    {1, 4, BYTES("\0\1x\1y")},                     /* and no end */
    {9, 4, BYTES("\x84\x01\1a")},                  /* CONTINUATION, the last */
    {9, 0, BYTES("")},                             /* empty */
    {9, 0, BYTES("\0\1x\1y")},
    {2, 0, BYTES("\x80\0\0\1\x10")}, /* PRIORITY */
    {2, 0, BYTES("\0\0\0")},
    {3, 0, BYTES("\0\0\0\x08")}, /* RST_STREAM: CANCEL */
    {3, 0, BYTES("\0\0\0\0")},
    {3, 0, BYTES("\0")},
    /* SETTINGS */
    {4, 0, BYTES("\0\4\0\0\0\0")},             /* window 0 */
    {4, 0, BYTES("\0\4\x7f\xff\xff\xff")},     /* the largest */
    {4, 0, BYTES("\0\4\x80\0\0\0")},           /* above it */
    {4, 0, BYTES("\0\4\0\0\0\x10")},           /* a few bytes */
    {4, 0, BYTES("\0\1\0\0\0\0\0\1\0\1\0\0")}, /* header table 0, then 64 KiB */
    {4, 0, BYTES("\0\2\0\0\0\2")},             /* push: 2 */
    {4, 0, BYTES("\0\3\0\0\0\0")},             /* no streams */
    {4, 0, BYTES("\0\5\0\0\0\1")},             /* frames of one byte */
    {4, 0, BYTES("\0\6\0\0\0\x10")},           /* short header lists */
    {4, 0, BYTES("\0\x08\0\0\0\1\0\x09\0\0\0\1\xff\xff\0\0\0\1")},
    {4, 0, BYTES("\0\4\0")},
    {4, 1, BYTES("")}, /* acknowledged */
    {4, 1, BYTES("\0\4\0\0\0\0")},
    {5, 4, BYTES("\0\0\0\2\x82")}, /* PUSH_PROMISE */
    {6, 0, BYTES("12345678")},     /* PING */
    {6, 0, BYTES("1234567")},
    {6, 1, BYTES("12345678")}, /* its answer */
    {7, 0, BYTES("\0\0\0\0\0\0\0\0")},
    {7, 0,
     BYTES("\x7f\xff\xff\xff\0\0\0\x0b"
           "calm")}, /* GOAWAY */
    {7, 0, BYTES("\0\0\0\0")},
    {8, 0, BYTES("\0\0\0\1")}, /* WINDOW_UPDATE by one byte */
    {8, 0, BYTES("\0\0\0\0")}, /* by none */
    {8, 0, BYTES("\x7f\xff\xff\xff")},
    {0x0a, 0, BYTES("\0\1ah2=\":1\"")}, /* ALTSVC, ORIGIN: only servers send them */
    {0x0c, 0, BYTES("\0\1a")},
    {0x10, 0, BYTES("\0\0\0\1u=1")}, /* PRIORITY_UPDATE */
    {0x42, 0xff, BYTES("what")},     /* of no known type */
};

/* One of them, on some stream. */
static void
invent(struct conversation *talk, struct frame *frame)
{
    uint32_t kind = draw(talk, AW_ARRAY_LEN(kinds));

    *frame = (struct frame){.type = kinds[kind].type, .flags = kinds[kind].flags, .stream = choose_stream(talk)};
    if (!put_payload(talk, frame, kinds[kind].payload, kinds[kind].len))
        frame->len = 0;
}

/* `count` times `frame`, in front of `place`; as many as there is room for. */
static void
insert(struct conversation *talk, uint32_t place, const struct frame *frame, uint32_t count)
{
    struct frame copy = *frame; /* it may lie in what moves */

    if (count > FRAMES_MAX - talk->count)
        count = FRAMES_MAX - talk->count;
    memmove(&talk->frames[place + count], &talk->frames[place], (talk->count - place) * sizeof(copy));
    for (uint32_t i = 0; i < count; i++)
        talk->frames[place + i] = copy;
    talk->count += count;
}

/* What a flood is made of: requests that are reset at once, or one after the other, each with a number of its own; or one header
 * block that does not end. */
static void
flood(struct conversation *talk, uint32_t place)
{
    uint32_t     kind = draw(talk, 3), count = 1 + draw(talk, 40), stream = 1;
    struct frame request = {.type = 1, .flags = 5}, reset = {.type = 3}, more = {.type = 9};

    if (!put_payload(talk, &request, BYTES(GET)) || !put_payload(talk, &reset, BYTES("\0\0\0\x08")) ||
        !put_payload(talk, &more, BYTES("\0\1x\1y")))
        return;
    for (uint32_t i = 0; i < talk->count; i++)
        stream = talk->frames[i].stream < UINT16_MAX && talk->frames[i].stream >= stream ? talk->frames[i].stream + 2 : stream;
    stream |= 1;
    request.stream = more.stream = stream;
    if (kind == 2) {
        request.flags = 1; /* it goes on */
        insert(talk, place, &more, count);
        insert(talk, place, &request, 1);
        return;
    }
    for (uint32_t i = 0; i < count; i++) { /* from the last to the first, each in front */
        request.stream = reset.stream = stream + 2 * (count - 1 - i);
        if (kind == 0)
            insert(talk, place, &reset, 1);
        insert(talk, place, &request, 1);
    }
}

static void
change_payload(struct conversation *talk, struct frame *frame, session_mutate *mutate)
{
    uint8_t  payload[PAYLOAD_BYTES];
    uint32_t len = frame->len < PAYLOAD_BYTES ? frame->len : PAYLOAD_BYTES;

    memcpy(payload, talk->bytes + frame->at, len);
    if (len == 0)
        payload[len++] = 0;
    len = (uint32_t)mutate(payload, len, PAYLOAD_BYTES);
    if (!put_payload(talk, frame, payload, len))
        frame->len = 0;
}

/* Cuts the payload in two: HEADERS go on in a CONTINUATION, others in a frame of the same type. */
static void
split(struct conversation *talk, uint32_t place)
{
    struct frame *first = &talk->frames[place];
    struct frame  second = *first;
    uint32_t      at;

    if (first->len < 2 || talk->count == FRAMES_MAX)
        return;
    at = 1 + draw(talk, first->len - 1);
    second.at += at;
    second.len -= at;
    first->len = at;
    if (first->type == 1) {
        second.type = 9;
        second.flags = 4;
        first->flags &= (uint8_t)~4U;
    }
    insert(talk, place + 1, &second, 1);
}

static void
change(struct conversation *talk, session_mutate *mutate)
{
    uint32_t     place = talk->count == 0 ? 0 : draw(talk, talk->count);
    struct frame made;

    if (talk->count == 0 || draw(talk, 4) == 0) {
        invent(talk, &made);
        insert(talk, draw(talk, talk->count + 1), &made, draw(talk, 8) == 0 ? 1 + draw(talk, 64) : 1);
        return;
    }
    switch (draw(talk, 10)) {
    case 0:
        change_payload(talk, &talk->frames[place], mutate);
        break;
    case 1:
        talk->frames[place].type = (uint8_t)draw(talk, 18);
        break;
    case 2:
        talk->frames[place].flags ^= (uint8_t)(1U << draw(talk, 8));
        break;
    case 3:
        talk->frames[place].stream = choose_stream(talk);
        break;
    case 4:
        insert(talk, place, &talk->frames[place], draw(talk, 4) == 0 ? 1 + draw(talk, 64) : 1);
        break;
    case 5:
        talk->count--;
        memmove(&talk->frames[place], &talk->frames[place + 1], (talk->count - place) * sizeof(made));
        break;
    case 6: {
        uint32_t other = draw(talk, talk->count);

        made = talk->frames[place];
        talk->frames[place] = talk->frames[other];
        talk->frames[other] = made;
        break;
    }
    case 7:
        split(talk, place);
        break;
    case 8:
        flood(talk, place);
        break;
    default:
        talk->frames[place].lie = draw(talk, 2) == 0 ? 1U : draw(talk, 1U << 24);
        break;
    }
}

/* Writes all of it to `data`; what does not fit any more is left away. Returns the size. */
static size_t
put_together(const struct conversation *talk, uint8_t *data, size_t room)
{
    size_t at = talk->begin;

    for (uint32_t i = 0; i < talk->count; i++) {
        const struct frame *frame = &talk->frames[i];
        uint32_t            told = (frame->len + frame->lie) & 0xffffffU;
        const uint8_t       head[HEAD_BYTES] = {(uint8_t)(told >> 16),
                                                (uint8_t)(told >> 8),
                                                (uint8_t)told,
                                                frame->type,
                                                frame->flags,
                                                (uint8_t)(frame->stream >> 24),
                                                (uint8_t)(frame->stream >> 16),
                                                (uint8_t)(frame->stream >> 8),
                                                (uint8_t)frame->stream};

        if (HEAD_BYTES + frame->len > room - at)
            break;
        memcpy(data + at, head, HEAD_BYTES);
        memcpy(data + at + HEAD_BYTES, talk->bytes + frame->at, frame->len);
        at += HEAD_BYTES + frame->len;
    }
    return at;
}

size_t
session_mutator(uint8_t *data, size_t size, size_t room, uint32_t seed, session_mutate *mutate)
{
    struct conversation talk = {.state = ((uint64_t)seed + 1) * UINT64_C(0x9e3779b97f4a7c15)};
    uint8_t             tail[PAYLOAD_BYTES];
    size_t              left;
    size_t              at;

    if (size < 2 || draw(&talk, 8) == 0)
        return mutate(data, size, room);
    if (draw(&talk, 16) == 0)
        data[draw(&talk, 2)] ^= (uint8_t)(1U << draw(&talk, 8));
    cut(&talk, data, size);
    left = size - talk.end < sizeof(tail) ? size - talk.end : sizeof(tail);
    memcpy(tail, data + talk.end, left);
    for (uint32_t i = 1 + draw(&talk, 4); i > 0; i--)
        change(&talk, mutate);
    at = put_together(&talk, data, room);
    left = left < room - at ? left : room - at;
    memcpy(data + at, tail, left);
    return at + left;
}
