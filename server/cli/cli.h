/* cli.h - what the commands of `aswolk` share: the table of commands, their options, talking to the server, exit codes.
 *  A command is a row in main.c and a file of its own. Its options are a table too, from which parser and help are made; values
 * are written into a struct that begins as a copy of the command's defaults. Who owns: main owns struct aw_cli for the whole
 * run. Thread: one; a signal only sets a flag and wakes the wait for an answer.
 */
#ifndef AW_CLI_CLI_H
#define AW_CLI_CLI_H

#include "client/link.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Documented in `aswolk help`; scripts rely on them. */
enum aw_cli_exit {
    AW_CLI_OK = 0,
    AW_CLI_FAILED = 1,    /* the server refused, or what was looked at is not well */
    AW_CLI_USAGE = 2,     /* the command line is wrong; nothing was done */
    AW_CLI_UNREACHED = 3, /* no server answered */
    AW_CLI_PARTLY = 4,    /* some of it was done, some not */
};

enum aw_cli_type {
    AW_CLI_FLAG,   /* bool */
    AW_CLI_TEXT,   /* const char *; NULL when not given */
    AW_CLI_NUMBER, /* uint64_t from min to max */
};
struct aw_cli_option {
    const char      *name;
    char             letter; /* 0: none */
    enum aw_cli_type type;
    const char      *value; /* what stands for the value in the help; NULL for a flag */
    size_t           offset;
    uint64_t         min;
    uint64_t         max;
    const char      *about;
};

/* Options of every command that talks to a server. */
struct aw_cli_common {
    const char *server;
    const char *agent; /* NULL: the token names it */
    const char *cacert;
    const char *token_file;
    const char *cert;
    const char *key;
    const char *keys;      /* of a data folder; NULL: beside it */
    const char *store_key; /* that seals them; NULL: none */
    uint64_t    timeout_s;
    bool        insecure;
    bool        json;
};

struct aw_cli;
struct aw_cli_command {
    const char                 *name;
    const char                 *arguments; /* as in the usage line */
    const char                 *summary;   /* one line for the list */
    const char                 *about;     /* paragraphs for `help NAME` */
    const struct aw_cli_option *options;
    size_t                      option_count;
    const void                 *defaults; /* of the struct that the options are written into */
    size_t                      defaults_bytes;
    bool                        offline; /* talks to no server */
    bool                        keyless; /* offline, and reads no data folder either */
    /* What is left of the command line after the options. Returns the exit code. */
    int (*run)(struct aw_cli *cli, int argc, char **argv);
};
extern const struct aw_cli_command aw_cli_post;
extern const struct aw_cli_command aw_cli_work;
extern const struct aw_cli_command aw_cli_transfer;
extern const struct aw_cli_command aw_cli_defer;
extern const struct aw_cli_command aw_cli_commitments;
extern const struct aw_cli_command aw_cli_contacts;
extern const struct aw_cli_command aw_cli_erase;
extern const struct aw_cli_command aw_cli_note;
extern const struct aw_cli_command aw_cli_ticket;
extern const struct aw_cli_command aw_cli_tickets;
extern const struct aw_cli_command aw_cli_bulk;
extern const struct aw_cli_command aw_cli_message;
extern const struct aw_cli_command aw_cli_check;
extern const struct aw_cli_command aw_cli_lanes;
extern const struct aw_cli_command aw_cli_agents;
extern const struct aw_cli_command aw_cli_template;
extern const struct aw_cli_command aw_cli_presence;
extern const struct aw_cli_command aw_cli_replies;
extern const struct aw_cli_command aw_cli_incident;
extern const struct aw_cli_command aw_cli_journal;
extern const struct aw_cli_command aw_cli_verify_command;
extern const struct aw_cli_command aw_cli_backup;
extern const struct aw_cli_command aw_cli_restore;
extern const struct aw_cli_command aw_cli_receipt;
extern const struct aw_cli_command aw_cli_rotate_key;
extern const struct aw_cli_command aw_cli_audit;
extern const struct aw_cli_command aw_cli_token;
extern const struct aw_cli_command aw_cli_whoami;
extern const struct aw_cli_command aw_cli_health;
extern const struct aw_cli_command aw_cli_response_time;
extern const struct aw_cli_command aw_cli_top;
extern const struct aw_cli_command aw_cli_surge;
extern const struct aw_cli_command aw_cli_events;
extern const struct aw_cli_command aw_cli_history;

struct aw_cli {
    struct aw_cli_common         common;
    const struct aw_cli_command *command;
    void                        *options; /* the command's own struct */
    struct aw_link              *link;
    bool                         reached; /* the server has answered at least once */
};

/* --- options.c ------------------------------------------------------------------------------------------------------------ */

/* Reads the options in front of and between the arguments; those are moved to the end, *ret_first is the first. False: said why
 * on stderr. *ret_help when --help was among them. */
AW_MUST_USE bool aw_cli_options_read(struct aw_cli *cli, int argc, char **argv, int *ret_first, bool *ret_help);
void             aw_cli_options_help(const struct aw_cli_command *command);

/* --- ask.c ---------------------------------------------------------------------------------------------------------------- */

struct aw_cli_request {
    const char     *method;
    const char     *path;
    const char     *type; /* of the body; NULL: none */
    struct aw_slice body;
    const char     *field; /* one more header field; NULL: none */
    const char     *field_value;
    uint64_t        wait_s;        /* the server may take this long to answer, on top of the timeout */
    bool            interruptible; /* a signal ends it (AW_EXCHANGE_CLOSED); others are finished first */
    const char     *accept;        /* NULL: JSON */
    /* An answer that goes on: its pieces as they come (aw_exchange_request), while it shows that it lives. NULL: a whole one. */
    void (*on_piece)(void *user, struct aw_slice piece);
    void *piece_user;
};

