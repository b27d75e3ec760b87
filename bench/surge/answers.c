/* answers.c - see answers.h. */
#include "bench/surge/answers.h"

#include "bench/surge/ledger.h"
#include "model/limits.h"

#include <stdio.h>

#define URN AW_SLICE("urn:aswolk:")

#define IS(key, literal) aw_slice_eq((key), AW_SLICE(literal))

bool
surge_answer_is_msgpack(const struct aw_exchange_result *result)
{
    struct aw_slice type = aw_exchange_field_of(result, AW_SLICE("content-type"));

    return memmem(type.ptr == NULL ? "" : type.ptr, type.len, "msgpack", 7) != NULL;
}

/* The raw bytes of the next value. */
static bool
take_raw(struct surge_walk *walk, struct aw_slice *ret_raw)
{
    const char *start = walk->at;

    surge_walk_skip(walk);
    *ret_raw = aw_slice_of(start, (size_t)(walk->at - start));
    return !walk->failed;
}

static bool
take_problem(struct surge_walk *walk, struct aw_slice *ret_name)
{
    if (!surge_walk_text(walk, ret_name))
        return false;
    if (aw_slice_starts(*ret_name, URN)) {
        ret_name->ptr += URN.len;
        ret_name->len -= URN.len;
    }
    return true;
}

bool
surge_answer_line(struct surge_walk *walk, struct surge_line_answer *ret_answer)
{
    struct aw_slice key;
    bool            ok = true;

    *ret_answer = (struct surge_line_answer){.line = 0};
    if (!surge_walk_map(walk))
        return false;
    while (ok && surge_walk_key(walk, &key)) {
        if (IS(key, "message"))
            ok = surge_walk_text(walk, &ret_answer->message);
        else if (IS(key, "ticket"))
            ok = surge_walk_text(walk, &ret_answer->ticket);
        else if (IS(key, "duplicate"))
            ok = surge_walk_flag(walk, &ret_answer->duplicate);
        else if (IS(key, "differs"))
            ok = surge_walk_flag(walk, &ret_answer->differs);
        else if (IS(key, "folded"))
            ok = surge_walk_flag(walk, &ret_answer->folded);
        else if (IS(key, "reopened"))
            ok = surge_walk_flag(walk, &ret_answer->reopened);
        else if (IS(key, "line"))
            ok = surge_walk_u64(walk, &ret_answer->line);
        else if (IS(key, "status"))
            ok = surge_walk_u64(walk, &ret_answer->status);
        else if (IS(key, "type"))
            ok = take_problem(walk, &ret_answer->problem);
        else if (IS(key, "retry_after_s"))
            ok = surge_walk_u64(walk, &ret_answer->retry_after_s);
        else if (IS(key, "messages"))
            ok = take_raw(walk, &ret_answer->messages);
        else
            surge_walk_skip(walk);
    }
    return ok && !walk->failed;
}

bool
surge_answer_lease(struct surge_walk *walk, struct surge_lease_answer *ret_answer)
{
    struct aw_slice key;
    bool            ok = true;

    *ret_answer = (struct surge_lease_answer){.expires_in_s = 0};
    if (!surge_walk_map(walk))
        return false;
    while (ok && surge_walk_key(walk, &key)) {
        if (IS(key, "lease"))
            ok = surge_walk_text(walk, &ret_answer->lease);
        else if (IS(key, "ticket"))
            ok = surge_walk_text(walk, &ret_answer->ticket);
        else if (IS(key, "class"))
            ok = surge_walk_text(walk, &ret_answer->class_);
        else if (IS(key, "state"))
            ok = surge_walk_text(walk, &ret_answer->state);
        else if (IS(key, "expires_in_s"))
            ok = surge_walk_u64(walk, &ret_answer->expires_in_s);
        else if (IS(key, "waited_s"))
            ok = surge_walk_u64(walk, &ret_answer->waited_s);
        else if (IS(key, "messages_total"))
            ok = surge_walk_u64(walk, &ret_answer->messages_total);
        else if (IS(key, "messages"))
            ok = take_raw(walk, &ret_answer->messages);
        else
            surge_walk_skip(walk);
    }
    return ok && !walk->failed;
}

bool
surge_answer_leases(struct surge_walk *walk)
{
    struct aw_slice key;

    if (!surge_walk_map(walk))
        return false;
    while (surge_walk_key(walk, &key)) {
        if (IS(key, "leases") || IS(key, "items"))
            return surge_walk_list(walk);
        surge_walk_skip(walk);
    }
    return false;
}

/* A text that outlives the next one. */
static bool
take_copy(struct surge_walk *walk, char *bytes, size_t room, struct aw_slice *ret_text)
{
    struct aw_slice text;

    if (!surge_walk_text(walk, &text) || text.len > room)
        return false;
    memcpy(bytes, text.ptr, text.len);
    *ret_text = aw_slice_of(bytes, text.len);
    return true;
}

bool
surge_answer_message(struct surge_walk *walk, struct surge_message_answer *ret_answer)
{
    char            channel_bytes[AW_CHANNEL_BYTES_MAX];
    char            account_bytes[AW_ACCOUNT_BYTES_MAX];
    char            id_bytes[AW_EXTERNAL_ID_BYTES_MAX];
    struct aw_slice channel = {NULL, 0};
    struct aw_slice account = AW_SLICE("main");
    struct aw_slice source_id = {NULL, 0};
    struct aw_slice key;
    bool            ok = true;

    *ret_answer = (struct surge_message_answer){.source = 0};
    if (!surge_walk_map(walk))
        return false;
    while (ok && surge_walk_key(walk, &key)) {
        if (IS(key, "message"))
            ok = surge_walk_text(walk, &ret_answer->message);
        else if (IS(key, "channel"))
            ok = take_copy(walk, channel_bytes, sizeof(channel_bytes), &channel);
        else if (IS(key, "account"))
            ok = take_copy(walk, account_bytes, sizeof(account_bytes), &account);
        else if (IS(key, "source_id"))
            ok = take_copy(walk, id_bytes, sizeof(id_bytes), &source_id);
        else
            surge_walk_skip(walk);
    }
    if (!ok || walk->failed)
        return false;
    if (source_id.len > 0) /* an erased message has none */
        ret_answer->source = surge_source_key(channel, account, source_id);
    return true;
}

struct aw_slice
surge_answer_problem(const struct aw_exchange_result *result, char name[32])
{
    struct surge_walk        walk;
    struct surge_line_answer answer;

    surge_walk_begin(&walk, result->body, surge_answer_is_msgpack(result));
    if (result->body.len > 0 && surge_answer_line(&walk, &answer) && answer.problem.len > 0)
        return answer.problem;
    (void)snprintf(name, 32, "status-%u", result->status);
    return aw_slice_str(name);
}

uint64_t
surge_answer_retry_after_s(const struct aw_exchange_result *result)
{
    uint64_t seconds = 0;

    (void)aw_slice_to_u64(aw_exchange_field_of(result, AW_SLICE("retry-after")), 86400, &seconds);
    return seconds;
}
