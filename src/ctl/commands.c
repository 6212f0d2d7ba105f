// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The one table: what there is, and the words that help and the man page say about it. */
#include "base/checked.h"
#include "ctl/command.h"
#include "ctl/ctl.h"
#include "term/pages.h"

static const struct gw_term_common_option common[] = {
    { { "socket", 's', "PATH", "control socket of the process to speak to" },
      CTL_SOCKET,
      "works on a plan directory: --dir, not --socket" },
    { { "dir", 'd', "DIR", "plan directory to work on, without a process" },
      CTL_DIR,
      "needs the running process: --socket, not --dir" },
    { { "timeout", 't', "DURATION", "how long to wait (500ms, 30s, 5m)" }, CTL_TIMEOUT, NULL },
    { { "yes", 'y', NULL, "do not ask to type the plan's name" }, GW_TERM_DESTRUCTIVE, NULL },
    { { "json", 'j', NULL, "print one JSON object with stable keys" }, 0, NULL },
    { { "help", 'h', NULL, "explain the command" }, 0, NULL },
};

#define OPTIONS GW_TERM_OPTIONS
#define BY                                                                                         \
    {                                                                                              \
        "by", 0, "NAME", "the person who says so; it is recorded", .required = true                \
    }

static const struct gw_term_command commands[] = {
    { "create", "DIR", 0, "make a plan directory",
      "Makes DIR for one side of a plan. The first side makes the plan's uuid and the uuids of its "
      "volumes; the other side is made from its description with --like.\n\n"
      "Existing volume files and block devices are adopted in place; a missing file is created "
      "sparse when its size is known. A standby's volume that holds data already is refused, for "
      "seeding would overwrite it, unless --adopt-data is given.",
      OPTIONS({ "plan", 0, "NAME", "name of the plan" }, { "site", 0, "NAME", "name of this site" },
              { "peer", 0, "NAME", "name of the other site" },
              { "second", 0, NULL, "this site is the second named in the plan (even epochs)" },
              { "active", 0, NULL, "this side holds the data now" },
              { "standby", 0, NULL, "this side is blank and will be seeded" },
              { "volume", 0, "NAME=PATH[,SIZE]", "a volume: raw file or block device",
                .required = true, .repeat = true },
              { "like", 0, "FILE",
                "description of the other side (describe); volumes then only need their paths" },
              { "adopt-data", 0, NULL,
                "the standby's volumes may hold data: compare, and copy what differs" }),
      ctl_cmd_create },
    { "describe", "DIR", 0, "print what the other side is created from",
      "Prints the plan's name and uuid, both sites in their order, and the volumes, as the JSON "
      "that "
      "create --like reads. Works beside a running process.",
      NULL, ctl_cmd_describe },

    { "status", NULL, CTL_SOCKET | CTL_DIR | CTL_TIMEOUT, "show state, direction, lag and progress",
      "Over a socket: what the process says of itself. On a directory: what is recorded there.",
      NULL, ctl_cmd_status },
    { "watch", NULL, CTL_SOCKET | CTL_DIR | CTL_TIMEOUT, "show the status again and again",
      "With --json one object a line. Goes on until it is interrupted, and also while no process "
      "answers.",
      OPTIONS({ "every", 0, "DURATION", "pause between two (default 2s)" },
              { "count", 0, "N", "end after N times" }),
      ctl_cmd_watch },
    { "inspect", NULL, CTL_DIR, "tell everything a plan directory says, and all damage in it",
      "Reads meta, dirty maps, hot-extent log, journal, recovery points and undo files without "
      "changing anything. What cannot be read is reported and does not hide the rest. Beside a "
      "running process it may see a step half done.",
      NULL, ctl_cmd_inspect },
    { "lineage", NULL, CTL_SOCKET | CTL_DIR | CTL_TIMEOUT, "show the ancestry of this side's image",
      "Epochs and restarts, oldest first, with the position at which each forked.", NULL,
      ctl_cmd_lineage },

    { "promote", NULL, CTL_SOCKET | CTL_DIR | GW_TERM_DESTRUCTIVE | CTL_TIMEOUT,
      "begin a new reign at this side",
      "Makes this side the active one: over the socket of its replica, which ends afterwards, or "
      "on "
      "the directory. The other side must not serve any more: fence it first. Then start the "
      "source "
      "on the directory.",
      OPTIONS({ "point", 0, "ID", "go back to this recovery point" },
              { "roll-back", 0, NULL,
                "a resync of this side is unfinished: return to the state before it" },
              { "confirm-alone", 0, NULL,
                "this side was active and crashed, its peer is lost and surely does not serve" }),
      ctl_cmd_promote },
    { "choose", NULL, CTL_SOCKET | CTL_TIMEOUT, "name the survivor of a split brain",
      "Both sides were promoted: a person says which incarnation survives (its uuid, see lineage). "
      "The choice is recorded at this replica; the other image is kept as a divergent tail.",
      OPTIONS({ "survivor", 0, "UUID", "the surviving incarnation", .required = true }, BY),
      ctl_cmd_choose },

    { "quiesce", NULL, CTL_SOCKET | CTL_TIMEOUT, "hold all writes at the source",
      "Returns when those in flight have ended. Requests wait until unquiesce.", NULL,
      ctl_cmd_quiesce },
    { "unquiesce", NULL, CTL_SOCKET | CTL_TIMEOUT, "let writes go on",
      "Voids a handover token at the target durably first, or records here that this side goes on "
      "alone.",
      NULL, ctl_cmd_unquiesce },
    { "equal", NULL, CTL_SOCKET | CTL_TIMEOUT, "prove that the peer holds exactly this image",
      "Needs a quiesced source. The answer is the handover token.", NULL, ctl_cmd_equal },
    { "release", NULL, CTL_SOCKET | GW_TERM_DESTRUCTIVE | CTL_TIMEOUT,
      "give up the authority, after equal",
      "The point of no return of a handover: this side serves no more.", NULL, ctl_cmd_release },
    { "handover", NULL, CTL_SOCKET | GW_TERM_DESTRUCTIVE | CTL_TIMEOUT,
      "quiesce, equal and release in one step",
      "Hands the plan over to its peer without losing anything. If it fails before the release the "
      "source serves on. Afterwards stop this process, promote the peer and start its source.",
      NULL, ctl_cmd_handover },
    { "grant", NULL, CTL_SOCKET | CTL_TIMEOUT,
      "let a source in granted mode serve until a deadline",
      "The deadline is counted on the clock that goes on while the machine is suspended. An "
      "earlier "
      "one shortens.",
      OPTIONS({ "for", 0, "DURATION", "from now" },
              { "until", 0, "NS", "boot time in nanoseconds" }),
      ctl_cmd_grant },
    { "fence", NULL, CTL_SOCKET | GW_TERM_DESTRUCTIVE | CTL_TIMEOUT,
      "stop a source from serving, for good",
      "Requests fail from now on, and after a restart. What was written and is not at the peer "
      "stays "
      "marked.",
      OPTIONS({ "reason", 0, "TEXT", "shown to whoever asks why", .required = true }),
      ctl_cmd_fence },
    { "bandwidth", "RATE", CTL_SOCKET | CTL_TIMEOUT, "limit what a source sends",
      "RATE is a size per second (50MiB) or \"none\".", NULL, ctl_cmd_bandwidth },
    { "stop", NULL, CTL_SOCKET | CTL_TIMEOUT, "end the process cleanly",
      "Source or replica. A source ends when its clients have hung up.", NULL, ctl_cmd_stop },

    { "resync", NULL, CTL_SOCKET | CTL_TIMEOUT, "bring the peer up to date now",
      "Ends the session and begins a new one, which copies what is dirty. With --wait, --timeout "
      "bounds the whole waiting; waiting for a signature ends it with exit code 4.",
      OPTIONS({ "all", 0, NULL, "compare everything, not only what is known to be dirty" },
              { "wait", 'w', NULL, "wait until the peer follows, with progress" }),
      ctl_cmd_resync },
    { "verify", NULL, CTL_SOCKET | CTL_TIMEOUT, "compare all data of both sides while it is in use",
      "Hashes travel in the stream, so that the comparison is exact although writes go on. Blocks "
      "that differ are marked dirty. With --wait exit code 1 if there are any; --timeout bounds "
      "the "
      "whole waiting.",
      OPTIONS({ "rate", 0, "SIZE", "read at most so much a second" },
              { "wait", 'w', NULL, "wait for the end, with progress" }),
      ctl_cmd_verify },

    { "point create", "[ID]", CTL_SOCKET | CTL_TIMEOUT, "make a recovery point",
      "On a replica's socket: here and now. On a source's socket: at the peer, at exactly this "
      "place "
      "in the stream. Without ID it is named after the time.",
      OPTIONS({ "tag", 0, "TEXT", "what it is for" }), ctl_cmd_point_create },
    { "checkpoint", "[ID]", CTL_SOCKET | CTL_TIMEOUT, "make a recovery point (as point create)",
      "On a replica's socket: here and now. On a source's socket: at the peer, at exactly this "
      "place "
      "in the stream. Without ID it is named after the time.",
      OPTIONS({ "tag", 0, "TEXT", "what it is for" }), ctl_cmd_point_create },
    { "point list", NULL, CTL_SOCKET | CTL_DIR | CTL_TIMEOUT, "list the recovery points",
      "They are at the standby.", NULL, ctl_cmd_point_list },
    { "point delete", "ID", CTL_DIR | GW_TERM_DESTRUCTIVE, "remove a recovery point",
      "The plan must not be served. The point that an unfinished rewind needs is not removed.",
      NULL, ctl_cmd_point_delete },
    { "point check", "ID", CTL_DIR, "compare a recovery point with its stored hashes",
      "Reads all of it. Works beside a running process.",
      OPTIONS({ "store", 0, NULL,
                "compute and store the hashes first if there are none (the plan must not be "
                "served)" }),
      ctl_cmd_point_check },

    { "divergence list", NULL, CTL_DIR, "list the kept divergent tails of this side",
      "What a resync overwrote here, and whether it held writes that were acknowledged and never "
      "reached the survivor.",
      NULL, ctl_cmd_divergence_list },
    { "divergence show", "ID", CTL_DIR, "itemise a divergent tail by volume and range",
      "Compares the kept blocks with what the volumes hold now.",
      OPTIONS({ "ranges", 0, "N", "print at most N ranges (default 64)" }),
      ctl_cmd_divergence_show },
    { "divergence export", "ID OUT", CTL_DIR, "write a divergent tail to files",
      "OUT is created: for each volume a sparse file VOLUME.tail with the old content at its "
      "place, "
      "and ranges.txt.",
      NULL, ctl_cmd_divergence_export },
    { "divergence pending", NULL, CTL_SOCKET | CTL_TIMEOUT,
      "itemise the tail that waits for a signature, by volume and range",
      "On the socket of the replica whose tail was assessed. Nothing was overwritten yet.",
      OPTIONS({ "ranges", 0, "N", "print at most N ranges (default 64)" }),
      ctl_cmd_divergence_pending },
    { "divergence sign", NULL, CTL_SOCKET | CTL_TIMEOUT,
      "sign that this side's tail is kept aside, so that the resync may begin",
      "On the socket of the replica whose tail was assessed. Nothing is discarded.", OPTIONS(BY),
      ctl_cmd_divergence_sign },
    { "divergence discard", "ID", CTL_DIR | GW_TERM_DESTRUCTIVE, "remove a kept tail for good",
      "Only of a finished resync, only in a person's name, and never unlogged: a line is durable "
      "in "
      "DIR/divergence.log before anything is removed. The plan must not be served.",
      OPTIONS(BY), ctl_cmd_divergence_discard },

    { "man", NULL, GW_TERM_PLAIN, "print the man page", "In the man(7) format.", NULL,
      gw_term_cmd_man },
    { "completion", "SHELL", GW_TERM_PLAIN, "print the completion of a shell",
      "SHELL is bash. Put it where the shell looks, or say: eval \"$(godwit-ctl completion "
      "bash)\".",
      NULL, gw_term_cmd_completion },
};

