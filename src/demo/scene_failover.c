// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Home dies; DR takes over; what is there and what is not; life goes on. */
#include "demo/world.h"

#include "base/clock.h"
#include "demo/filesystem.h"
#include "demo/volume.h"

#include <string.h>

/* Work that home acknowledges and that can no longer reach DR. */
const struct files_work work_lost = {
    .who = "too-late", .added = 3, .rewritten = 8, .from = 100, .picture_bytes = 1200000
};

static int cut(struct world *w, struct gw_error *err)
{
    uint64_t blocks = 0;
    CLEANUP_STATUS json_t *status = NULL;
    proxy_cut(w->to_dr);
    w->acknowledged_at_cut = world_acknowledged(w);
    story_say(&w->story, "The line between the sites is cut. Home does not stop for that (async): "
                         "it goes on acknowledging, and marks what DR has not got.");
    int r = world_do_work(w, &w->home, "lost", &work_lost, &blocks, err);
    if (r == 0)
        r = world_wait_records(w, world_records(w, 0.15), err);
    if (r == 0)
        r = site_status(&w->home, &status, err);
    if (r == 0)
        story_say(&w->story,
                  "Since then %llu records and %llu blocks of files were acknowledged by home "
                  "alone; it says: %s, \"%s\".",
                  (unsigned long long)(world_acknowledged(w) - w->acknowledged_at_cut),
                  (unsigned long long)blocks, status_text(status, "replication"),
                  status_text(status, "reason"));
    return r;
}

int scene_disaster(struct world *w, struct gw_error *err)
{
    int r = 0;
    if (w->options->sync) {
        story_scene(&w->story, "Home is killed while writes run");
        story_say(&w->story, "Sync mode: every write was acknowledged only when DR had it, too.");
    } else {
        story_scene(&w->story, "The link is cut, and a moment later home is killed");
        r = cut(w, err);
    }
    if (r < 0)
        return r;
    w->kill_ns = gw_boot_ns();
    r = site_kill(&w->home, err);
    if (r == 0)
        r = ledger_wait_cut_off(w->ledger, SITE_MS, err);
    if (r == 0)
        r = ledger_book(w->ledger, &w->book, err);
    return r;
}

/* ---- failover ------------------------------------------------------------------------------ */

static int take_over(struct world *w, struct gw_error *err)
{
    CLEANUP_STATUS json_t *promotion = NULL;
    struct ledger_status st;
    uint64_t begin = gw_boot_ns();
    int r =
        site_command(&w->dr, &promotion, err, "promote", "--yes", "--socket", w->dr.control, NULL);
    if (r == 0)
        r = site_wait_end(&w->dr, err);
    if (r == 0)
        r = site_start_source(&w->dr, &w->home, err);
    if (r < 0)
        return r;
    w->n.takeover_ms = (double)(gw_boot_ns() - begin) / (double)GW_NS_PER_MS;
    ledger_target(w->ledger, "dr", w->dr.socket);
    r = world_wait_records(w, 1, err);
    if (r < 0)
        return r;
    ledger_get_status(w->ledger, &st);
    const struct ledger_stint *now = &st.stint[st.n_stints - 1];
    w->n.failover_seconds = (double)(now->first_ns - w->kill_ns) / (double)GW_NS_PER_S;
    story_check(&w->story, st.n_stints == 2 && strcmp(now->site, "dr") == 0,
                "DR serves, epoch %llu, and the ledger goes on there: %.0f ms from the kill to the "
                "first acknowledged write",
                (unsigned long long)status_number(promotion, "epoch"),
                w->n.failover_seconds * 1000);
    return 0;
}

static int check_ledger(struct world *w, struct gw_error *err)
{
    struct story *s = &w->story;
    char which[160];
    int r = volume_read(w->processes, w->dr.socket, "ledger", "promoted-ledger.img", err);
    if (r == 0)
        r = ledger_audit("promoted-ledger.img", &w->book, &w->lost, err);
    if (r < 0)
        return r;
    const struct ledger_audit *a = &w->lost;
    w->n.lost = a->missing;
    ledger_absent_format(a, which, sizeof which);
    story_say(s,
              "The ledger's client compares with what it remembers: %llu records were "
              "acknowledged before the kill, %llu of them are missing (numbers: %s).",
              (unsigned long long)a->acknowledged, (unsigned long long)a->missing, which);
    story_check(s, a->whole && a->prefix && a->foreign == 0,
                "the ledger at DR is whole: %llu records without a gap, in the order in which they "
                "were written",
                (unsigned long long)a->records);
    if (w->options->sync) {
        story_check(s, a->missing == 0, "sync mode: nothing that was acknowledged is missing");
        return 0;
    }
    uint64_t after_cut = a->acknowledged - w->acknowledged_at_cut;
    story_check(s, a->missing > 0 && a->missing >= after_cut,
                "async mode: missing are the %llu records acknowledged after the cut, and the %llu "
                "that were on their way",
                (unsigned long long)after_cut, (unsigned long long)(a->missing - after_cut));
    return 0;
}

int scene_failover(struct world *w, struct gw_error *err)
{
    story_scene(&w->story, "Failover: DR is promoted");
    int r = take_over(w, err);
    if (r == 0)
        r = volume_read(w->processes, w->dr.socket, "files", "promoted-files.img", err);
    if (r == 0)
        r = world_check_files(w, "promoted-files.img", "of what DR's export holds", err);
    if (r == 0)
        r = check_ledger(w, err);
    return r;
}

int scene_life_at_dr(struct world *w, struct gw_error *err)
{
    static const struct files_work day = { .who = "at-dr",
                                           .added = 12,
                                           .rewritten = 25,
                                           .from = 104,
                                           .removed = 3,
                                           .picture_bytes = 3100000 };
    uint64_t blocks = 0, before = world_acknowledged(w);
    story_scene(&w->story, "Life at DR");
    int r = world_do_work(w, &w->dr, "tree", &day, &blocks, err);
    if (r == 0)
        r = filesystem_sums(w->processes, "tree", "tree.sha256", err);
    if (r == 0)
        r = world_wait_records(w, world_records(w, 1), err);
    if (r == 0)
        story_say(&w->story,
                  "%llu records more; %u letters written, %u rewritten, a picture added, %u books "
                  "removed: %llu blocks of the filesystem changed.",
                  (unsigned long long)(world_acknowledged(w) - before), day.added, day.rewritten,
                  day.removed, (unsigned long long)blocks);
    return r;
}
