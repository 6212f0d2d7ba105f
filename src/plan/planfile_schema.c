// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Every key of the plan file, once. Rows that depend on each other are in planfile_check.c. */
#include "plan/planfile_schema.h"

#include "base/checked.h"
#include "plan/planfile.h"

#include <assert.h>

#define S_MS 1000ull
#define MIN_MS (60 * S_MS)
#define HOUR_MS (60 * MIN_MS)
#define DAY_MS (24 * HOUR_MS)
#define YEAR_MS (366 * DAY_MS)
#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define RATE_MAX (1024 * GIB)

#define AT(type, member) .offset = offsetof(struct type, member)
#define LIST_AT(type, member)                                                                      \
    .offset = offsetof(struct type, member), .offset_n = offsetof(struct type, n_##member)
#define SCHEMA(name, text, type, one)                                                              \
    static const struct gw_schema name##_schema = { text, sizeof(struct type), one, name,          \
                                                    GW_ARRAY_SIZE(name) }
#define WORDS(name, ...) static const char *const name[] = { __VA_ARGS__, NULL }

WORDS(replication_modes, "async", "sync");
WORDS(on_link_losses, "continue", "suspend");
WORDS(compressions, "none", "zstd");
WORDS(drivers, "exec", "systemd", "libvirt");
WORDS(failover_modes, "auto", "approve", "manual", "observe");
WORDS(isolated_starts, "wait", "serve");
WORDS(lease_losts, "consistency", "availability");
WORDS(failback_modes, "manual");
WORDS(on_unhealthies, "halt", "return");
WORDS(record_types, "A", "AAAA", "CNAME");

/* Words are stored as int. */
static_assert(sizeof(enum gw_driver) == sizeof(int), "an enum is an int");

WORDS(one_contact, "webhook", "command");
WORDS(one_check, "tcp", "http", "exec");
WORDS(one_route, "dns", "haproxy", "address", "exec");
WORDS(one_action, "manual", "exec");

static const struct gw_field contact[] = {
    { "name", GW_FIELD_TEXT, AT(gw_planfile_contact, name), .required = true, .max = 100,
      .help = "Who that is" },
    { "webhook", GW_FIELD_URL, AT(gw_planfile_contact, webhook),
      .help = "Gets a POST with the notice as JSON" },
    { "command", GW_FIELD_ARGV, AT(gw_planfile_contact, command),
      .help = "Is run with the notice as JSON in `GODWIT_NOTICE` of its environment" },
};
SCHEMA(contact, "a contact", gw_planfile_contact, one_contact);

static const struct gw_field limit[] = {
    { "cron", GW_FIELD_CRON, AT(gw_planfile_limit, cron), .required = true,
      .help = "The limit holds in each minute that this names" },
    { "limit", GW_FIELD_RATE, AT(gw_planfile_limit, limit_per_s), .required = true, .min = 64 * KIB,
      .max = RATE_MAX, .help = "Bytes a second" },
};
SCHEMA(limit, "a limit for some hours", gw_planfile_limit, NULL);

static const struct gw_field bandwidth[] = {
    { "limit", GW_FIELD_RATE, AT(gw_planfile_bandwidth, limit_per_s), .min = 64 * KIB,
      .max = RATE_MAX, .help = "Of the link, for this plan; left out: none" },
    { "schedule", GW_FIELD_LIST, LIST_AT(gw_planfile_bandwidth, schedule), .sub = &limit_schema,
      .help = "Other limits at some hours; the first that matches is taken" },
};
SCHEMA(bandwidth, "limits of the link", gw_planfile_bandwidth, NULL);

static const struct gw_field replication[] = {
    { "mode", GW_FIELD_WORD, AT(gw_planfile_replication, mode), .fallback = "async",
      .words = replication_modes, .help = "sync: a write is answered when the standby has it" },
    { "on_link_loss", GW_FIELD_WORD, AT(gw_planfile_replication, on_link_loss),
      .fallback = "continue", .words = on_link_losses,
      .help = "Sync mode without a link: go on alone, or make writes wait" },
    { "bandwidth", GW_FIELD_OBJECT, AT(gw_planfile_replication, bandwidth),
      .sub = &bandwidth_schema, .help = "Limits of the link" },
    { "compression", GW_FIELD_WORD, AT(gw_planfile_replication, compression), .fallback = "zstd",
      .words = compressions, .help = "Of what goes over the link" },
};
SCHEMA(replication, "how data is replicated", gw_planfile_replication, NULL);

