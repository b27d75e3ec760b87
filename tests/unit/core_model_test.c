/* Proves the state machine against a second one, written the slow and obvious way: tickets in a plain array, every question
 * answered by looking at all of them, nothing derived. Random commands go to both, and every outcome is compared, field by field;
 * now and then all that can be seen. Small tables, so that every limit is met again and again, and time in leaps.
 *
 * Over the same run: the digest kept up equals the one computed; all commands replayed into a fresh state, and only those that
 * changed something, give the same digest after each record; cuts taken while commands go on load into a state that answers every
 * later command alike; pools for old rows too small for that lose the cut and nothing else.
 * Usage: core_model_test [seed [commands]]; the seed is printed first. */
#include "core/told.h"
#include "core_kit.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    SLOTS = 40,
    IDENTITIES = 70,
    IDS = 250,
    LEASES = 8,
    KEYS = 24,
    ASIDES = 6,
    COMMITMENTS = 6,
    LANES = 5,
    AGENTS = 5,
    NAMES = 7,
    CUSTOMERS = 50,
};

static uint64_t seed_given = 20260415;
static uint64_t commands_given = 120000;

static uint64_t random_state;

static uint64_t
pick(uint64_t below)
{
    /* SplitMix64 (Steele, Lea, Flood 2014). */
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (z ^ z >> 31) % below;
}

/* --- the second machine --------------------------------------------------------------------------------------------------- */

struct m_ticket {
    enum aw_ticket_state state;
    uint64_t             opened, last, message, closed; /* sequence numbers; closed: of the record that closed it */
    uint64_t             who[AW_TICKET_IDENTITIES_MAX];
    int                  who_count;
    uint32_t             lane, version, attempt, messages;
    enum aw_class        class_;
    enum aw_class        said; /* by its messages alone, or by a person */
    bool                 by_person;
    enum aw_class        known_said, known_facts;         /* to that person */
    aw_ms                departures[AW_TICKET_FACTS_MAX]; /* all that were said, oldest first */
    aw_ms                said_at[AW_TICKET_FACTS_MAX];
    uint32_t             departure_count;
    bool                 gentle;
    aw_ms                opened_at, age, departs_at, reply_by, closed_at, held_until;
    bool                 closing;
    bool                 outdated; /* WAITING: what its entry tells is not so any more */
    uint8_t              channel;
    /* LEASED */
    uint64_t           fence, seen;
    aw_ms              expires_at;
    int                holder;
    struct aw_pull_key pull;
    /* the lease that ended last */
    uint64_t             ended_fence, ended_op;
    enum aw_command_kind ended_kind;
    int                  ended_holder;
    uint32_t             through; /* the lane + 1; 0: its own */
    /* WAITING: the lanes that help; void: by what their lane no longer says */
    uint32_t helped_by[AW_LANE_HELPERS_MAX], helpers;
    bool     is_void;
    /* who may not take it, who alone may; 0: no such thing */
    aw_ms declined_until[NAMES], kept_until;
    int   kept_for;
    /* what its agent gave his word for */
    bool     is_deferred, is_committed, is_broken;
    aw_ms    due_at;
    int      word_by;
    uint32_t notes;
    uint32_t from[AW_TICKET_TRANSFERS_MAX], transfers; /* lanes that agents handed it on from */
};
struct m_id {
    uint64_t id, seq;
    aw_ms    at;
};
struct m_once {
    struct aw_once       once;
    aw_ms                at;
    uint64_t             seq;
    struct aw_out_ticket out;
};
struct m_message {
    uint64_t        seq, owner; /* owner: the record that opened its ticket */
    struct kit_post post;
    aw_ms           at;
};
struct machine {
    struct m_ticket         tickets[SLOTS];
    uint32_t                free_slots[SLOTS];
    uint32_t                free_count, fresh;
    struct m_id            *ids; /* all that ever were */
    size_t                  id_count;
    struct m_message       *messages; /* all that ever were */
    size_t                  message_count;
    struct m_once          *once; /* all that ever were */
    size_t                  once_count;
    aw_ms                   floor;
    struct aw_core_settings settings;
    const char             *channels[AW_CHANNELS_MAX + 1]; /* by number */
    uint64_t                seq, lane_versions[LANES];
    enum aw_lane_pause      pauses[LANES];
    int                     lane_tags[LANES]; /* the tag that a lane takes; 0: none */
    uint32_t                help_lanes[LANES][AW_LANE_HELPERS_MAX], help_after_s[LANES][AW_LANE_HELPERS_MAX], help_counts[LANES];
    uint32_t                lane_count;
    bool                    agents[NAMES];
    uint32_t                agent_numbers[NAMES], agent_count;
    uint8_t                 barred[NAMES];        /* classes that the agent is not given */
    uint8_t                 unit_channels[NAMES]; /* of which the agent has units; 0: it was never set */
    uint32_t                units[NAMES];
    unsigned                shelves; /* channels that any agent's units named */
    aw_ms                   now;
    uint64_t                deferred, kept, broken;
};
static struct machine m;

static const char *const agent_names[NAMES] = {"ann", "bob", "cyd", "dan", "eve", "fay", "gus"};
static const char *const lane_names[LANES] = {"main", "listening", "refunds", "german", "night"};
/* More than there are numbers. */
static const char *const channel_names[] = {"twitter", "whatsapp", "mail", "web",   "facebook", "phone", "sms", "fax", "telegram",
                                            "signal",  "wechat",   "line", "viber", "mastodon", "desk",  "pit", "tea", "telex"};
static const char *const tag_names[] = {"", "money", "lost", "baby"};

static bool
m_is_open(const struct m_ticket *t)
{
    return t->state == AW_TICKET_WAITING || t->state == AW_TICKET_LEASED || t->state == AW_TICKET_HELD;
}

static bool
m_has(const struct m_ticket *t, uint64_t who)
{
    for (int i = 0; i < t->who_count; i++) {
        if (t->who[i] == who)
            return true;
    }
    return false;
}

static void
m_forget(struct m_ticket *t, uint64_t who)
{
    int kept = 0;

    for (int i = 0; i < t->who_count; i++) {
        if (t->who[i] != who)
            t->who[kept++] = t->who[i];
    }
    t->who_count = kept;
}

static bool
m_makes_it(aw_ms departs)
{
    return departs != 0 && (int64_t)(departs - m.now) >= (int64_t)m.settings.handling_ms[AW_CLASS_IMMINENT];
}

static enum aw_class
m_clock(enum aw_class class_, aw_ms departs)
{
    bool is_near = m_makes_it(departs) && departs - m.now <= m.settings.imminent_ms;

    if (class_ == AW_CLASS_CARE)
        return AW_CLASS_CARE;
    if (is_near)
        return AW_CLASS_IMMINENT;
    return class_ == AW_CLASS_IMMINENT ? AW_CLASS_DISRUPTED : class_;
}

/* The earliest that can be made, else the latest. */
static aw_ms
m_departure(const struct m_ticket *t)
{
    aw_ms made = 0, missed = 0;

    for (uint32_t i = 0; i < t->departure_count; i++) {
        aw_ms at = t->departures[i];

        if (m_makes_it(at) && (made == 0 || at < made))
            made = at;
        if (!m_makes_it(at) && at > missed)
            missed = at;
    }
    return made != 0 ? made : missed;
}

/* Whether the ticket was imminent because of this one, or would have been in a queue. */
static bool
m_was_near(aw_ms departs, aw_ms said_at)
{
    uint64_t handling = m.settings.handling_ms[AW_CLASS_IMMINENT];

    return m.settings.imminent_ms >= handling && departs >= said_at + handling && departs <= m.now + m.settings.imminent_ms;
}

/* By its departures alone. */
static enum aw_class
m_facts(const struct m_ticket *t)
{
    enum aw_class class_ = m_clock(AW_CLASS_OTHER, m_departure(t));

    for (uint32_t i = 0; i < t->departure_count; i++) {
        if (class_ > AW_CLASS_DISRUPTED && m_was_near(t->departures[i], t->said_at[i]))
            class_ = AW_CLASS_DISRUPTED;
    }
    return class_;
}

static enum aw_class
m_class(const struct m_ticket *t)
{
    bool          is_news = !t->by_person || m_facts(t) < t->known_facts;
    enum aw_class said = t->said == AW_CLASS_IMMINENT && !m_makes_it(m_departure(t)) ? AW_CLASS_DISRUPTED : t->said;

    return is_news && m_facts(t) < said ? m_facts(t) : said;
}

static void
m_say(struct m_ticket *t, enum aw_class class_)
{
    if (t->by_person && class_ >= t->known_said)
        return;
    if (t->by_person)
        t->known_said = class_;
    if (class_ < t->said)
        t->said = class_;
}

/* Whether a pull looks for it by reply_by too. */
static bool
m_closing(const struct m_ticket *t, enum aw_class class_)
{
    uint64_t handling = m.settings.handling_ms[class_];

    return class_ != AW_CLASS_CARE && t->reply_by > m.now && t->reply_by >= m.now + handling &&
           t->reply_by <= m.now + AW_CLOSING_MS;
}

static void
m_refresh(struct m_ticket *t)
{
    t->departs_at = m_departure(t);
    t->class_ = m_class(t);
    t->closing = m_closing(t, t->class_);
}

static aw_ms
m_key(const struct m_ticket *t)
{
    return t->class_ == AW_CLASS_IMMINENT ? t->departs_at : t->age;
}

static uint8_t
m_shelf(const struct m_ticket *t)
{
    return (m.shelves >> t->channel & 1) != 0 ? t->channel : 0;
}

static void
m_event(struct aw_command *c, enum aw_event_kind kind, uint32_t slot)
{
    const struct m_ticket *t = &m.tickets[slot];

    c->out.event = (struct aw_event){.kind = kind,
                                     .slot = slot,
                                     .version = t->version,
                                     .lane = t->lane,
                                     .class_ = t->class_,
                                     .key = m_key(t),
                                     .age = t->age,
                                     .reply_by = t->reply_by,
                                     .closing = t->closing,
                                     .shelf = kind == AW_EVENT_HIDDEN ? 0 : m_shelf(t)};
}

static void
m_record(struct aw_command *c, struct m_ticket *t)
{
    c->out.changed = true;
    c->out.seq = ++m.seq;
    if (t != NULL) {
        c->out.prev_seq = t->last;
        t->last = m.seq;
    }
}

static int
m_asides(const struct m_ticket *t)
{
    int count = t->kept_until != 0 ? 1 : 0;

    for (int i = 0; i < NAMES; i++)
        count += t->declined_until[i] != 0 ? 1 : 0;
    return count;
}

static uint32_t
m_declined(const struct m_ticket *t)
{
    uint32_t count = 0;

    for (int i = 0; i < NAMES; i++)
        count += t->declined_until[i] > m.now ? 1 : 0;
    return count;
}

static bool
m_has_aside_room(void)
{
    int count = 0;

    for (uint32_t slot = 1; slot < SLOTS; slot++)
        count += m_asides(&m.tickets[slot]);
    return count < ASIDES;
}

static bool
m_has_decline_over(const struct m_ticket *t)
{
    for (size_t agent = 0; agent < sizeof(t->declined_until) / sizeof(t->declined_until[0]); agent++) {
        if (t->declined_until[agent] != 0 && t->declined_until[agent] <= m.now)
            return true;
    }
    return false;
}

static bool
m_may_take(const struct m_ticket *t, int agent)
{
    if (t->kept_until > m.now && t->kept_for != agent)
        return false;
    return agent < 0 || t->declined_until[agent] <= m.now;
}

static bool
m_is_barred(int agent, enum aw_class class_)
{
    return agent >= 0 && (m.barred[agent] >> class_ & 1) != 0;
}

static void
m_prune(struct m_ticket *t)
{
    for (int i = 0; i < NAMES; i++)
        t->declined_until[i] = t->declined_until[i] <= m.now ? 0 : t->declined_until[i];
    if (t->kept_until <= m.now || t->class_ == AW_CLASS_CARE || t->class_ == AW_CLASS_IMMINENT ||
        m_is_barred(t->kept_for, t->class_))
        t->kept_until = 0;
}

static bool
m_is_aside_over(const struct m_ticket *t)
{
    bool over = t->kept_until != 0 && t->kept_until <= m.now;

    for (int i = 0; i < NAMES; i++)
        over |= t->declined_until[i] != 0 && t->declined_until[i] <= m.now;
    return over;
}

static void
m_queue(struct aw_command *c, uint32_t slot)
{
    struct m_ticket *t = &m.tickets[slot];

    t->state = AW_TICKET_WAITING;
    t->held_until = 0;
    t->is_deferred = false;
    m_refresh(t);
    t->version++;
    t->helpers = 0;
    t->outdated = false;
    m_prune(t);
    m_event(c, m_asides(t) > 0 ? AW_EVENT_ASIDE : AW_EVENT_QUEUED, slot);
}

/* Whoever it was kept for has it no more, and what is over of the declines goes. */
static void
m_let_go(struct m_ticket *t)
{
    t->kept_until = 0;
    for (int i = 0; i < NAMES; i++)
        t->declined_until[i] = t->declined_until[i] <= m.now ? 0 : t->declined_until[i];
}

/* For who put it off first, but no longer than half of what is left. */
static void
m_offer(struct m_ticket *t)
{
    uint64_t ms = t->due_at > m.now ? (t->due_at - m.now) / 2 : 0;

    ms = ms < m.settings.kept_transfer_ms ? ms : m.settings.kept_transfer_ms;
    m_let_go(t);
    if (ms == 0 || (t->declined_until[t->word_by] == 0 && !m_has_aside_room()))
        return;
    t->declined_until[t->word_by] = 0;
    t->kept_until = m.now + ms;
    t->kept_for = t->word_by;
}

static struct aw_ticket_id
m_ticket_id(uint32_t slot)
{
    return (struct aw_ticket_id){.seq = m.tickets[slot].opened, .slot = slot, .shard = KIT_SHARD};
}

/* --- its messages --------------------------------------------------------------------------------------------------------- */

static aw_ms
m_floor(void)
{
    aw_ms floor = m.now > m.settings.dedupe_ms ? m.now - m.settings.dedupe_ms : 0;

    return floor > m.floor ? floor : m.floor;
}

static int
m_living_ids(void)
{
    int living = 0;

    for (size_t i = m.id_count; i-- > 0 && m.ids[i].at >= m_floor();)
        living++;
    return living;
}

