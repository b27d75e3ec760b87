/* api_stream.c - GET /v1/stream: an agent's tickets as they come, and what becomes of those that it holds.
 *
 *   look -> read -> send      look: what the agent holds, against what the client was told (AW_QUERY_STREAM)
 *    ^  \-> see -> read -/    see:  follow-ups count as seen, as with an extend; then they are told
 *    |        |
 *    |     take -> lease -+   take, lease: as a pull (pull.h), while the agent holds fewer than `units`
 *    |        |           |
 *    +--------|-----------+   each lease is told by the next look
 *    +------ park             parked as a pull, and sent back also when the agent's leases have changed
 *
 * So there is one thing under way at a time, and nothing is kept of what happened: the difference between what was told and what
 * is says it all, however long the client did not read. A new stream of the agent begins with all that it holds; the old one ends.
 *
 * A lease that this stream was granted and whose event did not leave goes back, as with a pull. Any other stays until it ends.
 */
#include "base/text.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/feed.h"
#include "run/io.h"
#include "run/lease_view.h"
#include "run/pull.h"
#include "run/stream_request.h"

#include <string.h>

/* Leases that a stream tells of: the agent's oldest. One that holds more sees the others by GET /v1/leases, and here when its turn
 * comes. */
#define KNOWN_MAX AW_STREAM_UNITS_MAX
/* Told, or asked for, in one turn: what a turn needs of memory stays small. */
#define TURN_MAX     16U
#define THREAD_BYTES 2048U
/* When a ticket can't be given out just now - a table is full, the lanes are shut - it is tried again after this. */
#define REST_NS AW_NS_PER_S

enum step { NOTHING, LOOK, READ_LEASES, SEE, READ_MESSAGES, LEASE, PARK };
enum end { GOES_ON, DRAINING, REPLACED, FAILED };

/* A lease that the client was told of. */
struct known {
    struct aw_lease_id  lease;
    struct aw_ticket_id ticket;
    uint64_t            told_seq;  /* the newest of its messages that was told */
    bool                is_behind; /* a message counts as unseen */
    aw_ms               expires_at;
    aw_ms               ending_for; /* the end for which `ending` was told; 0: none */
};

/* A lease that this stream was granted, until its event has left. */
struct own {
    struct aw_lease_id lease;
    uint64_t           end; /* of its event, as aw_feed_left counts; WRITTEN: it is in this turn's; 0: there is none so far */
};
#define WRITTEN UINT64_MAX

struct stream {
    struct aw_pull           pull;
    struct aw_stream_request want;
    struct aw_arena          work; /* for a turn */
    struct aw_feed           feed;
    struct aw_buffer         out; /* events of this turn */
    enum step                step;
    enum end                 end;
    enum aw_err              failure;
    bool                     has_begun; /* the head was sent */
    bool                     has_ended; /* the last event was */
    bool                     is_open;   /* it is counted */
    bool                     must_look;
    bool                     may_take; /* there may be something since it looked last */
    aw_ns                    rest_until;
    uint64_t                 more_above; /* fence of the last lease that `held` shows, when there are more; else 0 */
    enum aw_presence         presence;   /* that the client was told; READY at first */
    struct aw_stream_look    found;
    struct known            *known; /* room for known_room, in order of their telling */
    uint32_t                 known_count;
    uint32_t                 known_room;
    struct own              *own; /* room for want.units */
    uint32_t                 own_count;
};

static void go_on(struct stream *stream);

static struct stream *
stream_of(struct aw_call *call)
{
    return (struct stream *)call;
}

static struct aw_io *
io_of(const struct stream *stream)
{
    return stream->pull.call.io;
}

/* --- what is owed to the lanes ------------------------------------------------------------------------------------------------ */

/* Leases whose event has left are the client's. */
static void
forget_told(struct stream *stream)
{
    uint64_t left = stream->has_begun ? aw_feed_left(&stream->feed) : 0;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < stream->own_count; i++) {
        if (stream->own[i].end == 0 || stream->own[i].end > left)
            stream->own[kept++] = stream->own[i];
    }
    stream->own_count = kept;
}

