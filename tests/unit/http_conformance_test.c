/* Proves that the edge keeps what RFC 9113 and RFC 7541 demand of a server, section by section. How: a table with an entry for each
 * demand that a client can put to the test: the frames that are sent, and what must come of them. Where the RFC leaves a choice (an
 * error of the stream or of the connection, an answer or a reset), the entry says which one is ours. */
#include "support/http_rig.h"

/* How frames are written: "TYPE FLAGS STREAM PAYLOAD...", the next behind "; ".
 *   FLAGS     - or letters: e END_STREAM or ACK, h END_HEADERS, p PADDED, r PRIORITY, x all that mean nothing
 *   PAYLOAD   hex digits; *N: N zero bytes; name=value: a literal field, not indexed; @get, @post: the head of a request to "/"
 *   TYPE      a name, or x and two hex digits; RAW: the payload alone, no frame */
enum kind {
    MUST_LIVE,   /* no error; the next request is answered */
    MUST_DIE,    /* GOAWAY with this code, and the connection is over */
    MUST_RESET,  /* that stream is reset with this code; the next request is answered */
    MUST_ANSWER, /* that stream gets this status; the next request is answered */
    MUST_FINISH, /* that stream gets this status; the connection is over without an error */
    MUST_NOTHING /* no error; there can be no next request */
};

struct demand {
    const char *section;
    const char *what;
    const char *frames;
    enum kind   kind;
    uint32_t    stream;
    uint32_t    code;
    bool        is_held;  /* requests are not answered, so that streams stay open */
    bool        is_fresh; /* nothing was sent before: no preface, no SETTINGS */
};

#define HELD   .is_held = true
#define FRESH  .is_fresh = true
#define PROTO  NGHTTP2_PROTOCOL_ERROR
#define SIZE   NGHTTP2_FRAME_SIZE_ERROR
#define FLOW   NGHTTP2_FLOW_CONTROL_ERROR
#define CLOSED NGHTTP2_STREAM_CLOSED
#define HPACK  NGHTTP2_COMPRESSION_ERROR
#define OPEN1  "HEADERS h 1 @post; "
#define ENDED1 "HEADERS eh 1 @get; "

#define LIVES         .kind = MUST_LIVE
#define DIES(c)       .kind = MUST_DIE, .code = (c)
#define RESETS(c)     .kind = MUST_RESET, .stream = 1, .code = (c)
#define ANSWERS(s)    .kind = MUST_ANSWER, .stream = 1, .code = (s)
#define FINISHES(s)   .kind = MUST_FINISH, .stream = 1, .code = (s)
#define SILENT        .kind = MUST_NOTHING
#define PREFACE_BYTES "505249202a20485454502f322e300d0a0d0a534d0d0a0d0a"