static const struct gw_field volume[] = {
    { "name", GW_FIELD_NAME, AT(gw_planfile_volume, name), .required = true,
      .help = "Also the name of the NBD export" },
    { "size", GW_FIELD_SIZE, AT(gw_planfile_volume, size_bytes), .required = true,
      .min = GW_PLANFILE_BLOCK_BYTES, .max = GW_PLANFILE_VOLUME_BYTES_MAX,
      .multiple = GW_PLANFILE_BLOCK_BYTES, .help = "The same at both sites" },
    { "at", GW_FIELD_AT_PATHS, AT(gw_planfile_volume, at), .required = true,
      .help = "File or block device at each site" },
};
SCHEMA(volume, "a volume", gw_planfile_volume, NULL);

static const struct gw_field keep[] = {
    { "count", GW_FIELD_NUMBER, AT(gw_planfile_keep, count), .max = 10000,
      .help = "The newest so many" },
    { "hourly", GW_FIELD_NUMBER, AT(gw_planfile_keep, hourly), .max = 10000,
      .help = "One of each of so many hours" },
    { "daily", GW_FIELD_NUMBER, AT(gw_planfile_keep, daily), .max = 10000,
      .help = "One of each of so many days" },
    { "weekly", GW_FIELD_NUMBER, AT(gw_planfile_keep, weekly), .max = 10000,
      .help = "One of each of so many weeks" },
};
SCHEMA(keep, "which points are kept", gw_planfile_keep, NULL);

static const struct gw_field points[] = {
    { "freeze", GW_FIELD_COMMANDS, AT(gw_planfile_points, freeze), .later = true,
      .help = "Before a point, to make applications write out what they hold" },
    { "thaw", GW_FIELD_COMMANDS, AT(gw_planfile_points, thaw), .later = true,
      .help = "After it, whatever became of it" },
    { "interval", GW_FIELD_DURATION, AT(gw_planfile_points, interval_ms), .min = 10 * S_MS,
      .max = YEAR_MS, .later = true, .help = "A point so often; left out: on request" },
    { "keep", GW_FIELD_OBJECT, AT(gw_planfile_points, keep), .sub = &keep_schema, .later = true,
      .help = "Which are kept" },
    { "max_age", GW_FIELD_DURATION, AT(gw_planfile_points, max_age_ms), .min = MIN_MS,
      .max = 10 * YEAR_MS, .later = true, .help = "Older ones are removed" },
    { "immutable", GW_FIELD_DURATION, AT(gw_planfile_points, immutable_ms), .min = MIN_MS,
      .max = 10 * YEAR_MS, .later = true, .help = "Younger ones cannot be removed" },
};
SCHEMA(points, "recovery points", gw_planfile_points, NULL);

static const struct gw_field attach[] = {
    { "volume", GW_FIELD_NAME, AT(gw_planfile_attach, volume), .required = true,
      .help = "A volume of this plan, handed over as an NBD address" },
    { "mount", GW_FIELD_PATH, AT(gw_planfile_attach, mount), .later = true,
      .help = "Where it is mounted" },
};
SCHEMA(attach, "an attached volume", gw_planfile_attach, NULL);

