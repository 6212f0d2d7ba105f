// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Histories of reigns: promotion, going back, numbers, who is source. */
#include "history.h"
#include "script.h"

void history_r9(void)
{
    stage(2, 4);
    make_point(B, "p");
    put(A, 0, 0);
    put(A, 1, 0);
    until(all_applied(A));
    die(A);
    stop(B);
    die_at(B, "promote.rewind.volume", 1);
    script_must(!site_promote(B, "p", false, false), "it was to die between two volumes");
    promote(B, NULL); /* whoever comes next asks for the newest */
}

void history_r10(void)
{
    stage(1, 8);
    make_point(B, "p");
    put(A, 0, 0);
    until(all_applied(A));
    stop(A);
    stop(B);
    promote(B, "p");
}

void history_r10_injected(void)
{
    stage(1, 8);
    make_point(B, "p");
    cut();
    put(A, 0, 0);
    stop(A);
    serve(A);
    join();
    until(well() && all_applied(A));
    stop(A);
    stop(B);
    promote(B, "p");
}

void history_r10_reign(void)
{
    stage(1, 8);
    make_point(B, "p");
    hand_over(A);
    serve(B);
    follow(A);
    until(well());
    put(B, 0, 0);
    until(all_applied(B));
    quiesce(B);
    equal(B);
    release(B);
    stop(B); /* A is never promoted: B is, once more */
    stop(A);
    promote(B, "p");
}

void history_r11(void)
{
    stage(1, 8);
    cut();
    put(A, 0, EXTENT(1)); /* else it stands where the other began, and all is compared */
    struct hold *write = hold_at(A->id, "write.after");
    put_later(A, 0, 0);
    until(hold_waiting(write) > 0);
    stop(B);
    promote(B, NULL);
    serve(B);
    join();
    until(A->source->service == GW_SERVICE_FENCED);
    a_while(); /* it may not say that it is fenced before the write has ended */
    hold_let_go(write);
}

void history_r19(void)
{
    stage(1, 8);
    put(A, 0, 0);
    until(all_applied(A) && gw_applier_marked(B->replica->applier));
    cut();
    put(A, 0, EXTENT(1));
    die(A);
}

void history_epoch_parity(void)
{
    stage(1, 8);
    hand_over(A); /* B is promoted, and nobody hears of it */
    promote(A, NULL);
}

void history_epoch_above(void)
{
    stage(1, 8);
    make_point(B, "p");
    hand_over(A);
    serve(B);
    follow(A);
    until(well());
    hand_over(B);
    serve(A);
    follow(B);
    until(well());
    stop(A);
    stop(B);
    promote(B, "p");
}

void history_epoch_restart(void)
{
    world.config.isolated_start = true;
    stage(1, 8);
    cut();
    die(A);
    serve(A);
    until(A->source->service == GW_SERVICE_SERVING);
    stop(B);
    promote(B, NULL);
    serve(B);
    join();
    until(A->source->service == GW_SERVICE_FENCED || B->source->service == GW_SERVICE_FENCED);
    if (B->source->service != GW_SERVICE_SERVING)
        sim_fail("site1, which a person promoted, is deposed by one that only restarted");
}

void history_speak_first(void)
{
    stage(1, 8);
    cut();
    die(A);
    stop(B);
    promote(B, NULL);
    serve(B);
    serve(A);
    struct write *w = put_later(A, 0, 0);
    a_while();
    if (answered(w))
        sim_fail("site0 answers, and its peer was promoted meanwhile");
}
