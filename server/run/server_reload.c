/* server_reload.c - what SIGHUP reads anew: order, rules, tokens, certificate; and how the io threads get them. */
#include "base/log.h"
#include "http/tls.h"
#include "port/clock.h"
#include "run/dev_cert.h"
#include "run/server_parts.h"

#include <signal.h>
#include <string.h>

#define MS_PER_MIN            (60 * AW_MS_PER_S)
#define MS_PER_DAY            (1440 * MS_PER_MIN)
#define CERTIFICATE_WARN_DAYS 14U
#define LOOK_AT_CERT_S        86400.

struct aw_order_settings
aw_server_order_settings(const struct aw_settings *settings)
{
    struct aw_order_settings order = AW_ORDER_SETTINGS_DEFAULT;

    order.order = strcmp(settings->order, "strict") == 0 ? AW_ORDER_STRICT : AW_ORDER_RATIO;
    order.target_ms[AW_CLASS_CARE] = settings->target_care_min * MS_PER_MIN;
    order.target_ms[AW_CLASS_IMMINENT] = settings->target_imminent_min * MS_PER_MIN;
    order.target_ms[AW_CLASS_DISRUPTED] = settings->target_disrupted_min * MS_PER_MIN;
    order.target_ms[AW_CLASS_GENERAL] = settings->target_general_min * MS_PER_MIN;
    order.target_ms[AW_CLASS_OTHER] = settings->target_other_min * MS_PER_MIN;
    return order;
}

struct aw_gateway_limit
aw_server_gateway_limit(const struct aw_settings *settings)
{
    return (struct aw_gateway_limit){.rate_per_s = (uint32_t)settings->gateway_rate,
                                     .burst_max = (uint32_t)settings->gateway_burst};
}

/* Hands new rules, tokens and another order to the io threads that do not have them yet. */
void
aw_server_hand_out(struct aw_server *server)
{
    bool rules = aw_rulebook_hand(server->rulebook, server->ios);
    bool order = aw_orderbook_hand(server->orderbook, server->ios);
    bool tokens = server->tokenbook == NULL || aw_tokenbook_hand(server->tokenbook, server->ios);

    if (rules && order && tokens)
        ev_timer_stop(server->loop, &server->hand_again);
    else
        ev_timer_again(server->loop, &server->hand_again);
}

static void
on_hand_again(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    aw_server_hand_out(ev_userdata(loop));
}

/* `what`: has come to it; NULL: nothing has, then only whether it ends soon. */
static void
tell_certificate(struct aw_server *server, const char *what)
{
    struct aw_tls_about about;
    aw_ms               now = aw_clock_wall();
    uint64_t            days;
    bool                soon;

    aw_tls_about(server->ssl_ctx, &about);
    days = about.ends_at < now ? 0 : (about.ends_at - now) / MS_PER_DAY;
    soon = days < CERTIFICATE_WARN_DAYS && server->settings.tls_cert[0] != '\0'; /* the one of --dev is made anew by itself */
    aw_metric_set(aw_server_metrics(server), AW_METRIC_CERTIFICATE_ENDS, about.ends_at / AW_MS_PER_S);
    if (what != NULL)
        aw_log(AW_LOG_INFO, what, aw_log_str("serial", about.serial), aw_log_str("names", about.names),
               aw_log_time("ends_at", about.ends_at));
    if (soon && about.ends_at <= now)
        aw_log(AW_LOG_WARN, "the certificate has ended", aw_log_str("serial", about.serial),
               aw_log_time("ends_at", about.ends_at));
    else if (soon)
        aw_log(AW_LOG_WARN, "the certificate ends soon", aw_log_str("serial", about.serial),
               aw_log_time("ends_at", about.ends_at), aw_log_num("days", days));
}

static void
on_look_at_cert(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    tell_certificate(ev_userdata(loop), NULL); /* again each day: nobody sees a log once */
}

