/* intake.c - slots, the schedule, and what answers say. */
#include "bench/surge/intake.h"

#include "base/mem.h"
#include "bench/surge/answers.h"
#include "port/clock.h"
#include "proto/media.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BODY_ROOM_MIN 2048U
#define AGAIN_S       0.02
#define AGAIN_NS_MIN  (100 * AW_NS_PER_MS)
#define HEADERS_MAX   4U

/* A message under way. */
struct item {
    aw_ns    due;
    uint64_t key;
};

/* One request at a time; each belongs to a line. */
struct surge_slot {
    struct aw_list       in_list;
    struct surge_intake *intake;
    uint32_t             line;
    uint32_t             count;
    bool                 repeated;
    aw_ns                not_before; /* when it may be posted again */
    char                *body;       /* owns */
    size_t               room;
    size_t               len;
    struct item         *items; /* owns; `batch` of them */
};

static void pump(struct surge_intake *intake);

/* --- sending ---------------------------------------------------------------------------------------------------------------- */

static void on_done(void *user, const struct aw_exchange_result *result);

static bool
submit(struct surge_slot *slot)
{
    struct surge_intake        *intake = slot->intake;
    const struct surge_options *options = intake->config.options;
    struct aw_exchange_field    fields[HEADERS_MAX] = {
           {.name = AW_SLICE("content-type"), .value = aw_media_type(options->media)},
           {.name = AW_SLICE("accept"), .value = aw_media_type(options->media)},
    };
    struct aw_exchange_request request = {
        .method = AW_SLICE("POST"),
        .path = aw_slice_str(options->path),
        .fields = fields,
        .field_count = 2,
        .body = aw_slice_of(slot->body, slot->len),
        .timeout = (aw_ns)(options->timeout_s * (double)AW_NS_PER_S),
    };
    struct aw_trunk *trunk = surge_fleet_trunk(&intake->fleet, slot->line);

    if (options->token != NULL)
        fields[request.field_count++] =
            (struct aw_exchange_field){.name = AW_SLICE("authorization"), .value = aw_slice_str(options->token), .secret = true};
    if (options->as != NULL)
        fields[request.field_count++] =
            (struct aw_exchange_field){.name = AW_SLICE("aswolk-agent"), .value = aw_slice_str(options->as)};
    if (trunk == NULL || aw_exchange_submit(trunk, &request, on_done, slot) == NULL)
        return false;
    intake->requests++;
    return true;
}

static void
post_again(struct surge_slot *slot, aw_ns not_before)
{
    struct surge_intake *intake = slot->intake;

    if (!slot->repeated)
        intake->repeats += slot->count;
    slot->repeated = true;
    slot->not_before = not_before;
    aw_list_push_back(&intake->again, &slot->in_list);
    if (!ev_is_active(&intake->again_timer))
        ev_timer_again(intake->config.loop, &intake->again_timer);
}

static void
on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct surge_intake *intake = timer->data;
    struct aw_list      *node = intake->again.next;
    aw_ns                now = aw_clock_mono();

    (void)events;
    while (node != &intake->again) {
        struct surge_slot *slot = AW_CONTAINER(node, struct surge_slot, in_list);

        node = node->next;
        if (slot->not_before > now)
            continue;
        aw_list_remove(&slot->in_list);
        if (!submit(slot))
            aw_list_insert_before(node, &slot->in_list); /* its line is not open: the next time */
    }
    if (aw_list_is_empty(&intake->again))
        ev_timer_stop(loop, timer);
}

static bool
grow(struct surge_slot *slot)
{
    size_t room = slot->room == 0 ? BODY_ROOM_MIN : 2 * slot->room;
    char  *body = realloc(slot->body, room);

    if (body == NULL)
        return false;
    slot->body = body;
    slot->room = room;
    return true;
}

/* Writes the source's next message behind what is there. */
static bool
add_message(struct surge_slot *slot, aw_ns due)
{
    struct surge_intake *intake = slot->intake;
    struct surge_source *source = intake->config.source;
    struct aw_buffer     buffer;

    for (;;) {
        if (slot->room > 0) {
            aw_buffer_init_fixed(&buffer, slot->body + slot->len, slot->room - slot->len);
            source->write(source->user, &buffer, intake->config.options->media, &slot->items[slot->count].key);
            if (!buffer.failed)
                break;
        }
        if (!grow(slot))
            return false;
    }
    slot->len += buffer.len;
    slot->items[slot->count].due = due;
    slot->count++;
    source->next(source->user);
    intake->posted++;
    return true;
}

