// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/documents.h"

#include "engine/reshape.h"
#include "plan/near.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UPDATE_TRIES 8 /* somebody else's change came between: read again */

void site_document_unref(struct site_document *d)
{
    if (d == NULL || __atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    gw_planfile_free(d->plan);
    free(d);
}

static struct site_document *document_ref(struct site_document *d)
{
    if (d != NULL)
        __atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
    return d;
}

int site_document_new(const char *canonical, uint64_t version, const char *hash,
                      struct site_document **ret, struct gw_error *err)
{
    struct site_document *d = calloc(1, sizeof *d);
    if (d == NULL) {
        gw_error_set(err, -ENOMEM, "out of memory");
        return -ENOMEM;
    }
    int r =
        gw_planfile_parse("plan", canonical, strlen(canonical), GW_DOC_JSON, NULL, &d->plan, err);
    if (r < 0) {
        free(d);
        gw_error_wrap(err, "the kept plan document is not what this godwit reads");
        return r;
    }
    d->refs = 1;
    d->version = version;
    snprintf(d->hash, sizeof d->hash, "%s", hash);
    *ret = d;
    return 0;
}

int site_document_pinned(struct site *s, const struct site_plan *p, const char *hash,
                         struct site_document **ret, struct gw_error *err)
{
    LOCK_SCOPE(&s->mu);
    if (p->doc != NULL && strcmp(p->doc->hash, hash) == 0) {
        *ret = document_ref(p->doc);
        return 0;
    }
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan_version v;
    int r = gw_catalog_plan_version_get(s->catalog, p->uuid_text, hash, &mem, &v, err);
    return r < 0 ? r : site_document_new(v.document, v.version, v.hash, ret, err);
}

struct site_document *site_plan_document(struct site *s, struct site_plan *p)
{
    LOCK_SCOPE(&s->mu);
    return document_ref(p->doc);
}

static int no_such_plan(struct site *s, const char *name, struct gw_error *err)
{
    const char *names[64] = { NULL };
    size_t n = 0;
    for (const struct site_plan *p = s->plans; p != NULL && n < 63; p = p->next) {
        if (!p->gone)
            names[n++] = p->name;
    }
    const char *near = gw_near_miss(name, names);
    if (near != NULL)
        return gw_error_set(err, -ENOENT, "there is no plan '%s' here; did you mean '%s'?", name,
                            near);
    return gw_error_set(err, -ENOENT, "there is no plan '%s' here; godwit plan list names them",
                        name);
}

int site_plan_find(struct site *s, const char *name, struct site_plan **ret, struct gw_error *err)
{
    LOCK_SCOPE(&s->mu);
    for (struct site_plan *p = s->plans; p != NULL; p = p->next) {
        if (!p->gone && strcmp(p->name, name) == 0) {
            *ret = p;
            return 0;
        }
    }
    return no_such_plan(s, name, err);
}

struct site_plan *site_plan_by_uuid(struct site *s, const struct gw_uuid *uuid)
{
    LOCK_SCOPE(&s->mu);
    for (struct site_plan *p = s->plans; p != NULL; p = p->next) {
        if (!p->gone && gw_uuid_equal(&p->uuid, uuid))
            return p;
    }
    return NULL;
}

/* site.mu is held. */
static int adopt_row(struct site *s, const struct gw_catalog_plan *row, struct gw_error *err)
{
    struct site_plan *p = s->plans;
    while (p != NULL && strcmp(p->uuid_text, row->uuid) != 0)
        p = p->next;
    if (p != NULL && p->doc != NULL && strcmp(p->doc->hash, row->hash) == 0 &&
        p->doc->version == row->version) {
        p->gone = false;
        return 0;
    }
    struct site_document *doc = NULL;
    int r = site_document_new(row->document, row->version, row->hash, &doc, err);
    if (r != 0)
        return gw_error_wrap(err, "plan '%s'", row->name);
    if (p == NULL) {
        p = calloc(1, sizeof *p);
        if (p == NULL || !gw_uuid_parse(row->uuid, &p->uuid)) {
            free(p);
            site_document_unref(doc);
            return gw_error_set(err, p == NULL ? -ENOMEM : -EBADMSG, "plan '%s': bad uuid",
                                row->name);
        }
        snprintf(p->name, sizeof p->name, "%s", row->name);
        snprintf(p->uuid_text, sizeof p->uuid_text, "%s", row->uuid);
        pthread_mutex_init(&p->plan_mu, NULL);
        p->next = s->plans;
        s->plans = p;
    }
    const char *peer = gw_planfile_other(doc->plan, s->name);
    snprintf(p->peer, sizeof p->peer, "%s", peer != NULL ? peer : "");
    site_document_unref(p->doc);
    p->doc = doc;
    p->gone = false;
    return 0;
}

int site_plans_load(struct site *s, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan *rows = NULL;
    size_t n = 0;
    int r = gw_catalog_plan_list(s->catalog, false, &mem, &rows, &n, err);
    if (r < 0)
        return r;
    LOCK_SCOPE(&s->mu);
    for (struct site_plan *p = s->plans; p != NULL; p = p->next)
        p->gone = true;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = adopt_row(s, &rows[i], err);
    s->changes++;
    pthread_cond_broadcast(&s->changed);
    return r;
}

int site_plan_update(struct site *s, const struct site_plan *p, site_plan_change_fn *change,
                     void *arg, struct gw_error *err)
{
    int r = -ESTALE;
    for (int i = 0; r == -ESTALE && i < UPDATE_TRIES; i++) {
        CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
        struct gw_catalog_plan row = { 0 };
        r = gw_catalog_plan_get_uuid(s->catalog, p->uuid_text, &mem, &row, err);
        if (r < 0)
            return r;
        change(&row, arg);
        r = gw_catalog_plan_update(s->catalog, &row, err);
    }
    return r;
}

struct gw_uuid site_volume_uuid(const struct site_plan *p, const char *volume)
{
    return gw_volume_uuid(&p->uuid, volume);
}

enum gw_label site_label(const struct gw_planfile *plan, const char *site)
{
    return strcmp(plan->home, site) == 0 ? GW_LABEL_HOME : GW_LABEL_DR;
}
