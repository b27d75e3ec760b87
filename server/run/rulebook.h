/* rulebook.h - the rules in use: loaded at the start, loaded anew by SIGHUP, handed to the io threads.
 *
 * A set of rules is immutable, and each io thread has a kit of it: the set, and a scratch that only this thread uses. There are
 * two, for messages and for replies; they are loaded, handed and freed together, so "set" below means both. A new set goes the way
 * that connections go: its kits arrive through the mailboxes of io threads, each thread changes over between two requests and
 * sends the old kit back; when the last one is back, the old set is freed. Nobody waits, no request meets two sets.
 * A set that can't be made leaves the one in use as it is.
 * A load reads and compiles for up to a second, on a thread of its own that lives as long as the load; one at a time, and what is
 * asked for meanwhile is loaded after it, since the files may have changed under it.
 * Who owns: the book owns all sets and kits. Thread: main; a kit belongs to its io thread from arrival to departure.
 * Fails: loading, with words.
 */
#ifndef AW_RUN_RULEBOOK_H
#define AW_RUN_RULEBOOK_H

#include "base/wake.h"
#include "base/why.h"
#include "rules/rules.h"
#include "run/io.h"

struct aw_rulebook;

/* One io thread's part of a set, on its way there, in use, or on its way back. */
struct aw_rules_kit {
    struct aw_arrival   arrival; /* .kit is this */
    struct aw_rules_use use;     /* for messages */
    struct aw_rules_use replies; /* for aw_outgoing_check */
    struct aw_rule_set *set;
};

/* Begins to load the first set; `folder` as in aw_rules_load. Borrows it, and `wake`, which is rung when a load is over.
 * AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_rulebook_new(struct aw_rulebook **ret_book, const char *folder, uint32_t io_count,
                                        struct aw_wake *wake, struct aw_why *why);
/* Waits for the first set, before anything else is asked of the book. AW_E_CONFIG, AW_E_IO, AW_E_MEMORY as aw_rules_load. */
AW_MUST_USE enum aw_err aw_rulebook_wait(struct aw_rulebook *book, struct aw_why *why);
/* The kit that an io thread begins with. Once for each, before it starts. */
AW_MUST_USE struct aw_rules_kit *aw_rulebook_first(struct aw_rulebook *book, uint32_t io);
/* Begins to load the folder again, or will when the load under way is over. AW_E_MEMORY: there is no thread for it. */
AW_MUST_USE enum aw_err aw_rulebook_reload(struct aw_rulebook *book, struct aw_why *why);

enum aw_rulebook_news {
    AW_RULEBOOK_NONE,
    AW_RULEBOOK_LOADED, /* aw_rulebook_hand has something to do */
    AW_RULEBOOK_FAILED  /* the old set stays; `why` says why */
};
/* What became of the load under way, once for each; never waits. */
enum aw_rulebook_news aw_rulebook_poll(struct aw_rulebook *book, struct aw_why *why);
/* Sends what is to be sent. False: a mailbox was full; call it again soon. */
AW_MUST_USE bool aw_rulebook_hand(struct aw_rulebook *book, struct aw_io *ios);
/* A kit came back. */
void aw_rulebook_take(struct aw_rulebook *book, struct aw_rules_kit *kit);
/* The newest set. Borrows until the next poll. */
const struct aw_rules *aw_rulebook_rules(const struct aw_rulebook *book, enum aw_rules_side side);
/* After the io threads ended. Waits for a load under way: a compiler can't be interrupted. Takes the address, accepts NULL, leaves
 * NULL. */
void aw_rulebook_free(struct aw_rulebook **book);

#endif
