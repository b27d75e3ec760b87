/* listen.h - listening sockets from "ADDRESS:PORT".
 *
 * The caller owns the socket. Thread: main. Fails: AW_E_CONFIG (no such address), AW_E_IO (in use, no right).
 */
#ifndef AW_RUN_LISTEN_H
#define AW_RUN_LISTEN_H

#include "base/why.h"

#define AW_ADDRESS_TEXT_BYTES 64

/* Where a listening socket listens; "" when it can't be told. */
void aw_listen_address(int fd, char ret_text[AW_ADDRESS_TEXT_BYTES]);
/* Non-blocking, close-on-exec. `ret_text`: where it really listens, "127.0.0.1:40123". */
AW_MUST_USE enum aw_err aw_listen(const char *address, int *ret_fd, char ret_text[AW_ADDRESS_TEXT_BYTES], struct aw_why *why);

#endif
