/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/start_cmd.h"

#include <fcntl.h>
#include <jansson.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "build_config.h"
#include "cli/instance.h"
#include "cli/options.h"
#include "cli/python_path.h"
#include "cli/resources.h"
#include "cli/session.h"
#include "cli/start_options.h"
#include "io/port.h"

enum { READY_MAX = 4000, LOG_TAIL = 2000 };

/* A TCP port that init keeps. */
struct listener {
    const char *name;   /* what init keeps it under */
    const char *option; /* for the error text */
    const char *host;
    int64_t wanted; /* -1: nobody chose one */
    uint16_t usual;
    uint16_t port;
    int fd;
};

enum { DASHBOARD, CLUSTER, AGENT, N_LISTENERS };

struct start {
    struct start_options o;
    struct listener listeners[N_LISTENERS];
    struct session session;
    char *resources; /* JSON */
    char *python;
    char *record;
    int record_fd;
    char node_ip[64];
    char node_id[57];
};

static bool is_under_kubernetes(void)
{
    return getenv("RAY_CLUSTER_NAME") != NULL;
}

/* Listening. */

static int listen_all(struct start *s, struct err *err)
{
    for (size_t i = 0; i < N_LISTENERS; i++) {
        struct listener *l = &s->listeners[i];
        bool is_chosen = l->wanted >= 0;
        uint16_t port = is_chosen ? (uint16_t) l->wanted : l->usual;

        if (l->wanted > UINT16_MAX) {
            return err_set(err, -EINVAL, "--%s: %lld is not a port", l->option,
                           (long long) l->wanted);
        }
        l->fd = port_listen(l->host, port, !is_chosen && !is_under_kubernetes(), &l->port, err);
        if (l->fd < 0) {
            return err_wrap(err, "--%s", l->option);
        }
        if (!is_chosen && l->port != l->usual) {
            (void) printf("Port %u is taken; --%s is %u instead.\n", l->usual, l->option, l->port);
        }
    }
    return 0;
}

/* On one machine everything is for this machine only, until somebody asks for more. */
static void choose_hosts(struct start *s)
{
    const char *dashboard = s->o.dashboard_host ? s->o.dashboard_host : "127.0.0.1";
    bool is_local = strcmp(dashboard, "127.0.0.1") == 0 || strcmp(dashboard, "localhost") == 0;
    const char *others = is_local && !is_under_kubernetes() ? "127.0.0.1" : "0.0.0.0";

    s->listeners[DASHBOARD] = (struct listener){
        "dashboard", "dashboard-port", dashboard, s->o.dashboard_port, 8265, 0, -1};
    s->listeners[CLUSTER] = (struct listener){"cluster", "port", others, s->o.port, 6379, 0, -1};
    s->listeners[AGENT] = (struct listener){
        "agent", "dashboard-agent-listen-port", others, s->o.agent_port, 52365, 0, -1};
    if (s->o.node_ip) {
        (void) snprintf(s->node_ip, sizeof(s->node_ip), "%s", s->o.node_ip);
    } else if (strcmp(others, "127.0.0.1") == 0) {
        (void) snprintf(s->node_ip, sizeof(s->node_ip), "127.0.0.1");
    } else {
        resources_node_ip(s->node_ip, sizeof(s->node_ip));
    }
}

/* An instance that is already there. */

static int refuse_second(const struct instance *i)
{
    (void) fprintf(stderr,
                   "An instance is already running at %s (process %lld, %s).\n"
                   "Use it as it is, stop it with `ray stop`, or start another one beside it with\n"
                   "--port, --dashboard-port and --temp-dir of its own.\n",
                   i->address, (long long) i->pid, i->session_dir);
    return 1;
}

/* One that is in the way: it has the port that was asked for, or, with no port named, the same
 * temporary directory.  Those that have died are cleared away, with a word. */
static struct instance *find_running(const struct start *s)
{
    struct instance *found = NULL;
    struct instance *i;
    struct instance *tmp;
    struct list all;

    if (instance_list(&all, NULL) < 0) {
        return NULL; /* taking the record will say why */
    }
    LIST_FOREACH_SAFE (i, tmp, &all, link) {
        const char *colon = strrchr(i->address, ':');
        bool is_same = s->o.port < 0 ? strcmp(i->temp_dir, s->session.temp_dir) == 0
                                     : colon && strtol(colon + 1, NULL, 10) == s->o.port;

        if (!i->alive) {
            (void) printf("The instance at %s (process %lld) died without stopping; its record "
                          "is removed.\n",
                          i->address, (long long) i->pid);
            instance_clean_up(i);
        } else if (is_same && !found) {
            list_remove(&i->link);
            found = i;
        }
    }
    instance_list_free(&all);
    return found;
}