static const struct gw_field instance[] = {
    { "name", GW_FIELD_NAME, AT(gw_planfile_instance, name), .required = true,
      .help = "Unique in the plan" },
    { "driver", GW_FIELD_WORD, AT(gw_planfile_instance, driver), .required = true, .words = drivers,
      .words_later = 1u << GW_DRIVER_SYSTEMD | 1u << GW_DRIVER_LIBVIRT,
      .help = "What starts and stops it" },
    { "start", GW_FIELD_ARGV, AT(gw_planfile_instance, start), .help = "Driver exec" },
    { "stop", GW_FIELD_ARGV, AT(gw_planfile_instance, stop), .help = "Driver exec" },
    { "status", GW_FIELD_ARGV, AT(gw_planfile_instance, status),
      .help = "Driver exec; exit code 0: running, 3: stopped" },
    { "unit", GW_FIELD_TEXT, AT(gw_planfile_instance, unit), .max = 255, .help = "Driver systemd" },
    { "domain", GW_FIELD_TEXT, AT(gw_planfile_instance, domain), .max = 255,
      .help = "Driver libvirt" },
    { "start_timeout", GW_FIELD_DURATION, AT(gw_planfile_instance, start_timeout_ms),
      .fallback = "5m", .min = 100, .max = DAY_MS, .help = "Until it runs" },
    { "stop_timeout", GW_FIELD_DURATION, AT(gw_planfile_instance, stop_timeout_ms),
      .fallback = "5m", .min = 100, .max = DAY_MS, .help = "Until it has stopped" },
    { "attach", GW_FIELD_LIST, LIST_AT(gw_planfile_instance, attach), .alone = true,
      .sub = &attach_schema, .help = "Volumes that it uses; one alone needs no list" },
};
SCHEMA(instance, "an instance", gw_planfile_instance, NULL);

static const struct gw_field http[] = {
    { "url", GW_FIELD_URL, AT(gw_planfile_http, url), .required = true, .help = "Is fetched" },
    { "expect", GW_FIELD_NUMBER, AT(gw_planfile_http, expect), .fallback = "200", .min = 100,
      .max = 599, .help = "Status code of a good answer" },
    { "body", GW_FIELD_TEXT, AT(gw_planfile_http, body), .help = "Text that a good answer has" },
};
SCHEMA(http, "an HTTP check", gw_planfile_http, NULL);

static const struct gw_field check[] = {
    { "tcp", GW_FIELD_ADDRESS, AT(gw_planfile_check, tcp), .help = "A connection is taken" },
    { "http", GW_FIELD_OPTION, AT(gw_planfile_check, http), .sub = &http_schema,
      .help = "A good answer comes" },
    { "exec", GW_FIELD_ARGV, AT(gw_planfile_check, exec), .help = "Ends with exit code 0" },
    { "interval", GW_FIELD_DURATION, AT(gw_planfile_check, interval_ms), .fallback = "2s",
      .min = 50, .max = HOUR_MS, .help = "From one try to the next" },
    { "timeout", GW_FIELD_DURATION, AT(gw_planfile_check, timeout_ms), .fallback = "10s", .min = 50,
      .max = HOUR_MS, .help = "Of one try" },
    { "settle", GW_FIELD_DURATION, AT(gw_planfile_check, settle_ms), .fallback = "0s",
      .max = HOUR_MS, .help = "So long it stays green before it counts" },
    { "within", GW_FIELD_DURATION, AT(gw_planfile_check, within_ms), .fallback = "5m", .min = 50,
      .max = DAY_MS, .help = "Red when it is not green by then" },
    { "threshold", GW_FIELD_NUMBER, AT(gw_planfile_check, threshold), .fallback = "1", .min = 1,
      .max = 1000, .help = "So many tries in a row agree" },
};
SCHEMA(check, "a check", gw_planfile_check, one_check);

static const struct gw_field hooks[] = {
    { "pre_failover", GW_FIELD_COMMANDS, AT(gw_planfile_hooks, pre_failover),
      .help = "At the site that takes over, before a failover has changed anything; one that fails "
              "halts "
              "the failover there: skip it, or abort" },
    { "post_recover", GW_FIELD_COMMANDS, AT(gw_planfile_hooks, post_recover),
      .help = "After a failover or a switchover, when all groups run" },
    { "pre_failback", GW_FIELD_COMMANDS, AT(gw_planfile_hooks, pre_failback),
      .help = "At the site that is left, before a failback stops anything; one that fails ends the "
              "failback" },
    { "post_failback", GW_FIELD_COMMANDS, AT(gw_planfile_hooks, post_failback),
      .help = "After a failback or a revert, when all groups run at home" },
};
SCHEMA(hooks, "hooks", gw_planfile_hooks, NULL);

