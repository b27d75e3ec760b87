/* api_messages.c - posting messages, one or many, and looking at one. */
#include "proto/proto.h"
#include "run/api.h"
#include "run/api_gateway.h"
#include "run/api_lines.h"
#include "run/gateways.h"
#include "run/io.h"
#include "run/posts.h"
#include "run/rulebook.h"
#include "run/urgency.h"

#include <string.h>

/* What a re-post needs of the journal, at a guess; more is brought when it is not enough. */
#define RECEIPT_BYTES 1024U

/* Messages that are submitted together, so that the committer has them while others are read. */
#define SUBMIT_MESSAGES 256U
/* What writing a receipt costs, beside reading a message. */
#define RECEIPT_COST 128U

/* What a post does in its next turn. */
enum post_step { POST_BEGIN, POST_READ, POST_ANSWER };

/* Of many messages, while it is written. */
struct post_answer {
    struct aw_buffer buffer;
    struct aw_writer writer;
    uint32_t         next; /* line */
};

/* Whether the reasons of what was posted before may still be told, as they quote it: of some items of the read at a time. */
struct post_look {
    struct aw_submission   submission;
    struct aw_query        query;
    uint32_t               first; /* item */
    uint32_t               next;
    struct aw_message_look messages[]; /* one for each item from first to next that has reasons, up to SUBMIT_MESSAGES */
};

struct post {
    struct aw_call      call;
    struct aw_api_lines lines;
    struct aw_api_rate  rate;
    struct post_answer  answer;
    struct aw_arena     work; /* of several messages: what is read of them; given back before their answer leaves */
    enum aw_media       body_media;
    enum aw_media       media; /* of the answer */
    enum post_step      step;
    uint32_t            gateway;
    struct post_look   *look;       /* NULL: not needed, or not yet */
    bool                is_in_work; /* as in posts.h: one of several messages, and begun */
    bool                is_over;    /* it counts no more */
    uint64_t            body_bytes; /* that it still counts with */
};

/* --- from a message to a command ---------------------------------------------------------------------------------------------- */

/* Parts with their lengths in front, so that no two different lists of parts give the same bytes. */
static struct aw_hash128
hash_parts(const struct aw_hash_key *key, char kind, const struct aw_slice *parts, size_t count)
{
    char   bytes[1 + 3 * (4 + AW_REF_BYTES_MAX)];
    size_t len = 0;

    bytes[len++] = kind;
    for (size_t i = 0; i < count; i++) {
        uint32_t part = (uint32_t)parts[i].len;

        AW_ASSERT(len + sizeof(part) + part <= sizeof(bytes));
        memcpy(bytes + len, &part, sizeof(part));
        len += sizeof(part);
        if (part > 0)
            memcpy(bytes + len, parts[i].ptr, part);
        len += part;
    }
    return aw_hash128(key, bytes, len);
}

/* Who writes to this account: half of it says who writes, whatever the account. */
static struct aw_hash128
at_account(const struct aw_hash_key *key, struct aw_slice channel, struct aw_slice account, struct aw_slice customer,
           struct aw_hash128 contact)
{
    struct aw_hash128 hash = hash_parts(key, 'c', (struct aw_slice[]){channel, account, customer}, 3);

    return (struct aw_hash128){.low = hash.low, .high = aw_address_of(contact)};
}

/* Of an identity that is no address. */
static struct aw_hash128
hash_of_no_address(const struct aw_hash_key *key, char kind, struct aw_slice first, struct aw_slice second)
{
    struct aw_hash128 hash = hash_parts(key, kind, (struct aw_slice[]){first, second}, 2);

    return (struct aw_hash128){.low = hash.low, .high = hash.high & ~AW_ADDRESS_BIT};
}

struct aw_hash128
aw_api_customer_hash(const struct aw_hash_key *key, struct aw_slice channel, struct aw_slice account, struct aw_slice customer)
{
    return at_account(key, channel, account, customer, aw_api_contact_hash(key, channel, customer));
}

struct aw_hash128
aw_api_contact_hash(const struct aw_hash_key *key, struct aw_slice channel, struct aw_slice customer)
{
    return hash_parts(key, 'o', (struct aw_slice[]){channel, customer}, 2);
}

