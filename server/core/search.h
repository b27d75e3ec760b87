/* search.h - which tickets fit a filter: a look through all tickets, in steps.
 *
 * Two orders. OLDEST looks at all of them and keeps the oldest by age that come behind a place, so a page costs a whole look;
 * BY_SLOT stops when its room is full, so many pages cost one look together, and takes no ticket that was opened after the first of
 * them began. A filter by identity looks at the few tickets of that one alone. Changes nothing, so its owner may stop at any
 * step. What changes between two steps is seen as it is when its turn comes: a ticket that fits all the time is found, once;
 * aw_search_views leaves out what does not fit any more.
 * Owns nothing; borrows the room for what it finds, and the names in the filter until aw_search_begin has returned.
 * Thread: that of the state.
 */
#ifndef AW_CORE_SEARCH_H
#define AW_CORE_SEARCH_H

#include "core/state.h"

#define AW_SEARCH_LANE_ANY UINT32_MAX

/* What is asked of a ticket: all of these. Zeros ask nothing, but for states, classes and lane. */
struct aw_search_filter {
    struct aw_hash128      identity;      /* one that it is known by: keyed hash, as in its messages */
    uint64_t               flight;        /* one that it is about: keyed hash, as in its messages */
    struct aw_airport_code airport;       /* one that it is about, by itself or as an end of a flight */
    uint64_t               booking;       /* one that it is about: keyed hash, as in its messages */
    struct aw_slice        channel;       /* that of its newest message */
    struct aw_slice        agent;         /* who holds it */
    aw_ms                  age_before;    /* its age lies before */
    uint32_t               lane;          /* its own, or AW_SEARCH_LANE_ANY */
    struct aw_incident_id  incident;      /* that it is part of */
    bool                   is_breaking;   /* its customer was told that it takes longer */
    bool                   asks_deferred; /* whether the next is asked */
    bool                   is_deferred;
    uint8_t                states;  /* 1 << enum aw_ticket_state each */
    uint8_t                classes; /* 1 << enum aw_class each */
};

enum aw_search_order { AW_SEARCH_OLDEST, AW_SEARCH_BY_SLOT };

struct aw_search_place {
    aw_ms    age;
    uint64_t seq; /* with the slot its id */
    uint32_t slot;
    uint32_t version;
};

struct aw_search {
    /* Asked. */
    struct aw_search_filter filter;
    enum aw_search_order    order;
    struct aw_search_place  after;        /* OLDEST: only what comes behind it; BY_SLOT: only slots above it. Zeros: all */
    uint64_t                opened_until; /* BY_SLOT: record of the newest ticket that counts; 0: of now, for the next page */
    struct aw_search_place *found;        /* borrows */
    uint32_t                room;         /* of it, 1 or more */
    /* Answered. */
    uint32_t count;       /* of `found`, in order */
    uint64_t total;       /* OLDEST: all that fit, before `after` and behind what was found too */
    bool     has_more;    /* behind what was found. BY_SLOT: perhaps */
    bool     in_one_step; /* nothing changed meanwhile */
    /* The look under way. */
    uint64_t _behind; /* OLDEST: all that fit behind `after` */
    uint32_t _channel;
    uint32_t _agent;
    uint32_t _next;
    bool     _is_none; /* nobody of that name holds anything, or no ticket came by that channel */
};

/* Starts a look. AW_E_BAD_VALUE: tickets of this channel can't be told from others, as it came when no more had numbers. */
AW_MUST_USE enum aw_err aw_search_begin(const struct aw_state *state, struct aw_search *search);
/* Goes on for about `work` rows. True when it is through. */
AW_MUST_USE bool aw_search_step(const struct aw_state *state, struct aw_search *search, uint32_t work);
/* What was found and fits still, as it is now, in its order; `ret_views` has room for `count`. Returns how many. */
uint32_t aw_search_views(const struct aw_state *state, const struct aw_search *search, struct aw_ticket_view *ret_views);

#endif
