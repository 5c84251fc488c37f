/* SPDX-License-Identifier: Apache-2.0 */
#include "node/logs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* Ray's defaults. */
enum { ROTATE_SIZE = 512 * 1024 * 1024, N_BACKUPS = 5, MAX_BACKUPS = 100 };

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    char *end = NULL;
    uint64_t value = text ? strtoull(text, &end, 10) : 0;

    return value > 0 && end && *end == '\0' ? value : otherwise;
}

void logs_init(struct logs *l, const char *session_dir, bool to_stdout)
{
    *l = (struct logs){.folder = mem_printf("%s/logs", session_dir),
                       .has_terminal = to_stdout,
                       .rotate_size = setting("RAY_ROTATION_MAX_BYTES", ROTATE_SIZE)};
    l->n_backups = (unsigned) MIN(setting("RAY_ROTATION_BACKUP_COUNT", N_BACKUPS), MAX_BACKUPS);
    l->terminal.fd = -1;
    if (to_stdout) {
        pipe_writer_open(&l->terminal, STDOUT_FILENO);
    }
}

void logs_deinit(struct logs *l)
{
    pipe_writer_close(&l->terminal);
    free(l->folder);
    l->folder = NULL;
}

char *log_file_name(const char *text)
{
    char *name = mem_strdup(text);

    for (char *c = name; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~' || strchr("<>:\"/\\|?*", *c)) {
            *c = '_';
        }
    }
    return name;
}

static void open_file(struct log_sink *s)
{
    s->file = fopen(s->path, "ae");
    if (!s->file) {
        log_warn("a log file cannot be opened", "path=%s error=%s", s->path,
                 strerrordesc_np(errno));
        return;
    }
    (void) setvbuf(s->file, NULL, _IONBF, 0);
    s->size = (uint64_t) MAX(ftell(s->file), 0L);
}

static void rotate(struct log_sink *s)
{
    (void) fclose(s->file);
    for (unsigned i = s->logs->n_backups; i-- > 0;) {
        char *from CLEANUP(mem_freep) =
            i == 0 ? mem_strdup(s->path) : mem_printf("%s.%u", s->path, i);
        char *to CLEANUP(mem_freep) = mem_printf("%s.%u", s->path, i + 1);

        (void) rename(from, to);
    }
    open_file(s);
}

void log_sink_open(struct log_sink *s, struct logs *logs, const char *name, const char *link,
                   const char *label, unsigned pid, enum log_show show)
{
    *s = (struct log_sink){.logs = logs,
                           .path = mem_printf("%s/%s", logs->folder, name),
                           .prefix = mem_printf("(%s pid=%u) ", label, pid),
                           .show = logs->has_terminal ? show : LOG_SHOW_NOTHING};
    lines_init(&s->lines);
    tail_init(&s->tail);
    open_file(s);
    if (link) {
        char *path CLEANUP(mem_freep) = mem_printf("%s/%s", logs->folder, link);

        (void) unlink(path);
        if (symlink(name, path) < 0) {
            log_warn("a log file has no short name", "path=%s", path);
        }
    }
}

static void show_line(void *user, struct span line)
{
    struct log_sink *s = user;
    struct buf text;
    bool is_quiet = line.size >= 5 &&
                    (memcmp(line.data, "INFO ", 5) == 0 || memcmp(line.data, "DEBUG", 5) == 0);

    if (s->show == LOG_SHOW_WARNINGS && is_quiet) {
        return;
    }
    buf_init(&text);
    buf_put_str(&text, s->prefix);
    buf_put_span(&text, line);
    buf_put_char(&text, '\n');
    pipe_writer_put(&s->logs->terminal, buf_span(&text));
    buf_deinit(&text);
}

void log_sink_feed(struct log_sink *s, struct span data)
{
    if (s->file) {
        s->size += fwrite(data.data, 1, data.size, s->file);
        if (s->size > s->logs->rotate_size) {
            rotate(s);
        }
    }
    tail_feed(&s->tail, data);
    if (s->show != LOG_SHOW_NOTHING) {
        lines_feed(&s->lines, data, show_line, s);
    }
}

void log_sink_close(struct log_sink *s)
{
    if (!s->path) {
        return;
    }
    if (s->show != LOG_SHOW_NOTHING) {
        lines_end(&s->lines, show_line, s);
    }
    if (s->file) {
        (void) fclose(s->file);
    }
    lines_deinit(&s->lines);
    tail_deinit(&s->tail);
    free(s->path);
    free(s->prefix);
    *s = (struct log_sink){0};
}
