/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

/* The folders of a new session (docs/interfaces.md §3), laid out as Ray's. */

#include "base/err.h"

struct session {
    char *temp_dir; /* /tmp/ray; owned */
    char *folder;   /* <temp-dir>/session_<date>_<time>_<µs>_<pid>; owned */
};

/* 'wanted', or the usual one, or one of this user's own if that belongs to somebody else (and says
 * so). The path is absolute. */
int session_choose_temp_dir(const char *wanted, char **ret, struct err *err) MUST_CHECK;

/* Makes all folders under s->temp_dir and points session_latest at the new one. */
int session_make(struct session *s, struct err *err) MUST_CHECK;
void session_deinit(struct session *s);

/* 'size' - 1 random hexadecimal digits. */
void session_random_hex(char *ret, size_t size);

#endif
