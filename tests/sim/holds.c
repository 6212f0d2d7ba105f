// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "holds.h"

#include "fibers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hold {
    struct hold *next;
    int site;
    unsigned ops; /* 0: a crash point */
    char what[64];
    uint64_t from, to;
    unsigned skip;
    bool over;
    struct waitq waiting;
};

struct name { /* of a file that is open */
    const struct gw_file *file;
    char path[96];
};

static struct hold *holds;
static struct name *name;
static size_t n_names, room;

static struct hold *hold_new(int site, unsigned ops, const char *what)
{
    struct hold *h = calloc(1, sizeof *h);
    if (!h)
        abort();
    *h = (struct hold){ .next = holds, .site = site, .ops = ops };
    snprintf(h->what, sizeof h->what, "%s", what);
    holds = h;
    return h;
}

struct hold *hold_io(int site, unsigned ops, const char *path, uint64_t from, uint64_t to,
                     unsigned skip)
{
    struct hold *h = hold_new(site, ops, path);
    h->from = from;
    h->to = to;
    h->skip = skip;
    return h;
}

struct hold *hold_at(int site, const char *crash_point)
{
    return hold_new(site, 0, crash_point);
}

/* Who was killed there waits no longer. */
unsigned hold_waiting(const struct hold *h)
{
    return waitq_length(&h->waiting);
}

void hold_let_go(struct hold *h)
{
    h->over = true;
    waitq_wake_all(&h->waiting);
}

void hold_opened(const struct gw_file *f, const char *path)
{
    if (n_names == room) {
        room = room * 2 + 64;
        name = realloc(name, room * sizeof *name);
        if (!name)
            abort();
    }
    name[n_names].file = f;
    snprintf(name[n_names++].path, sizeof name->path, "%s", path);
}

void hold_closed(const struct gw_file *f)
{
    for (size_t i = 0; i < n_names; i++) {
        if (name[i].file == f) {
            name[i] = name[--n_names];
            return;
        }
    }
}

static const char *path_of(const struct gw_file *f)
{
    for (size_t i = 0; i < n_names; i++) {
        if (name[i].file == f)
            return name[i].path;
    }
    return "";
}

static void stand(struct hold *h)
{
    if (h->skip > 0) {
        h->skip--;
        return;
    }
    while (!h->over)
        waitq_wait(&h->waiting, SIM_FOR_EVER);
}

void hold_file(int site, unsigned op, const struct gw_file *f, uint64_t off, uint64_t len)
{
    for (struct hold *h = holds; h; h = h->next) {
        bool here = !h->over && h->site == site && (h->ops & op) && off < h->to &&
                    (len > UINT64_MAX - off || off + len > h->from);
        if (here && strstr(path_of(f), h->what))
            stand(h);
    }
}

void hold_crash_point(int site, const char *point)
{
    for (struct hold *h = holds; h; h = h->next) {
        if (!h->over && h->ops == 0 && h->site == site && strcmp(point, h->what) == 0)
            stand(h);
    }
}
