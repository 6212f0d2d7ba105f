// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* `plan check`: does the world at this site fit the plan? */
#include "base/size.h"
#include "control/message.h"
#include "site/edits.h"
#include "site/mates.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static void add(json_t *out, const char *check, bool ok, const char *value, const char *fix)
{
    json_array_append_new(out, json_pack("{s:s, s:b, s:o, s:o}", "check", check, "ok", ok, "value",
                                         gw_control_text(value), "fix", gw_control_text(fix)));
}

static uint64_t size_of(int fd, const struct stat *st)
{
    uint64_t bytes = 0;
    if (S_ISBLK(st->st_mode) && ioctl(fd, BLKGETSIZE64, &bytes) == 0)
        return bytes;
    return (uint64_t)st->st_size;
}

/* `protected`: the plan is, and both sites make what is new themselves. */
static void check_volume(json_t *out, const struct gw_planfile_volume *v, const char *path,
                         bool active, bool protected)
{
    char check[96], value[PATH_MAX + 80], want[GW_SIZE_TEXT], have[GW_SIZE_TEXT];
    struct stat st;
    snprintf(check, sizeof check, "volume %s", v->name);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    gw_size_format(v->size_bytes, want);
    if (fd < 0 && errno == ENOENT && (!active || protected)) {
        snprintf(value, sizeof value, "'%s' will be made, %s", path, want);
        add(out, check, true, value, "");
    } else if (fd < 0 || fstat(fd, &st) < 0) {
        snprintf(value, sizeof value, "'%s': %s", path, strerror(errno));
        add(out, check, false, value, "make it, or correct volumes.at");
    } else {
        gw_size_format(size_of(fd, &st), have);
        bool same = size_of(fd, &st) == v->size_bytes;
        if (protected && S_ISREG(st.st_mode) && size_of(fd, &st) < v->size_bytes) {
            snprintf(value, sizeof value, "'%s' has %s and will be made %s", path, have, want);
            add(out, check, true, value, "");
            return;
        }
        snprintf(value, sizeof value, "'%s' has %s, the plan says %s", path, have, want);
        add(out, check, same, value, same ? "" : "give the volume its real size");
    }
}

static void check_room(json_t *out, const struct site *s, const struct gw_planfile *plan)
{
    struct statvfs fs;
    char value[96], room[GW_SIZE_TEXT];
    if (statvfs(s->state_dir, &fs) < 0)
        return;
    uint64_t bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    gw_size_format(bytes, room);
    snprintf(value, sizeof value, "%s free in the state directory", room);
    add(out, "room", bytes > plan->journal.size_bytes, value,
        bytes > plan->journal.size_bytes ? "" : "less than journal.size: make room or lower it");
}

static void check_peer(json_t *out, struct site *s, const char *peer)
{
    struct site_mate_state m;
    site_mate_state(s, peer, &m);
    add(out, "peer", m.reachable, m.reachable ? "answers" : m.why,
        m.reachable ? "" : "godwit site test names the layer that fails");
}

static bool is_protected(struct site *s, const char *plan)
{
    struct site_plan *p;
    struct gw_error none = { 0 };
    CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL;
    uint64_t age;
    if (site_plan_find(s, plan, &p, &none) < 0)
        return false;
    site_sides(s, p, &ours, &theirs, &age);
    return site_true(ours, "activated");
}

json_t *site_edit_findings(struct site *s, const struct gw_planfile *plan, bool ask_peer)
{
    json_t *out = json_array();
    const char *peer = gw_planfile_other(plan, s->name);
    if (peer == NULL) {
        add(out, "sites", false, "this site is neither home nor dr of the plan",
            "apply it at one of its sites");
        return out;
    }
    bool protected = is_protected(s, plan->plan);
    for (size_t i = 0; i < plan->n_volumes; i++)
        check_volume(out, &plan->volumes[i], gw_planfile_path(plan, &plan->volumes[i], s->name),
                     strcmp(plan->home, s->name) == 0, protected);
    check_room(out, s, plan);
    if (ask_peer)
        check_peer(out, s, peer);
    struct gw_plan_errors later = { 0 };
    gw_planfile_later(plan, &later);
    for (size_t i = 0; i < later.n; i++)
        add(out, later.item[i].path, true, later.item[i].sentence, "");
    gw_plan_errors_done(&later);
    return out;
}