static const struct demand demands[] = {
    {"9113 3.4", "preface and empty SETTINGS begin a connection", "RAW " PREFACE_BYTES "; SETTINGS - 0; SETTINGS e 0", LIVES,
     FRESH},
    {"9113 3.4", "a preface that is wrong at its end", "RAW 505249202a20485454502f322e300d0a0d0a534d0d0a0d00", DIES(PROTO),
     FRESH},
    {"9113 3.4", "bytes that are no preface", "RAW 16030102000100", DIES(PROTO), FRESH},
    {"9113 3.4", "the first frame is no SETTINGS", "RAW " PREFACE_BYTES "; PING - 0 *8", DIES(PROTO), FRESH},
    {"9113 3.4", "the first frame is a SETTINGS ack", "RAW " PREFACE_BYTES "; SETTINGS e 0", DIES(PROTO), FRESH},
    {"9113 3.4", "a request before any SETTINGS", "RAW " PREFACE_BYTES "; HEADERS eh 1 @get", DIES(PROTO), FRESH},

    {"9113 4.1", "a frame of unknown type is ignored", "x42 - 0 *20", LIVES},
    {"9113 4.1", "the same on a stream, with all flags", OPEN1 "x42 ehprx 1 *20; DATA e 1 61", ANSWERS(200)},
    {"9113 4.1", "flags that mean nothing are ignored", "PING x 0 *8", LIVES},
    {"9113 4.1", "the reserved bit of a stream number is ignored", "PING - 2147483648 *8", LIVES},
    {"9113 4.2", "a frame of 2^14 bytes is taken", OPEN1 "DATA e 1 *16384", ANSWERS(200)},
    {"9113 4.2", "DATA above the frame size", OPEN1 "DATA - 1 *16385", DIES(SIZE)},
    {"9113 4.2", "HEADERS above the frame size", "HEADERS eh 1 @get *16385", DIES(SIZE)},
    {"9113 4.2", "SETTINGS above the frame size", "SETTINGS - 0 *16386", DIES(SIZE)},
    {"9113 4.2", "an unknown type above the frame size", "x42 - 0 *16385", DIES(SIZE)},
    {"9113 4.3", "a header block that cannot be decoded", "HEADERS eh 1 80", DIES(HPACK)},
    {"9113 4.3", "the same in CONTINUATION", "HEADERS e 1 @get; CONTINUATION h 1 80", DIES(HPACK)},
    {"9113 4.3", "the same in trailers", OPEN1 "HEADERS eh 1 80", DIES(HPACK)},
    {"9113 4.3", "a block of a stream that is reset is decoded all the same",
     "HEADERS eh 1 @get 00015801 61 4001790131; HEADERS eh 3 @get be", RESETS(PROTO)},
    {"9113 4.3", "PRIORITY inside a header block", "HEADERS - 1 @get; PRIORITY - 1 *5", DIES(PROTO)},
    {"9113 4.3", "PING inside a header block", "HEADERS - 1 @get; PING - 0 *8", DIES(PROTO)},
    {"9113 4.3", "DATA inside a header block", "HEADERS - 1 @post; DATA e 1 61", DIES(PROTO)},
    {"9113 4.3", "HEADERS of another stream inside a header block", "HEADERS - 1 @get; HEADERS eh 3 @get", DIES(PROTO)},
    {"9113 4.3", "CONTINUATION of another stream", "HEADERS - 1 @get; CONTINUATION h 3", DIES(PROTO)},

    {"9113 5.1", "DATA on an idle stream", "DATA e 1 61", DIES(PROTO)},
    {"9113 5.1", "RST_STREAM on an idle stream", "RST - 1 00000008", DIES(PROTO)},
    {"9113 5.1", "WINDOW_UPDATE on an idle stream", "WINDOW - 1 00000064", DIES(PROTO)},
    {"9113 5.1", "CONTINUATION on an idle stream", "CONTINUATION h 1 @get", DIES(PROTO)},
    {"9113 5.1", "PRIORITY on an idle stream is allowed", "PRIORITY - 9 000000000f", LIVES},
    {"9113 5.1", "half closed: DATA", ENDED1 "DATA e 1 61", DIES(CLOSED), HELD},
    {"9113 5.1", "half closed: HEADERS", ENDED1 "HEADERS eh 1 @get", DIES(CLOSED), HELD},
    {"9113 5.1", "half closed: CONTINUATION", ENDED1 "CONTINUATION h 1", DIES(PROTO), HELD},
    {"9113 5.1", "half closed: WINDOW_UPDATE is allowed", ENDED1 "WINDOW - 1 00000064", LIVES, HELD},
    {"9113 5.1", "half closed: PRIORITY is allowed", ENDED1 "PRIORITY - 1 000000000f", LIVES, HELD},
    {"9113 5.1", "half closed: RST_STREAM is allowed", ENDED1 "RST - 1 00000008", LIVES, HELD},
    {"9113 5.1", "closed by END_STREAM: HEADERS", ENDED1 "HEADERS eh 1 @get", DIES(CLOSED)},
    {"9113 5.1", "closed by END_STREAM: CONTINUATION", ENDED1 "CONTINUATION h 1", DIES(PROTO)},
    {"9113 5.1", "closed by END_STREAM: WINDOW_UPDATE is allowed", ENDED1 "WINDOW - 1 00000064", ANSWERS(200)},
    {"9113 5.1", "closed by END_STREAM: RST_STREAM is allowed", ENDED1 "RST - 1 00000008", ANSWERS(200)},
    {"9113 5.1", "closed by END_STREAM: PRIORITY is allowed", ENDED1 "PRIORITY - 1 000000000f", ANSWERS(200)},
    {"9113 5.1", "closed by the peer's RST_STREAM: DATA", OPEN1 "RST - 1 00000008; DATA e 1 61", DIES(CLOSED)},
    {"9113 5.1", "closed by the peer's RST_STREAM: HEADERS", OPEN1 "RST - 1 00000008; HEADERS eh 1 @get", DIES(CLOSED)},
    {"9113 5.1", "closed by the peer's RST_STREAM: CONTINUATION", OPEN1 "RST - 1 00000008; CONTINUATION h 1", DIES(PROTO)},
    {"9113 5.1", "closed by our RST_STREAM: DATA on its way is ignored", "HEADERS h 1 @post X=x; DATA e 1 61", RESETS(PROTO)},
    {"9113 5.1", "closed by our RST_STREAM: trailers on their way are ignored", "HEADERS h 1 @post X=x; HEADERS eh 1 61=62",
     RESETS(PROTO)},
    {"9113 5.1", "closed by our RST_STREAM: WINDOW_UPDATE is ignored", "HEADERS h 1 @post X=x; WINDOW - 1 00000064",
     RESETS(PROTO)},
    {"9113 5.1.1", "a stream with an even number", "HEADERS eh 2 @get", DIES(PROTO)},
    {"9113 5.1.1", "a number lower than one before", "HEADERS eh 5 @get; HEADERS eh 3 @get", DIES(PROTO)},
    {"9113 5.1.1", "numbers may be passed over", "HEADERS eh 1 @get; HEADERS eh 77 @get", ANSWERS(200)},
    {"9113 5.1.1", "the largest number", "HEADERS eh 2147483647 @get; PING - 0 *8", SILENT},
    {"9113 5.3.1", "a stream that depends on itself by HEADERS", "HEADERS ehr 1 00000001 0f @get", DIES(PROTO)},
    {"9113 5.3.1", "a stream that depends on itself by PRIORITY", "PRIORITY - 1 000000010f", DIES(PROTO)},
    {"9113 5.4.1", "after a GOAWAY nothing is served", "PING - 1 *8; HEADERS eh 1 @get", DIES(PROTO)},
    {"9113 5.4.2", "RST_STREAM is not answered by RST_STREAM", OPEN1 "RST - 1 00000001; PING - 0 *8", LIVES},
    {"9113 5.5", "an unknown setting is ignored", "SETTINGS - 0 00ff00000000", LIVES},
    {"9113 5.5", "an unknown frame inside a header block", "HEADERS - 1 @get; x42 - 1 *4", DIES(PROTO)},

    {"9113 6.1", "DATA on stream 0", "DATA e 0 61", DIES(PROTO)},
    {"9113 6.1", "DATA on a half closed stream", OPEN1 "DATA e 1 61; DATA e 1 61", DIES(CLOSED), HELD},
    {"9113 6.1", "padding as long as the payload", OPEN1 "DATA ep 1 05 61626364", DIES(PROTO)},
    {"9113 6.1", "padding longer than the payload", OPEN1 "DATA ep 1 ff 61", DIES(PROTO)},
    {"9113 6.1", "padding without a length", OPEN1 "DATA ep 1", DIES(SIZE)},
    {"9113 6.1", "padding is taken away", OPEN1 "DATA ep 1 02 61 0000", ANSWERS(200)},
    {"9113 6.1", "nothing but padding", OPEN1 "DATA ep 1 02 0000", ANSWERS(200)},
    {"9113 6.1", "empty DATA ends a stream", OPEN1 "DATA e 1", ANSWERS(200)},
    {"9113 6.2", "HEADERS on stream 0", "HEADERS eh 0 @get", DIES(PROTO)},
    {"9113 6.2", "padding longer than the block", "HEADERS ehp 1 ff @get", DIES(PROTO)},
    {"9113 6.2", "padding without a length", "HEADERS ehp 1", DIES(SIZE)},
    {"9113 6.2", "padding is taken away", "HEADERS ehp 1 03 @get 000000", ANSWERS(200)},
    {"9113 6.2", "a priority is taken and ignored", "HEADERS ehr 1 00000000 0f @get", ANSWERS(200)},
    {"9113 6.2", "a priority that is cut off", "HEADERS ehr 1 000000", DIES(SIZE)},
    {"9113 6.2", "padding and a priority", "HEADERS ehpr 1 02 00000000 0f @get 0000", ANSWERS(200)},
    {"9113 6.3", "PRIORITY on stream 0", "PRIORITY - 0 000000000f", DIES(PROTO)},
    {"9113 6.3", "PRIORITY of 4 bytes", "PRIORITY - 1 00000000", DIES(SIZE)},
    {"9113 6.3", "PRIORITY of 6 bytes", OPEN1 "PRIORITY - 1 *6", DIES(SIZE)},
    {"9113 6.4", "RST_STREAM on stream 0", "RST - 0 00000008", DIES(PROTO)},
    {"9113 6.4", "RST_STREAM of 3 bytes", OPEN1 "RST - 1 000008", DIES(SIZE)},
    {"9113 6.4", "RST_STREAM of 5 bytes", OPEN1 "RST - 1 0000000800", DIES(SIZE)},
    {"9113 6.5", "SETTINGS ack with a payload", "SETTINGS e 0 000400000001", DIES(SIZE)},
    {"9113 6.5", "SETTINGS on a stream", "SETTINGS - 1", DIES(PROTO)},
    {"9113 6.5", "SETTINGS of 3 bytes", "SETTINGS - 0 *3", DIES(SIZE)},
    {"9113 6.5", "SETTINGS of 7 bytes", "SETTINGS - 0 *7", DIES(SIZE)},
    {"9113 6.5.2", "ENABLE_PUSH 2", "SETTINGS - 0 000200000002", DIES(PROTO)},
    {"9113 6.5.2", "ENABLE_PUSH 1 and 0", "SETTINGS - 0 000200000001 000200000000", LIVES},
    {"9113 6.5.2", "INITIAL_WINDOW_SIZE 2^31", "SETTINGS - 0 000480000000", DIES(FLOW)},
    {"9113 6.5.2", "INITIAL_WINDOW_SIZE 2^31-1", "SETTINGS - 0 00047fffffff", LIVES},
    {"9113 6.5.2", "MAX_FRAME_SIZE below 2^14", "SETTINGS - 0 000500003fff", DIES(PROTO)},
    {"9113 6.5.2", "MAX_FRAME_SIZE of 2^24", "SETTINGS - 0 000501000000", DIES(PROTO)},
    {"9113 6.5.2", "MAX_FRAME_SIZE of 2^24-1", "SETTINGS - 0 000500ffffff", LIVES},
    {"9113 6.5.2", "HEADER_TABLE_SIZE 2^32-1", "SETTINGS - 0 0001ffffffff; HEADERS eh 1 @get", ANSWERS(200)},
    {"9113 6.5.2", "MAX_CONCURRENT_STREAMS 0", "SETTINGS - 0 000300000000", LIVES},
    {"9113 6.5.2", "MAX_HEADER_LIST_SIZE 2^32-1", "SETTINGS - 0 0006ffffffff", LIVES},
    {"9113 6.5.3", "a setting that comes twice: the last one counts", "SETTINGS - 0 000400000001 00040000ffff; HEADERS eh 1 @get",
     ANSWERS(200)},
    {"9113 6.6", "PUSH_PROMISE of a client", OPEN1 "PUSH h 1 00000002 @get", DIES(PROTO)},
    {"9113 6.6", "PUSH_PROMISE on stream 0", "PUSH h 0 00000002 @get", DIES(PROTO)},
    {"9113 6.7", "PING on a stream", "PING - 1 *8", DIES(PROTO)},
    {"9113 6.7", "PING of 6 bytes", "PING - 0 *6", DIES(SIZE)},
    {"9113 6.7", "PING of 9 bytes", "PING - 0 *9", DIES(SIZE)},
    {"9113 6.7", "a PING ack that nobody asked for", "PING e 0 *8", LIVES},
    {"9113 6.8", "GOAWAY on a stream", OPEN1 "GOAWAY - 1 *8", DIES(PROTO)},
    {"9113 6.8", "GOAWAY of 7 bytes", "GOAWAY - 0 *7", DIES(SIZE)},
    {"9113 6.8", "what was open before the peer's GOAWAY is answered", OPEN1 "GOAWAY - 0 *8; DATA e 1 61", FINISHES(200)},
    {"9113 6.9", "WINDOW_UPDATE of 0 on the connection", "WINDOW - 0 00000000", DIES(PROTO)},
    {"9113 6.9", "WINDOW_UPDATE of 0 on a stream; 5.4.1 lets us end the connection", OPEN1 "WINDOW - 1 00000000", DIES(PROTO)},
    {"9113 6.9", "WINDOW_UPDATE of 3 bytes", "WINDOW - 0 000001", DIES(SIZE)},
    {"9113 6.9", "WINDOW_UPDATE of 5 bytes", OPEN1 "WINDOW - 1 0000000100", DIES(SIZE)},
    {"9113 6.9", "the reserved bit of an increment is ignored", "WINDOW - 0 80000001", LIVES},
    {"9113 6.9.1", "the connection's window above 2^31-1", "WINDOW - 0 7fffffff; WINDOW - 0 7fffffff", DIES(FLOW)},
    {"9113 6.9.1", "a stream's window above 2^31-1", OPEN1 "WINDOW - 1 7fffffff", RESETS(FLOW), HELD},
    /* 6.9.2 asks for an error of the connection. The library resets the stream that it concerns; its work is told to stop, and each
     * such reset is a glitch. */
    {"9113 6.9.2", "a window above 2^31-1 by a larger initial one", OPEN1 "WINDOW - 1 7fff0000; SETTINGS - 0 00047fffffff",
     RESETS(FLOW), HELD},
    {"9113 6.10", "CONTINUATION in several frames", "HEADERS e 1 @get; CONTINUATION - 1 00016101; CONTINUATION h 1 62",
     ANSWERS(200)},
    {"9113 6.10", "CONTINUATION may be empty", "HEADERS e 1 @get; CONTINUATION - 1; CONTINUATION h 1", ANSWERS(200)},
    {"9113 6.10", "CONTINUATION on stream 0", "CONTINUATION h 0 @get", DIES(PROTO)},
    {"9113 6.10", "CONTINUATION on stream 0 inside a header block", "HEADERS e 1 @get; CONTINUATION h 0", DIES(PROTO)},
    {"9113 6.10", "CONTINUATION behind END_HEADERS", "HEADERS h 1 @post; CONTINUATION h 1 00016101 62", DIES(PROTO)},
    {"9113 6.10", "CONTINUATION behind DATA", OPEN1 "DATA - 1 61; CONTINUATION h 1 00016101 62", DIES(PROTO)},
    {"9113 7", "an unknown code in RST_STREAM", OPEN1 "RST - 1 000000ff", LIVES},
    {"9113 7", "an unknown code in GOAWAY", OPEN1 "GOAWAY - 0 00000000 000000ff; DATA e 1 61", FINISHES(200)},

    {"9113 8.1", "trailers end a request", OPEN1 "DATA - 1 61; HEADERS eh 1 x-sum=1", ANSWERS(200)},
    {"9113 8.1", "a second HEADERS that does not end the stream", OPEN1 "DATA - 1 61; HEADERS h 1 x-sum=1", RESETS(PROTO)},
    {"9113 8.1", "pseudo-header in trailers", OPEN1 "DATA - 1 61; HEADERS eh 1 :method=GET", RESETS(PROTO)},
    {"9113 8.1.1", "less body than content-length", "HEADERS h 1 @post content-length=2; DATA e 1 61", RESETS(PROTO)},
    {"9113 8.1.1", "more body than content-length", "HEADERS h 1 @post content-length=1; DATA e 1 6161", RESETS(PROTO)},
    {"9113 8.1.1", "more, in several DATA", "HEADERS h 1 @post content-length=1; DATA - 1 61; DATA e 1 61", RESETS(PROTO)},
    {"9113 8.1.1", "less, before trailers", "HEADERS h 1 @post content-length=2; DATA - 1 61; HEADERS eh 1 x=y", RESETS(PROTO)},
    {"9113 8.1.1", "no body where content-length is 1", "HEADERS eh 1 @post content-length=1", RESETS(PROTO)},
    {"9113 8.1.1", "content-length as sent", "HEADERS h 1 @post content-length=2; DATA - 1 61; DATA e 1 61", ANSWERS(200)},
    {"9113 8.1.1", "content-length 0", "HEADERS eh 1 @post content-length=0", ANSWERS(200)},
    {"9113 8.1.1", "content-length that is no number", "HEADERS h 1 @post content-length=1x; DATA e 1 61", RESETS(PROTO)},
    {"9113 8.1.1", "content-length below 0", "HEADERS h 1 @post content-length=-1; DATA e 1 61", RESETS(PROTO)},
    {"9113 8.1.1", "content-length above 2^63", "HEADERS h 1 @post content-length=18446744073709551617; DATA e 1 61",
     RESETS(PROTO)},
    {"9113 8.1.1", "content-length twice", "HEADERS h 1 @post content-length=1 content-length=1; DATA e 1 61", RESETS(PROTO)},
    {"9113 8.2", "upper case in a field name", "HEADERS eh 1 @get Accept=x", RESETS(PROTO)},
    {"9113 8.2", "upper case in a trailer's name", OPEN1 "HEADERS eh 1 X-Sum=1", RESETS(PROTO)},
    {"9113 8.2.1", "a blank in a field name", "HEADERS eh 1 @get 0003612062 0163", RESETS(PROTO)},
    {"9113 8.2.1", "NUL in a field name", "HEADERS eh 1 @get 0003610062 0163", RESETS(PROTO)},
    {"9113 8.2.1", "a control character in a field name", "HEADERS eh 1 @get 0003610762 0163", RESETS(PROTO)},
    {"9113 8.2.1", "DEL in a field name", "HEADERS eh 1 @get 0003617f62 0163", RESETS(PROTO)},
    {"9113 8.2.1", "a byte above 7f in a field name", "HEADERS eh 1 @get 000361ff62 0163", RESETS(PROTO)},
    {"9113 8.2.1", "a colon inside a field name", "HEADERS eh 1 @get 0003613a62 0163", RESETS(PROTO)},
    {"9113 8.2.1", "an empty field name", "HEADERS eh 1 @get 0000 0163", RESETS(PROTO)},
    {"9113 8.2.1", "NUL in a value", "HEADERS eh 1 @get 000161 03620063", RESETS(PROTO)},
    {"9113 8.2.1", "CR in a value", "HEADERS eh 1 @get 000161 03620d63", RESETS(PROTO)},
    {"9113 8.2.1", "LF in a value", "HEADERS eh 1 @get 000161 03620a63", RESETS(PROTO)},
    {"9113 8.2.1", "a value that begins with a blank", "HEADERS eh 1 @get 000161 022062", RESETS(PROTO)},
    {"9113 8.2.1", "a value that ends with a blank", "HEADERS eh 1 @get 000161 026220", RESETS(PROTO)},
    {"9113 8.2.1", "a value that begins with a tab", "HEADERS eh 1 @get 000161 020962", RESETS(PROTO)},
    {"9113 8.2.1", "blanks inside a value, and bytes above 7f", "HEADERS eh 1 @get 000161 056220ff0963", ANSWERS(200)},
    {"9113 8.2.1", "an empty value", "HEADERS eh 1 @get 000161 00", ANSWERS(200)},
    {"9113 8.2.2", "connection", "HEADERS eh 1 @get connection=keep-alive", RESETS(PROTO)},
    {"9113 8.2.2", "keep-alive", "HEADERS eh 1 @get keep-alive=1", RESETS(PROTO)},
    {"9113 8.2.2", "proxy-connection", "HEADERS eh 1 @get proxy-connection=x", RESETS(PROTO)},
    {"9113 8.2.2", "transfer-encoding", "HEADERS h 1 @post transfer-encoding=chunked; DATA e 1 61", RESETS(PROTO)},
    {"9113 8.2.2", "upgrade", "HEADERS eh 1 @get upgrade=h2c", RESETS(PROTO)},
    {"9113 8.2.2", "te: trailers", "HEADERS eh 1 @get te=trailers", ANSWERS(200)},
    {"9113 8.2.2", "te of something else", "HEADERS eh 1 @get te=gzip", RESETS(PROTO)},
    {"9113 8.2.2", "te: trailers and more", "HEADERS eh 1 @get te=trailers,gzip", RESETS(PROTO)},
    {"9113 8.2.3", "cookies in crumbs", "HEADERS eh 1 @get cookie=a cookie=b cookie=c", ANSWERS(200)},
    {"9113 8.3", "an unknown pseudo-header", "HEADERS eh 1 @get :test=x", RESETS(PROTO)},
    {"9113 8.3", "a pseudo-header of answers", "HEADERS eh 1 @get :status=200", RESETS(PROTO)},
    {"9113 8.3", "a pseudo-header behind a field", "HEADERS eh 1 828644 012f a=b :authority=x", RESETS(PROTO)},
    {"9113 8.3", ":method twice", "HEADERS eh 1 @get :method=GET", RESETS(PROTO)},
    {"9113 8.3", ":scheme twice", "HEADERS eh 1 @get :scheme=http", RESETS(PROTO)},
    {"9113 8.3", ":path twice", "HEADERS eh 1 @get :path=/", RESETS(PROTO)},
    {"9113 8.3", ":authority twice", "HEADERS eh 1 @get :authority=a", RESETS(PROTO)},
    {"9113 8.3.1", "no :method", "HEADERS eh 1 86 84 :authority=a", RESETS(PROTO)},
    {"9113 8.3.1", "no :scheme", "HEADERS eh 1 82 84 :authority=a", RESETS(PROTO)},
    {"9113 8.3.1", "no :path", "HEADERS eh 1 82 86 :authority=a", RESETS(PROTO)},
    {"9113 8.3.1", "an empty :path", "HEADERS eh 1 82 86 :path= :authority=a", RESETS(PROTO)},
    {"9113 8.3.1", "a :path without a slash", "HEADERS eh 1 82 86 :path=a :authority=a", RESETS(PROTO)},
    {"9113 8.3.1", ":path * with another method than OPTIONS", "HEADERS eh 1 82 86 :path=* :authority=a", RESETS(PROTO)},
    {"9113 8.3.1", ":path * with OPTIONS", "HEADERS eh 1 86 :method=OPTIONS :path=* :authority=a", ANSWERS(405)},
    {"9113 8.3.1", "an empty :method", "HEADERS eh 1 86 84 :method= :authority=a", RESETS(PROTO)},
    {"9113 8.3.1", "a :method that is no token", "HEADERS eh 1 86 84 0007 3a6d6574686f64 03472054 :authority=a", RESETS(PROTO)},
    {"9113 8.3.1", "an unknown :method", "HEADERS eh 1 86 84 :method=BREW :authority=a", ANSWERS(405)},
    {"9113 8.3.1", "user information in :authority", "HEADERS eh 1 82 86 84 :authority=u@a", ANSWERS(400)},
    {"9113 8.3.1", "host differs from :authority", "HEADERS eh 1 @get host=b", ANSWERS(400)},
    {"9113 8.3.1", "host the same as :authority", "HEADERS eh 1 @get host=a", ANSWERS(200)},
    {"9113 8.3.1", "host without :authority", "HEADERS eh 1 82 86 84 host=a", ANSWERS(200)},
    {"9113 8.3.1", "neither host nor :authority", "HEADERS eh 1 82 86 84", RESETS(PROTO)},
    {"9113 8.3.1", "another scheme than the transport's, as proxies send", "HEADERS eh 1 82 87 84 :authority=a", ANSWERS(200)},
    {"9113 8.5", "CONNECT with :path and :scheme", "HEADERS eh 1 86 84 :method=CONNECT :authority=a:1", RESETS(PROTO)},
    {"9113 8.5", "CONNECT without :authority", "HEADERS eh 1 :method=CONNECT", RESETS(PROTO)},
    {"9113 8.5", "CONNECT, which nothing here takes", "HEADERS eh 1 :method=CONNECT :authority=a:1", ANSWERS(405)},
    {"8441 3", ":protocol, which was not offered", "HEADERS eh 1 86 84 :method=CONNECT :protocol=x :authority=a", RESETS(PROTO)},

    {"7541 2.3.3", "index 0", "HEADERS eh 1 80", DIES(HPACK)},
    {"7541 2.3.3", "an index behind both tables", "HEADERS eh 1 be", DIES(HPACK)},
    {"7541 2.3.3", "a name's index behind both tables", "HEADERS eh 1 7f 00 0161", DIES(HPACK)},
    {"7541 2.3.3", "the same of a field that is not indexed", "HEADERS eh 1 0f 30 0161", DIES(HPACK)},
    {"7541 4.2", "a table larger than we offered", "HEADERS eh 1 3fe21f @get", DIES(HPACK)},
    {"7541 4.2", "a table as large as we offered", "HEADERS eh 1 3fe11f @get", ANSWERS(200)},
    {"7541 4.2", "a change of size behind a field", "HEADERS eh 1 82 20 86 84 41 0161", DIES(HPACK)},
    {"7541 4.2", "a change of size at a block's end", "HEADERS eh 1 @get 20", DIES(HPACK)},
    {"7541 4.2", "two changes of size at its beginning", "HEADERS eh 1 20 3fe11f @get", ANSWERS(200)},
    {"7541 4.3", "a smaller table forgets", "HEADERS eh 1 @get 4001780179; HEADERS eh 3 20 @get be", DIES(HPACK)},
    {"7541 4.4", "an entry that does not fit empties the table", "HEADERS eh 1 3f02 @get 4001780179; HEADERS eh 3 @get be",
     DIES(HPACK)},
    {"7541 5.1", "an integer above 2^32", "HEADERS eh 1 ffffffffffffffffff7f", DIES(HPACK)},
    {"7541 5.1", "a string length above 2^32", "HEADERS eh 1 00 7fffffffffffffff7f", DIES(HPACK)},
    {"7541 5.1", "an integer that is cut off", "HEADERS eh 1 @get ff80", DIES(HPACK)},
    {"7541 5.2", "a string longer than its block", "HEADERS eh 1 @get 00 0a6162", DIES(HPACK)},
    {"7541 5.2", "a value that is missing", "HEADERS eh 1 @get 00 0161", DIES(HPACK)},
    {"7541 5.2", "Huffman with EOS inside", "HEADERS eh 1 @get 000161 84ffffffff", DIES(HPACK)},
    {"7541 5.2", "Huffman padded by more than 7 bits", "HEADERS eh 1 @get 000161 821fff", DIES(HPACK)},
    {"7541 5.2", "Huffman padded by zeros", "HEADERS eh 1 @get 000161 8118", DIES(HPACK)},
    {"7541 5.2", "Huffman as it should be", "HEADERS eh 1 @get 000161 811f", ANSWERS(200)},
    {"7541 6.2.1", "a field that is indexed can be referred to", "HEADERS eh 1 @get 4001780179; HEADERS eh 3 @get be",
     ANSWERS(200)},
    {"7541 6.2.2", "a field that is not indexed cannot", "HEADERS eh 1 @get 0001780179; HEADERS eh 3 @get be", DIES(HPACK)},
    {"7541 6.2.3", "nor one that never is", "HEADERS eh 1 @get 1001780179; HEADERS eh 3 @get be", DIES(HPACK)},
    {"7541 6.2.3", "a field that is never indexed is read", "HEADERS eh 1 @get 1001780179", ANSWERS(200)},
};

