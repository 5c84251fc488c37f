/* SPDX-License-Identifier: Apache-2.0 */
/* Listening, connecting and accepting: the part of stream.h that makes descriptors. */

#include "io/stream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

/* A literal IPv4 or IPv6 address; "" and "*" mean any, "localhost" the loopback. */
static int parse_address(const char *host, uint16_t port, struct sockaddr_storage *ret,
                         socklen_t *ret_size, struct err *err)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *) ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) ret;

    memset(ret, 0, sizeof(*ret));
    if (host[0] == '\0' || strcmp(host, "*") == 0) {
        host = "0.0.0.0";
    } else if (strcmp(host, "localhost") == 0) {
        host = "127.0.0.1";
    }
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *ret_size = sizeof(*v4);
        return 0;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *ret_size = sizeof(*v6);
        return 0;
    }
    return err_set(err, -EINVAL, "'%s' is not an IP address", host);
}

static int new_socket(int family, struct err *err)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    if (fd < 0) {
        return err_errno(err, "cannot make a socket");
    }
    if (family != AF_UNIX) {
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

/* Closes 'fd' and returns the error of the call that failed before. */
static int give_up(int fd, struct err *err, const char *what, const char *where, unsigned port)
{
    int code = port ? err_errno(err, "cannot %s %s:%u", what, where, port)
                    : err_errno(err, "cannot %s %s", what, where);

    (void) close(fd);
    return code;
}

int stream_listen_tcp(const char *host, uint16_t port, bool reuse_port, struct err *err)
{
    struct sockaddr_storage address;
    socklen_t size = 0;
    int on = 1;
    int fd = parse_address(host, port, &address, &size, err);

    if (fd < 0) {
        return fd;
    }
    fd = new_socket(address.ss_family, err);
    if (fd < 0) {
        return fd;
    }
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (reuse_port) {
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    }
    if (bind(fd, (struct sockaddr *) &address, size) < 0 || listen(fd, BACKLOG) < 0) {
        return give_up(fd, err, "listen on", host, port);
    }
    return fd;
}

int stream_connect_tcp(const char *host, uint16_t port, struct err *err)
{
    struct sockaddr_storage address;
    socklen_t size = 0;
    int fd = parse_address(host, port, &address, &size, err);

    if (fd < 0) {
        return fd;
    }
    fd = new_socket(address.ss_family, err);
    if (fd < 0) {
        return fd;
    }
    if (connect(fd, (struct sockaddr *) &address, size) < 0 && errno != EINPROGRESS) {
        return give_up(fd, err, "connect to", host, port);
    }
    return fd;
}

/* A path that is too long for a socket address goes through a descriptor of its directory, which
 * *ret_dir_fd then holds (-1 otherwise). */
static int unix_address(const char *path, struct sockaddr_un *ret, int *ret_dir_fd, struct err *err)
{
    const char *base = strrchr(path, '/');
    char *dir = NULL;

    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    *ret_dir_fd = -1;
    if (strlen(path) < sizeof(ret->sun_path)) {
        memcpy(ret->sun_path, path, strlen(path));
        return 0;
    }
    if (!base || strlen(base) > 60) {
        return err_set(err, -ENAMETOOLONG, "socket path %s is too long", path);
    }
    dir = mem_strndup(path, (size_t) (base - path));
    *ret_dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    free(dir);
    if (*ret_dir_fd < 0) {
        return err_errno(err, "cannot open the directory of %s", path);
    }
    (void) snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d%s", *ret_dir_fd, base);
    return 0;
}

static void close_dir(int fd)
{
    if (fd >= 0) {
        (void) close(fd);
    }
}

int stream_listen_unix(const char *path, struct err *err)
{
    struct sockaddr_un address;
    int dir_fd = -1;
    int fd = unix_address(path, &address, &dir_fd, err);

    if (fd == 0) {
        fd = new_socket(AF_UNIX, err);
    }
    if (fd >= 0) {
        (void) unlink(path);
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            listen(fd, BACKLOG) < 0 || chmod(path, 0600) < 0) {
            fd = give_up(fd, err, "listen on", path, 0);
        }
    }
    close_dir(dir_fd);
    return fd;
}

int stream_connect_unix(const char *path, struct err *err)
{
    struct sockaddr_un address;
    int dir_fd = -1;
    int fd = unix_address(path, &address, &dir_fd, err);

    if (fd == 0) {
        fd = new_socket(AF_UNIX, err);
    }
    if (fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
        fd = give_up(fd, err, "connect to", path, 0);
    }
    close_dir(dir_fd);
    return fd;
}

static void print_address(const struct sockaddr_storage *a, char *ret, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";

    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *) a;

        (void) inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        (void) snprintf(ret, size, "%s:%u", host, ntohs(v4->sin_port));
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) a;

        (void) inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        (void) snprintf(ret, size, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        (void) snprintf(ret, size, "unix");
    }
}

void stream_local(int fd, char *ret_name, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t address_size = sizeof(address);

    (void) getsockname(fd, (struct sockaddr *) &address, &address_size);
    print_address(&address, ret_name, size);
}

int stream_accept(int listener, char *ret_peer, size_t peer_size)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    int fd = accept4(listener, (struct sockaddr *) &address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int on = 1;

    if (fd < 0) {
        return -errno;
    }
    if (address.ss_family != AF_UNIX) {
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    if (ret_peer) {
        print_address(&address, ret_peer, peer_size);
    }
    return fd;
}
