/* plot.c - small multiples with one pair of axes: hours from left to right, minutes (or times) upwards on a logarithmic scale. */
#include "bench/surge_sim/plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PANEL_WIDTH  420.0
#define PANEL_HEIGHT 230.0
#define LEFT         46.0  /* of the panel, for the numbers */
#define NAMES        112.0 /* of a panel of bars, for the names */
#define RIGHT        14.0
#define TOP          30.0
#define BOTTOM       30.0
#define HEAD         64.0 /* of the picture: title and legend */
#define COLUMNS      3U

/* Told apart also by those who see no red or no green (Okabe, Ito 2008, and darker ones). */
static const char *const colours[] = {"#d55e00", "#0072b2", "#009e73", "#cc79a7", "#8c8c8c", "#e69f00", "#56b4e9",
                                      "#000000", "#7a3e9d", "#a6611a", "#018571", "#b2182b", "#4d4d4d"};

#define BLACK 7U

struct axes {
    double      hours;
    double      least, most; /* of the values; both above 0 */
    const char *unit;
};

struct line {
    const double *points; /* by half hour; < 0: a gap */
    unsigned      count;
    unsigned      colour;
    double        width;
};

static double
x_of(const struct axes *axes, double hour)
{
    return LEFT + (PANEL_WIDTH - LEFT - RIGHT) * hour / axes->hours;
}

static double
y_of(const struct axes *axes, double value)
{
    double clamped = value < axes->least ? axes->least : value > axes->most ? axes->most : value;
    double share = log(clamped / axes->least) / log(axes->most / axes->least);

    return PANEL_HEIGHT - BOTTOM - (PANEL_HEIGHT - TOP - BOTTOM) * share;
}

/* Of bars, which lie; clamped like y_of. */
static double
bar_x_of(const struct axes *axes, double value)
{
    double clamped = value < axes->least ? axes->least : value > axes->most ? axes->most : value;
    double share = log(clamped / axes->least) / log(axes->most / axes->least);

    return NAMES + (PANEL_WIDTH - NAMES - RIGHT - 24) * share;
}

static void
open_picture(FILE *to, const char *title, unsigned panels)
{
    unsigned columns = panels < COLUMNS ? panels : COLUMNS;
    unsigned rows = (panels + columns - 1) / columns;
    double   width = PANEL_WIDTH * columns + 10;
    double   height = HEAD + PANEL_HEIGHT * rows + 8;

    (void)fprintf(to,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" "
                  "font-family=\"system-ui, sans-serif\" font-size=\"11\" fill=\"#333\">\n"
                  "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
                  "<text x=\"12\" y=\"22\" font-size=\"15\" font-weight=\"600\" fill=\"#111\">%s</text>\n",
                  width, height, width, height, title);
}

static void
put_legend(FILE *to, const char *const *names, const unsigned *line_colours, unsigned count)
{
    double x = 12;

    for (unsigned i = 0; i < count; i++) {
        (void)fprintf(to,
                      "<line x1=\"%.0f\" y1=\"42\" x2=\"%.0f\" y2=\"42\" stroke=\"%s\" stroke-width=\"3\"/>"
                      "<text x=\"%.0f\" y=\"46\">%s</text>\n",
                      x, x + 16, colours[line_colours[i]], x + 20, names[i]);
        x += 34 + 6.3 * (double)strlen(names[i]);
    }
}

static void
put_axes(FILE *to, const struct axes *axes, const char *title)
{
    unsigned decades = (unsigned)lround(log10(axes->most / axes->least));

    (void)fprintf(to, "<text x=\"%.0f\" y=\"18\" font-size=\"12\" font-weight=\"600\">%s</text>\n", LEFT, title);
    for (unsigned decade = 0; decade <= decades; decade++) {
        double value = axes->least * pow(10, decade);
        double y = y_of(axes, value);

        (void)fprintf(to,
                      "<line x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\" stroke=\"#e2e2e2\"/>"
                      "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
                      LEFT, y, PANEL_WIDTH - RIGHT, y, LEFT - 5, y + 4, value);
    }
    for (unsigned hour = 0; hour <= axes->hours; hour += axes->hours > 24 ? 6 : axes->hours > 6 ? 2 : 1)
        (void)fprintf(to,
                      "<line x1=\"%.1f\" y1=\"%.0f\" x2=\"%.1f\" y2=\"%.0f\" stroke=\"#f0f0f0\"/>"
                      "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%u h</text>\n",
                      x_of(axes, hour), TOP, x_of(axes, hour), PANEL_HEIGHT - BOTTOM, x_of(axes, hour),
                      PANEL_HEIGHT - BOTTOM + 14, hour);
    (void)fprintf(to, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\" fill=\"#777\">%s, by hour of asking</text>\n",
                  PANEL_WIDTH - RIGHT, 18.0, axes->unit);
}

