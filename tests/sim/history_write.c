// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Histories of the write path: the hot set, the ring, the maps. */
#include "history.h"
#include "script.h"

void history_r1(void)
{
    stage(1, 8);
    cut();
    struct hold *log = hold_io(A->id, MEMDISK_WRITE, "dirty/hot", EVERYWHERE, 0);
    put_later(A, 0, 0);
    until(hold_waiting(log) > 0);
    a_while(); /* the data may not be there before the log says so */
    die(A);
    hold_let_go(log);
}

void history_r2_fsync(void)
{
    stage(1, HOT_MIB);
    put(A, 0, 0);
    crowd_hot_set(A);
    until(all_durable(A));
    until(gw_hotset_count(A->plan->hot) < GW_HOT_EXTENTS_PER_GENERATION / 2);
    put(A, 0, EXTENT(HOT_MIB - 1)); /* the log's next block says that the older ones are over */
    lose_power(A, false, NULL, 0);
}

void history_r2_peer(void)
{
    stage(1, HOT_MIB);
    cut();
    put(A, 0, 0);
    crowd_hot_set(A);
    a_while(); /* none of it may be evicted: no peer has it */
    die(A);
}

void history_r2_open(void)
{
    stage(1, 8);
    cut();
    put(A, 0, 0);
    die(A);
    serve(A);
    join();
    until(well() && all_applied(A) && !unsaved(A));
    lose_power(A, false, NULL, 0);
}

void history_r12(void)
{
    stage(1, 8);
    cut();
    put(A, 0, 0);
    stop(A);
}

void history_hot_start(void)
{
    stage(1, 8);
    cut();
    put(A, 0, 0);
    die(A);
}

void history_new_uuid(void)
{
    stage(1, 8);
    for (unsigned i = 0; i < 8; i++)
        put(A, 0, i);
    until(all_applied(A));
    make_point(B, "p");
    uint64_t at_point = A->source->seq;
    die(A);
    serve(A);
    until(well());
    while (A->source->seq < at_point) /* the same numbers for other writes */
        put(A, 0, 10);
    until(all_applied(A));
    stop(A);
    stop(B);
    promote(B, "p");
}
