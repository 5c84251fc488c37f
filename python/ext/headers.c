/* SPDX-License-Identifier: Apache-2.0 */
#include "ext.h"

/* Headers that are seen often.  Their names exist once, and the pair that was seen last is given
 * again while the value is the same: it is immutable. */
static const char *const common_names[] = {
    "te",
    "dnt",
    "via",
    "date",
    "etag",
    "from",
    "host",
    "range",
    "accept",
    "cookie",
    "origin",
    "pragma",
    "expect",
    "referer",
    "upgrade",
    "priority",
    "if-match",
    "x-real-ip",
    "connection",
    "keep-alive",
    "user-agent",
    "traceparent",
    "tracestate",
    "content-type",
    "x-request-id",
    "cache-control",
    "authorization",
    "if-none-match",
    "content-length",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "x-forwarded-for",
    "idempotency-key",
    "content-encoding",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-dest",
    "x-forwarded-proto",
    "x-forwarded-host",
    "transfer-encoding",
    "if-modified-since",
    "upgrade-insecure-requests",
    "serve_multiplexed_model_id",
};

enum { N_COMMON = ARRAY_LEN(common_names), NAME_MAX_SIZE = 32 };

static struct common {
    PyObject *name; /* bytes */
    PyObject *pair; /* (bytes, bytes) seen last, or NULL */
} commons[N_COMMON];

/* Rows of the same length stand together: by_size[n] is the first one of length n. */
static unsigned by_size[NAME_MAX_SIZE + 2];

int ext_headers_ready(void)
{
    size_t i = 0;

    if (commons[0].name) {
        return 0;
    }
    for (unsigned size = 0; size <= NAME_MAX_SIZE; size++) {
        by_size[size] = (unsigned) i;
        for (size_t k = 0; k < N_COMMON; k++) {
            if (strlen(common_names[k]) != size) {
                continue;
            }
            commons[i].name = ext_bytes(span_of(common_names[k]));
            if (!commons[i++].name) {
                return -1;
            }
        }
    }
    by_size[NAME_MAX_SIZE + 1] = (unsigned) i;
    ASSERT(i == N_COMMON);
    return 0;
}

static struct common *find_common(struct span name)
{
    if (name.size > NAME_MAX_SIZE) {
        return NULL;
    }
    for (unsigned i = by_size[name.size]; i < by_size[name.size + 1]; i++) {
        if (memcmp(PyBytes_AsString(commons[i].name), name.data, name.size) == 0) {
            return &commons[i];
        }
    }
    return NULL;
}

static bool is_bytes(PyObject *o, struct span s)
{
    return (size_t) PyBytes_Size(o) == s.size && memcmp(PyBytes_AsString(o), s.data, s.size) == 0;
}

static PyObject *make_pair(PyObject *name, struct span value)
{
    PyObject *v = name ? ext_bytes(value) : NULL;
    PyObject *pair = v ? PyTuple_Pack(2, name, v) : NULL;

    Py_XDECREF(v);
    return pair;
}

static PyObject *header(struct span name, struct span value)
{
    struct common *c = find_common(name);
    PyObject *pair;

    if (!c) {
        PyObject *n = ext_bytes(name);

        pair = make_pair(n, value);
        Py_XDECREF(n);
        return pair;
    }
    if (c->pair && is_bytes(PyTuple_GetItem(c->pair, 1), value)) {
        return Py_NewRef(c->pair);
    }
    pair = make_pair(c->name, value);
    if (pair && value.size <= 256) {
        ext_replace(&c->pair, Py_NewRef(pair));
    }
    return pair;
}

PyObject *ext_headers(struct span block)
{
    PyObject *list = PyList_New(0);
    struct span name;
    struct span value;
    int r = list ? 0 : -1;

    while (r == 0 && wire_header_next(&block, &name, &value)) {
        PyObject *pair = header(name, value);

        r = pair ? PyList_Append(list, pair) : -1;
        Py_XDECREF(pair);
    }
    if (r < 0) {
        Py_CLEAR(list);
    }
    return list;
}

/* The other way. */

static int put_pair(struct buf *out, PyObject *name, PyObject *value)
{
    char *n;
    char *v;
    char *to;
    Py_ssize_t n_size;
    Py_ssize_t v_size;

    if (PyBytes_AsStringAndSize(name, &n, &n_size) < 0 ||
        PyBytes_AsStringAndSize(value, &v, &v_size) < 0) {
        return -1;
    }
    if (n_size > UINT16_MAX ||
        buf_size(out) + (size_t) n_size + (size_t) v_size + 6 > HOST_HEADERS_MAX) {
        PyErr_SetString(PyExc_ValueError, "the headers exceed 1 MiB");
        return -1;
    }
    to = buf_reserve(out, (size_t) n_size + (size_t) v_size + 6);
    to += sizeof(uint16_t);
    wire_header_put(out, (struct span){n, (size_t) n_size}, (struct span){v, (size_t) v_size});
    for (Py_ssize_t i = 0; i < n_size; i++) {
        to[i] = (char) (to[i] >= 'A' && to[i] <= 'Z' ? to[i] + ('a' - 'A') : to[i]);
    }
    return 0;
}

static int put_one(struct buf *out, PyObject *pair)
{
    PyObject *fast;
    int r = -1;

    if (PyTuple_Check(pair) && PyTuple_Size(pair) == 2) {
        return put_pair(out, PyTuple_GetItem(pair, 0), PyTuple_GetItem(pair, 1));
    }
    fast = PySequence_Tuple(pair);
    if (fast && PyTuple_Size(fast) == 2) {
        r = put_pair(out, PyTuple_GetItem(fast, 0), PyTuple_GetItem(fast, 1));
    } else if (fast) {
        PyErr_SetString(PyExc_ValueError, "a header is a pair of bytes");
    }
    Py_XDECREF(fast);
    return r;
}

int ext_headers_put(struct buf *out, PyObject *headers)
{
    PyObject *list = PyList_Check(headers) ? Py_NewRef(headers) : PySequence_List(headers);
    int r = list ? 0 : -1;

    for (Py_ssize_t i = 0; r == 0 && i < PyList_Size(list); i++) {
        r = put_one(out, PyList_GetItem(list, i));
    }
    Py_XDECREF(list);
    return r;
}
