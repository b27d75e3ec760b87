/* run_rulebook_test.c - proves that the book loads beside its owner: the first set is there after a wait, what is asked for during
 * a load is loaded after it, a load that fails leaves the set in use, and a book is freed in mid-load.
 *
 * How: a folder with one file of rules, changed between loads; the owner sleeps on its wake until there is news.
 */
#include "support/test.h"

#include "base/hash.h"
#include "run/rulebook.h"
#include "unit/store_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IO_COUNT 2U

struct owner {
    struct aw_wake      wake;
    struct aw_rulebook *book;
    char                folder[256];
    char                path[300];
    char                reply_folder[280];
    char                reply_path[300];
};

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void
write_rules(const struct owner *owner, const char *text)
{
    write_file(owner->path, text);
}

#define REPLY_RULES(name) "language en\nrule " name " refer phone\nsay call the elephant\n+ call the elephant\n- it called\n"
#define RULES(name)       "language en\nrule " name " care medical\nsay purple elephant\n+ a purple elephant\n- a grey elephant\n"

static int
make_owner(void **state)
{
    struct owner *owner = calloc(1, sizeof(*owner));
    struct aw_why why;

    assert_non_null(owner);
    kit_scratch(owner->folder);
    (void)snprintf(owner->path, sizeof(owner->path), "%s/en.rules", owner->folder);
    (void)snprintf(owner->reply_folder, sizeof(owner->reply_folder), "%s/replies", owner->folder);
    (void)snprintf(owner->reply_path, sizeof(owner->reply_path), "%s/en.rules", owner->reply_folder);
    assert_int_equal(mkdir(owner->reply_folder, 0700), 0);
    write_rules(owner, RULES("one"));
    write_file(owner->reply_path, REPLY_RULES("one"));
    assert_int_equal(aw_wake_init(&owner->wake, &why), AW_OK);
    assert_int_equal(aw_rulebook_new(&owner->book, owner->folder, IO_COUNT, &owner->wake, &why), AW_OK);
    *state = owner;
    return 0;
}

static int
free_owner(void **state)
{
    struct owner *owner = *state;

    aw_rulebook_free(&owner->book);
    assert_null(owner->book);
    aw_wake_fini(&owner->wake);
    (void)unlink(owner->path);
    (void)unlink(owner->reply_path);
    assert_int_equal(rmdir(owner->reply_folder), 0);
    assert_int_equal(rmdir(owner->folder), 0);
    free(owner);
    return 0;
}

static enum aw_rulebook_news
wait_for_news(struct owner *owner, struct aw_why *why)
{
    enum aw_rulebook_news news;

    for (;;) {
        aw_wake_prepare(&owner->wake);
        news = aw_rulebook_poll(owner->book, why);
        if (news != AW_RULEBOOK_NONE) {
            aw_wake_clear(&owner->wake);
            return news;
        }
        aw_wake_wait(&owner->wake, AW_NS_NEVER);
    }
}

static uint32_t
version_of(const struct owner *owner)
{
    return aw_rules_version(aw_rulebook_rules(owner->book, AW_RULES_MESSAGES));
}

static void
test_reloads(void **state)
{
    struct owner        *owner = *state;
    struct aw_rules_kit *kits[IO_COUNT];
    struct aw_why        why;
    uint32_t             one, two;

    assert_int_equal(aw_rulebook_wait(owner->book, &why), AW_OK);
    one = version_of(owner);
    for (uint32_t i = 0; i < IO_COUNT; i++)
        kits[i] = aw_rulebook_first(owner->book, i);
    assert_int_equal(aw_rulebook_poll(owner->book, &why), AW_RULEBOOK_NONE);
    /* Twice quickly: the second load begins after the first, and so reads what was there when it was asked for. */
    assert_int_equal(aw_rulebook_reload(owner->book, &why), AW_OK);
    write_rules(owner, RULES("two"));
    assert_int_equal(aw_rulebook_reload(owner->book, &why), AW_OK);
    assert_int_equal(version_of(owner), one);
    (void)wait_for_news(owner, &why); /* of a file that was being written: whatever it was */
    assert_int_equal(wait_for_news(owner, &why), AW_RULEBOOK_LOADED);
    two = version_of(owner);
    assert_int_not_equal(two, one);
    assert_int_equal(aw_rulebook_poll(owner->book, &why), AW_RULEBOOK_NONE);
    /* A wrong file: its words, and the set stays. */
    write_rules(owner, "language en\nrule x care\n");
    assert_int_equal(aw_rulebook_reload(owner->book, &why), AW_OK);
    assert_int_equal(wait_for_news(owner, &why), AW_RULEBOOK_FAILED);
    assert_non_null(strstr(why.text, "en.rules line 2"));
    assert_int_equal(version_of(owner), two);
    for (uint32_t i = 0; i < IO_COUNT; i++)
        aw_rulebook_take(owner->book, kits[i]); /* the last one frees the first set */
}

