/* options.c - the command line, by one table. */
#include "bench/surge/options.h"

#include "bench/common/options.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLLS_A_CONNECTION 50U /* half of the streams that a server allows by default */
#define PARK_POSTS_MAX     1000000U

const char *const surge_mode_names[] = {"replay", "synth", "flood", "pulls", "ground", "park", "fair"};

const char surge_options_help[] =
    "surge - posts a disruption's messages to a server, works them off, and audits what became of each\n"
    "\n"
    "  surge replay FILE [options]   messages of a file, one JSON object a line, at the times that their received_at tells\n"
    "  surge synth [options]         a made-up surge (--level, --seed, --hours)\n"
    "  surge flood [options]         equal messages with ids of their own, as fast or as evenly as asked for\n"
    "  surge pulls [options]         a desk at work: many tickets wait, agents pull at set rates; how long pulls take\n"
    "  surge ground [options]        the same at one rate, while an airport closes and opens again\n"
    "  surge park [options]          very many pulls wait, next to nothing comes; what they cost, how fast one wakes\n"
    "  surge fair [options]          one gateway's posts alone, and beside another gateway's flood\n"
    "\n"
    "Server\n"
    "  --url URL              default http://127.0.0.1:8480; with --tls https://127.0.0.1:8443\n"
    "  --tls                  TLS; --insecure takes any certificate, --cacert FILE trusts this one (PEM)\n"
    "  --tokens DIR           a server for real use: files gateway, desk, supervisor and monitor with a token each\n"
    "  --token TEXT           all of the header Authorization, for every role   --as NAME the gateway, where no token is asked "
    "for\n"
    "  --target nghttpd       any HTTP/2 server that answers a POST to --path (default /v1/messages): counts its 2xx, nothing "
    "else\n"
    "  --baseline URL         flood: such a server, measured in the same run; prints the ratio. fair: takes the flood, in turn\n"
    "  --rounds N             flood, fair: how often, in turn with the baseline (1; fair and with a baseline 3); medians count\n"
    "Replay and synth\n"
    "  --speed X|max          times as fast as it happened (1); max: as fast as answers come\n"
    "  --limit N              stop after N messages\n"
    "  --received-at          send received_at, moved to now\n"
    "  --times N              replay: the whole file N times; from the second on, all are duplicates\n"
    "  --level L              synth: N, D, K, W, W10 or W100 (W)   --hours H (1)   --seed S (1)   --start-hour 0-23 UTC (12)\n"
    "Flood\n"
    "  --rate R|max           messages a second on a fixed schedule, latency from the intended time; max: closed loop (max)\n"
    "  --seconds S | --count N   how long (10 s)   --bytes N a message (300)   --customers N (0: each message its own)\n"
    "Posting\n"
    "  --connections C (4; flood 100)   --streams M in flight on each (32; flood 10)   --batch B messages a request (1)\n"
    "  --format json|msgpack|ndjson|msgpack-seq (json; ndjson with --batch)   --run TEXT prefix of ids (random)\n"
    "  --timeout-s S (30)\n"
    "  --retry                connections lost and servers restarted are borne: unknown ones are posted again\n"
    "Agents, on the same server\n"
    "  --agents A (0)   --agent-connections N (at most 100)   --handling-ms X a ticket (0)   --max N tickets a pull (1)\n"
    "  --wait-s S long poll (2)   --lease-s S (60)   --bulk complete together   --drain go on until nothing waits\n"
    "Pulls and ground\n"
    "  --tickets N (200000)   --lanes L that they wait in (40)   --quiet-lanes Q where little comes (360)   --agents A (500)\n"
    "  --pull-rates R,R,...   pulls a second of all agents, latency from the intended time (500,1000,2000,4000; ground 1000)\n"
    "  --seconds S a rate, and each part of ground (10)   --rate R posts a second meanwhile (200)   --grounded N tickets "
    "(10000)\n"
    "  --searches N           pulls: each rate once more, while N supervisors search all tickets without a pause\n"
    "  --floor DIR            what a flush of 4 KiB takes there, before and after: on the server's disk\n"
    "Park\n"
    "  --pulls N (100000)   --connections C that they wait on (N / 50: half of a connection's streams)   --rate R posts a second "
    "(200)\n"
    "  --seconds S with nothing, then as long with posts (10)\n"
    "  --pid P                of a server on this machine: its memory and processor time   --drain tell it to stop in the end\n"
    "Fair\n"
    "  --batches B,B,...      messages a request of the flood, one after the other (1,200,5000)   --seconds S of each spell (3)\n"
    "  --connections C   --streams M   of the flood (4 x 2; 100 x 10 of single messages)   --bytes N a message (200)\n"
    "  --rate R|max           of the poster: R a second at random moments, latency from those; max: the next when answered "
    "(max)\n"
    "  --flood-token TEXT     of the gateway that floods; --token is the poster's\n"
    "  --limited URL          a server of ours with --gateway-rate: the two post there as well\n"
    "  --flood-nice N         0 to 19: so much more than surge itself the flood's process gives way (0)\n"
    "Report\n"
    "  --json FILE            the report as JSON too; - for stdout\n"
    "  --verify N|all         acknowledged messages still open at the end that are looked up (all)\n"
    "\n"
    "Exit status: 0; 1 the audit failed; 2 wrong usage; 3 the server could not be reached or the run broke off.\n";

