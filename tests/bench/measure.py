# SPDX-License-Identifier: Apache-2.0
"""What a proxy costs, from the kernel's own accounts."""
import ctypes
import os
import platform
from contextlib import contextmanager
from pathlib import Path

from lib.system import sh

BPF_ENABLE_STATS, BPF_STATS_RUN_TIME = 32, 0
BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}


def cpu_us(cgroup):
    """CPU time of every process that ever ran in a cgroup, in µs."""
    for line in (cgroup / "cpu.stat").read_text().splitlines():
        name, value = line.split()
        if name == "usage_usec":
            return int(value)
    raise RuntimeError(f"{cgroup}/cpu.stat has no usage_usec")


class Cpu:
    """with Cpu(cgroup) as c: ...; c.us is what the cgroup used meanwhile."""

    def __init__(self, cgroup):
        self.cgroup = cgroup
        self.us = 0

    def __enter__(self):
        self.begun = cpu_us(self.cgroup)
        return self

    def __exit__(self, *_):
        self.us = cpu_us(self.cgroup) - self.begun


def memory_kib(pids):
    """(resident, proportional) memory of processes, shared pages counted once in the second."""
    rss = pss = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                rss += int(line.split()[1])
            elif line.startswith("Pss:"):
                pss += int(line.split()[1])
    return rss, pss


@contextmanager
def bpf_stats():
    """Run times of BPF programs are counted while this lasts; the kernel stops by itself after."""
    libc = ctypes.CDLL(None, use_errno=True)
    attr = ctypes.create_string_buffer(128)
    attr[0] = BPF_STATS_RUN_TIME
    fd = libc.syscall(BPF_SYSCALL[platform.machine()], BPF_ENABLE_STATS, attr, 128)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "bpf(BPF_ENABLE_STATS)")
    try:
        yield
    finally:
        os.close(fd)


def pinned(core, argv):
    """argv on one core, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[core % len(cores)]), *[str(a) for a in argv]]


def plain_tcp(ns):
    """Reno, which without loss is what Debian's cubic is; BBR, where the host has it, paces by what it guesses."""
    sh("ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno")
