/* board.c - see board.h. */
#include "forecast/board.h"

#include "base/mem.h"
#include "base/reserve.h"
#include "forecast/flow.h"
#include "forecast/promise.h"
#include "forecast/trust.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

AW_STATIC_ASSERT(AW_PROMISE_GROUPS_MAX == AW_FORECAST_GROUPS_MAX, "a group that is forecast can be told");
AW_STATIC_ASSERT(AW_PROMISE_LEADS == AW_FORECAST_LEADS + 1 && AW_PROMISE_LEAD_MS == AW_FORECAST_LEAD_MS,
                 "what is told of departures is what is forecast of them");
AW_STATIC_ASSERT(AW_FORECAST_AHEAD_MS / AW_MS_PER_S <= AW_PROMISE_RAW_S_MAX, "a wait can be told");
AW_STATIC_ASSERT(AW_PROMISE_STEP_MS == AW_PROMISE_STEP_MS_LEAST, "what is rounded up is whole steps");

#define DAY_MS  (UINT64_C(24) * 3600000)
#define HOUR_MS 3600000.0
/* Of the past that a first look is told, what says how far forecasts can be trusted: as trust.h forgets. */
#define TAKEN_BACK_MS (UINT64_C(2) * 3600000)
#define SETS_MAX      64U

/* What arrives in a lane, of one class. */
struct stream {
    double per_hour;
    double usual; /* fading sum, to be divided by `days` */
    float  lately;
    float  since; /* the last look */
};

struct set {
    uint64_t bit;
    uint32_t agents;
};

struct group {
    uint64_t            sets;   /* bits: who serves the lanes that it was made for; 0: there is no such group */
    uint64_t            served; /* with those who serve the lanes that joined it for want of another */
    uint32_t            lanes;
    struct aw_told_wait told[AW_PROMISE_WAITS];
};

struct aw_board {
    struct aw_board_config config;
    struct aw_forecast    *forecasts[AW_SHARES]; /* owns: as probable, with slower fading */
    struct aw_flow         flow;
    struct aw_trust        trust;
    struct stream (*streams)[AW_CLASS_COUNT]; /* owns: by lane */
    uint64_t    *served;                      /* owns: by lane, bits of sets */
    uint8_t     *groups_of;                   /* owns: by lane */
    uint8_t     *told_of;                     /* owns: by lane, as it was told */
    bool        *gives;                       /* owns: by lane */
    double       days;                        /* how much of `usual` is known */
    aw_ms        now;
    aw_ms        last; /* look before; 0: none */
    aw_ms        first_asked;
    uint32_t     lane_count;
    struct set   sets[SETS_MAX];
    uint32_t     set_count;
    struct group groups[AW_FORECAST_GROUPS_MAX];
};

/* --- making ----------------------------------------------------------------------------------------------------------------- */

static size_t
streams_bytes(const struct aw_board *board)
{
    return board->config.lanes_max * sizeof(board->streams[0]);
}

enum aw_err
aw_board_new(struct aw_board **ret_board, const struct aw_board_config *config)
{
    struct aw_board *board = aw_new(struct aw_board);

    if (board == NULL)
        return AW_E_MEMORY;
    board->config = *config;
    board->streams = aw_reserve_take(streams_bytes(board));
    board->served = aw_reserve_take(config->lanes_max * sizeof(board->served[0]));
    board->groups_of = aw_reserve_take(config->lanes_max);
    board->told_of = aw_reserve_take(config->lanes_max);
    board->gives = aw_reserve_take(config->lanes_max);
    if (board->streams == NULL || board->served == NULL || board->groups_of == NULL || board->told_of == NULL ||
        board->gives == NULL || aw_forecast_new(&board->forecasts[AW_HALF], AW_FORECAST_GROUPS_MAX) != AW_OK ||
        aw_forecast_new(&board->forecasts[AW_NINE_OF_TEN], AW_FORECAST_GROUPS_MAX) != AW_OK) {
        aw_board_free(&board);
        return AW_E_MEMORY;
    }
    aw_trust_init(&board->trust, &AW_TRUST_SETTINGS_DEFAULT);
    *ret_board = board;
    return AW_OK;
}

