/* order.h - which of several tickets is next: the guarded ratio (design: section 6), as a pure function.
 *
 * At a pull the heads of all queues of the agent are the candidates; the same candidates give the same choice in any order.
 * Integers only, so that it comes out the same on every machine. Owns nothing. Thread: any. Nothing can fail.
 */
#ifndef AW_CORE_ORDER_H
#define AW_CORE_ORDER_H

#include "model/order.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aw_order_candidate {
    enum aw_class class_;
    aw_ms         age;        /* since when it waits */
    aw_ms         departs_at; /* IMMINENT: the key of its queue, or AW_MS_MAX when it was found by age; ignored for the others */
    aw_ms         reply_by;   /* its channel takes no answer later; 0: it always does */
    uint64_t      id;         /* the last word on ties: slot or ticket sequence, distinct but for one ticket found twice */
};

/* Whether `a` goes before `b`: a total order over candidates with distinct ids, so that it does not matter in which order they are
 * compared.
 * 0. `care` first, oldest first.
 * 1. Else the earliest departure that can still be made (slack = departure - now >= handling), if slack < handling + guard.
 * 2. Else the largest waited/allowed, see aw_order_allowed_ms.
 * 3. Ties: the older, then the smaller id.
 * An imminent ticket whose departure can no longer be made counts as `disrupted`, as which a timer will soon queue it.
 * Strict: by class; imminent ones by departure, others by age; ties as above. */
bool aw_order_goes_before(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *a,
                          const struct aw_order_candidate *b);
/* Which part of the rule speaks for this ticket now. */
enum aw_order_part { AW_ORDER_PART_CARE, AW_ORDER_PART_DEPARTURE, AW_ORDER_PART_RATIO, AW_ORDER_PART_CLASS };
enum aw_order_part aw_order_part(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *candidate);
const char        *aw_order_part_name(enum aw_order_part part);
const char        *aw_order_name(enum aw_order order);
/* The index of the one to take; count >= 1. */
size_t aw_order_choose(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *candidates,
                       size_t count);
/* How long this ticket may have waited at this moment: the target of its class, for `imminent` at most slack - reserve, never
 * more than the time to reply_by, at least a minute. A reply_by that can no longer be met (nearer than the handling time of the
 * class) counts for nothing: see ADR 0014. */
uint64_t aw_order_allowed_ms(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *candidate);
/* waited/allowed in per mille, the slowdown (kappa); UINT32_MAX when larger. */
uint32_t aw_order_kappa(const struct aw_order_settings *settings, aw_ms now, const struct aw_order_candidate *candidate);

#endif
