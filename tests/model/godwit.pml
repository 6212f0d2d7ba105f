// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Two sites, and everything that may happen to them next. One process chooses among the steps that
 * are possible; a step is one durable step of the engine, done at once. What a step needs and does
 * is in the C files beside this one; the verdict is the engine's own. See README.md.
 *
 * Invariants are checked after every step: `broken` names the first that does not hold.
 */
c_decl {
\#include "world.h"
};
c_state "struct world w" "Global";

byte broken; /* enum broken */

#define W &now.w
/* (spin takes "f(x)" in a c_expr for a side effect, but not "f (x)".) */
#define STEP(may, what, ...)                                                                      \
    :: d_step { c_expr { !now.w.broken && may_##may (__VA_ARGS__) } ->                            \
                c_code { telling = readtrail; what(__VA_ARGS__); check_world(W); tell_state(W);   \
                         now.broken = now.w.broken; };                                            \
                assert(broken == 0) }

/* The same at both sites; of a block, at each of the two. */
#define BOTH(may, what)                                                                           \
    STEP(may, what, W, 0)                                                                         \
    STEP(may, what, W, 1)
#define BLOCK(may, what, site)                                                                    \
    STEP(may, what, W, site, 0)                                                                   \
    STEP(may, what, W, site, 1)
#define WRITE(site, block)                                                                        \
    STEP(write, write_local, W, site, block, true)                                                \
    STEP(write, write_local, W, site, block, false)
#define CRASH(site, power, kept, journal) STEP(crash, crash, W, site, power, kept, journal)
#define POWER(site, journal)                                                                      \
    CRASH(site, true, 0, journal)                                                                 \
    CRASH(site, true, 1, journal)                                                                 \
    CRASH(site, true, 2, journal)                                                                 \
    CRASH(site, true, 3, journal)
#define PROMOTE(site, how, dies) STEP(promote, promote, W, site, how, dies)

active proctype world()
{
    d_step { c_code { world_init(W); } }
end:
    do
    /* the active side */
    WRITE(0, 0)
    WRITE(0, 1)
    WRITE(1, 0)
    WRITE(1, 1)
    BOTH(number, write_number)
    STEP(answer, write_answer, W, 1)
    STEP(answer, write_answer, W, 2)
    STEP(answer, write_answer, W, 3)
    BOTH(fsync, volumes_fsync)
    BLOCK(evict, hot_evict, 0)
    BLOCK(evict, hot_evict, 1)
    BOTH(save, maps_save)
    BOTH(fall_behind, fall_behind)
    BOTH(record, record_sync)
    BOTH(go_alone, go_alone)
    BOTH(serve_alone, serve_alone)
    BOTH(stop, stop_clean)

    /* a session */
    STEP(connect, connect_sites, W)
    STEP(prepare, prepare, W)
    STEP(inject, inject, W, 0)
    STEP(inject, inject, W, 1)
    STEP(fin, fin, W)
    STEP(ack, ack, W)
    STEP(lose_link, lose_link, W)
    BOTH(choose, choose)

    /* the standby side */
    STEP(receive, receive, W)
    BOTH(journal_sync, journal_sync)
    BOTH(apply, apply)
    BOTH(mark, mark)
    BOTH(point, point)
    BOTH(backup, backup)
    BOTH(restore, restore)

    /* handover */
    BOTH(hand_over, hand_over)
    BOTH(release, release)
    BOTH(void, void_token)
    STEP(unquiesce, unquiesce, W, 0, true)
    STEP(unquiesce, unquiesce, W, 1, true)
    STEP(unquiesce, unquiesce, W, 0, false)
    STEP(unquiesce, unquiesce, W, 1, false)

    /* what goes wrong, and what a person does about it */
    CRASH(0, false, 0, 0)
    CRASH(1, false, 0, 0)
    POWER(0, 0)
    POWER(0, 1)
    POWER(0, 2)
    POWER(0, 3)
    POWER(1, 0)
    POWER(1, 1)
    POWER(1, 2)
    POWER(1, 3)
    BOTH(restart, restart)
    PROMOTE(0, TO_NEWEST, DIES_NOT)
    PROMOTE(0, TO_POINT, DIES_NOT)
    PROMOTE(0, CONFIRM_ALONE, DIES_NOT)
    PROMOTE(0, TO_NEWEST, DIES_BETWEEN_VOLUMES)
    PROMOTE(0, TO_POINT, DIES_BETWEEN_VOLUMES)
    PROMOTE(0, TO_NEWEST, DIES_BEFORE_REIGN)
    PROMOTE(0, TO_POINT, DIES_BEFORE_REIGN)
    PROMOTE(1, TO_NEWEST, DIES_NOT)
    PROMOTE(1, TO_POINT, DIES_NOT)
    PROMOTE(1, CONFIRM_ALONE, DIES_NOT)
    PROMOTE(1, TO_NEWEST, DIES_BETWEEN_VOLUMES)
    PROMOTE(1, TO_POINT, DIES_BETWEEN_VOLUMES)
    PROMOTE(1, TO_NEWEST, DIES_BEFORE_REIGN)
    PROMOTE(1, TO_POINT, DIES_BEFORE_REIGN)
    od
}