/* Whether the source has one that is due; else when it will be. */
static bool
next_due(struct surge_intake *intake, aw_ns now, aw_ns *ret_due)
{
    struct surge_source *source = intake->config.source;

    if (intake->ended)
        return false;
    if (!source->due(source->user, ret_due) || (source->ends != 0 && now - intake->started_at >= source->ends)) {
        intake->ended = true;
        return false;
    }
    *ret_due = source->is_closed_loop ? now : intake->started_at + *ret_due;
    return true;
}

/* Fills an empty slot with what is due and sends it. */
static void
fill(struct surge_slot *slot, aw_ns now)
{
    struct surge_intake *intake = slot->intake;
    aw_ns                due;

    slot->len = 0;
    slot->count = 0;
    slot->repeated = false;
    while (slot->count < intake->config.options->batch && next_due(intake, now, &due) && due <= now) {
        if (!add_message(slot, due)) {
            intake->ended = true;
            intake->config.broken(intake->config.user, "out of memory");
            return;
        }
    }
    AW_ASSERT(slot->count > 0);
    intake->busy++;
    if (!submit(slot))
        post_again(slot, now); /* nothing left: the line went just now */
}

static void
arm(struct surge_intake *intake, aw_ns at)
{
    const struct itimerspec when = {.it_value = {.tv_sec = (time_t)(at / AW_NS_PER_S), .tv_nsec = (long)(at % AW_NS_PER_S)}};

    (void)timerfd_settime(intake->timer_fd, TFD_TIMER_ABSTIME, &when, NULL); /* a valid time: cannot fail */
}

static void
tell_finished(struct surge_intake *intake)
{
    if (!intake->ended || intake->busy > 0 || intake->told)
        return;
    intake->told = true;
    intake->config.finished(intake->config.user);
}

static void
pump(struct surge_intake *intake)
{
    aw_ns           now = aw_clock_mono();
    struct aw_list *node;
    aw_ns           due;

    if (!intake->started)
        return;
    while ((node = aw_list_first(&intake->spare)) != NULL && next_due(intake, now, &due)) {
        if (due > now) {
            arm(intake, due);
            break;
        }
        aw_list_remove(node);
        fill(AW_CONTAINER(node, struct surge_slot, in_list), now);
    }
    tell_finished(intake);
}

static void
on_timer(struct ev_loop *loop, ev_io *io, int events)
{
    struct surge_intake *intake = io->data;
    uint64_t             times;

    (void)loop;
    (void)events;
    (void)!read(intake->timer_fd, &times, sizeof(times)); /* only to make it unreadable again */
    pump(intake);
}

/* --- answers ---------------------------------------------------------------------------------------------------------------- */

static void
release(struct surge_slot *slot)
{
    struct surge_intake *intake = slot->intake;
    bool                 open = surge_fleet_trunk(&intake->fleet, slot->line) != NULL;

    AW_ASSERT(intake->busy > 0);
    intake->busy--;
    aw_list_push_back(open ? &intake->spare : &intake->stranded, &slot->in_list);
}

static bool
is_passing(uint64_t status)
{
    return status == 429 || status == 503 || status == 507 || status == 408 || status == 425;
}

static void
count_receipt(struct surge_slot *slot, const struct item *item, const struct surge_line_answer *answer, aw_ns at)
{
    struct surge_intake *intake = slot->intake;
    enum surge_receipt   receipt = SURGE_RECEIPT_FIRST;

    if (answer->duplicate)
        receipt = slot->repeated ? SURGE_RECEIPT_RECOVERED : SURGE_RECEIPT_DUPLICATE;
    if (!surge_ledger_acknowledge(intake->config.ledger, answer->message, answer->ticket, item->key, receipt, at)) {
        surge_tally_add(&intake->refused, AW_SLICE("bad-receipt"), 1);
        return;
    }
    aw_histogram_record(&intake->latency, at > item->due ? at - item->due : 0);
    intake->accepted += receipt == SURGE_RECEIPT_FIRST;
    intake->duplicates += receipt == SURGE_RECEIPT_DUPLICATE;
    intake->recovered += receipt == SURGE_RECEIPT_RECOVERED;
    intake->differing += answer->differs;
    intake->folded += answer->folded && !answer->duplicate;
    intake->opened += !answer->folded && !answer->reopened && receipt == SURGE_RECEIPT_FIRST;
    intake->reopened += answer->reopened && receipt == SURGE_RECEIPT_FIRST;
}

