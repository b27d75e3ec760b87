/* order.h - the settings of the order in which tickets are given out, as values; core/order.h is the rule itself.
 *
 * A pull's settings are in the record of its lease (aw_lease_choice), as far as they are not the usual ones. Thread: any.
 */
#ifndef AW_MODEL_ORDER_H
#define AW_MODEL_ORDER_H

#include "base/time.h"
#include "model/class.h"

#include <stdint.h>

enum aw_order {
    AW_ORDER_RATIO,  /* care, then departures in danger, then the largest waited/allowed */
    AW_ORDER_STRICT, /* classes in order; inside a class by departure (imminent) or age */
};

struct aw_order_settings {
    enum aw_order order;
    uint64_t      target_ms[AW_CLASS_COUNT];   /* how long a ticket of this class may wait */
    uint64_t      handling_ms[AW_CLASS_COUNT]; /* a departure nearer than this can no longer be made */
    uint64_t      guard_ms;                    /* a departure is in danger when its slack is below handling + this */
    uint64_t      reserve_ms;                  /* an imminent ticket may wait until this long before its departure */
};
#define AW_ORDER_SETTINGS_DEFAULT                                                                                                \
    ((struct aw_order_settings){                                                                                                 \
        .order = AW_ORDER_RATIO,                                                                                                 \
        .target_ms = {UINT64_C(10) * 60000, UINT64_C(20) * 60000, UINT64_C(60) * 60000, UINT64_C(240) * 60000,                   \
                      UINT64_C(1440) * 60000},                                                                                   \
        .handling_ms = {UINT64_C(10) * 60000, UINT64_C(5) * 60000, UINT64_C(8) * 60000, UINT64_C(6) * 60000,                     \
                        UINT64_C(4) * 60000},                                                                                    \
        .guard_ms = UINT64_C(25) * 60000,                                                                                        \
        .reserve_ms = UINT64_C(15) * 60000,                                                                                      \
    })

#endif
