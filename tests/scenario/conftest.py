# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Fixtures of the scenario tests (the library: tests/lib/godwit.py)."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

import godwit  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the processes said."""
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        for used in getattr(item, "funcargs", {}).values():
            if hasattr(used, "logs"):
                report.sections.append(("logs of the processes", used.logs()))


@pytest.fixture
def world():
    w = godwit.World()
    yield w
    w.close()
