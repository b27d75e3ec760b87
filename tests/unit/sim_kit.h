/* sim_kit.h - what the tests of the simulator have in common: whole runs of small scenarios. Thread: one. Fails the test itself. */
#ifndef AW_TESTS_UNIT_SIM_KIT_H
#define AW_TESTS_UNIT_SIM_KIT_H

#include "base/hash.h"
#include "base/mem.h"
#include "bench/surge_sim/desk.h"
#include "support/test.h"

#include <stdlib.h>

/* Of each test program. */
static inline int
sim_kit_start(void **state)
{
    (void)state;
    return aw_hash_init() ? 0 : -1;
}

/* One in `size` of everybody who writes and of the staff: quicker, and as overloaded. */
static inline struct sim_scenario
sim_kit_part(const char *name, unsigned size)
{
    struct sim_scenario scenario = *sim_scenario_find(name);

    scenario.base_per_hour /= size;
    for (unsigned i = 0; i < scenario.staff_points; i++)
        scenario.staff[i].value /= size;
    return scenario;
}

/* Free the result. */
static inline struct sim_result *
sim_kit_run(const struct sim_scenario *scenario, const char *policy, uint64_t seed)
{
    struct sim_setup setup = {
        .scenario = scenario, .policy = sim_policy_find(policy), .order = AW_ORDER_SETTINGS_DEFAULT, .seed = seed};
    struct sim_result *result = aw_new(struct sim_result);
    struct aw_why      why = {0};

    assert_non_null(result);
    assert_non_null(setup.policy);
    if (sim_desk_run(&setup, result, &why) != AW_OK)
        fail_msg("%s", why.text);
    return result;
}

#endif
