/* list.h - a circular list whose nodes sit inside the things they link.
 *
 * A node is always linked or linked to itself, so unlinking twice is harmless. Owns nothing. Thread: one, that of the list's owner.
 */
#ifndef AW_BASE_LIST_H
#define AW_BASE_LIST_H

#include "base/assert.h"

#include <stdbool.h>
#include <stddef.h>

struct aw_list {
    struct aw_list *next;
    struct aw_list *prev;
};

static inline void
aw_list_init(struct aw_list *node)
{
    node->next = node;
    node->prev = node;
}

static inline bool
aw_list_is_empty(const struct aw_list *list)
{
    return list->next == list;
}

static inline void
aw_list_remove(struct aw_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    aw_list_init(node);
}

/* `node` must not be linked. */
static inline void
aw_list_insert_before(struct aw_list *at, struct aw_list *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

static inline void
aw_list_push_back(struct aw_list *list, struct aw_list *node)
{
    aw_list_insert_before(list, node);
}

/* The oldest node, still linked; NULL when empty. */
static inline struct aw_list *
aw_list_first(struct aw_list *list)
{
    return list->next == list ? NULL : list->next;
}

#endif
