// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * inspect: everything a plan directory says, read without changing it. Each part is read on its
 * own, so that a damaged one does not hide the others; what is wrong is collected in "problems".
 */
#include "base/checked.h"
#include "base/log.h"
#include "base/size.h"
#include "ctl/ctl.h"
#include "engine/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

typedef unsigned long long ull;

static void problem(struct gw_term *c, const struct gw_error *err)
{
    json_array_append_new(json_object_get(c->result, "problems"), gw_control_text(err->msg));
}

/*
 * The process that holds DIR/lock, as far as /proc/locks shows it to us; null if none is seen.
 * Trying the lock would be surer, and would keep a process that starts just then from starting.
 */
static json_t *serving_pid(const char *dir)
{
    char path[PATH_MAX], line[256], mode[16];
    struct stat st;
    if (snprintf(path, sizeof path, "%s/lock", dir) >= (int)sizeof path || stat(path, &st) < 0)
        return json_null();
    FILE *f = fopen("/proc/locks", "re");
    json_t *ret = NULL;
    while (f != NULL && ret == NULL && fgets(line, sizeof line, f) != NULL) {
        long long pid;
        unsigned major_number, minor_number;
        ull inode;
        if (sscanf(line, "%*s FLOCK %*s %15s %lld %x:%x:%llu", mode, &pid, &major_number,
                   &minor_number, &inode) == 5 &&
            inode == (ull)st.st_ino && major_number == major(st.st_dev) &&
            minor_number == minor(st.st_dev) && pid > 0)
            ret = json_integer(pid);
    }
    if (f != NULL)
        fclose(f);
    return ret != NULL ? ret : json_null();
}

/* ---- the parts --------------------------------------------------------------------------------
 */

/* Meta, maps and hot-extent log; only meta if the rest cannot be opened. 0 if *ret is filled. */
static int inspect_plan(struct gw_term *c, const char *dir, struct gw_meta *ret)
{
    struct gw_error err = { 0 };
    CLEANUP_PLAN struct gw_plan *p = NULL;
    int r = gw_plan_open(gw_io_posix(), dir, GW_PLAN_READ_ONLY, &p, &err);
    if (r < 0) {
        problem(c, &err);
        struct gw_metafile *file;
        bool lost = false;
        r = gw_metafile_open(gw_io_posix(), dir, true, &file, ret, &lost, &err);
        if (r < 0)
            return r;
        gw_metafile_close(file);
        CLEANUP_JSON json_t *o = gw_describe_meta(ret);
        json_object_set_new(o, "meta_slot_lost", json_boolean(lost));
        json_object_update_missing(c->result, o);
        return 0;
    }
    *ret = p->meta;
    CLEANUP_JSON json_t *o = gw_describe_plan(p);
    json_object_update_missing(c->result, o);
    json_object_set_new(c->result, "lineage", gw_describe_lineage(&p->meta, &p->meta.lineage));
    json_object_set_new(c->result, "hot",
                        json_pack("{s:I, s:b}", "extents", (json_int_t)p->hot_recovered, "unknown",
                                  p->hot_unknown));
    if (p->hot_unknown) {
        gw_error_set(&err, -EBADMSG,
                     "the hot-extent log is damaged: everything counts as to be compared");
        problem(c, &err);
    }
    if (p->map_damaged > 0) {
        gw_error_set(&err, -EBADMSG, "%llu pages of the dirty maps are damaged and count as dirty",
                     (ull)p->map_damaged);
        problem(c, &err);
    }
    return 0;
}

static void inspect_meta(struct gw_term *c, const struct gw_meta *m)
{
    struct gw_error err = { 0 };
    if (gw_term_true(c->result, "meta_slot_lost")) {
        gw_error_set(&err, -EBADMSG,
                     "one of the two copies of meta is damaged; the next change "
                     "writes it anew");
        problem(c, &err);
    }
    json_object_set_new(c->result, "reigns", json_integer((json_int_t)m->reigns));
    json_object_set_new(c->result, "reached",
                        json_pack("{s:o, s:I}", "uuid", gw_describe_uuid(&m->reached_uuid), "seq",
                                  (json_int_t)m->reached_seq));
    json_object_set_new(c->result, "survivor", gw_describe_uuid(&m->survivor));
    json_object_set_new(c->result, "survivor_by",
                        m->survivor_by[0] != '\0' ? gw_control_text(m->survivor_by) : json_null());
    json_object_set_new(c->result, "resync_source", gw_describe_uuid(&m->resync_source));
}