static bool
m_is_overdue(const struct m_ticket *t)
{
    return t->state == AW_TICKET_CLOSED && m.now - t->closed_at >= m.settings.reopen_ms;
}

/* The `n`th ticket to be reused, 0 the longest closed; 0: none. */
static uint32_t
m_overdue(int n)
{
    uint64_t above = 0;
    uint32_t found = 0;

    for (; n >= 0; n--) {
        found = 0;
        for (uint32_t slot = 1; slot < SLOTS; slot++) {
            const struct m_ticket *t = &m.tickets[slot];

            if (m_is_overdue(t) && t->closed > above && (found == 0 || t->closed < m.tickets[found].closed))
                found = slot;
        }
        if (found == 0)
            return 0;
        above = m.tickets[found].closed;
    }
    return found;
}

static void
m_room(int *ret_tickets, int *ret_identities)
{
    *ret_tickets = SLOTS - 1;
    *ret_identities = IDENTITIES;
    for (uint32_t slot = 1; slot < SLOTS; slot++) {
        *ret_tickets -= m.tickets[slot].state != AW_TICKET_FREE ? 1 : 0;
        *ret_identities -= m.tickets[slot].who_count;
    }
}

static bool
m_make_room(bool opens, int identities, bool is_trial)
{
    int have_tickets, have_identities, used = 0;

    m_room(&have_tickets, &have_identities);
    for (;;) {
        bool     is_short = have_tickets < (opens ? 1 : 0) || have_identities < identities;
        uint32_t slot;

        if (!is_short && (is_trial || !opens || used >= 4))
            return true;
        slot = m_overdue(is_trial ? used : 0);
        if (slot == 0 || used == 64)
            return !is_short;
        have_tickets++;
        have_identities += m.tickets[slot].who_count;
        used++;
        if (!is_trial) {
            m.tickets[slot] = (struct m_ticket){.state = AW_TICKET_FREE};
            m.free_slots[m.free_count++] = slot;
        }
    }
}

static uint32_t
m_choose_lane(const struct kit_post *post, bool *ret_unknown)
{
    *ret_unknown = false;
    if (post->addressed != AW_ADDRESSED_TO_US)
        return 1;
    if (post->lane != NULL) {
        for (uint32_t i = 0; i < m.lane_count; i++) {
            if (strcmp(lane_names[i], post->lane) == 0)
                return i;
        }
        *ret_unknown = true;
        return 0;
    }
    for (uint32_t i = 0; i < m.lane_count; i++) {
        if (m.lane_tags[i] != 0 && post->tags[0].len > 0 && aw_slice_eq(post->tags[0], aw_slice_str(tag_names[m.lane_tags[i]])))
            return i;
    }
    return 0;
}

/* The first so many names have a number. */
static uint8_t
m_channel(const char *name, uint32_t max)
{
    for (uint8_t channel = 1; channel <= AW_CHANNELS_MAX; channel++) {
        if (m.channels[channel] == NULL && channel > max)
            return 0;
        if (m.channels[channel] == NULL)
            m.channels[channel] = name;
        if (strcmp(m.channels[channel], name) == 0)
            return channel;
    }
    return 0;
}

static void
m_add_facts(struct m_ticket *t, const struct kit_post *post)
{
    enum aw_class said = post->class_ == AW_CLASS_IMMINENT ? AW_CLASS_DISRUPTED : post->class_;
    enum aw_class before = t->class_;
    bool          is_known = post->departs_at == 0;

    m_say(t, said);
    for (uint32_t i = 0; i < t->departure_count; i++)
        is_known |= t->departures[i] == post->departs_at;
    if (!is_known && t->departure_count == AW_TICKET_FACTS_MAX) {
        if (m_was_near(t->departures[0], t->said_at[0]))
            m_say(t, AW_CLASS_DISRUPTED);
        t->departure_count--;
        memmove(t->departures, t->departures + 1, t->departure_count * sizeof(t->departures[0]));
        memmove(t->said_at, t->said_at + 1, t->departure_count * sizeof(t->said_at[0]));
    }
    if (!is_known) {
        t->said_at[t->departure_count] = m.now;
        t->departures[t->departure_count++] = post->departs_at;
        t->known_facts = AW_CLASS_OTHER;
    }
    /* The first that waits for an answer. */
    if (t->messages == 0 || (post->reply_by > m.now && (t->reply_by <= m.now || post->reply_by < t->reply_by)))
        t->reply_by = post->reply_by;
    m_refresh(t);
    if (t->state == AW_TICKET_LEASED && t->class_ > before)
        t->class_ = before;
    t->gentle = t->gentle || post->gentle;
    t->channel = m_channel(post->channel, AW_CHANNELS_TOLD_MAX);
    t->message = m.seq;
    t->messages++;
}

static void
m_add_identity(uint32_t slot, uint64_t who)
{
    uint32_t youngest = 0;
    int      open = 0;

    for (uint32_t i = 1; i < SLOTS; i++) {
        struct m_ticket *t = &m.tickets[i];

        if (i == slot || !m_has(t, who))
            continue;
        if (!m_is_open(t)) {
            m_forget(t, who);
            continue;
        }
        open++;
        if (youngest == 0 || t->opened > m.tickets[youngest].opened)
            youngest = i;
    }
    if (m_has(&m.tickets[slot], who) || m.tickets[slot].who_count == AW_TICKET_IDENTITIES_MAX)
        return;
    if (open == AW_IDENTITY_TICKETS_MAX)
        m_forget(&m.tickets[youngest], who);
    m.tickets[slot].who[m.tickets[slot].who_count++] = who;
}

struct m_place {
    uint32_t joins, related, reopens;
};

static struct m_place
m_find_place(const struct kit_post *post)
{
    struct m_place place = {0};

    if (post->addressed != AW_ADDRESSED_TO_US)
        return place;
    for (uint64_t order = 0; order < 2; order++) {
        /* First the oldest open match, then the oldest but it. */
        uint32_t best = 0;

        for (uint32_t slot = 1; slot < SLOTS; slot++) {
            const struct m_ticket *t = &m.tickets[slot];
            bool                   matches = false;

            for (int i = 0; i < 9 && post->who[i] != 0; i++)
                matches = matches || m_has(t, post->who[i]);
            if (matches && m_is_open(t) && slot != place.joins && (best == 0 || t->opened < m.tickets[best].opened))
                best = slot;
            if (matches && t->state == AW_TICKET_CLOSED && !m_is_overdue(t) &&
                (place.reopens == 0 || t->closed > m.tickets[place.reopens].closed))
                place.reopens = slot;
        }
        if (order == 0)
            place.joins = best;
        else
            place.related = best;
    }
    if (place.joins != 0)
        place.reopens = 0;
    return place;
}

static uint32_t
m_open(const struct kit_post *post, uint32_t lane, struct aw_command *c)
{
    uint32_t         slot = m.free_count > 0 ? m.free_slots[--m.free_count] : ++m.fresh;
    struct m_ticket *t = &m.tickets[slot];

    *t = (struct m_ticket){.opened = m.seq + 1,
                           .version = (uint32_t)m.seq + 1,
                           .lane = lane,
                           .class_ = AW_CLASS_OTHER,
                           .said = AW_CLASS_OTHER,
                           .opened_at = m.now,
                           .age = m.now};
    if (post->received_at != 0 && post->received_at <= m.now && m.now - post->received_at <= m.settings.backdate_ms)
        t->age = post->received_at;
    m_record(c, t);
    m_add_facts(t, post);
    m_queue(c, slot);
    return slot;
}

static bool
m_is_there(const struct m_ticket *t)
{
    bool holds = false;

    for (uint32_t slot = 1; slot < SLOTS; slot++)
        holds |= m.tickets[slot].state == AW_TICKET_LEASED && m.tickets[slot].holder == t->ended_holder;
    return t->ended_kind == AW_COMMAND_COMPLETE && (holds || m.now - t->closed_at < 15 * KIT_MINUTE);
}

static void
m_join(const struct kit_post *post, uint32_t slot, struct aw_command *c)
{
    struct m_ticket *t = &m.tickets[slot];
    bool             was_closed = t->state == AW_TICKET_CLOSED;
    bool             is_kept = was_closed && m_is_there(t);
    uint64_t         kept_ms;
    enum aw_class    class_ = t->class_;
    aw_ms            key = m_key(t);
    aw_ms            reply_by = t->reply_by;
    bool             closing = t->closing;
    uint8_t          shelf = m_shelf(t);

    m_record(c, t);
    if (was_closed)
        t->closed_at = t->reply_by = 0;
    m_add_facts(t, post);
    kept_ms = t->gentle ? m.settings.kept_gentle_ms : m.settings.kept_ms;
    if (is_kept && kept_ms > 0 && !m_is_barred(t->ended_holder, t->class_) && m_has_aside_room()) {
        t->kept_until = m.now + kept_ms;
        t->kept_for = t->ended_holder;
    }
    if (t->is_deferred)
        m_offer(t);
    if (was_closed || t->is_deferred ||
        (t->state == AW_TICKET_WAITING &&
         (class_ != t->class_ || key != m_key(t) || reply_by != t->reply_by || closing != t->closing || shelf != m_shelf(t))))
        m_queue(c, slot);
}

static void
m_message(const struct kit_post *post, struct aw_command *c)
{
    struct m_place place;
    bool           unknown;
    uint32_t       lane, slot;
    int            identities = 0;

    for (size_t i = m.id_count; i-- > 0 && m.ids[i].at >= m_floor();) {
        if (m.ids[i].id == post->id) {
            c->out.u.message = (struct aw_out_message){.duplicate = true, .first_seq = m.ids[i].seq, .record_seq = m.ids[i].seq};
            return;
        }
    }
    lane = m_choose_lane(post, &unknown);
    place = m_find_place(post);
    slot = place.joins != 0 ? place.joins : place.reopens;
    if (slot != 0)
        lane = m.tickets[slot].lane;
    for (int i = 0; i < 9 && post->who[i] != 0 && post->addressed == AW_ADDRESSED_TO_US; i++)
        identities += slot == 0 || !m_has(&m.tickets[slot], post->who[i]) ? 1 : 0;
    if (place.joins == 0 && (m.pauses[lane] == AW_LANE_PAUSED_IN || m.pauses[lane] == AW_LANE_PAUSED_BOTH))
        c->out.err = AW_E_LANE_PAUSED;
    else if (m_living_ids() >= IDS || !m_make_room(slot == 0, identities, true))
        c->out.err = AW_E_TABLE_FULL;
    if (c->out.err != AW_OK)
        return;
    (void)m_make_room(slot == 0, identities, false);
    if (slot == 0)
        slot = m_open(post, lane, c);
    else
        m_join(post, slot, c);
    m.ids[m.id_count++] = (struct m_id){.id = post->id, .seq = m.seq, .at = m.now};
    m.messages[m.message_count++] = (struct m_message){.seq = m.seq, .owner = m.tickets[slot].opened, .post = *post, .at = m.now};
    for (int i = 0; i < 9 && post->who[i] != 0 && post->addressed == AW_ADDRESSED_TO_US; i++)
        m_add_identity(slot, post->who[i]);
    c->out.u.message = (struct aw_out_message){.ticket = m_ticket_id(slot),
                                               .record_seq = m.seq,
                                               .lane = lane,
                                               .class_ = m.tickets[slot].class_,
                                               .folded = place.joins != 0,
                                               .reopened = place.reopens != 0,
                                               .lane_unknown = unknown};
    if (place.joins != 0 && place.related != 0)
        c->out.u.message.related = m_ticket_id(place.related);
}

/* --- its leases ----------------------------------------------------------------------------------------------------------- */

static int
m_agent(struct aw_slice name)
{
    for (int i = 0; i < NAMES; i++) {
        if (aw_slice_eq(name, aw_slice_str(agent_names[i])))
            return i;
    }
    return -1;
}

static uint32_t
m_find_lane(struct aw_slice name)
{
    uint32_t lane = 0;

    while (lane < m.lane_count && !aw_slice_eq(name, aw_slice_str(lane_names[lane])))
        lane++;
    return lane;
}

static void
m_out_lease(struct aw_command *c, uint32_t slot)
{
    const struct m_ticket *t = &m.tickets[slot];

    c->out.u.lease = (struct aw_out_lease){.ticket = m_ticket_id(slot),
                                           .class_ = t->class_,
                                           .state = t->state,
                                           .gentle = t->gentle,
                                           .last_seq = t->last,
                                           .message_seq = t->message,
                                           .messages_total = t->messages,
                                           .attempt = t->attempt,
                                           .opened_at = t->opened_at,
                                           .age = t->age,
                                           .departs_at = t->departs_at,
                                           .reply_by = t->reply_by,
                                           .held_until = t->state == AW_TICKET_HELD ? t->held_until : 0,
                                           .commitment.due_at = t->is_committed ? t->due_at : 0};
    if (t->state == AW_TICKET_LEASED) {
        c->out.u.lease.lease = (struct aw_lease_id){.fence = t->fence, .slot = slot, .shard = KIT_SHARD};
        c->out.u.lease.seen_seq = t->seen;
        c->out.u.lease.expires_at = t->expires_at;
    }
}

static enum aw_err
m_check_pull(const struct aw_pull_key *pull)
{
    bool has_other_pull = false;

    for (uint32_t i = 1; i < SLOTS && pull->key != 0; i++) {
        const struct m_ticket *t = &m.tickets[i];

        if (t->state != AW_TICKET_LEASED || m.now >= t->expires_at || t->pull.key != pull->key)
            continue;
        if (t->pull.request != pull->request)
            return AW_E_KEY_REUSED;
        has_other_pull |= t->pull.pull != pull->pull;
    }
    return has_other_pull ? AW_E_AGAIN : AW_OK;
}

/* Whether the agent has no unit free for one more ticket of this channel. */
static bool
m_is_full(int agent, uint8_t channel)
{
    uint32_t held = 0;

    for (uint32_t slot = 1; slot < SLOTS; slot++)
        held +=
            m.tickets[slot].state == AW_TICKET_LEASED && m.tickets[slot].holder == agent && m.tickets[slot].channel == channel;
    return channel != 0 && channel == m.unit_channels[agent] && held >= m.units[agent];
}

static void
m_see_agent(int agent)
{
    if (!m.agents[agent])
        m.agent_numbers[agent] = ++m.agent_count;
    m.agents[agent] = true;
}

