/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/instance.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/file.h"

enum { RECORD_MAX = 64 * 1024, COMMAND_LINE_MAX = 1024 * 1024, LOCK_TRIES = 10, WAIT_STEP_MS = 10 };

static void sleep_ms(uint64_t ms)
{
    const struct timespec t = {(time_t) (ms / 1000), (long) (ms % 1000) * 1000000};

    (void) nanosleep(&t, NULL);
}

int instance_folder(char **ret_path, struct err *err)
{
    char *path CLEANUP(mem_freep) = NULL;
    struct stat st;
    /* Tests and people with a crowded machine may keep their records apart. */
    const char *other = getenv("MODEL_SERVICE_RECORDS");

    path = other ? mem_strdup(other) : mem_printf("/tmp/model-service-%u", (unsigned) getuid());
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        return err_errno(err, "cannot make %s", path);
    }
    if (lstat(path, &st) < 0) {
        return err_errno(err, "cannot look at %s", path);
    }
    if (!S_ISDIR(st.st_mode) || st.st_uid != getuid() || (st.st_mode & 022) != 0) {
        return err_set(err, -EPERM,
                       "%s must be a folder that only you can write to; remove it and try again",
                       path);
    }
    *ret_path = TAKE_PTR(path);
    return 0;
}

static void sync_text(json_t *record, const char *name, char **ret)
{
    const char *text = json_string_value(json_object_get(record, name));

    *ret = mem_strdup(text ? text : "");
}

/* Whether somebody holds the record's lock.  The test takes a shared lock for a moment, which is
 * why instance_lock() tries more than once. */
static bool is_locked(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool locked = false;

    if (fd >= 0) {
        locked = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
        (void) close(fd);
    }
    return locked;
}

static struct instance *read_record(const char *path)
{
    struct instance *i;
    char *text CLEANUP(mem_freep) = NULL;
    size_t size = 0;
    json_t *record;

    if (file_read(path, RECORD_MAX, &text, &size, NULL) < 0) {
        return NULL;
    }
    record = json_loadb(text, size, 0, NULL);
    if (!json_is_object(record) && !is_locked(path)) {
        json_decref(record);
        return NULL;
    }
    i = mem_new(struct instance);
    list_init(&i->link);
    i->path = mem_strdup(path);
    i->alive = is_locked(path);
    i->pid = json_integer_value(json_object_get(record, "pid"));
    i->agent_port = json_integer_value(json_object_get(record, "agent_port"));
    i->started_at = json_number_value(json_object_get(record, "started_at"));
    sync_text(record, "address", &i->address);
    sync_text(record, "dashboard_url", &i->dashboard_url);
    sync_text(record, "session_dir", &i->session_dir);
    sync_text(record, "temp_dir", &i->temp_dir);
    sync_text(record, "python", &i->python);
    sync_text(record, "version", &i->version);
    json_decref(record);
    return i;
}

void instance_free(struct instance *i)
{
    if (i) {
        list_remove(&i->link);
        free(i->path);
        free(i->address);
        free(i->dashboard_url);
        free(i->session_dir);
        free(i->temp_dir);
        free(i->python);
        free(i->version);
        free(i);
    }
}

void instance_list_free(struct list *instances)
{
    while (!list_empty(instances)) {
        instance_free(LIST_ENTRY(instances->next, struct instance, link));
    }
}

static void insert_newest_first(struct list *instances, struct instance *new)
{
    struct instance *i;

    LIST_FOREACH (i, instances, link) {
        if (i->started_at < new->started_at) {
            list_insert_before(&i->link, &new->link);
            return;
        }
    }
    list_push_back(instances, &new->link);
}

int instance_list(struct list *ret_instances, struct err *err)
{
    char *folder CLEANUP(mem_freep) = NULL;
    struct dirent *entry;
    DIR *dir;
    int r = instance_folder(&folder, err);

    list_init(ret_instances);
    if (r < 0) {
        return r;
    }
    ASSERT(folder);
    dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        const char *dot = strrchr(entry->d_name, '.');

        if (dot && strcmp(dot, ".json") == 0) {
            char *path CLEANUP(mem_freep) = mem_printf("%s/%s", folder, entry->d_name);
            struct instance *i = read_record(path);

            if (i) {
                insert_newest_first(ret_instances, i);
            }
        }
    }
    if (dir) {
        (void) closedir(dir);
    }
    return 0;
}