void
aw_board_free(struct aw_board **board)
{
    struct aw_board *b = *board;

    if (b == NULL)
        return;
    for (unsigned share = 0; share < AW_SHARES; share++)
        aw_forecast_free(&b->forecasts[share]);
    aw_reserve_give(b->gives, b->config.lanes_max);
    aw_reserve_give(b->told_of, b->config.lanes_max);
    aw_reserve_give(b->groups_of, b->config.lanes_max);
    aw_reserve_give(b->served, b->config.lanes_max * sizeof(b->served[0]));
    aw_reserve_give(b->streams, streams_bytes(b));
    free(b);
    *board = NULL;
}

/* --- lanes and agents ------------------------------------------------------------------------------------------------------- */

static void
start_flow(struct aw_board *board, const struct aw_order_settings *order)
{
    struct aw_flow_settings flow = {
        .arrivals_ms = AW_FLOW_ARRIVALS_MS, .habits_ms = AW_FLOW_HABITS_MS, .handling_weight = AW_FLOW_HANDLING_WEIGHT};

    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        flow.handling_ms[i] = order->handling_ms[i];
    aw_flow_init(&board->flow, &flow);
}

void
aw_board_begin(struct aw_board *board, const struct aw_order_settings *order, aw_ms now)
{
    uint64_t passed_ms = board->now == 0 ? 0 : now - board->now;

    AW_ASSERT(now >= board->now);
    if (board->now == 0)
        start_flow(board, order);
    board->last = board->now;
    board->now = now;
    board->first_asked = now;
    aw_flow_look(&board->flow, passed_ms);
    aw_trust_begin(&board->trust, passed_ms);
    for (unsigned share = 0; share < AW_SHARES; share++)
        aw_forecast_begin(board->forecasts[share], order, now);
    board->lane_count = 0;
    board->set_count = 0;
}

aw_ms
aw_board_since(const struct aw_board *board)
{
    return board->last != 0 ? board->last : board->now - DAY_MS;
}

void
aw_board_set_lanes(struct aw_board *board, const struct aw_census_lane *lanes, uint32_t count)
{
    AW_ASSERT(count <= board->config.lanes_max);
    board->lane_count = count;
    for (uint32_t lane = 0; lane < count; lane++) {
        board->told_of[lane] = lanes[lane].group;
        board->gives[lane] = lanes[lane].gives;
        board->served[lane] = 0;
    }
}

void
aw_board_add_agents(struct aw_board *board, const uint32_t *lanes, uint32_t lane_count, uint32_t agents)
{
    uint64_t bit = UINT64_C(1) << board->set_count;

    if (agents == 0)
        return;
    AW_ASSERT(board->set_count < SETS_MAX);
    board->sets[board->set_count++] = (struct set){.bit = bit, .agents = agents};
    for (uint32_t lane = 0; lane_count == 0 && lane < board->lane_count; lane++)
        board->served[lane] |= bit;
    for (uint32_t i = 0; i < lane_count; i++) {
        if (lanes[i] < board->lane_count) /* made since */
            board->served[lanes[i]] |= bit;
    }
}

/* Whether a lane that these serve joins the one rather than the other: among those that differ as much, where others like it are
 * already, else where the fewest are, so that no group waits for the agents of all. */
static bool
is_nearer(const struct group *one, const struct group *other, uint64_t sets)
{
    int  one_differs = __builtin_popcountll(one->sets ^ sets), other_differs = __builtin_popcountll(other->sets ^ sets);
    bool one_has = (sets & ~one->served) == 0, other_has = (sets & ~other->served) == 0;

    if (one_differs != other_differs)
        return one_differs < other_differs;
    return one_has != other_has ? one_has : one->lanes < other->lanes;
}

/* The group whose lanes are served by these, or by almost these when there is room for no other. */
static uint32_t
find_group(const struct aw_board *board, uint64_t sets, uint8_t as_told)
{
    uint32_t nearest = 0, free_group = AW_FORECAST_GROUPS_MAX;

    for (uint32_t i = 0; i < AW_FORECAST_GROUPS_MAX; i++) {
        const struct group *group = &board->groups[i];

        if (group->sets == sets)
            return i;
        if (group->sets == 0)
            free_group = free_group == AW_FORECAST_GROUPS_MAX || i == as_told ? i : free_group;
        else if (is_nearer(group, &board->groups[nearest], sets))
            nearest = i;
    }
    return free_group == AW_FORECAST_GROUPS_MAX ? nearest : free_group;
}

