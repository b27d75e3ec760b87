/* token.c - `aswolk token`: makes, lists and revokes what the server's file of tokens holds; and `aswolk whoami`. */
#include "access/line.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "port/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS_PER_DAY (UINT64_C(24) * 3600 * AW_MS_PER_S)

struct token_options {
    const char *tokens;
    const char *channels;
    const char *lanes;
    const char *certificate;
    const char *out;
    uint64_t    days;
    bool        may_override;
};

static const struct token_options token_defaults = {.days = 0};

static const struct aw_cli_option token_options[] = {
    {.name = "tokens",
     .type = AW_CLI_TEXT,
     .value = "FILE",
     .offset = offsetof(struct token_options, tokens),
     .about = "the server's file; default $ASWOLK_TOKENS"},
    {.name = "days",
     .type = AW_CLI_NUMBER,
     .value = "N",
     .offset = offsetof(struct token_options, days),
     .min = 1,
     .max = 36500,
     .about = "add: how long it is valid; for ever without"},
    {.name = "channels",
     .type = AW_CLI_TEXT,
     .value = "LIST",
     .offset = offsetof(struct token_options, channels),
     .about = "add gateway: whatsapp,twitter/airline: channels, or accounts of them; all without"},
    {.name = "lanes",
     .type = AW_CLI_TEXT,
     .value = "LIST",
     .offset = offsetof(struct token_options, lanes),
     .about = "add agent, desk: these lanes alone; all without"},
    {.name = "override",
     .type = AW_CLI_FLAG,
     .offset = offsetof(struct token_options, may_override),
     .about = "add agent, desk: may send a reply that a check flags"},
    {.name = "certificate",
     .type = AW_CLI_TEXT,
     .value = "NAME",
     .offset = offsetof(struct token_options, certificate),
     .about = "add: no secret but the URI or DNS name in a client's certificate, as spiffe://airline/whatsapp"},
    {.name = "out",
     .type = AW_CLI_TEXT,
     .value = "FILE",
     .offset = offsetof(struct token_options, out),
     .about = "add: writes the secret into this new file (0600), not to stdout"},
};

/* The file while it is changed. */
struct book {
    const char             *path;
    int                     lock;
    struct aw_tokens       *tokens; /* owns; NULL: there is no file yet */
    const struct aw_token **list;   /* owns: what is to be written; room for one more */
    uint32_t                count;
};

static const char *
path_of(const struct aw_cli *cli)
{
    const struct token_options *options = cli->options;
    const char                 *path = options->tokens != NULL ? options->tokens : getenv("ASWOLK_TOKENS");

    if (path != NULL && path[0] != '\0')
        return path;
    aw_cli_error(cli, "needs --tokens FILE or $ASWOLK_TOKENS: the file that aswolkd --tokens names");
    return NULL;
}

/* `may_be_missing`: then it is as an empty one. */
static int
open_book(struct book *book, struct aw_cli *cli, bool may_be_missing)
{
    struct aw_why why = {""};
    enum aw_err   err;

    *book = (struct book){.path = path_of(cli), .lock = -1};
    if (book->path == NULL)
        return AW_CLI_USAGE;
    err = aw_tokens_lock(book->path, &book->lock, &why);
    if (err == AW_OK) {
        err = aw_tokens_load(&book->tokens, book->path, AW_TOKENS_MAX, &why);
        if (err == AW_E_NOT_FOUND && may_be_missing)
            err = AW_OK;
    }
    if (err == AW_OK) {
        uint32_t count = book->tokens == NULL ? 0 : aw_tokens_count(book->tokens);

        book->list = calloc(count + 1, sizeof(book->list[0]));
        AW_ASSERT(book->list != NULL);
        for (; book->count < count; book->count++)
            book->list[book->count] = aw_tokens_at(book->tokens, book->count);
        return AW_CLI_OK;
    }
    aw_cli_error(cli, "%s", why.text);
    return AW_CLI_FAILED;
}

static void
close_book(struct book *book)
{
    free(book->list);
    aw_tokens_free(&book->tokens);
    if (book->lock >= 0)
        (void)close(book->lock); /* the lock goes with it */
}

static int
save_book(const struct book *book, const struct aw_cli *cli)
{
    struct aw_why why = {""};

    if (aw_tokens_save(book->path, book->list, book->count, &why) == AW_OK)
        return AW_CLI_OK;
    aw_cli_error(cli, "%s", why.text);
    return AW_CLI_FAILED;
}

