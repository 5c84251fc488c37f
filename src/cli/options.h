/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

/* Command line options from a table: one row for each, which parses, checks and documents it.  Both
 * command lines and the internal programs use it.  It allocates only the list of arguments, never
 * prints but in options_print_help(), and never exits.
 *
 *     struct stop_options { bool force; int64_t grace_s; } o = {.grace_s = 16};
 *     static const struct option_row rows[] = {
 *         OPTION('f', "force", SWITCH, struct stop_options, force, NULL, "kill at once"),
 *         OPTION('g', "grace-period", INT, struct stop_options, grace_s, "SECONDS", "then kill"),
 *     };
 *
 * What is accepted: --name=value, --name value, -n value, -n=value, --switch, --switch=true|false,
 * "--" (only arguments follow), and arguments between the options.  A later occurrence wins. */

#include "base/buf.h"
#include "base/err.h"

enum option_kind {
    OPTION_SWITCH,     /* bool: becomes true; takes a value only as --name=true|false */
    OPTION_SWITCH_OFF, /* bool: becomes false */
    OPTION_BOOL,       /* bool: needs a value, true or false in any case, 1 or 0 */
    OPTION_TEXT,       /* const char *: points into argv */
    OPTION_LIST,       /* struct option_list: may be given several times */
    OPTION_INT,        /* int64_t */
    OPTION_NUMBER,     /* double */
    OPTION_IGNORE,     /* takes a value, has no effect */
    OPTION_IGNORE_SWITCH,
};

/* Values of a repeated option or the arguments, in their order.  Start with {0}. */
struct option_list {
    const char **items; /* 'size' of them, pointing into argv; the array is owned */
    size_t size;
};

void option_list_deinit(struct option_list *l);

struct option_row {
    char letter;      /* 0: none */
    const char *name; /* without the dashes */
    enum option_kind kind;
    size_t offset;          /* of the field in the caller's struct */
    const char *value_name; /* for the help: "HOST"; NULL for switches */
    const char *help;       /* NULL hides the option */
};

#define OPTION(letter, name, kind, type, field, value_name, help)                                  \
    {                                                                                              \
        (letter), (name), OPTION_##kind, offsetof(type, field), (value_name), (help)               \
    }
#define OPTION_IGNORED(name)                                                                       \
    {                                                                                              \
        0, (name), OPTION_IGNORE, 0, NULL, NULL                                                    \
    }
#define OPTION_IGNORED_SWITCH(name)                                                                \
    {                                                                                              \
        0, (name), OPTION_IGNORE_SWITCH, 0, NULL, NULL                                             \
    }

struct option_table {
    const char *usage; /* "ray stop [OPTIONS]" */
    const char *about; /* a sentence or more; may be NULL */
    const struct option_row *rows;
    size_t n_rows;
    bool accept_unknown; /* keep unknown options in 'ret_unknown' instead of failing */
};

/* Fills 'values' (fields that are not named keep what they hold) and 'ret_arguments'.  An unknown
 * option, a bad or a missing value: -EINVAL with a sentence that names the nearest option; with
 * accept_unknown the names go to 'ret_unknown' (may be NULL), and a word after an unknown option
 * that does not start with '-' is taken for its value.  "-h" and "--help" give -ECANCELED,
 * err->text is empty. */
int options_parse(const struct option_table *t, int argc, char **argv, void *values,
                  struct option_list *ret_arguments, struct option_list *ret_unknown,
                  struct err *err) MUST_CHECK;

/* The text of --help. */
void options_print_help(const struct option_table *t, struct buf *out);

#endif