static const struct gw_field group[] = {
    { "name", GW_FIELD_NAME, AT(gw_planfile_group, name), .required = true,
      .help = "Unique in the plan" },
    { "priority", GW_FIELD_NUMBER, AT(gw_planfile_group, priority), .fallback = "1", .min = 1,
      .max = GW_PLANFILE_PRIORITY_MAX, .help = "Ascending on start, descending on stop" },
    { "active_active", GW_FIELD_FLAG, AT(gw_planfile_group, active_active), .fallback = "false",
      .later = true, .help = "Runs at both sites, behind a load balancer" },
    { "instances", GW_FIELD_LIST, LIST_AT(gw_planfile_group, instances), .required = true,
      .max = GW_PLANFILE_INSTANCES_MAX, .sub = &instance_schema,
      .help = "Started and stopped in parallel" },
    { "health", GW_FIELD_LIST, LIST_AT(gw_planfile_group, health), .alone = true, .max = 32,
      .sub = &check_schema, .help = "All must be green before the next group starts" },
    { "hooks", GW_FIELD_OBJECT, AT(gw_planfile_group, hooks), .sub = &hooks_schema,
      .help = "Commands around a change" },
};
SCHEMA(group, "a group", gw_planfile_group, NULL);

static const struct gw_field dns[] = {
    { "server", GW_FIELD_TEXT, AT(gw_planfile_dns, server), .required = true, .max = 255,
      .help = "Takes dynamic updates" },
    { "zone", GW_FIELD_TEXT, AT(gw_planfile_dns, zone), .required = true, .max = 253,
      .help = "Of the record" },
    { "record", GW_FIELD_TEXT, AT(gw_planfile_dns, record), .required = true, .max = 253,
      .help = "Its name in the zone" },
    { "type", GW_FIELD_WORD, AT(gw_planfile_dns, type), .fallback = "A", .words = record_types,
      .help = "Its type" },
    { "ttl", GW_FIELD_NUMBER, AT(gw_planfile_dns, ttl_s), .fallback = "60", .min = 1, .max = 86400,
      .help = "Seconds" },
    { "tsig", GW_FIELD_PATH, AT(gw_planfile_dns, tsig), .help = "File with the key" },
    { "at", GW_FIELD_AT_TEXTS, AT(gw_planfile_dns, at), .sites = true,
      .help = "What it says while a site is active; the sites' names also stand as keys here" },
};
SCHEMA(dns, "a DNS record", gw_planfile_dns, NULL);

static const struct gw_field haproxy[] = {
    { "socket", GW_FIELD_PATH, AT(gw_planfile_haproxy, socket), .required = true,
      .help = "Its admin socket" },
    { "backend", GW_FIELD_TEXT, AT(gw_planfile_haproxy, backend), .required = true, .max = 255,
      .help = "Name of the backend" },
    { "at", GW_FIELD_AT_TEXTS, AT(gw_planfile_haproxy, at), .sites = true,
      .help = "Servers that get traffic while a site is active; the sites' names also stand as "
              "keys here" },
};
SCHEMA(haproxy, "a backend of HAProxy", gw_planfile_haproxy, NULL);

static const struct gw_field address[] = {
    { "interface", GW_FIELD_TEXT, AT(gw_planfile_address, interface), .required = true, .max = 15,
      .help = "Of the network" },
    { "ip", GW_FIELD_CIDR, AT(gw_planfile_address, ip), .required = true,
      .help = "The address that moves" },
};
SCHEMA(address, "an address that moves", gw_planfile_address, NULL);

static const struct gw_field route_exec[] = {
    { "set", GW_FIELD_ARGV, AT(gw_planfile_route_exec, set), .required = true,
      .help = "Sends traffic to the site that `{site}` becomes" },
    { "status", GW_FIELD_ARGV, AT(gw_planfile_route_exec, status), .required = true,
      .help = "Prints the name of the site that has it" },
    { "timeout", GW_FIELD_DURATION, AT(gw_planfile_route_exec, timeout_ms), .fallback = "60s",
      .min = 100, .max = HOUR_MS, .help = "Of each" },
};
SCHEMA(route_exec, "a route by commands", gw_planfile_route_exec, NULL);

static const struct gw_field route[] = {
    { "dns", GW_FIELD_OPTION, AT(gw_planfile_route, dns), .sub = &dns_schema, .later = true,
      .help = "Dynamic update of a record" },
    { "haproxy", GW_FIELD_OPTION, AT(gw_planfile_route, haproxy), .sub = &haproxy_schema,
      .later = true, .help = "Servers of a backend" },
    { "address", GW_FIELD_OPTION, AT(gw_planfile_route, address), .sub = &address_schema,
      .later = true, .help = "A virtual address" },
    { "exec", GW_FIELD_OPTION, AT(gw_planfile_route, exec), .sub = &route_exec_schema,
      .help = "Your own commands" },
};
SCHEMA(route, "a route", gw_planfile_route, one_route);

