/* What is taken and what is refused: each refusal with its error, its field and its words; each limit of the table at its edge
 * and one over; defaults; lenient messages. How: tables of bodies; the limits by a walk over the field table itself, so that a
 * new field is tested too. */
#include "proto_rig.h"

#define BASE          "\"channel\":\"web\",\"source_id\":\"1\",\"customer\":\"c\""
#define MESSAGE(more) "{" BASE ",\"text\":\"t\"," more "}"

struct refusal {
    enum aw_object_kind kind;
    const char         *body;
    enum aw_fault       fault;
    const char         *field;
    const char         *words; /* somewhere in the detail */
};

static const struct refusal refusals[] = {
    /* Not JSON. */
    {AW_OBJECT_MESSAGE, "", AW_FAULT_MALFORMED, "", "the body is empty"},
    {AW_OBJECT_MESSAGE, " \r\n", AW_FAULT_MALFORMED, "", "the body is empty"},
    {AW_OBJECT_MESSAGE, "{", AW_FAULT_MALFORMED, "", "at byte 1"},
    {AW_OBJECT_MESSAGE, "{\"text\":}", AW_FAULT_MALFORMED, "text", "at byte 9"},
    {AW_OBJECT_MESSAGE, "{\"text\":\"a\"} x", AW_FAULT_MALFORMED, "", "at byte 14"},
    {AW_OBJECT_MESSAGE, "{\"text\":\"a\tb\"}", AW_FAULT_MALFORMED, "text", "control character"},
    {AW_OBJECT_MESSAGE, "{\"text\":\"\\ud800\"}", AW_FAULT_MALFORMED, "text", "invalid Unicode"},
    {AW_OBJECT_MESSAGE, "{\"text\":\"\\udc00\\ud800\"}", AW_FAULT_MALFORMED, "text", "invalid Unicode"},
    {AW_OBJECT_PULL, "{\"max\":01}", AW_FAULT_MALFORMED, "max", "byte"},
    {AW_OBJECT_PULL, "{\"max\":1,}", AW_FAULT_MALFORMED, "", "byte"},
    {AW_OBJECT_PULL, "\xef\xbb\xbf{}", AW_FAULT_MALFORMED, "", "byte"},
    {AW_OBJECT_MESSAGE, "{\"text\":\"\xff\"}", AW_FAULT_UTF8, "text", "not valid UTF-8"},
    {AW_OBJECT_MESSAGE, "{\"text\":\"\xc0\xaf\"}", AW_FAULT_UTF8, "text", "not valid UTF-8"},
    {AW_OBJECT_MESSAGE, "{\"text\":\"\xed\xa0\x80\"}", AW_FAULT_UTF8, "text", "not valid UTF-8"},
    {AW_OBJECT_MESSAGE, "{\"text\":\"a\",\"text\":\"b\"}", AW_FAULT_DUPLICATE, "text", "is there twice"},
    {AW_OBJECT_MESSAGE, "{\"text\":\"a\",\"t\\u0065xt\":\"b\"}", AW_FAULT_DUPLICATE, "t\\u0065xt", "is there twice"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"flights\":[{\"number\":\"KL1\"},{\"number\":\"KL1\",\"number\":\"KL2\"}]"), AW_FAULT_DUPLICATE,
     "flights[1].number", "flights[1].number is there twice"},
    {AW_OBJECT_MESSAGE, "{\"meta\":{\"a\":\"1\",\"a\":\"2\"}}", AW_FAULT_DUPLICATE, "meta.a", "is there twice"},
    {AW_OBJECT_MESSAGE, "{\"a\\u0000b\":1}", AW_FAULT_VALUE, "a\\u0000b", "NUL"},
    {AW_OBJECT_MESSAGE, "{\"x\":[[[[[[[[1]]]]]]]]}", AW_FAULT_DEPTH, "x[0][0][0][0][0][0][0]", "nested too deep"},
    /* Numbers. */
    {AW_OBJECT_PULL, "{\"max\":1e400}", AW_FAULT_RANGE, "max", "too large"},
    {AW_OBJECT_PULL, "{\"max\":18446744073709551616}", AW_FAULT_RANGE, "max", "too large"},
    {AW_OBJECT_PULL, "{\"max\":9223372036854775807}", AW_FAULT_RANGE, "max", "from 1 to 100"},
    {AW_OBJECT_PULL, "{\"max\":-1}", AW_FAULT_RANGE, "max", "from 1 to 100"},
    {AW_OBJECT_PULL, "{\"max\":0}", AW_FAULT_RANGE, "max", "max must be a whole number from 1 to 100"},
    {AW_OBJECT_PULL, "{\"wait_s\":51}", AW_FAULT_RANGE, "wait_s", "from 0 to 50"},
    {AW_OBJECT_PULL, "{\"lease_s\":4}", AW_FAULT_RANGE, "lease_s", "from 5 to 3600"},
    {AW_OBJECT_PULL, "{\"max\":1.5}", AW_FAULT_TYPE, "max", "not a number with a fraction"},
    {AW_OBJECT_PULL, "{\"max\":1e1}", AW_FAULT_TYPE, "max", "not a number with a fraction"},
    /* Types. */
    {AW_OBJECT_MESSAGE, "[]", AW_FAULT_TYPE, "", "the body must be an object, not a list"},
    {AW_OBJECT_MESSAGE, "\"x\"", AW_FAULT_TYPE, "", "not a text"},
    {AW_OBJECT_MESSAGE, "null", AW_FAULT_TYPE, "", "not null"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"lang\":null"), AW_FAULT_TYPE, "lang", "leave the field out"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"lang\":7"), AW_FAULT_TYPE, "lang", "lang must be a text, not a number"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"lang\":true"), AW_FAULT_TYPE, "lang", "not true or false"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"flights\":{}"), AW_FAULT_TYPE, "flights", "must be a list, not an object"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"flights\":[1]"), AW_FAULT_TYPE, "flights[0]", "must be an object"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"tags\":[\"a\",2]"), AW_FAULT_TYPE, "tags[1]", "must be a text"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"care\":\"medical\""), AW_FAULT_TYPE, "care", "must be a list"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"care\":[1]"), AW_FAULT_TYPE, "care[0]", "must be a text"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"meta\":[]"), AW_FAULT_TYPE, "meta", "must be an object"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"meta\":{\"a\":1}"), AW_FAULT_TYPE, "meta.a", "must be a text"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"class\":1"), AW_FAULT_TYPE, "class", "must be a text"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"received_at\":1"), AW_FAULT_TYPE, "received_at", "must be a time as text"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"flights\":[{\"number\":\"KL1\",\"date\":1}]"), AW_FAULT_TYPE, "flights[0].date",
     "a date as text"},
    {AW_OBJECT_TICKET_PATCH, "{\"hold\":\"yes\"}", AW_FAULT_TYPE, "hold", "must be true or false"},
    {AW_OBJECT_LANE_PUT, "{\"match\":[]}", AW_FAULT_TYPE, "match", "must be an object"},
    /* Fields. */
    {AW_OBJECT_MESSAGE, MESSAGE("\"txt\":\"a\""), AW_FAULT_UNKNOWN, "txt", "txt is not a field of a message"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"flights\":[{\"number\":\"KL1\",\"gate\":\"B7\"}]"), AW_FAULT_UNKNOWN, "flights[0].gate",
     "not a field of a flight"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"\":1"), AW_FAULT_UNKNOWN, "", "not a field"},
    {AW_OBJECT_PULL, "{\"reply\":{}}", AW_FAULT_UNKNOWN, "reply", "not a field of a pull"},
    {AW_OBJECT_COMPLETE, "{\"answer\":{}}", AW_FAULT_UNKNOWN, "answer", "not a field of a completion"},
    {AW_OBJECT_COMPLETE, "{\"reply\":{}}", AW_FAULT_MISSING, "reply.text", "a reply says something"},
    {AW_OBJECT_REPLY, "{\"visibility\":\"public\"}", AW_FAULT_MISSING, "text", "a reply says something"},
    {AW_OBJECT_REPLY, "{\"text\":\"a\",\"actions\":[{\"kind\":\"link\"}]}", AW_FAULT_MISSING, "actions[0].url", "required"},
    {AW_OBJECT_REPLY_STATUS, "{\"state\":\"sent\",\"code\":\"429\"}", AW_FAULT_VALUE, "code", "left out unless"},
    {AW_OBJECT_REPLY_STATUS, "{\"state\":\"waiting\"}", AW_FAULT_VALUE, "state", "sent"},
    {AW_OBJECT_CHANNEL_PUT, "{\"accounts\":[{\"replies\":1,\"slice_s\":1},{\"replies\":2,\"slice_s\":1}]}", AW_FAULT_VALUE,
     "accounts[1].account", "not named before"},
    {AW_OBJECT_TICKET_PATCH, "{\"hold\":true,\"klass\":\"care\"}", AW_FAULT_UNKNOWN, "klass", "not a field"},
    {AW_OBJECT_MESSAGE, "{\"source_id\":\"1\",\"customer\":\"c\",\"text\":\"t\"}", AW_FAULT_MISSING, "channel", "is required"},
    {AW_OBJECT_MESSAGE, "{\"channel\":\"web\",\"customer\":\"c\",\"text\":\"t\"}", AW_FAULT_MISSING, "source_id", "is required"},
    {AW_OBJECT_MESSAGE, "{\"channel\":\"web\",\"source_id\":\"1\",\"text\":\"t\"}", AW_FAULT_MISSING, "customer", "is required"},
    {AW_OBJECT_MESSAGE, "{" BASE "}", AW_FAULT_MISSING, "text", "text or attachments must be there"},
    {AW_OBJECT_MESSAGE, "{" BASE ",\"text\":\"\",\"attachments\":[]}", AW_FAULT_MISSING, "text", "not empty"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"flights\":[{\"date\":\"2026-04-15\"}]"), AW_FAULT_MISSING, "flights[0].number", "in a flight"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"identities\":[{\"kind\":\"phone\"}]"), AW_FAULT_MISSING, "identities[0].value", "is required"},
    {AW_OBJECT_RELEASE, "", AW_FAULT_MISSING, "reason", "is required in a release or decline"},
    {AW_OBJECT_TRANSFER, "{\"note\":\"n\"}", AW_FAULT_MISSING, "lane", "or agent must be there"},
    {AW_OBJECT_TRANSFER, "{\"lane\":\"a\",\"agent\":\"b\"}", AW_FAULT_VALUE, "lane", "left out when agent"},
    {AW_OBJECT_NOTE, "", AW_FAULT_MISSING, "text", "is required in a note"},
    {AW_OBJECT_NOTE, "{\"text\":\"\"}", AW_FAULT_EMPTY, "text", "must not be empty"},
    {AW_OBJECT_EXTEND_LINE, "{}", AW_FAULT_MISSING, "lease", "is required"},
    {AW_OBJECT_COMPLETE_LINE, "{}", AW_FAULT_MISSING, "lease", "is required"},
    {AW_OBJECT_TICKET_PATCH, "{}", AW_FAULT_MISSING, "class", "or lane or hold"},
    {AW_OBJECT_TICKET_PATCH, "", AW_FAULT_MISSING, "class", "or lane or hold"},
    {AW_OBJECT_TICKET_PATCH, "{\"reason\":\"r\",\"dry_run\":true}", AW_FAULT_MISSING, "class", "or lane or hold"},
    {AW_OBJECT_TICKET_PATCH, "{\"class\":\"care\",\"hold_until\":\"2026-04-15T08:00:00Z\"}", AW_FAULT_VALUE, "hold_until",
     "unless hold is true"},
    /* Content. */
    {AW_OBJECT_MESSAGE, MESSAGE("\"thread\":\"\""), AW_FAULT_EMPTY, "thread", "must not be empty"},
    {AW_OBJECT_MESSAGE, "{\"channel\":\"\"}", AW_FAULT_EMPTY, "channel", "must not be empty"},
    {AW_OBJECT_MESSAGE, "{\"channel\":\"Twitter\"}", AW_FAULT_VALUE, "channel", "of a-z"},
    {AW_OBJECT_MESSAGE, "{\"channel\":\"a b\"}", AW_FAULT_VALUE, "channel", "of a-z"},
    {AW_OBJECT_MESSAGE, "{\"source_id\":\"a\\nb\"}", AW_FAULT_VALUE, "source_id", "without control characters"},
    {AW_OBJECT_MESSAGE, "{\"source_id\":\"a\\u007f\"}", AW_FAULT_VALUE, "source_id", "without control characters"},
    {AW_OBJECT_MESSAGE, "{\"source_id\":\"a\\u009f\"}", AW_FAULT_VALUE, "source_id", "without control characters"},
    {AW_OBJECT_MESSAGE, "{\"source_id\":\"a\\u0000\"}", AW_FAULT_VALUE, "source_id", "without control characters"},
    {AW_OBJECT_MESSAGE, "{\"text\":\"a\\u0000\"}", AW_FAULT_VALUE, "text", "without NUL"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"meta\":{\"a\\n\":\"1\"}"), AW_FAULT_VALUE, "meta.a\n", "key without control characters"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"meta\":{\"\":\"1\"}"), AW_FAULT_EMPTY, "meta.", "key of 0 bytes"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"lang\":\"en_GB\""), AW_FAULT_VALUE, "lang", "a language tag"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"lang\":\"en-\""), AW_FAULT_VALUE, "lang", "a language tag"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"lang\":\"1n\""), AW_FAULT_VALUE, "lang", "a language tag"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"lang\":\"abcdefghi\""), AW_FAULT_VALUE, "lang", "a language tag"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"airports\":[\"AMS\",\"lhr\"]"), AW_FAULT_VALUE, "airports[1]", "three upper-case letters"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"airports\":[\"AMST\"]"), AW_FAULT_VALUE, "airports[0]", "three upper-case letters"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"class\":\"urgent\""), AW_FAULT_VALUE, "class", "care, imminent, disrupted, general, other"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"care\":[\"medical\",\"hurry\"]"), AW_FAULT_VALUE, "care[1]", "must be one of: medical"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"visibility\":\"secret\""), AW_FAULT_VALUE, "visibility", "must be one of: public, private"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"addressed\":\"me\""), AW_FAULT_VALUE, "addressed", "must be one of: to_us"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"received_at\":\"2026-04-15 08:00\""), AW_FAULT_VALUE, "received_at", "RFC 3339"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"reply_by\":\"1970-01-01T00:00:00Z\""), AW_FAULT_VALUE, "reply_by", "after 1970"},
    {AW_OBJECT_MESSAGE, MESSAGE("\"flights\":[{\"number\":\"KL1\",\"date\":\"2026-02-29\"}]"), AW_FAULT_VALUE, "flights[0].date",
     "a date such as"},
    {AW_OBJECT_LANE_PUT, "{\"pause\":\"all\"}", AW_FAULT_VALUE, "pause", "must be one of: none, in, out, both"},
    {AW_OBJECT_LANE_PUT, "{\"overflow\":[{\"lane\":\"a\"}]}", AW_FAULT_MISSING, "overflow[0].after_s",
     "required in a lane that helps"},
    {AW_OBJECT_LANE_PUT, "{\"overflow\":[{\"lane\":\"a\",\"after_s\":0}]}", AW_FAULT_RANGE, "overflow[0].after_s",
     "from 1 to 604800"},
    {AW_OBJECT_LANE_PUT, "{\"overflow\":[{\"lane\":\"a\",\"after_s\":9},{\"lane\":\"b\",\"after_s\":8}]}", AW_FAULT_VALUE,
     "overflow[1].after_s", "no less than the one before"},
    {AW_OBJECT_LANE_PUT,
     "{\"overflow\":[{\"lane\":\"a\",\"after_s\":9},{\"lane\":\"b\",\"after_s\":9},{\"lane\":\"a\",\"after_s\":10}]}",
     AW_FAULT_VALUE, "overflow[2].lane", "not named before"},
    {AW_OBJECT_FLIGHT_PUT, "{\"state\":\"delayed\"}", AW_FAULT_MISSING, "departs_at", "required with the state delayed"},
    {AW_OBJECT_FLIGHT_PUT, "{\"state\":\"rebooked\",\"departs_at\":\"2026-04-15T08:00:00Z\"}", AW_FAULT_VALUE, "departs_at",
     "left out"},
    {AW_OBJECT_FLIGHT_LINE, "{\"number\":\"KL1\",\"date\":\"2026-04-15\",\"state\":\"delayed\"}", AW_FAULT_MISSING, "departs_at",
     "required"},
    {AW_OBJECT_AIRPORT_PUT, "{\"state\":\"closed\"}", AW_FAULT_MISSING, "until", "required with the state closed"},
    {AW_OBJECT_AIRPORT_PUT, "{\"state\":\"open\",\"until\":\"2026-04-15T08:00:00Z\"}", AW_FAULT_VALUE, "until", "left out"},
    {AW_OBJECT_TICKET_PATCH, "{\"hold\":false,\"hold_until\":\"2026-04-15T08:00:00Z\"}", AW_FAULT_VALUE, "hold_until",
     "unless hold is true"},
};

