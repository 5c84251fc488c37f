/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/own_instance.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/python_path.h"

enum { WORD_MAX = 1024, POLL_MS = 20, FORCE_INTERRUPTS = 2 };

/* Takes the words; they go with exec. */
static _Noreturn void run_ray(char *const *argv)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void) dup2(null, STDIN_FILENO);
    (void) execv("/proc/self/exe", argv);
    _exit(127);
}

static _Noreturn void become_instance(int ready_fd, int owner_fd)
{
    char *const argv[] = {mem_strdup("ray"),
                          mem_strdup("start"),
                          mem_strdup("--head"),
                          mem_strdup("--block"),
                          mem_printf("--ready-fd=%d", ready_fd),
                          mem_printf("--owner-fd=%d", owner_fd),
                          mem_printf("--python=%s", python_path(NULL)),
                          NULL};

    (void) setsid(); /* a Ctrl-C at the terminal is for us; we tell the instance */
    (void) fcntl(ready_fd, F_SETFD, 0);
    (void) fcntl(owner_fd, F_SETFD, 0);
    run_ray(argv);
}

/* Reads init's word and closes the descriptor; true for "ready". */
static bool wait_ready(int fd, char *word, int size)
{
    FILE *f = fdopen(fd, "r");

    word[0] = '\0';
    if (!f) {
        (void) close(fd);
        return false;
    }
    if (!fgets(word, size, f)) {
        word[0] = '\0';
    }
    (void) fclose(f);
    word[strcspn(word, "\n")] = '\0';
    return strcmp(word, "ready") == 0;
}

/* The record of the instance whose init is 'pid'. */
static struct instance *find_record(pid_t pid)
{
    struct instance *found = NULL;
    struct instance *i;
    struct list all;

    if (instance_list(&all, NULL) < 0) {
        return NULL;
    }
    LIST_FOREACH (i, &all, link) {
        if (i->pid == pid) {
            list_remove(&i->link);
            found = i;
            break;
        }
    }
    instance_list_free(&all);
    return found;
}

int own_instance_start(struct own_instance *own, struct instance **ret_instance, struct err *err)
{
    char word[WORD_MAX];
    int ready[2];
    int owner[2];
    bool is_ready;

    if (pipe2(ready, O_CLOEXEC) < 0) {
        return err_errno(err, "cannot make a pipe");
    }
    if (pipe2(owner, O_CLOEXEC) < 0) {
        (void) close(ready[0]);
        (void) close(ready[1]);
        return err_errno(err, "cannot make a pipe");
    }
    (void) fflush(NULL);
    own->pid = fork();
    if (own->pid == 0) {
        become_instance(ready[1], owner[0]);
    }
    (void) close(ready[1]);
    (void) close(owner[0]);
    own->owner_fd = owner[1];
    is_ready = wait_ready(ready[0], word, sizeof(word));
    if (own->pid < 0) {
        own->pid = 0;
        return err_set(err, -EAGAIN, "cannot start another process");
    }
    *ret_instance = is_ready ? find_record(own->pid) : NULL;
    if (*ret_instance) {
        return 0;
    }
    return err_set(err, -ECHILD, "the instance did not start%s%s",
                   word[0] != '\0' && !is_ready ? ": " : "", is_ready ? "" : word);
}

bool own_instance_has_ended(struct own_instance *own)
{
    if (own->pid > 0 && waitpid(own->pid, NULL, WNOHANG) == own->pid) {
        own->pid = 0;
        return true;
    }
    return false;
}

void own_instance_stop(struct own_instance *own, const volatile int *n_interrupts)
{
    const struct timespec step = {0, POLL_MS * 1000000L};
    bool is_forced = false;

    if (own->pid <= 0) {
        return;
    }
    (void) kill(own->pid, SIGTERM);
    while (!own_instance_has_ended(own)) {
        if (*n_interrupts >= FORCE_INTERRUPTS && !is_forced) {
            (void) kill(own->pid, SIGQUIT);
            is_forced = true;
        }
        (void) nanosleep(&step, NULL);
    }
    (void) close(own->owner_fd);
}

int own_instance_start_detached(struct err *err)
{
    int status = 0;
    pid_t pid;

    (void) fflush(NULL);
    pid = fork();
    if (pid == 0) {
        char *const argv[] = {mem_strdup("ray"), mem_strdup("start"), mem_strdup("--head"), NULL};

        run_ray(argv);
    }
    if (pid < 0) {
        return err_errno(err, "cannot start another process");
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return err_set(err, -ECHILD, "the instance did not start");
    }
    return 0;
}
