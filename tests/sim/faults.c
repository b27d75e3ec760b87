/* faults.c - see faults.h. */
#include "sim/faults.h"

#include "model/command.h"

#include <stdio.h>

static const char *const place_names[AW_FAULT_PLACES] = {"submit", "flush", "poll",   "put",    "mark", "abandon",
                                                         "drop",   "keep",  "unkeep", "anchor", "trim"};
static const char *const kind_names[SIM_KINDS] = {"none",        "fails",       "fails, but is durable", "finds no room",
                                                  "comes later", "comes twice", "power cut before it",   "power cut behind it"};
static const char *const event_names[SIM_EVENTS] = {"killed between two steps",
                                                    "stopped in good order",
                                                    "crash leaves all of a group",
                                                    "crash leaves a part of a group",
                                                    "crash leaves a torn batch",
                                                    "crash leaves a gap",
                                                    "wall clock forward",
                                                    "wall clock back",
                                                    "nobody runs for minutes",
                                                    "nobody runs for days",
                                                    "allocation fails",
                                                    "mapping fails",
                                                    "store full",
                                                    "table full",
                                                    "keys can't be replaced"};
static const char *const amid_names[SIM_AMIDS] = {"an incident is being answered", "a reply is sent and not told",
                                                  "a reply waits for a colleague", "another lane helps",
                                                  "a ticket is put off",           "texts are to be erased"};
/* Those that somebody asks for: what the server does by itself has no answer that could be lost. */
static const enum aw_command_kind asked[] = {AW_COMMAND_MESSAGE,
                                             AW_COMMAND_WITHDRAW,
                                             AW_COMMAND_OPT_OUT,
                                             AW_COMMAND_LEASE,
                                             AW_COMMAND_EXTEND,
                                             AW_COMMAND_COMPLETE,
                                             AW_COMMAND_RELEASE,
                                             AW_COMMAND_DECLINE,
                                             AW_COMMAND_TRANSFER,
                                             AW_COMMAND_DEFER,
                                             AW_COMMAND_NOTE,
                                             AW_COMMAND_HOLD,
                                             AW_COMMAND_UNHOLD,
                                             AW_COMMAND_CANCEL,
                                             AW_COMMAND_PLACE,
                                             AW_COMMAND_UNFOLD,
                                             AW_COMMAND_REPLY,
                                             AW_COMMAND_REPLY_LEASE,
                                             AW_COMMAND_REPLY_STATUS,
                                             AW_COMMAND_REDRIVE,
                                             AW_COMMAND_APPROVE,
                                             AW_COMMAND_LANE,
                                             AW_COMMAND_AGENT,
                                             AW_COMMAND_CHANNEL,
                                             AW_COMMAND_TEMPLATE,
                                             AW_COMMAND_FLIGHT,
                                             AW_COMMAND_AIRPORT,
                                             AW_COMMAND_UNDO,
                                             AW_COMMAND_INCIDENT,
                                             AW_COMMAND_INCIDENT_LINK,
                                             AW_COMMAND_INCIDENT_ANSWER,
                                             AW_COMMAND_ERASE,
                                             AW_COMMAND_FORECAST,
                                             AW_COMMAND_PROMISE};

/* What an operation can meet, 1 << kind each. */
static unsigned
kinds_at(enum aw_fault_at at)
{
    unsigned kinds = 1U << AW_FAULT_BROKEN | 1U << SIM_POWER;

    switch (at) {
    case AW_FAULT_AT_FLUSH:
        return kinds | 1U << AW_FAULT_BROKEN_KEPT | 1U << SIM_POWER_KEPT;
    case AW_FAULT_AT_POLL:
        return 1U << AW_FAULT_LATER | 1U << AW_FAULT_TWICE;
    case AW_FAULT_AT_PUT:
    case AW_FAULT_AT_KEEP:
    case AW_FAULT_AT_UNKEEP:
        return kinds | 1U << AW_FAULT_FULL;
    case AW_FAULT_AT_SUBMIT:
    case AW_FAULT_AT_MARK:
    case AW_FAULT_AT_ABANDON:
    case AW_FAULT_AT_DROP:
    case AW_FAULT_AT_ANCHOR:
    case AW_FAULT_AT_TRIM:
        return kinds;
    }
    AW_UNREACHABLE();
}

/* Whether a start comes there. */
static bool
is_at_start(enum aw_fault_at at)
{
    return at == AW_FAULT_AT_SUBMIT || at == AW_FAULT_AT_FLUSH || at == AW_FAULT_AT_POLL || at == AW_FAULT_AT_ABANDON ||
           at == AW_FAULT_AT_DROP;
}

