/* client.h - an HTTP/2 client on an event loop: for aswolk, for the load programs and for tests.
 *  A client owns what its connections share: memory, the TLS context, the timers. A trunk is one connection to a server; it
 * carries many exchanges at once; an exchange is one request and its one result. Nothing is retried: a result says whether the
 * server certainly left the request alone (`unprocessed`), and who made it decides. They may be submitted before the trunk
 * stands; beyond the streams that the server allows they wait, with their deadline running.
 *
 * Output is gathered: what was submitted during a turn of the loop leaves in as few writes as possible before the loop sleeps.
 * In steady state an exchange takes no memory from malloc.
 *
 * Who owns: the caller owns client and trunks; exchanges belong to their trunk. Thread: everything on the thread of the loop.
 * Callbacks run between turns of the protocol machine, so that anything here may be called from them, but aw_client_free.
 * Cannot fail but where it says so. SIGPIPE is not raised.
 */
#ifndef AW_CLIENT_CLIENT_H
#define AW_CLIENT_CLIENT_H

#include "base/assert.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/time.h"
#include "base/why.h"
#include "client/url.h"

#include <stdbool.h>
#include <stdint.h>

struct ev_loop;
struct aw_client;
struct aw_trunk;
struct aw_exchange;

/* --- the client ----------------------------------------------------------------------------------------------------------- */

struct aw_client_config {
    struct ev_loop *loop;             /* borrows; outlives the client */
    uint32_t        exchanges_max;    /* unfinished ones, over all trunks; 0: 4096 */
    uint32_t        answer_bytes_max; /* body of one answer; 0: 16 MiB */
    aw_ns           connect_ns_max;   /* from aw_trunk_open until the server's SETTINGS; 0: 5 s */
    const char     *ca_file;          /* copied into the TLS context: PEM; NULL: those of the system */
    bool            insecure;         /* takes any certificate */
    struct aw_slice token;            /* copied, wiped at the end: goes with every request as bearer; empty: none */
    const char     *cert_file;        /* ours, with its chain, and its key: PEM; NULL: none */
    const char     *key_file;
};
#define AW_CLIENT_TOKEN_BYTES_MAX 256U

/* AW_E_MEMORY; AW_E_CONFIG when a file or the token can't be used. The loop is kept alive by open trunks only. */
AW_MUST_USE enum aw_err aw_client_new(struct aw_client **ret_client, const struct aw_client_config *config, struct aw_why *why);
/* Closes what is open; the exchanges end with AW_EXCHANGE_CLOSED first. Takes the address, accepts NULL, leaves NULL. */
void aw_client_free(struct aw_client **client);
/* Unfinished exchanges over all trunks. */
uint32_t aw_client_exchanges(const struct aw_client *client);

/* --- trunks --------------------------------------------------------------------------------------------------------------- */

/*   CONNECTING -> OPEN -> DRAINING -> CLOSED; any -> CLOSED
 * DRAINING: the server sent GOAWAY, or the stream numbers are used up; what is under way goes on, nothing new is taken. */
enum aw_trunk_state { AW_TRUNK_CONNECTING, AW_TRUNK_OPEN, AW_TRUNK_DRAINING, AW_TRUNK_CLOSED };

/* Called after each change of state, after the results that it brought. May be NULL. */
typedef void aw_trunk_changed(void *user, struct aw_trunk *trunk, enum aw_trunk_state state);

/* Begins to connect, to each address of the host in turn. Looks the name up before it returns: a name (not an address) may make
 * it wait. AW_E_MEMORY, AW_E_NOT_FOUND (no such host), AW_E_IO (no descriptor). */
AW_MUST_USE enum aw_err aw_trunk_open(struct aw_trunk **ret_trunk, struct aw_client *client, const struct aw_url *url,
                                      aw_trunk_changed *changed, void *user, struct aw_why *why);
/* Says goodbye as far as the socket takes it at once. Its exchanges end with AW_EXCHANGE_CLOSED before it returns; `changed` is
 * not called. Takes the address, accepts NULL, leaves NULL. */
