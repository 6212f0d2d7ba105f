// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Condition variables that wait by a clock which never jumps (CLOCK_MONOTONIC). */
#pragma once

#include <pthread.h>

void gw_cond_init(pthread_cond_t *cv);
/* Wait for a signal, for at most ms. May return early: look at the condition again. */
void gw_cond_wait_ms(pthread_cond_t *cv, pthread_mutex_t *mu, unsigned ms);
