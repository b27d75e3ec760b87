/* tokens.h - who may do what: the file of tokens, read into a set that never changes (ADR 0028).
 *
 * A line of the file is one JSON object: a bearer token, of which only the SHA-256 is kept, or the name that a client's certificate
 * proves. The secret itself is shown once, when it is made, and is nowhere else. A file is replaced as a whole: written beside the
 * old one, flushed, renamed.
 *
 * Who owns: the caller owns a set; tokens and their texts borrow from it. Thread: any, as a set never changes after it was made.
 * Fails: AW_E_CONFIG (the file is wrong; `why` names the line, and never holds a secret), AW_E_IO, AW_E_MEMORY.
 */
#ifndef AW_ACCESS_TOKENS_H
#define AW_ACCESS_TOKENS_H

#include "base/hash.h"
#include "base/slice.h"
#include "base/time.h"
#include "base/why.h"
#include "model/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum aw_token_role {
    AW_TOKEN_GATEWAY,
    AW_TOKEN_AGENT,      /* one agent */
    AW_TOKEN_DESK,       /* names its agent in each request */
    AW_TOKEN_SUPERVISOR, /* a person */
    AW_TOKEN_MONITOR,
    AW_TOKEN_ROLES
};
const char *aw_token_role_name(enum aw_token_role role);
/* False: there is no such role. */
AW_MUST_USE bool aw_token_role_parse(struct aw_slice name, enum aw_token_role *ret_role);

/* Of a gateway: a channel, or one account of it. */
struct aw_token_account {
    struct aw_slice channel;
    struct aw_slice account; /* empty: all of the channel */
};
/* "whatsapp" or "whatsapp/main"; borrows from `text`. False: it is neither. */
AW_MUST_USE bool aw_token_account_parse(struct aw_slice text, struct aw_token_account *ret_account);

struct aw_token {
    struct aw_slice                name; /* of the gateway, agent, desk or person */
    enum aw_token_role             role;
    const struct aw_token_account *accounts; /* gateways; none: all */
    uint32_t                       account_count;
    const struct aw_slice         *lanes; /* agents and desks; none: all */
    uint32_t                       lane_count;
    bool                           may_override; /* agents and desks: send a reply that a check flags */
    struct aw_slice                certificate;  /* the name that a certificate proves; empty: a bearer token */
    aw_ms                          made_at;
    aw_ms                          expires_at; /* valid before; 0: for ever */
    struct aw_sha256               hash;       /* of the secret, or of the certificate's name: what it is found by */
    struct aw_sha256               rights;     /* of all else: a token whose rights changed is another one */
};

#define AW_TOKENS_MAX            100000U /* lines of a file, whatever the setting says */
#define AW_TOKENS_FILE_BYTES_MAX (64U * AW_MIB)
#define AW_TOKEN_ACCOUNTS_MAX    64U
#define AW_TOKEN_LANES_MAX       AW_LANES_PER_PULL_MAX
#define AW_TOKEN_CERTIFICATE_MAX 256U
/* "aswolk_" and 64 digits for 256 random bits; its first 12 digits of the hash are what people call it by. */
#define AW_TOKEN_SECRET_CHARS 71U
#define AW_TOKEN_ID_CHARS     12U

struct aw_tokens;

/* `tokens_max`: of the setting. AW_E_CONFIG also when others than the owner may write the file. */
AW_MUST_USE enum aw_err aw_tokens_load(struct aw_tokens **ret_tokens, const char *path, uint32_t tokens_max, struct aw_why *why);
/* The same from bytes; copies what it keeps. */
AW_MUST_USE enum aw_err aw_tokens_parse(struct aw_tokens **ret_tokens, struct aw_slice bytes, uint32_t tokens_max,
                                        struct aw_why *why);
/* Takes the address, accepts NULL, leaves NULL. */
void                   aw_tokens_free(struct aw_tokens **tokens);
uint32_t               aw_tokens_count(const struct aw_tokens *tokens);
const struct aw_token *aw_tokens_at(const struct aw_tokens *tokens, uint32_t i);
/* How many are valid at `now`. */
uint32_t aw_tokens_valid(const struct aw_tokens *tokens, aw_ms now);

/* By what a request brings. NULL: none. Whether it has expired the caller asks (aw_token_is_valid). How long it takes says nothing
 * about secrets: what is looked up and compared are hashes of them. */
const struct aw_token *aw_tokens_of_secret(const struct aw_tokens *tokens, struct aw_slice secret);
const struct aw_token *aw_tokens_of_certificate(const struct aw_tokens *tokens, struct aw_slice name);
/* The same token of another set; NULL when it is not there, or when it may do something else there. */
const struct aw_token *aw_tokens_same(const struct aw_tokens *tokens, const struct aw_token *token);
bool                   aw_token_is_valid(const struct aw_token *token, aw_ms now);
bool                   aw_token_has_account(const struct aw_token *token, struct aw_slice channel, struct aw_slice account);
bool                   aw_token_has_lane(const struct aw_token *token, struct aw_slice lane);

/* --- making and writing --- */

/* A new secret, with its NUL, and the hash by which it will be found. False: the kernel has no random bytes. */
AW_MUST_USE bool aw_token_make_secret(char ret_secret[AW_TOKEN_SECRET_CHARS + 1], struct aw_sha256 *ret_hash);
AW_MUST_USE bool aw_token_hash_certificate(struct aw_slice name, struct aw_sha256 *ret_hash);
/* What people call it by, with its NUL. */
void aw_token_id(const struct aw_token *token, char ret_id[AW_TOKEN_ID_CHARS + 1]);
/* Keeps others who ask for it from changing the file beside us, until the descriptor is closed; waits for them. AW_E_IO. */
AW_MUST_USE enum aw_err aw_tokens_lock(const char *path, int *ret_fd, struct aw_why *why);
/* Replaces the file by these tokens; when it returns AW_OK they are on disk. Owner, group and who may read it stay; a new one is
 * 0600, or 0640 when root makes it in a folder that has another group than root's. AW_E_IO also when it can't be given back to its
 * owner. */
AW_MUST_USE enum aw_err aw_tokens_save(const char *path, const struct aw_token *const *tokens, uint32_t count,
                                       struct aw_why *why);

#endif
