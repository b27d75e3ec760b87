/* settings.c - one loop over one table. */
#include "run/settings.h"

#include "base/slice.h"
#include "model/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_BYTES_MAX (256L * 1024)

enum setting_kind { SETTING_TEXT, SETTING_FLAG, SETTING_NUMBER };

struct setting {
    enum setting_kind kind;
    const char       *flag;
    const char       *placeholder;
    const char       *help;
    const char       *text;
    uint64_t          initial;
    uint64_t          min;
    uint64_t          max;
    size_t            at; /* in struct aw_settings */
    bool              is_live;
};

static const struct setting table[] = {
#define AW_TEXT(field, name, value, words, what)      TEXT_ROW(field, name, value, words, what, false)
#define AW_TEXT_LIVE(field, name, value, words, what) TEXT_ROW(field, name, value, words, what, true)
#define TEXT_ROW(field, name, value, words, what, live)                                                                          \
    {.kind = SETTING_TEXT,                                                                                                       \
     .flag = (name),                                                                                                             \
     .placeholder = (words),                                                                                                     \
     .help = (what),                                                                                                             \
     .text = (value),                                                                                                            \
     .at = offsetof(struct aw_settings, field),                                                                                  \
     .is_live = (live)},
#define AW_FLAG(field, name, what)                                                                                               \
    {.kind = SETTING_FLAG, .flag = (name), .help = (what), .at = offsetof(struct aw_settings, field)},
#define AW_NUMBER(field, name, value, least, most, what)      NUMBER_ROW(field, name, value, least, most, what, false)
#define AW_NUMBER_LIVE(field, name, value, least, most, what) NUMBER_ROW(field, name, value, least, most, what, true)
#define NUMBER_ROW(field, name, value, least, most, what, live)                                                                  \
    {.kind = SETTING_NUMBER,                                                                                                     \
     .flag = (name),                                                                                                             \
     .placeholder = "N",                                                                                                         \
     .help = (what),                                                                                                             \
     .initial = (value),                                                                                                         \
     .min = (least),                                                                                                             \
     .max = (most),                                                                                                              \
     .at = offsetof(struct aw_settings, field),                                                                                  \
     .is_live = (live)},
#include "run/settings.def"
#undef AW_TEXT
#undef AW_FLAG
#undef AW_NUMBER
#undef TEXT_ROW
#undef NUMBER_ROW
};

static void *
field_of(struct aw_settings *settings, const struct setting *setting)
{
    return (char *)settings + setting->at;
}

void
aw_settings_init(struct aw_settings *settings)
{
    *settings = (struct aw_settings){._file = NULL};
    for (size_t i = 0; i < AW_ARRAY_LEN(table); i++) {
        if (table[i].kind == SETTING_TEXT)
            *(const char **)field_of(settings, &table[i]) = table[i].text;
        else if (table[i].kind == SETTING_NUMBER)
            *(uint64_t *)field_of(settings, &table[i]) = table[i].initial;
    }
}

void
aw_settings_fini(struct aw_settings *settings)
{
    free(settings->_file);
    settings->_file = NULL;
}

static const struct setting *
find(struct aw_slice name)
{
    for (size_t i = 0; i < AW_ARRAY_LEN(table); i++) {
        if (aw_slice_eq(name, aw_slice_str(table[i].flag)))
            return &table[i];
    }
    return NULL;
}

/* `value` is NUL-terminated and outlives the settings. */
static enum aw_err
set(struct aw_settings *settings, const struct setting *setting, const char *value, struct aw_why *why)
{
    uint64_t number;

    switch (setting->kind) {
    case SETTING_TEXT:
        *(const char **)field_of(settings, setting) = value;
        settings->_is_listen_given |= setting->at == offsetof(struct aw_settings, listen);
        return AW_OK;
    case SETTING_FLAG:
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return aw_why(why, AW_E_CONFIG, "%s is true or false, not '%s'", setting->flag, value);
        *(bool *)field_of(settings, setting) = value[0] == 't';
        return AW_OK;
    case SETTING_NUMBER:
        if (!aw_slice_to_u64(aw_slice_str(value), setting->max, &number) || number < setting->min)
            return aw_why(why, AW_E_CONFIG, "%s takes a whole number from %" PRIu64 " to %" PRIu64 ", not '%s'", setting->flag,
                          setting->min, setting->max, value);
        *(uint64_t *)field_of(settings, setting) = number;
        return AW_OK;
    }
    AW_UNREACHABLE();
}

