// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The one table: what there is, and the words that help and the man page say about it. */
#include "base/checked.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "term/pages.h"

static const struct gw_term_common_option common[] = {
    { { "socket", 's', "PATH",
        "godwitd's socket (default $GODWIT_SOCKET, " CLI_SOCKET_DEFAULT ")" },
      CLI_API,
      NULL },
    { { "no-wait", 0, NULL, "do not wait for the end: it goes on by itself" }, CLI_RUN, NULL },
    { { "key", 0, "TEXT", "Idempotency-Key: the same one again does nothing twice" },
      CLI_ACTION,
      NULL },
    { { "yes", 'y', NULL, "do not ask to type the name" }, GW_TERM_DESTRUCTIVE, NULL },
    { { "json", 'j', NULL, "print one JSON object with stable keys" }, 0, NULL },
    { { "help", 'h', NULL, "explain the command" }, 0, NULL },
};

#define OPTIONS GW_TERM_OPTIONS
#define LOOK CLI_API
#define ACT (CLI_API | CLI_ACTION)
#define START (CLI_API | CLI_ACTION | CLI_RUN)
#define MOVE (START | GW_TERM_DESTRUCTIVE)

#define NAMES                                                                                      \
    {                                                                                              \
        "names", 0, NULL, "print the names only, one a line"                                       \
    }
#define BY                                                                                         \
    {                                                                                              \
        "by", 0, "NAME", "the person who says so (default: who runs this program)"                 \
    }
#define REASON                                                                                     \
    {                                                                                              \
        "reason", 0, "TEXT", "why; it is recorded"                                                 \
    }
#define OVERRIDE                                                                                   \
    {                                                                                              \
        "override", 0, "GUARD", "go on although this guard refuses; needs --reason",               \
            .repeat = true                                                                         \
    }
#define DRY_RUN                                                                                    \
    {                                                                                              \
        "dry-run", 'n', NULL, "run every probe, change nothing, say what would happen"             \
    }
#define LIMIT                                                                                      \
    {                                                                                              \
        "limit", 0, "N", "at most N"                                                               \
    }