static int take_record(struct start *s, struct err *err)
{
    return instance_lock(s->listeners[CLUSTER].port, &s->record_fd, &s->record, err);
}

static int write_record(const struct start *s, struct err *err)
{
    struct timespec now;
    char version[] = BUILD_VERSION;
    char *address CLEANUP(mem_freep) = mem_printf("127.0.0.1:%u", s->listeners[CLUSTER].port);
    const char *host = s->listeners[DASHBOARD].host;
    bool any = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "localhost") == 0;
    char *url CLEANUP(mem_freep) =
        mem_printf(strchr(host, ':') ? "http://[%s]:%u" : "http://%s:%u", any ? "127.0.0.1" : host,
                   s->listeners[DASHBOARD].port);
    struct instance i = {.path = s->record,
                         .address = address,
                         .dashboard_url = url,
                         .session_dir = s->session.folder,
                         .temp_dir = s->session.temp_dir,
                         .python = s->python,
                         .version = version,
                         .pid = getpid(),
                         .agent_port = s->listeners[AGENT].port};

    (void) clock_gettime(CLOCK_REALTIME, &now);
    i.started_at = (double) now.tv_sec + (double) now.tv_nsec / 1e9;
    return instance_write(s->record_fd, &i, err);
}

/* Becoming init. */

/* The command line of init; nothing of it is ever freed: it goes with exec. */
struct words {
    char **items; /* ends with NULL */
    size_t size;
};

static void add_word(struct words *w, char *word)
{
    w->items = mem_realloc(w->items, (w->size + 2) * sizeof(*w->items));
    w->items[w->size++] = word;
    w->items[w->size] = NULL;
}

static void add_node_options(const struct start *s, struct words *argv)
{
    add_word(argv, mem_strdup("--"));
    add_word(argv, mem_printf("--node-id=%s", s->node_id));
    add_word(argv, mem_printf("--node-ip=%s", s->node_ip));
    add_word(argv, mem_printf("--python=%s", s->python));
    add_word(argv, mem_printf("--resources=%s", s->resources));
    add_word(argv, mem_printf("--agent-port=%u", s->listeners[AGENT].port));
    add_word(argv, mem_printf("--log-to-stdout=%d", s->o.block));
    add_word(argv, mem_printf("--terse=%d", s->o.owner_fd >= 0));
    if (s->o.labels) {
        add_word(argv, mem_printf("--labels=%s", s->o.labels));
    }
}

static void keep_over_exec(int fd)
{
    (void) fcntl(fd, F_SETFD, 0);
}

static int become_init(const struct start *s, int ready_fd, struct err *err)
{
    struct words argv = {0};
    int r = write_record(s, err);

    if (r < 0) {
        return r;
    }
    /* Whatever our caller left open stays behind: somebody may wait for its end. */
    (void) close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    keep_over_exec(s->record_fd);
    add_word(&argv, mem_strdup("model-service"));
    add_word(&argv, mem_strdup("init"));
    add_word(&argv, mem_printf("--session-dir=%s", s->session.folder));
    add_word(&argv, mem_printf("--record=%s", s->record));
    add_word(&argv, mem_printf("--record-fd=%d", s->record_fd));
    if (ready_fd >= 0) {
        keep_over_exec(ready_fd);
        add_word(&argv, mem_printf("--ready-fd=%d", ready_fd));
    }
    if (s->o.owner_fd >= 0) {
        keep_over_exec((int) s->o.owner_fd);
        add_word(&argv, mem_printf("--owner-fd=%lld", (long long) s->o.owner_fd));
    }
    for (size_t i = 0; i < N_LISTENERS; i++) {
        keep_over_exec(s->listeners[i].fd);
        add_word(&argv, mem_printf("--keep=%s:%d", s->listeners[i].name, s->listeners[i].fd));
    }
    add_node_options(s, &argv);
    (void) fflush(NULL);
    (void) execv("/proc/self/exe", argv.items);
    return err_errno(err, "cannot run init");
}

/* Words for people. */

static void say_where(const struct start *s, bool is_up)
{
    const struct listener *l = s->listeners;

    (void) printf("Model Service %s %s\n\n"
                  "  cluster    127.0.0.1:%u\n"
                  "  dashboard  http://%s:%u\n"
                  "  logs       %s/logs\n\n",
                  BUILD_VERSION, is_up ? "is running." : "starts; Ctrl-C stops it.",
                  l[CLUSTER].port,
                  strcmp(l[DASHBOARD].host, "0.0.0.0") == 0 ? s->node_ip : l[DASHBOARD].host,
                  l[DASHBOARD].port, s->session.folder);
    if (is_up) {
        (void) printf("Ray runtime started.\n\n"
                      "  serve deploy CONFIG.yaml   deploy applications\n"
                      "  serve status               see how they are\n"
                      "  ray stop                   stop everything\n");
    }
}