static const struct gw_field detect[] = {
    { "interval", GW_FIELD_DURATION, AT(gw_planfile_detect, interval_ms), .fallback = "5s",
      .min = 100, .max = HOUR_MS, .help = "From one probe to the next" },
    { "threshold", GW_FIELD_NUMBER, AT(gw_planfile_detect, threshold), .fallback = "3", .min = 1,
      .max = 1000, .help = "Failures in a row" },
    { "probes", GW_FIELD_LIST, LIST_AT(gw_planfile_detect, probes), .alone = true, .max = 32,
      .sub = &check_schema, .help = "Of the service at the active site" },
    { "second", GW_FIELD_OPTION, AT(gw_planfile_detect, second), .sub = &check_schema,
      .help = "A second point of view" },
    { "hold", GW_FIELD_DURATION, AT(gw_planfile_detect, hold_ms), .fallback = "60s", .max = HOUR_MS,
      .help = "Silence lasts so long in all" },
    { "ha_grace", GW_FIELD_DURATION, AT(gw_planfile_detect, ha_grace_ms), .fallback = "5m",
      .max = DAY_MS, .help = "A dead service at a living site is left to it so long" },
};
SCHEMA(detect, "how a failure is detected", gw_planfile_detect, NULL);

static const struct gw_field lease[] = {
    { "renew", GW_FIELD_DURATION, AT(gw_planfile_lease, renew_ms), .fallback = "3s", .min = 100,
      .max = HOUR_MS, .help = "So often" },
    { "round_trip", GW_FIELD_DURATION, AT(gw_planfile_lease, round_trip_ms), .fallback = "2s",
      .min = 100, .max = HOUR_MS, .help = "Slower answers do not count" },
    { "tries", GW_FIELD_NUMBER, AT(gw_planfile_lease, tries), .fallback = "3", .min = 1, .max = 100,
      .help = "Before the site fences itself" },
    { "stop", GW_FIELD_DURATION, AT(gw_planfile_lease, stop_ms), .fallback = "6s", .min = 100,
      .max = HOUR_MS, .help = "Longest time to stop writing" },
    { "validity", GW_FIELD_DURATION, AT(gw_planfile_lease, validity_ms), .fallback = "18s",
      .min = 100, .max = HOUR_MS, .help = "From the moment a renewal was sent" },
    { "promise", GW_FIELD_DURATION, AT(gw_planfile_lease, promise_ms), .fallback = "22s",
      .min = 100, .max = HOUR_MS, .help = "Of a voter, from receipt" },
    { "lock_delay", GW_FIELD_DURATION, AT(gw_planfile_lease, lock_delay_ms), .fallback = "5s",
      .min = 100, .max = HOUR_MS, .help = "Longest I/O in flight" },
    { "lost", GW_FIELD_WORD, AT(gw_planfile_lease, lost), .fallback = "consistency",
      .words = lease_losts, .help = "What a site does whose lease has lapsed: stop, or serve on" },
};
SCHEMA(lease, "the lease of witness mode", gw_planfile_lease, NULL);

static const struct gw_field fence[] = {
    { "agent", GW_FIELD_TEXT, AT(gw_planfile_fence, agent), .required = true, .max = 64,
      .help = "A fence agent such as fence_ipmilan" },
    { "params", GW_FIELD_PAIRS, AT(gw_planfile_fence, params),
      .help = "Its parameters; secrets in files (password_file)" },
};
SCHEMA(fence, "a fence device", gw_planfile_fence, NULL);