static const struct gw_term_command commands[] = {
    { "site list", NULL, LOOK, "list this site and those it is paired with",
      "Health is HEALTHY, DEGRADED or UNREACHABLE.", OPTIONS(NAMES), cli_cmd_site_list,
      .heading = "Sites" },
    { "site show", "SITE", LOOK, "show what is known of a site",
      "Addresses, certificate, when it was last heard of, clock offset and round trip.", NULL,
      cli_cmd_site_show },
    { "site pair", "[CODE] [ADDRESS]", ACT,
      "make a one-time code, or pair with the site that made it",
      "Without CODE: prints a code that is good for one pairing and 15 minutes. With CODE and the "
      "link address of the site that made it: both exchange certificates, which are pinned from "
      "then on. Nothing else than the code has to be kept secret.",
      OPTIONS({ "link", 0, "ADDRESS", "where the other site reaches our link port (HOST:7001)" },
              { "data", 0, "ADDRESS", "where it reaches our data port (HOST:7000)" }),
      cli_cmd_site_pair },
    { "site test", "SITE", ACT, "try everything that the link to a site needs",
      "Name, route, port, TLS and version, of the link and of the data port, in both directions; "
      "then round trip, clock offset and throughput. Each failing layer is named with what to do. "
      "Exit code 1 if one fails.",
      NULL, cli_cmd_site_test },
    { "site replace", "SITE", MOVE, "bring up new hardware in place of a lost site",
      "The new machine is paired under the old name, gets blank plan directories, and every plan "
      "is seeded in full; then it can be failed back to. Without --code, prints the code that is "
      "to be typed there.",
      OPTIONS({ "code", 0, "CODE", "code that was made at the new machine" },
              { "link", 0, "ADDRESS", "its link address" },
              { "data", 0, "ADDRESS", "its data address" }, BY),
      cli_cmd_site_replace },
    { "site backup", "FILE", ACT, "write what this site remembers to a file",
      "Plans, runs, audit log, identity. The file is written by godwitd and holds the site's "
      "private key: keep it like one.",
      NULL, cli_cmd_site_backup },
    { "site restore", "[FILE]", ACT | GW_TERM_DESTRUCTIVE, "take back what this site remembered",
      "From a backup (into a site without plans), or from the other site and the plan directories. "
      "The site comes up fenced "
      "until its past was compared.",
      OPTIONS(
          { "from-peer", 0, NULL, "rebuild it from the other site" },
          { "alone", 0, NULL,
            "the other site is lost for good: lift the fence, and take what this site remembers" },
          BY),
      cli_cmd_site_restore },

    { "plan apply", NULL, ACT, "store a plan, or change it",
      "The plan is kept at both sites with version and hash. Errors are all said, with their "
      "lines. A change is refused while the other site cannot be reached.",
      OPTIONS(
          { "file", 'f', "FILE", "the plan, YAML or JSON; - is standard input", .required = true },
          { "plan", 0, "NAME", "its name, if the file does not begin a line with it" },
          { "if-match", 0, "HASH", "refuse unless the stored plan has this hash" }),
      cli_cmd_plan_apply, .heading = "Plans" },
    { "plan check", NULL, LOOK | CLI_ACTION, "check a plan file and the world around it",
      "Besides the file: do the paths exist at both sites, are volumes equal in size, is there "
      "room, do the programs exist. Changes nothing. Exit code 1 if anything is wrong.",
      OPTIONS(
          { "file", 'f', "FILE", "the plan, YAML or JSON; - is standard input", .required = true }),
      cli_cmd_plan_check },
    { "plan list", NULL, LOOK, "list the plans with their status", "One line a plan.",
      OPTIONS(NAMES), cli_cmd_plan_list },
    { "plan show", "PLAN", LOOK, "print a plan as it was applied",
      "With --json also version, hash and history.", NULL, cli_cmd_plan_show },
    { "plan status", "PLAN", LOOK, "show where a plan stands and what to do next",
      "Status, phase and reasons, active site, epoch, direction, lag, recovery point objective, "
      "progress, last run, and the next action for the operator. With --watch again and again: on "
      "a terminal in place, else a line each time; with --json an object a line.",
      OPTIONS({ "watch", 'w', NULL, "go on until interrupted" },
              { "every", 0, "DURATION", "pause between two (default 2s)" },
              { "count", 0, "N", "end after N times" }),
      cli_cmd_plan_status },
    { "plan explain", "PLAN", LOOK, "show which operations are possible, and why others are not",
      "Every guard with what it found, its limit, and the way out.",
      OPTIONS({ "operation", 0, "NAME", "only this one (failover, failback, ...)" }),
      cli_cmd_plan_explain },
    { "plan activate", "PLAN", START, "begin to protect a plan",
      "Makes both sides, starts the workloads at home and seeds the other site; seeding goes on "
      "by itself.",
      OPTIONS(DRY_RUN, OVERRIDE, REASON, BY), cli_cmd_activate },
    { "plan deactivate", "PLAN", MOVE, "stop protecting a plan",
      "Stops its workloads and the processes of both sites, in order. Nothing is removed.",
      OPTIONS(DRY_RUN, OVERRIDE, REASON, BY), cli_cmd_deactivate },
    { "plan delete", "PLAN", MOVE, "remove a plan; its evidence is kept",
      "Only of a plan that is not active. Volumes are left alone.", OPTIONS(REASON, BY),
      cli_cmd_plan_delete },

    { "volume list", "PLAN", LOOK, "list the volumes of a plan", "With size and place.", NULL,
      cli_cmd_volume_list, .heading = "Volumes" },
    { "volume grow", "PLAN VOLUME SIZE", START, "make a volume larger while it is used",
      "SIZE is the new size. The standby grows first.", NULL, cli_cmd_volume_grow },
    { "volume add", "PLAN VOLUME SIZE", START, "add a volume to a protected plan",
      "Made at the standby first. An existing file or device is adopted.",
      OPTIONS({ "at", 0, "SITE=PATH", "where it is at a site; once for each", .required = true,
                .repeat = true }),
      cli_cmd_volume_add },
    { "volume remove", "PLAN VOLUME", MOVE, "take a volume out of a plan",
      "It must not be attached. Its data stays.", OPTIONS(BY), cli_cmd_volume_remove },

    { "forecast", "PLAN", LOOK, "say what a move would take and cost",
      "Direction, bytes, time to synchronise at the measured rate, expected outage from earlier "
      "runs, what would be lost, divergence.",
      OPTIONS({ "to", 0, "SITE", "the site that shall be active" }), cli_cmd_forecast,
      .heading = "Moves" },
    { "failover", "PLAN", MOVE, "the standby site takes over; the active one is lost",
      "Typed at the standby site. What the lost site acknowledged and had not sent is counted and "
      "kept when it returns. Until it is committed the recovery point can be changed.",
      OPTIONS({ "point", 0, "POINT",
                "recovery point: its id, a time (2026-11-22T02:00:00Z: the newest before it), or "
                "latest "
                "(default)" },
              { "confirm-site-down", 0, "SITE",
                "you know that this site does not serve and will not come back by itself" },
              DRY_RUN, OVERRIDE, REASON, BY),
      cli_cmd_failover },
    { "switchover", "PLAN", MOVE, "move service to the other site, losing nothing",
      "Both sites are up. Ends with replication in the other direction.",
      OPTIONS(DRY_RUN, OVERRIDE, REASON, BY), cli_cmd_switchover },
    { "reverse", "PLAN", MOVE, "replicate back to the site that was lost and has returned",
      "Checks the data at the active site, compares the pasts of both, waits for a signature if "
      "the returned site has writes of its own, then copies what differs.",
      OPTIONS(DRY_RUN, OVERRIDE, REASON, BY), cli_cmd_reverse },
    { "failback", "PLAN", MOVE, "bring service home",
      "A switchover to the plan's home. Before the handover it can be cancelled at any time, and "
      "service returns to the DR site.",
      OPTIONS({ "at", 0, "TIME",
                "when to begin: 02:00, \"2026-11-22 02:00\" (local), an RFC 3339 time, or +90m" },
              { "abort-by", 0, "DURATION",
                "return to the DR site if the handover was not reached by then" },
              DRY_RUN, OVERRIDE, REASON, BY),
      cli_cmd_failback },
    { "commit", "PLAN", MOVE, "accept a failover",
      "Afterwards its recovery point cannot be changed any more.", OPTIONS(OVERRIDE, REASON, BY),
      cli_cmd_commit },
    { "revert", "PLAN", MOVE, "take back a failover that is not routed yet",
      "Service returns to where it was; what was written meanwhile is kept as a tail.",
      OPTIONS(DRY_RUN, OVERRIDE, REASON, BY), cli_cmd_revert },
    { "adopt", "PLAN", MOVE, "after a failover: the roles stay",
      "The active site becomes the home of the plan, the other one its DR site.",
      OPTIONS(OVERRIDE, REASON, BY), cli_cmd_adopt },
    { "hold", "PLAN", ACT, "do nothing automatically until released", "Replication goes on.",
      OPTIONS(REASON, BY), cli_cmd_hold },
    { "release", "PLAN", ACT, "end a hold", "The mode is again what it was.", OPTIONS(REASON, BY),
      cli_cmd_release },
    { "verify", "PLAN", START, "compare all data of both sites while it is in use",
      "With progress, rate and time left; then how much was compared, how many blocks differed and "
      "how long it took. Blocks that differ are sent again, and make the exit code 1. When it is "
      "interrupted the verify goes on, and plan status shows it.",
      OPTIONS({ "rate", 0, "SIZE", "read at most so much a second" }, BY), cli_cmd_verify },

    { "run list", NULL, LOOK, "list the runs, the newest first", "Of all plans, or of one.",
      OPTIONS({ "plan", 0, "PLAN", "only its runs" },
              { "unfinished", 0, NULL, "only those that have not ended" }, LIMIT, NAMES),
      cli_cmd_run_list, .heading = "Runs" },
    { "run show", "RUN", LOOK, "show a run, step by step", "With --json its whole evidence.", NULL,
      cli_cmd_run_show },
    { "run watch", "RUN", LOOK, "follow a run until it ends or asks for a person",
      "Ends with the exit code that the run makes. An interruption ends the watching only.",
      OPTIONS({ "no-wait", 0, NULL, "show what it is now" }), cli_cmd_run_watch },
    { "run log", "RUN", LOOK, "print the log of a run",
      "What was intended and what became of it, hash-chained.",
      OPTIONS({ "follow", 'f', NULL, "go on until the run ends" }), cli_cmd_run_log },
    { "run approve", "RUN", START, "approve a run that waits for it",
      "Never by who asked for it. It is bound to the plan as it is now.", OPTIONS(BY, REASON),
      cli_cmd_run_approve },
    { "run cancel", "RUN", START, "take a run back, before its point of no return",
      "What was done is undone in reverse order; service returns to where it was. Exit code 0 when "
      "that is so, 1 if the run was past it.",
      OPTIONS(BY, REASON), cli_cmd_run_cancel },
    { "run resume", "RUN", START, "let a halted run go on", "It looks at the world first.",
      OPTIONS(BY, REASON), cli_cmd_run_resume },
    { "run retry", "RUN", START, "try the step at which a run halted once more",
      "Not for a step that may happen only once and may have happened.", OPTIONS(BY, REASON),
      cli_cmd_run_retry },
    { "run skip", "RUN", MOVE, "go on without the step at which a run halted",
      "On your word that it is not needed, or was done by hand.", OPTIONS(BY, REASON),
      cli_cmd_run_skip },
    { "run revert", "RUN", MOVE, "take back what a halted run did",
      "In reverse order, before its point of no return. Exit code 0 when that is so.",
      OPTIONS(BY, REASON), cli_cmd_run_revert },
    { "run abort", "RUN", MOVE, "end a halted run where it is", "Nothing is undone.",
      OPTIONS(BY, REASON), cli_cmd_run_abort },
    { "run override", "RUN", MOVE, "decide a handover that is in doubt, at this site",
      "Only while the other site cannot be asked. At the old site: the new one will not take over. "
      "At the new site: the old one will not serve.",
      OPTIONS({ "reason", 0, "TEXT", "why you know; it is recorded", .required = true }, BY),
      cli_cmd_run_override },

    { "points list", "PLAN", LOOK, "list the recovery points of a plan", "They are at the standby.",
      NULL, cli_cmd_points_list, .heading = "Data" },
    { "points create", "PLAN", ACT, "make a recovery point at this place of the stream",
      "Frozen and thawed by the plan's commands, if it has any.",
      OPTIONS({ "tag", 0, "TEXT", "what it is for" }), cli_cmd_points_create },
    { "divergence list", "PLAN", LOOK, "list writes that only one site ever had",
      "Those that wait for a signature, and those that are kept.", NULL, cli_cmd_divergence_list },
    { "divergence show", "PLAN [TAIL]", LOOK, "itemise them by volume and range",
      "Without TAIL: those that wait for a signature.",
      OPTIONS({ "ranges", 0, "N", "print at most N ranges (default 64)" }),
      cli_cmd_divergence_show },
    { "divergence sign", "PLAN", ACT, "sign that they are kept aside, so that a resync may begin",
      "In the name of a person. Nothing is discarded.",
      OPTIONS({ "by", 0, "NAME", "the person who signs; it is recorded", .required = true },
              REASON),
      cli_cmd_divergence_sign },

    { "events", NULL, LOOK, "print what happened", "Of all plans, or of one.",
      OPTIONS({ "follow", 'f', NULL, "go on, as it happens" },
              { "plan", 0, "PLAN", "only its events" }, { "after", 0, "N", "those after number N" },
              LIMIT),
      cli_cmd_events, .heading = "Records" },
    { "audit show", NULL, LOOK, "print who did what, when and from where", "The oldest first.",
      OPTIONS({ "after", 0, "N", "entries after number N" }, LIMIT,
              { "who", 0, "NAME", "only by this person" },
              { "action", 0, "NAME", "only this action (plan.apply)" }),
      cli_cmd_audit_show },
    { "audit verify", NULL, LOOK, "check that nobody changed the audit log",
      "Follows the chain of hashes. Exit code 1 names the first bad entry.", NULL,
      cli_cmd_audit_verify },

    { "demo", NULL, 0, "two sites on this machine: fail over, and come home",
      "Two godwitd in a directory of this machine, and a plan: a shop of three tiers is protected, "
      "home is killed, DR takes over, home returns fenced, is brought up to date by delta, and "
      "takes "
      "over again. Its customers book all the time, and what was acknowledged to them is accounted "
      "for. With --engine the same of the data plane alone, a filesystem included. Every claim is "
      "checked. Needs no privilege, takes well under a minute, leaves nothing behind.\n\nExit code "
      "0: every check held, 1: not so, 130: interrupted.",
      OPTIONS({ "engine", 0, NULL, "the data plane alone: no godwitd, no plan" },
              { "sync", 0, NULL,
                "sync mode: home is killed without the link being cut, nothing may be lost" },
              { "fast", 0, NULL, "as little life with writes as is enough" },
              { "seconds", 0, "N", "how long life with writes lasts each time (4; at most 20)" },
              { "dir", 0, "DIR", "work in DIR, which must be new or empty" },
              { "keep", 0, NULL, "leave the directory" },
              { "programs", 0, "DIR",
                "a build directory, or one with godwitd, godwit-replica, godwit-ctl and the nbdkit "
                "plugin" }),
      cli_cmd_demo, .heading = "Others" },
    { "man", NULL, GW_TERM_PLAIN, "print the man page", "In the man(7) format.", NULL,
      gw_term_cmd_man },
    { "completion", "SHELL", GW_TERM_PLAIN, "print the completion of a shell",
      "SHELL is bash. Put it where the shell looks, or say: eval \"$(godwit completion bash)\".",
      NULL, gw_term_cmd_completion },
};

