/* run_urgency_test.c - what a message's facts make of its class: a table of cases, each with the reasons that it must give. */
#include "base/hash.h"
#include "run/urgency.h"
#include "support/test.h"

#include <stdio.h>

#define NOW    UINT64_C(1776231000000)
#define HOUR   (UINT64_C(3600) * 1000)
#define MINUTE (UINT64_C(60) * 1000)

struct urgency_case {
    const char   *what;
    uint8_t       care;
    uint8_t       hint;
    aw_ms         departs[3]; /* 0: unknown */
    uint32_t      flights;
    aw_ms         received_at;
    enum aw_class class_;
    bool          gentle;
    aw_ms         departs_at;
    const char   *reasons; /* joined by blanks */
};

static const struct urgency_case cases[] = {
    {.what = "nothing known", .hint = AW_CLASS_NONE, .class_ = AW_CLASS_GENERAL, .reasons = ""},
    {.what = "hint other", .hint = AW_CLASS_OTHER, .class_ = AW_CLASS_OTHER, .reasons = "hint:other"},
    {.what = "hint general", .hint = AW_CLASS_GENERAL, .class_ = AW_CLASS_GENERAL, .reasons = "hint:general"},
    {.what = "hint disrupted", .hint = AW_CLASS_DISRUPTED, .class_ = AW_CLASS_DISRUPTED, .reasons = "hint:disrupted"},
    {.what = "a hint alone does not make imminent",
     .hint = AW_CLASS_IMMINENT,
     .class_ = AW_CLASS_DISRUPTED,
     .reasons = "hint-needs-facts:imminent"},
    {.what = "a hint never raises to care",
     .hint = AW_CLASS_CARE,
     .class_ = AW_CLASS_DISRUPTED,
     .reasons = "hint-needs-facts:care"},
    {.what = "medical", .care = AW_CARE_MEDICAL, .hint = AW_CLASS_NONE, .class_ = AW_CLASS_CARE, .reasons = "care:medical"},
    {.what = "reduced mobility",
     .care = AW_CARE_REDUCED_MOBILITY,
     .hint = AW_CLASS_NONE,
     .class_ = AW_CLASS_CARE,
     .reasons = "care:reduced_mobility"},
    {.what = "safety", .care = AW_CARE_SAFETY, .hint = AW_CLASS_NONE, .class_ = AW_CLASS_CARE, .reasons = "care:safety"},
    {.what = "a care code beats a low hint",
     .care = AW_CARE_UNACCOMPANIED_MINOR,
     .hint = AW_CLASS_OTHER,
     .class_ = AW_CLASS_CARE,
     .reasons = "care:unaccompanied_minor"},
    {.what = "bereavement is gentle, not urgent",
     .care = AW_CARE_BEREAVEMENT,
     .hint = AW_CLASS_NONE,
     .class_ = AW_CLASS_GENERAL,
     .gentle = true,
     .reasons = "care:bereavement"},
    {.what = "bereavement keeps the hint",
     .care = AW_CARE_BEREAVEMENT,
     .hint = AW_CLASS_OTHER,
     .class_ = AW_CLASS_OTHER,
     .gentle = true,
     .reasons = "care:bereavement hint:other"},
    {.what = "bereavement and medical",
     .care = AW_CARE_BEREAVEMENT | AW_CARE_MEDICAL,
     .hint = AW_CLASS_NONE,
     .class_ = AW_CLASS_CARE,
     .gentle = true,
     .reasons = "care:medical care:bereavement"},
    {.what = "a departure today",
     .hint = AW_CLASS_NONE,
     .departs = {NOW + 2 * HOUR},
     .flights = 1,
     .class_ = AW_CLASS_DISRUPTED,
     .departs_at = NOW + 2 * HOUR,
     .reasons = "departure:AW1"},
    {.what = "a departure today raises a low hint",
     .hint = AW_CLASS_OTHER,
     .departs = {NOW + 24 * HOUR},
     .flights = 1,
     .class_ = AW_CLASS_DISRUPTED,
     .departs_at = NOW + 24 * HOUR,
     .reasons = "hint:other departure:AW1"},
    {.what = "a departure next week",
     .hint = AW_CLASS_NONE,
     .departs = {NOW + 24 * HOUR + 1},
     .flights = 1,
     .class_ = AW_CLASS_GENERAL,
     .departs_at = NOW + 24 * HOUR + 1,
     .reasons = "departure:AW1"},
    {.what = "a departure does not lower care",
     .care = AW_CARE_MEDICAL,
     .hint = AW_CLASS_NONE,
     .departs = {NOW + HOUR},
     .flights = 1,
     .class_ = AW_CLASS_CARE,
     .departs_at = NOW + HOUR,
     .reasons = "care:medical departure:AW1"},
    {.what = "what has departed is no departure",
     .hint = AW_CLASS_NONE,
     .departs = {NOW - 1, NOW, 0},
     .flights = 3,
     .class_ = AW_CLASS_GENERAL,
     .reasons = ""},
    {.what = "the earliest that is still ahead",
     .hint = AW_CLASS_NONE,
     .departs = {NOW + 9 * HOUR, NOW - HOUR, NOW + 3 * HOUR},
     .flights = 3,
     .class_ = AW_CLASS_DISRUPTED,
     .departs_at = NOW + 3 * HOUR,
     .reasons = "departure:AW3"},
    {.what = "received earlier counts as age",
     .hint = AW_CLASS_NONE,
     .received_at = NOW - 24 * HOUR,
     .class_ = AW_CLASS_GENERAL,
     .reasons = "age:received_at"},
    {.what = "received too long ago does not",
     .hint = AW_CLASS_NONE,
     .received_at = NOW - 24 * HOUR - 1,
     .class_ = AW_CLASS_GENERAL,
     .reasons = ""},
    {.what = "nor does the future",
     .hint = AW_CLASS_NONE,
     .received_at = NOW + MINUTE,
     .class_ = AW_CLASS_GENERAL,
     .reasons = ""},
    {.what = "nor this very moment", .hint = AW_CLASS_NONE, .received_at = NOW, .class_ = AW_CLASS_GENERAL, .reasons = ""},
};

