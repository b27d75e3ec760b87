#include "run/gateways.h"

#include "base/mem.h"
#include "model/limits.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A gateway is its hash under the store's secret key: 64 bits, which nobody can aim at. The name is only shown. */
struct gateway {
    _Atomic uint64_t hash;    /* 0: free */
    _Atomic uint64_t full_at; /* aw_ns */
    _Atomic uint64_t posted_count;
    _Atomic uint64_t refused_count;
    _Atomic bool     is_named; /* name is written */
    uint32_t         name_len;
    char             name[AW_AGENT_BYTES_MAX];
};

struct aw_gateways {
    struct aw_hash_key key;
    _Atomic uint64_t   limit;        /* rate in the upper half, burst in the lower, so that both are read at once */
    uint64_t           change_count; /* of the limit; main's */
    /* The two that posted last: when, in ms, above INDEX_BITS, and who. */
    _Atomic uint64_t latest[2];
    struct gateway   gateways[AW_GATEWAYS_MAX + 1];
};

#define INDEX_BITS 11U
#define INDEX_MASK ((1U << INDEX_BITS) - 1)
AW_STATIC_ASSERT(AW_GATEWAYS_OTHERS <= INDEX_MASK, "an index has its bits");

static uint64_t
pack(struct aw_gateway_limit limit)
{
    return (uint64_t)limit.rate_per_s << 32 | limit.burst_max;
}

static void
name_gateway(struct gateway *gateway, struct aw_slice name)
{
    gateway->name_len = (uint32_t)name.len;
    memcpy(gateway->name, name.ptr, name.len);
    /* Pairs with the acquire in aw_gateways_view. */
    atomic_store_explicit(&gateway->is_named, true, memory_order_release);
}

enum aw_err
aw_gateways_new(struct aw_gateways **ret_gateways, const struct aw_hash_key *key, struct aw_gateway_limit limit)
{
    struct aw_gateways *gateways = aw_new(struct aw_gateways);

    if (gateways == NULL)
        return AW_E_MEMORY;
    gateways->key = *key;
    atomic_init(&gateways->limit, pack(limit));
    *ret_gateways = gateways; /* the caller owns it from here */
    return AW_OK;
}

void
aw_gateways_free(struct aw_gateways **gateways)
{
    free(*gateways);
    *gateways = NULL;
}

void
aw_gateways_change(struct aw_gateways *gateways, struct aw_gateway_limit limit)
{
    /* Relaxed: a post under way is judged by the old limit or the new one, and either is right, as long as a bucket is charged by
     * its own: below. */
    if (atomic_exchange_explicit(&gateways->limit, pack(limit), memory_order_relaxed) == pack(limit))
        return;
    /* Long ago, and each time another moment: a post that was judged by the old limit finds that the word is another one. */
    gateways->change_count++;
    for (uint32_t i = 0; i <= AW_GATEWAYS_OTHERS; i++)
        /* Pairs with the acquires in try_post. */
        atomic_store_explicit(&gateways->gateways[i].full_at, gateways->change_count, memory_order_release);
}

struct aw_gateway_limit
aw_gateways_limit(const struct aw_gateways *gateways)
{
    uint64_t limit = atomic_load_explicit(&gateways->limit, memory_order_relaxed);

    return (struct aw_gateway_limit){.rate_per_s = (uint32_t)(limit >> 32), .burst_max = (uint32_t)limit};
}

uint32_t
aw_gateways_find(struct aw_gateways *gateways, struct aw_slice name)
{
    uint64_t hash = aw_hash64(&gateways->key, name.ptr, name.len) | 1; /* never 0 */
    uint64_t at = hash >> 1;

    AW_ASSERT(name.len <= AW_AGENT_BYTES_MAX);
    for (uint32_t i = 0; i < AW_GATEWAYS_MAX; i++, at++) {
        struct gateway *gateway = &gateways->gateways[at % AW_GATEWAYS_MAX];
        /* Relaxed: the word is all that is looked at. A place that is taken stays its owner's, so whoever looks for a name that
         * has a place finds it. And it is looked at before it is written, as all threads find theirs by the same words. */
        uint64_t seen = atomic_load_explicit(&gateway->hash, memory_order_relaxed);

        if (seen == 0 &&
            atomic_compare_exchange_strong_explicit(&gateway->hash, &seen, hash, memory_order_relaxed, memory_order_relaxed)) {
            name_gateway(gateway, name);
            return (uint32_t)(at % AW_GATEWAYS_MAX);
        }
        if (seen == hash)
            return (uint32_t)(at % AW_GATEWAYS_MAX);
    }
    return AW_GATEWAYS_OTHERS;
}

static uint32_t
seconds_up(uint64_t ns)
{
    uint64_t seconds = (ns + AW_NS_PER_S - 1) / AW_NS_PER_S;

    return seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
}