static void inspect_journal(struct gw_term *c, const char *dir, const struct gw_meta *m)
{
    struct gw_error err = { 0 };
    struct gw_journal *j = NULL;
    struct gw_journal_report report = { 0 };
    int r = gw_journal_open(gw_io_posix(), dir, &m->plan, m->journal_pos, UINT64_MAX, true, &j,
                            &report, &err);
    if (r < 0) {
        gw_error_wrap(&err, "journal");
        problem(c, &err);
        json_object_set_new(c->result, "journal", json_null());
        return;
    }
    json_object_set_new(
        c->result, "journal",
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "oldest", (json_int_t)gw_journal_oldest(j),
                  "end", (json_int_t)report.end, "used_bytes", (json_int_t)gw_journal_used_bytes(j),
                  "unapplied_batches", (json_int_t)report.batches, "unapplied_bytes",
                  (json_int_t)report.bytes, "torn_bytes", (json_int_t)report.torn_bytes));
    gw_journal_close(j);
}

static void inspect_kept(struct gw_term *c, const char *dir, const struct gw_meta *m)
{
    struct gw_error err = { 0 };
    json_object_set_new(c->result, "points", ctl_points(m, dir, &err));
    if (err.code != 0)
        problem(c, &err);
    err = (struct gw_error){ 0 };
    json_t *undos = ctl_undos(m, dir, &err);
    json_object_set_new(c->result, "undo", undos);
    if (err.code != 0)
        problem(c, &err);
    for (size_t i = 0; i < json_array_size(undos); i++) {
        const char *damage = gw_term_text(json_array_get(undos, i), "damage");
        gw_error_set(&err, -EBADMSG, "%s", damage);
        if (damage[0] != '\0')
            problem(c, &err);
    }
}

/* ---- for people -------------------------------------------------------------------------------
 */

static void say_meta(const json_t *o)
{
    gw_term_row("plan", "%s (%s)", gw_term_text(o, "plan"), gw_term_text(o, "plan_uuid"));
    gw_term_row("site", "%s, its peer is %s", gw_term_text(o, "site"),
                gw_term_text(o, "peer_site"));
    gw_term_row("role", "%s%s%s", gw_term_text(o, "role"),
                gw_term_true(o, "clean") ? ", clean" : ", not clean",
                gw_term_true(o, "blank")        ? ", blank"
                : gw_term_true(o, "consistent") ? ", consistent"
                                                : ", NOT consistent");
    if (json_is_integer(gw_term_at(o, "served_by")))
        gw_term_row("served by", "process %llu", (ull)gw_term_number(o, "served_by"));
    gw_term_row("identity", "epoch %llu, incarnation %s", (ull)gw_term_number(o, "epoch"),
                gw_term_text(o, "uuid"));
    gw_term_row("position", "seq %llu, chain %s, reserved to %llu", (ull)gw_term_number(o, "seq"),
                gw_term_text(o, "chain"), (ull)gw_term_number(o, "seq_reserved"));
    gw_term_row("epochs", "highest seen %llu; this side reigned %llu times",
                (ull)gw_term_number(o, "highest_epoch"), (ull)gw_term_number(o, "reigns"));
    gw_term_row("recorded", "%s %s", gw_term_text(o, "recorded"), gw_term_text(o, "recorded_time"));
    gw_term_row("unfinished", "%s %s", gw_term_text(o, "pending"), gw_term_text(o, "pending_id"));
    gw_term_row("handover", "%s%s%s",
                json_is_object(gw_term_at(o, "token")) ? "token proven to this side" : "no token",
                gw_term_true(o, "released") ? ", released by this side" : "",
                gw_term_true(o, "may_serve") ? ", promoted and not started yet" : "");
    if (gw_term_text(o, "tail_signed_by")[0] != '\0')
        gw_term_row("tail", "signed by %s", gw_term_text(o, "tail_signed_by"));
    if (gw_term_text(o, "survivor")[0] != '\0')
        gw_term_row("survivor", "%s, chosen by %s", gw_term_text(o, "survivor"),
                    gw_term_text(o, "survivor_by"));
    gw_term_row("meta", "generation %llu", (ull)gw_term_number(o, "generation"));
}

