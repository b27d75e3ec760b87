/* fold.c - one pass over the text, a byte table for ASCII, code points for the rest. */
#include "rules/fold.h"

#include "base/assert.h"

enum kind { BLANK, LETTER, DIGIT, CLAUSE, SENTENCE, DOT, APOSTROPHE, HASH, AT, AND, DASH, LINE, WIDE };

/* What each byte is. Not listed: a blank. */
static const uint8_t kinds[256] = {
    ['a' ... 'z'] = LETTER,
    ['A' ... 'Z'] = LETTER,
    ['0' ... '9'] = DIGIT,
    [','] = CLAUSE,
    [';'] = CLAUSE,
    [':'] = CLAUSE,
    ['('] = CLAUSE,
    [')'] = CLAUSE,
    ['!'] = SENTENCE,
    ['?'] = SENTENCE,
    ['.'] = DOT,
    ['\''] = APOSTROPHE,
    ['`'] = APOSTROPHE,
    ['#'] = HASH,
    ['@'] = AT,
    ['&'] = AND,
    ['-'] = DASH,
    ['\n'] = LINE,
    [0x80 ... 0xFF] = WIDE,
};

/* U+00C0 to U+017F: each letter without its accent, so that it folds like the letter and a combining mark. */
static const char latin[][3] = {
    "a", "a", "a",  "a",  "a", "a", "ae", "c",  "e", "e", "e", "e", "i", "i", "i",  "i", "d", "n", "o",  "o",  "o", "o", "o", "",
    "o", "u", "u",  "u",  "u", "y", "th", "ss", "a", "a", "a", "a", "a", "a", "ae", "c", "e", "e", "e",  "e",  "i", "i", "i", "i",
    "d", "n", "o",  "o",  "o", "o", "o",  "",   "o", "u", "u", "u", "u", "y", "th", "y", "a", "a", "a",  "a",  "a", "a", "c", "c",
    "c", "c", "c",  "c",  "c", "c", "d",  "d",  "d", "d", "e", "e", "e", "e", "e",  "e", "e", "e", "e",  "e",  "g", "g", "g", "g",
    "g", "g", "g",  "g",  "h", "h", "h",  "h",  "i", "i", "i", "i", "i", "i", "i",  "i", "i", "i", "ij", "ij", "j", "j", "k", "k",
    "k", "l", "l",  "l",  "l", "l", "l",  "l",  "l", "l", "l", "n", "n", "n", "n",  "n", "n", "n", "n",  "n",  "o", "o", "o", "o",
    "o", "o", "oe", "oe", "r", "r", "r",  "r",  "r", "r", "s", "s", "s", "s", "s",  "s", "s", "s", "t",  "t",  "t", "t", "t", "t",
    "u", "u", "u",  "u",  "u", "u", "u",  "u",  "u", "u", "u", "u", "w", "w", "y",  "y", "y", "z", "z",  "z",  "z", "z", "z", "s",
};
AW_STATIC_ASSERT(sizeof(latin) / sizeof(latin[0]) == 0x180 - 0xC0, "one for each letter");

struct folder {
    struct aw_fold *fold;
    const char     *text;
    uint32_t        len;
    uint32_t        at;   /* of the character in work */
    uint32_t        word; /* where in the folded bytes the word in work begins */
    uint32_t        run;  /* how often its last letter was written in a row */
    bool            in_tag;
    bool            was_lower; /* the letter before, inside a hashtag */
};

static void
put(struct folder *f, char byte)
{
    f->fold->bytes[f->fold->len] = byte;
    f->fold->from[f->fold->len++] = f->at;
}

static char
small(char letter)
{
    return (char)(letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter);
}

static bool
in_word(const struct folder *f)
{
    return f->word < f->fold->len;
}

static void
end_word(struct folder *f)
{
    if (in_word(f))
        put(f, ' ');
    f->word = f->fold->len;
    f->run = 0;
}

static void
put_mark(struct folder *f, char mark)
{
    struct aw_fold *fold = f->fold;

    end_word(f);
    f->in_tag = false;
    if (fold->len >= 2 && (fold->bytes[fold->len - 2] == '.' || (fold->bytes[fold->len - 2] == ',' && mark == ',')) &&
        fold->bytes[fold->len - 3] == ' ')
        return; /* many marks are one */
    if (fold->len == 1)
        return; /* nothing stands before it */
    put(f, mark);
    end_word(f);
}

static void
put_letter(struct folder *f, char letter)
{
    struct aw_fold *fold = f->fold;

    f->run = in_word(f) && fold->bytes[fold->len - 1] == letter ? f->run + 1 : 1;
    if (f->run == 3)
        fold->len--; /* back to one */
    else if (f->run < 3)
        put(f, letter);
}

