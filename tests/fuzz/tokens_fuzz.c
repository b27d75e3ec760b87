/* tokens_fuzz.c - any bytes as a file of tokens. What is taken keeps its bounds, is found by its hash, and is the same token when
 * it is written and read again; what is refused is refused with words. */
#include "access/line.h"
#include "access/tokens.h"
#include "base/arena.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_again(struct aw_arena *arena, const struct aw_token *token)
{
    struct aw_why    why = {""};
    struct aw_buffer buffer;
    struct aw_token  again;
    struct aw_slice  line;
    enum aw_err      err;

    AW_ASSERT(token->name.len >= 1 && token->name.len <= AW_AGENT_BYTES_MAX);
    AW_ASSERT((unsigned)token->role < AW_TOKEN_ROLES);
    AW_ASSERT(token->account_count <= AW_TOKEN_ACCOUNTS_MAX && token->lane_count <= AW_TOKEN_LANES_MAX);
    aw_buffer_init(&buffer, arena);
    aw_token_line_write(&buffer, token);
    AW_ASSERT(!buffer.failed);
    line = aw_slice_trim(aw_buffer_slice(&buffer));
    err = aw_token_line_read(arena, line, &again, &why);
    AW_ASSERT(err == AW_OK);
    AW_ASSERT(memcmp(again.hash.bytes, token->hash.bytes, sizeof(token->hash.bytes)) == 0);
    AW_ASSERT(memcmp(again.rights.bytes, token->rights.bytes, sizeof(token->rights.bytes)) == 0);
    AW_ASSERT(again.made_at == token->made_at && again.expires_at == token->expires_at);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct aw_blocks *blocks;
    struct aw_arena          arena;
    struct aw_tokens        *tokens = NULL;
    struct aw_why            why = {""};

    if (blocks == NULL) {
        blocks = aw_blocks_new(64 * AW_KIB, 64 * AW_MIB);
        AW_ASSERT(blocks != NULL && aw_hash_init());
    }
    if (aw_tokens_parse(&tokens, size == 0 ? AW_SLICE("") : aw_slice_of(data, size), 1000, &why) != AW_OK) {
        AW_ASSERT(tokens == NULL && why.text[0] != '\0');
        return 0;
    }
    AW_ASSERT(aw_tokens_count(tokens) <= 1000 && aw_tokens_valid(tokens, 0) <= aw_tokens_count(tokens));
    aw_arena_init(&arena, blocks);
    for (uint32_t i = 0; i < aw_tokens_count(tokens); i++) {
        const struct aw_token *token = aw_tokens_at(tokens, i);

        AW_ASSERT(aw_tokens_same(tokens, token) != NULL);
        check_again(&arena, token);
    }
    aw_arena_reset(&arena);
    aw_tokens_free(&tokens);
    return 0;
}
