// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The way home: handover, DR as standby again, and the last reckoning. */
#include "demo/world.h"

#include "base/clock.h"
#include "base/size.h"

#include <string.h>

static int check_outage(struct world *w, const json_t *handover, struct gw_error *err)
{
    struct ledger_status st;
    int r = world_wait_records(w, 1, err);
    if (r < 0)
        return r;
    ledger_get_status(w->ledger, &st);
    const struct ledger_stint *from = &st.stint[1], *to = &st.stint[2];
    bool moved = st.n_stints == 3 && strcmp(to->site, "home") == 0;
    if (moved)
        w->n.cutover_outage_ms = (double)(to->first_ns - from->last_ns) / (double)GW_NS_PER_MS;
    story_check(
        &w->story, moved,
        "the ledger's client is at home again: %.0f ms from the last record acknowledged at "
        "DR to the first at home (%.0f ms of them until DR had released)",
        w->n.cutover_outage_ms, status_real(handover, "released_ms"));
    return 0;
}

static int move(struct world *w, struct gw_error *err)
{
    CLEANUP_STATUS json_t *handover = NULL, *promotion = NULL;
    /* From here on the client tries home as soon as DR no longer answers. */
    ledger_target(w->ledger, "home", w->home.socket);
    int r =
        site_command(&w->dr, &handover, err, "handover", "--yes", "--socket", w->dr.control, NULL);
    if (r == 0)
        r = site_command(&w->home, &promotion, err, "promote", "--yes", "--socket", w->home.control,
                         NULL);
    if (r == 0)
        r = site_wait_end(&w->home, err);
    if (r == 0)
        r = site_start_source(&w->home, &w->dr, err);
    if (r == 0)
        r = check_outage(w, handover, err);
    if (r == 0)
        story_check(&w->story,
                    status_true(promotion, "handover") &&
                        status_number(promotion, "rewound_blocks") == 0,
                    "home proved that it held exactly what DR had, before it took over");
    return r;
}

static int stand_by_again(struct world *w, struct gw_error *err)
{
    CLEANUP_STATUS json_t *status = NULL;
    proxy_mend(w->to_dr);
    int r = site_command(&w->dr, NULL, err, "stop", "--socket", w->dr.control, NULL);
    if (r == 0)
        r = site_wait_end(&w->dr, err);
    if (r == 0)
        r = site_start_replica(&w->dr, &w->home, err);
    if (r == 0)
        r = site_await_following(&w->home, &status, err);
    if (r == 0)
        r = world_wait_records(w, world_records(w, 0.5), err);
    if (r < 0)
        return r;
    story_check(&w->story, status_number(status, "resync.total_bytes") == 0,
                "DR is the standby again and follows (%s), without any resync (verdict row %llu)",
                status_text(status, "replication"),
                (unsigned long long)status_number(status, "verdict.row"));
    return 0;
}

int scene_handover(struct world *w, struct gw_error *err)
{
    story_scene(&w->story, "Handover: back home, in order");
    int r = move(w, err);
    return r < 0 ? r : stand_by_again(w, err);
}

/* ---- the end ------------------------------------------------------------------------------- */

static bool is_drained(const json_t *status)
{
    uint64_t seq = status_number(status, "seq");
    return status_number(status, "applied_seq") >= seq &&
           status_number(status, "durable_seq") >= seq;
}

static int stop_all(struct world *w, struct gw_error *err)
{
    int r = ledger_pause(w->ledger, SITE_MS, err);
    if (r == 0)
        r = site_await(&w->home, is_drained, "have everything applied at its peer", NULL, err);
    if (r == 0)
        r = site_command(&w->home, NULL, err, "stop", "--socket", w->home.control, NULL);
    if (r == 0)
        r = site_wait_end(&w->home, err);
    if (r == 0)
        r = site_command(&w->dr, NULL, err, "stop", "--socket", w->dr.control, NULL);
    return r < 0 ? r : site_wait_end(&w->dr, err);
}

static int compare(struct world *w, struct gw_error *err)
{
    static const char *const pairs[2][2] = { { "home-files.img", "dr-files.img" },
                                             { "home-ledger.img", "dr-ledger.img" } };
    bool equal = true;
    for (int i = 0; i < 2; i++) {
        const char *argv[] = { "cmp", pairs[i][0], pairs[i][1], NULL };
        struct process_output o;
        story_command(&w->story, argv, "");
        int r = process_run(w->processes, argv, SITE_MS, &o, err);
        if (r < 0)
            return r;
        equal = equal && o.code == 0;
        process_output_done(&o);
    }
    char size[GW_SIZE_TEXT];
    gw_size_format(w->n.volume_bytes, size);
    story_check(&w->story, equal, "nothing of godwit runs any more, and both sites' images (%s) %s",
                size, equal ? "are the same, byte for byte" : "DIFFER");
    w->n.verified_equal = w->n.verified_equal && equal;
    return 0;
}

static bool same_absence(const struct ledger_audit *now, const struct ledger_audit *lost)
{
    for (uint64_t i = 0; i < now->n; i++) {
        if (now->absent[i] != (i < lost->n && lost->absent[i]))
            return false;
    }
    return true;
}

static int reckon(struct world *w, struct gw_error *err)
{
    struct ledger_book book;
    struct ledger_audit a;
    int r = ledger_book(w->ledger, &book, err);
    if (r < 0)
        return r;
    r = ledger_audit("home-ledger.img", &book, &a, err);
    ledger_book_done(&book);
    if (r < 0)
        return r;
    w->n.acknowledged = a.acknowledged;
    w->n.in_doubt = a.in_doubt;
    story_check(&w->story, a.whole && a.foreign == 0 && same_absence(&a, &w->lost),
                "the ledger is whole: of %llu acknowledged records all are there but the %llu that "
                "the failover lost, and none of those came back unasked",
                (unsigned long long)a.acknowledged, (unsigned long long)w->n.lost);
    ledger_audit_done(&a);
    return 0;
}

int scene_end(struct world *w, struct gw_error *err)
{
    CLEANUP_STATUS json_t *verified = NULL;
    story_scene(&w->story, "The reckoning");
    int r = site_command(&w->home, &verified, err, "verify", "--wait", "--socket", w->home.control,
                         NULL);
    if (r < 0)
        return r;
    uint64_t differing = status_number(verified, "verify.differing_blocks");
    bool equal = status_true(verified, "verify.done") && differing == 0;
    w->n.verified_equal = w->n.verified_equal && equal;
    story_check(&w->story, equal, "verify (home to DR, while writes go on): %llu blocks differ",
                (unsigned long long)differing);
    r = stop_all(w, err);
    if (r == 0)
        r = compare(w, err);
    if (r == 0)
        r = reckon(w, err);
    if (r == 0)
        r = world_check_files(w, "home-files.img", "of home's plain image", err);
    return r;
}