/* Units of one channel, and classes. */
static void
m_set_agent(struct aw_command *c, const char *channel, uint32_t units)
{
    int     agent = m_agent(c->in.agent.name);
    uint8_t number = 0, used = 0;

    for (uint8_t i = 1; i <= AW_CHANNELS_MAX && m.channels[i] != NULL; i++) {
        number = strcmp(m.channels[i], channel) == 0 ? i : number;
        used = i;
    }
    if ((!m.agents[agent] && m.agent_count >= AGENTS) || (number == 0 && used == AW_CHANNELS_MAX))
        c->out.err = AW_E_TABLE_FULL;
    else if (number == 0 || m.unit_channels[agent] != number || m.units[agent] != units ||
             m.barred[agent] != c->in.agent.barred) {
        m.barred[agent] = c->in.agent.barred;
        m_see_agent(agent);
        m.unit_channels[agent] = m_channel(channel, AW_CHANNELS_MAX);
        m.units[agent] = units;
        m.shelves |= 1U << m.unit_channels[agent];
        m_record(c, NULL);
        c->out.event = (struct aw_event){.kind = AW_EVENT_AGENT, .slot = m.agent_numbers[agent]};
    }
}

static bool
m_gives(uint32_t lane)
{
    return m.pauses[lane] != AW_LANE_PAUSED_OUT && m.pauses[lane] != AW_LANE_PAUSED_BOTH;
}

/* How many lanes should help by now. */
static uint32_t
m_help_due(const struct m_ticket *t)
{
    uint32_t due = 0;

    while (due < m.help_counts[t->lane] && m.now >= t->age + m.help_after_s[t->lane][due] * AW_MS_PER_S)
        due++;
    return m_gives(t->lane) ? due : 0;
}

static bool
m_waits_in(const struct m_ticket *t, uint32_t lane)
{
    bool helps = false;

    for (uint32_t i = 0; i < t->helpers; i++)
        helps |= t->helped_by[i] == lane;
    return lane == t->lane || (helps && !t->is_void && m_gives(t->lane));
}

static void
m_lease(struct aw_command *c)
{
    uint32_t         slot = c->in.lease.slot;
    int              agent = m_agent(c->in.lease.agent), leases = 0;
    struct m_ticket *t = &m.tickets[slot];
    uint32_t         lane = c->in.lease.through == 0 ? t->lane : c->in.lease.through - 1;

    for (uint32_t i = 1; i < SLOTS; i++)
        leases += m.tickets[i].state == AW_TICKET_LEASED ? 1 : 0;
    if (t->state != AW_TICKET_WAITING || t->version != c->in.lease.version || !m_gives(t->lane) || !m_waits_in(t, lane) ||
        !m_gives(lane) || !m_may_take(t, m.agents[agent] ? agent : -1) || m_is_full(agent, t->channel) ||
        m_is_barred(agent, t->class_))
        c->out.err = AW_E_STALE;
    else if (m_check_pull(&c->in.lease.pull_key) != AW_OK)
        c->out.err = m_check_pull(&c->in.lease.pull_key);
    else if (leases >= LEASES || (!m.agents[agent] && m.agent_count >= AGENTS))
        c->out.err = AW_E_TABLE_FULL;
    if (c->out.err != AW_OK)
        return;
    m_record(c, t);
    m_see_agent(agent);
    t->state = AW_TICKET_LEASED;
    t->fence = m.seq;
    t->holder = agent;
    t->expires_at = m.now + c->in.lease.lease_ms;
    t->seen = t->message;
    t->pull = c->in.lease.pull_key;
    t->attempt++;
    t->version++;
    t->helpers = 0;
    t->outdated = false;
    t->through = lane == t->lane ? 0 : lane + 1;
    m_event(c, AW_EVENT_HIDDEN, slot);
    m_out_lease(c, slot);
    c->out.u.lease.seen_seq = 0;
}

static void
m_end(struct m_ticket *t, enum aw_command_kind kind, uint64_t op)
{
    t->ended_fence = t->fence;
    t->ended_kind = kind;
    t->ended_holder = t->holder;
    t->ended_op = op;
    t->fence = 0;
}

/* The customer heard, or the ticket closes. */
static void
m_answered(struct m_ticket *t)
{
    if (t->is_committed && !t->is_broken && t->due_at > m.now)
        m.kept++;
    else if (t->is_committed && !t->is_broken)
        m.broken++;
    t->is_committed = t->is_broken = false;
}

static void
m_close(struct m_ticket *t)
{
    m_answered(t);
    t->is_deferred = false;
    t->state = AW_TICKET_CLOSED;
    t->kept_until = 0;
    memset(t->declined_until, 0, sizeof(t->declined_until));
    t->closed = m.seq;
    t->closed_at = m.now;
    t->helpers = 0;
    t->outdated = false;
    t->version++;
}

static bool
m_is_given_back(enum aw_command_kind kind)
{
    return kind == AW_COMMAND_RELEASE || kind == AW_COMMAND_DECLINE || kind == AW_COMMAND_TRANSFER || kind == AW_COMMAND_DEFER;
}

/* NULL: refused or a repeat. */
static struct m_ticket *
m_held(struct aw_command *c)
{
    const struct aw_in_fenced *in = &c->in.fenced;
    struct m_ticket           *t = &m.tickets[in->lease.slot < SLOTS ? in->lease.slot : 0];
    bool                       is_ours;

    if (t->state == AW_TICKET_FREE || t->opened >= in->lease.fence) {
        c->out.err = AW_E_NOT_FOUND;
        return NULL;
    }
    m_out_lease(c, in->lease.slot);
    if (t->ended_fence == in->lease.fence && t->ended_kind == c->kind && t->ended_op == in->op_hash)
        return NULL;
    is_ours = t->state == AW_TICKET_LEASED && t->fence == in->lease.fence;
    if (is_ours && m.now < t->expires_at) {
        if (m_agent(in->agent) == t->holder)
            return t;
        c->out.err = AW_E_FORBIDDEN;
        return NULL;
    }
    c->out.err = AW_E_LEASE_LOST;
    if (t->state == AW_TICKET_CLOSED)
        c->out.u.lease.end = AW_LEASE_END_CLOSED;
    else if (t->state == AW_TICKET_LEASED && !is_ours)
        c->out.u.lease.end = AW_LEASE_END_TAKEN_OVER;
    else if (t->ended_fence == in->lease.fence && m_is_given_back(t->ended_kind))
        c->out.u.lease.end = AW_LEASE_END_RELEASED;
    else
        c->out.u.lease.end = AW_LEASE_END_EXPIRED;
    if (is_ours)
        c->out.u.lease.state = AW_TICKET_WAITING;
    c->out.u.lease.is_last_end = is_ours || t->ended_fence == in->lease.fence;
    return NULL;
}

static void
m_fenced(struct aw_command *c)
{
    uint32_t         slot = c->in.fenced.lease.slot;
    struct m_ticket *t = m_held(c);
    uint64_t         seen;

    if (t == NULL)
        return;
    if (c->kind == AW_COMMAND_DECLINE && t->kept_until == 0 && t->declined_until[t->holder] == 0 && !m_has_decline_over(t) &&
        !m_has_aside_room()) {
        c->out.err = AW_E_TABLE_FULL;
        return;
    }
    if (c->kind == AW_COMMAND_EXTEND && c->in.fenced.lease_ms == 0 && t->message == t->seen)
        return;
    seen = t->seen;
    m_record(c, t);
    if (c->kind == AW_COMMAND_EXTEND) {
        if (c->in.fenced.lease_ms > 0)
            t->expires_at = m.now + c->in.fenced.lease_ms;
        t->seen = t->message;
    } else if (c->kind == AW_COMMAND_RELEASE) {
        m_end(t, c->kind, c->in.fenced.op_hash);
        m_queue(c, slot);
    } else if (c->kind == AW_COMMAND_DECLINE) {
        t->kept_until = 0;
        t->declined_until[t->holder] = m.now + m.settings.decline_ms;
        m_end(t, c->kind, c->in.fenced.op_hash);
        m_queue(c, slot);
    } else if (t->message > t->seen) {
        t->seen = t->message;
        c->out.err = AW_E_NEW_MESSAGES;
    } else {
        m_end(t, c->kind, c->in.fenced.op_hash);
        m_close(t);
        m_event(c, AW_EVENT_HIDDEN, slot);
    }
    m_out_lease(c, slot);
    c->out.u.lease.lease = c->in.fenced.lease;
    c->out.u.lease.seen_seq = seen;
}

static int
m_commitments(bool is_broken)
{
    int count = 0;

    for (uint32_t slot = 1; slot < SLOTS; slot++)
        count += m.tickets[slot].is_committed && (!is_broken || m.tickets[slot].is_broken);
    return count;
}

static void
m_put_off(struct aw_command *c, uint32_t slot)
{
    struct m_ticket *t = &m.tickets[slot];
    uint64_t         half = (c->in.defer.until - m.now + 1) / 2;

    m_record(c, t);
    m_end(t, c->kind, c->in.fenced.op_hash);
    m_let_go(t);
    t->is_deferred = t->is_committed = true;
    t->is_broken = false;
    t->due_at = c->in.defer.until;
    t->word_by = t->ended_holder;
    t->held_until = t->due_at - (half < m.settings.defer_back_ms ? half : m.settings.defer_back_ms);
    t->notes += c->in.defer.what.len > 0 ? 1 : 0;
    t->state = AW_TICKET_HELD;
    m_refresh(t);
    t->version++;
    m_event(c, AW_EVENT_HIDDEN, slot);
    m.deferred++;
}

static void
m_defer(struct aw_command *c)
{
    const struct aw_in_defer *in = &c->in.defer;
    struct m_ticket          *t = m_held(c);
    uint64_t                  seen = t == NULL ? 0 : t->seen;

    if (t == NULL)
        return;
    if (t->message > t->seen) {
        m_record(c, t);
        t->seen = t->message;
        c->out.err = AW_E_NEW_MESSAGES;
    } else if (in->until <= m.now || in->until - m.now > AW_DEFER_MS_MAX) {
        c->out.err = AW_E_BAD_VALUE;
        return;
    } else if (!t->is_committed && m_commitments(false) == COMMITMENTS) {
        c->out.err = AW_E_TABLE_FULL;
        return;
    } else {
        m_put_off(c, in->fenced.lease.slot);
    }
    m_out_lease(c, in->fenced.lease.slot);
    c->out.u.lease.lease = in->fenced.lease;
    c->out.u.lease.seen_seq = seen;
}

static bool
m_came_from(const struct m_ticket *t, uint32_t lane)
{
    return (t->transfers > 0 && t->from[0] == lane) || (t->transfers > 1 && t->from[1] == lane);
}

static enum aw_transfer_refusal
m_transfer_refusal(const struct m_ticket *t, uint32_t lane, int to)
{
    if (to >= 0 && !m.agents[to])
        return AW_TRANSFER_NO_AGENT;
    if (to == t->holder)
        return AW_TRANSFER_TO_SELF;
    if (lane == m.lane_count)
        return AW_TRANSFER_NO_LANE;
    if (to < 0 && lane == t->lane)
        return AW_TRANSFER_SAME_LANE;
    if (to < 0 && m_came_from(t, lane))
        return AW_TRANSFER_BACK;
    if (t->transfers == AW_TICKET_TRANSFERS_MAX)
        return AW_TRANSFER_TOO_OFTEN;
    return m_is_barred(to, t->class_) ? AW_TRANSFER_NOT_SERVED : AW_TRANSFER_GOES;
}

static void
m_transfer(struct aw_command *c)
{
    static const enum aw_err errs[] = {
        [AW_TRANSFER_GOES] = AW_OK,
        [AW_TRANSFER_NO_LANE] = AW_E_NOT_FOUND,
        [AW_TRANSFER_NO_AGENT] = AW_E_NOT_FOUND,
        [AW_TRANSFER_TO_SELF] = AW_E_BAD_VALUE,
        [AW_TRANSFER_SAME_LANE] = AW_E_TRANSFER_REFUSED,
        [AW_TRANSFER_BACK] = AW_E_TRANSFER_REFUSED,
        [AW_TRANSFER_TOO_OFTEN] = AW_E_TRANSFER_REFUSED,
        [AW_TRANSFER_NOT_SERVED] = AW_E_TRANSFER_REFUSED,
    };
    uint32_t         slot = c->in.fenced.lease.slot;
    struct m_ticket *t = m_held(c);
    int              to = m_agent(c->in.transfer.to);
    uint32_t         lane = t == NULL || to >= 0 ? 0 : m_find_lane(c->in.transfer.lane);
    uint64_t         seen;
    bool             is_kept;

    if (t == NULL)
        return;
    lane = to >= 0 ? t->lane : lane;
    c->out.u.lease.refusal = m_transfer_refusal(t, lane, to);
    c->out.err = errs[c->out.u.lease.refusal];
    is_kept = to >= 0 && m.settings.kept_transfer_ms > 0 && t->class_ != AW_CLASS_CARE;
    if (c->out.err == AW_OK && lane != t->lane && (m.pauses[lane] == AW_LANE_PAUSED_IN || m.pauses[lane] == AW_LANE_PAUSED_BOTH))
        c->out.err = AW_E_LANE_PAUSED;
    else if (c->out.err == AW_OK && is_kept && t->kept_until == 0 && t->declined_until[to] == 0 && !m_has_decline_over(t) &&
             !m_has_aside_room())
        c->out.err = AW_E_TABLE_FULL;
    if (c->out.err != AW_OK)
        return;
    seen = t->seen;
    m_record(c, t);
    t->notes += c->in.transfer.note.len > 0 ? 1 : 0;
    t->from[t->transfers++] = t->lane;
    t->kept_until = 0;
    t->lane = lane;
    if (is_kept) {
        t->declined_until[to] = 0;
        t->kept_until = m.now + m.settings.kept_transfer_ms;
        t->kept_for = to;
    }
    m_end(t, c->kind, c->in.fenced.op_hash);
    m_queue(c, slot);
    m_out_lease(c, slot);
    c->out.u.lease.lease = c->in.fenced.lease;
    c->out.u.lease.seen_seq = seen;
}

/* --- the rest of it ------------------------------------------------------------------------------------------------------- */

/* What time would change about this ticket now. */
enum m_verdict { M_NOTHING, M_BACK, M_CLASS, M_HELP, M_BROKEN };

