/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_RESOURCES_H
#define CLI_RESOURCES_H

/* What this machine (or the container we are in) has: the defaults of `ray start`. */

#include "base/base.h"

double resources_cpus(void);     /* CPUs that we may use, cgroup quota included; at least 1 */
uint64_t resources_memory(void); /* bytes: the cgroup's limit or the machine's memory */
unsigned resources_gpus(void);   /* NVIDIA devices that are here */

/* The address by which others reach this machine, or 127.0.0.1. */
void resources_node_ip(char *ret, size_t size);

#endif
