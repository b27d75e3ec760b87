/* told.c - messages one after the other, and what a ticket would have kept of them. */
#include "core/told.h"

#include "core/layout.h"

AW_STATIC_ASSERT(AW_TOLD_IDENTITIES_MAX == AW_TICKET_IDENTITIES_MAX, "as many as a ticket keeps");
AW_STATIC_ASSERT(AW_TOLD_FACTS_MAX == AW_TICKET_FACTS_MAX, "as many as a ticket keeps");

static bool
is_same_code(struct aw_airport_code a, struct aw_airport_code b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

static void
say(struct aw_told *told, enum aw_class class_)
{
    if (class_ == AW_CLASS_IMMINENT)
        class_ = AW_CLASS_DISRUPTED;
    if (told->messages == 0 || class_ < told->said)
        told->said = class_;
}

static void
add_identity(struct aw_telling *telling, struct aw_hash128 hash)
{
    struct aw_told *told = &telling->told;

    for (uint32_t i = 0; i < told->identity_count; i++) {
        if (aw_hash128_eq(telling->identities[i], hash))
            return;
    }
    if (told->identity_count < AW_TOLD_IDENTITIES_MAX)
        telling->identities[told->identity_count++] = hash;
}

static struct aw_told_fact *
find_same(struct aw_telling *telling, const struct aw_told_fact *want)
{
    for (uint32_t i = 0; i < telling->told.fact_count; i++) {
        struct aw_told_fact *fact = &telling->facts[i];

        if (fact->kind != want->kind || fact->hash != want->hash)
            continue;
        if (fact->hash != 0 ||
            (fact->departs_at == want->departs_at && is_same_code(fact->from, want->from) && is_same_code(fact->to, want->to)))
            return fact;
    }
    return NULL;
}

/* What followed from it stays when it goes. */
static void
keep_what_was(struct aw_told *told, const struct aw_core_settings *settings, const struct aw_told_fact *fact, aw_ms now)
{
    if (aw_departure_was_near(settings, fact->departs_at, fact->said_at, now))
        say(told, AW_CLASS_DISRUPTED);
}

/* The same flight again: what is said now counts, what is not said now stays. */
static void
tell_again(struct aw_told *told, const struct aw_core_settings *settings, struct aw_told_fact *fact,
           const struct aw_told_fact *want)
{
    static const struct aw_airport_code unknown = {{0}};
    struct aw_told_fact                 next = *fact;

    if (want->departs_at != 0)
        next.departs_at = want->departs_at;
    if (!is_same_code(want->from, unknown))
        next.from = want->from;
    if (!is_same_code(want->to, unknown))
        next.to = want->to;
    if (next.departs_at == fact->departs_at && is_same_code(next.from, fact->from) && is_same_code(next.to, fact->to))
        return;
    keep_what_was(told, settings, fact, want->said_at);
    *fact = next;
}

static void
add_fact(struct aw_telling *telling, const struct aw_core_settings *settings, const struct aw_told_fact *want)
{
    struct aw_told      *told = &telling->told;
    struct aw_told_fact *fact = find_same(telling, want);

    if (want->hash == 0 && want->departs_at == 0 && aw_airport_number(want->from) == AW_AIRPORT_CODES &&
        aw_airport_number(want->to) == AW_AIRPORT_CODES)
        return;
    if (fact != NULL) {
        tell_again(told, settings, fact, want);
        return;
    }
    if (told->fact_count == AW_TOLD_FACTS_MAX) { /* in the order in which they were said */
        keep_what_was(told, settings, &telling->facts[0], want->said_at);
        memmove(telling->facts, telling->facts + 1, (AW_TOLD_FACTS_MAX - 1) * sizeof(telling->facts[0]));
        told->fact_count--;
    }
    telling->facts[told->fact_count++] = *want;
}

/* In the order of aw_facts_add. */
static void
add_facts(struct aw_telling *telling, const struct aw_core_settings *settings, const struct aw_in_message *in, uint64_t seq,
          aw_ms accepted_at)
{
    struct aw_told_fact said = {.said_at = accepted_at, .seq = seq};

    for (uint32_t i = 0; i < in->airport_count; i++) {
        struct aw_told_fact fact = said;

        fact.kind = AW_FACT_AIRPORT;
        fact.from = in->airports[i];
        add_fact(telling, settings, &fact);
    }
    for (uint32_t i = 0; i < in->flight_count; i++) {
        struct aw_told_fact fact = said;

        fact.hash = in->flights[i].flight_hash;
        fact.departs_at = in->flights[i].departs_at;
        memcpy(&fact.from, in->flights[i].from, sizeof(fact.from));
        memcpy(&fact.to, in->flights[i].to, sizeof(fact.to));
        add_fact(telling, settings, &fact);
    }
    if (aw_facts_has_lone_departure(in)) {
        struct aw_told_fact fact = said;

        fact.departs_at = in->departs_at;
        add_fact(telling, settings, &fact);
    }
    if (in->booking_hash != 0) {
        struct aw_told_fact fact = said;

        fact.kind = AW_FACT_BOOKING;
        fact.hash = in->booking_hash;
        add_fact(telling, settings, &fact);
    }
}

/* Whom it is of, as in message.c: later messages of who only talks about us join nothing, and neither he nor who wants to hear
 * nothing is told anything unasked. */
static void
add_whom(struct aw_telling *telling, const struct aw_in_message *in)
{
    struct aw_told *told = &telling->told;

    told->is_listening = in->addressed != AW_ADDRESSED_TO_US;
    told->contact = told->is_listening ? in->contact : (struct aw_hash128){.low = 0};
    told->account.len = 0;
    if (told->is_listening)
        return;
    if (!in->opts_out) {
        AW_ASSERT(in->account.len <= sizeof(telling->account));
        memcpy(telling->account, in->account.ptr, in->account.len);
        told->account.len = in->account.len;
    }
    for (uint32_t i = 0; i < in->identity_count; i++)
        add_identity(telling, in->identities[i]);
}

void
aw_telling_add(struct aw_telling *telling, const struct aw_core_settings *settings, const struct aw_in_message *in, uint64_t seq,
               aw_ms accepted_at)
{
    struct aw_told *told = &telling->told;

    AW_ASSERT(seq > told->last_seq);
    say(told, in->class_);
    if (told->messages == 0) {
        told->first_seq = seq;
        told->accepted_at = accepted_at;
        told->received_at = in->received_at;
    }
    if (told->messages == 0 || (in->reply_by > accepted_at && (told->reply_by <= accepted_at || in->reply_by < told->reply_by)))
        told->reply_by = in->reply_by; /* as in message.c */
    told->messages++;
    told->last_seq = seq;
    AW_ASSERT(in->channel.len <= sizeof(telling->channel));
    memcpy(telling->channel, in->channel.ptr, in->channel.len);
    told->channel.len = in->channel.len;
    add_whom(telling, in);
    AW_ASSERT(in->lang.len <= sizeof(telling->lang));
    if (in->lang.len > 0) {
        memcpy(telling->lang, in->lang.ptr, in->lang.len);
        told->lang.len = in->lang.len;
    }
    told->gentle |= in->gentle;
    add_facts(telling, settings, in, seq, accepted_at);
}

const struct aw_told *
aw_telling_end(struct aw_telling *telling)
{
    telling->told.identities = telling->identities;
    telling->told.facts = telling->facts;
    telling->told.channel.ptr = telling->channel;
    telling->told.account.ptr = telling->account;
    telling->told.lang.ptr = telling->lang;
    return &telling->told;
}
