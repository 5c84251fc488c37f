/* SPDX-License-Identifier: Apache-2.0 */
#include "init/children.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PIPE_SIZE = 1024 * 1024, DRAIN_ABOVE = PIPE_SIZE / 2 };

void children_init(struct children *c)
{
    list_init(&c->list);
    c->n_dropped = 0;
}

void children_deinit(struct children *c)
{
    while (!list_empty(&c->list)) {
        children_remove(c, LIST_ENTRY(c->list.next, struct child, link));
    }
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void) close(*fd);
        *fd = -1;
    }
}

void children_remove(struct children *c, struct child *child)
{
    (void) c;
    list_remove(&child->link);
    close_fd(&child->lifeline_fd);
    close_fd(&child->output_fd);
    free(child->id);
    free(child);
}

struct child *children_find(struct children *c, const char *id)
{
    struct child *child;

    LIST_FOREACH (child, &c->list, link) {
        if (!child->ended && strcmp(child->id, id) == 0) {
            return child;
        }
    }
    return NULL;
}

static uint64_t unix_ms(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

int children_start(struct children *c, const char *id, struct spawn *s, struct child **ret)
{
    struct child *child;
    int output[2];
    int lifeline[2];
    pid_t pid;

    if (pipe2(output, O_CLOEXEC) < 0) {
        return -errno;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, lifeline) < 0) {
        int r = -errno;

        close_fd(&output[0]);
        close_fd(&output[1]);
        return r;
    }
    (void) fcntl(output[1], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller one will do */
    (void) fcntl(output[0], F_SETFL, O_NONBLOCK);
    s->output_fd = output[1];
    s->lifeline_fd = lifeline[1];
    pid = spawn_start(s);
    close_fd(&output[1]);
    close_fd(&lifeline[1]);
    if (pid < 0) {
        close_fd(&output[0]);
        close_fd(&lifeline[0]);
        return pid;
    }
    child = mem_new(struct child);
    *child = (struct child){.id = mem_strdup(id),
                            .pid = pid,
                            .lifeline_fd = lifeline[0],
                            .output_fd = output[0],
                            .started_ms = unix_ms()};
    list_push_back(&c->list, &child->link);
    *ret = child;
    return 0;
}

static struct child *find_pid(struct children *c, pid_t pid)
{
    struct child *child;

    LIST_FOREACH (child, &c->list, link) {
        if (!child->ended && child->pid == pid) {
            return child;
        }
    }
    return NULL;
}

static void note_end(struct child *child, const siginfo_t *info)
{
    child->ended = true;
    if (info->si_code == CLD_EXITED) {
        child->exit_code = (unsigned) info->si_status;
    } else {
        child->signal = (unsigned) info->si_status;
    }
    close_fd(&child->lifeline_fd);
}

void children_reap(struct children *c, void (*on_end)(void *user, struct child *child, pid_t pid),
                   void *user)
{
    for (;;) {
        siginfo_t info = {0};
        struct child *child;

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) {
            return;
        }
        child = find_pid(c, info.si_pid);
        if (child) {
            /* While it is a zombie its number cannot be used again: what it left behind goes too.
             */
            (void) kill(-child->pid, SIGKILL);
            note_end(child, &info);
        }
        (void) waitpid(info.si_pid, NULL, WNOHANG);
        on_end(user, child, info.si_pid);
    }
}

void children_drain(struct children *c)
{
    static char waste[65536];
    struct child *child;

    LIST_FOREACH (child, &c->list, link) {
        int pending = 0;
        ssize_t n;

        if (ioctl(child->output_fd, FIONREAD, &pending) < 0 || pending <= DRAIN_ABOVE) {
            continue;
        }
        while ((n = read(child->output_fd, waste, sizeof(waste))) > 0) {
            c->n_dropped += (size_t) n;
        }
    }
}

void children_signal(struct children *c, int signal_number)
{
    struct child *child;

    LIST_FOREACH (child, &c->list, link) {
        if (!child->ended) {
            (void) kill(-child->pid, signal_number);
        }
    }
}

static pid_t parent_of(const char *pid)
{
    char path[300];
    char stat[512];
    const char *after;
    int ppid = 0;
    FILE *f;

    (void) snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    f = fopen(path, "re");
    if (!f) {
        return 0;
    }
    after =
        fgets(stat, sizeof(stat), f) ? strrchr(stat, ')') : NULL; /* the name may hold anything */
    (void) fclose(f);
    return after && sscanf(after, ") %*c %d", &ppid) == 1 ? ppid : 0;
}

/* Those whose parents have gone are ours: we are the subreaper. */
static void kill_direct_children(void)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;

    while (proc && (entry = readdir(proc))) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            parent_of(entry->d_name) == getpid()) {
            (void) kill((pid_t) strtol(entry->d_name, NULL, 10), SIGKILL);
        }
    }
    if (proc) {
        (void) closedir(proc);
    }
}

void children_kill_all(struct children *c, unsigned timeout_ms)
{
    const struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};

    children_signal(c, SIGKILL);
    for (unsigned waited_ms = 0; waited_ms < timeout_ms; waited_ms += 2) {
        pid_t pid;

        kill_direct_children();
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        }
        if (pid < 0 && errno == ECHILD) {
            return;
        }
        (void) nanosleep(&pause, NULL);
    }
}
