/* oldest.h - of those that wait in queues: how old the oldest of each class is, and how late the one that is worst off.
 *
 * Looks at the heads of all lanes that have any, so it costs what a pull from all lanes costs, some microseconds for tens of lanes.
 * Who owns: nothing is kept. Thread: an io thread, as for a pull. Nothing here fails.
 */
#ifndef AW_RUN_OLDEST_H
#define AW_RUN_OLDEST_H

#include "commit/lanes.h"
#include "commit/lanes_directory.h"
#include "core/order.h"

struct aw_oldest {
    aw_ms    age;            /* 0: none waits */
    uint32_t kappa_permille; /* waited/allowed; UINT32_MAX when larger */
};

void aw_oldest_find(struct aw_lanes *lanes, struct aw_lanes_directory *directory, const struct aw_order_settings *order,
                    aw_ms now, struct aw_oldest ret_oldest[AW_CLASS_COUNT]);

#endif
