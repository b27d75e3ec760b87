/* tokenbook.c - sets, newest first; each goes when all its kits are back. */
#include "run/tokenbook.h"

#include "base/mem.h"

#include <stdlib.h>

/* Kits that one io thread may have at once: who reloads faster than old requests end waits for them, and the mailbox back has room
 * for all. */
#define KITS_OUT_MAX 8U

struct aw_token_set {
    struct aw_token_set *older;
    struct aw_tokens    *tokens; /* owns */
    uint32_t             out;    /* kits that are not back */
    struct aw_token_kit  kits[];
};

struct aw_tokenbook {
    const char           *path;
    uint32_t              tokens_max;
    uint32_t              io_count;
    struct aw_token_set  *newest;  /* owns, and through it the others */
    struct aw_token_kit **to_hand; /* by io thread; NULL: it has the newest */
    uint32_t             *out;     /* by io thread: its kits that are not back */
};

static void
free_set(struct aw_token_set *set)
{
    aw_tokens_free(&set->tokens);
    free(set);
}

static enum aw_err
load(struct aw_tokenbook *book, struct aw_token_set **ret_set, struct aw_why *why)
{
    struct aw_token_set *set = calloc(1, sizeof(*set) + book->io_count * sizeof(set->kits[0]));
    enum aw_err          err;

    if (set == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the tokens");
    err = aw_tokens_load(&set->tokens, book->path, book->tokens_max, why);
    if (err != AW_OK) {
        free_set(set);
        return err;
    }
    for (uint32_t i = 0; i < book->io_count; i++)
        set->kits[i] =
            (struct aw_token_kit){.arrival = {.fd = -1, .io = i, .tokens = &set->kits[i]}, .tokens = set->tokens, .set = set};
    *ret_set = set; /* the caller owns it from here */
    return AW_OK;
}

enum aw_err
aw_tokenbook_new(struct aw_tokenbook **ret_book, const char *path, uint32_t tokens_max, uint32_t io_count, aw_ms now,
                 struct aw_why *why)
{
    struct aw_tokenbook *book = aw_new(struct aw_tokenbook);
    enum aw_err          err;

    if (book == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the tokens");
    book->path = path;
    book->tokens_max = tokens_max;
    book->io_count = io_count;
    book->to_hand = aw_new_array(struct aw_token_kit *, io_count);
    book->out = aw_new_array(uint32_t, io_count);
    if (book->to_hand == NULL || book->out == NULL)
        err = aw_why(why, AW_E_MEMORY, "no memory for the tokens");
    else
        err = load(book, &book->newest, why);
    if (err == AW_OK && aw_tokens_valid(book->newest->tokens, now) == 0)
        err = aw_why(why, AW_E_CONFIG, "the tokens %s: none of them is valid, so nobody could do anything; see aswolk help token",
                     path);
    if (err == AW_OK)
        *ret_book = book; /* the caller owns it from here */
    else
        aw_tokenbook_free(&book);
    return err;
}

struct aw_token_kit *
aw_tokenbook_first(struct aw_tokenbook *book, uint32_t io)
{
    AW_ASSERT(io < book->io_count);
    book->newest->out++;
    book->out[io]++;
    return &book->newest->kits[io];
}

/* Frees sets that nobody uses any more. */
static void
sweep(struct aw_tokenbook *book)
{
    struct aw_token_set **at = &book->newest->older;

    while (*at != NULL) {
        struct aw_token_set *set = *at;

        if (set->out > 0) {
            at = &set->older;
            continue;
        }
        *at = set->older;
        free_set(set);
    }
}

enum aw_err
aw_tokenbook_reload(struct aw_tokenbook *book, struct aw_why *why)
{
    struct aw_token_set *set = NULL;
    enum aw_err          err = load(book, &set, why);

    if (err != AW_OK)
        return err;
    AW_ASSERT(set != NULL);
    set->older = book->newest;
    book->newest = set;
    for (uint32_t i = 0; i < book->io_count; i++)
        book->to_hand[i] = &set->kits[i]; /* one that was not handed over yet is passed by */
    sweep(book);
    return AW_OK;
}

bool
aw_tokenbook_hand(struct aw_tokenbook *book, struct aw_io *ios)
{
    bool all = true;

    for (uint32_t i = 0; i < book->io_count; i++) {
        if (book->to_hand[i] == NULL)
            continue;
        if (book->out[i] >= KITS_OUT_MAX || !aw_io_try_arrive(&ios[i], &book->to_hand[i]->arrival)) {
            all = false;
            continue;
        }
        book->newest->out++;
        book->out[i]++;
        book->to_hand[i] = NULL;
    }
    return all;
}

void
aw_tokenbook_take(struct aw_tokenbook *book, struct aw_token_kit *kit)
{
    AW_ASSERT(kit->set->out > 0);
    AW_ASSERT(book->out[kit->arrival.io] > 0);
    book->out[kit->arrival.io]--;
    kit->set->out--;
    sweep(book);
}

const struct aw_tokens *
aw_tokenbook_tokens(const struct aw_tokenbook *book)
{
    return book->newest->tokens;
}

void
aw_tokenbook_free(struct aw_tokenbook **book)
{
    if (*book == NULL)
        return;
    while ((*book)->newest != NULL) {
        struct aw_token_set *set = (*book)->newest;

        (*book)->newest = set->older;
        free_set(set);
    }
    free((*book)->to_hand);
    free((*book)->out);
    free(*book);
    *book = NULL;
}
