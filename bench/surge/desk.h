/* desk.h - simulated agents: each pulls by long poll, handles what it got, completes it, and pulls again.
 *
 * The desk watches what no single agent can see: two of them holding one ticket, a ticket that comes again with nothing new in
 * it.
 *
 * The caller owns it. Thread: that of the loop.
 */
#ifndef AW_BENCH_SURGE_DESK_H
#define AW_BENCH_SURGE_DESK_H

#include "base/stats.h"
#include "bench/surge/fleet.h"
#include "bench/surge/ledger.h"
#include "bench/surge/options.h"
#include "bench/surge/pace.h"
#include "bench/surge/tally.h"
#include "model/class.h"

struct surge_agent;
struct surge_lease;

/* A pull that was answered, with a lease or without. */
struct surge_pulled {
    uint32_t      agent;
    bool          empty;
    enum aw_class class_; /* of the lease */
    aw_ns         due;    /* when it was to be sent */
    aw_ns         sent_at;
    aw_ns         at;       /* when the answer was read */
    aw_ns         acked_at; /* when the receipt of its oldest new message was read; AW_NS_NEVER: not yet */
};

struct surge_desk_config {
    struct ev_loop             *loop;
    struct aw_client           *client;
    struct aw_url               url;
    const struct surge_options *options;
    struct surge_ledger        *ledger; /* borrows */
    void (*ready)(void *user);          /* all connections stand */
    void (*worked)(void *user);         /* leases were completed: somebody may want to look whether that was all */
    void (*finished)(void *user);       /* after surge_desk_stop: nobody holds or wants anything */
    void (*broken)(void *user, const char *why);
    void *user;
    /* By schedule: an agent pulls when surge_desk_due says that its turn came. NULL: again at once. */
    struct surge_pace *pace;                                       /* borrows */
    char *const       *lanes;                                      /* borrows: by agent, a JSON list; NULL: all lanes */
    void (*pulled)(void *user, const struct surge_pulled *pulled); /* may be NULL */
};

#define SURGE_HELD_BUCKETS 4096U

struct surge_desk {
    struct surge_desk_config config;
    struct surge_fleet       fleet;
    struct surge_agent      *agents;                   /* owns */
    struct surge_lease      *held[SURGE_HELD_BUCKETS]; /* by ticket */
    uint32_t                 leases_now;
    uint32_t                 at_work; /* agents that have not stopped */
    bool                     started;
    bool                     stopping;
    bool                     draining; /* with stopping: as long as a pull brings something */
    bool                     told;
    aw_ns                    started_at;
    aw_ns                    last_at;          /* of the last completion */
    char                     pull_body[2][96]; /* waiting, and without waiting */
    /* What came of it. */
    uint64_t            pulls;
    uint64_t            empty_pulls;
    uint64_t            leases;
    uint64_t            shown; /* messages in them */
    uint64_t            completed;
    uint64_t            repeated;  /* completions that the server had taken already, their first answer lost */
    uint64_t            overtaken; /* 409 new-messages: the customer wrote while the agent did */
    uint64_t            lost;      /* leases that were no longer ours */
    uint64_t            unknown;   /* completions whose outcome nobody told */
    struct surge_tally  refused;
    struct surge_tally  failed;
    struct aw_histogram pull_wait; /* of pulls that brought leases */
    struct aw_histogram complete;
    struct aw_histogram waited[AW_CLASS_COUNT]; /* from the receipt of the oldest new message to the lease */
};

/* AW_E_MEMORY, AW_E_IO, AW_E_NOT_FOUND: nothing is left to close. */
AW_MUST_USE enum aw_err surge_desk_open(struct surge_desk *desk, const struct surge_desk_config *config, struct aw_why *why);
void                    surge_desk_start(struct surge_desk *desk, aw_ns now);
/* With a pace: this agent's turn came. */
void surge_desk_due(struct surge_desk *desk, uint32_t number);
/* Each agent stops once it holds nothing and a pull without waiting brought nothing (`drain`), or once it holds nothing. */
void surge_desk_stop(struct surge_desk *desk, bool drain);
/* Accepts a zeroed struct. */
void surge_desk_close(struct surge_desk *desk);

#endif
