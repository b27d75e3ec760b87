/* msgpack_tree.c - MessagePack checked by a walk of our own, then unpacked by msgpack-c.
 *
 * The walk comes first because a few bytes can claim four billion elements, and msgpack-c makes room for as many as are claimed
 * before it looks for them. It also finds what msgpack-c does not look for.
 */
#include "proto/msgpack_bytes.h"
#include "proto/tree.h"

#include <math.h>

struct level {
    uint64_t        left; /* values still to come, keys included */
    bool            map;
    bool            key_next;
    uint32_t        key_count;
    struct aw_slice keys[AW_MAP_KEYS_MAX];
};

struct walk {
    const char              *start;
    const char              *at;
    const char              *end;
    struct aw_proto_problem *problem;
    struct aw_path           path;
    uint32_t                 depth;
    uint32_t                 values;
    struct level             levels[AW_DEPTH_MAX];
};

static enum aw_err
malformed(struct walk *walk, const char *words)
{
    return aw_fault_at(walk->problem, AW_FAULT_MALFORMED, &walk->path, "is not well-formed MessagePack at byte %zu: %s",
                       (size_t)(walk->at - walk->start), words);
}

static enum aw_err
take_key(struct walk *walk, struct level *level, const struct aw_mp_head *head)
{
    struct aw_slice key = aw_slice_of(walk->at, head->count);

    if (head->kind != AW_MP_STR)
        return malformed(walk, "a key is not a text");
    aw_path_push_name(&walk->path, key);
    if (!aw_slice_is_utf8(key))
        return aw_fault_at(walk->problem, AW_FAULT_UTF8, &walk->path, "is a key that is not valid UTF-8");
    for (uint32_t i = 0; i < level->key_count; i++) {
        if (aw_slice_eq(level->keys[i], key))
            return aw_fault_at(walk->problem, AW_FAULT_DUPLICATE, &walk->path, "is there twice");
    }
    AW_ASSERT(level->key_count < AW_MAP_KEYS_MAX);
    level->keys[level->key_count++] = key;
    level->key_next = false;
    level->left--;
    walk->at += head->count;
    return AW_OK;
}

static enum aw_err
open_level(struct walk *walk, const struct aw_mp_head *head)
{
    bool          map = head->kind == AW_MP_MAP;
    uint64_t      count = (uint64_t)head->count * (map ? 2 : 1);
    struct level *level;

    if (walk->depth == AW_DEPTH_MAX)
        return aw_fault_at(walk->problem, AW_FAULT_DEPTH, &walk->path, "is nested too deep; at most %u levels", AW_DEPTH_MAX);
    if (count > (size_t)(walk->end - walk->at)) /* each value has at least one byte */
        return malformed(walk, "more elements are announced than bytes are left");
    if (map && head->count > AW_MAP_KEYS_MAX)
        return aw_fault_at(walk->problem, AW_FAULT_MANY, &walk->path, "has %u keys; at most %u", head->count, AW_MAP_KEYS_MAX);
    level = &walk->levels[walk->depth++];
    level->left = count;
    level->map = map;
    level->key_next = map;
    level->key_count = 0;
    if (!map)
        aw_path_push_index(&walk->path, 0);
    return AW_OK;
}

/* A value is complete: with it, its key or its place in the list, and each level that it was the last value of. */
static void
close_value(struct walk *walk)
{
    while (walk->depth > 0) {
        struct level *level = &walk->levels[walk->depth - 1];

        if (level->left > 0 && !level->map) {
            walk->path.parts[walk->path.count - 1].index++;
            return;
        }
        if (!level->map || level->key_count > 0) /* an empty map left nothing in the path */
            aw_path_pop(&walk->path);
        if (level->left > 0) {
            level->key_next = true;
            return;
        }
        walk->depth--;
    }
}

