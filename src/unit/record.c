// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "unit/record.h"

#include "base/cleanup.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_LINE "godwit-unit 1"

bool gw_unit_plan_valid(const char *plan)
{
    size_t n = strlen(plan);

    if (n == 0 || n >= GW_UNIT_PLAN_MAX || plan[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (plan[i] == '/' || (unsigned char)plan[i] <= ' ' || plan[i] == 0x7f)
            return false;
    return true;
}

const char *gw_unit_kind_name(enum gw_unit_kind kind)
{
    return kind == GW_UNIT_SOURCE ? "source" : "replica";
}

/* ---- the text -------------------------------------------------------------------------------- */

size_t gw_unit_record_encode(const struct gw_unit_record *r, char ret[GW_UNIT_RECORD_BYTES_MAX])
{
    char boot[GW_UUID_TEXT];

    if (!gw_unit_plan_valid(r->plan) || strchr(r->control, '\n') != NULL)
        return 0;
    gw_uuid_format(&r->id.boot, boot);
    int n =
        snprintf(ret, GW_UNIT_RECORD_BYTES_MAX,
                 FIRST_LINE "\nplan %s\nkind %s\npid %d\nstart %" PRIu64
                            "\nboot %s\ncommand %016" PRIx64 "\nbegan %" PRIu64 "\ncontrol %s\n",
                 r->plan, gw_unit_kind_name(r->kind), (int)r->id.pid, r->id.start_ticks, boot,
                 r->command_hash, r->began_wall_ns, r->control);
    const int room = (int)GW_UNIT_RECORD_BYTES_MAX - n;
    if (n < 0 || room <= 0)
        return 0;
    int m = snprintf(ret + n, (size_t)room, "sum %016" PRIx64 "\n", gw_hash64(ret, (size_t)n, 0));
    return m > 0 && m < room ? (size_t)(n + m) : 0;
}

struct lines {
    const char *p, *end;
};

/* The value of the next line, which must be of this key: 0, and a copy with a NUL. */
static bool next(struct lines *l, const char *key, char *ret, size_t cap)
{
    const size_t n = strlen(key);
    const char *nl = l->p < l->end ? memchr(l->p, '\n', (size_t)(l->end - l->p)) : NULL;

    if (nl == NULL || (size_t)(nl - l->p) <= n || memcmp(l->p, key, n) != 0 || l->p[n] != ' ')
        return false;
    const char *value = l->p + n + 1;
    const size_t len = (size_t)(nl - value);
    if (len >= cap || memchr(value, '\0', len) != NULL)
        return false;
    memcpy(ret, value, len);
    ret[len] = '\0';
    l->p = nl + 1;
    return true;
}

static bool next_number(struct lines *l, const char *key, int base, uint64_t max, uint64_t *ret)
{
    char text[32], *end = NULL;

    if (!next(l, key, text, sizeof text) || text[0] < '0' || text[0] > 'f')
        return false;
    errno = 0;
    uint64_t v = strtoull(text, &end, base);
    if (errno != 0 || *end != '\0' || v > max)
        return false;
    *ret = v;
    return true;
}

static bool next_kind(struct lines *l, enum gw_unit_kind *ret)
{
    char text[16];

    if (!next(l, "kind", text, sizeof text))
        return false;
    for (enum gw_unit_kind k = GW_UNIT_SOURCE; k <= GW_UNIT_REPLICA; k++) {
        if (strcmp(text, gw_unit_kind_name(k)) == 0) {
            *ret = k;
            return true;
        }
    }
    return false;
}

static bool parse(struct lines *l, struct gw_unit_record *r)
{
    char boot[GW_UUID_TEXT], first[8];
    uint64_t pid;

    if (!next(l, "godwit-unit", first, sizeof first) || strcmp(first, "1") != 0 ||
        !next(l, "plan", r->plan, sizeof r->plan) || !gw_unit_plan_valid(r->plan) ||
        !next_kind(l, &r->kind) || !next_number(l, "pid", 10, INT_MAX, &pid) || pid == 0 ||
        !next_number(l, "start", 10, UINT64_MAX, &r->id.start_ticks) ||
        !next(l, "boot", boot, sizeof boot) || !gw_uuid_parse(boot, &r->id.boot) ||
        !next_number(l, "command", 16, UINT64_MAX, &r->command_hash) ||
        !next_number(l, "began", 10, UINT64_MAX, &r->began_wall_ns) ||
        !next(l, "control", r->control, sizeof r->control))
        return false;
    r->id.pid = (pid_t)pid;
    return true;
}

int gw_unit_record_decode(const char *text, size_t len, struct gw_unit_record *ret,
                          struct gw_error *err)
{
    struct lines l = { .p = text, .end = text + len };
    struct gw_unit_record r = { .plan = "" };
    uint64_t sum;

    if (!parse(&l, &r))
        return gw_error_set(err, -EBADMSG, "it is not the record of a unit, or damaged");
    const size_t summed = (size_t)(l.p - text);
    if (!next_number(&l, "sum", 16, UINT64_MAX, &sum) || l.p != l.end ||
        sum != gw_hash64(text, summed, 0))
        return gw_error_set(err, -EBADMSG, "its checksum does not fit: it is damaged");
    *ret = r;
    return 0;
}

/* ---- the file -------------------------------------------------------------------------------- */

static int sync_directory_of(const char *path, struct gw_error *err)
{
    char dir[PATH_MAX];

    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash == NULL)
        snprintf(dir, sizeof dir, ".");
    else
        slash[slash == dir ? 1 : 0] = '\0';
    CLEANUP_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return gw_error_errno(err, -errno, "cannot make the directory %s durable", dir);
    return 0;
}

static int write_temp(const char *path, const char *data, size_t len, struct gw_error *err)
{
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return gw_error_errno(err, -errno, "cannot create %s", path);
    ssize_t n = write(fd, data, len);
    if (n < 0)
        return gw_error_errno(err, -errno, "cannot write %s", path);
    if (n != (ssize_t)len)
        return gw_error_set(err, -ENOSPC, "cannot write %s: no room", path);
    return fsync(fd) < 0 ? gw_error_errno(err, -errno, "cannot make %s durable", path) : 0;
}

int gw_unit_file_write(const char *path, const char *data, size_t len, struct gw_error *err)
{
    char temp[PATH_MAX];

    if (snprintf(temp, sizeof temp, "%s.new", path) >= (int)sizeof temp)
        return gw_error_set(err, -ENAMETOOLONG, "the path %s is too long", path);
    int r = write_temp(temp, data, len, err);
    if (r == 0 && rename(temp, path) < 0)
        r = gw_error_errno(err, -errno, "cannot replace %s", path);
    if (r == 0)
        r = sync_directory_of(path, err);
    if (r < 0)
        unlink(temp);
    return r;
}

int gw_unit_record_write(const char *path, const struct gw_unit_record *r, struct gw_error *err)
{
    char text[GW_UNIT_RECORD_BYTES_MAX];
    size_t len = gw_unit_record_encode(r, text);

    if (len == 0)
        return gw_error_set(err, -EINVAL, "the record of plan %s does not fit", r->plan);
    return gw_unit_file_write(path, text, len, err);
}

int gw_unit_record_read(const char *path, struct gw_unit_record *ret, struct gw_error *err)
{
    char text[GW_UNIT_RECORD_BYTES_MAX + 1];
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return gw_error_errno(err, -errno, "cannot open %s", path);
    ssize_t n = read(fd, text, sizeof text);
    if (n < 0)
        return gw_error_errno(err, -errno, "cannot read %s", path);
    int r = gw_unit_record_decode(text, (size_t)n, ret, err);
    return r < 0 ? gw_error_wrap(err, "%s", path) : 0;
}