enum aw_err
aw_server_load_tls(struct aw_server *server, struct aw_why *why)
{
    const struct aw_settings *settings = &server->settings;
    struct aw_tls_config      config = {.cert_path = settings->tls_cert, .key_path = settings->tls_key, .now = aw_clock_wall()};
    struct aw_dev_cert        cert;
    enum aw_err               err = AW_OK;

    config.allow_tls12 = settings->tls_12;
    if (settings->tls_client_ca[0] != '\0')
        config.client_ca_path = settings->tls_client_ca;
    if (settings->tls_cert[0] == '\0') {
        err = aw_dev_cert_get(&cert, settings->data, config.now, why);
        if (err != AW_OK)
            return err;
        config.cert_path = cert.cert_path;
        config.key_path = cert.key_path;
    }
    return aw_tls_reload(&server->ssl_ctx, &config, why);
}

static void
log_tokens(struct aw_server *server, const char *what)
{
    const struct aw_tokens *tokens = aw_tokenbook_tokens(server->tokenbook);
    uint32_t                valid = aw_tokens_valid(tokens, aw_clock_wall());

    aw_metric_set(aw_server_metrics(server), AW_METRIC_TOKENS, aw_tokens_count(tokens));
    aw_log(valid > 0 ? AW_LOG_INFO : AW_LOG_WARN, what, aw_log_num("tokens", aw_tokens_count(tokens)),
           aw_log_num("valid", valid));
}

enum aw_err
aw_server_load_tokens(struct aw_server *server, struct aw_why *why)
{
    const struct aw_settings *settings = &server->settings;
    enum aw_err               err;

    if (settings->tokens[0] == '\0') /* with --dev only: aw_settings_check */
        return AW_OK;
    err = aw_tokenbook_new(&server->tokenbook, settings->tokens, (uint32_t)settings->tokens_max, server->io_count,
                           aw_clock_wall(), why);
    if (err == AW_OK)
        log_tokens(server, "tokens");
    return err;
}

static void
reload_tokens(struct aw_server *server)
{
    struct aw_why why = {.text = ""};

    if (server->tokenbook == NULL)
        return;
    if (aw_tokenbook_reload(server->tokenbook, &why) == AW_OK) {
        aw_metric_set(aw_server_metrics(server), AW_METRIC_TOKENS_STALE, 0);
        log_tokens(server, "tokens reloaded");
        return;
    }
    aw_metric_set(aw_server_metrics(server), AW_METRIC_TOKENS_STALE, 1);
    aw_log(AW_LOG_ERROR, "the tokens were not reloaded; the old ones stay, also those that were revoked",
           aw_log_str("why", why.text));
}

void
aw_server_log_rules(const struct aw_server *server, const char *what)
{
    const struct aw_rules *rules = aw_rulebook_rules(server->rulebook, AW_RULES_MESSAGES);
    const struct aw_rules *replies = aw_rulebook_rules(server->rulebook, AW_RULES_REPLIES);
    struct aw_rules_counts counts = aw_rules_counts(rules);
    struct aw_rules_counts reply_counts = aw_rules_counts(replies);

    aw_log(AW_LOG_INFO, what, aw_log_num("version", aw_rules_version(rules)), aw_log_num("files", counts.files),
           aw_log_num("rules", counts.rules), aw_log_num("phrases", counts.phrases), aw_log_num("examples", counts.examples),
           aw_log_num("reply_version", aw_rules_version(replies)), aw_log_num("reply_rules", reply_counts.rules));
}

static void
log_no_rules(const struct aw_why *why)
{
    aw_log(AW_LOG_WARN, "the rules were not reloaded; the old ones stay", aw_log_str("why", why->text));
}

