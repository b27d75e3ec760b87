/* line.c - between a line and a token. */
#include "access/line.h"

#include "base/json_out.h"
#include "base/secret.h"

#include <jansson.h>

static const struct aw_slice prefix = {"aswolk_", 7};

static const char *const role_names[AW_TOKEN_ROLES] = {"gateway", "agent", "desk", "supervisor", "monitor"};

const char *
aw_token_role_name(enum aw_token_role role)
{
    AW_ASSERT(role < AW_TOKEN_ROLES);
    return role_names[role];
}

bool
aw_token_role_parse(struct aw_slice name, enum aw_token_role *ret_role)
{
    for (unsigned i = 0; i < AW_TOKEN_ROLES; i++) {
        if (aw_slice_eq(name, aw_slice_str(role_names[i]))) {
            *ret_role = (enum aw_token_role)i;
            return true;
        }
    }
    return false;
}

/* --- texts -------------------------------------------------------------------------------------------------------------------- */

static bool
has_control(struct aw_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return true;
    }
    return false;
}

/* As agents' names and accounts are in the API. */
static bool
is_text(struct aw_slice text, size_t bytes_max)
{
    return text.len > 0 && text.len <= bytes_max && aw_slice_is_utf8(text) && !has_control(text) &&
           aw_slice_trim(text).len == text.len;
}

/* As channels and lanes are. */
static bool
is_word(struct aw_slice text, size_t bytes_max)
{
    if (text.len == 0 || text.len > bytes_max)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-')
            return false;
    }
    return true;
}

bool
aw_token_account_parse(struct aw_slice text, struct aw_token_account *ret_account)
{
    struct aw_slice rest = text;
    struct aw_slice channel = aw_slice_cut(&rest, '/');

    if (!is_word(channel, AW_CHANNEL_BYTES_MAX) || (rest.ptr != NULL && !is_text(rest, AW_ACCOUNT_BYTES_MAX)))
        return false;
    *ret_account = (struct aw_token_account){.channel = channel, .account = rest};
    return true;
}

/* --- hashes ------------------------------------------------------------------------------------------------------------------- */

