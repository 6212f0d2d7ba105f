// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* `plan check`: the volumes at this site. */
#include "base/size.h"
#include "site/documents.h"
#include "site/findings.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define VALUE_MAX (PATH_MAX + 160)
#define CLONED_BYTES 4096u /* of a volume, to see whether its filesystem can */

static uint64_t size_of(int fd, const struct stat *st)
{
    uint64_t bytes = 0;
    if (S_ISBLK(st->st_mode) && ioctl(fd, BLKGETSIZE64, &bytes) == 0)
        return bytes;
    return (uint64_t)st->st_size;
}

/* The directory of a path; "" where there is no room for it. */
static void parent_of(const char *path, char ret[PATH_MAX])
{
    snprintf(ret, PATH_MAX, "%s", path);
    char *slash = strrchr(ret, '/');
    if (slash == NULL)
        ret[0] = '\0';
    else
        slash[slash == ret ? 1 : 0] = '\0';
}

/* ---- used by another plan ---------------------------------------------------------------------
 */

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    if (strcmp(a, b) == 0)
        return true;
    if (stat(a, &x) < 0 || stat(b, &y) < 0)
        return false;
    return (S_ISBLK(x.st_mode) && S_ISBLK(y.st_mode) && x.st_rdev == y.st_rdev) ||
           (x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* The other plan of this site that has the path as a volume: its name into ret, or "". */
static void other_user(const struct site_findings *f, const char *path, char ret[SITE_NAME_TEXT])
{
    struct site *s = f->site;
    ret[0] = '\0';
    pthread_mutex_lock(&s->mu);
    struct site_plan *p = s->plans;
    pthread_mutex_unlock(&s->mu);
    for (; p != NULL && ret[0] == '\0'; p = p->next) {
        if (p->gone || strcmp(p->name, f->plan->plan) == 0)
            continue;
        CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
        for (size_t i = 0; i < doc->plan->n_volumes; i++) {
            const char *theirs = gw_planfile_path(doc->plan, &doc->plan->volumes[i], s->name);
            if (theirs != NULL && same_file(theirs, path))
                snprintf(ret, SITE_NAME_TEXT, "%s", p->name);
        }
    }
}

/* ---- reflinks ---------------------------------------------------------------------------------
 */

/* Could a clone of it be made in the state directory? With a file that has no name. */
static bool can_clone(const struct site_findings *f, int volume)
{
    CLEANUP_CLOSE int to =
        open(f->site->state_dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
    const struct file_clone_range range = { .src_fd = volume, .src_length = CLONED_BYTES };
    return to >= 0 && ioctl(to, FICLONERANGE, &range) == 0;
}

static void check_reflinks(const struct site_findings *f, const char *name, int volume)
{
    char check[96];
    snprintf(check, sizeof check, "reflinks of %s", name);
    bool can = can_clone(f, volume), wanted = f->plan->checks.data.n > 0;
    site_finding_add(f, check, can || !wanted,
                     can      ? "recovery points and clones are made at once"
                     : wanted ? "none to the state directory: checks.data cannot have its clones"
                              : "none to the state directory: recovery points are full copies",
                     can || !wanted ? "" : "put state_dir and volumes on one XFS or btrfs");
}

/* ---- one volume -------------------------------------------------------------------------------
 */

/* A plan that is protected here makes and grows volumes by itself. */
static bool makes_volumes(const struct site_findings *f)
{
    struct site_plan *p;
    struct gw_error none = { 0 };
    if (site_plan_find(f->site, f->plan->plan, &p, &none) < 0)
        return false;
    CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL;
    uint64_t age;
    site_sides(f->site, p, &ours, &theirs, &age);
    return site_true(ours, "activated");
}

/* It is not there yet. At home it has to be: it is what is protected. */
static void check_absent(const struct site_findings *f, const char *check, const char *path,
                         uint64_t bytes)
{
    char dir[PATH_MAX], value[VALUE_MAX], want[GW_SIZE_TEXT], room[GW_SIZE_TEXT];
    struct statvfs fs;
    parent_of(path, dir);
    gw_size_format(bytes, want);
    if (strcmp(f->plan->home, f->site->name) == 0 && !makes_volumes(f)) {
        snprintf(value, sizeof value, "'%s': %s", path, strerror(ENOENT));
        site_finding_add(f, check, false, value, "make it, or correct volumes.at");
    } else if (access(dir, W_OK | X_OK) < 0 || statvfs(dir, &fs) < 0) {
        snprintf(value, sizeof value, "'%s' cannot be made in '%s': %s", path, dir,
                 strerror(errno));
        site_finding_add(f, check, false, value, "make the directory, or correct volumes.at");
    } else {
        uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
        gw_size_format(free_bytes, room);
        snprintf(value, sizeof value, "'%s' will be made, %s; %s are free there", path, want, room);
        site_finding_add(f, check, free_bytes >= bytes, value,
                         free_bytes >= bytes ? "" : "make room, or choose another place");
    }
}

static void check_size(const struct site_findings *f, const char *check, const char *path,
                       uint64_t want_bytes, uint64_t have_bytes)
{
    char value[VALUE_MAX], want[GW_SIZE_TEXT], have[GW_SIZE_TEXT];
    bool grows = have_bytes < want_bytes && makes_volumes(f), same = have_bytes == want_bytes;
    gw_size_format(want_bytes, want);
    gw_size_format(have_bytes, have);
    snprintf(value, sizeof value, "'%s' has %s, %s %s", path, have,
             grows ? "and grows to" : "the plan says", want);
    site_finding_add(f, check, same || grows, value,
                     same || grows ? "" : "give the volume its real size");
}

static void check_volume(const struct site_findings *f, const struct gw_planfile_volume *v)
{
    const char *path = gw_planfile_path(f->plan, v, f->site->name);
    char check[96], value[VALUE_MAX], user[SITE_NAME_TEXT];
    struct stat st;
    snprintf(check, sizeof check, "volume %s", v->name);
    other_user(f, path, user);
    if (user[0] != '\0') {
        snprintf(value, sizeof value, "'%s' is a volume of plan '%s'", path, user);
        site_finding_add(f, check, false, value, "give each plan volumes of its own");
        return;
    }
    if (stat(path, &st) < 0 && errno == ENOENT) {
        check_absent(f, check, path, v->size_bytes);
        return;
    }
    /* A pipe, or a device without a medium: an open of it must not wait. */
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0 || access(path, W_OK) < 0) {
        snprintf(value, sizeof value, "'%s': %s", path, strerror(errno));
        site_finding_add(f, check, false, value,
                         "let godwitd read and write it, or correct "
                         "volumes.at");
    } else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        snprintf(value, sizeof value, "'%s' is neither a file nor a block device", path);
        site_finding_add(f, check, false, value, "correct volumes.at");
    } else {
        check_size(f, check, path, v->size_bytes, size_of(fd, &st));
        check_reflinks(f, v->name, fd);
    }
}

void site_findings_volumes(const struct site_findings *f)
{
    for (size_t i = 0; i < f->plan->n_volumes; i++)
        check_volume(f, &f->plan->volumes[i]);
}
