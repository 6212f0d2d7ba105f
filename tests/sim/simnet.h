// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A simulated network: this program's own definitions of everything in engine/transport.h, so that
 * the engine's real transport (TCP, TLS) is not linked in.
 *
 * Addresses are "site0:1" and "site1:1". Between the two sites there is a link with one state for
 * each direction: a delay, a rate, up or down. While a direction is down nothing arrives; what was
 * sent meanwhile arrives when it is up again, if the connection still lives (TCP retransmits).
 * A connection is two byte streams with bounded buffers. It may be reset at any byte, one bit of it
 * may be flipped, and it dies with the processes at its ends: after a process death the peer gets
 * what was sent and then an end (or a reset), after a power loss nothing at all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct proc;

void simnet_init(void);

/* Both directions, or only that from `from` (0 or 1); -1: both. */
void simnet_link(int from, bool up);
bool simnet_is_up(int from);
void simnet_speed(uint64_t delay_ns, uint64_t bytes_per_s);
/* Every connection between the sites ends now. */
void simnet_reset_all(void);
/* The next connections are reset after so many more bytes in one direction; 0: never. */
void simnet_reset_after(uint64_t bytes);
/* One bit of the next so many bytes is flipped. */
void simnet_flip(uint64_t within_bytes);
uint64_t simnet_flipped(void);
/* Opens a connection to a site as a stranger and says `len` bytes (NULL: what an earlier caller of
 * that site said first), then hangs up. */
void simnet_stranger(int site, const void *bytes, uint32_t len);

/* The process is gone (proc_kill comes after it); `silent`: with the power. */
void simnet_process_gone(struct proc *p, bool silent);
/* The machine runs again: its peers learn that their old connections are void. */
void simnet_site_up(int site);

/* Descriptors that become readable: what eventfd() gives the engine. */
int simnet_event_new(void);
bool simnet_is_event(int fd);
void simnet_event_set(int fd);
