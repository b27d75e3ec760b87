/* internal.h - what the files of the client share: client.c (memory, deadlines, results), trunk.c (the connection), session.c
 * (the protocol), tls.c.
 *
 * An exchange's life:   SPARE -> OPEN -> ENDED -> SPARE
 *   OPEN   the caller waits for its result
 *   ENDED  the result is decided, but the protocol library may still name the stream: the slot is kept until it let go
 * Results are decided inside the library's callbacks and handed out after it returned (aw_client_deliver).
 */
#ifndef AW_CLIENT_INTERNAL_H
#define AW_CLIENT_INTERNAL_H

#include "base/list.h"
#include "client/client.h"
#include "client/pool.h"

#include <ev.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

/* One turn of the wheel is 256 * 32 ms = 8.2 s; a deadline beyond it is passed over once a turn. */
#define WHEEL_SLOTS   256U
#define WHEEL_TICK    (32 * AW_NS_PER_MS)
#define READ_BYTES    (64U * 1024U)
#define OUTPUT_BYTES  (64U * 1024U)
#define BODY_KEPT_MAX (16U * 1024U) /* a finished exchange keeps a body buffer up to this for the next one */

enum exchange_state { EXCHANGE_SPARE, EXCHANGE_OPEN, EXCHANGE_ENDED };

struct aw_exchange {
    struct aw_list      in_trunk;    /* all that is not SPARE */
    struct aw_list      in_wheel;    /* OPEN with a deadline */
    struct aw_list      in_finished; /* ENDED, its result not handed out yet */
    struct aw_trunk    *trunk;
    enum exchange_state state;
    bool                telling; /* its callback looks at the result just now */
    bool                let_go;  /* the library does not know the stream any more */
    bool                silent;  /* cancelled: nobody waits for the result */
    bool                sent;    /* its HEADERS left, so the server may have begun it */
    bool                over;    /* the answer is complete */
    int32_t             stream_id;
    aw_ns               deadline;
    aw_ns               timeout; /* with on_piece: of silence; 0: none */
    struct aw_slice     body;    /* borrows: of the request, what is left to send */
    aw_exchange_done   *done;
    void               *user;
    void (*on_piece)(void *user, struct aw_slice piece);
    void *piece_user;
    /* The answer. */
    struct aw_exchange_result result;
    uint32_t                  field_bytes;
    size_t                    body_room;
    char                     *body_ptr; /* owns: the answer's body */
    size_t                    body_len;
    struct aw_exchange_field  fields[AW_ANSWER_FIELDS_MAX];
    nghttp2_rcbuf            *field_bufs[2 * AW_ANSWER_FIELDS_MAX]; /* owns a reference each */
};

struct aw_trunk {
    struct aw_list      in_client;
    struct aw_list      in_dirty; /* has output to gather */
    struct aw_list      in_changed;
    struct aw_client   *client; /* borrows */
    enum aw_trunk_state state;
    bool                forgotten;
    bool                standing; /* TCP and TLS do: bytes may go */
    bool                opened;   /* the server's SETTINGS came: it speaks HTTP/2 and said how many streams it allows */
    bool                saw_settings;
    bool                saw_goaway;
    struct aw_url       url;
    struct aw_why       why;
    aw_trunk_changed   *changed;
    void               *user;
    struct addrinfo    *addresses; /* owns */
    struct addrinfo    *address;   /* the one being tried */
    int                 fd;
    SSL                *ssl;
    nghttp2_session    *session;
    struct aw_list      exchanges;
    struct aw_exchange *recent;         /* the stream that the library spoke of last; NULL: none, or it is gone */
    uint32_t            exchange_count; /* OPEN ones */
    ev_io               readable;
    ev_io               writable;
    ev_timer            connect_timer;
    char               *pending; /* owns: output that the socket did not take */
    size_t              pending_len;
    size_t              pending_at;
    size_t              pending_room;
};

