// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The register's value as text: one JSON object, every member required, nothing else allowed. */
#include "authority/record.h"
#include "base/checked.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *const voter_names[] = { "first", "second", "witness" };

static int put_set(char *ret, size_t size, uint8_t set)
{
    size_t n = (size_t)snprintf(ret, size, "[");
    for (unsigned i = 0; i < GW_ARRAY_SIZE(voter_names); i++) {
        if (set & (1u << i))
            n += (size_t)snprintf(ret + n, size - n, "%s\"%s\"", n > 1 ? "," : "", voter_names[i]);
    }
    return snprintf(ret + n, size - n, "]");
}

int gw_tenure_encode(const struct gw_tenure *r, char ret[static GW_TENURE_TEXT_MAX],
                     struct gw_error *err)
{
    char incarnation[GW_UUID_TEXT], boot[GW_UUID_TEXT], voters[64], away[64];
    int rc = gw_tenure_check(r, err);
    if (rc < 0)
        return gw_error_wrap(err, "cannot write the register");
    gw_uuid_format(&r->incarnation, incarnation);
    gw_uuid_format(&r->copy.replica_boot, boot);
    put_set(voters, sizeof voters, r->voters);
    put_set(away, sizeof away, r->maintenance);
    snprintf(
        ret, GW_TENURE_TEXT_MAX,
        "{\"version\":%d,\"epoch\":%llu,\"holder\":\"%s\",\"beat\":%llu,\"incarnation\":\"%s\","
        "\"released_to\":\"%s\",\"enforced\":%s,\"copy\":{\"state\":\"%s\",\"replica_boot\":"
        "\"%s\",\"watermark\":%llu,\"lag_ms\":%llu,\"at_s\":%llu},\"voters\":%s,"
        "\"maintenance\":%s,\"maintenance_until_s\":%llu,\"since_s\":%llu}",
        GW_TENURE_VERSION, (unsigned long long)r->epoch, gw_seat_name(r->holder),
        (unsigned long long)r->beat, incarnation, gw_seat_name(r->released_to),
        r->enforced ? "true" : "false", gw_copy_name(r->copy.kind), boot,
        (unsigned long long)r->copy.watermark, (unsigned long long)r->copy.lag_ms,
        (unsigned long long)r->copy.at_s, voters, away, (unsigned long long)r->maintenance_until_s,
        (unsigned long long)r->since_s);
    return 0;
}

/* One member after another is taken; what is left over at the end is unknown. */
struct taking {
    json_t *object;
    size_t taken;
    const char *wrong; /* the first member that is not as it should be */
};

static json_t *take(struct taking *t, const char *name, json_type type)
{
    json_t *v = json_object_get(t->object, name);
    if (v == NULL || json_typeof(v) != type) {
        if (t->wrong == NULL)
            t->wrong = name;
        return NULL;
    }
    t->taken++;
    return v;
}

static uint64_t take_number(struct taking *t, const char *name)
{
    json_t *v = take(t, name, JSON_INTEGER);
    const json_int_t n = v != NULL ? json_integer_value(v) : 0;
    if (n >= 0)
        return (uint64_t)n;
    if (t->wrong == NULL)
        t->wrong = name;
    return 0;
}

static const char *take_text(struct taking *t, const char *name)
{
    json_t *v = take(t, name, JSON_STRING);
    return v != NULL ? json_string_value(v) : "";
}

static void expect(struct taking *t, bool good, const char *name)
{
    if (!good && t->wrong == NULL)
        t->wrong = name;
}

static uint8_t take_set(struct taking *t, const char *name)
{
    json_t *list = take(t, name, JSON_ARRAY), *v;
    uint8_t set = 0;
    size_t i;
    if (list == NULL)
        return 0;
    json_array_foreach(list, i, v)
    {
        unsigned k = 0;
        while (k < GW_ARRAY_SIZE(voter_names) &&
               (!json_is_string(v) || strcmp(json_string_value(v), voter_names[k]) != 0))
            k++;
        if (k == GW_ARRAY_SIZE(voter_names) || (set & (1u << k)) != 0)
            expect(t, false, name);
        else
            set |= (uint8_t)(1u << k);
    }
    return set;
}

static bool take_bool(struct taking *t, const char *name)
{
    json_t *v = json_object_get(t->object, name);
    return take(t, name, json_is_true(v) ? JSON_TRUE : JSON_FALSE) != NULL && json_is_true(v);
}

static void take_copy(struct taking *outer, struct gw_copy_state *ret)
{
    struct taking t = { .object = take(outer, "copy", JSON_OBJECT) };
    if (t.object == NULL)
        return;
    expect(&t, gw_copy_parse(take_text(&t, "state"), &ret->kind), "copy.state");
    expect(&t, gw_uuid_parse(take_text(&t, "replica_boot"), &ret->replica_boot),
           "copy.replica_boot");
    ret->watermark = take_number(&t, "watermark");
    ret->lag_ms = take_number(&t, "lag_ms");
    ret->at_s = take_number(&t, "at_s");
    expect(&t, t.taken == json_object_size(t.object), "copy");
    expect(outer, t.wrong == NULL, t.wrong);
}

static void take_all(struct taking *t, struct gw_tenure *ret)
{
    take_number(t, "version");
    ret->epoch = take_number(t, "epoch");
    expect(t, gw_seat_parse(take_text(t, "holder"), &ret->holder), "holder");
    ret->beat = take_number(t, "beat");
    expect(t, gw_uuid_parse(take_text(t, "incarnation"), &ret->incarnation), "incarnation");
    expect(t, gw_seat_parse(take_text(t, "released_to"), &ret->released_to), "released_to");
    ret->enforced = take_bool(t, "enforced");
    take_copy(t, &ret->copy);
    ret->voters = take_set(t, "voters");
    ret->maintenance = take_set(t, "maintenance");
    ret->maintenance_until_s = take_number(t, "maintenance_until_s");
    ret->since_s = take_number(t, "since_s");
}

static int decode_object(json_t *root, struct gw_tenure *ret, struct gw_error *err)
{
    struct taking t = { .object = root };
    struct gw_tenure r = { 0 };
    json_t *version = json_object_get(root, "version");
    if (!json_is_integer(version) || json_integer_value(version) < 1)
        return gw_error_set(err, -EINVAL, "it has no version");
    if (json_integer_value(version) > GW_TENURE_VERSION)
        return gw_error_set(err, -EPROTO, "it is of version %lld, this program knows %d: upgrade",
                            (long long)json_integer_value(version), GW_TENURE_VERSION);
    take_all(&t, &r);
    if (t.wrong != NULL)
        return gw_error_set(err, -EINVAL, "its member %s is missing or wrong", t.wrong);
    if (t.taken != json_object_size(root))
        return gw_error_set(err, -EINVAL, "it has members that this version does not know");
    int rc = gw_tenure_check(&r, err);
    if (rc < 0)
        return rc;
    *ret = r;
    return 0;
}

int gw_tenure_decode(const char *text, size_t len, struct gw_tenure *ret, struct gw_error *err)
{
    if (len >= GW_TENURE_TEXT_MAX)
        return gw_error_set(err, -EINVAL, "the register's value is too long: %zu bytes", len);
    json_error_t where;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL)
        return gw_error_set(err, -EINVAL, "the register's value is not JSON: %s", where.text);
    int r = json_is_object(root) ? decode_object(root, ret, err)
                                 : gw_error_set(err, -EINVAL, "it is not an object");
    json_decref(root);
    return r < 0 ? gw_error_wrap(err, "cannot read the register's value") : 0;
}
