# SPDX-License-Identifier: Apache-2.0
"""Commands, cgroups and namespaces, as every test that runs processes needs them."""
import os
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("EGRET_BUILD", "build")  # build/san: the programs with sanitizers
SANITIZED = (BUILD / "egretd").exists() and b"__asan_init" in (BUILD / "egretd").read_bytes()
PYTHON = "/usr/bin/python3"


def sh(*args, **kw):
    """Runs a command that must succeed; its output."""
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, check=False, **kw)
    assert done.returncode == 0, f"{args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def clean_env(**more):
    """An environment that says nothing about proxies or trust: what a service starts with."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **more}


def cgroup2():
    """The cgroup2 mount, wherever this host has it."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] == "cgroup2":
            return Path(fields[1])
    return pytest.skip("no cgroup2 mount")


def members(cgroup):
    """Pids in a cgroup and below it."""
    return [int(p) for procs in cgroup.rglob("cgroup.procs") for p in procs.read_text().split()]


def link(path):
    """What a link in /proc says; None: the process, or what it had there, is gone."""
    try:
        return os.readlink(path)
    except (FileNotFoundError, ProcessLookupError):
        return None


NO_ITERATORS = "this kernel refuses BPF iterators"


def lacking(feature, why):
    """Ends a test that this host cannot run; EGRET_REQUIRE names what it should be able to."""
    assert feature not in os.environ.get("EGRET_REQUIRE", "").split(","), why
    pytest.skip(why)


def wait_for(condition, seconds=10, what="condition"):
    """For what no event tells: looks again until it holds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.01)


def remove_cgroup(path):
    """Ends everything in a cgroup subtree that this test made, and removes it."""
    if not path.exists():
        return
    (path / "cgroup.kill").write_text("1")
    wait_for(lambda: "populated 0" in (path / "cgroup.events").read_text(), what=f"end of {path}")
    for directory, _, _ in os.walk(path, topdown=False):
        os.rmdir(directory)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
