/* fields.h - the one table of what a request may hold, for both encodings, both directions and the documentation.
 *
 * The rows: fields.def. Decoding, encoding, the tables in PROTOCOL.md and the check of openapi.json all walk this table, so a
 * field is added in one place. Constant data; thread: any.
 */
#ifndef AW_PROTO_FIELDS_H
#define AW_PROTO_FIELDS_H

#include "base/slice.h"
#include "proto/problem.h"

enum aw_object_kind {
#define AW_OBJECT(NAME, tag, title) AW_OBJECT_##NAME,
#define AW_FIELD(tag, name, member, about, ...)
#define AW_OBJECT_END(NAME)
#include "proto/fields.def"
#undef AW_OBJECT
#undef AW_FIELD
#undef AW_OBJECT_END
    AW_OBJECT_COUNT
};

/* What a value is and where it goes. With items_max above 0 it is a list of such values: a pointer to an array goes to `at`, the
 * count (uint32_t) to `beside`, whether it was sent, be it empty, to `given`, if not 0. */
enum aw_type {
    AW_TYPE_TEXT,    /* struct aw_slice; anything but NUL */
    AW_TYPE_ID,      /* struct aw_slice; no control characters */
    AW_TYPE_NAME,    /* struct aw_slice; a-z 0-9 _ . - */
    AW_TYPE_LANG,    /* struct aw_slice; letters, digits, hyphens */
    AW_TYPE_FLIGHT,  /* struct aw_slice; an airline's code and a number */
    AW_TYPE_AIRPORT, /* struct aw_slice; three upper-case letters */
    AW_TYPE_DATE,    /* uint32_t days; `beside`: bool, whether it was sent */
    AW_TYPE_TIME,    /* aw_ms; 0: not sent */
    AW_TYPE_WORD,    /* one of `words`; an integer of `width` bytes */
    AW_TYPE_WORDS,   /* a list of `words`; uint8_t of bits */
    AW_TYPE_NUMBER,  /* an unsigned integer of `width` bytes; `beside`: bool, whether it was sent, if not 0 */
    AW_TYPE_FLAG,    /* bool; `beside`: bool, whether it was sent, if not 0 */
    AW_TYPE_OBJECT,  /* the struct of `object` */
    AW_TYPE_PAIRS,   /* a map of texts; struct aw_pair array to `at`, uint32_t count to `beside` */
    AW_TYPE_UNITS,   /* a map of names to numbers; struct aw_agent_units array to `at`, uint32_t count to `beside` */
};

/* The words of one field and the numbers they stand for. */
struct aw_words {
    const char *const *names;
    const uint8_t     *values;
    uint32_t           count;
};

struct aw_field {
    struct aw_slice        name;
    const char            *about; /* for the documentation */
    enum aw_type           type;
    bool                   required;
    uint8_t                width; /* of the member, in bytes */
    uint16_t               at;
    uint16_t               beside;
    uint16_t               given; /* of a list: bool */
    uint32_t               items_max;
    uint32_t               bytes_max; /* of a text; 0: its shape gives its length */
    bool                   empty_ok;  /* a text may be empty, which is the same as absent */
    uint64_t               number_min;
    uint64_t               number_max;
    uint64_t               fallback; /* WORD, NUMBER: when not sent */
    const char            *fallback_text;
    const struct aw_words *words;
    enum aw_object_kind    object;
};

struct aw_object {
    const char            *name;  /* the schema's, in openapi.json */
    const char            *title; /* "a message" */
    const struct aw_field *fields;
    uint32_t               field_count; /* at most 32 */
    uint32_t               bytes;       /* of its struct */
};

/* Whether it is a map, of which `beside` has the count. */
static inline bool
aw_field_is_map(const struct aw_field *field)
{
    return field->type == AW_TYPE_PAIRS || field->type == AW_TYPE_UNITS;
}

const struct aw_object *aw_object_of(enum aw_object_kind kind);
/* The field called `name`, or NULL. `hint`: its likely place, so that fields in the table's order are found at once. */
const struct aw_field *aw_object_find_field(const struct aw_object *object, struct aw_slice name, uint32_t hint);
/* The name of the word that stands for `value`; NULL when there is none. */
const char *aw_words_name(const struct aw_words *words, uint64_t value);

#endif