/* True: the slot is to be posted again (then nothing was counted for it that would count twice). */
static bool
read_many(struct surge_slot *slot, const struct aw_exchange_result *result)
{
    struct surge_intake     *intake = slot->intake;
    bool                     retry = intake->config.options->retry;
    bool                     again = false;
    uint64_t                 told = 0;
    struct surge_walk        walk;
    struct surge_line_answer answer;

    surge_walk_begin(&walk, result->body, surge_answer_is_msgpack(result));
    while (surge_walk_more(&walk)) {
        if (!surge_answer_line(&walk, &answer) || answer.line == 0 || answer.line > slot->count)
            break;
        told++;
        if (answer.status == 202 && answer.message.len > 0)
            count_receipt(slot, &slot->items[answer.line - 1], &answer, result->at);
        else if (retry && is_passing(answer.status))
            again = true;
        else
            surge_tally_add(&intake->refused, answer.problem.len > 0 ? answer.problem : AW_SLICE("bad-answer"), 1);
    }
    if (told < slot->count)
        surge_tally_add(&intake->refused, AW_SLICE("bad-answer"), slot->count - told);
    return again;
}

static bool
read_answer(struct surge_slot *slot, const struct aw_exchange_result *result)
{
    struct surge_intake     *intake = slot->intake;
    bool                     many = aw_media_is_sequence(intake->config.options->media);
    struct surge_walk        walk;
    struct surge_line_answer answer;
    char                     name[32];

    if (intake->config.ledger == NULL && result->status / 100 == 2) {
        intake->accepted += slot->count;
        for (uint32_t i = 0; i < slot->count; i++)
            aw_histogram_record(&intake->latency, result->at - slot->items[i].due);
        return false;
    }
    if (intake->config.ledger != NULL && result->status == 200 && many)
        return read_many(slot, result);
    if (intake->config.ledger != NULL && result->status == 202 && !many) {
        surge_walk_begin(&walk, result->body, surge_answer_is_msgpack(result));
        if (surge_answer_line(&walk, &answer))
            count_receipt(slot, &slot->items[0], &answer, result->at);
        else
            surge_tally_add(&intake->refused, AW_SLICE("bad-answer"), 1);
        return false;
    }
    if (intake->config.options->retry && is_passing(result->status))
        return true;
    surge_tally_add(&intake->refused, surge_answer_problem(result, name), slot->count);
    return false;
}

static void
on_done(void *user, const struct aw_exchange_result *result)
{
    struct surge_slot   *slot = user;
    struct surge_intake *intake = slot->intake;
    aw_ns                wait = AGAIN_NS_MIN;
    bool                 again;

    intake->last_at = result->at;
    if (result->end == AW_EXCHANGE_ANSWERED) {
        again = read_answer(slot, result);
        if (again)
            wait += surge_answer_retry_after_s(result) * AW_NS_PER_S;
    } else {
        again = intake->config.options->retry && result->end != AW_EXCHANGE_CLOSED;
        if (!again)
            surge_tally_add(&intake->failed, aw_slice_str(aw_exchange_end_name(result->end)), slot->count);
    }
    if (again) {
        post_again(slot, result->at + wait);
        return;
    }
    release(slot);
    pump(intake);
}

/* --- opening and closing ---------------------------------------------------------------------------------------------------- */

