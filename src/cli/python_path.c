/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/python_path.h"

#include <unistd.h>

#include "build_config.h"

static const char *called_as = "";

void python_path_init(const char *argv0)
{
    called_as = argv0;
}

/* Links are not resolved: a venv's python is a link, and what it is depends on where it lies. */
static char *absolute(const char *path)
{
    char *cwd CLEANUP(mem_freep) = path[0] == '/' ? NULL : getcwd(NULL, 0);

    return cwd ? mem_printf("%s/%s", cwd, path) : mem_strdup(path);
}

/* "<folder of 'path'>/<name>" if it can be run. */
static char *beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    char *found CLEANUP(mem_freep) = NULL;

    if (!slash) {
        return NULL;
    }
    found = mem_printf("%.*s/%s", (int) (slash - path), path, name);
    return access(found, X_OK) == 0 ? absolute(found) : NULL;
}

/* Where the shell found a command that was called by its bare name. */
static char *in_path(const char *name)
{
    const char *path = getenv("PATH");

    while (path && *path != '\0') {
        size_t size = strcspn(path, ":");
        char *found CLEANUP(mem_freep) = mem_printf("%.*s/%s", (int) size, path, name);

        if (access(found, X_OK) == 0) {
            return TAKE_PTR(found);
        }
        path += size + (path[size] == ':');
    }
    return NULL;
}

static char *beside_any(const char *path)
{
    static const char *const places[] = {"python", "python3", "../venv/bin/python"};
    char *found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(places) && path && !found; i++) {
        found = beside(path, places[i]);
    }
    return found;
}

char *python_path(const char *wanted)
{
    char *command CLEANUP(mem_freep) = NULL;
    char *found;
    char self[4096];
    ssize_t n;

    if (wanted) {
        return strchr(wanted, '/') ? absolute(wanted) : mem_strdup(wanted);
    }
    command = strchr(called_as, '/') ? mem_strdup(called_as) : in_path(called_as);
    found = beside_any(command);
    if (!found) {
        n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        self[MAX(n, 0)] = '\0';
        found = beside_any(self);
    }
    return found ? found : mem_strdup(BUILD_PYTHON[0] != '\0' ? BUILD_PYTHON : "python3");
}
