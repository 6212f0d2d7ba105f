// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/fork.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KERNEL_SIGSET_BYTES 8
#define KERNEL_SIGACTION_BYTES 64 /* more than any; all zeros is SIG_DFL without flags */

static pthread_mutex_t births = PTHREAD_MUTEX_INITIALIZER;

void gw_fork_begin(void)
{
    pthread_mutex_lock(&births);
}

void gw_fork_end(void)
{
    pthread_mutex_unlock(&births);
}

void gw_default_signals(void)
{
    static const char plain[KERNEL_SIGACTION_BYTES];
    for (int s = 1; s < NSIG; s++)
        syscall(SYS_rt_sigaction, s, plain, NULL, KERNEL_SIGSET_BYTES); /* KILL, STOP refuse */
}

void gw_unblock_signals(void)
{
    static const char none[KERNEL_SIGSET_BYTES];
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, KERNEL_SIGSET_BYTES);
}
