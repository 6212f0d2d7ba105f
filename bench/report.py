# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Results as text: a line for each figure while it runs, and docs/benchmarks.md.

`results` is {measure name: {place: result}}, a result being Result.data with the time it took.
"""
import datetime
import os
import platform
import subprocess
import tempfile

from lab import DISK, GIB, MEASURES, REPO, TMPFS, filesystem

PAGE = os.path.join(REPO, "docs/benchmarks.md")
NOTES = os.path.join(REPO, "docs/benchmarks-notes.md")

HEAD = """# Benchmarks

Written by `make bench ARGS=--write`; do not edit. Both sites, the client and the references run on one machine, in the
same run, so that everything shares its processors: absolute figures of such a machine mean little, the ratios are
what is compared. A figure is the median of its rounds, with the smallest and the largest in brackets; a ratio is taken
within a round.

    make bench                                      everything, on tmpfs and once more on a disk
    make bench ARGS="--only writes-4k-d32,memory"   some of it (--list)
    make bench ARGS=--quick                         everything once, small: does it still run? Judges nothing
    make bench ARGS="--json FILE"                   keep figures; what is in FILE and not measured now stays
    make bench ARGS="--merge FILE... --write"       write this page from kept figures
"""


# ---- words ------------------------------------------------------------------------------------

def number(x):
    return f"{x:.0f}" if abs(x) >= 1000 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


def value(figure):
    text = number(figure["value"])
    if figure["rounds"] > 1:
        text += f" ({number(figure['low'])}-{number(figure['high'])})"
    return text


def goal(figure):
    return f"{figure['goal'][0]} {figure['goal'][1]:g} {figure['unit']}" if figure["goal"] else ""


def met(figure):
    if figure["goal"] is None:
        return None
    sign, limit = figure["goal"]
    return figure["value"] >= limit if sign == ">=" else figure["value"] <= limit


def line(figure, quick):
    text = f"    {figure['what']}: {value(figure)} {figure['unit']}"
    if figure["goal"]:
        text += f"   goal {goal(figure)}"
        if not quick:
            text += ", met" if met(figure) else ", NOT met"
    return text


def say(result, quick):
    for t in result["tables"]:
        if t["title"]:
            print("    " + t["title"])
        rows = [t["columns"]] + t["rows"]
        widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
        for r in rows:
            print("    " + "  ".join(c.ljust(w) for c, w in zip(r, widths)).rstrip())
    for f in result["figures"]:
        print(line(f, quick))
    for n in result["notes"]:
        print("    " + n)


# ---- the machine ------------------------------------------------------------------------------

def first_line(argv):
    try:
        p = subprocess.run(argv, capture_output=True, text=True, check=False)
        return (p.stdout or p.stderr).splitlines()[0].strip()
    except (OSError, IndexError):
        return "not there"


def package(name):
    text = first_line(["dpkg-query", "-W", "-f", "${Version}", name])
    return text if text[:1].isdigit() else "?"


def field(path, key):
    with open(path, encoding="utf-8") as f:
        for text in f:
            if text.startswith(key):
                return text.split(":", 1)[1].strip()
    return "?"


def commit():
    return first_line(["git", "-C", REPO, "describe", "--always", "--dirty"])


def machine():
    memory = int(field("/proc/meminfo", "MemTotal").split()[0]) * 1024 / GIB
    return {
        "date": datetime.date.today().isoformat(),
        "processor": f"{field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "kernel": platform.release(),
        "disk": filesystem(tempfile.gettempdir())[0],
        "nbdkit": first_line(["nbdkit", "--version"]),
        "qemu-storage-daemon": first_line(["qemu-storage-daemon", "--version"]),
        "fio": first_line(["fio", "--version"]),
        "rsync": first_line(["rsync", "--version"]),
        "nbdcopy": first_line(["nbdcopy", "--version"]),
        "libzstd": package("libzstd1"),
    }


# ---- the page ---------------------------------------------------------------------------------

def table(columns, rows):
    out = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return out + ["| " + " | ".join(c.replace("|", "\\|") for c in r) + " |" for r in rows]


def goals(results):
    """One row for each figure that has a goal, then those that are only reported."""
    rows = {True: [], False: []}
    missed = 0
    for m in MEASURES:
        places = results.get(m.name, {})
        figures = {}
        for place, result in places.items():
            for f in result["figures"]:
                figures.setdefault(f["what"], {})[place] = f
        for what, at in figures.items():
            # Where volumes were in memory and on a disk, the goal is one of the first.
            judged = at.get(TMPFS) or at[DISK]
            fine = met(judged)
            missed += fine is False
            rows[fine is not None].append(
                [f"[{what}](#{anchor(m.title)})", goal(judged)] +
                [f"{value(at[p])} {at[p]['unit']}" if p in at else "-" for p in (TMPFS, DISK)] +
                ["yes" if fine else "**no**" if fine is False else "reported"])
    out = table(["measure", "goal", "volumes on tmpfs", "on a disk", "met"], rows[True])
    out += ["", "Reported, without a goal:", ""]
    out += table(["measure", "", "volumes on tmpfs", "on a disk"], [r[:4] for r in rows[False]])
    said = f"{len(rows[True]) - missed} of {len(rows[True])} goals are met. Where both were measured, the " \
        "figure on tmpfs is the one that is judged: a disk's writeback moves the unprotected server " \
        "itself."
    if missed and os.path.exists(NOTES):
        said += " Why the others are not: [notes](benchmarks-notes.md)."
    return [said, ""] + out


def anchor(heading):
    return "".join(c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def section(m, places):
    out = [f"## {m.title}", ""]
    text = None
    for place in (TMPFS, DISK):
        result = places.get(place)
        if result is None:
            continue
        if result["text"] != text:
            text = result["text"]
            out += [text, ""]
        for t in result["tables"]:
            title = ", ".join(filter(None, [t["title"], f"Volumes on {place}" if len(places) > 1
                                            or len(m.where) > 1 else ""]))
            out += [title + ":", ""] if title else []
            out += table(t["columns"], t["rows"]) + [""]
        for n in result["notes"]:
            out += [n, ""]
    return out


def page(about, results, skipped):
    """skipped: {"measure, place": why}."""
    missing = [f"{m.name}, {where}" for m in MEASURES for where in m.where
               if where not in results.get(m.name, {})]
    out = [HEAD, "## Goals", ""] + goals(results) + [""]
    for m in MEASURES:
        if m.name in results:
            out += section(m, results[m.name])
    if missing:
        out += ["## Not measured", ""]
        out += [f"* {key}: {skipped.get(key, 'not run')}" for key in missing] + [""]
    commits = sorted({r["godwit"] for places in results.values() for r in places.values()})
    about = {"godwit": ", ".join(commits), **about}
    out += ["## Machine and versions", ""] + table(["", ""], [[k, v] for k, v in about.items()])
    return "\n".join(out).rstrip() + "\n"


def write_page(about, results, skipped):
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(page(about, results, skipped))