void
sim_faults_init(struct sim_faults *faults, struct random *random, uint64_t *reached)
{
    static const uint32_t events[SIM_EVENTS] = {
        [SIM_KILL] = 300,     [SIM_STOP] = 400,        [SIM_LEFT_ALL] = 5,   [SIM_LEFT_SOME] = 5, [SIM_LEFT_TORN] = 8,
        [SIM_LEFT_GAP] = 8,   [SIM_WALL_FORWARD] = 80, [SIM_WALL_BACK] = 80, [SIM_SLEEP] = 60,    [SIM_DAYS] = 250,
        [SIM_NO_MEMORY] = 12, [SIM_NO_ADDRESS] = 12,   [SIM_KEYS_STAY] = 4};

    *faults = (struct sim_faults){.random = random, .reached = reached};
    for (unsigned at = 0; at < AW_FAULT_PLACES; at++) {
        for (unsigned kind = 1; kind < SIM_KINDS; kind++) {
            bool     happens = (kinds_at(at) >> kind & 1) != 0 && random_below(random, 3) == 0;
            uint32_t rare = at == AW_FAULT_AT_SUBMIT || at == AW_FAULT_AT_FLUSH ? 80 : 12;

            if (at == AW_FAULT_AT_POLL)
                rare = 3;
            faults->chance[at][kind] = happens ? rare + random_below(random, 8 * rare) : 0;
        }
    }
    for (unsigned event = 0; event < SIM_EVENTS; event++)
        faults->chance_of[event] = random_below(random, 2) == 0 ? events[event] : 0;
}

static uint64_t *
reached(struct sim_faults *faults, unsigned number)
{
    return &faults->reached[(faults->is_running ? SIM_FAULTS / SIM_WHENS : 0) + number];
}

unsigned
sim_faults_draw(struct sim_faults *faults, enum aw_fault_at at)
{
    if (faults->is_off)
        return AW_FAULT_NONE;
    for (unsigned kind = 1; kind < SIM_KINDS; kind++) {
        if (faults->chance[at][kind] == 0 || random_below(faults->random, faults->chance[at][kind]) != 0)
            continue;
        (*reached(faults, at * SIM_KINDS + kind))++;
        return kind;
    }
    return AW_FAULT_NONE;
}

bool
sim_faults_says(struct sim_faults *faults, enum sim_event event)
{
    return !faults->is_off && faults->chance_of[event] != 0 && random_below(faults->random, faults->chance_of[event]) == 0;
}

void
sim_faults_count(struct sim_faults *faults, enum sim_event event)
{
    (*reached(faults, AW_FAULT_PLACES * SIM_KINDS + event))++;
}

void
sim_faults_count_command(struct sim_faults *faults, unsigned kind)
{
    AW_ASSERT(kind < SIM_COMMANDS);
    faults->reached[SIM_FAULTS + kind]++;
}

void
sim_faults_count_amid(struct sim_faults *faults, enum sim_amid amid)
{
    faults->reached[SIM_FAULTS + SIM_COMMANDS + amid]++;
}

static bool
is_asked(unsigned kind)
{
    for (size_t i = 0; i < AW_ARRAY_LEN(asked); i++) {
        if (asked[i] == kind)
            return true;
    }
    return false;
}

/* Which of them a start can meet. */
static bool
is_event_at_start(enum sim_event event)
{
    return event == SIM_NO_MEMORY || event == SIM_NO_ADDRESS;
}

bool
sim_point_name(unsigned point, char *text)
{
    bool     is_running = point >= SIM_FAULTS / SIM_WHENS;
    unsigned number = point % (SIM_FAULTS / SIM_WHENS);
    unsigned at = number / SIM_KINDS, kind = number % SIM_KINDS, event = number - AW_FAULT_PLACES * SIM_KINDS;

    if (point >= SIM_FAULTS + SIM_COMMANDS) {
        (void)snprintf(text, 64, "crash while %s", amid_names[point - SIM_FAULTS - SIM_COMMANDS]);
        return true;
    }
    if (point >= SIM_FAULTS) {
        (void)snprintf(text, 64, "crash amid %s", aw_command_name(point - SIM_FAULTS));
        return is_asked(point - SIM_FAULTS);
    }
    if (number >= AW_FAULT_PLACES * SIM_KINDS) {
        if (!is_running && !is_event_at_start(event))
            return false;
        (void)snprintf(text, 64, "%s%s", is_running ? "" : "start: ", event_names[event]);
        return !is_running || event != SIM_NO_ADDRESS;
    }
    if (kind == AW_FAULT_NONE || (kinds_at(at) >> kind & 1) == 0 || (!is_running && !is_at_start(at)))
        return false;
    (void)snprintf(text, 64, "%s%s: %s", is_running ? "" : "start: ", place_names[at], kind_names[kind]);
    return true;
}
