/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_INSTANCE_H
#define CLI_INSTANCE_H

/* Records of running instances: one file for each, /tmp/model-service-<uid>/<cluster-port>.json, on
 * which the instance's init holds an exclusive lock as long as it lives.  No lock: the record is
 * dead.  Used by the command lines to find, to start and to stop instances.  Nothing here waits for
 * anything but instance_wait_end(). */

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"

struct instance {
    struct list link;
    char *path;          /* of the record; owned, as all below */
    char *address;       /* "127.0.0.1:6379" */
    char *dashboard_url; /* "http://127.0.0.1:8265" */
    char *session_dir;
    char *temp_dir;
    char *python; /* interpreter for applications given as YAML */
    char *version;
    int64_t pid; /* of its init */
    int64_t agent_port;
    double started_at; /* Unix time */
    bool alive;        /* the record was locked when it was read */
};

/* The folder of this user's records; made if missing.  It must be ours alone. */
int instance_folder(char **ret_path, struct err *err) MUST_CHECK;

/* All records of this user, newest first, dead ones too; unreadable ones are left out. */
int instance_list(struct list *ret_instances /* of struct instance.link */, struct err *err)
    MUST_CHECK;
void instance_free(struct instance *i);
void instance_list_free(struct list *instances);

/* The living instance that 'address' names: "auto" or NULL means the newest one, else host:port of
 * its cluster port. *ret_instance is NULL when there is none. */
int instance_find(const char *address, struct instance **ret_instance, struct err *err) MUST_CHECK;

/* Makes and locks the record for a cluster port; the descriptor (close-on-exec off) holds the lock
 * until every copy of it is closed.  -EEXIST: a living instance has it. */
int instance_lock(uint16_t cluster_port, int *ret_fd, char **ret_path, struct err *err) MUST_CHECK;
/* Removes the record and the sockets of an instance that has died without doing so. */
void instance_clean_up(const struct instance *i);
/* Writes the record's contents. */
int instance_write(int fd, const struct instance *i, struct err *err) MUST_CHECK;

/* Waits until the record's lock is free; false when 'timeout_ms' has passed. */
bool instance_wait_end(const struct instance *i, uint64_t timeout_ms);

#endif
