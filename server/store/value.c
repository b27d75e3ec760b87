/* value.c - see value.h for the layout. */
#include "store/value.h"

#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

AW_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored integers are native and little-endian");
AW_STATIC_ASSERT(sizeof(struct aw_value_head) == 12, "no padding in what is stored");

#define HEAD_BYTES sizeof(struct aw_value_head)

static uint64_t
piece_key(uint64_t id, uint64_t piece)
{
    return id << AW_PIECE_BITS | piece;
}

static uint32_t
value_crc(uint64_t id, uint32_t count, struct aw_slice bytes)
{
    uint32_t crc = aw_crc32c(0, &id, sizeof(id));

    crc = aw_crc32c(crc, &count, sizeof(count));
    return aw_crc32c(crc, bytes.ptr, bytes.len);
}

/* The bytes of a piece: `head` is not NULL for the first. */
static int
append_piece(MDB_txn *txn, MDB_dbi tree, uint64_t key_value, const struct aw_value_head *head, struct aw_slice piece)
{
    size_t  head_bytes = head == NULL ? 0 : HEAD_BYTES;
    MDB_val key = {sizeof(key_value), &key_value};
    MDB_val value = {head_bytes + piece.len, NULL};
    int     rc;

    /* Reserve: LMDB gives the place in its page and we write there, one copy instead of two. */
    rc = mdb_put(txn, tree, &key, &value, MDB_APPEND | MDB_RESERVE);
    if (rc != MDB_SUCCESS)
        return rc;
    if (head != NULL)
        memcpy(value.mv_data, head, HEAD_BYTES);
    if (piece.len != 0)
        memcpy((char *)value.mv_data + head_bytes, piece.ptr, piece.len);
    return MDB_SUCCESS;
}

int
aw_value_append(MDB_txn *txn, MDB_dbi tree, uint64_t id, uint32_t count, struct aw_slice bytes)
{
    struct aw_value_head head;
    size_t               room = AW_PIECE_BYTES_MAX - HEAD_BYTES;
    uint64_t             piece = 0;
    int                  rc;

    AW_ASSERT(id <= AW_VALUE_ID_MAX);
    AW_ASSERT(bytes.len <= AW_VALUE_BYTES_MAX);
    head = (struct aw_value_head){.bytes = (uint32_t)bytes.len, .count = count, .crc = value_crc(id, count, bytes)};
    do {
        size_t len = bytes.len < room ? bytes.len : room;

        rc = append_piece(txn, tree, piece_key(id, piece), piece == 0 ? &head : NULL, aw_slice_of(bytes.ptr, len));
        if (rc != MDB_SUCCESS)
            return rc;
        if (len != 0) /* an empty value may have no pointer */
            bytes = aw_slice_of(bytes.ptr + len, bytes.len - len);
        room = AW_PIECE_BYTES_MAX;
        piece++;
    } while (bytes.len != 0);
    return MDB_SUCCESS;
}

int
aw_value_buffer_need(struct aw_value_buffer *buffer, size_t len)
{
    size_t room = buffer->room == 0 ? 4096 : buffer->room;
    char  *ptr;

    if (len <= buffer->room)
        return MDB_SUCCESS;
    while (room < len)
        room *= 2;
    ptr = realloc(buffer->ptr, room);
    if (ptr == NULL)
        return ENOMEM;
    buffer->ptr = ptr;
    buffer->room = room;
    return MDB_SUCCESS;
}

void
aw_value_buffer_fini(struct aw_value_buffer *buffer)
{
    free(buffer->ptr);
    *buffer = (struct aw_value_buffer){NULL, 0};
}

/* Puts the pieces behind the first into the buffer; the cursor stands on the first, whose bytes are `first`. */
static int
join_pieces(MDB_cursor *cursor, uint64_t id, struct aw_slice first, uint32_t bytes, struct aw_value_buffer *buffer)
{
    size_t   at = first.len;
    uint64_t piece = 1;
    int      rc = aw_value_buffer_need(buffer, bytes);

    if (rc != MDB_SUCCESS)
        return rc;
    memcpy(buffer->ptr, first.ptr, first.len);
    for (; at < bytes; piece++) {
        MDB_val  key;
        MDB_val  value;
        uint64_t key_value;

        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        if (rc == MDB_NOTFOUND)
            return MDB_CORRUPTED;
        if (rc != MDB_SUCCESS)
            return rc;
        if (key.mv_size != sizeof(key_value))
            return MDB_CORRUPTED;
        memcpy(&key_value, key.mv_data, sizeof(key_value));
        if (key_value != piece_key(id, piece) || value.mv_size == 0 || value.mv_size > bytes - at)
            return MDB_CORRUPTED;
        memcpy(buffer->ptr + at, value.mv_data, value.mv_size);
        at += value.mv_size;
    }
    return MDB_SUCCESS;
}

