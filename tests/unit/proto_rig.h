/* proto_rig.h - what the tests of proto/ share: an arena, decoding of literals, files of the repository. Thread: the test's. */
#ifndef AW_TESTS_UNIT_PROTO_RIG_H
#define AW_TESTS_UNIT_PROTO_RIG_H

#include "support/test.h"

#include "proto/proto.h"

#include <stdio.h>
#include <stdlib.h>

struct rig {
    struct aw_blocks *blocks;
    struct aw_arena   arena;
};

static inline int
rig_setup(void **state)
{
    struct rig *rig = malloc(sizeof(*rig));

    rig->blocks = aw_blocks_new(64 * AW_KIB, 256 * AW_MIB);
    aw_arena_init(&rig->arena, rig->blocks);
    *state = rig;
    return 0;
}

static inline int
rig_teardown(void **state)
{
    struct rig *rig = *state;

    aw_arena_reset(&rig->arena);
    aw_blocks_free(&rig->blocks);
    free(rig);
    return 0;
}

#define rig_test(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

/* Room for any object of the table. */
union rig_object {
    struct aw_message          message;
    struct aw_pull_request     pull;
    struct aw_extend_request   extend;
    struct aw_complete_request complete;
    struct aw_release_request  release;
    struct aw_extend_line      extend_line;
    struct aw_complete_line    complete_line;
    struct aw_lane_request     lane;
    struct aw_ticket_request   ticket;
    struct aw_cancel_request   cancel;
    struct aw_surge_request    surge;
};

static inline enum aw_err
rig_decode(struct rig *rig, enum aw_media media, struct aw_slice body, enum aw_object_kind kind, bool lenient,
           union rig_object *ret, struct aw_proto_problem *problem)
{
    if (kind == AW_OBJECT_MESSAGE)
        return aw_proto_decode_message(&rig->arena, media, body, lenient, &ret->message, problem);
    return aw_proto_decode(&rig->arena, media, body, kind, ret, problem);
}

static inline struct aw_slice
rig_write(struct rig *rig, enum aw_media media, enum aw_object_kind kind, const void *object)
{
    struct aw_buffer buffer;
    struct aw_writer writer;

    aw_buffer_init(&buffer, &rig->arena);
    aw_writer_init(&writer, &buffer, media);
    aw_proto_write_object(&writer, kind, object);
    assert_false(buffer.failed);
    return aw_buffer_slice(&buffer);
}

/* A file of the repository, `path` from its root; lives in the rig's arena, with a NUL behind it. */
static inline struct aw_slice
rig_file(struct rig *rig, const char *path)
{
    static const char here[] = "tests/unit/proto_rig.h";
    char              full[4096];
    FILE             *file;
    struct aw_buffer  buffer;
    size_t            count;

    (void)snprintf(full, sizeof(full), "%.*s%s", (int)(sizeof(__FILE__) - sizeof(here)), __FILE__, path);
    file = fopen(full, "rb");
    if (file == NULL)
        fail_msg("cannot open %s", full);
    aw_buffer_init(&buffer, &rig->arena);
    do {
        char *room = aw_buffer_reserve(&buffer, 4096);

        assert_non_null(room);
        count = fread(room, 1, 4096, file);
        buffer.len += count;
    } while (count > 0);
    fclose(file);
    aw_buffer_add(&buffer, "", 1);
    return aw_slice_of(buffer.ptr, buffer.len - 1);
}

#endif
