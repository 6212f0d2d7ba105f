// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The kept divergent tails of this side: list, show, export, sign, discard. */
#include "base/checked.h"
#include "base/clock.h"
#include "base/size.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RANGES_DEFAULT 64u

/* ---- what an undo file says -------------------------------------------------------------------
 */

/* Its description; one that cannot be opened is still named, with the damage. */
static json_t *describe_undo(const struct gw_meta *m, const char *dir, const char *id)
{
    struct gw_io *io = gw_io_posix();
    CLEANUP_FREE struct gw_undo_manifest *manifest = calloc(1, sizeof *manifest);
    struct gw_undo *u = NULL;
    struct gw_error err = { 0 };
    bool finished = gw_undo_is_finished(io, dir, id);
    if (manifest == NULL)
        return NULL;
    int r = gw_undo_open(io, dir, id, true, &u, manifest, &err);
    if (r < 0)
        return json_pack("{s:s, s:b, s:o}", "id", id, "finished", finished, "damage",
                         gw_control_text(err.msg));
    json_t *o =
        gw_describe_undo(m, id, manifest, finished, gw_undo_blocks(u), gw_undo_file_bytes(u));
    json_object_set_new(o, "damage",
                        gw_undo_damage(u, &err) < 0 ? gw_control_text(err.msg) : json_null());
    gw_undo_close(u);
    return o;
}

struct collect {
    const struct gw_meta *meta;
    const char *dir;
    json_t *undos;
};

static int collect_undo(void *arg, const char *id)
{
    struct collect *x = arg;
    return json_array_append_new(x->undos, describe_undo(x->meta, x->dir, id)) < 0 ? -ENOMEM : 0;
}

json_t *ctl_undos(const struct gw_meta *m, const char *dir, struct gw_error *err)
{
    struct collect x = { m, dir, json_array() };
    if (gw_undo_list(gw_io_posix(), dir, collect_undo, &x, err) == -ENOMEM)
        gw_error_set(err, -ENOMEM, "out of memory");
    return x.undos;
}

/* ---- list, show, export -----------------------------------------------------------------------
 */

/* The sound ones are shown; the damaged ones are not passed over. */
static int damage_exit(struct gw_term *c, const json_t *undos)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(undos); i++)
        n += gw_term_text(json_array_get(undos, i), "damage")[0] != '\0' ? 1 : 0;
    if (n == 0)
        return GW_EXIT_OK;
    if (!c->json)
        gw_error_set(&c->err, -EBADMSG, "%zu of %zu undo files %s damaged: see DAMAGE", n,
                     json_array_size(undos), n == 1 ? "is" : "are");
    return GW_EXIT_FAILED;
}

int ctl_cmd_divergence_list(struct gw_term *c)
{
    static const struct gw_term_column columns[] = {
        { "id", "ID", GW_TERM_TEXT },
        { "time", "TIME", GW_TERM_TEXT },
        { "epoch", "EPOCH", GW_TERM_NUMBER },
        { "blocks", "KEPT BLOCKS", GW_TERM_NUMBER },
        { "file_bytes", "SIZE", GW_TERM_BYTES },
        { "diverged", "TAIL", GW_TERM_BOOL },
        { "finished", "FINISHED", GW_TERM_BOOL },
        { "signed_by", "SIGNED BY", GW_TERM_TEXT },
        { "damage", "DAMAGE", GW_TERM_TEXT },
    };
    CLEANUP_PLAN struct gw_plan *p = NULL;
    int r = ctl_plan_open(c, GW_PLAN_READ_ONLY, &p);
    if (r < 0)
        return r;
    struct gw_error damage = { 0 };
    c->result = json_pack("{s:o}", "undo", ctl_undos(&p->meta, p->dir, &damage));
    if (damage.code != 0) {
        c->err = damage;
        return damage.code;
    }
    const json_t *undos = gw_term_at(c->result, "undo");
    if (!c->json && json_array_size(undos) == 0)
        gw_term_say("Nothing is kept: no resync has overwritten anything at this side.");
    if (!c->json)
        gw_term_table(columns, GW_ARRAY_SIZE(columns), undos);
    return damage_exit(c, undos);
}

