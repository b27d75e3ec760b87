/* The file of tokens: what is written is read as it was, a wrong line is refused with its number and without what it holds, tokens
 * are found by their secret or certificate alone, and a file is replaced as a whole. */
#include "access/tokens.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NAME "\"name\":\"ann\",\"role\":\"agent\""

static enum aw_err
parse(struct aw_tokens **ret_tokens, const char *text, struct aw_why *why)
{
    return aw_tokens_parse(ret_tokens, aw_slice_str(text), 3, why);
}

static void
check_refused(const char *text, const char *words)
{
    struct aw_tokens *tokens = NULL;
    struct aw_why     why = {.text = ""};

    assert_int_equal(parse(&tokens, text, &why), AW_E_CONFIG);
    assert_null(tokens);
    if (strstr(why.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.text, words);
    assert_null(strstr(why.text, "0123456789abcdef"));
}

static void
test_lines(void **state)
{
    static const char      good[] = "\n{" NAME ",\"hash\":\"" HASH "\",\"lanes\":[\"main\",\"refunds\"],\"override\":true}\r\n"
                                    "   \n"
                                    "{\"name\":\"WhatsApp Cloud\",\"role\":\"gateway\",\"channels\":[\"whatsapp\",\"twitter/a/b\"],"
                                    "\"certificate\":\"spiffe://air/wa\",\"expires_at\":\"2027-01-01T00:00:00Z\"}";
    struct aw_tokens      *tokens = NULL;
    struct aw_why          why = {.text = ""};
    const struct aw_token *token;

    (void)state;
    assert_int_equal(parse(&tokens, good, &why), AW_OK);
    assert_int_equal(aw_tokens_count(tokens), 2);
    token = aw_tokens_at(tokens, 0);
    assert_int_equal(token->role, AW_TOKEN_AGENT);
    assert_true(token->may_override);
    assert_true(aw_token_has_lane(token, AW_SLICE("refunds")));
    assert_false(aw_token_has_lane(token, AW_SLICE("refund")));
    assert_true(aw_token_is_valid(token, AW_MS_MAX));
    token = aw_tokens_at(tokens, 1);
    assert_true(aw_slice_eq(token->name, AW_SLICE("WhatsApp Cloud")));
    assert_true(aw_token_has_account(token, AW_SLICE("whatsapp"), AW_SLICE("any")));
    assert_true(aw_token_has_account(token, AW_SLICE("twitter"), AW_SLICE("a/b")));
    assert_false(aw_token_has_account(token, AW_SLICE("twitter"), AW_SLICE("a")));
    assert_false(aw_token_has_account(token, AW_SLICE("mail"), AW_SLICE("any")));
    assert_true(aw_token_is_valid(token, token->expires_at - 1));
    assert_false(aw_token_is_valid(token, token->expires_at));
    assert_int_equal(aw_tokens_valid(tokens, token->expires_at), 1);
    assert_ptr_equal(aw_tokens_of_certificate(tokens, AW_SLICE("spiffe://air/wa")), token);
    assert_null(aw_tokens_of_certificate(tokens, AW_SLICE("spiffe://air/w")));
    assert_null(aw_tokens_of_certificate(tokens, AW_SLICE("")));
    aw_tokens_free(&tokens);
    assert_int_equal(parse(&tokens, "", &why), AW_OK);
    assert_int_equal(aw_tokens_count(tokens), 0);
    assert_null(aw_tokens_of_secret(tokens, AW_SLICE("x")));
    aw_tokens_free(&tokens);
}

static void
test_wrong_lines(void **state)
{
    (void)state;
    check_refused("{" NAME ",\"hash\":\"" HASH "\"}\n{" NAME ",\"hash\":\"" HASH "\"}", "line 2: the same token");
    check_refused("x" HASH, "line 1: is no JSON object");
    check_refused("[\"" HASH "\"]", "is no JSON object");
    check_refused("{" NAME "} x", "is no JSON object");
    check_refused("{" NAME "}", "hash or certificate, not both");
    check_refused("{" NAME ",\"hash\":\"" HASH "\",\"certificate\":\"x\"}", "hash or certificate, not both");
    check_refused("{\"name\":\"ann\",\"hash\":\"" HASH "\"}", "needs name and role");
    check_refused("{\"role\":\"agent\",\"hash\":\"" HASH "\"}", "needs name and role");
    check_refused("{\"name\":\"\",\"role\":\"agent\",\"hash\":\"" HASH "\"}", "name is a text");
    check_refused("{\"name\":\" ann\",\"role\":\"agent\",\"hash\":\"" HASH "\"}", "name is a text");
    check_refused("{\"name\":\"a\\nb\",\"role\":\"agent\",\"hash\":\"" HASH "\"}", "name is a text");
    check_refused("{\"name\":\"ann\",\"role\":\"admin\",\"hash\":\"" HASH "\"}", "role is gateway");
    check_refused("{" NAME ",\"hash\":\"" HASH "0\"}", "64 hex digits");
    check_refused("{" NAME ",\"hash\":\"X" HASH "\"}", "64 hex digits");
    check_refused("{" NAME ",\"hash\":\"" HASH "\",\"lane\":[\"main\"]}", "no member 'lane'");
    check_refused("{" NAME ",\"hash\":\"" HASH "\",\"lanes\":[]}", "lanes is a list");
    check_refused("{" NAME ",\"hash\":\"" HASH "\",\"lanes\":[\"Main\"]}", "names of lanes");
    check_refused("{" NAME ",\"hash\":\"" HASH "\",\"lanes\":[\"main\",1]}", "names of lanes");
    check_refused("{" NAME ",\"hash\":\"" HASH "\",\"channels\":[\"mail\"]}", "bound a gateway only");
    check_refused("{\"name\":\"g\",\"role\":\"gateway\",\"hash\":\"" HASH "\",\"lanes\":[\"main\"]}", "bound an agent");
    check_refused("{\"name\":\"g\",\"role\":\"gateway\",\"hash\":\"" HASH "\",\"channels\":[\"mail/\"]}", "channels holds texts");
    check_refused("{\"name\":\"g\",\"role\":\"gateway\",\"hash\":\"" HASH "\",\"override\":true}", "override is for");
    check_refused("{" NAME ",\"hash\":\"" HASH "\",\"override\":1}", "true or false");
    check_refused("{" NAME ",\"hash\":\"" HASH "\",\"expires_at\":\"soon\"}", "expires_at is a time");
    check_refused("{" NAME ",\"hash\":\"" HASH "\",\"hash\":\"" HASH "\"}", "is no JSON object");
    check_refused("x\nx\n\nx\nx", "there are 4 tokens, at most 3"); /* counted before they are read */
}

/* What is made is found by its secret, and by nothing that is near it. */
static void
test_secrets(void **state)
{
    char                   secret[AW_TOKEN_SECRET_CHARS + 1], other[AW_TOKEN_SECRET_CHARS + 1], path[] = "tokens_test.XXXXXX";
    struct aw_token        token = {.name = AW_SLICE("ann"), .role = AW_TOKEN_SUPERVISOR, .made_at = 1000, .expires_at = 2000};
    struct aw_token        changed;
    struct aw_sha256       unused;
    const struct aw_token *list[] = {&token};
    struct aw_tokens      *first = NULL, *second = NULL;
    struct aw_why          why = {.text = ""};
    struct stat            about;

    (void)state;
    assert_true(aw_token_make_secret(secret, &token.hash));
    assert_true(aw_token_make_secret(other, &unused));
    assert_string_not_equal(secret, other);
    assert_true(close(mkstemp(path)) == 0);
    assert_int_equal(aw_tokens_save(path, list, 1, &why), AW_OK);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(aw_tokens_load(&first, path, 1, &why), AW_OK);
    assert_ptr_equal(aw_tokens_of_secret(first, aw_slice_str(secret)), aw_tokens_at(first, 0));
    assert_null(aw_tokens_of_secret(first, aw_slice_str(other)));
    assert_null(aw_tokens_of_secret(first, aw_slice_of(secret, AW_TOKEN_SECRET_CHARS - 1)));
    assert_null(aw_tokens_of_certificate(first, aw_slice_str(secret)));
    /* The same line is the same token; with other rights it is another one, when it was made is no right. */
    token.made_at = 1500;
    assert_int_equal(aw_tokens_save(path, list, 1, &why), AW_OK);
    assert_int_equal(aw_tokens_load(&second, path, 1, &why), AW_OK);
    assert_ptr_equal(aw_tokens_same(second, aw_tokens_at(first, 0)), aw_tokens_at(second, 0));
    aw_tokens_free(&second);
    changed = token;
    changed.role = AW_TOKEN_MONITOR;
    list[0] = &changed;
    assert_int_equal(aw_tokens_save(path, list, 1, &why), AW_OK);
    assert_int_equal(aw_tokens_load(&second, path, 1, &why), AW_OK);
    assert_null(aw_tokens_same(second, aw_tokens_at(first, 0)));
    aw_tokens_free(&second);
    aw_tokens_free(&first);
    (void)unlink(path);
}

static void
test_files(void **state)
{
    char              path[] = "tokens_test.XXXXXX";
    struct aw_tokens *tokens = NULL;
    struct aw_why     why = {.text = ""};

    (void)state;
    assert_true(close(mkstemp(path)) == 0);
    assert_int_equal(chmod(path, 0620), 0);
    assert_int_equal(aw_tokens_load(&tokens, path, 1, &why), AW_E_CONFIG);
    assert_non_null(strstr(why.text, "by others than its owner"));
    assert_int_equal(truncate(path, AW_TOKENS_FILE_BYTES_MAX + 1), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(aw_tokens_load(&tokens, path, 1, &why), AW_E_CONFIG);
    assert_non_null(strstr(why.text, "more than"));
    (void)unlink(path);
    assert_int_equal(aw_tokens_load(&tokens, path, 1, &why), AW_E_NOT_FOUND);
    assert_int_equal(aw_tokens_load(&tokens, ".", 1, &why), AW_E_CONFIG);
    assert_int_equal(aw_tokens_save("no-such-folder/tokens", NULL, 0, &why), AW_E_IO);
    assert_null(tokens);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_wrong_lines),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_files),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
