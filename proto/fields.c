/* fields.c - fields.def as constant data. */
#include "proto/fields.h"

#include "base/assert.h"
#include "model/limits.h"
#include "model/message.h"
#include "model/surge.h"
#include "proto/requests.h"

#include <stddef.h>

/* The largest whole number that every JSON reader keeps exact (RFC 8259 section 6). */
#define AW_NUMBER_SAFE_MAX ((UINT64_C(1) << 53) - 1)
/* A token is opaque; one that is longer than ours is lost anyway, but let the answer say so. */
#define AW_LEASE_TEXT_BYTES_MAX   256U
#define AW_MESSAGE_TEXT_BYTES_MAX 64U

#define WORDS(what, ...)                                                                                                         \
    static const uint8_t what##_values[] = __VA_ARGS__;                                                                          \
    AW_STATIC_ASSERT(AW_ARRAY_LEN(what##_values) == AW_ARRAY_LEN(what##_names), "a value for each word");                        \
    static const struct aw_words what##_words = {what##_names, what##_values, AW_ARRAY_LEN(what##_names)};

static const char *const visibility_names[] = {"public", "private"};
WORDS(visibility, {AW_VISIBILITY_PUBLIC, AW_VISIBILITY_PRIVATE})
static const char *const addressed_names[] = {"to_us", "about_us", "bystander"};
WORDS(addressed, {AW_ADDRESSED_TO_US, AW_ADDRESSED_ABOUT_US, AW_ADDRESSED_BYSTANDER})
static const char *const care_names[] = {"medical", "reduced_mobility", "unaccompanied_minor", "bereavement", "safety"};
WORDS(care, {AW_CARE_MEDICAL, AW_CARE_REDUCED_MOBILITY, AW_CARE_UNACCOMPANIED_MINOR, AW_CARE_BEREAVEMENT, AW_CARE_SAFETY})
static const char *const class_names[] = {"care", "imminent", "disrupted", "general", "other"};
WORDS(class, {AW_CLASS_CARE, AW_CLASS_IMMINENT, AW_CLASS_DISRUPTED, AW_CLASS_GENERAL, AW_CLASS_OTHER})
static const char *const classes_names[] = {"care", "imminent", "disrupted", "general", "other"};
WORDS(classes, {1 << AW_CLASS_CARE, 1 << AW_CLASS_IMMINENT, 1 << AW_CLASS_DISRUPTED, 1 << AW_CLASS_GENERAL, 1 << AW_CLASS_OTHER})
static const char *const states_names[] = {"waiting", "leased", "held", "closed"};
WORDS(states, {1 << AW_TICKET_WAITING, 1 << AW_TICKET_LEASED, 1 << AW_TICKET_HELD, 1 << AW_TICKET_CLOSED})
static const char *const promise_names[] = {"breaking"};
WORDS(promise, {1})
static const char *const pause_names[] = {"none", "in", "out", "both"};
WORDS(pause, {AW_LANE_OPEN, AW_LANE_PAUSED_IN, AW_LANE_PAUSED_OUT, AW_LANE_PAUSED_BOTH})
static const char *const defer_names[] = {"customer", "third_party", "commitment"};
WORDS(defer, {AW_DEFER_CUSTOMER, AW_DEFER_THIRD_PARTY, AW_DEFER_COMMITMENT})
static const char *const presence_names[] = {"ready", "wrap_up", "break", "leaving"};
WORDS(presence, {AW_PRESENCE_READY, AW_PRESENCE_WRAP_UP, AW_PRESENCE_BREAK, AW_PRESENCE_LEAVING})
static const char *const flight_state_names[] = {"scheduled", "delayed", "cancelled", "rebooked"};
WORDS(flight_state, {AW_FLIGHT_SCHEDULED, AW_FLIGHT_DELAYED, AW_FLIGHT_CANCELLED, AW_FLIGHT_REBOOKED})
static const char *const airport_state_names[] = {"open", "closed"};
WORDS(airport_state, {0, 1})

static const char *const surge_state_names[] = {"off", "on"};
WORDS(surge_state, {0, 1})
static const char *const on_off_names[] = {"on", "off"};
WORDS(on_off, {0, 1})
static const char *const order_names[] = {"ratio", "strict"};
WORDS(order, {AW_SURGE_ORDER_RATIO, AW_SURGE_ORDER_STRICT})

static const char *const incident_state_names[] = {"open", "closed"};
WORDS(incident_state, {AW_INCIDENT_OPEN, AW_INCIDENT_CLOSED})

static const char *const report_names[] = {"sent", "delivered", "read", "failed"};
WORDS(report, {AW_REPLY_SENT, AW_REPLY_DELIVERED, AW_REPLY_READ, AW_REPLY_FAILED})

static const char *const reply_state_names[] = {"pending", "waiting",   "leased", "failed", "dead",
                                                "sent",    "delivered", "read",   "refused"};
WORDS(reply_state, {AW_REPLY_PENDING, AW_REPLY_WAITING, AW_REPLY_LEASED, AW_REPLY_FAILED, AW_REPLY_DEAD, AW_REPLY_SENT,
                    AW_REPLY_DELIVERED, AW_REPLY_READ, AW_REPLY_REFUSED})

#define MEMBER_BYTES(tag, member) sizeof(((struct aw_##tag *)NULL)->member)

static const struct aw_field fields[] = {
#define AW_OBJECT(NAME, tag, title_text)
#define AW_FIELD(tag, field, member, about_text, ...)                                                                            \
    {.name = {#field, sizeof(#field) - 1},                                                                                       \
     .about = about_text,                                                                                                        \
     .at = offsetof(struct aw_##tag, member),                                                                                    \
     .width = MEMBER_BYTES(tag, member),                                                                                         \
     __VA_ARGS__},
#define AW_OBJECT_END(NAME)
#include "proto/fields.def"
#undef AW_OBJECT
#undef AW_FIELD
#undef AW_OBJECT_END
};

/* Where each object's rows begin and end in `fields`. An enumerator that is one less lets the next one have the same number. */
enum {
#define AW_OBJECT(NAME, tag, title_text)              FIRST_##NAME, BEFORE_##NAME = FIRST_##NAME - 1,
#define AW_FIELD(tag, field, member, about_text, ...) ROW_##tag##_##field,
#define AW_OBJECT_END(NAME)                           END_##NAME, LAST_##NAME = END_##NAME - 1,
#include "proto/fields.def"
#undef AW_OBJECT
#undef AW_FIELD
#undef AW_OBJECT_END
};

static const struct aw_object objects[AW_OBJECT_COUNT] = {
#define AW_OBJECT(NAME, tag, title_text)                                                                                         \
    [AW_OBJECT_##NAME] = {.name = #NAME,                                                                                         \
                          .title = (title_text),                                                                                 \
                          .fields = fields + FIRST_##NAME,                                                                       \
                          .field_count = END_##NAME - FIRST_##NAME,                                                              \
                          .bytes = sizeof(struct aw_##tag)},
#define AW_FIELD(tag, field, member, about_text, ...)
#define AW_OBJECT_END(NAME)
#include "proto/fields.def"
#undef AW_OBJECT
#undef AW_FIELD
#undef AW_OBJECT_END
};

#define AW_OBJECT(NAME, tag, title_text)
#define AW_FIELD(tag, field, member, about_text, ...)
#define AW_OBJECT_END(NAME) AW_STATIC_ASSERT(END_##NAME - FIRST_##NAME <= 32, "the fields seen are bits of 32");
#include "proto/fields.def"
#undef AW_OBJECT
#undef AW_FIELD
#undef AW_OBJECT_END

const struct aw_object *
aw_object_of(enum aw_object_kind kind)
{
    AW_ASSERT((unsigned)kind < AW_OBJECT_COUNT);
    return &objects[kind];
}

const struct aw_field *
aw_object_find_field(const struct aw_object *object, struct aw_slice name, uint32_t hint)
{
    for (uint32_t i = 0, at = hint; i < object->field_count; i++, at++) {
        if (at >= object->field_count)
            at = 0;
        if (object->fields[at].name.len == name.len && memcmp(object->fields[at].name.ptr, name.ptr, name.len) == 0)
            return &object->fields[at];
    }
    return NULL;
}

const char *
aw_words_name(const struct aw_words *words, uint64_t value)
{
    for (uint32_t i = 0; i < words->count; i++) {
        if (words->values[i] == value)
            return words->names[i];
    }
    return NULL;
}
