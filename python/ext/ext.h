/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXT_EXT_H
#define EXT_EXT_H

/* The Python extension model_service._ext (docs/interfaces.md §8): a thin skin over replica/host.
 * module.c has the names that live as long as the process, link*.c the type Link, events.c makes
 * tuples of events, scope.c ASGI scopes, headers.c the headers both ways.  It never blocks while it
 * has the GIL, and the I/O thread below never takes it. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "replica/host.h"

/* Strings that are made once.  One row each: C name, text. */
#define EXT_NAMES(X)                                                                               \
    X(http, "http")                                                                                \
    X(call, "call")                                                                                \
    X(body, "body")                                                                                \
    X(cancel, "cancel")                                                                            \
    X(writable, "writable")                                                                        \
    X(item, "item")                                                                                \
    X(done, "done")                                                                                \
    X(error, "error")                                                                              \
    X(started, "started")                                                                          \
    X(control, "control")                                                                          \
    X(link, "link")                                                                                \
    X(router, "router")                                                                            \
    X(node, "node")                                                                                \
    X(type, "type")                                                                                \
    X(asgi, "asgi")                                                                                \
    X(version, "version")                                                                          \
    X(spec_version, "spec_version")                                                                \
    X(asgi_version, "3.0")                                                                         \
    X(asgi_spec_version, "2.4")                                                                    \
    X(http_version, "http_version")                                                                \
    X(http_1_0, "1.0")                                                                             \
    X(http_1_1, "1.1")                                                                             \
    X(method, "method")                                                                            \
    X(scheme, "scheme")                                                                            \
    X(path, "path")                                                                                \
    X(raw_path, "raw_path")                                                                        \
    X(query_string, "query_string")                                                                \
    X(root_path, "root_path")                                                                      \
    X(headers, "headers")                                                                          \
    X(client, "client")                                                                            \
    X(server, "server")                                                                            \
    X(model_service, "model_service")                                                              \
    X(empty, "")

struct ext_names {
#define X(name, text) PyObject *name;
    EXT_NAMES(X)
#undef X
    PyObject *empty_bytes;
};

/* Made by the module's initialisation, never freed.  There is one interpreter. */
extern struct ext_names ext_names;

/* All below: NULL or -1 with an exception set. */

int ext_link_ready(PyObject *module);
int ext_scope_ready(void);
int ext_headers_ready(void);

PyObject *ext_event(const struct host_event *e); /* the tuple */
PyObject *ext_scope(const struct msg_dispatch_http *m);

/* The value that was made last, given again when the bytes are the same: most requests of a service
 * have the same path, client, header values. */
PyObject *ext_str_again(PyObject **last, struct span s);
PyObject *ext_bytes_again(PyObject **last, struct span s);

PyObject *ext_headers(struct span block);                /* list of (bytes, bytes) */
int ext_headers_put(struct buf *out, PyObject *headers); /* from any iterable of pairs */

/* Puts a value that it takes over into a place that had another. */
static inline void ext_replace(PyObject **place, PyObject *value)
{
    PyObject *old = *place;

    *place = value;
    Py_XDECREF(old);
}

static inline PyObject *ext_str(struct span s)
{
    return PyUnicode_DecodeUTF8(s.size ? s.data : "", (Py_ssize_t) s.size, "replace");
}

static inline PyObject *ext_bytes(struct span s)
{
    return PyBytes_FromStringAndSize(s.data, (Py_ssize_t) s.size);
}

#endif
