// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Histories of a standby: what it received, what is durable of it, what is applied. */
#include "history.h"
#include "script.h"

/* Two writes in one batch. The applier writes them in the order of their places, so that the later
 * one is first: block 0 without block 10 is no prefix. */
static void two_in_a_batch(void)
{
    cut();
    put(A, 0, 10);
    put(A, 0, 0);
}

static const struct survivor block_0[] = { { "vol", 0, GW_BLOCK_BYTES } };

void history_r13(void)
{
    stage(1, 8);
    two_in_a_batch();
    struct hold *sync = hold_io(B->id, MEMDISK_SYNC, "journal/", EVERYWHERE, 0);
    struct hold *mark = hold_io(B->id, MEMDISK_SYNC, "volumes/", EVERYWHERE, 0);
    join();
    until(well() && B->replica->received_seq == A->source->seq);
    a_while(); /* nothing of it may be applied */
    lose_power(B, false, block_0, 1);
    hold_let_go(sync);
    hold_let_go(mark);
    cut();
    stop(A);
    promote(B, NULL);
}

void history_r14(void)
{
    stage(1, 8);
    two_in_a_batch();
    struct hold *sync = hold_io(B->id, MEMDISK_SYNC, "journal/", EVERYWHERE, 0);
    join();
    until(well() && B->replica->received_seq == A->source->seq);
    die(B); /* what it received is in the page cache */
    cut();
    hold_let_go(sync);
    lose_power_at(B, "replica.apply.after", false, block_0, 1);
    follow(B); /* the power goes while it replays */
    until(B->run == RUN_NONE);
    stop(A);
    promote(B, NULL);
}

void history_r15(void)
{
    stage(1, 8);
    two_in_a_batch();
    struct hold *apply = hold_io(B->id, MEMDISK_WRITE, "volumes/", EVERYWHERE, 1);
    join();
    until(hold_waiting(apply) > 0 && all_durable(A));
    die(B);
    cut();
    hold_let_go(apply);
    follow(B);
    make_point(B, "p");
}

void history_mark(void)
{
    stage(1, 8);
    put(A, 0, 0);
    until(all_applied(A) && gw_applier_marked(B->replica->applier));
    struct survivor volumes[] = { { "vol", EVERYWHERE } };
    lose_power(B, true, volumes, 1);
}

void history_r3_durable(void)
{
    stage(1, 8);
    struct hold *sync = hold_io(B->id, MEMDISK_SYNC, "journal/", EVERYWHERE, 0);
    put(A, 0, 0);
    until(B->replica->received_seq == A->source->seq);
    a_while(); /* nothing may be acknowledged as durable */
    lose_power(B, false, NULL, 0);
    hold_let_go(sync);
}

void history_hello_received(void)
{
    stage(1, 8);
    struct hold *sync = hold_io(B->id, MEMDISK_SYNC, "journal/", EVERYWHERE, 0);
    put(A, 0, 0);
    until(B->replica->received_seq == A->source->seq);
    struct hold *mark = hold_io(B->id, MEMDISK_SYNC, "volumes/", EVERYWHERE, 0);
    cut();
    join();
    a_while(); /* no hello may count it */
    lose_power(B, false, NULL, 0);
    hold_let_go(sync);
    hold_let_go(mark);
}

static void restore_b(void)
{
    cut();
    stop(B);
    simdisk_restore(B->id);
}

void history_r5(void)
{
    stage(1, 8);
    stop(B);
    simdisk_backup(B->id);
    follow(B);
    put(A, 0, 0);
    until(all_applied(A));
    restore_b();
}

void history_r5_stream(void)
{
    stage(1, 8);
    stop(B);
    simdisk_backup(B->id);
    follow(B);
    until(well());
    mute(B);
    put(A, 0, 0);
    until(B->replica->durable_seq == A->source->seq);
    cut(); /* the acknowledgement is lost */
    join();
    until(well() && all_applied(A));
    restore_b();
}

/* ---- changes of volumes ---------------------------------------------------------------------- */

static struct gw_reshape grown;

static int do_prepare(struct site *s, struct gw_error *err)
{
    return gw_plan_prepare_change(s->plan, &grown, NULL, err);
}

static int do_change(struct site *s, struct gw_error *err)
{
    return gw_source_change(s->source, &grown, 60000, err);
}

void history_shape_hello(void)
{
    int r;
    stage(1, 8);
    grown = (struct gw_reshape){ GW_RESHAPE_GROW, A->plan->meta.volume[0] };
    grown.volume.bytes += GW_EXTENT_BYTES;
    if (!site_call(B, do_prepare, &r) || r < 0 || !site_call(A, do_prepare, &r) || r < 0)
        sim_fail("not prepared");
    struct hold *apply = hold_io(B->id, MEMDISK_SYNC, "volumes/", EVERYWHERE, 0);
    site_spawn(A, do_change);
    until(hold_waiting(apply) > 0); /* it is journaled, and not made */
    cut();
    join();
    a_while(); /* no hello may say the older table */
    hold_let_go(apply);
}
