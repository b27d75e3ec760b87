#include "cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES (2 * (size_t)(AW_CLI_LINE_BYTES_MAX + 1))

enum aw_err
aw_cli_lines_open(struct aw_cli_lines *lines, const char *path, struct aw_why *why)
{
    struct stat status;

    *lines = (struct aw_cli_lines){.fd = STDIN_FILENO};
    if (strcmp(path, "-") != 0)
        lines->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (lines->fd < 0 || fstat(lines->fd, &status) != 0)
        return aw_why_errno(why, AW_E_IO, errno, "%s", path);
    if (S_ISDIR(status.st_mode)) {
        (void)close(lines->fd);
        return aw_why(why, AW_E_IO, "%s is a folder", path);
    }
    if (S_ISREG(status.st_mode))
        lines->bytes_total = (uint64_t)status.st_size;
    lines->_buffer = malloc(BUFFER_BYTES);
    return lines->_buffer == NULL ? aw_why(why, AW_E_MEMORY, "out of memory") : AW_OK;
}

void
aw_cli_lines_close(struct aw_cli_lines *lines)
{
    if (lines->fd > STDIN_FILENO)
        (void)close(lines->fd);
    free(lines->_buffer);
    lines->_buffer = NULL;
    lines->fd = -1;
}

/* Brings more bytes behind those that are left. False at the end and on errors (errno is then not 0). */
static bool
fill(struct aw_cli_lines *lines)
{
    ssize_t n;

    errno = 0;
    if (lines->_ended)
        return false;
    memmove(lines->_buffer, lines->_buffer + lines->_at, lines->_len - lines->_at);
    lines->_len -= lines->_at;
    lines->_at = 0;
    do {
        errno = 0;
        n = read(lines->fd, lines->_buffer + lines->_len, BUFFER_BYTES - lines->_len);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        lines->_ended = true;
        return false;
    }
    lines->_len += (size_t)n;
    lines->bytes_read += (uint64_t)n;
    return true;
}

static bool
is_blank(struct aw_slice line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] != ' ' && line.ptr[i] != '\t' && line.ptr[i] != '\r')
            return false;
    }
    return true;
}

enum aw_cli_line
aw_cli_lines_next(struct aw_cli_lines *lines, struct aw_slice *ret_line)
{
    bool   too_long = false;
    size_t searched = 0;

    for (;;) {
        char           *begin = lines->_buffer + lines->_at;
        size_t          left = lines->_len - lines->_at;
        char           *end = left > searched ? memchr(begin + searched, '\n', left - searched) : NULL;
        struct aw_slice line;

        if (end == NULL && left > AW_CLI_LINE_BYTES_MAX) {
            too_long = true; /* drop what there is of it and look for its end */
            lines->_at = lines->_len;
            left = 0;
        }
        if (end == NULL && fill(lines)) {
            searched = left;
            continue;
        }
        if (end == NULL && errno != 0)
            return AW_CLI_LINE_ERROR;
        if (end == NULL && left == 0 && !too_long)
            return AW_CLI_LINE_END;
        line = aw_slice_of(lines->_buffer + lines->_at, end == NULL ? left : (size_t)(end - begin));
        lines->_at += line.len + (end == NULL ? 0 : 1);
        lines->number++;
        searched = 0;
        if (too_long || line.len > AW_CLI_LINE_BYTES_MAX)
            return AW_CLI_LINE_TOO_LONG;
        if (is_blank(line))
            continue;
        *ret_line = line;
        return AW_CLI_LINE_OK;
    }
}

/* --- --tweets ------------------------------------------------------------------------------------------------------------- */

const char aw_cli_tweets_about[] = "channel, source_id, customer, lang and received_at go as they are; text_repaired, else text, "
                                   "becomes text; to becomes account\n"
                                   "(main without one); airline, label and whatever else a line has are not sent";

/* Copies a text; false when a required one is missing. */
static bool
carry(const json_t *from, const char *from_key, json_t *to, const char *to_key, bool required)
{
    json_t *value = json_object_get(from, from_key);

    if (!json_is_string(value))
        return !required;
    return json_object_set(to, to_key, value) == 0;
}

enum aw_err
aw_cli_tweet_map(struct aw_slice line, bool without_time, char **ret_text, struct aw_why *why)
{
    json_error_t error;
    json_t      *tweet = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, &error);
    json_t      *message = json_object();
    const char  *text_key = json_object_get(tweet, "text_repaired") == NULL ? "text" : "text_repaired";
    enum aw_err  err = AW_E_BAD_VALUE;

    if (!json_is_object(tweet)) {
        err = aw_why(why, AW_E_MALFORMED, "no JSON object: %s", tweet == NULL ? error.text : "another value");
    } else if (!carry(tweet, "channel", message, "channel", true) || !carry(tweet, "source_id", message, "source_id", true) ||
               !carry(tweet, "customer", message, "customer", true) || !carry(tweet, text_key, message, "text", true)) {
        err = aw_why(why, AW_E_BAD_VALUE, "no tweet: channel, source_id, customer and text must be there, as texts");
    } else {
        (void)carry(tweet, "to", message, "account", false);
        (void)carry(tweet, "lang", message, "lang", false);
        if (!without_time)
            (void)carry(tweet, "received_at", message, "received_at", false);
        *ret_text = json_dumps(message, JSON_COMPACT);
        err = *ret_text == NULL ? aw_why(why, AW_E_MEMORY, "out of memory") : AW_OK;
    }
    json_decref(tweet);
    json_decref(message);
    return err;
}
