// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The evidence of a run: one JSON document, STATE/evidence/RUN.json, written when the run reports,
 * and made the same way whenever it is asked for: what the run is, every entry of its log with its
 * hash, times of the transitions, what was measured against what the plan promises.
 */
#pragma once

#include "site/site.h"

/* Durable when it returns 0. */
int site_evidence_write(struct site *s, const char *run, struct gw_error *err);
int site_evidence_json(struct site *s, const char *run, json_t **ret, struct gw_error *err);