/* People write a booking's code in either case; `upper` has AW_BOOKING_BYTES_MAX. */
static struct aw_slice
booking_code(struct aw_slice code, char *upper)
{
    AW_ASSERT(code.len <= AW_BOOKING_BYTES_MAX);
    for (size_t i = 0; i < code.len; i++)
        upper[i] = (char)(code.ptr[i] >= 'a' && code.ptr[i] <= 'z' ? code.ptr[i] - 'a' + 'A' : code.ptr[i]);
    return aw_slice_of(upper, code.len);
}

/* [0]: who wrote on this channel and account; then what the gateway verified; then booking with the customer's id, which finds the
 * same person writing about the same booking to another account. */
static bool
make_identities(struct aw_in_message *in, const struct aw_message *message, const struct aw_hash_key *key, struct aw_arena *arena)
{
    struct aw_hash128 *list = aw_arena_take(arena, (message->identity_count + 2) * sizeof(list[0]));
    uint32_t           count = 0;
    char               upper[AW_BOOKING_BYTES_MAX];

    if (list == NULL)
        return false;
    list[count++] = at_account(key, message->channel, message->account, message->customer, in->contact);
    for (uint32_t i = 0; i < message->identity_count; i++)
        list[count++] = hash_of_no_address(key, 'v', message->identities[i].kind, message->identities[i].value);
    if (message->booking.len > 0)
        list[count++] = hash_of_no_address(key, 'b', booking_code(message->booking, upper), message->customer);
    in->identities = list;
    in->identity_count = count;
    return true;
}

struct aw_hash128
aw_api_source_hash(const struct aw_hash_key *key, struct aw_slice channel, struct aw_slice account, struct aw_slice source_id)
{
    return hash_parts(key, 'i', (struct aw_slice[]){channel, account, source_id}, 3);
}

uint64_t
aw_api_flight_hash(const struct aw_hash_key *key, struct aw_slice number, uint32_t date_days)
{
    uint64_t hash = hash_parts(key, 'f', (struct aw_slice[]){number, aw_slice_of(&date_days, sizeof(date_days))}, 2).low;

    return hash == 0 ? 1 : hash;
}

uint64_t
aw_api_booking_hash(const struct aw_hash_key *key, struct aw_slice code)
{
    char     upper[AW_BOOKING_BYTES_MAX];
    uint64_t hash = hash_parts(key, 'k', (struct aw_slice[]){booking_code(code, upper)}, 1).low;

    return hash == 0 ? 1 : hash;
}

struct aw_hash128
aw_api_provider_hash(const struct aw_hash_key *key, struct aw_slice channel, struct aw_slice account, struct aw_slice id)
{
    return hash_parts(key, 'r', (struct aw_slice[]){channel, account, id}, 3);
}

static bool
make_airports(struct aw_in_message *in, const struct aw_message *message, struct aw_arena *arena)
{
    struct aw_airport_code *codes = aw_arena_take_zeroed(arena, message->airport_count + 1, sizeof(codes[0]));

    if (codes == NULL)
        return false;
    for (uint32_t i = 0; i < message->airport_count; i++)
        memcpy(codes[i].letters, message->airports[i].ptr, sizeof(codes[i].letters));
    in->airports = codes;
    in->airport_count = message->airport_count;
    return true;
}

static bool
make_flights(struct aw_in_message *in, const struct aw_message *message, const struct aw_hash_key *key, struct aw_arena *arena)
{
    struct aw_flight_fact *facts = aw_arena_take_zeroed(arena, message->flight_count + 1, sizeof(facts[0]));

    if (facts == NULL)
        return false;
    for (uint32_t i = 0; i < message->flight_count; i++) {
        const struct aw_flight *flight = &message->flights[i];

        if (flight->date_known)
            facts[i].flight_hash = aw_api_flight_hash(key, flight->number, flight->date_days);
        facts[i].departs_at = flight->departs_at;
        facts[i].number = flight->number;
        facts[i].date_days = flight->date_days;
        if (flight->from.len == sizeof(facts[i].from))
            memcpy(facts[i].from, flight->from.ptr, sizeof(facts[i].from));
        if (flight->to.len == sizeof(facts[i].to))
            memcpy(facts[i].to, flight->to.ptr, sizeof(facts[i].to));
    }
    in->flights = facts;
    in->flight_count = message->flight_count;
    return true;
}