struct kept { /* one undo file, opened far enough to name its tail */
    struct gw_plan *plan;
    struct gw_undo_manifest manifest;
    struct gw_tail tail;
    json_t *undo;
};

static void kept_free(struct kept **k)
{
    if (*k == NULL)
        return;
    gw_tail_done(&(*k)->tail);
    json_decref((*k)->undo);
    gw_plan_close((*k)->plan);
    free(*k);
}

static int kept_open(struct gw_term *c, const char *id, struct kept **ret)
{
    struct kept *k = *ret = calloc(1, sizeof *k);
    if (k == NULL) {
        gw_term_no_memory(c);
        return -ENOMEM;
    }
    int r = gw_term_readable(c, "ID", id, GW_ID_MAX - 1);
    if (r == 0)
        r = ctl_plan_open(c, GW_PLAN_READ_ONLY, &k->plan);
    struct gw_undo *u = NULL;
    if (r == 0)
        r = gw_undo_open(gw_io_posix(), k->plan->dir, id, true, &u, &k->manifest, &c->err);
    gw_undo_close(u);
    if (r == 0)
        r = gw_tail_find(gw_io_posix(), k->plan->dir, id, k->plan->vol, &k->tail, &c->err);
    if (r == 0)
        k->undo = describe_undo(&k->plan->meta, k->plan->dir, id);
    return r;
}

static void say_ranges(const json_t *ranges)
{
    static const struct gw_term_column columns[] = {
        { "volume", "VOLUME", GW_TERM_TEXT },
        { "offset", "OFFSET", GW_TERM_NUMBER },
        { "length", "LENGTH", GW_TERM_NUMBER },
    };
    gw_term_table(columns, GW_ARRAY_SIZE(columns), ranges);
}

static void say_tail(const struct kept *k, const json_t *o, bool all)
{
    char size[GW_SIZE_TEXT];
    gw_size_format(k->tail.bytes, size);
    gw_term_row("undo file", "%s, made %s%s", gw_term_text(o, "id"), gw_term_text(o, "time"),
                gw_term_true(o, "finished") ? "" : ", its resync is unfinished");
    gw_term_row("image was", "epoch %llu, seq %llu; it left the survivor at seq %llu",
                (unsigned long long)gw_term_number(o, "epoch"),
                (unsigned long long)gw_term_number(o, "seq"),
                (unsigned long long)gw_term_number(o, "fork_seq"));
    if (!k->manifest.diverged)
        gw_term_row("tail",
                    "none: this side had not diverged; these are blocks that were copied to it");
    else
        gw_term_row("tail", "%llu blocks, %s%s", (unsigned long long)k->tail.blocks, size,
                    k->tail.exact
                        ? ", exact"
                        : " (at most: the survivor may have written some of them itself)");
    if (k->manifest.signed_by[0] != '\0')
        gw_term_row("signed by", "%s, %s", k->manifest.signed_by, gw_term_text(o, "signed_time"));
    if (k->tail.damaged)
        gw_term_row("damage", "%s; what is listed could be read, more is lost",
                    gw_term_text(o, "damage"));
    say_ranges(gw_term_at(o, "ranges"));
    if (!all)
        gw_term_say(
            "... %zu ranges in all; --ranges N shows more, divergence export writes them out",
            k->tail.n);
}

