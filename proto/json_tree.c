/* json_tree.c - JSON judged by jansson, its tree turned into ours, its refusals into our words. */
#include "proto/tree.h"

#include <jansson.h>

#define JSON_FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL) /* a NUL is refused later, with its field named */

struct converter {
    struct aw_scratch       *scratch;
    char                    *texts; /* room for as many bytes as the body has: a text is never longer than it was written */
    struct aw_proto_problem *problem;
    uint32_t                 values;
};

static enum aw_err
out_of_memory(struct aw_proto_problem *problem)
{
    return aw_fault_at(problem, AW_FAULT_MEMORY, NULL, "could not be read: out of memory");
}

static enum aw_err
too_many_values(struct aw_proto_problem *problem)
{
    return aw_fault_at(problem, AW_FAULT_MANY, NULL, "holds more values than any request needs; at most %u", AW_TREE_VALUES_MAX);
}

static msgpack_object
convert_text(struct converter *converter, const char *text, size_t len)
{
    msgpack_object to = {.type = MSGPACK_OBJECT_STR};

    to.via.str.ptr = converter->texts;
    to.via.str.size = (uint32_t)len;
    memcpy(converter->texts, text, len);
    converter->texts += len;
    return to;
}

static enum aw_err convert(struct converter *converter, struct aw_path *path, const json_t *from, msgpack_object *to);

static enum aw_err
convert_list(struct converter *converter, struct aw_path *path, const json_t *from, msgpack_object *to)
{
    size_t count = json_array_size(from);

    to->type = MSGPACK_OBJECT_ARRAY;
    to->via.array.size = (uint32_t)count;
    to->via.array.ptr = msgpack_zone_malloc(&converter->scratch->zone, count * sizeof(msgpack_object));
    if (to->via.array.ptr == NULL)
        return out_of_memory(converter->problem);
    for (size_t i = 0; i < count; i++) {
        enum aw_err err;

        aw_path_push_index(path, (uint32_t)i);
        err = convert(converter, path, json_array_get(from, i), &to->via.array.ptr[i]);
        if (err != AW_OK)
            return err;
        aw_path_pop(path);
    }
    return AW_OK;
}

static enum aw_err
convert_map(struct converter *converter, struct aw_path *path, json_t *from, msgpack_object *to)
{
    size_t             count = json_object_size(from);
    msgpack_object_kv *pair;

    if (count > AW_MAP_KEYS_MAX)
        return aw_fault_at(converter->problem, AW_FAULT_MANY, path, "has %zu keys; at most %u", count, AW_MAP_KEYS_MAX);
    to->type = MSGPACK_OBJECT_MAP;
    to->via.map.size = (uint32_t)count;
    to->via.map.ptr = msgpack_zone_malloc(&converter->scratch->zone, count * sizeof(msgpack_object_kv));
    if (to->via.map.ptr == NULL)
        return out_of_memory(converter->problem);
    pair = to->via.map.ptr;
    for (void *at = json_object_iter(from); at != NULL; at = json_object_iter_next(from, at), pair++) {
        enum aw_err err;

        pair->key = convert_text(converter, json_object_iter_key(at), json_object_iter_key_len(at));
        aw_path_push_name(path, aw_slice_of(pair->key.via.str.ptr, pair->key.via.str.size));
        err = convert(converter, path, json_object_iter_value(at), &pair->val);
        if (err != AW_OK)
            return err;
        aw_path_pop(path);
    }
    return AW_OK;
}

/* Recursion is bounded: what nests deeper than AW_DEPTH_MAX was refused before. */
static enum aw_err
convert(struct converter *converter, struct aw_path *path, const json_t *from, msgpack_object *to)
{
    if (++converter->values > AW_TREE_VALUES_MAX)
        return too_many_values(converter->problem);
    switch (json_typeof(from)) {
    case JSON_OBJECT: {
        json_t *map;

        memcpy(&map, &from, sizeof(map)); /* its iterators want it without const */
        return convert_map(converter, path, map, to);
    }
    case JSON_ARRAY:
        return convert_list(converter, path, from, to);
    case JSON_STRING:
        *to = convert_text(converter, json_string_value(from), json_string_length(from));
        return AW_OK;
    case JSON_INTEGER:
        to->type = json_integer_value(from) >= 0 ? MSGPACK_OBJECT_POSITIVE_INTEGER : MSGPACK_OBJECT_NEGATIVE_INTEGER;
        to->via.i64 = json_integer_value(from);
        return AW_OK;
    case JSON_REAL:
        to->type = MSGPACK_OBJECT_FLOAT64;
        to->via.f64 = json_real_value(from);
        return AW_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        to->type = MSGPACK_OBJECT_BOOLEAN;
        to->via.boolean = json_is_true(from);
        return AW_OK;
    case JSON_NULL:
        to->type = MSGPACK_OBJECT_NIL;
        return AW_OK;
    }
    AW_UNREACHABLE();
}

