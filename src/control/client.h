// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The calling end of a control socket (the protocol: control/message.h): one connection, one
 * request, its progress, its answer.
 *
 * Threads: no state; any thread may call, and blocks.
 *
 * Outcomes. A request runs in another process, so that three things can come back:
 *   0                      it was done; *ret_result is the answer;
 *   an error               it was refused or failed, or was never sent: the sentence is the
 *                          server's, or says that nothing was done;
 *   an error for which gw_control_outcome_unknown() is true: the request was sent, and what became
 *                          of it is not known. It may still be running. Ask `status` before
 *                          anything else is decided; never treat it as done or as not done.
 */
#pragma once

#include "base/error.h"
#include "control/message.h"

#include <stdbool.h>

/* Called for each progress line (the object inside it). Not 0: stop waiting, -ECANCELED. */
typedef int gw_control_progress_fn(void *ctx, const json_t *progress);

/*
 * Send a request ({"cmd":...}, borrowed) to the server at path and wait for its answer.
 *
 * timeout_ms bounds the silence: connecting and sending together, then each wait for a line; every
 * progress line starts it anew. 0 = for ever. progress may be NULL. *ret_result (NULL to ignore)
 * is the whole answer, given back with json_decref.
 *
 * -ENOENT, -ECONNREFUSED: no process serves path. -EMSGSIZE: the request is too long. -EAGAIN: it
 * could not be sent in time. -ETIMEDOUT: no answer in time, outcome unknown. -ECONNRESET: the
 * connection ended before the answer, outcome unknown. -EPROTO: garbage for an answer, outcome
 * unknown. -ECANCELED: the progress function said so, outcome unknown. Others: what the server
 * said.
 */
int gw_control_call(const char *path, const json_t *request, unsigned timeout_ms,
                    gw_control_progress_fn *progress, void *ctx, json_t **ret_result,
                    struct gw_error *err);

/* Whether an error of gw_control_call leaves open what happened. A server that itself answers one
 * of those codes counts as unknown too: that errs on the safe side. */
bool gw_control_outcome_unknown(int code);