#define AT(member) offsetof(struct surge_options, member)
static const struct bench_option table[] = {
    {"insecure", BENCH_FLAG, AT(insecure), 0, 0},
    {"cacert", BENCH_TEXT, AT(ca_file), 0, 0},
    {"token", BENCH_TEXT, AT(token), 0, 0},
    {"tokens", BENCH_TEXT, AT(tokens_folder), 0, 0},
    {"as", BENCH_TEXT, AT(as), 0, 0},
    {"flood-token", BENCH_TEXT, AT(flood_token), 0, 0},
    {"flood-nice", BENCH_U32, AT(flood_nice), 0, 19},
    {"path", BENCH_TEXT, AT(path), 0, 0},
    {"json", BENCH_TEXT, AT(json_file), 0, 0},
    {"run", BENCH_TEXT, AT(run), 0, 0},
    {"speed", BENCH_OR_MAX, AT(speed), 1e-3, 1e9},
    {"hours", BENCH_REAL, AT(hours), 1e-3, 24 * 366},
    {"seed", BENCH_U64, AT(seed), 0, 1e18},
    {"start-hour", BENCH_U32, AT(start_hour), 0, 23},
    {"received-at", BENCH_FLAG, AT(received_at), 0, 0},
    {"limit", BENCH_U64, AT(limit), 1, 1e18},
    {"times", BENCH_U32, AT(times), 1, 1000},
    {"rate", BENCH_OR_MAX, AT(rate), 1e-3, 1e8},
    {"seconds", BENCH_REAL, AT(seconds), 0.01, 1e6},
    {"count", BENCH_U64, AT(limit), 1, 1e9},
    {"bytes", BENCH_U32, AT(bytes), 180, 60000},
    {"customers", BENCH_U64, AT(customers), 0, 1e12},
    {"rounds", BENCH_U32, AT(rounds), 1, 99},
    {"connections", BENCH_U32, AT(connections), 1, 10000},
    {"streams", BENCH_U32, AT(streams), 1, 10000},
    {"batch", BENCH_U32, AT(batch), 1, 10000},
    {"retry", BENCH_FLAG, AT(retry), 0, 0},
    {"timeout-s", BENCH_REAL, AT(timeout_s), 0.1, 3600},
    {"agents", BENCH_U32, AT(agents), 0, 100000},
    {"agent-connections", BENCH_U32, AT(agent_connections), 1, 10000},
    {"handling-ms", BENCH_U32, AT(handling_ms), 0, 3600000},
    {"max", BENCH_U32, AT(max), 1, 100},
    {"wait-s", BENCH_U32, AT(wait_s), 0, 50},
    {"lease-s", BENCH_U32, AT(lease_s), 5, 3600},
    {"bulk", BENCH_FLAG, AT(bulk), 0, 0},
    {"drain", BENCH_FLAG, AT(drain), 0, 0},
    {"tickets", BENCH_U32, AT(tickets), 1, 100000000},
    {"grounded", BENCH_U32, AT(grounded), 1, 100000000},
    {"searches", BENCH_U32, AT(searches), 1, 1000},
    {"cycles", BENCH_U32, AT(cycles), 1, SURGE_CYCLES_MAX},
    {"lanes", BENCH_U32, AT(lanes), 1, 10000},
    {"quiet-lanes", BENCH_U32, AT(quiet_lanes), 0, 10000},
    {"pulls", BENCH_U32, AT(pulls), 1, 1000000},
    {"pid", BENCH_U32, AT(pid), 1, INT32_MAX},
    {"floor", BENCH_TEXT, AT(floor), 0, 0},
    {"verify", BENCH_OR_ALL, AT(verify), 0, 1e18},
    {"help", BENCH_FLAG, AT(help), 0, 0},
};

