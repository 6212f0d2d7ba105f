// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Home comes back: forecast, signature, delta resync, and the tail that is kept. */
#include "demo/world.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/size.h"
#include "demo/filesystem.h"
#include "demo/volume.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

extern const struct files_work work_lost;

/* ---- forecast ------------------------------------------------------------------------------ */

/* Assessed, with or without a tail to sign; or there was nothing to ask, and it follows. */
static bool is_assessed(const json_t *status)
{
    if (status_is(status, "replication", "assessing"))
        return status_true(status, "assess.done") && status_true(status, "verdict.diverged");
    return site_follows_async(status) || site_follows_sync(status);
}

/* Blocks in which the images of both sites differ, counted by ourselves. */
static int count_differing(uint64_t *ret, struct gw_error *err)
{
    uint64_t files = 0, ledger = 0;
    int r = volume_compare("home-files.img", "dr-files.img", &files, err);
    if (r == 0)
        r = volume_compare("home-ledger.img", "dr-ledger.img", &ledger, err);
    if (r == 0)
        *ret = files + ledger;
    return r;
}

static void fill_forecast(struct world *w, const json_t *status)
{
    struct numbers *n = &w->n;
    double rate = n->seed_seconds > 0 ? (double)n->seed_bytes / n->seed_seconds : 0;
    snprintf(n->forecast.source, sizeof n->forecast.source, "%s",
             status_text(status, "verdict.source"));
    snprintf(n->forecast.target, sizeof n->forecast.target, "%s",
             status_text(status, "verdict.target"));
    n->forecast.delta_bytes = status_number(status, "assess.differing_blocks") * VOLUME_BLOCK_BYTES;
    n->forecast.tail_blocks = status_number(status, "assess.tail_blocks");
    n->forecast.seconds = rate > 0 ? (double)n->forecast.delta_bytes / rate : 0;
    n->forecast.outage_ms = n->takeover_ms;
    n->delta_bytes = n->forecast.delta_bytes;
}

static void say_forecast(struct world *w, const json_t *status)
{
    const struct numbers *n = &w->n;
    char delta[GW_SIZE_TEXT], total[GW_SIZE_TEXT], tail[GW_SIZE_TEXT];
    gw_size_format(n->forecast.delta_bytes, delta);
    gw_size_format(n->volume_bytes, total);
    gw_size_format(n->forecast.tail_blocks * VOLUME_BLOCK_BYTES, tail);
    story_say(&w->story, "Forecast:");
    story_item(&w->story, "direction", "%s -> %s (row %llu: %s)", n->forecast.source,
               n->forecast.target, (unsigned long long)status_number(status, "verdict.row"),
               status_text(status, "verdict.sentence"));
    story_item(&w->story, "delta", "%llu bytes (%s) of %s",
               (unsigned long long)n->forecast.delta_bytes, delta, total);
    story_item(&w->story, "time", "about %.2f s of copying, at the rate at which DR was seeded",
               n->forecast.seconds);
    story_item(&w->story, "outage", "about %.0f ms when home takes over, as DR needed to",
               n->forecast.outage_ms);
    story_item(&w->story, "tail",
               "at most %llu blocks (%s) that only home has; kept before they are "
               "overwritten",
               (unsigned long long)n->forecast.tail_blocks, tail);
}

