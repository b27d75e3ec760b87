/* io.h - one io thread: an event loop, its connections, and its ends of the mailboxes.
 *
 * A loop turn: sockets -> sessions -> requests -> handlers (api.h) -> submissions; what came back from the committer and the
 * readers is taken before each sleep, so that answers of one group commit leave together. It never writes to disk and never
 * waits for another thread but in its poll.
 * Who owns: its loop, edge, connections and memory pools. Thread: its own; aw_io_start and aw_io_stop by main.
 */
#ifndef AW_RUN_IO_H
#define AW_RUN_IO_H

#include "base/home.h"
#include "base/qsbr.h"
#include "base/stats.h"
#include "commit/committer.h"
#include "core/order.h"
#include "http/accept.h"
#include "http/conn.h"
#include "run/call.h"
#include "run/metrics.h"
#include "run/posts.h"
#include "run/settings.h"
#include "run/surge_copy.h"

#include <ev.h>
#include <pthread.h>

struct aw_call;
struct aw_gateways;
struct aw_order_slip;
struct aw_orderbook;
struct aw_rules_kit;
struct aw_rulebook;
struct aw_token_kit;
struct aw_tokenbook;

/* A connection on its way from the acceptor to an io thread and, when it is closed, back. Rules (rulebook.h) and the order of pulls
 * (orderbook.h) travel alike. */
struct aw_arrival {
    int                fd;
    struct aw_peer     peer;
    struct ssl_ctx_st *ssl_ctx; /* a reference of its own; NULL: plain */
    aw_ns              accept_at;
    uint32_t           io; /* that served it */
    /* Not a connection: the rules to use from here on; on its way back: those that are no longer used. Else NULL. */
    struct aw_rules_kit *kit;
    /* Not a connection: how pulls choose from here on. Else NULL. */
    struct aw_order_slip *slip;
    /* Not a connection: who may do what from here on; on its way back: tokens that nobody here goes by any more. Else NULL. */
    struct aw_token_kit *tokens;
    /* Not a connection: news of one that is still served, whose client proved who it is; the acceptor frees it. Else NULL. */
    struct aw_arrival *known;
    bool               was_known; /* of a connection; the acceptor's */
};

/* What all io threads share. Set before they start, then read-only. */
struct aw_shared {
    const struct aw_settings   *settings;
    struct aw_committer        *committer;
    struct aw_readers          *readers;
    struct aw_lanes            *lanes;
    struct aw_lanes_directory  *directory;
    struct aw_agents_directory *agents;
    struct aw_qsbr             *qsbr;
    struct aw_metrics          *metrics;
    struct aw_gateways         *gateways;
    struct aw_hash_key          table_key;
    struct aw_hash_key          token_key;
    const uint8_t              *store; /* UUID, 16 bytes; borrows from the journal */
    uint8_t                     shard;
    struct aw_orderbook        *orderbook; /* only to begin with: later orders arrive */
    struct aw_rulebook         *rulebook;  /* as above */
    struct aw_tokenbook        *tokenbook; /* as above; NULL: nobody needs a token (--dev) */
};

