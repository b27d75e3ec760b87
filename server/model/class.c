/* class.c - names of the classes. */
#include "model/class.h"

static const char *const names[AW_CLASS_COUNT] = {"care", "imminent", "disrupted", "general", "other"};

const char *
aw_class_name(enum aw_class class_)
{
    AW_ASSERT((unsigned)class_ < AW_CLASS_COUNT);
    return names[class_];
}

bool
aw_class_parse(struct aw_slice word, enum aw_class *ret_class)
{
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        if (aw_slice_eq(word, aw_slice_str(names[i]))) {
            *ret_class = (enum aw_class)i;
            return true;
        }
    }
    return false;
}