static enum m_verdict
m_judge(const struct m_ticket *t)
{
    if (t->is_committed && !t->is_broken && m.now >= t->due_at)
        return M_BROKEN;
    if (t->state == AW_TICKET_LEASED)
        return m.now >= t->expires_at ? M_BACK : M_NOTHING;
    if (t->state == AW_TICKET_HELD && t->held_until != 0 && m.now >= t->held_until)
        return M_BACK;
    if (t->state == AW_TICKET_WAITING && m_is_aside_over(t))
        return M_BACK;
    if ((t->state == AW_TICKET_HELD || t->state == AW_TICKET_WAITING) &&
        (t->outdated || m_class(t) != t->class_ || m_departure(t) != t->departs_at || m_closing(t, m_class(t)) != t->closing))
        return M_CLASS;
    if (t->state == AW_TICKET_WAITING && t->helpers > 0 && t->is_void)
        return M_BACK;
    return t->state == AW_TICKET_WAITING && m_help_due(t) > t->helpers ? M_HELP : M_NOTHING;
}

static void
m_help(struct aw_command *c, uint32_t slot)
{
    struct m_ticket *t = &m.tickets[slot];
    uint32_t         due = m_help_due(t);

    m_event(c, m_asides(t) > 0 ? AW_EVENT_ASIDE : AW_EVENT_HELPED, slot);
    for (; t->helpers < due; t->helpers++) {
        t->helped_by[t->helpers] = m.help_lanes[t->lane][t->helpers];
        c->out.event.others[c->out.event.other_count++].lane = (uint16_t)t->helped_by[t->helpers];
    }
    t->is_void = false;
}

static void
m_timer(struct aw_command *c)
{
    uint32_t         slot = c->in.timer.slot;
    struct m_ticket *t = &m.tickets[slot];
    enum m_verdict   verdict = t->version == c->in.timer.version ? m_judge(t) : M_NOTHING;
    enum aw_class    class_ = t->class_;
    aw_ms            key = m_key(t);
    bool             closing = t->closing, comes_back;

    if (verdict != M_NOTHING) {
        m_record(c, t);
        if (t->state == AW_TICKET_LEASED && verdict != M_BROKEN)
            m_end(t, AW_COMMAND_TIMER, 0);
        if (verdict == M_CLASS)
            m_refresh(t);
        comes_back = t->is_deferred && (verdict == M_BACK || (verdict == M_CLASS && t->class_ < class_));
        if (comes_back)
            m_offer(t);
        t->is_broken |= verdict == M_BROKEN;
        m.broken += verdict == M_BROKEN;
        if (verdict == M_HELP)
            m_help(c, slot);
        else if (verdict == M_BACK || comes_back ||
                 (t->state == AW_TICKET_WAITING &&
                  (t->outdated || t->class_ != class_ || m_key(t) != key || t->closing != closing)))
            m_queue(c, slot);
    }
    if (t->state != AW_TICKET_FREE)
        c->out.u.ticket = (struct aw_out_ticket){.ticket = m_ticket_id(slot), .state = t->state, .version = t->version};
}

static enum aw_hold
m_hold(const struct aw_command *c)
{
    return c->kind == AW_COMMAND_HOLD ? AW_HOLD_ON : c->kind == AW_COMMAND_UNHOLD ? AW_HOLD_OFF : c->in.ticket.hold;
}

/* HOLD, UNHOLD and PLACE, where they are allowed. */
static bool
is_placed_alike(const struct m_ticket *a, const struct m_ticket *b)
{
    return a->lane == b->lane && a->class_ == b->class_ && a->said == b->said && a->by_person == b->by_person &&
           a->known_said == b->known_said && a->known_facts == b->known_facts && a->departs_at == b->departs_at &&
           a->closing == b->closing && a->transfers == b->transfers;
}

static void
m_place(struct aw_command *c, uint32_t slot)
{
    const struct aw_in_ticket *in = &c->in.ticket;
    struct m_ticket           *t = &m.tickets[slot], before = *t;
    uint32_t                   lane = t->lane;

    if (c->kind == AW_COMMAND_PLACE && in->lane.len > 0) {
        for (lane = 0; lane < m.lane_count && !aw_slice_eq(in->lane, aw_slice_str(lane_names[lane])); lane++)
            ;
        if (lane == m.lane_count)
            c->out.err = AW_E_NOT_FOUND;
        else if (lane != t->lane && (m.pauses[lane] == AW_LANE_PAUSED_IN || m.pauses[lane] == AW_LANE_PAUSED_BOTH))
            c->out.err = AW_E_LANE_PAUSED;
        if (c->out.err != AW_OK)
            return;
    }
    t->lane = lane;
    t->transfers = c->kind == AW_COMMAND_PLACE && in->lane.len > 0 ? 0 : t->transfers;
    if (c->kind == AW_COMMAND_PLACE && in->class_ != AW_CLASS_NONE) {
        t->known_said = t->by_person ? t->known_said : t->said;
        t->known_facts = m_facts(t);
        t->by_person = true;
        t->said = (enum aw_class)in->class_;
        m_refresh(t);
    }
    if (m_hold(c) == AW_HOLD_AS_IS && is_placed_alike(&before, t))
        return;
    m_record(c, t);
    t->is_deferred &= m_hold(c) == AW_HOLD_AS_IS;
    if (m_hold(c) != AW_HOLD_AS_IS)
        t->held_until = m_hold(c) == AW_HOLD_ON ? in->until : 0;
    if (m_hold(c) == AW_HOLD_ON)
        t->state = AW_TICKET_HELD;
    if (m_hold(c) == AW_HOLD_OFF || t->state == AW_TICKET_WAITING) {
        m_queue(c, slot);
        return;
    }
    t->version++;
    t->helpers = 0;
    t->outdated = false;
    m_event(c, AW_EVENT_HIDDEN, slot);
}

static void
m_cancel(struct aw_command *c, uint32_t slot)
{
    struct m_ticket *t = &m.tickets[slot];

    m_record(c, t);
    if (t->state == AW_TICKET_LEASED)
        m_end(t, AW_COMMAND_CANCEL, 0);
    t->held_until = 0;
    t->is_committed = t->is_broken = false; /* nobody kept or broke it */
    m_close(t);
    m_event(c, AW_EVENT_HIDDEN, slot);
}

static void
m_note(struct aw_command *c, struct m_ticket *t)
{
    m_record(c, t);
    t->notes++;
}

static void
m_on_ticket(struct aw_command *c)
{
    const struct aw_in_ticket *in = &c->in.ticket;
    uint32_t                   slot = in->ticket.slot;
    struct m_ticket           *t = &m.tickets[slot < SLOTS ? slot : 0];
    bool                       is_allowed;

    if (t->state == AW_TICKET_FREE || t->opened != in->ticket.seq) {
        c->out.err = AW_E_NOT_FOUND;
        return;
    }
    is_allowed = c->kind == AW_COMMAND_CANCEL || c->kind == AW_COMMAND_NOTE || m_hold(c) == AW_HOLD_AS_IS ? m_is_open(t)
                 : m_hold(c) == AW_HOLD_ON ? t->state == AW_TICKET_WAITING || t->state == AW_TICKET_HELD
                                           : t->state == AW_TICKET_HELD;
    if (in->if_match.version != 0 && in->if_match.version != t->version)
        c->out.err = AW_E_PRECONDITION;
    else if (!is_allowed)
        c->out.err = AW_E_WRONG_STATE;
    else if (c->kind == AW_COMMAND_CANCEL)
        m_cancel(c, slot);
    else if (c->kind == AW_COMMAND_NOTE)
        m_note(c, t);
    else
        m_place(c, slot);
    c->out.u.ticket = (struct aw_out_ticket){
        .ticket = in->ticket, .state = t->state, .version = t->version, .class_ = t->class_, .held_until = t->held_until};
}

/* Told is what would be; nothing changes. */
static void
m_try_on_ticket(struct aw_command *c)
{
    static struct machine before;
    uint32_t              slot = c->in.ticket.ticket.slot, version;

    before = m;
    version = m.tickets[slot < SLOTS ? slot : 0].version;
    m_on_ticket(c);
    m = before;
    c->out.changed = false;
    c->out.seq = c->out.prev_seq = 0;
    c->out.event = (struct aw_event){.kind = AW_EVENT_NONE};
    if (c->out.err != AW_E_NOT_FOUND || c->out.u.ticket.ticket.seq != 0)
        c->out.u.ticket.version = version;
}

/* --- messages taken out --------------------------------------------------------------------------------------------------- */

static bool
m_is_taken(const struct aw_in_unfold *in, uint64_t seq)
{
    for (uint32_t i = 0; i < in->message_count; i++) {
        if (in->messages[i] == seq)
            return true;
    }
    return false;
}

/* A ticket made anew of those of a ticket's messages that are taken out, or of the others. */
static struct m_ticket
m_made_of(const struct aw_in_unfold *in, bool taken)
{
    struct m_ticket t = {.class_ = AW_CLASS_OTHER, .said = AW_CLASS_OTHER};
    aw_ms           now = m.now;

    for (size_t i = 0; i < m.message_count; i++) {
        const struct m_message *message = &m.messages[i];

        if (message->owner != in->on.ticket.seq || m_is_taken(in, message->seq) != taken)
            continue;
        m.now = message->at;
        if (t.messages == 0) {
            t.opened_at = t.age = m.now;
            if (message->post.received_at != 0 && message->post.received_at <= m.now &&
                m.now - message->post.received_at <= m.settings.backdate_ms)
                t.age = message->post.received_at;
        }
        m_add_facts(&t, &message->post);
        t.message = message->seq;
        for (int who = 0; who < 9 && message->post.who[who] != 0 && t.who_count < (int)AW_TICKET_IDENTITIES_MAX; who++) {
            if (!m_has(&t, message->post.who[who]))
                t.who[t.who_count++] = message->post.who[who];
        }
    }
    m.now = now;
    return t;
}

/* What is left of a ticket. */
static void
m_leave(struct m_ticket *t, const struct m_ticket *left)
{
    bool is_outdated = t->state == AW_TICKET_WAITING && (t->reply_by != left->reply_by || m_shelf(t) != m_shelf(left));
    int  kept = 0;

    for (int i = 0; i < t->who_count; i++) {
        if (m_has(left, t->who[i]))
            t->who[kept++] = t->who[i];
    }
    t->who_count = kept;
    if (!t->by_person)
        t->said = left->said;
    else if (left->said > t->known_said)
        t->known_said = left->said;
    memcpy(t->departures, left->departures, sizeof(t->departures));
    memcpy(t->said_at, left->said_at, sizeof(t->said_at));
    t->departure_count = left->departure_count;
    t->gentle = left->gentle;
    t->reply_by = left->reply_by;
    t->channel = left->channel;
    t->message = left->message;
    t->messages = left->messages;
    if (is_outdated) /* its TIMER will queue it anew */
        t->outdated = true;
}

static enum aw_err
m_check_unfold(const struct aw_in_unfold *in, const struct m_ticket *t, const struct m_ticket *taken, const struct m_ticket *left)
{
    if (in->on.if_match.version != 0 && in->on.if_match.version != t->version)
        return AW_E_PRECONDITION;
    if (!m_is_open(t))
        return AW_E_WRONG_STATE;
    if (in->newest_seq != t->message || in->messages_total != t->messages)
        return AW_E_STALE;
    if (taken->messages == 0 || left->messages == 0)
        return AW_E_BAD_VALUE;
    if (t->state == AW_TICKET_LEASED && in->messages[0] <= t->seen && m_agent(in->on.by) != t->holder)
        return AW_E_WRONG_STATE;
    return m_make_room(true, taken->who_count, true) ? AW_OK : AW_E_TABLE_FULL;
}

static void
m_unfold(struct aw_command *c)
{
    const struct aw_in_unfold *in = &c->in.unfold;
    struct m_ticket           *t = &m.tickets[in->on.ticket.slot];
    struct m_ticket            taken = m_made_of(in, true), left = m_made_of(in, false);
    uint32_t                   slot;

    if (t->state == AW_TICKET_FREE || t->opened != in->on.ticket.seq) {
        c->out.err = AW_E_NOT_FOUND;
        return;
    }
    c->out.err = m_check_unfold(in, t, &taken, &left);
    if (c->out.err != AW_OK) {
        c->out.u.ticket = (struct aw_out_ticket){.ticket = in->on.ticket,
                                                 .from = in->on.ticket,
                                                 .state = t->state,
                                                 .version = t->version,
                                                 .class_ = t->class_,
                                                 .held_until = t->held_until};
        return;
    }
    (void)m_make_room(true, taken.who_count, false);
    m_record(c, t);
    m_leave(t, &left);
    slot = m.free_count > 0 ? m.free_slots[--m.free_count] : ++m.fresh;
    m.tickets[slot] = taken;
    m.tickets[slot].who_count = 0;
    m.tickets[slot].lane = t->lane;
    m.tickets[slot].opened = m.tickets[slot].last = m.seq;
    m.tickets[slot].version = (uint32_t)m.seq;
    m_queue(c, slot);
    for (int i = 0; i < taken.who_count; i++)
        m_add_identity(slot, taken.who[i]);
    for (size_t i = 0; i < m.message_count; i++) {
        if (m.messages[i].owner == in->on.ticket.seq && m_is_taken(in, m.messages[i].seq))
            m.messages[i].owner = m.seq;
    }
    c->out.u.ticket = (struct aw_out_ticket){.ticket = m_ticket_id(slot),
                                             .from = in->on.ticket,
                                             .state = AW_TICKET_WAITING,
                                             .version = m.tickets[slot].version,
                                             .class_ = m.tickets[slot].class_};
}

/* Told is what would be; nothing changes. */
static void
m_try_unfold(struct aw_command *c)
{
    const struct aw_in_unfold *in = &c->in.unfold;
    struct m_ticket            taken = m_made_of(in, true), left = m_made_of(in, false);
    struct m_ticket           *t = &m.tickets[in->on.ticket.slot];

    if (t->state == AW_TICKET_FREE || t->opened != in->on.ticket.seq || m_check_unfold(in, t, &taken, &left) != AW_OK) {
        m_unfold(c);
        return;
    }
    c->out.u.ticket = (struct aw_out_ticket){.from = in->on.ticket, .state = AW_TICKET_WAITING, .class_ = m_class(&taken)};
}