/* --- showing -------------------------------------------------------------------------------------------------------------- */

static void
print_time(const char *before, aw_ms at)
{
    char text[AW_TIME_TEXT_BYTES];

    if (at == 0)
        return;
    aw_time_format(at, text);
    (void)printf("%s%s", before, text);
}

static void
print_bounds(const struct aw_token *token)
{
    for (uint32_t i = 0; i < token->account_count; i++)
        (void)printf("%s%.*s%s%.*s", i == 0 ? "  channels " : ",", AW_SLICE_ARGS(token->accounts[i].channel),
                     token->accounts[i].account.len > 0 ? "/" : "", (int)token->accounts[i].account.len,
                     token->accounts[i].account.len > 0 ? token->accounts[i].account.ptr : "");
    for (uint32_t i = 0; i < token->lane_count; i++)
        (void)printf("%s%.*s", i == 0 ? "  lanes " : ",", AW_SLICE_ARGS(token->lanes[i]));
    if (token->may_override)
        (void)printf("  override");
    if (token->certificate.len > 0)
        (void)printf("  certificate %.*s", AW_SLICE_ARGS(token->certificate));
}

/* As the file has it, with the id in front, and without the hash: who knows that can't do anything, but need not know it. */
static void
print_json(const struct aw_token *token, const char *id)
{
    struct aw_blocks *blocks = aw_blocks_new(64 * AW_KIB, 4 * AW_MIB);
    struct aw_arena   arena;
    struct aw_buffer  buffer;
    json_t           *object;

    AW_ASSERT(blocks != NULL);
    aw_arena_init(&arena, blocks);
    aw_buffer_init(&buffer, &arena);
    aw_token_line_write(&buffer, token);
    AW_ASSERT(!buffer.failed);
    object = json_loadb(buffer.ptr, buffer.len, 0, NULL);
    (void)json_object_del(object, "hash");
    (void)json_object_set_new(object, "id", json_string(id));
    (void)json_object_set_new(object, "expired", json_boolean(!aw_token_is_valid(token, aw_clock_wall())));
    aw_cli_print_json(object);
    json_decref(object);
    aw_arena_reset(&arena);
    aw_blocks_free(&blocks);
}

static void
print_token(const struct aw_cli *cli, const struct aw_token *token)
{
    char id[AW_TOKEN_ID_CHARS + 1];

    AW_ASSERT(token != NULL);
    aw_token_id(token, id);
    if (cli->common.json) {
        print_json(token, id);
        return;
    }
    (void)printf("%s  %-10s  %.*s", id, aw_token_role_name(token->role), AW_SLICE_ARGS(token->name));
    print_bounds(token);
    print_time("  made ", token->made_at);
    print_time(aw_token_is_valid(token, aw_clock_wall()) ? "  until " : "  EXPIRED ", token->expires_at);
    (void)printf("\n");
}

static int
list(struct aw_cli *cli)
{
    struct book book;
    int         code = open_book(&book, cli, false);

    for (uint32_t i = 0; code == AW_CLI_OK && i < book.count; i++)
        print_token(cli, book.list[i]);
    close_book(&book);
    return code;
}

/* --- making --------------------------------------------------------------------------------------------------------------- */

/* "a,b" in pieces; the caller frees them. */
static struct aw_slice *
split(const char *text, uint32_t *ret_count)
{
    struct aw_slice  rest = aw_slice_str(text);
    struct aw_slice *pieces = calloc(rest.len + 1, sizeof(pieces[0]));

    AW_ASSERT(pieces != NULL);
    *ret_count = 0;
    while (rest.ptr != NULL)
        pieces[(*ret_count)++] = aw_slice_cut(&rest, ',');
    return pieces;
}

static bool
set_accounts(struct aw_token *token, const struct aw_slice *pieces, struct aw_token_account *accounts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!aw_token_account_parse(pieces[i], &accounts[i]))
            return false;
    }
    token->accounts = accounts;
    token->account_count = count;
    return true;
}

