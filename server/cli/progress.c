/* progress.c - see progress.h. */
#include "cli/progress.h"

#include "port/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_CELLS 30U
#define TELL_NS   (AW_NS_PER_S / 10)
#define LINE_NS   (5 * AW_NS_PER_S) /* where nobody looks at a bar */

void
aw_cli_progress_tell(struct aw_cli_progress *progress, const char *phase, uint64_t done, uint64_t total, const char *behind,
                     bool is_last)
{
    bool     is_terminal = isatty(STDERR_FILENO) == 1;
    aw_ns    now = aw_clock_mono();
    unsigned cells, percent;
    char     bar[BAR_CELLS + 1];

    if (!is_last && now - progress->_told_at < (is_terminal ? TELL_NS : LINE_NS))
        return;
    progress->_told_at = now;
    total = total > 0 ? total : 1;
    done = done < total ? done : total;
    percent = (unsigned)(done * 100 / total);
    if (!is_terminal) {
        (void)fprintf(stderr, "%s: %u %%, %" PRIu64 " records%s\n", phase, percent, done, behind);
        return;
    }
    cells = percent * BAR_CELLS / 100;
    memset(bar, '#', cells);
    memset(bar + cells, ' ', BAR_CELLS - cells);
    bar[BAR_CELLS] = '\0';
    (void)fprintf(stderr, "\r%-9s [%s] %3u %%, %" PRIu64 " records%s", phase, bar, percent, done, behind);
    progress->_is_bar = true;
    if (is_last)
        aw_cli_progress_end(progress);
}

void
aw_cli_progress_end(struct aw_cli_progress *progress)
{
    if (progress->_is_bar)
        (void)fputc('\n', stderr);
    progress->_is_bar = false;
}
