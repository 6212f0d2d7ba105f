# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""The deliberate faults that `check` puts into the engine, each the violation of one rule.

The text to replace must stand in its file exactly once: a fault whose place has changed is an error
of this list, not something to skip. The tests stand in the order of their cost:

    unit NAME              tests/unit/test_NAME
    sim                    the simulator's first seeds, some at a time
    points                 the simulator, every crash point
    scenario NAME EXPR     tests/scenario/test_NAME.py, the tests that match EXPR (pytest's -k)
    model                  tests/model/check, which compiles the verdict in

A fault without tests is there for a history of the simulator, which names it (tests/sim/histories.def).
"""
import collections

Fault = collections.namedtuple("Fault", "name rule file old new tests")

FAULTS = []


def fault(name, rule, file, old, new, *tests):
    FAULTS.append(Fault(name, rule, "src/engine/" + file, old.strip("\n"), new.strip("\n"), tests))


# ---- the write path and its answers -----------------------------------------------------------

fault("no range lock", "S2: overlapping writes have one order at both sites", "rangelock.h", """
        if (off < h->off + h->len && h->off < off + len)
""", """
        if (off == h->off && off + len == h->off)
""", "unit pair", "scenario nbd test_overlapping_writes_in_flight", "sim")

fault("hot extent logged after the write", "R1", "source_write.c", """
        if (!all_hot(s, p)) {
            gw_source_wait(s, &s->cv_write, 200);
            continue;
        }
""", """
        all_hot(s, p);
""", "unit source")

fault("hot extents found at a start are not marked", "R2", "plan.c", """
    gw_dirtymap_mark_coarse(p->map[volume], extent * GW_EXTENT_BYTES, GW_EXTENT_BYTES);
""", """
    (void)volume;
""", "sim", "scenario replication test_source_killed_and_restarted")

fault("extent evicted before fdatasync", "R2", "source_hot.c", """
        if (sync_volumes(s) < 0)
            return false;
        s->retire = GW_RETIRE_PEER;
""", """
        s->retire = GW_RETIRE_PEER;
""", "unit source")

fault("extent evicted before its bits are durable", "R2", "source_hot.c", """
        if (maps_unsaved(s) && save_maps(s) < 0)
            return false;
""", "", "unit source")

fault("extent evicted before the peer has its records", "R2", "source_hot.c", """
    return oldest == NULL || oldest->rec.seq > seq;
""", """
    return oldest == NULL || seq != UINT64_MAX;
""", "unit source")

fault("hot log forgotten at a start without fdatasync", "R2", "plan.c", """
    r = gw_plan_sync_volumes(p, err);
    if (r == 0)
        r = gw_plan_persist_maps(p, err);
""", """
    r = gw_plan_persist_maps(p, err);
""", "unit source", "points")

fault("a ring that is given up marks nothing", "S1", "source.c", """
        gw_dirtymap_mark(s->plan->map[slot->rec.volume], slot->rec.offset, slot->rec.length);
""", """
        (void)s;
""", "sim", "scenario replication test_fall_behind_and_catch_up")

fault("ring batch over the buffer's end", "the ring: what begins at 0 does not follow", "ring.c", """
        if (n > 0 && (s->pos == 0 || bytes + s->bytes > max))
""", """
        if (n > 0 && (s->skip > 0 || bytes + s->bytes > max))
""", "unit ring", "sim")

fault("flush without fdatasync", "what a flush answered is durable", "source_write.c", """
    int r = gw_io_datasync(s->plan->vol[volume]);
    if (r < 0) {
        struct gw_error err;
""", """
    int r = 0;
    if (r < 0) {
        struct gw_error err;
""", "sim")

fault("flush does not cover other connections", "a flush covers what was answered before",
      "source_write.c", """
    uint64_t seq = s->seq; /* covers everything answered before, on every connection */
""", """
    uint64_t seq = 0;
""", "scenario nbd test_a_flush_covers_every_connection", "sim")

fault("sync answer does not wait", "sync: answered when the peer has it", "source_write.c", """
        if (s->sync_on && !wait_for_peer(s, &a))
""", """
        if (s->sync_on && durable && !wait_for_peer(s, &a))
""", "sim", "scenario sync stalled_link")

fault("zero over a hole does not wait", "sync: answered when the peer has it", "source_write.c", """
    ret->seq = s->seq;
    pthread_mutex_unlock(s->mu);
    r = gw_io_next_data
""", """
    ret->seq = 0;
    pthread_mutex_unlock(s->mu);
    r = gw_io_next_data
""", "scenario sync test_a_hole_is_answered", "sim")

fault("UNSYNC not recorded before the first answer alone", "W2: SYNC counts until UNSYNC is durable", "source_hot.c", """
    int r = record(s, GW_RECORDED_UNSYNC, NULL, err);
    if (r < 0)
        return r;
    s->sync_recorded = false;
""", """
    int r = 0;
    s->sync_recorded = false;
""", "scenario sync link_loss_continue", "sim")

fault("deadline not checked before the answer", "S3: no success after the deadline", "source_write.c", """
        /* In flight when a quiesce began: the quiesce waits for it, and it may be answered. */
        int r = s->service == GW_SERVICE_QUIESCED ? deadline_gate(s) : service_gate(s);
""", """
        int r = s->service == GW_SERVICE_QUIESCED || s->service == GW_SERVICE_SERVING
                    ? 0
                    : service_gate(s);
""", "scenario sync deadline")

fault("answer after a fence", "S3, R11", "source_write.c", """
        /* In flight when a quiesce began: the quiesce waits for it, and it may be answered. */
        int r = s->service == GW_SERVICE_QUIESCED ? deadline_gate(s) : service_gate(s);
""", """
        int r = s->service == GW_SERVICE_QUIESCED ? deadline_gate(s)
                : s->service == GW_SERVICE_FENCED ? 0
                                                  : service_gate(s);
""", "unit source", "scenario sync fence_answers")

fault("fenced without waiting for writes in flight", "R11", "source_control.c", """
    while (in_flight(s) > 0)
        gw_source_wait(s, &s->cv_ack, 10);
    if (s->ses.up)
""", """
    if (s->ses.up)
""", "unit source")

# ---- what the source believes of its peer -----------------------------------------------------

fault("bit cleared on send", "R3", "source_inject.c", """
        gw_dirtymap_inject(s->plan->map[j->volume], b, n);
""", """
        gw_dirtymap_inject(s->plan->map[j->volume], b, n);
        gw_dirtymap_acked(s->plan->map[j->volume], b, n);
""", "sim", "scenario interrupted test_target_of_the_resync_crashes")

fault("bit of a block marked again is cleared", "R3", "dirtymap.c", """
        if (m->owed_total > 0 && owed_take(m, b)) {
""", """
        if (m->owed_total > 0 && owed_take(m, b)) {
            gw_bitmap_clear(m->kind[GW_MAP_FINE].bits, b, 1);
""", "unit dirtymap")

fault("writes only mark their bits after FIN", "R3", "source_write.c", """
    return s->ses.up && !s->ses.fin_queued &&
""", """
    return s->ses.up &&
""", "unit source")

fault("received is acknowledged as durable", "R3", "replica_work.c", """
        .durable = r->durable_seq,
""", """
        .durable = r->received_seq,
""", "unit pair", "sim")

fault("uuid of an acknowledgement not checked", "R4", "source_ack.c", """
    if (!gw_uuid_equal(&a->uuid, &s->uuid))
        return 0;
""", """
    if (false)
        return 0;
""", "unit ack")

fault("chain of an acknowledgement not checked", "R4: the peer proves that it holds this stream",
      "source_ack.c", """
        if (!ses->session_numbers && a->chain != s->chain)
""", """
        if (false)
""", "unit ack")

fault("cleared-through not stored", "R5", "source_ack.c", """
        gw_dirtymap_cleared_through(s->plan->map[i], &s->uuid, seq);
""", """
        (void)i;
""", "unit ack", "scenario failback restored", "sim")

fault("cleared-through not stored at a hello", "R5", "source_start.c", """
            gw_dirtymap_cleared_through(s->plan->map[i], &s->uuid, at);
""", """
            (void)i;
""", "scenario failback hello_acknowledged")

fault("verify difference not marked at the source", "R20", "source_ack.c", """
        found++;
        gw_dirtymap_mark(s->plan->map[d->volume], d->offset + i * GW_BLOCK_BYTES, 1);
""", """
        found++;
""", "unit ack", "scenario verify flipped_byte")

fault("verify difference not marked at the target", "R20", "apply_control.c", """
                gw_dirtymap_mark(a->plan->map[rec->volume], rec->offset + i * GW_BLOCK_BYTES, 1);
""", """
                (void)i;
""", "scenario verify flipped_byte")

# ---- stopping and starting --------------------------------------------------------------------

fault("clean stop without bits", "R12", "source.c", """
        gw_ring_each(s->ring, mark_slot, s);
        if (s->chain_known)
""", """
        if (s->chain_known)
""", "sim", "scenario failover test_failover_without_a_tail_after_a_clean_stop")

fault("numbers used again after a crash", "a crashed side takes a new incarnation", "source.c", """
    if (gw_plan_crashed_active(p)) {
""", """
    if (false) {
""", "scenario replication test_source_killed_and_restarted", "sim")

fault("serves again without asking the peer", "a side that restarts speaks to its peer first",
      "source.c", """
    return m->may_serve || m->recorded == GW_RECORDED_NONE || s->cfg.isolated_start;
""", """
    return true;
""", "scenario replication test_restarted_source_waits", "sim")

fault("serves alone with a lost meta slot", "R20", "source.c", """
    if (s->plan->slot_lost) /* R20: with one bad meta slot a side never serves alone */
        return false;
""", "", "scenario bad_luck test_with_a_damaged_meta_slot_the_active")

fault("no lock on volumes", "one writer for each volume", "plan.c", """
p->read_only ? GW_OPEN_RDONLY : GW_OPEN_LOCK, ret);
""", """
p->read_only ? GW_OPEN_RDONLY : 0, ret);
""", "scenario bad_luck 'test_one_process_writes_a_volume or test_a_file_is_one_volume'")

fault("a hello before a change of volumes is made", "V3", "replica_session.c", """
!changing &&
                 r->shape_addr <= r->applied_addr;
""", """
!changing;
""")

fault("torn map page counts as clean", "R20", "dirtymap_file.c", """
        gw_dirtymap_mark_page(m, kind, p);
        ++*damaged;
""", """
        ++*damaged;
""", "unit dirtymap")

fault("cleared bits reach the disk before set ones", "D1: dirty on disk is a superset",
      "dirtymap_persist.c", """
    if (r == 0 && (c->sets || c->header_due))
        r = settle(m, c, err);
    c->header_first
""", """
    c->header_first
""", "unit dirtymap")

# ---- the journal ------------------------------------------------------------------------------

fault("acknowledged before the journal is written", "received means written to the journal",
      "replica_session.c", """
    x = append_patiently(r, len, &b, &address, err);
""", """
    pthread_mutex_lock(r->mu);
    r->received_seq = b.last_seq;
    pthread_mutex_unlock(r->mu);
    x = gw_replica_send_ack(r, err);
    if (x == 0)
        x = append_patiently(r, len, &b, &address, err);
""", "unit pair", "sim", "points")

fault("acknowledged before the journal is synced", "R3: durable is fdatasynced", "replica_work.c", """
        int x = gw_journal_sync(r->journal, NULL, &err);
""", """
        int x = 0;
""", "sim", "points")

fault("applied before the journal is durable", "R13", "replica_work.c", """
        uint64_t limit = r->durable_addr; /* R13 */
""", """
        uint64_t limit = r->received_addr;
""", "sim", "points")

fault("torn journal record accepted", "a record of the journal is whole", "journal_recover.c", """
        int64_t n = gw_record_decode(records, left, seed, true, &rec);
""", """
        int64_t n = gw_record_decode(records, left, seed, false, &rec);
""", "unit journal")

fault("torn tail of a recycled segment stays", "a torn tail is cut off", "journal_recover.c", """
        if (header)
            v->last_dirty""", """
        if (header && !recycled)
            v->last_dirty""", "unit journal")

fault("segments of a torn tail are recycled", "a spare holds lower addresses only", "journal_recover.c", """
    if (j->n_spares < JOURNAL_SPARES_MAX && number < j->next) {
""", """
    if (j->n_spares < JOURNAL_SPARES_MAX) {
""", "unit journal")

fault("goes on after a failed store", "R20", "replica.c", """
        if (gw_plan_check_store(r->plan, &store) < 0)
            gw_replica_fail(r, &store);
""", """
        (void)store;
""", "unit replica")

fault("journal found at a start is not synced", "R14", "journal_recover.c", """
        if (r == 0)
            r = gw_io_datasync(f);
""", "", "unit journal")

fault("damaged record accepted from the link", "checksums end to end", "replica_session.c", """
        int64_t used = gw_record_decode(data + at, len - at, ses->seed, true, &rec);
""", """
        int64_t used = gw_record_decode(data + at, len - at, ses->seed, false, &rec);
""", "scenario replication test_flipped_bits", "sim")

fault("position marked before the volumes are durable", "what is marked as applied is durable", "apply.c", """
    int r = gw_plan_sync_volumes(a->plan, err);
    if (r < 0)
        return r;
    LOCK_SCOPE(&a->plan->mu);
    gw_apply_position(a);
""", """
    int r = 0;
    LOCK_SCOPE(&a->plan->mu);
    gw_apply_position(a);
""", "sim", "points")

# ---- becoming a target ------------------------------------------------------------------------

fault("union kept at the target only", "R6", "source_start.c", """
    if (gw_dirtymap_or_page(s->plan->map[m->volume], m->kind, m->page, m->bits) < 0)
""", """
    if (m->page > UINT32_MAX)
""", "sim", "scenario failover test_failover_with_a_tail")

fault("union kept at the source only", "R6", "replica_prepare.c", """
        x = add_union(r, u, err);
""", """
        x = 0;
""", "unit pair", "sim")

fault("target says that it is consistent", "R6", "replica_prepare.c", """
    m->consistent = false;
    m->role = GW_ROLE_STANDBY;
""", """
    m->role = GW_ROLE_STANDBY;
""", "scenario interrupted test_unfinished_resync", "sim")

fault("undo begins before the journal is applied", "R7", "replica_prepare.c", """
    int x = gw_replica_settle(r, err);
    if (x == 0)
        x = send_set(r, err);
""", """
    int x = send_set(r, err);
""", "unit replica")

fault("undo skipped", "T3: old content is kept", "apply_write.c", """
            r = gw_undo_save(a->undo, rec->volume, b, a->run, n, err);
""", """
            r = 0;
""", "scenario interrupted test_roll_back", "sim")

fault("undo not durable before the overwrite", "T3", "apply_write.c", """
    int r = gw_undo_sync(a->undo, err);
""", """
    int r = 0;
""", "sim")

fault("a resumed resync begins a new undo file", "R16", "replica_prepare.c", """
    bool resumed = m->pending == GW_PENDING_RESYNC;
""", """
    bool resumed = false;
""", "sim", "scenario interrupted test_target_of_the_resync_crashes")

fault("FIN adopted without a flush", "R8", "apply_control.c", """
    int r = gw_plan_sync_volumes(p, err);
    if (r < 0)
        return r;
    gw_crash_point(p->io, "replica.adopt.before");
""", """
    int r = 0;
    gw_crash_point(p->io, "replica.adopt.before");
""", "sim", "points")

# ---- promotion, rewinding, handover -----------------------------------------------------------

fault("epoch not checked", "the later reign deposes the earlier", "verdict.c", """
    if (!p->s[0]->serving || !p->s[1]->serving || e0 == e1)
        return false;
""", """
    if (true)
        return false;
""", "unit verdict", "model")

fault("epoch not above all that were seen", "an epoch is used once", "plan.c", """
                         GW_MAX(p->meta.highest_epoch, gw_lineage_epoch(&p->meta.lineage)));
""", """
                         gw_lineage_epoch(&p->meta.lineage));
""", "sim", "scenario failover there_and_back")

fault("rewound set forgotten", "R10", "rewind.c", """
        r = restore_point(p, pt, err);
    if (r == 0)
""", """
        r = restore_point(p, pt, err);
    for (unsigned i = 0; i < p->meta.n_volumes; i++)
        gw_dirtymap_clear_all(p->map[i]);
    if (r == 0)
        r = gw_plan_persist_maps(p, err);
    if (r == 0)
""", "scenario failover test_promotion_to", "sim")

fault("rolled back set forgotten", "R10", "rewind.c", """
    gw_dirtymap_mark(p->map[volume], block * GW_BLOCK_BYTES, len);
    return 0;
""", """
    return 0;
""", "scenario interrupted test_live_writes_of_a_rolled_back")

fault("rewound set not durable first", "R10", "rewind.c", """
    int r = gw_plan_persist_maps(p, err);
    if (r < 0)
        return r;
    LOCK_SCOPE(&p->mu);
    p->meta.pending = pending;
""", """
    int r = 0;
    LOCK_SCOPE(&p->mu);
    p->meta.pending = pending;
""", "scenario interrupted rewind", "points", "sim")

fault("a point of an image that is none", "R15", "replica.c", """
    bool ok = m->consistent && m->pending == GW_PENDING_NONE;
""", """
    bool ok = m->n_volumes > 0;
""", "unit replica")

fault("rewind not recorded before volumes are touched", "R9", "rewind.c", """
    r = gw_plan_store_meta(p, err);
    gw_crash_point(p->io, "promote.rewind.begin");
""", """
    gw_crash_point(p->io, "promote.rewind.begin");
""", "scenario interrupted rewind", "points")

fault("equality without fdatasync", "R17", "source_control.c", """
    int r = gw_plan_sync_volumes(s->plan, err); /* R17 */
""", """
    int r = 0;
""", "sim", "points")

fault("token not voided by the next hello", "R17", "replica_session.c", """
    if (!r->plan->meta.token_valid || r->ses.hello.side.role != GW_ROLE_ACTIVE)
""", """
    if (true)
""", "scenario failback token")

fault("token proven for a session that is gone", "R17", "apply_control.c", """
                  t.chain == chain_before && m->consistent && gw_plan_maps_empty(a->plan) &&
                  is_asked(a, address);
""", """
                  t.chain == chain_before && m->consistent && gw_plan_maps_empty(a->plan);
""", "scenario failback token")

fault("SYNC of another boot believed", "R18", "verdict.c", """
        gw_uuid_is_none(&x->sync_boot) || !gw_uuid_equal(&x->sync_boot, &y->boot_id))
""", """
        gw_uuid_is_none(&x->sync_boot))
""", "unit verdict", "model")

fault("a serving side is overwritten", "R19", "verdict.c", """
    if (t->serving) {
        v->action = GW_VERDICT_QUESTION;
""", """
    if (false) {
        v->action = GW_VERDICT_QUESTION;
""", "unit verdict", "model")

fault("restored from an older copy is not seen", "R5", "verdict_reach.c", """
    return reach < clearer->cleared_seq;
""", """
    return false;
""", "unit verdict", "model")

# ---- for the histories of the simulator ---------------------------------------------------------

fault("point before the journal is replayed", "R15", "replica.c", """
    while ((x = gw_applier_step(r->applier, gw_journal_end(r->journal), err)) > 0) {
    }
""", """
    x = 0;
""")

fault("a hello counts what was only received", "R14: what is reported is durable", "replica_session.c", """
    while (!r->stop && !r->failed && r->durable_addr < addr)
        gw_replica_wait(r, &r->cv_change, 100);
    bool ok = !r->stop && !r->failed;
""", """
    r->durable_addr = addr;
    r->durable_seq = r->received_seq;
    r->durable_chain = r->received_chain;
    bool ok = !r->stop && !r->failed;
""")

fault("READY is not checked", "R6: the target holds all of D", "source_start.c", """
        (ready.dirty_blocks < sent->dirty_blocks || ready.coarse_extents < sent->coarse_extents))
""", """
        sent->dirty_blocks == UINT64_MAX)
""")

fault("live writes of a resync are not kept", "T3: live records are kept in the undo file as well",
      "apply_write.c", """
            if (gw_undo_has(a->undo, rec->volume, b))
""", """
            if (rec->type == GW_RECORD_WRITE || gw_undo_has(a->undo, rec->volume, b))
""")

fault("goes on streaming past a write that is only marked", "who only marks a write stops streaming",
      "source.c", """
    gw_ring_each(s->ring, mark_slot, s);
    s->attached = false;
""", """
    gw_ring_each(s->ring, mark_slot, s);
    if (s->ses.mode == GW_SESSION_STREAM)
        return;
    s->attached = false;
""")

fault("a gap in a stream is accepted", "every record of a stream is received, in order",
      "replica_session.c", """
        if (rec.seq <= seq || (!gaps && rec.seq != seq + 1))
""", """
        if (rec.seq <= seq || (!gaps && rec.seq < seq + 1))
""")

fault("streamed although bits are set", "row 7: the ring holds all that differs", "verdict.c", """
    if (x->crashed_active || !x->ring_whole || y->seq < x->ring_base || y->seq > x->seq ||
        !gw_reach_sets_empty(x) || !gw_reach_sets_empty(y))
""", """
    if (x->crashed_active || !x->ring_whole || y->seq < x->ring_base || y->seq > x->seq)
""", "unit verdict", "model")

fault("injected blocks are not rewound", "R10", "rewind.c", """
        if (!gw_record_changes(rec.type) || rec.volume >= p->meta.n_volumes)
""", """
        if ((rec.type != GW_RECORD_WRITE && rec.type != GW_RECORD_ZERO) ||
            rec.volume >= p->meta.n_volumes)
""")

fault("own writes since the point are forgotten", "R10", "rewind.c", """
    return pt->reigns == p->meta.reigns && gw_journal_oldest(j) <= pt->journal_pos &&
""", """
    return gw_journal_oldest(j) <= pt->journal_pos &&
""")

fault("a crashed active is not source", "R19", "verdict.c", """
    const struct gw_side *x = p->s[p->active];
    return flow(p, v, p->active, GW_VERDICT_RESYNC, "%s %s", name(x),
""", """
    const struct gw_side *x = p->s[p->active];
    if (!x->serving)
        return false;
    return flow(p, v, p->active, GW_VERDICT_RESYNC, "%s %s", name(x),
""", "unit verdict", "model")

fault("epochs without parity", "odd and even: each site has numbers of its own", "lineage.c", """
    uint64_t step = (highest_seen & 1) == parity ? 2 : 1;
""", """
    uint64_t step = parity <= 1 ? 1 : 2;
""", "unit lineage")

fault("a restart counts as a promotion", "a restart takes no number", "source.c", """
            .epoch = gw_lineage_epoch(&m->lineage),
            .uuid = gw_io_new_uuid(p->io),
            .parent = gw_lineage_uuid(&m->lineage),
            .fork_seq = m->seq_reserved,
            .had_seq = m->seq,
            .wall_ns = gw_io_wall_ns(p->io),
            .site = m->site,
            .birth = GW_BIRTH_RESTART,
""", """
            .epoch = gw_plan_next_epoch(p),
            .uuid = gw_io_new_uuid(p->io),
            .parent = gw_lineage_uuid(&m->lineage),
            .fork_seq = m->seq_reserved,
            .had_seq = m->seq,
            .wall_ns = gw_io_wall_ns(p->io),
            .site = m->site,
            .birth = GW_BIRTH_PROMOTION,
""")

fault("called off without voiding the token", "R17", "source_control.c", """
    int r = void_token(s, deadline(s, timeout_ms), err);
""", """
    int r = timeout_ms == UINT32_MAX ? void_token(s, deadline(s, timeout_ms), err) : 0;
""")

fault("called off untold, the session goes on", "R17", "source_control.c", """
    if (ses->up)
        gw_session_kill(s, GW_GOODBYE_RETRY, "the handover is off");
""", "")

fault("a rebooted active is source under SYNC", "row 9: the standby holds every acknowledged write",
      "verdict.c", """
    if (x->serving || !x->crashed_active || !x->boot_changed || x->recorded != GW_RECORDED_SYNC ||
""", """
    if (x->serving || x->crashed_active || !x->boot_changed || x->recorded != GW_RECORDED_SYNC ||
""", "unit verdict", "model")

fault("an inconsistent side can be source", "row 4: only a consistent side is source", "verdict.c", """
    if ((ok[0] && ok[1]) || (blank[0] && blank[1]))
        return false;
""", """
    if (!blank[0] && !blank[1])
        return false;
    if ((ok[0] && ok[1]) || (blank[0] && blank[1]))
        return false;
""", "unit verdict", "model")

fault("a healer uses the numbers of the reign", "Identity: only an active side takes numbers",
      "source_start.c", """
    if (is_active(s)) {
        start->uuid = s->uuid;
    } else {
""", """
    if (true) {
        start->uuid = s->uuid;
    } else {
""")
