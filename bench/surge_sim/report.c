/* report.c - tables for people, JSON for programs. */
#include "bench/surge_sim/report.h"

#include <stdlib.h>

/* --- text ------------------------------------------------------------------------------------------------------------------- */

void
sim_report_list(FILE *to)
{
    (void)fputs("Scenarios\n", to);
    for (unsigned i = 0; sim_scenario_at(i) != NULL; i++)
        (void)fprintf(to, "  %-18s %s\n", sim_scenario_at(i)->name, sim_scenario_at(i)->about);
    (void)fputs("Policies\n", to);
    for (unsigned i = 0; sim_policy_at(i) != NULL; i++)
        (void)fprintf(to, "  %-18s %s%s\n", sim_policy_at(i)->name, sim_policy_at(i)->about,
                      sim_policy_at(i)->folds ? "" : "; no folding");
}

static double
needs_of(const struct sim_summary *summary)
{
    double needs = 0;

    for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++)
        needs += summary->of_class[class_][SIM_NEEDS].mean;
    return needs;
}

/* "0.12 [0.00-0.31]" */
static void
print_share(FILE *to, const struct sim_spread *spread, int width)
{
    char text[48];

    (void)snprintf(text, sizeof(text), "%.2f [%.2f-%.2f]", 100 * spread->mean, 100 * spread->least, 100 * spread->most);
    (void)fprintf(to, " %*s", width, text);
}

static void
print_row(FILE *to, const struct sim_policy *policy, const struct sim_summary *summary)
{
    (void)fprintf(to, "%-18s", policy->name);
    print_share(to, &summary->of_run[SIM_MISSED], 19);
    print_share(to, &summary->of_run[SIM_CARE_OVER_30], 20);
    for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++)
        (void)fprintf(to, " %6.*f", summary->of_class[class_][SIM_P90_MIN].mean < 9.95 ? 1 : 0,
                      summary->of_class[class_][SIM_P90_MIN].mean);
    (void)fprintf(to, " %7.1f %6.3f %5.1f %6.2f %7.0f\n", 100 * summary->of_run[SIM_RATIO_SPREAD].mean,
                  summary->of_run[SIM_WORK_PER_NEED].mean, 100 * summary->of_run[SIM_UTILISATION].mean,
                  summary->of_run[SIM_KAPPA_PEAK].mean, summary->of_run[SIM_LEFT_WAITING].mean);
}

static void
print_details(FILE *to, const struct sim_study *study)
{
    (void)fprintf(to, "\n%-18s %-9s %7s %24s %24s %24s %22s %22s\n", "", "class", "needs", "median min", "P90 min", "longest min",
                  "over target %", "P90 waited/target");
    for (unsigned i = 0; i < study->count; i++) {
        for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++) {
            const struct sim_spread *of = study->summaries[i].of_class[class_];

            (void)fprintf(to,
                          "%-18s %-9s %7.0f %7.1f [%6.1f-%7.1f] %7.1f [%6.1f-%7.1f] %7.1f [%6.1f-%7.1f] %6.2f [%6.2f-%6.2f] "
                          "%6.2f [%6.2f-%6.2f]\n",
                          class_ == 0 ? study->policies[i]->name : "", aw_class_name((enum aw_class)class_), of[SIM_NEEDS].mean,
                          of[SIM_P50_MIN].mean, of[SIM_P50_MIN].least, of[SIM_P50_MIN].most, of[SIM_P90_MIN].mean,
                          of[SIM_P90_MIN].least, of[SIM_P90_MIN].most, of[SIM_MAX_MIN].mean, of[SIM_MAX_MIN].least,
                          of[SIM_MAX_MIN].most, 100 * of[SIM_OVER_TARGET].mean, 100 * of[SIM_OVER_TARGET].least,
                          100 * of[SIM_OVER_TARGET].most, of[SIM_P90_RATIO].mean, of[SIM_P90_RATIO].least,
                          of[SIM_P90_RATIO].most);
        }
    }
}

