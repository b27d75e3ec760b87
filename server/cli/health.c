/* health.c - `aswolk health`: alive, ready, and for what. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>

static int
ask_ready(struct aw_cli *cli, const char *path, json_t **ret_answer, bool *ret_ready)
{
    const struct aw_cli_request request = {.method = "GET", .path = path};
    struct aw_exchange_result   result;

    if (aw_cli_ask(cli, &request, &result) != AW_EXCHANGE_ANSWERED || (result.status != 200 && result.status != 503))
        return aw_cli_report(cli, &result);
    *ret_ready = result.status == 200;
    *ret_answer = aw_cli_json(&result);
    return *ret_answer == NULL ? AW_CLI_FAILED : AW_CLI_OK;
}

static void
print_state(const struct aw_cli *cli, const json_t *answer, bool ready, bool intake)
{
    const char *detail = aw_cli_text(answer, "detail");

    if (cli->common.json) {
        json_t *line = json_pack("{s:b,s:b,s:s}", "ready", ready, "intake", intake, "role", aw_cli_text(answer, "role"));

        if (line != NULL && json_object_get(answer, "records_total") != NULL) {
            (void)json_object_set(line, "records_done", json_object_get(answer, "records_done"));
            (void)json_object_set(line, "records_total", json_object_get(answer, "records_total"));
        }
        aw_cli_print_json(line);
        json_decref(line);
        return;
    }
    (void)printf("%s: alive, %s, %s; role %s", cli->common.server, ready ? "ready" : "not ready",
                 intake ? "takes messages in" : "takes no messages in", aw_cli_text(answer, "role"));
    if (aw_cli_number(answer, "records_total") > 0)
        (void)printf(", %" PRIu64 " of %" PRIu64 " records read", aw_cli_number(answer, "records_done"),
                     aw_cli_number(answer, "records_total"));
    (void)printf("%s%s\n", detail[0] == '\0' ? "" : "; ", detail);
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    json_t *answer = NULL, *intake_answer = NULL;
    bool    ready = false, intake = false;
    int     code;

    (void)argv;
    if (argc > 0) {
        aw_cli_error(cli, "takes no arguments");
        return AW_CLI_USAGE;
    }
    code = ask_ready(cli, "/readyz", &answer, &ready);
    if (code == AW_CLI_OK)
        code = ask_ready(cli, "/readyz?for=intake", &intake_answer, &intake);
    if (code == AW_CLI_OK) {
        print_state(cli, answer, ready, intake);
        code = ready ? AW_CLI_OK : AW_CLI_FAILED;
    }
    json_decref(answer);
    json_decref(intake_answer);
    return code;
}

const struct aw_cli_command aw_cli_health = {
    .name = "health",
    .arguments = "",
    .summary = "whether the server is ready",
    .about = "Asks the server whether work can be drained (ready) and whether it takes messages in.\n"
             "Exit code 0 when ready, 1 when not (starting, draining, broken), 3 when nobody answers.",
    .run = run,
};
