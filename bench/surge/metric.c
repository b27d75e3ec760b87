/* metric.c - see metric.h. */
#include "bench/surge/metric.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double
surge_metric_of(struct aw_slice text, const char *name)
{
    size_t      len = strlen(name);
    const char *at = text.ptr;
    const char *end = text.ptr + text.len;

    while (at != NULL && at < end) {
        if ((size_t)(end - at) > len && memcmp(at, name, len) == 0 && at[len] == ' ') {
            char   number[32];
            size_t rest = (size_t)(end - at) - len - 1;

            (void)snprintf(number, sizeof(number), "%.*s", (int)(rest < sizeof(number) - 1 ? rest : sizeof(number) - 1),
                           at + len + 1);
            return strtod(number, NULL);
        }
        at = memchr(at, '\n', (size_t)(end - at));
        at = at == NULL ? NULL : at + 1;
    }
    return 0;
}