/* How long until `cost` may be taken from a bucket that is full at `full_at`; 0: now. What costs more than a whole bucket waits
 * until it is full. */
static uint64_t
wait_of(uint64_t full_at, uint64_t cost, uint64_t bucket, aw_ns now)
{
    uint64_t missing = full_at > now ? full_at - now : 0;

    if (cost > bucket)
        return missing;
    return missing + cost > bucket ? missing + cost - bucket : 0;
}

/* Relaxed: it only says whether turns are to be short; of two threads that write at once one may be lost for a moment. */
static void
note_latest(struct aw_gateways *gateways, uint32_t index, aw_ns now)
{
    uint64_t last = atomic_load_explicit(&gateways->latest[0], memory_order_relaxed);

    if (last != 0 && (last & INDEX_MASK) != index)
        atomic_store_explicit(&gateways->latest[1], last, memory_order_relaxed);
    atomic_store_explicit(&gateways->latest[0], now / AW_NS_PER_MS << INDEX_BITS | index, memory_order_relaxed);
}

bool
aw_gateways_is_contended(const struct aw_gateways *gateways, aw_ns now)
{
    uint32_t count = 0;

    for (size_t i = 0; i < AW_ARRAY_LEN(gateways->latest); i++) {
        uint64_t seen = atomic_load_explicit(&gateways->latest[i], memory_order_relaxed);

        count += seen != 0 && (seen >> INDEX_BITS) + AW_MS_PER_S > now / AW_NS_PER_MS;
    }
    return count == AW_ARRAY_LEN(gateways->latest);
}

/* What a bucket says of a post: the answer without its index, and the bucket's word afterwards. */
static struct aw_gateway_answer
judge(struct aw_gateway_limit limit, uint64_t full_at, uint32_t count, aw_ns now, uint64_t *ret_next)
{
    struct aw_gateway_answer answer = {.is_admitted = true, .limit = limit};
    uint64_t                 cost, bucket, wait, next;

    *ret_next = full_at;
    if (limit.rate_per_s == 0)
        return answer;
    cost = AW_NS_PER_S * count / limit.rate_per_s;
    bucket = AW_NS_PER_S * limit.burst_max / limit.rate_per_s;
    wait = wait_of(full_at, cost, bucket, now);
    next = wait > 0 ? full_at : (full_at > now ? full_at : now) + cost;
    answer.is_admitted = wait == 0;
    answer.full_s = next > now ? seconds_up(next - now) : 0;
    if (next <= now)
        answer.left_count = limit.burst_max;
    else if (next - now < bucket)
        answer.left_count = (uint32_t)((bucket - (next - now)) * limit.rate_per_s / AW_NS_PER_S);
    answer.retry_after_s = seconds_up(wait);
    *ret_next = next;
    return answer;
}

struct aw_gateway_answer
aw_gateways_try_post(struct aw_gateways *gateways, uint32_t index, uint32_t count, aw_ns now)
{
    struct gateway          *gateway = &gateways->gateways[index];
    struct aw_gateway_answer answer;
    uint64_t                 full_at, next;

    AW_ASSERT(index <= AW_GATEWAYS_OTHERS);
    /* The limit is read again for each word that is seen, so none that stays is charged by one that is gone. Pairs with the release
     * in change. */
    full_at = atomic_load_explicit(&gateway->full_at, memory_order_acquire);
    do {
        answer = judge(aw_gateways_limit(gateways), full_at, count, now, &next);
    } while (next != full_at && !atomic_compare_exchange_weak_explicit(&gateway->full_at, &full_at, next, memory_order_acquire,
                                                                       memory_order_acquire));
    answer.index = index;
    if (answer.is_admitted)
        note_latest(gateways, index, now); /* who gets nothing but refusals is nobody's rival */
    atomic_fetch_add_explicit(answer.is_admitted ? &gateway->posted_count : &gateway->refused_count, count, memory_order_relaxed);
    return answer;
}

bool
aw_gateways_view(const struct aw_gateways *gateways, uint32_t index, struct aw_gateway_view *ret_view)
{
    const struct gateway *gateway = &gateways->gateways[index];

    AW_ASSERT(index <= AW_GATEWAYS_OTHERS);
    *ret_view = (struct aw_gateway_view){
        .name = AW_SLICE("(others)"),
        .posted_count = atomic_load_explicit(&gateway->posted_count, memory_order_relaxed),
        .refused_count = atomic_load_explicit(&gateway->refused_count, memory_order_relaxed),
    };
    if (index == AW_GATEWAYS_OTHERS)
        return ret_view->posted_count + ret_view->refused_count > 0;
    /* Pairs with the release in name_gateway. */
    if (!atomic_load_explicit(&gateway->is_named, memory_order_acquire))
        return false;
    ret_view->name = aw_slice_of(gateway->name, gateway->name_len);
    return true;
}
