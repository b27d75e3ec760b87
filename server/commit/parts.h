/* parts.h - the committer's inside, shared by its nine files: committer.c (mailboxes, step), group.c (apply and commit), publish.c
 * (lanes, wakes, queries), agents.c (what they are set to), side.c (tickets that not everybody may take), outbox.c (replies),
 * forecast.c (what a forecaster asks), upkeep.c (checkpoints), trim.c (the journal's old end).
 *
 * Thread: the committer. Owns: see committer.h. Nobody else includes this.
 */
#ifndef AW_COMMIT_PARTS_H
#define AW_COMMIT_PARTS_H

#include "base/home.h"
#include "base/turns.h"
#include "commit/batch.h"
#include "commit/committer.h"
#include "commit/parking.h"
#include "commit/present.h"
#include "commit/record_clock.h"
#include "commit/trim.h"

/* Commands applied in one flush: bounds the arrays below, and with them how long an answer can be held up by others. */
#define AW_GROUP_RECORDS_MAX 16384U
/* What they do to the queues: each at most one thing, a lease may also send another ticket back, and what an open batch has no room
 * for does so once more. */
#define AW_GROUP_EVENTS_MAX (2U * AW_GROUP_RECORDS_MAX + AW_SUBMITS_MAX)
/* How far ahead of apply the memory of a command is fetched: about the time that one miss takes. */
#define AW_PREFETCH_AHEAD 8U
/* Timers that ride on one flush. Each takes the committer 1.5 us: so many hold a pull up for less than a flush does, while 10,000
 * tickets that an airport event moves are through after 20 flushes. */
#define AW_GROUP_TIMERS_MAX 512U

/* Room kept for each open ticket besides the engine's reserve: the records of a lease and of a complete with a reply, each
 * alone in a batch, are 1,000 bytes; a reply of usual length has 600 more; the rest is for an extension. (Before it is carried
 * out a text is reckoned with the addresses of 65 customers, 1,000 bytes more, where there is mostly one: so the last groups
 * are small.) And for each reply on its way: a gateway's lease of it and a report. So a store that is full can always be worked
 * off. A longer reply takes its room from the posts, and is refused when they have none left; so does a lease of a pull that
 * named more lanes than the last number, but then its choice is not recorded. */
#define AW_DRAIN_BYTES_PER_TICKET 2048U
#define AW_DRAIN_BODY_BYTES       600U
#define AW_DRAIN_BYTES_PER_REPLY  512U
#define AW_DRAIN_LANES_PER_LEASE  64U

/* The engine's reserve in shares, and how many of them each leaves to those behind it. In a full store the first is for questions
 * whether somebody still waits, and with the next for what people set, however often. Then classes that change, of which one
 * flight or hour brings as many as there are tickets; and those among them that press, which therefore have all room that comes
 * back before the others have any. What lets tickets be leased again (lanes that begin to help, a lane that opens, an agent who
 * comes back, a reply that is refused) goes as far. The other half, and all that is owed to what is open, is for draining alone:
 * engines write no checkpoint into it, and without one nothing is trimmed. */
#define AW_RESERVE_SHARES              8U
#define AW_RESERVE_SHARES_OF_QUESTIONS 7U
#define AW_RESERVE_SHARES_OF_CHANGES   6U
#define AW_RESERVE_SHARES_OF_CLASSES   5U
#define AW_RESERVE_SHARES_OF_DRAINS    4U

/* A store that was full is active again when it has room for the largest post that it refused and for this share of its reserve
 * beyond; at most so much, since an engine allocates no further ahead. Otherwise small posts, which still fit between large ones
 * that do not, would change the role each time. */
#define AW_ROOM_AGAIN_SHARE     8U
#define AW_ROOM_AGAIN_BYTES_MAX (UINT64_C(4) << 20)
/* A group leaves so much of what posts may take to others, who do not wait for the next one. */
#define AW_ROOM_BESIDE_BYTES (UINT64_C(128) << 10)
/* While several parties post, each has so many posts a turn, and a group is filled for no longer than a short flush takes, and
 * no longer than this: the larger it is, the longer its own takes. Who comes meanwhile is taken into it, and then it ends, but
 * not before a share of that time: so he waits for a flush and little more, and who posts much still has a part of the
 * committer's time, however long flushes take. For so long after the last of the others a party is not alone. */