static const struct gw_field failover[] = {
    { "mode", GW_FIELD_WORD, AT(gw_planfile_failover, mode), .fallback = "approve",
      .words = failover_modes, .words_later = 1u << GW_FAILOVER_AUTO | 1u << GW_FAILOVER_OBSERVE,
      .help = "Who decides" },
    { "detect", GW_FIELD_OBJECT, AT(gw_planfile_failover, detect), .sub = &detect_schema,
      .later = true, .help = "How a failure is detected" },
    { "lease", GW_FIELD_OBJECT, AT(gw_planfile_failover, lease), .sub = &lease_schema,
      .later = true, .help = "Witness mode" },
    { "isolated_start", GW_FIELD_WORD, AT(gw_planfile_failover, isolated_start), .fallback = "wait",
      .words = isolated_starts,
      .help = "A site that starts and cannot reach its peer: wait for a person, or serve" },
    { "auto_rpo", GW_FIELD_DURATION, AT(gw_planfile_failover, auto_rpo_ms), .fallback = "10s",
      .max = DAY_MS, .later = true, .help = "Mode auto only below this lag" },
    { "approvals", GW_FIELD_NUMBER, AT(gw_planfile_failover, approvals), .fallback = "0", .max = 2,
      .help = "People besides the one who asks" },
    { "commit", GW_FIELD_MANUAL_OR_AFTER, AT(gw_planfile_failover, commit_after_ms),
      .help = "When the recovery point is final: by hand, or by itself after a time" },
    { "fence", GW_FIELD_LIST, LIST_AT(gw_planfile_failover, fence), .later = true, .max = 16,
      .sub = &fence_schema, .help = "Devices that switch the other site off" },
};
SCHEMA(failover, "failover", gw_planfile_failover, NULL);

static const struct gw_field window[] = {
    { "cron", GW_FIELD_CRON, AT(gw_planfile_window, cron), .required = true,
      .help = "When it opens" },
    { "length", GW_FIELD_DURATION, AT(gw_planfile_window, length_ms), .required = true,
      .min = MIN_MS, .max = 7 * DAY_MS, .help = "How long it is open" },
};
SCHEMA(window, "a window", gw_planfile_window, NULL);

static const struct gw_field failback[] = {
    { "mode", GW_FIELD_WORD, AT(gw_planfile_failback, mode), .fallback = "manual",
      .words = failback_modes, .help = "a failback is never automatic; manual is the only mode" },
    { "approvals", GW_FIELD_NUMBER, AT(gw_planfile_failback, approvals), .fallback = "0", .max = 2,
      .help = "People besides the one who asks" },
    { "window", GW_FIELD_OPTION, AT(gw_planfile_failback, window), .sub = &window_schema,
      .help = "When it may be; left out: at any time" },
    { "max_outage", GW_FIELD_DURATION, AT(gw_planfile_failback, max_outage_ms), .fallback = "2m",
      .min = S_MS, .max = DAY_MS,
      .help = "From the last write acknowledged at DR to the first at home. A run that stopped the "
              "services and has not handed over by then goes back" },
    { "on_unhealthy", GW_FIELD_WORD, AT(gw_planfile_failback, on_unhealthy), .fallback = "halt",
      .words = on_unhealthies,
      .help = "Home is red after the handover: wait for a person, or go back to DR" },
};
SCHEMA(failback, "failback", gw_planfile_failback, NULL);

static const struct gw_field checks[] = {
    { "data", GW_FIELD_COMMANDS, AT(gw_planfile_checks, data),
      .help = "On a clone, before reverse; `{volume:NAME}` becomes the clone's path" },
};
SCHEMA(checks, "checks", gw_planfile_checks, NULL);

static const struct gw_field verify[] = {
    { "every", GW_FIELD_DURATION, AT(gw_planfile_verify, every_ms), .required = true,
      .min = HOUR_MS, .max = YEAR_MS, .help = "Both sites are compared so often" },
    { "rate", GW_FIELD_RATE, AT(gw_planfile_verify, rate_per_s), .min = 64 * KIB, .max = RATE_MAX,
      .help = "Of reading; left out: no limit" },
};
SCHEMA(verify, "scheduled verification", gw_planfile_verify, NULL);

static const struct gw_field journal[] = {
    { "size", GW_FIELD_SIZE, AT(gw_planfile_journal, size_bytes), .fallback = "4GiB",
      .min = 256 * MIB, .max = 64 * TIB, .help = "Limit at the standby" },
    { "keep", GW_FIELD_DURATION, AT(gw_planfile_journal, keep_ms), .min = MIN_MS, .max = YEAR_MS,
      .later = true, .help = "Applied records are kept so long" },
};
SCHEMA(journal, "the journal", gw_planfile_journal, NULL);

