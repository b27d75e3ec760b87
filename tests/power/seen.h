/* seen.h - what a start reads of a store, so that states which differ only in what no start reads are told from those that matter.
 *
 * A start reads through LMDB: one head, and the pages that are in use under it, which are all up to its last one but those in its
 * list of free pages. Most states in front of a flush differ in pages that no head on the disk knows yet. When head, pages in use
 * and key file are byte for byte those of an earlier start, the trees give the same answers, and what that one found holds.
 * Two starts are kept, one for each head of the file, each with a copy of its pages. Compared are the pages that were pending at
 * some flush since: no other one has changed.
 *
 * Owns: the copies. Thread: one. Fails: by ending the program.
 */
#ifndef AW_TESTS_POWER_SEEN_H
#define AW_TESTS_POWER_SEEN_H

#include <stdint.h>

struct seen;

struct seen *seen_new(void);
void         seen_free(struct seen **seen);
/* The states in front of another flush begin; then what is pending there, page by page, of whatever file. */
void seen_flush(struct seen *seen);
void seen_pending(struct seen *seen, uint64_t page);
/* Before the store in `folder` is opened, which replaces its key file; `keys` is the path of that. */
void seen_begin(struct seen *seen, const char *keys);
/* Behind its opening, which has checked the heads. The next sequence number that an earlier start on the same bytes found; 0: there
 * was none. */
uint64_t seen_find(struct seen *seen, const char *folder);
/* The start on these bytes was fine. */
void seen_keep(struct seen *seen, const char *folder, uint64_t next_seq);

#endif