static void
note_granted(struct stream *stream)
{
    struct aw_pull *pull = &stream->pull;

    forget_told(stream);
    for (uint32_t i = 0; i < pull->granted; i++) {
        AW_ASSERT(stream->own_count < stream->want.units); /* it asked for no more */
        stream->own[stream->own_count++] = (struct own){.lease = pull->entries[i].command.out.u.lease.lease};
    }
    aw_metric_add(io_of(stream)->metrics, AW_METRIC_LEASES_GRANTED, pull->granted);
}

/* `all`: also those whose event is on its way; else those that will not be told any more. */
static void
give_back(struct stream *stream, bool all)
{
    struct aw_lease_id leases[AW_STREAM_UNITS_MAX];
    uint32_t           count = 0;
    uint32_t           kept = 0;

    forget_told(stream);
    for (uint32_t i = 0; i < stream->own_count; i++) {
        if (all || stream->own[i].end == 0)
            leases[count++] = stream->own[i].lease;
        else
            stream->own[kept++] = stream->own[i];
    }
    stream->own_count = kept;
    if (count > 0)
        aw_pull_give_back_later(&stream->pull, leases, count);
}

/* Whatever comes after this is about its memory only. */
static void
close_stream(struct stream *stream)
{
    struct aw_io *io = io_of(stream);

    give_back(stream, true);
    aw_arena_reset(&stream->work);
    if (!stream->is_open)
        return;
    stream->is_open = false;
    io->agent_streams--;
    io->agent_streams_awake--;
    aw_metric_set(io->metrics, AW_METRIC_AGENT_STREAMS, io->agent_streams);
}

/* --- events ------------------------------------------------------------------------------------------------------------------- */

static void
begin_event(struct stream *stream, struct aw_writer *writer, struct aw_slice name)
{
    aw_metric_add(io_of(stream)->metrics, AW_METRIC_AGENT_STREAM_EVENTS, 1);
    aw_feed_begin_event(&stream->feed, writer, &stream->out, name, stream->found.seq);
}

static void
end_event(struct stream *stream, struct aw_writer *writer)
{
    aw_feed_end_event(&stream->feed, writer, &stream->out);
}

static void
fail(struct stream *stream, enum aw_err err)
{
    if (stream->end != GOES_ON && stream->end != DRAINING)
        return;
    stream->end = FAILED;
    stream->failure = err;
}

/* The texts of `news` lie in `text`. */
static struct aw_lease_news
news_of(const struct stream *stream, const struct known *known, char text[AW_ID_TEXT_BYTES])
{
    aw_ms now = io_of(stream)->wall;

    aw_lease_id_format(known->lease, &io_of(stream)->shared->token_key, text);
    return (struct aw_lease_news){.lease = aw_slice_str(text),
                                  .ticket = known->ticket,
                                  .expires_at = known->expires_at,
                                  .expires_in_s = known->expires_at > now ? (known->expires_at - now) / AW_MS_PER_S : 0};
}

/* Sends what the turn has brought. */
static void
send(struct stream *stream)
{
    if (stream->out.failed) {
        fail(stream, AW_E_MEMORY);
        aw_buffer_init(&stream->out, &stream->work);
    } else if (stream->out.len > 0) {
        for (uint32_t i = 0; i < stream->own_count; i++) {
            if (stream->own[i].end == WRITTEN)
                stream->own[i].end = stream->feed.sent + stream->out.len;
        }
        (void)aw_feed_send(&stream->feed, aw_buffer_slice(&stream->out)); /* what waits is seen by go_on */
    }
    stream->out = (struct aw_buffer){.len = 0};
}

static aw_ms
ending_at(const struct stream *stream, const struct known *known)
{
    return known->expires_at - stream->want.ending_s * AW_MS_PER_S;
}

/* Nothing else writes into the turn's memory just now: nothing is out, or the stream is parked. */
static void
tell_endings(struct stream *stream)
{
    aw_ms now = io_of(stream)->wall;

    if (!stream->has_begun || stream->want.ending_s == 0 || aw_feed_is_waiting(&stream->feed))
        return;
    aw_arena_reset(&stream->work);
    aw_buffer_init(&stream->out, &stream->work);
    for (uint32_t i = 0; i < stream->known_count; i++) {
        struct known        *known = &stream->known[i];
        char                 text[AW_ID_TEXT_BYTES];
        struct aw_lease_news news;
        struct aw_writer     writer;

        if (known->ending_for == known->expires_at || ending_at(stream, known) > now || known->expires_at <= now)
            continue;
        known->ending_for = known->expires_at;
        news = news_of(stream, known, text);
        begin_event(stream, &writer, AW_SLICE("ending"));
        aw_proto_write_news_ending(&writer, &news);
        end_event(stream, &writer);
    }
    send(stream);
}

