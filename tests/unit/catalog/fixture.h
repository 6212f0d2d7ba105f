// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* A catalog in a private directory, sample rows, and ways to get at the file behind its back. */
#pragma once

#include "catalog/catalog.h"
#include "catalog/plans.h"
#include "catalog/runs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PLAN_UUID "11111111-2222-4333-8444-555555555555"
#define RUN_ID "01hzzzzzzzaaaaaaaaaaaaaaaa"

struct fixture {
    char dir[64];
    struct gw_catalog *c;
    struct gw_catalog_mem mem;
    struct gw_error err;
};

/* cmocka setup and teardown: *state is a struct fixture with a new catalog of site "lyon". */
int fixture_new(void **state);
int fixture_free(void **state);
/* Close and open. */
void fixture_reopen(struct fixture *f);

/* The call succeeded, and said nothing. */
#define ok(f, call)                                                                                \
    do {                                                                                           \
        (f)->err = (struct gw_error){ 0 };                                                         \
        int ok_r_ = (call);                                                                        \
        if (ok_r_ < 0)                                                                             \
            fail_msg("%s: %d, %s", #call, ok_r_, (f)->err.msg);                                    \
    } while (0)
/* It failed with this code, and a sentence that holds `words`. */
#define refused(f, code, words, call)                                                              \
    do {                                                                                           \
        (f)->err = (struct gw_error){ 0 };                                                         \
        int refused_r_ = (call);                                                                   \
        if (refused_r_ != (code) || strstr((f)->err.msg, (words)) == NULL)                         \
            fail_msg("%s: %d, \"%s\"; expected %d, \"%s\"", #call, refused_r_, (f)->err.msg,       \
                     (int)(code), (words));                                                        \
    } while (0)

/* Plan "shop", in the catalog. */
struct gw_catalog_plan sample_plan(void);
void add_plan(struct fixture *f);
/* A run of it that is open, not in the catalog yet. */
struct gw_catalog_run sample_run(const char *id);
void add_run(struct fixture *f, const char *id);

/* Run SQL on the file of a closed or open catalog, with everything allowed, triggers out of the
 * way. */
void behind_its_back(const struct fixture *f, const char *sql);
/* The same with the triggers in place: the file refuses, with these words. */
void file_refuses(const struct fixture *f, const char *sql, const char *words);
/* DIR/NAME. */
void path_of(const struct fixture *f, const char *name, char ret[128]);
void remove_tree(const char *dir);