/* True: the key has decided. */
static bool
m_was_done(struct aw_command *c)
{
    unsigned living = 0;

    for (size_t i = m.once_count; i-- > 0 && m.now - m.once[i].at < KIT_DAY; living++) {
        if (!aw_hash128_eq(m.once[i].once.key, c->once.key))
            continue;
        if (m.once[i].once.request != c->once.request) {
            c->out.err = AW_E_KEY_REUSED;
            return true;
        }
        c->out.repeated = true;
        c->out.seq = m.once[i].seq;
        c->out.u.ticket = (struct aw_out_ticket){.ticket = m.once[i].out.ticket,
                                                 .state = m.once[i].out.state,
                                                 .version = m.once[i].out.version,
                                                 .class_ = m.once[i].out.class_};
        return true;
    }
    if (living >= KEYS)
        c->out.err = AW_E_TABLE_FULL;
    return living >= KEYS;
}

static void
m_on_ticket_once(struct aw_command *c)
{
    if (aw_once_is_set(&c->once) && m_was_done(c))
        return;
    if (c->kind == AW_COMMAND_UNFOLD && c->in.unfold.on.dry_run)
        m_try_unfold(c);
    else if (c->kind == AW_COMMAND_UNFOLD)
        m_unfold(c);
    else if (c->in.ticket.dry_run)
        m_try_on_ticket(c);
    else
        m_on_ticket(c);
    if (!aw_once_is_set(&c->once))
        return;
    if (c->out.changed)
        m.once[m.once_count++] = (struct m_once){.once = c->once, .at = m.now, .seq = c->out.seq, .out = c->out.u.ticket};
}

/* `tag`: what the lane is to match; 0: nothing. */
/* What an UNFOLD points to. */
struct unfolding {
    uint64_t          messages[AW_UNFOLD_MESSAGES_MAX];
    struct aw_telling taken, left;
};

/* A command as it was, with all that it points to. */
struct logged {
    struct aw_command     command;
    struct kit_post       post;   /* MESSAGE */
    struct aw_hash128     digest; /* after it */
    aw_ms                 now;
    uint64_t              index;
    int                   tag;   /* LANE; of AGENT the channel */
    uint32_t              units; /* AGENT */
    struct aw_lane_helper helpers[AW_LANE_HELPERS_MAX];
    uint32_t              helper_count;
    struct unfolding     *unfolding; /* owns: UNFOLD */
};
/* False: they can't help. */
static bool
m_read_helpers(const struct logged *l, struct aw_slice name, uint32_t ret_lanes[AW_LANE_HELPERS_MAX])
{
    for (uint32_t i = 0; i < l->helper_count; i++) {
        ret_lanes[i] = m_find_lane(l->helpers[i].lane);
        if (ret_lanes[i] == m.lane_count || aw_slice_eq(l->helpers[i].lane, name) || l->helpers[i].after_s == 0 ||
            l->helpers[i].after_s > AW_LANE_HELP_S_MAX || (i > 0 && l->helpers[i].after_s < l->helpers[i - 1].after_s))
            return false;
        for (uint32_t k = 0; k < i; k++) {
            if (ret_lanes[k] == ret_lanes[i])
                return false;
        }
    }
    return true;
}

static bool
m_is_helped_so(const struct logged *l, uint32_t lane, const uint32_t lanes[AW_LANE_HELPERS_MAX])
{
    bool is_so = m.help_counts[lane] == l->helper_count;

    for (uint32_t i = 0; is_so && i < l->helper_count; i++)
        is_so = m.help_lanes[lane][i] == lanes[i] && m.help_after_s[lane][i] == l->helpers[i].after_s;
    return is_so;
}

/* What helped by the old word helps no more. */
static void
m_set_helpers(const struct logged *l, uint32_t lane, const uint32_t lanes[AW_LANE_HELPERS_MAX])
{
    m.help_counts[lane] = l->helper_count;
    for (uint32_t i = 0; i < l->helper_count; i++) {
        m.help_lanes[lane][i] = lanes[i];
        m.help_after_s[lane][i] = l->helpers[i].after_s;
    }
    for (uint32_t slot = 1; slot < SLOTS; slot++)
        m.tickets[slot].is_void |= m.tickets[slot].lane == lane && m.tickets[slot].helpers > 0;
}

static void
m_lane(struct aw_command *c, const struct logged *l)
{
    uint32_t lane = m_find_lane(c->in.lane.name), helpers[AW_LANE_HELPERS_MAX] = {0};
    bool     is_told;

    if (!m_read_helpers(l, c->in.lane.name, helpers)) {
        c->out.err = AW_E_BAD_VALUE;
        return;
    }
    is_told = lane == m.lane_count || m.pauses[lane] != c->in.lane.pause || !m_is_helped_so(l, lane, helpers);
    if (is_told || m.lane_tags[lane] != l->tag) {
        bool gave = m_gives(lane);

        c->out.u.lane.created = lane == m.lane_count;
        if (lane == m.lane_count)
            m.lane_count++;
        m.pauses[lane] = c->in.lane.pause;
        m.lane_tags[lane] = l->tag;
        m.lane_versions[lane]++;
        m_record(c, NULL);
        if (!m_is_helped_so(l, lane, helpers) || (gave && !m_gives(lane)))
            m_set_helpers(l, lane, helpers);
        if (is_told)
            c->out.event = (struct aw_event){.kind = AW_EVENT_LANE, .lane = lane, .pause = c->in.lane.pause};
    }
    c->out.u.lane.lane = lane;
    c->out.u.lane.version = m.lane_versions[lane];
}

static void
m_epoch(struct aw_command *c)
{
    m_record(c, NULL);
    for (uint32_t slot = 1; slot < SLOTS; slot++) {
        struct m_ticket *t = &m.tickets[slot];

        if (t->state == AW_TICKET_LEASED && t->expires_at < m.now + m.settings.lease_grace_ms)
            t->expires_at = m.now + m.settings.lease_grace_ms;
    }
}

static void
m_settings(struct aw_command *c)
{
    if (memcmp(&c->in.settings, &m.settings, sizeof(m.settings)) == 0)
        return;
    m_record(c, NULL);
    m.floor = m_floor();
    m.settings = c->in.settings;
}

/* --- both, side by side --------------------------------------------------------------------------------------------------- */

struct run {
    struct kit     kit;
    struct logged *log; /* owns */
    size_t         count;
    uint64_t       ids; /* source ids handed out */
};

static void
fail_at(const struct run *run, const char *what)
{
    const struct logged *l = &run->log[run->count];

    fail_msg("seed %" PRIu64 ", command %zu (%s): %s differs", seed_given, run->count, aw_command_name(l->command.kind), what);
}

#define SAME(field)                                                                                                              \
    do {                                                                                                                         \
        if (a->field != b->field)                                                                                                \
            fail_at(run, #field);                                                                                                \
    } while (0)

static void
compare_message(const struct run *run, const struct aw_out_message *a, const struct aw_out_message *b)
{
    SAME(ticket.seq);
    SAME(ticket.slot);
    SAME(ticket.shard);
    SAME(related.seq);
    SAME(related.slot);
    SAME(first_seq);
    SAME(record_seq);
    SAME(lane);
    SAME(class_);
    SAME(folded);
    SAME(reopened);
    SAME(duplicate);
    SAME(lane_unknown);
}

static void
compare_lease(const struct run *run, const struct aw_out_lease *a, const struct aw_out_lease *b)
{
    SAME(lease.fence);
    SAME(lease.slot);
    SAME(ticket.seq);
    SAME(ticket.slot);
    SAME(refusal);
    SAME(class_);
    SAME(state);
    SAME(end);
    SAME(is_last_end);
    SAME(gentle);
    SAME(last_seq);
    SAME(seen_seq);
    SAME(message_seq);
    SAME(messages_total);
    SAME(attempt);
    SAME(opened_at);
    SAME(age);
    SAME(departs_at);
    SAME(reply_by);
    SAME(expires_at);
    SAME(held_until);
    SAME(commitment.due_at);
}

/* long: a flat switch over all kinds */
static void
compare_out(const struct run *run, enum aw_command_kind kind, const struct aw_outcome_of *a, const struct aw_outcome_of *b)
{
    SAME(err);
    SAME(changed);
    SAME(repeated);
    SAME(seq);
    SAME(prev_seq);
    SAME(event.kind);
    SAME(event.slot);
    SAME(event.version);
    SAME(event.lane);
    SAME(event.class_);
    SAME(event.pause);
    SAME(event.key);
    SAME(event.age);
    SAME(event.shelf);
    SAME(event.other_count);
    for (unsigned i = 0; i < a->event.other_count; i++)
        SAME(event.others[i].lane);
    switch (kind) {
    case AW_COMMAND_MESSAGE:
        compare_message(run, &a->u.message, &b->u.message);
        return;
    case AW_COMMAND_LEASE:
    case AW_COMMAND_EXTEND:
    case AW_COMMAND_COMPLETE:
    case AW_COMMAND_RELEASE:
    case AW_COMMAND_DECLINE:
    case AW_COMMAND_TRANSFER:
    case AW_COMMAND_DEFER:
        compare_lease(run, &a->u.lease, &b->u.lease);
        return;
    case AW_COMMAND_HOLD:
    case AW_COMMAND_UNHOLD:
    case AW_COMMAND_CANCEL:
    case AW_COMMAND_PLACE:
    case AW_COMMAND_NOTE:
    case AW_COMMAND_UNFOLD:
        SAME(u.ticket.ticket.slot);
        SAME(u.ticket.from.seq);
        SAME(u.ticket.class_);
        SAME(u.ticket.held_until);
        SAME(u.ticket.ticket.seq);
        SAME(u.ticket.state);
        SAME(u.ticket.version);
        return;
    case AW_COMMAND_TIMER:
        SAME(u.ticket.ticket.seq);
        SAME(u.ticket.state);
        SAME(u.ticket.version);
        return;
    case AW_COMMAND_LANE:
        SAME(u.lane.lane);
        SAME(u.lane.version);
        SAME(u.lane.created);
        return;
    case AW_COMMAND_EPOCH:
    case AW_COMMAND_SETTINGS:
    case AW_COMMAND_ERASE:    /* core_erase_test */
    case AW_COMMAND_WITHDRAW: /* core_withdraw_test has it */
    case AW_COMMAND_OPT_OUT:  /* core_contact_test */
    case AW_COMMAND_AGENT:
    case AW_COMMAND_PRESENCE: /* core_agent_test has it */
    case AW_COMMAND_FLIGHT:   /* core_flight_test has them */
    case AW_COMMAND_AIRPORT:
    case AW_COMMAND_UNDO:
    case AW_COMMAND_CHANNEL: /* core_outbox_test has these */
    case AW_COMMAND_REPLY:
    case AW_COMMAND_REPLY_LEASE:
    case AW_COMMAND_REPLY_STATUS:
    case AW_COMMAND_REPLY_TIMER:
    case AW_COMMAND_REDRIVE:
    case AW_COMMAND_APPROVE:
    case AW_COMMAND_FORECAST: /* core_promise_test has these */
    case AW_COMMAND_PROMISE:
    case AW_COMMAND_INCIDENT: /* core_incident_test has these */
    case AW_COMMAND_INCIDENT_LINK:
    case AW_COMMAND_INCIDENT_ANSWER:
    case AW_COMMAND_INCIDENT_TIMER:
    case AW_COMMAND_TEMPLATE:
    case AW_COMMAND_SURGE: /* core_surge_test has it */
        return;
    }
}

/* Who helps, and through whom it was given. */
static void
compare_help(const struct run *run, const struct aw_ticket_help *a, const struct m_ticket *b)
{
    uint32_t count = 0;

    for (uint32_t i = 0; b->state == AW_TICKET_LEASED && b->through != 0 && i < m.help_counts[b->lane]; i++) {
        if (b->through - 1 == b->lane || m.help_lanes[b->lane][i] != b->through - 1)
            continue;
        if (a->count != 1 || a->by[0].lane != b->through - 1 || a->by[0].after_s != m.help_after_s[b->lane][i])
            fail_at(run, "through");
        count++;
    }
    for (uint32_t i = 0; b->state == AW_TICKET_WAITING && i < b->helpers; i++) {
        if (!m_waits_in(b, b->helped_by[i]))
            continue;
        if (a->count <= count || a->by[count].lane != b->helped_by[i] || a->by[count].after_s != m.help_after_s[b->lane][i])
            fail_at(run, "helper");
        count++;
    }
    if (a->count != count || a->declined != m_declined(b) || a->kept_until != (b->kept_until > m.now ? b->kept_until : 0) ||
        (a->kept_until > 0 && !aw_slice_eq(a->kept_for, aw_slice_str(agent_names[b->kept_for]))))
        fail_at(run, "help");
}

static void
compare_ticket(const struct run *run, const struct aw_ticket_view *a, const struct m_ticket *b)
{
    SAME(state);
    SAME(class_);
    SAME(lane);
    SAME(gentle);
    if (a->class_by_person != b->by_person)
        fail_at(run, "class_by_person");
    SAME(version);
    SAME(attempt);
    SAME(opened_at);
    SAME(age);
    SAME(departs_at);
    SAME(reply_by);
    SAME(closing);
    SAME(channel);
    if (a->shelf != m_shelf(b))
        fail_at(run, "shelf");
    SAME(held_until);
    if (a->messages_total != b->messages || a->last_seq != b->last || a->message_seq != b->message || a->key != m_key(b))
        fail_at(run, "view");
    compare_help(run, &a->help, b);
    if (a->notes_total != b->notes || a->transfers != b->transfers ||
        memcmp(a->from_lanes, b->from, b->transfers * sizeof(b->from[0])) != 0)
        fail_at(run, "transfers");
    SAME(is_deferred);
    if (a->commitment.due_at != (b->is_committed ? b->due_at : 0) ||
        (b->is_committed && (a->commitment.is_broken != (b->is_broken || b->due_at <= m.now) ||
                             !aw_slice_eq(a->commitment.by, aw_slice_str(agent_names[b->word_by])))))
        fail_at(run, "commitment");
    if (b->state == AW_TICKET_CLOSED)
        SAME(closed_at);
    if (b->state == AW_TICKET_LEASED) {
        SAME(expires_at);
        if (a->lease.fence != b->fence || a->seen_seq != b->seen || !aw_slice_eq(a->holder, aw_slice_str(agent_names[b->holder])))
            fail_at(run, "lease");
    }
}

/* Listed two a page, what is due first, first, each once. */
static void
compare_commitments(const struct run *run)
{
    struct aw_due_look    look = {.is_broken = pick(2) == 0};
    struct aw_ticket_view views[2];
    uint64_t              agent = pick(NAMES + 1);
    uint32_t              count, listed = 0, want = 0;
    aw_ms                 last = 0;

    look.agent = agent < NAMES ? aw_slice_str(agent_names[agent]) : AW_SLICE("");
    for (uint32_t slot = 1; slot < SLOTS; slot++) {
        const struct m_ticket *t = &m.tickets[slot];

        want += t->is_committed && (agent == NAMES || t->word_by == (int)agent) &&
                (!look.is_broken || t->is_broken || t->due_at <= m.now);
    }
    do {
        count = aw_state_commitments(run->kit.state, &look, views, AW_ARRAY_LEN(views));
        for (uint32_t i = 0; i < count; i++) {
            if (views[i].commitment.due_at < last || (look.is_broken && !views[i].commitment.is_broken))
                fail_at(run, "order of commitments");
            last = views[i].commitment.due_at;
        }
        listed += count;
        look.after = look.next;
    } while (look.next != 0);
    if (listed != want)
        fail_at(run, "commitments listed");
}

/* All that can be seen, and that no timer which has something to do is missing. */
static void
compare_all(const struct run *run)
{
    struct aw_state_counts counts;
    uint64_t               by_state[AW_TICKET_CLOSED + 1][AW_CLASS_COUNT] = {{0}};
    uint64_t               leased = 0, identities = 0, helped = 0;
    bool                   is_due = false;
    struct aw_command      due;

    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        const struct m_ticket *t = &m.tickets[slot];
        struct aw_ticket_view  view;
        bool                   is_there = aw_state_ticket_at(run->kit.state, slot, &view);

        if (is_there != (t->state != AW_TICKET_FREE))
            fail_at(run, "ticket_at");
        if (!is_there)
            continue;
        compare_ticket(run, &view, t);
        by_state[t->state][t->class_]++;
        leased += t->state == AW_TICKET_LEASED ? 1 : 0;
        identities += (uint64_t)t->who_count;
        helped += t->state == AW_TICKET_WAITING && t->helpers > 0 ? 1 : 0;
        is_due = is_due || m_judge(t) != M_NOTHING;
    }
    aw_state_counts(run->kit.state, &counts);
    if (memcmp(counts.tickets, by_state, sizeof(by_state)) != 0 || counts.leases != leased || counts.identities != identities ||
        counts.helped != helped)
        fail_at(run, "counts");
    if (counts.commitments != (uint64_t)m_commitments(false) || counts.commitments_overdue != (uint64_t)m_commitments(true) ||
        counts.deferred != m.deferred || counts.commitments_kept != m.kept || counts.commitments_broken != m.broken)
        fail_at(run, "commitments counted");
    compare_commitments(run);
    aw_state_rearm(run->kit.state);
    if (is_due && !aw_state_due(run->kit.state, m.now, &due))
        fail_at(run, "due");
}

