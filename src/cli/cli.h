// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What the commands of godwit are made from, beside term/term.h: the questions to godwitd, the runs
 * that its answers begin, and what the answers look like to a person.
 *
 *     int cli_cmd_hold(struct gw_term *t)
 *     {
 *         json_auto_t *answer = NULL;
 *         int r = cli_send(t, "POST", gw_http_path("/api/v1/plans/{}/actions/hold", plan), body,
 * &answer); return r < 0 ? r : cli_answer(t, answer, "Held.");
 *     }
 *
 * Paths and bodies are taken over, also when a call fails; NULL is lack of memory (a failed
 * json_pack can be passed on). One thread.
 *
 * Errors of a call: t->err has the sentence. What godwitd refused is kept in cli_of(t)->problem:
 * its guard, way out and list of errors are said behind the sentence (cli_explain), and make the
 * exit code (cli_exit_of). A request whose answer did not come is sent again with the same
 * Idempotency-Key; if that does not help, its outcome is GW_EXIT_UNKNOWN.
 */
#pragma once

#include "base/cleanup.h"
#include "base/uuid.h"
#include "cli/command.h"
#include "http/client.h"
#include "http/json.h"
#include "http/route.h"
#include "term/out.h"
#include "term/term.h"

#define CLI_SOCKET_DEFAULT "/run/godwit/api.sock"
#define CLI_ASK_MS 30000u  /* a question; godwitd itself asks the other site for some */
#define CLI_SEND_MS 60000u /* an action is answered as soon as its run exists */
#define CLI_FILE_BYTES_MAX (1024u * 1024u) /* of a plan file: the API takes no more */
#define CLI_PERSON_BYTES_MAX 63u
#define CLI_REASON_BYTES_MAX 255u

struct cli {
    struct gw_http_client *http; /* NULL until the first call */
    char key[GW_UUID_TEXT];      /* Idempotency-Key of this invocation */
    unsigned n_sent;             /* actions so far: each has a key of its own */
    json_t *problem;             /* of the last refusal, or NULL */
};
static inline struct cli *cli_of(const struct gw_term *t)
{
    return t->own;
}
void cli_done(struct cli *c);

/* ---- questions and actions -------------------------------------------------------------------
 */

int cli_get(struct gw_term *t, char *path, json_t **ret);
/* POST, PUT or DELETE; *ret may be NULL in the end (204). A body of NULL is {}. */
int cli_send(struct gw_term *t, const char *method, char *path, json_t *body, json_t **ret);
/* The bytes of a plan file, as they are. etag: what it must still be; NULL: anything. */
struct cli_file {
    char *bytes;
    size_t len;
    const char *type;
};
int cli_send_file(struct gw_term *t, const char *method, char *path, const struct cli_file *file,
                  const char *etag, json_t **ret);
/* "-" is standard input. */
int cli_read_file(struct gw_term *t, const char *path, struct cli_file *ret);
/* Follow the stream of events; until fn returns other than 0. */
int cli_events(struct gw_term *t, char *path, const char *last_id, gw_http_event_fn *fn, void *arg);

/* An action upon the plan that is operand 0, with every option that the command has. `consequence`
 * NULL: nothing is lost by it, nobody is asked. 0 and *ret; else an error or an exit code. */
int cli_act(struct gw_term *t, const char *action, const char *consequence, json_t **ret);

/* Append "?name=value" or "&name=value", encoded; NULL as value: nothing. NULL: no memory. */
char *cli_query(char *path, const char *name, const char *value);

/* ---- hooks of the program ---------------------------------------------------------------------
 */

int cli_exit_of(const struct gw_term *t, int code);
json_t *cli_error_json(const struct gw_term *t);
void cli_explain(const struct gw_term *t);

/* ---- arguments --------------------------------------------------------------------------------
 */

static inline const char *cli_operand(const struct gw_term *t, unsigned i)
{
    return i < t->args.n_operands ? t->args.operand[i] : NULL;
}
/* Members that an option fills; 0 or an exit code. Absent options add nothing. */
int cli_put_text(struct gw_term *t, json_t *body, const char *option, const char *member,
                 size_t bytes_max);
int cli_put_flag(struct gw_term *t, json_t *body, const char *option, const char *member);
/* --by, or who runs this program. */
int cli_put_person(struct gw_term *t, json_t *body);
/*
 * A time as people write it, to RFC 3339 in UTC: "2026-11-22T02:00:00Z", "2026-11-22 02:00" and
 * "02:00" (local; the next time it is so late), "+90m" (from now). False: not one of these.
 */
#define CLI_TIME_TEXT 32
bool cli_time_parse(const char *text, uint64_t now_wall_ns, char ret[CLI_TIME_TEXT]);

/* ---- showing ----------------------------------------------------------------------------------
 */

/* Every member of an object as a row, lists of objects as tables: for answers that need no more.
 * Units at the end of names are understood. `skip`: members left out, blank-separated; or NULL. */
void cli_show(const json_t *object, const char *skip);
/* As gw_term_duration_format, with a tenth where that matters: "1.5 s". */
void cli_seconds_format(double seconds, char ret[GW_TERM_DURATION_TEXT]);
/* Each error of a document as "shop.yaml:14: volumes[0].size: "20GB" is not a size", by gw_term_say
 * or gw_term_note. */
void cli_say_errors(void (*say)(const char *fmt, ...), const char *file, const json_t *errors);
/* The time between two RFC 3339 texts; false if either is not one. */
bool cli_between(const char *begin, const char *end, double *ret_seconds);

/*
 * The end of an action. If the answer has a run it is followed (cli/follow.h) unless --no-wait;
 * else the answer is shown, `said` first (NULL: every member). Takes nothing over.
 */
int cli_answer(struct gw_term *t, json_t *answer, const char *said);
