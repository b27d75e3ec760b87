/* replay.c - messages of a file: the project's own form of a message, one JSON object a line, or a collection that has more
 * fields.
 *
 * A line that holds exactly a message is sent as it is. A line with other fields is a record of a collection: `text_repaired`,
 * where there is one, is the text, `to` the account, and the other unknown fields are left out (they may be labels: never an
 * input). Times are moved: what was received first is sent first, now; departures and reply_by keep their distance.
 */
#include "bench/surge/source.h"

#include "base/mem.h"
#include "bench/surge/ledger.h"
#include "proto/proto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define ARENA_BLOCK_BYTES (256U * 1024U)

struct replay {
    char              *bytes; /* owns: the file */
    size_t             len;
    struct aw_blocks  *blocks; /* owns */
    struct aw_arena    arena;
    struct aw_message *messages; /* owns; their texts borrow from the arena and the file */
    size_t             count;
    size_t             room;
    size_t             at;
    uint32_t           times; /* still to go, with this one */
    double             speed;
    aw_ms              first; /* received_at of the earliest */
    aw_ms              last;
    uint64_t           pass;
    aw_ms              wall;
    bool               received_at;
};

static void
replay_fini(void *user)
{
    struct replay *replay = user;

    if (replay == NULL)
        return;
    free(replay->bytes);
    free(replay->messages);
    aw_arena_reset(&replay->arena);
    aw_blocks_free(&replay->blocks);
    free(replay);
}

/* --- reading ---------------------------------------------------------------------------------------------------------------- */

static enum aw_err
load(struct replay *replay, const char *path, struct aw_why *why)
{
    FILE       *file = fopen(path, "rb");
    struct stat status;
    enum aw_err err = AW_OK;

    if (file == NULL)
        return aw_why_errno(why, AW_E_IO, errno, "%s", path);
    if (fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode)) {
        err = aw_why(why, AW_E_IO, "%s is no file", path);
    } else {
        replay->len = (size_t)status.st_size;
        replay->bytes = malloc(replay->len + 1);
        if (replay->bytes == NULL)
            err = aw_why(why, AW_E_MEMORY, "out of memory for %s", path);
        else if (fread(replay->bytes, 1, replay->len, file) != replay->len)
            err = aw_why(why, AW_E_IO, "%s could not be read", path);
    }
    (void)fclose(file);
    return err;
}

/* What a record of a collection says in fields that no message has. They came out as meta. */
static void
take_collection_fields(struct aw_message *message)
{
    for (uint32_t i = 0; i < message->meta_count; i++) {
        const struct aw_pair *pair = &message->meta[i];

        if (aw_slice_eq(pair->key, AW_SLICE("text_repaired")))
            message->text = pair->value;
        else if (aw_slice_eq(pair->key, AW_SLICE("to")) && !aw_slice_eq(pair->value, AW_SLICE("null")))
            message->account = pair->value;
    }
    message->meta_count = 0;
}

static enum aw_err
read_line(struct replay *replay, struct aw_line line, struct aw_message *message, struct aw_why *why)
{
    struct aw_proto_problem problem;
    enum aw_err             err = aw_proto_decode_message(&replay->arena, AW_MEDIA_NDJSON, line.bytes, false, message, &problem);

    if (err == AW_E_UNKNOWN_FIELD) {
        err = aw_proto_decode_message(&replay->arena, AW_MEDIA_NDJSON, line.bytes, true, message, &problem);
        if (err == AW_OK)
            take_collection_fields(message);
    }
    if (err != AW_OK)
        return aw_why(why, AW_E_CONFIG, "line %u: %s", line.number, problem.detail);
    return AW_OK;
}

static enum aw_err
add_message(struct replay *replay, const struct aw_message *message, struct aw_why *why)
{
    if (replay->count == replay->room) {
        size_t             room = replay->room == 0 ? 1024 : 2 * replay->room;
        struct aw_message *messages = realloc(replay->messages, room * sizeof(*messages));

        if (messages == NULL)
            return aw_why(why, AW_E_MEMORY, "out of memory");
        replay->messages = messages;
        replay->room = room;
    }
    replay->messages[replay->count++] = *message;
    return AW_OK;
}

/* Line by line and not as one sequence: a file may be longer than the largest body. */
static enum aw_err
read_lines(struct replay *replay, uint64_t limit, struct aw_why *why)
{
    struct aw_slice rest = aw_slice_of(replay->bytes, replay->len);
    enum aw_err     err = AW_OK;

    for (uint32_t number = 1; rest.len > 0 && err == AW_OK && (limit == 0 || replay->count < limit); number++) {
        struct aw_line    line = {.bytes = aw_slice_trim(aw_slice_cut(&rest, '\n')), .number = number};
        struct aw_message message;

        if (line.bytes.len == 0)
            continue;
        err = read_line(replay, line, &message, why);
        if (err == AW_OK)
            err = add_message(replay, &message, why);
    }
    if (err == AW_OK && replay->count == 0)
        err = aw_why(why, AW_E_CONFIG, "there is no message in it");
    return err;
}