/* The script -------------------------------------------------------------------------------------------------------------------*/

struct payload {
    uint8_t bytes[20000];
    size_t  len;
};

static void
put(struct payload *payload, const void *bytes, size_t len)
{
    assert_true(len <= sizeof(payload->bytes) - payload->len);
    if (len > 0)
        memcpy(payload->bytes + payload->len, bytes, len);
    payload->len += len;
}

static void
put_string(struct payload *payload, const char *text, size_t len)
{
    uint8_t prefix = (uint8_t)len;

    assert_true(len < 127);
    put(payload, &prefix, 1);
    put(payload, text, len);
}

static uint8_t
hex_of(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char       *at = strchr(digits, digit);

    assert_true(digit != '\0' && at != NULL);
    return (uint8_t)(at - digits);
}

static void
put_hex(struct payload *payload, const char *word, size_t len)
{
    assert_int_equal(len % 2, 0);
    for (size_t i = 0; i < len; i += 2) {
        uint8_t value = (uint8_t)(hex_of(word[i]) << 4 | hex_of(word[i + 1]));

        put(payload, &value, 1);
    }
}

static void
put_word(struct payload *payload, const char *word, size_t len)
{
    static const uint8_t zeros[17000];
    const char          *equals = memchr(word, '=', len);

    if (equals != NULL) {
        put(payload, "", 1);
        put_string(payload, word, (size_t)(equals - word));
        put_string(payload, equals + 1, len - (size_t)(equals - word) - 1);
    } else if (len == 4 && memcmp(word, "@get", 4) == 0) {
        put(payload, "\x82\x86\x84\x01\x01\x61", 6);
    } else if (len == 5 && memcmp(word, "@post", 5) == 0) {
        put(payload, "\x83\x86\x84\x01\x01\x61", 6);
    } else if (word[0] == '*') {
        put(payload, zeros, strtoul(word + 1, NULL, 10));
    } else {
        put_hex(payload, word, len);
    }
}

