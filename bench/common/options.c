/* options.c - see options.h. */
#include "bench/common/options.h"

#include "base/slice.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool
to_real(const char *text, const struct bench_option *option, double *ret_value)
{
    char  *end;
    double value;

    errno = 0;
    value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !isfinite(value) || value < option->min || value > option->max)
        return false;
    *ret_value = value;
    return true;
}

static bool
to_number(const char *text, const struct bench_option *option, uint64_t *ret_value)
{
    return aw_slice_to_u64(aw_slice_str(text), (uint64_t)option->max, ret_value) && (double)*ret_value >= option->min;
}

/* `value`: NULL for a flag. False: it is no value for this option. */
static bool
set(void *options, const struct bench_option *option, const char *value)
{
    void    *at = (char *)options + option->at;
    uint64_t number = UINT64_MAX;
    double   real = 0;
    bool     ok = true;

    switch (option->kind) {
    case BENCH_FLAG:
        *(bool *)at = true;
        return true;
    case BENCH_TEXT:
        memcpy(at, &value, sizeof(value));
        return value[0] != '\0';
    case BENCH_U32:
        ok = to_number(value, option, &number);
        *(uint32_t *)at = (uint32_t)number;
        return ok;
    case BENCH_OR_ALL:
    case BENCH_U64:
        if (option->kind == BENCH_U64 || strcmp(value, "all") != 0)
            ok = to_number(value, option, &number);
        *(uint64_t *)at = number;
        return ok;
    case BENCH_OR_MAX:
    case BENCH_REAL:
        if (option->kind == BENCH_REAL || strcmp(value, "max") != 0)
            ok = to_real(value, option, &real);
        *(double *)at = real;
        return ok;
    }
    AW_UNREACHABLE();
}

enum aw_err
bench_option_take(const struct bench_option *table, size_t count, void *options, int argc, const char *const *argv, int *at,
                  struct aw_why *why)
{
    const char *name = argv[*at] + strlen("--");
    const char *value = NULL;
    size_t      i = 0;

    while (i < count && strcmp(table[i].name, name) != 0)
        i++;
    if (i == count)
        return AW_E_NOT_FOUND;
    if (table[i].kind != BENCH_FLAG) {
        if (*at + 1 == argc)
            return aw_why(why, AW_E_CONFIG, "--%s wants a value", name);
        value = argv[++*at];
    }
    if (set(options, &table[i], value))
        return AW_OK;
    if (table[i].kind == BENCH_TEXT)
        return aw_why(why, AW_E_CONFIG, "--%s: \"%s\" is no value for it", name, value);
    return aw_why(why, AW_E_CONFIG, "--%s: \"%s\" is no number from %g to %g%s", name, value, table[i].min, table[i].max,
                  table[i].kind == BENCH_OR_MAX   ? ", nor \"max\""
                  : table[i].kind == BENCH_OR_ALL ? ", nor \"all\""
                                                  : "");
}
