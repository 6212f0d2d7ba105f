// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/world.h"

#include "base/clock.h"
#include "demo/filesystem.h"
#include "demo/volume.h"

#include <errno.h>

#define RECORDS_PER_S 1000.0 /* the pace of ledger.c */

uint64_t world_records(const struct world *w, double share)
{
    double n = w->options->seconds * share * RECORDS_PER_S;
    return n < 50 ? 50 : (uint64_t)n;
}

uint64_t world_acknowledged(struct world *w)
{
    struct ledger_status st;
    ledger_get_status(w->ledger, &st);
    return st.acknowledged;
}

/* In slices, to see when there is nobody left to wait for. */
int world_wait_records(struct world *w, uint64_t records, struct gw_error *err)
{
    uint64_t wanted = world_acknowledged(w) + records;
    uint64_t end = gw_boot_ns() + SITE_MS * GW_NS_PER_MS;
    for (;;) {
        int r = ledger_wait(w->ledger, wanted, 250, err);
        if (r != -ETIMEDOUT || gw_boot_ns() >= end)
            return r;
        r = processes_alive(w->processes, err);
        if (r < 0)
            return r;
    }
}

int world_do_work(struct world *w, const struct site *at, const char *tree,
                  const struct files_work *work, uint64_t *ret_blocks, struct gw_error *err)
{
    static const char before[] = "work-before.img", after[] = "work-after.img",
                      script[] = "work.debugfs";
    int r = files_do_work(tree, script, work, err);
    if (r == 0)
        r = volume_read(w->processes, at->socket, "files", before, err);
    if (r == 0)
        r = volume_copy(w->processes, before, after, err);
    if (r == 0)
        r = filesystem_edit(w->processes, after, script, err);
    if (r == 0)
        r = volume_change(at->socket, "files", before, after, ret_blocks, err);
    return r < 0 ? gw_error_wrap(err, "working on the files at %s", at->name) : 0;
}

int world_check_files(struct world *w, const char *image, const char *where, struct gw_error *err)
{
    struct filesystem_verdict v;
    int r = filesystem_check(w->processes, image, "tree.sha256", &v, err);
    if (r < 0)
        return r;
    story_check(&w->story, v.clean, "e2fsck -fn %s: %s", where,
                v.clean ? "the filesystem is clean" : v.words);
    if (v.clean)
        story_check(&w->story, v.whole, "sha256sum: %llu files, %s", (unsigned long long)v.files,
                    v.whole ? "all as they should be" : v.words);
    return 0;
}
