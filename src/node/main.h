/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_MAIN_H
#define NODE_MAIN_H

/* The program `model-service node`; its command line is in docs/interfaces.md §2. */

int node_main(int argc, char **argv);

#endif