/* The rules for replies come and go with the others: a wrong file among them leaves both sets in use. */
static void
test_replies(void **state)
{
    struct owner        *owner = *state;
    struct aw_rules_kit *kit;
    struct aw_why        why;
    uint32_t             one;

    assert_int_equal(aw_rulebook_wait(owner->book, &why), AW_OK);
    kit = aw_rulebook_first(owner->book, 0);
    assert_ptr_equal(kit->replies.rules, aw_rulebook_rules(owner->book, AW_RULES_REPLIES));
    assert_non_null(kit->replies.scratch);
    one = aw_rules_version(kit->replies.rules);
    write_file(owner->reply_path, REPLY_RULES("two"));
    assert_int_equal(aw_rulebook_reload(owner->book, &why), AW_OK);
    assert_int_equal(wait_for_news(owner, &why), AW_RULEBOOK_LOADED);
    assert_int_not_equal(aw_rules_version(aw_rulebook_rules(owner->book, AW_RULES_REPLIES)), one);
    assert_int_equal(aw_rules_version(kit->replies.rules), one); /* who has the old one keeps it */
    one = aw_rules_version(aw_rulebook_rules(owner->book, AW_RULES_REPLIES));
    write_rules(owner, RULES("two"));
    write_file(owner->reply_path, RULES("three"));
    assert_int_equal(aw_rulebook_reload(owner->book, &why), AW_OK);
    assert_int_equal(wait_for_news(owner, &why), AW_RULEBOOK_FAILED);
    assert_non_null(strstr(why.text, "neither `refer` nor `reveal`"));
    assert_int_equal(aw_rules_version(aw_rulebook_rules(owner->book, AW_RULES_REPLIES)), one);
    aw_rulebook_take(owner->book, kit);
}

/* The first load fails. */
static void
test_wrong_at_first(void **state)
{
    struct owner *owner = *state;
    struct aw_why why;

    aw_rulebook_free(&owner->book);
    write_rules(owner, "language en\nrule x care\n");
    assert_int_equal(aw_rulebook_new(&owner->book, owner->folder, IO_COUNT, &owner->wake, &why), AW_OK);
    assert_int_equal(aw_rulebook_wait(owner->book, &why), AW_E_CONFIG);
    assert_non_null(strstr(why.text, "en.rules line 2"));
}

/* Before the first set was waited for, and with a second one under way. */
static void
test_freed_in_mid_load(void **state)
{
    struct owner *owner = *state;
    struct aw_why why;

    aw_rulebook_free(&owner->book);
    assert_int_equal(aw_rulebook_new(&owner->book, owner->folder, IO_COUNT, &owner->wake, &why), AW_OK);
    assert_int_equal(aw_rulebook_wait(owner->book, &why), AW_OK);
    assert_int_equal(aw_rulebook_reload(owner->book, &why), AW_OK);
    assert_int_equal(aw_rulebook_reload(owner->book, &why), AW_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reloads, make_owner, free_owner),
        cmocka_unit_test_setup_teardown(test_replies, make_owner, free_owner),
        cmocka_unit_test_setup_teardown(test_wrong_at_first, make_owner, free_owner),
        cmocka_unit_test_setup_teardown(test_freed_in_mid_load, make_owner, free_owner),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
