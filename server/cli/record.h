/* record.h - one record of the journal, for people or as JSON. No message text is shown: it does not lie in the record.
 *
 * Owns nothing. Thread: one. Nothing can fail.
 */
#ifndef AW_CLI_RECORD_H
#define AW_CLI_RECORD_H

#include "model/command.h"
#include "model/record.h"

/* On a line of stdout. `command` is what `record` holds. */
void aw_cli_print_record(const struct aw_batch_header *header, const struct aw_record *record, const struct aw_command *command,
                         bool json);

#endif
