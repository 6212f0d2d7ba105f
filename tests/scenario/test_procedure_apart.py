# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: the line between the sites goes during a failback, and comes back."""
import json
import threading

import pytest
from daemons import manual  # noqa: F401

BACK = ("CANCELLED", "REVERTED", "FAILED")


def ended_alone(pair):
    """A failback loses its link after the final sync and is cancelled at dr; the link returns. The run."""
    gate = pair.dr.trial("final_sync.after_effect", "wait")
    run = pair.dr.begin("failback", "shop")
    gate.wait_reached()
    pair.cut()
    asked = threading.Thread(target=lambda: pair.dr.godwit("run", "cancel", run, code=None))
    asked.start()
    pair.dr.until("the request is there", lambda _: any(
        e["action"] == "cancel" for e in pair.dr.get("audit?action=cancel")["audit"]))
    gate.open()
    asked.join()
    pair.dr.until_run(run, *BACK)
    assert pair.home.run(run)["state"] not in BACK
    return run


@pytest.mark.parametrize("restarted", [False, True])
def test_an_end_is_told_when_the_link_returns(manual, restarted):
    """No other run has to come for it; that its daemon began anew meanwhile does not matter."""
    pair = manual.swapped(proxies=True)
    run = ended_alone(pair)
    if restarted:
        pair.dr.restart()
    pair.restore()
    pair.home.until_run(run, *BACK)
    pair.until_phase("READY_TO_FAIL_BACK")
    again = pair.dr.begin("failback", "shop")
    pair.dr.until_run(again)
    assert pair.dr.run(again)["state"] == "DONE", json.dumps(pair.dr.log(again)[-2:])
    pair.until_phase("PROTECTED")
    pair.check_history()
