// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The story of a shop: two godwitd, one plan, an application of three tiers (tier.h), customers who
 * book all the time (customers.h), and an operator who types the commands of godwit. shop.c makes
 * and ends it; each act_*.c is a part of the story, in this order. An act returns 0 (its checks may
 * have failed), or an error when the story cannot go on.
 */
#pragma once

#include "demo/customers.h"
#include "demo/daemon.h"
#include "demo/demo.h"
#include "demo/ledger_reader.h"
#include "demo/stage.h"
#include "demo/status.h"
#include "demo/tier.h"

#define SHOP_PLAN "shop"
#define SHOP_PLAN_FILE "shop.yaml"
#define SHOP_VOLUMES 2
#define SHOP_LEDGER_BYTES (64ull << 20)
#define SHOP_ARCHIVE_BYTES (128ull << 20)
#define SHOP_ARCHIVE_DATA_BYTES (48ull << 20) /* what last year's bookings fill of it */
#define SHOP_PERSON "Eva Example"
#define SHOP_BOOKINGS_SEEN 5 /* so many make sure that a site serves */

struct shop_numbers {
    uint64_t acknowledged, lost, in_doubt, lost_in_tail;
    uint64_t volume_bytes, seed_bytes, tail_bytes, delta_bytes, resync_line_bytes;
    double seed_seconds, resync_seconds;
    double rto_seconds;     /* home's death to the first booking at DR */
    double command_seconds; /* the failover, from the command to a healthy service */
    double rpo_seconds;     /* how far back the lost bookings go */
    double outage_ms;       /* of the failback, as a customer who follows the route saw it */
    double forecast_outage_ms;

    uint64_t verified_bytes;
    bool equal;
    char failover_run[64], reverse_run[64], failback_run[64];
};

struct shop {
    const struct demo_options *options;
    struct story story;
    struct stage stage;
    struct programs programs;
    struct processes *processes;
    struct daemon home, dr;
    struct customers *customers;
    unsigned port[TIER_ROLES];
    struct shop_numbers n;
    uint64_t kill_ns, acknowledged_at_cut;
    json_t *steps[3];        /* of failover, reverse and failback, for the report */
    struct ledger_book book; /* the customers' memory when home was dead */
    struct ledger_audit lost;
};

/* As demo_run, with two godwitd. */
int shop_run(const struct demo_options *options);

/* The plan as an operator writes it, to SHOP_PLAN_FILE. */
int shop_write_plan(const struct shop *s, struct gw_error *err);

/* So many bookings as come in `share` of a part of life. */
uint64_t shop_bookings(const struct shop *s, double share);
/* Until so many more are acknowledged, by whatever site. */
int shop_wait_bookings(struct shop *s, uint64_t bookings, struct gw_error *err);
/* Watch the plan's status at a site until `ready` says so; *ret (may be NULL) is that status. */
int shop_await(struct shop *s, struct daemon *at, bool (*ready)(const json_t *status),
               const char *what, json_t **ret, struct gw_error *err);
/* Between two looks; -ECANCELED if the story was interrupted. */
int shop_pause(struct gw_error *err);
/* A run that ended well: its steps are told, and kept in s->steps[i]. */
void shop_tell_run(struct shop *s, unsigned i, const json_t *answer);
/* Of the step of that name, from the answer of a run; NULL: there is none. */
const json_t *shop_step(const json_t *steps, const char *name);
/* What the forecast says, as items. */
void shop_tell_forecast(struct shop *s, const json_t *forecast);

int act_protect(struct shop *s, struct gw_error *err);
int act_disaster(struct shop *s, struct gw_error *err);
int act_failover(struct shop *s, struct gw_error *err);
int act_return(struct shop *s, struct gw_error *err);
int act_reverse(struct shop *s, struct gw_error *err);
int act_failback(struct shop *s, struct gw_error *err);
int act_end(struct shop *s, struct gw_error *err);

void shop_report_table(struct shop *s);
/* A new object; NULL when out of memory. `error` is NULL unless the story broke off. */
json_t *shop_report_json(const struct shop *s, const char *error, double elapsed_seconds);