/* What the server would say of the line, said before it is written. */
static bool
is_good(const struct aw_cli *cli, const struct aw_token *token)
{
    struct aw_blocks *blocks = aw_blocks_new(64 * AW_KIB, 16 * AW_MIB);
    struct aw_arena   arena;
    struct aw_buffer  buffer;
    struct aw_token   again;
    struct aw_why     why = {""};
    bool              ok;

    AW_ASSERT(blocks != NULL);
    aw_arena_init(&arena, blocks);
    aw_buffer_init(&buffer, &arena);
    aw_token_line_write(&buffer, token);
    ok = !buffer.failed && aw_token_line_read(&arena, aw_slice_trim(aw_buffer_slice(&buffer)), &again, &why) == AW_OK;
    if (!ok)
        aw_cli_error(cli, "%s", why.text);
    aw_arena_reset(&arena);
    aw_blocks_free(&blocks);
    return ok;
}

/* To stdout alone, so that it can be led into a file; or into one of its own. */
static bool
tell_secret(const struct aw_cli *cli, const char *secret)
{
    const struct token_options *options = cli->options;
    int                         fd;
    bool                        ok;

    if (options->out == NULL) {
        (void)printf("%s\n", secret);
        return fflush(stdout) == 0;
    }
    fd = open(options->out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    ok = fd >= 0 && dprintf(fd, "%s\n", secret) == (int)AW_TOKEN_SECRET_CHARS + 1 && fsync(fd) == 0;
    if (!ok)
        aw_cli_error(cli, "%s: %s", options->out, strerror(errno));
    if (fd >= 0)
        (void)close(fd); /* flushed */
    return ok;
}

/* The server runs as another user than root, who most often makes the file. */
static void
tell_added(const struct aw_cli *cli, const struct aw_token *token, const char *path)
{
    struct stat about;

    (void)fprintf(stderr, "%s: in %s; the server knows it after SIGHUP\n", aw_token_role_name(token->role), path);
    if (stat(path, &about) == 0 && about.st_uid == 0 && (about.st_mode & (S_IRGRP | S_IROTH)) == 0)
        aw_cli_error(cli, "only root may read %s: if the server runs as aswolk, chgrp aswolk and chmod 640 it once", path);
}

/* The secret first: one that nobody has seen would be of no use in the file. */
static int
add_to_book(struct aw_cli *cli, const struct aw_token *token, const char *secret)
{
    struct book book;
    int         code = open_book(&book, cli, true);

    if (code == AW_CLI_OK && token->certificate.len > 0 && book.tokens != NULL &&
        aw_tokens_of_certificate(book.tokens, token->certificate) != NULL) {
        aw_cli_error(cli, "there is a line for that certificate already; revoke it first");
        code = AW_CLI_FAILED;
    }
    if (code == AW_CLI_OK && book.count >= AW_TOKENS_MAX) {
        aw_cli_error(cli, "the file holds %u tokens, which is the most", book.count);
        code = AW_CLI_FAILED;
    }
    if (code == AW_CLI_OK && secret[0] != '\0' && !tell_secret(cli, secret))
        code = AW_CLI_FAILED;
    if (code == AW_CLI_OK) {
        book.list[book.count++] = token;
        code = save_book(&book, cli);
    }
    if (code == AW_CLI_OK)
        tell_added(cli, token, book.path);
    else if (secret[0] != '\0')
        (void)fprintf(stderr, "The secret is of no use: it was not put into the file.\n");
    close_book(&book);
    return code;
}

static int
add(struct aw_cli *cli, const char *role, const char *name)
{
    const struct token_options *options = cli->options;
    struct aw_token             token = {.name = aw_slice_str(name),
                                         .certificate = aw_slice_str(options->certificate),
                                         .may_override = options->may_override,
                                         .made_at = aw_clock_wall()};
    char                        secret[AW_TOKEN_SECRET_CHARS + 1] = "";
    struct aw_slice            *channels = split(options->channels, &token.account_count);
    struct aw_slice            *lanes = split(options->lanes, &token.lane_count);
    struct aw_token_account    *accounts = calloc(token.account_count + 1, sizeof(accounts[0]));
    int                         code = AW_CLI_USAGE;

    AW_ASSERT(accounts != NULL);
    token.lanes = lanes;
    if (options->days > 0)
        token.expires_at = token.made_at + options->days * MS_PER_DAY;
    if (!aw_token_role_parse(aw_slice_str(role), &token.role))
        aw_cli_error(cli, "there is no role %s: gateway, agent, desk, supervisor or monitor", role);
    else if (!aw_slice_is_utf8(token.name))
        aw_cli_error(cli, "a name is UTF-8");
    else if (!set_accounts(&token, channels, accounts, token.account_count))
        aw_cli_error(cli, "--channels takes names like whatsapp and whatsapp/main");
    else if (options->certificate == NULL && !aw_token_make_secret(secret, &token.hash))
        code = AW_CLI_FAILED;
    else if (is_good(cli, &token))
        code = add_to_book(cli, &token, secret);
    aw_secret_wipe(secret, sizeof(secret));
    free(accounts);
    free(channels);
    free(lanes);
    return code;
}

/* --- revoking ------------------------------------------------------------------------------------------------------------- */

/* By its name, which takes all of that name, or by its id. */
static int
revoke_tokens(struct aw_cli *cli, const char *what)
{
    struct book book;
    int         code = open_book(&book, cli, false);
    uint32_t    kept = 0, all = book.count;

    for (uint32_t i = 0; i < all; i++) {
        const struct aw_token *token = book.list[i];
        char                   id[AW_TOKEN_ID_CHARS + 1];

        AW_ASSERT(token != NULL);
        aw_token_id(token, id);
        if (aw_slice_eq(token->name, aw_slice_str(what)) || strcmp(id, what) == 0)
            print_token(cli, token);
        else
            book.list[kept++] = token;
    }
    book.count = kept;
    if (code == AW_CLI_OK && kept == all) {
        aw_cli_error(cli, "no token has the name or id %s", what);
        code = AW_CLI_FAILED;
    }
    if (code == AW_CLI_OK)
        code = save_book(&book, cli);
    if (code == AW_CLI_OK)
        (void)fprintf(stderr, "%u revoked; the server refuses them after SIGHUP\n", all - kept);
    close_book(&book);
    return code;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], "list") == 0)
        return list(cli);
    if (argc == 3 && strcmp(argv[0], "add") == 0)
        return add(cli, argv[1], argv[2]);
    if (argc == 2 && strcmp(argv[0], "revoke") == 0)
        return revoke_tokens(cli, argv[1]);
    aw_cli_error(cli, "takes add ROLE NAME, list, or revoke NAME");
    return AW_CLI_USAGE;
}

