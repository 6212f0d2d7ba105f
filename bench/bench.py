# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Measures godwit beside its references, in the same run.

    make bench                                      everything
    make bench ARGS="--only writes-4k-d32,memory --where tmpfs"
    make bench ARGS=--quick                         everything once, small: a smoke test of a minute or two
    make bench ARGS=--write                         also write docs/benchmarks.md
    make bench ARGS="--only promotion --json f"     keep figures in f, those of other measures stay
    make bench ARGS="--merge f g --write"           no measuring: write the page from kept figures

Volumes are on tmpfs (/dev/shm, at most 10 GB) and on the disk under TMPDIR (at most 10 GB; 15 GB
for the journals of the 200 plans of control-idle).
"""
import argparse
import json
import os
import sys
import time

sys.dont_write_bytecode = True

import lab  # noqa: E402
import report  # noqa: E402

# One module, one kind of measure; the order is that of the page.
import writes  # noqa: E402,F401 pylint: disable=unused-import
import resync  # noqa: E402,F401 pylint: disable=unused-import
import recovery  # noqa: E402,F401 pylint: disable=unused-import
import cutover  # noqa: E402,F401 pylint: disable=unused-import
import control  # noqa: E402,F401 pylint: disable=unused-import
import control_many  # noqa: E402,F401 pylint: disable=unused-import
import memory  # noqa: E402,F401 pylint: disable=unused-import
import link  # noqa: E402,F401 pylint: disable=unused-import
import compress  # noqa: E402,F401 pylint: disable=unused-import
import hotspots  # noqa: E402,F401 pylint: disable=unused-import


def names(text):
    known = [m.name for m in lab.MEASURES]
    wanted = text.split(",")
    for name in wanted:
        if name not in known:
            raise argparse.ArgumentTypeError(f"no measure '{name}'; there are: {', '.join(known)}")
    return wanted


def arguments():
    a = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--list", action="store_true", help="name the measures and their places")
    a.add_argument("--only", type=names, metavar="NAME,...", help="these measures")
    a.add_argument("--where", choices=(lab.TMPFS, lab.DISK), help="at this place only")
    a.add_argument("--quick", action="store_true",
                   help="small, once, and on tmpfs only if --where says nothing else; goals are not "
                   "judged, nothing is kept")
    a.add_argument("--rounds", type=int, help="of each measure (5)")
    a.add_argument("--seconds", type=int, help="of each run of writes (2)")
    a.add_argument("--json", metavar="FILE", help="keep all figures; adds to what is there")
    a.add_argument("--merge", nargs="+", metavar="FILE", default=[],
                   help="take these figures too; measures only what --only names")
    a.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    args = a.parse_args()
    if args.quick and (args.json or args.merge or args.write):
        a.error("figures of --quick are not kept")
    if args.quick and args.where is None:
        args.where = lab.TMPFS
    return args


def load(files):
    """{machine, results, skipped} of several files; later ones win."""
    kept = {"machine": None, "results": {}, "skipped": {}}
    for name in files:
        with open(name, encoding="utf-8") as f:
            found = json.load(f)
        kept["machine"] = found["machine"]
        for m, places in found["results"].items():
            kept["results"].setdefault(m, {}).update(places)
        kept["skipped"].update(found["skipped"])
    return kept


def take(measure, where, args, kept):
    key = f"{measure.name}, {where}"
    print(f"== {key}: {measure.title}", flush=True)
    begin = time.monotonic()
    place = None
    try:
        place = lab.Lab(where, args)
        result = measure.run(place).data
    except lab.Skipped as why:
        print(f"    SKIPPED: {why}", flush=True)
        kept["skipped"][key] = str(why)
        return
    finally:
        if place is not None:
            place.close()
    result["seconds"] = time.monotonic() - begin
    result["godwit"] = report.commit()  # kept figures may be of several
    kept["skipped"].pop(key, None)
    kept["results"].setdefault(measure.name, {})[where] = result
    report.say(result, args.quick)
    print(f"    ({result['seconds']:.0f} s)", flush=True)


def main():
    args = arguments()
    if args.list:
        for m in lab.MEASURES:
            print(f"{m.name:16} {m.title} ({', '.join(m.where)})")
        return
    old = [args.json] if args.json and os.path.exists(args.json) else []
    kept = load(old + args.merge)
    wanted = args.only or ([] if args.merge else [m.name for m in lab.MEASURES])
    if wanted:
        kept["machine"] = report.machine()
    for m in lab.MEASURES:
        for where in m.where:
            if m.name in wanted and args.where in (None, where):
                take(m, where, args, kept)
                if args.json:  # after each: hours of measuring are not lost with the last of it
                    with open(args.json, "w", encoding="utf-8") as f:
                        json.dump(kept, f, indent=1)
    if args.write:
        report.write_page(kept["machine"], kept["results"], kept["skipped"])


if __name__ == "__main__":
    main()
