/* tokens.c - a set in memory: lines parsed, a table by hash. */
#include "access/tokens.h"

#include "access/line.h"
#include "base/mem.h"
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES (64U * AW_KIB)
/* Parsed, a token is larger than its line: lists become slices. */
#define PARSED_BYTES_MAX (8ULL * AW_TOKENS_FILE_BYTES_MAX)

struct aw_tokens {
    struct aw_blocks *blocks; /* owns */
    struct aw_arena   arena;  /* owns all that follows */
    struct aw_token  *tokens;
    uint32_t          count;
    uint32_t         *table; /* by hash: numbers from 1; 0: free */
    uint32_t          mask;
};

/* --- the table ---------------------------------------------------------------------------------------------------------------- */

/* The hash is of random bits, or of what an operator wrote: nobody can aim at places. */
static uint32_t
place_of(const struct aw_tokens *tokens, const struct aw_sha256 *hash)
{
    uint32_t place;

    memcpy(&place, hash->bytes, sizeof(place));
    return place & tokens->mask;
}

static const struct aw_token *
find(const struct aw_tokens *tokens, const struct aw_sha256 *hash)
{
    for (uint32_t at = place_of(tokens, hash); tokens->table[at] != 0; at = (at + 1) & tokens->mask) {
        const struct aw_token *token = &tokens->tokens[tokens->table[at] - 1];

        if (aw_secret_eq(&token->hash, hash, sizeof(*hash)))
            return token;
    }
    return NULL;
}

static bool
make_table(struct aw_tokens *tokens)
{
    uint32_t room = 16;

    while (room < 2 * tokens->count)
        room *= 2;
    tokens->mask = room - 1;
    tokens->table = aw_arena_take_zeroed(&tokens->arena, room, sizeof(tokens->table[0]));
    return tokens->table != NULL;
}

/* False: another line has the same. */
static bool
put(struct aw_tokens *tokens, uint32_t number)
{
    const struct aw_sha256 *hash = &tokens->tokens[number].hash;
    uint32_t                at = place_of(tokens, hash);

    if (find(tokens, hash) != NULL)
        return false;
    while (tokens->table[at] != 0)
        at = (at + 1) & tokens->mask;
    tokens->table[at] = number + 1;
    return true;
}

/* --- reading ------------------------------------------------------------------------------------------------------------------ */

static uint32_t
count_lines(struct aw_slice bytes)
{
    uint32_t count = 0;

    while (bytes.len > 0)
        count += aw_slice_cut(&bytes, '\n').len > 0; /* with those that hold blanks only: it bounds */
    return count;
}

static enum aw_err
read_lines(struct aw_tokens *tokens, struct aw_slice bytes, struct aw_why *why)
{
    uint32_t number = 0;

    while (bytes.len > 0) {
        struct aw_slice line = aw_slice_cut(&bytes, '\n');
        enum aw_err     err;

        number++;
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        line = aw_slice_trim(line);
        if (line.len == 0)
            continue;
        err = aw_token_line_read(&tokens->arena, line, &tokens->tokens[tokens->count], why);
        if (err == AW_OK && !put(tokens, tokens->count))
            err = aw_why(why, AW_E_CONFIG, "the same token, or the same certificate, stands in another line");
        if (err != AW_OK) {
            aw_why_prefix(why, "line %u", number);
            return err;
        }
        tokens->count++;
    }
    return AW_OK;
}

