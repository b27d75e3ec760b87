/* outbox_texts.c - the words of what the server itself writes: sets of texts by language, kept as long as a reply names one. */
#include "core/outbox.h"

/* Two or three letters are enough for the first part of any tag that people write in; five bits each. */
uint16_t
aw_lang_code(struct aw_slice tag)
{
    struct aw_slice rest = tag, first = aw_slice_cut(&rest, '-');
    unsigned        code = 0;

    if (first.len < 2 || first.len > 3)
        return 0;
    for (size_t i = 0; i < first.len; i++) {
        unsigned letter = (unsigned)(unsigned char)first.ptr[i] | 0x20;

        if (letter < 'a' || letter > 'z')
            return 0;
        code = code << 5 | (letter - 'a' + 1);
    }
    return (uint16_t)code;
}

enum aw_err
aw_texts_check(const struct aw_own_text *texts, uint32_t count)
{
    size_t bytes = 0;

    if (count > AW_OWN_TEXTS_MAX)
        return AW_E_BAD_VALUE;
    for (uint32_t i = 0; i < count; i++) {
        if (texts[i].words.len == 0 || texts[i].words.len > AW_OWN_TEXT_BYTES_MAX || texts[i].lang.len > AW_LANG_BYTES_MAX ||
            aw_lang_code(texts[i].lang) == 0)
            return AW_E_BAD_VALUE;
        bytes += texts[i].words.len;
        for (uint32_t j = 0; j < i; j++) {
            if (aw_lang_code(texts[j].lang) == aw_lang_code(texts[i].lang))
                return AW_E_BAD_VALUE;
        }
    }
    return bytes <= AW_OWN_TEXTS_BYTES_MAX ? AW_OK : AW_E_BAD_VALUE;
}

enum aw_err
aw_texts_admit(const struct aw_state *state, uint32_t count)
{
    return aw_rows_room(&state->texts) >= count ? AW_OK : AW_E_TABLE_FULL;
}

uint32_t
aw_texts_add(struct aw_state *state, enum aw_reply_kind kind, uint32_t owner, const struct aw_own_text *texts, uint32_t count,
             uint64_t seq)
{
    uint32_t next = 0;

    for (uint32_t i = count; i-- > 0;) { /* from the last, so that each knows the one behind it */
        uint32_t            slot = aw_rows_take(&state->texts);
        struct aw_text_row *row = aw_rows_change(&state->texts, slot);

        row->seq = seq & AW_ROW_SEQ_MAX;
        row->kind = (unsigned)kind & 0xFF;
        row->owner = owner;
        row->next = next;
        row->lang = aw_lang_code(texts[i].lang);
        row->lang_len = (uint8_t)texts[i].lang.len;
        row->len = (uint16_t)texts[i].words.len;
        memcpy(row->lang_tag, texts[i].lang.ptr, texts[i].lang.len);
        memcpy(row->words, texts[i].words.ptr, texts[i].words.len);
        next = slot;
        aw_ledger_settle(&state->ledger);
    }
    return next;
}

static uint32_t *
replies_of(struct aw_state *state, uint32_t slot)
{
    return &((struct aw_text_links *)aw_rows_links(&state->texts, slot))->replies;
}

void
aw_texts_drop(struct aw_state *state, uint32_t first)
{
    for (uint32_t slot = first; slot != 0;) {
        struct aw_text_row *row = aw_rows_change(&state->texts, slot);
        uint32_t            next = row->next;

        row->next = 0;
        row->is_old = 1;
        if (*replies_of(state, slot) == 0)
            aw_rows_give(&state->texts, slot);
        aw_ledger_settle(&state->ledger);
        slot = next;
    }
}

bool
aw_texts_are(const struct aw_state *state, uint32_t first, const struct aw_own_text *texts, uint32_t count)
{
    uint32_t slot = first;

    for (uint32_t i = 0; i < count; i++, slot = aw_text_at(state, slot)->next) {
        const struct aw_text_row *row = aw_text_at(state, slot);

        if (slot == 0 || !aw_slice_eq(texts[i].lang, aw_slice_of(row->lang_tag, row->lang_len)) ||
            !aw_slice_eq(texts[i].words, aw_slice_of(row->words, row->len)))
            return false;
    }
    return slot == 0;
}

