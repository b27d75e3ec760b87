/* posts.h - posts that wait on one io thread: whose is read next, and how much of it before the sockets are looked at again.
 *
 * A post waits as it came, as the bytes of its request. In its turn it is read, submitted, and its answer written, all in pieces;
 * gateways take turns (base/turns.h), so that who posts little waits for a piece, whatever others post. Of the bodies of one
 * gateway that hold several messages a few are worked on at once: what is read of one takes a kilobyte and more for each line.
 *
 * Who owns: the io thread owns the table; requests are linked by their `node`. Thread: io. Fails: in init, without memory.
 */
#ifndef AW_RUN_POSTS_H
#define AW_RUN_POSTS_H

#include "base/turns.h"

/* Bodies of several messages that one gateway has in work on a thread: while one is with the committer the next is read. */
#define AW_POSTS_BODIES_MAX 4U
/* What one turn of a gateway may cost, in bytes that are read, and what all of a loop's turn may: a tenth of a millisecond, and
 * while nobody else posts two. What a message costs is about that of so many bytes more than it has. */
#define AW_POSTS_TURN_BYTES       4096U
#define AW_POSTS_LOOP_BYTES       4096U
#define AW_POSTS_LOOP_BYTES_ALONE 65536U
#define AW_POSTS_LINE_BYTES       512U
/* Who has more than so many single messages under way on a thread, or sends several in a body, can wait; and while several gateways
 * post, so many of their connections are read, and as many written, before the others are looked at again. */
#define AW_POSTS_LIGHT_MAX 8U
#define AW_POSTS_BULK_MAX  2U

/* Private. */
struct aw_posts_share {
    uint64_t       count;  /* posts of this gateway, from their request to their answer */
    uint64_t       bytes;  /* of their requests, until the answers have left */
    uint32_t       bodies; /* of them, in work */
    struct aw_list shut;   /* bodies that are not: requests, oldest first */
};

struct aw_posts {
    struct aw_turns        turns;  /* of those that can go on */
    struct aw_posts_share *shares; /* owns: by gateway */
    uint64_t               count;  /* posts in all */
    uint64_t               count_max;
    uint64_t               bytes_max;
};

/* For so many posts, and so many bytes of requests. */
AW_MUST_USE bool aw_posts_init(struct aw_posts *posts, uint64_t count_max, uint64_t bytes_max);
/* Accepts a zeroed one. No post may be left. */
void aw_posts_fini(struct aw_posts *posts);
/* Counts one more. One gateway gets half of the places, and of the bytes, or one post however long it is: the rest is for who comes
 * beside it. False: there is no place for it. */
AW_MUST_USE bool aw_posts_try_enter(struct aw_posts *posts, uint32_t gateway, uint64_t bytes);
/* The bytes of one that entered are given back; with aw_posts_leave or later. */
void aw_posts_drop(struct aw_posts *posts, uint32_t gateway, uint64_t bytes);
/* Whether the gateway has so many posts under way that they can wait. */
bool aw_posts_is_bulk(const struct aw_posts *posts, uint32_t gateway);
/* A new one waits. True: it is in work from now on, and in the turns, as every single message is. */
AW_MUST_USE bool aw_posts_add(struct aw_posts *posts, uint32_t gateway, struct aw_list *node, bool is_body);
/* One that is in work has something to do again. */
void aw_posts_again(struct aw_posts *posts, uint32_t gateway, struct aw_list *node);
bool aw_posts_has_next(struct aw_posts *posts);
/* Whose turn it is, taken out; NULL: nobody's. */
struct aw_list *aw_posts_next(struct aw_posts *posts, uint32_t *ret_gateway);
/* It is over, and unlinked. Returns the body that may begin for it, which is in the turns then; NULL: there is none. */
struct aw_list *aw_posts_leave(struct aw_posts *posts, uint32_t gateway, bool is_body_in_work);

#endif
