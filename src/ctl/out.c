// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "ctl/out.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/size.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LABEL_WIDTH 14
#define CELL_MAX 128
#define COLUMNS_MAX 12
#define BAR_WIDTH 30
#define BAR_NS (100 * GW_NS_PER_MS)
#define LINE_NS (5 * GW_NS_PER_S)

const json_t *ctl_at(const json_t *o, const char *path)
{
    while (o != NULL) {
        size_t n = strcspn(path, ".");
        char key[64];
        if (n >= sizeof key)
            return NULL;
        memcpy(key, path, n);
        key[n] = '\0';
        o = json_object_get(o, key);
        if (path[n] == '\0')
            break;
        path += n + 1;
    }
    return o;
}

const char *ctl_text(const json_t *o, const char *path)
{
    const char *s = json_string_value(ctl_at(o, path));
    return s != NULL ? s : "";
}

uint64_t ctl_number(const json_t *o, const char *path)
{
    const json_t *v = ctl_at(o, path);
    if (json_is_real(v))
        return json_real_value(v) > 0 ? (uint64_t)json_real_value(v) : 0;
    return json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
}

bool ctl_true(const json_t *o, const char *path)
{
    return json_is_true(ctl_at(o, path));
}

void ctl_row(const char *label, const char *fmt, ...)
{
    printf("%-*s ", LABEL_WIDTH, label);
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void ctl_say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

/* A text is shown whole, however long: the end of a sentence is its way out. `buf` is for the rest.
 */
static const char *cell(const struct ctl_column *c, const json_t *row, char buf[CELL_MAX])
{
    const json_t *v = ctl_at(row, c->key);
    buf[0] = '\0';
    if (v == NULL || json_is_null(v))
        return "-";
    switch (c->kind) {
    case CTL_KIND_TEXT:
        return json_string_length(v) > 0 ? json_string_value(v) : "-";
    case CTL_KIND_NUMBER:
        snprintf(buf, CELL_MAX, "%llu", (unsigned long long)ctl_number(row, c->key));
        break;
    case CTL_KIND_BYTES: {
        char size[GW_SIZE_TEXT];
        gw_size_format(ctl_number(row, c->key), size);
        snprintf(buf, CELL_MAX, "%s", size);
        break;
    }
    case CTL_KIND_BOOL:
        return json_is_true(v) ? "yes" : "no";
    case CTL_KIND_UUID:
        snprintf(buf, CELL_MAX, "%.8s", json_is_string(v) ? json_string_value(v) : "?");
        break;
    }
    return buf;
}

static void print_cell(const struct ctl_column *c, const char *text, int width, bool last)
{
    bool right = c->kind == CTL_KIND_NUMBER || c->kind == CTL_KIND_BYTES;
    if (last && !right)
        printf("%s\n", text); /* no blanks at the end of a line */
    else
        printf(right ? "%*s%s" : "%-*s%s", width, text, last ? "\n" : "  ");
}

void ctl_table(const struct ctl_column *columns, size_t n, const json_t *rows)
{
    int width[COLUMNS_MAX];
    char buf[CELL_MAX];
    n = GW_MIN(n, (size_t)COLUMNS_MAX);
    if (json_array_size(rows) == 0)
        return;
    for (size_t k = 0; k < n; k++) {
        width[k] = (int)strlen(columns[k].header);
        for (size_t i = 0; i < json_array_size(rows); i++) {
            const char *text = cell(&columns[k], json_array_get(rows, i), buf);
            width[k] = GW_MAX(width[k], (int)strlen(text));
        }
    }
    for (size_t k = 0; k < n; k++)
        print_cell(&columns[k], columns[k].header, width[k], k + 1 == n);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        for (size_t k = 0; k < n; k++) {
            const char *text = cell(&columns[k], json_array_get(rows, i), buf);
            print_cell(&columns[k], text, width[k], k + 1 == n);
        }
    }
}

void ctl_duration_format(double seconds, char ret[CTL_DURATION_TEXT])
{
    unsigned long long s = seconds > 0 && seconds < 1e12 ? (unsigned long long)(seconds + 0.5) : 0;
    if (seconds < 1)
        snprintf(ret, CTL_DURATION_TEXT, "%.0f ms", seconds > 0 ? seconds * 1000 : 0);
    else if (s < 60)
        snprintf(ret, CTL_DURATION_TEXT, "%llu s", s);
    else if (s < 3600)
        snprintf(ret, CTL_DURATION_TEXT, "%llu min %llu s", s / 60, s % 60);
    else
        snprintf(ret, CTL_DURATION_TEXT, "%llu h %llu min", s / 3600, s / 60 % 60);
}

void ctl_progress(struct ctl_progress *p, uint64_t done, uint64_t total)
{
    uint64_t now = gw_boot_ns();
    bool terminal = isatty(STDERR_FILENO) == 1;
    if (p->begin_ns == 0) {
        p->begin_ns = now;
        p->begin_bytes = done;
        if (!terminal) {
            p->last_ns = now; /* what is quick needs no lines */
            return;
        }
    } else if (now - p->last_ns < (terminal ? BAR_NS : LINE_NS)) {
        return;
    }
    p->last_ns = now;
    if (p->quiet)
        return;
    char a[GW_SIZE_TEXT], b[GW_SIZE_TEXT], r[GW_SIZE_TEXT], eta[CTL_DURATION_TEXT] = "?";
    double passed = (double)(now - p->begin_ns) / (double)GW_NS_PER_S;
    double rate =
        passed > 0 && done > p->begin_bytes ? (double)(done - p->begin_bytes) / passed : 0;
    double share = total > 0 ? GW_MIN((double)done / (double)total, 1.0) : 0;
    gw_size_format(done, a);
    gw_size_format(total, b);
    gw_size_format((uint64_t)rate, r);
    if (rate > 0)
        ctl_duration_format(total > done ? (double)(total - done) / rate : 0, eta);
    if (terminal) {
        static const char hashes[] = "##############################";
        int full = (int)(share * BAR_WIDTH);
        fprintf(stderr, "\r%s [%.*s%*s] %3.0f %%  %s of %s  %s/s  %s left \033[K", p->what, full,
                hashes, BAR_WIDTH - full, "", share * 100, a, b, r, eta);
        p->drawn = true;
    } else {
        fprintf(stderr, "%s: %.0f %%, %s of %s, %s/s, %s left\n", p->what, share * 100, a, b, r,
                eta);
    }
}

void ctl_progress_end(struct ctl_progress *p)
{
    if (p->drawn)
        fprintf(stderr, "\r\033[K");
    p->drawn = false;
}