uint32_t
aw_texts_choose(const struct aw_state *state, uint32_t first, uint16_t lang)
{
    uint32_t slot = lang == 0 ? 0 : first;

    while (slot != 0 && aw_text_at(state, slot)->lang != lang)
        slot = aw_text_at(state, slot)->next;
    return slot == 0 ? first : slot;
}

void
aw_text_refer(struct aw_state *state, uint32_t slot, int by)
{
    uint32_t *replies = replies_of(state, slot);

    AW_ASSERT(by > 0 || *replies > 0);
    *replies += (uint32_t)by;
    if (*replies == 0 && aw_text_at(state, slot)->is_old)
        aw_rows_give(&state->texts, slot);
}

/* --- templates -------------------------------------------------------------------------------------------------------------- */

static uint32_t
template_of(enum aw_reply_kind kind)
{
    AW_ASSERT(kind >= AW_REPLY_ACKNOWLEDGEMENT);
    AW_ASSERT(kind < AW_REPLY_ACKNOWLEDGEMENT + AW_TEMPLATES);
    return (uint32_t)kind - AW_REPLY_ACKNOWLEDGEMENT;
}

uint32_t
aw_template_first(const struct aw_state *state, enum aw_reply_kind kind)
{
    return state->globals.templates[template_of(kind)].first;
}

void
aw_apply_template(struct aw_state *state, struct aw_command *command)
{
    const struct aw_in_template *in = &command->in.template_;
    struct aw_text_set          *set = &state->globals.templates[template_of(in->kind)];
    uint64_t                     seq;

    command->out.err = aw_texts_check(in->texts, in->text_count);
    if (command->out.err == AW_OK && !aw_if_match_holds(&in->if_match, set->version))
        command->out.err = AW_E_PRECONDITION;
    if (command->out.err == AW_OK)
        command->out.err = aw_texts_admit(state, in->text_count);
    command->out.u.template_.version = set->version;
    if (command->out.err != AW_OK || in->dry_run || aw_texts_are(state, set->first, in->texts, in->text_count))
        return;
    seq = aw_state_record(state, command);
    aw_texts_drop(state, set->first);
    set->first = aw_texts_add(state, in->kind, 0, in->texts, in->text_count, seq);
    set->version++;
    command->out.u.template_.version = set->version;
    if (in->kind == AW_REPLY_STILL_NEEDED)
        aw_ticket_rearm_slowly(state); /* there is something to ask by, or not any more */
}

/* --- looking ---------------------------------------------------------------------------------------------------------------- */

static void
fill_view(const struct aw_state *state, uint32_t slot, struct aw_text_view *ret_view)
{
    const struct aw_text_row *row = aw_text_at(state, slot);

    ret_view->ref = (struct aw_text_ref){.slot = slot, .seq = row->seq};
    ret_view->lang_len = row->lang_len;
    ret_view->len = row->len;
    memcpy(ret_view->lang, row->lang_tag, row->lang_len);
    memcpy(ret_view->words, row->words, row->len);
}

uint32_t
aw_state_texts(const struct aw_state *state, uint32_t first, struct aw_text_view *ret_views, uint32_t room)
{
    uint32_t count = 0;

    for (uint32_t slot = first; slot != 0; slot = aw_text_at(state, slot)->next) {
        AW_ASSERT(count < room);
        fill_view(state, slot, &ret_views[count++]);
    }
    return count;
}

uint32_t
aw_state_template(const struct aw_state *state, enum aw_reply_kind kind, struct aw_text_view ret_views[AW_OWN_TEXTS_MAX],
                  uint64_t *ret_version)
{
    *ret_version = state->globals.templates[template_of(kind)].version;
    return aw_state_texts(state, aw_template_first(state, kind), ret_views, AW_OWN_TEXTS_MAX);
}

enum aw_err
aw_state_text(const struct aw_state *state, struct aw_text_ref ref, struct aw_text_view *ret_view)
{
    if (!aw_rows_has(&state->texts, ref.slot) || ref.seq == 0 || aw_text_at(state, ref.slot)->seq != ref.seq)
        return AW_E_NOT_FOUND;
    fill_view(state, ref.slot, ret_view);
    return AW_OK;
}