static enum aw_err
err_of(enum aw_fault fault)
{
    if (fault == AW_FAULT_UNKNOWN)
        return AW_E_UNKNOWN_FIELD;
    if (fault == AW_FAULT_MALFORMED || fault == AW_FAULT_UTF8 || fault == AW_FAULT_DUPLICATE || fault == AW_FAULT_DEPTH)
        return AW_E_MALFORMED;
    return fault == AW_FAULT_LARGE ? AW_E_BODY_LARGE : AW_E_BAD_VALUE;
}

static void
test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < AW_ARRAY_LEN(refusals); i++) {
        const struct refusal   *refusal = &refusals[i];
        struct aw_proto_problem problem = {.err = AW_OK};
        union rig_object        object;
        union rig_object        untouched;
        enum aw_err             err;

        memset(&object, 0x5a, sizeof(object));
        untouched = object;
        err = rig_decode(*state, AW_MEDIA_JSON, aw_slice_str(refusal->body), refusal->kind, false, &object, &problem);
        if (err != err_of(refusal->fault) || problem.err != err || problem.fault != refusal->fault ||
            strcmp(problem.field, refusal->field) != 0 || strstr(problem.detail, refusal->words) == NULL)
            fail_msg("%s\n  gave %s, fault %d, field \"%s\": %s", refusal->body, aw_err_name(err), problem.fault, problem.field,
                     problem.detail);
        if (refusal->kind == AW_OBJECT_MESSAGE)
            assert_memory_equal(&object, &untouched, sizeof(object));
    }
}