static int
peek(const struct folder *f, uint32_t ahead)
{
    return f->len - f->at > ahead ? (unsigned char)f->text[f->at + ahead] : 0;
}

static bool
is_letter(int byte)
{
    return kinds[byte] == LETTER || kinds[byte] == WIDE;
}

static bool
is_blank(int byte)
{
    return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r' || byte == 0;
}

static bool
looks_at(const struct folder *f, const char *lower)
{
    for (uint32_t i = 0; lower[i] != '\0'; i++) {
        if ((peek(f, i) | 0x20) != (lower[i] | 0x20))
            return false;
    }
    return true;
}

/* Moves behind a link that begins here. */
static bool
skip_link(struct folder *f)
{
    if (in_word(f) || !(looks_at(f, "http://") || looks_at(f, "https://") || looks_at(f, "www.")))
        return false;
    while (!is_blank(peek(f, 0)))
        f->at++;
    return true;
}

static void
fold_letter(struct folder *f, char byte)
{
    bool is_lower = byte >= 'a';

    f->fold->has_lower |= is_lower;
    if (f->in_tag && f->was_lower && !is_lower)
        end_word(f); /* #HeartAttack */
    f->was_lower = is_lower;
    put_letter(f, small(byte));
}

/* An apostrophe that stands for a dropped vowel ends a word (l'avion, qu'elle); others vanish (don't, dont). */
static void
fold_apostrophe(struct folder *f)
{
    uint32_t    len = f->fold->len - f->word;
    const char *word = f->fold->bytes + f->word;

    if ((len == 1 && strchr("cdjlmnst", word[0]) != NULL) || (len == 2 && word[0] == 'q' && word[1] == 'u'))
        end_word(f);
}

/* 10.45 stays a word, 1,234 becomes 1234, a.m. becomes am; all else ends a clause or a sentence. */
static void
fold_point(struct folder *f, char byte)
{
    uint32_t len = f->fold->len - f->word;
    char     last = f->fold->bytes[f->fold->len - 1]; /* a blank when no word is in work */
    int      next = peek(f, 1);

    if (kinds[(unsigned char)last] == DIGIT && kinds[next] == DIGIT && strchr(".:,", byte) != NULL) {
        if (byte != ',')
            put(f, byte);
        return;
    }
    if (byte == '.' && len == 1 && kinds[next] == LETTER && !is_letter(peek(f, 2)))
        return;
    put_mark(f, byte == '.' ? '.' : ',');
}

static void
fold_and(struct folder *f)
{
    static const struct {
        const char *name;
        char        is;
    } entities[] = {{"&amp;", ' '}, {"&lt;", ' '}, {"&gt;", ' '}, {"&quot;", ' '}, {"&nbsp;", ' '}, {"&#39;", '\''}};

    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        if (looks_at(f, entities[i].name)) {
            if (entities[i].is == '\'')
                fold_apostrophe(f);
            else
                end_word(f);
            f->at += (uint32_t)strlen(entities[i].name) - 1;
            return;
        }
    }
    end_word(f);
}

static void
fold_ascii(struct folder *f, char byte)
{
    switch ((enum kind)kinds[(unsigned char)byte]) {
    case LETTER:
        fold_letter(f, byte);
        return;
    case DIGIT:
        f->fold->has_digit = true;
        f->run = 0;
        put(f, byte);
        return;
    case CLAUSE:
    case DOT:
        fold_point(f, byte);
        return;
    case SENTENCE:
        put_mark(f, '.');
        return;
    case APOSTROPHE:
        fold_apostrophe(f);
        return;
    case HASH:
        end_word(f);
        f->in_tag = true;
        f->was_lower = false;
        return;
    case AT:
        end_word(f);
        while (is_letter(peek(f, 1)) || kinds[peek(f, 1)] == DIGIT || peek(f, 1) == '_')
            f->at++;
        return;
    case AND:
        fold_and(f);
        return;
    case DASH:
        if (in_word(f) && !is_blank(peek(f, 1)))
            end_word(f);
        else
            put_mark(f, ',');
        return;
    case LINE:
        if (peek(f, 1) == '\n' || (peek(f, 1) == '\r' && peek(f, 2) == '\n'))
            put_mark(f, '.');
        end_word(f);
        f->in_tag = false;
        return;
    case BLANK:
    case WIDE:
        end_word(f);
        f->in_tag = false;
        return;
    }
    AW_UNREACHABLE();
}

