/* oldest.c - looks at the heads of all lanes. */
#include "run/oldest.h"

#include "commit/choice.h"

#include <string.h>

void
aw_oldest_find(struct aw_lanes *lanes, struct aw_lanes_directory *directory, const struct aw_order_settings *order, aw_ms now,
               struct aw_oldest ret_oldest[AW_CLASS_COUNT])
{
    uint32_t lane_count = aw_lanes_directory_count(directory);

    memset(ret_oldest, 0, AW_CLASS_COUNT * sizeof(ret_oldest[0]));
    for (uint32_t lane = aw_lanes_find_any(lanes, 0); lane < lane_count; lane = aw_lanes_find_any(lanes, lane + 1)) {
        struct aw_choice heads[AW_CHOICE_HEADS_MAX];
        unsigned         count = aw_choice_look(lanes, lane, heads);

        for (unsigned i = 0; i < count; i++) {
            const struct aw_order_candidate *candidate = &heads[i].candidate;
            struct aw_oldest                *oldest = &ret_oldest[candidate->class_];
            uint32_t                         kappa = aw_order_kappa(order, now, candidate);

            if (oldest->age == 0 || candidate->age < oldest->age)
                oldest->age = candidate->age;
            if (kappa > oldest->kappa_permille)
                oldest->kappa_permille = kappa;
        }
    }
}