/* jansson ends some messages with a piece of the body; the byte's number says it better. */
static struct aw_slice
words_of(const json_error_t *error)
{
    struct aw_slice words = aw_slice_str(error->text);
    const char     *near = strstr(error->text, " near ");

    return near == NULL ? words : aw_slice_of(words.ptr, (size_t)(near - words.ptr));
}

static enum aw_err
refuse(const struct aw_scratch *scratch, struct aw_slice body, const json_error_t *error, struct aw_proto_problem *problem)
{
    size_t               offset = error->position < 0 ? 0 : (size_t)error->position;
    struct aw_json_place place;
    struct aw_slice      words = words_of(error);

    /* jansson's position is behind the offending byte or token; its last byte is still where it happened. */
    aw_json_locate(body, offset > 0 ? offset - 1 : 0, &place);
    if (scratch->failed)
        return scratch->full ? too_many_values(problem) : out_of_memory(problem);
    switch ((int)json_error_code(error)) { /* of its codes, these have words of their own */
    case json_error_invalid_utf8:
        return aw_fault_at(problem, AW_FAULT_UTF8, &place.path, "is not valid UTF-8, at byte %zu", offset);
    case json_error_duplicate_key:
        return aw_fault_at(problem, AW_FAULT_DUPLICATE, &place.path, "is there twice, at byte %zu", offset);
    case json_error_numeric_overflow:
        return aw_fault_at(problem, AW_FAULT_RANGE, &place.path, "is a number that is too large, at byte %zu", offset);
    case json_error_null_byte_in_key:
        return aw_fault_at(problem, AW_FAULT_VALUE, &place.path, "is a key with a NUL in it, at byte %zu", offset);
    default:
        return aw_fault_at(problem, AW_FAULT_MALFORMED, &place.path, "is not well-formed JSON at byte %zu: %.*s", offset,
                           AW_SLICE_ARGS(words));
    }
}

enum aw_err
aw_tree_from_json_judged(struct aw_scratch *scratch, struct aw_arena *arena, struct aw_slice body, msgpack_object *ret_root,
                         struct aw_proto_problem *problem)
{
    struct converter     converter = {.scratch = scratch, .problem = problem};
    struct aw_path       path = {.count = 0};
    struct aw_json_place place;
    json_error_t         error;
    json_t              *root;

    /* Before jansson, which recurses 2,048 levels deep: more stack than a thread may have. */
    aw_json_locate(body, body.len, &place);
    if (place.too_deep)
        return aw_fault_at(problem, AW_FAULT_DEPTH, &place.path, "is nested too deep, at byte %zu; at most %u levels",
                           place.offset, AW_DEPTH_MAX);
    root = json_loadb(body.ptr, body.len, JSON_FLAGS, &error);
    /* Its reader goes on without the bytes that a failed allocation should have held: then a tree proves nothing. */
    if (root == NULL || scratch->failed)
        return refuse(scratch, body, &error, problem);
    converter.texts = aw_arena_take(arena, body.len);
    if (converter.texts == NULL)
        return out_of_memory(problem);
    return convert(&converter, &path, root, ret_root); /* the root goes with the scratch */
}

enum aw_err
aw_tree_from_json(struct aw_scratch *scratch, struct aw_arena *arena, struct aw_slice body, msgpack_object *ret_root,
                  struct aw_proto_problem *problem)
{
    if (aw_json_scan(scratch, arena, body, ret_root))
        return AW_OK;
    return aw_tree_from_json_judged(scratch, arena, body, ret_root, problem);
}
