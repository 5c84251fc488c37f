/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

/* The process's log: one line an event, on stderr, from where init's pipe carries it to the node
 * and the session's files.  Only programs log; libraries return errors.  A line is
 *
 *     INFO 2025-12-19 10:00:00,123 controller 4242 -- replica is ready replica=x3k9q0ab pid=77
 *
 * with a constant message and the data in fields:
 *
 *     log_info("replica is ready", "replica=%s pid=%u", id, pid);
 *     log_info("stopping");
 *
 * It never blocks for long and never fails: what the pipe does not take is dropped and counted. */

#include "base/base.h"

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_ALERT
};

/* 'component' must outlive the process: a literal. 'id' is copied; NULL: the pid. */
void log_init(const char *component, const char *id);
void log_set_level(enum log_level least);

void log_write(enum log_level level, const char *message, const char *fields, ...) PRINTF(3, 4);

/* Lines that the caller has laid out itself, with their newlines. */
void log_put(struct span lines);

#define log_debug(message, ...) log_write(LOG_LEVEL_DEBUG, message, " " __VA_ARGS__)
#define log_info(message, ...)  log_write(LOG_LEVEL_INFO, message, " " __VA_ARGS__)
#define log_warn(message, ...)  log_write(LOG_LEVEL_WARN, message, " " __VA_ARGS__)
#define log_error(message, ...) log_write(LOG_LEVEL_ERROR, message, " " __VA_ARGS__)
/* A bug of ours: tests fail when they see one. */
#define log_alert(message, ...) log_write(LOG_LEVEL_ALERT, message, " " __VA_ARGS__)

/* For what a client can cause: at most ten lines a second from one place, then one with the count.
 */
struct log_limit {
    uint64_t second;
    unsigned n;
};

bool log_limit_pass(struct log_limit *limit);

#define log_warn_RL(message, ...)                                                                  \
    do {                                                                                           \
        static struct log_limit limit_;                                                            \
        if (log_limit_pass(&limit_)) {                                                             \
            log_warn(message, __VA_ARGS__);                                                        \
        }                                                                                          \
    } while (0)

#endif
