// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Histories of a resync: bits, FIN, the old state that is kept. */
#include "history.h"
#include "script.h"

/* A has two blocks that B lacks, in extents 0 and 1, and knows them as bits. */
static void two_bits_apart(void)
{
    cut();
    put(A, 0, 0);
    put(A, 0, EXTENT(1));
    stop(A);
    serve(A);
}

/* The copy has begun, and stands before the block in extent 1; what came before it B has received.
 * Returns the number of that. */
static uint64_t copy_up_to(struct hold *reads)
{
    join();
    until(hold_waiting(reads) > 0);
    uint64_t seq = A->source->seq;
    until(B->replica->received_seq >= seq);
    return seq;
}

static struct hold *before_extent_1(void)
{
    return hold_io(A->id, MEMDISK_READ, "volumes/", AT_EXTENT(1), 0);
}

void history_r3_again(void)
{
    stage(1, 24);
    two_bits_apart();
    struct hold *reads = before_extent_1();
    struct hold *sync = hold_io(B->id, MEMDISK_SYNC, "journal/", EVERYWHERE, 0);
    uint64_t copied = copy_up_to(reads);
    fill_ring(A, 4);
    put(A, 0, 0); /* only marked, and its older content is not acknowledged yet */
    hold_let_go(sync);
    until(A->source->ses.durable >= copied);
    hold_let_go(reads);
}

void history_r3_fin(void)
{
    stage(1, 24);
    cut();
    put(A, 0, 0);
    stop(A);
    serve(A);
    struct hold *sync = hold_io(B->id, MEMDISK_SYNC, "journal/", EVERYWHERE, 0);
    struct hold *apply = hold_io(B->id, MEMDISK_WRITE, "volumes/", EVERYWHERE, 0);
    join();
    until(A->source->ses.fin_queued && B->replica->received_seq == A->source->seq);
    fill_ring(A, 4); /* behind FIN */
    hold_let_go(sync);
    a_moment();
    put(A, 0, 1);
    a_moment();
    hold_let_go(apply);
    until(well() && B->replica->applied_seq == A->source->seq);
    die(A);
    stop(B);
    promote(B, NULL);
}

void history_r6_set(void)
{
    stage(1, 8);
    two_bits_apart();
    struct hold *reads = before_extent_1();
    uint64_t copied = copy_up_to(reads);
    until(A->source->ses.durable >= copied);
    cut();
    hold_let_go(reads);
    stop(A);
    stop(B);
    promote_rolled_back(B);
}

void history_r7(void)
{
    stage(1, 8);
    cut();
    put(A, 0, 10);
    put(A, 0, 0);
    struct hold *apply = hold_io(B->id, MEMDISK_WRITE, "volumes/", EVERYWHERE, 1);
    join();
    until(hold_waiting(apply) > 0 && all_durable(A));
    die(A);
    serve(A);
    a_moment(); /* no resync may begin */
    hold_let_go(apply);
}

void history_r8(void)
{
    stage(1, 8);
    cut();
    put(A, 0, 0);
    stop(A);
    serve(A);
    join();
    until(well() && all_applied(A) && !unsaved(B)); /* no bit is left */
    struct survivor volumes[] = { { "vol", EVERYWHERE } };
    lose_power(B, true, volumes, 1);
}

void history_r16(void)
{
    stage(1, 8);
    two_bits_apart();
    struct hold *reads = before_extent_1();
    uint64_t copied = copy_up_to(reads);
    until(B->replica->applied_seq >= copied);
    cut();
    hold_let_go(reads);
    reads = before_extent_1();
    copied = copy_up_to(reads); /* taken up again */
    until(B->replica->applied_seq >= copied);
    cut();
    hold_let_go(reads);
    die(A);
    stop(B);
    promote_rolled_back(B);
}

void history_undo_injected(void)
{
    stage(1, 8);
    put(A, 0, 0);
    until(all_applied(A));
    two_bits_apart();
    struct hold *reads = before_extent_1();
    uint64_t copied = copy_up_to(reads);
    until(B->replica->applied_seq >= copied);
    cut();
    hold_let_go(reads);
    die(A);
    stop(B);
    promote_rolled_back(B);
}

void history_undo_sync(void)
{
    stage(1, 8);
    put(A, 0, 0);
    until(all_applied(A));
    two_bits_apart();
    struct hold *reads = before_extent_1();
    uint64_t copied = copy_up_to(reads);
    until(B->replica->applied_seq >= copied);
    struct survivor undo[] = { { "undo/", EVERYWHERE } };
    lose_power(B, true, undo, 1);
    cut();
    hold_let_go(reads);
    die(A);
    promote_rolled_back(B);
}

/* The copy compares extent 0 (which is no hole at B), and B does not answer: no FIN can come. */
static struct hold *compare_for_ever(void)
{
    put(A, 0, 1);
    until(all_applied(A));
    cut();
    put(A, 0, 0);
    die(A);
    serve(A);
    struct hold *reads = hold_io(B->id, MEMDISK_READ, "volumes/", AT_EXTENT(0), 0);
    join();
    until(hold_waiting(reads) > 0 && A->source->ses.up);
    return reads;
}

/* The link is lost before FIN; all that B had received is applied; it goes back. */
static void lose_link_and_roll_back(struct hold *reads)
{
    until(all_durable(A));
    cut();
    hold_let_go(reads);
    stop(A);
    stop(B);
    promote_rolled_back(B);
}

void history_undo_first(void)
{
    stage(1, 8);
    struct hold *reads = compare_for_ever();
    put(A, 0, EXTENT(2));
    lose_link_and_roll_back(reads);
}

void history_undo_marks(void)
{
    stage(1, 8);
    struct hold *reads = compare_for_ever();
    put(A, 0, EXTENT(2));
    lose_link_and_roll_back(reads);
}

/* The ring is full, and the last write only marked. */
static void mark_one(void)
{
    mute(A);
    fill_ring(A, 4);
}

static void stream_past_it(void)
{
    put(A, 0, 0);
    until(well() && B->replica->applied_seq == A->source->seq);
    die(A);
    stop(B);
    promote(B, NULL);
}

void history_detach(void)
{
    stage(1, 24);
    mark_one();
    unmute(A);
    a_while();
    stream_past_it();
}

void history_row_7(void)
{
    stage(1, 24);
    mark_one();
    cut();
    join();
    a_while();
    stream_past_it();
}