static int
digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_hex(struct aw_slice text, struct aw_sha256 *ret_hash)
{
    if (text.len != 2 * sizeof(ret_hash->bytes))
        return false;
    for (size_t i = 0; i < sizeof(ret_hash->bytes); i++) {
        int high = digit_of(text.ptr[2 * i]), low = digit_of(text.ptr[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        ret_hash->bytes[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static void
write_hex(const uint8_t *bytes, size_t count, char *text)
{
    for (size_t i = 0; i < count; i++) {
        text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    text[2 * count] = '\0';
}

bool
aw_token_hash_secret(struct aw_slice secret, struct aw_sha256 *ret_hash)
{
    return aw_slice_starts(secret, prefix) && aw_sha256(&secret, 1, ret_hash);
}

/* A NUL, which no header field can hold, keeps both kinds of hashes apart. */
bool
aw_token_hash_certificate(struct aw_slice name, struct aw_sha256 *ret_hash)
{
    const struct aw_slice parts[] = {{"certificate", sizeof("certificate")}, name};

    return aw_sha256(parts, AW_ARRAY_LEN(parts), ret_hash);
}

bool
aw_token_make_secret(char ret_secret[AW_TOKEN_SECRET_CHARS + 1], struct aw_sha256 *ret_hash)
{
    uint8_t bits[32];

    AW_STATIC_ASSERT(AW_TOKEN_SECRET_CHARS == 7 + 2 * sizeof(bits), "the prefix and two digits a byte");
    if (!aw_random(bits, sizeof(bits)))
        return false;
    memcpy(ret_secret, prefix.ptr, prefix.len);
    write_hex(bits, sizeof(bits), ret_secret + prefix.len);
    aw_secret_wipe(bits, sizeof(bits));
    return aw_token_hash_secret(aw_slice_of(ret_secret, AW_TOKEN_SECRET_CHARS), ret_hash);
}

void
aw_token_id(const struct aw_token *token, char ret_id[AW_TOKEN_ID_CHARS + 1])
{
    write_hex(token->hash.bytes, AW_TOKEN_ID_CHARS / 2, ret_id);
}

/* --- reading ------------------------------------------------------------------------------------------------------------------ */

static struct aw_slice
text_of(const json_t *value)
{
    return aw_slice_of(json_string_value(value), json_string_length(value));
}

static enum aw_err
read_accounts(struct aw_arena *arena, const json_t *list, struct aw_token *token, struct aw_why *why)
{
    size_t                   count = json_array_size(list);
    struct aw_token_account *accounts;

    if (!json_is_array(list) || count == 0 || count > AW_TOKEN_ACCOUNTS_MAX)
        return aw_why(why, AW_E_CONFIG, "channels is a list of 1 to %u", AW_TOKEN_ACCOUNTS_MAX);
    accounts = aw_arena_take_zeroed(arena, count, sizeof(accounts[0]));
    for (size_t i = 0; accounts != NULL && i < count; i++) {
        struct aw_slice text = text_of(json_array_get(list, i));

        if (!json_is_string(json_array_get(list, i)) || !aw_token_account_parse(text, &accounts[i]))
            return aw_why(why, AW_E_CONFIG, "channels holds texts like \"whatsapp\" and \"whatsapp/main\"");
        if (!aw_arena_copy(arena, accounts[i].channel, &accounts[i].channel) ||
            !aw_arena_copy(arena, accounts[i].account, &accounts[i].account))
            accounts = NULL;
    }
    token->accounts = accounts;
    token->account_count = (uint32_t)count;
    return accounts == NULL ? aw_why(why, AW_E_MEMORY, "no memory for its channels") : AW_OK;
}

static enum aw_err
read_lanes(struct aw_arena *arena, const json_t *list, struct aw_token *token, struct aw_why *why)
{
    size_t           count = json_array_size(list);
    struct aw_slice *lanes;

    if (!json_is_array(list) || count == 0 || count > AW_TOKEN_LANES_MAX)
        return aw_why(why, AW_E_CONFIG, "lanes is a list of 1 to %u", AW_TOKEN_LANES_MAX);
    lanes = aw_arena_take_zeroed(arena, count, sizeof(lanes[0]));
    for (size_t i = 0; lanes != NULL && i < count; i++) {
        struct aw_slice text = text_of(json_array_get(list, i));

        if (!json_is_string(json_array_get(list, i)) || !is_word(text, AW_LANE_BYTES_MAX))
            return aw_why(why, AW_E_CONFIG, "lanes holds names of lanes");
        if (!aw_arena_copy(arena, text, &lanes[i]))
            lanes = NULL;
    }
    token->lanes = lanes;
    token->lane_count = (uint32_t)count;
    return lanes == NULL ? aw_why(why, AW_E_MEMORY, "no memory for its lanes") : AW_OK;
}

static enum aw_err
read_time(const json_t *value, const char *key, aw_ms *ret_at, struct aw_why *why)
{
    if (!json_is_string(value) || !aw_time_parse(text_of(value), ret_at) || *ret_at == 0)
        return aw_why(why, AW_E_CONFIG, "%s is a time like 2027-01-01T00:00:00Z", key);
    return AW_OK;
}

static enum aw_err
read_text(struct aw_arena *arena, const json_t *value, const char *key, size_t bytes_max, struct aw_slice *ret_text,
          struct aw_why *why)
{
    if (!json_is_string(value) || !is_text(text_of(value), bytes_max))
        return aw_why(why, AW_E_CONFIG, "%s is a text of 1 to %zu bytes without control characters", key, bytes_max);
    return aw_arena_copy(arena, text_of(value), ret_text) ? AW_OK : aw_why(why, AW_E_MEMORY, "no memory for its %s", key);
}

/* One member; `seen` gets the bit of what must be there. */
#define SEEN_NAME 1U
#define SEEN_ROLE 2U
#define SEEN_HASH 4U

static enum aw_err
read_member(struct aw_arena *arena, const char *key, const json_t *value, struct aw_token *token, unsigned *seen,
            struct aw_why *why)
{
    if (strcmp(key, "name") == 0) {
        *seen |= SEEN_NAME;
        return read_text(arena, value, key, AW_AGENT_BYTES_MAX, &token->name, why);
    }
    if (strcmp(key, "role") == 0) {
        *seen |= SEEN_ROLE;
        return json_is_string(value) && aw_token_role_parse(text_of(value), &token->role)
                   ? AW_OK
                   : aw_why(why, AW_E_CONFIG, "role is gateway, agent, desk, supervisor or monitor");
    }
    if (strcmp(key, "hash") == 0) {
        *seen |= SEEN_HASH;
        return json_is_string(value) && read_hex(text_of(value), &token->hash)
                   ? AW_OK
                   : aw_why(why, AW_E_CONFIG, "hash is 64 hex digits in lower case");
    }
    if (strcmp(key, "override") == 0) {
        token->may_override = json_is_true(value);
        return json_is_boolean(value) ? AW_OK : aw_why(why, AW_E_CONFIG, "override is true or false");
    }
    if (strcmp(key, "certificate") == 0)
        return read_text(arena, value, key, AW_TOKEN_CERTIFICATE_MAX, &token->certificate, why);
    if (strcmp(key, "channels") == 0)
        return read_accounts(arena, value, token, why);
    if (strcmp(key, "lanes") == 0)
        return read_lanes(arena, value, token, why);
    if (strcmp(key, "made_at") == 0)
        return read_time(value, key, &token->made_at, why);
    if (strcmp(key, "expires_at") == 0)
        return read_time(value, key, &token->expires_at, why);
    return aw_why(why, AW_E_CONFIG, "a token has no member '%.64s'", key);
}

static bool
is_for_agents(enum aw_token_role role)
{
    return role == AW_TOKEN_AGENT || role == AW_TOKEN_DESK;
}

/* A bound that its role does not know would bound nothing. */
static enum aw_err
check_token(const struct aw_token *token, unsigned seen, struct aw_why *why)
{
    if ((seen & (SEEN_NAME | SEEN_ROLE)) != (SEEN_NAME | SEEN_ROLE))
        return aw_why(why, AW_E_CONFIG, "a token needs name and role");
    if (((seen & SEEN_HASH) != 0) == (token->certificate.len > 0))
        return aw_why(why, AW_E_CONFIG, "a token needs hash or certificate, not both");
    if (token->account_count > 0 && token->role != AW_TOKEN_GATEWAY)
        return aw_why(why, AW_E_CONFIG, "channels bound a gateway only");
    if (token->lane_count > 0 && !is_for_agents(token->role))
        return aw_why(why, AW_E_CONFIG, "lanes bound an agent or a desk only");
    if (token->may_override && !is_for_agents(token->role))
        return aw_why(why, AW_E_CONFIG, "override is for an agent or a desk only");
    return AW_OK;
}

/* What it may do, without how it is proved and when it was made: the line as it is written, less these. */
static bool
hash_rights(struct aw_arena *arena, struct aw_token *token)
{
    struct aw_token  rights = *token;
    struct aw_buffer buffer;
    struct aw_slice  bytes;

    rights.made_at = 0;
    aw_buffer_init(&buffer, arena);
    aw_token_line_write(&buffer, &rights);
    bytes = aw_buffer_slice(&buffer);
    return !buffer.failed && aw_sha256(&bytes, 1, &token->rights);
}

enum aw_err
aw_token_line_read(struct aw_arena *arena, struct aw_slice line, struct aw_token *ret_token, struct aw_why *why)
{
    json_error_t    at;
    json_t         *object = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, &at);
    struct aw_token token = {.role = AW_TOKEN_MONITOR};
    unsigned        seen = 0;
    enum aw_err     err = AW_OK;
    const char     *key;
    json_t         *value;

    if (!json_is_object(object)) {
        json_decref(object);
        return aw_why(why, AW_E_CONFIG, "is no JSON object"); /* not the parser's words: they hold what stands there */
    }
    json_object_foreach(object, key, value)
    {
        err = read_member(arena, key, value, &token, &seen, why);
        if (err != AW_OK)
            break;
    }
    json_decref(object);
    if (err == AW_OK)
        err = check_token(&token, seen, why);
    if (err == AW_OK && token.certificate.len > 0 && !aw_token_hash_certificate(token.certificate, &token.hash))
        err = aw_why(why, AW_E_MEMORY, "no memory for its hash");
    if (err == AW_OK && !hash_rights(arena, &token))
        err = aw_why(why, AW_E_MEMORY, "no memory for its hash");
    if (err == AW_OK)
        *ret_token = token;
    return err;
}

/* --- writing ------------------------------------------------------------------------------------------------------------------ */

static void
write_bounds(struct aw_json *json, const struct aw_token *token)
{
    if (token->account_count > 0) {
        aw_json_key(json, "channels");
        aw_json_array_begin(json);
        for (uint32_t i = 0; i < token->account_count; i++) {
            const struct aw_token_account *own = &token->accounts[i];
            char                           text[AW_CHANNEL_BYTES_MAX + 1 + AW_ACCOUNT_BYTES_MAX];
            size_t                         len = own->channel.len;

            memcpy(text, own->channel.ptr, len);
            if (own->account.len > 0) {
                text[len++] = '/';
                memcpy(text + len, own->account.ptr, own->account.len);
                len += own->account.len;
            }
            aw_json_string(json, aw_slice_of(text, len));
        }
        aw_json_array_end(json);
    }
    if (token->lane_count > 0) {
        aw_json_key(json, "lanes");
        aw_json_array_begin(json);
        for (uint32_t i = 0; i < token->lane_count; i++)
            aw_json_string(json, token->lanes[i]);
        aw_json_array_end(json);
    }
    if (token->may_override) {
        aw_json_key(json, "override");
        aw_json_bool(json, true);
    }
}

void
aw_token_line_write(struct aw_buffer *buffer, const struct aw_token *token)
{
    struct aw_json json;
    char           hash[2 * sizeof(token->hash.bytes) + 1];

    aw_json_init(&json, buffer);
    aw_json_object_begin(&json);
    aw_json_key(&json, "name");
    aw_json_string(&json, token->name);
    aw_json_key(&json, "role");
    aw_json_str(&json, aw_token_role_name(token->role));
    write_bounds(&json, token);
    if (token->certificate.len > 0) {
        aw_json_key(&json, "certificate");
        aw_json_string(&json, token->certificate);
    } else {
        write_hex(token->hash.bytes, sizeof(token->hash.bytes), hash);
        aw_json_key(&json, "hash");
        aw_json_str(&json, hash);
    }
    if (token->made_at != 0) {
        aw_json_key(&json, "made_at");
        aw_json_time(&json, token->made_at);
    }
    if (token->expires_at != 0) {
        aw_json_key(&json, "expires_at");
        aw_json_time(&json, token->expires_at);
    }
    aw_json_object_end(&json);
    aw_json_newline(&json);
}
