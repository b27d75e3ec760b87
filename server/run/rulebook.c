/* rulebook.c - sets of rules and who still uses them. */
#include "run/rulebook.h"

#include "base/mem.h"

#include <stdlib.h>

struct aw_rule_set {
    struct aw_rules     *rules; /* owns */
    struct aw_rules_kit *kits;  /* owns: one an io thread */
    uint32_t             out;   /* kits that io threads have */
    struct aw_rule_set  *older;
};

struct aw_rulebook {
    const char           *folder;  /* borrows */
    struct aw_rule_set   *newest;  /* owns it and all older ones that are still out */
    struct aw_rules_kit **to_hand; /* by io thread; NULL: it has the newest */
    uint32_t              io_count;
};

static void
free_set(struct aw_rule_set *set, uint32_t io_count)
{
    for (uint32_t i = 0; set->kits != NULL && i < io_count; i++)
        aw_rules_scratch_free(&set->kits[i].use.scratch);
    free(set->kits);
    aw_rules_free(&set->rules);
    free(set);
}

static enum aw_err
load_set(struct aw_rule_set **ret_set, const struct aw_rulebook *book, struct aw_why *why)
{
    struct aw_rule_set *set = aw_new(struct aw_rule_set);
    enum aw_err         err;

    if (set == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the rules");
    err = aw_rules_load(&set->rules, book->folder, why);
    if (err != AW_OK)
        goto fail;
    set->kits = aw_new_array(struct aw_rules_kit, book->io_count);
    for (uint32_t i = 0; set->kits != NULL && i < book->io_count; i++) {
        struct aw_rules_kit *kit = &set->kits[i];

        *kit = (struct aw_rules_kit){.arrival = {.fd = -1, .kit = kit}, .use = {.rules = set->rules}, .set = set};
        kit->use.scratch = aw_rules_scratch_new(set->rules);
        if (kit->use.scratch == NULL)
            err = AW_E_MEMORY;
    }
    if (set->kits == NULL || err != AW_OK) {
        err = aw_why(why, AW_E_MEMORY, "no memory for the rules");
        goto fail;
    }
    *ret_set = set; /* the caller owns it from here */
    return AW_OK;
fail:
    free_set(set, book->io_count);
    return err;
}

enum aw_err
aw_rulebook_new(struct aw_rulebook **ret_book, const char *folder, uint32_t io_count, struct aw_why *why)
{
    struct aw_rulebook *book = aw_new(struct aw_rulebook);
    enum aw_err         err;

    if (book == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the rules");
    book->folder = folder;
    book->io_count = io_count;
    book->to_hand = aw_new_array(struct aw_rules_kit *, io_count);
    err = book->to_hand == NULL ? aw_why(why, AW_E_MEMORY, "no memory for the rules") : load_set(&book->newest, book, why);
    if (err == AW_OK)
        *ret_book = book; /* the caller owns it from here */
    else
        aw_rulebook_free(&book);
    return err;
}

struct aw_rules_kit *
aw_rulebook_first(struct aw_rulebook *book, uint32_t io)
{
    AW_ASSERT(io < book->io_count);
    book->newest->out++;
    return &book->newest->kits[io];
}

/* Frees sets that nobody uses any more. */
static void
sweep(struct aw_rulebook *book)
{
    struct aw_rule_set **at = &book->newest->older;

    while (*at != NULL) {
        struct aw_rule_set *set = *at;

        if (set->out > 0) {
            at = &set->older;
            continue;
        }
        *at = set->older;
        free_set(set, book->io_count);
    }
}

enum aw_err
aw_rulebook_reload(struct aw_rulebook *book, struct aw_why *why)
{
    struct aw_rule_set *set = NULL;
    enum aw_err         err = load_set(&set, book, why);

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
aw_rulebook_hand(struct aw_rulebook *book, struct aw_io *ios)
{
    bool all = true;

    for (uint32_t i = 0; i < book->io_count; i++) {
        if (book->to_hand[i] == NULL)
            continue;
        if (!aw_io_try_arrive(&ios[i], &book->to_hand[i]->arrival)) {
            all = false;
            continue;
        }
        book->newest->out++;
        book->to_hand[i] = NULL;
    }
    return all;
}

void
aw_rulebook_take(struct aw_rulebook *book, struct aw_rules_kit *kit)
{
    AW_ASSERT(kit->set->out > 0);
    kit->set->out--;
    sweep(book);
}

const struct aw_rules *
aw_rulebook_rules(const struct aw_rulebook *book)
{
    return book->newest->rules;
}

void
aw_rulebook_free(struct aw_rulebook **book)
{
    if (*book == NULL)
        return;
    while ((*book)->newest != NULL) {
        struct aw_rule_set *set = (*book)->newest;

        (*book)->newest = set->older;
        free_set(set, (*book)->io_count);
    }
    free((*book)->to_hand);
    free(*book);
    *book = NULL;
}
