/* server.c - wiring: who is made of what, in which order, and how it ends. */
#include "run/server_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "http/tls.h"
#include "port/clock.h"
#include "store/pages.h"
#include "store/store.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Bytes of queue entries for each ticket: the sparse worst case of commit/lanes.h, three times for imminent ones that are closing,
 * and stale entries on top. */
#define LANE_BYTES_PER_TICKET 192U
#define LANE_BYTES_MIN        (UINT64_C(96) << 20)
#define LANE_BYTES_MAX        (UINT64_C(16) << 30)

/* --- main thread: its loop -------------------------------------------------------------------------------------------------- */

static void
on_wake(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events; /* the check watcher clears it */
}

static void
on_check(struct ev_loop *loop, struct ev_check *check, int events)
{
    struct aw_server *server = ev_userdata(loop);

    (void)check;
    (void)events;
    aw_wake_clear(&server->wake);
}

static void
on_terminate(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
    (void)events;
    aw_log(AW_LOG_INFO, "draining", aw_log_num("signal", (uint64_t)watcher->signum));
    ev_break(loop, EVBREAK_ALL);
}

static void
on_prepare(struct ev_loop *loop, struct ev_prepare *prepare, int events)
{
    struct aw_server *server = ev_userdata(loop);
    bool              returned;

    (void)prepare;
    (void)events;
    aw_wake_prepare(&server->wake);
    /* Looked at after prepare: what comes later writes the descriptor that this loop polls. */
    returned = aw_server_take_departures(server);
    if (aw_server_take_rules(server) || returned)
        aw_server_hand_out(server);
    if (aw_metric_sum(server->metrics, AW_METRIC_START_FAILED) != 0)
        ev_break(loop, EVBREAK_ALL);
}

static void
watch(struct aw_server *server)
{
    ev_set_userdata(server->loop, server);
    aw_server_watch_listeners(server);
    ev_io_init(&server->wake_watcher, on_wake, aw_wake_fd(&server->wake), EV_READ);
    ev_prepare_init(&server->prepare, on_prepare);
    ev_check_init(&server->check, on_check);
    ev_signal_init(&server->terminate, on_terminate, SIGTERM);
    ev_signal_init(&server->interrupt, on_terminate, SIGINT);
    ev_io_start(server->loop, &server->wake_watcher);
    ev_prepare_start(server->loop, &server->prepare);
    ev_check_start(server->loop, &server->check);
    ev_signal_start(server->loop, &server->terminate);
    ev_signal_start(server->loop, &server->interrupt);
    aw_server_watch_hangup(server);
}

/* --- start ------------------------------------------------------------------------------------------------------------------ */

/* The file that seals the keys: named, or given by systemd. NULL: none. */
static const char *
store_key(const struct aw_settings *settings, char *path, size_t bytes)
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    int         len;

    if (settings->store_key[0] != '\0')
        return settings->store_key;
    if (credentials == NULL)
        return NULL;
    len = snprintf(path, bytes, "%s/aswolk.store-key", credentials);
    return len > 0 && (size_t)len < bytes && access(path, F_OK) == 0 ? path : NULL;
}

static enum aw_err
open_store(struct aw_server *server, struct aw_why *why)
{
    const struct aw_settings *settings = &server->settings;
    char                      keys[PATH_MAX];
    char                      credential[PATH_MAX];
    struct aw_pages_watch     watch = {.tell = aw_server_tell_pages, .user = server};
    struct aw_store_config    store = {.folder = settings->data,
                                       .access = AW_STORE_SERVE,
                                       .shard = (uint8_t)settings->shard,
                                       .bytes_max = settings->store_bytes_max,
                                       .reserve_bytes = settings->store_reserve_bytes,
                                       .readers_max = (uint32_t)settings->reader_threads + 8,
                                       .keys = settings->keys,
                                       .store_key = store_key(settings, credential, sizeof(credential)),
                                       .watch = &watch};

    if (strcmp(store.keys, "none") == 0) {
        store.keys = NULL;
    } else if (store.keys[0] == '\0') {
        if (!aw_store_keys_path(settings->data, keys, sizeof(keys)))
            return aw_why(why, AW_E_CONFIG, "--keys FILE is needed: %s has no name to put its keys beside", settings->data);
        store.keys = keys;
    }
    return aw_lmdb_open(&server->journal, &server->table, &store, why);
}

