// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Every body and answer of the API, in the notation of shape.h. */
#include "site/shape.h"

#include "base/checked.h"

/* clang-format off */
#define RUN_WORDS                                                                                  \
    "id:text plan:text operation:text state:text mode:text old_site:text new_site:text "           \
    "coordinator:text requester:text reason:text? sentence:text created:time "                     \
    "created_wall_ns:int scheduled:time? updated:time? ended:time? epoch:int plan_hash:text "      \
    "dry_run:bool params:object? approvals:int approvals_needed:int choices:[RunChoice] "

const struct site_shape site_shapes[] = {
    /* ---- what is sent ---- */
    { "Nothing", "", "An empty object, or no body." },
    { "Word", "by?:text63 reason?:text255",
      "Who says so (root names another person), and why." },
    { "PairCode", "site?:text63 replace?:bool our_link?:text279 our_data?:text279",
      "`site`: only that one may use the code. `our_link`, `our_data`: where it reaches us." },
    { "Pair", "code:text300 link:text279 replace?:bool our_link?:text279 our_data?:text279",
      "The code, and the link address of the site that made it." },
    { "SiteReplace", "code?:text300 link?:text279 data?:text279 by?:text63",
      "The code that was made at the new machine, and its addresses; without a code one is made "
      "here." },
    { "SiteBackup", "file:text", "An absolute path on the machine of godwitd." },
    { "SiteRestore", "file?:text from_peer?:bool alone?:bool by?:text63",
      "One of the three: a backup; the other site's word; this site's own (`alone`: the other "
      "one is lost)." },
    { "PointCreate", "id?:text63 tag?:text63", "Without an id it is named after the time." },
    { "Sign", "by:text63 reason?:text255", NULL },
    { "VolumeAdd", "name:text63 size_bytes:int at:object", NULL },
    { "VolumeGrow", "size_bytes:int", NULL },
    { "Action",
      "by?:text63 reason?:text255 override?:[text63] dry_run?:bool point?:text63 "
      "confirm_site_down?:text63 at?:time abort_by_ms?:int adopt_data?:bool roll_back?:bool "
      "survivor?:text63 "
      "rate_bytes?:int",
      "An action takes those that mean something to it, and refuses the others." },

    /* ---- what is answered ---- */
    { "Done", "done:bool action:text plan:text", NULL },
    { "Acted", "run?:Run done?:bool action?:text plan?:text verify?:Verify",
      "A run that was begun, or `done` for what needs none; a `verify` that was begun." },
    { "Site",
      "site:text self:bool health:text link:text data:text fingerprint:text version:text? "
      "rtt_ms?:number? clock_offset_ms?:number? paired?:time paired_by?:text why?:text "
      "state_dir?:text", NULL },
    { "Sites", "sites:[Site]", NULL },
    { "PairCodeMade", "code:text expires:time site:text link:text data:text", NULL },
    { "Paired", "site:text link:text data:text", NULL },
    { "SeedingPlan", "plan:text run:text", "`run` is empty until the new site has the plan." },
    { "SiteReplaced",
      "replaced?:text plans?:[SeedingPlan] run?:Run code?:text expires?:time site?:text link?:text "
      "next?:text",
      "The run, if it is one; or the code that was made." },
    { "SiteBackupMade", "file:text bytes:int note:text", NULL },
    { "SiteRestoring", "site:text done:bool restarts:bool next:text taken?:text generation?:int",
      NULL },
    { "SiteTestLayer",
      "way:text from:text layer:text ok:bool skipped:bool state:text detail:text fix:text ms:number",
      NULL },
    { "SiteTest",
      "connected:bool sentence:text layers:[SiteTestLayer] rtt_ms?:number clock_offset_ms?:number "
      "clock_uncertain_ms?:number throughput_bytes?:int version?:text protocol?:int", NULL },

    { "FileError", "line:int column:int path:text message:text", NULL },
    { "Finding", "check:text ok:bool value:text fix:text site?:text", NULL },
    { "Findings", "errors:[FileError] findings:[Finding]", NULL },
    { "Change", "path:text sentence:text", NULL },
    { "Applied",
      "plan:text created:bool unchanged:bool version:int hash:text changes:[Change]", NULL },
    { "Plan", "plan:text uuid:text version:int hash:text document:object text:text",
      "`document` is canonical; `text` is the file as it was applied." },
    { "Version", "version:int hash:text who:text time:time", NULL },
    { "Versions", "versions:[Version]", NULL },
    { "ReasonDetail", "reason:text unknown:bool sentence:text way_out:text", NULL },
    { "Volume",
      "name:text bytes:int at:object dirty_bytes:int? changing:text? path?:text nbd?:text?",
      "`changing`: \"add\" or \"grow\" until both sites have it as `bytes` says." },
    { "Volumes", "plan:text volumes:[Volume]", NULL },
    { "Progress",
      "what:text done_bytes:int total_bytes:int rate:int? eta_seconds:number?", NULL },
    { "Verify",
      "running:bool done:bool begun_wall_ns:int seconds:number checked_bytes:int total_bytes:int "
      "differing_blocks:int rate?:int? eta_seconds?:number?",
      "The last that was begun; `begun_wall_ns` is its name. Neither running nor done: it ended "
      "before everything was compared." },
    { "Tail", "site:text bytes:int blocks:int done:bool signed:bool", NULL },
    { "CurrentRun", "id:text operation:text state:text step:text why:text", NULL },
    { "LastRun", "id:text operation:text state:text ended:time? requester:text", NULL },
    { "LastPoint", "id:text time:time? site:text", NULL },
    { "SideStatus",
      "label:text reachable:bool role?:text want?:text process?:text service?:text svc?:text "
      "epoch?:int version?:int consistent?:bool detail?:text svc_text?:text fenced?:text held?:text "
      "unit?:object dp_error?:text room_bytes?:int dir_error?:text reason?:text age_ms?:int last_heard?:time?",
      "`service` and `process` of a site that is not reachable are \"not known\". `role` is \"former\" "
      "where the other site has taken over since." },
    { "Status",
      "plan:text status:text phase:text reasons:[text] reason_details:[ReasonDetail] sentence:text "
      "next:text active:text holder:text epoch:int direction:text replication:text mode:text "
      "held_reason:text? home:text dr:text lag_seconds:number? lag_bytes:int? lag_unknown_since:time? rpo_seconds:number "
      "rpo_within_percent:number? sync:Progress? divergence:Tail? verify:Verify? run:CurrentRun? "
      "last_run?:LastRun? last_point:LastPoint? volumes:[Volume] version:int hash:text "
      "committed:bool seen_from:text sites:{SideStatus}",
      "`sites` has both sites by their names." },
    { "Plans", "plans:[Status]", NULL },
    { "Guard",
      "guard:text verdict:text forceable:bool looks_at:text value:text limit:text sentence:text "
      "way_out:text", NULL },
    { "OperationGuards", "operation:text allowed:bool guards:[Guard]", NULL },
    { "Guards", "plan:text sentence:text operations:[OperationGuards]", NULL },
    { "Forecast",
      "plan:text operation:text direction:text sentences:[text] delta_bytes:int? rate_bytes:int? "
      "sync:object outage:object loss:object divergent_blocks:int? max_outage_ms:int", NULL },
    { "Missing", "site:text why:text", "A site that could not be asked." },
    { "Point",
      "id:text? time:time? site:text epoch:int? kind:text? tag:text? damage:text? seq?:int", NULL },
    { "Points", "plan:text points:[Point] missing:[Missing]", NULL },
    { "PointMade", "point:text tag:text", NULL },
    { "Range", "volume:text offset:int bytes:int", NULL },
    { "Divergence",
      "id:text site:text state:text bytes:int? signed_by:text? time:time? damage:text? exact?:bool "
      "n_ranges?:int ranges?:[Range]", NULL },
    { "Divergences", "plan:text divergence:[Divergence] missing:[Missing]", NULL },

    { "RunChoice", "choice:text text:text", NULL },
    { "Event",
      "id:int kind:text plan:text? run:text? severity:text text:text time:time data:object", NULL },
    { "Events", "events:[Event] missed:bool",
      "With `follow=no`. `missed`: older ones than those asked for are no longer kept." },
    { "Step",
      "step:text title:text site:text state:text attempt:int started:time? ended:time? seconds:number? "
      "ms:int point_of_no_return:bool current:bool detail:text evidence:object? estimate_ms?:int? "
      "estimate_from?:text",
      "Of a dry run: `state` is \"checked\", \"unknown\" (it could not be looked at) or \"not_done\", "
      "and `estimate_ms` what the real step would take, as \"measured\" or by its \"target\"." },
    { "Run", RUN_WORDS "progress:Progress? steps?:[Step]", NULL },
    { "Runs", "runs:[Run]", NULL },
    { "Steps", "run:text steps:[Step]", NULL },
    { "RunEntry",
      "seq:int kind:text step:text site:text time:time attempt:int epoch:int by:text detail:any "
      "wall_ns:int took_ns:int hash:text", NULL },
    { "RunLog", "run:text log:[RunEntry]", NULL },
    { "Evidence",
      RUN_WORDS
      "progress:Progress? steps:[Step] log:[RunEntry] timestamps:object measured?:object "
      "plan_version?:int clock_offset_ms?:number? software:object", NULL },
    { "AuditEntry",
      "seq:int time:time who:text uid:any origin:text action:text object:text outcome:text "
      "detail:any prev:text hash:text", NULL },
    { "Audit", "audit:[AuditEntry]", NULL },
    { "AuditVerdict", "intact:bool count:int head:text bad_seq:int what:text", NULL },
};
/* clang-format on */
const size_t site_n_shapes = GW_ARRAY_SIZE(site_shapes);
