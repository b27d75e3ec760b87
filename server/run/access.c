/* access.c - visits: requests under way with their tokens. */
#include "run/access.h"

#include "base/secret.h"
#include "run/io.h"
#include "run/tokenbook.h"

#include <string.h>

/* One request that came with a token. */
struct visit {
    struct aw_list         link; /* in io->visits */
    struct aw_request     *request;
    struct aw_token_kit   *kit; /* that the token lies in */
    const struct aw_token *token;
    aw_ms                  ends_at; /* of token or certificate; AW_MS_MAX: never */
    bool                   is_over;
};

/* --- who ---------------------------------------------------------------------------------------------------------------------- */

/* RFC 6750 section 2.1; the scheme's name in any case (RFC 9110 section 11.1). Empty: it is another scheme. */
static struct aw_slice
bearer(struct aw_slice authorization)
{
    struct aw_slice rest = authorization;
    struct aw_slice scheme = aw_slice_cut(&rest, ' ');

    return aw_slice_eq_nocase(scheme, AW_SLICE("bearer")) ? aw_slice_trim(rest) : (struct aw_slice){NULL, 0};
}

/* A token that is sent goes before the certificate of its connection; a wrong one is not made good by it. NULL: *ret_words says
 * why. */
static const struct aw_token *
find(const struct aw_io *io, const struct aw_request *request, const char **ret_words)
{
    const struct aw_tokens *tokens = io->tokens->tokens;
    const struct aw_token  *token;

    if (request->peer.identity_ends_at != 0 && io->wall >= request->peer.identity_ends_at) {
        *ret_words = "the certificate of this connection has expired";
        return NULL;
    }
    if (request->authorization.ptr != NULL)
        token = aw_tokens_of_secret(tokens, bearer(request->authorization));
    else
        token = aw_tokens_of_certificate(tokens, request->peer.identity);
    if (token != NULL && aw_token_is_valid(token, io->wall))
        return token;
    if (token != NULL)
        *ret_words = "this token has expired";
    else if (request->authorization.ptr != NULL)
        *ret_words = "no such token is known here: authorization takes Bearer and a token";
    else if (request->peer.identity.len > 0)
        *ret_words = "the name in the client's certificate is not known here";
    else
        *ret_words = "send a token: authorization: Bearer ...";
    return NULL;
}

enum aw_err
aw_access_check(const struct aw_io *io, const struct aw_request *request, unsigned roles)
{
    const char *words;

    if (io->tokens == NULL || (roles & AW_ROUTE_PUBLIC) != 0 || find(io, request, &words) != NULL)
        return AW_OK;
    return AW_E_UNAUTHORIZED;
}

/* Memory of requests is used again; a token is not to be found in it. */
static void
wipe(struct aw_request *request)
{
    union {
        const char *given;
        char       *taken;
    } text = {.given = request->authorization.ptr};

    aw_secret_wipe(text.taken, request->authorization.len);
    request->authorization = (struct aw_slice){NULL, 0};
}

/* "this is for gateway, supervisor; the token is an agent's" */
static void
refuse_role(struct aw_request *request, unsigned roles, const struct aw_token *token)
{
    struct aw_buffer detail;
    const char      *between = "this takes a token of: ";

    aw_buffer_init(&detail, &request->arena);
    for (unsigned i = 0; i < AW_TOKEN_ROLES; i++) {
        if ((roles & 1U << i) == 0)
            continue;
        aw_buffer_printf(&detail, "%s%s", between, aw_token_role_name((enum aw_token_role)i));
        between = ", ";
    }
    aw_buffer_printf(&detail, "; yours is of: %s", aw_token_role_name(token->role));
    aw_request_fail(
        request, &(struct aw_problem){.err = AW_E_FORBIDDEN, .detail = detail.failed ? AW_SLICE("") : aw_buffer_slice(&detail)});
}

static aw_ms
end_of(const struct aw_token *token, const struct aw_request *request)
{
    aw_ms end = token->expires_at == 0 ? AW_MS_MAX : token->expires_at;

    if (request->peer.identity_ends_at != 0 && request->peer.identity_ends_at < end)
        end = request->peer.identity_ends_at;
    return end;
}

/* --- in and out --------------------------------------------------------------------------------------------------------------- */

bool
aw_access_enter(struct aw_io *io, struct aw_request *request, unsigned roles)
{
    const char            *words = "";
    const struct aw_token *token;
    struct visit          *visit;

    AW_ASSERT(request->visit == NULL);
    if (io->tokens == NULL || (roles & AW_ROUTE_PUBLIC) != 0)
        return true;
    token = find(io, request, &words);
    wipe(request);
    if (token == NULL) {
        aw_request_fail(request, &(struct aw_problem){.err = AW_E_UNAUTHORIZED, .detail = aw_slice_str(words)});
        return false;
    }
    aw_request_mark_known(request);
    if ((roles & 1U << token->role) == 0) {
        refuse_role(request, roles, token);
        return false;
    }
    visit = aw_arena_take(&request->arena, sizeof(*visit));
    if (visit == NULL) {
        aw_request_fail(request, &(struct aw_problem){.err = AW_E_MEMORY});
        return false;
    }
    *visit = (struct visit){.request = request, .kit = io->tokens, .token = token, .ends_at = end_of(token, request)};
    aw_list_init(&visit->link);
    aw_list_push_back(&io->visits, &visit->link);
    visit->kit->visits++;
    if (visit->ends_at < io->sweep_at)
        io->sweep_at = visit->ends_at;
    request->visit = visit;
    return true;
}

