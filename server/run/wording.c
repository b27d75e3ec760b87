/* wording.c - a text with fields is cut into pieces, one after the other; checking, asking and rendering all go over these. */
#include "run/wording.h"

/* --- words of a language ------------------------------------------------------------------------------------------------------ */

struct unit_words {
    const char *one;
    const char *more;
};

struct language_words {
    const char       *tag;
    struct unit_words minute;
    struct unit_words hour;
    struct unit_words day;
    const char       *joint;     /* between two units */
    const char       *first_day; /* behind the number of the first day of a month */
    const char       *later_day; /* and of any other */
    const char       *months[12];
};

static const struct language_words words[AW_LANGUAGES] = {
    [AW_LANGUAGE_EN] = {"en",
                        {"minute", "minutes"},
                        {"hour", "hours"},
                        {"day", "days"},
                        " and ",
                        " ",
                        " ",
                        {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
                         "November", "December"}},
    [AW_LANGUAGE_NL] = {"nl",
                        {"minuut", "minuten"},
                        {"uur", "uur"},
                        {"dag", "dagen"},
                        " en ",
                        " ",
                        " ",
                        {"januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober",
                         "november", "december"}},
    [AW_LANGUAGE_DE] = {"de",
                        {"Minute", "Minuten"},
                        {"Stunde", "Stunden"},
                        {"Tag", "Tagen"},
                        " und ",
                        ". ",
                        ". ",
                        {"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober",
                         "November", "Dezember"}},
    [AW_LANGUAGE_FR] = {"fr",
                        {"minute", "minutes"},
                        {"heure", "heures"},
                        {"jour", "jours"},
                        " et ",
                        "er ",
                        " ",
                        {"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
                         "novembre", "décembre"}},
    [AW_LANGUAGE_ES] = {"es",
                        {"minuto", "minutos"},
                        {"hora", "horas"},
                        {"día", "días"},
                        " y ",
                        " de ",
                        " de ",
                        {"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
                         "noviembre", "diciembre"}},
};

enum aw_language
aw_language_of(struct aw_slice tag)
{
    struct aw_slice rest = tag, first = aw_slice_cut(&rest, '-');

    for (unsigned i = 0; i < AW_LANGUAGES; i++) {
        if (aw_slice_eq_nocase(first, aw_slice_str(words[i].tag)))
            return (enum aw_language)i;
    }
    return AW_LANGUAGE_OTHER;
}

const char *
aw_language_tag(enum aw_language language)
{
    AW_ASSERT(language < AW_LANGUAGES);
    return words[language].tag;
}

static void
add_units(struct aw_buffer *buffer, uint64_t count, const struct unit_words *unit)
{
    aw_buffer_printf(buffer, "%llu %s", (unsigned long long)count, count == 1 ? unit->one : unit->more);
}

void
aw_wording_add_duration(struct aw_buffer *buffer, enum aw_language language, uint64_t ms)
{
    static const struct language_words figures = {.minute = {"min", "min"}, .hour = {"h", "h"}, .day = {"d", "d"}, .joint = " "};
    const struct language_words       *in = language < AW_LANGUAGES ? &words[language] : &figures;
    bool                               is_long = ms > UINT64_C(48) * 3600 * 1000;
    uint64_t                           small_ms = is_long ? UINT64_C(3600) * 1000 : UINT64_C(60) * 1000;
    uint64_t                           base = is_long ? 24 : 60; /* small units in a large one */
    uint64_t                           count = ms / small_ms + (ms % small_ms != 0);
    uint64_t                           large, small;

    count = count == 0 ? 1 : count;
    large = count / base;
    small = count % base;
    if (large > 0)
        add_units(buffer, large, is_long ? &in->day : &in->hour);
    if (large > 0 && small > 0)
        aw_buffer_add_str(buffer, in->joint);
    if (small > 0)
        add_units(buffer, small, is_long ? &in->hour : &in->minute);
}

