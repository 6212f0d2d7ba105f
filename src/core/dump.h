// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The core's tables, printed from themselves: for a terminal, for the docs, as diagrams.
 *
 * docs/lifecycle.md is GW_DUMP_PAGE, and a test compares them. To write it anew:
 *     build/test/tests/unit/core/test_dump --page > docs/lifecycle.md
 *
 * Writes to the stream it is given and nothing else; the caller checks ferror() and closes it.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

enum gw_dump_format {
    GW_DUMP_TEXT = 0, /* plain rows: one (state, event) a line, as a diff likes them */
    GW_DUMP_PAGE,     /* Markdown with Mermaid diagrams: docs/lifecycle.md */
    GW_DUMP_DOT,      /* Graphviz: one digraph, a cluster a table */
    GW_DUMP_MAX,
};
bool gw_dump_parse(const char *word, enum gw_dump_format *ret_format); /* "text", "page", "dot" */

void gw_lifecycle_dump(FILE *out, enum gw_dump_format format);
