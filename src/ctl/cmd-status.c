// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* status, watch, lineage. */
#include "base/checked.h"
#include "base/clock.h"
#include "base/size.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WATCH_MS_DEFAULT 2000u

typedef unsigned long long ull;

static ull number(const json_t *o, const char *path)
{
    return gw_term_number(o, path);
}

static void row_bytes(const char *label, const json_t *o, const char *path, const char *tail)
{
    char size[GW_SIZE_TEXT];
    gw_size_format(gw_term_number(o, path), size);
    gw_term_row(label, "%s%s", size, tail);
}

/* ---- rows that every status has ---------------------------------------------------------------
 */

static void say_identity(const json_t *o)
{
    gw_term_row("plan", "%s (%s)", gw_term_text(o, "plan"), gw_term_text(o, "plan_uuid"));
    gw_term_row("site", "%s, its peer is %s", gw_term_text(o, "site"),
                gw_term_text(o, "peer_site"));
    if (gw_term_true(o, "blank"))
        gw_term_row("role", "%s, blank: never seeded completely", gw_term_text(o, "role"));
    else
        gw_term_row("role", "%s, epoch %llu", gw_term_text(o, "role"), number(o, "epoch"));
}

/* What is recorded in the directory and is not as it should be. */
static void say_concerns(const json_t *o)
{
    if (!gw_term_true(o, "consistent") && !gw_term_true(o, "blank"))
        gw_term_row("image", "NOT consistent: a mixture until its resync ends or is rolled back");
    if (strcmp(gw_term_text(o, "pending"), "none") != 0 && gw_term_text(o, "pending")[0] != '\0')
        gw_term_row("unfinished", "%s %s", gw_term_text(o, "pending"),
                    gw_term_text(o, "pending_id"));
    if (gw_term_true(o, "crashed_active"))
        gw_term_row("stopped", "not cleanly while active; it speaks to its peer before it serves");
    if (gw_term_true(o, "unverified"))
        gw_term_row("verify", "found differences that are not repaired yet");
    if (gw_term_true(o, "released"))
        gw_term_row("released", "yes: handed over, must not serve");
    if (gw_term_true(o, "may_serve"))
        gw_term_row("promoted", "yes: the source can be started here");
    if (gw_term_true(o, "meta_slot_lost"))
        gw_term_row("damage", "one of the two copies of meta is bad");
    if (number(o, "damaged_map_pages") > 0)
        gw_term_row("damage", "%llu pages of the dirty maps are bad and count as all dirty",
                    number(o, "damaged_map_pages"));
    if (json_is_object(gw_term_at(o, "token")))
        gw_term_row("token", "a handover to this side was proven: epoch %llu, seq %llu",
                    number(o, "token.epoch"), number(o, "token.seq"));
}

static void say_dirty(const json_t *o)
{
    ull blocks = number(o, "dirty_blocks"), extents = number(o, "coarse_extents");
    char dirty[GW_SIZE_TEXT], compare[GW_SIZE_TEXT];
    gw_size_format(blocks * GW_BLOCK_BYTES, dirty);
    gw_size_format(extents * GW_EXTENT_BYTES, compare);
    if (blocks == 0 && extents == 0)
        gw_term_row("dirty", "nothing");
    else
        gw_term_row("dirty", "%s to copy, %s to compare", dirty, compare);
}

static void say_verdict(const json_t *o)
{
    if (!json_is_object(gw_term_at(o, "verdict")))
        return;
    if (json_is_string(gw_term_at(o, "verdict.source")) &&
        json_is_string(gw_term_at(o, "verdict.target")))
        gw_term_row("direction", "%s -> %s", gw_term_text(o, "verdict.source"),
                    gw_term_text(o, "verdict.target"));
    gw_term_row("verdict", "row %llu, %s: %s", number(o, "verdict.row"),
                gw_term_text(o, "verdict.action"), gw_term_text(o, "verdict.sentence"));
}

static void say_volumes(const json_t *o)
{
    static const struct gw_term_column columns[] = {
        { "name", "VOLUME", GW_TERM_TEXT },
        { "bytes", "SIZE", GW_TERM_BYTES },
        { "dirty_blocks", "DIRTY BLOCKS", GW_TERM_NUMBER },
        { "coarse_extents", "EXTENTS TO COMPARE", GW_TERM_NUMBER },
    };
    putchar('\n');
    gw_term_table(columns, GW_ARRAY_SIZE(columns), gw_term_at(o, "volumes"));
}

/* ---- a source ---------------------------------------------------------------------------------
 */

