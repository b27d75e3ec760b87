/* generator.h - what customers write in a disruption, as arrivals in virtual time.
 *
 * A cascade: first contacts come as an inhomogeneous Poisson process (profile of the day, level of the hour, the disruption,
 * shots of mass posting), some of them excite others, each opens an episode of follow-ups, and some messages are delivered
 * twice. Everything follows from the seed: the same configuration gives the same arrivals, byte for byte, whoever reads them:
 * the load program sends them, a simulator can take them as they are.
 *
 * The caller owns the generator. It holds what is still to come of open episodes (64 bytes a message), nothing of the past.
 * Thread: one at a time. Fails only for want of memory. No clock is read.
 */
#ifndef AW_BENCH_ARRIVALS_GENERATOR_H
#define AW_BENCH_ARRIVALS_GENERATOR_H

#include "base/assert.h"
#include "base/slice.h"
#include "base/time.h"
#include "model/class.h"

#include <stdbool.h>
#include <stdint.h>

struct surge_generator;

enum surge_kind {
    SURGE_FIRST,        /* opens an episode */
    SURGE_ANSWER,       /* to an agent's question, in the thread */
    SURGE_NUDGE,        /* "still waiting" */
    SURGE_CONTINUATION, /* the rest of what was just written */
    SURGE_OTHER,
    SURGE_KIND_COUNT
};

enum surge_channel { SURGE_FACEBOOK, SURGE_TWITTER, SURGE_WHATSAPP, SURGE_MAIL, SURGE_WEB, SURGE_CHANNEL_COUNT };

enum surge_lang { SURGE_EN, SURGE_NL, SURGE_ES, SURGE_FR, SURGE_DE, SURGE_IT, SURGE_PT, SURGE_SV, SURGE_LANG_COUNT };

/* One posting. All numbers are of this run; texts come from surge_texts_write. */
struct surge_arrival {
    aw_ms           at;         /* since the start of the run */
    aw_ms           written_at; /* earlier than `at` only when this is a redelivery */
    uint64_t        message;    /* number of the message; a redelivery has that of the first delivery */
    uint64_t        customer;
    uint64_t        episode;
    uint64_t        text_seed;
    uint32_t        text_bytes; /* aimed at */
    uint32_t        flight;     /* the one that it is about */
    int64_t         departs_ms; /* when that flight departs, since the start of the run; may be past */
    uint16_t        number;     /* in its episode, from 0 */
    enum surge_kind kind;
    enum aw_class   class_; /* what a person would say it is */
    uint8_t         care;   /* bits of enum aw_care, with class_ CARE */
    uint8_t         channel;
    uint8_t         lang;
    uint8_t         tenant; /* which of the two airlines */
    bool            redelivered;
    bool            shot;           /* part of a burst of mass posting */
    bool            near_duplicate; /* its text is another customer's */
    bool            bait;           /* an alarming word, and no need */
    bool            flight_in_text;
    bool            flight_given; /* by the gateway, as a field */
    bool            departure_given;
};

enum surge_level { SURGE_N, SURGE_D, SURGE_K, SURGE_W, SURGE_W10, SURGE_W100, SURGE_LEVEL_COUNT };

struct surge_config {
    uint64_t         seed;
    enum surge_level level;
    double           hours;      /* virtual length of the run */
    unsigned         start_hour; /* UTC, 0 to 23: where in the day's profile it begins; a disruption of W begins with the run */
};

/* "N", "D", "K", "W", "W10", "W100". */
AW_MUST_USE bool surge_level_parse(struct aw_slice word, enum surge_level *ret_level);
const char      *surge_level_name(enum surge_level level);

/* NULL: no memory. */
AW_MUST_USE struct surge_generator *surge_generator_new(const struct surge_config *config);
/* Takes the address, accepts NULL, leaves NULL. */
void surge_generator_free(struct surge_generator **generator);
/* The next arrival in order of time. False: the end, or no memory (then surge_generator_failed). */
AW_MUST_USE bool surge_generator_next(struct surge_generator *generator, struct surge_arrival *ret_arrival);
bool             surge_generator_failed(const struct surge_generator *generator);

const char *surge_channel_name(enum surge_channel channel);
const char *surge_lang_name(enum surge_lang lang);
/* Where a flight goes from and to: IATA-like codes of three letters. */
void surge_flight_airports(uint32_t flight, char from[4], char to[4]);
/* "AW1234" or "AW1234B"; at most 8 bytes with the NUL. */
void surge_flight_number(uint32_t flight, char number[9]);

#endif
