// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Plan files and site files, YAML and JSON. First byte: bit 0 JSON, bit 1 a site file. */
#include "fuzz.h"
#include "plan/planfile.h"
#include "plan/planfile_diff.h"
#include "plan/sitefile.h"

#include <errno.h>

static void check_errors(const struct gw_plan_errors *errors)
{
    char line[GW_PLAN_ERROR_TEXT];
    unsigned last = 0;
    for (size_t i = 0; i < errors->n; i++) {
        const struct gw_plan_error *e = &errors->item[i];
        FUZZ_CHECK(e->line >= last); /* in the order of the document */
        last = e->line;
        gw_plan_error_format("plan", e, line);
        FUZZ_CHECK(strlen(line) > 6);
        for (const char *c = line; *c != '\0'; c++) /* it can be printed as it is */
            FUZZ_CHECK((unsigned char)*c >= 0x20 && *c != 0x7f);
    }
}

/* What was taken can be said again, and means the same. */
static void check_plan(const struct gw_planfile *plan)
{
    char *text = NULL, *twice = NULL;
    struct gw_error err = { 0 };
    struct gw_planfile *again = NULL;
    struct gw_planfile_changes changes = { 0 };
    struct gw_plan_errors later = { 0 };
    FUZZ_CHECK(plan->n_volumes > 0 && strcmp(plan->home, plan->dr) != 0);
    FUZZ_CHECK(gw_planfile_canonical(plan, &text, &err) == 0);
    FUZZ_CHECK(gw_planfile_parse("again", text, strlen(text), GW_DOC_JSON, NULL, &again, &err) ==
               0);
    FUZZ_CHECK(gw_planfile_canonical(again, &twice, &err) == 0);
    FUZZ_CHECK(strcmp(text, twice) == 0);
    FUZZ_CHECK(gw_planfile_diff(plan, again, &changes, &err) == 0 && changes.n == 0);
    gw_planfile_changes_done(&changes);
    gw_planfile_later(plan, &later);
    gw_plan_errors_done(&later);
    gw_planfile_free(again);
    free(text);
    free(twice);
}

static void plan_file(const uint8_t *bytes, size_t len, enum gw_doc_format format)
{
    struct gw_plan_errors errors = { 0 };
    struct gw_planfile *plan = NULL;
    struct gw_error err = { 0 };
    int r = gw_planfile_parse("plan", bytes, len, format, &errors, &plan, &err);
    FUZZ_CHECK((r == 0) == (plan != NULL) && (r == 0) == (errors.n == 0));
    if (r < 0)
        FUZZ_CHECK_ERROR(r, &err);
    check_errors(&errors);
    if (r == 0)
        check_plan(plan);
    gw_plan_errors_done(&errors);
    gw_planfile_free(plan);
}

static void site_file(const uint8_t *bytes, size_t len, enum gw_doc_format format)
{
    struct gw_plan_errors errors = { 0 };
    struct gw_sitefile *site = NULL;
    struct gw_error err = { 0 };
    int r = gw_sitefile_parse("site", bytes, len, format, &errors, &site, &err);
    FUZZ_CHECK((r == 0) == (site != NULL) && (r == 0) == (errors.n == 0));
    if (r < 0)
        FUZZ_CHECK_ERROR(r, &err);
    check_errors(&errors);
    if (r == 0)
        FUZZ_CHECK(gw_sitefile_api_path(site)[0] == '/');
    gw_plan_errors_done(&errors);
    gw_sitefile_free(site);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t *bytes = fuzz_copy(data + 1, size - 1);
    enum gw_doc_format format = (data[0] & 1) != 0 ? GW_DOC_JSON : GW_DOC_YAML;
    if ((data[0] & 2) != 0)
        site_file(bytes, size - 1, format);
    else
        plan_file(bytes, size - 1, format);
    free(bytes);
    return 0;
}