static void
join_group(struct aw_board *board, uint32_t lane)
{
    uint64_t      sets = board->served[lane];
    uint32_t      number = find_group(board, sets, board->told_of[lane]);
    struct group *group = &board->groups[number];

    if (group->sets == 0)
        group->sets = sets;
    group->served |= sets;
    group->lanes++;
    board->groups_of[lane] = (uint8_t)number;
}

/* Agents who serve the same groups are a pool; when there are too many pools, one works with those it shares most groups with. */
static void
add_pools(struct aw_board *board)
{
    struct {
        uint32_t groups;
        double   agents;
    } pools[AW_FORECAST_POOLS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < board->set_count; i++) {
        uint32_t groups = 0, best = 0;

        for (uint32_t k = 0; k < AW_FORECAST_GROUPS_MAX; k++)
            groups |= (board->groups[k].served & board->sets[i].bit) != 0 ? 1U << k : 0;
        if (groups == 0)
            continue;
        for (uint32_t k = 0; k < count; k++) {
            if (pools[k].groups == groups ||
                __builtin_popcount(pools[k].groups & groups) > __builtin_popcount(pools[best].groups & groups))
                best = k;
            if (pools[k].groups == groups)
                break;
        }
        if (count == 0 || (pools[best].groups != groups && count < AW_FORECAST_POOLS_MAX)) {
            best = count++;
            pools[best].groups = groups;
            pools[best].agents = 0;
        }
        pools[best].agents += board->sets[i].agents;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct aw_forecast_staff staff = {.from = 0, .agents = pools[i].agents};

        for (unsigned share = 0; share < AW_SHARES; share++)
            aw_forecast_add_pool(board->forecasts[share], pools[i].groups, &staff, 1);
    }
}

void
aw_board_make_groups(struct aw_board *board)
{
    for (uint32_t i = 0; i < AW_FORECAST_GROUPS_MAX; i++) {
        board->groups[i].sets = 0;
        board->groups[i].served = 0;
        board->groups[i].lanes = 0;
    }
    for (uint32_t lane = 0; lane < board->lane_count; lane++) {
        if (board->gives[lane] && board->served[lane] != 0)
            join_group(board, lane);
        else
            board->groups_of[lane] = AW_PROMISE_NO_GROUP;
    }
    add_pools(board);
}

/* --- tickets ---------------------------------------------------------------------------------------------------------------- */

static bool
happened(const struct aw_board *board, aw_ms at)
{
    return at > aw_board_since(board) && at <= board->now; /* what came meanwhile is for the next look */
}

static void
note_arrival(struct aw_board *board, const struct aw_census_ticket *ticket, enum aw_class class_)
{
    struct stream *stream = &board->streams[ticket->lane][class_];

    stream->since += 1;
    if (board->now - ticket->asked_at <= AW_FLOW_ARRIVALS_MS)
        stream->lately += 1;
    if (ticket->asked_at < board->first_asked)
        board->first_asked = ticket->asked_at;
    aw_flow_add_arrival(&board->flow, class_, ticket->asked_at, ticket->departs_at);
}

void
aw_board_add_ticket(struct aw_board *board, const struct aw_census_ticket *ticket)
{
    bool           is_promised = ticket->promised_at != 0;
    enum aw_class  class_ = is_promised ? ticket->promised_class : ticket->class_;
    struct aw_wait raw = {{ticket->raw_ms[AW_HALF], ticket->raw_ms[AW_NINE_OF_TEN]}};
    uint8_t        group;

    if (ticket->lane >= board->lane_count)
        return; /* of a lane that was made since */
    if (happened(board, ticket->asked_at))
        note_arrival(board, ticket, class_);
    if (ticket->handled_ms != 0 && happened(board, ticket->closed_at))
        aw_flow_add_handled(&board->flow, ticket->class_, ticket->handled_ms);
    if (is_promised && happened(board, ticket->taken_at) && ticket->taken_at >= ticket->promised_at &&
        board->now - ticket->taken_at < TAKEN_BACK_MS)
        aw_trust_add_taken(&board->trust, class_, &raw, ticket->told_ms, ticket->taken_at - ticket->promised_at);
    if (!ticket->waits)
        return;
    if (is_promised && ticket->taken_at == 0 && ticket->promised_at <= board->now)
        aw_trust_add_waiting(&board->trust, class_, &raw, ticket->told_ms, board->now - ticket->promised_at);
    group = board->groups_of[ticket->lane];
    for (unsigned share = 0; share < AW_SHARES && group != AW_PROMISE_NO_GROUP; share++)
        aw_forecast_add_waiting(board->forecasts[share], group, ticket->class_, ticket->age, ticket->departs_at, 1);
}

