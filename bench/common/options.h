/* options.h - command lines of the load programs: a table of options that are written into a struct.
 *
 * Borrows the table and the arguments; texts in the struct borrow from the arguments. Thread: any. Fails: AW_E_CONFIG with words.
 */
#ifndef AW_BENCH_COMMON_OPTIONS_H
#define AW_BENCH_COMMON_OPTIONS_H

#include "base/assert.h"
#include "base/why.h"

#include <stddef.h>

enum bench_option_kind {
    BENCH_FLAG,   /* bool; takes no value */
    BENCH_TEXT,   /* const char *; not empty */
    BENCH_U32,    /* uint32_t */
    BENCH_U64,    /* uint64_t */
    BENCH_REAL,   /* double */
    BENCH_OR_MAX, /* double; "max" is 0 */
    BENCH_OR_ALL, /* uint64_t; "all" is UINT64_MAX */
};

struct bench_option {
    const char            *name;
    enum bench_option_kind kind;
    size_t                 at;       /* in the struct */
    double                 min, max; /* of a number */
};

/* The option at argv[*at], "--name", with its value behind it; *at moves to the last word that it took. AW_E_NOT_FOUND: the table
 * has none of that name, and nothing was done. */
AW_MUST_USE enum aw_err bench_option_take(const struct bench_option *table, size_t count, void *options, int argc,
                                          const char *const *argv, int *at, struct aw_why *why);

#endif