/* When it has to do something by itself. */
static void
set_alarm(struct stream *stream)
{
    struct aw_io *io = io_of(stream);
    aw_ns         at = stream->feed.comment_at;

    if (io->draining || stream->pull.call.answered)
        return; /* nothing is awaited any more */
    if (!stream->has_begun || at < io->now)
        at = io->now + AW_FEED_COMMENT_NS;
    if (stream->rest_until > io->now && stream->rest_until < at)
        at = stream->rest_until;
    for (uint32_t i = 0; stream->want.ending_s > 0 && !aw_feed_is_waiting(&stream->feed) && i < stream->known_count; i++) {
        const struct known *known = &stream->known[i];
        aw_ms               due = ending_at(stream, known);

        if (known->ending_for == known->expires_at || known->expires_at <= io->wall)
            continue;
        if (due <= io->wall)
            at = io->now;
        else if (io->now + (due - io->wall) * AW_NS_PER_MS < at)
            at = io->now + (due - io->wall) * AW_NS_PER_MS;
    }
    aw_call_wait(&stream->pull.call, at);
}

/* --- looking ------------------------------------------------------------------------------------------------------------------ */

static void
look(struct stream *stream)
{
    struct aw_pull       *pull = &stream->pull;
    uint32_t              room = stream->has_begun ? stream->known_count + TURN_MAX : KNOWN_MAX + 1;
    struct aw_told_lease *told = aw_arena_take(&stream->work, stream->known_count * sizeof(told[0]));

    if (stream->has_begun && room > KNOWN_MAX)
        room = KNOWN_MAX;
    pull->query = (struct aw_query){.kind = AW_QUERY_STREAM,
                                    .name = pull->agent,
                                    .room = room,
                                    .views = aw_arena_take(&stream->work, room * sizeof(struct aw_ticket_view)),
                                    .look = &stream->found};
    if (told == NULL || pull->query.views == NULL) {
        fail(stream, AW_E_MEMORY);
        go_on(stream);
        return;
    }
    for (uint32_t i = 0; i < stream->known_count; i++)
        told[i] = (struct aw_told_lease){.fence = stream->known[i].lease.fence, .slot = stream->known[i].lease.slot};
    stream->found.told = told;
    stream->found.told_count = stream->known_count;
    pull->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &pull->query};
    stream->step = LOOK;
    aw_call_submit(&pull->call, &pull->submission);
}

/* Leases that run no more are forgotten; of those that nobody of the client's side ended it is told. */
static void
tell_lost(struct stream *stream)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < stream->known_count; i++) {
        const struct aw_told_lease *lease = &stream->found.told[i];
        char                        text[AW_ID_TEXT_BYTES];
        struct aw_lease_news        news;
        struct aw_writer            writer;

        if (lease->fate == AW_LEASE_RUNS) {
            stream->known[kept++] = stream->known[i];
            continue;
        }
        if (lease->fate == AW_LEASE_ENDED)
            continue;
        news = news_of(stream, &stream->known[i], text);
        news.state = aw_lease_view_state(lease->end);
        begin_event(stream, &writer, AW_SLICE("lost"));
        aw_proto_write_news_lost(&writer, &news);
        end_event(stream, &writer);
    }
    stream->known_count = kept;
}

static void
tell_presence(struct stream *stream)
{
    struct aw_writer writer;

    if (stream->presence == stream->found.presence)
        return;
    stream->presence = stream->found.presence;
    begin_event(stream, &writer, AW_SLICE("presence"));
    aw_writer_begin_map(&writer);
    AW_WRITER_KEY(&writer, "presence");
    aw_writer_str(&writer, aw_slice_str(aw_presence_name(stream->presence)));
    aw_writer_end_map(&writer);
    end_event(stream, &writer);
}

static struct known *
find_known(const struct stream *stream, uint64_t fence)
{
    for (uint32_t i = 0; i < stream->known_count; i++) {
        if (stream->known[i].lease.fence == fence)
            return &stream->known[i];
    }
    return NULL;
}

/* Moves the leases that the client was not told of to the front of the views; takes over what has changed of the others. Returns
 * how many are new, at most `max`. */