/* --- Limits by the table ---------------------------------------------------------------------------------------------------- */

/* A body of `kind` in which `field` has the JSON `value`; the fields that are required besides are there. */
static struct aw_slice
body_with(struct rig *rig, enum aw_object_kind kind, const struct aw_field *field, struct aw_slice value)
{
    static const struct {
        const char *name;
        const char *value;
    } required[] = {{"channel", "\"web\""},
                    {"source_id", "\"1\""},
                    {"customer", "\"c\""},
                    {"reason", "\"customer\""},
                    {"until", "\"2026-04-15T08:00:00Z\""},
                    {"what", "\"w\""},
                    {"lease", "\"l\""},
                    {"hold", "true"},
                    {"text", "\"t\""},
                    {"kind", "\"k\""},
                    {"messages", "[\"m\"]"},
                    {"value", "\"v\""},
                    {"number", "\"KL1\""},
                    {"date", "\"2026-04-15\""},
                    {"state", "\"scheduled\""},
                    {"lane", "\"l\""},
                    {"after_s", "1"},
                    {"url", "\"u\""},
                    {"replies", "1"},
                    {"slice_s", "1"},
                    {"title", "\"t\""},
                    {"texts", "[{\"lang\":\"en\",\"text\":\"t\"}]"},
                    {"lang", "\"en\""},
                    {"accounts", "[{\"channel\":\"c\"}]"}};
    const struct aw_object *object = aw_object_of(kind);
    struct aw_buffer        buffer;

    aw_buffer_init(&buffer, &rig->arena);
    aw_buffer_add_str(&buffer, "{\"");
    aw_buffer_add(&buffer, field->name.ptr, field->name.len);
    aw_buffer_add_str(&buffer, "\":");
    aw_buffer_add(&buffer, value.ptr, value.len);
    for (size_t i = 0; i < AW_ARRAY_LEN(required); i++) {
        const struct aw_field *other = aw_object_find_field(object, aw_slice_str(required[i].name), 0);

        if (kind == AW_OBJECT_TRANSFER && (strcmp(field->name.ptr, "note") != 0 || strcmp(required[i].name, "lane") != 0))
            continue; /* one of lane and agent */
        if (other == NULL || other == field ||
            (!other->required && kind != AW_OBJECT_TRANSFER && strcmp(required[i].name, "text") != 0 &&
             strcmp(required[i].name, "hold") != 0))
            continue;
        aw_buffer_printf(&buffer, ",\"%s\":%s", required[i].name,
                         kind == AW_OBJECT_REPLY_STATUS ? "\"failed\""
                         : kind == AW_OBJECT_SURGE_PUT  ? "\"on\""
                                                        : required[i].value);
    }
    aw_buffer_add_str(&buffer, "}");
    assert_false(buffer.failed);
    return aw_buffer_slice(&buffer);
}

