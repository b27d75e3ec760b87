/* aswolkd.c - the server's main: settings in, exit code out (0 an orderly end, 1 it could not serve, 2 wrong settings). */
#include "base/hash.h"
#include "base/log.h"
#include "port/clock.h"
#include "run/loop_memory.h"
#include "run/server.h"

#include <stdio.h>
#include <unistd.h>

static int
serve(const struct aw_settings *settings)
{
    struct aw_why     why = {.text = ""};
    enum aw_log_level level;
    enum aw_err       err;

    if (!aw_log_level_parse(aw_slice_str(settings->log_level), &level)) {
        (void)fprintf(stderr, "aswolkd: --log-level is debug, info, warn or error, not '%s'\n", settings->log_level);
        return 2;
    }
    aw_log_init(STDERR_FILENO, level, aw_clock_wall);
    if (!aw_hash_init()) {
        aw_log(AW_LOG_ERROR, "the cryptographic libraries refuse to start");
        return 1;
    }
    aw_loop_memory_use();
    err = aw_server_run(settings, &why);
    if (err != AW_OK) {
        aw_log(AW_LOG_ERROR, "stopped", aw_log_err(err), aw_log_str("why", why.text));
        return 1;
    }
    aw_log(AW_LOG_INFO, "stopped");
    return 0;
}

int
main(int argc, char **argv)
{
    struct aw_settings settings;
    struct aw_why      why = {.text = ""};
    enum aw_err        err;
    int                code = 0;

    aw_settings_init(&settings);
    err = aw_settings_parse(&settings, argc, argv, &why);
    if (err == AW_OK && !settings.help && !settings.version)
        err = aw_settings_check(&settings, &why);
    if (err != AW_OK) {
        (void)fprintf(stderr, "aswolkd: %s\n", why.text);
        code = 2;
    } else if (settings.help) {
        aw_settings_help(stdout);
    } else if (settings.version) {
        (void)printf("aswolkd %s\n", AW_VERSION);
    } else {
        code = serve(&settings);
    }
    aw_settings_fini(&settings);
    return code;
}
