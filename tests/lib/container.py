# SPDX-License-Identifier: Apache-2.0
"""Real containers, made by runc or podman below a world's cgroup. Their root directory holds the
host's programs, read-only, so that any of them runs inside without an image."""
import json
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from .system import clean_env

# What Docker and podman grant by default, CAP_NET_RAW being Docker's.
CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",
                "CAP_SETGID", "CAP_SETUID", "CAP_SYS_CHROOT"]


def need(program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


def make_root(path):
    """A root directory without files; /usr is mounted into it."""
    for name in ("usr", "etc", "proc", "sys", "dev", "tmp", "run", "egret"):
        (path / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (path / name).symlink_to("usr/" + name)
    (path / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    return path


def remove_v1(name):
    """runc makes its cgroups in every hierarchy of version 1 too; those it was given it leaves."""
    for base in Path("/sys/fs/cgroup").glob(f"*/{name}"):
        if "unified" not in base.parts:
            for directory, _, _ in os.walk(base, topdown=False):
                os.rmdir(directory)


class Runc:
    """netns: path of a network namespace that is there; None: runc makes one, with loopback only."""

    def __init__(self, world, argv, cgroup="load", netns=None, capabilities=tuple(CAPABILITIES)):
        need("runc")
        self.world, self.id = world, uuid.uuid4().hex * 2
        self.dir = world.tmp / self.id[:12]
        self.state = self.dir / "state"
        self.cgroup_path = f"/{world.cgroup.name}/{cgroup}/{self.id}"
        make_root(self.dir / "rootfs")
        (self.dir / "config.json").write_text(json.dumps(self.config(argv, netns, list(capabilities))))
        world.closers.append(self.close)
        self.proc = subprocess.Popen(["runc", "--root", self.state, "run", "-b", self.dir, self.id],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     text=True, env=clean_env())

    def config(self, argv, netns, capabilities):
        network = {"type": "network", **({"path": str(netns)} if netns else {})}
        bind = {"type": "bind", "options": ["rbind", "ro"]}
        return {
            "ociVersion": "1.0.2", "root": {"path": "rootfs", "readonly": False}, "hostname": "box",
            "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": [str(a) for a in argv], "cwd": "/",
                        "env": [f"{k}={v}" for k, v in clean_env().items()], "noNewPrivileges": True,
                        "capabilities": {s: capabilities for s in ("bounding", "effective", "permitted")}},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                       {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
                       {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
                       {"destination": "/usr", "source": "/usr", **bind},
                       {"destination": "/egret", "source": str(self.world.tmp), **bind}],
            "linux": {"cgroupsPath": self.cgroup_path,
                      "namespaces": [{"type": t} for t in ("pid", "ipc", "uts", "mount")] + [network]}}

    def output(self, timeout=60):
        out, _ = self.proc.communicate("", timeout=timeout)
        assert self.proc.returncode == 0, out
        return out

    def close(self):
        if self.proc.poll() is None:
            subprocess.run(["runc", "--root", self.state, "kill", self.id, "KILL"], capture_output=True, check=False)
            self.proc.wait(30)
        self.proc.stdin.close()
        self.proc.stdout.close()
        subprocess.run(["runc", "--root", self.state, "delete", "-f", self.id], capture_output=True, check=False)
        remove_v1(self.world.cgroup.name)


class Podman:
    """podman in a world: its bridge and its mounts are made there. network: of podman's --network."""

    def __init__(self, world, argv, network="none", options=()):
        need("podman")
        self.world = world
        self.dir = world.tmp / f"p{uuid.uuid4().hex[:4]}"  # podman takes at most 50 bytes
        make_root(self.dir / "rootfs")
        self.base = ["podman", "--root", self.dir / "root", "--runroot", self.dir / "r", "--tmpdir", self.dir / "tmp",
                     "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--runtime", "runc",
                     "--events-backend", "none"]
        world.closers.append(self.close)
        self.proc = world.start(
            [*self.base, "run", "-i", "--ulimit", "nofile=1024:2048", "--ulimit", "nproc=1000:1000",
             f"--network={network}", "--cgroup-parent", f"/{world.cgroup.name}", "-v", "/usr:/usr:ro", "-v",
             f"{world.tmp}:/egret:ro", *options, "--rootfs", self.dir / "rootfs", *argv], world.outside,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def output(self, timeout=120):
        out, err = self.proc.communicate("", timeout=timeout)
        assert self.proc.returncode == 0, out + err
        return out

    def close(self):
        if self.proc.poll() is None:
            self.world.run_in(self.world.outside, [*self.base, "kill", "--all"])
            self.proc.wait(30)
        for pipe in (self.proc.stdin, self.proc.stdout, self.proc.stderr):
            pipe.close()
        self.world.run_in(self.world.outside, [*self.base, "rm", "-af", "-t", "0"])
        remove_v1(self.world.cgroup.name)
        remove_v1(self.world.outside.name)
