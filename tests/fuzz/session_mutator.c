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

/* One well formed frame of any kind. */
static void
invent(struct conversation *talk, struct frame *frame)
{
    static const struct {
        uint8_t     type, flags;
        const char *payload;
        uint32_t    len;
    } kinds[] = {
        {0, 0, "{\"a\":1}", 7},  /* DATA */
        {0, 1, "", 0},           /* the last, empty */
        {0, 8, "\3ab\0\0\0", 6}, /* padded */
        {1, 5,
         "\x82\x86\x84\x01\x01"
         "a",
         6}, /* GET */
        {1, 4,
         "\x83\x86\x84\x01\x01"
         "a",
         6},                   /* POST, a body follows */
        {1, 1, "\x82\x86", 2}, /* to be continued */
        {9, 4,
         "\x84\x01\x01"
         "a",
         4},                                    /* CONTINUATION, the last */
        {9, 0, "", 0},                          /* empty */
        {1, 5, "\x00\x01x\x01y", 5},            /* trailers */
        {2, 0, "\x80\0\0\1\x10", 5},            /* PRIORITY */
        {3, 0, "\0\0\0\x08", 4},                /* RST_STREAM, CANCEL */
        {4, 0, "\0\4\0\0\0\0", 6},              /* SETTINGS, window 0 */
        {4, 0, "\0\1\0\0\0\0\0\1\0\1\0\0", 12}, /* header table 0, then 64 KiB */
        {4, 1, "", 0},                          /* acknowledged */
        {5, 4, "\0\0\0\2\x82", 5},              /* PUSH_PROMISE */
        {6, 0, "12345678", 8},                  /* PING */
        {6, 1, "12345678", 8},                  /* its answer */
        {7, 0, "\0\0\0\0\0\0\0\0", 8},          /* GOAWAY */
        {8, 0, "\0\0\0\1", 4},                  /* WINDOW_UPDATE by one byte */
        {8, 0, "\x7f\xff\xff\xff", 4},          /* by as much as there is */
        {0x10, 0, "\0\0\0\1u=1", 7},            /* PRIORITY_UPDATE */
        {0x42, 0xff, "what", 4},                /* of no known type */
    };
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
    switch (draw(talk, 9)) {
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