/* "500,1000,2000", each up to `most`. */
static enum aw_err
parse_list(const char *name, const char *value, double most, double *ret_list, uint32_t *ret_count, struct aw_why *why)
{
    uint32_t count = 0;

    for (const char *at = value; at != NULL; at = strchr(at, ',') == NULL ? NULL : strchr(at, ',') + 1) {
        char  *end;
        double number = strtod(at, &end);
        bool   ends = *end == ',' || *end == '\0';

        if (!ends || end == at || !isfinite(number) || number < 1e-3 || number > most || count == SURGE_LIST_MAX)
            return aw_why(why, AW_E_CONFIG, "--%s: at most %u numbers with commas", name, SURGE_LIST_MAX);
        ret_list[count++] = number;
    }
    *ret_count = count;
    return AW_OK;
}

/* Options that are no plain value. AW_E_NOT_FOUND: it is none of them. */
static enum aw_err
set_special(struct surge_options *options, const char *name, const char *value, struct aw_why *why)
{
    static const char *const formats[] = {"json", "msgpack", "ndjson", "msgpack-seq"};

    if (strcmp(name, "url") == 0)
        return aw_url_parse(aw_slice_str(value), &options->url, why);
    if (strcmp(name, "baseline") == 0) {
        options->has_baseline = true;
        return aw_url_parse(aw_slice_str(value), &options->baseline, why);
    }
    if (strcmp(name, "limited") == 0) {
        options->has_limited = true;
        return aw_url_parse(aw_slice_str(value), &options->limited, why);
    }
    if (strcmp(name, "level") == 0)
        return surge_level_parse(aw_slice_str(value), &options->level)
                   ? AW_OK
                   : aw_why(why, AW_E_CONFIG, "--level: N, D, K, W, W10, W100");
    if (strcmp(name, "pull-rates") == 0)
        return parse_list(name, value, 1e6, options->pull_rates, &options->pull_rate_count, why);
    if (strcmp(name, "batches") == 0)
        return parse_list(name, value, 10000, options->batches, &options->batch_count, why);
    if (strcmp(name, "target") == 0) {
        options->target = SURGE_ANY;
        return strcmp(value, "nghttpd") == 0 ? AW_OK : aw_why(why, AW_E_CONFIG, "--target: only nghttpd");
    }
    if (strcmp(name, "format") != 0)
        return AW_E_NOT_FOUND;
    for (unsigned i = 0; i < AW_ARRAY_LEN(formats); i++) {
        if (strcmp(value, formats[i]) == 0) {
            options->media = (enum aw_media)i;
            return AW_OK;
        }
    }
    return aw_why(why, AW_E_CONFIG, "--format: json, msgpack, ndjson or msgpack-seq");
}
AW_STATIC_ASSERT(AW_MEDIA_JSON == 0 && AW_MEDIA_MSGPACK == 1 && AW_MEDIA_NDJSON == 2 && AW_MEDIA_MSGPACK_SEQ == 3,
                 "the formats above are in the order of the enum");

