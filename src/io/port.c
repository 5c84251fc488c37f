/* SPDX-License-Identifier: Apache-2.0 */
#include "io/port.h"

#include <dirent.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/stream.h"

enum { N_NEXT_PORTS = 100, TCP_LISTEN_STATE = 0x0A };

uint16_t port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);

    if (getsockname(fd, (struct sockaddr *) &address, &size) < 0) {
        return 0;
    }
    if (address.ss_family == AF_INET) {
        return ntohs(((struct sockaddr_in *) &address)->sin_port);
    }
    if (address.ss_family == AF_INET6) {
        return ntohs(((struct sockaddr_in6 *) &address)->sin6_port);
    }
    return 0;
}

int port_listen(const char *host, uint16_t port, bool may_move, uint16_t *ret_port, struct err *err)
{
    unsigned n_tries = may_move && port != 0 ? N_NEXT_PORTS : 1;
    char *holder CLEANUP(mem_freep) = NULL;
    int fd = -EADDRINUSE;

    for (unsigned i = 0; i < n_tries && fd == -EADDRINUSE && port + i <= UINT16_MAX; i++) {
        fd = stream_listen_tcp(host, (uint16_t) (port + i), false, err);
    }
    if (fd >= 0) {
        *ret_port = port_of(fd);
        return fd;
    }
    if (fd == -EADDRINUSE) {
        holder = port_holder(port);
        return err_set(err, fd, "port %u is taken by %s", port, holder);
    }
    return fd;
}

/* The inode of the socket that listens on the port, from /proc/net/tcp or tcp6; 0: none. */
static uint64_t find_listener(const char *table, uint16_t port)
{
    FILE *f = fopen(table, "re");
    char line[512];
    uint64_t found = 0;

    while (f && !found && fgets(line, sizeof(line), f)) {
        unsigned line_port = 0;
        unsigned state = 0;
        uint64_t inode = 0;

        /* sl local remote st tx:rx tr:tm retrnsmt uid timeout inode */
        if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*u %*u %" SCNu64,
                   &line_port, &state, &inode) == 3 &&
            line_port == port && state == TCP_LISTEN_STATE) {
            found = inode;
        }
    }
    if (f) {
        (void) fclose(f);
    }
    return found;
}

static bool process_has(const char *pid, const char *target)
{
    char path[600];
    char link[64];
    bool found = false;
    struct dirent *entry;
    DIR *fds;

    (void) snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    fds = opendir(path);
    while (fds && !found && (entry = readdir(fds))) {
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, entry->d_name);
        n = readlink(path, link, sizeof(link) - 1);
        link[MAX(n, 0)] = '\0';
        found = strcmp(link, target) == 0;
    }
    if (fds) {
        (void) closedir(fds);
    }
    return found;
}

static char *describe(const char *pid)
{
    char path[300];
    char name[64] = "?";
    FILE *f;

    (void) snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    f = fopen(path, "re");
    if (f && fgets(name, sizeof(name), f)) {
        name[strcspn(name, "\n")] = '\0';
    }
    if (f) {
        (void) fclose(f);
    }
    return mem_printf("process %s (%s)", pid, name);
}

char *port_holder(uint16_t port)
{
    uint64_t inode = find_listener("/proc/net/tcp", port);
    char target[64];
    struct dirent *entry;
    char *text = NULL;
    DIR *proc;

    if (!inode) {
        inode = find_listener("/proc/net/tcp6", port);
    }
    if (!inode) {
        return mem_strdup("another process");
    }
    (void) snprintf(target, sizeof(target), "socket:[%" PRIu64 "]", inode);
    proc = opendir("/proc");
    while (proc && !text && (entry = readdir(proc))) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            process_has(entry->d_name, target)) {
            text = describe(entry->d_name);
        }
    }
    if (proc) {
        (void) closedir(proc);
    }
    return text ? text : mem_strdup("a process of another user");
}