static uint32_t
decode(const char *ptr, size_t step)
{
    static const uint8_t masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t             code = (unsigned char)ptr[0] & masks[step];

    for (size_t i = 1; i < step; i++)
        code = code << 6 | ((unsigned char)ptr[i] & 0x3F);
    return code;
}

/* Punctuation beyond ASCII, as the ASCII that it stands for; 0: none; '\b': leaves no trace. */
static char
ascii_of(uint32_t code)
{
    if (code >= 0xFF01 && code <= 0xFF5E)
        return (char)(code - 0xFF01 + '!'); /* full width */
    if ((code >= 0x300 && code <= 0x36F) || (code >= 0x200B && code <= 0x200D) || code == 0xAD || code == 0xFEFF ||
        (code >= 0xFE00 && code <= 0xFE0F) || (code >= 0x1F3FB && code <= 0x1F3FF))
        return '\b'; /* combining marks, zero width, variants, skin tones */
    if (code == 0x2018 || code == 0x2019 || code == 0x2BC || code == 0xB4)
        return '\'';
    if (code >= 0x2010 && code <= 0x2015)
        return '-';
    if (code == 0x2026)
        return '.';
    if (code == 0xA1 || code == 0xBF || (code >= 0x80 && code <= 0xBF) || (code >= 0x2000 && code <= 0x206F) || code == 0x3000 ||
        code == 0xD7 || code == 0xF7)
        return ' ';
    return 0;
}

/* Latin, Greek and Cyrillic capitals; other scripts have none or are rare enough to be written as they are. */
static uint32_t
small_code(uint32_t code)
{
    bool is_capital = (code >= 'A' && code <= 'Z') || (code >= 0xC0 && code <= 0xDE && code != 0xD7) ||
                      (code >= 0x391 && code <= 0x3A9) || (code >= 0x410 && code <= 0x42F);

    return is_capital ? code + 0x20 : code;
}

static bool
is_emoji(uint32_t code)
{
    return (code >= 0x1F000 && code <= 0x1FAFF) || (code >= 0x2190 && code <= 0x2BFF);
}

static void
put_code(struct folder *f, uint32_t code)
{
    if (code < 0x800) {
        put(f, (char)(0xC0 | code >> 6));
    } else if (code < 0x10000) {
        put(f, (char)(0xE0 | code >> 12));
        put(f, (char)(0x80 | (code >> 6 & 0x3F)));
    } else {
        put(f, (char)(0xF0 | code >> 18));
        put(f, (char)(0x80 | (code >> 12 & 0x3F)));
        put(f, (char)(0x80 | (code >> 6 & 0x3F)));
    }
    put(f, (char)(0x80 | (code & 0x3F)));
}

static void
fold_latin(struct folder *f, uint32_t code)
{
    /* Up to U+00DE in one block, then even ones: near enough to tell capitals in a hashtag. */
    bool is_lower = code >= 0xDF && (code < 0x100 || code % 2 == 1);

    f->fold->has_lower |= is_lower;
    if (f->in_tag && f->was_lower && !is_lower)
        end_word(f);
    f->was_lower = is_lower;
    for (const char *letter = latin[code - 0xC0]; *letter != '\0'; letter++)
        put_letter(f, *letter);
}

/* Returns how many bytes it took. */
static uint32_t
fold_wide(struct folder *f)
{
    size_t   step = aw_utf8_step(f->text + f->at, f->len - f->at);
    uint32_t code = step == 0 ? 0xA0 /* a blank */ : decode(f->text + f->at, step);
    uint32_t at = f->at;
    char     ascii = ascii_of(code);

    if (ascii == '\b')
        return (uint32_t)step;
    if (ascii == '.' || ascii == '-') {
        put_mark(f, ascii == '.' ? '.' : ',');
    } else if (ascii != 0) {
        fold_ascii(f, ascii);
        if (f->at != at)
            return 1; /* it went on to the last byte of a name behind @ */
    } else if (code >= 0xC0 && code < 0x180) {
        fold_latin(f, code);
    } else if (is_emoji(code)) {
        end_word(f);
        put_code(f, code);
        end_word(f);
    } else {
        f->run = 0;
        put_code(f, small_code(code));
    }
    return step == 0 ? 1 : (uint32_t)step;
}

/* --- what leads elsewhere --------------------------------------------------------------------------------------------------- */

#define LOOK_AHEAD 64U /* a local part has at most so many bytes (RFC 5321 section 4.5.3.1.1), and few hosts have more */

static bool
is_host_byte(int byte)
{
    return kinds[byte] == LETTER || kinds[byte] == DIGIT || byte == '-' || byte == '.';
}

