// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/bundle.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "engine/limits.h"
#include "engine/meta.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Magic, format and length; the checksum follows the fields. */
#define ENVELOPE_HEAD_BYTES (GW_BUNDLE_MAGIC_BYTES + 8u)

bool gw_bundle_id_ok(const char *id)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._-";
    size_t len = strnlen(id, GW_ID_MAX);
    return len > 0 && len < GW_ID_MAX && id[0] != '.' && strspn(id, allowed) == len;
}

int gw_bundle_id_check(const char *what, const char *id, struct gw_error *err)
{
    if (gw_bundle_id_ok(id))
        return 0;
    return gw_error_set(err, -EINVAL,
                        "'%.80s' cannot be the id of %s: use 1 to 63 letters, digits, dots, "
                        "dashes and underscores, not starting with a dot",
                        id, what);
}

int gw_path(struct gw_path *ret, struct gw_error *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(ret->text, sizeof ret->text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof ret->text)
        return 0;
    return gw_error_set(err, -ENAMETOOLONG, "path '%.80s...' is longer than %zu bytes", ret->text,
                        sizeof ret->text - 1);
}

/* ---- names ----------------------------------------------------------------------------------- */

static int names_add(void *arg, const char *name)
{
    struct gw_names *names = arg;
    char **grown = realloc(names->name, (names->n + 1) * sizeof *grown);
    if (grown == NULL)
        return -ENOMEM;
    names->name = grown;
    char *copy = strdup(name);
    if (copy == NULL)
        return -ENOMEM;
    names->name[names->n++] = copy;
    return 0;
}

int gw_names_list(struct gw_io *io, const char *path, struct gw_names *ret, struct gw_error *err)
{
    struct gw_names names = { 0 };
    int r = gw_io_list(io, path, names_add, &names);
    if (r < 0 && r != -ENOENT) {
        gw_names_done(&names);
        return gw_error_errno(err, r, "cannot list directory %s", path);
    }
    *ret = names;
    return 0;
}

void gw_names_done(struct gw_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->name[i]);
    free(names->name);
    *names = (struct gw_names){ 0 };
}

/* ---- directories ----------------------------------------------------------------------------- */

int gw_file_exists(struct gw_io *io, const char *path)
{
    CLEANUP_FILE struct gw_file *f = NULL;
    int r = gw_io_open(io, path, GW_OPEN_RDONLY, &f);
    /* A name below something that is no directory is as absent as a name that is not there. */
    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    return r < 0 ? r : 1;
}

int gw_bundle_make_dir(struct gw_io *io, const char *parent, const char *path, struct gw_error *err)
{
    int r = gw_io_mkdir(io, path);
    if (r < 0)
        return gw_error_errno(err, r, "cannot make directory %s", path);
    r = gw_io_sync_dir(io, parent);
    if (r < 0) {
        gw_io_rmdir(io, path);
        return gw_error_errno(err, r, "cannot sync directory %s", parent);
    }
    return 0;
}

int gw_bundle_make_parent(struct gw_io *io, const char *dir, const char *kind, struct gw_error *err)
{
    struct gw_path path;
    int r = gw_path(&path, err, "%s/%s", dir, kind);
    if (r < 0)
        return r;
    r = gw_io_mkdir(io, path.text);
    if (r < 0 && r != -EEXIST)
        return gw_error_errno(err, r, "cannot make directory %s", path.text);
    /* Also when it was there: who made it may have crashed before its name was durable. */
    r = gw_io_sync_dir(io, dir);
    if (r < 0)
        return gw_error_errno(err, r, "cannot sync directory %s", dir);
    return 0;
}

int gw_bundle_remove_dir(struct gw_io *io, const char *path,
                         void (*before)(struct gw_io *io, const char *path), struct gw_error *err)
{
    CLEANUP_NAMES struct gw_names names = { 0 };
    int r = gw_names_list(io, path, &names, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < names.n; i++) {
        struct gw_path file;
        r = gw_path(&file, err, "%s/%s", path, names.name[i]);
        if (r < 0)
            return r;
        if (before != NULL)
            before(io, file.text);
        r = gw_io_unlink(io, file.text);
        if (r < 0 && r != -ENOENT)
            return gw_error_errno(err, r, "cannot remove file %s", file.text);
    }
    /* Files go before the directory on the disk, too: none may come back below a lost name. */
    r = gw_io_sync_dir(io, path);
    if (r == 0)
        r = gw_io_rmdir(io, path);
    if (r < 0 && r != -ENOENT)
        return gw_error_errno(err, r, "cannot remove directory %s", path);
    return 0;
}

int gw_bundle_sweep(struct gw_io *io, const char *dir, const char *kind,
                    void (*before)(struct gw_io *io, const char *path), struct gw_error *err)
{
    struct gw_path parent;
    int r = gw_path(&parent, err, "%s/%s", dir, kind);
    if (r < 0)
        return r;
    CLEANUP_NAMES struct gw_names names = { 0 };
    r = gw_names_list(io, parent.text, &names, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < names.n; i++) {
        if (!gw_bundle_id_ok(names.name[i]))
            continue;
        struct gw_path manifest, path;
        if ((r = gw_path(&path, err, "%s/%s", parent.text, names.name[i])) < 0 ||
            (r = gw_path(&manifest, err, "%s/" GW_BUNDLE_MANIFEST, path.text)) < 0)
            return r;
        r = gw_file_exists(io, manifest.text);
        /* Only a manifest that is certainly absent condemns what is beside it. */
        if (r < 0)
            return gw_error_errno(err, r, "cannot look at %s", manifest.text);
        if (r == 0)
            r = gw_bundle_remove_dir(io, path.text, before, err);
        if (r < 0 && r != -ENOTDIR) /* a plain file in our directory is not ours to remove */
            return r;
    }
    return 0;
}