#define AW_TURN_POSTS   32U
#define AW_FILL_NS_MAX  AW_NS_PER_MS
#define AW_FILL_SHARE   4U
#define AW_CONTENDED_MS 1000U
/* How often a full store is asked whether it has room again: the disk tells nobody. */
#define AW_ROOM_LOOK_NS (AW_NS_PER_S / 4)

/* Pushes left beyond what runs and may be in hand, when the lanes are shut: what partly used pages take when room is counted anew
 * (less than 50). Opened again at the second, so that they do not do both all the time. */
#define AW_LANES_SHUT_PUSHES 64U
#define AW_LANES_OPEN_PUSHES 256U

struct aw_mailbox {
    struct aw_ring     to;   /* io thread -> committer */
    struct aw_ring     back; /* committer -> io thread */
    struct aw_ring_out out;
    struct aw_ring_in  in;
    struct aw_ring_in  ends_in; /* the io thread's ends, until they are handed out */
    struct aw_ring_out ends_out;
    struct aw_wake    *wake;  /* borrows */
    bool               rouse; /* something was given back in this step */
};

/* What is left of room in this step; taken down with each admission. */
struct aw_admission {
    uint64_t posts_bytes;       /* at hand for posts, above the engine's reserve and what draining and a checkpoint will take */
    uint64_t limit_bytes;       /* left of the store's limit likewise; not taken down */
    uint64_t spare_bytes;       /* the lesser of the two: for all that draining can do without */
    uint64_t low_bytes;         /* room is short when limit_bytes is below */
    uint64_t drain_bytes;       /* at hand for everything else */
    uint64_t open_bytes;        /* of these: owed to what is open */
    uint64_t cut_bytes;         /* and to a checkpoint beside the last one, without which a full store could never be trimmed */
    uint64_t reserve_bytes;     /* the engine's; not taken down */
    uint64_t spare_begun_bytes; /* what the group began with; not taken down */
    uint64_t drain_begun_bytes;
    uint64_t again_bytes; /* room beyond what was refused, to be active again */
    uint64_t pushes;      /* into the lanes that surely succeed, less those of this group's events */
};

enum aw_checkpoint_phase { AW_CHECKPOINT_REST, AW_CHECKPOINT_WRITE, AW_CHECKPOINT_MARK, AW_CHECKPOINT_DROP };

struct aw_committer {
    struct aw_home             home;
    struct aw_committer_config config; /* set before start, then read-only */
    struct aw_wake             wake;
    struct aw_mailbox         *mailboxes; /* owns: io_count */

    struct aw_record_clock clock;
    struct aw_journal_head head; /* of what is durable, or being made so */
    enum aw_role           role;
    aw_ms                  now;  /* of this step */
    uint64_t               held; /* submissions in our hands, parked ones included */

    struct aw_list  drains;  /* COMMANDS that are no posts: go first */
    struct aw_turns posts;   /* by party */
    struct aw_list  arrived; /* taken from the mailboxes while a group was filled; for the next step */
    struct aw_list  queries;
    struct aw_list  looks;      /* queries that take several steps */
    aw_ns           look_after; /* the next step is due then */
    struct aw_list  watches;
    struct aw_list  followers;    /* of the surge */
    struct aw_list  gateways;     /* that wait for replies */
    uint64_t        replies_came; /* aw_state_replies_came, when these were looked at */
    aw_ms           await_due;    /* record time at which one of them may get something by its pace; 0: never */
    struct aw_list  done;         /* go back after the flush */

    struct aw_admission admission;
    struct aw_batch     batch;
    struct aw_entry   **batch_entries; /* changed something in the open batch: get its commit point */
    uint32_t            batch_entry_count;
    struct aw_event    *events; /* AW_GROUP_EVENTS_MAX: for after the flush */
    uint32_t            event_count;
    uint32_t            group_records;
    uint32_t            group_batches;
    uint64_t            group_bytes; /* of posts */
    uint64_t            erasure_seq; /* the last record of the group that asks for an erasure; 0: none does */
    aw_ns               group_began; /* by config.mono */
    uint32_t            group_posts;
    bool                is_group_joined; /* by others, who came while it was filled */
    aw_ns               flush_ns;        /* what a short flush takes */
    uint32_t            last_party;      /* that posted, and when */
    aw_ms               last_party_at;
    aw_ms               contended_until;    /* several parties post */
    bool                refused_post;       /* for lack of room, in this step */
    uint64_t            refused_bytes;      /* the most that a refused post would have needed since the role is full */
    uint32_t            posts_rest_groups;  /* how often posts were put off since one was admitted, with none in the group */
    bool                is_shut_for_posts;  /* what was at hand is used up: the rest waits for the next group */
    bool                is_shut_for_drains; /* the next of them needs a group with more room */
    bool                is_timer_refused;   /* it is tried again after a rest, not at once */
    bool                must_flush;
    uint64_t            refused_seq;     /* as in aw_lease_choice, of the next one */
    bool                is_shut;         /* the lanes are */
    uint64_t            lanes_reserve;   /* set at new */
    uint64_t            lanes_room_most; /* pushes that ever had room at once */