/* What lies in the queues, and beside it room for all that may come back: that is what posts never use, however few tickets there
 * may be. */
static enum aw_err
lanes_bytes(const struct aw_server *server, size_t *ret_bytes, struct aw_why *why)
{
    const struct aw_settings *settings = &server->settings;
    uint64_t                  choices_max = (uint64_t)AW_IO_CHOICES_MAX * server->io_count;
    uint64_t                  reserve = aw_committer_lanes_reserve((uint32_t)settings->leases_max, (uint32_t)choices_max);
    size_t                    reserved = aw_lanes_bytes_for(reserve);
    size_t                    entries = settings->tickets_max * LANE_BYTES_PER_TICKET;

    if (reserved > LANE_BYTES_MAX / 2)
        return aw_why(
            why, AW_E_CONFIG,
            "the queues would have to keep %zu MiB free for what %llu leases (--leases-max) and the pulls of %u io threads "
            "may give back; they have at most %zu: lower one of both",
            reserved >> 20, (unsigned long long)settings->leases_max, server->io_count, (size_t)LANE_BYTES_MAX >> 21);
    entries = entries < LANE_BYTES_MIN ? LANE_BYTES_MIN : entries;
    *ret_bytes = entries < LANE_BYTES_MAX - reserved ? entries + reserved : LANE_BYTES_MAX;
    return AW_OK;
}

static enum aw_err
make_state(struct aw_server *server, struct aw_why *why)
{
    const struct aw_settings *settings = &server->settings;
    struct aw_state_limits    limits = AW_STATE_LIMITS_DEFAULT;
    struct aw_lanes_config lanes = {.lanes_max = (uint32_t)settings->lanes_max, .tickets_max = (uint32_t)settings->tickets_max};
    uint8_t                shard = aw_journal_identity(server->journal)->shard;
    enum aw_err            err;

    limits.tickets_max = (uint32_t)settings->tickets_max;
    limits.identities_max = (uint32_t)settings->identities_max;
    limits.ids_max = (uint32_t)settings->ids_max;
    limits.leases_max = (uint32_t)settings->leases_max;
    limits.lanes_max = (uint32_t)settings->lanes_max;
    limits.agents_max = (uint32_t)settings->agents_max;
    limits.keys_max = (uint32_t)settings->keys_max;
    limits.facts_max = (uint32_t)settings->facts_max;
    limits.flights_max = (uint32_t)settings->flights_max;
    limits.asides_max = (uint32_t)settings->asides_max;
    limits.replies_max = (uint32_t)settings->replies_max;
    limits.commitments_max = (uint32_t)settings->commitments_max;
    limits.contacts_max = (uint32_t)settings->contacts_max;
    /* Keys are ages and departures: from a month before this start on they are told apart. */
    lanes.base = aw_clock_wall() - UINT64_C(31) * 24 * 3600 * 1000;
    err = lanes_bytes(server, &lanes.bytes_max, why);
    if (err != AW_OK)
        return err;
    err = aw_state_new(&server->state, &limits, shard, why);
    if (err != AW_OK)
        return err;
    aw_qsbr_init(&server->qsbr);
    if (aw_lanes_new(&server->lanes, &lanes, &server->qsbr) != AW_OK ||
        !aw_lanes_directory_init(&server->directory, (uint32_t)settings->lanes_max) ||
        !aw_agents_directory_init(&server->agents, (uint32_t)settings->agents_max, &server->qsbr))
        return aw_why(why, AW_E_MEMORY, "no memory for the queues");
    return AW_OK;
}

