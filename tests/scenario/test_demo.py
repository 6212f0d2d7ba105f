# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""`godwit demo` that is interrupted: it leaves neither files nor processes behind. (That the story
itself holds, it checks itself: demo_site and demo_site_sync in meson.build.)"""
import glob
import json
import os
import signal
import subprocess

import pytest
from godwit import BUILD

GODWIT = os.path.join(BUILD, "src/cli/godwit")
DEADLINE_S = 120


def of(directory):
    """Processes whose command line or working directory is in the demo's directory."""
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            with open(path + "/cmdline", "rb") as f:
                words = f.read()
            if directory.encode() in words or os.readlink(path + "/cwd").startswith(directory):
                found.append((path, words))
        except OSError:
            pass # it ended meanwhile
    return found


@pytest.mark.parametrize("scene, which", [("1. Protect", signal.SIGTERM),
                                          ("3. Failover", signal.SIGINT),
                                          ("6. Failback", signal.SIGINT)])
def test_an_interrupted_demo_leaves_nothing(tmp_path, scene, which):
    stage = str(tmp_path / "stage")
    os.mkdir(stage)
    p = subprocess.Popen([GODWIT, "demo", "--fast", "--json", "--dir", stage],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        seen = []
        for line in p.stderr:
            seen.append(line)
            if scene == "1. Protect" and "plan activate" in line or \
                    scene != "1. Protect" and line.startswith(scene):
                break
        else:
            pytest.fail("never came to %s:\n%s" % (scene, "".join(seen)))
        assert len(of(stage)) >= 2 # two godwitd at least
        p.send_signal(which)
        out, err = p.communicate(timeout=DEADLINE_S)
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()
    assert p.returncode == 130, err
    assert json.loads(out)["error"].endswith("interrupted")
    assert os.listdir(stage) == []
    assert of(stage) == []