static enum aw_err
read_line(struct aw_settings *settings, char *line, struct aw_why *why)
{
    struct aw_slice       value = aw_slice_trim(aw_slice_str(line));
    struct aw_slice       name;
    const struct setting *setting;

    if (value.len == 0 || value.ptr[0] == '#')
        return AW_OK;
    name = aw_slice_trim(aw_slice_cut(&value, '='));
    if (value.ptr == NULL)
        return aw_why(why, AW_E_CONFIG, "'%.*s' is no `name = value`", AW_SLICE_ARGS(name));
    setting = find(name);
    if (setting == NULL)
        return aw_why(why, AW_E_CONFIG, "there is no setting '%.*s'", AW_SLICE_ARGS(name));
    value = aw_slice_trim(value);
    line[(size_t)(value.ptr - line) + value.len] = '\0';
    return set(settings, setting, value.ptr, why);
}

static enum aw_err
load_file(struct aw_settings *settings, const char *path, struct aw_why *why)
{
    FILE  *file = fopen(path, "re");
    size_t len;

    if (file == NULL)
        return aw_why_errno(why, AW_E_CONFIG, errno, "the config file %s", path);
    settings->_file = calloc(1, CONFIG_BYTES_MAX + 1);
    if (settings->_file == NULL) {
        (void)fclose(file); /* was only read */
        return aw_why(why, AW_E_MEMORY, "no memory for the config file");
    }
    len = fread(settings->_file, 1, CONFIG_BYTES_MAX, file);
    if (ferror(file) || !feof(file)) {
        (void)fclose(file);
        return aw_why(why, AW_E_CONFIG, "the config file %s can't be read, or is larger than %ld bytes", path, CONFIG_BYTES_MAX);
    }
    (void)fclose(file);
    if (memchr(settings->_file, '\0', len) != NULL) /* what follows it would be passed over in silence */
        return aw_why(why, AW_E_CONFIG, "the config file %s is no text: it holds a zero byte", path);
    return AW_OK;
}

static enum aw_err
read_file(struct aw_settings *settings, const char *path, struct aw_why *why)
{
    unsigned    number = 0;
    char       *line;
    enum aw_err err = load_file(settings, path, why);

    if (err != AW_OK)
        return err;
    line = settings->_file;
    while (line != NULL) {
        char *end = strchr(line, '\n');

        if (end != NULL) {
            if (end > line && end[-1] == '\r') /* a line as Windows ends it */
                end[-1] = '\0';
            *end++ = '\0';
        }
        number++;
        err = read_line(settings, line, why);
        if (err != AW_OK) {
            aw_why_prefix(why, "%s line %u", path, number);
            return err;
        }
        line = end;
    }
    return AW_OK;
}

/* One flag at argv[*at]; *at moves on. */
static enum aw_err
read_flag(struct aw_settings *settings, int argc, char **argv, int *at, struct aw_why *why)
{
    const char           *flag = argv[*at];
    struct aw_slice       value = aw_slice_str(flag);
    struct aw_slice       name;
    const struct setting *setting;

    AW_ASSERT(flag != NULL);
    (*at)++;
    if (strcmp(flag, "--help") == 0 || strcmp(flag, "-h") == 0) {
        settings->help = true;
        return AW_OK;
    }
    if (strcmp(flag, "--version") == 0) {
        settings->version = true;
        return AW_OK;
    }
    if (!aw_slice_starts(value, AW_SLICE("--")))
        return aw_why(why, AW_E_CONFIG, "'%s' is no flag; see --help", flag);
    value.ptr += 2;
    value.len -= 2;
    name = aw_slice_cut(&value, '=');
    setting = find(name);
    if (setting == NULL && !aw_slice_eq(name, AW_SLICE("config")))
        return aw_why(why, AW_E_CONFIG, "there is no flag --%.*s; see --help", AW_SLICE_ARGS(name));
    if (value.ptr == NULL && setting != NULL && setting->kind == SETTING_FLAG)
        return set(settings, setting, "true", why);
    if (value.ptr == NULL) {
        if (*at >= argc)
            return aw_why(why, AW_E_CONFIG, "%s needs a value", flag);
        value = aw_slice_str(argv[(*at)++]);
    }
    return setting == NULL ? AW_OK : set(settings, setting, value.ptr, why);
}

