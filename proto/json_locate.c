/* json_locate.c - follows a JSON text far enough to say where in it a byte is.
 *
 * Only refusals and unusual bodies come here. It does not judge: a broken text gets some place near the break.
 */
#include "proto/tree.h"

struct locator {
    struct aw_slice       text;
    size_t                at;
    size_t                end;
    struct aw_json_place *place;
    uint32_t              depth;
    bool                  in_object[AW_DEPTH_MAX];
    bool                  pushed[AW_DEPTH_MAX]; /* the path holds a part of this level */
    bool                  key_next;             /* the next text is a key */
};

/* The text that begins at `at`, without its quotes, escapes as they are; moves `at` behind it. */
static struct aw_slice
take_text(struct locator *locator)
{
    size_t from = ++locator->at;

    while (locator->at < locator->end && locator->text.ptr[locator->at] != '"')
        locator->at += locator->text.ptr[locator->at] == '\\' ? 2 : 1;
    if (locator->at > locator->end)
        locator->at = locator->end;
    return aw_slice_of(locator->text.ptr + from, locator->at - from);
}

static void
forget_part(struct locator *locator)
{
    if (locator->depth > 0 && locator->pushed[locator->depth - 1]) {
        aw_path_pop(&locator->place->path);
        locator->pushed[locator->depth - 1] = false;
    }
}

static bool
open_level(struct locator *locator, bool object)
{
    if (locator->depth == AW_DEPTH_MAX) {
        locator->place->too_deep = true;
        locator->place->offset = locator->at;
        return false;
    }
    locator->in_object[locator->depth] = object;
    locator->pushed[locator->depth] = !object;
    locator->depth++;
    locator->key_next = object;
    if (!object)
        aw_path_push_index(&locator->place->path, 0);
    return true;
}

static void
close_level(struct locator *locator)
{
    forget_part(locator);
    if (locator->depth > 0)
        locator->depth--;
    locator->key_next = false;
}

static void
next_element(struct locator *locator)
{
    struct aw_path *path = &locator->place->path;

    if (locator->depth == 0)
        return;
    if (locator->in_object[locator->depth - 1]) {
        forget_part(locator);
        locator->key_next = true;
    } else if (path->count > 0) {
        path->parts[path->count - 1].index++;
    }
}

void
aw_json_locate(struct aw_slice text, size_t end, struct aw_json_place *ret_place)
{
    struct locator locator = {.text = text, .end = end < text.len ? end : text.len, .place = ret_place};

    *ret_place = (struct aw_json_place){.offset = end};
    for (; locator.at < locator.end; locator.at++) {
        char byte = text.ptr[locator.at];

        if (byte == '"') {
            struct aw_slice name = take_text(&locator);

            if (locator.key_next) {
                forget_part(&locator);
                aw_path_push_name(&ret_place->path, name);
                locator.pushed[locator.depth - 1] = true;
                locator.key_next = false;
            }
        } else if (byte == '{' || byte == '[') {
            if (!open_level(&locator, byte == '{'))
                return;
        } else if (byte == '}' || byte == ']') {
            close_level(&locator);
        } else if (byte == ',') {
            next_element(&locator);
        }
    }
}