static void
print_closure(FILE *to, const struct sim_study *study)
{
    (void)fprintf(to, "\n%-20s %7s %9s %9s %9s %22s   %-32s\n", "from the closure on", "leases", "grounded", "as depar-",
                  "while one", "that had the better", "P90 wait, min, from then on");
    (void)fprintf(to, "%-20s %7s %9s %9s %9s %22s %9s %9s %9s\n", "", "", "", "ture", "waited", "claim", "in reach", "grounded",
                  "disrupted");
    for (unsigned i = 0; i < study->count; i++) {
        const struct sim_spread *of = study->summaries[i].of_run;

        (void)fprintf(to, "  %-18s %7.0f %9.0f %9.0f %9.0f %8.1f [%5.0f-%5.0f] %9.0f %9.0f %9.0f\n", study->policies[i]->name,
                      of[SIM_CLOSED_LEASES].mean, of[SIM_GROUNDED_LEASES].mean, of[SIM_GROUNDED_AS_DEPARTURE].mean,
                      of[SIM_GROUNDED_AHEAD].mean, of[SIM_GROUNDED_WRONG].mean, of[SIM_GROUNDED_WRONG].least,
                      of[SIM_GROUNDED_WRONG].most, of[SIM_REACH_P90_MIN].mean, of[SIM_GROUNDED_P90_MIN].mean,
                      of[SIM_DISRUPTED_P90_MIN].mean);
    }
}

/* Only where there is one: in most scenarios everything can be had. */
static void
print_bounds(FILE *to, const struct sim_study *study)
{
    const struct sim_bounds *bounds = &study->bounds;

    if (bounds->missed.most == 0 && bounds->care_over_30.most == 0)
        return;
    (void)fprintf(to, "%-18s", "no order less than");
    print_share(to, &bounds->missed, 19);
    print_share(to, &bounds->care_over_30, 20);
    (void)fputs("  with all care in time that can be\n", to);
}

static void
print_windows(FILE *to, const struct sim_study *study)
{
    (void)fprintf(to, "\n%-22s %s\n", "", "windows of channels missed %");
    for (unsigned i = 0; i < study->count; i++) {
        (void)fprintf(to, "  %-20s", study->policies[i]->name);
        print_share(to, &study->summaries[i].of_run[SIM_WINDOWS_MISSED], 28);
        (void)fputc('\n', to);
    }
}

static void
print_told(FILE *to, const struct sim_summary *summary)
{
    (void)fprintf(to, "\n%-25s %21s %21s %6s %6s %6s %6s %6s %7s %10s %9s\n", "told by `guarded`", "P90 covers %",
                  "told more than 5 min", "care", "immin", "disrup", "genera", "other", "hours %", "P90/actual", "P50 off %");
    for (unsigned i = 0; i < SIM_ESTIMATORS; i++) {
        const struct sim_spread *of = summary->told[i];

        (void)fprintf(to, "  %-23s", sim_estimator_name((enum sim_estimator)i));
        print_share(to, &of[SIM_TOLD_COVERED], 21);
        print_share(to, &of[SIM_TOLD_COVERED_CHOSEN], 21);
        for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++)
            (void)fprintf(to, " %6.1f", 100 * of[SIM_TOLD_COVERED_CLASS + class_].mean);
        (void)fprintf(to, " %7.1f %10.2f %9.1f\n", 100 * of[SIM_TOLD_HOURS].mean, of[SIM_TOLD_OVER_ACTUAL].mean,
                      100 * of[SIM_TOLD_ERROR].mean);
    }
}

static unsigned
check_told(FILE *to, const struct sim_study *study)
{
    const struct sim_summary     *guarded = sim_study_guarded(study);
    const struct sim_told_target *target;
    unsigned                      missed = 0;

    for (unsigned i = 0; (target = sim_told_target_at(study->scenario->name, i)) != NULL; i++) {
        const struct sim_spread *got = &guarded->told[SIM_FORECAST][target->metric];
        bool                     met = sim_told_target_is_met(target, guarded);

        missed += !met;
        (void)fprintf(to, "  %-7s %s: %.3f [%.3f-%.3f], within %g and %g\n", met ? "reached" : "MISSED", target->words, got->mean,
                      got->least, got->most, target->least, target->most);
    }
    return missed;
}

