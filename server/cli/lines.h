/* lines.h - lines of NDJSON from files and pipes, bounded, and what --tweets makes of them.
 *
 * Who owns: the caller the reader; a line borrows from it until the next one. Thread: one.
 */
#ifndef AW_CLI_LINES_H
#define AW_CLI_LINES_H

#include "base/slice.h"
#include "base/why.h"

#include <stdbool.h>
#include <stdint.h>

/* Longest line that can be posted: a batch of one is a body of the request. */
#define AW_CLI_LINE_BYTES_MAX (1024U * 1024U - 1)

struct aw_cli_lines {
    int      fd;
    uint64_t number;      /* of the line given last, from 1 */
    uint64_t bytes_read;  /* of the file */
    uint64_t bytes_total; /* 0: not known (a pipe) */
    char    *_buffer;
    size_t   _len;
    size_t   _at;
    bool     _ended;
};

enum aw_cli_line { AW_CLI_LINE_OK, AW_CLI_LINE_TOO_LONG, AW_CLI_LINE_END, AW_CLI_LINE_ERROR };

/* "-": standard input. AW_E_IO, AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_cli_lines_open(struct aw_cli_lines *lines, const char *path, struct aw_why *why);
void                    aw_cli_lines_close(struct aw_cli_lines *lines);
/* The next line that is not blank, without its end. TOO_LONG: it was passed over. ERROR: reading failed (errno). */
enum aw_cli_line aw_cli_lines_next(struct aw_cli_lines *lines, struct aw_slice *ret_line);

/* What --tweets does, for people. */
extern const char aw_cli_tweets_about[];
/* Makes a message out of a line of the data file. The caller frees *ret_text. AW_E_MALFORMED (no JSON object), AW_E_BAD_VALUE
 * (a field is missing), AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_cli_tweet_map(struct aw_slice line, bool without_time, char **ret_text, struct aw_why *why);

#endif
