/* census.h - what a forecaster is told of the tickets: who waits, and what became of others lately, piece by piece.
 *
 * A copy of plain values, so that whoever computes with them does so on a thread of its own. Changes nothing; what changes between
 * two pieces is told as it is when its turn comes. Owns nothing; borrows the room for tickets.
 * Thread: that of the state. Nothing can fail.
 */
#ifndef AW_CORE_CENSUS_H
#define AW_CORE_CENSUS_H

#include "core/state.h"

struct aw_census_ticket {
    struct aw_ticket_id ticket;
    uint32_t            lane;
    enum aw_class       class_;
    bool                waits;
    aw_ms               age;
    aw_ms               departs_at; /* 0: none known */
    aw_ms               asked_at;   /* when it was opened, or opened again */
    aw_ms               taken_at;   /* the first time since, to the end of that second; 0: not yet */
    uint64_t            handled_ms; /* of one that was answered under its only lease: how long; 0: not known */
    aw_ms               closed_at;  /* 0: it is open */
    /* What its customer was told; made_at 0: nothing, then the rest is 0 too. */
    struct aw_promise promise;     /* last */
    aw_ms             promised_at; /* first */
    enum aw_class     promised_class;
    uint64_t          told_ms;           /* for nine of ten, first, from promised_at */
    uint64_t          raw_ms[AW_SHARES]; /* before it was corrected */
    bool              may_move;          /* the promise, as far as its age and the time of its last move go */
};

struct aw_census {
    /* Asked. */
    aw_ms                    since;   /* of those that do not wait only whom something happened to after this */
    struct aw_census_ticket *tickets; /* borrows */
    uint32_t                 room;
    /* Asked and answered: the slot to go on with; 1 at first, 0: through. */
    uint32_t next;
    /* Answered. */
    uint32_t count;
};

/* Looks at up to `slots` slots, or until the room is full. */
void aw_census_step(const struct aw_state *state, struct aw_census *census, uint32_t slots);

/* Which forecast a lane's tickets are told, or AW_PROMISE_NO_GROUP; and whether it gives tickets out. */
struct aw_census_lane {
    uint8_t group;
    bool    gives;
};
struct aw_census_lane aw_census_lane(const struct aw_state *state, uint32_t lane);

/* What is told in a group of lanes; at 0: nothing ever was. */
struct aw_told_group {
    aw_ms               at;
    aw_ms               base;
    struct aw_told_wait waits[AW_PROMISE_WAITS];
};
void aw_census_told(const struct aw_state *state, uint32_t group, struct aw_told_group *ret_told);

#endif