int scene_return(struct world *w, struct gw_error *err)
{
    CLEANUP_STATUS json_t *status = NULL, *home = NULL;
    uint64_t before = 0, after = 0;
    story_scene(&w->story, "Home returns");
    int r = count_differing(&before, err);
    if (r == 0)
        r = site_start_replica(&w->home, &w->dr, err);
    if (r == 0)
        r = site_await(&w->dr, is_assessed, "assess home", &status, err);
    if (r == 0)
        r = count_differing(&after, err);
    if (r == 0)
        r = site_status(&w->home, &home, err);
    if (r < 0)
        return r;
    fill_forecast(w, status);
    if (status_is(status, "replication", "assessing"))
        say_forecast(w, status);
    const struct numbers *n = &w->n;
    story_check(&w->story,
                status_number(status, "verdict.row") == 12 &&
                    strcmp(n->forecast.source, "dr") == 0 &&
                    strcmp(n->forecast.target, "home") == 0,
                "both sites see the same direction: DR is the source, home the target");
    uint64_t blocks = n->delta_bytes / VOLUME_BLOCK_BYTES;
    /* The ledger goes on meanwhile, so that the truth is between two counts. */
    story_check(&w->story, blocks >= before && blocks <= after,
                "the delta is exact: %llu blocks; counting all blocks of both images gives %llu "
                "before and %llu after (the ledger goes on)",
                (unsigned long long)blocks, (unsigned long long)before, (unsigned long long)after);
    if (status_is(status, "replication", "assessing"))
        story_check(&w->story, status_is(home, "state", "assessing"),
                    "nothing is overwritten at home before a person has signed");
    return 0;
}

/* ---- resync -------------------------------------------------------------------------------- */

static int verify(struct world *w, struct site *at, const char *sentence, struct gw_error *err)
{
    CLEANUP_STATUS json_t *verified = NULL;
    int r = site_command(at, &verified, err, "verify", "--wait", "--socket", at->control, NULL);
    if (r < 0)
        return r;
    char bytes[GW_SIZE_TEXT];
    gw_size_format(status_number(verified, "verify.checked_bytes"), bytes);
    w->n.verified_equal = status_true(verified, "verify.done") &&
                          status_number(verified, "verify.differing_blocks") == 0;
    story_check(&w->story, w->n.verified_equal, "verify %s: %s compared, %llu blocks differ",
                sentence, bytes,
                (unsigned long long)status_number(verified, "verify.differing_blocks"));
    return 0;
}

int scene_resync(struct world *w, struct gw_error *err)
{
    CLEANUP_STATUS json_t *before = NULL, *status = NULL;
    char sent[GW_SIZE_TEXT], delta[GW_SIZE_TEXT];
    story_scene(&w->story, "Delta resync while writes go on");
    uint64_t begin = gw_boot_ns(), records = world_acknowledged(w);
    int r = site_status(&w->dr, &before, err);
    if (r == 0 && status_is(before, "replication", "assessing"))
        r = site_command(&w->home, NULL, err, "divergence", "sign", "--by", "Eva Example",
                         "--socket", w->home.control, NULL);
    if (r == 0)
        r = site_await_following(&w->dr, &status, err);
    if (r < 0)
        return r;
    w->n.resync_seconds = (double)(gw_boot_ns() - begin) / (double)GW_NS_PER_S;
    w->n.sent_bytes = proxy_sent_bytes(w->to_home);
    gw_size_format(w->n.sent_bytes, sent);
    gw_size_format(w->n.delta_bytes, delta);
    story_say(&w->story,
              "Done in %.2f s. Since home returned %s have crossed the line, with all hashes, live "
              "writes and TLS, for a delta of %s.",
              w->n.resync_seconds, sent, delta);
    records = world_acknowledged(w) - records;
    story_check(&w->story, records > 0, "%llu records were acknowledged at DR meanwhile",
                (unsigned long long)records);
    return verify(w, &w->dr, "(DR to home, while writes go on)", err);
}

/* ---- the tail ------------------------------------------------------------------------------ */

/* A file that only home ever had, from the kept tail: laid over the image that DR was promoted
 * with. */
static int recover_file(struct world *w, struct gw_error *err)
{
    char name[FILES_NAME_MAX], original[PATH_MAX];
    uint64_t bytes = 0;
    struct process_output o;
    files_picture_name(&work_lost, name);
    snprintf(original, sizeof original, "lost/%s", name);
    int r = volume_copy(w->processes, "promoted-files.img", "recovered.img", err);
    if (r == 0)
        r = volume_overlay("recovered.img", "tail", "files", &bytes, err);
    if (r == 0)
        r = filesystem_get(w->processes, "recovered.img", name, "recovered", err);
    if (r < 0)
        return r == -ENOENT ? story_check(&w->story, false, "%s", err->msg), 0 : r;
    const char *argv[] = { "cmp", original, "recovered", NULL };
    r = process_run(w->processes, argv, SITE_MS, &o, err);
    if (r < 0)
        return r;
    story_check(&w->story, o.code == 0,
                "the file %s, which only home ever had, is recovered from the tail, byte for byte",
                name);
    process_output_done(&o);
    return 0;
}