/* Tells a message that is posted again from another one under its id, whatever the rules say of the two, and when its text is
 * gone. */
static uint64_t
posted_hash(const struct aw_hash_key *key, struct aw_slice posted)
{
    uint64_t hash = aw_hash64(key, posted.ptr, posted.len);

    return hash == 0 ? 1 : hash;
}

static bool
make_body(struct aw_in_message *in, const struct aw_message *message, const struct aw_hash_key *key, struct aw_arena *arena)
{
    struct aw_buffer buffer;
    size_t           posted;

    aw_buffer_init(&buffer, arena);
    if (!aw_proto_encode_message(&buffer, message))
        return false;
    posted = buffer.len;
    if (!aw_proto_encode_reasons(&buffer, in->reasons, in->reason_count))
        return false;
    in->body = aw_buffer_slice(&buffer);
    in->reasons_bytes = (uint32_t)(buffer.len - posted);
    if (in->reasons_bytes > 0)
        in->posted_hash = posted_hash(key, aw_slice_of(in->body.ptr, posted));
    return aw_sha256(&in->body, 1, &in->body_hash);
}

/* False: no memory. */
static bool
is_posted_again(const struct aw_read_item *item, const struct aw_in_message *in, const struct aw_hash_key *key, bool *ret_same)
{
    struct aw_slice  posted = aw_slice_of(in->body.ptr, in->body.len - in->reasons_bytes);
    struct aw_sha256 hash;

    if (item->posted_hash != 0) {
        *ret_same = posted_hash(key, posted) == item->posted_hash;
        return true;
    }
    hash = in->body_hash;
    if (in->reasons_bytes > 0 && !aw_sha256(&posted, 1, &hash))
        return false;
    *ret_same = memcmp(&hash, &item->body_hash, sizeof(hash)) == 0;
    return true;
}

static bool
make_command(struct aw_command *command, const struct aw_message *message, const struct aw_io *io, struct aw_arena *arena)
{
    const struct aw_hash_key *key = &io->shared->table_key;
    struct aw_in_message     *in = &command->in.message;

    command->kind = AW_COMMAND_MESSAGE;
    *in = (struct aw_in_message){
        .id_hash = aw_api_source_hash(key, message->channel, message->account, message->source_id),
        .channel = message->channel,
        .account = message->account,
        .lang = message->lang,
        .lane = message->lane,
        .tags = message->tags,
        .tag_count = message->tag_count,
        .received_at = message->received_at,
        .reply_by = message->reply_by,
        .visibility = message->visibility,
        .addressed = message->addressed,
    };
    if (message->booking.len > 0)
        in->booking_hash = aw_api_booking_hash(key, message->booking);
    in->contact = aw_api_contact_hash(key, message->channel, message->customer);
    if (message->in_reply_to.len > 0)
        in->in_reply_to = aw_api_provider_hash(key, message->channel, message->account, message->in_reply_to);
    return make_identities(in, message, key, arena) && make_flights(in, message, key, arena) &&
           make_airports(in, message, arena) &&
           aw_urgency_of(in, message, io->wall, io->shared->settings->backdate_h * 3600 * AW_MS_PER_S, &io->rules->use, arena) &&
           make_body(in, message, key, arena);
}

/* --- a line ------------------------------------------------------------------------------------------------------------------- */

/* Whether `Prefer: handling=lenient` is among the preferences, which may have parameters behind a semicolon (RFC 7240
 * section 2). What else is preferred is not known here and may be passed over. */
static bool
is_lenient(struct aw_slice prefer)
{
    while (prefer.len > 0) {
        struct aw_slice one = aw_slice_cut(&prefer, ',');
        struct aw_slice value = aw_slice_cut(&one, ';');
        struct aw_slice name = aw_slice_trim(aw_slice_cut(&value, '='));

        value = aw_slice_trim(value);
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
            value = aw_slice_of(value.ptr + 1, value.len - 2);
        if (aw_slice_eq_nocase(name, AW_SLICE("handling")))
            return aw_slice_eq_nocase(value, AW_SLICE("lenient")); /* the first counts */
    }
    return false;
}

