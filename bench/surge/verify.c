/* verify.c - see verify.h. */
#include "bench/surge/verify.h"

#include "base/mem.h"
#include "bench/surge/answers.h"
#include "proto/media.h"

#include <stdio.h>
#include <stdlib.h>

#define LOOKS     256U
#define TRIES_MAX 100U
#define PAUSE_S   0.1
#define TIMEOUT   (10 * AW_NS_PER_S)

/* One ticket: the entries open[begin] to open[end - 1]. */
struct surge_look {
    struct surge_verify *verify;
    struct aw_exchange  *exchange; /* under way, or NULL */
    uint64_t             begin;
    uint64_t             end;
    uint64_t             single; /* the entry whose message is asked for alone; `end` while the ticket is */
    uint32_t             number;
    unsigned             tries;
    ev_timer             again;
};

static void ask(struct surge_look *look);

static struct surge_entry *
entry_at(const struct surge_verify *verify, uint64_t at)
{
    return &verify->config.ledger->entries[verify->open[at]];
}

/* --- which ones ------------------------------------------------------------------------------------------------------------- */

static const struct surge_ledger *sorted_ledger; /* qsort hands nothing through; one thread */

static int
compare(const void *a, const void *b)
{
    const struct surge_entry *one = &sorted_ledger->entries[*(const uint32_t *)a];
    const struct surge_entry *two = &sorted_ledger->entries[*(const uint32_t *)b];

    if (one->ticket != two->ticket)
        return one->ticket < two->ticket ? -1 : 1;
    return one->message < two->message ? -1 : one->message > two->message;
}

static bool
is_open(const struct surge_entry *entry)
{
    return (entry->marks & (SURGE_ACKNOWLEDGED | SURGE_ANSWERED)) == SURGE_ACKNOWLEDGED;
}

static bool
collect(struct surge_verify *verify)
{
    const struct surge_ledger *ledger = verify->config.ledger;
    uint64_t                   open = 0;
    uint64_t                   seen = 0;
    uint64_t                   limit = verify->config.limit;

    for (uint32_t i = 0; i < ledger->count; i++)
        open += is_open(&ledger->entries[i]);
    if (limit > open)
        limit = open;
    verify->open_messages = open;
    verify->open = malloc((size_t)(limit + 1) * sizeof(*verify->open));
    if (verify->open == NULL)
        return false;
    for (uint32_t i = 0; i < ledger->count && verify->count < limit; i++) {
        if (!is_open(&ledger->entries[i]))
            continue;
        if (seen++ * limit / open == verify->count) /* every (open / limit)th */
            verify->open[verify->count++] = i;
    }
    sorted_ledger = ledger;
    qsort(verify->open, verify->count, sizeof(*verify->open), compare);
    return true;
}

/* --- one ticket ------------------------------------------------------------------------------------------------------------- */

static void
tell_finished(struct surge_verify *verify)
{
    if (verify->at < verify->count || verify->busy > 0 || verify->told)
        return;
    verify->told = true;
    verify->config.finished(verify->config.user);
}

/* The next ticket for this look, or its rest. */
static void
take_next(struct surge_look *look)
{
    struct surge_verify *verify = look->verify;
    uint64_t             ticket;

    if (verify->at == verify->count) {
        verify->busy--;
        tell_finished(verify);
        return;
    }
    look->begin = verify->at;
    ticket = entry_at(verify, look->begin)->ticket;
    while (verify->at < verify->count && entry_at(verify, verify->at)->ticket == ticket)
        verify->at++;
    look->end = verify->at;
    look->single = look->end;
    look->tries = 0;
    ask(look);
}

static void
on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    ask(timer->data);
}

static void
try_again(struct surge_look *look)
{
    struct surge_verify *verify = look->verify;

    if (++look->tries == TRIES_MAX) {
        verify->unverified += look->single < look->end ? 1 : look->end - look->begin;
        take_next(look);
        return;
    }
    ev_timer_set(&look->again, PAUSE_S, 0.);
    ev_timer_start(verify->config.loop, &look->again);
}

/* The ticket is closed or gone. */
static void
not_waiting(struct surge_look *look, uint64_t at, bool closed)
{
    struct surge_verify *verify = look->verify;
    struct surge_entry  *entry = entry_at(verify, at);
    char                 message[AW_ID_TEXT_BYTES];
    char                 ticket[AW_ID_TEXT_BYTES];

    if (closed && (entry->marks & (SURGE_MAYBE | SURGE_OURS)) != SURGE_OURS) {
        verify->closed++;
        return;
    }
    surge_entry_message(entry, message);
    surge_entry_ticket(entry, ticket);
    surge_ledger_breach(verify->config.ledger, SURGE_BREACH_LOST, "%s of ticket %s: %s", message, ticket,
                        closed ? "closed, and not by us" : "not found");
}

static void
found(struct surge_verify *verify, uint64_t at)
{
    struct surge_entry *entry = entry_at(verify, at);

    if ((entry->marks & SURGE_CHECKED) != 0)
        return;
    entry->marks |= SURGE_CHECKED;
    verify->waiting++;
}

/* Marks what the ticket's list of messages holds. False: the answer is broken. */
static bool
match_messages(struct surge_look *look, struct aw_slice raw, bool msgpack)
{
    struct surge_verify        *verify = look->verify;
    struct surge_walk           walk;
    struct surge_message_answer message;
    char                        text[AW_ID_TEXT_BYTES];
    uint64_t                    at;

    surge_walk_begin(&walk, raw, msgpack);
    if (!surge_walk_list(&walk))
        return false;
    while (surge_walk_item(&walk)) {
        if (!surge_answer_message(&walk, &message))
            return false;
        for (at = look->begin; at < look->end; at++) {
            surge_entry_message(entry_at(verify, at), text);
            if (aw_slice_eq(message.message, aw_slice_str(text)))
                found(verify, at);
        }
    }
    return !walk.failed;
}

