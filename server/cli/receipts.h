/* receipts.h - receipts as the server gave them, and what a store says to each.
 *
 * A receipt is proved when its record lies where it says, in a batch whose chained hash is the one that it states, and when that
 * record gives every other field that it states. Not compared is what the store does not hold: `notice`, what tells only how
 * this answer came about (`line`, `status`, `duplicate`, `differs`), and `reasons` when the text that they quote is gone.
 *
 * Who owns: the command, for its run. Thread: one. Fails: AW_E_MEMORY, and as said.
 */
#ifndef AW_CLI_RECEIPTS_H
#define AW_CLI_RECEIPTS_H

#include "base/arena.h"
#include "base/why.h"
#include "model/record.h"

#include <jansson.h>

enum aw_cli_verdict {
    AW_CLI_VERDICT_OPEN, /* not judged yet */
    AW_CLI_VERDICT_PROVED,
    AW_CLI_VERDICT_KEPT, /* its batch was trimmed; what was kept of it says the same */
    AW_CLI_VERDICT_DIFFERS,
    AW_CLI_VERDICT_TRIMMED,   /* and nothing was kept */
    AW_CLI_VERDICT_NOT_THERE, /* the journal does not go so far */
    AW_CLI_VERDICT_NO_RECEIPT,
};
#define AW_CLI_VERDICTS 7

struct aw_cli_receipt {
    uint64_t            number; /* of its line, counted over all that was read */
    enum aw_cli_verdict verdict;
    const char         *words; /* NO_RECEIPT: why. Static */
    char               *text;  /* owns: as it was given */
    uint64_t            seq;   /* of its message; 0: NO_RECEIPT */
    uint8_t             shard;
    uint64_t            index; /* of its commit */
    struct aw_sha256    hash;
    bool                is_asked_for; /* it answers a GET or a message posted again, and may not tell the reasons any more */
    /* What the store has. */
    json_t  *differs; /* owns: list of {field, receipt, store}; NULL: none */
    aw_ms    at;      /* record time */
    uint32_t lane;
    bool     has_body;
    bool     lacks_reasons; /* there were some, and they went with the text */
};

struct aw_cli_receipts {
    struct aw_cli_receipt *all; /* owns */
    size_t                 count;
    uint64_t               refused; /* lines that say why there is no receipt */
    size_t                 _room;
};

/* One line; what is none of the server's receipts gets the verdict NO_RECEIPT. AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_cli_receipts_add(struct aw_cli_receipts *receipts, uint64_t number, struct aw_slice line);
void                    aw_cli_receipts_free(struct aw_cli_receipts *receipts);
/* By record, NO_RECEIPT first; or as they were read. */
void aw_cli_receipts_sort(struct aw_cli_receipts *receipts, bool by_record);

/* Where a record lies. */
struct aw_cli_place {
    uint64_t index;
    aw_ms    at;
    uint8_t  shard;
};
/* Compares all but commit and lane with the record of its number, and with its body, which is the one that was accepted, or empty;
 * `arena` is only used. Sets lacks_reasons; sets DIFFERS, or leaves OPEN. AW_E_MEMORY. */
AW_MUST_USE enum aw_err aw_cli_receipt_compare(struct aw_cli_receipt *receipt, const struct aw_cli_place *place,
                                               const struct aw_command *command, struct aw_slice body, struct aw_arena *arena);
AW_MUST_USE enum aw_err aw_cli_receipt_compare_commit(struct aw_cli_receipt *receipt, uint64_t index,
                                                      const struct aw_sha256 *hash);
/* `lane`: the name of receipt->lane. */
AW_MUST_USE enum aw_err aw_cli_receipt_compare_lane(struct aw_cli_receipt *receipt, struct aw_slice lane);
/* DIFFERS in this field; takes what the store has, NULL: nothing. */
AW_MUST_USE enum aw_err aw_cli_receipt_differs(struct aw_cli_receipt *receipt, const char *field, const json_t *stated,
                                               json_t *store);

#endif