void
aw_wording_add_time(struct aw_buffer *buffer, enum aw_language language, aw_ms at)
{
    char     text[AW_TIME_TEXT_BYTES]; /* 2026-04-16T14:20:00.000Z */
    unsigned month, day;

    AW_ASSERT(at != 0);
    aw_time_format(at <= AW_MS_MAX ? at : AW_MS_MAX, text);
    if (language >= AW_LANGUAGES) {
        aw_buffer_printf(buffer, "%.10s %.5s UTC", text, text + 11);
        return;
    }
    month = (unsigned)(text[5] - '0') * 10 + (unsigned)(text[6] - '0');
    day = (unsigned)(text[8] - '0') * 10 + (unsigned)(text[9] - '0');
    aw_buffer_printf(buffer, "%u%s%s, %.5s UTC", day, day == 1 ? words[language].first_day : words[language].later_day,
                     words[language].months[month - 1], text + 11);
}

/* --- what is known ------------------------------------------------------------------------------------------------------------ */

static const char *const field_names[AW_WORDING_FIELDS] = {
    [AW_WORDING_NAME] = "name",
    [AW_WORDING_TICKET] = "ticket",
    [AW_WORDING_FLIGHT] = "flight",
    [AW_WORDING_DEPARTURE] = "departure",
    [AW_WORDING_NEW_DEPARTURE] = "new_departure",
    [AW_WORDING_HALF_BY] = "half_by",
    [AW_WORDING_NINE_OF_TEN_BY] = "nine_of_ten_by",
    [AW_WORDING_HALF_IN] = "half_in",
    [AW_WORDING_NINE_OF_TEN_IN] = "nine_of_ten_in",
};

/* Control characters, also those behind ASCII, and those that end a line or turn its direction. */
static bool
is_control(struct aw_slice rest)
{
    const unsigned char *c = (const unsigned char *)rest.ptr;

    if (c[0] < 0x20 || c[0] == 0x7F || (rest.len >= 2 && c[0] == 0xC2 && c[1] < 0xA0))
        return true;
    if (rest.len < 3 || c[0] != 0xE2)
        return false;
    return (c[1] == 0x80 && c[2] >= 0xA8 && c[2] <= 0xAE) || (c[1] == 0x81 && c[2] >= 0xA6 && c[2] <= 0xA9);
}

static bool
is_letter(unsigned char c)
{
    return c >= 0x80 || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

struct aw_slice
aw_wording_name(struct aw_slice name)
{
    const struct aw_slice nothing = {NULL, 0};

    if (name.len > AW_WORDING_NAME_BYTES_MAX)
        return nothing;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (is_control(aw_slice_of(name.ptr + i, name.len - i)) || (c >= '0' && c <= '9') || c == '/' || c == ':' || c == '@' ||
            (c == '.' && i + 1 < name.len && is_letter((unsigned char)name.ptr[i + 1])))
            return nothing;
    }
    return name;
}

const char *
aw_wording_field_name(enum aw_wording_field field)
{
    AW_ASSERT(field < AW_WORDING_FIELDS);
    return field_names[field];
}

static bool
find_field(struct aw_slice name, enum aw_wording_field *ret_field)
{
    for (unsigned i = 0; i < AW_WORDING_FIELDS; i++) {
        if (!aw_slice_eq(name, aw_slice_str(field_names[i])))
            continue;
        *ret_field = (enum aw_wording_field)i;
        return true;
    }
    return false;
}

uint32_t
aw_wording_known(const struct aw_wording_facts *facts)
{
    const uint32_t of_promise = AW_WORDING_BIT(AW_WORDING_HALF_BY) | AW_WORDING_BIT(AW_WORDING_NINE_OF_TEN_BY) |
                                AW_WORDING_BIT(AW_WORDING_HALF_IN) | AW_WORDING_BIT(AW_WORDING_NINE_OF_TEN_IN);

    return (facts->name.len > 0 ? AW_WORDING_BIT(AW_WORDING_NAME) : 0) |
           (facts->ticket.len > 0 ? AW_WORDING_BIT(AW_WORDING_TICKET) : 0) |
           (facts->flight.len > 0 ? AW_WORDING_BIT(AW_WORDING_FLIGHT) : 0) |
           (facts->departs_at != 0 ? AW_WORDING_BIT(AW_WORDING_DEPARTURE) : 0) |
           (facts->new_departs_at != 0 ? AW_WORDING_BIT(AW_WORDING_NEW_DEPARTURE) : 0) |
           (facts->promise.made_at != 0 ? of_promise : 0);
}

