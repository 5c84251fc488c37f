/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/resources.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* The first line of a small file; empty when it is not there. */
static void read_line(const char *path, char *ret, size_t size)
{
    FILE *f = fopen(path, "re");

    ret[0] = '\0';
    if (f) {
        if (!fgets(ret, (int) size, f)) {
            ret[0] = '\0';
        }
        (void) fclose(f);
    }
}

/* The cgroup's share in CPUs; 0: no limit. */
static double cpu_quota(void)
{
    char line[128];
    double quota = 0;
    double period = 0;

    read_line("/sys/fs/cgroup/cpu.max", line, sizeof(line));
    if (sscanf(line, "%lf %lf", &quota, &period) == 2 && period > 0) {
        return quota / period;
    }
    read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line, sizeof(line));
    quota = strtod(line, NULL);
    read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", line, sizeof(line));
    period = strtod(line, NULL);
    return quota > 0 && period > 0 ? quota / period : 0;
}

double resources_cpus(void)
{
    cpu_set_t set;
    double n = (double) sysconf(_SC_NPROCESSORS_ONLN);
    double quota = cpu_quota();

    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        n = CPU_COUNT(&set);
    }
    if (quota > 0 && quota < n) {
        n = (double) (long) (quota + 0.999); /* as KubeRay rounds limits: up */
    }
    return MAX(n, 1.0);
}

uint64_t resources_memory(void)
{
    static const char *const limits[] = {"/sys/fs/cgroup/memory.max",
                                         "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    uint64_t all = (uint64_t) sysconf(_SC_PHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE);

    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        char line[64];
        uint64_t limit;

        read_line(limits[i], line, sizeof(line));
        limit = strtoull(line, NULL, 10); /* "max" gives 0 */
        if (limit > 0 && limit < all) {
            all = limit;
        }
    }
    return all;
}

unsigned resources_gpus(void)
{
    DIR *dev = opendir("/dev");
    struct dirent *entry;
    unsigned n = 0;

    while (dev && (entry = readdir(dev))) {
        const char *name = entry->d_name;

        n += strncmp(name, "nvidia", 6) == 0 && name[6] >= '0' && name[6] <= '9';
    }
    if (dev) {
        (void) closedir(dev);
    }
    return n;
}

/* "Connecting" a UDP socket sends nothing but makes the kernel choose our address. */
void resources_node_ip(char *ret, size_t size)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
    struct sockaddr_in us = {0};
    socklen_t us_size = sizeof(us);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void) snprintf(ret, size, "127.0.0.1");
    if (fd < 0) {
        return;
    }
    if (inet_pton(AF_INET, "192.0.2.1", &to.sin_addr) == 1 &&
        connect(fd, (struct sockaddr *) &to, sizeof(to)) == 0 &&
        getsockname(fd, (struct sockaddr *) &us, &us_size) == 0) {
        (void) inet_ntop(AF_INET, &us.sin_addr, ret, (socklen_t) size);
    }
    (void) close(fd);
}