static const struct gw_field measure[] = {
    { "name", GW_FIELD_TEXT, AT(gw_planfile_measure, name), .required = true, .max = 100,
      .help = "What it is" },
    { "at", GW_FIELD_SITE, AT(gw_planfile_measure, at), .required = true, .help = "Where" },
    { "remove", GW_FIELD_COMMANDS, AT(gw_planfile_measure, remove), .required = true,
      .help = "Lifts it" },
};
SCHEMA(measure, "a temporary measure", gw_planfile_measure, NULL);

static const struct gw_field network[] = {
    { "netns", GW_FIELD_TEXT, AT(gw_planfile_network, netns), .max = 64,
      .help = "Network namespace of the test" },
};
SCHEMA(network, "the network of a test", gw_planfile_network, NULL);

static const struct gw_field pass[] = {
    { "rto", GW_FIELD_DURATION, AT(gw_planfile_pass, rto_ms), .min = S_MS, .max = YEAR_MS,
      .help = "Left out: that of the plan" },
    { "rpo", GW_FIELD_DURATION, AT(gw_planfile_pass, rpo_ms), .min = S_MS, .max = YEAR_MS,
      .help = "Left out: that of the plan" },
};
SCHEMA(pass, "what passes a test", gw_planfile_pass, NULL);

static const struct gw_field tests[] = {
    { "every", GW_FIELD_DURATION, AT(gw_planfile_tests, every_ms), .min = HOUR_MS, .max = YEAR_MS,
      .help = "So often" },
    { "network", GW_FIELD_OBJECT, AT(gw_planfile_tests, network), .sub = &network_schema,
      .help = "Where it runs apart" },
    { "rehearse", GW_FIELD_FLAG, AT(gw_planfile_tests, rehearse), .fallback = "false",
      .help = "The whole round trip on clones" },
    { "pass", GW_FIELD_OBJECT, AT(gw_planfile_tests, pass), .sub = &pass_schema,
      .help = "What passes" },
};
SCHEMA(tests, "tests", gw_planfile_tests, NULL);

static const struct gw_field runbook_step[] = {
    { "name", GW_FIELD_TEXT, AT(gw_planfile_runbook_step, name), .required = true, .max = 100,
      .help = "Title" },
    { "before", GW_FIELD_TEXT, AT(gw_planfile_runbook_step, before), .max = 63,
      .help = "Name of the step that follows" },
    { "after", GW_FIELD_TEXT, AT(gw_planfile_runbook_step, after), .max = 63,
      .help = "Name of the step that precedes" },
    { "manual", GW_FIELD_TEXT, AT(gw_planfile_runbook_step, manual), .help = "What a person does" },
    { "exec", GW_FIELD_ARGV, AT(gw_planfile_runbook_step, exec), .help = "Is run" },
    { "expect", GW_FIELD_TEXT, AT(gw_planfile_runbook_step, expect), .help = "Outcome" },
    { "verify", GW_FIELD_TEXT, AT(gw_planfile_runbook_step, verify), .help = "How to see it" },
    { "if_it_fails", GW_FIELD_TEXT, AT(gw_planfile_runbook_step, if_it_fails),
      .help = "What to do then" },
    { "owner", GW_FIELD_TEXT, AT(gw_planfile_runbook_step, owner), .max = 100, .help = "Whose" },
    { "operations", GW_FIELD_TEXTS, AT(gw_planfile_runbook_step, operations),
      .help = "failover, failback, switchover, reverse; left out: all" },
    { "target", GW_FIELD_DURATION, AT(gw_planfile_runbook_step, target_ms), .min = 1,
      .max = YEAR_MS, .help = "How long it should take" },
    { "timeout", GW_FIELD_DURATION, AT(gw_planfile_runbook_step, timeout_ms), .fallback = "300s",
      .min = 1, .max = 7 * DAY_MS, .help = "Of a command" },
};
SCHEMA(runbook_step, "a step", gw_planfile_runbook_step, one_action);