static enum aw_err
parse_one(struct surge_options *options, int argc, char **argv, int *at, struct aw_why *why)
{
    const char *name = argv[*at] + 2;
    enum aw_err err = bench_option_take(table, AW_ARRAY_LEN(table), options, argc, (const char *const *)argv, at, why);

    if (err != AW_E_NOT_FOUND)
        return err;
    if (*at + 1 == argc)
        return aw_why(why, AW_E_CONFIG, "--%s is unknown, or wants a value", name);
    err = set_special(options, name, argv[++*at], why);
    return err == AW_E_NOT_FOUND ? aw_why(why, AW_E_CONFIG, "--%s is unknown; see surge --help", name) : err;
}

static const struct surge_options defaults = {
    .path = "/v1/messages",
    .speed = 1,
    .hours = 1,
    .seed = 1,
    .level = SURGE_W,
    .start_hour = 12,
    .times = 1,
    .batch = 1,
    .media = AW_MEDIA_COUNT, /* not said */
    .timeout_s = 30,
    .max = 1,
    .wait_s = 2,
    .lease_s = 60,
    .quiet_lanes = UINT32_MAX, /* not said */
    .cycles = 5,
    .verify = UINT64_MAX,
};

/* What a desk at work is, where it was not said. */
static enum aw_err
complete_desk(struct surge_options *options, struct aw_why *why)
{
    static const double sweep[] = {500, 1000, 2000, 4000};
    bool                ground = options->mode == SURGE_GROUND;

    if (options->mode != SURGE_PULLS && !ground)
        return AW_OK;
    if (options->pull_rate_count == 0) {
        options->pull_rate_count = ground ? 1 : AW_ARRAY_LEN(sweep);
        memcpy(options->pull_rates, ground ? &sweep[1] : sweep, options->pull_rate_count * sizeof(sweep[0]));
    }
    options->tickets = options->tickets != 0 ? options->tickets : 200000;
    options->lanes = options->lanes != 0 ? options->lanes : 40;
    options->quiet_lanes = options->quiet_lanes != UINT32_MAX ? options->quiet_lanes : 360;
    options->agents = options->agents != 0 ? options->agents : 500;
    options->rate = options->rate > 0 ? options->rate : 200;
    options->seconds = options->seconds > 0 ? options->seconds : 10;
    if (ground && options->grounded == 0)
        options->grounded = options->tickets < 10000 ? options->tickets : 10000;
    if (ground && options->searches > 0)
        return aw_why(why, AW_E_CONFIG, "--searches goes with pulls");
    if (ground && options->pull_rate_count > 1)
        return aw_why(why, AW_E_CONFIG, "ground wants one pull rate");
    if (options->grounded > options->tickets || (!ground && options->grounded > 0))
        return aw_why(why, AW_E_CONFIG, "--grounded: with ground, and at most --tickets");
    if (options->drain || options->bulk || options->retry || options->max > 1 || options->batch > 1)
        return aw_why(why, AW_E_CONFIG,
                      "pulls and ground take one ticket a pull, and neither --batch, --bulk, --drain nor --retry");
    return AW_OK;
}

/* The same for pulls that wait. */
static enum aw_err
complete_park(struct surge_options *options, struct aw_why *why)
{
    bool is_park = options->mode == SURGE_PARK;

    if (!is_park)
        return options->pulls == 0 && options->pid == 0 ? AW_OK : aw_why(why, AW_E_CONFIG, "--pulls and --pid go with park");
    options->pulls = options->pulls != 0 ? options->pulls : 100000;
    options->connections =
        options->connections != 0 ? options->connections : (options->pulls + POLLS_A_CONNECTION - 1) / POLLS_A_CONNECTION;
    options->streams = POLLS_A_CONNECTION;
    options->rate = options->rate > 0 ? options->rate : 200;
    options->seconds = options->seconds > 0 ? options->seconds : 10;
    if (options->connections > options->pulls)
        options->connections = options->pulls;
    if (options->rate * options->seconds > PARK_POSTS_MAX)
        return aw_why(why, AW_E_CONFIG, "park: at most %u posts", PARK_POSTS_MAX);
    if (options->drain && options->pid == 0)
        return aw_why(why, AW_E_CONFIG, "park: --drain wants --pid");
    if (options->agents > 0 || options->bulk || options->retry || options->max > 1 || options->batch > 1)
        return aw_why(why, AW_E_CONFIG, "park has agents of its own, and neither --batch, --bulk nor --retry");
    return AW_OK;
}

