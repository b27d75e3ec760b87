#include "base/why.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Text goes through a local copy everywhere, because the arguments may point into the very struct that is written. */
static void
set(struct aw_why *why, const char *head, const char *tail)
{
    char   text[AW_WHY_BYTES];
    size_t head_len = strnlen(head, sizeof(text) - 1);
    size_t tail_len = strnlen(tail, sizeof(text) - 1 - head_len);

    memcpy(text, head, head_len);
    memcpy(text + head_len, tail, tail_len);
    text[head_len + tail_len] = '\0';
    memcpy(why->text, text, head_len + tail_len + 1);
}

enum aw_err
aw_why(struct aw_why *why, enum aw_err err, const char *format, ...)
{
    char    head[AW_WHY_BYTES];
    va_list args;

    if (why == NULL)
        return err;
    va_start(args, format);
    (void)vsnprintf(head, sizeof(head), format, args);
    va_end(args);
    set(why, head, "");
    return err;
}

enum aw_err
aw_why_errno(struct aw_why *why, enum aw_err err, int errnum, const char *format, ...)
{
    char    head[AW_WHY_BYTES];
    char    tail[AW_WHY_BYTES];
    char    words[128];
    va_list args;

    if (why == NULL)
        return err;
    va_start(args, format);
    (void)vsnprintf(head, sizeof(head), format, args);
    va_end(args);
    (void)snprintf(tail, sizeof(tail), ": %s", strerror_r(errnum, words, sizeof(words)));
    set(why, head, tail);
    return err;
}

void
aw_why_prefix(struct aw_why *why, const char *format, ...)
{
    char    head[AW_WHY_BYTES];
    char    tail[AW_WHY_BYTES + 2];
    va_list args;

    if (why == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(head, sizeof(head), format, args);
    va_end(args);
    (void)snprintf(tail, sizeof(tail), ": %s", why->text);
    set(why, head, tail);
}
