/* committer.h - the one thread that changes things: gathers what has arrived, applies it, makes it durable, publishes, answers.
 *
 * One step: take submissions from the mailboxes -> apply in journal order into batches -> submit and flush -> only then publish
 * tickets to the lanes, answer queries, give submissions back, wake parked pulls -> a bounded piece of housekeeping (checkpoint,
 * trimming, reclamation). What arrives while a flush runs is the next group: that is the whole of group commit.
 *
 * Admission happens before apply: a message gets room for its worst case in the store, the tables and the lanes, or STORE_FULL /
 * TABLE_FULL, so that a commit cannot fail for lack of room; everything that drains (leases, completes, timers, checkpoints) goes
 * first and has a reserve of its own.
 *
 * After the first BROKEN the state in memory is void: nothing is published, every submission comes back with STORE_BROKEN.
 *
 * Who owns: the caller owns the committer; the committer owns submissions between the two mailboxes. Borrows journal, table, state,
 * lanes: they outlive it. Thread: step by one thread, its home; the mailbox ends it hands out by the io threads.
 * Reads no clock: times come in. Fails: in new, for lack of memory.
 */
#ifndef AW_COMMIT_COMMITTER_H
#define AW_COMMIT_COMMITTER_H

#include "base/ring.h"
#include "base/wake.h"
#include "commit/agents_directory.h"
#include "commit/lanes.h"
#include "commit/lanes_directory.h"
#include "commit/recover.h"
#include "commit/submission.h"
#include "commit/trim.h"
#include "port/journal.h"
#include "port/table.h"

/* Shown to the world by /readyz and metrics. */
enum aw_role {
    AW_ROLE_STARTING = 0,
    AW_ROLE_ACTIVE = 1,
    AW_ROLE_FOLLOWER = 2,
    AW_ROLE_DEPOSED = 3,
    AW_ROLE_FULL = 4, /* posts are refused for lack of room, everything else works */
    AW_ROLE_BROKEN = 5,
};
const char *aw_role_name(enum aw_role role);

/* Called on the committer's thread with numbers for metrics; all optional. */
struct aw_committer_report {
    void *user;
    void (*role)(void *user, enum aw_role role);
    void (*flushing)(void *user, bool begins); /* around each flush: one that never ends is a disk that hangs */
    void (*group)(void *user, aw_ns commit_took, uint32_t records, uint32_t batches);
    void (*checkpoint)(void *user, uint64_t seq);
    void (*erasure)(void    *user,
                    uint64_t seq);          /* this record is durable, and asks that texts be erased: the last one of its group */
    void (*shut)(void *user, bool is_shut); /* nothing is given out: see aw_committer_lanes_reserve */
    void (*trim_damage)(void *user, const char *what,
                        uint64_t seq); /* the journal is not trimmed any more: it is damaged there */
};

struct aw_committer_config {
    struct aw_journal          *journal;
    struct aw_table            *table;
    struct aw_state            *state;
    struct aw_lanes            *lanes;
    struct aw_lanes_directory  *directory;
    struct aw_agents_directory *agents;
    struct aw_recovery          recovery;      /* where the journal ended at the start */
    struct aw_core_settings     settings;      /* journaled when they differ from the state's */
    uint32_t                    io_count;      /* mailboxes; the last one may be main's */
    uint32_t                    mailbox_slots; /* a power of two: at least as many submissions as an io thread can have out */
    uint32_t                    lanes_max;
    uint32_t                    parties_max; /* who may post, each with its turns; 0: all posts are one's */
    size_t                      batch_bytes_max;
    uint64_t                    group_bytes_max;       /* most record and body bytes of posts in one flush */
    uint64_t                    checkpoint_bytes;      /* journal bytes between two checkpoints */
    size_t                      checkpoint_step_bytes; /* most of a checkpoint that rides on one flush */
    uint64_t                    bodies_min_ms;         /* short of room, bodies of tickets closed longer ago go; 0: never early */
    uint32_t                    room_low_percent;      /* room is short below this share of the store's limit */
    uint32_t                    leases_max;            /* running at once */
    uint32_t                    choices_max;           /* taken from the lanes and not answered yet, by all io threads together */
    aw_ns (*mono)(void);                               /* measures the flush; a simulator gives its own */
    struct aw_committer_report report;
    /* Records up to this one ask for no erasure that is still to be done: those behind it are not trimmed away. Given report.user;
     * called often; NULL: nothing can be erased. */
    uint64_t (*erased_through)(void *user);
};

struct aw_committer;

/* Pushes for which the lanes always keep room, since nothing refuses what comes back from a lease or a choice: one for each lease,
 * two for each choice, which a ticket aside may displace, and a little. Posts, and what else would put a new entry into a queue,
 * leave that many. When memory can't be freed, as a thread that reads the lanes is stopped, and tickets still go out and come back,
 * the room shrinks below: then the lanes are shut, while it is still enough for all that is out just then. */
uint64_t aw_committer_lanes_reserve(uint32_t leases_max, uint32_t choices_max);

AW_MUST_USE enum aw_err aw_committer_new(struct aw_committer **ret_committer, const struct aw_committer_config *config,
                                         struct aw_why *why);
/* All submissions must have come back. Takes the address, accepts NULL, leaves NULL. */
void aw_committer_free(struct aw_committer **committer);

/* The ends of mailbox `io`, once each, before the threads run. `io_wake` is roused when something came back; borrowed. */
void aw_committer_mailbox(struct aw_committer *committer, uint32_t io, struct aw_wake *io_wake, struct aw_ring_in *ret_in,
                          struct aw_ring_out *ret_out);
/* Rouse it after a push. Any thread. */
struct aw_wake *aw_committer_wake(struct aw_committer *committer);

/* The thread that calls it is the committer's from now on. `recovery` says where the journal ended. Commits the epoch record
 * (and the settings), fills the lanes and the directory from the state. AW_E_STORE_BROKEN, AW_E_STORE_FULL, AW_E_TABLE_FULL. */
AW_MUST_USE enum aw_err aw_committer_start(struct aw_committer *committer, const struct aw_recovery *recovery, aw_ms wall,
                                           aw_ns mono, struct aw_why *why);
/* Bounded work; returns how much was done, 0: sleep until a wake or aw_committer_next_due. */
size_t aw_committer_step(struct aw_committer *committer, aw_ms wall, aw_ns mono);
/* Monotonic time until which there is nothing to do by itself; AW_NS_NEVER. */
aw_ns aw_committer_next_due(const struct aw_committer *committer, aw_ns mono);
/* Whether nothing is in its hands: for the end of a drain. */
bool                          aw_committer_is_idle(const struct aw_committer *committer);
enum aw_role                  aw_committer_role(const struct aw_committer *committer);
uint64_t                      aw_committer_parked(const struct aw_committer *committer);
const struct aw_journal_head *aw_committer_head(const struct aw_committer *committer);

#endif
