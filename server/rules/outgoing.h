/* outgoing.h - the same-channel check: what in a reply would send the customer away, or tell others too much.
 *
 * Whoever wrote to us is answered where they wrote: "call us", "mail us", "ask at the airport", a form, an app, another channel
 * or a link to somebody else's site are no answer. In public a reply must not name a booking, a phone number, an address, or a
 * person with a flight. Which words are meant stands in the rules for replies (lexicon/replies, README.md beside this), as do the
 * hosts that links may lead to. The check says what it found and where; what becomes of the reply is the caller's to decide.
 *
 * Who owns: nothing is owned; set and scratch as in rules.h, made for AW_RULES_REPLIES. Spans are offsets into the text; kind and
 * rule borrow from the set. Thread: the scratch's. Takes no memory. Time: bounded as that of aw_rules_scan, for any text.
 * Can't fail; a text with more phrases than are compared is `cut`, and then nobody can say that it is clean.
 */
#ifndef AW_RULES_OUTGOING_H
#define AW_RULES_OUTGOING_H

#include "model/message.h"
#include "rules/rules.h"

#define AW_OUTGOING_SPANS_MAX 16U /* that are kept of one text, in its order */

struct aw_outgoing_reply {
    struct aw_slice    text;       /* at most AW_TEXT_BYTES_MAX */
    enum aw_visibility visibility; /* where it will be read */
    struct aw_slice    channel;    /* that it goes out on: on its own channel no channel is another; empty: not known */
    struct aw_slice    origin;     /* that its customer wrote on before he agreed to this one: no other either; empty: none */
};

/* Bytes [begin, end) of the text. */
struct aw_outgoing_span {
    struct aw_slice kind; /* "phone" */
    struct aw_slice rule; /* "en.refer.call" */
    uint32_t        begin, end;
};

/* In the order of the text; none lies inside another. */
struct aw_outgoing_result {
    uint32_t                count;
    bool                    more; /* than are kept */
    bool                    cut;  /* what lies behind was not looked at */
    struct aw_outgoing_span spans[AW_OUTGOING_SPANS_MAX];
};

void aw_outgoing_check(const struct aw_rules *rules, struct aw_rules_scratch *scratch, const struct aw_outgoing_reply *reply,
                       struct aw_outgoing_result *ret_result);

#endif
