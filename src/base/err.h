/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/base.h"

/* An error that a person will read: a negative errno plus one sentence.  Lives on the caller's
 * stack, needs no freeing, may be NULL when the caller does not care for the sentence. */
struct err {
    int code;
    char text[512];
};

/* Fills 'err' (if any) and returns 'code', so that failing is one line:
 *     return err_set(err, -EINVAL, "max_replicas %u below min_replicas %u", max, min); */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF(3, 4);

/* The same for the errno of a failed call: "<sentence>: <what strerror says>"; returns -errno. */
int err_errno(struct err *err, const char *fmt, ...) PRINTF(2, 3);

/* Prefixes the sentence already in 'err' with where it happened; returns err->code. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF(2, 3);

#endif
