// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The control protocol: JSON lines over a unix stream socket. This header is its definition; the
 * parsers and builders below are pure (no socket, file or clock) and are what the fuzzer feeds.
 *
 * A client connects and sends requests, one JSON object a line:
 *
 *     {"cmd":"status"}
 *     {"cmd":"point","tag":"before-upgrade"}
 *
 * "cmd" names the command, every other member is an argument of it. An argument that the command
 * does not have is refused, so that a misspelt option is never silently left out. The server
 * answers each request, in order, with one final line,
 *
 *     {"ok":true,"role":"active","epoch":3}
 *     {"ok":false,"error":{"code":"EINVAL","message":"argument \"tag\": not a text"}}
 *
 * which a command that takes long may precede by any number of progress lines:
 *
 *     {"progress":{"done_bytes":1048576,"total_bytes":41943040}}
 *
 * "code" is the name of an errno value, for programs; "message" is for people. The members of an
 * answer beside "ok", "error" and "progress" belong to the command. Integers are signed 64 bits.
 * {"cmd":"help"} is answered by every server: {"ok":true,"commands":[{"name","args","help"},...]}.
 *
 * Limits: a line has at most GW_CONTROL_LINE_BYTES_MAX bytes with its newline, in both directions;
 * depth and number of values are bounded as below. No NUL, valid UTF-8, no member twice.
 *  - A complete line that is not a request is answered with EBADMSG, EINVAL or ENOSYS, and the
 *    connection goes on: the framing is intact.
 *  - A line that is too long (EMSGSIZE), ends without its newline, or is not complete
 *    GW_CONTROL_LINE_MS after its first byte (both EBADMSG) is answered and the connection closed.
 *    Nothing of it is executed: a request is executed only when its newline has arrived.
 *  - A client that does not take an answer within GW_CONTROL_SEND_MS is closed.
 *  - At most GW_CONTROL_CLIENTS_MAX clients. When all places are taken, the one that has been idle
 *    longest, at least GW_CONTROL_IDLE_MS, is sent EBUSY and closed; if none is idle, the newcomer
 *    is. Either EBUSY means that nothing was done.
 *  - Only root and the user that the server runs as may use the socket (SO_PEERCRED, besides mode
 *    0600): others are answered EPERM and closed.
 * A client may send its next request before the answer; it may close its sending half and still
 * read the answers (`printf | socat`). One that closes both halves is gone: commands in progress
 * notice and end.
 */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_CONTROL_LINE_BYTES_MAX (1024u * 1024u)
#define GW_CONTROL_CLIENTS_MAX 32u
#define GW_CONTROL_DEPTH_MAX 32u     /* of nested objects and arrays */
#define GW_CONTROL_VALUES_MAX 16384u /* of a request: bounds the memory that a line can cost */
#define GW_CONTROL_LINE_MS 10000u
#define GW_CONTROL_SEND_MS 10000u
#define GW_CONTROL_IDLE_MS 1000u
#define GW_CONTROL_STOP_MS 500u /* a stopping server waits so long for a reader of an answer */

/*
 * Decode one request, `len` bytes without the newline. The result is an object with a text "cmd";
 * the caller gives it back with json_decref. -EBADMSG: not JSON, or past a limit; -EINVAL: JSON,
 * but not a request; -EMSGSIZE: longer than a line.
 */
int gw_control_request_parse(const char *line, size_t len, json_t **ret, struct gw_error *err);

/*
 * Decode one line of a server. For {"ok":true} and {"progress"} returns 0 and the whole object; for
 * {"ok":false} returns the negative errno of its code (-EIO for a name that is unknown here) and
 * its message. *ret_garbage tells a line that breaks the protocol (-EPROTO) from such an answer.
 */
int gw_control_answer_parse(const char *line, size_t len, bool *ret_garbage, json_t **ret,
                            struct gw_error *err);

/*
 * Encode an object as a line with its newline: *ret_len bytes without a NUL, to be freed with
 * free(). -EMSGSIZE if it is too long; NULL as the object is -ENOMEM, so that a failed json_pack()
 * can be passed on.
 */
int gw_control_line_format(const json_t *object, char **ret, size_t *ret_len, struct gw_error *err);
/* {"ok":false,...}, new. An empty message becomes strerror(-code). NULL if memory is short. */
json_t *gw_control_error_json(int code, const char *message);

/* A JSON text of any C string: bytes of one that is not UTF-8 (a file name) become '?'. */
json_t *gw_control_text(const char *text);
/* "EINVAL" of -EINVAL; "EIO" of what has no name. And back; -EIO if there is no such name. */
const char *gw_control_code_name(int code);
int gw_control_code_parse(const char *name);

/*
 * Arguments of a request, for handlers. An absent (or null) one is -EINVAL with a sentence if it is
 * required; otherwise 0 and *ret is left as it was, so set it to the default before. Texts are
 * borrowed from the request.
 */
int gw_control_arg_text(const json_t *request, const char *name, bool required, const char **ret,
                        struct gw_error *err);
int gw_control_arg_u64(const json_t *request, const char *name, bool required, uint64_t *ret,
                       struct gw_error *err);
int gw_control_arg_bool(const json_t *request, const char *name, bool required, bool *ret,
                        struct gw_error *err);
/* -EINVAL unless every member but "cmd" is a word of `args` (blank-separated; NULL: none). */
int gw_control_args_check(json_t *request, const char *args, struct gw_error *err);

static inline void gw_cleanup_json(json_t **j)
{
    json_decref(*j);
}
#define CLEANUP_JSON __attribute__((cleanup(gw_cleanup_json)))
