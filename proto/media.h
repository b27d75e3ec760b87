/* media.h - which encoding a body has, and which one the client wants back (RFC 9110 sections 8.3 and 12.5.1).
 *
 * Owns nothing. Thread: any.
 */
#ifndef AW_PROTO_MEDIA_H
#define AW_PROTO_MEDIA_H

#include "base/assert.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

enum aw_media {
    AW_MEDIA_JSON,
    AW_MEDIA_MSGPACK,
    AW_MEDIA_NDJSON,      /* several JSON values, one a line */
    AW_MEDIA_MSGPACK_SEQ, /* several MessagePack values, one after the other */
    AW_MEDIA_EVENTS,      /* server-sent events */
    AW_MEDIA_PROBLEM_JSON,
    AW_MEDIA_PROBLEM_MSGPACK,
    AW_MEDIA_OPENMETRICS,
    AW_MEDIA_TEXT,
    AW_MEDIA_SVG,
    AW_MEDIA_COUNT
};

/* For a Content-Type of ours, with its parameters. */
struct aw_slice aw_media_type(enum aw_media media);
/* Reads a Content-Type. Parameters are allowed; a charset other than utf-8 is not. False for a type that is not in the list;
 * *ret_media is then unchanged. */
AW_MUST_USE bool aw_media_parse(struct aw_slice content_type, enum aw_media *ret_media);
/* The first of `offered` with the best weight in the Accept field (an empty one accepts all). False: none is acceptable (406);
 * *ret_media is then unchanged. Several Accept fields are joined by commas first. */
AW_MUST_USE bool aw_media_negotiate(struct aw_slice accept, const enum aw_media *offered, size_t count, enum aw_media *ret_media);
/* For a problem: PROBLEM_JSON or PROBLEM_MSGPACK, whichever the client reads (also when it asked for the plain type), `body`'s
 * kind when it has no preference, JSON when it reads neither: an error is never answered by 406. */
enum aw_media aw_media_for_problem(struct aw_slice accept, enum aw_media body);
/* The same for a request by its Content-Type; one that is not ours counts as JSON. */
enum aw_media aw_media_for_problem_to(struct aw_slice accept, struct aw_slice content_type);
/* Whether bodies of this media are MessagePack inside, and whether they are several values. */
bool aw_media_is_msgpack(enum aw_media media);
bool aw_media_is_sequence(enum aw_media media);

#endif
