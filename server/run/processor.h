/* processor.h - how a thread shares the processors with the others of this machine.
 *
 * The kernel gives a busy thread turns of milliseconds, and one that wakes waits until such a turn is over. A thread for which
 * others wait asks for short turns instead: its share stays what it is, but it comes in smaller pieces, sooner
 * (sched_setattr(2): since Linux 6.12 sched_runtime of an ordinary thread is the length of its turns; older ones pass it over).
 * Owns nothing. Thread: the calling one. It only improves things.
 */
#ifndef AW_RUN_PROCESSOR_H
#define AW_RUN_PROCESSOR_H

#include "base/time.h"

#include <stdbool.h>

/* The shortest that Linux grants, and about what a thread of ours does between two looks at what came. */
#define AW_PROCESSOR_TURN_NS (100 * AW_NS_PER_US)

/* False: this kernel, the thread's policy or a filter of calls does not allow it, and nothing changed. */
bool aw_processor_try_short_turns(void);
/* The others that are ready go first, if they had less than their share. The rest of this thread's turn is given up for that, so
 * only where turns are short. */
void aw_processor_let_others(void);

#endif