/* The same for a part of a message or lane: wrapped into what holds it. */
static enum aw_err
decode_with(struct rig *rig, enum aw_object_kind kind, const struct aw_field *field, struct aw_slice value,
            struct aw_proto_problem *problem)
{
    struct aw_slice  body = body_with(rig, kind, field, value);
    union rig_object object;
    struct aw_buffer buffer;
    const char      *before = NULL;

    if (kind == AW_OBJECT_ATTACHMENT)
        before = "{" BASE ",\"attachments\":[";
    else if (kind == AW_OBJECT_IDENTITY)
        before = MESSAGE("\"identities\":[");
    else if (kind == AW_OBJECT_FLIGHT)
        before = MESSAGE("\"flights\":[");
    else if (kind == AW_OBJECT_LANE_MATCH)
        before = "{\"match\":";
    else if (kind == AW_OBJECT_LANE_HELPER)
        before = "{\"overflow\":[";
    if (before == NULL)
        return rig_decode(rig, AW_MEDIA_JSON, body, kind, false, &object, problem);
    aw_buffer_init(&buffer, &rig->arena);
    aw_buffer_add_str(&buffer, before);
    if (before[strlen(before) - 1] == '}') /* MESSAGE ends with a brace that comes later here */
        buffer.len--;
    aw_buffer_add(&buffer, body.ptr, body.len);
    aw_buffer_add_str(&buffer, kind == AW_OBJECT_LANE_MATCH ? "}" : "]}");
    kind = kind == AW_OBJECT_LANE_MATCH || kind == AW_OBJECT_LANE_HELPER ? AW_OBJECT_LANE_PUT : AW_OBJECT_MESSAGE;
    return rig_decode(rig, AW_MEDIA_JSON, aw_buffer_slice(&buffer), kind, false, &object, problem);
}