static uint32_t
sort_views(struct stream *stream, uint32_t max)
{
    struct aw_ticket_view *views = stream->pull.query.views;
    uint32_t               count = 0;

    for (uint32_t i = 0; i < stream->pull.query.count; i++) {
        struct known *known = find_known(stream, views[i].lease.fence);

        if (known != NULL) {
            known->expires_at = views[i].expires_at;
            known->is_behind = views[i].message_seq > views[i].seen_seq;
        } else if (count < max) {
            views[count++] = views[i];
        }
    }
    return count;
}

/* In the request's memory; what is left behind by growing is no more than what is in use. */
static bool
make_room(struct stream *stream, uint32_t count)
{
    uint32_t      room = stream->known_room == 0 ? 4 : stream->known_room;
    struct known *known;

    if (count <= stream->known_room)
        return true;
    while (room < count)
        room *= 2;
    known = aw_arena_take(aw_call_arena_kept(&stream->pull.call), room * sizeof(known[0]));
    if (known == NULL)
        return false;
    if (stream->known_count > 0)
        memcpy(known, stream->known, stream->known_count * sizeof(known[0]));
    stream->known = known;
    stream->known_room = room;
    return true;
}

static void
end_turn(struct stream *stream)
{
    send(stream);
    go_on(stream);
}

static void
end_in_failure(struct stream *stream, enum aw_err err)
{
    fail(stream, err);
    stream->out = (struct aw_buffer){.len = 0}; /* what was written may be half of it */
    for (uint32_t i = 0; i < stream->own_count; i++) {
        if (stream->own[i].end == WRITTEN)
            stream->own[i].end = 0;
    }
    go_on(stream);
}

/* --- leases ------------------------------------------------------------------------------------------------------------------- */

static void
read_leases(struct stream *stream, uint32_t count)
{
    stream->pull.granted = count;
    stream->pull.is_repeat = true; /* they are those of the query */
    stream->step = READ_LEASES;
    if (!make_room(stream, stream->known_count + count) || !aw_pull_read_messages(&stream->pull))
        end_in_failure(stream, AW_E_MEMORY);
}

/* Its event stands in `out`. */
static void
note_known(struct stream *stream, const struct aw_ticket_view *view)
{
    stream->known[stream->known_count++] = (struct known){.lease = view->lease,
                                                          .ticket = view->ticket,
                                                          .told_seq = view->message_seq,
                                                          .is_behind = view->message_seq > view->seen_seq,
                                                          .expires_at = view->expires_at};
    stream->must_look |= view->message_seq > view->seen_seq;
    for (uint32_t i = 0; i < stream->own_count; i++) {
        if (stream->own[i].lease.fence == view->lease.fence)
            stream->own[i].end = WRITTEN;
    }
}

/* The first event. */
static bool
write_held(struct stream *stream, const struct aw_lease_answer *leases)
{
    struct aw_slice  next = {NULL, 0};
    char             cursor[AW_BASE32_U64_CHARS];
    struct aw_writer writer;

    if (stream->more_above != 0) {
        aw_base32_u64(stream->more_above, cursor);
        next = aw_slice_of(cursor, sizeof(cursor));
    }
    begin_event(stream, &writer, AW_SLICE("held"));
    if (!aw_proto_write_held(&writer, leases, stream->pull.granted, next))
        return false;
    end_event(stream, &writer);
    return true;
}

static bool
write_leases(struct stream *stream, const struct aw_lease_answer *leases)
{
    for (uint32_t i = 0; i < stream->pull.granted; i++) {
        struct aw_writer writer;

        begin_event(stream, &writer, AW_SLICE("lease"));
        if (!aw_proto_write_lease(&writer, &leases[i]))
            return false;
        end_event(stream, &writer);
    }
    return true;
}

