// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * docs/plan-file.md and docs/site-file.md are what the tables say. After a change of a table:
 *
 *     GODWIT_WRITE_DOCS=1 build/test/tests/unit/plan/test_reference
 */
#include "plan/sitefile.h"
#include "plans.h"

static void compare(const char *path, char *text)
{
    assert_non_null(text);
    if (getenv("GODWIT_WRITE_DOCS") != NULL) {
        char whole[512];
        source_path(whole, path);
        FILE *f = fopen(whole, "w");
        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
    }
    size_t len = 0;
    char *page = read_source(path, &len);
    if (len != strlen(text) || memcmp(page, text, len) != 0)
        fail_msg("%s is not what the tables say; GODWIT_WRITE_DOCS=1 makes it anew", path);
    free(page);
    free(text);
}

static void test_plan_file(void **state)
{
    (void)state;
    compare("docs/plan-file.md", gw_planfile_reference());
}

static void test_site_file(void **state)
{
    (void)state;
    compare("docs/site-file.md", gw_sitefile_reference());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_file),
        cmocka_unit_test(test_site_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
