/* rulebook.c - sets of rules and who still uses them. */
#include "run/rulebook.h"

#include "base/latch.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

struct aw_rule_set {
    struct aw_rules     *rules;   /* owns */
    struct aw_rules     *replies; /* owns */
    struct aw_rules_kit *kits;    /* owns: one an io thread */
    uint32_t             out;     /* kits that io threads have */
    struct aw_rule_set  *older;
};

/* A load under way. */
struct load {
    pthread_t       thread;
    const char     *folder; /* borrows */
    uint32_t        io_count;
    struct aw_wake *wake; /* borrows */
    /* The thread's, until it is joined. */
    struct aw_rule_set *set;
    enum aw_err         err;
    struct aw_why       why;
    struct aw_latch     is_over;
};

struct aw_rulebook {
    const char           *folder;  /* borrows */
    struct aw_wake       *wake;    /* borrows */
    struct load          *load;    /* owns; NULL: none */
    bool                  again;   /* somebody asked during the load */
    struct aw_rule_set   *newest;  /* owns it and all older ones that are still out */
    struct aw_rules_kit **to_hand; /* by io thread; NULL: it has the newest */
    uint32_t              io_count;
};

static void
free_scratches(struct aw_rules_kit *kit)
{
    aw_rules_scratch_free(&kit->use.scratch);
    aw_rules_scratch_free(&kit->replies.scratch);
}

static void
free_set(struct aw_rule_set *set, uint32_t io_count)
{
    for (uint32_t i = 0; set->kits != NULL && i < io_count; i++)
        free_scratches(&set->kits[i]);
    free(set->kits);
    aw_rules_free(&set->rules);
    aw_rules_free(&set->replies);
    free(set);
}

static enum aw_err
make_kits(struct aw_rule_set *set, uint32_t io_count)
{
    set->kits = aw_new_array(struct aw_rules_kit, io_count);
    for (uint32_t i = 0; set->kits != NULL && i < io_count; i++) {
        struct aw_rules_kit *kit = &set->kits[i];

        *kit = (struct aw_rules_kit){.arrival = {.fd = -1, .kit = kit}, .set = set};
        kit->use = (struct aw_rules_use){.rules = set->rules, .scratch = aw_rules_scratch_new(set->rules)};
        kit->replies = (struct aw_rules_use){.rules = set->replies, .scratch = aw_rules_scratch_new(set->replies)};
        if (kit->use.scratch == NULL || kit->replies.scratch == NULL)
            return AW_E_MEMORY;
    }
    return set->kits == NULL ? AW_E_MEMORY : AW_OK;
}

