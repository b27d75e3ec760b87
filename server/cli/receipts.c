/* receipts.c - reading receipts, and comparing them field by field with what the record gives: the answer that the server would
 * write of it today, by the same function.
 */
#include "cli/receipts.h"

#include "cli/cli.h"
#include "proto/proto.h"
#include "proto/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- reading -------------------------------------------------------------------------------------------------------------- */

static bool
hash_of(struct aw_slice text, struct aw_sha256 *ret_hash)
{
    if (text.len != 2 * sizeof(ret_hash->bytes))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *digits = "0123456789abcdef", *found = text.ptr[i] == '\0' ? NULL : strchr(digits, text.ptr[i]);

        if (found == NULL)
            return false;
        ret_hash->bytes[i / 2] = (uint8_t)(ret_hash->bytes[i / 2] << 4 | (found - digits));
    }
    return true;
}

static struct aw_slice
text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_string(value) ? aw_slice_of(json_string_value(value), json_string_length(value)) : aw_slice_of("", 0);
}

/* What a receipt is found by; NULL, or why it is none. */
static const char *
read_place(const json_t *object, struct aw_cli_receipt *receipt)
{
    const json_t        *commit = json_object_get(object, "commit");
    json_int_t           index = json_integer_value(json_object_get(commit, "index"));
    struct aw_message_id id;

    if (!json_is_object(object))
        return "no JSON object";
    if (!aw_message_id_parse(text_of(object, "message"), &id) || id.seq == 0)
        return "names no message";
    if (index <= 0 || !hash_of(text_of(commit, "hash"), &receipt->hash))
        return "names no commit";
    receipt->seq = id.seq;
    receipt->shard = id.shard;
    receipt->index = (uint64_t)index;
    return NULL;
}

/* A line of a batch's answer that says why there is none. */
static bool
is_refusal(const json_t *object)
{
    return json_integer_value(json_object_get(object, "status")) >= 300 && json_object_get(object, "message") == NULL;
}

/* What GET /v1/messages/{id} answers has it as a member. */
static const json_t *
receipt_in(const json_t *object)
{
    const json_t *inner = json_object_get(object, "receipt");

    return json_is_object(inner) ? inner : object;
}

static enum aw_err
need_room(struct aw_cli_receipts *receipts)
{
    size_t                 room = receipts->_room == 0 ? 64 : 2 * receipts->_room;
    struct aw_cli_receipt *larger;

    if (receipts->count < receipts->_room)
        return AW_OK;
    larger = realloc(receipts->all, room * sizeof(larger[0]));
    if (larger == NULL)
        return AW_E_MEMORY;
    receipts->all = larger;
    receipts->_room = room;
    return AW_OK;
}

enum aw_err
aw_cli_receipts_add(struct aw_cli_receipts *receipts, uint64_t number, struct aw_slice line)
{
    json_t               *object = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, NULL);
    struct aw_cli_receipt receipt = {.number = number};
    enum aw_err           err = need_room(receipts);

    if (err == AW_OK && object != NULL && is_refusal(object)) {
        receipts->refused++;
    } else if (err == AW_OK) {
        receipt.words = read_place(receipt_in(object), &receipt);
        receipt.verdict = receipt.words == NULL ? AW_CLI_VERDICT_OPEN : AW_CLI_VERDICT_NO_RECEIPT;
        receipt.is_asked_for = receipt_in(object) != object || json_is_true(json_object_get(object, "duplicate"));
        receipt.text = receipt.words == NULL ? json_dumps(receipt_in(object), JSON_COMPACT) : NULL;
        if (receipt.words == NULL && receipt.text == NULL)
            err = AW_E_MEMORY;
        else
            receipts->all[receipts->count++] = receipt;
    }
    json_decref(object);
    return err;
}

void
aw_cli_receipts_free(struct aw_cli_receipts *receipts)
{
    for (size_t i = 0; i < receipts->count; i++) {
        free(receipts->all[i].text);
        json_decref(receipts->all[i].differs);
    }
    free(receipts->all);
    *receipts = (struct aw_cli_receipts){.all = NULL};
}

