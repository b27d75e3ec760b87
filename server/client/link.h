/* link.h - the client for programs that wait: one server, one call at a time.
 *
 * A link makes its connection with the first call and makes a new one when the old one ended. What the server certainly did not
 * process is sent again once, on a new connection; everything else is for the caller to decide.
 * Who owns: the caller, until aw_link_close. Thread: one.
 */
#ifndef AW_CLIENT_LINK_H
#define AW_CLIENT_LINK_H

#include "client/client.h"

struct aw_link;

struct aw_link_config {
    struct aw_url   url;
    const char     *ca_file; /* borrowed during the call */
    bool            insecure;
    struct aw_slice token; /* these as those of a client (client.h) */
    const char     *cert_file;
    const char     *key_file;
    aw_ns           connect_ns_max; /* 0: 5 s */
};

/* Connects to nothing yet. AW_E_MEMORY, AW_E_CONFIG. */
AW_MUST_USE enum aw_err aw_link_open(struct aw_link **ret_link, const struct aw_link_config *config, struct aw_why *why);
/* Takes the address, accepts NULL, leaves NULL. */
void aw_link_close(struct aw_link **link);

/* Waits for the result; it borrows from the link until the next call. With `request->timeout` 0 it may wait for ever. Ends
 * early with AW_EXCHANGE_CLOSED when aw_link_interrupt was called. */
enum aw_exchange_end aw_client_call(struct aw_link *link, const struct aw_exchange_request *request,
                                    struct aw_exchange_result *ret_result);
/* Makes the call under way, or the next one, return. Async-signal-safe, and from any
 * thread while the link is open. */
void aw_link_interrupt(struct aw_link *link);

#endif