int ctl_cmd_divergence_show(struct gw_term *c)
{
    uint64_t ranges = c->json ? SIZE_MAX : RANGES_DEFAULT;
    if (gw_term_arg_number(&c->args, "ranges", &ranges, &c->err) < 0)
        return GW_EXIT_USAGE;
    __attribute__((cleanup(kept_free))) struct kept *k = NULL;
    int r = kept_open(c, c->args.operand[0], &k);
    if (r != 0)
        return r;
    c->result = json_incref(k->undo);
    CLEANUP_JSON json_t *tail = gw_describe_tail(&k->manifest, &k->tail, (size_t)ranges);
    if (tail == NULL || c->result == NULL)
        return gw_term_no_memory(c);
    /* The undo file's own "blocks" are all that it keeps; the tail's are fewer. */
    json_object_set(c->result, "kept_blocks", json_object_get(c->result, "blocks"));
    json_object_update(c->result, tail);
    if (!c->json)
        say_tail(k, c->result, k->tail.n <= ranges);
    return GW_EXIT_OK;
}

int ctl_cmd_divergence_pending(struct gw_term *c)
{
    uint64_t max = c->json ? SIZE_MAX : RANGES_DEFAULT;
    if (gw_term_arg_number(&c->args, "ranges", &max, &c->err) < 0)
        return GW_EXIT_USAGE;
    int r = ctl_ask(c, json_pack("{s:s}", "cmd", "tail"), &c->result);
    if (r != 0)
        return r;
    json_t *ranges = json_object_get(c->result, "ranges");
    while (json_array_size(ranges) > max)
        json_array_remove(ranges, json_array_size(ranges) - 1);
    if (c->json)
        return GW_EXIT_OK;
    if (!gw_term_true(c->result, "known")) {
        gw_term_say("No tail is known: nothing of this side was compared with its source yet.");
        return GW_EXIT_OK;
    }
    char size[GW_SIZE_TEXT];
    gw_size_format(gw_term_number(c->result, "bytes"), size);
    const char *how = "at most: the survivor may have written some of them itself";
    if (gw_term_true(c->result, "exact"))
        how = "exactly";
    if (!gw_term_true(c->result, "complete"))
        how = "so far: the comparison is not through";
    gw_term_row("tail", "%llu blocks, %s (%s)",
                (unsigned long long)gw_term_number(c->result, "blocks"), size, how);
    say_ranges(ranges);
    if (gw_term_number(c->result, "n_ranges") > json_array_size(ranges))
        gw_term_say("... %llu ranges in all; --ranges N shows more",
                    (unsigned long long)gw_term_number(c->result, "n_ranges"));
    return GW_EXIT_OK;
}

int ctl_cmd_divergence_export(struct gw_term *c)
{
    const char *out = c->args.operand[1];
    __attribute__((cleanup(kept_free))) struct kept *k = NULL;
    int r = kept_open(c, c->args.operand[0], &k);
    if (r == 0)
        r = gw_tail_export(gw_io_posix(), k->plan->dir, c->args.operand[0], &k->tail, out, &c->err);
    if (r != 0)
        return r;
    c->result =
        json_pack("{s:O, s:o, s:I, s:I, s:b, s:b}", "id", json_object_get(k->undo, "id"),
                  "directory", gw_control_text(out), "blocks", (json_int_t)k->tail.blocks, "bytes",
                  (json_int_t)k->tail.bytes, "exact", k->tail.exact, "damaged", k->tail.damaged);
    char size[GW_SIZE_TEXT];
    gw_size_format(k->tail.bytes, size);
    if (!c->json)
        gw_term_say("Wrote %llu blocks (%s) of the tail to %s%s.",
                    (unsigned long long)k->tail.blocks, size, out,
                    k->tail.damaged ? "; the undo file is damaged, more is lost" : "");
    return GW_EXIT_OK;
}

/* ---- sign, discard ----------------------------------------------------------------------------
 */

int ctl_cmd_divergence_sign(struct gw_term *c)
{
    const char *by;
    int r = ctl_person(c, &by);
    if (r == 0)
        r = ctl_ask(c, json_pack("{s:s, s:s}", "cmd", "sign", "by", by), &c->result);
    if (r == 0 && !c->json)
        gw_term_say(
            "Signed by %s: the tail is kept in this side's undo directory, the resync begins.", by);
    return r;
}

