/* gateways.h - how fast each gateway may post: a token bucket a name, one for all io threads.
 *
 * One word a gateway says when its bucket will be full again; who posts moves it ahead by what his messages cost. So the answer is
 * exact over all threads, and the wait that a refusal names is true: then the tokens will be there, unless the same gateway takes
 * them meanwhile. A bucket never knows how long the queue is.
 * Who owns: the table owns its names. A name stays until the end of the process; those beyond AW_GATEWAYS_MAX share one bucket.
 * Thread: try_post and find by any io thread, change by main, view by any. Nothing blocks; only new can fail.
 */
#ifndef AW_RUN_GATEWAYS_H
#define AW_RUN_GATEWAYS_H

#include "base/err.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

#define AW_GATEWAYS_MAX 1024U
/* The index of those that came when the table was full. */
#define AW_GATEWAYS_OTHERS AW_GATEWAYS_MAX

struct aw_gateways;

/* Messages that a gateway may post in a second, and at once after a rest. rate_per_s 0: no limit. */
struct aw_gateway_limit {
    uint32_t rate_per_s;
    uint32_t burst_max;
};

struct aw_gateway_answer {
    bool                    is_admitted;
    struct aw_gateway_limit limit;
    uint32_t                left_count;    /* tokens afterwards */
    uint32_t                full_s;        /* until the bucket is full again; 0: it is */
    uint32_t                retry_after_s; /* of a refusal, above 0 */
    uint32_t                index;
};

struct aw_gateway_view {
    struct aw_slice name; /* borrows; as long as the table */
    uint64_t        posted_count;
    uint64_t        refused_count;
};

/* AW_E_MEMORY or AW_OK. */
AW_MUST_USE enum aw_err aw_gateways_new(struct aw_gateways **ret_gateways, const struct aw_hash_key *key,
                                        struct aw_gateway_limit limit);
/* When no thread uses it. Takes the address, accepts NULL, leaves NULL. */
void aw_gateways_free(struct aw_gateways **gateways);
/* From now on. When it is another limit all buckets are full: what was counted in the old one means nothing in the new. */
void                    aw_gateways_change(struct aw_gateways *gateways, struct aw_gateway_limit limit);
struct aw_gateway_limit aw_gateways_limit(const struct aw_gateways *gateways);
/* The index of a name of up to AW_AGENT_BYTES_MAX bytes. */
uint32_t aw_gateways_find(struct aw_gateways *gateways, struct aw_slice name);
/* `count` messages at `now`: all or none. More than the burst are let in when the bucket is full, and leave it in debt. */
struct aw_gateway_answer aw_gateways_try_post(struct aw_gateways *gateways, uint32_t index, uint32_t count, aw_ns now);
/* Whether two of them posted within the last second: then the turns of each are short. */
bool aw_gateways_is_contended(const struct aw_gateways *gateways, aw_ns now);
/* What is known of index 0 to AW_GATEWAYS_OTHERS; false: nobody has it. */
AW_MUST_USE bool aw_gateways_view(const struct aw_gateways *gateways, uint32_t index, struct aw_gateway_view *ret_view);

#endif
