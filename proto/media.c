/* media.c - media types by name, and the Accept field. */
#include "proto/media.h"

#define WEIGHT_MAX 1000

struct media {
    struct aw_slice name;
    struct aw_slice full; /* with parameters */
};

#define MEDIA(name, parameters)                                                                                                  \
    {                                                                                                                            \
        {name, sizeof(name) - 1},                                                                                                \
        {                                                                                                                        \
            name parameters, sizeof(name parameters) - 1                                                                         \
        }                                                                                                                        \
    }
static const struct media medias[AW_MEDIA_COUNT] = {
    [AW_MEDIA_JSON] = MEDIA("application/json", ""),
    [AW_MEDIA_MSGPACK] = MEDIA("application/msgpack", ""),
    [AW_MEDIA_NDJSON] = MEDIA("application/x-ndjson", ""),
    [AW_MEDIA_MSGPACK_SEQ] = MEDIA("application/vnd.msgpack-seq", ""),
    [AW_MEDIA_EVENTS] = MEDIA("text/event-stream", ""),
    [AW_MEDIA_PROBLEM_JSON] = MEDIA("application/problem+json", ""),
    [AW_MEDIA_PROBLEM_MSGPACK] = MEDIA("application/problem+msgpack", ""),
    [AW_MEDIA_OPENMETRICS] = MEDIA("application/openmetrics-text", "; version=1.0.0; charset=utf-8"),
    [AW_MEDIA_TEXT] = MEDIA("text/plain", "; charset=utf-8"),
    [AW_MEDIA_SVG] = MEDIA("image/svg+xml", ""),
};

struct aw_slice
aw_media_type(enum aw_media media)
{
    AW_ASSERT((unsigned)media < AW_MEDIA_COUNT);
    return medias[media].full;
}

bool
aw_media_is_msgpack(enum aw_media media)
{
    return media == AW_MEDIA_MSGPACK || media == AW_MEDIA_MSGPACK_SEQ || media == AW_MEDIA_PROBLEM_MSGPACK;
}

bool
aw_media_is_sequence(enum aw_media media)
{
    return media == AW_MEDIA_NDJSON || media == AW_MEDIA_MSGPACK_SEQ;
}

/* Like aw_slice_cut, but a separator inside of a quoted string does not count. */
static struct aw_slice
cut_unquoted(struct aw_slice *rest, char separator)
{
    struct aw_slice all = *rest;
    bool            quoted = false;

    for (size_t i = 0; i < all.len; i++) {
        if (quoted && all.ptr[i] == '\\')
            i++;
        else if (all.ptr[i] == '"')
            quoted = !quoted;
        else if (!quoted && all.ptr[i] == separator) {
            *rest = aw_slice_of(all.ptr + i + 1, all.len - i - 1);
            return aw_slice_of(all.ptr, i);
        }
    }
    *rest = (struct aw_slice){NULL, 0};
    return all;
}

/* The next `; name=value`; the value without its quotes. False at the end. */
static bool
next_parameter(struct aw_slice *rest, struct aw_slice *ret_name, struct aw_slice *ret_value)
{
    while (rest->len > 0) {
        struct aw_slice value = cut_unquoted(rest, ';');
        struct aw_slice name = aw_slice_trim(aw_slice_cut(&value, '='));

        if (name.len == 0)
            continue;
        value = aw_slice_trim(value);
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
            value = aw_slice_of(value.ptr + 1, value.len - 2);
        *ret_name = name;
        *ret_value = value;
        return true;
    }
    return false;
}

bool
aw_media_parse(struct aw_slice content_type, enum aw_media *ret_media)
{
    struct aw_slice type = aw_slice_trim(cut_unquoted(&content_type, ';'));
    struct aw_slice name;
    struct aw_slice value;

    while (next_parameter(&content_type, &name, &value)) {
        if (aw_slice_eq_nocase(name, AW_SLICE("charset")) && !aw_slice_eq_nocase(value, AW_SLICE("utf-8")) &&
            !aw_slice_eq_nocase(value, AW_SLICE("utf8")))
            return false;
    }
    for (unsigned i = 0; i < AW_MEDIA_COUNT; i++) {
        if (aw_slice_eq_nocase(type, medias[i].name)) {
            *ret_media = (enum aw_media)i;
            return true;
        }
    }
    return false;
}

