/* api_health.c - what monitors and newcomers ask: alive, ready, numbers, the API's description. */
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"

#include <string.h>

/* A flush that takes longer than this is a disk that hangs: the answer must not wait for it. */
#define FLUSH_MS_MAX 5000U

struct numbers {
    struct aw_call         call;
    struct aw_submission   submission;
    struct aw_query        query;
    struct aw_state_counts counts;
};

static const struct aw_call_ops plain_ops = {.on_back = NULL};

void
aw_api_healthz(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct aw_call  *call = aw_call_new(io, request, &plain_ops, sizeof(*call));
    struct aw_buffer buffer;

    (void)id;
    if (call == NULL)
        return;
    aw_buffer_init(&buffer, &request->arena);
    aw_buffer_add_str(&buffer, "{\"status\":\"alive\"}\n");
    aw_call_answer(call, 200, AW_MEDIA_JSON, &buffer, NULL, 0);
}

static bool
hangs(const struct aw_io *io)
{
    uint64_t began = aw_metric_sum(io->shared->metrics, AW_METRIC_FLUSH_BEGAN);

    return began != 0 && io->now / AW_NS_PER_MS > began + FLUSH_MS_MAX;
}

/* What becomes of a message that names no lane of its own. Intake as a whole is paused when the lane `main` takes nothing in: what
 * matches no other lane goes there. One of the others being paused stops only what is for it. */
static const char *
intake_state(const struct aw_io *io, enum aw_role role)
{
    struct aw_lanes_directory *directory = io->shared->directory;

    if (role == AW_ROLE_FULL)
        return "full";
    if (aw_lanes_directory_count(directory) > 0 && !aw_lanes_directory_takes(directory, 0))
        return "paused";
    return "open";
}

void
aw_api_readyz(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    const struct aw_metrics *metrics = io->shared->metrics;
    struct aw_call          *call = aw_call_new(io, request, &plain_ops, sizeof(*call));
    enum aw_role             role = (enum aw_role)aw_metric_sum(metrics, AW_METRIC_ROLE);
    const char              *intake = intake_state(io, role);
    bool                     is_open = strcmp(intake, "open") == 0;
    bool                     ready = role == AW_ROLE_ACTIVE || role == AW_ROLE_FULL;
    struct aw_buffer         buffer;
    struct aw_json           json;

    (void)id;
    if (call == NULL)
        return;
    ready = ready && !io->draining && !hangs(io);
    if (aw_slice_eq(request->query, AW_SLICE("for=intake")))
        ready = ready && is_open;
    else if (request->query.len > 0) {
        aw_call_fail(call, AW_E_BAD_VALUE, "the query is for=intake");
        return;
    }
    aw_buffer_init(&buffer, &request->arena);
    aw_json_init(&json, &buffer);
    aw_json_object_begin(&json);
    aw_json_key(&json, "ready");
    aw_json_bool(&json, ready);
    aw_json_key(&json, "role");
    aw_json_str(&json, io->draining ? "draining" : aw_role_name(role));
    aw_json_key(&json, "intake");
    aw_json_str(&json, intake);
    if (role == AW_ROLE_STARTING) {
        aw_json_key(&json, "records_done");
        aw_json_u64(&json, aw_metric_sum(metrics, AW_METRIC_PROGRESS));
        aw_json_key(&json, "records_total");
        aw_json_u64(&json, aw_metric_sum(metrics, AW_METRIC_TOTAL));
    }
    if (hangs(io)) {
        aw_json_key(&json, "detail");
        aw_json_str(&json, "a flush to disk does not come back");
    }
    aw_json_object_end(&json);
    aw_buffer_add_str(&buffer, "\n");
    aw_call_answer(call, ready ? 200 : 503, AW_MEDIA_JSON, &buffer, NULL, 0);
}

static void
on_counted(struct aw_call *call)
{
    struct numbers         *numbers = (struct numbers *)call;
    const struct aw_shared *shared = call->io->shared;
    struct aw_metrics_view  view = {.counts = &numbers->counts,
                                    .lanes = shared->lanes,
                                    .directory = shared->directory,
                                    .order = aw_surge_copy_order(call->io, NULL, 0),
                                    .surge = &call->io->surge.view,
                                    .gateways = shared->gateways,
                                    .now = call->io->wall};
    struct aw_buffer        buffer;

    /* With a broken store the counters still tell; only the state's numbers are void, and zero. */
    aw_metrics_take_edge(call->io->metrics, aw_edge_stats(call->io->edge));
    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_metrics_render(shared->metrics, &view, &buffer);
    aw_call_answer(call, 200, AW_MEDIA_OPENMETRICS, &buffer, NULL, 0);
}

static const struct aw_call_ops numbers_ops = {.on_back = on_counted};

void
aw_api_metrics(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct numbers *numbers = aw_call_new(io, request, &numbers_ops, sizeof(*numbers));

    (void)id;
    if (numbers == NULL)
        return;
    if (aw_metric_sum(io->shared->metrics, AW_METRIC_ROLE) == AW_ROLE_STARTING || hangs(io)) {
        on_counted(&numbers->call); /* the committer would not answer now */
        return;
    }
    numbers->query = (struct aw_query){.kind = AW_QUERY_COUNTS, .counts = &numbers->counts};
    numbers->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &numbers->query};
    aw_call_submit(&numbers->call, &numbers->submission);
}

void
aw_api_openapi(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct aw_response response = {.status = 200, .content_type = aw_media_type(AW_MEDIA_JSON), .body = aw_proto_openapi()};

    (void)io;
    (void)id;
    aw_request_respond(request, &response);
}

void
aw_api_index(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    static const char  text[] = "aswolk " AW_VERSION "\n\n"
                                "POST /v1/messages      take a message in\n"
                                "POST /v1/leases        pull the most urgent ticket\n"
                                "GET  /openapi.json     the whole API\n"
                                "GET  /readyz /metrics  how it is doing\n";
    struct aw_response response = {.status = 200, .content_type = aw_media_type(AW_MEDIA_TEXT), .body = AW_SLICE(text)};

    (void)io;
    (void)id;
    aw_request_respond(request, &response);
}