void
sim_report_text(FILE *to, const struct sim_study *study, const struct sim_options *options)
{
    (void)fprintf(to, "\n%s: %s. %.0f h, %u seeds from %llu, %.0f needs a run.\n", study->scenario->name, study->scenario->about,
                  study->scenario->hours, options->seeds, (unsigned long long)options->seed, needs_of(&study->summaries[0]));
    (void)fprintf(to, "%-18s %19s %20s %-34s %7s %6s %5s %6s %7s\n", "", "departures missed %", "care over 30 min %",
                  " P90 wait, min", "P90", "work a", "busy", "kappa", "left");
    (void)fprintf(to, "%-18s %19s %20s %6s %6s %6s %6s %6s %7s %6s %5s %6s %7s\n", "policy", "mean [range]", "mean [range]",
                  "care", "immin", "disrup", "genera", "other", "apart %", "need", "%", "peak", "waiting");
    for (unsigned i = 0; i < study->count; i++)
        print_row(to, study->policies[i], &study->summaries[i]);
    print_bounds(to, study);
    if (study->scenario->closing > 0)
        print_closure(to, study);
    if (study->scenario->windowed > 0)
        print_windows(to, study);
    if (options->promises && sim_study_guarded(study) != NULL)
        print_told(to, sim_study_guarded(study));
    if (options->details)
        print_details(to, study);
}

/* A share as per cent, a count as it is. */
static bool
is_share(const struct sim_target *target)
{
    return target->metric != SIM_WORK_PER_NEED && target->metric != SIM_GROUNDED_WRONG &&
           target->metric != SIM_GROUNDED_AS_DEPARTURE;
}

static double
shown(const struct sim_target *target, double value)
{
    return is_share(target) ? 100 * value : value;
}

static unsigned
check_falls(FILE *to, const struct sim_study *study)
{
    const struct sim_fall_target *target;
    unsigned                      missed = 0;
    double                        fall;

    for (unsigned i = 0; (target = sim_fall_target_at(study->scenario->name, i)) != NULL; i++) {
        if (!sim_study_fall(study, target, &fall))
            continue;
        missed += fall < target->least;
        (void)fprintf(to, "  %-7s %s: %s falls by %.1f %%, at least %g\n", fall >= target->least ? "reached" : "MISSED",
                      target->policy, target->words, 100 * fall, 100 * target->least);
    }
    return missed;
}

unsigned
sim_report_targets(FILE *to, const struct sim_study *study, const struct sim_options *options)
{
    const struct sim_summary *guarded = sim_study_guarded(study);
    const struct sim_target  *target;
    unsigned                  missed = 0;

    if (guarded == NULL)
        return 0;
    if (options->promises)
        missed = check_told(to, study);
    missed += check_falls(to, study);
    for (unsigned i = 0; (target = sim_target_at(study->scenario->name, i)) != NULL; i++) {
        const struct sim_spread *got = &guarded->of_run[target->metric];
        bool                     met = sim_target_is_met(target, guarded);

        missed += !met;
        (void)fprintf(to, "  %-7s %s: %.3f [%.3f-%.3f]%s, at most %g\n", met ? "reached" : "MISSED", target->words,
                      shown(target, got->mean), shown(target, got->least), shown(target, got->most), is_share(target) ? " %" : "",
                      shown(target, target->most));
    }
    return missed;
}

/* --- JSON ------------------------------------------------------------------------------------------------------------------- */

static void
put_spread(FILE *to, const char *name, const struct sim_spread *spread, bool is_first)
{
    (void)fprintf(to, "%s\"%s\":{\"mean\":%.9g,\"least\":%.9g,\"most\":%.9g}", is_first ? "" : ",", name, spread->mean,
                  spread->least, spread->most);
}

static void
put_points(FILE *to, const char *name, const double *points, unsigned count, bool is_first)
{
    (void)fprintf(to, "%s\"%s\":[", is_first ? "" : ",", name);
    for (unsigned i = 0; i < count; i++) {
        if (points[i] < 0)
            (void)fprintf(to, "%snull", i > 0 ? "," : "");
        else
            (void)fprintf(to, "%s%.6g", i > 0 ? "," : "", points[i]);
    }
    (void)fputc(']', to);
}