    struct aw_parking parking;
    struct aw_present present;
    /* By which the last lease was chosen, for forecasts. */
    struct aw_order_settings order;
    bool                     has_order;
    uint64_t                 streams;  /* that ever joined */
    uint16_t                 shelves;  /* as in the state */
    uint32_t                 shelving; /* the slot where the move to new shelves goes on; 0: all tickets are where they belong */
    bool                     is_shelving_short; /* of room */
    uint64_t                *side_lanes;        /* owns: by lane a bit; all clear between two looks */
    /* Lanes that were opened: what waits aside there is offered by steps. */
    uint64_t *offer_lanes; /* owns: by lane a bit */
    uint32_t  offered;     /* the row that was looked at last */
    bool      is_offering;

    enum aw_checkpoint_phase  checkpoint;
    struct aw_checkpoint_mark mark;
    bool                      is_mark_put;    /* the next flush makes it the checkpoint */
    bool                      is_cut_waiting; /* for room to write its next chunk */
    uint64_t                  bytes_since_checkpoint;
    struct aw_trim            trim;
};

/* --- committer.c */
/* Takes what has arrived meanwhile, as far as it can join the group that is being filled. */
void aw_committer_gather_commands(struct aw_committer *c);
void aw_committer_give_back(struct aw_committer *c, struct aw_submission *submission);
void aw_committer_set_role(struct aw_committer *c, enum aw_role role);

/* --- group.c: applies what waits and makes it durable. Returns the number of commands handled. */
size_t aw_group_commit(struct aw_committer *c, aw_ms now);
/* One command of our own (epoch, settings, a first lane) in a group by itself. */
enum aw_err aw_group_commit_own(struct aw_committer *c, struct aw_entry *entries, uint32_t count, aw_ms now);

/* An entry that was taken out of its queue and leads to no lease goes back, if its ticket still waits there: then true. */
bool aw_group_put_back(struct aw_committer *c, const struct aw_in_lease *lease);

/* How many entries it may push of a ticket that did not leave its queue by being taken: a person's word, a time that changes its
 * class, lanes that begin to help. The old entry stays there, stale, and nothing bounds those but the arena. What comes back from a
 * lease has the reserve. */
uint32_t aw_group_pushes_anew(const struct aw_command *command);
/* Room that is left to draining when this command is admitted: 0 for what drains. */
uint64_t aw_group_bytes_kept(const struct aw_committer *c, const struct aw_command *command);
/* Why nothing new may be pushed, if so: AW_E_OVERLOADED when that passes as soon as a reader goes on, else AW_E_TABLE_FULL. */
enum aw_err aw_group_admit_pushes(const struct aw_committer *c, uint32_t pushes);

/* --- atomic.c: commands of which all or none are carried out. */
enum aw_atomic {
    AW_ATOMIC_GO,         /* all of them will succeed, in the open batch */
    AW_ATOMIC_NEXT_BATCH, /* nothing was done; to be tried again when there is an empty one */
    AW_ATOMIC_NEXT_GROUP,
    AW_ATOMIC_REFUSED, /* none was done, and each says why */
};
enum aw_atomic aw_atomic_try(struct aw_committer *c, struct aw_submission *submission);