static const struct gw_term_operand operands[] = {
    { "DIR", NULL },
    { "OUT", NULL },
    { NULL, NULL },
};

static const struct gw_term_section sections[] = {
    { "FILES", ".TP\n.I DIR/divergence.log\n"
               "who discarded which kept tail, and when: one JSON object a line" },
    { "SEE ALSO", ".BR nbdkit (1),\n.BR godwit\\-replica (1)" },
    { NULL, NULL },
};

const struct gw_term_program ctl_program = {
    .name = "godwit-ctl",
    .version = GW_VERSION,
    .summary = "look at and steer a godwit plan without anything else",
    .usage = "COMMAND (--socket PATH | --dir DIR) [OPTION]...",
    .synopsis = "(\\fB\\-\\-socket\\fR \\fIPATH\\fR | \\fB\\-\\-dir\\fR \\fIDIR\\fR) "
                "[\\fIOPTION\\fR]...",
    .about = "Looks at and steers one godwit plan at one site: a running process over its control "
             "socket, or a plan directory without one.",
    .text =
        "The break-glass tool of godwit. It speaks to a data-plane process, which is the source "
        "(the nbdkit plugin) or the replica (godwit-replica), over its control socket, or works on "
        "a plan directory that no process serves. Commands that only read a directory also work "
        "beside a running process.\n\nSizes are written with binary units (4096, 64MiB, 20GiB), "
        "durations with ms, s, m, h or d (a bare number is seconds).",
    .exits = {
        [GW_EXIT_OK] = "done",
        [GW_EXIT_FAILED] =
            "failed; verify: blocks differ; inspect, lists, point check: damage was found",
        [GW_EXIT_USAGE] = "the command line is wrong; nothing was done",
        [GW_EXIT_REFUSED] = "refused by a guard, which the message names; nothing was done",
        [GW_EXIT_WAITING] = "waiting for approval: a divergent tail waits for its signature",
        [GW_EXIT_CANCELLED] = "cancelled: not confirmed, or interrupted while only waiting",
        [GW_EXIT_UNKNOWN] =
            "unknown outcome: the request was sent and its answer was not seen; look at the status "
            "before deciding anything",
    },
    .commands = commands,
    .n_commands = GW_ARRAY_SIZE(commands),
    .common = common,
    .n_common = GW_ARRAY_SIZE(common),
    .operands = operands,
    .sections = sections,
    .exit_of = ctl_exit_of,
    .error_json = ctl_error_json,
};