struct aw_io {
    struct aw_home           home;
    uint32_t                 number;
    const struct aw_shared  *shared; /* borrows */
    pthread_t                thread;
    struct ev_loop          *loop;    /* owns */
    struct aw_edge          *edge;    /* owns */
    struct aw_blocks        *blocks;  /* owns */
    struct aw_metrics_block *metrics; /* borrows: this thread's */
    struct aw_qsbr_reader   *quiet;   /* borrows: this thread's */
    struct aw_rules_kit     *rules;   /* what texts are read with; borrows, until the next one arrives */
    struct aw_order_settings order;   /* how pulls choose, until the next one arrives, and where no surge says otherwise */
    struct aw_surge_copy     surge;
    struct aw_token_kit     *tokens; /* who may do what; borrows, until the next one arrives; NULL: everybody may do everything */
    struct aw_list           visits; /* requests under way that came with a token (access.c) */
    aw_ms                    sweep_at; /* one of them ends by then */
    struct aw_wake           wake;
    /* Mailboxes. */
    struct aw_ring_in  to_committer;
    struct aw_ring_out from_committer;
    struct aw_ring     arrivals;   /* acceptor -> io */
    struct aw_ring     departures; /* io -> acceptor */
    struct aw_ring_in  arrivals_in;
    struct aw_ring_out arrivals_out;
    struct aw_ring_in  departures_in;
    struct aw_ring_out departures_out;
    struct aw_wake    *acceptor_wake; /* borrows */
    /* Loop. */
    struct ev_io         wake_watcher;
    struct ev_prepare    prepare;
    struct ev_check      check;
    struct ev_idle       idle;
    struct ev_timer      second;       /* deadlines of connections */
    struct ev_timer      tick;         /* deadlines of calls; runs while there are any */
    struct aw_list       conns;        /* all */
    struct aw_list       turns;        /* those to be called before the loop sleeps */
    struct aw_list       bulk_turns;   /* the same of those that can wait (aw_conn_is_bulk), also to be read */
    bool                 is_contended; /* several gateways post, so that such connections wait for the others */
    struct aw_wheel      wheel;
    struct aw_list       watchers; /* streams of events that sleep until something is published (api_events.c) */
    struct aw_posts      posts;
    uint8_t              poster[16];     /* the address that named a gateway last, as peers keep theirs */
    uint32_t             poster_gateway; /* and which; it stays that one */
    bool                 has_poster;
    uint32_t             event_streams;
    uint32_t             history_scans; /* looks through the journal for tickets that are forgotten */
    bool                 is_watching;   /* `watch` is out */
    struct aw_submission watch;
    struct aw_submission watch_cancel;
    struct aw_list       backlog; /* submissions for which the mailboxes have no room yet */
    uint32_t             mailbox_slots;
    uint32_t             with_committer;      /* submissions in the mailboxes and beyond */
    uint64_t             out;                 /* submissions and reads out, but for what follows the surge */
    uint64_t             out_parked;          /* of them, pulls that wait with the committer */
    uint32_t             agent_streams;       /* open */
    uint32_t             agent_streams_awake; /* of them, those that do not wait with the committer just now, but will */
    uint32_t             out_looks;           /* and looks through all tickets, of which the committer takes a step at a time */
    uint32_t             bulks;               /* changes of many tickets under way */
    uint64_t             out_max;             /* no new requests above it */
    uint32_t             choices_out;         /* taken from the lanes, and with the committer; at most AW_IO_CHOICES_MAX */
    uint64_t             tls_arrived;         /* connections with TLS, ever */
    bool                 rouse_committer;
    bool                 has_short_turns; /* of the processor (processor.h) */
    aw_ns                processor_used;  /* when others last went first (processor.h) */
    bool                 draining;
    bool                 drained; /* every connection is closed and nothing is out */
    aw_ns                now;     /* of this loop turn */
    aw_ms                wall;    /* of this loop turn */
};

/* What one io thread may have taken from the lanes without the committer's answer yet. The lanes keep room for that many to come
 * back; a pull that finds no place waits for the next answers. */
#define AW_IO_CHOICES_MAX 4096U
AW_STATIC_ASSERT(AW_IO_CHOICES_MAX >= AW_LEASES_PER_PULL_MAX, "one pull finds a place for all that it may ask for");

/* How large the mailboxes of one io thread are: submissions that may be with the committer, reads that may be with the readers. */
uint32_t                aw_io_mailbox_slots(const struct aw_settings *settings);
AW_MUST_USE enum aw_err aw_io_init(struct aw_io *io, uint32_t number, const struct aw_shared *shared, struct aw_why *why);
AW_MUST_USE enum aw_err aw_io_start(struct aw_io *io, struct aw_wake *acceptor_wake, struct aw_why *why);
/* After the thread ended. Accepts a zeroed one. */
void aw_io_fini(struct aw_io *io);
/* Hands a connection over. False: its ring is full. Thread: the acceptor. */
AW_MUST_USE bool aw_io_try_arrive(struct aw_io *io, struct aw_arrival *arrival);
/* A connection that was closed; NULL: none. Thread: the acceptor. */
struct aw_arrival *aw_io_departed(struct aw_io *io);
/* Tells it to drain: refuses new work, ends long polls, closes connections, then the thread ends. Thread: the acceptor, once. */
void aw_io_drain(struct aw_io *io);

/* --- for calls */
/* Looks through all tickets that one io thread may have out. The committer has one under way and they wait for each other, so more
 * would only keep the last ones waiting, and with them the places of other requests. */
#define AW_IO_LOOKS_MAX 8U
/* Changes of many tickets: each keeps a look or a piece of its work with the committer, and more would not be done sooner. */
#define AW_IO_BULKS_MAX 2U
/* Looks through the journal for a forgotten ticket: a long one takes a reader half the time. */
#define AW_IO_SCANS_MAX 2U
void aw_io_submit(struct aw_io *io, struct aw_submission *submission);
void aw_io_read(struct aw_io *io, struct aw_read *read);

#endif
