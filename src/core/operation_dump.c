// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The tables of operations and of run states as Markdown, the runbook as text. */
#include "core/operation.h"
#include "core/run_state.h"

#include <stdio.h>

static void print_ms(uint64_t ms, FILE *out)
{
    if (ms == 0)
        fputs("-", out);
    else if (ms % 3600000 == 0)
        fprintf(out, "%llu h", (unsigned long long)(ms / 3600000));
    else if (ms % 60000 == 0)
        fprintf(out, "%llu min", (unsigned long long)(ms / 60000));
    else
        fprintf(out, "%llu s", (unsigned long long)(ms / 1000));
}

static void print_step(const struct gw_step *s, unsigned number, FILE *out)
{
    const struct gw_step_text *t = gw_step_text(s->id);
    fprintf(out, "| %u | `%s` | %s | %s | %s | %s%s | ", number, gw_step_name(s->id), t->title,
            gw_step_place_name(s->place), gw_step_class_name(s->class),
            gw_step_failure_name(s->on_failure),
            s->flags & GW_STEP_PONR ? "; **point of no return**" : "");
    print_ms(s->timeout_ms, out);
    fprintf(out, " | %u | ", s->retries);
    print_ms(s->target_ms, out);
    fprintf(out, " | %s | %s | %s |\n", s->wait ? gw_step_wait_name(s->wait) : "-",
            gw_step_dry_name(s->dry), s->undo ? t->undo : "-");
}

static void dump_operation(const struct gw_operation *op, FILE *out)
{
    fprintf(out, "### %s\n\n%s. Begins at %s.%s\n\n", gw_operation_name(op->id), op->title,
            gw_step_place_name((enum gw_step_place)op->starts),
            op->alone_ok ? " The other site may be silent." : "");
    fputs(
        "| | step | | where | after a crash | if it fails | time limit | retries | target | waits "
        "for | dry run | taken back by |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        out);
    for (unsigned i = 0; i < op->n_steps; i++)
        print_step(&op->steps[i], i + 1, out);
    fputc('\n', out);
}

void gw_operation_dump(FILE *out)
{
    for (unsigned id = 0; id < GW_OPERATION_ID_MAX; id++) {
        const struct gw_operation *op = gw_operation_get((enum gw_operation_id)id);
        if (op)
            dump_operation(op, out);
    }
}

void gw_operation_print_runbook(const struct gw_operation *op, FILE *out)
{
    fprintf(out, "%s: %s\n", gw_operation_name(op->id), op->title);
    for (unsigned i = 0; i < op->n_steps; i++) {
        const struct gw_step *s = &op->steps[i];
        const struct gw_step_text *t = gw_step_text(s->id);
        fprintf(out, "\n%u. %s (%s, at %s; target ", i + 1, t->title, gw_step_name(s->id),
                gw_step_place_name(s->place));
        print_ms(s->target_ms, out);
        fprintf(out, ")\n   does      %s\n   expected  %s\n   see       %s\n   if not    %s\n",
                t->does, t->expected, t->verify, t->if_fails);
        if (s->undo)
            fprintf(out, "   undo      %s\n", t->undo);
        if (s->flags & GW_STEP_PONR)
            fputs("   After this step there is no way back, only forward.\n", out);
    }
}

void gw_run_state_dump(FILE *out)
{
    fputs("| entry |", out);
    for (unsigned s = 0; s < GW_RUN_STATE_MAX; s++)
        fprintf(out, " %s |", gw_run_state_name((enum gw_run_state)s));
    fputs("\n|---|", out);
    for (unsigned s = 0; s < GW_RUN_STATE_MAX; s++)
        fputs("---|", out);
    for (unsigned k = 0; k < GW_ENTRY_KIND_MAX; k++) {
        fprintf(out, "\n| `%s` |", gw_entry_kind_name((enum gw_entry_kind)k));
        for (unsigned s = 0; s < GW_RUN_STATE_MAX; s++) {
            struct gw_run_next n = gw_run_next((enum gw_run_state)s, (enum gw_entry_kind)k);
            const char *const words[GW_RUN_EDGE_MAX] = { "", ".", "before", "refused", "-" };
            fprintf(out, " %s |", n.edge == GW_EDGE_TO ? gw_run_state_name(n.to) : words[n.edge]);
        }
    }
    fputc('\n', out);
}