int
aw_value_get(MDB_cursor *cursor, uint64_t id, struct aw_value_buffer *buffer, uint32_t *ret_count, struct aw_slice *ret_bytes)
{
    struct aw_value_head head;
    struct aw_slice      bytes;
    uint64_t             key_value = piece_key(id, 0);
    MDB_val              key = {sizeof(key_value), &key_value};
    MDB_val              value;
    int                  rc;

    if (id > AW_VALUE_ID_MAX)
        return MDB_NOTFOUND;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_KEY);
    if (rc != MDB_SUCCESS)
        return rc;
    if (value.mv_size < HEAD_BYTES)
        return MDB_CORRUPTED;
    memcpy(&head, value.mv_data, HEAD_BYTES);
    bytes = aw_slice_of((const char *)value.mv_data + HEAD_BYTES, value.mv_size - HEAD_BYTES);
    if (head.bytes > AW_VALUE_BYTES_MAX || head.bytes < bytes.len)
        return MDB_CORRUPTED;
    if (head.bytes > bytes.len) {
        rc = join_pieces(cursor, id, bytes, head.bytes, buffer);
        if (rc != MDB_SUCCESS)
            return rc;
        bytes = aw_slice_of(buffer->ptr, head.bytes);
    }
    if (value_crc(id, head.count, bytes) != head.crc)
        return MDB_CORRUPTED;
    *ret_count = head.count;
    *ret_bytes = bytes;
    return MDB_SUCCESS;
}

int
aw_value_count(MDB_cursor *cursor, uint64_t id, uint32_t *ret_count)
{
    struct aw_value_head head;
    uint64_t             key_value = piece_key(id, 0);
    MDB_val              key = {sizeof(key_value), &key_value};
    MDB_val              value;
    int                  rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_KEY);

    if (rc != MDB_SUCCESS)
        return rc;
    if (value.mv_size < HEAD_BYTES)
        return MDB_CORRUPTED;
    memcpy(&head, value.mv_data, HEAD_BYTES);
    *ret_count = head.count;
    return MDB_SUCCESS;
}

static int
key_id(const MDB_val *key, uint64_t *ret_id)
{
    uint64_t key_value;

    if (key->mv_size != sizeof(key_value))
        return MDB_CORRUPTED;
    memcpy(&key_value, key->mv_data, sizeof(key_value));
    *ret_id = key_value >> AW_PIECE_BITS;
    return MDB_SUCCESS;
}

int
aw_value_find_next(MDB_cursor *cursor, uint64_t id, uint64_t *ret_id)
{
    uint64_t key_value = piece_key(id, 0);
    MDB_val  key = {sizeof(key_value), &key_value};
    MDB_val  value;
    int      rc;

    if (id > AW_VALUE_ID_MAX)
        return MDB_NOTFOUND;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    return rc == MDB_SUCCESS ? key_id(&key, ret_id) : rc;
}

int
aw_value_find_prev(MDB_cursor *cursor, uint64_t id, uint64_t *ret_id)
{
    uint64_t key_value = id >= AW_VALUE_ID_MAX ? UINT64_MAX : piece_key(id + 1, 0);
    MDB_val  key = {sizeof(key_value), &key_value};
    MDB_val  value;
    int      rc;

    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (rc == MDB_SUCCESS)
        rc = mdb_cursor_get(cursor, &key, &value, MDB_PREV);
    else if (rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    return rc == MDB_SUCCESS ? key_id(&key, ret_id) : rc;
}

int
aw_value_delete(MDB_cursor *cursor, uint64_t id)
{
    uint64_t deleted = 0;

    if (id > AW_VALUE_ID_MAX)
        return MDB_NOTFOUND;
    for (;;) {
        /* Searched anew for each piece: deleting may have merged the pages under the cursor. */
        uint64_t key_value = piece_key(id, deleted);
        MDB_val  key = {sizeof(key_value), &key_value};
        MDB_val  value;
        int      rc = mdb_cursor_get(cursor, &key, &value, MDB_SET);

        if (rc == MDB_NOTFOUND && deleted > 0)
            return MDB_SUCCESS;
        if (rc == MDB_SUCCESS)
            rc = mdb_cursor_del(cursor, 0);
        if (rc != MDB_SUCCESS)
            return rc;
        if (++deleted == AW_PIECES_MAX)
            return MDB_SUCCESS; /* the next key would be another value's */
    }
}

int
aw_value_delete_first(MDB_cursor *cursor, uint64_t below)
{
    MDB_val  key;
    MDB_val  value;
    uint64_t first;
    uint64_t id;
    int      rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);

    if (rc == MDB_SUCCESS)
        rc = key_id(&key, &first);
    if (rc != MDB_SUCCESS)
        return rc;
    if (first >= below)
        return MDB_NOTFOUND;
    do {
        rc = mdb_cursor_del(cursor, 0);
        if (rc != MDB_SUCCESS)
            return rc;
        /* From the top again: deleting may have merged the pages under the cursor. */
        rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        if (rc == MDB_NOTFOUND)
            return MDB_SUCCESS;
        if (rc == MDB_SUCCESS)
            rc = key_id(&key, &id);
        if (rc != MDB_SUCCESS)
            return rc;
    } while (id == first);
    return MDB_SUCCESS;
}

uint64_t
aw_value_node_bytes(uint64_t bytes)
{
    uint64_t stored = bytes + HEAD_BYTES;
    uint64_t pieces = (stored + AW_PIECE_BYTES_MAX - 1) / AW_PIECE_BYTES_MAX;

    /* One more a piece: nodes have even sizes. */
    return stored + pieces * (AW_NODE_BYTES + 1);
}
