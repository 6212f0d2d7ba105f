// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The tables as a page of the documentation: docs/lifecycle.md. */
#include "core/dump_internal.h"

#include "core/guard.h"
#include "core/lifecycle_effects.h"
#include "core/phase.h"

static const char intro[] =
    "# The lifecycle of a plan\n"
    "\n"
    "Made from the tables in `src/core` by `test_dump --page > docs/lifecycle.md`; a test compares "
    "them. Do not edit this page.\n"
    "\n"
    "A plan's state is five small tables: who may be active (auth, with its lease), what flows "
    "(repl), the service at each site (svc), the run that is on\n"
    "(op), and what may happen without a person (mode). What people see is one word, the phase, "
    "made from all of them.\n"
    "\n"
    "Every (state, event) has a row. Rows of a pair are tried in order, the first whose condition "
    "holds counts. *refused*: not now. *forceable*: refused, unless a\n"
    "person's override is recorded. *impossible*: cannot have happened if everything works; the "
    "plan is halted. What is not known fulfils no condition.\n";

static void mermaid_id(FILE *out, const char *name)
{
    for (const char *p = name; *p != '\0'; p++)
        fputc(*p == '-' ? '_' : *p, out);
}

static void mermaid_edge(FILE *out, const struct gw_life_table *t, unsigned from, unsigned to,
                         const char *label)
{
    fprintf(out, "    ");
    mermaid_id(out, t->value_name[from]);
    fprintf(out, " --> ");
    mermaid_id(out, t->value_name[to]);
    fprintf(out, ": %s\n", label);
}

static void page_row(FILE *out, const struct gw_life_table *t, const struct gw_life_row *r)
{
    fprintf(out, "| ");
    gw_dump_set(out, t, r->from);
    fprintf(out, " | %s | %s | ", t->event_name[r->event],
            gw_life_guard_text((enum gw_life_guard)r->guard));
    if (r->verdict != GW_LIFE_OK)
        fprintf(out, "*%s*", gw_life_verdict_name((enum gw_life_verdict)r->verdict));
    else
        fprintf(out, "%s", r->to == GW_LIFE_SAME ? "stays" : t->value_name[r->to]);
    fprintf(out, " | %s | %s |\n", gw_life_action_name((enum gw_life_action)r->action),
            r->sentence);
}

static void page_table(FILE *out, const struct gw_life_table *t)
{
    fprintf(out, "\n## %s: %s\n\n```mermaid\nstateDiagram-v2\n", t->name, t->title);
    gw_dump_edges(out, t, mermaid_edge);
    fprintf(out, "```\n\n| from | event | if | to | do | |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < t->n_rows; i++)
        page_row(out, t, &t->rows[i]);
}

static void page_effects(FILE *out)
{
    const struct gw_life_effect *e;
    fprintf(out, "\n## What the steps of a run are to the tables\n\n"
                 "Steps that only look are left out. A failback is a switchover whose new site is "
                 "home; take and seize are of the site that the run brings up.\n\n"
                 "| operation | step | table | event |\n|---|---|---|---|\n");
    for (unsigned i = 0; (e = gw_life_effect(i)) != NULL; i++) {
        if (e->table == NULL)
            continue;
        const char *event = e->table->event_name[e->event];
        if (e->table == &gw_auth_table && e->event == GW_AUTH_TAKE_HOME)
            event = "take";
        if (e->table == &gw_auth_table && e->event == GW_AUTH_SEIZE_HOME)
            event = "seize";
        fprintf(out, "| %s | %s | %s", gw_operation_name(e->operation), gw_step_name(e->step),
                e->table->name);
        if (e->table == &gw_svc_table)
            fprintf(out, " of %s", gw_run_side_name(e->side));
        fprintf(out, " | %s%s |\n", event, e->maybe ? ", if seen" : "");
    }
}

static void page_phases(FILE *out)
{
    const struct gw_phase_row *row;
    fprintf(out, "\n## Phases\n\n| phase | status | |\n|---|---|---|\n");
    for (unsigned p = 0; p < GW_PHASE_MAX; p++)
        fprintf(out, "| %s | %s | %s |\n", gw_phase_name((enum gw_phase_word)p),
                gw_status_name(gw_phase_status((enum gw_phase_word)p)),
                gw_phase_meaning((enum gw_phase_word)p));
    fprintf(out, "\nThe first of these that holds is the phase:\n\n"
                 "| if | phase | what is said | what to do |\n|---|---|---|---|\n");
    for (unsigned i = 0; (row = gw_phase_row(i)) != NULL; i++)
        fprintf(out, "| %s | %s | %s | %s |\n", row->when, gw_phase_name(row->phase), row->sentence,
                row->next);
}

static void page_reasons(FILE *out)
{
    const struct gw_reason_row *r;
    fprintf(out,
            "\n## Reasons\n\nWhy a phase is not better than it is. *counts if unknown*: holds also "
            "while nobody knows. *stops automatic*: no automatic failover while it holds.\n\n"
            "| reason | counts if unknown | stops automatic | what is said | what to do |\n"
            "|---|---|---|---|---|\n");
    for (unsigned i = 0; (r = gw_reason_row((enum gw_reason)i)) != NULL; i++)
        fprintf(out, "| %s | %s | %s | %s | %s |\n", r->name, r->core ? "yes" : "",
                r->forbids_auto ? "yes" : "", r->sentence, r->way_out);
}

static void page_uses(FILE *out, enum gw_request r, enum gw_guard_use use)
{
    const char *comma = "";
    for (unsigned g = 0; g < GW_GUARD_MAX; g++) {
        if (gw_guard_use(r, (enum gw_guard)g) == use) {
            fprintf(out, "%s`%s`", comma, gw_guard_name((enum gw_guard)g));
            comma = " ";
        }
    }
}

static void page_guards(FILE *out)
{
    fprintf(out,
            "\n## Guards\n\nLooked at before a request is accepted. A *firm* one cannot be "
            "forced; the others with `--override NAME --reason TEXT`. A run waits for the "
            "last kind.\n\n| request | firm | can be forced | waits for |\n|---|---|---|---|\n");
    for (unsigned r = 0; r < GW_REQUEST_MAX; r++) {
        fprintf(out, "| %s | ", gw_request_name((enum gw_request)r));
        page_uses(out, (enum gw_request)r, GW_GUARD_FIRM);
        fprintf(out, " | ");
        page_uses(out, (enum gw_request)r, GW_GUARD_CAN_FORCE);
        fprintf(out, " | ");
        page_uses(out, (enum gw_request)r, GW_GUARD_CAN_WAIT);
        fprintf(out, " |\n");
    }
    fprintf(out, "\n| guard | looks at | refuses with | what to do |\n|---|---|---|---|\n");
    for (unsigned g = 0; g < GW_GUARD_MAX; g++)
        fprintf(out, "| `%s` | %s | %s | %s |\n", gw_guard_name((enum gw_guard)g),
                gw_guard_looks_at((enum gw_guard)g), gw_guard_sentence((enum gw_guard)g),
                gw_guard_way_out((enum gw_guard)g));
}

void gw_dump_page(FILE *out)
{
    fputs(intro, out);
    for (size_t i = 0; i < GW_LIFE_TABLES; i++)
        page_table(out, gw_life_tables[i]);
    page_effects(out);
    page_phases(out);
    page_reasons(out);
    page_guards(out);
}
