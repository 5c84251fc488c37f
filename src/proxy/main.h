/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROXY_MAIN_H
#define PROXY_MAIN_H

/* The proxy program: HTTP in, and the node's one router.  Every request of a node, from clients,
 * replicas and drivers, passes here.  Command line: docs/interfaces.md, section 2. */

int proxy_main(int argc, char **argv);

#endif
