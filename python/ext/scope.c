/* SPDX-License-Identifier: Apache-2.0 */
#include "ext.h"

/* The ASGI scope of a request.  It starts as a copy of a dict that has all of its keys, which is
 * cheaper than to insert them one by one. */

static PyObject *scope_template;
static PyObject *asgi_template;

/* What the last request had. */
static struct {
    PyObject *path;
    PyObject *raw_path;
    PyObject *query;
    PyObject *root_path;
    PyObject *app;
    PyObject *route_prefix;
    PyObject *model_id;
    PyObject *client_text; /* bytes, as in the message */
    PyObject *client;
    PyObject *server_text;
    PyObject *server;
} last;

static const char *const method_texts[] = {"GET",    "POST",    "PUT",   "HEAD",
                                           "DELETE", "OPTIONS", "PATCH", "TRACE"};
static PyObject *methods[ARRAY_LEN(method_texts)];

static bool is_same(PyObject *bytes, struct span s)
{
    return bytes && (size_t) PyBytes_Size(bytes) == s.size &&
           memcmp(PyBytes_AsString(bytes), s.data, s.size) == 0;
}

PyObject *ext_bytes_again(PyObject **last_one, struct span s)
{
    PyObject *o;

    if (s.size == 0) {
        return Py_NewRef(ext_names.empty_bytes);
    }
    if (is_same(*last_one, s)) {
        return Py_NewRef(*last_one);
    }
    o = ext_bytes(s);
    if (o && s.size <= 256) {
        ext_replace(last_one, Py_NewRef(o));
    }
    return o;
}

PyObject *ext_str_again(PyObject **last_one, struct span s)
{
    Py_ssize_t size;
    const char *text;
    PyObject *o;

    if (s.size == 0) {
        return Py_NewRef(ext_names.empty);
    }
    if (*last_one) {
        text = PyUnicode_AsUTF8AndSize(*last_one, &size);
        if (!text) {
            return NULL;
        }
        if ((size_t) size == s.size && memcmp(text, s.data, s.size) == 0) {
            return Py_NewRef(*last_one);
        }
    }
    o = ext_str(s);
    if (o && s.size <= 256) {
        ext_replace(last_one, Py_NewRef(o));
    }
    return o;
}

static PyObject *method_str(struct span s)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (span_is(s, method_texts[i])) {
            return Py_NewRef(methods[i]);
        }
    }
    return ext_str(s);
}

/* "1.2.3.4:567" or "[::1]:567" as (host, port); None for anything else. */
static PyObject *parse_address(struct span s)
{
    const char *colon = s.size > 0 ? memrchr(s.data, ':', s.size) : NULL;
    struct span host = {s.data, colon ? (size_t) (colon - s.data) : 0};
    long port = 0;

    if (host.size == 0) {
        return Py_NewRef(Py_None);
    }
    for (const char *p = colon + 1; p < s.data + s.size && port <= UINT16_MAX; p++) {
        port = port * 10 + (*p - '0');
    }
    if (host.size > 2 && host.data[0] == '[') {
        host = (struct span){host.data + 1, host.size - 2};
    }
    return Py_BuildValue("(s#l)", host.data, (Py_ssize_t) host.size, port);
}

static PyObject *address(PyObject **text, PyObject **value, struct span s)
{
    PyObject *copy;
    PyObject *o;

    if (is_same(*text, s)) {
        return Py_NewRef(*value);
    }
    o = parse_address(s);
    copy = o ? ext_bytes(s) : NULL;
    if (!copy) {
        Py_CLEAR(o);
        return NULL;
    }
    ext_replace(text, copy);
    ext_replace(value, Py_NewRef(o));
    return o;
}

/* (request_id, app, route_prefix, multiplexed_model_id, timeout_ms) */
static PyObject *details(const struct msg_dispatch_http *m)
{
    PyObject *id = ext_str(m->request_id);
    PyObject *app = ext_str_again(&last.app, m->app);
    PyObject *prefix = ext_str_again(&last.route_prefix, m->route_prefix);
    PyObject *model = ext_str_again(&last.model_id, m->multiplexed_model_id);
    PyObject *timeout = PyLong_FromUnsignedLong(m->timeout_ms);
    PyObject *all = NULL;

    if (id && app && prefix && model && timeout) {
        all = PyTuple_Pack(5, id, app, prefix, model, timeout);
    }
    Py_XDECREF(id);
    Py_XDECREF(app);
    Py_XDECREF(prefix);
    Py_XDECREF(model);
    Py_XDECREF(timeout);
    return all;
}

/* Takes the value; NULL: an exception is set. */
static int put(PyObject *scope, PyObject *key, PyObject *value)
{
    int r = value ? PyDict_SetItem(scope, key, value) : -1;

    Py_XDECREF(value);
    return r;
}

PyObject *ext_scope(const struct msg_dispatch_http *m)
{
    const struct ext_names *n = &ext_names;
    PyObject *scope = PyDict_Copy(scope_template);

    if (!scope) {
        return NULL;
    }
    if (put(scope, n->asgi, PyDict_Copy(asgi_template)) < 0 ||
        (m->http_minor == 0 && PyDict_SetItem(scope, n->http_version, n->http_1_0) < 0) ||
        put(scope, n->method, method_str(m->method)) < 0 ||
        put(scope, n->path, ext_str_again(&last.path, m->path)) < 0 ||
        put(scope, n->raw_path, ext_bytes_again(&last.raw_path, m->raw_path)) < 0 ||
        put(scope, n->query_string, ext_bytes_again(&last.query, m->query)) < 0 ||
        put(scope, n->root_path, ext_str_again(&last.root_path, m->root_path)) < 0 ||
        put(scope, n->headers, ext_headers(m->headers)) < 0 ||
        put(scope, n->client, address(&last.client_text, &last.client, m->client)) < 0 ||
        put(scope, n->server, address(&last.server_text, &last.server, m->server)) < 0 ||
        put(scope, n->model_service, details(m)) < 0) {
        Py_CLEAR(scope);
    }
    return scope;
}

int ext_scope_ready(void)
{
    const struct ext_names *n = &ext_names;

    if (scope_template) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        methods[i] = PyUnicode_InternFromString(method_texts[i]);
        if (!methods[i]) {
            return -1;
        }
    }
    asgi_template = Py_BuildValue("{O:O,O:O}", n->version, n->asgi_version, n->spec_version,
                                  n->asgi_spec_version);
    scope_template = Py_BuildValue(
        "{O:O,O:O,O:O,O:O,O:O,O:O,O:O,O:O,O:O,O:O,O:O,O:O,O:O}", n->type, n->http, n->asgi, Py_None,
        n->http_version, n->http_1_1, n->method, Py_None, n->scheme, n->http, n->path, Py_None,
        n->raw_path, Py_None, n->query_string, Py_None, n->root_path, Py_None, n->headers, Py_None,
        n->client, Py_None, n->server, Py_None, n->model_service, Py_None);
    return asgi_template && scope_template ? 0 : -1;
}
