/* rulebook.h - the rules in use: loaded at the start, loaded anew by SIGHUP, handed to the io threads.
 *
 * A set of rules is immutable, and each io thread has a kit of it: the set, and a scratch that only this thread uses. A new set
 * goes the way that connections go: its kits arrive through the mailboxes of io threads, each thread changes over between two
 * requests and sends the old kit back; when the last one is back, the old set is freed. Nobody waits, no request meets two sets.
 * A set that can't be made leaves the one in use as it is.
 * Who owns: the book owns all sets and kits. Thread: main; a kit belongs to its io thread from arrival to departure.
 * Fails: loading, with words. A load takes up to a second of the main thread's time, in which nothing new is accepted.
 */
#ifndef AW_RUN_RULEBOOK_H
#define AW_RUN_RULEBOOK_H

#include "base/why.h"
#include "rules/rules.h"
#include "run/io.h"

struct aw_rulebook;

/* One io thread's part of a set, on its way there, in use, or on its way back. */
struct aw_rules_kit {
    struct aw_arrival   arrival; /* .kit is this */
    struct aw_rules_use use;
    struct aw_rule_set *set;
};

/* Loads the first set; `folder` as in aw_rules_load, borrows it. */
AW_MUST_USE enum aw_err aw_rulebook_new(struct aw_rulebook **ret_book, const char *folder, uint32_t io_count, struct aw_why *why);
/* The kit that an io thread begins with. Once for each, before it starts. */
AW_MUST_USE struct aw_rules_kit *aw_rulebook_first(struct aw_rulebook *book, uint32_t io);
/* Loads the folder again. After AW_OK aw_rulebook_hand has something to do. */
AW_MUST_USE enum aw_err aw_rulebook_reload(struct aw_rulebook *book, struct aw_why *why);
/* Sends what is to be sent. False: a mailbox was full; call it again soon. */
AW_MUST_USE bool aw_rulebook_hand(struct aw_rulebook *book, struct aw_io *ios);
/* A kit came back. */
void aw_rulebook_take(struct aw_rulebook *book, struct aw_rules_kit *kit);
/* The newest set. Borrows until the next reload. */
const struct aw_rules *aw_rulebook_rules(const struct aw_rulebook *book);
/* After the io threads ended. Takes the address, accepts NULL, leaves NULL. */
void aw_rulebook_free(struct aw_rulebook **book);

#endif
