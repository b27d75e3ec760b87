/* limits.h - sizes that are part of the contract (design: sections 5, 6 and 8), related to each other by static assertions.
 *
 * Limits that an operator may change are settings (run/settings.h); these here are wired into formats and tables.
 */
#ifndef AW_MODEL_LIMITS_H
#define AW_MODEL_LIMITS_H

#include "base/assert.h"

#define AW_KIB (1024U)
#define AW_MIB (1024U * 1024U)

/* Fields of a message, in bytes. */
#define AW_TEXT_BYTES_MAX           (64U * AW_KIB)
#define AW_CHANNEL_BYTES_MAX        32U
#define AW_ACCOUNT_BYTES_MAX        64U
#define AW_EXTERNAL_ID_BYTES_MAX    256U /* source_id, customer, thread, in_reply_to, replaces */
#define AW_LANG_BYTES_MAX           35U  /* RFC 5646 section 4.4.1 */
#define AW_LANE_BYTES_MAX           64U
#define AW_TAG_BYTES_MAX            64U
#define AW_BOOKING_BYTES_MAX        32U
#define AW_AGENT_BYTES_MAX          64U
#define AW_FLIGHT_NUMBER_BYTES_MAX  8U
#define AW_REF_BYTES_MAX            2048U
#define AW_NAME_BYTES_MAX           256U
#define AW_META_KEY_BYTES_MAX       64U
#define AW_META_VALUE_BYTES_MAX     1024U
#define AW_REASON_BYTES_MAX         96U
#define AW_DISPOSITION_BYTES_MAX    64U
#define AW_RELEASE_REASON_BYTES_MAX 256U
/* Elements of its lists. */
#define AW_ATTACHMENTS_MAX 32U
#define AW_IDENTITIES_MAX  8U
#define AW_FLIGHTS_MAX     8U
#define AW_AIRPORTS_MAX    8U
#define AW_TAGS_MAX        16U
#define AW_META_MAX        32U
#define AW_REASONS_MAX     8U
/* Hashes that may name one customer: the channel's id, each verified identity, and each of these with the booking code (of which
 * run/api_messages makes only the channel's so far). */
#define AW_IDENTITY_HASHES_MAX (2U * AW_IDENTITIES_MAX + 2U)

/* A note by an agent: its text, and what is stored of it. */
#define AW_NOTE_BYTES_MAX         (8U * AW_KIB)
#define AW_NOTE_ENCODED_BYTES_MAX (AW_NOTE_BYTES_MAX + 64U)
#define AW_NOTES_SHOWN_MAX        50U
#define AW_NOTES_BYTES_MAX        (64U * AW_KIB)

/* A message taken out of its ticket: how many at once, and what the messages of one ticket can tell the ticket together. */
#define AW_UNFOLD_MESSAGES_MAX 16U
#define AW_TOLD_IDENTITIES_MAX 64U
#define AW_TOLD_FACTS_MAX      24U
/* Of a ticket's customers: each known by an identity of it, and who only talked about us. */
#define AW_TICKET_ADDRESSES_MAX (AW_TOLD_IDENTITIES_MAX + 1U)

/* A request. */
#define AW_BODY_BYTES_MAX            (1U * AW_MIB)
#define AW_BATCH_LINES_MAX           10000U
#define AW_DEPTH_MAX                 8U /* nesting of JSON or MessagePack; the deepest field needs 3 */
#define AW_LEASES_PER_PULL_MAX       100U
#define AW_LANES_PER_PULL_MAX        1024U
#define AW_LEASE_S_MIN               5U
#define AW_LEASE_S_MAX               3600U
#define AW_LEASE_S_DEFAULT           300U
#define AW_WAIT_S_MAX                50U
#define AW_WAIT_S_DEFAULT            25U
#define AW_LEASE_MESSAGES_MAX        200U
#define AW_IDEMPOTENCY_KEY_BYTES_MAX 255U
#define AW_IF_MATCH_TAGS_MAX         16U
#define AW_LEASE_MESSAGES_BYTES_MAX  (1U * AW_MIB)

/* How many tickets an agent works on at once, its units: in one channel, and in all. Channels have numbers where units are counted;
 * 0 are all those that have none. */
#define AW_CHANNEL_NUMBERS       16U
#define AW_CHANNELS_MAX          (AW_CHANNEL_NUMBERS - 1U)
#define AW_CHANNELS_TOLD_MAX     10U /* by messages; the others are left for those that units name */
#define AW_AGENT_UNITS_MAX       100U
#define AW_AGENT_UNITS_TOTAL_MAX (AW_CHANNELS_MAX * AW_AGENT_UNITS_MAX)

