// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Every limit of the layer `work`: commands, workloads, health, hooks, routes, notices. */
#pragma once

/* ---- commands -------------------------------------------------------------------------------- */
#define GW_CHILD_ARGS_MAX 256u
#define GW_CHILD_TIMEOUT_MS 300000u  /* what a command gets that names no timeout */
#define GW_CHILD_GRACE_MS 5000u      /* from SIGTERM to SIGKILL */
#define GW_CHILD_SETTLE_MS 200u      /* ended: so long for the rest of its output */
#define GW_CHILD_KILL_MS 5000u       /* after SIGKILL, before "cannot be killed" */
#define GW_CHILD_RECORD_TEXT 160u    /* a record as one line, with the NUL */
#define GW_OUTPUT_HEAD_BYTES 32768u  /* of a command's output: so much of its beginning */
#define GW_OUTPUT_TAIL_BYTES 32768u  /* ... and of its end is kept */
#define GW_ENV_MAX 512u              /* variables handed to one command */
#define GW_ENV_BYTES_MAX 65536u      /* of one variable */
#define GW_TEMPLATE_BYTES_MAX 65536u /* of one argument after {...} was replaced */

/* ---- workloads ------------------------------------------------------------------------------- */
#define GW_WORK_NAME_MAX 64u /* of groups, instances, checks, with the NUL */
#define GW_WORK_TEXT_MAX 256u
#define GW_WORK_PARALLEL_MAX 64u /* threads at once of one call */
#define GW_GROUPS_MAX 256u
#define GW_MEMBERS_MAX 4096u /* instances, or checks, of all groups of one call */
#define GW_EXIT_CODES_MAX 8u
#define GW_START_TIMEOUT_MS 300000u
#define GW_STOP_TIMEOUT_MS 300000u
#define GW_STATUS_TIMEOUT_MS 10000u /* of one status command */
#define GW_STATUS_POLL_MS 500u      /* between two status commands */

/* ---- health ---------------------------------------------------------------------------------- */
#define GW_CHECK_INTERVAL_MS 1000u
#define GW_CHECK_TIMEOUT_MS 5000u
#define GW_HEALTH_TIMEOUT_MS 300000u
#define GW_FETCH_BODY_BYTES 65536u /* of an answer: so much is looked at */
#define GW_FETCH_HOPS_MAX 5u       /* redirects that stay on the host */

/* ---- routes ---------------------------------------------------------------------------------- */
#define GW_ROUTE_TIMEOUT_MS 60000u
#define GW_ROUTE_POLL_MS 500u
#define GW_ROUTE_SITE_MAX 64u

/* ---- notices --------------------------------------------------------------------------------- */
#define GW_NOTICE_QUEUE_MAX 256u /* waiting; the oldest is dropped */
#define GW_NOTICE_TRIES 3u
#define GW_NOTICE_TRY_MS 10000u  /* of one try */
#define GW_NOTICE_PAUSE_MS 1000u /* before the second try; doubled before each next */
#define GW_NOTICE_TEXT_MAX 8192u