static void
join(const struct aw_in_message *in, char *to, size_t room)
{
    size_t len = 0;

    to[0] = '\0';
    for (uint32_t i = 0; i < in->reason_count; i++) {
        int more = snprintf(to + len, room - len, "%s%.*s", i > 0 ? " " : "", AW_SLICE_ARGS(in->reasons[i]));

        assert_true(more > 0 && (size_t)more < room - len);
        len += (size_t)more;
    }
}

static void
test_table(void **state)
{
    struct aw_blocks *blocks = aw_blocks_new(4096, 1 << 20);

    (void)state;
    assert_non_null(blocks);
    for (size_t i = 0; i < AW_ARRAY_LEN(cases); i++) {
        const struct urgency_case *one = &cases[i];
        struct aw_flight     flights[3] = {{.number = AW_SLICE("AW1")}, {.number = AW_SLICE("AW2")}, {.number = AW_SLICE("AW3")}};
        struct aw_message    message = {.care = one->care,
                                        .class_hint = one->hint,
                                        .flights = flights,
                                        .flight_count = one->flights,
                                        .received_at = one->received_at};
        struct aw_in_message in = {.class_ = AW_CLASS_OTHER};
        struct aw_arena      arena;
        char                 reasons[256];

        for (unsigned k = 0; k < 3; k++)
            flights[k].departs_at = one->departs[k];
        aw_arena_init(&arena, blocks);
        assert_true(aw_urgency_of(&in, &message, NOW, 24 * HOUR, NULL, &arena));
        join(&in, reasons, sizeof(reasons));
        if (in.class_ != one->class_ || in.gentle != one->gentle || in.departs_at != one->departs_at ||
            strcmp(reasons, one->reasons) != 0 || in.care != one->care)
            fail_msg("%s: class %d, gentle %d, departs_at %llu, reasons \"%s\"", one->what, (int)in.class_, (int)in.gentle,
                     (unsigned long long)in.departs_at, reasons);
        aw_arena_reset(&arena);
    }
    aw_blocks_free(&blocks);
}

struct text_case {
    const char   *text;
    uint8_t       care;
    uint8_t       hint;
    enum aw_class class_;
    bool          gentle;
    const char   *reasons;
};

