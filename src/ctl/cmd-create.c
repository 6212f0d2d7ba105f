// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* create, describe: a plan directory, and what the other side's is made from. */
#include "base/checked.h"
#include "base/size.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DESCRIPTION_FORMAT 1

/* ---- names ------------------------------------------------------------------------------------
 */

/* Names of plans and sites are typed, shown and put into file names by others. */
static int take_name(struct gw_term *c, const char *what, const char *name, char *ret, size_t cap)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strlen(name);
    if (n == 0 || n >= cap || name[0] == '.' || name[0] == '-' || strspn(name, good) != n)
        return gw_term_usage(
            c,
            "%s: '%s' is not a name: 1 to %zu letters, digits, '.', '_' and '-', not "
            "starting with '.' or '-'",
            what, name, cap - 1);
    memcpy(ret, name, n + 1);
    return 0;
}

/* ---- the description of the other side --------------------------------------------------------
 */

static int bad_description(struct gw_term *c, const char *file, const char *what)
{
    return gw_error_set(&c->err, -EINVAL,
                        "%s: %s; make it anew with godwit-ctl describe at the other side", file,
                        what);
}

/* A name from the description; it was made by us, so that the same rules hold. */
static int described_name(struct gw_term *c, const char *file, const json_t *j, char *ret,
                          size_t cap)
{
    const char *name = json_string_value(j);
    return take_name(c, file, name != NULL ? name : "", ret, cap);
}

static int described_volume(struct gw_term *c, const char *file, const json_t *j,
                            struct gw_plan_volume_spec *v)
{
    json_int_t bytes = json_integer_value(json_object_get(j, "bytes"));
    if (bytes <= 0 || (uint64_t)bytes > GW_VOLUME_BYTES_MAX ||
        !gw_uuid_parse(gw_term_text(j, "uuid"), &v->uuid) || gw_uuid_is_none(&v->uuid))
        return bad_description(c, file, "a volume's uuid or size is wrong");
    v->bytes = (uint64_t)bytes;
    return described_name(c, file, json_object_get(j, "name"), v->name, sizeof v->name);
}

/* The next volume in the slot that it has there; slots between are empty. */
static int described_slot(struct gw_term *c, const char *file, const json_t *v,
                          struct gw_plan_spec *spec)
{
    const json_t *slot = json_object_get(v, "slot");
    json_int_t at = json_is_integer(slot) ? json_integer_value(slot) : spec->n_volumes;
    if (at < spec->n_volumes || at >= GW_VOLUMES_MAX)
        return bad_description(c, file, "the slots of the volumes are wrong");
    while (spec->n_volumes < at)
        spec->volume[spec->n_volumes++].empty = true;
    return described_volume(c, file, v, &spec->volume[spec->n_volumes++]);
}

static int read_description(struct gw_term *c, const char *file, struct gw_plan_spec *spec,
                            json_t **ret)
{
    json_error_t why;
    CLEANUP_JSON json_t *j = json_load_file(file, JSON_REJECT_DUPLICATES, &why);
    if (j == NULL)
        return gw_error_set(&c->err, -EINVAL, "cannot read %s: %s", file, why.text);
    const json_t *sites = json_object_get(j, "sites"), *volumes = json_object_get(j, "volumes");
    if (json_integer_value(json_object_get(j, "format")) != DESCRIPTION_FORMAT)
        return bad_description(c, file, "not the description of a plan that this godwit knows");
    if (!gw_uuid_parse(gw_term_text(j, "plan_uuid"), &spec->plan) || gw_uuid_is_none(&spec->plan))
        return bad_description(c, file, "the plan's uuid is wrong");
    if (json_array_size(sites) != 2)
        return bad_description(c, file, "it does not name two sites");
    if (json_array_size(volumes) == 0 || json_array_size(volumes) > GW_VOLUMES_MAX)
        return bad_description(c, file, "the number of volumes is wrong");
    int r = described_name(c, file, json_object_get(j, "plan"), spec->plan_name,
                           sizeof spec->plan_name);
    for (size_t i = 0; r == 0 && i < 2; i++)
        r = described_name(c, file, json_array_get(sites, i), spec->site_name[i],
                           sizeof spec->site_name[i]);
    for (size_t i = 0; r == 0 && i < json_array_size(volumes); i++)
        r = described_slot(c, file, json_array_get(volumes, i), spec);
    if (r != 0)
        return r;
    *ret = json_incref(j);
    return 0;
}

/* What the description says may be said again, not otherwise. */
static int must_agree(struct gw_term *c, const char *option, const char *value)
{
    const char *given = gw_term_arg(&c->args, option);
    if (given == NULL || strcmp(given, value) == 0)
        return 0;
    return gw_term_usage(c, "--%s %s: the description says %s", option, given, value);
}