const struct aw_cli_command aw_cli_token = {
    .name = "token",
    .arguments = "add ROLE NAME | list | revoke NAME",
    .summary = "who may do what: makes, lists and revokes tokens",
    .about = "Works on the file that aswolkd --tokens names, where the server runs; SIGHUP makes the server read it.\n"
             "\n"
             "add makes a token and prints its secret, once and nowhere else: the file keeps a hash. ROLE is gateway, agent\n"
             "(NAME is the agent), desk (each request names its agent), supervisor or monitor. Two of one name may be valid at\n"
             "once, so that a token can be replaced without a gap. revoke takes a name, or the id that list shows.",
    .options = token_options,
    .option_count = AW_ARRAY_LEN(token_options),
    .defaults = &token_defaults,
    .defaults_bytes = sizeof(token_defaults),
    .offline = true,
    .keyless = true,
    .run = run,
};

/* --- whoami --------------------------------------------------------------------------------------------------------------- */

static void
print_list(const json_t *who, const char *key)
{
    const json_t *item;
    size_t        i;

    json_array_foreach(json_object_get(who, key), i, item)
    {
        if (i == 0)
            (void)printf("  %s ", key);
        (void)printf("%s%s", i == 0 ? "" : ",", json_string_value(item));
    }
}

static int
run_whoami(struct aw_cli *cli, int argc, char **argv)
{
    json_t *who;
    int     code;

    (void)argv;
    if (argc > 0) {
        aw_cli_error(cli, "takes no arguments");
        return AW_CLI_USAGE;
    }
    who = aw_cli_get(cli, "/v1/whoami", &code);
    if (who == NULL)
        return code;
    if (cli->common.json) {
        aw_cli_print_json(who);
    } else {
        (void)printf("%s %s", aw_cli_text(who, "role"), aw_cli_text(who, "name"));
        print_list(who, "channels");
        print_list(who, "lanes");
        if (aw_cli_flag(who, "override"))
            (void)printf("  override");
        if (json_object_get(who, "expires_at") != NULL)
            (void)printf("  until %s", aw_cli_text(who, "expires_at"));
        (void)printf("\n");
    }
    json_decref(who);
    return AW_CLI_OK;
}

const struct aw_cli_command aw_cli_whoami = {
    .name = "whoami",
    .arguments = "",
    .summary = "as whom the server takes this token or certificate",
    .about = "Shows role and name, and what the token is bound to.",
    .run = run_whoami,
};