static enum aw_err
take_value(struct walk *walk, const struct aw_mp_head *head)
{
    if (walk->depth > 0)
        walk->levels[walk->depth - 1].left--;
    if (++walk->values > AW_TREE_VALUES_MAX)
        return aw_fault_at(walk->problem, AW_FAULT_MANY, NULL, "holds more values than any request needs; at most %u",
                           AW_TREE_VALUES_MAX);
    switch (head->kind) {
    case AW_MP_MAP:
    case AW_MP_ARRAY:
        return open_level(walk, head);
    case AW_MP_STR:
        if (!aw_slice_is_utf8(aw_slice_of(walk->at, head->count)))
            return aw_fault_at(walk->problem, AW_FAULT_UTF8, &walk->path, "is not valid UTF-8");
        walk->at += head->count;
        return AW_OK;
    case AW_MP_REAL:
        if (!isfinite(head->value.real))
            return aw_fault_at(walk->problem, AW_FAULT_RANGE, &walk->path, "is not a finite number");
        return AW_OK;
    case AW_MP_BIN:
        return aw_fault_at(walk->problem, AW_FAULT_TYPE, &walk->path, "is of the type bin; only texts hold bytes here");
    case AW_MP_EXT:
        return aw_fault_at(walk->problem, AW_FAULT_TYPE, &walk->path, "is of an extension type; times are texts here");
    case AW_MP_NIL:
    case AW_MP_BOOL:
    case AW_MP_UINT:
    case AW_MP_INT:
        return AW_OK;
    }
    AW_UNREACHABLE();
}

static enum aw_err
walk_value(struct walk *walk)
{
    do {
        struct level     *level = walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;
        struct aw_mp_head head;
        enum aw_err       err;

        if (!aw_mp_read(&walk->at, walk->end, &head))
            return malformed(walk, walk->at == walk->end ? "it ends inside of a value" : "no value, or it ends inside of one");
        if (level != NULL && level->key_next) {
            err = take_key(walk, level, &head);
            if (err != AW_OK)
                return err;
            continue;
        }
        err = take_value(walk, &head);
        if (err != AW_OK)
            return err;
        /* A list or map that has something in it is not complete yet. */
        if ((head.kind != AW_MP_MAP && head.kind != AW_MP_ARRAY) || head.count == 0)
            close_value(walk);
    } while (walk->depth > 0);
    return AW_OK;
}

enum aw_err
aw_msgpack_check(struct aw_slice body, struct aw_proto_problem *problem)
{
    struct walk walk; /* the key lists are large and need no first value */
    enum aw_err err;

    walk.start = body.ptr;
    walk.at = body.ptr;
    walk.end = body.ptr + body.len;
    walk.problem = problem;
    walk.path.count = 0;
    walk.depth = 0;
    walk.values = 0;
    err = walk_value(&walk);
    if (err == AW_OK && walk.at != walk.end)
        return malformed(&walk, "something follows the value");
    return err;
}

size_t
aw_msgpack_measure(struct aw_slice bytes)
{
    const char *at = bytes.ptr;
    const char *end = bytes.ptr + bytes.len;
    uint64_t    left[AW_DEPTH_MAX + 1] = {1};
    uint32_t    depth = 0;

    for (;;) {
        struct aw_mp_head head;

        if (!aw_mp_read(&at, end, &head))
            return 0;
        left[depth]--;
        if (head.kind == AW_MP_MAP || head.kind == AW_MP_ARRAY) {
            if (depth == AW_DEPTH_MAX)
                return 0;
            left[++depth] = (uint64_t)head.count * (head.kind == AW_MP_MAP ? 2 : 1);
        } else if (head.kind == AW_MP_STR || head.kind == AW_MP_BIN || head.kind == AW_MP_EXT) {
            at += head.count;
        }
        while (left[depth] == 0) {
            if (depth == 0)
                return (size_t)(at - bytes.ptr);
            depth--;
        }
    }
}

enum aw_err
aw_tree_from_msgpack(struct aw_scratch *scratch, struct aw_slice body, msgpack_object *ret_root, struct aw_proto_problem *problem)
{
    enum aw_err err = aw_msgpack_check(body, problem);
    size_t      offset = 0;

    if (err != AW_OK)
        return err;
    switch (msgpack_unpack(body.ptr, body.len, &offset, &scratch->zone, ret_root)) {
    case MSGPACK_UNPACK_SUCCESS:
        return AW_OK;
    case MSGPACK_UNPACK_NOMEM_ERROR:
        return aw_fault_at(problem, AW_FAULT_MEMORY, NULL, "could not be read: out of memory");
    case MSGPACK_UNPACK_EXTRA_BYTES:
    case MSGPACK_UNPACK_CONTINUE:
    case MSGPACK_UNPACK_PARSE_ERROR:
        break;
    }
    AW_UNREACHABLE(); /* the walk took it */
}
