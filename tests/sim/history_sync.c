// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Histories of sync mode: what SYNC says, and who is source by it. */
#include "history.h"
#include "script.h"

void history_r18(void)
{
    stage_sync(1, 8);
    struct hold *sync = hold_io(B->id, MEMDISK_SYNC, "journal/", EVERYWHERE, 0);
    struct write *w = put(A, 0, 0);
    lose_power(B, false, NULL, 0);
    lose_power(A, true, NULL, 0);
    hold_let_go(sync);
    mend();
    must_show(A, w, "answered, and its disk had it when both machines came back");
}

void history_row_9(void)
{
    stage_sync(1, 8);
    struct write *w = put(A, 0, 0);
    lose_power(A, false, NULL, 0);
    mend();
    must_show(A, w, "answered in sync mode, and only one machine was lost");
}

void history_session_numbers(void)
{
    stage_sync(1, 8);
    put(A, 0, 0);
    lose_power(A, false, NULL, 0);
}

void history_unsync_first(void)
{
    stage_sync(1, 8);
    cut();
    struct write *w = put(A, 0, 0); /* after a moment, alone */
    flush(A, 0);
    lose_power(A, false, NULL, 0);
    mend();
    must_show(A, w, "answered and flushed by the side that went on alone");
}

void history_w2_sync(void)
{
    stage_sync(1, 8);
    mute(A);
    struct write *w = put_later(A, 0, 0);
    a_while(); /* it may not be answered */
    bool was_answered = answered(w);
    cut();
    die(A);
    stop(B);
    promote(B, NULL);
    if (was_answered)
        must_show(B, w, "answered in sync mode, and only one site was lost");
}
