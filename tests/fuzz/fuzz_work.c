// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Bytes of strangers in the layer `work`: output of commands, placeholders, records of children,
 * addresses of health checks. */
#include "fuzz.h"
#include "work/health.h"
#include "work/output.h"
#include "work/template.h"

static void check_clean(const char *text, size_t len)
{
    char *again = gw_output_clean(text, len);
    FUZZ_CHECK(again != NULL && strlen(again) == len && memcmp(again, text, len) == 0);
    memcpy(again, text, len);
    gw_output_scrub(again);
    FUZZ_CHECK(strcmp(again, text) == 0);
    free(again);
}

/* The first byte is the size of the pieces; from 0xf0 on the whole is repeated, so that it has to
 * be cut. */
static void fuzz_output(const uint8_t *data, size_t size)
{
    const size_t piece = data[0] * 97u + 1, times = data[0] < 0xf0 ? 1 : 80000 / size + 1;
    struct gw_output o;
    char line[16];
    FUZZ_CHECK(gw_output_init(&o, NULL) == 0);
    for (size_t k = 0; k < times; k++) {
        for (size_t i = 0; i < size; i += piece)
            gw_output_add(&o, data + i, size - i < piece ? size - i : piece);
    }
    FUZZ_CHECK(gw_output_finish(&o, NULL) == 0);
    FUZZ_CHECK(o.total_bytes == times * size && strlen(o.sha256) == GW_SHA256_TEXT - 1);
    FUZZ_CHECK(strlen(o.text) <= GW_OUTPUT_HEAD_BYTES + GW_OUTPUT_TAIL_BYTES + 64);
    check_clean(o.text, strlen(o.text));
    gw_output_last_line(&o, line, sizeof line);
    FUZZ_CHECK(strlen(line) < sizeof line && strchr(line, '\n') == NULL);
    check_clean(line, strlen(line));
    gw_output_done(&o);
}

static void fuzz_template(const char *text)
{
    const struct gw_template_value values[] = { { "site", "{site}" },
                                                { "volume:a", "" },
                                                { NULL, NULL } };
    struct gw_error err = { 0 };
    char *out = NULL;
    int r = gw_template_text(text, values, &out, &err);
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        FUZZ_CHECK(out == NULL);
        return;
    }
    FUZZ_CHECK(strlen(out) <= GW_TEMPLATE_BYTES_MAX);
    FUZZ_CHECK(strchr(text, '{') != NULL || strcmp(text, out) == 0);
    free(out);
}

static void fuzz_record(const char *text)
{
    struct gw_child_record record;
    struct gw_error err = { 0 };
    char again[GW_CHILD_RECORD_TEXT];
    int r = gw_child_record_parse(text, &record, &err);
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        return;
    }
    FUZZ_CHECK(record.pid > 1);
    gw_child_record_format(&record, again);
    FUZZ_CHECK(strcmp(text, again) == 0);
}

static void fuzz_check(const char *text)
{
    struct gw_work_check c = { .kind = GW_CHECK_TCP, .address = text };
    struct gw_error err = { 0 };
    int r = gw_check_check(&c, &err);
    if (r < 0)
        FUZZ_CHECK_ERROR(r, &err);
    else /* it becomes part of a URL */
        FUZZ_CHECK(strpbrk(text, "/@?#\\% ") == NULL);
    c = (struct gw_work_check){ .kind = GW_CHECK_HTTP, .url = text };
    r = gw_check_check(&c, &err);
    if (r < 0)
        FUZZ_CHECK_ERROR(r, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = malloc(size + 1);
    if (text == NULL)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    fuzz_output(data, size);
    fuzz_template(text);
    fuzz_record(text);
    fuzz_check(text);
    free(text);
    return 0;
}
