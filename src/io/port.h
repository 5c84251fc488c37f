/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IO_PORT_H
#define IO_PORT_H

/* TCP ports as people mean them: "this one", or "this one unless it is taken".  Says who has it. */

#include "base/err.h"

/* Listens on 'port' (0: any).  If it is taken: with 'may_move' on one of the next hundred, else
 * -EADDRINUSE with a sentence that names the holder.  The descriptor; *ret_port is the port that it
 * is. */
int port_listen(const char *host, uint16_t port, bool may_move, uint16_t *ret_port, struct err *err)
    MUST_CHECK;

uint16_t port_of(int fd); /* the local port of a TCP socket; 0 if it is none */

/* "process 123 (nginx)", or "a process of another user" when its descriptors may not be read. */
char *port_holder(uint16_t port) MUST_CHECK;

#endif