static void
send_back(struct aw_io *io, struct aw_token_kit *kit)
{
    if (!aw_ring_try_push(&io->departures_in, &kit->arrival))
        AW_UNREACHABLE(); /* it has slots for them beside those for the connections */
    aw_wake_up(io->acceptor_wake);
}

static void
leave_kit(struct aw_io *io, struct aw_token_kit *kit)
{
    AW_ASSERT(kit->visits > 0);
    kit->visits--;
    if (kit->visits == 0 && kit != io->tokens)
        send_back(io, kit);
}

void
aw_access_leave(struct aw_io *io, struct aw_request *request)
{
    struct visit *visit = request->visit;

    if (visit == NULL)
        return;
    request->visit = NULL;
    aw_list_remove(&visit->link);
    leave_kit(io, visit->kit);
}

const struct aw_token *
aw_access_token(const struct aw_request *request)
{
    const struct visit *visit = request->visit;

    return visit == NULL ? NULL : visit->token;
}

bool
aw_access_is_over(const struct aw_request *request)
{
    const struct visit *visit = request->visit;

    return visit != NULL && visit->is_over;
}

/* --- when tokens end ---------------------------------------------------------------------------------------------------------- */

/* Only what waits by a clock ends before its time; the rest is answered within moments. */
static void
end_wait(struct visit *visit)
{
    struct aw_call *call = visit->request->user;

    visit->is_over = true;
    if (call != NULL && !call->gone && !call->answered && call->ops->on_time != NULL)
        call->ops->on_time(call);
}

void
aw_access_sweep(struct aw_io *io)
{
    if (io->wall < io->sweep_at)
        return;
    io->sweep_at = AW_MS_MAX;
    for (struct aw_list *node = io->visits.next, *next; node != &io->visits; node = next) {
        struct visit *visit = AW_CONTAINER(node, struct visit, link);

        next = node->next; /* what ends is this one alone */
        if (!visit->is_over && visit->ends_at <= io->wall)
            end_wait(visit);
        else if (!visit->is_over && visit->ends_at < io->sweep_at)
            io->sweep_at = visit->ends_at;
    }
}

void
aw_access_change(struct aw_io *io, struct aw_token_kit *kit)
{
    struct aw_token_kit *old = io->tokens;

    old->visits++; /* not to be sent back from inside */
    io->tokens = kit;
    for (struct aw_list *node = io->visits.next, *next; node != &io->visits; node = next) {
        struct visit          *visit = AW_CONTAINER(node, struct visit, link);
        const struct aw_token *same = aw_tokens_same(kit->tokens, visit->token);
        struct aw_token_kit   *left = visit->kit;

        next = node->next; /* what ends is this one alone */
        if (same == NULL) {
            if (!visit->is_over)
                end_wait(visit);
            continue;
        }
        visit->kit = kit;
        visit->token = same;
        kit->visits++;
        leave_kit(io, left);
    }
    leave_kit(io, old);
}

/* --- bounds ------------------------------------------------------------------------------------------------------------------- */

struct aw_problem
aw_access_account_problem(const struct aw_request *request, struct aw_slice channel, struct aw_slice account)
{
    const struct aw_token *token = aw_access_token(request);

    if (token == NULL || aw_token_has_account(token, channel, account))
        return (struct aw_problem){.err = AW_OK};
    return (struct aw_problem){.err = AW_E_FORBIDDEN,
                               .field = AW_SLICE("channel"),
                               .detail = AW_SLICE("this token is not for that channel and account")};
}

bool
aw_access_account(struct aw_call *call, struct aw_slice channel, struct aw_slice account)
{
    struct aw_problem problem = aw_access_account_problem(call->request, channel, account);

    if (problem.err == AW_OK)
        return true;
    aw_call_problem(call, &problem);
    return false;
}

bool
aw_access_lane(struct aw_call *call, struct aw_slice lane, const char *field)
{
    const struct aw_token *token = aw_access_token(call->request);

    if (token == NULL || aw_token_has_lane(token, lane))
        return true;
    aw_call_problem(call, &(struct aw_problem){.err = AW_E_FORBIDDEN,
                                               .field = aw_slice_str(field),
                                               .detail = AW_SLICE("this token is not for that lane")});
    return false;
}

bool
aw_access_every_lane(struct aw_call *call)
{
    const struct aw_token *token = aw_access_token(call->request);

    if (token == NULL || token->lane_count == 0)
        return true;
    aw_call_fail(call, AW_E_FORBIDDEN, "this token is for some lanes only, and this is about all of them");
    return false;
}