/* A text of `len` bytes that the field's shape allows, in quotes. */
static struct aw_slice
text_for(struct rig *rig, const struct aw_field *field, uint32_t len)
{
    char *text = aw_arena_take(&rig->arena, len + 2U);

    assert_non_null(text);
    memset(text, 'a', len + 2U);
    if (field->type == AW_TYPE_FLIGHT) {
        memset(text + 1, '1', len);
        memset(text + 1, 'K', len > 7 ? 3 : 2);
        text[len] = 'A';
    }
    for (uint32_t i = 9; field->type == AW_TYPE_LANG && i < len; i += 9)
        text[i] = '-';
    text[0] = '"';
    text[len + 1] = '"';
    return aw_slice_of(text, len + 2U);
}

static void
check_text_limit(struct rig *rig, enum aw_object_kind kind, const struct aw_field *field)
{
    struct aw_proto_problem problem = {.err = AW_OK};
    struct aw_slice         fits = text_for(rig, field, field->bytes_max);
    struct aw_slice         over = text_for(rig, field, field->bytes_max + 1);
    enum aw_err             err;

    if (field->items_max > 0) {
        struct aw_buffer list;

        aw_buffer_init(&list, &rig->arena);
        aw_buffer_printf(&list, "[%.*s]", AW_SLICE_ARGS(fits));
        fits = aw_buffer_slice(&list);
        aw_buffer_init(&list, &rig->arena);
        aw_buffer_printf(&list, "[%.*s]", AW_SLICE_ARGS(over));
        over = aw_buffer_slice(&list);
    }
    err = decode_with(rig, kind, field, fits, &problem);
    if (err != AW_OK)
        fail_msg("%s.%s of %u bytes: %s", aw_object_of(kind)->name, field->name.ptr, field->bytes_max, problem.detail);
    err = decode_with(rig, kind, field, over, &problem);
    assert_int_equal(err, AW_E_BAD_VALUE);
    assert_int_equal(problem.fault, AW_FAULT_LONG);
    assert_non_null(strstr(problem.field, field->name.ptr));
}

static void
check_number_limit(struct rig *rig, enum aw_object_kind kind, const struct aw_field *field)
{
    struct aw_proto_problem problem = {.err = AW_OK};
    char                    number[32];

    for (int over = 0; over < 2; over++) {
        (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)field->number_max + (unsigned)over);
        assert_int_equal(decode_with(rig, kind, field, aw_slice_str(number), &problem), over ? AW_E_BAD_VALUE : AW_OK);
        (void)snprintf(number, sizeof(number), "%lld", (long long)field->number_min - over);
        assert_int_equal(decode_with(rig, kind, field, aw_slice_str(number), &problem), over ? AW_E_BAD_VALUE : AW_OK);
        AW_IMPLIES(over, problem.fault == AW_FAULT_RANGE);
    }
}

/* One element of a list, or one pair with the number `i` in its key. */
static void
add_element(struct aw_buffer *buffer, const struct aw_field *field, uint32_t i)
{
    static const char *const objects[AW_OBJECT_COUNT] = {
        [AW_OBJECT_ATTACHMENT] = "{\"kind\":\"k\"}",
        [AW_OBJECT_IDENTITY] = "{\"kind\":\"k\",\"value\":\"v\"}",
        [AW_OBJECT_FLIGHT] = "{\"number\":\"KL1\"}",
        [AW_OBJECT_REPLY_ACTION] = "{\"kind\":\"k\",\"url\":\"u\"}",
        [AW_OBJECT_ACCOUNT] = "{\"channel\":\"c\"}",
        [AW_OBJECT_SURGE_FLIGHT] = "{\"number\":\"KL1\",\"date\":\"2026-04-15\"}",
        [AW_OBJECT_INCIDENT_FLIGHT] = "{\"number\":\"KL1\",\"date\":\"2026-04-15\"}",
        [AW_OBJECT_OWN_TEXT] = "{\"lang\":\"en\",\"text\":\"t\"}",
        [AW_OBJECT_SURGE_NOTICE] = "{\"text\":\"t\"}"};

    if (i > 0)
        aw_buffer_add_str(buffer, ",");
    if (field->type == AW_TYPE_OBJECT && field->object == AW_OBJECT_LANE_HELPER)
        aw_buffer_printf(buffer, "{\"lane\":\"l%u\",\"after_s\":1}", i);
    else if (field->type == AW_TYPE_OBJECT && field->object == AW_OBJECT_PACE)
        aw_buffer_printf(buffer, "{\"account\":\"a%u\",\"replies\":1,\"slice_s\":1}", i);
    else if (field->type == AW_TYPE_OBJECT)
        aw_buffer_add_str(buffer, objects[field->object]);
    else if (field->type == AW_TYPE_PAIRS)
        aw_buffer_printf(buffer, "\"k%u\":\"v\"", i);
    else if (field->type == AW_TYPE_UNITS)
        aw_buffer_printf(buffer, "\"k%u\":%u", i, i);
    else if (field->type == AW_TYPE_WORDS)
        aw_buffer_printf(buffer, "\"%s\"", field->words->names[0]);
    else
        aw_buffer_add_str(buffer, field->type == AW_TYPE_AIRPORT ? "\"AMS\"" : "\"en\"");
}

