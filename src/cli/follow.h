/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

/* Shows what is written to the replicas' log files of an instance that was there before us, as
 * `tail -f` would: new files from their start, old ones from where they ended when we came. */

#include "base/map.h"

struct follow {
    char *folder;     /* <session>/logs/serve; owned */
    struct map files; /* of struct follow_file.node; owned */
};

void follow_init(struct follow *f, const char *session_dir);
void follow_deinit(struct follow *f);

/* Prints what is new; to be called again and again. */
void follow_run(struct follow *f);

#endif