static void
put_told(FILE *to, const struct sim_summary *summary)
{
    (void)fputs(",\"told\":{", to);
    for (unsigned i = 0; i < SIM_ESTIMATORS; i++) {
        (void)fprintf(to, "%s\"%s\":{", i > 0 ? "," : "", sim_estimator_name((enum sim_estimator)i));
        for (unsigned metric = 0; metric < SIM_TOLD_METRICS; metric++)
            put_spread(to, sim_told_metric_name((enum sim_told_metric)metric), &summary->told[i][metric], metric == 0);
        (void)fputc('}', to);
    }
    (void)fputc('}', to);
}

static void
put_policy(FILE *to, const struct sim_policy *policy, const struct sim_summary *summary, bool is_told)
{
    (void)fprintf(to, "{\"policy\":\"%s\",\"about\":\"%s\",\"run\":{", policy->name, policy->about);
    for (unsigned metric = 0; metric < SIM_RUN_METRICS; metric++)
        put_spread(to, sim_run_metric_name((enum sim_run_metric)metric), &summary->of_run[metric], metric == 0);
    (void)fputs("},\"classes\":{", to);
    for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++) {
        (void)fprintf(to, "%s\"%s\":{", class_ > 0 ? "," : "", aw_class_name((enum aw_class)class_));
        for (unsigned metric = 0; metric < SIM_CLASS_METRICS; metric++)
            put_spread(to, sim_class_metric_name((enum sim_class_metric)metric), &summary->of_class[class_][metric], metric == 0);
        (void)fputc('}', to);
    }
    (void)fputc('}', to);
    if (is_told)
        put_told(to, summary);
    (void)fputs(",\"every_half_hour\":{", to);
    put_points(to, "kappa", summary->kappa, summary->buckets, true);
    (void)fputs(",\"p90_wait_min\":{", to);
    for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++)
        put_points(to, aw_class_name((enum aw_class)class_), summary->waits[class_], summary->buckets, class_ == 0);
    (void)fputs("}}}", to);
}

void
sim_report_json_begin(FILE *to, const struct sim_options *options)
{
    (void)fprintf(to, "{\"seed\":%llu,\"seeds\":%u,\"scenarios\":[", (unsigned long long)options->seed, options->seeds);
}

void
sim_report_json_study(FILE *to, const struct sim_study *study, bool is_first)
{
    const struct sim_summary *guarded = sim_study_guarded(study);
    const struct sim_target  *target;

    (void)fprintf(to, "%s\n{\"scenario\":\"%s\",\"about\":\"%s\",\"hours\":%g,\"policies\":[", is_first ? "" : ",",
                  study->scenario->name, study->scenario->about, study->scenario->hours);
    for (unsigned i = 0; i < study->count; i++) {
        (void)fputs(i > 0 ? ",\n" : "\n", to);
        put_policy(to, study->policies[i], &study->summaries[i], study->is_told && &study->summaries[i] == guarded);
    }
    (void)fputs("],\"bounds\":{", to);
    put_spread(to, sim_run_metric_name(SIM_MISSED), &study->bounds.missed, true);
    put_spread(to, sim_run_metric_name(SIM_CARE_OVER_30), &study->bounds.care_over_30, false);
    (void)fputs("},\"targets\":[", to);
    for (unsigned i = 0; guarded != NULL && (target = sim_target_at(study->scenario->name, i)) != NULL; i++)
        (void)fprintf(to, "%s{\"metric\":\"%s\",\"most\":%g,\"reached\":%s}", i > 0 ? "," : "",
                      sim_run_metric_name(target->metric), target->most, sim_target_is_met(target, guarded) ? "true" : "false");
    (void)fputs("]}", to);
}

bool
sim_report_json_end(FILE *to)
{
    (void)fputs("]}\n", to);
    return fflush(to) == 0 && ferror(to) == 0;
}