static int
compare_times(const void *a, const void *b)
{
    const struct aw_message *one = a;
    const struct aw_message *two = b;

    if (one->received_at != two->received_at)
        return one->received_at < two->received_at ? -1 : 1;
    return one->source_id.ptr < two->source_id.ptr ? -1 : one->source_id.ptr > two->source_id.ptr; /* as in the file */
}

static enum aw_err
sort_messages(struct replay *replay, struct aw_why *why)
{
    for (size_t i = 0; i < replay->count; i++) {
        if (replay->messages[i].received_at == 0)
            return aw_why(why, AW_E_CONFIG,
                          "a message without received_at: nobody knows when to send it; --speed max does not ask");
    }
    qsort(replay->messages, replay->count, sizeof(replay->messages[0]), compare_times);
    return AW_OK;
}

/* --- sending ---------------------------------------------------------------------------------------------------------------- */

static aw_ms
offset_of(const struct replay *replay, const struct aw_message *message)
{
    return message->received_at - replay->first;
}

static bool
replay_due(void *user, aw_ns *ret_due)
{
    const struct replay *replay = user;

    if (replay->times == 0)
        return false;
    *ret_due = 0;
    if (replay->speed > 0)
        *ret_due = surge_due_at(replay->pass * (replay->last - replay->first) + offset_of(replay, &replay->messages[replay->at]),
                                replay->speed);
    return true;
}

static void
replay_next(void *user)
{
    struct replay *replay = user;

    if (++replay->at < replay->count)
        return;
    replay->at = 0;
    replay->pass++;
    replay->times--;
}

static aw_ms
move(aw_ms at, aw_ms from, aw_ms to)
{
    return at == 0 ? 0 : at + to - from;
}

/* The same bytes in every pass: moved to the time of the first one. */
static void
replay_write(void *user, struct aw_buffer *buffer, enum aw_media media, uint64_t *ret_key)
{
    struct replay    *replay = user;
    struct aw_message message = replay->messages[replay->at];
    struct aw_flight  flights[AW_FLIGHTS_MAX];
    struct aw_writer  writer;
    aw_ms             from = message.received_at;
    aw_ms             to = replay->wall;

    if (replay->speed > 0)
        to += surge_due_at(offset_of(replay, &message), replay->speed) / AW_NS_PER_MS;
    if (from != 0) {
        for (uint32_t i = 0; i < message.flight_count; i++) {
            flights[i] = message.flights[i];
            flights[i].departs_at = move(flights[i].departs_at, from, to);
        }
        message.flights = flights;
        message.reply_by = move(message.reply_by, from, to);
        message.received_at = replay->received_at ? to : 0;
    }
    aw_writer_init(&writer, buffer, media);
    aw_proto_write_object(&writer, AW_OBJECT_MESSAGE, &message);
    if (aw_media_is_sequence(media))
        aw_writer_end_line(&writer);
    *ret_key = surge_source_key(message.channel, message.account, message.source_id);
}

enum aw_err
surge_replay_open(struct surge_source *ret_source, const struct surge_options *options, aw_ms wall, struct aw_why *why)
{
    struct replay *replay = aw_new(struct replay);
    enum aw_err    err = AW_E_MEMORY;

    if (replay != NULL)
        replay->blocks = aw_blocks_new(ARENA_BLOCK_BYTES, (size_t)64 << 30);
    if (replay == NULL || replay->blocks == NULL) {
        free(replay);
        return aw_why(why, AW_E_MEMORY, "out of memory");
    }
    aw_arena_init(&replay->arena, replay->blocks);
    replay->times = options->times;
    replay->speed = options->speed;
    replay->wall = wall;
    replay->received_at = options->received_at;
    err = load(replay, options->file, why);
    if (err == AW_OK)
        err = read_lines(replay, options->limit, why);
    if (err == AW_OK && replay->speed > 0)
        err = sort_messages(replay, why);
    if (err != AW_OK) {
        aw_why_prefix(why, "%s", options->file);
        replay_fini(replay);
        return err;
    }
    replay->first = replay->messages[0].received_at;
    replay->last = replay->messages[replay->count - 1].received_at;
    *ret_source = (struct surge_source){.user = replay,
                                        .due = replay_due,
                                        .write = replay_write,
                                        .next = replay_next,
                                        .fini = replay_fini,
                                        .expected = replay->count,
                                        .is_closed_loop = options->speed == 0};
    return AW_OK;
}
