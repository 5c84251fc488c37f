/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

void assert_failed(const char *expr, const char *file, int line)
{
    (void) fprintf(stderr, "ALERT %s:%d: assertion failed: %s\n", file, line, expr);
    abort();
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    ASSERT(code < 0);
    if (err) {
        va_list ap;

        err->code = code;
        va_start(ap, fmt);
        (void) vsnprintf(err->text, sizeof(err->text), fmt, ap);
        va_end(ap);
    }
    return code;
}

int err_errno(struct err *err, const char *fmt, ...)
{
    int code = errno > 0 ? errno : EIO;

    if (err) {
        char head[400];
        va_list ap;

        va_start(ap, fmt);
        (void) vsnprintf(head, sizeof(head), fmt, ap);
        va_end(ap);
        (void) err_set(err, -code, "%s: %s", head, strerrordesc_np(code));
    }
    return -code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    char head[200];
    char tail[sizeof(err->text) - sizeof(head) - 2];
    va_list ap;

    ASSERT(err && err->code < 0);
    va_start(ap, fmt);
    (void) vsnprintf(head, sizeof(head), fmt, ap);
    va_end(ap);
    memcpy(tail, err->text, sizeof(tail) - 1);
    tail[sizeof(tail) - 1] = '\0';
    (void) snprintf(err->text, sizeof(err->text), "%s: %s", head, tail);
    return err->code;
}
