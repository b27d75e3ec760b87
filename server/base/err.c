#include "base/err.h"

#include "base/assert.h"

struct row {
    const char   *name;
    int           status;
    enum aw_retry retry;
    const char   *problem;
    const char   *text;
};

static const struct row rows[AW_ERR_COUNT] = {
    [AW_OK] = {"OK", 200, AW_RETRY_NEVER, "ok", "no error"},
#define AW_ERR(name, status, retry, problem, text) [AW_E_##name] = {#name, status, retry, problem, text},
#include "base/err.def"
#undef AW_ERR
};

static const struct row *
row_of(enum aw_err err)
{
    AW_ASSERT((unsigned)err < AW_ERR_COUNT);
    return &rows[err];
}

const char *
aw_err_name(enum aw_err err)
{
    return row_of(err)->name;
}

int
aw_err_status(enum aw_err err)
{
    int status = row_of(err)->status;

    return status == 0 ? 500 : status;
}

enum aw_err
aw_err_told(enum aw_err err)
{
    return row_of(err)->status == 0 ? AW_E_INTERNAL : err;
}

enum aw_retry
aw_err_retry(enum aw_err err)
{
    return row_of(err)->retry;
}

const char *
aw_err_problem(enum aw_err err)
{
    return row_of(err)->problem;
}

const char *
aw_err_text(enum aw_err err)
{
    return row_of(err)->text;
}
