/* metrics.h - what aswolk says about itself: counters that each thread keeps for itself, and their OpenMetrics text.
 *
 * Who owns: the caller owns the metrics; each thread borrows its block. Thread: a block by its thread; render by any.
 * Source of the format: OpenMetrics 1.0.
 */
#ifndef AW_RUN_METRICS_H
#define AW_RUN_METRICS_H

#include "base/arena.h"
#include "base/stats.h"
#include "commit/committer.h"
#include "core/order.h"
#include "http/edge.h"

enum aw_metric {
    AW_METRIC_DUPLICATES, /* posted again */
    AW_METRIC_REFUSED,    /* posts refused for lack of room */
    AW_METRIC_PULLS,
    AW_METRIC_PULLS_EMPTY,
    AW_METRIC_LEASES_GRANTED,
    AW_METRIC_LEASES_GIVEN_BACK, /* the client was gone before its answer left */
    AW_METRIC_STALE_CHOICES,
    AW_METRIC_UNREADABLE, /* messages given out with a lease, of which something is damaged */
    AW_METRIC_PARKED,
    AW_METRIC_AGENT_STREAMS,
    AW_METRIC_AGENT_STREAMS_JOINED,
    AW_METRIC_AGENT_STREAM_EVENTS,
    AW_METRIC_WOKEN_IN_VAIN,
    AW_METRIC_EVENT_STREAMS,
    AW_METRIC_EVENTS_TOLD,
    AW_METRIC_SEARCHES,
    AW_METRIC_BULK_DONE, /* tickets changed as one of many */
    AW_METRIC_BULK_REFUSED,
    AW_METRIC_OUT, /* submissions and reads in others' hands */
    AW_METRIC_GROUPS,
    AW_METRIC_RECORDS,
    AW_METRIC_BATCHES,
    AW_METRIC_CHECKPOINTS,
    AW_METRIC_ROLE,            /* enum aw_role; the committer's block */
    AW_METRIC_COMMITTER_TURNS, /* for the watchdog: it moves as long as the committer does */
    AW_METRIC_FLUSH_BEGAN,     /* monotonic ms when the flush under way began; 0: none */
    AW_METRIC_START_FAILED,
    AW_METRIC_ACCEPT_RESTS, /* main's block */
    AW_METRIC_TLS_SETTLED,  /* connections with TLS that came to an io thread, less those that shake hands just now */
    AW_METRIC_STOP,         /* main asks the committer's thread to end */
    AW_METRIC_TOKENS,       /* lines of the file in use; main's block */
    AW_METRIC_TOKENS_STALE, /* 1: the file could not be read anew */
    AW_METRIC_CERTIFICATE_STALE,
    AW_METRIC_CERTIFICATE_ENDS, /* Unix seconds; 0: none is served */
    AW_METRIC_PROGRESS,         /* of a start: records done */
    AW_METRIC_TOTAL,            /* of a start: records in all */
    AW_METRIC_STORE_USED,
    AW_METRIC_STORE_LIMIT,
    AW_METRIC_STORE_RESERVE,
    AW_METRIC_STORE_ROOM,
    AW_METRIC_TRIM_FIRST_SEQ,
    AW_METRIC_TRIM_RECORDS,
    AW_METRIC_TRIM_KEPT_RECORDS,
    AW_METRIC_TRIM_KEPT_BODIES,
    AW_METRIC_TRIM_OLDEST, /* record time; 0: nothing is kept */
    AW_METRIC_TRIM_SHORT,
    AW_METRIC_TRIM_DAMAGED,
    AW_METRIC_LANES_SHUT,
    AW_METRIC_CLASSES_LATE,
    AW_METRIC_FORECASTS,   /* published */
    AW_METRIC_FORECAST_US, /* what the last look took, as a whole */
    AW_METRIC_SEQ,
    AW_METRIC_EPOCH,
    AW_METRIC_ERASE_ASKED,    /* the last record that asks for an erasure; the committer's block */
    AW_METRIC_ERASED_THROUGH, /* the last one that was looked at, and carried out if it asked; the eraser's block */
    AW_METRIC_TEXTS_ERASED,
    AW_METRIC_ERASURES_STUCK,
    AW_METRIC_KEY_GENERATION, /* at the start, the committer's block; and how many came since, the eraser's */
    AW_METRIC_KEYS_LATE,
    /* Copies of the edge's counters, so that any thread may read them. */
    AW_METRIC_CONNECTIONS_NOW,
    AW_METRIC_REQUESTS_NOW,
    AW_METRIC_BODIES_NOW,
    AW_METRIC_UNDELIVERED,
    AW_METRIC_BYTES_IN,
    AW_METRIC_BYTES_OUT,
    AW_METRIC_CAUSE_0,                                  /* one for each enum aw_cause */
    AW_METRIC_STATUS_0 = AW_METRIC_CAUSE_0 + AW_CAUSES, /* one for each status from AW_STATUS_MIN on */
    AW_METRICS_COUNT = AW_METRIC_STATUS_0 + (AW_STATUS_MAX - AW_STATUS_MIN + 1)
};

struct aw_metrics_block {
    struct aw_stats_block *counters;  /* borrows */
    struct aw_histogram   *commit_ns; /* committer only */
    struct aw_histogram   *group_records;
};

struct aw_metrics {
    struct aw_stats         *stats;     /* owns */
    struct aw_histogram      commit_ns; /* written by the committer */
    struct aw_histogram      group_records;
    struct aw_metrics_block *blocks; /* owns: one a thread */
    uint32_t                 block_count;
};

/* One block for each of `threads`. NULL without memory. */
AW_MUST_USE struct aw_metrics *aw_metrics_new(uint32_t threads);
void                           aw_metrics_free(struct aw_metrics **metrics);
struct aw_metrics_block       *aw_metrics_block(struct aw_metrics *metrics, uint32_t thread);

static inline void
aw_metric_add(struct aw_metrics_block *block, unsigned metric, uint64_t amount)
{
    aw_stats_add(block->counters, metric, amount);
}
static inline void
aw_metric_set(struct aw_metrics_block *block, unsigned metric, uint64_t value)
{
    aw_stats_set(block->counters, metric, value);
}
/* The sum over all threads. */
uint64_t aw_metric_sum(const struct aw_metrics *metrics, unsigned metric);
/* Copies what the edge counted into the thread's block. Thread: the edge's. */
void aw_metrics_take_edge(struct aw_metrics_block *block, const struct aw_edge_stats *stats);

struct aw_gateways;

/* What the text needs besides the counters. */
struct aw_metrics_view {
    const struct aw_state_counts   *counts;
    struct aw_lanes                *lanes; /* heads are peeked for the oldest ages */
    struct aw_lanes_directory      *directory;
    const struct aw_order_settings *order; /* of a pull over all lanes */
    const struct aw_surge_view     *surge;
    const struct aw_gateways       *gateways;
    aw_ms                           now;
};
/* Appends the whole exposition with its `# EOF`. */
void aw_metrics_render(const struct aw_metrics *metrics, const struct aw_metrics_view *view, struct aw_buffer *buffer);

#endif