static struct aw_core_settings
core_settings(const struct aw_settings *settings)
{
    struct aw_core_settings core = AW_CORE_SETTINGS_DEFAULT;

    core.dedupe_ms = settings->dedupe_days * 24 * 3600 * AW_MS_PER_S;
    core.reopen_ms = settings->reopen_h * 3600 * AW_MS_PER_S;
    core.backdate_ms = settings->backdate_h * 3600 * AW_MS_PER_S;
    core.imminent_ms = settings->imminent_h * 3600 * AW_MS_PER_S;
    core.lease_grace_ms = settings->lease_grace_s * AW_MS_PER_S;
    core.decline_ms = settings->decline_s * AW_MS_PER_S;
    core.kept_ms = settings->kept_s * AW_MS_PER_S;
    core.kept_gentle_ms = settings->kept_gentle_s * AW_MS_PER_S;
    core.kept_transfer_ms = settings->kept_transfer_s * AW_MS_PER_S;
    core.gentle_first_ms = settings->gentle_first_s * AW_MS_PER_S;
    core.tables = (struct aw_table_limits){
        .tickets_max = (uint32_t)settings->tickets_max,
        .identities_max = (uint32_t)settings->identities_max,
        .ids_max = (uint32_t)settings->ids_max,
        .leases_max = (uint32_t)settings->leases_max,
        .lanes_max = (uint32_t)settings->lanes_max,
        .agents_max = (uint32_t)settings->agents_max,
        .keys_max = (uint32_t)settings->keys_max,
        .facts_max = (uint32_t)settings->facts_max,
        .flights_max = (uint32_t)settings->flights_max,
        .asides_max = (uint32_t)settings->asides_max,
        .replies_max = (uint32_t)settings->replies_max,
        .commitments_max = (uint32_t)settings->commitments_max,
        .contacts_max = (uint32_t)settings->contacts_max,
    };
    core.defer_back_ms = settings->defer_back_s * AW_MS_PER_S;
    core.contact_ms = settings->contact_days * 24 * 3600 * AW_MS_PER_S;
    core.still_needed_ms = settings->still_needed_after_s * AW_MS_PER_S;
    core.reply_retry_ms = settings->reply_retry_s * AW_MS_PER_S;
    core.reply_retry_ms_max = settings->reply_retry_s_max * AW_MS_PER_S;
    core.reply_attempts_max = (uint32_t)settings->reply_attempts_max;
    return core;
}

static enum aw_err
make_committer(struct aw_server *server, struct aw_why *why)
{
    const struct aw_settings  *settings = &server->settings;
    struct aw_committer_config config = {
        .journal = server->journal,
        .table = server->table,
        .state = server->state,
        .lanes = server->lanes,
        .directory = &server->directory,
        .agents = &server->agents,
        .settings = core_settings(settings),
        .io_count = server->io_count + 1, /* the forecaster's is the last */
        .mailbox_slots = aw_io_mailbox_slots(settings),
        .lanes_max = (uint32_t)settings->lanes_max,
        .parties_max = AW_GATEWAYS_OTHERS,
        .batch_bytes_max = settings->batch_bytes_max,
        .group_bytes_max = settings->group_bytes_max,
        .checkpoint_bytes = settings->checkpoint_bytes,
        .checkpoint_step_bytes = settings->checkpoint_step_bytes,
        .bodies_min_ms = settings->bodies_min_h * 3600 * AW_MS_PER_S,
        .room_low_percent = (uint32_t)settings->room_low_percent,
        .leases_max = (uint32_t)settings->leases_max,
        .choices_max = AW_IO_CHOICES_MAX * server->io_count,
        .mono = aw_clock_mono,
        .report = aw_server_report(server),
        .erased_through = aw_server_erased_through,
    };

    return aw_committer_new(&server->committer, &config, why);
}

static enum aw_err
make_forecaster(struct aw_server *server, struct aw_why *why)
{
    struct aw_forecaster_config config = {.committer = server->committer,
                                          .mailbox = server->io_count,
                                          .order = *aw_orderbook_order(server->orderbook),
                                          .lanes_max = (uint32_t)server->settings.lanes_max,
                                          .every_ms = server->settings.forecast_every_s * AW_MS_PER_S,
                                          .metrics = server->metrics,
                                          .block = aw_metrics_block(server->metrics, server->io_count + 2)};
    enum aw_err                 err = AW_OK;

    if (config.every_ms > 0)
        err = aw_forecaster_new(&server->forecaster, &config, why);
    return err == AW_OK && config.every_ms > 0 ? aw_forecaster_start(server->forecaster, why) : err;
}

