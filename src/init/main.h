/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_MAIN_H
#define INIT_MAIN_H

/* The program `model-service init`; its command line is in docs/interfaces.md §2. */

int init_main(int argc, char **argv);

#endif
