/* intake.h - the gateways: posts what a source gives, when it is due, over a fleet of connections.
 *
 * Open loop: each message has an intended time; what can't be sent then, because all streams are busy, is sent as soon as one
 * is free, and its latency counts from the intended time all the same. So a server that stalls is charged for every message
 * that would have come meanwhile. Closed loop: the next message goes when an answer comes; latency counts from the sending.
 *
 * With retry, whatever has no known outcome is posted again, with the same bytes, until it has one.
 *
 * The caller owns it. Thread: that of the loop.
 */
#ifndef AW_BENCH_SURGE_INTAKE_H
#define AW_BENCH_SURGE_INTAKE_H

#include "base/list.h"
#include "base/stats.h"
#include "bench/surge/fleet.h"
#include "bench/surge/ledger.h"
#include "bench/surge/options.h"
#include "bench/surge/source.h"
#include "bench/surge/tally.h"

struct surge_slot;

struct surge_intake_config {
    struct ev_loop             *loop;
    struct aw_client           *client;
    struct aw_url               url;
    const struct surge_options *options;
    struct surge_source        *source; /* borrows */
    struct surge_ledger        *ledger; /* borrows; NULL: any 2xx is a success, and nothing else is known */
    void (*ready)(void *user);          /* all connections stand */
    void (*finished)(void *user);       /* the source ended and everything has its outcome */
    void (*broken)(void *user, const char *why);
    void *user;
};

struct surge_intake {
    struct surge_intake_config config;
    struct surge_fleet         fleet;
    struct surge_slot         *slots;    /* owns */
    struct aw_list             spare;    /* whose line is open, longest free first */
    struct aw_list             stranded; /* whose line is not */
    struct aw_list             again;    /* to be posted again */
    uint32_t                   slot_count;
    uint32_t                   busy; /* slots under way or to be posted again */
    int                        timer_fd;
    ev_io                      timer;
    ev_timer                   again_timer;
    bool                       started;
    bool                       ended; /* the source did, or somebody said so */
    bool                       told;
    aw_ns                      started_at;
    aw_ns                      last_at; /* of the last answer */
    /* What came of it. */
    uint64_t            posted;     /* messages given to the server, each once */
    uint64_t            requests;   /* with those that were repeated */
    uint64_t            accepted;   /* first receipts */
    uint64_t            duplicates; /* receipts that say so, and were not asked for by a repetition of ours */
    uint64_t            recovered;  /* the same after a repetition: the first answer had been lost */
    uint64_t            differing;
    uint64_t            folded;
    uint64_t            opened;   /* tickets, by first receipts */
    uint64_t            reopened; /* the same */
    uint64_t            repeats;  /* messages posted again by us */
    struct surge_tally  refused;  /* messages, by reason */
    struct surge_tally  failed;   /* messages without an answer, by how */
    struct aw_histogram latency;  /* of each message that has a receipt */
};

/* AW_E_MEMORY, AW_E_IO, AW_E_NOT_FOUND: nothing is left to close. */
AW_MUST_USE enum aw_err surge_intake_open(struct surge_intake *intake, const struct surge_intake_config *config,
                                          struct aw_why *why);
/* Begins to send; `now` is the start that `due` counts from. */
void surge_intake_start(struct surge_intake *intake, aw_ns now);
/* Takes nothing more from the source. */
void surge_intake_end(struct surge_intake *intake);
void surge_intake_close(struct surge_intake *intake);

#endif
