// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Lines of the control socket, both ways. First byte: even a request, odd an answer. */
#include "control/message.h"
#include "fuzz.h"

#include <errno.h>

static void request(const char *line, size_t len)
{
    CLEANUP_JSON json_t *j = NULL;
    struct gw_error err = { 0 };
    int r = gw_control_request_parse(line, len, &j, &err);
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        FUZZ_CHECK(j == NULL);
        FUZZ_CHECK(r == -EBADMSG || r == -EINVAL || r == -EMSGSIZE);
        CLEANUP_JSON json_t *answer = gw_control_error_json(r, err.msg);
        FUZZ_CHECK(answer != NULL); /* whatever was sent, there is an answer to it */
        return;
    }
    FUZZ_CHECK(json_is_string(json_object_get(j, "cmd")));
    const char *text = NULL;
    uint64_t number = 0;
    bool flag = false;
    r = gw_control_arg_text(j, "tag", true, &text, &err);
    FUZZ_CHECK(r == 0 ? text != NULL : r == -EINVAL);
    gw_control_arg_u64(j, "timeout_ms", false, &number, &err);
    gw_control_arg_bool(j, "all", false, &flag, &err);
    gw_control_args_check(j, "tag timeout_ms all", &err);
}

static void answer(const char *line, size_t len)
{
    CLEANUP_JSON json_t *j = NULL;
    struct gw_error err = { 0 };
    bool garbage = false;
    int r = gw_control_answer_parse(line, len, &garbage, &j, &err);
    FUZZ_CHECK(r <= 0 && (r == 0) == (j != NULL));
    FUZZ_CHECK(!garbage || r == -EPROTO);
    if (r < 0)
        FUZZ_CHECK(err.code == r);
    if (j == NULL)
        return;
    /* What was understood can be said again. */
    char *again = NULL;
    size_t again_len = 0;
    r = gw_control_line_format(j, &again, &again_len, &err);
    if (r < 0)
        return; /* escapes can make it longer than a line */
    FUZZ_CHECK(again[again_len - 1] == '\n' && memchr(again, '\n', again_len - 1) == NULL);
    CLEANUP_JSON json_t *twice = NULL;
    FUZZ_CHECK(gw_control_answer_parse(again, again_len - 1, &garbage, &twice, &err) == 0);
    FUZZ_CHECK(json_equal(j, twice));
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *line = (char *)fuzz_copy(data + 1, size - 1);
    if (data[0] % 2 == 0)
        request(line, size - 1);
    else
        answer(line, size - 1);
    free(line);
    return 0;
}