static enum aw_err
load_set(struct aw_rule_set **ret_set, const char *folder, uint32_t io_count, struct aw_why *why)
{
    struct aw_rule_set *set = aw_new(struct aw_rule_set);
    enum aw_err         err;

    if (set == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the rules");
    err = aw_rules_load(&set->rules, AW_RULES_MESSAGES, folder, why);
    if (err == AW_OK)
        err = aw_rules_load(&set->replies, AW_RULES_REPLIES, folder, why);
    if (err != AW_OK)
        goto fail;
    err = make_kits(set, io_count);
    if (err != AW_OK) {
        err = aw_why(why, AW_E_MEMORY, "no memory for the rules");
        goto fail;
    }
    *ret_set = set; /* the caller owns it from here */
    return AW_OK;
fail:
    free_set(set, io_count);
    return err;
}

/* --- loading ---------------------------------------------------------------------------------------------------------------- */

static void *
run_load(void *arg)
{
    struct load *load = arg;

    load->err = load_set(&load->set, load->folder, load->io_count, &load->why);
    aw_latch_set(&load->is_over);
    aw_wake_up(load->wake);
    return NULL;
}

static enum aw_err
begin_load(struct aw_rulebook *book, struct aw_why *why)
{
    struct load *load = aw_new(struct load);

    if (load == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the rules");
    *load = (struct load){.folder = book->folder, .io_count = book->io_count, .wake = book->wake};
    if (pthread_create(&load->thread, NULL, run_load, load) != 0) {
        free(load);
        return aw_why(why, AW_E_MEMORY, "no thread to load the rules");
    }
    (void)pthread_setname_np(load->thread, "rules"); /* only for people who look at the process */
    book->load = load;
    return AW_OK;
}

/* Waits for the load and takes what came of it. */
static enum aw_err
end_load(struct aw_rulebook *book, struct aw_rule_set **ret_set, struct aw_why *why)
{
    struct load *load = book->load;
    enum aw_err  err;

    AW_ASSERT(load != NULL);
    (void)pthread_join(load->thread, NULL); /* fails only for a thread that is not there */
    err = load->err;
    if (err == AW_OK)
        *ret_set = load->set; /* the caller owns it from here */
    else
        *why = load->why;
    book->load = NULL;
    free(load);
    return err;
}

enum aw_err
aw_rulebook_new(struct aw_rulebook **ret_book, const char *folder, uint32_t io_count, struct aw_wake *wake, struct aw_why *why)
{
    struct aw_rulebook *book = aw_new(struct aw_rulebook);
    enum aw_err         err;

    if (book == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the rules");
    book->folder = folder;
    book->wake = wake;
    book->io_count = io_count;
    book->to_hand = aw_new_array(struct aw_rules_kit *, io_count);
    err = book->to_hand == NULL ? aw_why(why, AW_E_MEMORY, "no memory for the rules") : begin_load(book, why);
    if (err == AW_OK)
        *ret_book = book; /* the caller owns it from here */
    else
        aw_rulebook_free(&book);
    return err;
}

enum aw_err
aw_rulebook_wait(struct aw_rulebook *book, struct aw_why *why)
{
    AW_ASSERT(book->newest == NULL);
    return end_load(book, &book->newest, why);
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
    AW_ASSERT(book->newest != NULL);
    book->again = book->load != NULL;
    return book->again ? AW_OK : begin_load(book, why);
}

static void
put_in_front(struct aw_rulebook *book, struct aw_rule_set *set)
{
    set->older = book->newest;
    book->newest = set;
    for (uint32_t i = 0; i < book->io_count; i++)
        book->to_hand[i] = &set->kits[i]; /* one that was not handed over yet is passed by */
    sweep(book);
}

enum aw_rulebook_news
aw_rulebook_poll(struct aw_rulebook *book, struct aw_why *why)
{
    struct aw_rule_set *set = NULL;
    enum aw_err         err;

    if (book->load == NULL || !aw_latch_is_set(&book->load->is_over))
        return AW_RULEBOOK_NONE;
    err = end_load(book, &set, why);
    if (err == AW_OK)
        put_in_front(book, set);
    if (book->again) {
        book->again = false;
        if (begin_load(book, why) != AW_OK)
            return AW_RULEBOOK_FAILED; /* what was loaded before is handed out all the same */
    }
    return err == AW_OK ? AW_RULEBOOK_LOADED : AW_RULEBOOK_FAILED;
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
aw_rulebook_rules(const struct aw_rulebook *book, enum aw_rules_side side)
{
    return side == AW_RULES_REPLIES ? book->newest->replies : book->newest->rules;
}

void
aw_rulebook_free(struct aw_rulebook **book)
{
    struct aw_rule_set *unused = NULL;
    struct aw_why       why;

    if (*book == NULL)
        return;
    if ((*book)->load != NULL && end_load(*book, &unused, &why) == AW_OK)
        free_set(unused, (*book)->io_count);
    while ((*book)->newest != NULL) {
        struct aw_rule_set *set = (*book)->newest;

        (*book)->newest = set->older;
        free_set(set, (*book)->io_count);
    }
    free((*book)->to_hand);
    free(*book);
    *book = NULL;
}
