/* trust.h - how far forecasts can be trusted: what people waited beside what was forecast for them, and what follows for the next.
 *
 * A forecast is two waits: as it will probably be, and if what arrives fades more slowly. Of each class it keeps how many times
 * longer or shorter waits came out than each of them; half of the people wait less than the first one times its median, nine of
 * ten less than the second one times its ninth decile. Who still waits counts as well, as somebody whose wait is at least so long,
 * so that it shows soon, not when the last of a queue has been taken, that forecasts have become too short (the estimator of
 * Kaplan and Meier, on a histogram). What was forecast `half_life_ms` ago counts half: it says little of a forecast that knows
 * what has come since. Until enough is known a class behaves as `first` says.
 *
 * What is told is rounded up, so more than nine of ten may keep it: of each class it also counts who does, and as long as these are
 * more, the second wait is taken from a lower decile, down to the seventh. Whoever was told the smallest step is not asked.
 *
 * A plain value; the caller owns it. Thread: one at a time. Nothing can fail; no clock, no memory taken. Doubles, as forecast.h.
 */
#ifndef AW_FORECAST_TRUST_H
#define AW_FORECAST_TRUST_H

#include "model/class.h"
#include "model/promise.h"

#include <stdint.h>

/* Ratios from 1/16 to 16, twelve to an octave; below and above that the outermost ones count. */
#define AW_TRUST_OCTAVES 4U
#define AW_TRUST_STEPS   12U
#define AW_TRUST_RATIOS  (2 * AW_TRUST_OCTAVES * AW_TRUST_STEPS + 1)

struct aw_trust_settings {
    uint64_t half_life_ms; /* of what is known, from when it was forecast */
    uint64_t short_ms;     /* added to both waits: below it nobody looks at ratios */
    double   first_spread; /* until more is known: nine of ten wait at most so many times the forecast */
    double   first_weight; /* and that counts as so many tickets */
    double   most;         /* no forecast is corrected by more than that, either way */
};
#define AW_TRUST_SETTINGS_DEFAULT                                                                                                \
    ((struct aw_trust_settings){                                                                                                 \
        .half_life_ms = UINT64_C(2) * 3600000, .short_ms = 120000, .first_spread = 1.1, .first_weight = 30, .most = 1.3})

/* Of one class: as probable, and with slower fading; or, corrected: of half of the people, and of nine of ten. */
struct aw_wait {
    uint64_t ms[AW_SHARES];
};

struct aw_trust {
    struct aw_trust_settings _settings;
    double                   _first[AW_TRUST_RATIOS]; /* what is thought of a class of which nothing is known */
    double                   _done[AW_CLASS_COUNT][AW_SHARES][AW_TRUST_RATIOS];
    double                   _waiting[AW_CLASS_COUNT][AW_SHARES][AW_TRUST_RATIOS];
    double                   _kept[AW_CLASS_COUNT]; /* who waited no longer than told, and who longer */
    double                   _broken[AW_CLASS_COUNT];
    double                   _breaking[AW_CLASS_COUNT]; /* longer, and still waits */
    double                   _factors[AW_CLASS_COUNT][AW_SHARES];
};

void aw_trust_init(struct aw_trust *trust, const struct aw_trust_settings *settings);
/* So much time has passed; forgets who waited. Then each who waits now, then aw_trust_learn. */
void aw_trust_begin(struct aw_trust *trust, uint64_t passed_ms);
/* One for whom this was forecast, and who was told `told_ms` for nine of ten, has waited so long and still waits. */
void aw_trust_add_waiting(struct aw_trust *trust, enum aw_class class_, const struct aw_wait *forecast, uint64_t told_ms,
                          uint64_t waited_ms);
/* One was taken after so long. */
void aw_trust_add_taken(struct aw_trust *trust, enum aw_class class_, const struct aw_wait *forecast, uint64_t told_ms,
                        uint64_t waited_ms);
void aw_trust_learn(struct aw_trust *trust);
/* By how much a forecast is multiplied. */
double aw_trust_factor(const struct aw_trust *trust, enum aw_class class_, enum aw_share share);
/* What to tell somebody for whom this comes out; the second is never less than the first. */
struct aw_wait aw_trust_correct(const struct aw_trust *trust, enum aw_class class_, const struct aw_wait *forecast);

#endif