static void
compare_leases_of(const struct run *run)
{
    struct aw_ticket_view views[SLOTS];
    uint64_t              agent = pick(NAMES);
    uint32_t              got = aw_state_leases_of(run->kit.state, aw_slice_str(agent_names[agent]), 0, views, SLOTS), want = 0;

    for (uint32_t slot = 1; slot < SLOTS; slot++) {
        const struct m_ticket *t = &m.tickets[slot];

        want += t->state == AW_TICKET_LEASED && t->holder == (int)agent && t->expires_at > m.now ? 1 : 0;
    }
    if (got != want)
        fail_at(run, "leases_of");
    for (uint32_t i = 1; i < got; i++) {
        if (views[i - 1].lease.fence >= views[i].lease.fence)
            fail_at(run, "order of leases_of");
    }
}

/* --- random commands ------------------------------------------------------------------------------------------------------ */

static aw_ms
some_departure(void)
{
    switch (pick(5)) {
    case 0:
        return m.now + pick(40 * KIT_MINUTE);
    case 1:
        return m.now - pick(10 * KIT_MINUTE);
    case 2:
        return m.now + pick(3 * KIT_MINUTE);
    default:
        return 0;
    }
}

/* Of a few channels: one closes soon, one is nearly closing, one takes answers for long, one takes none any more. */
static aw_ms
some_reply_by(void)
{
    switch (pick(8)) {
    case 0:
        return m.now + pick(10 * KIT_MINUTE);
    case 1:
        return m.now + AW_CLOSING_MS - KIT_MINUTE + pick(10 * KIT_MINUTE);
    case 2:
        return m.now + 24 * KIT_HOUR;
    case 3:
        return pick(4) == 0 ? m.now - pick(KIT_MINUTE) : 0;
    default:
        return 0;
    }
}

static void
make_post(struct run *run, struct logged *l)
{
    uint64_t         at = 0;
    struct kit_post *post = &l->post;

    *post = (struct kit_post){
        .id = pick(5) == 0 && run->ids > 0 ? run->ids - pick(run->ids < 300 ? run->ids : 300) : ++run->ids,
        .class_ = pick(20) == 0 ? AW_CLASS_CARE : (enum aw_class)(1 + pick(4)),
        .departs_at = some_departure(),
        .received_at = pick(3) == 0    ? m.now - pick(20 * KIT_MINUTE)
                       : pick(10) == 0 ? m.now + pick(1000)
                                       : 0,
        .reply_by = some_reply_by(),
        .channel = channel_names[pick(3) == 0 ? pick(AW_ARRAY_LEN(channel_names)) : pick(3)],
        .lane = pick(4) == 0 ? lane_names[pick(LANES)] : NULL,
        .addressed = pick(15) == 0 ? AW_ADDRESSED_ABOUT_US : AW_ADDRESSED_TO_US,
        .gentle = pick(10) == 0,
        .tags = {pick(2) == 0 ? aw_slice_str(tag_names[1 + pick(3)]) : AW_SLICE("")},
    };
    post->who[at++] = 1 + pick(CUSTOMERS);
    while (at < 9 && pick(at == 1 ? 8 : 2) == 0)
        post->who[at++] = pick(4) == 0 ? 1000 + pick(4) : 1 + pick(CUSTOMERS); /* a few are shared by many */
    l->command.kind = AW_COMMAND_MESSAGE;
}

/* Mostly a running one; else one that ended, or one that never was. */
static struct aw_lease_id
some_lease(void)
{
    struct aw_lease_id lease = {.shard = KIT_SHARD};

    for (int tries = 0; tries < 6 && lease.fence == 0; tries++) {
        lease.slot = 1 + (uint32_t)pick(SLOTS - 1);
        lease.fence = m.tickets[lease.slot].fence;
    }
    if (lease.fence == 0 || pick(8) == 0)
        lease.fence = pick(3) != 0 ? m.tickets[lease.slot].ended_fence : 1 + pick(m.seq + 1);
    return lease;
}

static void
make_fenced(struct logged *l)
{
    struct aw_lease_id     lease = some_lease();
    const struct m_ticket *t = &m.tickets[lease.slot];
    uint64_t               kind = pick(14);
    const char            *agent = agent_names[t->state == AW_TICKET_LEASED && pick(20) != 0 ? (uint64_t)t->holder : pick(NAMES)];

    l->command.kind = kind < 2    ? AW_COMMAND_EXTEND
                      : kind < 8  ? AW_COMMAND_COMPLETE
                      : kind < 9  ? AW_COMMAND_DECLINE
                      : kind < 10 ? AW_COMMAND_RELEASE
                      : kind < 12 ? AW_COMMAND_TRANSFER
                                  : AW_COMMAND_DEFER;
    if (lease.fence == t->ended_fence && lease.fence != 0 && t->ended_kind != AW_COMMAND_TIMER && pick(2) == 0)
        l->command.kind = t->ended_kind == AW_COMMAND_CANCEL ? AW_COMMAND_COMPLETE : t->ended_kind;
    l->command.in.fenced = (struct aw_in_fenced){
        .lease = lease, .agent = aw_slice_str(agent), .op_hash = 1 + pick(3), .lease_ms = 1000 + pick(10 * KIT_MINUTE)};
    if (l->command.kind == AW_COMMAND_EXTEND && pick(3) == 0)
        l->command.in.fenced.lease_ms = 0; /* only what came counts as seen */
    if (l->command.kind == AW_COMMAND_DEFER) {
        l->command.in.defer.until =
            m.now + (pick(12) == 0 ? AW_DEFER_MS_MAX + 1 : pick(pick(2) == 0 ? 5 * KIT_MINUTE : 3 * KIT_HOUR));
        l->command.in.defer.reason = (enum aw_defer_reason)pick(AW_DEFER_REASONS);
        l->command.in.defer.what.len = (uint32_t)pick(2);
    }
    if (l->command.kind != AW_COMMAND_TRANSFER)
        return;
    if (pick(2) == 0)
        l->command.in.transfer.lane = aw_slice_str(lane_names[pick(LANES)]);
    else
        l->command.in.transfer.to = aw_slice_str(agent_names[pick(NAMES)]);
    l->command.in.transfer.note.len = (uint32_t)pick(2);
}

static void
make_settings(struct logged *l)
{
    l->command.kind = AW_COMMAND_SETTINGS;
    l->command.in.settings = (struct aw_core_settings){
        .dedupe_ms = pick(2) == 0 ? KIT_HOUR : 10 * KIT_MINUTE,
        .reopen_ms = pick(2) == 0 ? 20 * KIT_MINUTE : 4 * KIT_MINUTE,
        .backdate_ms = 10 * KIT_MINUTE,
        .imminent_ms = pick(3) == 0 ? 5 * KIT_MINUTE : 20 * KIT_MINUTE,
        .lease_grace_ms = 30000,
        .decline_ms = pick(3) * 2 * KIT_MINUTE,
        .kept_ms = pick(2) * KIT_MINUTE,
        .kept_gentle_ms = 3 * KIT_MINUTE,
        .kept_transfer_ms = pick(3) * KIT_MINUTE,
        .defer_back_ms = pick(3) * KIT_MINUTE,
        .handling_ms = {1, pick(4) == 0 ? KIT_MINUTE : 3 * KIT_MINUTE, 3, 4, 5},
        .reply_attempts_max = 1,
    };
}

static void
make_on_ticket(struct logged *l, uint32_t slot)
{
    static const enum aw_command_kind kinds[] = {AW_COMMAND_HOLD,  AW_COMMAND_HOLD,  AW_COMMAND_UNHOLD, AW_COMMAND_CANCEL,
                                                 AW_COMMAND_PLACE, AW_COMMAND_PLACE, AW_COMMAND_PLACE,  AW_COMMAND_PLACE,
                                                 AW_COMMAND_PLACE, AW_COMMAND_NOTE,  AW_COMMAND_NOTE};
    struct aw_in_ticket              *in = &l->command.in.ticket;

    l->command.kind = kinds[pick(AW_ARRAY_LEN(kinds))];
    *in = (struct aw_in_ticket){.ticket = m_ticket_id(slot),
                                .until = pick(2) == 0 ? m.now + pick(KIT_HOUR) : 0,
                                .if_match.version = pick(5) == 0 ? m.tickets[slot].version + pick(2) : 0,
                                .dry_run = l->command.kind != AW_COMMAND_NOTE && pick(6) == 0};
    l->command.in.note.body.len = l->command.kind == AW_COMMAND_NOTE;
    if (l->command.kind != AW_COMMAND_PLACE)
        return;
    in->class_ = pick(3) == 0 ? AW_CLASS_NONE : (uint8_t)pick(AW_CLASS_COUNT);
    if (in->class_ == AW_CLASS_NONE || pick(3) == 0)
        in->lane = aw_slice_str(lane_names[pick(LANES)]);
    in->hold = pick(4) == 0 ? (enum aw_hold)(1 + pick(2)) : AW_HOLD_AS_IS;
}

/* What is known of a ticket's messages, as a reader of the journal would tell it. */
static void
tell_messages(const struct aw_in_unfold *in, struct unfolding *unfolding)
{
    for (size_t i = 0; i < m.message_count; i++) {
        const struct m_message *message = &m.messages[i];
        struct kit_room         room;
        struct aw_command       command;

        if (message->owner != in->on.ticket.seq)
            continue;
        command = kit_message(&message->post, &room);
        aw_telling_add(m_is_taken(in, message->seq) ? &unfolding->taken : &unfolding->left, &m.settings, &command.in.message,
                       message->seq, message->at);
    }
}

static void
make_unfold(struct logged *l, uint32_t slot)
{
    struct unfolding    *unfolding = calloc(1, sizeof(*unfolding));
    struct aw_in_unfold *in = &l->command.in.unfold;
    uint64_t             many = 1 + pick(3);
    const char          *by = agent_names[pick(NAMES)];

    assert_non_null(unfolding);
    for (int tries = 0; tries < 8 && (m.tickets[slot].messages < 2 || !m_is_open(&m.tickets[slot])); tries++)
        slot = 1 + (uint32_t)pick(SLOTS - 1);
    if (m.tickets[slot].state == AW_TICKET_LEASED && pick(2) == 0)
        by = agent_names[m.tickets[slot].holder];
    l->unfolding = unfolding;
    l->command.kind = AW_COMMAND_UNFOLD;
    *in = (struct aw_in_unfold){
        .on = {.ticket = m_ticket_id(slot), .by = aw_slice_str(by), .dry_run = pick(8) == 0},
        .messages = unfolding->messages,
        .newest_seq = m.tickets[slot].message + (pick(20) == 0 ? 1 : 0),
        .messages_total = m.tickets[slot].messages + (pick(20) == 0 ? 1 : 0),
    };
    for (size_t i = 0; i < m.message_count; i++) {
        if (m.messages[i].owner == in->on.ticket.seq && in->message_count < AW_UNFOLD_MESSAGES_MAX && pick(many) == 0)
            unfolding->messages[in->message_count++] = m.messages[i].seq;
    }
    tell_messages(in, unfolding);
    in->taken = *aw_telling_end(&unfolding->taken);
    in->left = *aw_telling_end(&unfolding->left);
    if (pick(5) == 0)
        in->on.if_match.version = m.tickets[slot].version + pick(2);
    if (pick(20) == 0)
        in->on.ticket.seq++;
    if (pick(3) == 0)
        l->command.once = (struct aw_once){.key = kit_hash(pick(120)), .request = pick(6) == 0 ? 1 : 2};
}