static const char *
config_path(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            return argv[i + 1];
        if (strncmp(argv[i], "--config=", 9) == 0)
            return argv[i] + 9;
    }
    return NULL;
}

/* What nobody asked for is off where it is not allowed. */
static void
drop_plain(struct aw_settings *settings)
{
    if (!settings->dev && !settings->_is_listen_given) /* one that was given is refused */
        settings->listen = "";
}

enum aw_err
aw_settings_parse(struct aw_settings *settings, int argc, char **argv, struct aw_why *why)
{
    const char *path = config_path(argc, argv);
    enum aw_err err = path == NULL ? AW_OK : read_file(settings, path, why);

    settings->_argc = argc;
    settings->_argv = argv;
    for (int at = 1; err == AW_OK && at < argc;)
        err = read_flag(settings, argc, argv, &at, why);
    drop_plain(settings);
    return err;
}

/* Of ADDRESS:PORT; empty is no address at all. A name that only begins like an address is none. */
static bool
is_loopback(const char *address)
{
    const char    *colon = strrchr(address, ':');
    struct in_addr four;
    char           host[INET6_ADDRSTRLEN];
    size_t         len = colon == NULL ? 0 : (size_t)(colon - address);

    if (address[0] == '\0')
        return true;
    if (len == 0 || len >= sizeof(host))
        return false;
    memcpy(host, address, len);
    host[len] = '\0';
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return strcmp(host, "[::1]") == 0 || strcmp(host, "localhost") == 0;
}

/* Tables and pools against each other. */
static enum aw_err
check_sizes(const struct aw_settings *settings, struct aw_why *why)
{
    if (settings->store_reserve_bytes * 2 > settings->store_bytes_max)
        return aw_why(why, AW_E_CONFIG, "--store-reserve-bytes may be at most half of --store-bytes-max");
    if (settings->leases_max > settings->tickets_max)
        return aw_why(why, AW_E_CONFIG, "--leases-max above --tickets-max has no meaning: they are %llu and %llu",
                      (unsigned long long)settings->leases_max, (unsigned long long)settings->tickets_max);
    if (settings->bodies_bytes_max / (settings->io_threads == 0 ? 1 : settings->io_threads) < AW_BODY_BYTES_MAX)
        return aw_why(why, AW_E_CONFIG, "--bodies-bytes-max has no room for one body of %u bytes in each of --io-threads",
                      AW_BODY_BYTES_MAX);
    return AW_OK;
}

/* Who may reach it, and as whom. */
static enum aw_err
check_access(const struct aw_settings *settings, struct aw_why *why)
{
    if (settings->dev && (!is_loopback(settings->listen) || !is_loopback(settings->tls_listen)))
        return aw_why(why, AW_E_CONFIG, "--dev serves loopback only: --listen and --tls-listen take 127.0.0.1 or [::1]");
    if (!settings->dev && settings->tokens[0] == '\0')
        return aw_why(why, AW_E_CONFIG,
                      "no tokens are configured, so nobody could be told apart: --tokens FILE, which `aswolk token` writes");
    if (!settings->dev && settings->listen[0] != '\0')
        return aw_why(why, AW_E_CONFIG,
                      "--listen is plain text, in which tokens could be read: it is for --dev, use --tls-listen");
    if (settings->listen[0] == '\0' && settings->tls_listen[0] == '\0')
        return aw_why(why, AW_E_CONFIG, "one of --listen and --tls-listen is needed");
    if ((settings->tls_cert[0] == '\0') != (settings->tls_key[0] == '\0'))
        return aw_why(why, AW_E_CONFIG, "--tls-cert and --tls-key belong together");
    if (!settings->dev && settings->tls_cert[0] == '\0')
        return aw_why(why, AW_E_CONFIG, "--tls-cert and --tls-key are needed: only --dev makes a certificate of its own");
    return AW_OK;
}