static int
compare_numbers(const void *a, const void *b)
{
    const struct aw_cli_receipt *first = a, *second = b;

    return first->number < second->number ? -1 : first->number > second->number;
}

static int
compare_records(const void *a, const void *b)
{
    const struct aw_cli_receipt *first = a, *second = b;

    if (first->seq != second->seq)
        return first->seq < second->seq ? -1 : 1;
    return compare_numbers(a, b);
}

void
aw_cli_receipts_sort(struct aw_cli_receipts *receipts, bool by_record)
{
    if (receipts->count > 0)
        qsort(receipts->all, receipts->count, sizeof(receipts->all[0]), by_record ? compare_records : compare_numbers);
}

/* --- comparing ------------------------------------------------------------------------------------------------------------ */

enum aw_err
aw_cli_receipt_differs(struct aw_cli_receipt *receipt, const char *field, const json_t *stated, json_t *store)
{
    json_t *row = json_pack("{s:s,s:o,s:o}", "field", field, "receipt", stated == NULL ? json_null() : json_deep_copy(stated),
                            "store", store == NULL ? json_null() : store);

    receipt->verdict = AW_CLI_VERDICT_DIFFERS;
    if (receipt->differs == NULL)
        receipt->differs = json_array();
    return json_array_append_new(receipt->differs, row) == 0 ? AW_OK : AW_E_MEMORY;
}

#define REASON_OF_LANE AW_SLICE("lane:unknown") /* the one that quotes nothing: it follows from the outcome */

/* What the server would answer, but for the commit and the lane's name. `reasons`: room for one more. NULL: no memory. */
static json_t *
write_receipt(const struct aw_cli_place *place, const struct aw_command *command, struct aw_slice *reasons, uint32_t reason_count,
              struct aw_arena *arena)
{
    const struct aw_out_message *out = &command->out.u.message;
    struct aw_receipt            receipt = {.message = {.seq = command->out.seq, .shard = place->shard},
                                            .ticket = out->ticket,
                                            .related = out->related,
                                            .reasons = reasons,
                                            .reason_count = reason_count,
                                            .class_ = out->class_,
                                            .folded = out->folded,
                                            .reopened = out->reopened,
                                            .promise = out->promise};
    struct aw_buffer             buffer;
    struct aw_writer             writer;

    if (out->lane_unknown)
        reasons[receipt.reason_count++] = REASON_OF_LANE;
    aw_buffer_init(&buffer, arena);
    aw_writer_init(&writer, &buffer, AW_MEDIA_JSON);
    aw_proto_write_receipt(&writer, &receipt);
    return buffer.failed ? NULL : json_loadb(buffer.ptr, buffer.len, 0, NULL);
}

/* Told of the answer and not of the message; or compared elsewhere. */
static bool
is_passed_over(const char *field)
{
    static const char *const fields[] = {"line", "status", "duplicate", "differs", "notice", "lane", "commit"};

    for (size_t i = 0; i < AW_ARRAY_LEN(fields); i++) {
        if (strcmp(field, fields[i]) == 0)
            return true;
    }
    return false;
}

/* The reasons of a message that is withdrawn, erased or not shown any more are not told when it is asked for; and those of a text
 * that is gone nobody knows. But that there were some is known, and whether its lane was. */
static bool
is_left_out(const struct aw_cli_receipt *receipt, const struct aw_out_message *out, const char *field, const json_t *stated)
{
    unsigned      of_lane = 0, others = 0;
    size_t        i;
    const json_t *reason;

    if (strcmp(field, "reasons") != 0 || !json_is_array(stated))
        return false;
    json_array_foreach(stated, i, reason)
    {
        if (json_is_string(reason) && strcmp(json_string_value(reason), REASON_OF_LANE.ptr) == 0)
            of_lane++;
        else
            others++;
    }
    if (of_lane != (out->lane_unknown ? 1U : 0U))
        return false;
    return others > 0 ? receipt->lacks_reasons : receipt->is_asked_for;
}