static void
read_line(struct aw_call *call, struct aw_api_line *line, enum aw_media media, struct aw_slice bytes, struct aw_entry *entry)
{
    struct aw_arena        *arena = aw_call_arena(call);
    bool                    lenient = is_lenient(call->request->prefer);
    struct aw_proto_problem problem;
    struct aw_message       message;

    if (aw_proto_decode_message(arena, media, bytes, lenient, &message, &problem) != AW_OK) {
        aw_api_line_refuse(call, line, &problem);
        return;
    }
    line->problem = aw_access_account_problem(call->request, message.channel, message.account);
    line->problem.line = line->number;
    if (line->problem.err != AW_OK)
        return;
    if (!make_command(&entry->command, &message, call->io, arena)) {
        line->problem = (struct aw_problem){.err = AW_E_MEMORY, .line = line->number};
        return;
    }
    line->entry = entry;
}

/* --- the answer --------------------------------------------------------------------------------------------------------------- */

static bool
add_lane_reason(struct aw_receipt *receipt, struct aw_arena *arena)
{
    struct aw_slice *reasons = aw_arena_take(arena, (receipt->reason_count + 1) * sizeof(reasons[0]));

    if (reasons == NULL)
        return false;
    if (receipt->reason_count > 0)
        memcpy(reasons, receipt->reasons, receipt->reason_count * sizeof(reasons[0]));
    reasons[receipt->reason_count++] = AW_SLICE("lane:unknown");
    receipt->reasons = reasons;
    return true;
}

/* As the first time, so far as that may be told. */
static bool
make_receipt_again(struct post *post, const struct aw_api_line *line, struct aw_receipt *ret_receipt)
{
    const struct aw_in_message *in = &line->entry->command.in.message;
    const struct aw_read_item  *item = aw_api_line_item(&post->lines, line);
    bool                        is_same;

    if (!is_posted_again(item, in, &post->call.io->shared->table_key, &is_same))
        return false;
    *ret_receipt = item->receipt;
    ret_receipt->lane = aw_lanes_directory_name(post->call.io->shared->directory, item->lane);
    ret_receipt->notice = aw_surge_copy_notice(post->call.io, in, item->lane);
    ret_receipt->duplicate = true;
    ret_receipt->differs = !is_same;
    return !item->lane_unknown || add_lane_reason(ret_receipt, aw_call_arena(&post->call));
}

/* False: `ret_problem` says why there is no receipt. */
static bool
make_receipt(struct post *post, const struct aw_api_line *line, struct aw_receipt *ret_receipt, struct aw_problem *ret_problem)
{
    const struct aw_entry       *entry = line->entry;
    const struct aw_command     *command = &entry->command;
    const struct aw_out_message *out = &command->out.u.message;

    *ret_problem = (struct aw_problem){.err = command->out.err, .line = line->number};
    if (command->out.err != AW_OK)
        return false;
    if (out->duplicate) {
        const struct aw_read_item *item = aw_api_line_item(&post->lines, line);

        ret_problem->err = item->err == AW_E_NOT_FOUND ? AW_E_INTERNAL : item->err;
        if (item->err != AW_OK)
            return false;
        ret_problem->err = AW_E_MEMORY;
        return make_receipt_again(post, line, ret_receipt);
    }
    *ret_receipt = (struct aw_receipt){.message = {.seq = command->out.seq, .shard = post->call.io->shared->shard},
                                       .ticket = out->ticket,
                                       .related = out->related,
                                       .lane = out->lane_name,
                                       .reasons = command->in.message.reasons,
                                       .reason_count = command->in.message.reason_count,
                                       .class_ = out->class_,
                                       .folded = out->folded,
                                       .reopened = out->reopened,
                                       .promise = out->promise,
                                       .notice = aw_surge_copy_notice(post->call.io, &command->in.message, out->lane),
                                       .commit = entry->point};
    ret_problem->err = AW_E_MEMORY;
    return !out->lane_unknown || add_lane_reason(ret_receipt, aw_call_arena(&post->call));
}

