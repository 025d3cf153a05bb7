# SPDX-License-Identifier: Apache-2.0
"""What egretd's processes hold."""
from pathlib import Path

from .system import SANITIZED, wait_for

SPARE_FDS = 8  # pooled connections, prefetched sockets
STORE_KIB = 17 * 1024  # SQLite's cache of pages, which fills with what is written


def kib(pid):
    """Memory of a process's own: not what it maps of files, such as the slab of records, touched bit by bit."""
    return next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                if line.startswith("RssAnon:"))


class Bounds:
    """What they hold now, and how much more they may hold later; none may be replaced meanwhile."""

    def __init__(self, daemon, more_kib):
        self.daemon, self.more_kib = daemon, more_kib
        self.pids = [daemon.proc.pid, *daemon.children()]
        self.before = [(kib(p), daemon.fds(p)) for p in self.pids]

    def check(self):
        assert [self.daemon.proc.pid, *self.daemon.children()] == self.pids, "a process was replaced"
        for pid, (memory, fds) in zip(self.pids, self.before):
            wait_for(lambda p=pid, n=fds: self.daemon.fds(p) <= n + SPARE_FDS, 30, "descriptors to be closed")
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            more = self.more_kib + (STORE_KIB if name == "egretd-recorder" else 0)
            # A sanitizer keeps what was freed; it says itself what was not.
            assert SANITIZED or kib(pid) - memory < more, (name, memory, kib(pid))
