/* SPDX-License-Identifier: Apache-2.0 */
#include "ext.h"

struct ext_names ext_names;

static int make_names(void)
{
#define X(name, text)                                                                              \
    if (!ext_names.name && !(ext_names.name = PyUnicode_InternFromString(text))) {                 \
        return -1;                                                                                 \
    }
    EXT_NAMES(X)
#undef X
    if (!ext_names.empty_bytes) {
        ext_names.empty_bytes = PyBytes_FromStringAndSize(NULL, 0);
    }
    return ext_names.empty_bytes ? 0 : -1;
}

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_ext",
    .m_doc = "The links of a replica or driver to its node (docs/interfaces.md, section 8).",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__ext(void);

PyMODINIT_FUNC PyInit__ext(void)
{
    PyObject *module;

    if (make_names() < 0 || ext_headers_ready() < 0 || ext_scope_ready() < 0) {
        return NULL;
    }
    module = PyModule_Create(&module_def);
    if (module && ext_link_ready(module) < 0) {
        Py_CLEAR(module);
    }
    return module;
}