static void
check_items_limit(struct rig *rig, enum aw_object_kind kind, const struct aw_field *field)
{
    struct aw_proto_problem problem = {.err = AW_OK};
    bool                    map = aw_field_is_map(field);

    for (uint32_t over = 0; over < 2; over++) {
        struct aw_buffer list;
        enum aw_err      err;

        aw_buffer_init(&list, &rig->arena);
        aw_buffer_add_str(&list, map ? "{" : "[");
        for (uint32_t i = 0; i < field->items_max + over; i++)
            add_element(&list, field, i);
        aw_buffer_add_str(&list, map ? "}" : "]");
        err = decode_with(rig, kind, field, aw_buffer_slice(&list), &problem);
        if (err != (over ? AW_E_BAD_VALUE : AW_OK))
            fail_msg("%s.%s of %u: %s", aw_object_of(kind)->name, field->name.ptr, field->items_max + over, problem.detail);
        AW_IMPLIES(over, problem.fault == AW_FAULT_MANY);
    }
}

static void
test_limits(void **state)
{
    struct rig *rig = *state;
    uint32_t    texts = 0;
    uint32_t    numbers = 0;
    uint32_t    lists = 0;

    for (unsigned kind = 0; kind < AW_OBJECT_COUNT; kind++) {
        const struct aw_object *object = aw_object_of((enum aw_object_kind)kind);

        for (uint32_t i = 0; i < object->field_count; i++) {
            const struct aw_field *field = &object->fields[i];

            if (field->bytes_max > 0 && !aw_field_is_map(field)) {
                check_text_limit(rig, (enum aw_object_kind)kind, field);
                texts++;
            }
            if (field->type == AW_TYPE_NUMBER) {
                check_number_limit(rig, (enum aw_object_kind)kind, field);
                numbers++;
            }
            if (field->items_max > 0) {
                check_items_limit(rig, (enum aw_object_kind)kind, field);
                lists++;
            }
            aw_arena_reset(&rig->arena);
        }
    }
    assert_true(texts >= 30);
    assert_true(numbers >= 6);
    assert_true(lists >= 11);
}

static void
test_meta_limits(void **state)
{
    struct rig             *rig = *state;
    struct aw_proto_problem problem;
    struct aw_message       message;

    for (unsigned over = 0; over < 2; over++) {
        for (unsigned what = 0; what < 2; what++) {
            struct aw_buffer body;
            enum aw_err      err;

            aw_buffer_init(&body, &rig->arena);
            aw_buffer_add_str(&body, "{" BASE ",\"text\":\"t\",\"meta\":{\"");
            for (unsigned i = 0; i < (what == 0 ? AW_META_KEY_BYTES_MAX + over : 1); i++)
                aw_buffer_add_str(&body, "k");
            aw_buffer_add_str(&body, "\":\"");
            for (unsigned i = 0; i < (what == 1 ? AW_META_VALUE_BYTES_MAX + over : 0); i++)
                aw_buffer_add_str(&body, "v");
            aw_buffer_add_str(&body, "\"}}");
            err = aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, aw_buffer_slice(&body), false, &message, &problem);
            assert_int_equal(err, over ? AW_E_BAD_VALUE : AW_OK);
            if (over)
                assert_int_equal(problem.fault, AW_FAULT_LONG);
        }
    }
}

/* --- The rest --------------------------------------------------------------------------------------------------------------- */

static void
test_codes(void **state)
{
    static const struct {
        const char *number;
        bool        ok;
    } numbers[] = {{"KL1", true},     {"KL1234", true}, {"U21234", true},   {"9W12", true},  {"KLM1234A", true},
                   {"KL1234A", true}, {"KL", false},    {"KL12345", false}, {"kl1", false},  {"12345", false},
                   {"K", false},      {"KL1AB", false}, {"KLMN1", false},   {"KL 1", false}, {"KL-1", false},
                   {"KLA", false},    {"A1", false},    {"KL1a", false},    {"A11", true},   {"1A1", true}};

    for (size_t i = 0; i < AW_ARRAY_LEN(numbers); i++) {
        struct rig             *rig = *state;
        struct aw_proto_problem problem;
        struct aw_message       message;
        struct aw_buffer        body;
        enum aw_err             err;

        aw_buffer_init(&body, &rig->arena);
        aw_buffer_printf(&body, MESSAGE("\"flights\":[{\"number\":\"%s\"}]"), numbers[i].number);
        err = aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, aw_buffer_slice(&body), false, &message, &problem);
        if (err != (numbers[i].ok ? AW_OK : AW_E_BAD_VALUE))
            fail_msg("flight %s: %s", numbers[i].number, aw_err_name(err));
    }
}

static void
test_defaults(void **state)
{
    struct rig              *rig = *state;
    struct aw_proto_problem  problem;
    struct aw_message        message;
    struct aw_pull_request   pull;
    struct aw_extend_request extend;
    struct aw_lane_request   lane;

    assert_int_equal(
        aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, AW_SLICE("{" BASE ",\"text\":\"t\"}"), false, &message, &problem),
        AW_OK);
    assert_slice(message.account, "main");
    assert_int_equal(message.visibility, AW_VISIBILITY_PRIVATE);
    assert_int_equal(message.addressed, AW_ADDRESSED_TO_US);
    assert_int_equal(message.class_hint, AW_CLASS_NONE);
    assert_int_equal(message.care, 0);
    assert_int_equal(message.received_at, 0);
    assert_null(message.lang.ptr);
    assert_int_equal(aw_proto_decode_pull(&rig->arena, AW_MEDIA_JSON, AW_SLICE(""), &pull, &problem), AW_OK);
    assert_int_equal(pull.max, 1);
    assert_int_equal(pull.wait_s, AW_WAIT_S_DEFAULT);
    assert_int_equal(pull.lease_s, AW_LEASE_S_DEFAULT);
    assert_int_equal(pull.lane_count, 0);
    assert_int_equal(aw_proto_decode_extend(&rig->arena, AW_MEDIA_MSGPACK, AW_SLICE(""), &extend, &problem), AW_OK);
    assert_int_equal(extend.lease_s, AW_LEASE_S_DEFAULT);
    assert_int_equal(aw_proto_decode_lane_put(&rig->arena, AW_MEDIA_JSON, AW_SLICE("{}"), &lane, &problem), AW_OK);
    assert_int_equal(lane.pause, AW_LANE_OPEN);
    assert_int_equal(lane.match.lang_count, 0);
    assert_int_equal(lane.helper_count, 0);
}

