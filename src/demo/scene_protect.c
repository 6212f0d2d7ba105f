// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The data, the two sites, and the first copy, made while the ledger is being written. */
#include "demo/world.h"

#include "base/size.h"
#include "demo/certificates.h"
#include "demo/filesystem.h"
#include "demo/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int make_sparse(const char *path, uint64_t bytes, struct gw_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r = fd < 0 || ftruncate(fd, (off_t)bytes) < 0
                ? gw_error_errno(err, -errno, "cannot make \"%s\"", path)
                : 0;
    if (fd >= 0)
        close(fd);
    return r;
}

static int make_data(struct world *w, struct gw_error *err)
{
    uint64_t bytes = 0;
    char size[GW_SIZE_TEXT], volume[GW_SIZE_TEXT];
    int r = files_make("tree", err);
    if (r == 0)
        r = tree_count("tree", &w->n.files, &bytes, err);
    if (r == 0)
        r = filesystem_sums(w->processes, "tree", "tree.sha256", err);
    if (r < 0)
        return r;
    gw_size_format(bytes, size);
    gw_size_format(WORLD_FILES_BYTES, volume);
    story_say(&w->story,
              "An office has a volume of %s with an ext4 filesystem (%llu files, %s), and a ledger "
              "to which a client appends record after record, remembering each acknowledgement.",
              volume, (unsigned long long)w->n.files, size);
    story_typed(&w->story, "mke2fs -t ext4 -d tree home-files.img %lluk",
                (unsigned long long)(WORLD_FILES_BYTES / 1024));
    r = filesystem_make(w->processes, "tree", "home-files.img", WORLD_FILES_BYTES, err);
    if (r == 0)
        r = make_sparse("home-ledger.img", WORLD_LEDGER_BYTES, err);
    w->n.volume_bytes = WORLD_FILES_BYTES + WORLD_LEDGER_BYTES;
    return r;
}

static int write_text(const char *path, const json_t *o, struct gw_error *err)
{
    if (json_dump_file(o, path, JSON_INDENT(2)) < 0)
        return gw_error_set(err, -EIO, "cannot write \"%s\"", path);
    return 0;
}

static int make_plan(struct world *w, struct gw_error *err)
{
    CLEANUP_STATUS json_t *description = NULL;
    int r = site_command(&w->home, NULL, err, "create", "home", "--plan", "office", "--site",
                         "home", "--peer", "dr", "--active", "--volume", "files=home-files.img",
                         "--volume", "ledger=home-ledger.img", NULL);
    if (r == 0) {
        story_typed(&w->story, "godwit-ctl describe home >plan.json");
        r = site_ask(&w->home, &description, err, "describe", "home", NULL);
    }
    if (r == 0)
        r = write_text("plan.json", description, err);
    if (r == 0)
        r = site_command(&w->dr, NULL, err, "create", "dr", "--like", "plan.json", "--standby",
                         "--volume", "files=dr-files.img", "--volume", "ledger=dr-ledger.img",
                         NULL);
    return r;
}

static int start_both(struct world *w, struct gw_error *err)
{
    static const char *const names[2] = { "home", "dr" };
    story_say(&w->story,
              "Between the sites there is TLS 1.3 only, and each must show a certificate "
              "(certtool made tls/ca.pem, tls/home.pem and tls/dr.pem).");
    int r = certificates_make(w->processes, names, err);
    if (r == 0)
        r = site_start_replica(&w->dr, &w->home, err);
    if (r < 0)
        return r;
    story_say(&w->story, "home connects to %s, a forwarder that leads to %s and can be cut.",
              proxy_address(w->to_dr), "DR");
    return site_start_source(&w->home, &w->dr, err);
}

static int seed(struct world *w, struct gw_error *err)
{
    CLEANUP_STATUS json_t *status = NULL;
    char bytes[GW_SIZE_TEXT];
    ledger_target(w->ledger, "home", w->home.socket);
    int r = world_wait_records(w, 10, err);
    if (r == 0)
        r = site_await_following(&w->home, &status, err);
    if (r < 0)
        return r;
    w->n.seed_bytes = status_number(status, "resync.sent_bytes");
    w->n.seed_seconds = status_real(status, "resync.seconds");
    gw_size_format(w->n.seed_bytes, bytes);
    story_say(&w->story,
              "Seeded: %s sent in %.2f s (holes cost nothing), while the ledger was written.",
              bytes, w->n.seed_seconds);
    story_check(&w->story,
                status_number(status, "verdict.row") == 5 &&
                    status_is(status, "replication", w->options->sync ? "sync" : "async"),
                "DR was blank (verdict row %llu), and now follows: %s",
                (unsigned long long)status_number(status, "verdict.row"),
                status_text(status, "replication"));
    return 0;
}

int scene_protect(struct world *w, struct gw_error *err)
{
    static const struct files_work morning = { .who = "morning",
                                               .added = 6,
                                               .rewritten = 10,
                                               .from = 20,
                                               .removed = 2,
                                               .picture_bytes = 900000 };
    uint64_t blocks = 0;
    story_scene(&w->story, "Protect: the data gets a second site");
    int r = make_data(w, err);
    if (r == 0)
        r = make_plan(w, err);
    if (r == 0)
        r = start_both(w, err);
    if (r == 0)
        r = seed(w, err);
    if (r == 0)
        r = world_do_work(w, &w->home, "tree", &morning, &blocks, err);
    if (r == 0)
        r = filesystem_sums(w->processes, "tree", "tree.sha256", err);
    if (r == 0)
        r = world_wait_records(w, world_records(w, 0.5), err);
    if (r == 0)
        story_say(&w->story, "A morning's work: %llu blocks of the filesystem changed.",
                  (unsigned long long)blocks);
    return r;
}
