/* message.h - a message as a gateway posts it, decoded (design: section 8, "A message").
 *
 * All slices and arrays borrow from the request's arena. An optional text that was not sent has ptr NULL and len 0. Thread: any.
 */
#ifndef AW_MODEL_MESSAGE_H
#define AW_MODEL_MESSAGE_H

#include "base/slice.h"
#include "base/time.h"
#include "model/class.h"
#include "model/limits.h"

enum aw_visibility { AW_VISIBILITY_PUBLIC = 0, AW_VISIBILITY_PRIVATE = 1 };
enum aw_addressed { AW_ADDRESSED_TO_US = 0, AW_ADDRESSED_ABOUT_US = 1, AW_ADDRESSED_BYSTANDER = 2 };

/* The listed care codes, as bits. The numbers are stored: never reuse one. */
enum aw_care {
    AW_CARE_MEDICAL = 1,
    AW_CARE_REDUCED_MOBILITY = 2,
    AW_CARE_UNACCOMPANIED_MINOR = 4,
    AW_CARE_BEREAVEMENT = 8, /* sets `gentle`, not the class */
    AW_CARE_SAFETY = 16,
};

struct aw_attachment {
    struct aw_slice kind;
    struct aw_slice media_type;
    struct aw_slice ref;
    struct aw_slice name;
    uint64_t        bytes;
    bool            bytes_known;
};
struct aw_identity {
    struct aw_slice kind; /* phone, mail, handle, ... */
    struct aw_slice value;
};
struct aw_flight {
    struct aw_slice number; /* "KL1234", upper case */
    struct aw_slice from;   /* IATA, three upper-case letters, or empty */
    struct aw_slice to;
    aw_ms           departs_at; /* 0: not given */
    uint32_t        date_days;  /* days since 1970-01-01, with date_known */
    bool            date_known;
};
struct aw_pair {
    struct aw_slice key;
    struct aw_slice value;
};

struct aw_message {
    struct aw_slice             channel;   /* required */
    struct aw_slice             account;   /* "main" when not sent */
    struct aw_slice             source_id; /* required; unique in channel + account */
    struct aw_slice             customer;  /* required */
    struct aw_slice             text;
    struct aw_slice             lang;
    struct aw_slice             thread;
    struct aw_slice             in_reply_to;
    struct aw_slice             booking;
    struct aw_slice             lane;
    struct aw_slice             replaces;
    const struct aw_attachment *attachments;
    const struct aw_identity   *identities;
    const struct aw_flight     *flights;
    const struct aw_slice      *airports;
    const struct aw_slice      *tags;
    const struct aw_pair       *meta;
    aw_ms                       received_at; /* 0: not sent */
    aw_ms                       reply_by;    /* 0: not sent */
    uint32_t                    attachment_count;
    uint32_t                    identity_count;
    uint32_t                    flight_count;
    uint32_t                    airport_count;
    uint32_t                    tag_count;
    uint32_t                    meta_count;
    uint8_t                     care;       /* bits of enum aw_care */
    uint8_t                     class_hint; /* enum aw_class, or AW_CLASS_NONE */
    uint8_t                     visibility; /* enum aw_visibility; public only when sent so */
    uint8_t                     addressed;  /* enum aw_addressed */
};

/* What an agent sends back, decoded (design: section 8, "A reply"). Who owns: as a message. */
struct aw_reply_action {
    struct aw_slice kind; /* required: payment, link, or any name */
    struct aw_slice label;
    struct aw_slice url; /* required */
    struct aw_slice amount;
    struct aw_slice currency;
    aw_ms           expires_at; /* 0: not sent */
};
/* Another address of the customer than the one that he wrote from. */
struct aw_reply_via {
    struct aw_slice channel;
    struct aw_slice account;
    struct aw_slice customer;
};
struct aw_reply {
    struct aw_slice               text; /* this, attachments or template is there */
    struct aw_slice               to;   /* id of a message; empty: the newest that its author was given */
    const struct aw_attachment   *attachments;
    const struct aw_reply_action *actions;
    struct aw_slice               template_;
    const struct aw_pair         *fields; /* of the template */
    uint32_t                      attachment_count;
    uint32_t                      action_count;
    uint32_t                      field_count;
    uint8_t                       visibility; /* enum aw_visibility, or AW_VISIBILITY_AS_TO */
    bool                          is_override;
    bool                          via_known;
    struct aw_reply_via           via;     /* where it goes out; else where the message that it answers came from */
    struct aw_slice               consent; /* id of the message in which the customer agreed to that */
};
#define AW_VISIBILITY_AS_TO 2U /* not sent: as the message that it answers */

#endif
