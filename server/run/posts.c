#include "run/posts.h"

#include "base/mem.h"
#include "run/gateways.h"

#include <stdlib.h>

#define SHARES (AW_GATEWAYS_OTHERS + 1)

bool
aw_posts_init(struct aw_posts *posts, uint64_t count_max, uint64_t bytes_max)
{
    *posts =
        (struct aw_posts){.shares = aw_new_array(struct aw_posts_share, SHARES), .count_max = count_max, .bytes_max = bytes_max};
    if (posts->shares == NULL)
        return false;
    for (uint32_t i = 0; i < SHARES; i++)
        aw_list_init(&posts->shares[i].shut);
    return aw_turns_init(&posts->turns, SHARES, AW_POSTS_TURN_BYTES);
}

void
aw_posts_fini(struct aw_posts *posts)
{
    AW_ASSERT(posts->count == 0);
    aw_turns_fini(&posts->turns);
    free(posts->shares);
    *posts = (struct aw_posts){.count = 0};
}

bool
aw_posts_try_enter(struct aw_posts *posts, uint32_t gateway, uint64_t bytes)
{
    struct aw_posts_share *share = &posts->shares[gateway];

    AW_ASSERT(gateway < SHARES);
    if (posts->count >= posts->count_max || share->count >= (posts->count_max + 1) / 2)
        return false;
    if (share->bytes > 0 && share->bytes + bytes > posts->bytes_max / 2)
        return false;
    posts->count++;
    share->count++;
    share->bytes += bytes;
    return true;
}

void
aw_posts_drop(struct aw_posts *posts, uint32_t gateway, uint64_t bytes)
{
    AW_ASSERT(posts->shares[gateway].bytes >= bytes);
    posts->shares[gateway].bytes -= bytes;
}

bool
aw_posts_is_bulk(const struct aw_posts *posts, uint32_t gateway)
{
    return posts->shares[gateway].count > AW_POSTS_LIGHT_MAX;
}

bool
aw_posts_add(struct aw_posts *posts, uint32_t gateway, struct aw_list *node, bool is_body)
{
    struct aw_posts_share *share = &posts->shares[gateway];

    if (is_body && share->bodies >= AW_POSTS_BODIES_MAX) {
        aw_list_push_back(&share->shut, node);
        return false;
    }
    share->bodies += is_body;
    aw_turns_add(&posts->turns, gateway, node);
    return true;
}

void
aw_posts_again(struct aw_posts *posts, uint32_t gateway, struct aw_list *node)
{
    aw_turns_add(&posts->turns, gateway, node);
}

bool
aw_posts_has_next(struct aw_posts *posts)
{
    uint32_t gateway;

    return aw_turns_next(&posts->turns, &gateway) != NULL;
}

struct aw_list *
aw_posts_next(struct aw_posts *posts, uint32_t *ret_gateway)
{
    struct aw_list *node = aw_turns_next(&posts->turns, ret_gateway);

    if (node != NULL)
        aw_list_remove(node);
    return node;
}

struct aw_list *
aw_posts_leave(struct aw_posts *posts, uint32_t gateway, bool is_body_in_work)
{
    struct aw_posts_share *share = &posts->shares[gateway];
    struct aw_list        *node;

    AW_ASSERT(posts->count > 0);
    AW_ASSERT(share->count > 0);
    AW_ASSERT(!is_body_in_work || share->bodies > 0);
    posts->count--;
    share->count--;
    share->bodies -= is_body_in_work;
    node = is_body_in_work ? aw_list_first(&share->shut) : NULL;
    if (node == NULL)
        return NULL;
    aw_list_remove(node);
    if (!aw_posts_add(posts, gateway, node, true))
        AW_UNREACHABLE(); /* a place was given back just now */
    return node;
}