/* --- running ---------------------------------------------------------------------------------------------------------------- */

/* What arrives now follows in AW_FLOW_ARRIVALS_MS, what is usual in a day. At the first look of a new store nothing is known of the
 * time before its first ticket: then nobody came, as far as AW_FLOW_ARRIVALS_MS go. */
static void
measure_arrivals(struct aw_board *board)
{
    aw_ms began_at =
        board->now - AW_FLOW_ARRIVALS_MS < board->first_asked ? board->now - AW_FLOW_ARRIVALS_MS : board->first_asked;
    aw_ms  since = board->last != 0 ? board->last : began_at;
    double passed_ms = (double)(board->now - since);
    double recent = exp(-passed_ms / (double)AW_FLOW_ARRIVALS_MS), day = exp(-passed_ms / (double)DAY_MS);

    if (passed_ms <= 0)
        return;
    board->days = board->days * day + 1 - day;
    for (uint32_t lane = 0; lane < board->lane_count; lane++) {
        for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++) {
            struct stream *stream = &board->streams[lane][class_];
            double         per_hour = (double)stream->since * HOUR_MS / passed_ms;

            stream->usual = stream->usual * day + per_hour * (1 - day);
            if (board->last == 0)
                stream->per_hour = (double)stream->lately * HOUR_MS / (double)AW_FLOW_ARRIVALS_MS;
            else
                stream->per_hour = per_hour + (stream->per_hour - per_hour) * recent;
            stream->lately = 0;
            stream->since = 0;
        }
    }
}

static void
set_arrivals(struct aw_board *board)
{
    struct aw_forecast_arrivals all[AW_FORECAST_GROUPS_MAX][AW_CLASS_COUNT] = {{{0}}};

    for (uint32_t lane = 0; lane < board->lane_count; lane++) {
        uint8_t group = board->groups_of[lane];

        for (unsigned class_ = 0; class_ < AW_CLASS_COUNT && group != AW_PROMISE_NO_GROUP; class_++) {
            all[group][class_].per_hour += board->streams[lane][class_].per_hour;
            all[group][class_].usual_per_hour += board->days > 0 ? board->streams[lane][class_].usual / board->days : 0;
        }
    }
    for (uint32_t group = 0; group < AW_FORECAST_GROUPS_MAX; group++) {
        for (enum aw_class class_ = AW_CLASS_CARE; class_ < AW_CLASS_COUNT; class_++) {
            for (unsigned share = 0; share < AW_SHARES; share++)
                aw_forecast_set_arrivals(board->forecasts[share], group, class_, all[group][class_]);
        }
    }
}

static uint32_t
steps_of(uint64_t ms)
{
    uint64_t steps = aw_promise_round_up(ms) / AW_PROMISE_STEP_MS;

    return steps <= AW_PROMISE_STEPS_MAX ? (uint32_t)steps : AW_PROMISE_STEPS_MAX;
}

/* Beyond the days that a run looks ahead nothing is known; the longest that is told is these days. */
static uint64_t
at_most_ahead(uint64_t wait_ms)
{
    return wait_ms < AW_FORECAST_AHEAD_MS ? wait_ms : AW_FORECAST_AHEAD_MS;
}

static void
tell(struct aw_board *board, uint32_t group, enum aw_class class_, aw_ms departs_at)
{
    struct aw_told_wait *told = &board->groups[group].told[aw_promise_wait_of(class_, board->now, departs_at)];
    struct aw_wait       raw, wait;

    for (unsigned share = 0; share < AW_SHARES; share++)
        raw.ms[share] = aw_forecast_wait_ms(board->forecasts[share], group, class_, departs_at);
    *told = (struct aw_told_wait){.raw_s = {0}};
    if (raw.ms[AW_HALF] == AW_FORECAST_NEVER)
        return; /* more likely than not it takes longer than anybody knows: then nothing is promised */
    raw.ms[AW_NINE_OF_TEN] = at_most_ahead(raw.ms[AW_NINE_OF_TEN]);
    wait = aw_trust_correct(&board->trust, class_, &raw);
    for (unsigned share = 0; share < AW_SHARES; share++) {
        told->raw_s[share] = (uint32_t)(raw.ms[share] / AW_MS_PER_S);
        told->steps[share] = (uint16_t)steps_of(wait.ms[share]);
    }
}

