/* eraser.c - see eraser.h. */
#include "run/eraser.h"

#include "base/arena.h"
#include "base/latch.h"
#include "base/log.h"
#include "base/mem.h"
#include "port/clock.h"
#include "run/read_erase.h"
#include "store/store.h"

#include <pthread.h>
#include <stdlib.h>

/* Of one snapshot, and of one cut: the file is written anew with each. */
#define PIECE_RECORDS 4096U
#define CUT_MAX       4096U
#define WISHES_MAX    64U
/* So far behind the file's word goes what was looked through, when nothing there asked for anything: about what a start looks
 * through in a tenth of a second. */
#define BEHIND_RECORDS UINT64_C(100000)
/* Behind a cut, whose syncs the committer's share: so many times what it took. */
#define REST_FACTOR      10U
#define TRY_AGAIN_NS     AW_NS_PER_S
#define TRY_AGAIN_NS_MAX (60 * AW_NS_PER_S)
/* What is damaged seldom heals, and to look for it reads the whole journal. */
#define GAP_NS_MAX  (3600 * AW_NS_PER_S)
#define ARENA_BYTES (64U * 1024U)
/* So long after keys were made fresh it is noted where those before ended, when something was written by then; else, as after a
 * failure, it is looked again by and by. */
#define NOTE_END_NS  AW_NS_PER_S
#define KEYS_LOOK_NS (60 * AW_NS_PER_S)

struct aw_eraser {
    struct aw_eraser_config config;
    pthread_t               thread;
    bool                    is_started;
    struct aw_latch         is_ending;
    struct aw_wake          wake;
    /* Its own thread's. */
    struct aw_journal_reader *reader; /* owns */
    struct aw_blocks         *blocks; /* owns: of the arena */
    struct aw_arena           arena;
    struct aw_walk            walk;
    uint64_t                  seqs[CUT_MAX]; /* of messages whose keys are to be cut */
    uint32_t                  count;
    struct aw_erase_wish      wishes[WISHES_MAX]; /* of customers all of whose texts are, each once */
    uint32_t                  wish_count;
    struct aw_erase_look      look; /* for these */
    bool                      is_looking;
    aw_ns                     again;    /* how long it rested behind the last failure; 0: there was none since */
    bool                      has_gaps; /* behind what the file says, something was damaged and passed over */
    aw_ns                     gaps_at;  /* when that is tried again; 0: there are none */
    bool                      is_idle;  /* nothing is to be done but that */
    aw_ns                     keys_at;  /* when the keys are looked at next; 0: nothing was written yet */
    aw_ns                     renew_at; /* when they are old */
    bool                      is_renewal_late;
};

