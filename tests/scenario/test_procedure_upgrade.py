# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Procedure: restart or upgrade godwitd, or lose it. The data plane and its clients do not notice."""
import pytest

from daemons import manual, wait_for  # noqa: F401


def stop_cleanly(site):
    site.stop()


def kill(site):
    site.kill()


@pytest.mark.parametrize("end", [stop_cleanly, kill], ids=["upgrade", "kill"])
def test_clients_go_on_without_the_daemon(manual, end):
    pair = manual.protected()
    before = [s.unit_pid() for s in pair.sites]
    for site in pair.sites:
        end(site)
    pair.plan.until_acknowledged("madrid", 50)  # no daemon lives
    for site in pair.sites:
        site.start()
    assert before == [s.unit_pid() for s in pair.sites]
    pair.until_phase("PROTECTED")
    pair.check_serves_at(pair.home)
    assert len(pair.plan.ledger.instances()) == 1  # the service never began anew
    pair.check_history()


def test_a_killed_data_plane_comes_back_by_itself(manual):
    """Source and replica are started again; the client connects anew, nothing acknowledged is lost."""
    pair = manual.protected()
    for site in (pair.home, pair.dr):
        old = site.kill_data_plane()
        wait_for("another process at " + site.name, lambda s=site: s.unit_pid() not in (0, old))
        pair.plan.until_acknowledged("madrid")
    pair.until_phase("PROTECTED")
    pair.check_serves_at(pair.home)
    pair.check_history()


def test_a_data_plane_killed_while_no_daemon_lives(manual):
    """It is found dead by the daemon that comes, and started again: once."""
    pair = manual.protected()
    pair.home.kill()
    pair.home.kill_data_plane()
    pair.home.start()
    wait_for("a process at madrid", pair.home.unit_pid)
    pair.plan.until_acknowledged("madrid")
    pair.until_phase("PROTECTED")
    pair.check_serves_at(pair.home)