/* Append a line, durable with its name when this returns 0. */
static int log_durably(const char *dir, const json_t *entry, struct gw_error *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/divergence.log", dir) >= (int)sizeof path)
        return gw_error_set(err, -ENAMETOOLONG, "the path of divergence.log is too long");
    CLEANUP_FREE char *line = NULL;
    size_t len;
    int r = gw_control_line_format(entry, &line, &len, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return gw_error_errno(err, -errno, "cannot open %s", path);
    ssize_t n = write(fd, line, len);
    if (n < 0 || (size_t)n != len)
        return gw_error_errno(err, n < 0 ? -errno : -ENOSPC, "cannot write %s", path);
    if (fsync(fd) < 0)
        return gw_error_errno(err, -errno, "cannot make %s durable", path);
    r = gw_io_sync_dir(gw_io_posix(), dir);
    return r < 0 ? gw_error_errno(err, r, "cannot make %s durable", path) : 0;
}

static int may_discard(struct gw_term *c, const struct gw_plan *p, const char *id)
{
    if (p->meta.pending_id[0] != '\0' && strcmp(p->meta.pending_id, id) == 0)
        return gw_error_set(&c->err, -EPERM,
                            "undo file '%s' is in use: a resync or roll-back of this side is "
                            "unfinished",
                            id);
    struct gw_undo *u = NULL;
    CLEANUP_FREE struct gw_undo_manifest *m = calloc(1, sizeof *m);
    if (m == NULL)
        return gw_term_no_memory(c);
    int r = gw_undo_open(gw_io_posix(), p->dir, id, true, &u, m, &c->err);
    gw_undo_close(u);
    if (r == -ENOENT)
        return r;
    c->err = (struct gw_error){ 0 }; /* a damaged one may go, too */
    if (!gw_undo_is_finished(gw_io_posix(), p->dir, id))
        return gw_error_set(&c->err, -EPERM,
                            "undo file '%s' is not finished: its resync never ended, so that it "
                            "still is the way back to this side's last consistent state",
                            id);
    return 0;
}

int ctl_cmd_divergence_discard(struct gw_term *c)
{
    const char *id = c->args.operand[0], *by;
    CLEANUP_PLAN struct gw_plan *p = NULL;
    int r = ctl_person(c, &by);
    if (r == 0)
        r = gw_term_readable(c, "ID", id, GW_ID_MAX - 1);
    if (r == 0)
        r = ctl_plan_open(c, 0, &p);
    if (r == 0)
        r = may_discard(c, p, id);
    if (r == 0)
        r = gw_term_confirm(c, "plan", p->meta.plan_name,
                            "The kept divergent tail is removed for good: writes that this side "
                            "acknowledged exist nowhere else.");
    if (r != 0)
        return r;
    CLEANUP_JSON json_t *undo = describe_undo(&p->meta, p->dir, id);
    c->result =
        json_pack("{s:o, s:s, s:s, s:s, s:s, s:s, s:O}", "time", gw_describe_time(gw_wall_ns()),
                  "action", "discard", "id", id, "by", by, "plan", p->meta.plan_name, "site",
                  p->meta.site_name[p->meta.site], "undo", undo);
    if (c->result == NULL)
        return gw_term_no_memory(c);
    /* The line comes first: a crash may leave a line without a removal, never the other way. */
    gw_term_on_interrupt(GW_EXIT_UNKNOWN,
                         "interrupted while discarding; give the same command again");
    r = log_durably(p->dir, c->result, &c->err);
    if (r == 0)
        r = gw_undo_remove(gw_io_posix(), p->dir, id, &c->err);
    if (r == 0 && !c->json)
        gw_term_say("Discarded %s in the name of %s; logged in %s/divergence.log.", id, by, p->dir);
    return r;
}