/* Replies on their way out. */
#define AW_REPLY_ACCOUNTS_MAX    16U /* that one request of a gateway names */
#define AW_REPLIES_PER_LEASE_MAX 100U
#define AW_REPLY_LEASE_S_DEFAULT 60U
#define AW_REPLY_ACTIONS_MAX     8U
#define AW_REPLY_CODE_BYTES_MAX  24U /* of a provider: why it failed */
#define AW_REDRIVE_MAX           1000U
#define AW_CHANNEL_PACES_MAX     64U /* accounts of one channel that have a pace */
#define AW_CHANNELS_SET_MAX      64U
#define AW_PACE_REPLIES_MAX      1000000U
#define AW_PACE_SLICE_S_MAX      86400U
#define AW_TICKET_REPLIES_MAX    100U /* of one ticket that are known, also of those that are over: all are looked through */
#define AW_RETRY_AFTER_S_MAX     86400U
#define AW_BULK_TICKETS_MAX      10000U     /* that one request names */
#define AW_OLDER_THAN_S_MAX      315360000U /* ten years */

/* Incidents: tickets that one answer can resolve. */
#define AW_INCIDENTS_MAX            1024U
#define AW_INCIDENTS_PROPOSED_MAX   256U
#define AW_INCIDENT_TITLE_BYTES_MAX 120U
#define AW_INCIDENT_KEYS_MAX        64U /* flights, airports and bookings of one */
#define AW_INCIDENT_KEY_BYTES_MAX   AW_BOOKING_BYTES_MAX
#define AW_INCIDENT_PAGE_MAX        100U  /* tickets in one page of a dry run */
#define AW_INCIDENT_LINKS_MAX       1000U /* tickets that one request names */
/* What one surge may name; its record has to fit with all of it. */
#define AW_SURGE_LANES_MAX        64U
#define AW_SURGE_FLIGHTS_MAX      64U
#define AW_SURGE_AIRPORTS_MAX     64U
#define AW_SURGE_NOTICES_MAX      8U
#define AW_SURGE_NOTICE_BYTES_MAX 480U
#define AW_SURGE_TARGET_S_MAX     (30U * 24U * 3600U)

/* What the server itself writes (templates, answers of incidents): a text, the languages of a set and all of its texts, and the
 * rows of all sets together with what replies on their way still name. */
#define AW_OWN_TEXT_BYTES_MAX  (2U * AW_KIB)
#define AW_OWN_TEXTS_MAX       16U
#define AW_OWN_TEXTS_BYTES_MAX (6U * AW_KIB)
#define AW_OWN_TEXT_ROWS_MAX   4096U

/* What agents give their word for. */
#define AW_COMMITMENTS_BITS     15U
#define AW_COMMITMENTS_MAX      ((1U << AW_COMMITMENTS_BITS) - 1)
#define AW_COMMITMENT_BYTES_MAX 1024U
#define AW_DEFER_MS_MAX         (UINT64_C(366) * 24 * 3600 * 1000)

/* How long a request is known by its Idempotency-Key. */
#define AW_ONCE_MS (UINT64_C(24) * 3600 * 1000)

/* The journal. A message is stored as MessagePack; the record beside its body holds hashes, times and short names. */
#define AW_MESSAGE_ENCODED_BYTES_MAX (128U * AW_KIB)
#define AW_REASONS_ENCODED_BYTES_MAX (1U + AW_REASONS_MAX * (2U + AW_REASON_BYTES_MAX)) /* a short list of short texts */
#define AW_MESSAGE_BODY_BYTES_MAX    (AW_MESSAGE_ENCODED_BYTES_MAX + AW_REASONS_ENCODED_BYTES_MAX)
#define AW_BATCH_BYTES_DEFAULT       (256U * AW_KIB)
#define AW_BATCH_BYTES_MAX           (1U * AW_MIB)
#define AW_RECORD_BYTES_MAX          (8U * AW_KIB) /* any record without its body; bodies lie in a tree of their own */

AW_STATIC_ASSERT(AW_TEXT_BYTES_MAX < AW_MESSAGE_ENCODED_BYTES_MAX, "the longest text fits one stored message");
AW_STATIC_ASSERT(AW_MESSAGE_BODY_BYTES_MAX + AW_RECORD_BYTES_MAX <= AW_BATCH_BYTES_DEFAULT, "one message fits one batch");
AW_STATIC_ASSERT(AW_OWN_TEXTS_BYTES_MAX + AW_OWN_TEXTS_MAX * (3U + AW_LANG_BYTES_MAX) + 512U <= AW_RECORD_BYTES_MAX,
                 "a set of texts fits one record");
AW_STATIC_ASSERT(AW_BATCH_BYTES_DEFAULT <= AW_BATCH_BYTES_MAX, "the default batch is a legal batch");

#endif
