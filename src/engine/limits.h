// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Every limit of the engine in one place. Units are the last word of a name. */
#pragma once

#define GW_BLOCK_BYTES 4096u            /* unit of the dirty map, the undo file and hashes */
#define GW_EXTENT_BYTES (1024u * 1024u) /* unit of the hot set and of coarse compares */
#define GW_BLOCKS_PER_EXTENT (GW_EXTENT_BYTES / GW_BLOCK_BYTES)

#define GW_VOLUMES_MAX 64u
#define GW_VOLUME_NAME_MAX 64u /* bytes with the NUL */
#define GW_SITE_NAME_MAX 64u
#define GW_PLAN_NAME_MAX 64u
#define GW_VOLUME_BYTES_MAX (1ull << 50) /* 1 PiB */
#define GW_LINEAGE_MAX 64u

/* A record never crosses an extent; a zero record may cover many extents. */
#define GW_RECORD_PAYLOAD_MAX GW_EXTENT_BYTES
#define GW_ZERO_BYTES_MAX (64u * 1024u * 1024u)

#define GW_FRAME_BYTES_MAX (4u * 1024u * 1024u) /* payload of one wire frame */
#define GW_BATCH_BYTES (256u * 1024u)           /* a batch stays in the L2 cache */
#define GW_RING_BYTES_DEFAULT (64ull * 1024 * 1024)
#define GW_RING_BYTES_MIN (4ull * 1024 * 1024)
#define GW_RING_BYTES_MAX (4ull * 1024 * 1024 * 1024)

#define GW_SEGMENT_BYTES (64ull * 1024 * 1024)
#define GW_JOURNAL_BYTES_DEFAULT (4ull * 1024 * 1024 * 1024)
#define GW_JOURNAL_BYTES_MIN (4 * GW_SEGMENT_BYTES)

#define GW_HOT_EXTENTS_PER_GENERATION 1024u /* two live generations: about 2,048 hot extents */
#define GW_EPOCH_STEP_MAX 1000000ull        /* more promotions than this were missed by nobody */
#define GW_SEQ_RESERVE 1000000ull           /* numbers reserved durably ahead of use */

#define GW_DURABLE_MS_MAX 100u                /* group fdatasync of the journal at least so often */
#define GW_DURABLE_BYTES (8ull * 1024 * 1024) /* ... or after so many bytes */
#define GW_HEARTBEAT_MS 1000u
#define GW_LINK_TIMEOUT_MS_DEFAULT 10000u
#define GW_GREETING_MS 5000u       /* from a caller's connect to the end of its hello */
#define GW_GREETING_GRACE_MS 500u  /* so much of it even when others wait */
#define GW_GREETING_GUESTS_MAX 64u /* callers that are greeted at once */
#define GW_RECONNECT_MS_MIN 100u
#define GW_RECONNECT_MS_MAX 500u
