# SPDX-License-Identifier: Apache-2.0
"""The table of bypasses: what each test of tests/bypass found, printed at the end of a run and kept as
build/bypass.md. Tests run in many processes; what they found comes home with their reports."""
import re

from .system import BUILD

COLUMNS = ("row", "bypass", "family", "caller saw", "stopped by", "arrived", "twin arrived")
HEAD = """Each row: a way around egret, tried by a process in an enforced cgroup, and what came of it. `row` is of the list
of known bypasses that the tests follow ("+": not in that list). `arrived` counts packets for the governed address at
the far side of the wire. The twin is the same attempt outside of the enforced cgroups: it shows that the way works.
"""


class Found:
    """What one test puts into the table."""

    def __init__(self, node):
        self.node = node

    def __call__(self, row, bypass, family, saw, stopped, arrived=0, twin="yes"):
        self.node.user_properties.append(("bypass", [row, bypass, family, saw, stopped, str(arrived), twin]))


def order(cells):
    number = re.match(r"(\d*)(.*)", cells[0])
    return int(number[1] or 999), number[2], cells[1], cells[2]


def lines(rows):
    rows = [list(COLUMNS), *rows]
    width = [max(len(r[i]) for r in rows) for i in range(len(COLUMNS))]
    out = ["| " + " | ".join(c.ljust(w) for c, w in zip(r, width)) + " |" for r in rows]
    return [out[0], "|" + "|".join("-" * (w + 2) for w in width) + "|", *out[1:]]


def pytest_terminal_summary(terminalreporter):
    reports = [r for outcome in ("passed", "failed") for r in terminalreporter.stats.get(outcome, [])]
    rows = sorted((v for r in reports if r.when == "call" for k, v in r.user_properties if k == "bypass"), key=order)
    if not rows:
        return
    leaked = sum(int(r[5]) for r in rows)
    end = f"{len(rows)} attempts, {leaked} leaked packets"
    terminalreporter.section("bypasses")
    for line in [*lines(rows), "", end]:
        terminalreporter.write_line(line)
    (BUILD / "bypass.md").write_text("\n".join(["# Bypasses", "", HEAD, *lines(rows), "", end, ""]))