static void
count_line(struct post *post, const struct aw_api_line *line)
{
    const struct aw_outcome_of *out;

    if (line->entry == NULL)
        return;
    out = &line->entry->command.out;
    if (out->err != AW_OK)
        aw_metric_add(post->call.io->metrics, AW_METRIC_REFUSED, 1);
    else if (out->u.message.duplicate)
        aw_metric_add(post->call.io->metrics, AW_METRIC_DUPLICATES, 1);
}

/* It counts no more, so another body of the gateway may begin. Harmless when it was told before. */
static void
leave(struct post *post)
{
    struct aw_list *next;

    if (post->is_over)
        return;
    post->is_over = true;
    aw_list_remove(&post->call.request->node);
    aw_arena_reset(&post->work);
    next = aw_posts_leave(&post->call.io->posts, post->gateway, post->is_in_work);
    if (next != NULL)
        ((struct post *)AW_CONTAINER(next, struct aw_request, node)->user)->is_in_work = true;
}

/* Nothing of it is left in memory, or soon. */
static void
leave_for_good(struct post *post)
{
    leave(post);
    aw_posts_drop(&post->call.io->posts, post->gateway, post->body_bytes);
    post->body_bytes = 0;
}

static void
wait_for_turn(struct post *post, enum post_step step)
{
    post->step = step;
    aw_posts_again(&post->call.io->posts, post->gateway, &post->call.request->node);
}

static void
answer_one(struct post *post)
{
    struct aw_api_line *line = &post->lines.lines[0];
    struct aw_receipt   receipt;
    struct aw_problem   problem;
    struct aw_buffer    buffer;
    struct aw_writer    writer;

    leave(post);
    count_line(post, line);
    if (!make_receipt(post, line, &receipt, &problem)) {
        aw_call_problem_with(&post->call, &problem, post->rate.fields, post->rate.count);
        return;
    }
    aw_buffer_init(&buffer, aw_call_arena(&post->call));
    aw_writer_init(&writer, &buffer, post->media);
    aw_proto_write_receipt(&writer, &receipt);
    aw_call_answer(&post->call, 202, post->media, &buffer, post->rate.fields, post->rate.count);
}

static void
answer_line(struct post *post, struct aw_api_line *line)
{
    struct aw_problem problem = line->problem;
    struct aw_receipt receipt;

    count_line(post, line);
    if (line->entry != NULL && make_receipt(post, line, &receipt, &problem)) {
        aw_proto_write_receipt_line(&post->answer.writer, line->number, 202, &receipt);
        return;
    }
    aw_call_set_broken(&post->call, &problem);
    if (problem.retry_after_s == 0)
        problem.retry_after_s = aw_retry_after_s(problem.err);
    aw_proto_write_problem_line(&post->answer.writer, &problem);
}

/* Writes on for about `most`, and returns what that cost. */
static uint32_t
answer_some(struct post *post, uint32_t most)
{
    struct post_answer *answer = &post->answer;
    uint32_t            cost = 0;

    for (; answer->next < post->lines.count && cost < most; cost += RECEIPT_COST)
        answer_line(post, &post->lines.lines[answer->next++]);
    if (answer->next < post->lines.count) {
        wait_for_turn(post, POST_ANSWER);
        return cost;
    }
    leave(post);
    aw_call_answer(&post->call, 200, post->media, &answer->buffer, post->rate.fields, post->rate.count);
    return cost;
}

static void
begin_answer(struct post *post)
{
    if (!post->lines.many) {
        wait_for_turn(post, POST_ANSWER);
        return;
    }
    aw_buffer_init(&post->answer.buffer, aw_call_arena_kept(&post->call));
    aw_writer_init(&post->answer.writer, &post->answer.buffer, post->media);
    wait_for_turn(post, POST_ANSWER);
}

/* The first receipts of what was posted before lie in the journal. */
static bool
needs_receipt(const struct aw_api_line *line, struct aw_read_item *ret_item)
{
    const struct aw_outcome_of *out = &line->entry->command.out;

    if (out->err != AW_OK || !out->u.message.duplicate)
        return false;
    *ret_item = (struct aw_read_item){.kind = AW_READ_RECEIPT, .last_seq = out->u.message.first_seq};
    return true;
}

