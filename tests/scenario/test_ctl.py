# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""godwit-ctl: the command line, plan directories without a process, and the control sockets."""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import threading
import time

import pytest

import godwit
from godwit import CANCELLED, FAILED, OK, REFUSED, UNKNOWN, USAGE, WAITING, run_ctl

COMMANDS = re.findall(r"^  ((?:point |divergence )?[a-z]+)\b", run_ctl("--help").out, re.M)


# ---- the command line ------------------------------------------------------------------------

def test_the_table_has_all_commands():
    assert set(COMMANDS) >= {
        "create", "describe", "status", "watch", "inspect", "lineage", "promote", "choose",
        "quiesce", "unquiesce", "equal", "release", "handover", "grant", "fence", "bandwidth",
        "stop", "resync", "verify", "checkpoint", "point create", "point list", "point delete",
        "point check", "divergence list", "divergence show", "divergence export",
        "divergence sign", "divergence discard", "man", "completion"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    words = command.split()
    for args in ([*words, "--help"], ["help", *words], ["-h", *words]):
        r = run_ctl(*args)
        assert r.code == OK and r.out.startswith(f"usage: godwit-ctl {command}"), r
    assert "--json" in r.out or command in ("man", "completion")
    assert all(len(line) < 80 for line in r.out.splitlines()), r


@pytest.mark.parametrize("args, says", [
    ([], "name a command"),
    (["promot"], "did you mean 'promote'?"),
    (["stauts"], "did you mean 'status'?"),
    (["xyzzy"], "see godwit-ctl --help"),
    (["point"], "point what?"),
    (["point", "lst"], "did you mean 'list'?"),
    (["help", "divergence", "shwo"], "did you mean 'show'?"),
    (["status"], "status needs --socket PATH or --dir DIR"),
    (["status", "--socket", "a", "--dir", "b"], "not both"),
    (["status", "--socket"], "--socket needs a value: --socket PATH"),
    (["status", "--dir", "a", "--dir", "b"], "--dir is given twice"),
    (["status", "--dir", "a", "--jsn"], "did you mean '--json'?"),
    (["status", "--dir", "a", "--json=yes"], "--json takes no value"),
    (["status", "--dir", "a", "-q"], "unknown option '-q'"),
    (["status", "--dir", "a", "extra"], "unexpected 'extra'"),
    (["status", "--dir", "a", "--yes"], "status has no option --yes"),
    (["quiesce", "--dir", "a"], "needs the running process: --socket"),
    (["inspect", "--socket", "a"], "works on a plan directory: --dir"),
    (["verify", "--socket", "a", "--rat", "5"], "did you mean '--rate'?"),
    (["verify", "--socket", "a", "--rate", "5MB"], 'did you mean "5MiB"?'),
    (["bandwidth", "1GB", "--socket", "a"], 'did you mean "1GiB"?'),
    (["quiesce", "--socket", "a", "--timeout", "5x"], "is not a duration"),
    (["grant", "--socket", "a"], "--for DURATION or --until NS"),
    (["grant", "--socket", "a", "--until", "-5"], "is not a number"),
    (["fence", "--socket", "a"], "fence needs --reason TEXT"),
    (["divergence", "sign", "--socket", "a"], "needs --by NAME"),
    (["divergence", "sign", "--socket", "a", "--by", "  "], "--by: a text of 1 to 127 bytes"),
    (["divergence", "sign", "--socket", "a", "--by", "a\nb"], "no control characters"),
    (["choose", "--socket", "a", "--by", "x", "--survivor", "y"], "'y' is not a uuid"),
    (["divergence", "export", "--dir", "a", "x"], "needs ID OUT"),
    (["completion", "zsh"], "bash only"),
])
def test_wrong_command_lines(args, says):
    r = run_ctl(*args)
    assert r.code == USAGE and says in r.err and r.out == "", r


def test_options_may_stand_anywhere(world):
    s = world.site("home")
    s.create({"data": "1MiB"}, peer="dr", active=True)
    for args in (["--dir", s.plan, "--json", "status"], ["status", f"--dir={s.plan}", "-j"],
                 ["-d", s.plan, "point", "-j", "list"], ["point", "list", "-j", "-d", s.plan],
                 ["status", "--dir", s.plan, "--json", "--"]):
        assert run_ctl(*args).json["ok"] is True


def test_man_page_has_everything_and_is_sound():
    page = run_ctl("man").out
    for command in COMMANDS:
        assert f'.SS "{command}'.replace("-", "\\-") in page
        for option in re.findall(r"--([a-z-]+)", run_ctl(*command.split(), "--help").out):
            assert "\\-\\-" + option.replace("-", "\\-") in page, (command, option)
    with open(os.path.join(godwit.BUILD, "src/ctl/godwit-ctl.1"), encoding="utf-8") as f:
        assert f.read() == page
    if shutil.which("groff"):
        r = subprocess.run(["groff", "-ww", "-man", "-z"], input=page, text=True, check=True,
                           stderr=subprocess.PIPE)
        assert r.stderr == ""


@pytest.mark.parametrize("line, expected", [
    ("godwit-ctl pro", {"promote"}),
    ("godwit-ctl point ", {"create", "list", "delete", "check"}),
    ("godwit-ctl divergence s", {"show", "sign"}),
    ("godwit-ctl --socket stop ver", {"verify"}),
    ("godwit-ctl verify --", {"--rate", "--wait", "--socket", "--timeout", "--json", "--help"}),
    ("godwit-ctl point create --t", {"--tag", "--timeout"}),
    ("godwit-ctl completion ", {"bash"}),
])
def test_completion(line, expected):
    words = line.split(" ")
    script = run_ctl("completion", "bash").out + (
        f"COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}\n"
        '_godwit_ctl; printf "%s\\n" "${COMPREPLY[@]}"\n')
    r = subprocess.run(["bash", "-c", script], text=True, check=True, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    assert set(r.stdout.split()) == expected and r.stderr == ""


def test_what_is_installed_and_where(world):
    """Programs, man pages, the completion, and the plugin where nbdkit finds it by its name."""
    stage = world.path("stage")
    subprocess.run(["meson", "install", "-C", godwit.BUILD, "--no-rebuild", "--destdir", stage],
                   check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(godwit.BUILD, "meson-info/intro-buildoptions.json"),
              encoding="utf-8") as f:
        option = {o["name"]: o["value"] for o in json.load(f)}
    under = lambda name, *rest: os.path.join(option["prefix"], option[name], *rest)
    plugins = subprocess.run(["pkg-config", "--variable=plugindir", "nbdkit"], text=True, check=True,
                             stdout=subprocess.PIPE).stdout.strip()
    wanted = {under("bindir", "godwit"), under("bindir", "godwit-ctl"),
              under("bindir", "godwit-replica"), under("mandir", "man1", "godwit.1"),
              under("mandir", "man1", "godwit-ctl.1"),
              under("mandir", "man1", "godwit-replica.1"),
              under("mandir", "man1", "nbdkit-godwit-plugin.1"),
              under("mandir", "man8", "godwitd.8"), under("sbindir", "godwitd"),
              under("datadir", "bash-completion", "completions", "godwit.bash"),
              under("datadir", "bash-completion", "completions", "godwit-ctl.bash"),
              os.path.join(plugins, "nbdkit-godwit-plugin.so")}
    there = {"/" + os.path.relpath(os.path.join(base, f), stage)
             for base, _, files in os.walk(stage) for f in files}
    assert there == wanted
    at = lambda path: stage + path
    for program in ("godwit-ctl", "godwit-replica"):
        r = subprocess.run([at(under("bindir", program)), "--version"], text=True, check=True,
                           stdout=subprocess.PIPE, env={**os.environ, **godwit.sanitizer_env(False)})
        assert r.stdout.startswith(program + " "), r
    r = subprocess.run(["nbdkit", "--dump-plugin", at(plugins + "/nbdkit-godwit-plugin.so")],
                       text=True, check=True, stdout=subprocess.PIPE,
                       env={**os.environ, **godwit.sanitizer_env(True)})
    assert "\nname=godwit\n" in r.stdout, r


# ---- create, describe ------------------------------------------------------------------------

def test_the_other_side_is_created_from_the_description(world):
    home, dr = world.site("home"), world.site("dr")
    made = home.create({"data": "16MiB", "log": "5MiB"}, peer="dr", active=True)
    assert made["role"] == "active" and made["epoch"] == 1
    like = home.describe()
    assert like["sites"] == ["home", "dr"] and like["described_by"] == "home"
    other = dr.create(["log", "data"], like=like)
    assert other["plan_uuid"] == made["plan_uuid"] and other["volumes"] == made["volumes"]
    assert (other["site"], other["peer_site"], other["role"]) == ("dr", "home", "standby")
    assert other["blank"] is True
    for v, size in (("data", 16 << 20), ("log", 5 << 20)):
        assert os.path.getsize(dr.image(v)) == size
        assert os.stat(dr.image(v)).st_blocks == 0  # sparse
    again = dr.describe()
    assert {**again, "described_by": "home"} == like


def test_the_second_site_takes_even_epochs(world):
    s = world.site("dr")
    made = s.create({"data": "1MiB"}, peer="home", active=True, second=True)
    assert made["epoch"] == 2 and s.describe()["sites"] == ["home", "dr"]


def test_create_without_a_site_name_is_the_side_that_did_not_describe(world):
    home = world.site("home")
    home.create({"data": "1MiB"}, peer="dr", active=True)
    like, plan = world.path("like.json"), world.path("dr")
    with open(like, "w", encoding="utf-8") as f:
        f.write(run_ctl("describe", home.plan).out)
    r = run_ctl("create", plan, "--like", like, "--standby", "--volume",
                f"data={world.path('d.img')}")
    assert r.code == OK and "at site dr (standby)" in r.out, r


def test_create_refuses(world):
    home = world.site("home")
    home.create({"data": "1MiB", "log": "1MiB"}, peer="dr", active=True)
    like = world.path("like.json")
    description = home.describe()

    def attempt(*args, **changes):
        with open(like, "w", encoding="utf-8") as f:
            json.dump({**description, **changes}, f)
        return run_ctl("create", world.path("new"), *args)

    ours = ("--like", like, "--standby")
    data, log = f"--volume=data={world.path('d')}", f"--volume=log={world.path('l')}"
    for args, says in (
            ((data,), "--active"),
            ((data, "--active"), "create needs --plan NAME"),
            ((*ours, "--active", data, log), "--active"),
            ((*ours, data), "--volume log=PATH"),
            ((*ours, data, data, log), "given twice"),
            ((*ours, data, log, "--volume=dta=x"), "did you mean 'data'?"),
            ((*ours, data + ",2MiB", log), "has 1048576 bytes in the plan"),
            ((*ours, data + ",2GB", log), 'did you mean "2GiB"?'),
            ((*ours, "--volume=data", log), "write NAME=PATH"),
            ((*ours, data, log, "--site=paris"), "sites are home and dr"),
            ((*ours, data, log, "--plan=other"), "the description says shop"),
            ((*ours, data, log, "--site=home", "--second"), "home is the first site"),
            (("--plan=a/b", "--site=x", "--peer=y", "--active", data), "is not a name")):
        r = attempt(*args)
        assert r.code == USAGE and says in r.err, r
    for changes in ({"format": 2}, {"plan_uuid": "x"}, {"sites": ["home"]}, {"volumes": []},
                    {"volumes": [{"name": "data", "uuid": "x", "bytes": 1}]}):
        r = attempt(*ours, data, log, **changes)
        assert r.code == FAILED and "godwit-ctl describe" in r.err, r
    assert not os.path.exists(world.path("new"))
    r = run_ctl("create", home.plan, "--plan=p", "--site=a", "--peer=b", "--active", data + ",1MiB")
    assert r.code == REFUSED and "not empty" in r.err, r


def test_a_standby_does_not_swallow_data_unasked(world):
    home, dr = world.site("home"), world.site("dr")
    home.create({"data": "1MiB"}, peer="dr", active=True)
    with open(dr.image("data"), "wb") as f:
        f.write(b"precious".ljust(1 << 20, b"\0"))
    with pytest.raises(godwit.CtlError) as e:
        dr.create(["data"], like=home.describe())
    assert e.value.result.code == REFUSED and "--adopt-data" in e.value.result.err
    assert e.value.result.json["error"]["code"] == "EEXIST"
    assert not os.path.exists(dr.plan)
    dr.create(["data"], like=home.describe(), adopt_data=True)
    assert dr.image_bytes("data", 0, 8) == b"precious"


# ---- a directory without a process -----------------------------------------------------------

@pytest.fixture
def home(world):
    s = world.site("home")
    s.create({"data": "16MiB"}, peer="dr", active=True)
    return s


def test_status_and_lineage_of_a_directory(home):
    s = home.status()
    assert (s["plan"], s["role"], s["clean"], s["crashed_active"]) == ("shop", "active", True,
                                                                       False)
    (first,) = home.ctl("lineage")["lineage"]
    assert (first["site"], first["birth"], first["uuid"]) == ("home", "creation", s["uuid"])
    text = run_ctl("status", "--dir", home.plan).out
    assert re.search(r"^role +active, epoch 1$", text, re.M) and "16.0 MiB" in text


def test_watch_repeats(home):
    r = run_ctl("watch", "--dir", home.plan, "--count", "3", "--every", "10ms", "--json")
    lines = [json.loads(x) for x in r.out.splitlines()]
    assert r.code == OK and len(lines) == 3 and {x["plan"] for x in lines} == {"shop"}
    r = run_ctl("watch", "--socket", home.control, "--count", "2", "--every", "10ms")
    assert r.code == OK and r.out.count("no process serves") == 2, r


def test_inspect_of_a_sound_directory(home):
    i = home.inspect()
    assert i["problems"] == [] and i["points"] == i["undo"] == [] and len(i["lineage"]) == 1
    assert i["journal"]["torn_bytes"] == 0 and i["hot"] == {"extents": 0, "unknown": False}
    assert i["served_by"] is None
    assert "No damage was found." in run_ctl("inspect", "--dir", home.plan).out


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 1]))


