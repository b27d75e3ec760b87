/* told.h - what some messages of a ticket tell together, from their records: its class without the clock, identities, facts.
 *
 * The state machine keeps this a ticket, not a message, so what is left when a message is taken out must be told anew, by whoever
 * reads the journal (run/read.c). It is the same telling as that of messages which come one after the other (message.c, facts.c).
 *
 * Who owns: the caller, all of it. Thread: any. Fails: never; what is beyond the limits of a ticket is left out as it is there.
 */
#ifndef AW_CORE_TOLD_H
#define AW_CORE_TOLD_H

#include "model/command.h"
#include "model/limits.h"

struct aw_telling {
    struct aw_told      told; /* points into this struct from aw_telling_end on */
    struct aw_hash128   identities[AW_TOLD_IDENTITIES_MAX];
    struct aw_told_fact facts[AW_TOLD_FACTS_MAX];
    char                channel[AW_CHANNEL_BYTES_MAX];
    char                account[AW_ACCOUNT_BYTES_MAX];
    char                lang[AW_LANG_BYTES_MAX];
};

/* An empty one is all zeros. Messages come oldest first; `seq` and `accepted_at` are those of its record. */
void aw_telling_add(struct aw_telling *telling, const struct aw_core_settings *settings, const struct aw_in_message *in,
                    uint64_t seq, aw_ms accepted_at);
/* The struct stays where it is from now on. */
const struct aw_told *aw_telling_end(struct aw_telling *telling);

#endif