/* All that could be is committed. */
static void
finish(struct post *post)
{
    if (aw_api_lines_read(&post->call, &post->lines, needs_receipt, RECEIPT_BYTES) == AW_READING_NONE)
        begin_answer(post);
}

/* False: there is nothing more to ask. */
static bool
ask_some(struct post *post)
{
    const struct aw_read *read = post->lines.read;
    struct post_look     *look = post->look;
    uint32_t              count = 0;

    for (look->first = look->next; look->next < read->count && count < SUBMIT_MESSAGES; look->next++) {
        const struct aw_receipt *receipt = &read->items[look->next].receipt;

        if (receipt->reason_count > 0)
            look->messages[count++] = (struct aw_message_look){.seq = receipt->message.seq, .ticket = receipt->ticket};
    }
    if (count == 0)
        return false;
    look->query = (struct aw_query){.kind = AW_QUERY_MESSAGES, .messages = look->messages, .room = count};
    look->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &look->query};
    aw_call_submit(&post->call, &look->submission);
    return true;
}

/* What may not be told is not told. */
static void
take_looks(struct post *post)
{
    struct post_look *look = post->look;
    uint32_t          count = 0;

    for (uint32_t i = look->first; i < look->next; i++) {
        struct aw_receipt *receipt = &post->lines.read->items[i].receipt;

        if (receipt->reason_count > 0 && (!aw_message_is_shown(&look->messages[count++]) || look->submission.err != AW_OK))
            receipt->reason_count = 0;
    }
}

/* All is read: what of it is shown is asked, and then it is answered. */
static void
ask_what_is_shown(struct post *post)
{
    const struct aw_read *read = post->lines.read;
    uint32_t              count = 0;

    for (uint32_t i = 0; i < read->count && count < SUBMIT_MESSAGES; i++)
        count += read->items[i].receipt.reason_count > 0;
    post->look =
        aw_arena_take_zeroed(aw_call_arena(&post->call), 1, sizeof(*post->look) + count * sizeof(struct aw_message_look));
    if (post->look == NULL)
        aw_call_fail(&post->call, AW_E_MEMORY, "");
    else if (!ask_some(post))
        begin_answer(post);
}

static void
submit(struct post *post)
{
    post->lines.submission.party = post->gateway;
    aw_call_submit(&post->call, &post->lines.submission);
}

/* False: answered, or the only message of it is submitted. */
static bool
begin(struct post *post)
{
    struct aw_call *call = &post->call;
    uint32_t        count = 1;

    /* Room first: what was admitted is not given back. */
    if (post->lines.many &&
        (!aw_api_lines_begin(call, &post->lines, post->body_media, &count) || !aw_api_lines_make_room(call, &post->lines, count)))
        return false;
    if (!aw_api_gateway_admits(call, post->gateway, count, &post->rate))
        return false;
    if (post->lines.many)
        return true;
    if (aw_api_lines_take(call, &post->lines, post->body_media, read_line))
        submit(post);
    return false;
}

static uint32_t
read_some(struct post *post, uint32_t most)
{
    const struct aw_api_piece piece = {.bytes_most = most, .line_bytes = AW_POSTS_LINE_BYTES, .commands_max = SUBMIT_MESSAGES};
    uint32_t                  cost = aw_api_lines_more(&post->call, &post->lines, &piece, read_line);

    if (post->lines.is_more && post->lines.submission.count < SUBMIT_MESSAGES)
        wait_for_turn(post, POST_READ);
    else if (post->lines.submission.count > 0)
        submit(post);
    else
        finish(post);
    return cost;
}

/* One turn. Returns what it cost; the post may be gone by then. */
static uint32_t
work(struct post *post, uint32_t most)
{
    uint32_t cost;

    switch (post->step) {
    case POST_BEGIN:
        /* Of several, to count them is a walk over the body. */
        cost =
            AW_POSTS_LINE_BYTES + (uint32_t)(post->lines.many ? post->call.request->body.len / 16 : post->call.request->body.len);
        if (begin(post))
            wait_for_turn(post, POST_READ);
        return cost;
    case POST_READ:
        return read_some(post, most);
    case POST_ANSWER:
        if (post->lines.many)
            return answer_some(post, most);
        answer_one(post);
        return AW_POSTS_LINE_BYTES;
    }
    AW_UNREACHABLE();
}

