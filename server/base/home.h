/* home.h - which thread a thing belongs to, checked on every call in builds with AW_WITH_AUDIT.
 *
 * aw_home_enter when a thread takes a thing over (also at start); AW_ON(thing) as the first line of each function that needs it.
 */
#ifndef AW_BASE_HOME_H
#define AW_BASE_HOME_H

#include "base/assert.h"

#include <stdbool.h>

struct aw_home {
    unsigned long _thread;
};

void aw_home_enter(struct aw_home *home);
bool aw_home_is_here(const struct aw_home *home);

#ifdef AW_WITH_AUDIT
#define AW_ON(thing) AW_ASSERT(aw_home_is_here(&(thing)->home))
#else
#define AW_ON(thing) ((void)(thing))
#endif

#endif