static const struct gw_term_operand operands[] = {
    { "PLAN", "godwit plan list --names" },
    { "SITE", "godwit site list --names" },
    { "RUN", "godwit run list --names" },
    { "FILE", NULL },
    { NULL, NULL },
};

static const struct gw_term_section sections[] = {
    { "ENVIRONMENT", ".TP\n.B GODWIT_SOCKET\ngodwitd's socket" },
    { "FILES", ".TP\n.I " CLI_SOCKET_DEFAULT "\ngodwitd's socket" },
    { "SEE ALSO", ".BR godwitd (8),\n.BR godwit\\-ctl (1),\n.BR godwit\\-replica (1)" },
    { NULL, NULL },
};

const struct gw_term_program cli_program = {
    .name = "godwit",
    .version = GODWIT_VERSION,
    .summary = "replicate volumes to a second site, fail over to it, and come home",
    .usage = "COMMAND [OPTION]...",
    .synopsis = "[\\fIOPTION\\fR]...",
    .about = "Speaks to godwitd, the daemon of this site.",
    .text =
        "Speaks to godwitd, the daemon of this site, over its socket. What moves a plan is a run: "
        "the command begins it and follows it step by step until it ends or asks for a person. An "
        "interruption ends the following only; godwit run watch goes on with it.\n\nA "
        "destructive command asks to type the name of what it changes. Every refusal names the "
        "guard that refuses and the way out.\n\nSizes are written with binary units (4096, 64MiB, "
        "20GiB), durations with ms, s, m, h or d (a bare number is seconds).",
    .exits = {
        [GW_EXIT_OK] = "done",
        [GW_EXIT_FAILED] = "failed, or halted: a person decides how it goes on",
        [GW_EXIT_USAGE] = "the command line is wrong; nothing was done",
        [GW_EXIT_REFUSED] = "refused by a guard, which is named, with the way out; nothing was done",
        [GW_EXIT_WAITING] = "waiting for approval",
        [GW_EXIT_CANCELLED] = "cancelled or reverted: service is where it was",
        [GW_EXIT_UNKNOWN] =
            "unknown outcome: look at the status or the run before deciding anything",
    },
    .commands = commands,
    .n_commands = GW_ARRAY_SIZE(commands),
    .common = common,
    .n_common = GW_ARRAY_SIZE(common),
    .operands = operands,
    .sections = sections,
    .exit_of = cli_exit_of,
    .error_json = cli_error_json,
    .explain = cli_explain,
};