static void
put_line(FILE *to, const struct axes *axes, const struct line *line)
{
    bool is_drawing = false;

    (void)fprintf(to, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\" stroke-linejoin=\"round\" d=\"",
                  colours[line->colour], line->width);
    for (unsigned i = 0; i < line->count; i++) {
        if (line->points[i] >= 0)
            (void)fprintf(to, "%c%.1f %.1f", is_drawing ? 'L' : 'M', x_of(axes, (i + 0.5) / 2), y_of(axes, line->points[i]));
        is_drawing = line->points[i] >= 0;
    }
    (void)fputs("\"/>\n", to);
}

static void
put_target(FILE *to, const struct axes *axes, double value, unsigned colour)
{
    (void)fprintf(
        to, "<line x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\" stroke=\"%s\" stroke-dasharray=\"3 4\" opacity=\"0.6\"/>\n",
        LEFT, y_of(axes, value), PANEL_WIDTH - RIGHT, y_of(axes, value), colours[colour]);
}

static void
begin_panel(FILE *to, unsigned number)
{
    unsigned row = number / COLUMNS;

    (void)fprintf(to, "<g transform=\"translate(%.0f %.0f)\">\n", PANEL_WIDTH * (number % COLUMNS), HEAD + PANEL_HEIGHT * row);
}

/* --- the pictures ----------------------------------------------------------------------------------------------------- */

static const struct axes waits_axes = {.hours = 48, .least = 0.1, .most = 10000, .unit = "P90 wait, min"};

static double
target_min(unsigned class_)
{
    return (double)AW_ORDER_SETTINGS_DEFAULT.target_ms[class_] / (double)SIM_MIN;
}

static void
draw_by_policy(FILE *to, const struct sim_study *study, const char *title)
{
    struct axes axes = waits_axes;
    const char *names[AW_CLASS_COUNT];
    unsigned    all[AW_CLASS_COUNT];

    axes.hours = study->scenario->hours;
    for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++) {
        names[class_] = aw_class_name((enum aw_class)class_);
        all[class_] = class_;
    }
    open_picture(to, title, study->count);
    put_legend(to, names, all, AW_CLASS_COUNT);
    for (unsigned i = 0; i < study->count; i++) {
        begin_panel(to, i);
        put_axes(to, &axes, study->policies[i]->name);
        for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++) {
            struct line line = {study->summaries[i].waits[class_], study->summaries[i].buckets, class_, 1.8};

            put_target(to, &axes, target_min(class_), class_);
            put_line(to, &axes, &line);
        }
        (void)fputs("</g>\n", to);
    }
}

/* The server's own order is the one to find at once. */
static double
width_of(const struct sim_policy *policy)
{
    return strcmp(policy->name, "guarded") == 0 ? 3 : 1.3;
}

/* Black for the server's own; who would have that gets what the server's own would have. */
static unsigned
colour_of(const struct sim_study *study, unsigned number)
{
    unsigned own = 0;

    while (own < study->count && strcmp(study->policies[own]->name, "guarded") != 0)
        own++;
    if (number == own)
        return BLACK;
    if (number % AW_ARRAY_LEN(colours) == BLACK && own < study->count)
        return own % AW_ARRAY_LEN(colours);
    return number % AW_ARRAY_LEN(colours);
}

static void
legend_policies(FILE *to, const struct sim_study *study)
{
    const char *names[SIM_POLICIES_MAX];
    unsigned    all[SIM_POLICIES_MAX];

    for (unsigned i = 0; i < study->count; i++) {
        names[i] = study->policies[i]->name;
        all[i] = colour_of(study, i);
    }
    put_legend(to, names, all, study->count);
}

static void
draw_by_class(FILE *to, const struct sim_study *study, const char *title)
{
    struct axes axes = waits_axes;

    axes.hours = study->scenario->hours;
    open_picture(to, title, AW_CLASS_COUNT);
    legend_policies(to, study);
    for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++) {
        begin_panel(to, class_);
        put_axes(to, &axes, aw_class_name((enum aw_class)class_));
        for (unsigned i = 0; i < study->count; i++) {
            struct line line = {study->summaries[i].waits[class_], study->summaries[i].buckets, colour_of(study, i),
                                width_of(study->policies[i])};

            put_line(to, &axes, &line);
        }
        (void)fputs("</g>\n", to);
    }
}

/* A bar for each policy, from the edge to the mean over the seeds, and a thin line from the least to the most. */
static void
put_bar(FILE *to, const struct axes *axes, const struct sim_study *study, unsigned number, const struct sim_spread *of)
{
    double height = (PANEL_HEIGHT - TOP - BOTTOM) / study->count;
    double y = TOP + height * number;

    (void)fprintf(
        to,
        "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\" font-size=\"10\"%s>%s</text>"
        "<rect x=\"%.0f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>"
        "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#777\"/>"
        "<text x=\"%.1f\" y=\"%.1f\" font-size=\"9\" stroke=\"#fff\" stroke-width=\"3\" paint-order=\"stroke\">%.2g</text>\n",
        NAMES - 5, y + height / 2 + 3.5, colour_of(study, number) == BLACK ? " font-weight=\"600\"" : "",
        study->policies[number]->name, NAMES, y + 1.5, bar_x_of(axes, of->mean) - NAMES, height - 3,
        colours[colour_of(study, number)], bar_x_of(axes, of->least), y + height / 2, bar_x_of(axes, of->most), y + height / 2,
        bar_x_of(axes, of->most) + 4, y + height / 2 + 3.2, of->mean);
}

