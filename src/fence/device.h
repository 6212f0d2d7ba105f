// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Fence devices: what can make sure that a site does not write any more.
 *
 *     struct gw_fence_report report;
 *     r = gw_fence_off(&device, &how, &report, err);     blocks
 *     if (report.verdict == GW_FENCE_VERIFIED) ...       seen to be off, by the device itself
 *
 * An agent (ClusterLabs' fence agent API) gets its parameters on standard input, never on its
 * command line. `off` is asked for, then `status` until it answers 2 (off). What counts is what is
 * seen: an agent that says it switched off while the device says on has not; one whose `off` failed
 * while the device is off is done. There is no reboot: a site that comes back is not fenced. A
 * time-out is a failure, and nothing is known.
 *
 * A command (`exec`), for fencing by the network, closes the site's way to its storage or its
 * clients. With `verify` (exit code 0: it is closed) it can be VERIFIED; without, its own success
 * is UNVERIFIED, which is no ground for an automatic failover.
 *
 * Secrets are in files. A parameter KEY_file, where the agent has KEY and not KEY_file, is the path
 * of a file with KEY's value in its first line; nobody but its owner may be able to read it.
 *
 * Threads: any; calls are independent and block. The process does not ignore SIGCHLD
 * (work/child.h).
 */
#pragma once

#include "fence/metadata.h"
#include "work/child.h"

#define GW_FENCE_TIMEOUT_MS 60000u      /* of a device that names none */
#define GW_FENCE_STATUS_POLL_MS 500u    /* between two looks */
#define GW_FENCE_METADATA_MS 20000u     /* for an agent to describe itself */
#define GW_FENCE_SECRET_BYTES_MAX 1024u /* of a secret's file */
#define GW_FENCE_TEXT_MAX 256u

struct gw_fence_param {
    const char *key, *value;
};

struct gw_fence_device {
    const char *name;  /* for people: "fence_ipmilan of madrid" */
    const char *agent; /* "fence_ipmilan", looked for on the PATH, or an absolute path; or: */
    const char *const *exec, *const *verify; /* argv, NULL at the end; verify may be NULL */
    const struct gw_fence_param *params;     /* of the agent */
    size_t n_params;
    unsigned timeout_ms; /* for all of it; 0: GW_FENCE_TIMEOUT_MS */
};

/* How commands are run: as of work/child.h. Zeros and stop_fd -1 are fine. */
struct gw_fence_how {
    const char *const *env; /* for commands; "NAME=value", NULL at the end; may be NULL */
    int stop_fd;
    int (*started)(void *ctx, const struct gw_child_record *record, struct gw_error *err);
    void *ctx;
};

enum gw_fence_verdict {
    GW_FENCE_VERIFIED,   /* the device was seen off */
    GW_FENCE_UNVERIFIED, /* a command says that it did, and nothing can be looked at */
    GW_FENCE_NOT_FENCED, /* the device was seen on at the end */
    GW_FENCE_UNKNOWN,    /* neither: it may be off, on, or become so */
};
const char *gw_fence_verdict_name(enum gw_fence_verdict verdict); /* "verified" */

struct gw_fence_report {
    enum gw_fence_verdict verdict;
    char text[GW_FENCE_TEXT_MAX]; /* what was seen, or why it is not known */
    unsigned looks;               /* how often its status was asked */
    uint64_t began_wall_ns, took_ns;
};

/*
 * Switch it off and see. 0 whatever came of it: the verdict says; negative: nothing was tried (a
 * parameter, a secret's file, no memory), and the sentence says why.
 */
int gw_fence_off(const struct gw_fence_device *d, const struct gw_fence_how *how,
                 struct gw_fence_report *ret, struct gw_error *err);

/*
 * Would it work? Its parameters are those that the agent has, none that it needs is missing, the
 * secrets can be read, and the device answers (monitor; status where there is no monitor; for a
 * command: its program is there). Changes nothing. 0: yes. Negative, with the sentence.
 */
int gw_fence_monitor(const struct gw_fence_device *d, const struct gw_fence_how *how,
                     struct gw_error *err);
