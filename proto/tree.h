/* tree.h - a body, parsed: one kind of tree for both encodings.
 *
 * The tree is made of msgpack-c's objects. It has been checked: depth, numbers of keys and values, keys are texts and different
 * within their map, texts are UTF-8, lists and maps are as long as they say. Nothing is known yet about fields.
 *
 * Owns nothing: nodes borrow from the scratch until aw_scratch_end; texts borrow from the body or the arena, so they outlive the
 * scratch. Thread: that of the scratch.
 */
#ifndef AW_PROTO_TREE_H
#define AW_PROTO_TREE_H

#include "base/arena.h"
#include "base/slice.h"
#include "proto/problem.h"
#include "proto/scratch.h"

#include <msgpack.h>

/* Keys of one object. A message has 23 fields, and lenient clients up to 32 more. */
#define AW_MAP_KEYS_MAX 64U
/* Values in one body, keys not counted. The longest legal list is a pull's lanes. */
#define AW_TREE_VALUES_MAX 16384U

/* AW_E_MALFORMED, AW_E_BAD_VALUE or AW_E_MEMORY, with `problem` filled. */
AW_MUST_USE enum aw_err aw_tree_from_json(struct aw_scratch *scratch, struct aw_arena *arena, struct aw_slice body,
                                          msgpack_object *ret_root, struct aw_proto_problem *problem);
AW_MUST_USE enum aw_err aw_tree_from_msgpack(struct aw_scratch *scratch, struct aw_slice body, msgpack_object *ret_root,
                                             struct aw_proto_problem *problem);

/* The judge of JSON: jansson. aw_tree_from_json asks it about every body that the quick reader does not take. */
AW_MUST_USE enum aw_err aw_tree_from_json_judged(struct aw_scratch *scratch, struct aw_arena *arena, struct aw_slice body,
                                                 msgpack_object *ret_root, struct aw_proto_problem *problem);
/* The quick reader: true only for a body that jansson would take too, with the same tree. False says nothing. */
AW_MUST_USE bool aw_json_scan(struct aw_scratch *scratch, struct aw_arena *arena, struct aw_slice body, msgpack_object *ret_root);

/* Where a byte of a JSON text is: what jansson does not tell. Also finds the first place that is nested too deep before `end`.
 * Works on any bytes; of a broken text, the path is that of the last place that made sense. Borrows from the text. */
struct aw_json_place {
    struct aw_path path;
    size_t         offset;
    bool           too_deep;
};
void aw_json_locate(struct aw_slice text, size_t end, struct aw_json_place *ret_place);

/* How many bytes the value at the start of `bytes` has. 0 when it is cut off, is no value of ours, or nests too deep. */
size_t aw_msgpack_measure(struct aw_slice bytes);
/* Checks one value that must fill `body`, as told at the top. */
AW_MUST_USE enum aw_err aw_msgpack_check(struct aw_slice body, struct aw_proto_problem *problem);

#endif