static int take_like(struct gw_term *c, const char *file, struct gw_plan_spec *spec)
{
    CLEANUP_JSON json_t *j = NULL;
    int r = read_description(c, file, spec, &j);
    if (r != 0)
        return r;
    /* By default this is the side that did not write the description. */
    const char *site = gw_term_arg(&c->args, "site"), *by = gw_term_text(j, "described_by");
    if (site == NULL)
        site = spec->site_name[strcmp(by, spec->site_name[0]) == 0];
    if (strcmp(site, spec->site_name[0]) != 0 && strcmp(site, spec->site_name[1]) != 0)
        return gw_term_usage(c, "--site %s: the plan's sites are %s and %s", site,
                             spec->site_name[0], spec->site_name[1]);
    spec->site = strcmp(site, spec->site_name[0]) != 0;
    if (gw_term_flag(&c->args, "second") && spec->site == 0)
        return gw_term_usage(c, "--second: %s is the first site of the plan", site);
    r = must_agree(c, "plan", spec->plan_name);
    return r != 0 ? r : must_agree(c, "peer", spec->site_name[1 - spec->site]);
}

static int take_new(struct gw_term *c, struct gw_plan_spec *spec)
{
    static const char *const needed[] = { "plan", "site", "peer" };
    for (size_t i = 0; i < GW_ARRAY_SIZE(needed); i++) {
        if (!gw_term_flag(&c->args, needed[i]))
            return gw_term_usage(c, "create needs --%s NAME (or --like FILE)", needed[i]);
    }
    spec->site = gw_term_flag(&c->args, "second");
    int r = take_name(c, "--plan", gw_term_arg(&c->args, "plan"), spec->plan_name,
                      sizeof spec->plan_name);
    if (r == 0)
        r = take_name(c, "--site", gw_term_arg(&c->args, "site"), spec->site_name[spec->site],
                      sizeof spec->site_name[0]);
    if (r == 0)
        r = take_name(c, "--peer", gw_term_arg(&c->args, "peer"), spec->site_name[1 - spec->site],
                      sizeof spec->site_name[0]);
    return r;
}

/* ---- volumes ----------------------------------------------------------------------------------
 */

/* NAME=PATH[,SIZE]; what follows the last comma is a size if it begins with a digit. */
static int split_volume(struct gw_term *c, const char *text, struct gw_plan_volume_spec *v)
{
    const char *eq = strchr(text, '='), *comma = strrchr(text, ',');
    if (eq == NULL || eq == text || eq[1] == '\0')
        return gw_term_usage(c, "--volume %s: write NAME=PATH or NAME=PATH,SIZE", text);
    size_t n = (size_t)(eq - text);
    char name[GW_VOLUME_NAME_MAX] = "";
    if (n < sizeof name)
        memcpy(name, text, n);
    const char *path = eq + 1, *end = path + strlen(path);
    if (comma != NULL && comma > path && comma[1] >= '0' && comma[1] <= '9') {
        char hint[64];
        gw_term_size_hint(comma + 1, hint, sizeof hint);
        if (!gw_size_parse(comma + 1, &v->bytes) || v->bytes == 0)
            return gw_term_usage(c, "--volume %s: '%s' is not a size (512MiB, 20GiB)%s", text,
                                 comma + 1, hint);
        end = comma;
    }
    if ((size_t)(end - path) >= sizeof v->path)
        return gw_term_usage(c, "--volume %s: the path is too long", text);
    memcpy(v->path, path, (size_t)(end - path));
    return take_name(c, "--volume", name, v->name, sizeof v->name);
}

static int no_such_volume(struct gw_term *c, const struct gw_plan_spec *spec, const char *name)
{
    const char *names[GW_VOLUMES_MAX + 1] = { NULL };
    uint32_t n = 0;
    for (uint32_t i = 0; i < spec->n_volumes; i++) {
        if (!spec->volume[i].empty)
            names[n++] = spec->volume[i].name;
    }
    const char *near = gw_term_nearest(name, names);
    return gw_term_usage(c, "--volume %s: the plan has no such volume%s%s%s", name,
                         near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                         near != NULL ? "'?" : "");
}

/* Give a described volume its path here. */
static int place_volume(struct gw_term *c, struct gw_plan_spec *spec,
                        const struct gw_plan_volume_spec *given)
{
    for (uint32_t i = 0; i < spec->n_volumes; i++) {
        struct gw_plan_volume_spec *v = &spec->volume[i];
        if (strcmp(v->name, given->name) != 0)
            continue;
        if (v->path[0] != '\0')
            return gw_term_usage(c, "volume '%s' is given twice", v->name);
        if (given->bytes != 0 && given->bytes != v->bytes)
            return gw_term_usage(c, "volume '%s' has %llu bytes in the plan, not %llu", v->name,
                                 (unsigned long long)v->bytes, (unsigned long long)given->bytes);
        memcpy(v->path, given->path, sizeof v->path);
        return 0;
    }
    return no_such_volume(c, spec, given->name);
}