static uint8_t
type_of(const char *word, size_t len)
{
    static const char *const names[] = {"DATA", "HEADERS", "PRIORITY", "RST",    "SETTINGS",
                                        "PUSH", "PING",    "GOAWAY",   "WINDOW", "CONTINUATION"};

    for (size_t i = 0; i < AW_ARRAY_LEN(names); i++) {
        if (len == strlen(names[i]) && memcmp(word, names[i], len) == 0)
            return (uint8_t)i;
    }
    assert_int_equal(word[0], 'x');
    return (uint8_t)strtoul(word + 1, NULL, 16);
}

static uint8_t
flags_of(const char *word, size_t len)
{
    uint8_t flags = 0;

    for (size_t i = 0; i < len; i++) {
        switch (word[i]) {
        case 'e':
            flags |= NGHTTP2_FLAG_END_STREAM;
            break;
        case 'h':
            flags |= NGHTTP2_FLAG_END_HEADERS;
            break;
        case 'p':
            flags |= NGHTTP2_FLAG_PADDED;
            break;
        case 'r':
            flags |= NGHTTP2_FLAG_PRIORITY;
            break;
        case 'x':
            flags |= 0xd2;
            break;
        default:
            assert_int_equal(word[i], '-');
        }
    }
    return flags;
}