/* Of an object its members, so that what differs has a name. */
static enum aw_err
compare_value(struct aw_cli_receipt *receipt, const char *field, json_t *stated, json_t *store)
{
    char        name[128];
    const char *key;
    json_t     *value;
    enum aw_err err = AW_OK;

    if (store != NULL && json_equal(stated, store))
        return AW_OK;
    if (!json_is_object(stated) || !json_is_object(store))
        return aw_cli_receipt_differs(receipt, field, stated, json_incref(store));
    json_object_foreach(stated, key, value)
    {
        (void)snprintf(name, sizeof(name), "%s.%s", field, key);
        if (err == AW_OK)
            err = compare_value(receipt, name, value, json_object_get(store, key));
    }
    return err;
}

enum aw_err
aw_cli_receipt_compare(struct aw_cli_receipt *receipt, const struct aw_cli_place *place, const struct aw_command *command,
                       struct aw_slice body, struct aw_arena *arena)
{
    struct aw_message_parts parts = {.reason_count = 0};
    struct aw_slice         reasons[AW_REASONS_MAX + 1] = {AW_SLICE("gone with the text")};
    json_t                 *stated = json_loads(receipt->text, 0, NULL), *store;
    const char             *field;
    json_t                 *value;
    enum aw_err             err = stated == NULL ? AW_E_MEMORY : AW_OK;

    receipt->at = place->at;
    if (err == AW_OK && command->kind != AW_COMMAND_MESSAGE) {
        err = aw_cli_receipt_differs(receipt, "message", json_object_get(stated, "message"),
                                     json_sprintf("a record of the kind %s", aw_command_name(command->kind)));
        json_decref(stated);
        return err;
    }
    receipt->lacks_reasons = command->in.message.reasons_bytes > 0 &&
                             (body.len == 0 || !aw_proto_message_parts(body, command->in.message.reasons_bytes, &parts));
    if (parts.reason_count > 0)
        memcpy(reasons, parts.reasons, parts.reason_count * sizeof(reasons[0]));
    store = write_receipt(place, command, reasons, receipt->lacks_reasons ? 1 : parts.reason_count, arena);
    err = stated == NULL || store == NULL ? AW_E_MEMORY : AW_OK;
    receipt->lane = command->out.u.message.lane;
    json_object_foreach(stated, field, value)
    {
        if (err == AW_OK && !is_passed_over(field) && !is_left_out(receipt, &command->out.u.message, field, value))
            err = compare_value(receipt, field, value, json_object_get(store, field));
    }
    json_decref(stated);
    json_decref(store);
    return err;
}

enum aw_err
aw_cli_receipt_compare_commit(struct aw_cli_receipt *receipt, uint64_t index, const struct aw_sha256 *hash)
{
    char        stated[2 * sizeof(hash->bytes) + 1], store[sizeof(stated)];
    json_t     *value;
    enum aw_err err = AW_OK;

    if (receipt->index != index) {
        value = json_integer((json_int_t)receipt->index);
        err = aw_cli_receipt_differs(receipt, "commit.index", value, json_integer((json_int_t)index));
        json_decref(value);
    }
    if (err != AW_OK || memcmp(&receipt->hash, hash, sizeof(*hash)) == 0)
        return err;
    aw_cli_hex(receipt->hash.bytes, sizeof(receipt->hash.bytes), stated);
    aw_cli_hex(hash->bytes, sizeof(hash->bytes), store);
    value = json_string(stated);
    err = aw_cli_receipt_differs(receipt, "commit.hash", value, json_string(store));
    json_decref(value);
    return err;
}

enum aw_err
aw_cli_receipt_compare_lane(struct aw_cli_receipt *receipt, struct aw_slice lane)
{
    json_t     *stated = json_loads(receipt->text, 0, NULL);
    json_t     *value = json_object_get(stated, "lane");
    enum aw_err err = stated == NULL ? AW_E_MEMORY : AW_OK;

    if (err == AW_OK && value != NULL && !aw_slice_eq(text_of(stated, "lane"), lane))
        err = aw_cli_receipt_differs(receipt, "lane", value, json_stringn(lane.ptr, lane.len));
    json_decref(stated);
    return err;
}
