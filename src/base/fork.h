// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Descriptors that no other child may have.
 *
 * Close-on-exec does not help between fork and exec: for that long, and on a busy machine that is
 * long, a child holds everything that its parent had open, and with it the lock on a file that the
 * parent (or another child that has ended meanwhile) gave back. Linux has no close-on-fork. So who
 * forks, and who has such a descriptor open, exclude each other:
 *
 *     GW_FORK_SCOPE;                   to the end of the block nobody else forks
 *     int fd = open_and_lock(path);
 *     pid_t pid = fork();              or not
 *     ...
 *     close(fd);
 *
 * Threads: any; not recursive. Innermost: nothing is waited for within it. In the child that was
 * forked the scope means nothing.
 */
#pragma once

void gw_fork_begin(void);
void gw_fork_end(void);

static inline void gw_cleanup_fork(const char *held)
{
    (void)held;
    gw_fork_end();
}
#define GW_FORK_SCOPE                                                                              \
    __attribute__((cleanup(gw_cleanup_fork), unused)) const char gw_fork_scope_ =                  \
        (gw_fork_begin(), 0)

/*
 * In a child: every signal as after boot, none blocked. Also the two that the C library keeps for
 * itself and does not let be changed: a child of a container's init or of a test's runner may have
 * inherited them ignored, and would bequeath that.
 */
void gw_default_signals(void);
void gw_unblock_signals(void);