static void show_log_tail(const struct start *s)
{
    static const char *const names[] = {"node.log", "controller.log", "proxy.log"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *path CLEANUP(mem_freep) = mem_printf("%s/logs/%s", s->session.folder, names[i]);
        char text[LOG_TAIL + 1];
        FILE *f = fopen(path, "re");
        size_t n;

        if (!f) {
            continue;
        }
        (void) fseek(f, 0, SEEK_END);
        (void) fseek(f, MAX(ftell(f) - LOG_TAIL, 0L), SEEK_SET);
        n = fread(text, 1, LOG_TAIL, f);
        text[n] = '\0';
        (void) fclose(f);
        if (n > 0) {
            (void) fprintf(stderr, "--- the end of %s\n%s", path, text);
        }
    }
}

/* In the background. */

static _Noreturn void run_detached(const struct start *s, int ready_fd)
{
    struct err err;
    int null = open("/dev/null", O_RDWR);

    (void) setsid();
    if (fork() != 0) {
        _exit(0);
    }
    (void) dup2(null, STDIN_FILENO);
    (void) dup2(null, STDOUT_FILENO);
    (void) dup2(null, STDERR_FILENO);
    if (become_init(s, ready_fd, &err) < 0) {
        (void) dprintf(ready_fd, "%s\n", err.text);
    }
    _exit(1);
}

/* Waits for init's word: "ready", or why not. */
static int wait_ready(const struct start *s, int fd)
{
    FILE *f = fdopen(fd, "r");
    char said[READY_MAX + 1] = "";

    if (f) {
        said[fread(said, 1, READY_MAX, f)] = '\0';
        (void) fclose(f);
    }
    if (strcmp(said, "ready\n") == 0) {
        say_where(s, true);
        return 0;
    }
    (void) fprintf(stderr, "The instance did not start: %s",
                   said[0] != '\0' ? said : "init has ended without a word\n");
    if (!strstr(said, "Its last output:")) {
        show_log_tail(s);
    }
    (void) fprintf(stderr, "Logs: %s/logs\n", s->session.folder);
    return 1;
}

static int start_detached(const struct start *s)
{
    int ready[2];
    pid_t pid;

    if (pipe(ready) < 0) {
        perror("cannot make a pipe");
        return 1;
    }
    (void) fflush(NULL);
    pid = fork();
    if (pid == 0) {
        (void) close(ready[0]);
        run_detached(s, ready[1]);
    }
    (void) close(ready[1]);
    if (pid < 0) {
        perror("cannot fork");
        return 1;
    }
    (void) waitpid(pid, NULL, 0);
    return wait_ready(s, ready[0]);
}

static int prepare(struct start *s, struct err *err)
{
    int r = start_options_resources(&s->o, s->node_ip, &s->resources, err);

    if (r == 0) {
        r = listen_all(s, err);
    }
    if (r == 0) {
        r = take_record(s, err);
    }
    if (r == 0) {
        r = session_make(&s->session, err);
    }
    return r;
}

static void start_deinit(struct start *s)
{
    session_deinit(&s->session);
    free(s->resources);
    free(s->python);
    free(s->record);
}

static int run(struct start *s)
{
    struct instance *running;
    struct err err = {0};
    int code = 1;

    if (session_choose_temp_dir(s->o.temp_dir, &s->session.temp_dir, &err) < 0) {
        (void) fprintf(stderr, "ray start: %s\n", err.text);
        return 1;
    }
    running = find_running(s);
    if (running) {
        code = refuse_second(running);
        instance_free(running);
        return code;
    }
    choose_hosts(s);
    session_random_hex(s->node_id, sizeof(s->node_id));
    s->python = python_path(s->o.python);
    if (prepare(s, &err) < 0) {
        (void) fprintf(stderr, "ray start: %s\n", err.text);
        if (s->record) {
            (void) unlink(s->record);
        }
    } else if (!s->o.block) {
        code = start_detached(s);
    } else {
        if (s->o.owner_fd < 0) {
            say_where(s, false);
        } else {
            (void) dup2(STDERR_FILENO, STDOUT_FILENO); /* the owner's output is its own */
        }
        if (become_init(s, (int) s->o.ready_fd, &err) < 0) {
            (void) fprintf(stderr, "ray start: %s\n", err.text);
        }
    }
    return code;
}

int start_cmd(int argc, char **argv)
{
    struct start s = {.record_fd = -1};
    int code = start_options_parse(argc - 1, argv + 1, &s.o);

    if (code == START_OPTIONS_OK) {
        code = run(&s);
    } else {
        code = code == START_OPTIONS_HELP ? 0 : code;
    }
    start_deinit(&s);
    return code;
}