static void say_work(const json_t *o)
{
    const char *repl = gw_term_text(o, "replication");
    char left[GW_SIZE_TEXT], total[GW_SIZE_TEXT];
    if (strcmp(repl, "resync") == 0 || strcmp(repl, "seeding") == 0) {
        gw_size_format(gw_term_number(o, "resync.left_bytes"), left);
        gw_size_format(gw_term_number(o, "resync.total_bytes"), total);
        gw_term_row(repl, "%s of %s left", left, total);
    }
    if (gw_term_true(o, "assess.done"))
        gw_term_row("assessed", "%llu blocks differ, %llu of them are the peer's divergent tail",
                    number(o, "assess.differing_blocks"), number(o, "assess.tail_blocks"));
    if (gw_term_true(o, "verify.running") || gw_term_true(o, "verify.done")) {
        gw_size_format(gw_term_number(o, "verify.checked_bytes"), left);
        gw_size_format(gw_term_number(o, "verify.total_bytes"), total);
        gw_term_row("verify", "%s, %s of %s, %llu blocks differ",
                    gw_term_true(o, "verify.running") ? "running" : "done", left, total,
                    number(o, "verify.differing_blocks"));
    }
    if (strcmp(repl, "assessing") == 0 && gw_term_true(o, "assess.done") &&
        gw_term_true(o, "verdict.diverged"))
        gw_term_row("next", "a person signs the tail at %s: godwit-ctl divergence sign --by NAME",
                    gw_term_text(o, "verdict.target"));
}

static void say_source(const json_t *o)
{
    char pending[GW_SIZE_TEXT];
    gw_size_format(gw_term_number(o, "pending_bytes"), pending);
    gw_term_row("service", "%s", gw_term_text(o, "service"));
    gw_term_row("replication", "%s", gw_term_text(o, "replication"));
    if (gw_term_text(o, "reason")[0] != '\0')
        gw_term_row("reason", "%s", gw_term_text(o, "reason"));
    say_verdict(o);
    gw_term_row("position", "seq %llu, durable at the peer %llu, applied there %llu",
                number(o, "seq"), number(o, "durable_seq"), number(o, "applied_seq"));
    gw_term_row("lag", "%llu records, %s", number(o, "lag_records"), pending);
    say_dirty(o);
    say_work(o);
    say_concerns(o);
    row_bytes("sent", o, "sent_bytes", " since start");
    if (number(o, "fell_behind") > 0)
        gw_term_row("fell behind", "%llu times since start", number(o, "fell_behind"));
}

/* ---- a replica --------------------------------------------------------------------------------
 */

static void say_replica(const json_t *o)
{
    char backlog[GW_SIZE_TEXT], used[GW_SIZE_TEXT], max[GW_SIZE_TEXT], age[GW_TERM_DURATION_TEXT];
    gw_size_format(gw_term_number(o, "journal_backlog_bytes"), backlog);
    gw_size_format(gw_term_number(o, "journal_used_bytes"), used);
    gw_size_format(gw_term_number(o, "journal_max_bytes"), max);
    gw_term_row("replica", "%s", gw_term_text(o, "state"));
    if (gw_term_text(o, "reason")[0] != '\0')
        gw_term_row("reason", "%s", gw_term_text(o, "reason"));
    say_verdict(o);
    gw_term_row("position", "received seq %llu, durable %llu, applied %llu",
                number(o, "received_seq"), number(o, "durable_seq"), number(o, "applied_seq"));
    gw_term_row("journal", "%s not applied yet; %s of %s used", backlog, used, max);
    if (json_is_object(gw_term_at(o, "source"))) {
        gw_term_duration_format(json_number_value(gw_term_at(o, "source.age_seconds")), age);
        gw_term_row("source", "at seq %llu, heard of %s ago", number(o, "source.head_seq"), age);
    } else {
        gw_term_row("source", "not heard of since start");
    }
    say_dirty(o);
    if (json_is_integer(gw_term_at(o, "tail_blocks")))
        gw_term_row("tail", "%llu blocks of this side differ from the source",
                    number(o, "tail_blocks"));
    if (strcmp(gw_term_text(o, "state"), "assessing") == 0 && gw_term_true(o, "verdict.diverged"))
        gw_term_row("next",
                    "when a person agrees: godwit-ctl divergence sign --by NAME on this socket");
    if (number(o, "bad_frames") > 0)
        gw_term_row("damaged", "%llu frames since start", number(o, "bad_frames"));
    if (number(o, "verify_differences") > 0)
        gw_term_row("verify", "%llu blocks differ", number(o, "verify_differences"));
    say_concerns(o);
}