static uint64_t
wait_ms(const struct aw_promise *promise, aw_ms by)
{
    return by > promise->made_at ? by - promise->made_at : 0;
}

static void
add_field(struct aw_buffer *buffer, enum aw_language language, enum aw_wording_field field, const struct aw_wording_facts *facts)
{
    const struct aw_promise *promise = &facts->promise;

    switch (field) {
    case AW_WORDING_NAME:
        aw_buffer_add(buffer, facts->name.ptr, facts->name.len);
        return;
    case AW_WORDING_TICKET:
        aw_buffer_add(buffer, facts->ticket.ptr, facts->ticket.len);
        return;
    case AW_WORDING_FLIGHT:
        aw_buffer_add(buffer, facts->flight.ptr, facts->flight.len);
        return;
    case AW_WORDING_DEPARTURE:
        aw_wording_add_time(buffer, language, facts->departs_at);
        return;
    case AW_WORDING_NEW_DEPARTURE:
        aw_wording_add_time(buffer, language, facts->new_departs_at);
        return;
    case AW_WORDING_HALF_BY:
        aw_wording_add_time(buffer, language, promise->half_by);
        return;
    case AW_WORDING_NINE_OF_TEN_BY:
        aw_wording_add_time(buffer, language, promise->nine_of_ten_by);
        return;
    case AW_WORDING_HALF_IN:
        aw_wording_add_duration(buffer, language, wait_ms(promise, promise->half_by));
        return;
    case AW_WORDING_NINE_OF_TEN_IN:
        aw_wording_add_duration(buffer, language, wait_ms(promise, promise->nine_of_ten_by));
        return;
    }
}

/* --- pieces ------------------------------------------------------------------------------------------------------------------- */

enum piece_kind { WORDS, FIELD, OPEN, SHUT, BAD, END };

struct piece {
    enum piece_kind       kind;
    struct aw_slice       words;        /* WORDS: as they go out */
    struct aw_slice       name;         /* FIELD, BAD: the name that stands there */
    enum aw_wording_field field;        /* FIELD */
    bool                  has_fallback; /* FIELD */
    struct aw_slice       fallback;
    size_t                begin;
    const char           *why; /* BAD */
};

struct pieces {
    struct aw_slice text;
    size_t          at;
    bool            is_inside; /* of brackets */
};

static struct piece
bad(const struct piece *piece, const char *why)
{
    struct piece is_bad = *piece;

    is_bad.kind = BAD;
    is_bad.why = why;
    return is_bad;
}

static struct piece
next_field(struct pieces *pieces, struct piece piece)
{
    const char     *open = pieces->text.ptr + pieces->at;
    const char     *shut = memchr(open, '}', pieces->text.len - pieces->at);
    struct aw_slice name;

    if (shut == NULL)
        return bad(&piece, "a brace is not closed; two of them write one");
    name = aw_slice_of(open + 1, (size_t)(shut - open) - 1);
    pieces->at += name.len + 2;
    piece.has_fallback = name.len > 0 && memchr(name.ptr, '|', name.len) != NULL;
    piece.fallback = name;
    name = aw_slice_cut(&piece.fallback, '|');
    piece.name = name;
    piece.kind = FIELD;
    if (!find_field(name, &piece.field))
        return bad(&piece, "there is no such field");
    if (piece.has_fallback && piece.fallback.len > 0 && memchr(piece.fallback.ptr, '{', piece.fallback.len) != NULL)
        return bad(&piece, "what stands in place of a field has no fields");
    return piece;
}

static struct piece
next_words(struct pieces *pieces, struct piece piece)
{
    size_t end = pieces->at;

    while (end < pieces->text.len && pieces->text.ptr[end] != '{' && pieces->text.ptr[end] != '[' &&
           (pieces->text.ptr[end] != ']' || !pieces->is_inside))
        end++;
    piece.kind = WORDS;
    piece.words = aw_slice_of(pieces->text.ptr + pieces->at, end - pieces->at);
    pieces->at = end;
    return piece;
}

