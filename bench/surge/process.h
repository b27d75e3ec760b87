/* process.h - what a process on this machine uses, by /proc. Thread: any. Cannot fail but by false. */
#ifndef AW_BENCH_SURGE_PROCESS_H
#define AW_BENCH_SURGE_PROCESS_H

#include "base/assert.h"

#include <stdbool.h>
#include <stdint.h>

struct surge_process {
    uint64_t bytes; /* resident */
    double   cpu_s; /* since it began, of all its threads */
};

/* False: there is no such process, or it is not ours to look at. */
AW_MUST_USE bool surge_process_look(uint32_t pid, struct surge_process *ret_process);

#endif
