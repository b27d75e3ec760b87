/* server_commit.c - the committer's thread: recovery, the loop around its steps, and what it tells the log and the metrics. */
#include "base/log.h"
#include "commit/recover.h"
#include "port/clock.h"
#include "run/processor.h"
#include "run/server_parts.h"
#include "store/store.h"

static void
tell_role(void *user, enum aw_role role)
{
    struct aw_server *server = user;

    /* Until a start is over nobody is served: when it fails, this thread ends, and nothing comes back from it. */
    if (server->is_ready)
        aw_metric_set(server->committer_metrics, AW_METRIC_ROLE, role);
    if (role == AW_ROLE_BROKEN)
        aw_log(AW_LOG_ERROR, "the store failed: nothing is acknowledged until a restart", aw_log_str("role", aw_role_name(role)));
    else if (server->is_ready)
        aw_log(AW_LOG_INFO, "role", aw_log_str("role", aw_role_name(role)));
}

static void
tell_flushing(void *user, bool begins)
{
    struct aw_server *server = user;

    aw_metric_set(server->committer_metrics, AW_METRIC_FLUSH_BEGAN, begins ? aw_clock_mono() / AW_NS_PER_MS : 0);
}

static void
publish_numbers(struct aw_server *server)
{
    struct aw_metrics_block *metrics = server->committer_metrics;
    struct aw_journal_room   room;
    struct aw_trim_stats     trim;

    aw_journal_room(server->journal, &room);
    aw_trim_stats(server->committer, &trim);
    aw_metric_set(metrics, AW_METRIC_TRIM_FIRST_SEQ, trim.first_seq);
    aw_metric_set(metrics, AW_METRIC_TRIM_RECORDS, trim.records_gone);
    aw_metric_set(metrics, AW_METRIC_TRIM_KEPT_RECORDS, trim.kept[AW_KEPT_RECORD]);
    aw_metric_set(metrics, AW_METRIC_TRIM_KEPT_BODIES, trim.kept[AW_KEPT_BODY]);
    aw_metric_set(metrics, AW_METRIC_TRIM_OLDEST, trim.oldest);
    aw_metric_set(metrics, AW_METRIC_TRIM_SHORT, trim.is_short);
    aw_metric_set(metrics, AW_METRIC_TRIM_DAMAGED, trim.is_damaged);
    aw_metric_set(metrics, AW_METRIC_CLASSES_LATE, aw_state_late_count(server->state));
    aw_metric_set(metrics, AW_METRIC_STORE_USED, room.used_bytes);
    aw_metric_set(metrics, AW_METRIC_STORE_LIMIT, room.limit_bytes);
    aw_metric_set(metrics, AW_METRIC_STORE_RESERVE, room.reserve_bytes);
    aw_metric_set(metrics, AW_METRIC_STORE_ROOM, room.posts_bytes);
    aw_metric_set(metrics, AW_METRIC_PARKED, aw_committer_parked(server->committer));
    aw_metric_set(metrics, AW_METRIC_SEQ, aw_committer_head(server->committer)->next_seq - 1);
    aw_metric_set(metrics, AW_METRIC_EPOCH, aw_committer_head(server->committer)->epoch);
}

static void
tell_group(void *user, aw_ns took, uint32_t records, uint32_t batches)
{
    struct aw_server *server = user;

    aw_histogram_record(&server->metrics->commit_ns, took);
    aw_histogram_record(&server->metrics->group_records, records);
    aw_metric_add(server->committer_metrics, AW_METRIC_GROUPS, 1);
    aw_metric_add(server->committer_metrics, AW_METRIC_RECORDS, records);
    aw_metric_add(server->committer_metrics, AW_METRIC_BATCHES, batches);
    publish_numbers(server); /* under load it never naps */
}

static void
tell_checkpoint(void *user, uint64_t seq)
{
    struct aw_server *server = user;

    aw_metric_add(server->committer_metrics, AW_METRIC_CHECKPOINTS, 1);
    aw_log(AW_LOG_INFO, "checkpoint", aw_log_num("seq", seq));
}

static void
tell_erasure(void *user, uint64_t seq)
{
    struct aw_server *server = user;

    if (server->eraser != NULL)
        aw_eraser_tell(server->eraser, seq);
}

static void
tell_shut(void *user, bool is_shut)
{
    struct aw_server *server = user;

    aw_metric_set(server->committer_metrics, AW_METRIC_LANES_SHUT, is_shut);
    if (is_shut)
        aw_log(AW_LOG_ERROR,
               "no leases are given: the memory of the queues is used up, as a thread that reads them is stopped or tickets "
               "come back again and again",
               aw_log_num("queue_bytes", aw_lanes_bytes(server->lanes)));
    else
        aw_log(AW_LOG_INFO, "leases are given again", aw_log_num("queue_bytes", aw_lanes_bytes(server->lanes)));
}

static void
tell_trim_damage(void *user, const char *what, uint64_t seq)
{
    (void)user;
    aw_log(AW_LOG_ERROR, "the journal is damaged and not trimmed any more; see aswolk journal --verify", aw_log_str("what", what),
           aw_log_num("seq", seq));
}

static void
tell_progress(void *user, const char *phase, uint64_t done, uint64_t total)
{
    struct aw_server *server = user;

    aw_metric_set(server->committer_metrics, AW_METRIC_PROGRESS, done);
    aw_metric_set(server->committer_metrics, AW_METRIC_TOTAL, total);
    aw_log(AW_LOG_DEBUG, "starting", aw_log_str("phase", phase), aw_log_num("done", done), aw_log_num("total", total));
}