enum aw_err
aw_tokens_parse(struct aw_tokens **ret_tokens, struct aw_slice bytes, uint32_t tokens_max, struct aw_why *why)
{
    struct aw_tokens *tokens = aw_new(struct aw_tokens);
    uint32_t          count = count_lines(bytes);
    enum aw_err       err;

    if (tokens == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the tokens");
    tokens->blocks = aw_blocks_new(BLOCK_BYTES, PARSED_BYTES_MAX);
    if (tokens->blocks != NULL)
        aw_arena_init(&tokens->arena, tokens->blocks);
    if (count > tokens_max) {
        err = aw_why(why, AW_E_CONFIG, "there are %u tokens, at most %u are allowed", count, tokens_max);
        goto fail;
    }
    tokens->count = count; /* for the table's size */
    if (tokens->blocks == NULL || !make_table(tokens) ||
        (tokens->tokens = aw_arena_take_zeroed(&tokens->arena, count + 1, sizeof(tokens->tokens[0]))) == NULL) {
        err = aw_why(why, AW_E_MEMORY, "no memory for %u tokens", count);
        goto fail;
    }
    tokens->count = 0;
    err = read_lines(tokens, bytes, why);
    if (err != AW_OK)
        goto fail;
    *ret_tokens = tokens; /* the caller owns it from here */
    return AW_OK;
fail:
    aw_tokens_free(&tokens);
    return err;
}

/* What others may write could name anybody. */
static enum aw_err
check_file(int fd, size_t *ret_bytes, struct aw_why *why)
{
    struct stat about;

    if (fstat(fd, &about) != 0)
        return aw_why_errno(why, AW_E_IO, errno, "can't be looked at");
    if (!S_ISREG(about.st_mode))
        return aw_why(why, AW_E_CONFIG, "is no file");
    if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return aw_why(why, AW_E_CONFIG, "may be written by others than its owner; chmod 640 it");
    if (about.st_size > (off_t)AW_TOKENS_FILE_BYTES_MAX)
        return aw_why(why, AW_E_CONFIG, "has more than %u bytes", AW_TOKENS_FILE_BYTES_MAX);
    *ret_bytes = (size_t)about.st_size;
    return AW_OK;
}

/* Fills `bytes` as far as the file goes; it may have been cut since it was looked at. */
static enum aw_err
read_whole(int fd, char *bytes, size_t *len, struct aw_why *why)
{
    size_t at = 0;

    while (at < *len) {
        ssize_t count = read(fd, bytes + at, *len - at);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return aw_why_errno(why, AW_E_IO, errno, "can't be read");
        if (count == 0)
            break;
        at += (size_t)count;
    }
    *len = at;
    return AW_OK;
}

enum aw_err
aw_tokens_load(struct aw_tokens **ret_tokens, const char *path, uint32_t tokens_max, struct aw_why *why)
{
    int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not keep the server waiting */
    size_t      len = 0;
    char       *bytes = NULL;
    enum aw_err err;

    if (fd < 0)
        return aw_why_errno(why, errno == ENOENT ? AW_E_NOT_FOUND : AW_E_IO, errno, "the tokens %s", path);
    err = check_file(fd, &len, why);
    if (err == AW_OK) {
        bytes = malloc(len + 1);
        err = bytes == NULL ? aw_why(why, AW_E_MEMORY, "no memory to read it") : read_whole(fd, bytes, &len, why);
    }
    if (err == AW_OK)
        err = aw_tokens_parse(ret_tokens, aw_slice_of(bytes, len), tokens_max, why);
    if (err != AW_OK)
        aw_why_prefix(why, "the tokens %s", path);
    free(bytes);
    (void)close(fd); /* was only read */
    return err;
}

void
aw_tokens_free(struct aw_tokens **tokens)
{
    if (*tokens == NULL)
        return;
    if ((*tokens)->blocks != NULL)
        aw_arena_reset(&(*tokens)->arena);
    aw_blocks_free(&(*tokens)->blocks);
    free(*tokens);
    *tokens = NULL;
}

/* --- looking ------------------------------------------------------------------------------------------------------------------ */

uint32_t
aw_tokens_count(const struct aw_tokens *tokens)
{
    return tokens->count;
}

const struct aw_token *
aw_tokens_at(const struct aw_tokens *tokens, uint32_t i)
{
    AW_ASSERT(i < tokens->count);
    return &tokens->tokens[i];
}

bool
aw_token_is_valid(const struct aw_token *token, aw_ms now)
{
    return token->expires_at == 0 || now < token->expires_at;
}

uint32_t
aw_tokens_valid(const struct aw_tokens *tokens, aw_ms now)
{
    uint32_t valid = 0;

    for (uint32_t i = 0; i < tokens->count; i++)
        valid += aw_token_is_valid(&tokens->tokens[i], now);
    return valid;
}

const struct aw_token *
aw_tokens_of_secret(const struct aw_tokens *tokens, struct aw_slice secret)
{
    const struct aw_token *token;
    struct aw_sha256       hash;

    if (secret.len != AW_TOKEN_SECRET_CHARS || !aw_token_hash_secret(secret, &hash))
        return NULL;
    token = find(tokens, &hash);
    return token == NULL || token->certificate.len > 0 ? NULL : token;
}

const struct aw_token *
aw_tokens_of_certificate(const struct aw_tokens *tokens, struct aw_slice name)
{
    const struct aw_token *token;
    struct aw_sha256       hash;

    if (name.len == 0 || !aw_token_hash_certificate(name, &hash))
        return NULL;
    token = find(tokens, &hash);
    return token == NULL || !aw_slice_eq(token->certificate, name) ? NULL : token;
}

const struct aw_token *
aw_tokens_same(const struct aw_tokens *tokens, const struct aw_token *token)
{
    const struct aw_token *same = find(tokens, &token->hash);

    return same == NULL || !aw_secret_eq(&same->rights, &token->rights, sizeof(same->rights)) ? NULL : same;
}

bool
aw_token_has_account(const struct aw_token *token, struct aw_slice channel, struct aw_slice account)
{
    for (uint32_t i = 0; i < token->account_count; i++) {
        const struct aw_token_account *own = &token->accounts[i];

        if (aw_slice_eq(own->channel, channel) && (own->account.len == 0 || aw_slice_eq(own->account, account)))
            return true;
    }
    return token->account_count == 0;
}

bool
aw_token_has_lane(const struct aw_token *token, struct aw_slice lane)
{
    for (uint32_t i = 0; i < token->lane_count; i++) {
        if (aw_slice_eq(token->lanes[i], lane))
            return true;
    }
    return token->lane_count == 0;
}
