# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the bypass tests. See lib.arena and lib.table."""
import pytest

from lib.arena import Arena
from lib.table import Found


@pytest.fixture(scope="module")
def arena():
    """One daemon for the attacks of a module. Whatever they did, nothing may have arrived at its end."""
    with Arena() as a:
        yield a
        assert a.oracle.read()["target"] == 0


@pytest.fixture
def found(request):
    """Puts what a test found into the table."""
    return Found(request.node)