/* The same for one gateway beside another's flood. */
static enum aw_err
complete_fair(struct surge_options *options, struct aw_why *why)
{
    static const double sizes[] = {1, 200, 5000};

    if (options->mode != SURGE_FAIR)
        return options->batch_count == 0 && options->flood_token == NULL && !options->has_limited && options->flood_nice == 0
                   ? AW_OK
                   : aw_why(why, AW_E_CONFIG, "--batches, --limited and --flood-... go with fair");
    if (options->batch_count == 0) {
        options->batch_count = AW_ARRAY_LEN(sizes);
        memcpy(options->batches, sizes, sizeof(sizes));
    }
    options->seconds = options->seconds > 0 ? options->seconds : 3;
    options->bytes = options->bytes != 0 ? options->bytes : 200;
    options->rounds = options->rounds != 0 ? options->rounds : 3;
    if (options->agents > 0 || options->retry || options->batch > 1 || options->limit != 0)
        return aw_why(why, AW_E_CONFIG, "fair takes neither --agents, --retry, --batch nor --count");
    return AW_OK;
}

/* A line of a file; one that is not there leaves `ret_token` empty. */
static enum aw_err
read_token(const char *folder, const char *name, char ret_token[SURGE_TOKEN_BYTES], struct aw_why *why)
{
    char  path[512];
    int   len = snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = len < 0 || (size_t)len >= sizeof(path) ? NULL : fopen(path, "re");
    bool  ok;

    ret_token[0] = '\0';
    if (file == NULL && errno == ENOENT)
        return AW_OK;
    if (file == NULL)
        return aw_why_errno(why, AW_E_CONFIG, errno, "%s", path);
    len = snprintf(ret_token, SURGE_TOKEN_BYTES, "Bearer ");
    ok = fgets(ret_token + len, (int)SURGE_TOKEN_BYTES - len, file) != NULL;
    (void)fclose(file); /* was only read */
    ok = ok && strlen(ret_token) < SURGE_TOKEN_BYTES - 1;
    ret_token[strcspn(ret_token, "\r\n")] = '\0';
    return ok ? AW_OK : aw_why(why, AW_E_CONFIG, "%s: holds no token", path);
}

static enum aw_err
read_tokens(struct surge_options *options, struct aw_why *why)
{
    static const char *const names[SURGE_ROLES] = {"gateway", "desk", "supervisor", "monitor"};

    if (options->tokens_folder == NULL)
        return AW_OK;
    for (unsigned role = 0; role < SURGE_ROLES; role++) {
        if (read_token(options->tokens_folder, names[role], options->role_tokens[role], why) != AW_OK)
            return AW_E_CONFIG;
    }
    if (options->role_tokens[SURGE_GATEWAY][0] == '\0')
        return aw_why(why, AW_E_CONFIG, "--tokens %s: there is no file gateway, so nobody may post", options->tokens_folder);
    return AW_OK;
}

const char *
surge_token_for(const struct surge_options *options, const char *path)
{
    const char *own;

    if (strncmp(path, "/v1/leases", 10) == 0)
        own = options->role_tokens[SURGE_DESK];
    else if (strcmp(path, "/metrics") == 0)
        own = options->role_tokens[SURGE_MONITOR];
    else if (strcmp(path, "/v1/messages") == 0)
        own = options->role_tokens[SURGE_GATEWAY];
    else
        own = options->role_tokens[SURGE_SUPERVISOR];
    return own[0] != '\0' ? own : options->token;
}