struct aw_client {
    struct ev_loop            *loop;
    struct aw_pool             pool;
    nghttp2_mem                memory; /* the library's way to the pool */
    nghttp2_session_callbacks *callbacks;
    nghttp2_option            *options;
    SSL_CTX                   *tls;
    bool                       insecure;
    char                       bearer[sizeof("Bearer ") + AW_CLIENT_TOKEN_BYTES_MAX]; /* empty: none */
    uint32_t                   exchanges_max;
    uint32_t                   answer_bytes_max;
    aw_ns                      connect_ns_max;
    aw_ns                      now;       /* when the bytes being looked at were read */
    uint32_t                   exchanges; /* OPEN ones */
    uint32_t                   slots;     /* not SPARE */
    struct aw_list             spare;
    struct aw_list             trunks;
    struct aw_list             changed; /* trunks whose owner does not know their state yet */
    struct aw_list             dirty;
    struct aw_list             finished;
    struct aw_list             forgotten; /* closed by their owner; freed between turns */
    bool                       delivering;
    bool                       told;       /* the last delivery had something to tell */
    uint64_t                   wheel_tick; /* slots before this one are done */
    struct aw_list             wheel[WHEEL_SLOTS];
    ev_timer                   ticker;
    ev_prepare                 before_sleep;
    ev_idle                    awake; /* keeps the loop from sleeping while there is output that callbacks made */
    char                      *input; /* READ_BYTES */
    char                      *output;
};

/* client.c */
/* An OPEN exchange of this trunk. NULL at a limit, or without memory. */
AW_MUST_USE struct aw_exchange *aw_exchange_take(struct aw_trunk *trunk);
/* Gives back one that was never submitted. */
void aw_exchange_undo(struct aw_exchange *exchange);
/* Decides the result of an OPEN exchange; does nothing to one that has ended. */
void aw_exchange_end(struct aw_exchange *exchange, enum aw_exchange_end end, const char *why);
/* The library has let go of the stream. */
void aw_exchange_let_go(struct aw_exchange *exchange);
void aw_exchange_forget_answer(struct aw_exchange *exchange);
/* Hands out results and changes of state, then frees what was forgotten. Not inside the library's callbacks. */
void aw_client_deliver(struct aw_client *client);
/* Only the results of this trunk, at once. */
void aw_client_deliver_of(struct aw_trunk *trunk);
/* Frees forgotten trunks, unless callbacks are running. */
void aw_client_sweep(struct aw_client *client);
void aw_client_dirty(struct aw_trunk *trunk);
/* `exchange->deadline` is set. */
void aw_client_watch_deadline(struct aw_exchange *exchange, aw_ns now);

/* trunk.c */
/* Ends every exchange and closes the socket; says why. Does nothing once closed. */
void aw_trunk_fail(struct aw_trunk *trunk, const char *format, ...) AW_PRINTF(2, 3);
/* Takes nothing new from here on. `why` NULL: the words are there already. */
void aw_trunk_drain(struct aw_trunk *trunk, const char *why);
/* Gathers and writes output. */
void aw_trunk_flush(struct aw_trunk *trunk);
/* Calls `changed`. */
void aw_trunk_tell(struct aw_trunk *trunk);
void aw_trunk_free(struct aw_trunk *trunk);

/* session.c */
AW_MUST_USE bool aw_client_session_callbacks_new(struct aw_client *client);
void             aw_client_session_callbacks_free(struct aw_client *client);
AW_MUST_USE bool aw_client_session_new(struct aw_trunk *trunk);
/* False when the connection must be closed; `why` says why. */
AW_MUST_USE bool aw_client_session_read(struct aw_trunk *trunk, const char *bytes, size_t len);

/* tls.c */
AW_MUST_USE enum aw_err aw_client_tls_new(struct aw_client *client, const struct aw_client_config *config, struct aw_why *why);
AW_MUST_USE bool        aw_client_tls_start(struct aw_trunk *trunk);
/* 1 done, 0 wants to wait (the watchers are set), -1 failed (`why` is set). */
int aw_client_tls_handshake(struct aw_trunk *trunk);
/* Bytes; 0 nothing just now; -1 end or failure (`why` is set when it is not a clean end). */
long aw_client_tls_read(struct aw_trunk *trunk, char *bytes, size_t room);
long aw_client_tls_write(struct aw_trunk *trunk, const char *bytes, size_t len);

#endif
