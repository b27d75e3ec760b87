/* wording.h - what the server itself writes: a text with fields, and what is known, make the words, in the customer's language.
 *
 *   Dear {name|guest}, we have your message. [Half of all get their answer within {half_in}, nine of ten within {nine_of_ten_in}.]
 *
 *   {field}            what is known of it
 *   {field|words}      the same, or these words when nothing is
 *   [ ... ]            goes out only when all its fields are known; none lies in another
 *   {{ and [[          a brace, a bracket; as } and ] are by themselves, outside of what they would end
 *
 * Durations are counted from when the promise was made, so that a text is the same whenever it is rendered. They are words as after
 * "within" (in German in the dative: "innerhalb von 2 Tagen"). Times are UTC, and say so.
 * Pure: owns nothing, reads no clock, takes memory only by the buffer it is given. Thread: any. Fails: as the buffer does.
 */
#ifndef AW_RUN_WORDING_H
#define AW_RUN_WORDING_H

#include "base/arena.h"
#include "base/time.h"
#include "model/answer.h"

/* Languages that durations and times are put in words in; any other gets figures alone ("2 h 30 min", "2026-04-16 14:20 UTC"). */
enum aw_language { AW_LANGUAGE_EN, AW_LANGUAGE_NL, AW_LANGUAGE_DE, AW_LANGUAGE_FR, AW_LANGUAGE_ES, AW_LANGUAGE_OTHER };
#define AW_LANGUAGES AW_LANGUAGE_OTHER

/* By the first part of a BCP 47 tag: "nl-BE" is Dutch. */
enum aw_language aw_language_of(struct aw_slice tag);
/* "en"; not of OTHER. */
const char *aw_language_tag(enum aw_language language);

/* Rounded up to the minute, beyond two days to the hour; at least a minute: "45 minutes", "1 hour and 30 minutes", "3 days". */
void aw_wording_add_duration(struct aw_buffer *buffer, enum aw_language language, uint64_t ms);
/* "16 April, 14:20 UTC"; `at` is not 0. */
void aw_wording_add_time(struct aw_buffer *buffer, enum aw_language language, aw_ms at);

enum aw_wording_field {
    AW_WORDING_NAME,           /* name: of the customer, as the gateway says it in meta (aw_wording_name) */
    AW_WORDING_TICKET,         /* ticket */
    AW_WORDING_FLIGHT,         /* flight: its number */
    AW_WORDING_DEPARTURE,      /* departure: as the customer knows it */
    AW_WORDING_NEW_DEPARTURE,  /* new_departure: as it is now, when that is another */
    AW_WORDING_HALF_BY,        /* half_by: a time */
    AW_WORDING_NINE_OF_TEN_BY, /* nine_of_ten_by: a time */
    AW_WORDING_HALF_IN,        /* half_in: a duration */
    AW_WORDING_NINE_OF_TEN_IN, /* nine_of_ten_in: a duration */
};
#define AW_WORDING_FIELDS     9U
#define AW_WORDING_BIT(field) (1U << (field))
#define AW_WORDING_ALL        (AW_WORDING_BIT(AW_WORDING_FIELDS) - 1U)
/* "half_by" */
const char *aw_wording_field_name(enum aw_wording_field field);

/* What goes out of a name, which its owner chose as he liked: all of it, or nothing when it is long or could be a line, a link, an
 * address or a number that we would seem to send. */
#define AW_WORDING_NAME_BYTES_MAX 64U
struct aw_slice aw_wording_name(struct aw_slice name);

/* What is empty or 0 is not known. */
struct aw_wording_facts {
    struct aw_slice   name;
    struct aw_slice   ticket;
    struct aw_slice   flight;
    aw_ms             departs_at;
    aw_ms             new_departs_at;
    struct aw_promise promise;
};
/* Which fields are known: bits. */
uint32_t aw_wording_known(const struct aw_wording_facts *facts);

/* What is wrong with a text: bytes [begin, end) of it, and why. */
struct aw_wording_flaw {
    struct aw_slice field; /* the name that stands there; empty when it is not about one */
    uint32_t        begin;
    uint32_t        end;
    const char     *why;
};
/* Whether the text is well formed, names only fields of `allowed`, and outside of brackets and without words of its own only such
 * as are in `always`: then rendering it can miss nothing. */
AW_MUST_USE bool aw_wording_check(struct aw_slice text, uint32_t allowed, uint32_t always, struct aw_wording_flaw *ret_flaw);
/* The fields that must be known so that the text can be rendered: bits. The text is well formed. */
uint32_t aw_wording_needs(struct aw_slice text);
/* Renders a text that is well formed and whose needs are known. */
void aw_wording_render(struct aw_buffer *buffer, enum aw_language language, struct aw_slice text,
                       const struct aw_wording_facts *facts);

#endif
