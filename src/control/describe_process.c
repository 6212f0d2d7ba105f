// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What running processes say of themselves. */
#include "control/describe.h"

#include "base/clock.h"

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static void set(json_t *o, const char *key, uint64_t n)
{
    json_object_set_new(o, key, number(n));
}

static double seconds(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) / (double)GW_NS_PER_S : 0;
}

json_t *gw_describe_source(const struct gw_meta *m, const struct gw_source_status *s)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:o}", "process", "source", "service",
                          gw_service_state_name(s->service), "replication",
                          gw_repl_state_name(s->repl), "reason", s->reason, "verdict",
                          s->have_verdict ? gw_describe_verdict(m, &s->verdict) : json_null());
    set(o, "seq", s->seq);
    set(o, "received_seq", s->received_seq);
    set(o, "durable_seq", s->durable_seq);
    set(o, "applied_seq", s->applied_seq);
    set(o, "lag_records", s->seq > s->durable_seq ? s->seq - s->durable_seq : 0);
    set(o, "pending_bytes", s->pending_bytes);
    set(o, "ring_bytes", s->ring_bytes);
    json_object_set_new(o, "attached", json_boolean(s->attached));
    set(o, "dirty_blocks", s->dirty_blocks);
    set(o, "coarse_extents", s->coarse_extents);
    set(o, "hot_extents", s->hot_extents);
    set(o, "requests_in_flight", s->in_flight);
    set(o, "sent_bytes", s->sent_bytes);
    set(o, "sent_raw_bytes", s->sent_raw_bytes);
    set(o, "fell_behind", s->fell_behind);
    set(o, "writes", s->writes);
    set(o, "write_bytes", s->write_bytes);
    set(o, "flushes", s->flushes);
    json_object_set_new(o, "rtt_ms", json_real((double)s->rtt_ns / (double)GW_NS_PER_MS));
    json_object_set_new(o, "token_matched", json_boolean(s->token_matched));
    json_object_set_new(o, "healed", json_boolean(s->healed));
    set(o, "deadline_ns", s->deadline_ns);
    uint64_t end = s->resync_ended_ns != 0 ? s->resync_ended_ns : gw_boot_ns();
    json_object_set_new(
        o, "resync",
        json_pack("{s:o, s:o, s:o, s:b, s:f}", "total_bytes", number(s->resync_total_bytes),
                  "left_bytes", number(s->resync_left_bytes), "sent_bytes",
                  number(s->resync_sent_bytes), "done", s->resync_ended_ns != 0, "seconds",
                  s->resync_started_ns != 0 ? seconds(s->resync_started_ns, end) : 0.0));
    json_object_set_new(o, "assess",
                        json_pack("{s:b, s:o, s:o, s:o}", "done", s->assessed, "compared_bytes",
                                  number(s->compared_bytes), "differing_blocks",
                                  number(s->compared_differing_blocks), "tail_blocks",
                                  number(s->tail_blocks)));
    const struct gw_verify_status *v = &s->verify;
    uint64_t until = v->ended_ns != 0 ? v->ended_ns : gw_boot_ns();
    json_object_set_new(o, "verify",
                        json_pack("{s:b, s:b, s:o, s:f, s:o, s:o, s:o}", "running", v->running,
                                  "done", v->done, "begun_wall_ns", number(v->begun_wall_ns),
                                  "seconds", v->begun_ns != 0 ? seconds(v->begun_ns, until) : 0.0,
                                  "checked_bytes", number(v->checked_bytes), "total_bytes",
                                  number(v->total_bytes), "differing_blocks",
                                  number(v->differing_blocks)));
    return o;
}

json_t *gw_describe_replica(const struct gw_meta *m, const struct gw_replica_status *s)
{
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:o}", "process", "replica", "state",
                  gw_replica_state_name(s->state), "reason", s->reason, "peer", s->peer, "verdict",
                  s->have_verdict ? gw_describe_verdict(m, &s->verdict) : json_null());
    set(o, "received_seq", s->received_seq);
    set(o, "durable_seq", s->durable_seq);
    set(o, "applied_seq", s->applied_seq);
    set(o, "received_bytes", s->received_bytes);
    set(o, "journal_used_bytes", s->journal_used_bytes);
    set(o, "journal_max_bytes", s->journal_max_bytes);
    set(o, "journal_backlog_bytes", s->journal_backlog_bytes);
    set(o, "undo_blocks", s->undo_blocks);
    set(o, "undo_bytes", s->undo_bytes);
    set(o, "bad_frames", s->bad_frames);
    set(o, "verify_differences", s->verify_differences);
    json_object_set_new(o, "tail_blocks", s->tail.known ? number(s->tail.blocks) : json_null());
    bool beat = s->heartbeat_ns != 0;
    json_object_set_new(o, "source",
                        !beat ? json_null()
                              : json_pack("{s:o, s:o, s:o, s:o, s:f}", "time",
                                          gw_describe_time(s->heartbeat.wall_ns), "head_seq",
                                          number(s->heartbeat.head_seq), "pending_bytes",
                                          number(s->heartbeat.pending_bytes), "resync_left_bytes",
                                          number(s->heartbeat.resync_left_bytes), "age_seconds",
                                          seconds(s->heartbeat_ns, gw_boot_ns())));
    return o;
}