static void say_parts(const json_t *o)
{
    char used[GW_SIZE_TEXT], left[GW_SIZE_TEXT];
    gw_term_row("maps", "%llu blocks dirty, %llu extents to compare",
                (ull)gw_term_number(o, "dirty_blocks"), (ull)gw_term_number(o, "coarse_extents"));
    gw_term_row("hot", "%s%llu extents", gw_term_true(o, "hot.unknown") ? "unknown, " : "",
                (ull)gw_term_number(o, "hot.extents"));
    gw_size_format(gw_term_number(o, "journal.used_bytes"), used);
    gw_size_format(gw_term_number(o, "journal.unapplied_bytes"), left);
    if (json_is_object(gw_term_at(o, "journal"))) {
        gw_term_row("journal", "%s; from %llu to %llu, applied to %llu", used,
                    (ull)gw_term_number(o, "journal.oldest"), (ull)gw_term_number(o, "journal.end"),
                    (ull)gw_term_number(o, "journal_pos"));
        gw_term_row("", "not applied: %s in %llu batches", left,
                    (ull)gw_term_number(o, "journal.unapplied_batches"));
    }
    if (gw_term_number(o, "journal.torn_bytes") > 0)
        gw_term_row("", "torn tail of %llu bytes, cut off at the next start",
                    (ull)gw_term_number(o, "journal.torn_bytes"));
    gw_term_row("points", "%zu (godwit-ctl point list)", json_array_size(gw_term_at(o, "points")));
    gw_term_row("undo files", "%zu (godwit-ctl divergence list)",
                json_array_size(gw_term_at(o, "undo")));
}

static void say_inspection(const json_t *o)
{
    static const struct gw_term_column volumes[] = {
        { "name", "VOLUME", GW_TERM_TEXT },
        { "bytes", "SIZE", GW_TERM_BYTES },
        { "dirty_blocks", "DIRTY BLOCKS", GW_TERM_NUMBER },
        { "coarse_extents", "EXTENTS TO COMPARE", GW_TERM_NUMBER },
        { "uuid", "UUID", GW_TERM_TEXT },
    };
    const json_t *problems = gw_term_at(o, "problems");
    if (gw_term_at(o, "plan") != NULL) {
        say_meta(o);
        say_parts(o);
        putchar('\n');
        gw_term_table(volumes, GW_ARRAY_SIZE(volumes), gw_term_at(o, "volumes"));
        putchar('\n');
    }
    for (size_t i = 0; i < json_array_size(problems); i++)
        gw_term_say("PROBLEM: %s", json_string_value(json_array_get(problems, i)));
    if (json_array_size(problems) == 0)
        gw_term_say("No damage was found.");
}

static void no_log(enum gw_log_level level, const char *line)
{
    (void)level;
    (void)line; /* the problems say it */
}

int ctl_cmd_inspect(struct gw_term *c)
{
    const char *dir = ctl_dir(c);
    CLEANUP_FREE struct gw_meta *m = calloc(1, sizeof *m);
    c->result = json_pack("{s:[], s:o}", "problems", "served_by", serving_pid(dir));
    if (m == NULL || c->result == NULL)
        return gw_term_no_memory(c);
    gw_log_sink(no_log);
    if (inspect_plan(c, dir, m) == 0) {
        inspect_meta(c, m);
        inspect_journal(c, dir, m);
        inspect_kept(c, dir, m);
    }
    if (!c->json)
        say_inspection(c->result);
    return json_array_size(gw_term_at(c->result, "problems")) > 0 ? GW_EXIT_FAILED : GW_EXIT_OK;
}
