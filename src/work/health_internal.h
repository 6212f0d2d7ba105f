// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What health.c (colours, waiting) and health_probe.c (asking once) share. */
#pragma once

#include "work/health.h"

struct probe {
    enum gw_colour answer; /* UNKNOWN: the check itself is broken, or was cancelled */
    uint64_t took_ns;
    char text[GW_WORK_TEXT_MAX];
};

/* Ask once. end_ns: the check's own timeout is cut to it. */
void health_probe(const struct gw_work_check *c, const struct gw_work *w, uint64_t end_ns,
                  struct probe *ret);
/* "tcp 127.0.0.1:5432", "http 127.0.0.1:80/ok", "exec pg-ready", or its own name. */
void health_name(const struct gw_work_check *c, char *ret, size_t cap);
