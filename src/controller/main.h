/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROLLER_MAIN_H
#define CONTROLLER_MAIN_H

/* The controller program: desired state in (REST), actions out (to nodes), snapshots out (to
 * proxies).  Never on a request's path. */

int controller_main(int argc, char **argv);

#endif
