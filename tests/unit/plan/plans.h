// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What the tests of plan files share: files of the source tree, plans from texts. */
#pragma once

#include "plan/planfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PLANS_HEAD "plan: shop\nhome: madrid\ndr: lisbon\n"
#define PLANS_VOLUME                                                                               \
    "volumes:\n  - {name: data, size: 1GiB, at: {madrid: /srv/a, lisbon: /srv/b}}\n"
#define PLANS_BASE PLANS_HEAD PLANS_VOLUME

/* A path in the source tree: from meson by the environment, by hand from its top. */
static inline void source_path(char ret[512], const char *path)
{
    const char *top = getenv("GODWIT_SOURCE");
    int n = snprintf(ret, 512, "%s/%s", top != NULL ? top : ".", path);
    assert_in_range(n, 1, 511);
}

/* In memory of its own size, so that ASan sees a step past its end. Freed by the caller. */
static inline char *read_source(const char *path, size_t *ret_len)
{
    char whole[512];
    source_path(whole, path);
    FILE *f = fopen(whole, "rb");
    if (f == NULL)
        fail_msg("cannot open %s (run from the top of the tree, or set GODWIT_SOURCE)", whole);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long len = ftell(f);
    assert_in_range(len, 0, 1 << 22);
    rewind(f);
    char *bytes = malloc((size_t)len + (len == 0));
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)len, f), len);
    fclose(f);
    *ret_len = (size_t)len;
    return bytes;
}

/* A plan that is right. */
static inline struct gw_planfile *plan_of(const char *text)
{
    struct gw_planfile *plan = NULL;
    struct gw_error err = { 0 };
    if (gw_planfile_parse("test", text, strlen(text), GW_DOC_YAML, NULL, &plan, &err) < 0)
        fail_msg("%s", err.msg);
    return plan;
}
