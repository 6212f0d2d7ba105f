// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "plan/planfile.h"

#include "base/cleanup.h"
#include "plan/arena.h"
#include "plan/encode.h"
#include "plan/parse.h"
#include "plan/planfile_check.h"
#include "plan/planfile_schema.h"
#include "plan/reference.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

#define HASH_BYTES 32

static void check(struct gw_decode *d, const void *file)
{
    gw_planfile_check(d, file);
}

int gw_planfile_parse(const char *name, const void *bytes, size_t len, enum gw_doc_format format,
                      struct gw_plan_errors *errors, struct gw_planfile **ret, struct gw_error *err)
{
    struct gw_arena *arena = NULL;
    void *file = NULL;
    int r = gw_parse_file(name, bytes, len, format, &gw_planfile_schema, check, errors, &arena,
                          &file, err);
    if (r < 0)
        return r;
    struct gw_planfile *plan = file;
    plan->arena = arena;
    *ret = plan;
    return 0;
}

void gw_planfile_free(struct gw_planfile *plan)
{
    if (plan != NULL)
        gw_arena_free(plan->arena); /* with the plan in it */
}

int gw_planfile_canonical(const struct gw_planfile *plan, char **ret, struct gw_error *err)
{
    struct gw_encode_sites sites = { plan->home, plan->dr };
    json_t *map = gw_encode(&gw_planfile_schema, plan, &sites);
    char *text = map == NULL ? NULL : json_dumps(map, JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(map);
    if (text == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    *ret = text;
    return 0;
}

int gw_planfile_hash(const char *canonical, char ret[GW_PLANFILE_HASH_TEXT], struct gw_error *err)
{
    unsigned char hash[HASH_BYTES];
    int r = gnutls_hash_fast(GNUTLS_DIG_SHA256, canonical, strlen(canonical), hash);
    if (r < 0)
        return gw_error_set(err, -EIO, "cannot hash a plan: %s", gnutls_strerror(r));
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(ret + 2 * i, 3, "%02x", hash[i]);
    return 0;
}

const struct gw_planfile_volume *gw_planfile_volume(const struct gw_planfile *plan,
                                                    const char *name)
{
    for (size_t i = 0; i < plan->n_volumes; i++) {
        if (strcmp(plan->volumes[i].name, name) == 0)
            return &plan->volumes[i];
    }
    return NULL;
}

const char *gw_planfile_path(const struct gw_planfile *plan,
                             const struct gw_planfile_volume *volume, const char *site)
{
    if (strcmp(site, plan->home) == 0)
        return volume->at.home;
    return strcmp(site, plan->dr) == 0 ? volume->at.dr : NULL;
}

const struct gw_texts *gw_planfile_at(const struct gw_planfile *plan, const struct gw_at_texts *at,
                                      const char *site)
{
    if (strcmp(site, plan->home) == 0)
        return &at->home;
    return strcmp(site, plan->dr) == 0 ? &at->dr : NULL;
}

const char *gw_planfile_other(const struct gw_planfile *plan, const char *site)
{
    if (strcmp(site, plan->home) == 0)
        return plan->dr;
    return strcmp(site, plan->dr) == 0 ? plan->home : NULL;
}

uint64_t gw_planfile_bandwidth(const struct gw_planfile *plan, int64_t at_s, enum gw_cron_zone zone)
{
    const struct gw_planfile_bandwidth *b = &plan->replication.bandwidth;
    for (size_t i = 0; i < b->n_schedule; i++) {
        if (gw_cron_matches(&b->schedule[i].cron, at_s, zone))
            return b->schedule[i].limit_per_s;
    }
    return b->limit_per_s;
}

char *gw_planfile_reference(void)
{
    return gw_schema_reference(
        &gw_planfile_schema, "The plan file",
        "A plan file is YAML (or the same as JSON) and is taken by `godwit plan apply -f FILE`. "
        "Every key is here; any\nother is refused. This page is made from the table that the "
        "program itself decodes by (`src/plan`).\n\n"
        "Every command that a plan names (start, stop, status, checks, hooks, routes) has in its "
        "environment, where it is known:\n`GODWIT_PLAN`, `GODWIT_RUN`, `GODWIT_OPERATION`, "
        "`GODWIT_MODE` (real or dry-run), `GODWIT_DIRECTION` (`madrid>lisbon`), `GODWIT_SITE` "
        "(where it\nruns), `GODWIT_GROUP`, `GODWIT_INSTANCE`, `GODWIT_HOOK`, `GODWIT_EPOCH`, "
        "`GODWIT_VOLUMES` and, of each volume, `GODWIT_VOLUME_NAME_NBD`, `_SOCKET`, `_EXPORT` "
        "and\n`_SIZE`. In a failover also `GODWIT_RECOVERY_POINT` (the id of the point, or "
        "`latest`) and `GODWIT_RECOVERY_TIME`: until when that state reaches, UTC, by the\nclock "
        "of the site that is lost.");
}
