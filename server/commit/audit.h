/* audit.h - whether each pull was given the most urgent ticket that it could have had: judged from the journal alone.
 *
 * A replay tells it every record; it keeps when each ticket came into a queue and when it left, and what each lease says of its
 * pull's choice (aw_lease_choice). At the end every lease is judged by the server's own rule (core/order) on the heads that lay in
 * the pull's lanes when it looked, with the time that the pull had.
 *
 * A ticket was passed over when it goes before the one that was leased and
 *   - its record was published before the pull looked (what came later could not be known: that is allowed, and counted as late),
 *   - it lay in a lane of that pull that was not paused, neither held nor leased,
 *   - it was not of a channel in which the agent had no unit free, as the pull saw it (the record says so),
 *   - and nobody else had it in hand: who leased it in the end began to look only after this pull had taken its own.
 * A ticket that other lanes help with lay in their queues too, from its timer's record on, until it was leased through any of them
 * or the lane helped no more.
 * What waits aside lies in no queue; the committer compares it with a choice when it applies the lease. So it was passed over when
 * it goes before what was leased, was aside when the pull looked and still is, and its agent could have had it. Leases of what was
 * aside are judged as others are, but for differences of a tick or two. Not judged are leases of the minute after tickets of a
 * channel had to move to a shelf (ADR 0016).
 * In doubt it was not. A ticket that left its queue otherwise (held, cancelled, moved, its lane paused, a start, the journal's
 * end) may have been in the hand of a pull that was then refused: its last two groups in the queue do not count, nor the last
 * while twice as long as any choice was held. Nor does the order inside one tick. A lease that is refused because a table or the
 * store is full, because two pulls came under one Idempotency-Key, or because two of one agent came for its last unit, gives its
 * ticket back without a record; the next lease's record tells since when, and what was chosen meanwhile is not judged.
 *
 * About 100 bytes a stay in a queue and 80 a lease; a million leases in 40 lanes take seconds. Who owns: the caller. Thread: one.
 * Fails by AW_E_MEMORY, which judge returns, and which makes note do nothing from there on.
 */
#ifndef AW_COMMIT_AUDIT_H
#define AW_COMMIT_AUDIT_H

#include "core/order.h"
#include "core/state.h"
#include "model/record.h"

struct aw_audit;

AW_MUST_USE enum aw_err aw_audit_new(struct aw_audit **ret_audit);
/* Takes the address, accepts NULL, leaves NULL. */
void aw_audit_free(struct aw_audit **audit);

/* The replay does not begin with the first record: what waits in `state`, a checkpoint, was there before. */
void aw_audit_begin(struct aw_audit *audit, const struct aw_state *state);
/* A record of the batch under `header`, after it was applied to `state`. */
void aw_audit_note(struct aw_audit *audit, const struct aw_batch_header *header, const struct aw_command *command,
                   const struct aw_state *state);

/* A lease whose pull passed over something. */
struct aw_audit_finding {
    uint64_t            seq; /* of the lease */
    aw_ms               at;  /* record time */
    struct aw_slice     agent;
    struct aw_ticket_id taken;
    struct aw_ticket_id passed; /* the most urgent one that it passed over */
    uint32_t            passed_lane;
    enum aw_class       passed_class;
    uint64_t            passed_ms; /* until that was taken, left its queue, or the journal ends */
    uint64_t            held_us;   /* from this pull's choice until its lease had its place in the journal */
};

/* Of a set of durations. All 0 when there are none. */
struct aw_audit_spread {
    uint64_t count;
    uint64_t median;
    uint64_t p99;
    uint64_t max;
};

struct aw_audit_result {
    uint64_t               leases;
    uint64_t               judged;  /* those whose record says how they were chosen */
    struct aw_audit_spread held_us; /* of the judged: from the choice until the lease had its place in the journal */
    struct aw_audit_spread
        late_ms; /* allowed: leases before which something more urgent came between choice and journal; since */
    struct aw_audit_spread passed_ms; /* leases that passed something over; how long */
    uint64_t               beyond;    /* of these: for longer than that pull held what it had chosen instead */
    /* Those that passed over something for longest, the longest first. Borrowed until aw_audit_free. */
    const struct aw_audit_finding *findings;
    uint32_t                       finding_count;
};

#define AW_AUDIT_FINDINGS_MAX 100U

/* Once, at the end. AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_audit_judge(struct aw_audit *audit, struct aw_audit_result *ret_result);

#endif