def cut(path):
    os.truncate(path, os.path.getsize(path) // 2)


@pytest.mark.parametrize("name, damage, says", [
    ("meta", lambda p: flip(p, 100), "one of the two copies of meta is damaged"),
    ("dirty/data", cut, "dirty maps are damaged"),
    ("dirty/hot", cut, "hot-extent log is damaged"),
])
def test_inspect_tells_damage_and_goes_on(home, name, damage, says):
    damage(os.path.join(home.plan, name))
    before = {f: open(os.path.join(home.plan, f), "rb").read() for f in ("meta", "dirty/data")}
    r = run_ctl("inspect", "--dir", home.plan, "--json")
    assert r.code == FAILED and any(says in p for p in r.json["problems"]), r
    assert r.json["plan"] == "shop" and r.json["journal"] is not None
    for f, content in before.items():
        assert open(os.path.join(home.plan, f), "rb").read() == content, "inspect changed " + f


def test_inspect_without_a_volume_still_reads_the_rest(home):
    os.unlink(home.image("data"))
    r = run_ctl("inspect", "--dir", home.plan)
    assert r.code == FAILED and "PROBLEM: cannot open plan directory" in r.out
    assert re.search(r"^plan +shop", r.out, re.M) and "journal" in r.out, r


def test_inspect_of_no_plan_at_all(world):
    r = run_ctl("inspect", "--dir", world.root, "--json")
    assert r.code == FAILED and len(r.json["problems"]) == 1 and "plan" not in r.json, r


@contextlib.contextmanager
def locked(site):
    """As a process that serves the plan."""
    with open(os.path.join(site.plan, "lock"), "w", encoding="utf-8") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def test_beside_a_process_only_reading_is_allowed(home):
    with locked(home):
        assert home.status()["plan"] == "shop"
        assert home.inspect()["served_by"] == os.getpid()
        assert run_ctl("describe", home.plan).code == OK
        for args in (["promote", "--confirm-alone", "--yes"], ["point", "delete", "x", "--yes"],
                     ["divergence", "discard", "x", "--by", "me", "--yes"]):
            r = home.ctl_result(*args)
            assert r.code == REFUSED and "another process serves this plan" in r.err, r
            assert r.json["error"]["code"] == "EBUSY"
    assert home.status()["epoch"] == 1


def test_promote_offline_is_guarded(world, home):
    r = home.ctl_result("promote", "--yes")
    assert r.code == REFUSED and "--confirm-alone" in r.err, r
    r = home.ctl_result("promote", "--confirm-alone")
    assert r.code == USAGE and "--yes" in r.err, r  # no terminal to ask at
    dr = world.site("dr")
    dr.create(["data"], like=home.describe())
    r = dr.ctl_result("promote", "--yes")
    assert r.code == REFUSED and "blank" in r.json["error"]["message"], r
    assert home.ctl("promote", "--yes", "--confirm-alone")["epoch"] == 3
    assert [e["epoch"] for e in home.ctl("lineage")["lineage"]] == [1, 3]


def at_terminal(argv, answer):
    """Run with a terminal for its standard input; answer when it asks."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(argv[0], argv)
    said, answered, deadline = b"", False, time.monotonic() + godwit.TIMEOUT_S
    while time.monotonic() < deadline:
        if not select.select([fd], [], [], 1)[0]:
            continue
        try:
            more = os.read(fd, 4096)
        except OSError:
            break  # the other end is closed
        if not more:
            break
        said += more
        if not answered and b"to go on: " in said:
            os.write(fd, answer)
            answered = True
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


@pytest.mark.parametrize("answer, code, epoch", [
    (b"shop\n", OK, 3), (b"shopp\n", CANCELLED, 1), (b"\n", CANCELLED, 1), (b"\x04", CANCELLED, 1),
    (b"\x03", CANCELLED, 1)])
def test_the_plans_name_must_be_typed(home, answer, code, epoch):
    argv = [godwit.CTL, "promote", "--dir", home.plan, "--confirm-alone"]
    got, said = at_terminal(argv, answer)
    assert got == code and "Type the plan's name (shop)" in said, said
    assert home.status()["epoch"] == epoch


def test_divergence_of_nothing(home, world):
    assert home.ctl("divergence", "list")["undo"] == []
    for args in (["show", "x"], ["export", "x", world.path("out")],
                 ["discard", "x", "--by", "me", "--yes"], ["show", "../../x"]):
        r = home.ctl_result("divergence", *args)
        assert r.code == FAILED, r
    assert not os.path.exists(world.path("out"))
    assert not os.path.exists(os.path.join(home.plan, "divergence.log"))


# ---- the control socket: what comes back, and what does not ----------------------------------

@contextlib.contextmanager
def server(path, *answers):
    """Answers requests in order: a dict, bytes, or None to hang up. Gives the requests."""
    requests = []
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen()

    def serve():
        for answer in answers:
            c, _ = s.accept()
            with c:
                requests.append(json.loads(c.makefile().readline()))
                if isinstance(answer, dict):
                    answer = json.dumps(answer).encode() + b"\n"
                if answer is not None:
                    c.sendall(answer)
                if answer == b"":
                    c.recv(1)  # silent until the client goes

    t = threading.Thread(target=serve)
    t.start()
    try:
        yield requests
    finally:
        t.join(godwit.TIMEOUT_S)
        s.close()
        assert not t.is_alive(), f"not all answers were asked for: {requests}"


def refusal(code):
    return {"ok": False, "error": {"code": code, "message": "because"}}


@pytest.mark.parametrize("answer, code", [
    ({"ok": True}, OK), (refusal("EPERM"), REFUSED), (refusal("EUCLEAN"), REFUSED),
    (refusal("ENOTCONN"), REFUSED), (refusal("EALREADY"), REFUSED), (refusal("EIO"), FAILED),
    (refusal("EINVAL"), FAILED), (None, UNKNOWN), (b"garbage\n", UNKNOWN), (b"", UNKNOWN)])
def test_exit_codes_of_answers(world, answer, code):
    path = world.path("s")
    with server(path, answer) as requests:
        r = run_ctl("fence", "--reason", "test", "--yes", "--socket", path, "--timeout", "300ms",
                    "--json")
    assert r.code == code and requests == [{"cmd": "fence", "reason": "test"}], r
    assert r.json["ok"] is (code == OK)
    assert (code == UNKNOWN) == ("UNKNOWN" in r.err)


def test_no_process_at_the_socket_means_nothing_was_done(world):
    r = run_ctl("fence", "--reason", "test", "--yes", "--socket", world.path("s"))
    assert r.code == FAILED and "no process serves" in r.err, r


STATUS = {"ok": True, "plan": "shop", "site": "home", "peer_site": "dr", "process": "source"}


@pytest.mark.parametrize("args, request_", [
    (["quiesce", "--timeout", "5s"], {"cmd": "quiesce", "timeout_ms": 5000}),
    (["unquiesce"], {"cmd": "unquiesce", "timeout_ms": 10000}),
    (["equal"], {"cmd": "equal", "timeout_ms": 30000}),
    (["release", "--yes"], {"cmd": "release"}),
    (["handover", "--yes"], {"cmd": "handover", "timeout_ms": 30000}),
    (["grant", "--for", "2m"], {"cmd": "grant", "for_ms": 120000}),
    (["grant", "--until", "77"], {"cmd": "grant", "deadline_ns": 77}),
    (["bandwidth", "2MiB"], {"cmd": "bandwidth", "bytes_per_second": 2 << 20}),
    (["bandwidth", "none"], {"cmd": "bandwidth", "bytes_per_second": 0}),
    (["stop"], {"cmd": "stop"}),
    (["resync", "--all"], {"cmd": "resync", "all": True}),
    (["verify", "--rate", "1MiB"], {"cmd": "verify", "rate_bytes": 1 << 20}),
    (["divergence", "sign", "--by", "Ann B"], {"cmd": "sign", "by": "Ann B"}),
])
def test_requests_are_what_the_processes_take(world, args, request_):
    path = world.path("s")
    with server(path, {"ok": True}) as requests:
        r = run_ctl(*args, "--socket", path)
    assert r.code == OK and requests == [request_] and r.out, r


@pytest.mark.parametrize("process, more", [("source", {"timeout_ms": 30000}), ("replica", {})])
def test_point_create_asks_each_process_in_its_own_words(world, process, more):
    path = world.path("s")
    with server(path, {**STATUS, "process": process}, {"ok": True}) as requests:
        r = run_ctl("point", "create", "p1", "--tag", "t", "--socket", path)
    assert r.code == OK and requests[1] == {"cmd": "point", "id": "p1", "tag": "t", **more}, r


def test_interrupting_a_request_leaves_its_outcome_unknown(world):
    path = world.path("s")
    with server(path, b"") as requests:
        p = subprocess.Popen([godwit.CTL, "fence", "--reason", "x", "--yes", "--socket", path],
                             stderr=subprocess.PIPE, text=True)
        godwit.wait_for("the request", lambda: requests)
        p.send_signal(2)
        _, err = p.communicate(timeout=godwit.TIMEOUT_S)
    assert p.returncode == UNKNOWN and "UNKNOWN" in err


def verify_status(running, done, differ=0):
    return {**STATUS, "replication": "async", "reason": "", "verify": {
        "running": running, "done": done, "checked_bytes": 5, "total_bytes": 10,
        "differing_blocks": differ}}


@pytest.mark.parametrize("last, code", [
    (verify_status(False, True), OK), (verify_status(False, True, 3), FAILED),
    (verify_status(False, False), FAILED)])
def test_verify_wait_follows_the_status(world, last, code):
    path = world.path("s")
    with server(path, {"ok": True}, verify_status(True, False), last) as requests:
        r = run_ctl("verify", "--wait", "--socket", path)
    assert r.code == code and [q["cmd"] for q in requests] == ["verify", "status", "status"], r


def test_resync_wait_ends_when_a_signature_is_missing(world):
    path = world.path("s")
    waiting = {**STATUS, "service": "serving", "replication": "assessing",
               "assess": {"done": True, "tail_blocks": 7},
               "verdict": {"diverged": True, "source": "dr", "target": "home"}}
    early = {**waiting, "assess": {"done": False, "tail_blocks": 0}}
    with server(path, {"ok": True}, early, waiting):
        r = run_ctl("resync", "--wait", "--socket", path)
    assert r.code == WAITING and "7 blocks" in r.err and "divergence sign" in r.err, r


# ---- with real processes ---------------------------------------------------------------------

@pytest.fixture
def pair(world):
    p = world.pair({"data": "16MiB", "log": "5MiB"})
    p.start()
    p.home.write("data", 0, b"a" * 65536)
    p.drain()
    return p


def test_status_of_both_processes(pair):
    source, replica = pair.home.status(), pair.dr.status()
    assert (source["process"], source["service"]) == ("source", "serving")
    assert (replica["process"], replica["state"]) == ("replica", "streaming")
    assert source["uuid"] == replica["uuid"]
    for site, words in ((pair.home, ["serving", "home -> dr"]), (pair.dr, ["streaming"])):
        text = run_ctl("status", "--socket", site.control).out
        assert all(w in text for w in words), text
        assert site.ctl("lineage")["lineage"] == site.ctl("lineage", offline=True)["lineage"]
    assert pair.dr.inspect()["served_by"] == pair.dr.program.pid
    r = pair.dr.ctl_result("quiesce")
    assert r.code == FAILED and "source and a replica have different commands" in r.err, r


def test_quiesce_equal_unquiesce(pair):
    pair.home.ctl("quiesce")
    assert pair.home.status()["service"] == "quiesced"
    token = pair.home.ctl("equal")["token"]
    assert token["seq"] > 0 and token["epoch"] == 1
    pair.home.ctl("unquiesce")
    pair.home.write("data", 0, b"b" * 4096)
    r = pair.home.ctl_result("equal")
    assert r.code == REFUSED and "quiesce first" in r.err, r
    r = pair.home.ctl_result("grant", "--for", "1m")
    assert r.code == REFUSED or "granted mode" in r.err, r


def test_verify_finds_what_a_disk_lost_and_resync_mends_it(pair):
    r = pair.home.ctl("verify", "--wait")
    assert r["verify"]["differing_blocks"] == 0
    pair.dr.spoil("data", 3 * 4096, b"rotten")
    r = pair.home.ctl_result("verify", "--wait")
    assert r.code == FAILED and r.json["verify"]["differing_blocks"] == 1, r
    assert pair.home.ctl("resync", "--wait")["replication"] in godwit.FOLLOWING
    assert pair.home.ctl_result("verify", "--wait").code == OK
    pair.stop()
    assert pair.differing_volumes() == []


def test_a_create_that_fails_leaves_nothing(world):
    image, plan = world.path("data.img"), world.path("plan")
    wrong = ("create", plan, "--plan", "shop", "--site", "a", "--peer", "b", "--active",
             "--volume", f"data={image},1M", "--volume", "log=/proc/log.img,1M")
    r = run_ctl(*wrong)
    assert r.code != OK and "/proc/log.img" in r.err, r
    assert not os.path.exists(plan) and not os.path.exists(image)
    os.mkdir(plan)
    with open(image, "wb") as f:
        f.write(b"there before" * 1000)
    assert run_ctl(*wrong[:-4], "--volume", f"data={image}", *wrong[-2:]).code != OK
    assert os.listdir(plan) == [] and open(image, "rb").read(12) == b"there before"
    r = run_ctl(*wrong[:-4], "--volume", f"data={image}")
    assert r.code == OK, r


def test_points_live_and_offline(pair):
    assert pair.home.ctl("checkpoint", "here", "--tag", "before upgrade")["id"] == "here"
    assert pair.dr.ctl("point", "create")["id"].startswith("manual-")
    r = pair.dr.ctl_result("point", "create", "here")
    assert r.code == REFUSED and "here" in r.err, r
    points = pair.dr.ctl("point", "list")["points"]
    assert len(points) == 2 and points[0]["id"] == "here" and points[0]["tag"] == "before upgrade"
    assert pair.dr.ctl("point", "list", offline=True)["points"] == points
    r = pair.dr.ctl_result("point", "check", "here", offline=True)
    assert r.code == FAILED and "--store" in r.err, r
    r = pair.dr.ctl_result("point", "delete", "here", "--yes", offline=True)
    assert r.code == REFUSED, r  # served
    pair.stop()
    assert pair.dr.ctl("point", "check", "here", "--store")["point"]["id"] == "here"
    assert pair.dr.ctl("point", "check", "here")["ok"] is True
    image = os.path.join(pair.dr.plan, "points/here/data.img")
    subprocess.run(["chattr", "-i", image], check=False, stderr=subprocess.DEVNULL)
    os.chmod(image, 0o600)
    flip(image, 4096)
    r = pair.dr.ctl_result("point", "check", "here")
    assert r.code == FAILED and r.json["error"]["code"] == "EBADMSG", r
    flip(os.path.join(pair.dr.plan, "points", points[1]["id"], "manifest"), 100)
    r = pair.dr.ctl_result("point", "list")
    assert r.code == FAILED and len(r.json["points"]) == 1 and r.json["damage"], r
    pair.dr.ctl("point", "delete", "here", "--yes")
    assert not os.path.exists(os.path.dirname(image))


def test_handover_there_and_back(pair):
    r = pair.home.ctl_result("handover")
    assert r.code == USAGE, r  # no terminal, no --yes
    answer = pair.hand_over()
    assert answer["token"]["epoch"] == 1 and answer["promotion"]["handover"] is True
    assert pair.source is pair.dr and pair.dr.status()["verdict"]["row"] == 8
    pair.dr.write("data", 4096, b"c" * 4096)
    pair.drain()
    assert pair.hand_over()["promotion"]["epoch"] == 3
    assert pair.home.read("data", 4096, 4096) == b"c" * 4096


def test_stop_ends_both_processes(pair):
    pair.home.hang_up()  # nbdkit waits for its clients
    for site in (pair.home, pair.dr):
        site.ctl("stop")
        assert site.program.wait() == 0
    assert pair.home.status()["clean"] is True


def test_fence_is_for_good(pair):
    pair.home.ctl("fence", "--reason", "the test says so", "--yes")
    s = pair.home.status()
    assert s["service"] == "fenced" and s["reason"].startswith("fenced")
    pair.home.stop()
    assert pair.home.status()["role"] == "fenced"


def test_a_divergent_tail_from_its_signature_to_its_end(pair, world):
    """Home acknowledges two blocks that dr never gets, is lost, and comes home."""
    home, dr = pair.home, pair.dr
    dr.kill()
    home.write("data", 8 * 4096, b"T" * 8192)
    home.flush("data")
    home.kill()
    dr.ctl("promote", "--yes")
    dr.start_source(home)
    dr.wait_serving()
    dr.write("data", 100 * 4096, b"n" * 4096)
    home.start_replica()
    dr.wait_status("assessed the tail", lambda s: s["replication"] == "assessing" and
                   s["assess"]["done"])
    r = dr.ctl_result("resync", "--wait")
    assert r.code == WAITING and "at home wait for a signature" in r.err, r
    text = run_ctl("status", "--socket", home.control).out
    assert re.search(r"^next +.*divergence sign", text, re.M), text
    home.ctl("divergence", "sign", "--by", "Ann Operator")
    dr.wait_following()
    dr.drain()

    (undo,) = home.ctl("divergence", "list", offline=True)["undo"]
    assert undo["diverged"] and undo["finished"] and undo["signed_by"] == "Ann Operator"
    shown = home.ctl("divergence", "show", undo["id"], offline=True)
    assert {"volume": "data", "offset": 8 * 4096, "length": 8192} in shown["ranges"], shown
    out = world.path("out")
    home.ctl("divergence", "export", undo["id"], out, offline=True)
    with open(os.path.join(out, "data.tail"), "rb") as f:
        f.seek(8 * 4096)
        assert f.read(8192) == b"T" * 8192
    assert home.ctl_result("divergence", "export", undo["id"], out, offline=True).code == REFUSED

    args = ["divergence", "discard", undo["id"], "--by", "Bob Owner"]
    assert home.ctl_result(*args, "--yes", offline=True).code == REFUSED  # served
    home.stop()
    assert home.ctl_result(*args).code == USAGE  # no terminal, no --yes
    assert len(home.ctl("divergence", "list")["undo"]) == 1
    home.ctl(*args, "--yes")
    assert home.ctl("divergence", "list")["undo"] == []
    with open(os.path.join(home.plan, "divergence.log"), encoding="utf-8") as f:
        (line,) = f.read().splitlines()
    entry = json.loads(line)
    assert (entry["by"], entry["id"], entry["undo"]["blocks"]) == ("Bob Owner", undo["id"],
                                                                  undo["blocks"])


def test_damaged_undo_files_are_listed_with_the_sound_ones(pair):
    """Two kept tails; then one is damaged in its content, then the other in its manifest."""
    home, dr = pair.home, pair.dr
    source, target = home, dr
    for i in range(3):
        target.kill()
        source.write("data", i * 4096, bytes([i + 1]) * 4096)
        source.kill()
        target.ctl("promote", "--yes")
        target.start_source(source)
        target.wait_serving()
        source.start_replica()
        target.wait_status("assessed the tail", lambda s: s["replication"] == "assessing" and
                           s["assess"]["done"])
        source.ctl("divergence", "sign", "--by", "Ann")
        target.wait_following()
        target.drain()
        source, target = target, source
    pair.source, pair.replica = source, target
    pair.stop()
    first, second = (u["id"] for u in home.ctl("divergence", "list")["undo"])
    assert run_ctl("divergence", "list", "--dir", home.plan).code == OK

    data = os.path.join(home.plan, "undo", first, "data")
    flip(data, 45)  # the first entry
    r = home.ctl_result("divergence", "list")
    assert r.code == FAILED and r.json["ok"] is True, r
    damage = {u["id"]: u["damage"] for u in r.json["undo"]}
    assert damage[second] is None
    assert damage[first] == f"{data} is damaged at 0 (checksum mismatch): at least one old block is " \
                            "lost; what is sound can still be read and exported"
    r = run_ctl("divergence", "list", "--dir", home.plan)
    assert r.code == FAILED and "1 of 2 undo files is damaged" in r.err, r
    lines = {line.split()[0]: line for line in r.out.splitlines()}
    assert lines[first].endswith("  " + damage[first]) and lines[second].endswith("  -"), r
    assert "Ann" in lines[first] and "Ann" in lines[second], r

    manifest = os.path.join(home.plan, "undo", second, "manifest")
    flip(manifest, 100)
    r = run_ctl("divergence", "list", "--dir", home.plan)
    assert r.code == FAILED and "2 of 2 undo files are damaged" in r.err, r
    lines = {line.split()[0]: line for line in r.out.splitlines()}
    assert damage[first] in lines[first], r
    assert f"{manifest} is damaged (wrong magic, length or checksum): restore it from a backup, or " \
           "remove its directory to give it up" in lines[second], r


def test_an_unfinished_undo_file_cannot_be_discarded(pair):
    """The mark of its end is taken away: it counts as the way back."""
    pair.fail_over()
    pair.home.start_replica()
    pair.dr.wait_status("met home", lambda s: s["replication"] != "disconnected")
    if pair.dr.status()["replication"] == "assessing":
        pair.home.ctl("divergence", "sign", "--by", "Ann")
    pair.dr.write("data", 0, b"z" * 4096)
    pair.dr.wait_following()
    pair.dr.drain()
    pair.home.stop()
    undos = pair.home.ctl("divergence", "list")["undo"]
    assert undos, "no resync overwrote anything"
    done = os.path.join(pair.home.plan, "undo", undos[0]["id"], "done")
    os.unlink(done)
    r = pair.home.ctl_result("divergence", "discard", undos[0]["id"], "--by", "me", "--yes")
    assert r.code == REFUSED and "not finished" in r.err, r
    assert not os.path.exists(os.path.join(pair.home.plan, "divergence.log"))
