/* access.h - who is asking, and whether it may (ADR 0028).
 *
 * A request comes in by aw_access_enter with the roles that its route takes, and leaves when it is over. In between its token is a
 * look away (aw_access_token), and stays the same in all that it may do: what SIGHUP reads counts from the next request on. But it
 * may lie somewhere else after each turn of the loop, as a request is moved to the set that was read, and the one before is freed.
 * A pull or a stream that waits is ended when its token was revoked, has expired or may do something else now; it asks again with
 * what it has.
 * Who owns: a visit lies in its request's arena. Thread: the io thread's.
 */
#ifndef AW_RUN_ACCESS_H
#define AW_RUN_ACCESS_H

#include "access/tokens.h"
#include "run/call.h"

struct aw_io;
struct aw_token_kit;

/* Which roles a route takes: bits by enum aw_token_role, or everybody, also without any token. */
#define AW_ROUTE_GATEWAY    (1U << AW_TOKEN_GATEWAY)
#define AW_ROUTE_AGENTS     (1U << AW_TOKEN_AGENT | 1U << AW_TOKEN_DESK)
#define AW_ROUTE_SUPERVISOR (1U << AW_TOKEN_SUPERVISOR)
#define AW_ROUTE_MONITOR    (1U << AW_TOKEN_MONITOR)
#define AW_ROUTE_ANY        (AW_ROUTE_GATEWAY | AW_ROUTE_AGENTS | AW_ROUTE_SUPERVISOR | AW_ROUTE_MONITOR)
#define AW_ROUTE_PUBLIC     (1U << AW_TOKEN_ROLES)

/* Before a body is read: AW_E_UNAUTHORIZED when there is no valid token on a route that needs one. */
enum aw_err aw_access_check(const struct aw_io *io, const struct aw_request *request, unsigned roles);
/* False: answered 401, 403 or 503. */
AW_MUST_USE bool aw_access_enter(struct aw_io *io, struct aw_request *request, unsigned roles);
/* The request is over. Accepts one that never entered. */
void aw_access_leave(struct aw_io *io, struct aw_request *request);

/* The token of a request, borrowed for this turn: who needs its name or its bounds for longer copies them. NULL: tokens are not
 * asked for (--dev), or the route is for everybody. */
const struct aw_token *aw_access_token(const struct aw_request *request);
/* Whether its wait is to end, as its token is not what it was. */
bool aw_access_is_over(const struct aw_request *request);

/* From now on the io thread goes by this one. */
void aw_access_change(struct aw_io *io, struct aw_token_kit *kit);
/* Ends waits whose token has ended. Once a second. */
void aw_access_sweep(struct aw_io *io);

/* --- bounds of a token, for handlers. False: answered 403. */

/* Of a gateway's. */
AW_MUST_USE bool aw_access_account(struct aw_call *call, struct aw_slice channel, struct aw_slice account);
/* Of an agent's: `field` names what the request gave, or "". */
AW_MUST_USE bool aw_access_lane(struct aw_call *call, struct aw_slice lane, const char *field);
/* What reaches into all lanes: for tokens without such a bound. */
AW_MUST_USE bool aw_access_every_lane(struct aw_call *call);
/* The same as a value, for a line of many: err is AW_OK when it may. */
struct aw_problem aw_access_account_problem(const struct aw_request *request, struct aw_slice channel, struct aw_slice account);

#endif