void
aw_api_posts_step(struct aw_io *io)
{
    uint32_t        left = io->is_contended ? AW_POSTS_LOOP_BYTES : AW_POSTS_LOOP_BYTES_ALONE;
    struct aw_list *node;
    uint32_t        gateway;

    while (left > 0 && (node = aw_posts_next(&io->posts, &gateway)) != NULL) {
        struct post *post = AW_CONTAINER(node, struct aw_request, node)->user;
        uint32_t     cost = work(post, left < AW_POSTS_TURN_BYTES ? left : AW_POSTS_TURN_BYTES);

        aw_turns_charge(&io->posts.turns, gateway, cost);
        left -= cost < left ? cost : left;
    }
}

static void
on_posted(struct aw_call *call)
{
    struct post *post = (struct post *)call;
    bool         failed;

    if (post->look != NULL) {
        take_looks(post);
        if (!ask_some(post))
            begin_answer(post);
        return;
    }
    if (post->lines.submission.err != AW_OK) {
        aw_call_fail(call, post->lines.submission.err, "");
        return;
    }
    if (post->lines.is_more) {
        aw_api_lines_renew(&post->lines);
        wait_for_turn(post, POST_READ);
        return;
    }
    if (post->lines.read == NULL) {
        finish(post);
        return;
    }
    if (aw_api_read_again(call, post->lines.read, &failed))
        return;
    if (failed)
        aw_call_fail(call, AW_E_MEMORY, "");
    else
        ask_what_is_shown(post);
}

/* A client that left keeps its messages: what was submitted is committed, and a re-post says so. */
static bool
on_post_gone(struct aw_call *call)
{
    leave_for_good((struct post *)call);
    return false;
}

/* However it was answered. */
static void
on_post_sent(struct aw_call *call, bool delivered)
{
    (void)delivered;
    leave_for_good((struct post *)call);
}

/* Who does not read why it was refused keeps no other body of the gateway waiting. */
static void
on_post_failed(struct aw_call *call)
{
    leave((struct post *)call);
}

static const struct aw_call_ops post_ops = {
    .on_back = on_posted, .on_failed = on_post_failed, .on_gone = on_post_gone, .on_sent = on_post_sent};

/* --- POST /v1/messages -------------------------------------------------------------------------------------------------------- */

void
aw_api_post_messages(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct post *post = aw_call_new(io, request, &post_ops, sizeof(*post));

    (void)id;
    if (post == NULL)
        return;
    post->is_over = true; /* until it is counted */
    if (!aw_api_media(&post->call, true, &post->body_media))
        return;
    post->lines.many = aw_media_is_sequence(post->body_media);
    if (!aw_call_negotiate(&post->call, post->lines.many, &post->media))
        return;
    if (request->body.len == 0) {
        aw_call_fail(&post->call, AW_E_MALFORMED, "there is no message in the body");
        return;
    }
    post->gateway = aw_api_gateway_find(&post->call);
    if (!aw_posts_try_enter(&io->posts, post->gateway, request->body.len)) {
        aw_call_fail(&post->call, AW_E_OVERLOADED, "too many posts are in work");
        return;
    }
    post->is_over = false;
    post->body_bytes = request->body.len;
    if (post->lines.many || aw_posts_is_bulk(&io->posts, post->gateway))
        aw_request_mark_bulk(request);
    if (post->lines.many) {
        aw_arena_init(&post->work, io->blocks);
        post->call.work = &post->work;
    }
    post->is_in_work = aw_posts_add(&io->posts, post->gateway, &request->node, post->lines.many) && post->lines.many;
}

/* --- GET /v1/messages/{id} ----------------------------------------------------------------------------------------------- */

struct look {
    struct aw_call         call;
    struct aw_read        *read; /* [0] the receipt, [1] the message alone, [2] where it came from */
    enum aw_media          media;
    struct aw_submission   submission;
    struct aw_query        query;
    struct aw_message_look shown; /* whether it may be */
    bool                   is_asked;
};

