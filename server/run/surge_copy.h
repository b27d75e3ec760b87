/* surge_copy.h - the desk's surge as an io thread knows it: which order a pull chooses by, and what a receipt says beside itself.
 *
 * The surge is state. A thread follows it: a submission lies with the committer (FOLLOW) and comes back with another surge as soon
 * as that is durable and published; for some milliseconds one thread may choose by the old order and another by the new, as with a
 * change of the settings (orderbook.h). Who owns: its io thread. Thread: that one. Nothing can fail; when the store breaks the last
 * one that was known stays.
 */
#ifndef AW_RUN_SURGE_COPY_H
#define AW_RUN_SURGE_COPY_H

#include "commit/submission.h"

struct aw_io;

struct aw_surge_copy {
    struct aw_surge_view     view;
    struct aw_order_settings order;     /* where the surge holds */
    struct aw_surge_view     _arriving; /* the committer's while `_follow` is out */
    struct aw_submission     _follow;
    struct aw_submission     _cancel;
    uint32_t                 _out; /* of these two */
    bool                     _has_begun;
};

/* Once a loop turn: begins to follow as soon as the server has started. Before that the committer takes nothing, and may never. */
void aw_surge_copy_begin(struct aw_io *io);
/* Whether the submission was one of ours, which no call owns. */
bool aw_surge_copy_back(struct aw_io *io, struct aw_submission *submission);
/* The server drains: nothing is followed any more. */
void aw_surge_copy_drain(struct aw_io *io);
bool aw_surge_copy_is_out(const struct aw_io *io);
/* The settings of the order have changed. */
void aw_surge_copy_renew(struct aw_io *io);
/* How a pull of these lanes chooses: ascending; NULL: all. Borrows until the thread's next turn. */
const struct aw_order_settings *aw_surge_copy_order(const struct aw_io *io, const uint32_t *lanes, uint32_t count);
/* What is said to who wrote this, which went to this lane; empty: nothing. Borrows until the thread's next turn. */
struct aw_slice aw_surge_copy_notice(const struct aw_io *io, const struct aw_in_message *message, uint32_t lane);

#endif