static void
tell_leases(struct stream *stream)
{
    struct aw_lease_answer *leases;
    enum aw_err             err = aw_pull_make_views(&stream->pull, &leases);
    bool                    is_first = !stream->has_begun;

    if (err != AW_OK) {
        end_in_failure(stream, err == AW_E_MEMORY ? err : AW_E_INTERNAL);
        return;
    }
    if (is_first && !aw_feed_begin(&stream->feed, &stream->pull.call, stream->want.media)) {
        stream->step = NOTHING; /* the client is gone: on_gone comes */
        return;
    }
    stream->has_begun = true;
    aw_pull_tell_of_damage(&stream->pull);
    if (!(is_first ? write_held(stream, leases) : write_leases(stream, leases))) {
        end_in_failure(stream, AW_E_INTERNAL);
        return;
    }
    for (uint32_t i = 0; i < stream->pull.granted; i++)
        note_known(stream, &stream->pull.query.views[i]);
    tell_presence(stream);
    end_turn(stream);
}

/* --- follow-ups --------------------------------------------------------------------------------------------------------------- */

/* As an extend that leaves the end where it is: from then on they count as seen, and are told. True: it is under way. */
static bool
see(struct stream *stream)
{
    struct aw_pull  *pull = &stream->pull;
    struct aw_entry *entries = NULL;
    uint32_t         count = 0;

    for (uint32_t i = 0; i < stream->known_count && count < TURN_MAX; i++) {
        if (!stream->known[i].is_behind)
            continue;
        if (entries == NULL)
            entries = aw_arena_take_zeroed(&stream->work, TURN_MAX, sizeof(entries[0]));
        if (entries == NULL)
            return false; /* no memory just now: the next look finds them again */
        entries[count++].command =
            (struct aw_command){.kind = AW_COMMAND_EXTEND, .in.fenced = {.lease = stream->known[i].lease, .agent = pull->agent}};
        stream->known[i].is_behind = false;
    }
    if (count == 0)
        return false;
    stream->must_look = true; /* there may be more of them */
    pull->entries = entries;
    pull->submission =
        (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = entries, .count = count, .woken_lane = AW_LANE_NONE};
    stream->step = SEE;
    aw_call_submit(&pull->call, &pull->submission);
    return true;
}

/* Nothing was forgotten since it was asked for. */
static struct known *
known_of(const struct stream *stream, const struct aw_entry *entry)
{
    struct known *known = find_known(stream, entry->command.in.fenced.lease.fence);

    AW_ASSERT(known != NULL);
    return known;
}

/* Those of which the client was told nothing yet, here or by an extend of its own, move to the front; returns how many. */
static uint32_t
sort_seen(struct stream *stream)
{
    struct aw_submission *submission = &stream->pull.submission;
    uint32_t              count = 0;

    for (uint32_t i = 0; i < submission->count; i++) {
        const struct aw_outcome_of *out = &submission->entries[i].command.out;
        const struct known         *known = known_of(stream, &submission->entries[i]);

        if (out->err == AW_OK && out->changed && out->u.lease.message_seq > known->told_seq)
            submission->entries[count++] = submission->entries[i];
    }
    return count;
}

