// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The tables as plain text and for Graphviz. */
#include "core/dump_internal.h"

#include "base/checked.h"
#include "core/phase.h"

#include <string.h>

#define LABEL_MAX 256

static const char *const format_names[GW_DUMP_MAX] = { "text", "page", "dot" };

bool gw_dump_parse(const char *word, enum gw_dump_format *ret_format)
{
    for (unsigned i = 0; i < GW_DUMP_MAX; i++) {
        if (strcmp(word, format_names[i]) == 0) {
            *ret_format = (enum gw_dump_format)i;
            return true;
        }
    }
    return false;
}

void gw_dump_set(FILE *out, const struct gw_life_table *t, uint32_t set)
{
    const char *comma = "";
    for (unsigned v = 0; v < t->n_values; v++) {
        if ((set & GW_LIFE_FROM(v)) != 0) {
            fprintf(out, "%s%s", comma, t->value_name[v]);
            comma = ", ";
        }
    }
}

static bool leads(const struct gw_life_row *r, unsigned from, unsigned to)
{
    return (r->from & GW_LIFE_FROM(from)) != 0 && r->verdict == GW_LIFE_OK && r->to == to &&
           from != to;
}

/* The names of the events from one state to another, each once; false: there is no edge. */
static bool label_of(const struct gw_life_table *t, unsigned from, unsigned to, char ret[LABEL_MAX])
{
    unsigned last = t->n_events;
    size_t at = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < t->n_rows && at < LABEL_MAX; i++) {
        const struct gw_life_row *r = &t->rows[i];
        if (!leads(r, from, to) || r->event == last) /* rows of an event stand together */
            continue;
        int n =
            snprintf(ret + at, LABEL_MAX - at, "%s%s", at > 0 ? ", " : "", t->event_name[r->event]);
        at += n > 0 ? (size_t)n : 0;
        last = r->event;
    }
    return last != t->n_events;
}

void gw_dump_edges(FILE *out, const struct gw_life_table *t, gw_edge_fn *fn)
{
    char label[LABEL_MAX];
    for (unsigned from = 0; from < t->n_values; from++) {
        for (unsigned to = 0; to < t->n_values; to++) {
            if (label_of(t, from, to, label))
                fn(out, t, from, to, label);
        }
    }
}

/* One (state, event, guard) a line. */
static void text_pair(FILE *out, const struct gw_life_table *t, unsigned from, unsigned event)
{
    for (size_t i = 0; i < t->n_rows; i++) {
        const struct gw_life_row *r = &t->rows[i];
        if ((r->from & GW_LIFE_FROM(from)) == 0 || r->event != event)
            continue;
        const char *guard = gw_life_guard_text((enum gw_life_guard)r->guard);
        fprintf(out, "%s: %s + %s", t->name, t->value_name[from], t->event_name[event]);
        if (guard[0] != '\0')
            fprintf(out, " [%s]", guard);
        if (r->verdict == GW_LIFE_OK)
            fprintf(out, " -> %s", t->value_name[r->to == GW_LIFE_SAME ? from : r->to]);
        else
            fprintf(out, " %s", gw_life_verdict_name((enum gw_life_verdict)r->verdict));
        const char *action = gw_life_action_name((enum gw_life_action)r->action);
        fprintf(out, "%s%s%s: %s\n", action[0] != '\0' ? " (" : "", action,
                action[0] != '\0' ? ")" : "", r->sentence);
    }
}

static void text(FILE *out)
{
    for (size_t i = 0; i < GW_LIFE_TABLES; i++) {
        const struct gw_life_table *t = gw_life_tables[i];
        for (unsigned v = 0; v < t->n_values; v++) {
            for (unsigned e = 0; e < t->n_events; e++)
                text_pair(out, t, v, e);
        }
    }
    const struct gw_phase_row *row;
    for (unsigned i = 0; (row = gw_phase_row(i)) != NULL; i++)
        fprintf(out, "phase: %u %s -> %s: %s\n", i, row->when, gw_phase_name(row->phase),
                row->sentence);
}

static void dot_edge(FILE *out, const struct gw_life_table *t, unsigned from, unsigned to,
                     const char *label)
{
    fprintf(out, "    \"%s %s\" -> \"%s %s\" [label=\"%s\"];\n", t->name, t->value_name[from],
            t->name, t->value_name[to], label);
}

static void dot(FILE *out)
{
    fprintf(out, "digraph lifecycle {\n  rankdir=LR;\n");
    for (size_t i = 0; i < GW_LIFE_TABLES; i++) {
        const struct gw_life_table *t = gw_life_tables[i];
        fprintf(out, "  subgraph cluster_%s {\n    label=\"%s: %s\";\n", t->name, t->name,
                t->title);
        for (unsigned v = 0; v < t->n_values; v++)
            fprintf(out, "    \"%s %s\" [label=\"%s\"];\n", t->name, t->value_name[v],
                    t->value_name[v]);
        gw_dump_edges(out, t, dot_edge);
        fprintf(out, "  }\n");
    }
    fprintf(out, "}\n");
}

void gw_lifecycle_dump(FILE *out, enum gw_dump_format format)
{
    switch (format) {
    case GW_DUMP_TEXT:
        text(out);
        return;
    case GW_DUMP_PAGE:
        gw_dump_page(out);
        return;
    case GW_DUMP_DOT:
        dot(out);
        return;
    case GW_DUMP_MAX:
        return;
    }
}