enum aw_err
aw_eraser_new(struct aw_eraser **ret_eraser, const struct aw_eraser_config *config, struct aw_why *why)
{
    struct aw_eraser *eraser = aw_new(struct aw_eraser);
    enum aw_err       err;

    if (eraser == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the eraser");
    err = aw_wake_init(&eraser->wake, why);
    if (err != AW_OK) {
        free(eraser);
        return err;
    }
    eraser->config = *config;
    eraser->walk.at = aw_keyring_erased_through(config->keyring) + 1;
    eraser->reader = aw_journal_reader_new(config->journal);
    eraser->blocks = aw_blocks_new(ARENA_BYTES, 16 * ARENA_BYTES);
    if (eraser->reader == NULL || eraser->blocks == NULL) {
        aw_eraser_free(&eraser);
        return aw_why(why, AW_E_MEMORY, "no memory for the eraser");
    }
    aw_arena_init(&eraser->arena, eraser->blocks);
    aw_metric_set(config->block, AW_METRIC_ERASED_THROUGH, eraser->walk.at - 1);
    *ret_eraser = eraser;
    return AW_OK;
}

void
aw_eraser_free(struct aw_eraser **eraser)
{
    if (*eraser == NULL)
        return;
    AW_ASSERT(!(*eraser)->is_started);
    aw_erase_look_fini(&(*eraser)->look);
    aw_journal_reader_free(&(*eraser)->reader);
    if ((*eraser)->blocks != NULL)
        aw_arena_reset(&(*eraser)->arena);
    aw_blocks_free(&(*eraser)->blocks);
    aw_wake_fini(&(*eraser)->wake);
    free(*eraser);
    *eraser = NULL;
}

void
aw_eraser_tell(struct aw_eraser *eraser, uint64_t seq)
{
    aw_metric_set(eraser->config.committer, AW_METRIC_ERASE_ASKED, seq);
    aw_wake_up(&eraser->wake);
}

/* --- who asks for it --------------------------------------------------------------------------------------------------------- */

/* What he wrote goes by the record that names no ticket. Those of his tickets come before it, and are met by the look. */
static void
note_wish(struct aw_eraser *eraser, const struct aw_command *command)
{
    const struct aw_in_erase *in = &command->in.erase;
    uint32_t                  i = 0;

    if (in->ticket.slot != 0)
        return;
    while (i < eraser->wish_count && !aw_hash128_eq(eraser->wishes[i].customer, in->customer))
        i++;
    if (i == eraser->wish_count) {
        eraser->wish_count++;
        eraser->wishes[i] = (struct aw_erase_wish){.customer = in->customer};
    }
    if (in->through > eraser->wishes[i].through)
        eraser->wishes[i].through = in->through;
}

static enum aw_err
look_at(struct aw_eraser *eraser, const struct aw_record *record)
{
    struct aw_command command;
    enum aw_err       err;

    if (!aw_command_erases(record->kind))
        return AW_OK;
    aw_arena_reset(&eraser->arena);
    err = aw_record_read(record, &eraser->arena, &command, NULL);
    if (err == AW_OK && command.kind == AW_COMMAND_WITHDRAW)
        eraser->seqs[eraser->count++] = command.in.withdraw.message.seq;
    else if (err == AW_OK)
        note_wish(eraser, &command);
    return err;
}

/* AW_OK: there is more. AW_E_AGAIN: it is through, or may collect no more. A record for which there was no memory comes again. */
static enum aw_err
look_on(struct aw_eraser *eraser)
{
    enum aw_err err = aw_journal_read_begin(eraser->reader);

    if (err != AW_OK)
        return err;
    err = aw_walk_begin(&eraser->walk, eraser->reader);
    for (uint32_t i = 0; err == AW_OK && i < PIECE_RECORDS; i++) {
        struct aw_record record;
        aw_ms            now;
        uint64_t         at = eraser->walk.at;
        bool             is_full = eraser->count == CUT_MAX || eraser->wish_count == WISHES_MAX;

        err = is_full ? AW_E_AGAIN : aw_walk_next(&eraser->walk, &record, &now);
        if (err == AW_OK)
            err = look_at(eraser, &record);
        if (err == AW_E_MEMORY)
            eraser->walk.at = at;
        if (err == AW_E_CORRUPT || err == AW_E_VERSION) {
            eraser->has_gaps = true;
            err = AW_OK;
        }
    }
    aw_journal_read_end(eraser->reader);
    return err;
}

/* Whose texts they are. AW_OK: there is more. AW_E_AGAIN: it is through. */
static enum aw_err
look_for_texts(struct aw_eraser *eraser)
{
    enum aw_err err;

    if (!eraser->is_looking)
        aw_erase_look_init(&eraser->look, eraser->wishes, eraser->wish_count, eraser->walk.at - 1, false);
    eraser->is_looking = true;
    err = aw_journal_read_begin(eraser->reader);
    if (err != AW_OK)
        return err;
    err = aw_erase_look_step(&eraser->look, eraser->reader, &eraser->arena, PIECE_RECORDS);
    aw_journal_read_end(eraser->reader);
    if (err != AW_OK && err != AW_E_AGAIN) { /* it is begun anew */
        aw_erase_look_fini(&eraser->look);
        eraser->is_looking = false;
        return err;
    }
    eraser->has_gaps |= eraser->look.has_gaps;
    return err == AW_OK ? AW_E_AGAIN : AW_OK;
}

/* --- the cut ----------------------------------------------------------------------------------------------------------------- */

static enum aw_err
find_floor(struct aw_eraser *eraser, uint64_t *ret_floor)
{
    enum aw_err err = aw_journal_read_begin(eraser->reader);

    if (err != AW_OK)
        return err;
    err = aw_store_floor(eraser->reader, ret_floor);
    aw_journal_read_end(eraser->reader);
    return err;
}

/* With `through` as it was, the file does not say yet that it is done. */
static enum aw_err
cut(struct aw_eraser *eraser, const uint64_t *seqs, size_t count, uint64_t through)
{
    uint64_t      floor;
    struct aw_why why;
    enum aw_err   err = find_floor(eraser, &floor);

    if (err == AW_OK)
        err = aw_keyring_erase(eraser->config.keyring, seqs, count, through, floor, &why);
    if (err == AW_OK)
        aw_metric_add(eraser->config.block, AW_METRIC_TEXTS_ERASED, count);
    return err;
}

static void
note_failure(struct aw_eraser *eraser, enum aw_err err, aw_ns rest_max)
{
    if (eraser->again == 0)
        aw_log(AW_LOG_ERROR, "texts that are to be erased are still there: it is tried again",
               aw_log_str("error", aw_err_name(err)), aw_log_num("seq", eraser->walk.at));
    aw_metric_set(eraser->config.block, AW_METRIC_ERASURES_STUCK, 1);
    eraser->again = eraser->again == 0 ? TRY_AGAIN_NS : 2 * eraser->again;
    if (eraser->again > rest_max)
        eraser->again = rest_max;
}

static void
note_success(struct aw_eraser *eraser)
{
    if (eraser->again == 0 || eraser->gaps_at != 0)
        return;
    eraser->again = 0;
    aw_metric_set(eraser->config.block, AW_METRIC_ERASURES_STUCK, 0);
    aw_log(AW_LOG_INFO, "texts are erased again", aw_log_num("seq", eraser->walk.at));
}

/* Messages that are known by their numbers wait for no look. AW_E_AGAIN: they are gone. */
static enum aw_err
cut_withdrawn(struct aw_eraser *eraser)
{
    enum aw_err err = cut(eraser, eraser->seqs, eraser->count, aw_keyring_erased_through(eraser->config.keyring));

    if (err != AW_OK)
        return err;
    eraser->count = 0;
    note_success(eraser);
    return AW_E_AGAIN;
}

/* All that was collected; then the file says that it is done, as far as nothing was passed over. */
static enum aw_err
cut_all(struct aw_eraser *eraser)
{
    uint64_t    done = aw_keyring_erased_through(eraser->config.keyring);
    uint64_t    through = eraser->has_gaps ? done : eraser->walk.at - 1;
    enum aw_err err = AW_OK;

    if (eraser->look.seq_count > 0)
        err = cut(eraser, eraser->look.seqs, eraser->look.seq_count, done);
    if (err == AW_OK && (eraser->count > 0 || (eraser->wish_count > 0 && through != done) || through - done > BEHIND_RECORDS))
        err = cut(eraser, eraser->seqs, eraser->count, through);
    if (err != AW_OK)
        return err;
    if (!eraser->has_gaps)
        aw_metric_set(eraser->config.block, AW_METRIC_ERASED_THROUGH, through);
    aw_erase_look_fini(&eraser->look);
    eraser->is_looking = false;
    eraser->wish_count = 0;
    eraser->count = 0;
    return AW_OK;
}

/* --- steps ------------------------------------------------------------------------------------------------------------------- */

/* A round is over: what was found is cut. */
static void
note_round(struct aw_eraser *eraser)
{
    aw_ns now = aw_clock_mono();

    if (eraser->has_gaps && now >= eraser->gaps_at) {
        note_failure(eraser, AW_E_CORRUPT, GAP_NS_MAX);
        eraser->gaps_at = now + eraser->again;
    } else if (!eraser->has_gaps) {
        eraser->gaps_at = 0;
        note_success(eraser);
    }
}

/* `asked`: no record from here on has a lower number. Where the floor can't be told, no older keys make place. */
static enum aw_err
make_fresh_keys(struct aw_eraser *eraser, uint64_t asked, struct aw_why *why)
{
    struct aw_keyring *keyring = eraser->config.keyring;
    uint32_t           last = aw_keyring_last_generation(keyring);
    uint64_t           floor_seq = 0;
    enum aw_err        err;

    if (aw_keyring_is_full(keyring) && find_floor(eraser, &floor_seq) != AW_OK)
        floor_seq = 0;
    err = aw_keyring_renew(keyring, asked, floor_seq, why);
    if (aw_keyring_last_generation(keyring) != last) {
        aw_metric_add(eraser->config.block, AW_METRIC_KEY_GENERATION, 1);
        aw_log(AW_LOG_INFO, "keys renewed", aw_log_num("key_generation", last + 1));
    }
    return err;
}

/* It was told where the journal ends: until then a generation has yet to begin. */
static void
renew_keys(struct aw_eraser *eraser, uint64_t asked, aw_ns now)
{
    struct aw_keyring *keyring = eraser->config.keyring;
    aw_ns              look = KEYS_LOOK_NS < eraser->config.renew_ns ? KEYS_LOOK_NS : eraser->config.renew_ns;
    struct aw_why      why = {""};
    enum aw_err        err = AW_OK;

    if (eraser->keys_at == 0) {
        eraser->renew_at = now + eraser->config.renew_ns;
    } else if (now >= eraser->renew_at) {
        err = make_fresh_keys(eraser, asked, &why);
        eraser->renew_at = err == AW_OK ? now + eraser->config.renew_ns : eraser->renew_at;
        look = err == AW_OK && look > NOTE_END_NS ? NOTE_END_NS : look;
    } else if (aw_keyring_has_ended(keyring)) {
        err = aw_keyring_note_ended(keyring, &why);
    }
    eraser->keys_at = now + look;
    if (err == AW_OK && eraser->renew_at < eraser->keys_at)
        eraser->keys_at = eraser->renew_at;
    if (err != AW_OK && !eraser->is_renewal_late)
        aw_log(AW_LOG_ERROR,
               now >= eraser->renew_at ? "the keys were not renewed" : "where the keys before ended could not be noted",
               aw_log_str("why", why.text));
    else if (err == AW_OK && eraser->is_renewal_late)
        aw_log(AW_LOG_INFO, "keys are renewed again");
    eraser->is_renewal_late = err != AW_OK;
    aw_metric_set(eraser->config.block, AW_METRIC_KEYS_LATE, eraser->is_renewal_late);
}

/* False: there is something to do. Else *ret_rest: until it is time to look for what was passed over. */
static bool
may_rest(struct aw_eraser *eraser, uint64_t asked, aw_ns now, aw_ns *ret_rest)
{
    eraser->is_idle = asked < eraser->walk.at && eraser->count == 0 && eraser->wish_count == 0;
    if (eraser->is_idle && eraser->has_gaps && now >= eraser->gaps_at) {
        eraser->has_gaps = false;
        eraser->walk.at = aw_keyring_erased_through(eraser->config.keyring) + 1;
        eraser->is_idle = false;
    }
    *ret_rest = eraser->has_gaps ? eraser->gaps_at - now : AW_NS_NEVER;
    return eraser->is_idle;
}

static aw_ns
rest_for_keys(const struct aw_eraser *eraser, aw_ns now, aw_ns rest)
{
    if (eraser->config.renew_ns == 0)
        return rest;
    if (eraser->keys_at == 0) /* a start is under way, and its end wakes nobody who has nothing to erase */
        return rest < AW_NS_PER_S ? rest : AW_NS_PER_S;
    if (rest != AW_NS_NEVER && now + rest < eraser->keys_at)
        return rest;
    return eraser->keys_at > now ? eraser->keys_at - now : 0;
}

aw_ns
aw_eraser_step(struct aw_eraser *eraser)
{
    aw_ns       began = aw_clock_mono();
    uint64_t    asked = aw_metric_sum(eraser->config.metrics, AW_METRIC_ERASE_ASKED);
    aw_ns       rest, took;
    enum aw_err err;
    bool        is_through;

    if (eraser->config.renew_ns != 0 && asked != 0 && began >= eraser->keys_at)
        renew_keys(eraser, asked, began);
    if (may_rest(eraser, asked, began, &rest))
        return rest_for_keys(eraser, began, rest);
    eraser->walk.until = asked;
    err = eraser->is_looking ? AW_E_AGAIN : look_on(eraser);
    if (err == AW_E_AGAIN && eraser->wish_count > 0 && eraser->count > 0)
        err = cut_withdrawn(eraser);
    if (err == AW_E_AGAIN && eraser->wish_count > 0)
        err = look_for_texts(eraser);
    is_through = err == AW_E_AGAIN;
    if (is_through)
        err = cut_all(eraser);
    if (err != AW_OK) { /* what was collected is kept, and tried again */
        note_failure(eraser, err, TRY_AGAIN_NS_MAX);
        return eraser->again;
    }
    took = aw_clock_mono() - began;
    if (!is_through)
        return took;
    note_round(eraser);
    return took * REST_FACTOR < AW_ERASER_REST_NS_MAX ? took * REST_FACTOR : AW_ERASER_REST_NS_MAX;
}

/* Until it is to end, it was told of more, or, when it rests from work, that is over: what comes meanwhile goes with the rest. */
static void
sleep_for(struct aw_eraser *eraser, aw_ns rest)
{
    aw_ns until = rest == AW_NS_NEVER ? AW_NS_NEVER : aw_clock_mono() + rest;

    for (;;) {
        aw_ns now = aw_clock_mono();
        bool  has_more = aw_metric_sum(eraser->config.metrics, AW_METRIC_ERASE_ASKED) >= eraser->walk.at;

        if (aw_latch_is_set(&eraser->is_ending) || now >= until || (eraser->is_idle && has_more))
            return;
        aw_wake_prepare(&eraser->wake);
        has_more = aw_metric_sum(eraser->config.metrics, AW_METRIC_ERASE_ASKED) >= eraser->walk.at;
        /* What came between the last look and prepare would not wake us. */
        if (aw_latch_is_set(&eraser->is_ending) || (eraser->is_idle && has_more))
            aw_wake_clear(&eraser->wake);
        else
            aw_wake_wait(&eraser->wake, rest == AW_NS_NEVER ? AW_NS_NEVER : until - now);
    }
}

static void *
run(void *arg)
{
    struct aw_eraser *eraser = arg;

    while (!aw_latch_is_set(&eraser->is_ending))
        sleep_for(eraser, aw_eraser_step(eraser));
    return NULL;
}

enum aw_err
aw_eraser_start(struct aw_eraser *eraser, struct aw_why *why)
{
    if (pthread_create(&eraser->thread, NULL, run, eraser) != 0)
        return aw_why(why, AW_E_MEMORY, "the eraser's thread cannot be started");
    eraser->is_started = true;
    (void)pthread_setname_np(eraser->thread, "eraser"); /* only for people who look at the process */
    return AW_OK;
}

void
aw_eraser_stop(struct aw_eraser *eraser)
{
    if (eraser == NULL || !eraser->is_started)
        return;
    aw_latch_set(&eraser->is_ending);
    aw_wake_up(&eraser->wake);
    (void)pthread_join(eraser->thread, NULL); /* fails only for a thread that is not there */
    eraser->is_started = false;
}