static const struct text_case texts[] = {
    {.text = "Passenger in row 9 is unconscious",
     .hint = AW_CLASS_OTHER,
     .class_ = AW_CLASS_CARE,
     .reasons = "hint:other care: medical \"unconscious\" (rule en.care.collapse)"},
    /* The first story of this project. */
    {.text = "My husband had a heart attack last week. Can I move our tickets to June? We bought them without insurance.",
     .hint = AW_CLASS_NONE,
     .class_ = AW_CLASS_GENERAL,
     .gentle = true,
     .reasons = "gentle: illness \"heart attack\" (rule en.gentle.ill-relative) "
                "gentle: illness \"heart attack last week\" (rule en.gentle.illness)"},
    {.text = "this queue is giving me a heart attack lol", .hint = AW_CLASS_NONE, .class_ = AW_CLASS_GENERAL, .reasons = ""},
    {.text = "Final call for my flight and I am stuck at security",
     .hint = AW_CLASS_NONE,
     .class_ = AW_CLASS_DISRUPTED, /* without a departure there is nothing to be ordered by */
     .reasons = "imminent: departure \"Final call\" (rule en.imminent.last-call)"},
    {.text = "Thank you, lovely crew",
     .hint = AW_CLASS_DISRUPTED,
     .class_ = AW_CLASS_DISRUPTED, /* a text lowers nothing */
     .reasons = "hint:disrupted"},
    {.text = "Thank you, lovely crew",
     .hint = AW_CLASS_NONE,
     .class_ = AW_CLASS_OTHER,
     .reasons = "other: praise \"Thank you\" (rule en.other.praise)"},
    {.text = "Passenger in row 9 is unconscious",
     .care = AW_CARE_MEDICAL,
     .hint = AW_CLASS_NONE,
     .class_ = AW_CLASS_CARE, /* the fact says it already */
     .reasons = "care:medical"},
    {.text = "When does KL 1234 land?", .hint = AW_CLASS_NONE, .class_ = AW_CLASS_GENERAL, .reasons = "mentions: flight KL1234"},
};

static void
test_texts(void **state)
{
    struct aw_blocks   *blocks = aw_blocks_new(4096, 1 << 20);
    struct aw_why       why = {.text = ""};
    struct aw_rules    *rules = NULL;
    struct aw_rules_use use;

    (void)state;
    if (aw_rules_load(&rules, AW_RULES_MESSAGES, "", &why) != AW_OK)
        fail_msg("%s", why.text);
    use = (struct aw_rules_use){rules, aw_rules_scratch_new(rules)};
    assert_non_null(use.scratch);
    for (size_t i = 0; i < AW_ARRAY_LEN(texts); i++) {
        struct aw_message message = {
            .text = aw_slice_str(texts[i].text), .care = texts[i].care, .class_hint = texts[i].hint, .lang = AW_SLICE("en")};
        struct aw_in_message in = {.class_ = AW_CLASS_OTHER};
        struct aw_arena      arena;
        char                 reasons[1024];

        aw_arena_init(&arena, blocks);
        assert_true(aw_urgency_of(&in, &message, NOW, 24 * HOUR, &use, &arena));
        join(&in, reasons, sizeof(reasons));
        if (in.class_ != texts[i].class_ || in.gentle != texts[i].gentle || strcmp(reasons, texts[i].reasons) != 0)
            fail_msg("%s: class %d, gentle %d, reasons %s", texts[i].text, (int)in.class_, (int)in.gentle, reasons);
        for (uint32_t k = 0; k < in.reason_count; k++)
            assert_true(in.reasons[k].len <= AW_REASON_BYTES_MAX);
        assert_int_equal(in.rules_version, aw_rules_version(rules));
        aw_arena_reset(&arena);
    }
    aw_rules_scratch_free(&use.scratch);
    aw_rules_free(&rules);
    aw_blocks_free(&blocks);
}