enum aw_err
aw_settings_check(const struct aw_settings *settings, struct aw_why *why)
{
    enum aw_err err;

    if (settings->data[0] == '\0')
        return aw_why(why, AW_E_CONFIG, "--data DIR is needed: where the store lies");
    if (strcmp(settings->keys, "none") == 0 && !settings->dev)
        return aw_why(why, AW_E_CONFIG, "--keys none is for --dev only: texts of customers are not stored unsealed");
    if (strcmp(settings->order, "ratio") != 0 && strcmp(settings->order, "strict") != 0)
        return aw_why(why, AW_E_CONFIG, "--order is ratio or strict, not '%s'", settings->order);
    err = check_access(settings, why);
    return err == AW_OK ? check_sizes(settings, why) : err;
}

enum aw_err
aw_settings_read_again(struct aw_settings *ret_settings, const struct aw_settings *first, struct aw_why *why)
{
    enum aw_err err;

    aw_settings_init(ret_settings);
    err = aw_settings_parse(ret_settings, first->_argc, first->_argv, why);
    if (err == AW_OK)
        err = aw_settings_check(ret_settings, why);
    if (err != AW_OK)
        aw_settings_fini(ret_settings);
    return err;
}

static const void *
value_of(const struct aw_settings *settings, const struct setting *setting)
{
    return (const char *)settings + setting->at;
}

static bool
is_same(const struct aw_settings *a, const struct aw_settings *b, const struct setting *setting)
{
    switch (setting->kind) {
    case SETTING_TEXT:
        return strcmp(*(const char *const *)value_of(a, setting), *(const char *const *)value_of(b, setting)) == 0;
    case SETTING_FLAG:
        return *(const bool *)value_of(a, setting) == *(const bool *)value_of(b, setting);
    case SETTING_NUMBER:
        return *(const uint64_t *)value_of(a, setting) == *(const uint64_t *)value_of(b, setting);
    }
    AW_UNREACHABLE();
}

void
aw_settings_differ(const struct aw_settings *a, const struct aw_settings *b, char *ret_names, size_t bytes)
{
    size_t used = 0;

    AW_ASSERT(bytes > 0);
    ret_names[0] = '\0';
    for (size_t i = 0; i < AW_ARRAY_LEN(table); i++) {
        int len;

        if (table[i].is_live || is_same(a, b, &table[i]))
            continue;
        len = snprintf(ret_names + used, bytes - used, "%s%s", used > 0 ? ", " : "", table[i].flag);
        if (len < 0 || (size_t)len >= bytes - used) {
            ret_names[used] = '\0';
            return;
        }
        used += (size_t)len;
    }
}

void
aw_settings_help(FILE *to)
{
    (void)fprintf(to, "aswolkd - takes in a flood of messages, loses none, hands out the most urgent first\n\n"
                      "usage: aswolkd --data DIR --tokens FILE --tls-cert FILE --tls-key FILE [--tls-listen ADDRESS:PORT]\n"
                      "               [settings]\n"
                      "       aswolkd --dev --data DIR [--listen ADDRESS:PORT] [--tls-listen ADDRESS:PORT] [settings]\n\n"
                      "  --config FILE                  reads `name = value` lines first; flags win over them\n"
                      "  --help, --version\n\nsettings:\n");
    for (size_t i = 0; i < AW_ARRAY_LEN(table); i++) {
        const struct setting *s = &table[i];
        char                  left[64];

        (void)snprintf(left, sizeof(left), "--%s%s%s", s->flag, s->placeholder == NULL ? "" : " ",
                       s->placeholder == NULL ? "" : s->placeholder);
        (void)fprintf(to, "  %-30s %s%s", left, s->help, s->is_live ? "; read anew on SIGHUP" : "");
        if (s->kind == SETTING_NUMBER)
            (void)fprintf(to, " [%" PRIu64 "; %" PRIu64 " to %" PRIu64 "]", s->initial, s->min, s->max);
        else if (s->kind == SETTING_TEXT && s->text[0] != '\0')
            (void)fprintf(to, " [%s]", s->text);
        (void)fprintf(to, "\n");
    }
}
