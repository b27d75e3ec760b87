/* class.h - how urgent a ticket is: five classes, most urgent first (design: section 6).
 *
 * The numbers are stored in the journal: never change or reuse one. Owns nothing. Thread: any.
 */
#ifndef AW_MODEL_CLASS_H
#define AW_MODEL_CLASS_H

#include "base/assert.h"
#include "base/slice.h"

enum aw_class {
    AW_CLASS_CARE = 0,     /* harm now: medical, safety, unaccompanied minor, reduced mobility */
    AW_CLASS_IMMINENT = 1, /* departs within six hours and can still be made */
    AW_CLASS_DISRUPTED = 2,
    AW_CLASS_GENERAL = 3,
    AW_CLASS_OTHER = 4,
};
#define AW_CLASS_COUNT 5
#define AW_CLASSES_ALL ((1U << AW_CLASS_COUNT) - 1) /* of a set: 1 << class each */
#define AW_CLASS_NONE  255                          /* "no hint" where a class is optional */

/* "care", "imminent", ...; `class_` must be one of the five. */
const char *aw_class_name(enum aw_class class_);
/* False for any other word; *ret_class is then unchanged. */
AW_MUST_USE bool aw_class_parse(struct aw_slice word, enum aw_class *ret_class);

#endif