bool
aw_server_take_rules(struct aw_server *server)
{
    struct aw_why why = {.text = ""};

    switch (aw_rulebook_poll(server->rulebook, &why)) {
    case AW_RULEBOOK_NONE:
        return false;
    case AW_RULEBOOK_FAILED:
        log_no_rules(&why);
        return true;
    case AW_RULEBOOK_LOADED:
        aw_server_log_rules(server, "rules reloaded");
        return true;
    }
    AW_UNREACHABLE();
}

static void
reload_rules(struct aw_server *server)
{
    struct aw_why why = {.text = ""};

    if (aw_rulebook_reload(server->rulebook, &why) != AW_OK)
        log_no_rules(&why);
}

static void
log_order(const struct aw_server *server, const char *what, const char *fixed)
{
    const struct aw_order_settings *order = aw_orderbook_order(server->orderbook);

    aw_log(AW_LOG_INFO, what, aw_log_str("order", order->order == AW_ORDER_STRICT ? "strict" : "ratio"),
           aw_log_num("care_min", order->target_ms[AW_CLASS_CARE] / MS_PER_MIN),
           aw_log_num("imminent_min", order->target_ms[AW_CLASS_IMMINENT] / MS_PER_MIN),
           aw_log_num("disrupted_min", order->target_ms[AW_CLASS_DISRUPTED] / MS_PER_MIN),
           aw_log_num("general_min", order->target_ms[AW_CLASS_GENERAL] / MS_PER_MIN),
           aw_log_num("other_min", order->target_ms[AW_CLASS_OTHER] / MS_PER_MIN),
           aw_log_num("gateway_rate", aw_gateways_limit(server->gateways).rate_per_s),
           aw_log_num("gateway_burst", aw_gateways_limit(server->gateways).burst_max), aw_log_str("after_restart", fixed));
}

static void
reload_settings(struct aw_server *server)
{
    struct aw_why            why = {.text = ""};
    struct aw_settings       settings;
    struct aw_order_settings order;
    char                     fixed[256];

    if (aw_settings_read_again(&settings, server->given, &why) != AW_OK) {
        aw_log(AW_LOG_WARN, "the settings were not reloaded; the old ones stay", aw_log_str("why", why.text));
        return;
    }
    order = aw_server_order_settings(&settings);
    aw_gateways_change(server->gateways, aw_server_gateway_limit(&settings));
    aw_settings_differ(server->given, &settings, fixed, sizeof(fixed));
    aw_settings_fini(&settings);
    aw_orderbook_change(server->orderbook, &order);
    log_order(server, "settings reloaded", fixed);
}

/* Connections keep what they shook hands with; new ones get the new. */
static void
reload_tls(struct aw_server *server)
{
    struct aw_why why = {.text = ""};
    bool          ok = aw_server_load_tls(server, &why) == AW_OK;

    aw_metric_set(aw_server_metrics(server), AW_METRIC_CERTIFICATE_STALE, !ok);
    if (ok) {
        tell_certificate(server, "certificate reloaded");
        return;
    }
    aw_log(AW_LOG_ERROR, "the certificate was not reloaded; the old one stays", aw_log_str("why", why.text));
    tell_certificate(server, NULL); /* how long it can stay */
}

static void
on_hangup(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
    struct aw_server *server = ev_userdata(loop);

    (void)watcher;
    (void)events;
    reload_settings(server);
    reload_rules(server);
    reload_tokens(server);
    aw_server_hand_out(server);
    if (server->ssl_ctx == NULL)
        return;
    reload_tls(server);
}

void
aw_server_watch_hangup(struct aw_server *server)
{
    ev_signal_init(&server->hangup, on_hangup, SIGHUP);
    ev_timer_init(&server->hand_again, on_hand_again, 0., .02);
    ev_signal_start(server->loop, &server->hangup);
    if (server->ssl_ctx == NULL)
        return;
    tell_certificate(server, "certificate");
    ev_timer_init(&server->look_at_cert, on_look_at_cert, LOOK_AT_CERT_S, LOOK_AT_CERT_S);
    ev_timer_start(server->loop, &server->look_at_cert);
}
