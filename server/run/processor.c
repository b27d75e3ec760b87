#include "run/processor.h"

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

bool
aw_processor_try_short_turns(void)
{
    struct attributes attributes = {.size = sizeof(attributes)};

    /* What an operator has chosen (nice, a policy) stays. */
    if (!get(&attributes) || attributes.policy != SCHED_OTHER)
        return false;
    attributes.runtime_ns = AW_PROCESSOR_TURN_NS;
    if (syscall(SYS_sched_setattr, 0, &attributes, 0) != 0)
        return false;
    /* A kernel that knows no such turns takes the call and does nothing. */
    return get(&attributes) && attributes.runtime_ns == AW_PROCESSOR_TURN_NS;
}

void
aw_processor_let_others(void)
{
    (void)sched_yield(); /* on Linux it always succeeds */
}
