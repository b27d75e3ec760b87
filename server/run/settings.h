/* settings.h - what an operator may set: one table (settings.def) gives parser, help and defaults.
 *
 * Who owns: the caller owns the struct; texts borrow from argv or from the struct's own file buffer until aw_settings_fini.
 * Thread: main, before the others run; then read-only, but for what is LIVE in the table: that is read again into a second struct.
 * Fails: AW_E_CONFIG with words that name flag, file and line.
 */
#ifndef AW_RUN_SETTINGS_H
#define AW_RUN_SETTINGS_H

#include "base/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct aw_settings {
#define AW_TEXT(field, flag, initial, placeholder, help) const char *field;
#define AW_FLAG(field, flag, help)                       bool field;
#define AW_NUMBER(field, flag, initial, min, max, help)  uint64_t field;
#include "run/settings.def"
#undef AW_TEXT
#undef AW_FLAG
#undef AW_NUMBER
    char  *_file; /* owns: the config file's bytes, cut into texts */
    bool   _is_listen_given;
    int    _argc; /* borrows, to read them again */
    char **_argv;
    bool   help;
    bool   version;
};

void aw_settings_init(struct aw_settings *settings);
void aw_settings_fini(struct aw_settings *settings);
/* Reads the flags; `--config FILE` is read first, whatever its place, so that flags win over it. */
AW_MUST_USE enum aw_err aw_settings_parse(struct aw_settings *settings, int argc, char **argv, struct aw_why *why);
/* Whether they make sense together (dev and loopback, tables against each other). */
AW_MUST_USE enum aw_err aw_settings_check(const struct aw_settings *settings, struct aw_why *why);
/* The settings as they would be if the program were started now as `first` was, checked. On failure there is nothing to fini. */
AW_MUST_USE enum aw_err aw_settings_read_again(struct aw_settings *ret_settings, const struct aw_settings *first,
                                               struct aw_why *why);
/* The names of the settings that differ and are not LIVE, with ", " between them, as many as there is room for. */
void aw_settings_differ(const struct aw_settings *a, const struct aw_settings *b, char *ret_names, size_t bytes);
void aw_settings_help(FILE *to);

#endif
