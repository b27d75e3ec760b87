/* check.h - what a text must look like. Owns nothing. Thread: any. */
#ifndef AW_PROTO_CHECK_H
#define AW_PROTO_CHECK_H

#include "base/slice.h"

#include <stdbool.h>

/* Neither C0 (with NUL, tab and newline) nor DEL nor C1 characters. `text` is valid UTF-8. */
bool aw_check_no_controls(struct aw_slice text);
/* a-z 0-9 _ . -, not empty: channels, lanes. */
bool aw_check_name(struct aw_slice text);
/* The shape of a language tag: parts of 1 to 8 letters and digits, joined by hyphens, the first of letters (RFC 5646 section
 * 2.1). */
bool aw_check_lang(struct aw_slice text);
/* Airline code (two letters or digits with a letter among them, or three letters), 1 to 4 digits, at most one letter; upper case.
 * */
bool aw_check_flight_number(struct aw_slice text);
/* Three upper-case letters. */
bool aw_check_airport(struct aw_slice text);

#endif