static void say_status(const json_t *o)
{
    const char *process = gw_term_text(o, "process");
    say_identity(o);
    if (strcmp(process, "source") == 0) {
        say_source(o);
    } else if (strcmp(process, "replica") == 0) {
        say_replica(o);
    } else {
        gw_term_row("position", "seq %llu", number(o, "seq"));
        gw_term_row("recorded", "%s", gw_term_text(o, "recorded"));
        say_dirty(o);
        say_concerns(o);
    }
    say_volumes(o);
}

static int get_status(struct gw_term *c, json_t **ret)
{
    if (ctl_socket(c) != NULL) {
        int r = ctl_ask(c, json_pack("{s:s}", "cmd", "status"), ret);
        c->asked = false; /* a question leaves nothing open */
        return r;
    }
    CLEANUP_PLAN struct gw_plan *p = NULL;
    int r = ctl_plan_open(c, GW_PLAN_READ_ONLY, &p);
    if (r < 0)
        return r;
    *ret = gw_describe_plan(p);
    return 0;
}

int ctl_cmd_status(struct gw_term *c)
{
    int r = get_status(c, &c->result);
    if (r == 0 && !c->json)
        say_status(c->result);
    return r;
}

/* ---- watch ------------------------------------------------------------------------------------
 */

static void show_once(struct gw_term *c, bool clear)
{
    CLEANUP_JSON json_t *o = NULL;
    int r = get_status(c, &o);
    if (r < 0 && c->json) {
        o = gw_control_error_json(r, c->err.msg);
    }
    if (c->json) {
        json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        putchar('\n');
    } else {
        char now[GW_TIME_TEXT];
        gw_time_format(gw_wall_ns(), now);
        printf("%s%s\n", clear ? "\033[H\033[J" : "", now);
        if (r < 0)
            gw_term_say("%s", c->err.msg);
        else
            say_status(o);
        if (!clear)
            putchar('\n');
    }
    fflush(stdout);
    c->err = (struct gw_error){ 0 };
}

int ctl_cmd_watch(struct gw_term *c)
{
    uint64_t every_ms = WATCH_MS_DEFAULT, count = 0;
    unsigned timeout_ms;
    if (ctl_timeout(c, 0, &timeout_ms) != 0 ||
        gw_term_arg_ms(&c->args, "every", &every_ms, &c->err) < 0 ||
        gw_term_arg_number(&c->args, "count", &count, &c->err) < 0)
        return GW_EXIT_USAGE;
    bool clear = !c->json && isatty(STDOUT_FILENO) == 1;
    for (uint64_t n = 1;; n++) {
        show_once(c, clear);
        if (n == count || ferror(stdout))
            return GW_EXIT_OK;
        struct timespec pause = { (time_t)(every_ms / 1000), (long)(every_ms % 1000) * 1000000 };
        nanosleep(&pause, NULL);
    }
}

/* ---- lineage ----------------------------------------------------------------------------------
 */

int ctl_cmd_lineage(struct gw_term *c)
{
    static const struct gw_term_column columns[] = {
        { "epoch", "EPOCH", GW_TERM_NUMBER },       { "site", "SITE", GW_TERM_TEXT },
        { "birth", "BORN BY", GW_TERM_TEXT },       { "time", "TIME", GW_TERM_TEXT },
        { "fork_seq", "FORK SEQ", GW_TERM_NUMBER }, { "had_seq", "HAD SEQ", GW_TERM_NUMBER },
        { "uuid", "INCARNATION", GW_TERM_TEXT },    { "parent", "PARENT", GW_TERM_UUID },
    };
    int r;
    if (ctl_socket(c) != NULL) {
        r = ctl_ask(c, json_pack("{s:s}", "cmd", "lineage"), &c->result);
        c->asked = false;
    } else {
        CLEANUP_PLAN struct gw_plan *p = NULL;
        r = ctl_plan_open(c, GW_PLAN_READ_ONLY, &p);
        if (r == 0)
            c->result =
                json_pack("{s:o}", "lineage", gw_describe_lineage(&p->meta, &p->meta.lineage));
    }
    if (r != 0 || c->json)
        return r;
    if (json_array_size(gw_term_at(c->result, "lineage")) == 0)
        gw_term_say("This side is blank: it has no image yet.");
    gw_term_table(columns, GW_ARRAY_SIZE(columns), gw_term_at(c->result, "lineage"));
    return GW_EXIT_OK;
}
