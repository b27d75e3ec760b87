#include "run/processor.h"

#include "port/clock.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct sched_attr, in its first version (sched_setattr(2)): the C library has neither it nor the calls. */
struct attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t  nice;
    uint32_t priority;
    uint64_t runtime_ns;
    uint64_t deadline_ns;
    uint64_t period_ns;
};

static bool
get(struct attributes *attributes)
{
    return syscall(SYS_sched_getattr, 0, attributes, sizeof(*attributes), 0) == 0;
}

/* Turns of that length, and what the kernel made of it. */
static bool
set(struct attributes *attributes, uint64_t turn_ns)
{
    attributes->runtime_ns = turn_ns;
    return syscall(SYS_sched_setattr, 0, attributes, 0) == 0 && get(attributes);
}

bool
aw_processor_try_short_turns(void)
{
    struct attributes attributes = {.size = sizeof(attributes)};
    uint64_t          chosen_ns;

    /* What an operator has chosen (nice, a policy, turns) stays. */
    if (!get(&attributes) || attributes.policy != SCHED_OTHER)
        return false;
    chosen_ns = attributes.runtime_ns;
    if (!set(&attributes, 0)) /* the kernel's own choice; that it is one it does not tell otherwise */
        return false;
    if (attributes.runtime_ns != chosen_ns) {
        (void)set(&attributes, chosen_ns); /* as before, so it is granted */
        return false;
    }
    /* A kernel that knows no such turns takes the call and does nothing. */
    return set(&attributes, AW_PROCESSOR_TURN_NS) && attributes.runtime_ns == AW_PROCESSOR_TURN_NS;
}

void
aw_processor_let_others(aw_ns *used)
{
    aw_ns now = aw_clock_thread();

    /* A yield gives up the rest of a turn, or a whole one if the kernel has just begun another: after each small piece of work that
     * would be most of this thread's share. */
    if (now - *used < AW_PROCESSOR_TURN_NS)
        return;
    *used = now;
    (void)sched_yield(); /* on Linux it always succeeds */
}
