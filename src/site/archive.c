// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Archives in files: written, and taken apart again. */
#include "site/archive.h"

#include "base/checked.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (64u * 1024u)
#define SHA_BYTES 32
#define SHA_TEXT (2 * SHA_BYTES + 1)
#define MANIFEST_BYTES_MAX (1u << 20)

struct site_archive {
    int fd;
    char path[PATH_MAX], temp[PATH_MAX];
    json_t *members;
};

static void hex(const uint8_t sha[SHA_BYTES], char ret[SHA_TEXT])
{
    for (unsigned i = 0; i < SHA_BYTES; i++)
        snprintf(ret + 2 * i, 3, "%02x", sha[i]);
}

static int write_all(int fd, const void *bytes, size_t len, struct gw_error *err)
{
    const uint8_t *p = bytes;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return gw_error_errno(err, -errno, "cannot write");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Exactly len bytes; -EBADMSG: the file ends before. */
static int read_all(int fd, void *bytes, size_t len, struct gw_error *err)
{
    uint8_t *p = bytes;
    while (len > 0) {
        ssize_t n = read(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return gw_error_errno(err, -errno, "cannot read");
        if (n == 0)
            return gw_error_set(err, -EBADMSG, "it is cut off");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static size_t padding(uint64_t bytes)
{
    return (SITE_ARCHIVE_BLOCK - bytes % SITE_ARCHIVE_BLOCK) % SITE_ARCHIVE_BLOCK;
}

static int sync_dir_of(const char *path, struct gw_error *err)
{
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%.*s", PATH_MAX - 1, path);
    char *slash = strrchr(dir, '/');
    if (slash != NULL)
        slash[slash == dir] = '\0';
    CLEANUP_CLOSE int fd = open(slash != NULL ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return gw_error_errno(err, -errno, "cannot make the name '%s' durable", path);
    return 0;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

int site_archive_begin(const char *path, struct site_archive **ret, struct gw_error *err)
{
    struct stat st;
    if (strlen(path) + 8 > PATH_MAX)
        return gw_error_set(err, -ENAMETOOLONG, "'%s' is too long", path);
    if (lstat(path, &st) == 0)
        return gw_error_set(err, -EEXIST, "'%s' is there already, and is not overwritten", path);
    struct site_archive *a = calloc(1, sizeof *a);
    if (a == NULL || (a->members = json_array()) == NULL) {
        free(a);
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    snprintf(a->path, sizeof a->path, "%s", path);
    snprintf(a->temp, sizeof a->temp, "%.*s.new", PATH_MAX - 8, path);
    unlink(a->temp); /* of an attempt that was cut short */
    a->fd = open(a->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (a->fd < 0) {
        int r = gw_error_errno(err, -errno, "cannot make '%s'", a->temp);
        a->temp[0] = '\0';
        site_archive_free(a);
        return r;
    }
    *ret = a;
    return 0;
}

static int begin_member(struct site_archive *a, const char *name, uint64_t bytes,
                        struct gw_error *err)
{
    struct site_archive_member m = { .bytes = bytes };
    uint8_t block[SITE_ARCHIVE_BLOCK];
    if (!site_archive_name_valid(name) || bytes > SITE_ARCHIVE_BYTES_MAX ||
        json_array_size(a->members) >= SITE_ARCHIVE_MEMBERS_MAX)
        return gw_error_set(err, -E2BIG, "'%s' does not fit into a backup", name);
    snprintf(m.name, sizeof m.name, "%.*s", SITE_ARCHIVE_NAME_MAX - 1, name);
    site_archive_header_write(&m, block);
    return write_all(a->fd, block, sizeof block, err);
}

static int end_member(struct site_archive *a, const char *name, uint64_t bytes,
                      const uint8_t sha[SHA_BYTES], struct gw_error *err)
{
    static const uint8_t zeros[SITE_ARCHIVE_BLOCK];
    char text[SHA_TEXT];
    hex(sha, text);
    if (json_array_append_new(a->members, json_pack("{s:s, s:I, s:s}", "name", name, "bytes",
                                                    (json_int_t)bytes, "sha256", text)) < 0)
        return gw_error_set(err, -ENOMEM, "out of memory");
    return write_all(a->fd, zeros, padding(bytes), err);
}

int site_archive_add(struct site_archive *a, const char *name, const void *bytes, size_t len,
                     struct gw_error *err)
{
    uint8_t sha[SHA_BYTES];
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, len, sha) < 0)
        return gw_error_set(err, -EIO, "cannot hash '%s'", name);
    int r = begin_member(a, name, len, err);
    if (r == 0)
        r = write_all(a->fd, bytes, len, err);
    return r < 0 ? r : end_member(a, name, len, sha, err);
}

static int copy_file(struct site_archive *a, int in, uint64_t bytes, gnutls_hash_hd_t hash,
                     struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = malloc(CHUNK);
    int r = buf == NULL ? gw_error_set(err, -ENOMEM, "out of memory") : 0;
    while (r == 0 && bytes > 0) {
        size_t n = (size_t)GW_MIN(bytes, (uint64_t)CHUNK);
        r = read_all(in, buf, n, err);
        if (r == 0 && gnutls_hash(hash, buf, n) < 0)
            r = gw_error_set(err, -EIO, "cannot hash");
        if (r == 0)
            r = write_all(a->fd, buf, n, err);
        bytes -= n;
    }
    return r;
}

int site_archive_add_file(struct site_archive *a, const char *name, const char *path,
                          struct gw_error *err)
{
    CLEANUP_CLOSE int in = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    gnutls_hash_hd_t hash;
    uint8_t sha[SHA_BYTES];
    if (in < 0 || fstat(in, &st) < 0)
        return gw_error_errno(err, -errno, "cannot read '%s'", path);
    int r = begin_member(a, name, (uint64_t)st.st_size, err);
    if (r < 0)
        return r;
    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
        return gw_error_set(err, -ENOMEM, "out of memory");
    r = copy_file(a, in, (uint64_t)st.st_size, hash, err);
    gnutls_hash_deinit(hash, sha);
    if (r < 0)
        return gw_error_wrap(err, "'%s'", path);
    return end_member(a, name, (uint64_t)st.st_size, sha, err);
}

int site_archive_end(struct site_archive *a, json_t *head, struct gw_error *err)
{
    static const uint8_t zeros[2 * SITE_ARCHIVE_BLOCK];
    json_t *members = json_incref(a->members);
    if (head == NULL || json_object_set_new(head, "members", members) < 0) {
        json_decref(head);
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    CLEANUP_FREE char *text = json_dumps(head, JSON_INDENT(1));
    json_object_del(head, "members"); /* it is about to be one of them */
    json_decref(head);
    int r = text == NULL ? gw_error_set(err, -ENOMEM, "out of memory")
                         : site_archive_add(a, SITE_ARCHIVE_MANIFEST, text, strlen(text), err);
    if (r == 0)
        r = write_all(a->fd, zeros, sizeof zeros, err);
    if (r == 0 && fsync(a->fd) < 0)
        r = gw_error_errno(err, -errno, "cannot make '%s' durable", a->temp);
    if (r < 0)
        return r;
    /* Some filesystems cannot rename so: there the look from before has to do. */
    if (renameat2(AT_FDCWD, a->temp, AT_FDCWD, a->path, RENAME_NOREPLACE) < 0 &&
        (errno != EINVAL || access(a->path, F_OK) == 0 || rename(a->temp, a->path) < 0))
        return gw_error_errno(err, -errno, "cannot call it '%s'", a->path);
    a->temp[0] = '\0';
    return sync_dir_of(a->path, err);
}

void site_archive_free(struct site_archive *a)
{
    if (a == NULL)
        return;
    if (a->temp[0] != '\0')
        unlink(a->temp);
    if (a->fd >= 0)
        close(a->fd);
    json_decref(a->members);
    free(a);
}

/* ---- reading ----------------------------------------------------------------------------------
 */

struct reading {
    int in;
    const char *dir;
    json_t *seen; /* name -> {"bytes", "sha256"} */
    json_t *manifest;
};

static int store_chunks(struct reading *x, int out, uint64_t bytes, gnutls_hash_hd_t hash,
                        struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = malloc(CHUNK);
    int r = buf == NULL ? gw_error_set(err, -ENOMEM, "out of memory") : 0;
    while (r == 0 && bytes > 0) {
        size_t n = (size_t)GW_MIN(bytes, (uint64_t)CHUNK);
        r = read_all(x->in, buf, n, err);
        if (r == 0 && gnutls_hash(hash, buf, n) < 0)
            r = gw_error_set(err, -EIO, "cannot hash");
        if (r == 0)
            r = write_all(out, buf, n, err);
        bytes -= n;
    }
    return r;
}

static int store_member(struct reading *x, const struct site_archive_member *m,
                        struct gw_error *err)
{
    char path[PATH_MAX], text[SHA_TEXT];
    gnutls_hash_hd_t hash;
    uint8_t sha[SHA_BYTES];
    if (json_object_get(x->seen, m->name) != NULL ||
        json_object_size(x->seen) >= SITE_ARCHIVE_MEMBERS_MAX)
        return gw_error_set(err, -EBADMSG, "it has a member twice, or too many");
    if (snprintf(path, sizeof path, "%s/%s", x->dir, m->name) >= (int)sizeof path)
        return gw_error_set(err, -ENAMETOOLONG, "'%s/%s' is too long", x->dir, m->name);
    CLEANUP_CLOSE int out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0)
        return gw_error_errno(err, -errno, "cannot make '%s'", path);
    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = store_chunks(x, out, m->bytes, hash, err);
    gnutls_hash_deinit(hash, sha);
    if (r == 0 && fsync(out) < 0)
        r = gw_error_errno(err, -errno, "cannot make '%s' durable", path);
    if (r < 0)
        return r;
    hex(sha, text);
    return json_object_set_new(
               x->seen, m->name,
               json_pack("{s:I, s:s}", "bytes", (json_int_t)m->bytes, "sha256", text)) < 0
               ? gw_error_set(err, -ENOMEM, "out of memory")
               : 0;
}

static int read_manifest(struct reading *x, uint64_t bytes, struct gw_error *err)
{
    if (bytes > MANIFEST_BYTES_MAX)
        return gw_error_set(err, -EBADMSG, "its manifest is too long");
    CLEANUP_FREE char *text = malloc(bytes + 1);
    if (text == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = read_all(x->in, text, bytes, err);
    if (r < 0)
        return r;
    x->manifest = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
    return json_is_object(x->manifest) ? 0 : gw_error_set(err, -EBADMSG, "its manifest is damaged");
}

/* Everything that is there is in the manifest, and the other way round. */
static int compare(const struct reading *x, struct gw_error *err)
{
    const json_t *members = json_object_get(x->manifest, "members");
    size_t i;
    json_t *m;
    if (json_array_size(members) != json_object_size(x->seen))
        return gw_error_set(err, -EBADMSG, "it does not have the members that it should have");
    json_array_foreach(members, i, m)
    {
        const char *name = json_string_value(json_object_get(m, "name"));
        const json_t *seen = name != NULL ? json_object_get(x->seen, name) : NULL;
        if (seen == NULL ||
            !json_equal(json_object_get(m, "bytes"), json_object_get(seen, "bytes")) ||
            !json_equal(json_object_get(m, "sha256"), json_object_get(seen, "sha256")))
            return gw_error_set(err, -EBADMSG, "'%s' is damaged in it", name != NULL ? name : "?");
    }
    return 0;
}

static int read_members(struct reading *x, struct gw_error *err)
{
    uint8_t block[SITE_ARCHIVE_BLOCK];
    while (x->manifest == NULL) {
        struct site_archive_member m;
        int r = read_all(x->in, block, sizeof block, err);
        if (r == 0)
            r = site_archive_header_read(block, &m, err);
        if (r < 0)
            return r;
        if (r == 0)
            return gw_error_set(err, -EBADMSG, "it has no manifest");
        r = strcmp(m.name, SITE_ARCHIVE_MANIFEST) == 0 ? read_manifest(x, m.bytes, err)
                                                       : store_member(x, &m, err);
        if (r == 0)
            r = read_all(x->in, block, padding(m.bytes), err);
        if (r < 0)
            return r;
    }
    return compare(x, err);
}

int site_archive_extract(const char *file, const char *dir, json_t **ret_manifest,
                         struct gw_error *err)
{
    char peers[PATH_MAX];
    CLEANUP_CLOSE int in = open(file, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return gw_error_errno(err, -errno, "cannot open '%s'", file);
    if (snprintf(peers, sizeof peers, "%s/peers", dir) >= (int)sizeof peers)
        return gw_error_set(err, -ENAMETOOLONG, "'%s' is too long", dir);
    if (mkdir(peers, 0700) < 0)
        return gw_error_errno(err, -errno, "cannot make '%s'", peers);
    struct reading x = { .in = in, .dir = dir, .seen = json_object() };
    int r = x.seen == NULL ? gw_error_set(err, -ENOMEM, "out of memory") : read_members(&x, err);
    json_decref(x.seen);
    if (r < 0) {
        json_decref(x.manifest);
        return gw_error_wrap(err, "the backup '%s'", file);
    }
    *ret_manifest = x.manifest;
    return 0;
}
