// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Signs of life of the other site, by any channel: its beats, its answers, its data. They speak
 * against a person's word that it is down.
 *
 * Threads: any.
 */
#pragma once

#include "site/documents.h"

struct site_life {
    uint64_t last_boot_ns; /* 0: none since this daemon began */
    double ago_s;
    bool recent;   /* within SITE_MATE_SILENT_MS */
    char what[96]; /* "a beat of madrid came", ...; "" without one */
};
void site_life_look(struct site *s, struct site_plan *p, const char *name, struct site_life *ret);
