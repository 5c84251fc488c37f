/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_EXIT_REASON_H
#define NODE_EXIT_REASON_H

/* The sentence that says how a process ended, for the status page and for people. */

#include "base/buf.h"

struct process_end {
    int error;          /* -errno: it never started */
    unsigned exit_code; /* when 'signal' is 0 */
    unsigned signal;
    bool was_asked; /* we had sent it a signal */
};

/* "The process was killed by SIGSEGV (segmentation fault). Its last output:\n…"; 'tail' may be
 * empty. */
void exit_reason(struct buf *out, const struct process_end *end, struct span tail);

#endif
