/* options.h - what the command line asks for. A value; texts borrow from the arguments. Thread: any. */
#ifndef AW_BENCH_SURGE_OPTIONS_H
#define AW_BENCH_SURGE_OPTIONS_H

#include "base/assert.h"
#include "base/why.h"
#include "bench/arrivals/generator.h"
#include "client/url.h"
#include "proto/media.h"

#include <stdbool.h>
#include <stdint.h>

/* PULLS and GROUND are a desk at work (work.h), PARK is pulls that wait (park.h), FAIR one gateway beside another's flood (fair.h);
 * the others post. */
enum surge_mode { SURGE_REPLAY, SURGE_SYNTH, SURGE_FLOOD, SURGE_PULLS, SURGE_GROUND, SURGE_PARK, SURGE_FAIR };
extern const char *const surge_mode_names[];

#define SURGE_LIST_MAX   16U /* of a list of numbers */
#define SURGE_CYCLES_MAX 50U

/* Who answers: our server, or any that answers a POST (then only 2xx are counted). */
enum surge_target { SURGE_ASWOLK, SURGE_ANY };

/* Whose token a request shows. */
enum surge_role { SURGE_GATEWAY, SURGE_DESK, SURGE_SUPERVISOR, SURGE_MONITOR, SURGE_ROLES };

#define SURGE_TOKEN_BYTES 160U /* "Bearer " before it, NUL behind */

struct surge_options {
    enum surge_mode   mode;
    enum surge_target target;
    struct aw_url     url;
    struct aw_url     baseline; /* with has_baseline */
    bool              has_baseline;
    struct aw_url     limited; /* with has_limited */
    bool              has_limited;
    const char       *ca_file;
    const char       *token; /* "Bearer ...", of who posts */
    const char       *tokens_folder;
    char              role_tokens[SURGE_ROLES][SURGE_TOKEN_BYTES]; /* "": --token's */
    const char       *as; /* who posts, for a server that asks for no tokens; NULL: nobody is named */
    const char       *json_file;
    const char       *file; /* replay */
    const char       *run;  /* prefix of ids; NULL: random */
    const char       *path; /* of posts; for a target that is not ours */
    bool              insecure;
    bool              help;
    /* Sources. */
    double           speed; /* 0: as fast as answers come */
    double           hours;
    uint64_t         seed;
    enum surge_level level;
    unsigned         start_hour;
    bool             received_at;
    uint64_t         limit; /* messages; 0: no limit */
    uint32_t         times; /* replay: how often the whole file */
    double           rate;  /* flood: messages a second; 0: max */
    double           seconds;
    uint32_t         bytes;     /* flood: of a message */
    uint64_t         customers; /* flood; 0: each message its own */
    uint32_t         rounds;
    /* Posting. */
    uint32_t      connections;
    uint32_t      streams;
    uint32_t      batch;
    enum aw_media media;
    bool          retry;
    double        timeout_s;
    /* Agents. */
    uint32_t agents;
    uint32_t agent_connections; /* 0: chosen */
    uint32_t handling_ms;
    uint32_t max;
    uint32_t wait_s;
    uint32_t lease_s;
    bool     bulk;
    bool     drain;
    /* A desk at work. */
    uint32_t    tickets;  /* that wait at first */
    uint32_t    grounded; /* of them, by an airport that closes */
    uint32_t    lanes;    /* that they wait in */
    uint32_t    quiet_lanes;
    double      pull_rates[SURGE_LIST_MAX]; /* a second, one after the other */
    uint32_t    pull_rate_count;
    uint32_t    cycles;   /* how often the airport closes */
    uint32_t    searches; /* supervisors who search without a pause */
    const char *floor;    /* a folder to measure the disk in; NULL: it is not */
    /* One gateway beside another's flood. */
    double      batches[SURGE_LIST_MAX]; /* messages a request of the flood, one after the other */
    uint32_t    batch_count;
    const char *flood_token; /* the other gateway's */
    uint32_t    flood_nice;  /* of its process, above surge's */
    /* Pulls that wait. */
    uint32_t pulls;
    uint32_t pid; /* of the server, when it is local; 0: not said */
    /* The audit. */
    uint64_t verify; /* open messages looked up at the end; UINT64_MAX: all */
};

/* AW_E_CONFIG with the reason. */
AW_MUST_USE enum aw_err surge_options_parse(struct surge_options *ret_options, int argc, char **argv, struct aw_why *why);
/* What a request of this path shows; NULL: nothing. Borrows from `options`. */
const char       *surge_token_for(const struct surge_options *options, const char *path);
extern const char surge_options_help[];

#endif