static bool
is_local_byte(int byte)
{
    return is_host_byte(byte) || byte == '_' || byte == '+' || byte == '%';
}

static uint32_t
code_at(const struct folder *f, uint32_t at)
{
    size_t step = aw_utf8_step(f->text + at, f->len - at);

    return step == 0 ? 0 : decode(f->text + at, step);
}

/* How many bytes the character has that stands here in a host; beyond ASCII a letter of any script, or a mark on one. 0: no host
 * has it. */
static uint32_t
host_step(const struct folder *f, uint32_t at)
{
    uint32_t code = code_at(f, at);
    bool     is_sign = (code >= 0x20A0 && code < 0x2C00) || (code >= 0x3000 && code < 0x3040) || is_emoji(code);

    if (code < 0x80)
        return is_host_byte((int)code);
    if (ascii_of(code) == '\b' || (ascii_of(code) == 0 && !is_sign))
        return (uint32_t)aw_utf8_step(f->text + at, f->len - at);
    return 0;
}

/* A blank, a quotation mark or the like beyond ASCII. */
static bool
is_wide_blank(const struct folder *f, uint32_t at)
{
    size_t step = aw_utf8_step(f->text + at, f->len - at);

    return step > 1 && ascii_of(decode(f->text + at, step)) == ' ';
}

/* The same host in one spelling. Accents stay: without them it is another one. */
static void
put_host(struct folder *f, uint32_t begin, uint32_t end, uint32_t last)
{
    uint32_t step;

    for (uint32_t i = begin; i < end; i += step) {
        step = (uint32_t)aw_utf8_step(f->text + i, end - i);
        step = step == 0 ? 1 : step;
        f->at = i + step < end ? i : last;
        if (step == 1)
            put(f, small(f->text[i]));
        else
            put_code(f, small_code(decode(f->text + i, step)));
    }
    f->at = last + 1;
    end_word(f);
}

/* Where the run of bytes up to the next blank ends, without the marks that close a sentence or a bracket. */
static uint32_t
end_of_link(const struct folder *f)
{
    uint32_t end = f->at;

    while (end < f->len && !is_blank((unsigned char)f->text[end]) && strchr("<>\"", f->text[end]) == NULL &&
           !is_wide_blank(f, end))
        end++;
    while (end > f->at && strchr(".,;:!?)]}'*", f->text[end - 1]) != NULL)
        end--;
    return end;
}

/* `https://user@Host:443/path` becomes `//host`. */
static bool
put_link(struct folder *f)
{
    uint32_t scheme = looks_at(f, "http://") ? 7 : looks_at(f, "https://") ? 8 : 0;
    uint32_t end;
    uint32_t begin;
    uint32_t stop;

    if (scheme == 0 && !looks_at(f, "www."))
        return false;
    end = end_of_link(f);
    begin = f->at + scheme;
    if (begin >= end)
        return false;
    for (stop = begin; stop < end && strchr("/?#\\", f->text[stop]) == NULL; stop++) {
        if (f->text[stop] == '@')
            begin = stop + 1;
    }
    for (uint32_t i = begin; i < stop; i++) {
        if (f->text[i] == ':')
            stop = i;
    }
    put(f, '/');
    put(f, '/');
    put_host(f, begin, stop, end - 1);
    return true;
}

/* Where what may be a host ends, of at most so many bytes and some. */
static uint32_t
end_of_run(const struct folder *f, uint32_t from, uint32_t most)
{
    uint32_t end = from;
    uint32_t step;

    while (end < f->len && end - from < most && (step = host_step(f, end)) > 0)
        end += step;
    while (end > from && (f->text[end - 1] == '.' || f->text[end - 1] == '-'))
        end--;
    return end;
}

/* Where the host that begins at `from` ends, if it has a point inside; else 0. */
static uint32_t
end_of_host(const struct folder *f, uint32_t from)
{
    uint32_t end = end_of_run(f, from, 4 * LOOK_AHEAD);
    uint32_t point = 0;

    for (uint32_t i = from + 1; i + 2 < end; i++)
        point = f->text[i] == '.' ? i : point;
    return point == 0 ? 0 : end;
}

/* `jan@Post.example` becomes `@post.example`. */
static bool
put_mail(struct folder *f)
{
    uint32_t at = f->at;
    uint32_t end;

    while (at < f->len && at - f->at <= LOOK_AHEAD && is_local_byte((unsigned char)f->text[at]))
        at++;
    if (at == f->at || at == f->len || f->text[at] != '@')
        return false;
    end = end_of_host(f, at + 1);
    if (end == 0)
        return false;
    put(f, '@');
    put_host(f, at + 1, end, end - 1);
    return true;
}