/* ---- envelope -------------------------------------------------------------------------------- */

struct gw_writer gw_bundle_begin(uint8_t *buf, size_t cap, const char *magic)
{
    struct gw_writer w = gw_writer(buf, cap);
    gw_put_bytes(&w, magic, GW_BUNDLE_MAGIC_BYTES);
    gw_put_u32(&w, GW_FORMAT);
    gw_put_u32(&w, 0); /* the length, known at the end */
    return w;
}

size_t gw_bundle_end(struct gw_writer *w)
{
    size_t total = w->pos + 8;
    if (w->failed || total > w->len || total > UINT32_MAX)
        return 0;
    struct gw_writer length = gw_writer(w->data + GW_BUNDLE_MAGIC_BYTES + 4, 4);
    gw_put_u32(&length, (uint32_t)total);
    gw_put_u64(w, gw_hash64(w->data, total - 8, 0));
    return w->failed ? 0 : total;
}

bool gw_bundle_check(const uint8_t *buf, size_t len, const char *magic, struct gw_reader *ret)
{
    if (len < ENVELOPE_HEAD_BYTES + 8 || memcmp(buf, magic, GW_BUNDLE_MAGIC_BYTES) != 0)
        return false;
    struct gw_reader head = gw_reader(buf + GW_BUNDLE_MAGIC_BYTES, 8);
    struct gw_reader sum = gw_reader(buf + len - 8, 8);
    uint32_t format = gw_get_u32(&head);
    if (format == 0 || format > GW_FORMAT || gw_get_u32(&head) != len ||
        gw_get_u64(&sum) != gw_hash64(buf, len - 8, 0))
        return false;
    *ret = gw_reader(buf + ENVELOPE_HEAD_BYTES, len - ENVELOPE_HEAD_BYTES - 8);
    return true;
}

int gw_bundle_read(struct gw_io *io, const char *dir, const char *kind, const char *id,
                   const char *magic, size_t max, uint8_t **ret, size_t *ret_len,
                   struct gw_error *err)
{
    struct gw_path path;
    int r = gw_path(&path, err, "%s/%s/%s/" GW_BUNDLE_MANIFEST, dir, kind, id);
    if (r < 0)
        return r;
    CLEANUP_FREE uint8_t *buf = NULL;
    size_t len = 0;
    r = gw_io_read_all(io, path.text, max, &buf, &len, err);
    if (r < 0)
        return r;
    struct gw_reader head = gw_reader(buf, len);
    const uint8_t *m = gw_get_view(&head, GW_BUNDLE_MAGIC_BYTES);
    uint32_t format = gw_get_u32(&head);
    if (m != NULL && memcmp(m, magic, GW_BUNDLE_MAGIC_BYTES) == 0 && format > GW_FORMAT)
        return gw_error_set(err, -EPROTONOSUPPORT,
                            "%s was written by a newer godwit (format %u, this one knows %u): use "
                            "the newer version",
                            path.text, format, GW_FORMAT);
    struct gw_reader fields;
    if (!gw_bundle_check(buf, len, magic, &fields))
        return gw_error_set(err, -EBADMSG,
                            "%s is damaged (wrong magic, length or checksum): restore it from a "
                            "backup, or remove its directory to give it up",
                            path.text);
    *ret = buf;
    *ret_len = len;
    buf = NULL;
    return 0;
}

/* ---- volume table ---------------------------------------------------------------------------- */

static bool volume_ok(const struct gw_side_volume *v)
{
    size_t len = strnlen(v->name, sizeof v->name);
    return len > 0 && len < sizeof v->name && v->name[0] != '.' && strchr(v->name, '/') == NULL &&
           v->bytes <= GW_VOLUME_BYTES_MAX;
}

bool gw_volumes_ok(const struct gw_side_volume *v, uint32_t n)
{
    if (n > GW_VOLUMES_MAX)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (!volume_ok(&v[i]))
            return false;
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(v[i].name, v[j].name) == 0)
                return false;
        }
    }
    return true;
}

void gw_volumes_put(struct gw_writer *w, const struct gw_side_volume *v, uint32_t n)
{
    if (!gw_volumes_ok(v, n)) {
        w->failed = true;
        return;
    }
    gw_put_u32(w, n);
    for (uint32_t i = 0; i < n; i++) {
        gw_put_bytes(w, v[i].uuid.b, sizeof v[i].uuid.b);
        gw_put_u64(w, v[i].bytes);
        gw_put_text(w, v[i].name, GW_VOLUME_NAME_MAX);
    }
}

void gw_volumes_get(struct gw_reader *r, struct gw_side_volume *ret, uint32_t *ret_n)
{
    uint32_t n = gw_get_u32(r);
    if (n > GW_VOLUMES_MAX) {
        r->failed = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        gw_get_bytes(r, ret[i].uuid.b, sizeof ret[i].uuid.b);
        ret[i].bytes = gw_get_u64(r);
        gw_get_text(r, ret[i].name, GW_VOLUME_NAME_MAX);
    }
    if (!r->failed && !gw_volumes_ok(ret, n))
        r->failed = true;
    *ret_n = n;
}