/* What is listed, volume by volume. */
static void itemise(struct world *w, const json_t *shown)
{
    static const char *const volumes[] = { "files", "ledger" };
    size_t i;
    const json_t *range;
    for (size_t v = 0; v < GW_ARRAY_SIZE(volumes); v++) {
        char some[160] = "", size[GW_SIZE_TEXT];
        uint64_t ranges = 0, bytes = 0;
        json_array_foreach(json_object_get(shown, "ranges"), i, range)
        {
            if (!status_is(range, "volume", volumes[v]))
                continue;
            size_t n = strlen(some);
            if (ranges++ < 3)
                snprintf(some + n, sizeof some - n, "%s%llu+%llu", n > 0 ? ", " : "",
                         (unsigned long long)status_number(range, "offset"),
                         (unsigned long long)status_number(range, "length"));
            bytes += status_number(range, "length");
        }
        gw_size_format(bytes, size);
        story_item(&w->story, volumes[v], "%s in %llu ranges%s%s%s", size,
                   (unsigned long long)ranges, ranges > 0 ? ": " : "", some,
                   ranges > 3 ? ", ..." : "");
    }
}

static int examine_tail(struct world *w, const char *id, struct gw_error *err)
{
    CLEANUP_STATUS json_t *shown = NULL;
    int r = site_command(&w->home, &shown, err, "divergence", "show", id, "--dir", "home", NULL);
    if (r == 0)
        r = site_command(&w->home, NULL, err, "divergence", "export", id, "tail", "--dir", "home",
                         NULL);
    if (r == 0 && w->n.lost > 0)
        r = ledger_search("tail/ledger.tail", &w->book, &w->lost, &w->n.lost_in_tail, err);
    if (r < 0)
        return r;
    w->n.divergent_blocks = status_number(shown, "blocks");
    story_say(&w->story, "The tail, signed by %s: %llu blocks%s.", status_text(shown, "signed_by"),
              (unsigned long long)w->n.divergent_blocks,
              status_true(shown, "exact") ? ""
                                          : ", at most: what home wrote last, in whole extents, "
                                            "where it differs from what DR has now");
    itemise(w, shown);
    story_check(&w->story,
                status_true(shown, "finished") && status_true(shown, "diverged") &&
                    (w->options->sync || w->n.divergent_blocks > 0),
                "home's divergent tail is kept and itemised");
    return 0;
}

int scene_tail(struct world *w, struct gw_error *err)
{
    CLEANUP_STATUS json_t *list = NULL;
    story_scene(&w->story, "What home had, and nobody else");
    int r = site_command(&w->home, &list, err, "divergence", "list", "--dir", "home", NULL);
    if (r < 0)
        return r;
    const json_t *undos = json_object_get(list, "undo");
    const json_t *first = json_array_get(undos, 0);
    story_check(&w->story, json_array_size(undos) == 1 && status_at(first, "id") != NULL,
                "home keeps the old content of all that the resync overwrote: %llu blocks",
                (unsigned long long)status_number(first, "blocks"));
    r = first != NULL ? examine_tail(w, status_text(first, "id"), err) : 0;
    if (r < 0)
        return r;
    if (w->options->sync) {
        story_say(&w->story, "No acknowledged record is in it that DR does not have: in sync mode "
                             "there was nothing to lose.");
        return 0;
    }
    story_check(&w->story, w->n.lost_in_tail == w->n.lost,
                "%llu of the %llu lost records are found in the exported tail, as they were "
                "written",
                (unsigned long long)w->n.lost_in_tail, (unsigned long long)w->n.lost);
    return recover_file(w, err);
}