/* What the list did not show, one by one: a long ticket shows its last messages only. */
static void
ask_singles(struct surge_look *look, uint64_t from)
{
    struct surge_verify *verify = look->verify;

    for (look->single = from; look->single < look->end; look->single++) {
        if ((entry_at(verify, look->single)->marks & SURGE_CHECKED) == 0) {
            look->tries = 0;
            ask(look);
            return;
        }
    }
    take_next(look);
}

static void
on_ticket(struct surge_look *look, const struct aw_exchange_result *result)
{
    bool                      msgpack = surge_answer_is_msgpack(result);
    struct surge_lease_answer ticket;
    struct surge_walk         walk;

    surge_walk_begin(&walk, result->body, msgpack);
    if (!surge_answer_lease(&walk, &ticket)) {
        try_again(look);
        return;
    }
    if (aw_slice_eq(ticket.state, AW_SLICE("closed"))) {
        for (uint64_t at = look->begin; at < look->end; at++)
            not_waiting(look, at, true);
        take_next(look);
    } else if (match_messages(look, ticket.messages, msgpack)) {
        ask_singles(look, look->begin);
    } else {
        try_again(look);
    }
}

static void
on_looked(void *user, const struct aw_exchange_result *result)
{
    struct surge_look   *look = user;
    struct surge_verify *verify = look->verify;
    bool                 single = look->single < look->end;

    look->exchange = NULL;
    if (result->end == AW_EXCHANGE_CLOSED)
        return;
    if (result->end != AW_EXCHANGE_ANSWERED || (result->status != 200 && result->status != 404)) {
        try_again(look);
        return;
    }
    if (result->status == 404) {
        for (uint64_t at = single ? look->single : look->begin; at < (single ? look->single + 1 : look->end); at++)
            not_waiting(look, at, false);
    } else if (!single) {
        on_ticket(look, result);
        return;
    } else {
        found(verify, look->single);
    }
    if (single)
        ask_singles(look, look->single + 1);
    else
        take_next(look);
}

static void
ask(struct surge_look *look)
{
    struct surge_verify *verify = look->verify;
    uint32_t             line = (uint32_t)((look->number + look->begin + look->tries) % verify->config.fleet->config.count);
    struct aw_trunk     *trunk = surge_fleet_trunk(verify->config.fleet, line);
    enum aw_media        media = verify->config.msgpack ? AW_MEDIA_MSGPACK : AW_MEDIA_JSON;
    bool                 single = look->single < look->end;
    char                 id[AW_ID_TEXT_BYTES];
    char                 path[64];
    const struct aw_exchange_field fields[] = {
        {AW_SLICE("accept"), aw_media_type(media), false},
        {AW_SLICE("aswolk-agent"), AW_SLICE("surge-audit"), false},
        {AW_SLICE("authorization"), aw_slice_str(verify->config.token), true},
    };
    const struct aw_exchange_request request = {.method = AW_SLICE("GET"),
                                                .path = aw_slice_of(path, 0),
                                                .fields = fields,
                                                .field_count = verify->config.token == NULL ? 2 : 3,
                                                .timeout = TIMEOUT};
    struct aw_exchange_request       of_entry = request;

    if (single)
        surge_entry_message(entry_at(verify, look->single), id);
    else
        surge_entry_ticket(entry_at(verify, look->begin), id);
    (void)snprintf(path, sizeof(path), "/v1/%s/%s", single ? "messages" : "tickets", id);
    of_entry.path = aw_slice_str(path);
    look->exchange = trunk == NULL ? NULL : aw_exchange_submit(trunk, &of_entry, on_looked, look);
    if (look->exchange == NULL)
        try_again(look);
}

/* --- all -------------------------------------------------------------------------------------------------------------------- */

/* From the loop, so that `finished` never comes before surge_verify_start has returned. */
static void
on_begin(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct surge_look   *look = timer->data;
    struct surge_verify *verify = look->verify;

    (void)events;
    ev_timer_stop(loop, timer);
    ev_timer_init(timer, on_again, 0., 0.);
    if (verify->told)
        return;
    verify->busy++;
    take_next(look);
}

bool
surge_verify_start(struct surge_verify *verify, const struct surge_verify_config *config)
{
    *verify = (struct surge_verify){.config = *config};
    verify->looks = aw_new_array(struct surge_look, LOOKS);
    if (verify->looks == NULL || !collect(verify)) {
        surge_verify_close(verify);
        return false;
    }
    for (uint32_t i = 0; i < LOOKS; i++) {
        struct surge_look *look = &verify->looks[i];

        look->verify = verify;
        look->number = i;
        ev_timer_init(&look->again, on_begin, 0., 0.);
        look->again.data = look;
        ev_timer_start(config->loop, &look->again);
    }
    return true;
}

void
surge_verify_close(struct surge_verify *verify)
{
    verify->told = true;
    for (uint32_t i = 0; verify->looks != NULL && i < LOOKS; i++) {
        ev_timer_stop(verify->config.loop, &verify->looks[i].again);
        if (verify->looks[i].exchange != NULL)
            aw_exchange_cancel(&verify->looks[i].exchange);
    }
    free(verify->looks);
    free(verify->open);
    verify->looks = NULL;
    verify->open = NULL;
}
