#include "run/surge_copy.h"

#include "run/io.h"

void
aw_surge_copy_renew(struct aw_io *io)
{
    io->surge.order = aw_surge_apply_order(&io->surge.view.now, &io->order);
}

static void
follow(struct aw_io *io)
{
    struct aw_surge_copy *copy = &io->surge;

    copy->_follow = (struct aw_submission){
        .kind = AW_SUBMIT_FOLLOW, .io = io->number, .seen_seq = copy->view.version, .surge = &copy->_arriving};
    copy->_out++;
    aw_io_submit(io, &copy->_follow);
}

void
aw_surge_copy_begin(struct aw_io *io)
{
    if (io->surge._has_begun || io->draining || aw_metric_sum(io->shared->metrics, AW_METRIC_ROLE) == AW_ROLE_STARTING)
        return;
    io->surge._has_begun = true;
    follow(io);
}

bool
aw_surge_copy_back(struct aw_io *io, struct aw_submission *submission)
{
    struct aw_surge_copy *copy = &io->surge;

    if (submission != &copy->_follow && submission != &copy->_cancel)
        return false;
    copy->_out--;
    if (submission == &copy->_cancel || submission->err != AW_OK)
        return true;
    copy->view = copy->_arriving;
    aw_surge_copy_renew(io);
    if (!io->draining)
        follow(io);
    return true;
}

void
aw_surge_copy_drain(struct aw_io *io)
{
    struct aw_surge_copy *copy = &io->surge;

    if (copy->_out == 0)
        return;
    copy->_cancel = (struct aw_submission){.kind = AW_SUBMIT_CANCEL, .io = io->number, .target = &copy->_follow};
    copy->_out++;
    aw_io_submit(io, &copy->_cancel);
}

bool
aw_surge_copy_is_out(const struct aw_io *io)
{
    return io->surge._out > 0;
}

const struct aw_order_settings *
aw_surge_copy_order(const struct aw_io *io, const uint32_t *lanes, uint32_t count)
{
    return aw_surge_holds_in_any(&io->surge.view.now, lanes, count) ? &io->surge.order : &io->order;
}

struct aw_slice
aw_surge_copy_notice(const struct aw_io *io, const struct aw_in_message *message, uint32_t lane)
{
    const struct aw_surge *surge = &io->surge.view.now;

    if (surge->notice_count == 0 || !aw_surge_covers(surge, message, lane))
        return (struct aw_slice){NULL, 0};
    return aw_surge_notice(surge, message->lang);
}