/* Right ones mostly. */
static void
make_helpers(struct logged *l)
{
    uint64_t first = pick(LANES);

    l->helper_count = (uint32_t)pick(AW_LANE_HELPERS_MAX + 1);
    for (uint32_t i = 0; i < l->helper_count; i++) {
        struct aw_lane_helper *helper = &l->helpers[i];

        helper->lane = aw_slice_str(lane_names[pick(12) == 0 ? pick(LANES) : (first + i) % LANES]);
        helper->after_s = (i == 0 ? 1 : helper[-1].after_s) + (uint32_t)pick(400);
        if (pick(60) == 0)
            helper->after_s = pick(2) == 0 ? 0 : AW_LANE_HELP_S_MAX + 1;
        if (pick(3) != 0 && aw_slice_eq(helper->lane, l->command.in.lane.name)) {
            l->helper_count = i;
            return;
        }
    }
}

static void
make_command(struct run *run, struct logged *l)
{
    uint32_t slot = 1 + (uint32_t)pick(SLOTS - 1);
    uint64_t what = pick(1000);

    *l = (struct logged){0};
    if (what < 480) {
        make_post(run, l);
    } else if (what < 680) {
        for (int tries = 0; tries < 3 && m.tickets[slot].state != AW_TICKET_WAITING; tries++)
            slot = 1 + (uint32_t)pick(SLOTS - 1);
        l->command.kind = AW_COMMAND_LEASE;
        l->command.in.lease = (struct aw_in_lease){.slot = slot,
                                                   .version = m.tickets[slot].version + (pick(10) == 0 ? 1 : 0),
                                                   .agent = aw_slice_str(agent_names[pick(NAMES)]),
                                                   .lease_ms = 1000 + pick(10 * KIT_MINUTE)};
        if (pick(2) == 0)
            l->command.in.lease.through = 1 + (uint32_t)pick(m.lane_count);
        if (pick(2) == 0)
            l->command.in.lease.pull_key =
                (struct aw_pull_key){.key = 1 + pick(6), .request = pick(5) == 0 ? 1 : 2, .pull = (uint32_t)pick(3)};
    } else if (what < 880) {
        make_fenced(l);
    } else if (what < 925) {
        make_unfold(l, slot);
    } else if (what < 935) {
        l->command.kind = AW_COMMAND_TIMER;
        l->command.in.timer = (struct aw_in_timer){.slot = slot, .version = m.tickets[slot].version + (pick(4) == 0 ? 1 : 0)};
    } else if (what < 985) {
        make_on_ticket(l, slot);
        if (pick(10) == 0)
            l->command.in.ticket.ticket.seq++;
        /* A wrong request under the key now and then; the key alone is what decides. */
        if (pick(3) == 0)
            l->command.once = (struct aw_once){.key = kit_hash(pick(120)), .request = pick(6) == 0 ? 1 : 2};
    } else if (what < 995) {
        uint64_t lane = pick(m.lane_count + 1);

        l->command.kind = AW_COMMAND_LANE;
        l->command.in.lane = (struct aw_in_lane){.name = aw_slice_str(lane_names[lane < LANES ? lane : 0]),
                                                 .pause = (enum aw_lane_pause)(pick(2) == 0 ? 0 : pick(4))};
        l->tag = pick(3) == 0 ? (int)pick(4) : 0;
        make_helpers(l);
    } else if (what < 997) {
        l->command.kind = AW_COMMAND_AGENT;
        l->command.in.agent = (struct aw_in_agent){.name = aw_slice_str(agent_names[pick(NAMES)]),
                                                   .barred = pick(2) == 0 ? 0 : (uint8_t)pick(AW_CLASSES_ALL),
                                                   .units_total = AW_UNITS_NO_TOTAL};
        l->tag = (int)pick(pick(3) == 0 ? AW_ARRAY_LEN(channel_names) : 3);
        l->units = (uint32_t)pick(4);
    } else if (what < 999) {
        make_settings(l);
    } else {
        l->command.kind = AW_COMMAND_EPOCH;
        l->command.in.epoch.epoch = run->count + 1;
    }
}

/* --- applying ------------------------------------------------------------------------------------------------------------- */

/* What is logged, against a state: with all that it points to rebuilt. */
static struct aw_command
apply_logged(struct aw_state *state, const struct logged *l)
{
    struct kit_room       room;
    struct aw_slice       tag = aw_slice_str(l->command.kind == AW_COMMAND_LANE ? tag_names[l->tag] : "");
    struct aw_agent_units units = {.channel = aw_slice_str(channel_names[l->tag]), .units = l->units};
    struct aw_command     command = l->command.kind == AW_COMMAND_MESSAGE ? kit_message(&l->post, &room) : l->command;
    enum aw_err           admitted, err;
    uint32_t              pressure;

    if (command.kind == AW_COMMAND_LANE) {
        command.in.lane.helpers = l->helpers;
        command.in.lane.helper_count = l->helper_count;
    }
    if (command.kind == AW_COMMAND_LANE && l->tag != 0) {
        command.in.lane.match.tags = &tag;
        command.in.lane.match.tag_count = 1;
    }
    if (command.kind == AW_COMMAND_AGENT) {
        command.in.agent.units = &units;
        command.in.agent.unit_count = 1;
    }
    aw_state_begin(state, l->index, l->now);
    pressure = aw_state_cut_pressure(state);
    admitted = aw_state_admits(state, &command);
    err = aw_state_apply(state, &command);
    /* What is admitted never meets a full table; and what is not admitted would have, but for a pool of old rows that is full. A
     * decline, transfer or defer needs room only when the lease is still held, which apply finds out. */
    if (admitted == AW_OK && l->command.kind != AW_COMMAND_DECLINE && l->command.kind != AW_COMMAND_TRANSFER &&
        l->command.kind != AW_COMMAND_DEFER)
        assert_int_not_equal(err, AW_E_TABLE_FULL);
    else if (admitted != AW_OK && command.kind == AW_COMMAND_UNFOLD)
        assert_int_not_equal(err, AW_OK); /* it may be refused for more reasons than room */
    else if (admitted != AW_OK && pressure < 1000)
        assert_int_equal(err == AW_E_TABLE_FULL || err == AW_E_STALE || err == AW_E_LANE_PAUSED || err == AW_E_AGAIN ||
                             err == AW_E_KEY_REUSED,
                         true);
    return command;
}

/* long: a flat switch over all kinds */
static void
apply_model(const struct logged *l, struct aw_command *c)
{
    *c = l->command;
    c->out = (struct aw_outcome_of){.err = AW_OK};
    m.now = l->now;
    switch (c->kind) {
    case AW_COMMAND_MESSAGE:
        m_message(&l->post, c);
        return;
    case AW_COMMAND_LEASE:
        m_lease(c);
        return;
    case AW_COMMAND_EXTEND:
    case AW_COMMAND_COMPLETE:
    case AW_COMMAND_RELEASE:
    case AW_COMMAND_DECLINE:
        m_fenced(c);
        return;
    case AW_COMMAND_TRANSFER:
        m_transfer(c);
        return;
    case AW_COMMAND_DEFER:
        m_defer(c);
        return;
    case AW_COMMAND_TIMER:
        m_timer(c);
        return;
    case AW_COMMAND_HOLD:
    case AW_COMMAND_UNHOLD:
    case AW_COMMAND_CANCEL:
    case AW_COMMAND_PLACE:
    case AW_COMMAND_NOTE:
    case AW_COMMAND_UNFOLD:
        m_on_ticket_once(c);
        return;
    case AW_COMMAND_LANE:
        m_lane(c, l);
        return;
    case AW_COMMAND_EPOCH:
        m_epoch(c);
        return;
    case AW_COMMAND_SETTINGS:
        m_settings(c);
        return;
    case AW_COMMAND_AGENT:
        m_set_agent(c, channel_names[l->tag], l->units);
        return;
    case AW_COMMAND_ERASE:    /* core_erase_test */
    case AW_COMMAND_WITHDRAW: /* core_withdraw_test has it */
    case AW_COMMAND_OPT_OUT:  /* core_contact_test */
    case AW_COMMAND_PRESENCE:
    case AW_COMMAND_FLIGHT:
    case AW_COMMAND_AIRPORT:
    case AW_COMMAND_UNDO:
    case AW_COMMAND_CHANNEL: /* core_outbox_test has these */
    case AW_COMMAND_REPLY:
    case AW_COMMAND_REPLY_LEASE:
    case AW_COMMAND_REPLY_STATUS:
    case AW_COMMAND_REPLY_TIMER:
    case AW_COMMAND_REDRIVE:
    case AW_COMMAND_APPROVE:
    case AW_COMMAND_FORECAST: /* core_promise_test has these */
    case AW_COMMAND_PROMISE:
    case AW_COMMAND_INCIDENT: /* core_incident_test has these */
    case AW_COMMAND_INCIDENT_LINK:
    case AW_COMMAND_INCIDENT_ANSWER:
    case AW_COMMAND_INCIDENT_TIMER:
    case AW_COMMAND_TEMPLATE:
    case AW_COMMAND_SURGE: /* core_surge_test has it */
        break;
    }
}

/* Carries out log[count] on both and compares. */
static void
step_both(struct run *run)
{
    struct logged    *l = &run->log[run->count];
    struct aw_command got, want;

    l->now = run->kit.now;
    l->index = 1 + run->count / 10;
    got = apply_logged(run->kit.state, l);
    apply_model(l, &want);
    compare_out(run, got.kind, &got.out, &want.out);
    l->command.out = got.out;
    l->digest = aw_state_digest(run->kit.state);
    if (aw_state_seq(run->kit.state) != m.seq)
        fail_at(run, "seq");
    if (run->count % 50 == 0) {
        kit_check_digest(&run->kit);
        compare_all(run);
        compare_leases_of(run);
    }
    run->count++;
}

static void
pass_time(struct run *run)
{
    static const uint64_t leaps[] = {5, 1000, 10000, 60000, 20 * KIT_MINUTE};
    uint64_t              kind = pick(100);

    run->kit.now += kind < 60 ? pick(leaps[0]) : kind < 85 ? pick(leaps[1]) : kind < 95 ? pick(leaps[2]) : pick(leaps[3]);
    if (pick(400) == 0)
        run->kit.now += pick(leaps[4]);
    m.now = run->kit.now;
}

/* Timers that are due; afterwards none has anything to do. */
static void
apply_due(struct run *run, size_t limit)
{
    struct logged *l = &run->log[run->count];

    aw_state_rearm(run->kit.state);
    *l = (struct logged){0};
    for (int rounds = 0; run->count < limit && aw_state_due(run->kit.state, run->kit.now, &l->command); rounds++) {
        assert_true(rounds < 3 * SLOTS); /* each application makes progress */
        step_both(run);
        l = &run->log[run->count];
        *l = (struct logged){0};
    }
    if (run->count == limit)
        return;
    for (uint32_t slot = 1; slot < SLOTS; slot++)
        assert_int_equal(m_judge(&m.tickets[slot]), M_NOTHING);
}

static struct aw_state_limits
small_limits(uint32_t preimage_bytes_max)
{
    return (struct aw_state_limits){.tickets_max = SLOTS,
                                    .identities_max = IDENTITIES,
                                    .ids_max = IDS,
                                    .leases_max = LEASES,
                                    .lanes_max = LANES,
                                    .agents_max = AGENTS,
                                    .keys_max = KEYS,
                                    .facts_max = SLOTS * 2 * (AW_TICKET_FACTS_MAX + AW_UNFOLD_MESSAGES_MAX + 1),
                                    .flights_max = 1,
                                    .asides_max = ASIDES,
                                    .replies_max = 1000,
                                    .commitments_max = COMMITMENTS,
                                    .contacts_max = 4,
                                    .preimage_bytes_max = preimage_bytes_max};
}

/* --- cuts under way ------------------------------------------------------------------------------------------------------- */

struct cut {
    bool                      is_on;
    struct aw_checkpoint_mark mark;
    size_t                    from; /* commands before it */
    struct aw_chunk           chunks[64];
    char                     *bytes[64];
    uint32_t                  count;
    unsigned                  done, lost, given_up;
};

static void
cut_clear(struct cut *cut)
{
    for (uint32_t i = 0; i < cut->count; i++)
        free(cut->bytes[i]);
    cut->count = 0;
    cut->is_on = false;
}

static struct aw_state *
load_cut(const struct run *run, const struct cut *cut)
{
    struct aw_state_limits limits = small_limits(1U << 16);
    struct aw_state       *state;
    struct aw_why          why = {""};

    assert_int_equal(aw_state_new(&state, &limits, KIT_SHARD, &why), AW_OK);
    for (uint32_t i = 0; i < cut->count; i++)
        assert_int_equal(aw_state_load_chunk(state, &cut->chunks[i], &why), AW_OK);
    /* All ids, as a start reads them: those behind the cut as well, and forgotten ones. */
    for (size_t i = 0; i < m.id_count; i++)
        assert_int_equal(aw_state_load_id(state, kit_hash(m.ids[i].id + 1000000), m.ids[i].seq, m.ids[i].at, aw_state_now(state)),
                         AW_OK);
    if (aw_state_load_finish(state, &cut->mark, &why) != AW_OK)
        fail_msg("%s", why.text);
    (void)run;
    return state;
}

/* What a load rebuilds is what was kept up all the way: counts, and when the next timer is due. */
static void
compare_derived(const struct run *run, const struct aw_state *loaded, const struct aw_state *kept)
{
    struct aw_state_counts got, want;
    aw_ms                  due = aw_state_next_due(kept);

    aw_state_counts(loaded, &got);
    aw_state_counts(kept, &want);
    if (memcmp(got.tickets, want.tickets, sizeof(got.tickets)) != 0 || got.commitments_overdue != want.commitments_overdue)
        fail_at(run, "counts of a loaded state");
    for (uint32_t lane = 0; lane < m.lane_count; lane++) {
        struct aw_slice       values[4 * AW_LANE_MATCH_MAX];
        struct aw_lane_answer a, b;

        aw_state_lane(loaded, lane, values, &a);
        aw_state_lane(kept, lane, values, &b);
        if (memcmp(a.waiting, b.waiting, sizeof(a.waiting)) != 0 || a.leased != b.leased || a.held != b.held ||
            a.helped != b.helped || a.helper_count != b.helper_count)
            fail_at(run, "lane of a loaded state");
    }
    /* A timer that is late may have been set at another moment, and what it was for may have passed; those to come are the same. */
    if ((due == 0 || due > m.now) && aw_state_next_due(loaded) != due)
        fail_at(run, "next timer of a loaded state");
}

