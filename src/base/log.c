/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_SIZE = 4096, LINES_PER_SECOND = 10 };

static struct {
    const char *component;
    char id[64];
    enum log_level least;
    uint64_t n_dropped;
} sink = {.component = "model-service", .least = LOG_LEVEL_INFO};

static const char *const level_names[] = {"DEBUG", "INFO", "WARNING", "ERROR", "ALERT"};

void log_init(const char *component, const char *id)
{
    sink.component = component;
    if (id) {
        (void) snprintf(sink.id, sizeof(sink.id), "%s", id);
    } else {
        (void) snprintf(sink.id, sizeof(sink.id), "%d", (int) getpid());
    }
}

void log_set_level(enum log_level least)
{
    sink.least = least;
}

static size_t put_head(char *line, enum log_level level)
{
    struct timespec now;
    struct tm tm;
    char stamp[32];
    int n;

    (void) clock_gettime(CLOCK_REALTIME, &now);
    (void) localtime_r(&now.tv_sec, &tm);
    (void) strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
    n = snprintf(line, LINE_MAX_SIZE / 2, "%s %s,%03ld %s %s -- ", level_names[level], stamp,
                 now.tv_nsec / 1000000, sink.component, sink.id);
    return (size_t) MAX(n, 0);
}

void log_write(enum log_level level, const char *message, const char *fields, ...)
{
    char line[LINE_MAX_SIZE];
    size_t size;
    va_list ap;
    int n;

    if (level < sink.least) {
        return;
    }
    size = put_head(line, level);
    n = snprintf(line + size, sizeof(line) - size, "%s", message);
    size = MIN(size + (size_t) MAX(n, 0), sizeof(line) - 2);
    if (fields[1] != '\0') {
        va_start(ap, fields);
        n = vsnprintf(line + size, sizeof(line) - size, fields, ap);
        va_end(ap);
        size = MIN(size + (size_t) MAX(n, 0), sizeof(line) - 2);
    }
    line[size++] = '\n';
    log_put((struct span){line, size});
}

void log_put(struct span lines)
{
    if (lines.size > 0 && write(STDERR_FILENO, lines.data, lines.size) < 0) {
        sink.n_dropped++;
    }
}

bool log_limit_pass(struct log_limit *limit)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if ((uint64_t) now.tv_sec != limit->second) {
        if (limit->n > LINES_PER_SECOND) {
            log_warn("lines were left out", "n=%u", limit->n - LINES_PER_SECOND);
        }
        limit->second = (uint64_t) now.tv_sec;
        limit->n = 0;
    }
    return ++limit->n <= LINES_PER_SECOND;
}