/* RFC 9110 section 12.4.2: 0 to 1 with at most three digits behind the point. What is not such a number counts as 1. */
static unsigned
weight_of(struct aw_slice text)
{
    unsigned weight = 0;
    unsigned unit = WEIGHT_MAX;

    if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1') || (text.len > 1 && text.ptr[1] != '.'))
        return WEIGHT_MAX;
    for (size_t i = 0; i < text.len; i++) {
        if (i == 1)
            continue;
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return WEIGHT_MAX;
        weight += unit * (unsigned)(text.ptr[i] - '0');
        unit /= 10;
    }
    return weight > WEIGHT_MAX ? WEIGHT_MAX : weight;
}

/* How closely a range fits: 3 the type itself, 2 "application/...", 1 everything, 0 not at all. */
static unsigned
closeness(struct aw_slice range, struct aw_slice type)
{
    struct aw_slice rest = type;
    struct aw_slice whole = aw_slice_cut(&rest, '/');

    if (aw_slice_eq(range, AW_SLICE("*/*")))
        return 1;
    if (aw_slice_eq_nocase(range, type))
        return 3;
    if (range.len == whole.len + 2 && range.ptr[range.len - 1] == '*' && range.ptr[range.len - 2] == '/' &&
        aw_slice_eq_nocase(aw_slice_of(range.ptr, whole.len), whole))
        return 2;
    return 0;
}

/* The weight of the closest range of the field; 0 when none fits. */
static unsigned
weight_for(struct aw_slice accept, enum aw_media media)
{
    unsigned closest = 0;
    unsigned weight = 0;

    while (accept.len > 0) {
        struct aw_slice rest = cut_unquoted(&accept, ',');
        struct aw_slice range = aw_slice_trim(cut_unquoted(&rest, ';'));
        unsigned        close = closeness(range, medias[media].name);
        unsigned        own = WEIGHT_MAX;
        struct aw_slice name;
        struct aw_slice value;

        if (close <= closest)
            continue;
        while (next_parameter(&rest, &name, &value)) {
            if (aw_slice_eq_nocase(name, AW_SLICE("q")))
                own = weight_of(value);
        }
        closest = close;
        weight = own;
    }
    return weight;
}

bool
aw_media_negotiate(struct aw_slice accept, const enum aw_media *offered, size_t count, enum aw_media *ret_media)
{
    unsigned best = 0;

    AW_ASSERT(count > 0);
    accept = aw_slice_trim(accept);
    if (accept.len == 0) {
        *ret_media = offered[0];
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        unsigned weight = weight_for(accept, offered[i]);

        if (weight > best) {
            best = weight;
            *ret_media = offered[i];
        }
    }
    return best > 0;
}

enum aw_media
aw_media_for_problem(struct aw_slice accept, enum aw_media body)
{
    /* The plain types and those of batches count for their problems: whoever reads the one reads the other. */
    static const enum aw_media json_first[] = {AW_MEDIA_PROBLEM_JSON,    AW_MEDIA_JSON,    AW_MEDIA_NDJSON,
                                               AW_MEDIA_PROBLEM_MSGPACK, AW_MEDIA_MSGPACK, AW_MEDIA_MSGPACK_SEQ};
    static const enum aw_media msgpack_first[] = {AW_MEDIA_PROBLEM_MSGPACK, AW_MEDIA_MSGPACK, AW_MEDIA_MSGPACK_SEQ,
                                                  AW_MEDIA_PROBLEM_JSON,    AW_MEDIA_JSON,    AW_MEDIA_NDJSON};
    enum aw_media              media = AW_MEDIA_PROBLEM_JSON;

    if (!aw_media_negotiate(accept, aw_media_is_msgpack(body) ? msgpack_first : json_first, AW_ARRAY_LEN(json_first), &media))
        return AW_MEDIA_PROBLEM_JSON;
    return aw_media_is_msgpack(media) ? AW_MEDIA_PROBLEM_MSGPACK : AW_MEDIA_PROBLEM_JSON;
}

enum aw_media
aw_media_for_problem_to(struct aw_slice accept, struct aw_slice content_type)
{
    enum aw_media body;

    if (!aw_media_parse(content_type, &body))
        body = AW_MEDIA_JSON;
    return aw_media_for_problem(accept, body);
}