/* Only a text that says nothing else, in each language, and what a button of the gateway says. */
static void
test_not_needed(void **state)
{
    static const struct {
        const char *text;
        bool        not_needed;
    } said[] = {{"No longer needed, thanks!", true},
                {"Thanks, it's no longer needed", true},
                {"@aswolk Nee, niet meer nodig. Dank je wel!", true},
                {"al opgelost", true},
                {"Danke, hat sich erledigt.", true},
                {"Nicht mehr nötig!", true},
                {"Ce n'est plus nécessaire, merci", true},
                {"Ya no hace falta, gracias", true},
                {"@aswolk: already resolved", true},
                {"Already resolved, @aswolk_help!", true},
                {"Already resolved?", false},
                {"@aswolk\nmy wife fainted, I do not wait: no longer needed", false},
                {"A visa is no longer needed?", false},
                {"No longer needed for my wife, but I still wait", false},
                {"Opgelost? Nee!", false},
                {"Is het visum niet meer nodig", false},
                {"No longer needed \xf0\x9f\x98\xa1", false}, /* an angry face says something */
                {"", false}};
    const struct aw_pair button = {AW_SLICE("answer"), AW_SLICE("not_needed")};
    struct aw_message    message = {.class_hint = AW_CLASS_NONE, .meta = &button, .meta_count = 1};
    struct aw_in_message in = {.class_ = AW_CLASS_OTHER};
    struct aw_blocks    *blocks = aw_blocks_new(4096, 1 << 20);
    struct aw_rules     *rules = NULL;
    struct aw_rules_use  use;
    struct aw_arena      arena;
    struct aw_why        why = {.text = ""};

    (void)state;
    if (aw_rules_load(&rules, AW_RULES_MESSAGES, "", &why) != AW_OK)
        fail_msg("%s", why.text);
    use = (struct aw_rules_use){rules, aw_rules_scratch_new(rules)};
    aw_arena_init(&arena, blocks);
    assert_true(aw_urgency_of(&in, &message, NOW, 24 * HOUR, &use, &arena));
    assert_true(in.not_needed);
    for (unsigned i = 0; i < 3; i++) { /* not with other words, nor of a grave need or of grief */
        message.text = i == 0 ? AW_SLICE("but when do I get my bag?") : AW_SLICE(" ");
        message.care = i == 1 ? AW_CARE_MEDICAL : i == 2 ? AW_CARE_BEREAVEMENT : 0;
        in = (struct aw_in_message){.class_ = AW_CLASS_OTHER};
        assert_true(aw_urgency_of(&in, &message, NOW, 24 * HOUR, &use, &arena));
        assert_false(in.not_needed);
    }
    for (size_t i = 0; i < AW_ARRAY_LEN(said); i++) {
        message = (struct aw_message){.class_hint = AW_CLASS_NONE, .text = aw_slice_str(said[i].text)};
        in = (struct aw_in_message){.class_ = AW_CLASS_OTHER};
        assert_true(aw_urgency_of(&in, &message, NOW, 24 * HOUR, &use, &arena));
        if (in.not_needed != said[i].not_needed)
            fail_msg("%s: %d", said[i].text, (int)in.not_needed);
        for (uint32_t k = 0; k < in.reason_count; k++) /* it is no hint for people */
            assert_null(memmem(in.reasons[k].ptr, in.reasons[k].len, "not_needed", 10));
        aw_arena_reset(&arena);
    }
    aw_rules_scratch_free(&use.scratch);
    aw_rules_free(&rules);
    aw_blocks_free(&blocks);
}

/* Each allocation fails once: false then, and nothing half-done is taken for an answer. */
static void
test_no_memory(void **state)
{
    struct aw_flight  flight = {.number = AW_SLICE("AW1"), .departs_at = NOW + HOUR};
    struct aw_message message = {
        .care = AW_CARE_MEDICAL | AW_CARE_BEREAVEMENT, .class_hint = AW_CLASS_NONE, .flights = &flight, .flight_count = 1};
    struct aw_blocks *blocks = aw_blocks_new(512, 2048);
    struct aw_arena   arena;
    unsigned          refused = 0, taken = 0;

    (void)state;
    assert_non_null(blocks);
    aw_arena_init(&arena, blocks);
    for (unsigned fill = 0; fill < 128; fill++) {
        struct aw_in_message in = {.class_ = AW_CLASS_OTHER};

        for (unsigned i = 0; i < fill && aw_arena_take(&arena, 16) != NULL; i++)
            ; /* until there is none */
        if (aw_urgency_of(&in, &message, NOW, 24 * HOUR, NULL, &arena)) {
            assert_int_equal(in.reason_count, 3);
            taken++;
        } else {
            refused++;
        }
        aw_arena_reset(&arena);
    }
    assert_true(refused > 0);
    assert_true(taken > 0);
    aw_blocks_free(&blocks);
}

