/* collect.c - see collect.h. */
#include "bench/surge/collect.h"

#include <stdio.h>
#include <string.h>

double
surge_seconds(aw_ns from, aw_ns to)
{
    return to > from ? (double)(to - from) / 1e9 : 0;
}

void
surge_collect_intake(const struct surge_intake *intake, struct surge_result *result)
{
    result->posted = intake->posted;
    result->requests = intake->requests;
    result->accepted = intake->accepted;
    result->duplicates = intake->duplicates;
    result->recovered = intake->recovered;
    result->differing = intake->differing;
    result->folded = intake->folded;
    result->opened = intake->opened;
    result->reopened = intake->reopened;
    result->repeats = intake->repeats;
    result->refused = intake->refused;
    result->failed = intake->failed;
    result->connection_losses += intake->fleet.losses;
    result->connection_goodbyes += intake->fleet.goodbyes;
    result->post_s = surge_seconds(intake->started_at, intake->last_at);
    result->total_s = result->post_s;
    aw_histogram_collect(&intake->latency, &result->latency);
}

void
surge_collect_desk(const struct surge_desk *desk, struct surge_result *result)
{
    result->has_desk = true;
    result->pulls = desk->pulls;
    result->empty_pulls = desk->empty_pulls;
    result->leases = desk->leases;
    result->shown = desk->shown;
    result->completed = desk->completed;
    result->repeated = desk->repeated;
    result->overtaken = desk->overtaken;
    result->lost = desk->lost;
    result->unknown = desk->unknown;
    result->desk_refused = desk->refused;
    result->desk_failed = desk->failed;
    result->connection_losses += desk->fleet.losses;
    result->connection_goodbyes += desk->fleet.goodbyes;
    if (surge_seconds(desk->started_at, desk->last_at) > result->total_s)
        result->total_s = surge_seconds(desk->started_at, desk->last_at);
    aw_histogram_collect(&desk->pull_wait, &result->pull_wait);
    aw_histogram_collect(&desk->complete, &result->complete);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        aw_histogram_collect(&desk->waited[i], &result->waited[i]);
}

void
surge_collect_audit(const struct surge_ledger *ledger, const struct surge_verify *verify, struct surge_result *result)
{
    result->has_audit = true;
    result->acknowledged = ledger->acknowledged;
    result->answered = ledger->answered;
    result->earlier = ledger->earlier;
    result->open_messages = verify->open_messages;
    result->looked_up = verify->count;
    result->waiting = verify->waiting;
    result->closed = verify->closed;
    result->unverified = verify->unverified;
    memcpy(result->breaches, ledger->breaches, sizeof(result->breaches));
    memcpy(result->examples, ledger->examples, sizeof(result->examples));
    if (ledger->failed) {
        result->broken = true;
        (void)snprintf(result->why, sizeof(result->why), "no memory for the audit's book");
    }
    result->audit_passed = !result->broken && !result->stalled && surge_ledger_breaches(ledger) == 0 && result->unverified == 0;
}