static void
answer_message(struct look *look)
{
    struct aw_call           *call = &look->call;
    struct aw_read_item      *item = look->read->items;
    struct aw_stored_message *message = &item[1].messages[0];
    struct aw_receipt         receipt = item[0].receipt;
    struct aw_buffer          buffer;
    struct aw_writer          writer;
    bool                      has_room = true;

    message->withdrawn_at = look->shown.err == AW_OK ? look->shown.withdrawn_at : 0;
    message->erased |= look->shown.err != AW_OK; /* nothing is shown of a ticket that is not shown */
    if (!aw_message_is_shown(&look->shown))
        receipt.reason_count = 0; /* they tell words of it */
    if (item[0].lane_unknown)
        has_room = add_lane_reason(&receipt, aw_call_arena(call));
    receipt.lane = aw_lanes_directory_name(call->io->shared->directory, item[0].lane);
    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_writer_init(&writer, &buffer, look->media);
    if (!has_room)
        aw_call_fail(call, AW_E_MEMORY, "");
    else if (aw_proto_write_message(&writer, message, &receipt))
        aw_call_answer(call, 200, look->media, &buffer, NULL, 0);
    else
        aw_call_fail(call, AW_E_INTERNAL, "the stored message is damaged");
}

/* Whether its channel and account are the gateway's. When its record cannot be read nobody can tell. False: answered 403. */
static bool
is_own(struct look *look)
{
    const struct aw_token     *token = aw_access_token(look->call.request);
    const struct aw_read_item *address = &look->read->items[2];

    if (token == NULL || token->account_count == 0)
        return true;
    if (address->err == AW_OK)
        return aw_access_account(&look->call, address->channel, address->account);
    aw_call_fail(&look->call, AW_E_FORBIDDEN, "this token is for some channels only, and of which this message is can't be read");
    return false;
}

static void
on_looked(struct aw_call *call)
{
    struct look         *look = (struct look *)call;
    struct aw_read_item *item = look->read->items;
    bool                 failed;

    if (look->is_asked) {
        if (look->submission.err != AW_OK)
            aw_call_fail(call, look->submission.err, "");
        else
            answer_message(look);
        return;
    }
    if (aw_api_read_again(call, look->read, &failed))
        return;
    if (failed || item[0].err != AW_OK || item[1].err != AW_OK || item[1].message_count != 1) {
        enum aw_err err = item[0].err != AW_OK ? item[0].err : item[1].err != AW_OK ? item[1].err : AW_E_CORRUPT;

        aw_call_fail(call, failed ? AW_E_MEMORY : err, err == AW_E_NOT_FOUND ? "there is no message by that id" : "");
        return;
    }
    if (!is_own(look))
        return;
    look->is_asked = true;
    look->shown = (struct aw_message_look){.seq = item[0].receipt.message.seq, .ticket = item[0].receipt.ticket};
    look->query = (struct aw_query){.kind = AW_QUERY_MESSAGES, .messages = &look->shown, .room = 1};
    look->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &look->query};
    aw_call_submit(call, &look->submission);
}

static const struct aw_call_ops look_ops = {.on_back = on_looked};

void
aw_api_get_message(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct look         *look = aw_call_new(io, request, &look_ops, sizeof(*look));
    struct aw_message_id message;

    if (look == NULL || !aw_call_negotiate(&look->call, false, &look->media))
        return;
    if (!aw_message_id_parse(id, &message) || message.shard != io->shared->shard) {
        aw_call_fail(&look->call, AW_E_NOT_FOUND, "there is no message by that id");
        return;
    }
    look->read = aw_api_read_new(&look->call, 3, 3 * RECEIPT_BYTES);
    if (look->read == NULL) {
        aw_call_fail(&look->call, AW_E_MEMORY, "");
        return;
    }
    look->read->items[0] = (struct aw_read_item){.kind = AW_READ_RECEIPT, .last_seq = message.seq};
    look->read->items[1] =
        (struct aw_read_item){.kind = AW_READ_THREAD, .last_seq = message.seq, .above_seq = message.seq - 1, .messages_max = 1};
    look->read->items[2] = (struct aw_read_item){.kind = AW_READ_ADDRESS, .last_seq = message.seq};
    aw_call_read(&look->call, look->read);
}