/* Sends one frame, up to `end`. */
static void
send_frame(struct rig *rig, const char *at, const char *end)
{
    static struct payload payload;
    struct aw_slice       words[16] = {{NULL, 0}};
    size_t                count = 0;
    uint64_t              stream;
    bool                  is_raw;

    payload.len = 0;
    while (at < end) {
        size_t len = strcspn(at, " ;");

        if (len > 0 && at + len <= end) {
            assert_true(count < AW_ARRAY_LEN(words));
            words[count++] = aw_slice_of(at, len);
        }
        at += len + 1;
    }
    assert_true(count >= 2);
    is_raw = aw_slice_eq(words[0], AW_SLICE("RAW"));
    for (size_t i = is_raw ? 1 : 3; i < count; i++)
        put_word(&payload, words[i].ptr, words[i].len);
    if (is_raw) {
        rig_feed(rig, payload.bytes, payload.len);
        return;
    }
    assert_true(aw_slice_to_u64(words[2], UINT32_MAX, &stream));
    rig_frame(rig, type_of(words[0].ptr, words[0].len), flags_of(words[1].ptr, words[1].len), (uint32_t)stream, payload.bytes,
              payload.len);
}

static void
check_outcome(struct rig *rig, const struct demand *demand)
{
    const struct rig_stream *stream = &rig->streams[demand->stream];

    if (demand->kind == MUST_DIE) {
        assert_true(rig->goaways > 0);
        assert_int_equal(rig->goaway_code[(rig->goaways - 1) % 8], demand->code);
        assert_true(aw_session_is_done(rig->session));
        assert_true(aw_session_cause(rig->session) != AW_CAUSE_NONE);
        return;
    }
    assert_int_equal(rig->goaways, 0);
    assert_true(aw_session_is_done(rig->session) == (demand->kind == MUST_FINISH));
    if (demand->kind == MUST_RESET) {
        assert_true(stream->is_reset);
        assert_int_equal(stream->reset_code, demand->code);
    } else {
        assert_int_equal(rig->frames[NGHTTP2_RST_STREAM], 0);
    }
    if (demand->kind == MUST_ANSWER || demand->kind == MUST_FINISH) {
        assert_int_equal(stream->status, demand->code);
        assert_true(stream->is_ended);
    }
    if (demand->kind == MUST_NOTHING || demand->kind == MUST_FINISH)
        return;
    rig->mode = RIG_ANSWER;
    rig_get(rig, 1001, "/");
    assert_int_equal(rig->streams[1001].status, 200);
    assert_true(rig->streams[1001].is_ended);
}