void                aw_trunk_close(struct aw_trunk **trunk);
enum aw_trunk_state aw_trunk_state(const struct aw_trunk *trunk);
/* Why it is closed or draining; "" while all is well. Borrows from the trunk. */
const char *aw_trunk_why(const struct aw_trunk *trunk);
/* Whether CLOSED came before it ever was OPEN. */
bool     aw_trunk_never_opened(const struct aw_trunk *trunk);
uint32_t aw_trunk_exchanges(const struct aw_trunk *trunk);
/* Calls that the server lets run at once; 0 until it told. */
uint32_t aw_trunk_streams_max(const struct aw_trunk *trunk);

/* --- exchanges ------------------------------------------------------------------------------------------------------------ */

/* Names in lower case. */
struct aw_exchange_field {
    struct aw_slice name;
    struct aw_slice value;
    bool            secret; /* not put into compression tables: tokens, and values that do not come again */
};
#define AW_EXCHANGE_FIELDS_MAX    16U /* of a request, without :method, :scheme, :authority, :path */
#define AW_ANSWER_FIELDS_MAX      64U
#define AW_ANSWER_FIELD_BYTES_MAX (32U * 1024U)

struct aw_exchange_request {
    struct aw_slice                 method; /* copied, as path and fields are */
    struct aw_slice                 path;   /* begins with "/" */
    const struct aw_exchange_field *fields;
    uint32_t                        field_count;
    struct aw_slice                 body;    /* borrows until the result; empty: none */
    aw_ns                           timeout; /* from now, and anew with each piece; 0: none. Up to 50 ms late, never early */
    /* Optional: gets the body of a 2xx as it comes, piece by piece, and none of it is kept; for answers that go on. It must not
     * call anything here. `piece` borrows until it returns. */
    void (*on_piece)(void *user, struct aw_slice piece);
    void *piece_user;
};

enum aw_exchange_end {
    AW_EXCHANGE_ANSWERED,    /* status, fields and body are there; every status counts as an answer */
    AW_EXCHANGE_UNREACHED,   /* there never was a connection */
    AW_EXCHANGE_UNPROCESSED, /* the server refused the stream or went away before it */
    AW_EXCHANGE_LOST,        /* the connection ended under it */
    AW_EXCHANGE_RESET,       /* the server reset the stream */
    AW_EXCHANGE_TIMEOUT,
    AW_EXCHANGE_TOO_LARGE, /* the answer is beyond answer_bytes_max or the limits of fields */
    AW_EXCHANGE_CLOSED,    /* by aw_trunk_close or aw_client_free */
};
/* "answered", ... */
const char *aw_exchange_end_name(enum aw_exchange_end end);

/* Borrows from the exchange, until `done` returns. */
struct aw_exchange_result {
    enum aw_exchange_end            end;
    bool                            unprocessed; /* not ANSWERED, and the server certainly did not begin it: safe to repeat */
    unsigned                        status;      /* with ANSWERED */
    aw_ns                           at;          /* on aw_clock_mono, when its last byte was read */
    const struct aw_exchange_field *fields;
    uint32_t                        field_count;
    struct aw_slice                 body;
    const char                     *why; /* words for a failure; "" with ANSWERED */
};
/* The value of the first field `name` (lower case); ptr NULL when there is none. */
struct aw_slice aw_exchange_field_of(const struct aw_exchange_result *result, struct aw_slice name);

typedef void aw_exchange_done(void *user, const struct aw_exchange_result *result);

/* `done` is called exactly once, later. NULL, and then never, when the trunk is draining or closed, exchanges_max is reached,
 * or there is no memory. */
AW_MUST_USE struct aw_exchange *aw_exchange_submit(struct aw_trunk *trunk, const struct aw_exchange_request *request,
                                                   aw_exchange_done *done, void *user);
/* Resets the stream; `done` will not be called. Only before it was. */
void aw_exchange_cancel(struct aw_exchange **exchange);

#endif
