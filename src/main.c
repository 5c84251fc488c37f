/* SPDX-License-Identifier: Apache-2.0 */

/* One executable holds every program.  Called as `ray` or `serve` it is that command line; as
 * `model-service` its first argument names an internal program, and everything else is a subcommand
 * of `ray`. */

#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "cli/python_path.h"
#include "cli/ray_cmd.h"
#include "cli/serve_cmd.h"
#include "controller/main.h"
#include "init/main.h"
#include "node/main.h"
#include "proxy/main.h"

struct program {
    const char *name;
    int (*main)(int argc, char **argv); /* argv[0] is the program's own name */
};

static const struct program by_own_name[] = {
    {"ray", ray_cmd_main},
    {"serve", serve_cmd_main},
};

static const struct program by_first_argument[] = {
    {"init", init_main},
    {"node", node_main},
    {"controller", controller_main},
    {"proxy", proxy_main},
};

static const struct program *find(const struct program *rows, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

/* What top and pgrep show of a program that was started through /proc/self/exe. */
static void name_process(const char *program)
{
    char name[16];

    (void) snprintf(name, sizeof(name), "ms-%s", program);
    (void) prctl(PR_SET_NAME, name);
}

int main(int argc, char **argv)
{
    const struct program *p;

    if (argc < 1) {
        return 2;
    }
    (void) signal(SIGPIPE, SIG_IGN);
    python_path_init(argv[0]);
    p = find(by_own_name, ARRAY_LEN(by_own_name), basename(argv[0]));
    if (p) {
        return p->main(argc, argv);
    }
    p = argc > 1 ? find(by_first_argument, ARRAY_LEN(by_first_argument), argv[1]) : NULL;
    if (p) {
        name_process(p->name);
        return p->main(argc - 1, argv + 1);
    }
    /* `model-service serve run …` is for those who have no link named serve. */
    p = argc > 1 ? find(by_own_name, ARRAY_LEN(by_own_name), argv[1]) : NULL;
    if (p) {
        return p->main(argc - 1, argv + 1);
    }
    return ray_cmd_main(argc, argv);
}
