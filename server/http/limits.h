/* limits.h - every number of the HTTP/2 edge: what one client, one connection and one thread may cost.
 *
 * Plain values, copied into an edge at its start, so that a table of settings can fill them. Units come last in a name; all are
 * 32 bits wide so that one parser serves them all. Thread: any. The reasons stand beside the numbers; those without one are
 * RFC 9113's own defaults.
 */
#ifndef AW_HTTP_LIMITS_H
#define AW_HTTP_LIMITS_H

#include "base/assert.h"

#include <stdint.h>

struct aw_http_limits {
    /* What the first SETTINGS announces. */
    uint32_t streams_max;             /* requests of one connection at once; long polls count, so it must cover both */
    uint32_t stream_window_bytes;     /* what one upload may send before we accept it */
    uint32_t connection_window_bytes; /* wider than a stream's, so that one stalled upload does not starve the others */

    /* One request. */
    uint32_t header_bytes_max;   /* name + value + 32 of every field, cookies and trailers counted: 431 above */
    uint32_t header_fields_max;  /* 431 above; tiny fields by one-byte references cost us far more than they cost the sender */
    uint32_t header_overrun_max; /* at so many times either limit the stream is reset instead of answered */
    uint32_t path_bytes_max;     /* :path with its query: 431 above */
    uint32_t body_bytes_max;     /* 413 above, from content-length before the first byte */

    /* Memory of one connection. */
    uint32_t bodies_bytes_max;     /* bodies that one connection may have in memory; at 3/4 windows stay shut, above: 503 */
    uint32_t stream_out_bytes_max; /* unsent bytes of one streaming answer (server-sent events) */
    uint32_t output_bytes_max;     /* unsent bytes of one connection; at half of it nothing more is read or framed */
    uint32_t outbound_frames_max;  /* frames queued for a peer that does not read: closed above */
    uint32_t acks_queued_max;      /* SETTINGS and PING acks among them */
    uint32_t continuations_max;    /* CONTINUATION frames after one HEADERS */
    uint32_t settings_entries_max; /* entries of one SETTINGS */

    /* Leaky buckets: burst, then so many a second. Over it: GOAWAY ENHANCE_YOUR_CALM. */
    uint32_t resets_burst_max; /* streams reset by the peer (rapid reset) */
    uint32_t resets_per_s;
    uint32_t glitches_burst_max; /* RST either way 1, empty DATA 1, HEADERS on a closed stream 5; at 3/4 a graceful GOAWAY */
    uint32_t glitches_per_s;
    uint32_t controls_burst_max; /* SETTINGS 10; other frames that carry no request 1; each answer frame of ours earns 3 back */
    uint32_t controls_per_s;

    /* Deadlines. No single byte and no PING prolongs them. */
    uint32_t hello_ms;        /* accept to TLS done, preface and first SETTINGS */
    uint32_t settings_ack_ms; /* our SETTINGS to its ack */
    uint32_t frame_ms;        /* first byte of a frame that is not DATA to its end; of HEADERS to END_HEADERS */
    uint32_t rate_window_ms;  /* bodies, answers and the socket move rate_window_bytes in each such window... */
    uint32_t rate_window_bytes;
    uint32_t early_reset_ms;  /* an early answer (413) to the reset of its stream: curl 7.88 loses what comes with a reset */
    uint32_t body_ms_max;     /* ...and a whole body takes no longer than this: 10 s and 1 MiB at 1 KiB/s */
    uint32_t idle_ms;         /* without a stream, clients that we do not know */
    uint32_t idle_known_ms;   /* clients that proved who they are */
    uint32_t quiet_ms;        /* without input while an answer, or more of one, is awaited: we send a PING... */
    uint32_t ping_ack_ms;     /* ...and close when its ack does not come */
    uint32_t age_ms;          /* of a connection, then it is drained; 0: no limit */
    uint32_t requests_max;    /* of a connection, then it is drained; 0: no limit */
    uint32_t jitter_percent;  /* of the age, so that a thousand connections do not come back together */
    uint32_t goaway_round_ms; /* first to second GOAWAY when the PING between them is not acked */
    uint32_t drain_ms;        /* second GOAWAY to the end; what is unanswered then gets 503 */
    uint32_t linger_ms;       /* our last byte to close(): time for the peer to read it */

    /* One turn of the event loop. */
    uint32_t read_turn_bytes;  /* read from one connection before the others are served */
    uint32_t write_turn_bytes; /* written likewise */

