/* processor.h - how a thread shares the processors with the others of this machine.
 *
 * The kernel gives a busy thread turns of milliseconds, and one that wakes waits until such a turn is over. A thread for which
 * others wait asks for short turns instead: its share stays what it is, but it comes in smaller pieces, sooner
 * (sched_setattr(2): since Linux 6.12 sched_runtime of an ordinary thread is the length of its turns; older ones, such as the 6.1
 * of Debian 12, pass it over, and nothing of this does anything there). That a turn is over the kernel sees when it looks at the
 * thread's account, which by itself it does at its ticks alone.
 * Owns nothing. Thread: the calling one. It only improves things.
 */
#ifndef AW_RUN_PROCESSOR_H
#define AW_RUN_PROCESSOR_H

#include "base/time.h"

#include <stdbool.h>

/* The shortest that Linux grants, and about what a thread of ours does between two looks at what came. */
#define AW_PROCESSOR_TURN_NS (100 * AW_NS_PER_US)

/* False: this kernel, the thread's policy or a filter of calls does not allow it, or who started the server has chosen another
 * length of turns, and nothing changed. */
bool aw_processor_try_short_turns(void);
/* To be called often by a thread that is busy; only where short turns were granted. Once it has used a turn's length of processor
 * time since the last time, the others that are ready go first. To the kernel that counts as if it had used as much again, so it
 * keeps at least half of its share; beside one other busy thread it has a third of a processor. `*used`: its processor time when it
 * last did; 0 at its begin. */
void aw_processor_let_others(aw_ns *used);

#endif