static enum aw_err
make_eraser(struct aw_server *server, struct aw_why *why)
{
    struct aw_eraser_config config = {.journal = server->journal,
                                      .keyring = aw_lmdb_keyring(server->journal),
                                      .metrics = server->metrics,
                                      .committer = server->committer_metrics,
                                      .block = aw_metrics_block(server->metrics, server->io_count + 3),
                                      .renew_ns = server->settings.keys_renew_s * AW_NS_PER_S};
    enum aw_err             err;

    if (config.keyring == NULL)
        return AW_OK;
    err = aw_eraser_new(&server->eraser, &config, why);
    return err == AW_OK ? aw_eraser_start(server->eraser, why) : err;
}

static enum aw_err
start_threads(struct aw_server *server, struct aw_why *why)
{
    struct aw_readers_config readers = {.journal = server->journal,
                                        .threads = (uint32_t)server->settings.reader_threads,
                                        .io_count = server->io_count,
                                        .mailbox_slots = aw_io_mailbox_slots(&server->settings)};
    enum aw_err              err = aw_readers_start(&server->readers, &readers, why);

    server->shared.readers = server->readers;
    server->shared.committer = server->committer;
    server->shared.rulebook = server->rulebook;
    server->shared.orderbook = server->orderbook;
    server->shared.tokenbook = server->tokenbook;
    for (uint32_t i = 0; err == AW_OK && i < server->io_count; i++)
        err = aw_io_init(&server->ios[i], i, &server->shared, why);
    if (err == AW_OK)
        err = make_forecaster(server, why); /* before the committer runs, which tells it to begin; so is the next */
    if (err == AW_OK)
        err = make_eraser(server, why);
    if (err == AW_OK && pthread_create(&server->committer_thread, NULL, aw_server_commit, server) != 0)
        err = aw_why(why, AW_E_MEMORY, "the committer's thread cannot be started");
    server->committer_started = err == AW_OK;
    if (server->committer_started)
        (void)pthread_setname_np(server->committer_thread, "committer"); /* only for people who look at the process */
    if (err == AW_OK)
        err = aw_rulebook_wait(server->rulebook, why);
    for (uint32_t i = 0; err == AW_OK && i < server->io_count; i++) {
        err = aw_io_start(&server->ios[i], &server->wake, why);
        server->io_started += err == AW_OK;
    }
    return err;
}

static enum aw_err
make_shared(struct aw_server *server, struct aw_why *why)
{
    const struct aw_store_identity *identity = aw_journal_identity(server->journal);
    const struct aw_order_settings  order = aw_server_order_settings(&server->settings);

    server->metrics = aw_metrics_new(server->io_count + 4);
    server->ios = aw_new_array(struct aw_io, server->io_count);
    server->io_loads = aw_new_array(uint32_t, server->io_count);
    server->gate =
        aw_gate_new((uint32_t)server->settings.connections_max,
                    server->settings.dev ? 0 : (uint32_t)server->settings.connections_per_address_max, server->began_at);
    if (server->metrics == NULL || server->ios == NULL || server->io_loads == NULL || server->gate == NULL ||
        aw_orderbook_new(&server->orderbook, &order, server->io_count) != AW_OK ||
        aw_gateways_new(&server->gateways, &identity->table_key, aw_server_gateway_limit(&server->settings)) != AW_OK)
        return aw_why(why, AW_E_MEMORY, "no memory");
    server->committer_metrics = aw_metrics_block(server->metrics, server->io_count);
    server->shared = (struct aw_shared){.settings = &server->settings,
                                        .lanes = server->lanes,
                                        .directory = &server->directory,
                                        .agents = &server->agents,
                                        .qsbr = &server->qsbr,
                                        .metrics = server->metrics,
                                        .gateways = server->gateways,
                                        .table_key = identity->table_key,
                                        .token_key = identity->token_key,
                                        .store = identity->uuid,
                                        .shard = identity->shard};
    return AW_OK;
}

static enum aw_err
open_listeners(struct aw_server *server, struct aw_why *why)
{
    enum aw_err err = AW_OK;

    if (server->plain.fd < 0 && server->settings.listen[0] != '\0')
        err = aw_listen(server->settings.listen, &server->plain.fd, server->plain.text, why);
    if (err == AW_OK && server->tls.fd < 0 && server->settings.tls_listen[0] != '\0')
        err = aw_listen(server->settings.tls_listen, &server->tls.fd, server->tls.text, why);
    if (err == AW_OK && server->tls.fd >= 0)
        err = aw_server_load_tls(server, why);
    return err;
}

