# SPDX-License-Identifier: Apache-2.0
"""Fixtures of every test that runs processes. See tests/lib."""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from lib.world import World  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "heavy: big clients or long runs; not part of `make test` (run: -m heavy)")


def pytest_collection_modifyitems(config, items):
    """A required feature that is missing fails: EGRET_REQUIRE=root makes the skip below an error."""
    if os.geteuid() == 0:
        return
    assert "root" not in os.environ.get("EGRET_REQUIRE", ""), "these tests need root"
    for item in items:
        item.add_marker(pytest.mark.skip(reason="namespaces, cgroups and BPF need root"))


@pytest.fixture
def world():
    with World() as w:
        yield w