static void
log_ready(struct aw_server *server, const struct aw_recovery *recovery)
{
    uint32_t generation = aw_lmdb_key_generation(server->journal);

    aw_metric_set(server->committer_metrics, AW_METRIC_KEY_GENERATION, generation);
    aw_log(AW_LOG_INFO, "ready", aw_log_str("listen", server->plain.text), aw_log_str("tls_listen", server->tls.text),
           aw_log_num("io_threads", server->io_count), aw_log_num("epoch", aw_committer_head(server->committer)->epoch),
           aw_log_num("seq", aw_committer_head(server->committer)->next_seq - 1), aw_log_num("key_generation", generation),
           aw_log_num("checkpoint_seq", recovery->checkpoint_seq), aw_log_num("replayed", recovery->records),
           aw_log_num("start_ms", (aw_clock_mono() - server->began_at) / AW_NS_PER_MS));
}

/* The last io thread is gone, and nothing of theirs is left to do. */
static bool
is_over(struct aw_server *server)
{
    return aw_metric_sum(server->metrics, AW_METRIC_STOP) != 0 && aw_committer_is_idle(server->committer);
}

static bool
is_start_given_up(void *user)
{
    const struct aw_server *server = user;

    return aw_latch_is_set(&server->is_ending);
}

/* Recovery runs beside the compiling of the rules, without which no io thread starts: ready is who can be reached. */
static void
wait_for_io(struct aw_server *server)
{
    struct aw_wake *wake = aw_committer_wake(server->committer);

    while (!aw_latch_is_set(&server->is_served) && !is_start_given_up(server)) {
        aw_wake_prepare(wake);
        /* What was set between the last look and prepare would not wake us. */
        if (aw_latch_is_set(&server->is_served) || is_start_given_up(server))
            aw_wake_clear(wake);
        else
            aw_wake_wait(wake, AW_NS_NEVER);
    }
}

/* Not ready afterwards, and AW_OK: it ends before it began, with nothing committed. No io thread gives us anything then. */
static enum aw_err
start_committer(struct aw_server *server)
{
    struct aw_recover_progress progress = {.tell = tell_progress, .is_given_up = is_start_given_up, .user = server};
    struct aw_recovery         recovery;
    enum aw_err err = aw_recover(server->state, server->journal, server->table, &progress, &recovery, &server->start_why);

    if (err == AW_OK)
        wait_for_io(server);
    if (err == AW_E_CLOSED || (err == AW_OK && is_start_given_up(server)))
        return AW_OK;
    if (err == AW_OK)
        err = aw_lmdb_begin(server->journal, &server->start_why);
    if (err == AW_OK)
        err = aw_committer_start(server->committer, &recovery, aw_clock_wall(), aw_clock_mono(), &server->start_why);
    if (err != AW_OK)
        return err;
    server->is_ready = true;
    aw_metric_set(server->committer_metrics, AW_METRIC_ROLE, aw_committer_role(server->committer));
    publish_numbers(server);
    for (uint32_t i = 0; i < server->io_count; i++)
        aw_wake_up(&server->ios[i].wake); /* to follow the surge before anybody asks for anything */
    log_ready(server, &recovery);
    if (server->forecaster != NULL)
        aw_forecaster_begin(server->forecaster);
    tell_erasure(server, aw_committer_head(server->committer)->next_seq - 1); /* what the last stop left undone */
    return AW_OK;
}

static void
nap(struct aw_server *server)
{
    struct aw_wake *wake = aw_committer_wake(server->committer);
    aw_ns           now, due;

    publish_numbers(server);
    aw_wake_prepare(wake);
    /* What came between the last look and prepare would not wake us: neither work nor the word to stop. */
    if (aw_committer_step(server->committer, aw_clock_wall(), aw_clock_mono()) > 0 || is_over(server)) {
        aw_wake_clear(wake);
        return;
    }
    now = aw_clock_mono();
    due = aw_committer_next_due(server->committer, now);
    aw_wake_wait(wake, due == AW_NS_NEVER ? AW_NS_NEVER : due > now ? due - now : 0);
}

void *
aw_server_commit(void *arg)
{
    struct aw_server *server = arg;

    (void)aw_processor_try_short_turns(); /* all who post wait for it; without them it waits itself a little longer */
    server->start_err = start_committer(server);
    if (server->start_err != AW_OK) {
        aw_metric_set(server->committer_metrics, AW_METRIC_START_FAILED, 1);
        aw_wake_up(&server->wake);
        return NULL;
    }
    while (server->is_ready && !is_over(server)) {
        aw_metric_add(server->committer_metrics, AW_METRIC_COMMITTER_TURNS, 1);
        if (aw_committer_step(server->committer, aw_clock_wall(), aw_clock_mono()) == 0)
            nap(server);
    }
    return NULL;
}

uint64_t
aw_server_erased_through(void *user)
{
    const struct aw_server *server = user;

    return server->eraser == NULL ? UINT64_MAX : aw_metric_sum(server->metrics, AW_METRIC_ERASED_THROUGH);
}

struct aw_committer_report
aw_server_report(struct aw_server *server)
{
    return (struct aw_committer_report){.user = server,
                                        .role = tell_role,
                                        .flushing = tell_flushing,
                                        .group = tell_group,
                                        .checkpoint = tell_checkpoint,
                                        .erasure = tell_erasure,
                                        .shut = tell_shut,
                                        .trim_damage = tell_trim_damage};
}
