/* tokenbook.h - the tokens in use: loaded at the start, loaded anew by SIGHUP, handed to the io threads.
 *
 * A set of tokens is immutable. A new one goes the way that rules go (rulebook.h): a kit of it arrives through the mailbox of each
 * io thread, which goes by it from then on. Requests under way may still point into the old set, so its kit comes back when the
 * last of them has ended; then the set is freed. A file that can't be read leaves the set in use as it is.
 * Who owns: the book owns all sets and kits. Thread: main; a kit belongs to its io thread from arrival to departure.
 * Fails: loading, with words.
 */
#ifndef AW_RUN_TOKENBOOK_H
#define AW_RUN_TOKENBOOK_H

#include "access/tokens.h"
#include "run/io.h"

struct aw_tokenbook;

/* One io thread's part of a set. */
struct aw_token_kit {
    struct aw_arrival       arrival; /* .tokens is this */
    const struct aw_tokens *tokens;  /* borrows */
    struct aw_token_set    *set;
    uint32_t                visits; /* io thread only: requests that point into it */
};

/* Loads the file. `path` is borrowed. As aw_tokens_load; AW_E_CONFIG also when no token in it is valid at `now`. */
AW_MUST_USE enum aw_err aw_tokenbook_new(struct aw_tokenbook **ret_book, const char *path, uint32_t tokens_max, uint32_t io_count,
                                         aw_ms now, struct aw_why *why);
/* The kit that an io thread begins with. Once for each, before it starts. */
AW_MUST_USE struct aw_token_kit *aw_tokenbook_first(struct aw_tokenbook *book, uint32_t io);
/* Loads the file again; after AW_OK aw_tokenbook_hand has something to do. A file without any token counts: all are refused. */
AW_MUST_USE enum aw_err aw_tokenbook_reload(struct aw_tokenbook *book, struct aw_why *why);
/* Sends what is to be sent. False: a mailbox was full, or a thread has too many old ones to give back first; call it again soon. */
AW_MUST_USE bool aw_tokenbook_hand(struct aw_tokenbook *book, struct aw_io *ios);
/* A kit came back. */
void aw_tokenbook_take(struct aw_tokenbook *book, struct aw_token_kit *kit);
/* The newest set. Borrows until the next reload. */
const struct aw_tokens *aw_tokenbook_tokens(const struct aw_tokenbook *book);
/* After the io threads ended. Takes the address, accepts NULL, leaves NULL. */
void aw_tokenbook_free(struct aw_tokenbook **book);

#endif