    /* Connections of one thread. */
    uint32_t connections_max;
    uint32_t connections_per_address_max; /* while not known; 0: no limit */
    uint32_t handshakes_max;              /* TLS handshakes in progress: the dearest thing a stranger can ask for */
    uint32_t accept_batch_max;            /* connections accepted in one turn */
    uint32_t accept_rest_ms;              /* pause after the process ran out of descriptors */
};

#define AW_HTTP_LIMITS_DEFAULT                                                                                                   \
    ((struct aw_http_limits){                                                                                                    \
        .streams_max = 100,                                                                                                      \
        .stream_window_bytes = 65535,                                                                                            \
        .connection_window_bytes = 1048576,                                                                                      \
        .header_bytes_max = 32768,                                                                                               \
        .header_fields_max = 100,                                                                                                \
        .header_overrun_max = 4,                                                                                                 \
        .path_bytes_max = 2048,                                                                                                  \
        .body_bytes_max = 1048576,                                                                                               \
        .bodies_bytes_max = 4194304,                                                                                             \
        .stream_out_bytes_max = 65536,                                                                                           \
        .output_bytes_max = 131072,                                                                                              \
        .outbound_frames_max = 1000,                                                                                             \
        .acks_queued_max = 200,                                                                                                  \
        .continuations_max = 8,                                                                                                  \
        .settings_entries_max = 32,                                                                                              \
        .resets_burst_max = 200,                                                                                                 \
        .resets_per_s = 20,                                                                                                      \
        .glitches_burst_max = 500,                                                                                               \
        .glitches_per_s = 20,                                                                                                    \
        .controls_burst_max = 2000,                                                                                              \
        .controls_per_s = 200,                                                                                                   \
        .hello_ms = 5000,                                                                                                        \
        .settings_ack_ms = 10000,                                                                                                \
        .frame_ms = 5000,                                                                                                        \
        .rate_window_ms = 8000,                                                                                                  \
        .rate_window_bytes = 8192,                                                                                               \
        .early_reset_ms = 1000,                                                                                                  \
        .body_ms_max = 1034000,                                                                                                  \
        .idle_ms = 60000,                                                                                                        \
        .idle_known_ms = 300000,                                                                                                 \
        .quiet_ms = 30000,                                                                                                       \
        .ping_ack_ms = 10000,                                                                                                    \
        .age_ms = 3600000,                                                                                                       \
        .requests_max = 0,                                                                                                       \
        .jitter_percent = 10,                                                                                                    \
        .goaway_round_ms = 1000,                                                                                                 \
        .drain_ms = 10000,                                                                                                       \
        .linger_ms = 2000,                                                                                                       \
        .read_turn_bytes = 65536,                                                                                                \
        .write_turn_bytes = 262144,                                                                                              \
        .connections_max = 10000,                                                                                                \
        .connections_per_address_max = 256,                                                                                      \
        .handshakes_max = 512,                                                                                                   \
        .accept_batch_max = 64,                                                                                                  \
        .accept_rest_ms = 100,                                                                                                   \
    })

/* Fixed, because buffers and tables have these sizes. */
#define AW_HTTP_READ_CHUNK_BYTES 16384 /* read before each flush: nghttp2's own limits count only what is still queued */
#define AW_HTTP_OUT_CHUNK_BYTES  65536 /* framed before each write */
#define AW_HTTP_FRAME_BYTES_MAX  16394 /* one piece of output from nghttp2: frame header, pad length, 16384 */
#define AW_HTTP_BODY_INLINE_MAX  4096  /* bodies of a stated length up to here lie in the request's arena */
#define AW_HTTP_EXTRA_FIELDS_MAX 16    /* header fields of an answer beside status, type and length */
#define AW_HTTP_LINE_BYTES_MAX   8192  /* of a first line that is no HTTP/2 preface, while looking for HTTP/1.x */
#define AW_HTTP_STREAM_NUMBERS   128   /* remembered to tell a closed stream from one that was passed over */
/* A request's struct takes 528 bytes of it; the rest holds its fields and a small body, so that a long poll is one block (and
 * about 240 bytes in the library). */
#define AW_HTTP_BLOCK_BYTES 1024

AW_STATIC_ASSERT(AW_HTTP_OUT_CHUNK_BYTES >= 2 * AW_HTTP_FRAME_BYTES_MAX, "a chunk of output holds a frame and more");

#endif