static void
keeps(void **state)
{
    const struct demand  *demand = *state;
    struct rig           *rig = malloc(sizeof(*rig));
    struct aw_http_limits limits = AW_HTTP_LIMITS_DEFAULT;

    assert_non_null(rig);
    assert_true(rig_init(rig, &limits, 0, 64u << 20));
    assert_true(rig_start(rig));
    rig->mode = demand->is_held ? RIG_HOLD : RIG_ANSWER;
    if (!demand->is_fresh)
        rig_hello(rig, 65535);
    for (const char *at = demand->frames; *at != '\0';) {
        const char *end = at + strcspn(at, ";");

        send_frame(rig, at, end);
        at = *end == '\0' ? end : end + 1;
    }
    check_outcome(rig, demand);
    rig_end(&rig);
}

/* What we send */

static void
settings_come_first(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    assert_int_equal(rig->first_type, NGHTTP2_SETTINGS);
    assert_int_equal(rig->settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS], rig->limits.streams_max);
    rig_end(&rig);
}

static void
settings_are_acked_each(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    assert_int_equal(rig->settings_acks, 1);
    rig_frame(rig, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    rig_frame(rig, NGHTTP2_SETTINGS, 0, 0, "\0\3\0\0\0\1", 6);
    assert_int_equal(rig->settings_acks, 3);
    rig_end(&rig);
}

static void
ping_is_echoed(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_frame(rig, NGHTTP2_PING, 0, 0, "aswolk!?", 8);
    assert_memory_equal(rig->ping_ack, "aswolk!?", 8);
    rig_frame(rig, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "notthis!", 8);
    assert_memory_equal(rig->ping_ack, "aswolk!?", 8);
    rig_end(&rig);
}

/* "done\n" goes out as far as the window lets it, in as many pieces as it takes. */
static void
windows_are_kept(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_frame(rig, NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\0\2", 6);
    rig_get(rig, 1, "/");
    assert_int_equal(rig->streams[1].data, 2);
    rig_u32_frame(rig, NGHTTP2_WINDOW_UPDATE, 1, 1);
    assert_int_equal(rig->streams[1].data, 3);
    rig_frame(rig, NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\0\0", 6); /* the window of stream 1 is -2 now */
    rig_u32_frame(rig, NGHTTP2_WINDOW_UPDATE, 1, 2);
    assert_int_equal(rig->streams[1].data, 3);
    rig_frame(rig, NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\0\1", 6);
    assert_int_equal(rig->streams[1].data, 4);
    rig_frame(rig, NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\0\100", 6);
    assert_int_equal(rig->streams[1].data, 5);
    assert_true(rig->streams[1].is_ended);
    rig_end(&rig);
}

static void
frames_are_as_large_as_the_peer_takes(void **state)
{
    static char answer[40000];
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig->answer = aw_slice_of(answer, sizeof(answer));
    rig_get(rig, 1, "/");
    assert_int_equal(rig->streams[1].data, sizeof(answer));
    assert_true(rig->frame_bytes_max <= 16384);
    rig_end(&rig);
}

/* 9113 6.5.2 and 7541 4.2: the table that the peer wants smaller is changed at the beginning of the next block. */
static void
the_encoder_follows(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_get(rig, 1, "/");
    rig_frame(rig, NGHTTP2_SETTINGS, 0, 0, "\0\1\0\0\0\0", 6);
    assert_int_equal(nghttp2_hd_inflate_change_table_size(rig->inflater, 0), 0);
    rig_get(rig, 3, "/");
    assert_int_equal(rig->streams[3].status, 200);
    rig_end(&rig);
}

static void
streams_over_the_limit(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);

    (void)state;
    for (uint32_t i = 0; i <= rig->limits.streams_max; i++)
        rig_get(rig, 1 + 2 * i, "/");
    assert_int_equal(rig->requests, rig->limits.streams_max);
    rig_assert_ended(rig, AW_CAUSE_PROTOCOL, NGHTTP2_PROTOCOL_ERROR);
    rig_end(&rig);
}

/* 9113 6.8: what a GOAWAY does not name may be sent again elsewhere, so it must name all that was looked at. */
static void
goaway_names_the_last_stream(void **state)
{
    struct rig *rig = rig_open(RIG_HOLD);

    (void)state;
    rig_get(rig, 1, "/");
    rig_get(rig, 7, "/");
    rig_frame(rig, NGHTTP2_PING, 0, 1, "12345678", 8);
    rig_assert_ended(rig, AW_CAUSE_PROTOCOL, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(rig->goaway_last[0], 7);
    rig_end(&rig);
}

/* 9110 9.3.2 */
static void
head_has_no_body(void **state)
{
    struct rig *rig = rig_open(RIG_ANSWER);

    (void)state;
    rig_request(rig, NGHTTP2_FLAG_END_STREAM, 1, "HEAD", "/", NULL);
    assert_int_equal(rig->streams[1].status, 200);
    assert_int_equal(rig->streams[1].data, 0);
    assert_true(rig->streams[1].is_ended);
    rig_end(&rig);
}

static const struct CMUnitTest ours[] = {
    {.name = "9113 3.4: our first frame is SETTINGS", .test_func = settings_come_first},
    {.name = "9113 6.5.3: each SETTINGS is acknowledged", .test_func = settings_are_acked_each},
    {.name = "9113 6.7: PING is answered by its own bytes, an ack by none", .test_func = ping_is_echoed},
    {.name = "9113 6.9.1: windows are kept, also below 0", .test_func = windows_are_kept},
    {.name = "9113 4.2: our frames are not larger than the peer takes", .test_func = frames_are_as_large_as_the_peer_takes},
    {.name = "9113 6.5.2: our header table follows the peer's setting", .test_func = the_encoder_follows},
    {.name = "9113 5.1.2: more streams than we allow", .test_func = streams_over_the_limit},
    {.name = "9113 6.8: GOAWAY names the last stream that was looked at", .test_func = goaway_names_the_last_stream},
    {.name = "9113 8.1: an answer to HEAD has no DATA", .test_func = head_has_no_body},
};

int
main(void)
{
    static struct CMUnitTest tests[AW_ARRAY_LEN(demands) + AW_ARRAY_LEN(ours)];
    static char              names[AW_ARRAY_LEN(demands)][128];
    static struct demand     states[AW_ARRAY_LEN(demands)];

    for (size_t i = 0; i < AW_ARRAY_LEN(demands); i++) {
        states[i] = demands[i];
        snprintf(names[i], sizeof(names[i]), "%s: %s", demands[i].section, demands[i].what);
        tests[i] = (struct CMUnitTest){.name = names[i], .test_func = keeps, .initial_state = &states[i]};
    }
    memcpy(tests + AW_ARRAY_LEN(demands), ours, sizeof(ours));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