static void
test_every_field_of_a_lane_arrives(void **state)
{
    struct rig             *rig = *state;
    struct aw_proto_problem problem;
    struct aw_lane_request  lane;
    enum aw_err             err;

    err = aw_proto_decode_lane_put(&rig->arena, AW_MEDIA_JSON,
                                   AW_SLICE("{\"pause\":\"in\",\"match\":{\"langs\":[\"nl\"],\"channels\":[\"mail\"],"
                                            "\"accounts\":[\"a b\"],\"tags\":[\"x\",\"y\"]},"
                                            "\"overflow\":[{\"after_s\":5,\"lane\":\"de\"},{\"lane\":\"fr\",\"after_s\":5}]}"),
                                   &lane, &problem);
    assert_int_equal(err, AW_OK);
    assert_int_equal(lane.pause, AW_LANE_PAUSED_IN);
    assert_slice(lane.match.langs[0], "nl");
    assert_slice(lane.match.channels[0], "mail");
    assert_slice(lane.match.accounts[0], "a b");
    assert_int_equal(lane.match.tag_count, 2);
    assert_int_equal(lane.helper_count, 2);
    assert_slice(lane.helpers[1].lane, "fr");
    assert_int_equal(lane.helpers[0].after_s, 5);
}

static void
test_every_field_arrives(void **state)
{
    struct rig              *rig = *state;
    struct aw_proto_problem  problem;
    struct aw_message        m;
    struct aw_ticket_request ticket;
    enum aw_err              err;

    err =
        aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, rig_file(rig, "tests/golden/message_full.json"), false, &m, &problem);
    assert_int_equal(err, AW_OK);
    assert_slice(m.channel, "whatsapp");
    assert_slice(m.account, "desk-ams");
    assert_slice(m.source_id, "wamid.77");
    assert_slice(m.customer, "31600000001");
    assert_slice(m.lang, "en-GB");
    assert_slice(m.thread, "t-1");
    assert_slice(m.in_reply_to, "r-9");
    assert_slice(m.booking, "ABC123");
    assert_slice(m.lane, "en");
    assert_slice(m.replaces, "wamid.76");
    assert_int_equal(m.received_at, UINT64_C(1776240062345));
    assert_int_equal(m.reply_by, UINT64_C(1776326462000));
    assert_int_equal(m.care, AW_CARE_REDUCED_MOBILITY | AW_CARE_BEREAVEMENT);
    assert_int_equal(m.class_hint, AW_CLASS_DISRUPTED);
    assert_int_equal(m.visibility, AW_VISIBILITY_PUBLIC);
    assert_int_equal(m.addressed, AW_ADDRESSED_ABOUT_US);
    assert_int_equal(m.attachment_count, 1);
    assert_slice(m.attachments[0].kind, "image");
    assert_slice(m.attachments[0].media_type, "image/jpeg");
    assert_slice(m.attachments[0].ref, "blob:1");
    assert_slice(m.attachments[0].name, "boarding pass.jpg");
    assert_true(m.attachments[0].bytes_known && m.attachments[0].bytes == 34567);
    assert_int_equal(m.identity_count, 1);
    assert_slice(m.identities[0].kind, "phone");
    assert_slice(m.identities[0].value, "+31600000001");
    assert_int_equal(m.flight_count, 2);
    assert_slice(m.flights[0].number, "KL1234");
    assert_slice(m.flights[0].from, "AMS");
    assert_slice(m.flights[0].to, "LHR");
    assert_true(m.flights[0].date_known && m.flights[0].date_days == 20558);
    assert_int_equal(m.flights[0].departs_at, UINT64_C(1776240000000));
    assert_false(m.flights[1].date_known);
    assert_int_equal(m.airport_count, 2);
    assert_slice(m.airports[1], "LHR");
    assert_int_equal(m.tag_count, 2);
    assert_slice(m.tags[0], "gold");
    assert_int_equal(m.meta_count, 2);
    assert_slice(m.meta[0].key, "a"); /* sorted */
    assert_slice(m.meta[1].value, "2");
    err = aw_proto_decode_ticket_patch(&rig->arena, AW_MEDIA_JSON,
                                       AW_SLICE("{\"hold\":true,\"hold_until\":\"2026-04-15T08:01:02.345Z\",\"reason\":\"r\"}"),
                                       &ticket, &problem);
    assert_int_equal(err, AW_OK);
    assert_true(ticket.hold && ticket.hold_until == UINT64_C(1776240062345));
    assert_slice(ticket.reason, "r");
}

