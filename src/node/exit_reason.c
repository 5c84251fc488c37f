/* SPDX-License-Identifier: Apache-2.0 */
#include "node/exit_reason.h"

#include <signal.h>

enum { EXIT_CANNOT_EXEC = 127 };

static void put_signal(struct buf *out, const struct process_end *end)
{
    const char *name = sigabbrev_np((int) end->signal);
    const char *words = sigdescr_np((int) end->signal);

    if (!name) {
        buf_printf(out, "The process was killed by signal %u.", end->signal);
        return;
    }
    buf_printf(out, "The process was killed by SIG%s (%s).", name, words ? words : "?");
    if (end->signal == SIGKILL && !end->was_asked) {
        buf_put_str(out, " Nothing here sent it: most likely the kernel ended it because memory "
                         "ran out, or somebody did by hand.");
    }
}

void exit_reason(struct buf *out, const struct process_end *end, struct span tail)
{
    if (end->error < 0) {
        buf_printf(out, "The process could not be started: %s.", strerrordesc_np(-end->error));
    } else if (end->signal) {
        put_signal(out, end);
    } else if (end->exit_code == EXIT_CANNOT_EXEC) {
        buf_put_str(out, "The process could not be started.");
    } else {
        buf_printf(out, "The process exited with code %u.", end->exit_code);
    }
    if (tail.size > 0) {
        buf_printf(out, " Its last output:\n%.*s", (int) tail.size, tail.data);
    }
}
