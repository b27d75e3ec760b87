/* surge.h - a declared surge, as a value: for which part of the desk it holds, and what is done otherwise while it does.
 *
 * Lists lie at the front of their arrays and texts at the front of their bytes; what follows is zeros, so that two are the same
 * when their bytes are. It is stored as it lies here (core/layout.h). Owns nothing. Thread: any. Nothing can fail.
 *
 * Its scope has two halves. `lanes` (none: all) says where: a pull that serves one of them chooses by the order and the targets of
 * the surge, and tickets of these lanes are helped earlier. `channels`, `flights` and `airports` narrow who is told: a message is
 * covered when it is to us, goes to one of the lanes, came on one of the channels (none: any), and names one of the flights or
 * airports (no flights and no airports: any).
 */
#ifndef AW_MODEL_SURGE_H
#define AW_MODEL_SURGE_H

#include "model/command.h"
#include "model/limits.h"
#include "model/order.h"

/* The numbers are stored. */
enum aw_surge_order { AW_SURGE_ORDER_AS_SET = 0, AW_SURGE_ORDER_RATIO = 1, AW_SURGE_ORDER_STRICT = 2 };

struct aw_surge_flight {
    uint64_t hash; /* as in FLIGHT */
    char     number[AW_FLIGHT_NUMBER_BYTES_MAX];
    uint32_t date_days;
    uint32_t reserved;
};
AW_STATIC_ASSERT(sizeof(struct aw_surge_flight) == 24, "no holes");

struct aw_surge_notice {
    char lang[AW_LANG_BYTES_MAX + 1]; /* empty: for who writes in any other */
    char text[AW_SURGE_NOTICE_BYTES_MAX];
};

struct aw_surge {
    aw_ms                  since;                    /* when it was declared, by record time; 0: there is none */
    uint32_t               target_s[AW_CLASS_COUNT]; /* 0: as set */
    uint32_t               overflow_after_s;         /* lanes help after this if that is sooner; 0: as their lane says */
    uint8_t                is_on;
    uint8_t                order;      /* enum aw_surge_order */
    uint8_t                is_receipt; /* who is covered gets no acknowledgement: the receipt is all */
    uint8_t                lane_count;
    uint8_t                channel_count;
    uint8_t                flight_count;
    uint8_t                airport_count;
    uint8_t                notice_count;
    uint16_t               lanes[AW_SURGE_LANES_MAX]; /* ascending */
    struct aw_surge_flight flights[AW_SURGE_FLIGHTS_MAX];
    char                   channels[AW_CHANNELS_MAX][AW_CHANNEL_BYTES_MAX];
    struct aw_airport_code airports[AW_SURGE_AIRPORTS_MAX];
    char                   reason[AW_RELEASE_REASON_BYTES_MAX];
    struct aw_surge_notice notices[AW_SURGE_NOTICES_MAX];
};
AW_STATIC_ASSERT(offsetof(struct aw_surge, lanes) == 40, "no holes");
AW_STATIC_ASSERT(offsetof(struct aw_surge, flights) % 8 == 0, "no holes");
AW_STATIC_ASSERT(sizeof(struct aw_surge) == 40 + 2 * AW_SURGE_LANES_MAX + 24 * AW_SURGE_FLIGHTS_MAX +
                                                AW_CHANNELS_MAX * AW_CHANNEL_BYTES_MAX + 3 * AW_SURGE_AIRPORTS_MAX +
                                                AW_RELEASE_REASON_BYTES_MAX +
                                                AW_SURGE_NOTICES_MAX * sizeof(struct aw_surge_notice),
                 "no holes");

/* What is in `bytes` before its zeros. */
struct aw_slice aw_surge_text(const char *bytes, size_t bytes_max);
/* The same surge, whenever it was declared. */
bool aw_surge_is_same(const struct aw_surge *a, const struct aw_surge *b);
/* Whether it holds in this lane. */
bool aw_surge_holds_in(const struct aw_surge *surge, uint32_t lane);
/* Whether it holds in one of these, ascending; NULL: all lanes. */
bool aw_surge_holds_in_any(const struct aw_surge *surge, const uint32_t *lanes, uint32_t count);
/* Whether it covers a message that goes to this lane. */
bool aw_surge_covers(const struct aw_surge *surge, const struct aw_in_message *message, uint32_t lane);
/* The words for who writes in this language (`pt-BR`, else `pt`, else those for any other); empty: there are none. */
struct aw_slice aw_surge_notice(const struct aw_surge *surge, struct aw_slice lang);
/* How a pull chooses where the surge holds; `order` is how it does elsewhere. */
struct aw_order_settings aw_surge_apply_order(const struct aw_surge *surge, const struct aw_order_settings *order);

#endif