static void
run(struct aw_board *board, enum aw_share share)
{
    struct aw_forecast *forecast = board->forecasts[share];

    for (enum aw_class class_ = AW_CLASS_CARE; class_ < AW_CLASS_COUNT; class_++)
        aw_forecast_set_handling(forecast, class_, aw_flow_handling_ms(&board->flow, class_));
    aw_forecast_set_leads(forecast, aw_flow_leads(&board->flow));
    aw_forecast_set_fade(forecast, board->config.fade_ms * (share == AW_HALF ? 1 : AW_FORECAST_SLOWER));
    aw_forecast_run(forecast);
}

void
aw_board_run(struct aw_board *board)
{
    measure_arrivals(board);
    set_arrivals(board);
    run(board, AW_HALF);
    run(board, AW_NINE_OF_TEN);
    aw_trust_learn(&board->trust);
    for (uint32_t group = 0; group < AW_FORECAST_GROUPS_MAX; group++) {
        if (board->groups[group].sets == 0)
            continue;
        for (enum aw_class class_ = AW_CLASS_CARE; class_ < AW_CLASS_COUNT; class_++) {
            if (class_ != AW_CLASS_IMMINENT)
                tell(board, group, class_, 0);
        }
        for (uint32_t lead = 0; lead < AW_PROMISE_LEADS; lead++)
            tell(board, group, AW_CLASS_IMMINENT, board->now + lead * AW_PROMISE_LEAD_MS + AW_PROMISE_LEAD_MS / 2);
    }
}

/* --- what came out ---------------------------------------------------------------------------------------------------------- */

const struct aw_told_wait *
aw_board_told(const struct aw_board *board, uint32_t group)
{
    AW_ASSERT(group < AW_FORECAST_GROUPS_MAX);
    return board->groups[group].sets == 0 ? NULL : board->groups[group].told;
}

bool
aw_board_next_move(const struct aw_board *board, uint32_t from, struct aw_lane_group *ret_move)
{
    for (uint32_t lane = from; lane < board->lane_count; lane++) {
        if (board->groups_of[lane] == board->told_of[lane])
            continue;
        *ret_move = (struct aw_lane_group){.lane = (uint16_t)lane, .group = board->groups_of[lane]};
        return true;
    }
    return false;
}

/* In whole steps from when it was promised first, as it is kept. */
static aw_ms
told_by(const struct aw_board *board, const struct aw_census_ticket *ticket, uint64_t wait_ms)
{
    uint64_t from_ms = board->now + aw_promise_round_up(wait_ms) - ticket->promised_at;

    return ticket->promised_at + (from_ms + AW_PROMISE_STEP_MS - 1) / AW_PROMISE_STEP_MS * AW_PROMISE_STEP_MS;
}

bool
aw_board_is_breaking(const struct aw_board *board, const struct aw_census_ticket *ticket, struct aw_promise *ret_promise)
{
    uint8_t        group = ticket->lane < board->lane_count ? board->groups_of[ticket->lane] : AW_PROMISE_NO_GROUP;
    struct aw_wait raw, wait;

    if (!ticket->waits || !ticket->may_move || group == AW_PROMISE_NO_GROUP)
        return false;
    if (ticket->age > board->now || ticket->promised_at > board->now)
        return false; /* what came meanwhile is for the next look */
    if (!aw_forecast_has(board->forecasts[AW_HALF], group, ticket->class_, ticket->age, ticket->departs_at))
        return false; /* and so is what came back, or into another class or lane, behind the run */
    for (unsigned share = 0; share < AW_SHARES; share++)
        raw.ms[share] =
            at_most_ahead(aw_forecast_left_ms(board->forecasts[share], group, ticket->class_, ticket->age, ticket->departs_at));
    wait = aw_trust_correct(&board->trust, ticket->class_, &raw);
    if (board->now + wait.ms[AW_HALF] <= ticket->promise.nine_of_ten_by)
        return false;
    *ret_promise = (struct aw_promise){.made_at = board->now,
                                       .half_by = told_by(board, ticket, wait.ms[AW_HALF]),
                                       .nine_of_ten_by = told_by(board, ticket, wait.ms[AW_NINE_OF_TEN])};
    return true;
}
