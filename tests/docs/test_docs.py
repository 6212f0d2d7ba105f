# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""The documentation is true: its commands run, its tables are those of the code, its formats decode.

Blocks that begin with ```sh are run, all of a file in order, in one shell and one scratch directory.
By hand: GODWIT_BUILD=build/test pytest-3 tests/docs/test_docs.py -k readme
"""
import ctypes
import glob
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import textwrap

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("GODWIT_BUILD", os.path.join(ROOT, "build", "test")))
CTL = os.path.join(BUILD, "src/ctl/godwit-ctl")
REPLICA = os.path.join(BUILD, "src/replica/godwit-replica")
SCRIPT_S = 200


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def pages():
    return ["README.md", "ARCHITECTURE.md"] + sorted(
        os.path.relpath(p, ROOT) for p in glob.glob(os.path.join(ROOT, "docs/*.md")))


def section(text, heading):
    """From a heading to the next one of its rank or above."""
    m = re.search(r"^(#+) %s$" % re.escape(heading), text, re.M)
    assert m, "no heading %r" % heading
    rest = text[m.end():]
    end = re.search(r"^#{1,%d} " % len(m.group(1)), rest, re.M)
    return rest[:end.start()] if end else rest


def table(text):
    """Rows of all tables in a text, as lists of cells; headers and rules left out."""
    rows, lines = [], text.split("\n")
    for i, line in enumerate(lines):
        if not line.lstrip().startswith("|") or re.match(r"^\s*\|[-| ]+\|$", line):
            continue
        if i + 1 < len(lines) and re.match(r"^\s*\|[-| ]+\|$", lines[i + 1]):
            continue
        cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
        rows.append([c.strip() for c in cells])
    return rows


def word(cell):
    return cell.strip("`")


def enum(path, name):
    """{NAME: number} of a C enum, comments left out; names without a number count on."""
    body = re.search(r"enum %s \{(.*?)\};" % name, read(path), re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    found, next_number = {}, 0
    for item in filter(None, (i.strip() for i in body.split(","))):
        m = re.match(r"(\w+)(?:\s*=\s*(\d+))?$", item)
        next_number = int(m.group(2)) if m.group(2) else next_number
        found[m.group(1)] = next_number
        next_number += 1
    return found


# ---- the commands run -------------------------------------------------------------------------

def blocks(page):
    found = re.findall(r"^( *)```sh\n(.*?)^ *```$", read(page), re.S | re.M)
    return [textwrap.dedent(body) for _, body in found]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def preload():
    """What nbdkit has to load before an instrumented plugin; meson knows."""
    if "GODWIT_NBDKIT_PRELOAD" in os.environ:
        return os.environ["GODWIT_NBDKIT_PRELOAD"]
    sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
    import godwit
    lib = godwit.sanitizer_env(True).get("LD_PRELOAD", "")
    first = os.path.join(BUILD, "tests/scenario/asan_first.so")
    return lib + ":" + first if lib and os.path.exists(first) else lib


def wrap_nbdkit(folder):
    os.mkdir(folder)
    path = os.path.join(folder, "nbdkit")
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\nLD_PRELOAD='%s' ASAN_OPTIONS=detect_leaks=0 exec %s \"$@\"\n"
                % (preload(), shutil.which("nbdkit")))
    os.chmod(path, 0o755)