static struct piece
next_piece(struct pieces *pieces)
{
    struct piece piece = {.kind = END, .begin = pieces->at};
    char         c;

    if (pieces->at == pieces->text.len)
        return pieces->is_inside ? bad(&piece, "a bracket is not closed; two of them write one") : piece;
    c = pieces->text.ptr[pieces->at];
    if ((c == '{' || c == '[') && pieces->at + 1 < pieces->text.len && pieces->text.ptr[pieces->at + 1] == c) {
        piece.kind = WORDS;
        piece.words = aw_slice_of(pieces->text.ptr + pieces->at, 1);
        pieces->at += 2;
        return piece;
    }
    if (c == '{')
        return next_field(pieces, piece);
    if (c == '[' && pieces->is_inside)
        return bad(&piece, "brackets lie in brackets");
    if (c == '[' || (c == ']' && pieces->is_inside)) {
        piece.kind = c == '[' ? OPEN : SHUT;
        pieces->is_inside = c == '[';
        pieces->at++;
        return piece;
    }
    return next_words(pieces, piece);
}

/* --- over the pieces ---------------------------------------------------------------------------------------------------------- */

bool
aw_wording_check(struct aw_slice text, uint32_t allowed, uint32_t always, struct aw_wording_flaw *ret_flaw)
{
    struct pieces pieces = {.text = text};

    for (;;) {
        struct piece piece = next_piece(&pieces);

        if (piece.kind == END)
            return true;
        if (piece.kind == FIELD && (allowed & AW_WORDING_BIT(piece.field)) == 0)
            piece = bad(&piece, "this text has no such field");
        else if (piece.kind == FIELD && !pieces.is_inside && !piece.has_fallback && (always & AW_WORDING_BIT(piece.field)) == 0)
            piece = bad(&piece, "it is not always known: give it words of its own as {field|words}, or put it in brackets");
        if (piece.kind != BAD)
            continue;
        *ret_flaw = (struct aw_wording_flaw){.field = piece.name,
                                             .begin = (uint32_t)piece.begin,
                                             .end = (uint32_t)(pieces.at > piece.begin ? pieces.at : text.len),
                                             .why = piece.why};
        return false;
    }
}

uint32_t
aw_wording_needs(struct aw_slice text)
{
    struct pieces pieces = {.text = text};
    uint32_t      needs = 0;

    for (;;) {
        struct piece piece = next_piece(&pieces);

        AW_ASSERT(piece.kind != BAD);
        if (piece.kind == END)
            return needs;
        if (piece.kind == FIELD && !pieces.is_inside && !piece.has_fallback)
            needs |= AW_WORDING_BIT(piece.field);
    }
}

/* Whether the part behind a bracket goes out: the fields up to its end are known, or have words of their own. */
static bool
is_part_known(struct pieces pieces, uint32_t known)
{
    for (;;) {
        struct piece piece = next_piece(&pieces);

        AW_ASSERT(piece.kind != BAD && piece.kind != END);
        if (piece.kind == SHUT)
            return true;
        if (piece.kind == FIELD && !piece.has_fallback && (known & AW_WORDING_BIT(piece.field)) == 0)
            return false;
    }
}

void
aw_wording_render(struct aw_buffer *buffer, enum aw_language language, struct aw_slice text, const struct aw_wording_facts *facts)
{
    struct pieces pieces = {.text = text};
    uint32_t      known = aw_wording_known(facts);
    bool          is_out = true;

    for (;;) {
        struct piece piece = next_piece(&pieces);

        AW_ASSERT(piece.kind != BAD);
        if (piece.kind == END)
            return;
        if (piece.kind == OPEN)
            is_out = is_part_known(pieces, known);
        else if (piece.kind == SHUT)
            is_out = true;
        else if (is_out && piece.kind == WORDS)
            aw_buffer_add(buffer, piece.words.ptr, piece.words.len);
        else if (is_out && (known & AW_WORDING_BIT(piece.field)) != 0)
            add_field(buffer, language, piece.field, facts);
        else if (is_out)
            aw_buffer_add(buffer, piece.fallback.ptr, piece.fallback.len);
    }
}
