// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The register's value: what may stand in it. */
#include "authority/record.h"

#include <errno.h>

static const char *const copy_names[GW_COPY_MAX] = { "none", "sync", "async", "unsync" };

const char *gw_copy_name(enum gw_copy c)
{
    return (unsigned)c < GW_COPY_MAX ? copy_names[c] : "invalid";
}

bool gw_copy_parse(const char *word, enum gw_copy *ret)
{
    for (unsigned i = 0; i < GW_COPY_MAX; i++) {
        if (strcmp(word, copy_names[i]) == 0) {
            *ret = (enum gw_copy)i;
            return true;
        }
    }
    return false;
}

static int check_copy(const struct gw_copy_state *c, struct gw_error *err)
{
    if ((unsigned)c->kind >= GW_COPY_MAX)
        return gw_error_set(err, -EINVAL, "no such state of a copy: %u", (unsigned)c->kind);
    const bool named = !gw_uuid_is_none(&c->replica_boot);
    if (named != (c->kind == GW_COPY_SYNC)) /* R18: SYNC names the replica's boot id */
        return gw_error_set(err, -EINVAL, "copy is %s %s the boot id of a replica",
                            gw_copy_name(c->kind), named ? "and names" : "without");
    const bool counted = c->kind == GW_COPY_ASYNC || c->kind == GW_COPY_UNSYNC;
    if (!counted && (c->watermark != 0 || c->at_s != 0))
        return gw_error_set(err, -EINVAL, "copy is %s with a watermark", gw_copy_name(c->kind));
    if (c->kind != GW_COPY_ASYNC && c->lag_ms != 0)
        return gw_error_set(err, -EINVAL, "copy is %s with a lag", gw_copy_name(c->kind));
    if (c->watermark > GW_TENURE_NUMBER_MAX || c->lag_ms > GW_TENURE_NUMBER_MAX ||
        c->at_s > GW_TENURE_NUMBER_MAX)
        return gw_error_set(err, -EINVAL, "a number of the copy is out of range");
    return 0;
}

static int check_voters(const struct gw_tenure *r, struct gw_error *err)
{
    if (r->voters > GW_VOTERS_ALL || r->maintenance > GW_VOTERS_ALL)
        return gw_error_set(err, -EINVAL, "voters name somebody unknown");
    if ((r->voters & (1u << r->holder)) == 0)
        return gw_error_set(err, -EINVAL, "the holder is not among the voters");
    if ((r->voters & r->maintenance) != 0)
        return gw_error_set(err, -EINVAL, "a voter is declared away and votes");
    if (r->maintenance == 0 && r->maintenance_until_s != 0)
        return gw_error_set(err, -EINVAL, "maintenance has an end, but nobody is away");
    return 0;
}

int gw_tenure_check(const struct gw_tenure *r, struct gw_error *err)
{
    if (r->holder != GW_SEAT_FIRST && r->holder != GW_SEAT_SECOND)
        return gw_error_set(err, -EINVAL, "the record names no holder");
    if (r->epoch == 0 || r->epoch > GW_EPOCH_MAX)
        return gw_error_set(err, -EINVAL, "the epoch is out of range");
    if (!gw_epoch_is_of(r->epoch, r->holder)) /* P1 */
        return gw_error_set(err, -EINVAL,
                            "epoch %llu is not one of the %s site: its numbers are %s",
                            (unsigned long long)r->epoch, gw_seat_name(r->holder),
                            r->holder == GW_SEAT_FIRST ? "odd" : "even");
    if (gw_uuid_is_none(&r->incarnation))
        return gw_error_set(err, -EINVAL, "the record names no incarnation");
    if ((unsigned)r->released_to >= GW_SEAT_MAX || r->released_to == r->holder)
        return gw_error_set(err, -EINVAL, "released to nobody who could take it");
    if (r->beat > GW_TENURE_NUMBER_MAX || r->since_s > GW_TENURE_NUMBER_MAX ||
        r->maintenance_until_s > GW_TENURE_NUMBER_MAX)
        return gw_error_set(err, -EINVAL, "a number of the record is out of range");
    int rc = check_voters(r, err);
    return rc < 0 ? rc : check_copy(&r->copy, err);
}

bool gw_copy_equal(const struct gw_copy_state *a, const struct gw_copy_state *b)
{
    return a->kind == b->kind && gw_uuid_equal(&a->replica_boot, &b->replica_boot) &&
           a->watermark == b->watermark && a->lag_ms == b->lag_ms && a->at_s == b->at_s;
}

bool gw_tenure_equal(const struct gw_tenure *a, const struct gw_tenure *b)
{
    return a->epoch == b->epoch && a->holder == b->holder && a->beat == b->beat &&
           gw_uuid_equal(&a->incarnation, &b->incarnation) && a->released_to == b->released_to &&
           a->enforced == b->enforced && gw_copy_equal(&a->copy, &b->copy) &&
           a->voters == b->voters && a->maintenance == b->maintenance &&
           a->maintenance_until_s == b->maintenance_until_s && a->since_s == b->since_s;
}