/* --- side.c */
/* The next command of `submission` is a LEASE: when a ticket aside that the pull may have goes before its choice, it gets that. */
void aw_side_choose(struct aw_committer *c, struct aw_submission *submission);
/* Wakes the longest waiting pull that may take this ticket, if it waits aside. */
void aw_side_offer(struct aw_committer *c, uint32_t slot);
/* All of a lane that was opened, by steps. */
void aw_side_offer_lane(struct aw_committer *c, uint32_t lane);
/* A piece of that. */
size_t aw_side_offer_some(struct aw_committer *c);
/* A pull that was woken for a ticket came back, and what it asked for is carried out. */
void aw_side_came_back(struct aw_committer *c, struct aw_park *pull);
/* Wakes a pull that was just parked, if there is something for it. */
void aw_side_look_for(struct aw_committer *c, struct aw_submission *pull);

/* --- agents.c */
/* An agent was set: shows it to all threads, and sends its waiting pulls back to look again. */
void aw_agents_publish(struct aw_committer *c, const struct aw_event *event);
/* Whose units were taken or given back. */
void aw_agents_publish_units(struct aw_committer *c);
/* Whether its agent was set since this pull looked what it is set to. */
bool aw_agents_went_by_old(struct aw_committer *c, const struct aw_park *park);
/* At a start. AW_E_MEMORY. */
enum aw_err aw_agents_load(struct aw_committer *c);
/* AGENT, AGENTS. */
void aw_agents_answer(struct aw_committer *c, struct aw_query *query);

/* --- streams.c: streams of agents. */
/* STREAM. */
void aw_streams_answer(struct aw_committer *c, struct aw_query *query);
/* The shelves of which a pull that parks can take nothing, by its agent's units and its own. */
uint16_t aw_streams_full(const struct aw_committer *c, const struct aw_park *park, uint32_t agent);
/* A stream that is about to park: false when it must look again, or has been replaced, as park->end then says. An earlier stream of
 * its agent that waits is told that it is replaced. */
bool aw_streams_may_park(struct aw_committer *c, struct aw_park *park, uint32_t agent);
/* What this agent holds has changed: its stream looks. */
void aw_streams_tell(struct aw_committer *c, struct aw_slice agent);
/* Whether a LEASE for this pull would be beyond the units of its stream. */
bool aw_streams_is_beyond(const struct aw_committer *c, const struct aw_park *pull);

/* --- publish.c */
void aw_publish_events(struct aw_committer *c);
/* Wakes a pull for `lane` if there is a ticket and somebody for it. AW_LANE_NONE: nothing. */
void aw_publish_look_at(struct aw_committer *c, uint32_t lane);
void aw_publish_park(struct aw_committer *c, struct aw_submission *pull);
void aw_publish_cancel(struct aw_committer *c, struct aw_submission *cancel);
void aw_publish_watch(struct aw_committer *c, struct aw_submission *watch);
void aw_publish_follow(struct aw_committer *c, struct aw_submission *follower);
/* A pull with this key was given a lease: others that wait under the key are told. */
void   aw_publish_leased(struct aw_committer *c, const struct aw_pull_key *key);
size_t aw_publish_queries(struct aw_committer *c, aw_ms now);
/* Looks have a share of the committer's time: what began then and ends now was a part of it, and the next look rests for it. */
void aw_publish_rest(struct aw_committer *c, aw_ns began);
/* A piece of the first query that takes several steps. */
size_t aw_publish_looks(struct aw_committer *c);
/* A step of moving what waits to a shelf that its channel has got. */
size_t aw_publish_shelve(struct aw_committer *c);
/* A step of waking the pulls whose agents have more units free than before, as far as there is something for them. */
size_t aw_publish_look_for_freed(struct aw_committer *c);
/* Fills lanes and directory from the state, at a start. */
enum aw_err aw_publish_load(struct aw_committer *c, struct aw_why *why);

/* --- outbox.c */
void aw_outbox_await(struct aw_committer *c, struct aw_submission *gateway);
/* After a flush: gives back those for which something can go out now. */
void aw_outbox_look(struct aw_committer *c);
/* REPLY, SEEN, CHANNEL. */
void aw_outbox_answer(struct aw_committer *c, struct aw_query *query);

/* --- forecast.c: CENSUS, WHO, TOLD. */
void aw_forecast_answer(struct aw_committer *c, struct aw_query *query, aw_ms now);

/* --- upkeep.c: a bounded piece of checkpoint and of trimming before a flush; what follows a flush. */
void aw_upkeep_before_flush(struct aw_committer *c, aw_ms now);
void aw_upkeep_after_flush(struct aw_committer *c);
bool aw_upkeep_is_busy(const struct aw_committer *c);

#endif
