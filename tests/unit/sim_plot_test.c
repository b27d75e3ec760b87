/* sim_plot_test.c - proves that the pictures are whole: each file is one SVG element with everything closed in it, names every
 * policy or class, and has no number that is none.
 *
 * How: a small study is drawn into a folder of its own, and the files are read.
 */
#include "bench/surge_sim/plot.h"
#include "unit/sim_kit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX (1U << 20)

static char *
read_and_remove(const char *folder, const char *name)
{
    char   path[256];
    char  *text = calloc(1, FILE_BYTES_MAX);
    FILE  *from;
    size_t bytes;

    assert_non_null(text);
    (void)snprintf(path, sizeof(path), "%s/R8-ash-%s.svg", folder, name);
    from = fopen(path, "r");
    assert_non_null(from);
    bytes = fread(text, 1, FILE_BYTES_MAX - 1, from);
    assert_true(bytes > 1000 && bytes < FILE_BYTES_MAX - 1);
    assert_int_equal(fclose(from), 0);
    assert_int_equal(unlink(path), 0);
    return text;
}

static unsigned
count_of(const char *text, const char *part)
{
    unsigned count = 0;

    while ((text = strstr(text, part)) != NULL) {
        count++;
        text++;
    }
    return count;
}

static void
check(const char *text, const char *const *names, unsigned count)
{
    assert_true(strncmp(text, "<svg xmlns=", 11) == 0);
    assert_string_equal(text + strlen(text) - 7, "</svg>\n");
    assert_int_equal(count_of(text, "<svg"), 1);
    assert_int_equal(count_of(text, "<g "), count_of(text, "</g>"));
    assert_int_equal(count_of(text, "<text"), count_of(text, "</text>"));
    assert_int_equal(count_of(text, "\""), 2 * count_of(text, "=\""));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    assert_null(strstr(text, "href")); /* nothing from outside */
    for (unsigned i = 0; i < count; i++) {
        char label[64];

        (void)snprintf(label, sizeof(label), ">%s</text>", names[i]);
        if (strstr(text, label) == NULL)
            fail_msg("nothing is called %s", names[i]);
    }
}

static void
test_pictures(void **state)
{
    static const char *const  argv[] = {"surge_sim", "R8-ash", "--seeds", "2", "--load", "0.05", "--staff", "0.05"};
    static const char *const  classes[] = {"care", "imminent", "disrupted", "general", "other"};
    static const char *const  pictures[] = {"by-policy", "by-class", "targets", "kappa"};
    static struct sim_options options;
    const char               *policies[SIM_POLICIES_MAX];
    char                      folder[] = "sim_plot_XXXXXX"; /* where the test runs */
    struct sim_study          study;
    struct aw_why             why = {0};

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(sim_options_parse(&options, (int)AW_ARRAY_LEN(argv), argv, &why), AW_OK);
    assert_int_equal(sim_study_run(&study, &options, 0, NULL, &why), AW_OK);
    for (unsigned i = 0; i < study.count; i++)
        policies[i] = study.policies[i]->name;
    if (sim_plot_study(folder, &study, &why) != AW_OK)
        fail_msg("%s", why.text);
    for (unsigned i = 0; i < AW_ARRAY_LEN(pictures); i++) {
        char *text = read_and_remove(folder, pictures[i]);

        check(text, policies, study.count);
        if (strcmp(pictures[i], "kappa") != 0)
            check(text, classes, AW_ARRAY_LEN(classes));
        free(text);
    }
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(sim_plot_study("/proc/none", &study, &why), AW_E_IO);
    sim_study_fini(&study);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pictures)};

    return cmocka_run_group_tests(tests, sim_kit_start, NULL);
}
