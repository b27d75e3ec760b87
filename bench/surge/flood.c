/* flood.c - equal messages that differ in two numbers: written once, then copied and patched, so that making them costs next
 * to nothing beside sending them. */
#include "bench/surge/source.h"

#include "base/mem.h"
#include "bench/surge/ledger.h"
#include "proto/proto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS   12U
#define ROOM_MAX (64U * 1024U)

struct flood {
    double   rate;
    aw_ns    end; /* 0: none */
    uint64_t limit;
    uint64_t number;
    uint64_t customers;
    char     run[32];
    char     bytes[ROOM_MAX];
    size_t   len;
    size_t   id_at; /* where the digits are */
    size_t   customer_at;
};

static bool
flood_due(void *user, aw_ns *ret_due)
{
    const struct flood *flood = user;

    if (flood->limit != 0 && flood->number >= flood->limit)
        return false;
    *ret_due = flood->rate > 0 ? surge_due_of(flood->number, flood->rate) : 0;
    return flood->end == 0 || *ret_due < flood->end;
}

static void
put_digits(char *at, uint64_t value)
{
    for (unsigned i = DIGITS; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
}

/* Where nobody asks for the key. */
static void
flood_write_only(void *user, struct aw_buffer *buffer, enum aw_media media, uint64_t *ret_key)
{
    const struct flood *flood = user;
    char               *to = aw_buffer_reserve(buffer, flood->len);

    (void)media;
    *ret_key = 0;
    if (to == NULL)
        return;
    memcpy(to, flood->bytes, flood->len);
    put_digits(to + flood->id_at, flood->number);
    put_digits(to + flood->customer_at, flood->customers == 0 ? flood->number : flood->number % flood->customers);
    buffer->len += flood->len;
}

static void
flood_write(void *user, struct aw_buffer *buffer, enum aw_media media, uint64_t *ret_key)
{
    const struct flood *flood = user;
    char                id[64];

    flood_write_only(user, buffer, media, ret_key);
    (void)snprintf(id, sizeof(id), "%s-%012llu", flood->run, (unsigned long long)flood->number);
    *ret_key = surge_source_key(AW_SLICE("web"), AW_SLICE("main"), aw_slice_str(id));
}

static void
flood_next(void *user)
{
    ((struct flood *)user)->number++;
}

static void
flood_fini(void *user)
{
    free(user);
}

/* Writes the pattern with a text of `text_len` bytes. False: no room. */
static bool
write_pattern(struct flood *flood, enum aw_media media, size_t text_len)
{
    static char       text[ROOM_MAX];
    char              id[64];
    char              customer[64];
    struct aw_buffer  buffer;
    struct aw_writer  writer;
    struct aw_message message = {.channel = AW_SLICE("web"),
                                 .account = AW_SLICE("main"),
                                 .lang = AW_SLICE("en"),
                                 .visibility = AW_VISIBILITY_PRIVATE,
                                 .class_hint = AW_CLASS_NONE};

    (void)snprintf(id, sizeof(id), "%s-000000000000", flood->run);
    (void)snprintf(customer, sizeof(customer), "%s.111111111111", flood->run);
    for (size_t i = 0; i < text_len; i++)
        text[i] = "we still wait at the gate and nobody tells us why. "[i % 51];
    message.source_id = aw_slice_str(id);
    message.customer = aw_slice_str(customer);
    message.text = aw_slice_of(text, text_len);
    aw_buffer_init_fixed(&buffer, flood->bytes, sizeof(flood->bytes));
    aw_writer_init(&writer, &buffer, media);
    aw_proto_write_object(&writer, AW_OBJECT_MESSAGE, &message);
    if (aw_media_is_sequence(media))
        aw_writer_end_line(&writer);
    flood->len = buffer.len;
    return !buffer.failed;
}

static size_t
find_digits(const struct flood *flood, const char *digits)
{
    const char *at = memmem(flood->bytes, flood->len, digits, DIGITS);

    AW_ASSERT(at != NULL);
    return (size_t)(at - flood->bytes);
}

enum aw_err
surge_flood_open(struct surge_source *ret_source, const struct surge_options *options, const char *run, struct aw_why *why)
{
    struct flood *flood = aw_new(struct flood);
    size_t        text_len = 64;
    bool          keyed = options->retry || options->agents > 0;

    if (flood == NULL)
        return aw_why(why, AW_E_MEMORY, "out of memory");
    (void)snprintf(flood->run, sizeof(flood->run), "%s", run);
    flood->rate = options->rate;
    flood->end = (aw_ns)(options->seconds * (double)AW_NS_PER_S);
    flood->limit = options->limit;
    flood->customers = options->customers;
    /* Once to see how long the rest is, once or twice more to fit (a length may need another byte in MessagePack). */
    for (unsigned i = 0; i < 3; i++) {
        if (!write_pattern(flood, options->media, text_len)) {
            flood_fini(flood);
            return aw_why(why, AW_E_CONFIG, "--bytes is too large");
        }
        text_len += options->bytes - flood->len;
    }
    flood->id_at = find_digits(flood, "000000000000");
    flood->customer_at = find_digits(flood, "111111111111");
    *ret_source = (struct surge_source){.user = flood,
                                        .due = flood_due,
                                        .write = keyed ? flood_write : flood_write_only,
                                        .next = flood_next,
                                        .fini = flood_fini,
                                        .ends = flood->end,
                                        .is_closed_loop = options->rate == 0,
                                        .has_unique_ids = !keyed};
    ret_source->expected = options->limit;
    if (options->limit == 0)
        ret_source->expected = (uint64_t)(options->seconds * (options->rate > 0 ? options->rate : 300000));
    return AW_OK;
}