/* Sockets that were handed down stand for the settings of the same name, and are judged as those are: by where they listen. */
static enum aw_err
meet_manager(struct aw_server *server, struct aw_why *why)
{
    struct aw_inherited sockets;
    enum aw_err         err = aw_notify_init(&server->notify, why);

    if (err == AW_OK)
        err = aw_notify_inherit(&sockets, why);
    if (err != AW_OK)
        return err;
    server->plain.fd = sockets.plain_fd;
    server->tls.fd = sockets.tls_fd;
    if (sockets.plain_fd >= 0) {
        memcpy(server->plain.text, sockets.plain_text, sizeof(server->plain.text));
        server->settings.listen = server->plain.text;
    }
    if (sockets.tls_fd >= 0) {
        memcpy(server->tls.text, sockets.tls_text, sizeof(server->tls.text));
        server->settings.tls_listen = server->tls.text;
    }
    return AW_OK;
}

static enum aw_err
start(struct aw_server *server, struct aw_why *why)
{
    enum aw_err err = aw_wake_init(&server->wake, why);

    if (err == AW_OK)
        err = meet_manager(server, why);
    if (err == AW_OK)
        err = aw_settings_check(&server->settings, why); /* again, now that the number of io threads is known */
    /* Before the rest: it goes on beside all that follows. */
    if (err == AW_OK)
        err = aw_rulebook_new(&server->rulebook, server->settings.rules, server->io_count, &server->wake, why);
    if (err == AW_OK)
        err = open_store(server, why);
    if (err == AW_OK)
        err = open_listeners(server, why);
    if (err == AW_OK)
        err = make_state(server, why);
    if (err == AW_OK)
        err = make_shared(server, why);
    if (err == AW_OK)
        err = aw_server_load_tokens(server, why);
    if (err == AW_OK)
        err = make_committer(server, why);
    if (err == AW_OK)
        err = start_threads(server, why);
    if (err != AW_OK)
        return err;
    server->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOSIGMASK);
    if (server->loop == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the event loop");
    watch(server);
    aw_server_watch_notify(server);
    aw_server_log_rules(server, "rules");
    aw_latch_set(&server->is_served);
    aw_wake_up(aw_committer_wake(server->committer));
    return AW_OK;
}

/* --- end -------------------------------------------------------------------------------------------------------------------- */

/* First nobody comes in any more, then what is open is answered, then the committer has nothing left, then all is freed. */
static void
stop_threads(struct aw_server *server)
{
    /* A second signal ends us at once: what was acknowledged is on disk. */
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGHUP, SIG_IGN); /* its watcher goes with the loop */
    aw_latch_set(&server->is_ending);
    if (server->committer_started)
        aw_wake_up(aw_committer_wake(server->committer));
    aw_server_close_listeners(server);
    for (uint32_t i = 0; i < server->io_started; i++)
        aw_io_drain(&server->ios[i]);
    for (uint32_t i = 0; i < server->io_started; i++)
        (void)pthread_join(server->ios[i].thread, NULL); /* fails only for a thread that is not there */
    aw_forecaster_stop(server->forecaster);
    if (server->committer_started) {
        aw_metric_set(aw_server_metrics(server), AW_METRIC_STOP, 1);
        aw_wake_up(aw_committer_wake(server->committer));
        (void)pthread_join(server->committer_thread, NULL);
    }
    aw_eraser_stop(server->eraser);
    if (server->ios != NULL)
        (void)aw_server_take_departures(server); /* nobody is there to be told of another order */
}

