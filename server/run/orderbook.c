/* orderbook.c - one slip an io thread, sent again when the order changed while it was out. */
#include "run/orderbook.h"

#include "base/mem.h"

#include <stdlib.h>

struct aw_orderbook {
    struct aw_order_settings order; /* the newest */
    struct aw_order_slip    *slips; /* owns: one an io thread */
    uint32_t                 io_count;
};

enum aw_err
aw_orderbook_new(struct aw_orderbook **ret_book, const struct aw_order_settings *order, uint32_t io_count)
{
    struct aw_orderbook *book = aw_new(struct aw_orderbook);

    if (book == NULL)
        return AW_E_MEMORY;
    book->order = *order;
    book->io_count = io_count;
    book->slips = aw_new_array(struct aw_order_slip, io_count);
    if (book->slips == NULL) {
        aw_orderbook_free(&book);
        return AW_E_MEMORY;
    }
    for (uint32_t i = 0; i < io_count; i++)
        book->slips[i] = (struct aw_order_slip){.arrival = {.fd = -1, .slip = &book->slips[i]}};
    *ret_book = book; /* the caller owns it from here */
    return AW_OK;
}

const struct aw_order_settings *
aw_orderbook_order(const struct aw_orderbook *book)
{
    return &book->order;
}

void
aw_orderbook_change(struct aw_orderbook *book, const struct aw_order_settings *order)
{
    book->order = *order;
    for (uint32_t i = 0; i < book->io_count; i++)
        book->slips[i].is_due = true;
}

bool
aw_orderbook_hand(struct aw_orderbook *book, struct aw_io *ios)
{
    bool all = true;

    for (uint32_t i = 0; i < book->io_count; i++) {
        struct aw_order_slip *slip = &book->slips[i];

        if (!slip->is_due || slip->is_out)
            continue;
        slip->order = book->order; /* ours to write: it is not out */
        if (!aw_io_try_arrive(&ios[i], &slip->arrival)) {
            all = false;
            continue;
        }
        slip->is_out = true;
        slip->is_due = false;
    }
    return all;
}

void
aw_orderbook_take(struct aw_orderbook *book, struct aw_order_slip *slip)
{
    AW_ASSERT(slip >= book->slips && slip < book->slips + book->io_count);
    AW_ASSERT(slip->is_out);
    slip->is_out = false;
}

void
aw_orderbook_free(struct aw_orderbook **book)
{
    if (*book == NULL)
        return;
    free((*book)->slips);
    free(*book);
    *book = NULL;
}
