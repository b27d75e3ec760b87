/* err.h - the one list of what can go wrong, as values. The rows and their meaning: err.def.
 *
 * Who owns: nothing; errors are plain values. Thread: any. A function says at its declaration which of these it returns.
 */
#ifndef AW_BASE_ERR_H
#define AW_BASE_ERR_H

enum aw_retry { AW_RETRY_NEVER, AW_RETRY_LATER, AW_RETRY_NOW };

enum aw_err {
    AW_OK = 0,
#define AW_ERR(name, status, retry, problem, text) AW_E_##name,
#include "base/err.def"
#undef AW_ERR
    AW_ERR_COUNT
};

/* "STORE_FULL"; "OK" for AW_OK. */
const char *aw_err_name(enum aw_err err);
/* HTTP status that answers a request which failed with `err`; 500 for errors that should not leave the process. */
int aw_err_status(enum aw_err err);
/* What a client is told instead of `err`: AW_E_INTERNAL for those errors, else the same. */
enum aw_err   aw_err_told(enum aw_err err);
enum aw_retry aw_err_retry(enum aw_err err);
/* "store-full": the last part of the problem's urn. */
const char *aw_err_problem(enum aw_err err);
/* One sentence without a capital or a full stop. */
const char *aw_err_text(enum aw_err err);

#endif