static void
free_server(struct aw_server *server)
{
    aw_readers_stop(&server->readers);
    for (uint32_t i = 0; server->ios != NULL && i < server->io_count; i++)
        aw_io_fini(&server->ios[i]);
    aw_forecaster_free(&server->forecaster);
    aw_eraser_free(&server->eraser);
    aw_committer_free(&server->committer);
    aw_rulebook_free(&server->rulebook);
    aw_orderbook_free(&server->orderbook);
    aw_tokenbook_free(&server->tokenbook);
    aw_gateways_free(&server->gateways);
    free(server->ios);
    free(server->io_loads);
    aw_gate_free(&server->gate);
    aw_metrics_free(&server->metrics);
    aw_agents_directory_fini(&server->agents);
    aw_lanes_directory_fini(&server->directory);
    aw_lanes_free(&server->lanes);
    aw_state_free(&server->state);
    aw_journal_close(&server->journal);
    aw_tls_free(&server->ssl_ctx);
    if (server->loop != NULL)
        ev_loop_destroy(server->loop);
    aw_spare_fini(&server->spare);
    aw_wake_fini(&server->wake);
    aw_notify_fini(&server->notify);
    free(server);
}

/* A core file would hold messages, tokens and keys; nor may another process of this user look into us. */
static void
forbid_dumps(void)
{
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){.rlim_cur = 0}); /* to lower it is always allowed */
    (void)prctl(PR_SET_DUMPABLE, 0);
}

static void
prepare_process(struct aw_server *server)
{
    struct rlimit limit;
    cpu_set_t     cpus;

    if (!server->settings.dev)
        forbid_dumps();
    (void)signal(SIGPIPE, SIG_IGN); /* a peer that went away is told by errno */
    (void)signal(SIGHUP, SIG_IGN);  /* until the loop watches it: what it asks for is being read just now */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* the old limit then stays, and the gate holds */
    }
    if (server->settings.io_threads == 0 && sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
        server->settings.io_threads = (uint64_t)CPU_COUNT(&cpus) < 32 ? (uint64_t)CPU_COUNT(&cpus) : 32;
    if (server->settings.io_threads == 0)
        server->settings.io_threads = 1;
    server->io_count = (uint32_t)server->settings.io_threads;
    server->began_at = aw_clock_mono();
    server->plain.fd = -1;
    server->tls.fd = -1;
    server->notify.fd = -1;
    aw_spare_init(&server->spare);
}

/* Who reads the refusal may be in a hurry, and must not be tempted to delete anything. */
static void
say_way_out(const char *folder)
{
    aw_log(AW_LOG_ERROR, "the store is damaged; it was left as it is, and nothing in it needs to be deleted",
           aw_log_str("data", folder), aw_log_str("look", "aswolk verify DATA"),
           aw_log_str("restore", "move DATA away, leave its keys, aswolk restore BACKUP DATA"));
}

/* The store may be well: it must not be given up for lack of a small file. */
static void
say_way_to_keys(const char *folder)
{
    aw_log(AW_LOG_ERROR, "the store's keys can't be used; it was left as it is, and nothing in it needs to be deleted",
           aw_log_str("data", folder),
           aw_log_str("keys", "the newest copy of its key file, beside the folder as DATA.keys, or by --keys FILE"),
           aw_log_str("store_key", "if something seals that file: --store-key FILE"),
           aw_log_str("older", "an older copy is refused: it could bring back what was erased, and lacks what was written since"),
           aw_log_str("gone", "of a backup so old that retention let its keys go, no copy has them: a younger one does"));
}

enum aw_err
aw_server_run(const struct aw_settings *settings, struct aw_why *why)
{
    struct aw_server *server = aw_new(struct aw_server);
    enum aw_err       err;

    if (server == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory");
    server->given = settings;
    server->settings = *settings;
    prepare_process(server);
    err = start(server, why);
    if (err == AW_OK)
        ev_run(server->loop, 0);
    (void)aw_notify_tell(&server->notify, "STOPPING=1\nSTATUS=answering what is in flight");
    stop_threads(server);
    if (err == AW_OK && server->start_err != AW_OK) {
        err = server->start_err;
        *why = server->start_why;
    } else if (err == AW_OK && aw_committer_role(server->committer) == AW_ROLE_BROKEN) {
        err = aw_why(why, AW_E_STORE_BROKEN, "the store failed while serving; see the log");
    }
    if (err == AW_E_CORRUPT)
        say_way_out(settings->data);
    else if (err == AW_E_SEALED)
        say_way_to_keys(settings->data);
    free_server(server);
    return err;
}