/* True once SIGINT or SIGTERM came, after aw_cli_catch_signals. */
bool aw_cli_stopped(void);
void aw_cli_catch_signals(struct aw_cli *cli);
/* Sleeps; less when a signal comes. */
void     aw_cli_sleep_ms(uint64_t ms);
uint64_t aw_cli_now_ms(void); /* monotonic */

/* One request. The result borrows from the link until the next one. */
enum aw_exchange_end aw_cli_ask(struct aw_cli *cli, const struct aw_cli_request *request, struct aw_exchange_result *ret_result);
/* The same for a request that may be sent again: goes on after 429, 503, 507 (after their Retry-After) and lost connections
 * until `patience_s` is over. Does not wait for a server that was never reached. *ret_repeats counts how often an answer was
 * lost, so that the server may have carried it out before. */
enum aw_exchange_end aw_cli_ask_patiently(struct aw_cli *cli, const struct aw_cli_request *request, uint64_t patience_s,
                                          struct aw_exchange_result *ret_result, unsigned *ret_repeats);
/* "Retry-After" in seconds, at least 1; `fallback` without one. */
uint64_t aw_cli_retry_after_s(const struct aw_exchange_result *result, uint64_t fallback);
bool     aw_cli_is_retryable(unsigned status);
/* Says on stderr why there is no 2xx (with --json the problem also goes to stdout); returns the exit code. */
int aw_cli_report(struct aw_cli *cli, const struct aw_exchange_result *result);
/* The answer's JSON; NULL after having said that it is none. The caller owns it. */
json_t *aw_cli_json(const struct aw_exchange_result *result);
/* GET, answer as JSON, or NULL with the exit code. */
json_t *aw_cli_get(struct aw_cli *cli, const char *path, int *ret_exit);
/* All items of a list, page by page: `each` gets them in order, and ends it by false. `path` may have a query, without a cursor. */
#define AW_CLI_PATH_BYTES 4096U
typedef bool aw_cli_item(void *user, const json_t *item);
int          aw_cli_each(struct aw_cli *cli, const char *path, aw_cli_item *each, void *user);
/* A request with this body, sent again until it was answered; so it changes nothing the second time, or has a `key` (NULL: none).
 * Takes `body`. The answer, which the caller owns, or NULL with the exit code. */
json_t *aw_cli_send(struct aw_cli *cli, const char *method, const char *path, json_t *body, const char *key, int *ret_exit);
/* What the body of a PUT is, given the thing as it is now (NULL: there is none). The caller frees it. NULL: it said why not. */
typedef char *aw_cli_make_body(const struct aw_cli *cli, const json_t *now);
/* Looks, then writes only if nobody changed the thing in between; a few times, when somebody did. `what` is for words. Returns the
 * exit code, and says why it is not AW_CLI_OK. */
int aw_cli_put(struct aw_cli *cli, const char *path, const char *what, aw_cli_make_body *make_body);
/* The pieces of an answer that goes on (aw_cli_request.on_piece), as lines. */
struct aw_cli_splitter {
    void (*take)(void *user, const char *line); /* without its end */
    void  *user;
    char  *_line; /* owns */
    size_t _len;
    bool   is_bad; /* it is no stream of lines; nothing more is taken. `take` may say so as well */
};
void aw_cli_splitter_init(struct aw_cli_splitter *splitter, void (*take)(void *user, const char *line), void *user);
void aw_cli_splitter_fini(struct aw_cli_splitter *splitter);
/* Forgets what came of a line; for the next answer. */
void aw_cli_splitter_reset(struct aw_cli_splitter *splitter);
/* For on_piece: `user` is the struct aw_cli_splitter. Flushes stdout, as who reads a pipe waits for it. */
void aw_cli_split(void *user, struct aw_slice piece);
/* "aswolk NAME: ..." on stderr. */
void aw_cli_error(const struct aw_cli *cli, const char *format, ...) AW_PRINTF(2, 3);
/* Puts a text into a path or query, percent-encoded (RFC 3986 section 2.3). False: `path` has no room for it. */
AW_MUST_USE bool aw_cli_add_encoded(char *path, size_t room, const char *text);
/* An id or name goes into a path as it is: letters, digits and -._ only. False: said so. */
AW_MUST_USE bool aw_cli_check_name(const struct aw_cli *cli, const char *what, const char *name);

/* --- show.c --------------------------------------------------------------------------------------------------------------- */

/* A text with `indent` before each of its lines, and a newline. What steers a terminal in a customer's text must not reach it
 * as commands. */
void aw_cli_print_text(const char *text, const char *indent);
/* The same inside of a line, all in one; behind it spaces up to `width` bytes. */
void aw_cli_put_text(const char *text, size_t width);
/* The text of a member, "" when it is missing or no text. Borrows. */
const char *aw_cli_text(const json_t *object, const char *key);
uint64_t    aw_cli_number(const json_t *object, const char *key);
bool        aw_cli_flag(const json_t *object, const char *key);
/* A problem in one line: "409 lease-lost: ...". */
void aw_cli_problem_line(const json_t *problem, unsigned status, char *line, size_t room);
/* "a,b" as ["a","b"]; "" as []. The caller owns it. */
json_t *aw_cli_list(const char *values);
/* `text` has 2 * len + 1 bytes. */
void aw_cli_hex(const uint8_t *bytes, size_t len, char *text);
/* One JSON document on a line of its own, with escapes for what would steer a terminal. */
void aw_cli_print_json(const json_t *value);
/* For people. */
void aw_cli_show_ticket(const json_t *ticket);
void aw_cli_show_lease(const json_t *lease);
void aw_cli_show_message(const json_t *message);
void aw_cli_show_messages(const json_t *messages);

#endif
