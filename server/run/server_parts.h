/* server_parts.h - what the files of the server share and nobody else includes.
 *
 * server.c         who is made of what, in which order, and how it ends
 * server_commit.c  the committer's thread
 * server_accept.c  listeners, and connections on their way to the io threads and back
 * server_notify.c  what the service manager is told
 * server_reload.c  what SIGHUP reads anew
 */
#ifndef AW_RUN_SERVER_PARTS_H
#define AW_RUN_SERVER_PARTS_H

#include "base/latch.h"
#include "run/eraser.h"
#include "run/forecaster.h"
#include "run/gateways.h"
#include "run/io.h"
#include "run/listen.h"
#include "run/notify.h"
#include "run/orderbook.h"
#include "run/rulebook.h"
#include "run/server.h"
#include "run/tokenbook.h"

/* A listening socket and its watchers. */
struct aw_listener {
    struct ev_io    watcher;
    struct ev_timer rest; /* after the process ran out of descriptors */
    int             fd;   /* -1: none */
    bool            tls;
    bool            is_failing; /* the last connection could not be accepted */
    char            text[AW_ADDRESS_TEXT_BYTES];
};

struct aw_server {
    const struct aw_settings  *given;    /* borrows */
    struct aw_settings         settings; /* a copy with io_threads filled in */
    struct aw_journal         *journal;
    struct aw_table           *table;
    struct aw_state           *state;
    struct aw_lanes           *lanes;
    struct aw_lanes_directory  directory;
    struct aw_agents_directory agents;
    struct aw_qsbr             qsbr;
    struct aw_metrics         *metrics;
    struct aw_readers         *readers;
    struct aw_committer       *committer;
    struct aw_forecaster      *forecaster; /* NULL: none is wanted */
    struct aw_eraser          *eraser;     /* NULL: nothing is sealed */
    struct aw_shared           shared;
    struct aw_io              *ios;
    uint32_t                   io_count;
    uint32_t                   io_started;
    struct aw_latch            is_served;  /* all io threads run, and have rules */
    struct aw_latch            is_ending;  /* what is not ready yet need not become so */
    uint32_t                  *io_loads;   /* connections of each, as the acceptor knows */
    uint64_t                   tls_handed; /* connections with TLS that went to an io thread, ever */
    /* Committer thread. */
    pthread_t                committer_thread;
    bool                     committer_started;
    struct aw_metrics_block *committer_metrics;
    bool                     is_ready;  /* its own */
    enum aw_err              start_err; /* written before START_FAILED, read after the join */
    struct aw_why            start_why;
    aw_ns                    began_at;
    /* Main thread. */
    struct ev_loop      *loop;
    struct aw_listener   plain;
    struct aw_listener   tls;
    struct ssl_ctx_st   *ssl_ctx;
    struct ev_timer      look_at_cert;
    struct aw_gate      *gate;
    struct aw_spare      spare;
    struct aw_wake       wake;
    struct ev_io         wake_watcher;
    struct ev_prepare    prepare;
    struct ev_check      check;
    struct ev_signal     terminate, interrupt, hangup;
    struct aw_rulebook  *rulebook;
    struct aw_orderbook *orderbook;
    struct aw_tokenbook *tokenbook; /* NULL: nobody needs a token */
    struct aw_gateways  *gateways;
    struct aw_notify     notify;
    struct ev_timer      notify_timer;
    enum aw_role         notified_role; /* what the service manager was told last */
    uint64_t             notified_turns;
    uint64_t             notified_progress;
    aw_ns                notified_pages_at;
    struct ev_timer      hand_again; /* while a mailbox had no room for new rules, tokens or another order */
};

/* server_commit.c */
/* The body of the thread; `arg` is the struct aw_server. */
void *aw_server_commit(void *arg);
/* What the committer is to call on its thread. */
struct aw_committer_report aw_server_report(struct aw_server *server);
uint64_t                   aw_server_erased_through(void *user);

/* The block of the main thread. */
static inline struct aw_metrics_block *
aw_server_metrics(struct aw_server *server)
{
    return aw_metrics_block(server->metrics, server->io_count + 1);
}

/* server_accept.c */
void aw_server_watch_listeners(struct aw_server *server);
void aw_server_close_listeners(struct aw_server *server);
/* Takes what the io threads gave back. True: an order or tokens came back, and others may wait for that. */
bool aw_server_take_departures(struct aw_server *server);

/* server_notify.c */
/* How far the walk through the pages is, before the loop runs; `user` is the struct aw_server. */
void aw_server_tell_pages(void *user, uint64_t pages, uint64_t pages_total);
/* Tells the service manager, if one wants to know, from now on until the loop ends. */
void aw_server_watch_notify(struct aw_server *server);

/* server_reload.c */
struct aw_order_settings aw_server_order_settings(const struct aw_settings *settings);
struct aw_gateway_limit  aw_server_gateway_limit(const struct aw_settings *settings);
/* Into server->ssl_ctx, which keeps what it has when this fails. */
AW_MUST_USE enum aw_err aw_server_load_tls(struct aw_server *server, struct aw_why *why);
void                    aw_server_log_rules(const struct aw_server *server, const char *what);
/* The first time. AW_OK without any when --dev names none. */
AW_MUST_USE enum aw_err aw_server_load_tokens(struct aw_server *server, struct aw_why *why);
/* A load of rules may be over. True: there are new ones to be handed out. */
AW_MUST_USE bool aw_server_take_rules(struct aw_server *server);
/* Hands new rules, tokens and another order to the io threads that do not have them yet. */
void aw_server_hand_out(struct aw_server *server);
/* SIGHUP; and the certificate, now and once a day, that it does not end unseen. */
void aw_server_watch_hangup(struct aw_server *server);

#endif
