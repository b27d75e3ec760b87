#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
aw_assert_failed(const char *file, int line, const char *fact)
{
    char    text[512];
    int     len;
    ssize_t written;

    /* No stdio stream: its lock may be held by the very thread that failed. */
    len = snprintf(text, sizeof(text), "%s:%d: assertion failed: %s\n", file, line, fact);
    if (len < 0)
        len = 0;
    if ((size_t)len >= sizeof(text)) {
        len = (int)sizeof(text);
        text[len - 1] = '\n';
    }
    written = write(STDERR_FILENO, text, (size_t)len);
    (void)written; /* nothing more can be done about it */
    abort();
}
