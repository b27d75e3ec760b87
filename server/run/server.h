/* server.h - the whole: opens the store, starts the threads, accepts connections, ends in order.
 *
 *   main       accepts, hands sockets to the io thread with the fewest, handles signals
 *   io 0..n    event loops (io.h)
 *   committer  recovers the state, then commits (commit/committer.h)
 *   reader 0.. reads stored messages (reader.h)
 *
 * Who owns: everything, from aw_server_run to its return. Thread: main. Fails: with words, before anything was acknowledged.
 */
#ifndef AW_RUN_SERVER_H
#define AW_RUN_SERVER_H

#include "base/why.h"
#include "run/settings.h"

/* Serves until SIGTERM or SIGINT. AW_OK after an orderly end; AW_E_STORE_BROKEN when the store failed on the way. */
AW_MUST_USE enum aw_err aw_server_run(const struct aw_settings *settings, struct aw_why *why);

#endif
