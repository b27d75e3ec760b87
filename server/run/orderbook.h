/* orderbook.h - how pulls choose, from now on: the order and its targets, told to the io threads.
 *
 * Queues are ordered by what the order never changes, so that another order or target counts from a thread's next pull on. It goes
 * the way that connections go: a slip arrives through the mailbox of each io thread, which copies it between two requests and sends
 * it back. Nobody waits; for some milliseconds one thread may choose by the old order and another by the new.
 * Who owns: the book owns the slips; one belongs to its io thread from arrival to departure. Thread: main. Fails: only in new.
 */
#ifndef AW_RUN_ORDERBOOK_H
#define AW_RUN_ORDERBOOK_H

#include "core/order.h"
#include "run/io.h"

struct aw_orderbook;

/* What one io thread is told. */
struct aw_order_slip {
    struct aw_arrival        arrival; /* .slip is this */
    struct aw_order_settings order;
    bool                     is_due; /* main only: the thread does not know the newest yet */
    bool                     is_out; /* main only: on its way */
};

/* AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_orderbook_new(struct aw_orderbook **ret_book, const struct aw_order_settings *order,
                                         uint32_t io_count);
/* The newest. Borrows until the next change. */
const struct aw_order_settings *aw_orderbook_order(const struct aw_orderbook *book);
/* After it aw_orderbook_hand has something to do. */
void aw_orderbook_change(struct aw_orderbook *book, const struct aw_order_settings *order);
/* Sends what is to be sent. False: a mailbox was full; call it again soon. */
AW_MUST_USE bool aw_orderbook_hand(struct aw_orderbook *book, struct aw_io *ios);
/* A slip came back; what has changed meanwhile is due: call aw_orderbook_hand. */
void aw_orderbook_take(struct aw_orderbook *book, struct aw_order_slip *slip);
/* After the io threads ended. Takes the address, accepts NULL, leaves NULL. */
void aw_orderbook_free(struct aw_orderbook **book);

#endif