static int take_volumes(struct gw_term *c, struct gw_plan_spec *spec, bool like)
{
    const char *text;
    for (unsigned i = 0; (text = gw_term_arg_nth(&c->args, "volume", i)) != NULL; i++) {
        struct gw_plan_volume_spec v = { 0 };
        int r = split_volume(c, text, &v);
        if (r == 0 && like)
            r = place_volume(c, spec, &v);
        else if (r == 0 && spec->n_volumes == GW_VOLUMES_MAX)
            r = gw_term_usage(c, "a plan has at most %u volumes", GW_VOLUMES_MAX);
        else if (r == 0)
            spec->volume[spec->n_volumes++] = v;
        if (r != 0)
            return r;
    }
    for (uint32_t i = 0; i < spec->n_volumes; i++) {
        if (spec->volume[i].path[0] == '\0' && !spec->volume[i].empty)
            return gw_term_usage(c, "the plan also has the volume '%s': --volume %s=PATH",
                                 spec->volume[i].name, spec->volume[i].name);
    }
    return 0;
}

/* ---- the commands -----------------------------------------------------------------------------
 */

/* What create --like reads; and, for people and programs, who wrote it. */
static json_t *description(const struct gw_meta *m)
{
    return json_pack("{s:i, s:s, s:o, s:[s, s], s:s, s:o}", "format", DESCRIPTION_FORMAT, "plan",
                     m->plan_name, "plan_uuid", gw_describe_uuid(&m->plan), "sites",
                     m->site_name[0], m->site_name[1], "described_by", m->site_name[m->site],
                     "volumes", gw_describe_volumes(m->volume, m->n_volumes));
}

static int fill_spec(struct gw_term *c, struct gw_plan_spec *spec)
{
    const char *like = gw_term_arg(&c->args, "like");
    spec->active = gw_term_flag(&c->args, "active");
    spec->adopt_data = gw_term_flag(&c->args, "adopt-data");
    if (spec->active == gw_term_flag(&c->args, "standby"))
        return gw_term_usage(
            c, "create needs --active (this side holds the data) or --standby (it will "
               "be seeded)");
    if (spec->active && spec->adopt_data)
        return gw_term_usage(
            c, "--adopt-data is about a standby; an active side's volumes are adopted "
               "as they are");
    int r = like != NULL ? take_like(c, like, spec) : take_new(c, spec);
    return r != 0 ? r : take_volumes(c, spec, like != NULL);
}

int ctl_cmd_create(struct gw_term *c)
{
    const char *dir = c->args.operand[0];
    CLEANUP_FREE struct gw_plan_spec *spec = calloc(1, sizeof *spec);
    if (spec == NULL)
        return gw_term_no_memory(c);
    int r = fill_spec(c, spec);
    if (r != 0)
        return r;
    r = gw_plan_create(gw_io_posix(), dir, spec, &c->err);
    if (r < 0)
        return r;
    struct gw_metafile *file;
    CLEANUP_FREE struct gw_meta *m = calloc(1, sizeof *m);
    if (m == NULL)
        return gw_term_no_memory(c);
    r = gw_metafile_open(gw_io_posix(), dir, true, &file, m, NULL, &c->err);
    if (r < 0)
        return r;
    gw_metafile_close(file);
    c->result = gw_describe_meta(m);
    if (!c->json)
        gw_term_say("Made plan %s at site %s (%s) with %u volume%s in %s.", m->plan_name,
                    m->site_name[m->site], gw_role_name(m->role), m->n_volumes,
                    m->n_volumes == 1 ? "" : "s", dir);
    return GW_EXIT_OK;
}

int ctl_cmd_describe(struct gw_term *c)
{
    struct gw_metafile *file;
    CLEANUP_FREE struct gw_meta *m = calloc(1, sizeof *m);
    if (m == NULL)
        return gw_term_no_memory(c);
    int r = gw_metafile_open(gw_io_posix(), c->args.operand[0], true, &file, m, NULL, &c->err);
    if (r < 0)
        return r;
    gw_metafile_close(file);
    c->result = description(m);
    if (c->result == NULL)
        return gw_term_no_memory(c);
    if (!c->json) {
        json_dumpf(c->result, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        putchar('\n');
    }
    return GW_EXIT_OK;
}