/* The same port on this machine, whatever the machine is called. */
static bool names_same(const char *address, const struct instance *i)
{
    static const char *const ours[] = {"127.0.0.1:", "localhost:", "0.0.0.0:"};
    const char *a = strrchr(address, ':');
    const char *b = strrchr(i->address, ':');

    if (strcmp(address, i->address) == 0) {
        return true;
    }
    for (size_t n = 0; n < ARRAY_LEN(ours) && a && b; n++) {
        if (strncmp(address, ours[n], strlen(ours[n])) == 0 && strcmp(a, b) == 0) {
            return true;
        }
    }
    return false;
}

int instance_find(const char *address, struct instance **ret_instance, struct err *err)
{
    struct list all;
    struct instance *i;
    bool any = !address || address[0] == '\0' || strcmp(address, "auto") == 0;
    int r = instance_list(&all, err);

    if (r < 0) {
        return r;
    }
    *ret_instance = NULL;
    LIST_FOREACH (i, &all, link) {
        if (i->alive && (any || names_same(address, i))) {
            list_remove(&i->link);
            *ret_instance = i;
            break;
        }
    }
    instance_list_free(&all);
    return 0;
}

/* The lock is worth something only while the path still names the file that was locked. */
static bool is_same_file(const char *path, int fd)
{
    struct stat by_path;
    struct stat by_fd;

    return stat(path, &by_path) == 0 && fstat(fd, &by_fd) == 0 && by_path.st_ino == by_fd.st_ino &&
           by_path.st_dev == by_fd.st_dev;
}

int instance_lock(uint16_t cluster_port, int *ret_fd, char **ret_path, struct err *err)
{
    char *folder CLEANUP(mem_freep) = NULL;
    char *path CLEANUP(mem_freep) = NULL;
    int r = instance_folder(&folder, err);

    if (r < 0) {
        return r;
    }
    path = mem_printf("%s/%u.json", folder, cluster_port);
    for (int i = 0; i < LOCK_TRIES; i++) {
        int fd = open(path, O_RDWR | O_CREAT, 0600);

        if (fd < 0) {
            return err_errno(err, "cannot open %s", path);
        }
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_same_file(path, fd)) {
            *ret_fd = fd;
            *ret_path = TAKE_PTR(path);
            return 0;
        }
        (void) close(fd);
        sleep_ms(WAIT_STEP_MS);
    }
    return err_set(err, -EEXIST, "an instance already has the cluster port %u", cluster_port);
}

void instance_clean_up(const struct instance *i)
{
    static const char *const names[] = {"controller", "node", "router"};

    for (size_t n = 0; n < ARRAY_LEN(names); n++) {
        char *path CLEANUP(mem_freep) = mem_printf("%s/sockets/%s", i->session_dir, names[n]);

        (void) unlink(path);
    }
    (void) unlink(i->path);
}

int instance_write(int fd, const struct instance *i, struct err *err)
{
    json_t *record = json_pack("{s:I, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:f}", "pid",
                               (json_int_t) i->pid, "address", i->address, "dashboard_url",
                               i->dashboard_url, "agent_port", (json_int_t) i->agent_port,
                               "session_dir", i->session_dir, "temp_dir", i->temp_dir, "python",
                               i->python, "version", i->version, "started_at", i->started_at);
    char *text = json_dumps(record, JSON_COMPACT);
    size_t size = strlen(text);
    int r = 0;

    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, size, 0) != (ssize_t) size) {
        r = err_errno(err, "cannot write the record %s", i->path);
    }
    free(text);
    json_decref(record);
    return r;
}

/* Init removes its record just before it ends; its process may be seen a moment longer.  Its
 * command line tells it from another process that has got the same number. */
static bool still_runs(const struct instance *i)
{
    char path[64];
    char *words CLEANUP(mem_freep) = NULL;
    size_t size = 0;

    (void) snprintf(path, sizeof(path), "/proc/%d/cmdline", (int) i->pid);
    return i->session_dir && file_read(path, COMMAND_LINE_MAX, &words, &size, NULL) == 0 &&
           memmem(words, size, i->session_dir, strlen(i->session_dir));
}

bool instance_wait_end(const struct instance *i, uint64_t timeout_ms)
{
    for (uint64_t waited_ms = 0; is_locked(i->path) || still_runs(i); waited_ms += WAIT_STEP_MS) {
        if (waited_ms >= timeout_ms) {
            return false;
        }
        sleep_ms(WAIT_STEP_MS);
    }
    return true;
}
