/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <limits.h>
#include <stdio.h>
#include <strings.h>

#include "base/nearest.h"

enum { HELP_COLUMN = 28 };

struct parse {
    const struct option_table *table;
    int argc;
    char **argv;
    int next; /* index of the next word */
    void *values;
    struct option_list *arguments;
    struct option_list *unknown;
    struct err *err;
};

void option_list_deinit(struct option_list *l)
{
    free(l->items);
    *l = (struct option_list){0};
}

static void list_add(struct option_list *l, const char *item)
{
    l->items = mem_realloc(l->items, (l->size + 1) * sizeof(*l->items));
    l->items[l->size++] = item;
}

static bool takes_value(enum option_kind kind)
{
    return kind != OPTION_SWITCH && kind != OPTION_SWITCH_OFF && kind != OPTION_IGNORE_SWITCH;
}

static const struct option_row *find_name(const struct option_table *t, struct span name)
{
    for (size_t i = 0; i < t->n_rows; i++) {
        if (span_is(name, t->rows[i].name)) {
            return &t->rows[i];
        }
    }
    return NULL;
}

static const struct option_row *find_letter(const struct option_table *t, char letter)
{
    for (size_t i = 0; i < t->n_rows; i++) {
        if (t->rows[i].letter == letter) {
            return &t->rows[i];
        }
    }
    return NULL;
}

static int fail_unknown(struct parse *p, const char *word, struct span name)
{
    const char **names = mem_alloc((p->table->n_rows + 1) * sizeof(*names));
    char *plain = mem_strndup(name.data, name.size);
    const char *near;

    for (size_t i = 0; i < p->table->n_rows; i++) {
        names[i] = p->table->rows[i].help ? p->table->rows[i].name : NULL;
    }
    near = nearest_word(plain, names, p->table->n_rows);
    free(plain);
    free(names);
    if (near) {
        return err_set(p->err, -EINVAL, "no such option: %s (did you mean --%s?)", word, near);
    }
    return err_set(p->err, -EINVAL, "no such option: %s", word);
}

static int parse_bool(const struct option_row *row, const char *text, bool *ret, struct err *err)
{
    if (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0) {
        *ret = true;
        return 0;
    }
    if (strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0) {
        *ret = false;
        return 0;
    }
    return err_set(err, -EINVAL, "--%s: '%s' is neither true nor false", row->name, text);
}

static int parse_number(const struct option_row *row, const char *text, void *ret, struct err *err)
{
    char *end = NULL;

    errno = 0;
    if (row->kind == OPTION_INT) {
        long long x = strtoll(text, &end, 10);

        if (errno != 0 || end == text || *end != '\0') {
            return err_set(err, -EINVAL, "--%s: '%s' is not an integer", row->name, text);
        }
        *(int64_t *) ret = x;
    } else {
        double x = strtod(text, &end);

        if (errno != 0 || end == text || *end != '\0') {
            return err_set(err, -EINVAL, "--%s: '%s' is not a number", row->name, text);
        }
        *(double *) ret = x;
    }
    return 0;
}

static int store(const struct option_row *row, const char *text, void *values, struct err *err)
{
    void *field = (char *) values + row->offset;
    bool on = true;
    int r = 0;

    switch (row->kind) {
    case OPTION_SWITCH:
    case OPTION_SWITCH_OFF:
    case OPTION_BOOL:
        r = text ? parse_bool(row, text, &on, err) : 0;
        if (r == 0) {
            *(bool *) field = on == (row->kind != OPTION_SWITCH_OFF);
        }
        return r;
    case OPTION_TEXT: *(const char **) field = text; return 0;
    case OPTION_LIST: list_add(field, text); return 0;
    case OPTION_INT:
    case OPTION_NUMBER: return parse_number(row, text, field, err);
    case OPTION_IGNORE:
    case OPTION_IGNORE_SWITCH: return 0;
    }
    NOT_REACHED();
}

/* 'word' is --name, --name=value, -n, -n=value or -nvalue. */
static int parse_option(struct parse *p, const char *word)
{
    bool is_long = word[1] == '-';
    const char *equals = strchr(word, '=');
    struct span name = {word + (is_long ? 2 : 1), 0};
    const struct option_row *row;
    const char *value = equals ? equals + 1 : NULL;

    name.size = equals ? (size_t) (equals - name.data) : strlen(name.data);
    row = is_long ? find_name(p->table, name) : find_letter(p->table, word[1]);
    if (!is_long && row && name.size > 1) {
        if (!takes_value(row->kind)) {
            return fail_unknown(p, word, name);
        }
        value = word + 2;
    }
    if (span_is(name, "help") || (!is_long && span_is(name, "h") && !row)) {
        return err_set(p->err, -ECANCELED, "%s", "");
    }
    if (!row) {
        if (!p->table->accept_unknown) {
            return fail_unknown(p, word, name);
        }
        if (p->unknown) {
            list_add(p->unknown, word);
        }
        if (!value && p->next < p->argc && p->argv[p->next][0] != '-') {
            p->next++;
        }
        return 0;
    }
    if (!value && takes_value(row->kind)) {
        if (p->next >= p->argc) {
            return err_set(p->err, -EINVAL, "option %s needs a value", word);
        }
        value = p->argv[p->next++];
    }
    return store(row, value, p->values, p->err);
}

int options_parse(const struct option_table *t, int argc, char **argv, void *values,
                  struct option_list *ret_arguments, struct option_list *ret_unknown,
                  struct err *err)
{
    struct parse p = {t, argc, argv, 0, values, ret_arguments, ret_unknown, err};

    while (p.next < argc) {
        const char *word = argv[p.next++];
        int r = 0;

        if (strcmp(word, "--") == 0) {
            break;
        }
        if (word[0] == '-' && word[1] != '\0') {
            r = parse_option(&p, word);
        } else {
            list_add(p.arguments, word);
        }
        if (r < 0) {
            return r;
        }
    }
    while (p.next < argc) {
        list_add(p.arguments, argv[p.next++]);
    }
    return 0;
}

void options_print_help(const struct option_table *t, struct buf *out)
{
    buf_printf(out, "Usage: %s\n", t->usage);
    if (t->about) {
        buf_printf(out, "\n%s\n", t->about);
    }
    buf_put_str(out, "\nOptions:\n");
    for (size_t i = 0; i < t->n_rows; i++) {
        const struct option_row *row = &t->rows[i];
        size_t before = buf_size(out);
        size_t used;

        if (!row->help) {
            continue;
        }
        if (row->letter) {
            buf_printf(out, "  -%c, --%s", row->letter, row->name);
        } else {
            buf_printf(out, "  --%s", row->name);
        }
        if (row->value_name) {
            buf_printf(out, " %s", row->value_name);
        }
        used = buf_size(out) - before;
        if (used + 2 > HELP_COLUMN) {
            buf_put_char(out, '\n');
            used = 0;
        }
        buf_printf(out, "%*s%s\n", (int) (HELP_COLUMN - used), "", row->help);
    }
    buf_printf(out, "%-*s%s\n", HELP_COLUMN, "  -h, --help", "show this text");
}
