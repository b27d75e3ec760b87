/* reply_words.c - texts are looked up, each once; facts and message become fields; the text is rendered. */
#include "run/reply_words.h"

#include "proto/proto.h"
#include "run/api.h"

bool
aw_reply_texts_init(struct aw_reply_texts *texts, struct aw_arena *arena, uint32_t most)
{
    *texts = (struct aw_reply_texts){.refs = aw_arena_take(arena, most * sizeof(texts->refs[0]))};
    return texts->refs != NULL;
}

static bool
is_same(struct aw_text_ref a, struct aw_text_ref b)
{
    return a.slot == b.slot && a.seq == b.seq;
}

void
aw_reply_texts_note(struct aw_reply_texts *texts, struct aw_text_ref ref)
{
    uint32_t i = 0;

    while (i < texts->count && !is_same(texts->refs[i], ref))
        i++;
    if (ref.slot != 0 && i == texts->count)
        texts->refs[texts->count++] = ref;
}

bool
aw_reply_texts_ask(struct aw_reply_texts *texts, struct aw_arena *arena)
{
    AW_ASSERT(texts->count > 0);
    texts->views = aw_arena_take(arena, texts->count * sizeof(texts->views[0]));
    texts->query =
        (struct aw_query){.kind = AW_QUERY_TEXTS, .text_refs = texts->refs, .own_texts = texts->views, .room = texts->count};
    return texts->views != NULL;
}

const struct aw_text_view *
aw_reply_texts_find(const struct aw_reply_texts *texts, struct aw_text_ref ref)
{
    for (uint32_t i = 0; i < texts->count; i++) {
        if (is_same(texts->refs[i], ref))
            return texts->views[i].len == 0 ? NULL : &texts->views[i];
    }
    return NULL;
}

/* The flight that is meant, else the first, by the message; empty: it names none. */
static struct aw_slice
flight_number(const struct aw_hash_key *table_key, uint64_t flight, struct aw_slice flights)
{
    struct aw_slice number, date, item;
    uint32_t        days;

    for (uint32_t i = 0; (item = aw_proto_body_item(flights, i)).len > 0; i++) {
        if (!aw_proto_body_text(item, AW_SLICE("number"), &number))
            continue;
        if (flight == 0)
            return number;
        if (aw_proto_body_text(item, AW_SLICE("date"), &date) && aw_date_parse(date, &days) &&
            aw_api_flight_hash(table_key, number, days) == flight)
            return number;
    }
    return (struct aw_slice){NULL, 0};
}

void
aw_reply_words_facts(const struct aw_hash_key *table_key, const struct aw_reply_facts *facts, const struct aw_read_item *address,
                     struct aw_wording_facts *ret_facts)
{
    const struct aw_slice nothing = {NULL, 0};
    struct aw_slice       number = aw_slice_of(facts->number, strnlen(facts->number, sizeof(facts->number)));

    if (number.len == 0 && !facts->is_withdrawn)
        number = flight_number(table_key, facts->flight, address->flights);

    *ret_facts = (struct aw_wording_facts){
        .name = facts->is_withdrawn ? nothing : aw_wording_name(address->name),
        .flight = number,
        .departs_at = facts->departs_at,
        .new_departs_at = facts->new_departs_at,
        .promise = facts->promise,
    };
}

bool
aw_reply_words(struct aw_arena *arena, const struct aw_hash_key *table_key, const struct aw_text_view *text,
               struct aw_ticket_id ticket, const struct aw_reply_facts *facts, const struct aw_read_item *address,
               struct aw_slice *ret_body)
{
    char                    id[AW_ID_TEXT_BYTES];
    struct aw_wording_facts known;
    struct aw_reply         reply = {.visibility = AW_VISIBILITY_AS_TO};
    struct aw_buffer        words, body;

    aw_ticket_id_format(ticket, id);
    aw_reply_words_facts(table_key, facts, address, &known);
    known.ticket = aw_slice_str(id);
    aw_buffer_init(&words, arena);
    aw_wording_render(&words, aw_language_of(aw_slice_of(text->lang, text->lang_len)), aw_slice_of(text->words, text->len),
                      &known);
    if (words.failed)
        return false;
    reply.text = aw_buffer_slice(&words);
    aw_buffer_init(&body, arena);
    if (!aw_proto_encode_reply(&body, &reply))
        return false;
    *ret_body = aw_buffer_slice(&body);
    return true;
}
