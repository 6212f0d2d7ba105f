# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
import os
import random
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))


@pytest.fixture
def sites():
    """make(volumes, ...) gives a Pair in a private directory; all of it ends with the test."""
    from sites import Pair
    made = []

    def make(volumes=None, **options):
        root = tempfile.mkdtemp(prefix="godwit-")
        made.append((root, Pair(root, volumes, **options)))
        return made[-1][1]

    yield make
    try:
        for _, pair in made:
            pair.close()
    finally:
        for root, _ in made:
            if "GODWIT_TEST_KEEP" not in os.environ:
                shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def rng(request):
    """Random, and the same at every run of the same test."""
    return random.Random(request.node.name)