static void
on_opened(void *user, uint32_t line)
{
    struct surge_intake *intake = user;
    struct aw_list      *node = intake->stranded.next;

    while (node != &intake->stranded) {
        struct surge_slot *slot = AW_CONTAINER(node, struct surge_slot, in_list);

        node = node->next;
        if (slot->line == line) {
            aw_list_remove(&slot->in_list);
            aw_list_push_back(&intake->spare, &slot->in_list);
        }
    }
    if (intake->started)
        pump(intake);
    else if (intake->fleet.open == intake->fleet.config.count)
        intake->config.ready(intake->config.user);
}

/* Its free slots are of no use any more. */
static void
on_died(void *user, uint32_t line)
{
    struct surge_intake *intake = user;

    for (uint32_t i = 0; i < intake->slot_count; i++) {
        struct surge_slot *slot = &intake->slots[i];
        bool               free_ = slot->line == line && !aw_list_is_empty(&slot->in_list);

        if (free_) {
            aw_list_remove(&slot->in_list);
            aw_list_push_back(&intake->stranded, &slot->in_list);
        }
    }
    if (!intake->started || intake->fleet.dead == intake->fleet.config.count) {
        intake->ended = true;
        intake->config.broken(intake->config.user, intake->fleet.why);
    }
}

static enum aw_err
make_slots(struct surge_intake *intake)
{
    const struct surge_options *options = intake->config.options;

    intake->slot_count = options->connections * options->streams;
    intake->slots = aw_new_array(struct surge_slot, intake->slot_count);
    if (intake->slots == NULL)
        return AW_E_MEMORY;
    for (uint32_t i = 0; i < intake->slot_count; i++) {
        struct surge_slot *slot = &intake->slots[i];

        slot->intake = intake;
        slot->line = i % options->connections; /* neighbours on different lines: the first ones sent spread over all */
        slot->items = aw_new_array(struct item, options->batch);
        aw_list_init(&slot->in_list);
        if (slot->items == NULL)
            return AW_E_MEMORY;
        aw_list_push_back(&intake->stranded, &slot->in_list);
    }
    return AW_OK;
}

enum aw_err
surge_intake_open(struct surge_intake *intake, const struct surge_intake_config *config, struct aw_why *why)
{
    const struct surge_fleet_config fleet = {.loop = config->loop,
                                             .client = config->client,
                                             .url = config->url,
                                             .count = config->options->connections,
                                             .retry = config->options->retry,
                                             .opened = on_opened,
                                             .died = on_died,
                                             .user = intake};
    enum aw_err                     err;

    *intake = (struct surge_intake){.config = *config, .timer_fd = -1};
    aw_histogram_init(&intake->latency);
    aw_list_init(&intake->spare);
    aw_list_init(&intake->stranded);
    aw_list_init(&intake->again);
    ev_init(&intake->timer, on_timer);
    ev_init(&intake->again_timer, on_again);
    intake->again_timer.repeat = AGAIN_S;
    intake->again_timer.data = intake;
    intake->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    err = intake->timer_fd < 0 ? aw_why_errno(why, AW_E_IO, errno, "timerfd") : make_slots(intake);
    if (err == AW_OK)
        err = surge_fleet_open(&intake->fleet, &fleet, why);
    if (err != AW_OK) {
        surge_intake_close(intake);
        return err;
    }
    ev_io_set(&intake->timer, intake->timer_fd, EV_READ);
    intake->timer.data = intake;
    ev_io_start(config->loop, &intake->timer);
    return AW_OK;
}

void
surge_intake_start(struct surge_intake *intake, aw_ns now)
{
    intake->started = true;
    intake->started_at = now;
    intake->last_at = now;
    pump(intake);
}

void
surge_intake_end(struct surge_intake *intake)
{
    intake->ended = true;
    if (intake->started)
        tell_finished(intake);
}

void
surge_intake_close(struct surge_intake *intake)
{
    intake->ended = true;
    intake->told = true;
    surge_fleet_close(&intake->fleet);
    ev_timer_stop(intake->config.loop, &intake->again_timer);
    if (intake->timer_fd >= 0) {
        ev_io_stop(intake->config.loop, &intake->timer);
        (void)close(intake->timer_fd);
    }
    for (uint32_t i = 0; intake->slots != NULL && i < intake->slot_count; i++) {
        free(intake->slots[i].body);
        free(intake->slots[i].items);
    }
    free(intake->slots);
    intake->slots = NULL;
    intake->timer_fd = -1;
}