/* The same of who wants to hear no more. */
static void
test_opts_out(void **state)
{
    static const struct {
        const char *text;
        bool        opts_out;
    } said[] = {{"STOP", true},
                {"@aswolk stop!", true},
                {"STOP STOP", true},
                {"@aswolk Stop! stop, Stop.", true},
                {"Please stop messaging me.", true},
                {"Unsubscribe, thanks", true},
                {"Don't contact me again", true},
                {"Stuur me geen berichten meer aub", true},
                {"Laat me met rust", true},
                {"Schreiben Sie mir bitte nicht mehr!", true},
                {"Keine Nachrichten mehr, danke", true},
                {"Arr\xc3\xaatez, merci", true},
                {"Ne m'\xc3\xa9"
                 "crivez plus",
                 true},
                {"Basta ya", true},
                {"No me escriban m\xc3\xa1s, por favor", true},
                {"Stop. Leave me alone.", true},
                {"Stop it! Do not contact me any more, please", true},
                {"Stop, laat mij met rust aub", true},
                {"Stopp. Lassen Sie mich in Ruhe!", true},
                {"Arr\xc3\xaatez, laissez-moi tranquille.", true},
                {"Basta, d\xc3\xa9jenme en paz", true},
                {"stop?", false},
                {"Stop. My bag is still in Oslo.", false},
                {"Leave me alone with my bag, stop", false},
                {"Arr\xc3\xaatez, mon vol part \xc3\xa0 midi", false},
                {"Stopp, mein Kind ist noch in Ihrer Maschine", false},
                {"stop. stop?", false},
                {"stop stopping", false},
                {"@stop", false},
                {"stop, my flight leaves in an hour", false},
                {"Does my flight stop in Oslo", false},
                {"@aswolk stop\nmy wife fainted", false},
                {"No longer needed, thanks!", false},
                {"", false}};
    const struct aw_pair button = {AW_SLICE("answer"), AW_SLICE("opt_out")};
    struct aw_message    message = {.class_hint = AW_CLASS_NONE, .meta = &button, .meta_count = 1};
    struct aw_in_message in = {.class_ = AW_CLASS_OTHER};
    struct aw_blocks    *blocks = aw_blocks_new(4096, 1 << 20);
    struct aw_rules     *rules = NULL;
    struct aw_rules_use  use;
    struct aw_arena      arena;
    struct aw_why        why = {.text = ""};

    (void)state;
    if (aw_rules_load(&rules, AW_RULES_MESSAGES, "", &why) != AW_OK)
        fail_msg("%s", why.text);
    use = (struct aw_rules_use){rules, aw_rules_scratch_new(rules)};
    aw_arena_init(&arena, blocks);
    assert_true(aw_urgency_of(&in, &message, NOW, 24 * HOUR, &use, &arena));
    assert_true(in.opts_out && !in.not_needed);
    for (size_t i = 0; i < AW_ARRAY_LEN(said); i++) {
        message = (struct aw_message){.class_hint = AW_CLASS_NONE, .text = aw_slice_str(said[i].text)};
        in = (struct aw_in_message){.class_ = AW_CLASS_OTHER};
        assert_true(aw_urgency_of(&in, &message, NOW, 24 * HOUR, &use, &arena));
        if (in.opts_out != said[i].opts_out)
            fail_msg("%s: %d", said[i].text, (int)in.opts_out);
        for (uint32_t k = 0; k < in.reason_count; k++)
            assert_null(memmem(in.reasons[k].ptr, in.reasons[k].len, "opt_out", 7));
        aw_arena_reset(&arena);
    }
    aw_rules_scratch_free(&use.scratch);
    aw_rules_free(&rules);
    aw_blocks_free(&blocks);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),      cmocka_unit_test(test_no_memory), cmocka_unit_test(test_texts),
        cmocka_unit_test(test_not_needed), cmocka_unit_test(test_opts_out),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
