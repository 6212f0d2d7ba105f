// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The journal of a standby: every received record, durable before it is applied (R13), in
 * preallocated segments `DIR/journal/<16 hex digits>` of GW_SEGMENT_BYTES.
 *
 * A *journal address* is a byte position over all segments: segment n covers
 * [n * GW_SEGMENT_BYTES, (n + 1) * GW_SEGMENT_BYTES). It only grows, over the plan's whole life.
 *
 * Segment: 4 KiB header {magic "GWJOURN\1", u32 format, u32 segment bytes, plan uuid, u64 segment
 * number, u64 address where the batches before this segment end, u32 flags (1: recycled from a
 * trimmed one), zeros, XXH3 of all before}, then
 * batches. It is made as `<name>.new` and renamed when its space and header are durable. A batch
 * never crosses a segment: what does not fit begins the next one. Batch header, 64 bytes little
 * endian:
 *
 *      0 u32 magic "GWJB"       4 u32 bytes of the batch with this header
 *      8 incarnation uuid      24 u64 first seq      32 u64 last seq
 *     40 u64 synced-through: journal address known durable when this batch was written
 *     48 u32 records           52 u32 flags (GW_BATCH_*)
 *     56 u64 XXH3-64 of bytes 0..55, seed: the batch's own address ^ low 64 bits of the plan uuid
 *            (its bytes 8..15, little endian)
 *
 * then `records` records (record.h), at least one. The seed makes a stale or misplaced batch fail.
 *
 * Recovery from an address (what is before is applied): batches are read and verified, payloads
 * included, until one does not verify. That is a *torn tail* if no later valid batch claims
 * synced-through beyond it: it is cut off (what follows was never promised). Otherwise bytes that
 * were durable are damaged: -EBADMSG with segment, offset and the way out; nothing is changed.
 *
 * Threads: one appender, one syncer and one reader may run at the same time; positions are
 * published under an internal mutex, never held over I/O. The reader's thread
 * may also trim. All other calls: no others running.
 */
#pragma once

#include "base/error.h"
#include "engine/io.h"
#include "engine/limits.h"
#include "engine/record.h"

#define GW_JOURNAL_BATCH_HEADER_BYTES 64u
#define GW_JOURNAL_SEGMENT_HEADER_BYTES 4096u

#define GW_BATCH_SESSION 1u /* seqs are session numbers of a source that was not active */

struct gw_journal;

struct gw_journal_batch {
    struct gw_uuid uuid;
    uint64_t first_seq, last_seq;
    uint32_t records, flags;
    uint32_t bytes; /* with the batch header; filled by read */
};

struct gw_journal_report {   /* of an open */
    uint64_t batches, bytes; /* replayable after `from` */
    uint64_t torn_bytes;     /* length of the torn tail that was cut off (at least) */
    uint64_t end;            /* address where the next batch goes */
};

/* Make DIR/journal (empty). */
int gw_journal_create(struct gw_io *io, const char *dir, struct gw_error *err);

/*
 * Open; `dir` is the plan directory. Recovers from address `from` (meta.journal_pos) as above.
 * R14: before it returns (not with read_only) every segment with batches at or after `from` is
 * datasynced, so that what was seen is durable, and a torn tail is zeroed as a whole, its later
 * segments removed, and that synced, so that nothing of it can come back behind new batches.
 * Spares that are there are taken over.
 * -EBADMSG as well if a segment that is needed is missing, damaged in its header or another plan's.
 * Reads only what is at or after `from`. read_only changes nothing, and may run beside the process
 * that owns the journal: it sees what was there at the open; only the read and position calls are
 * allowed then.
 * max_bytes bounds the whole journal; append fails with -ENOSPC beyond it.
 */
int gw_journal_open(struct gw_io *io, const char *dir, const struct gw_uuid *plan, uint64_t from,
                    uint64_t max_bytes, bool read_only, struct gw_journal **ret,
                    struct gw_journal_report *ret_report, struct gw_error *err);
void gw_journal_close(struct gw_journal *j);

/*
 * Append one batch. `buf` is the batch with GW_JOURNAL_BATCH_HEADER_BYTES of room in front of the
 * records: one pwrite does it, no copy. `len` counts the room; batch->bytes is not looked at. Not
 * durable when it returns.
 * -EINVAL if lengths, count, first or last seq do not agree with the records: nothing is written.
 * -ENOSPC (journal limit or disk full) leaves the journal as it was. Other errors are sticky.
 * Crash points journal.append.before, journal.append.after, journal.segment (new segment made).
 */
int gw_journal_append(struct gw_journal *j, uint8_t *buf, size_t len,
                      const struct gw_journal_batch *batch, uint64_t *ret_address,
                      struct gw_error *err);

/* Make everything appended before the call durable (ret_durable may be NULL). Failure is sticky
 * (R20). Crash points journal.sync.before, journal.sync.after. */
int gw_journal_sync(struct gw_journal *j, uint64_t *ret_durable, struct gw_error *err);

/*
 * Read the batch at `address` (any appended one; the caller must keep below the durable address to
 * fulfil R13) into buf: records only, batch header stripped, `*ret_len` bytes. The batch header is
 * verified, records are not. *ret_next: address of the next batch (where a segment ends there, the
 * next read goes on in the next one by itself).
 * -ERANGE: no batch there yet (end). -ENOBUFS: cap is too small. -ESTALE: trimmed away.
 */
int gw_journal_read(struct gw_journal *j, uint64_t address, uint8_t *buf, size_t cap,
                    size_t *ret_len, struct gw_journal_batch *ret, uint64_t *ret_next,
                    struct gw_error *err);

/* Where the next batch goes, unless it does not fit into the segment. It may lie beyond *ret_next
 * of the last batch: the end of reading is -ERANGE, not a comparison with this. */
uint64_t gw_journal_end(struct gw_journal *j);
uint64_t gw_journal_durable(struct gw_journal *j); /* everything below is durable */
uint64_t gw_journal_oldest(struct gw_journal *j);  /* address of the oldest batch kept */
uint64_t gw_journal_used_bytes(struct gw_journal *j);
uint64_t gw_journal_max_bytes(struct gw_journal *j);

/* Remove whole segments that end at or below `keep_from`; the last one always stays. Durable when
 * it returns. Up to two of them become spares, `<name>.spare`, which are renamed into the next new
 * segments: no space is given back and asked for again, and no pages are. They are not counted as
 * used, yet segments and spares together keep to max_bytes. Crash point journal.trim. */
int gw_journal_trim(struct gw_journal *j, uint64_t keep_from, struct gw_error *err);