static void
put_bar_axes(FILE *to, const struct axes *axes, const char *title)
{
    unsigned decades = (unsigned)lround(log10(axes->most / axes->least));

    (void)fprintf(to,
                  "<text x=\"%.0f\" y=\"18\" font-size=\"12\" font-weight=\"600\">%s</text>"
                  "<text x=\"%.0f\" y=\"18\" text-anchor=\"end\" fill=\"#777\">%s</text>\n",
                  NAMES, title, PANEL_WIDTH - RIGHT, axes->unit);
    for (unsigned decade = 0; decade <= decades; decade++) {
        double value = axes->least * pow(10, decade);

        (void)fprintf(to,
                      "<line x1=\"%.1f\" y1=\"%.0f\" x2=\"%.1f\" y2=\"%.0f\" stroke=\"#e2e2e2\"/>"
                      "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%g</text>\n",
                      bar_x_of(axes, value), TOP, bar_x_of(axes, value), PANEL_HEIGHT - BOTTOM, bar_x_of(axes, value),
                      PANEL_HEIGHT - BOTTOM + 14, value);
    }
}

static void
draw_targets(FILE *to, const struct sim_study *study, const char *title)
{
    struct axes axes = {.least = 0.001, .most = 100, .unit = "P90 of waited / target, times"};

    open_picture(to, title, AW_CLASS_COUNT);
    for (unsigned class_ = 0; class_ < AW_CLASS_COUNT; class_++) {
        begin_panel(to, class_);
        put_bar_axes(to, &axes, aw_class_name((enum aw_class)class_));
        for (unsigned i = 0; i < study->count; i++)
            put_bar(to, &axes, study, i, &study->summaries[i].of_class[class_][SIM_P90_RATIO]);
        (void)fprintf(to,
                      "<line x1=\"%.1f\" y1=\"%.0f\" x2=\"%.1f\" y2=\"%.0f\" stroke=\"#111\" stroke-dasharray=\"3 4\"/></g>\n",
                      bar_x_of(&axes, 1), TOP, bar_x_of(&axes, 1), PANEL_HEIGHT - BOTTOM);
    }
}

static void
draw_kappa(FILE *to, const struct sim_study *study, const char *title)
{
    struct axes axes = {.hours = study->scenario->hours, .least = 0.01, .most = 100, .unit = "waited/allowed of what was taken"};

    open_picture(to, title, study->count);
    for (unsigned i = 0; i < study->count; i++) {
        struct line line = {study->summaries[i].kappa, study->summaries[i].buckets, 1, 1.8};

        begin_panel(to, i);
        put_axes(to, &axes, study->policies[i]->name);
        put_target(to, &axes, 1, 0);
        put_line(to, &axes, &line);
        (void)fputs("</g>\n", to);
    }
}

typedef void draw_study(FILE *to, const struct sim_study *study, const char *title);

static enum aw_err
write_picture(const char *folder, const char *what, const char *words, draw_study *draw, const struct sim_study *study,
              struct aw_why *why)
{
    char  path[512];
    char  title[256];
    FILE *to;
    bool  failed;

    if (snprintf(path, sizeof(path), "%s/%s-%s.svg", folder, study->scenario->name, what) >= (int)sizeof(path))
        return aw_why(why, AW_E_IO, "the name of the folder is too long");
    (void)snprintf(title, sizeof(title), "%s: %s (%u seeds)", study->scenario->name, words, study->summaries[0].runs);
    to = fopen(path, "w");
    if (to == NULL)
        return aw_why_errno(why, AW_E_IO, errno, "%s", path);
    draw(to, study, title);
    (void)fputs("</svg>\n", to);
    failed = ferror(to) != 0;
    if (fclose(to) != 0 || failed)
        return aw_why(why, AW_E_IO, "%s cannot be written", path);
    return AW_OK;
}

enum aw_err
sim_plot_study(const char *folder, const struct sim_study *study, struct aw_why *why)
{
    enum aw_err err;

    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return aw_why_errno(why, AW_E_IO, errno, "%s", folder);
    err = write_picture(folder, "by-policy", "how long each class waits; dashed: its target", draw_by_policy, study, why);
    if (err == AW_OK)
        err = write_picture(folder, "by-class", "how long each class waits", draw_by_class, study, why);
    if (err == AW_OK)
        err = write_picture(folder, "targets", "how many times its target each class waits; thin: over the seeds", draw_targets,
                            study, why);
    if (err == AW_OK)
        err = write_picture(folder, "kappa", "the slowdown of what agents take, care left out", draw_kappa, study, why);
    return err;
}