/* The loaded state lives through what came after the cut and is the same all the way. */
static void
check_cut(const struct run *run, const struct cut *cut)
{
    struct aw_state *state = load_cut(run, cut);

    assert_int_equal(aw_state_seq(state), cut->mark.seq);
    assert_true(aw_hash128_eq(aw_state_digest(state), cut->mark.digest));
    for (size_t i = cut->from; i < run->count; i++) {
        const struct logged *l = &run->log[i];
        struct aw_command    got = apply_logged(state, l);

        compare_out(run, got.kind, &got.out, &l->command.out);
        if (!aw_hash128_eq(aw_state_digest(state), l->digest))
            fail_msg("seed %" PRIu64 ", cut at command %zu: digest differs at %zu (%s)", seed_given, cut->from, i,
                     aw_command_name(got.kind));
    }
    aw_state_rearm(state);
    aw_state_rearm(run->kit.state);
    compare_derived(run, state, run->kit.state);
    aw_state_free(&state);
}

static void
cut_step(struct run *run, struct cut *cut, uint64_t pace)
{
    struct aw_chunk *chunk = &cut->chunks[cut->count];

    if (!cut->is_on) {
        if (pick(pace * 20) == 0) {
            assert_true(aw_state_cut_begin(run->kit.state, &cut->mark));
            assert_int_equal(cut->mark.seq, aw_state_seq(run->kit.state));
            assert_false(aw_state_cut_begin(run->kit.state, &cut->mark));
            cut->is_on = true;
            cut->from = run->count;
        }
        return;
    }
    if (pick(pace) != 0 && aw_state_cut_pressure(run->kit.state) < 900)
        return;
    if (pick(60) == 0) {
        aw_state_cut_end(run->kit.state);
        cut_clear(cut);
        cut->given_up++;
        return;
    }
    if (aw_state_cut_next(run->kit.state, chunk, &cut->mark)) {
        assert_true(cut->count < AW_ARRAY_LEN(cut->chunks) - 1);
        assert_true(cut->count == 0 || chunk->table > chunk[-1].table || chunk->chunk > chunk[-1].chunk);
        cut->bytes[cut->count] = malloc(chunk->bytes.len);
        assert_non_null(cut->bytes[cut->count]);
        memcpy(cut->bytes[cut->count], chunk->bytes.ptr, chunk->bytes.len);
        chunk->bytes.ptr = cut->bytes[cut->count++];
        return;
    }
    if (aw_state_cut_is_lost(run->kit.state)) {
        cut->lost++;
    } else {
        assert_int_equal(cut->mark.chunks, cut->count);
        check_cut(run, cut);
        cut->done++;
    }
    aw_state_cut_end(run->kit.state);
    cut_clear(cut);
}

/* --- the tests ------------------------------------------------------------------------------------------------------------ */

static void
run_open(struct run *run, size_t commands, uint32_t preimage_bytes_max)
{
    struct aw_state_limits limits = small_limits(preimage_bytes_max);

    free(m.ids);
    free(m.once);
    free(m.messages);
    m = (struct machine){.settings = AW_CORE_SETTINGS_DEFAULT, .lane_count = 2, .now = KIT_START, .lane_versions = {1, 1}};
    m.ids = calloc(commands + 1, sizeof(*m.ids));
    m.once = calloc(commands + 1, sizeof(*m.once));
    m.messages = calloc(commands + 1, sizeof(*m.messages));
    *run = (struct run){.log = calloc(commands + 2, sizeof(*run->log))};
    assert_non_null(m.ids);
    assert_non_null(m.once);
    assert_non_null(m.messages);
    assert_non_null(run->log);
    kit_open_with(&run->kit, &limits);
    make_settings(&run->log[0]);
    step_both(run);
}

static void
run_close(struct run *run)
{
    kit_close(&run->kit);
    for (size_t i = 0; i < run->count; i++)
        free(run->log[i].unfolding);
    free(run->log);
    free(m.ids);
    free(m.once);
    free(m.messages);
    m.ids = NULL;
    m.once = NULL;
    m.messages = NULL;
}

static void
run_random(struct run *run, size_t commands, struct cut *cut, uint64_t pace)
{
    while (run->count < commands) {
        pass_time(run);
        if (pick(4) != 0)
            apply_due(run, commands);
        if (run->count == commands)
            break;
        make_command(run, &run->log[run->count]);
        step_both(run);
        if (cut != NULL)
            cut_step(run, cut, pace);
    }
}

/* That the run met what it is for: every error, every end of a lease, all kinds of joining. */
static void
check_coverage(const struct run *run)
{
    unsigned errs[AW_ERR_COUNT] = {0}, ends[AW_LEASE_END_TAKEN_OVER + 1] = {0};
    unsigned folded = 0, reopened = 0, related = 0, duplicates = 0, repeats = 0, once = 0, placed = 0, unfolded = 0, helped = 0,
             by_helpers = 0, transferred = 0, handed = 0, to_whom = 0;
    const enum aw_err wanted[] = {AW_E_LANE_PAUSED,  AW_E_TABLE_FULL, AW_E_STALE,     AW_E_LEASE_LOST,
                                  AW_E_NEW_MESSAGES, AW_E_FORBIDDEN,  AW_E_NOT_FOUND, AW_E_WRONG_STATE,
                                  AW_E_PRECONDITION, AW_E_KEY_REUSED, AW_E_AGAIN,     AW_E_TRANSFER_REFUSED};

    for (size_t i = 0; i < run->count; i++) {
        const struct aw_command *c = &run->log[i].command;

        errs[c->out.err]++;
        if (c->out.err == AW_E_LEASE_LOST)
            ends[c->out.u.lease.end]++;
        if (c->out.err != AW_OK)
            continue;
        repeats += (c->kind == AW_COMMAND_COMPLETE || m_is_given_back(c->kind)) && !c->out.changed ? 1 : 0;
        transferred += c->kind == AW_COMMAND_TRANSFER && c->out.changed ? 1 : 0;
        handed += c->kind == AW_COMMAND_TRANSFER && c->out.u.lease.help.kept_until > 0 ? 1 : 0;
        to_whom += c->kind != AW_COMMAND_TRANSFER && c->out.event.kind == AW_EVENT_ASIDE && c->out.effect.deferral_over;
        once += c->out.repeated ? 1 : 0;
        placed += c->kind == AW_COMMAND_PLACE && c->out.changed ? 1 : 0;
        unfolded += c->kind == AW_COMMAND_UNFOLD && c->out.changed ? 1 : 0;
        helped += c->out.event.kind == AW_EVENT_HELPED ? 1 : 0;
        by_helpers += c->kind == AW_COMMAND_LEASE && c->out.u.lease.help.count > 0 ? 1 : 0;
        if (c->kind == AW_COMMAND_MESSAGE) {
            folded += c->out.u.message.folded ? 1 : 0;
            reopened += c->out.u.message.reopened ? 1 : 0;
            duplicates += c->out.u.message.duplicate ? 1 : 0;
            related += c->out.u.message.related.seq != 0 ? 1 : 0;
        }
    }
    for (size_t i = 0; i < AW_ARRAY_LEN(wanted); i++) {
        print_message("    %-14s %u\n", aw_err_name(wanted[i]), errs[wanted[i]]);
        assert_true(errs[wanted[i]] > 20);
    }
    for (int end = AW_LEASE_END_EXPIRED; end <= AW_LEASE_END_TAKEN_OVER; end++)
        assert_true(ends[end] > 20);
    print_message(
        "    folded %u, reopened %u, related %u, duplicates %u, repeats %u, by key %u, placed %u, unfolded %u, helped %u,"
        " by helpers %u\n",
        folded, reopened, related, duplicates, repeats, once, placed, unfolded, helped, by_helpers);
    print_message("    transferred %u, for an agent %u\n", transferred, handed);
    print_message("    deferred %" PRIu64 ", back for who did %u, kept %" PRIu64 ", broken %" PRIu64 "\n", m.deferred, to_whom,
                  m.kept, m.broken);
    assert_true(transferred > 200 && handed > 50);
    assert_true(m.deferred > 150 && to_whom > 20 && m.kept > 5 && m.broken > 50);
    assert_true(placed > 300 && unfolded > 100 && helped > 200 && by_helpers > 50);
    assert_true(folded > 1000 && reopened > 100 && related > 100 && duplicates > 1000 && repeats > 20 && once > 50);
}

static void
replay(const struct run *run, bool only_changed)
{
    struct aw_state_limits limits = small_limits(1U << 16);
    struct aw_state       *state;

    assert_int_equal(aw_state_new(&state, &limits, KIT_SHARD, NULL), AW_OK);
    for (size_t i = 0; i < run->count; i++) {
        const struct logged *l = &run->log[i];
        struct aw_command    got;

        if (only_changed && !l->command.out.changed)
            continue;
        got = apply_logged(state, l);
        compare_out(run, got.kind, &got.out, &l->command.out);
        assert_true(aw_hash128_eq(aw_state_digest(state), l->digest));
    }
    aw_state_free(&state);
}

static void
test_both_machines_agree(void **unused)
{
    struct run run;

    (void)unused;
    random_state = seed_given;
    run_open(&run, commands_given, 4096);
    run_random(&run, commands_given, NULL, 0);
    compare_all(&run);
    if (commands_given >= 100000)
        check_coverage(&run);
    replay(&run, false);
    replay(&run, true);
    run_close(&run);
}

static void
test_cuts_load_into_the_same_machine(void **unused)
{
    struct run run;
    struct cut cut = {0};

    (void)unused;
    random_state = seed_given + 1;
    run_open(&run, commands_given / 2, 1U << 16);
    run_random(&run, commands_given / 2, &cut, 8);
    print_message("    %u cuts loaded, %u lost, %u given up\n", cut.done, cut.lost, cut.given_up);
    assert_true(cut.done > commands_given / 5000);
    assert_int_equal(cut.lost, 0);
    if (cut.is_on)
        aw_state_cut_end(run.kit.state);
    cut_clear(&cut);
    run_close(&run);
}

static void
test_a_tiny_pool_loses_cuts_only(void **unused)
{
    struct run run;
    struct cut cut = {0};

    (void)unused;
    random_state = seed_given + 2;
    run_open(&run, commands_given / 2, 20 * 128);
    run_random(&run, commands_given / 2, &cut, 8);
    print_message("    %u cuts loaded, %u lost, %u given up\n", cut.done, cut.lost, cut.given_up);
    assert_true(cut.done > 0);
    assert_true(cut.lost > 0);
    if (cut.is_on)
        aw_state_cut_end(run.kit.state);
    cut_clear(&cut);
    run_close(&run);
}

/* Every bit of a checkpoint counts. */
static void
test_a_damaged_checkpoint_is_refused(void **unused)
{
    struct aw_state_limits limits = small_limits(1U << 16);
    struct run             run;
    struct cut             cut = {0};
    struct aw_state       *state;
    struct aw_why          why;

    (void)unused;
    random_state = seed_given + 3;
    run_open(&run, 3000, 1U << 16);
    run_random(&run, 3000, NULL, 0);
    assert_true(aw_state_cut_begin(run.kit.state, &cut.mark));
    while (aw_state_cut_next(run.kit.state, &cut.chunks[cut.count], &cut.mark)) {
        struct aw_chunk *chunk = &cut.chunks[cut.count];

        cut.bytes[cut.count] = malloc(chunk->bytes.len);
        assert_non_null(cut.bytes[cut.count]);
        memcpy(cut.bytes[cut.count], chunk->bytes.ptr, chunk->bytes.len);
        chunk->bytes.ptr = cut.bytes[cut.count++];
    }
    aw_state_cut_end(run.kit.state);
    for (int i = 0; i < 300; i++) {
        uint32_t    which = (uint32_t)pick(cut.count);
        uint64_t    at = pick(cut.chunks[which].bytes.len);
        enum aw_err err = AW_OK;
        uint8_t    *byte, bit = (uint8_t)(1U << pick(8));

        byte = (uint8_t *)&cut.bytes[which][at];
        *byte ^= bit;
        assert_int_equal(aw_state_new(&state, &limits, KIT_SHARD, &why), AW_OK);
        for (uint32_t c = 0; c < cut.count && err == AW_OK; c++)
            err = aw_state_load_chunk(state, &cut.chunks[c], &why);
        if (err == AW_OK)
            err = aw_state_load_finish(state, &cut.mark, &why);
        assert_true(err == AW_E_CORRUPT || err == AW_E_TABLE_FULL);
        aw_state_free(&state);
        *byte ^= bit;
    }
    cut.mark.sm_version++;
    assert_int_equal(aw_state_new(&state, &limits, KIT_SHARD, &why), AW_OK);
    assert_int_equal(aw_state_load_finish(state, &cut.mark, &why), AW_E_VERSION);
    aw_state_free(&state);
    limits.tickets_max = 5;
    assert_int_equal(aw_state_new(&state, &limits, KIT_SHARD, &why), AW_OK);
    assert_int_equal(aw_state_load_chunk(state, &cut.chunks[0], &why), AW_E_TABLE_FULL);
    aw_state_free(&state);
    limits = small_limits(1U << 16);
    assert_int_equal(aw_state_new(&state, &limits, KIT_SHARD + 1, &why), AW_OK);
    assert_int_equal(aw_state_load_chunk(state, &cut.chunks[0], &why), AW_E_CORRUPT);
    aw_state_free(&state);
    cut_clear(&cut);
    run_close(&run);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_machines_agree),
        cmocka_unit_test(test_cuts_load_into_the_same_machine),
        cmocka_unit_test(test_a_tiny_pool_loses_cuts_only),
        cmocka_unit_test(test_a_damaged_checkpoint_is_refused),
    };

    if (argc > 1)
        seed_given = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        commands_given = strtoull(argv[2], NULL, 10);
    print_message("seed %" PRIu64 ", %" PRIu64 " commands\n", seed_given, commands_given);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
