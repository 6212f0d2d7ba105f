// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Histories of a handover: equality, the token, and calling it off. */
#include "history.h"
#include "script.h"

void history_r17_fsync(void)
{
    stage(1, 8);
    put(A, 0, 0);
    until(all_applied(A));
    quiesce(A);
    equal(A);
    release(A);
    lose_power(A, false, NULL, 0);
    stop(B);
    promote(B, NULL);
}

/* A goes on alone and answers; then it is lost. */
static void answer_alone_and_die(void)
{
    cut();
    put(A, 0, 0);
    die(A);
    stop(B);
    token_must_be_true();
}

void history_r17_void(void)
{
    stage(1, 8);
    quiesce(A);
    equal(A);
    unquiesce(A);
    answer_alone_and_die();
}

static bool records_async(void)
{
    return well() && A->plan->meta.recorded == GW_RECORDED_ASYNC;
}

void history_r17_hello(void)
{
    stage(1, 8);
    quiesce(A);
    equal(A);
    cut();
    unquiesce(A); /* B cannot be told */
    join();
    until(records_async());
    answer_alone_and_die();
}

void history_r17_session(void)
{
    stage(1, 8);
    quiesce(A);
    struct hold *proof = hold_io(B->id, MEMDISK_SYNC, "volumes/", EVERYWHERE, 0);
    equal_later(A);
    until(hold_waiting(proof) > 0);
    cut();
    unquiesce(A);
    join();
    until(records_async());
    hold_let_go(proof);
    a_while();
    answer_alone_and_die();
}

void history_r17_record(void)
{
    stage(1, 8);
    quiesce(A);
    equal(A);
    mute(A); /* B cannot be told, and nobody has noticed that */
    unquiesce(A);
    a_while(); /* UNSYNC must stand */
    answer_alone_and_die();
}
