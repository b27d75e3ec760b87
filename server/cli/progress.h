/* progress.h - how far a long command is, on stderr: a bar on a terminal, elsewhere a line now and then.
 *
 * Who owns: the command, for its run. Thread: one. Nothing can fail.
 */
#ifndef AW_CLI_PROGRESS_H
#define AW_CLI_PROGRESS_H

#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

/* Begins as zero. */
struct aw_cli_progress {
    aw_ns _told_at;
    bool  _is_bar; /* one stands on the terminal, without its end */
};

/* `behind`: what else is told, as ", 3 MiB"; may be empty. `is_last`: told in any case, and its line ends. */
void aw_cli_progress_tell(struct aw_cli_progress *progress, const char *phase, uint64_t done, uint64_t total, const char *behind,
                          bool is_last);
/* Ends the line of a bar that stands there: something else is told now. */
void aw_cli_progress_end(struct aw_cli_progress *progress);

#endif
