# SPDX-License-Identifier: Apache-2.0
"""The provider catalogue as tests walk it: every request that may be made."""
import json
import re
import sys

from .system import ROOT

sys.path.append(str(ROOT / "tools/simulator"))
from providersim.catalogue import without_comments  # noqa: E402


def providers():
    return json.loads(without_comments((ROOT / "policy/providers.json").read_text()))["providers"]


def requests(provider):
    """[(operation, method, path, body kind)], with "x" for every part of a path that is a name."""
    found = []
    for operation in providers()[provider]["operations"]:
        for request in operation["requests"]:
            method, path = request.split(" ")
            found.append((operation["name"], method, re.sub(r"\{[^}]*\}", "x", path), operation.get("body", "none")))
    return found