static const struct gw_field runbook[] = {
    { "owner", GW_FIELD_TEXT, AT(gw_planfile_runbook, owner), .max = 100, .help = "Whose" },
    { "steps", GW_FIELD_LIST, LIST_AT(gw_planfile_runbook, steps), .sub = &runbook_step_schema,
      .help = "Besides those of the operation" },
};
SCHEMA(runbook, "the runbook", gw_planfile_runbook, NULL);

static const struct gw_field plan[] = {
    { "plan", GW_FIELD_NAME, AT(gw_planfile, plan), .required = true, .help = "Its name" },
    { "home", GW_FIELD_NAME, AT(gw_planfile, home), .required = true,
      .help = "Site where the workload lives" },
    { "dr", GW_FIELD_NAME, AT(gw_planfile, dr), .required = true, .help = "Site that takes over" },
    { "rpo", GW_FIELD_DURATION, AT(gw_planfile, rpo_ms), .fallback = "1m", .min = 100,
      .max = YEAR_MS, .help = "Target: so much may be lost" },
    { "rto", GW_FIELD_DURATION, AT(gw_planfile, rto_ms), .fallback = "15m", .min = S_MS,
      .max = YEAR_MS, .help = "Target: from the command to a healthy service" },
    { "failback_rto", GW_FIELD_DURATION, AT(gw_planfile, failback_rto_ms), .fallback = "4h",
      .min = S_MS, .max = YEAR_MS,
      .help = "Target: from the start of reverse replication to verified traffic at home" },
    { "max_dr_time", GW_FIELD_DURATION, AT(gw_planfile, max_dr_time_ms), .fallback = "14d",
      .min = S_MS, .max = 10 * YEAR_MS,
      .help = "Longer at DR is an event `plan.dr_time` and a notice to the contacts" },
    { "contacts", GW_FIELD_LIST, LIST_AT(gw_planfile, contacts), .max = 32, .sub = &contact_schema,
      .help = "Who is told of planned changes" },
    { "replication", GW_FIELD_OBJECT, AT(gw_planfile, replication), .sub = &replication_schema,
      .help = "How data is replicated" },
    { "volumes", GW_FIELD_LIST, LIST_AT(gw_planfile, volumes), .required = true,
      .max = GW_PLANFILE_VOLUMES_MAX, .sub = &volume_schema,
      .help = "What is protected, as one, in one order of writes" },
    { "recovery_points", GW_FIELD_OBJECT, AT(gw_planfile, recovery_points), .sub = &points_schema,
      .help = "Recovery points at the standby" },
    { "groups", GW_FIELD_LIST, LIST_AT(gw_planfile, groups), .max = GW_PLANFILE_GROUPS_MAX,
      .sub = &group_schema, .help = "Workloads, by priority" },
    { "routes", GW_FIELD_LIST, LIST_AT(gw_planfile, routes), .max = 32, .sub = &route_schema,
      .help = "What sends clients to the active site" },
    { "failover", GW_FIELD_OBJECT, AT(gw_planfile, failover), .sub = &failover_schema,
      .help = "When DR takes over" },
    { "failback", GW_FIELD_OBJECT, AT(gw_planfile, failback), .sub = &failback_schema,
      .help = "When home takes over again" },
    { "checks", GW_FIELD_OBJECT, AT(gw_planfile, checks), .sub = &checks_schema,
      .help = "Of data" },
    { "verify", GW_FIELD_OPTION, AT(gw_planfile, verify), .sub = &verify_schema, .later = true,
      .help = "Both sites are compared on a schedule" },
    { "journal", GW_FIELD_OBJECT, AT(gw_planfile, journal), .sub = &journal_schema,
      .help = "Of the standby" },
    { "security_measures", GW_FIELD_LIST, LIST_AT(gw_planfile, security_measures), .max = 32,
      .later = true, .sub = &measure_schema, .help = "Temporary, lifted before home serves" },
    { "tests", GW_FIELD_OPTION, AT(gw_planfile, tests), .sub = &tests_schema, .later = true,
      .help = "Tests and rehearsals" },
    { "runbook", GW_FIELD_OBJECT, AT(gw_planfile, runbook), .sub = &runbook_schema, .later = true,
      .help = "Extra steps and their owners" },
};
const struct gw_schema gw_planfile_schema = { "a plan", sizeof(struct gw_planfile), NULL, plan,
                                              GW_ARRAY_SIZE(plan) };
