// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What can happen in a story: work, requests of an operator, and bad luck. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum failover { FAILOVER_NEWEST, FAILOVER_POINT, FAILOVER_ROLL_BACK };

void act_load(uint64_t ms); /* clients work for so long, while the operator looks on */
void act_failover(enum failover how);
void act_handover(bool may_call_off);
void act_fill_journal(void); /* until the standby has no room for another segment */
void act_point(void);
void act_change_volumes(void); /* one is added and removed, one grows */
void act_verify(void);
void act_restart(void); /* one or both processes end cleanly and start again */
void act_link_loss(uint64_t ms);
void act_random(void); /* any of them, or worse */
void act_end_faults(void);