/* Two letters or more, all small or all capitals. */
static bool
is_of_one_case(const struct folder *f, uint32_t begin, uint32_t end)
{
    bool     capitals = small_code(code_at(f, begin)) != code_at(f, begin);
    uint32_t letters = 0;

    for (uint32_t i = begin; i < end; i += host_step(f, i)) {
        if ((small_code(code_at(f, i)) != code_at(f, i)) != capitals)
            return false;
        letters++;
    }
    return letters >= 2;
}

/* Where the last label of a host begins, when it can be one: `begin` without. Letters are all small or all capitals, otherwise
 * somebody forgot the blank behind a sentence; but what stands for other letters is `xn--` and any (RFC 5890 section 2.3.2.1). */
static uint32_t
find_last_label(const struct folder *f, uint32_t begin, uint32_t end)
{
    uint32_t at = end;
    bool     is_plain = true;

    for (; at > begin && f->text[at - 1] != '.'; at--)
        is_plain &= is_letter((unsigned char)f->text[at - 1]);
    if (at < begin + 2 || f->text[at - 2] == '.')
        return begin;
    if (is_plain ? is_of_one_case(f, at, end)
                 : end - at > 4 && aw_slice_eq_nocase(aw_slice_of(f->text + at, 4), AW_SLICE("xn--")))
        return at;
    return begin;
}

/* With a path it is a link, whatever it ends in. */
static bool
put_bare_host(struct folder *f)
{
    uint32_t end = end_of_run(f, f->at, LOOK_AHEAD);

    if (find_last_label(f, f->at, end) == f->at)
        return false;
    if (end + 1 < f->len && f->text[end] == '/' && !is_blank((unsigned char)f->text[end + 1])) {
        put(f, '/');
        put(f, '/');
        put_host(f, f->at, end, end_of_link(f) - 1);
    } else {
        put_host(f, f->at, end, end - 1);
    }
    return true;
}

/* At the start of a word. */
static bool
put_address(struct folder *f)
{
    int first = peek(f, 0);

    if (first == '+' && kinds[peek(f, 1)] == DIGIT) {
        put(f, '+');
        f->at++;
        return true;
    }
    return (is_letter(first) || kinds[first] == DIGIT) && (put_link(f) || put_mail(f) || put_bare_host(f));
}

/* --- the pass --------------------------------------------------------------------------------------------------------------- */

/* Most of a text is letters inside words and blanks behind them: these take the short way. */
static inline bool
fold_plain(struct folder *f, char byte)
{
    struct aw_fold *fold = f->fold;
    char            letter = small(byte);

    if (byte == ' ') {
        f->in_tag = false;
        end_word(f);
        return true;
    }
    if (letter < 'a' || letter > 'z' || f->in_tag || !in_word(f) || fold->bytes[fold->len - 1] == letter)
        return false;
    fold->has_lower |= byte >= 'a';
    f->run = 1;
    put(f, letter);
    return true;
}

void
aw_fold_text(struct aw_fold *fold, struct aw_slice text)
{
    struct folder f = {.fold = fold, .text = text.ptr, .len = (uint32_t)text.len};

    AW_ASSERT(text.len <= UINT32_MAX / 4);
    fold->len = 0;
    fold->has_lower = false;
    fold->has_digit = false;
    put(&f, ' ');
    f.word = 1;
    while (f.at < f.len) {
        char byte = f.text[f.at];

        if (fold->keeps && !in_word(&f) && put_address(&f))
            continue;
        if (fold_plain(&f, byte)) {
            f.at++;
            continue;
        }
        if ((unsigned char)byte >= 0x80) {
            f.at += fold_wide(&f);
            continue;
        }
        if ((byte == 'h' || byte == 'w' || byte == 'H' || byte == 'W') && skip_link(&f))
            continue;
        fold_ascii(&f, byte);
        f.at++;
    }
    end_word(&f);
    fold->bytes[fold->len] = '\0';
    AW_ASSERT(fold->len < AW_FOLD_ROOM(text.len));
}

struct aw_slice
aw_fold_origin(const struct aw_fold *fold, struct aw_slice text, uint32_t begin, uint32_t end)
{
    uint32_t first;
    uint32_t last;
    size_t   step;

    AW_ASSERT(begin < end && end <= fold->len);
    first = fold->from[begin];
    last = fold->from[end - 1];
    AW_ASSERT(first <= last && last < text.len);
    step = aw_utf8_step(text.ptr + last, text.len - last);
    return aw_slice_of(text.ptr + first, last - first + (step == 0 ? 1 : step));
}