def end_units(scratch):
    """The processes of plans outlive who started them; godwitd recorded them."""
    for path in glob.glob(os.path.join(scratch, "*/*/units/*.unit")):
        pid = int(re.search(r"^pid (\d+)$", read(path), re.M).group(1))
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                if scratch.encode() in f.read():
                    os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def run_page(page, root):
    """All sh blocks of a page, as one script. Gives the scratch directory that it made."""
    wrap_nbdkit(os.path.join(root, "bin"))
    scratch = os.path.join(root, "scratch")
    os.mkdir(scratch)
    env = dict(os.environ, BUILD=BUILD, TMPDIR=scratch, HOME_PORT=free_port(), DR_PORT=free_port(),
               HOME_DATA_PORT=free_port(), DR_DATA_PORT=free_port(), GODWIT_NBDKIT_PRELOAD=preload(),
               PATH=os.path.join(root, "bin") + ":" + os.environ["PATH"],
               UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
    env.pop("GODWIT_CRASH_POINT", None)
    script = "set -euo pipefail\n" + "".join(
        "echo '### block %d'\n%s" % (i, b) for i, b in enumerate(blocks(page)))
    log = os.path.join(root, "log")
    with open(log, "wb") as out:
        p = subprocess.Popen(["bash", "-c", script], cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
                             stdout=out, stderr=out, start_new_session=True)
        try:
            code = p.wait(SCRIPT_S)
        except subprocess.TimeoutExpired:
            code = "no end after %d s" % SCRIPT_S
        finally:
            try: # what the script left running is in its session
                os.killpg(p.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            end_units(scratch)
    with open(log, encoding="utf-8", errors="replace") as f:
        said = f.read()
    assert code == 0, "%s: %s\n%s" % (page, code, said[-6000:])
    assert "Sanitizer" not in said and "runtime error" not in said, said[-6000:]
    made, = os.listdir(scratch)
    return os.path.join(scratch, made)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """ran(page): its scratch directory after a run; each page runs once."""
    done, roots = {}, []

    def run(page):
        if page not in done:
            roots.append(str(tmp_path_factory.mktemp("docs")))
            done[page] = run_page(page, roots[-1])
        return done[page]

    yield run
    for root in roots: # images of recovery points may be immutable
        subprocess.run(["chattr", "-R", "-i", root], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(root, ignore_errors=True)


def test_readme_runs(ran):
    assert len(blocks("README.md")) >= 5
    assert os.path.exists(os.path.join(ran("README.md"), "check.img"))


def test_by_hand_runs(ran):
    assert len(blocks("docs/by-hand.md")) >= 8
    assert os.path.exists(os.path.join(ran("docs/by-hand.md"), "home/meta"))


def test_operations_runs(ran):
    assert len(blocks("docs/operations.md")) >= 20
    assert os.path.exists(os.path.join(ran("docs/operations.md"), "exported/ranges.txt"))


def test_guide_runs(ran):
    assert len(blocks("docs/guide.md")) >= 15
    assert glob.glob(os.path.join(ran("docs/guide.md"), "*/evidence/*.json"))


def test_api_is_what_is_served():
    """After a change: godwitd --dump-api > docs/api.md"""
    said = subprocess.run([os.path.join(BUILD, "src/site/godwitd"), "--dump-api"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    assert said == read("docs/api.md")


def test_godwitd_options():
    code = set(re.findall(r'\{ "([a-z-]+)", (?:required|no)_argument', read("src/site/main.c")))
    man = read("docs/man/godwitd.8").replace("\\-", "-")
    assert set(re.findall(r"--([a-z-]+)", section_of_man(man, "OPTIONS"))) == code
    said = subprocess.run([os.path.join(BUILD, "src/site/godwitd"), "--help"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    assert set(re.findall(r"--([a-z-]+)", said)) == code


# ---- links and names --------------------------------------------------------------------------

def anchor(heading):
    text = re.sub(r"[`*]", "", heading).strip().lower()
    return re.sub(r" ", "-", re.sub(r"[^\w\- ]", "", text))


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if "://" in target:
            continue
        name, _, part = target.partition("#")
        path = os.path.normpath(os.path.join(os.path.dirname(page), name)) if name else page
        assert os.path.exists(os.path.join(ROOT, path)), "%s links to %s" % (page, target)
        if part:
            heads = [anchor(h) for h in re.findall(r"^#+ (.*)$", read(path), re.M)]
            assert part in heads, "%s links to %s" % (page, target)


def test_architecture_lists_every_file():
    listed = set()
    for row in table(section(read("ARCHITECTURE.md"), "Files")):
        name = word(row[0])
        assert len(row) == 2 and row[1], row
        listed |= {name[:-4] + "c", name[:-4] + "h"} if name.endswith("[ch]") else {name}
    there = set()
    for folder, _, files in os.walk(os.path.join(ROOT, "src")):
        there |= {os.path.relpath(os.path.join(folder, f), os.path.join(ROOT, "src"))
                  for f in files if f.endswith((".c", ".h", ".def"))}
    assert sorted(there - listed) == [], "not in ARCHITECTURE.md"
    assert sorted(listed - there) == [], "in ARCHITECTURE.md only"


def test_rules_are_kept_where_it_says():
    rows = table(section(read("ARCHITECTURE.md"), "Where each rule is kept"))
    assert [r[0] for r in rows] == ["R%d" % i for i in range(1, 21)]
    for rule, _, places in rows:
        named = False
        for place in places.split(";"):
            path, *functions = re.findall(r"`([^`]+)`", place)
            text = read("src", path)
            assert functions, place
            for f in functions:
                assert re.search(r"^\S.*\b%s\(" % f, text, re.M), "%s: no %s in %s" % (rule, f, path)
            header = path[:-1] + "h"
            if os.path.exists(os.path.join(ROOT, "src", header)):
                text += read("src", header)
            named |= bool(re.search(r"\b%s\b" % rule, text))
        assert named, "%s is not named by any of %s" % (rule, places)


def test_functions_named_in_prose_exist():
    code = "".join(read(os.path.relpath(p, ROOT)) for p in
                   glob.glob(os.path.join(ROOT, "src/**/*.[ch]"), recursive=True))
    for page in pages():
        for name in set(re.findall(r"\bgw_[a-z_0-9]+\b", read(page))):
            assert re.search(r"\b%s\b" % name, code), "%s names %s" % (page, name)


# ---- tables of the code -----------------------------------------------------------------------

def test_crash_points():
    code = re.findall(r'X\("([^"]+)"\)', read("src/engine/crashpoints.def"))
    rows = table(section(read("docs/formats.md"), "Crash points"))
    assert [word(r[0]) for r in rows] == code and all(r[1] for r in rows)


def test_limits(tmp_path):
    rows = {word(r[0]): int(r[1]) for r in table(section(read("docs/formats.md"), "Limits"))}
    limits = set(re.findall(r"^#define (GW_\w+) ", read("src/engine/limits.h"), re.M))
    assert limits <= set(rows), sorted(limits - set(rows))
    headers = "".join(read(os.path.relpath(p, ROOT))
                      for p in glob.glob(os.path.join(ROOT, "src/engine/*.h")))
    source = "#include <stdio.h>\n" + "".join(
        re.findall(r"^#define GW_\w+ .*\n(?:(?<=\\\n).*\n)*", headers, re.M))
    source += "int main(void){%s}" % "".join(
        'printf("%s %%llu\\n",(unsigned long long)(%s));' % (n, n) for n in rows)
    program = str(tmp_path / "limits")
    subprocess.run(["gcc", "-w", "-x", "c", "-", "-o", program], input=source.encode(), check=True)
    said = subprocess.run([program], stdout=subprocess.PIPE, check=True, text=True).stdout
    assert {n: int(v) for n, v in (line.split() for line in said.splitlines())} == rows


def test_frames():
    code = {n: v for n, v in enum("src/engine/frame.h", "gw_frame_type").items() if "MAX" not in n}
    rows = table(section(read("docs/wire.md"), "Frames").split("### HELLO")[0])
    rows = [r for r in rows if r[0].isdigit() and len(r) == 4]
    assert {"GW_FRAME_" + r[1]: int(r[0]) for r in rows} == code
    payload = {"MAP": "GW_MAP_BYTES", "DATA": "GW_FRAME_BYTES_MAX", "HELLO": "GW_HELLO_BYTES_MAX"}
    text = read("src/engine/frame.c")
    for number, name, _, most in rows:
        macro = re.search(r"case GW_FRAME_%s:\n(?:\s*case \w+:\n)*\s*\*ret_bytes = (\w+);" % name,
                          text).group(1)
        assert payload.get(name, macro) == macro
        value = FIXED[macro] if not macro.isdigit() else int(macro)
        assert int(re.match(r"\d+", most).group()) == value, (name, number)


FIXED = {"GW_HELLO_BYTES_MAX": 16384, "GW_VERDICT_BYTES_MAX": 512, "GW_START_BYTES": 48,
         "GW_MAP_BYTES": 16 + 4032, "GW_READY_BYTES": 16, "GW_FRAME_BYTES_MAX": 4 << 20,
         "GW_ACK_BYTES": 80, "GW_DIFF_BYTES": 24 + 32, "GW_HEARTBEAT_BYTES": 40,
         "GW_GOODBYE_BYTES_MAX": 4 + 512, "GW_RESULT_BYTES_MAX": 16 + 512}


def test_records():
    code = enum("src/engine/record.h", "gw_record_type")
    code.pop("GW_RECORD_TYPE_MAX")
    rows = [r for r in table(section(read("docs/formats.md"), "Records")) if r[0].isdigit()
            and len(r) == 4]
    assert {"GW_RECORD_" + r[1]: int(r[0]) for r in rows} == code


def test_goodbyes():
    code = enum("src/engine/frame.h", "gw_goodbye_reason")
    code.pop("GW_GOODBYE_REASON_MAX")
    rows = [r for r in table(section(read("docs/wire.md"), "HEARTBEAT, DIFF, RESULT, GOODBYE"))]
    assert {"GW_GOODBYE_" + r[1].upper().replace("-", "_"): int(r[0]) for r in rows} == code


def test_hello_flags():
    body = re.search(r"enum hello_flag \{(.*?)\}", read("src/engine/hello.c"), re.S).group(1)
    code = {n.lower(): int(v) for n, v in re.findall(r"(\w+) = (\d+)", body) if "KNOWN" not in n}
    line, = [r[1] for r in table(section(read("docs/wire.md"), "HELLO")) if "u16 flags" in r[1]]
    said = {n.replace(" ", "_"): int(v) for v, n in re.findall(r"(\d+) ([a-z ]+)(?:,|$)",
                                                               line.split(":", 1)[1])}
    words = {"crashed_while_active": "crashed_active", "boot_changed_since": "boot_changed"}
    assert {words.get(n, n): v for n, v in said.items()} == code


def test_verdict_rows():
    code = read("src/engine/verdict.c")
    rows = table(section(read("docs/wire.md"), "The verdict"))
    rows = [r for r in rows if r[0].isdigit()]
    assert [int(r[0]) for r in rows] == list(range(15))
    for number, condition, actions, outcome in rows:
        body = re.search(r"^static bool row_%s\(.*?^\}" % number, code, re.S | re.M).group()
        used = {a.lower().replace("_", "-")
                for a in re.findall(r"GW_VERDICT_([A-Z_]+)\b", body) if "SENTENCE" not in a}
        assert set(re.findall(r"`([a-z-]+)`", actions)) == used, "row %s" % number
        assert condition and outcome
    said = re.search(r"Actions: (.*?)\. A sentence", read("docs/wire.md"), re.S).group(1)
    names = re.findall(r'return "([a-z-]+)";', read("src/engine/verdict_rows.c").split(
        "gw_verdict_action_name")[1].split("unknown")[0])
    assert re.findall(r"\d+ ([a-z-]+)", " ".join(said.split())) == names


def test_plugin_parameters():
    code = read("src/plugin/plugin.c")
    keys = set(re.findall(r'strcmp\(key, "([a-z-]+)"\) == 0', code))
    man = read("docs/man/nbdkit-godwit-plugin.1").replace("\\-", "-")
    params = section_of_man(man, "PARAMETERS")
    assert set(re.findall(r"^\.BI? ([a-z-]+)=", params, re.M)) == keys
    help_text = re.search(r"#define godwit_config_help(.*?)\n\n", code, re.S).group(1)
    assert keys <= set(re.findall(r"([a-z-]+)=", help_text))


def section_of_man(text, name):
    return re.search(r"^\.SH %s\n(.*?)(?=^\.SH |\Z)" % name, text, re.S | re.M).group(1)


def test_replica_options():
    code = set(re.findall(r'\{ "([a-z-]+)", (?:required|no)_argument', read("src/replica/main.c")))
    man = read("docs/man/godwit-replica.1").replace("\\-", "-")
    assert set(re.findall(r"--([a-z-]+)", " ".join(
        re.findall(r"^\.(?:BR?|TQ\n\.BR?) .*$", section_of_man(man, "OPTIONS"), re.M)))) == code
    said = subprocess.run([REPLICA, "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert set(re.findall(r"--([a-z-]+)", said)) == code


def control_commands(path):
    rows = re.search(r"gw_control_command commands\[\] = \{(.*?)\n\};", read(path), re.S).group(1)
    return {name: (args.strip('"').split() if args != "NULL" else []) for name, args in
            re.findall(r'\{ "([a-z]+)", ("[^"]*"|NULL),', rows)}


def test_control_commands():
    text = section(read("docs/operations.md"), "Control socket")
    source, replica = re.split(r"^\| replica \|.*$", text, flags=re.M)
    man = {"source": "nbdkit-godwit-plugin", "replica": "godwit-replica"}
    for part, path, page in ((source, "src/plugin/source_control.c", "source"),
                             (replica, "src/replica/replica_control.c", "replica")):
        said = {word(r[0]): r[1].replace(",", "").split() for r in table(part) if len(r) == 3
                and r[0].startswith("`")}
        code = control_commands(path)
        assert {n: sorted(a) for n, a in said.items()} == {n: sorted(a) for n, a in code.items()}
        listed = section_of_man(read("docs/man/%s.1" % man[page]).replace("\\-", "-"),
                                "CONTROL SOCKET")
        assert set(code) <= set(re.findall(r"[a-z]+", listed))


def names_of(path, function):
    body = re.search(r"%s\(.*?names\[\] = \{(.*?)\}" % function, read(path), re.S).group(1)
    return set(re.findall(r'"([a-z]+)"', body))


def test_status_words():
    text = section(read("docs/operations.md"), "Status words")
    words = {}
    for head in ("service", "replication", "replica"):
        part = re.split(r"^\| `%s` .*$" % head, text, flags=re.M)[1].split("\n\n")[0]
        words[head] = set(re.findall(r"`([a-z]+)`", " ".join(r[0] for r in table(part))))
    assert words["service"] == names_of("src/engine/source.c", "gw_service_state_name")
    assert words["replication"] == names_of("src/engine/source.c", "gw_repl_state_name")
    assert words["replica"] == names_of("src/engine/replica.c", "gw_replica_state_name")
    described = read("src/control/describe.c")
    for function in ("recorded_name", "pending_name"):
        body = re.search(r"%s\(.*?\{ (.*?) \};" % function, described, re.S).group(1)
        for name in re.findall(r'"([a-z]+)"', body):
            assert "`%s`" % name in text, name


def ctl_help(words, cache={}):
    if words not in cache:
        p = subprocess.run([CTL, *words, "--help"], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False)
        assert p.returncode == 0, "%s: %s" % (" ".join(words), p.stdout)
        cache[words] = set(re.findall(r"--([a-z-]+)", p.stdout))
    return cache[words]


def test_ctl_commands_in_the_text_exist():
    seen = 0
    for page in pages():
        for line in re.findall(r"godwit-ctl ([a-z][^`|\n]*)", read(page)):
            words = re.match(r"(?:(?:point|divergence) )?[a-z]+", line).group().split()
            options = ctl_help(tuple(words))
            for option in re.findall(r" --([a-z-]+)", re.split(r"[;&]|\|\|", line)[0]):
                assert option in options, "%s: %s has no --%s" % (page, " ".join(words), option)
            seen += 1
    assert seen > 60


@pytest.mark.parametrize("page", ["nbdkit-godwit-plugin.1", "godwit-replica.1",
                                  "godwitd.8"])
def test_man_pages_are_clean(page):
    if shutil.which("man") is None:
        pytest.skip("no man")
    said = subprocess.run(["man", "--warnings", "-Tutf8", "-l",
                           os.path.join(ROOT, "docs/man", page)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=True)
    assert said.stderr == "" and len(said.stdout) > 2000


# ---- the formats decode as written: a second, small implementation -------------------------------

class XXH:
    def __init__(self):
        self.lib = ctypes.CDLL("libxxhash.so.0")
        self.lib.XXH3_64bits_withSeed.restype = ctypes.c_uint64
        self.lib.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]

    def __call__(self, data, seed=0):
        return self.lib.XXH3_64bits_withSeed(bytes(data), len(data), seed & (1 << 64) - 1)


def u(data, at, size):
    return int.from_bytes(data[at:at + size], "little")


def sealed(data, at, seed=0, begin=0):
    assert u(data, at, 8) == h64(data[begin:at], seed), "checksum at %d" % at


h64 = XXH()


def text_field(data, at, size):
    return data[at:at + size].split(b"\0")[0].decode()


def lineage_of(data, at):
    n = u(data, at, 4)
    assert u(data, at + 4, 4) == 0 and 0 < n <= 64
    entries = []
    for i in range(n):
        e = data[at + 8 + i * 80:][:80]
        entries.append(dict(epoch=u(e, 0, 8), uuid=e[8:24], parent=e[24:40], fork=u(e, 40, 8),
                            had=u(e, 48, 8), site=e[64], birth=e[65]))
        assert e[66:] == bytes(14)
    return entries, at + 8 + n * 80


def meta_of(path):
    data = open(os.path.join(path, "meta"), "rb").read()
    assert len(data) == 2 * 16384
    slots = [data[:16384], data[16384:]]
    for s in slots:
        assert s[:8] == b"GWMETA\0\1" and u(s, 8, 4) == 1
        sealed(s, 16376)
    s = max(slots, key=lambda x: u(x, 16, 8))
    m = dict(generation=u(s, 16, 8), plan_name=text_field(s, 24, 64),
             sites=[text_field(s, 88, 64), text_field(s, 152, 64)], plan=s[216:232], site=s[232],
             role=s[233], clean=s[234], consistent=s[235])
    m["lineage"], at = lineage_of(s, 240)
    m["volumes"] = []
    n, at = u(s, at, 4), at + 4
    for _ in range(n):
        m["volumes"].append((s[at:at + 16], u(s, at + 16, 8), text_field(s, at + 24, 64)))
        at += 88
    m["seq"], m["chain"], m["journal_pos"], m["seq_reserved"], m["highest_epoch"] = \
        struct.unpack_from("<5Q", s, at)
    # reigns, reached, may serve, recorded, ..., signed by: the length field says where they end.
    at += 6 * 8 + 24 + 1 + 1 + 16 + 16 + 16 + 1 + 64 + 16 + 1 + 40 + 1 + 16 + 128 + 16 + 8 + 128
    assert u(s, 12, 4) == at
    return m


def uuid_text(b):
    h = b.hex()
    return "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))


def inspect(path):
    said = subprocess.run([CTL, "inspect", "--json", "--dir", path], stdout=subprocess.PIPE,
                          check=True, text=True).stdout
    return json.loads(said)


def find(o, key):
    """The first member of that name anywhere in a JSON value."""
    if isinstance(o, dict):
        if key in o:
            return o[key]
        o = list(o.values())
    if isinstance(o, list):
        for x in o:
            r = find(x, key)
            if r is not None:
                return r
    return None


def test_format_of_meta(ran):
    for name in ("home", "dr"):
        path = os.path.join(ran("docs/by-hand.md"), name)
        m, said = meta_of(path), inspect(path)
        assert (m["plan_name"], m["sites"]) == ("shop", ["home", "dr"])
        assert uuid_text(m["plan"]) == find(said, "plan_uuid")
        assert [e["epoch"] for e in m["lineage"]] == [1, 2, 3]
        assert uuid_text(m["lineage"][-1]["uuid"]) == find(said, "uuid")
        assert [e["birth"] for e in m["lineage"]] == [1, 2, 2]
        assert m["volumes"][0][1:] == (1 << 30, "data")
        for key in ("seq", "journal_pos", "highest_epoch", "generation"):
            assert m[key] == find(said, key), key


def test_format_of_dirty_maps_and_hot_log(ran):
    path = os.path.join(ran("docs/by-hand.md"), "home")
    m = meta_of(path)
    data = open(os.path.join(path, "dirty/data"), "rb").read()
    blocks_n, extents_n = (1 << 30) // 4096, (1 << 30) >> 20
    assert len(data) == 4096 * (2 + -(-blocks_n // 32256) + -(-extents_n // 32256))
    for h in (data[:4096], data[4096:8192]):
        assert h[:8] == b"GWDIRTY\1" and struct.unpack_from("<2I", h, 8) == (1, 4096)
        sealed(h, 4088)
        assert h[24:40] == m["volumes"][0][0] and u(h, 40, 8) == 1 << 30
        assert struct.unpack_from("<2I", h, 48) == (4096, 1 << 20)
        assert h[56:72] in [e["uuid"] for e in m["lineage"]] # cleared-through
    hot = open(os.path.join(path, "dirty/hot"), "rb").read()
    assert len(hot) == 4 * 2048 * 512
    found = [hot[i:i + 512] for i in range(0, len(hot), 512) if hot[i:i + 4] == b"GWHT"]
    newest = max(found, key=lambda b: u(b, 16, 8))
    sealed(newest, 504)
    assert u(newest, 56, 8) == h64(m["plan"]) and struct.unpack_from("<2H", newest, 80) == (1, 512)
    assert u(newest, 4, 2) == 0 and u(newest, 8, 8) == u(newest, 24, 8) # a clean stop forgot it all


def records_of(batch, uuid):
    at, seed = 64, u(uuid, 8, 8)
    while at < len(batch):
        r = batch[at:at + 48]
        assert r[:4] == b"GWR1" and r[5] == 0
        sealed(r, 40, seed)
        payload = batch[at + 48:at + 48 + u(r, 8, 4)]
        assert u(r, 32, 8) == (h64(payload, u(r, 16, 8)) if payload else 0)
        yield dict(type=r[4], seq=u(r, 16, 8), offset=u(r, 24, 8), length=u(r, 12, 4),
                   payload=payload, checksum=u(r, 40, 8))
        at += 48 + -(-len(payload) // 8) * 8


def test_format_of_the_journal(ran):
    path = os.path.join(ran("docs/by-hand.md"), "dr")
    m = meta_of(path)
    name = "%016x" % (m["journal_pos"] >> 26)
    data = open(os.path.join(path, "journal", name), "rb").read()
    assert len(data) == 64 << 20 and data[:8] == b"GWJOURN\1" and u(data, 32, 8) == int(name, 16)
    assert data[16:32] == m["plan"]
    sealed(data, 4088)
    base, at, chain, types = int(name, 16) << 26, 4096, None, set()
    while data[at:at + 4] == b"GWJB":
        head = data[at:at + 64]
        sealed(head, 56, base + at ^ u(m["plan"], 8, 8))
        batch = data[at:at + u(head, 4, 4)]
        records = list(records_of(batch, head[8:24]))
        assert len(records) == u(head, 48, 4)
        assert (records[0]["seq"], records[-1]["seq"]) == struct.unpack_from("<2Q", head, 24)
        for r in records:
            types.add(r["type"])
            if r["type"] == 8: # FIN: the chain begins anew
                chain = u(r["payload"], 8, 8)
            elif chain is not None:
                chain = h64(struct.pack("<2Q", chain, r["checksum"]))
        at += len(batch)
    assert base + at == m["journal_pos"] and {1, 7, 8} <= types # WRITE, VERIFY, FIN
    assert chain is not None


def test_format_of_undo_files_and_points(ran):
    scratch = ran("docs/operations.md")
    kept = glob.glob(os.path.join(scratch, "home/undo/*/done"))
    assert kept
    for done in kept:
        folder = os.path.dirname(done)
        man = open(os.path.join(folder, "manifest"), "rb").read()
        assert man[:8] == b"GWUNDO\0\1" and u(man, 12, 4) == len(man)
        sealed(man, len(man) - 8)
        lineage, at = lineage_of(man, 16)
        seed = h64(man[at + 24:at + 40] + lineage[-1]["uuid"] + man[at + 16:at + 24])
        data = open(os.path.join(folder, "data"), "rb").read()
        at = 0
        while at < len(data):
            e = data[at:at + 40]
            assert e[:4] == b"GWU1" and u(e, 6, 2) in (0, 1)
            sealed(e, 32, seed + at)
            content = data[at + 40:at + 40 + u(e, 8, 4)]
            assert u(e, 24, 8) == h64(content, u(e, 16, 8))
            at += 40 + -(-len(content) // 8) * 8
    points = glob.glob(os.path.join(scratch, "*/points/*/manifest"))
    assert points
    for path in points:
        man = open(path, "rb").read()
        assert man[:8] == b"GWPOINT\1" and u(man, 12, 4) == len(man)
        sealed(man, len(man) - 8)
        assert text_field(man, 16, 64) == os.path.basename(os.path.dirname(path))
        assert man[144] in (1, 2)


# ---- proof ------------------------------------------------------------------------------------

def test_what_proves_a_rule_exists():
    text = read("docs/proof.md")
    there = ""
    for folder in ("unit", "scenario"):
        for name in os.listdir(os.path.join(ROOT, "tests", folder)):
            if name.endswith((".c", ".py")):
                there += read("tests/%s/%s" % (folder, name))
    for name in set(re.findall(r"`(test_\w+)`", text)):
        assert re.search(r"\b(def|void) %s\(" % name, there), name
    rows = table(section(text, "Rules"))
    assert [r[0] for r in rows] == ["R%d" % i for i in range(1, 21)]
    switches = set(re.findall(r'\("([^"]+)", "[^"]*",', read("tests/model/check")))
    switches = {one for names in switches for one in names.split(",")}
    for rule, model, tests in rows:
        assert re.search(r"`test_\w+`", tests), rule
        named = re.findall(r"`([^`]+)`", model)
        assert named or rule == "R20", rule
        for one in named:
            assert any(x == one or x.startswith(one + "-") for x in switches), one


def test_each_rule_has_a_history():
    """... in the simulator, or a line that says why there is none."""
    there = re.findall(r'^H\(\w+,\s*"([^"]+)"', read("tests/sim/histories.def"), re.M)
    why_not = section(read("tests/sim/README.md"), "Histories")
    for rule in ("R%d" % i for i in range(1, 20)):
        assert any(n == rule or n.startswith(rule + "-") for n in there) or \
            re.search(r"^\| %s\b" % rule, why_not, re.M), rule