static void
test_lenient(void **state)
{
    struct rig             *rig = *state;
    struct aw_proto_problem problem;
    struct aw_message       m;
    static const char body[] = MESSAGE("\"z\":\"last\",\"flights\":[{\"number\":\"KL1\",\"gate\":\"B7\"}],\"meta\":{\"m\":\"1\"},"
                                       "\"n\":[1,-2,1.5,true,null,{\"a\":\"\\\"\"}]");

    assert_int_equal(aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, AW_SLICE(body), false, &m, &problem),
                     AW_E_UNKNOWN_FIELD);
    assert_int_equal(aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, AW_SLICE(body), true, &m, &problem), AW_OK);
    assert_int_equal(m.meta_count, 4);
    assert_slice(m.meta[0].key, "flights[0].gate");
    assert_slice(m.meta[0].value, "B7");
    assert_slice(m.meta[1].key, "m");
    assert_slice(m.meta[2].key, "n");
    assert_slice(m.meta[2].value, "[1,-2,1.5,true,null,{\"a\":\"\\\"\"}]");
    assert_slice(m.meta[3].key, "z");
    /* Within the limits of meta, and not over what was sent as meta. */
    assert_int_equal(aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, AW_SLICE(MESSAGE("\"a\":1,\"meta\":{\"a\":\"2\"}")),
                                             true, &m, &problem),
                     AW_E_MALFORMED);
    assert_int_equal(problem.fault, AW_FAULT_DUPLICATE);
    for (unsigned over = 0; over < 2; over++) {
        struct aw_buffer buffer;

        aw_buffer_init(&buffer, &rig->arena);
        aw_buffer_add_str(&buffer, "{" BASE ",\"text\":\"t\",\"meta\":{\"m\":\"\"}");
        for (unsigned i = 0; i < AW_META_MAX - 1 + over; i++)
            aw_buffer_printf(&buffer, ",\"u%u\":%u", i, i);
        aw_buffer_add_str(&buffer, "}");
        assert_int_equal(aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, aw_buffer_slice(&buffer), true, &m, &problem),
                         over ? AW_E_BAD_VALUE : AW_OK);
        if (over)
            assert_int_equal(problem.fault, AW_FAULT_MANY);
    }
}

/* Each field fits and all together do not: 128 KiB as stored. At the limit and one over. */
static void
test_encoded_size(void **state)
{
    struct rig *rig = *state;

    for (unsigned over = 0; over < 2; over++) {
        struct aw_proto_problem problem;
        struct aw_message       message;
        struct aw_buffer        body;
        struct aw_buffer        stored;
        size_t                  short_by = 0;

        /* Twice: to measure how long the last text must be, then with it. */
        for (unsigned pass = 0; pass < 2; pass++) {
            enum aw_err err;

            aw_buffer_init(&body, &rig->arena);
            aw_buffer_add_str(&body, "{" BASE ",\"attachments\":[");
            for (unsigned i = 0; i < AW_ATTACHMENTS_MAX; i++)
                aw_buffer_printf(&body, "%s{\"kind\":\"k\",\"ref\":\"%0*d\"}", i > 0 ? "," : "", (int)AW_REF_BYTES_MAX, 1);
            aw_buffer_printf(&body, "],\"text\":\"%0*d\"}", (int)(60000 + short_by), 1);
            err = aw_proto_decode_message(&rig->arena, AW_MEDIA_JSON, aw_buffer_slice(&body), false, &message, &problem);
            if (pass == 0) {
                assert_int_equal(err, AW_OK);
                aw_buffer_init(&stored, &rig->arena);
                assert_true(aw_proto_encode_message(&stored, &message));
                assert_true(stored.len < AW_MESSAGE_ENCODED_BYTES_MAX);
                short_by = AW_MESSAGE_ENCODED_BYTES_MAX - stored.len + over;
            } else {
                assert_int_equal(err, over ? AW_E_BODY_LARGE : AW_OK);
                if (over)
                    assert_int_equal(problem.fault, AW_FAULT_LARGE);
            }
        }
    }
}

/* A client of ours writes what it read: required words stand there also when they are the first of their list. */
static void
test_required_is_written(void **state)
{
    static const struct {
        enum aw_object_kind kind;
        const char         *json;
    } objects[] = {
        {AW_OBJECT_FLIGHT_PUT, "{\"state\":\"scheduled\"}"},
        {AW_OBJECT_FLIGHT_LINE, "{\"number\":\"KL1\",\"date\":\"2026-04-15\",\"state\":\"scheduled\"}"},
        {AW_OBJECT_AIRPORT_PUT, "{\"state\":\"open\"}"},
        {AW_OBJECT_RELEASE, "{\"reason\":\"lunch\"}"},
        {AW_OBJECT_LANE_PUT, "{}"},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < AW_ARRAY_LEN(objects); i++) {
        const struct aw_object *what = aw_object_of(objects[i].kind);
        void                   *object = aw_arena_take(&rig->arena, what->bytes);
        struct aw_proto_problem problem;
        struct aw_buffer        text;
        struct aw_writer        writer;

        assert_non_null(object);
        assert_int_equal(
            aw_proto_decode(&rig->arena, AW_MEDIA_JSON, aw_slice_str(objects[i].json), objects[i].kind, object, &problem), AW_OK);
        aw_buffer_init(&text, &rig->arena);
        aw_writer_init(&writer, &text, AW_MEDIA_JSON);
        aw_proto_write_object(&writer, objects[i].kind, object);
        assert_false(text.failed);
        if (!aw_slice_eq(aw_buffer_slice(&text), aw_slice_str(objects[i].json)))
            fail_msg("%.*s instead of %s", (int)text.len, text.ptr, objects[i].json);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_refusals),
        rig_test(test_limits),
        rig_test(test_meta_limits),
        rig_test(test_codes),
        rig_test(test_defaults),
        rig_test(test_lenient),
        rig_test(test_every_field_of_a_lane_arrives),
        rig_test(test_every_field_arrives),
        rig_test(test_encoded_size),
        rig_test(test_required_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