static enum aw_err
complete_options(struct surge_options *options, bool tls, struct aw_why *why)
{
    if (read_tokens(options, why) != AW_OK)
        return AW_E_CONFIG;
    if (options->url.host[0] == '\0') {
        struct aw_slice text = tls ? AW_SLICE("https://127.0.0.1:8443") : AW_SLICE("http://127.0.0.1:8480");

        if (aw_url_parse(text, &options->url, why) != AW_OK)
            return AW_E_CONFIG;
    }
    if (tls && !options->url.tls)
        return aw_why(why, AW_E_CONFIG, "--tls with a URL of plain HTTP");
    if (complete_desk(options, why) != AW_OK || complete_park(options, why) != AW_OK || complete_fair(options, why) != AW_OK)
        return AW_E_CONFIG;
    options->bytes = options->bytes != 0 ? options->bytes : 300;
    if (options->mode == SURGE_FAIR)
        return AW_OK;
    if (options->connections == 0)
        options->connections = options->mode == SURGE_FLOOD ? 100 : 4;
    if (options->streams == 0)
        options->streams = options->mode == SURGE_FLOOD ? 10 : 32;
    if (options->media == AW_MEDIA_COUNT)
        options->media = options->batch > 1 ? AW_MEDIA_NDJSON : AW_MEDIA_JSON;
    if (options->batch > 1 && !aw_media_is_sequence(options->media))
        return aw_why(why, AW_E_CONFIG, "--batch wants --format ndjson or msgpack-seq");
    if (options->seconds == 0 && options->limit == 0 && options->mode == SURGE_FLOOD)
        options->seconds = 10;
    if (options->rounds == 0)
        options->rounds = options->has_baseline ? 3 : 1;
    if (options->agents > 0 && options->agent_connections == 0)
        options->agent_connections = options->agents < 100 ? options->agents : 100;
    if (options->agent_connections > options->agents)
        options->agent_connections = options->agents;
    if (options->mode != SURGE_FLOOD && (options->has_baseline || options->target == SURGE_ANY || options->rounds > 1))
        return aw_why(why, AW_E_CONFIG, "--baseline, --target and --rounds go with flood; the first and the last with fair");
    if (options->drain && options->agents == 0 && options->mode != SURGE_PARK)
        return aw_why(why, AW_E_CONFIG, "--drain wants --agents");
    if (options->target == SURGE_ANY && (options->agents > 0 || options->retry))
        return aw_why(why, AW_E_CONFIG, "--target nghttpd knows neither agents nor --retry");
    return AW_OK;
}

enum aw_err
surge_options_parse(struct surge_options *ret_options, int argc, char **argv, struct aw_why *why)
{
    struct surge_options options = defaults;
    enum aw_err          err;
    bool                 has_mode = false;
    bool                 tls = false;

    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "--tls") == 0) {
            tls = true;
        } else if (strncmp(argv[at], "--", 2) == 0) {
            err = parse_one(&options, argc, argv, &at, why);
            if (err != AW_OK)
                return AW_E_CONFIG;
        } else if (!has_mode) {
            for (unsigned i = 0; i < AW_ARRAY_LEN(surge_mode_names); i++) {
                if (strcmp(argv[at], surge_mode_names[i]) == 0) {
                    options.mode = (enum surge_mode)i;
                    has_mode = true;
                }
            }
            if (!has_mode)
                return aw_why(why, AW_E_CONFIG, "\"%s\": replay, synth, flood, pulls, ground, park or fair", argv[at]);
        } else if (options.mode == SURGE_REPLAY && options.file == NULL) {
            options.file = argv[at];
        } else {
            return aw_why(why, AW_E_CONFIG, "\"%s\" is one argument too many", argv[at]);
        }
    }
    if (!options.help) {
        if (!has_mode || (options.mode == SURGE_REPLAY && options.file == NULL))
            return aw_why(why, AW_E_CONFIG, "%s",
                          has_mode ? "replay wants a FILE" : "replay, synth, flood, pulls, ground, park or fair?");
        err = complete_options(&options, tls, why);
        if (err != AW_OK)
            return err;
    }
    *ret_options = options;
    if (options.role_tokens[SURGE_GATEWAY][0] != '\0')
        ret_options->token = ret_options->role_tokens[SURGE_GATEWAY];
    return AW_OK;
}