static void
on_seen(struct stream *stream)
{
    struct aw_pull *pull = &stream->pull;
    uint32_t        count;

    if (pull->submission.err != AW_OK) {
        end_in_failure(stream, pull->submission.err);
        return;
    }
    count = sort_seen(stream);
    if (count == 0) {
        end_turn(stream);
        return;
    }
    pull->read = aw_api_read_new(&pull->call, count, (size_t)count * THREAD_BYTES);
    if (pull->read == NULL) {
        end_in_failure(stream, AW_E_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct aw_out_lease *out = &pull->entries[i].command.out.u.lease;
        uint64_t                   told_seq = known_of(stream, &pull->entries[i])->told_seq;

        pull->read->items[i] = (struct aw_read_item){.kind = AW_READ_THREAD,
                                                     .last_seq = out->last_seq,
                                                     .ticket_seq = out->ticket.seq,
                                                     .above_seq = out->seen_seq > told_seq ? out->seen_seq : told_seq,
                                                     .messages_max = AW_LEASE_MESSAGES_MAX,
                                                     .is_open = true};
    }
    stream->step = READ_MESSAGES;
    aw_call_read(&pull->call, pull->read);
}

static void
tell_messages(struct stream *stream)
{
    struct aw_pull *pull = &stream->pull;

    for (uint32_t i = 0; i < pull->read->count; i++) {
        const struct aw_out_lease *out = &pull->entries[i].command.out.u.lease;
        const struct aw_read_item *item = &pull->read->items[i];
        struct known              *known = known_of(stream, &pull->entries[i]);
        char                       text[AW_ID_TEXT_BYTES];
        struct aw_lease_news       news = news_of(stream, known, text);
        struct aw_writer           writer;

        news.messages = item->messages;
        news.message_count = item->message_count;
        news.messages_total = out->messages_total;
        stream->found.seq = out->last_seq > stream->found.seq ? out->last_seq : stream->found.seq;
        begin_event(stream, &writer, AW_SLICE("messages"));
        if (item->err != AW_OK || !aw_proto_write_news_messages(&writer, &news)) {
            end_in_failure(stream, item->err == AW_E_MEMORY ? AW_E_MEMORY : AW_E_INTERNAL);
            return;
        }
        end_event(stream, &writer);
        known->told_seq = out->message_seq;
    }
    end_turn(stream);
}

static void
on_looked(struct stream *stream)
{
    struct aw_pull *pull = &stream->pull;
    enum aw_err     err = pull->submission.err != AW_OK ? pull->submission.err : pull->query.err;
    uint32_t        count;

    stream->must_look = false;
    stream->may_take = true;
    if (err != AW_OK) {
        end_in_failure(stream, err);
        return;
    }
    aw_buffer_init(&stream->out, &stream->work);
    tell_lost(stream);
    if (stream->has_begun)
        tell_presence(stream);
    pull->park.park.stream = stream->found.stream;
    pull->park.park.news = stream->found.news;
    if (!stream->has_begun && pull->query.count > KNOWN_MAX)
        stream->more_above = pull->query.views[KNOWN_MAX - 1].lease.fence;
    count = sort_views(stream, stream->has_begun ? TURN_MAX : KNOWN_MAX);
    if (stream->has_begun && stream->known_count + count > KNOWN_MAX)
        count = KNOWN_MAX - stream->known_count;
    stream->must_look = count > 0; /* there may be more of them */
    if (count > 0 || !stream->has_begun)
        read_leases(stream, count);
    else if (!see(stream))
        end_turn(stream);
}

/* --- taking and waiting ------------------------------------------------------------------------------------------------------- */

/* How many tickets it may take now. */
static uint32_t
free_units(struct stream *stream)
{
    uint32_t held = stream->found.held;
    uint32_t free = held < stream->want.units ? stream->want.units - held : 0;
    uint32_t told = 0;

    /* Whatever it was granted was found by a look since, or had ended before that. Of what was told, some may have ended before its
     * event left: it keeps its place until then. */
    for (uint32_t i = 0; i < stream->own_count; i++) {
        if (stream->own[i].end != 0)
            stream->own[told++] = stream->own[i];
    }
    stream->own_count = told;
    forget_told(stream);
    if (free > stream->want.units - stream->own_count)
        free = stream->want.units - stream->own_count;
    return free < TURN_MAX ? free : TURN_MAX;
}

static void
rest(struct stream *stream)
{
    stream->rest_until = io_of(stream)->now + REST_NS;
}

/* True: something is under way. */
static bool
take(struct stream *stream)
{
    struct aw_pull *pull = &stream->pull;

    if (!aw_pull_renew(pull)) { /* also when it only waits: the committer sends back who goes by old settings */
        rest(stream);
        return false;
    }
    if (!stream->may_take || stream->found.held >= stream->want.units)
        return false;
    pull->max = free_units(stream);
    pull->entries = aw_arena_take_zeroed(&stream->work, pull->max, sizeof(pull->entries[0]));
    if (pull->max == 0 || pull->entries == NULL) {
        rest(stream);
        return false;
    }
    pull->is_repeat = false;
    if (!aw_pull_take(pull)) {
        stream->may_take = false;
        return false;
    }
    stream->step = LEASE;
    return true;
}

static void
park(struct stream *stream, bool leaving)
{
    stream->step = PARK;
    io_of(stream)->agent_streams_awake--;
    aw_pull_park(&stream->pull, leaving);
}

static void
on_leased(struct stream *stream)
{
    struct aw_pull *pull = &stream->pull;
    enum aw_err     err = aw_pull_sort_granted(pull);

    if (pull->submission.err != AW_OK) {
        end_in_failure(stream, pull->submission.err);
        return;
    }
    if (err == AW_OK && pull->granted > 0)
        note_granted(stream);
    if (err != AW_OK || pull->is_shut_out) /* there is no room for it just now: asking at once would be asking in vain */
        rest(stream);
    stream->must_look = true;
    go_on(stream);
}

static void
on_parked(struct stream *stream)
{
    struct aw_pull *pull = &stream->pull;
    bool            is_for_ticket = aw_pull_has_wake(pull);

    aw_pull_parked(pull);
    if (pull->park.err != AW_OK) {
        end_in_failure(stream, pull->park.err);
        return;
    }
    switch (pull->park.park.end) {
    case AW_PARK_CANCELLED: /* the server drains, or it left */
        break;
    case AW_PARK_REPLACED:
        stream->end = stream->end == GOES_ON ? REPLACED : stream->end;
        break;
    case AW_PARK_NEWS:
    case AW_PARK_AGAIN:
        stream->must_look = true;
        break;
    case AW_PARK_WOKEN:
        stream->may_take = true;
        break;
    }
    /* Whoever was woken for a ticket and does not ask for it says so, or nobody else would be. */
    if (!is_for_ticket) {
        go_on(stream);
        return;
    }
    if (stream->end == GOES_ON && !aw_feed_is_waiting(&stream->feed)) {
        aw_arena_reset(&stream->work);
        if (take(stream))
            return;
        aw_metric_add(io_of(stream)->metrics, AW_METRIC_WOKEN_IN_VAIN, 1);
    }
    park(stream, stream->end != GOES_ON || aw_feed_is_waiting(&stream->feed) || stream->rest_until > io_of(stream)->now);
}

/* --- the end ------------------------------------------------------------------------------------------------------------------ */

static void
write_end(struct stream *stream)
{
    static const char *const names[] = {[DRAINING] = "draining", [REPLACED] = "replaced", [FAILED] = "problem"};
    struct aw_writer         writer;

    aw_arena_reset(&stream->work);
    aw_buffer_init(&stream->out, &stream->work);
    begin_event(stream, &writer, aw_slice_str(names[stream->end]));
    if (stream->end == FAILED) {
        aw_proto_write_problem(&writer,
                               &(struct aw_problem){.err = stream->failure, .retry_after_s = aw_retry_after_s(stream->failure)});
    } else {
        aw_writer_begin_map(&writer);
        aw_writer_end_map(&writer);
    }
    end_event(stream, &writer);
    stream->has_ended = true;
    send(stream);
}

static void
finish(struct stream *stream)
{
    struct aw_call *call = &stream->pull.call;

    stream->step = NOTHING;
    give_back(stream, false);
    if (!stream->has_begun) {
        aw_call_fail(call,
                     stream->end == FAILED     ? stream->failure
                     : stream->end == DRAINING ? AW_E_DRAINING
                                               : AW_E_OVERLOADED,
                     "");
        return;
    }
    if (!stream->has_ended)
        write_end(stream);
    if (!aw_feed_is_waiting(&stream->feed))
        aw_feed_end(&stream->feed);
}

/* Nothing is out. The next thing to do; until the client has read what waits, none. */
static void
go_on(struct stream *stream)
{
    AW_ASSERT(stream->pull.call.out == 0);
    stream->step = NOTHING;
    if (stream->has_begun && aw_feed_is_waiting(&stream->feed)) {
        set_alarm(stream);
        return;
    }
    if (stream->end != GOES_ON) {
        finish(stream);
        return;
    }
    aw_arena_reset(&stream->work);
    if (stream->must_look) {
        set_alarm(stream);
        look(stream);
        return;
    }
    tell_endings(stream);
    set_alarm(stream);
    if (aw_feed_is_waiting(&stream->feed) || stream->rest_until > io_of(stream)->now)
        return;
    aw_arena_reset(&stream->work);
    if (!take(stream) && stream->rest_until <= io_of(stream)->now)
        park(stream, false);
}

/* --- the call ----------------------------------------------------------------------------------------------------------------- */

static void
on_read(struct stream *stream)
{
    bool failed;

    if (aw_api_read_again(&stream->pull.call, stream->pull.read, &failed))
        return;
    if (failed)
        end_in_failure(stream, AW_E_MEMORY);
    else if (stream->step == READ_LEASES)
        tell_leases(stream);
    else
        tell_messages(stream);
}

static void
on_back(struct aw_call *call)
{
    struct stream *stream = stream_of(call);

    switch (stream->step) {
    case LOOK:
        on_looked(stream);
        return;
    case READ_LEASES:
    case READ_MESSAGES:
        on_read(stream);
        return;
    case SEE:
        on_seen(stream);
        return;
    case LEASE:
        on_leased(stream);
        return;
    case PARK:
        io_of(stream)->agent_streams_awake++;
        on_parked(stream);
        return;
    case NOTHING:
        break;
    }
    AW_UNREACHABLE();
}

/* The client left. What it has goes back; true while something is under way. */
static bool
on_gone(struct aw_call *call)
{
    struct stream *stream = stream_of(call);

    if (stream->step == PARK) {
        io_of(stream)->agent_streams_awake++;
        if (aw_pull_has_wake(&stream->pull)) {
            park(stream, true);
            return true;
        }
    } else if (stream->step == LEASE && aw_pull_sort_granted(&stream->pull) == AW_OK) {
        note_granted(stream);
    }
    close_stream(stream);
    return false;
}

static void
on_leave(struct aw_call *call)
{
    aw_pull_cancel(&stream_of(call)->pull);
}

static void
on_sent(struct aw_call *call, bool delivered)
{
    (void)delivered; /* what did not leave is known to the feed */
    close_stream(stream_of(call));
}

static void
on_room(struct aw_call *call)
{
    struct stream *stream = stream_of(call);

    forget_told(stream);
    if (!aw_feed_is_waiting(&stream->feed) || !aw_feed_go_on(&stream->feed))
        return;
    if (stream->step == NOTHING)
        go_on(stream);
}

static void
on_time(struct aw_call *call)
{
    struct stream *stream = stream_of(call);

    if (io_of(stream)->draining && stream->end == GOES_ON)
        stream->end = DRAINING;
    if (stream->end != GOES_ON)
        aw_pull_cancel(&stream->pull);
    if (stream->has_begun && !aw_feed_is_waiting(&stream->feed))
        aw_feed_comment(&stream->feed);
    if (stream->has_begun && aw_feed_is_waiting(&stream->feed) && aw_request_unsent(call->request) == 0)
        (void)aw_feed_go_on(&stream->feed); /* there was no memory for it */
    if (stream->step == PARK && stream->end == GOES_ON)
        tell_endings(stream);
    if (stream->step == NOTHING)
        go_on(stream);
    else
        set_alarm(stream);
}

static const struct aw_call_ops stream_ops = {
    .on_back = on_back, .on_gone = on_gone, .on_leave = on_leave, .on_sent = on_sent, .on_time = on_time, .on_room = on_room};

/* What it needs as long as it lasts. False: answered. */
static bool
prepare(struct stream *stream)
{
    struct aw_call *call = &stream->pull.call;
    struct aw_pull *pull = &stream->pull;

    if (!aw_request_try_park(call->request)) {
        aw_call_fail(call, AW_E_TOO_MANY, "half of this connection's streams wait already; open another connection");
        return false;
    }
    pull->names_lanes = pull->lane_count > 0;
    pull->lease_ms = stream->want.lease_s * AW_MS_PER_S;
    aw_pull_init(pull);
    pull->park.park.units = stream->want.units;
    stream->own = aw_arena_take(&call->request->arena, stream->want.units * sizeof(stream->own[0]));
    if (stream->own == NULL || !aw_pull_make_park(pull)) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return false;
    }
    return true;
}

void
aw_api_stream(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct stream  *stream = aw_call_new(io, request, &stream_ops, sizeof(*stream));
    struct aw_pull *pull = &stream->pull;

    (void)id;
    if (stream == NULL || !aw_api_agent(&pull->call, &pull->agent) ||
        !aw_stream_request_read(&pull->call, &stream->want, &pull->lanes, &pull->lane_count))
        return;
    aw_arena_init(&stream->work, io->blocks);
    if (request->method == AW_HEAD) {
        if (aw_feed_begin(&stream->feed, &pull->call, stream->want.media))
            AW_UNREACHABLE(); /* the head is all */
        return;
    }
    if (!prepare(stream))
        return;
    pull->call.work = &stream->work;
    stream->is_open = true;
    stream->must_look = true;
    io->agent_streams++;
    io->agent_streams_awake++;
    aw_metric_set(io->metrics, AW_METRIC_AGENT_STREAMS, io->agent_streams);
    aw_metric_add(io->metrics, AW_METRIC_AGENT_STREAMS_JOINED, 1);
    go_on(stream);
}
