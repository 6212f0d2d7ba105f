// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Notifications that have to go out: kept until they were delivered or given up. Retry times are
 * boot times: a clock that is set back delays nothing; after a reboot everything is due.
 */
#pragma once

#include "catalog/catalog.h"

enum gw_catalog_outbox_state {
    GW_CATALOG_OUTBOX_PENDING,
    GW_CATALOG_OUTBOX_SENT,
    GW_CATALOG_OUTBOX_GIVEN_UP,
    GW_CATALOG_OUTBOX_MAX,
};
const char *gw_catalog_outbox_state_name(enum gw_catalog_outbox_state state);

struct gw_catalog_notification {
    uint64_t id;      /* ignored when added */
    const char *plan; /* name, or NULL */
    const char *run;  /* or NULL */
    const char *contact;
    const char *kind;
    const char *body; /* JSON: the contact and what to say */
    uint64_t created_wall_ns;
    enum gw_catalog_outbox_state state; /* the rest is ignored when added */
    uint64_t tries;
    uint64_t due_boot_ns;
    const char *boot_id;
    const char *last_error; /* or NULL */
    uint64_t ended_wall_ns;
};

int gw_catalog_outbox_add(struct gw_catalog *c, const struct gw_catalog_notification *row,
                          uint64_t *ret_id, struct gw_error *err);
/* Pending ones whose time has come, the oldest first, at most `limit`. */
int gw_catalog_outbox_due(struct gw_catalog *c, const char *boot_id, uint64_t now_boot_ns,
                          uint64_t limit, struct gw_catalog_mem *mem,
                          struct gw_catalog_notification **ret_rows, size_t *ret_n,
                          struct gw_error *err);
/* A try failed: one more, the next not before due_boot_ns of this boot. */
int gw_catalog_outbox_retry(struct gw_catalog *c, uint64_t id, const char *boot_id,
                            uint64_t due_boot_ns, const char *error, struct gw_error *err);
/* SENT or GIVEN_UP. */
int gw_catalog_outbox_end(struct gw_catalog *c, uint64_t id, enum gw_catalog_outbox_state state,
                          const char *error, uint64_t wall_ns, struct gw_error *err);
/* All of a run (NULL: of everything), for the evidence; the oldest first. */
int gw_catalog_outbox_list(struct gw_catalog *c, const char *run, struct gw_catalog_mem *mem,
                           struct gw_catalog_notification **ret_rows, size_t *ret_n,
                           struct gw_error *err);
/* Forget what ended before `wall_ns`. */
int gw_catalog_outbox_prune(struct gw_catalog *c, uint64_t wall_ns, struct gw_error *err);
