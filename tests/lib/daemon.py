# SPDX-License-Identifier: Apache-2.0
"""egretd and egret as a test sees them."""
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from .system import BUILD, PYTHON, alive, members, wait_for

PASS = """
import fcntl, os, sys
names, fds = sys.argv[1], []
rest = sys.argv[2:]
while rest[0].isdigit(): fds.append(fcntl.fcntl(int(rest.pop(0)), fcntl.F_DUPFD, 200))
os.closerange(3, 200)
for i, fd in enumerate(fds): os.dup2(fd, 3 + i); os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(rest[0], rest)
"""
EGRETD, EGRET = BUILD / "egretd", BUILD / "egret"
START_SECONDS = 30


class CommandFailed(Exception):
    """egret said no: .error is its JSON error object."""

    def __init__(self, error, code):
        super().__init__(f"exit {code}: {error}")
        self.error, self.code = error, code


class Daemon:
    """egretd in a world. settings are --set overrides; policy is a dict, or None for the embedded one."""

    def __init__(self, world, policy=None, settings=None, credentials=None, prefix=()):
        self.world = world
        self.run_dir, self.state_dir = world.tmp / "run", world.tmp / "state"
        self.credentials_dir = world.tmp / "credentials"
        self.log_file = world.tmp / "egretd.log"
        self.policy_file = world.tmp / "policy.json"
        self.proc, self.prefix, self.mark = None, list(prefix), 0
        # (name, fd): what it gave to the service manager, if that keeps it, and is to get from it.
        self.keeps, self.stored, self.passed = False, [], []
        self.blamed = False  # for a crash that the test made itself
        self.credentials_dir.mkdir(mode=0o700, exist_ok=True)
        for name, key in (world.keys if credentials is None else credentials).items():
            self.put_credential(name, key)
        if policy is not None:
            self.write_policy(policy)
        self.settings = {
            "cgroup": str(world.cgroup), "run_dir": str(self.run_dir), "state_dir": str(self.state_dir),
            "policy": str(self.policy_file), "credentials_dir": str(self.credentials_dir),
            "upstream.trust": [str(world.sim.ca)], "upstream.system_trust": False,
            "upstream.allow": ["203.0.113.0/24", "2001:db8:2::/64"], "workers": 1,
            **(settings or {})}

    def put_credential(self, name, key, mode=0o600):
        path = self.credentials_dir / name
        path.unlink(missing_ok=True)
        path.write_text(key + "\n")
        path.chmod(mode)

    def write_policy(self, policy):
        text = policy if isinstance(policy, str) else json.dumps(policy, indent=1)
        fresh = self.policy_file.with_suffix(".new")
        fresh.write_text(text)
        fresh.chmod(0o600)
        fresh.rename(self.policy_file)

    def argv(self, *more):
        sets = [a for k, v in self.settings.items() for a in ("--set", f"{k}={json.dumps(v)}")]
        return [*self.prefix, *self.passing(), str(EGRETD), *sets, *more]

    def passing(self):
        """As systemd passes descriptors: from 3 on, named in the environment of the process itself."""
        if not self.passed:
            return []
        names = ":".join(name for name, _ in self.passed)
        return [PYTHON, "-c", PASS, names, *[str(fd) for _, fd in self.passed]]

    def start(self):
        """Starts it and waits until it says READY=1 (sd_notify)."""
        notify_path = self.world.tmp / "notify.sock"
        notify_path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(notify_path))
            notify.settimeout(0.2)
            with open(self.log_file, "ab") as log:
                self.proc = self.world.start(self.argv(), self.world.daemon_cgroup, stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log, env={"NOTIFY_SOCKET": str(notify_path)},
                                             pass_fds=[fd for _, fd in self.passed])
            self.await_ready(notify)
        notify_path.unlink()
        return self

    def await_ready(self, notify):
        for _ in range(int(START_SECONDS / 0.2)):
            try:
                text, fds, _, _ = socket.recv_fds(notify, 4096, 1)
                lines = text.decode().split("\n")
                self.store(lines, fds)
                if "READY=1" in lines:
                    return
            except TimeoutError:
                assert self.proc.poll() is None, "egretd ended before it was ready:\n" + self.log()
        raise AssertionError("egretd is not ready:\n" + self.log())

    def store(self, lines, fds):
        if "FDSTOREREMOVE=1" in lines:
            name = lines[1].removeprefix("FDNAME=")
            for _, fd in [s for s in self.stored if s[0] == name]:
                os.close(fd)
            self.stored = [s for s in self.stored if s[0] != name]
        for fd in fds:
            if self.keeps and lines[0] == "FDSTORE=1":
                self.stored.append((lines[1].removeprefix("FDNAME="), fd))
            else:
                os.close(fd)

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def egret(self, *args, uid=None, cgroup=None, timeout=60, stdin=None):
        """egret -j ARGS: rows as a list, or the object; raises CommandFailed."""
        done = self.run_egret("-j", *args, uid=uid, cgroup=cgroup, timeout=timeout, stdin=stdin)
        try:
            answer = json.loads(done.stdout) if done.stdout.strip() else None
        except ValueError:
            raise AssertionError(f"egret {args} printed no JSON: {done.stdout!r} {done.stderr!r}") from None
        if done.returncode:
            error = answer.get("error", answer) if isinstance(answer, dict) else done.stderr
            raise CommandFailed(error, done.returncode)
        return answer

    def run_egret(self, *args, uid=None, cgroup=None, timeout=60, stdin=None, env=None):
        """egret ARGS as it is: CompletedProcess."""
        return self.world.run_in(cgroup or self.world.daemon_cgroup,
                                 [EGRET, "--run-dir", self.run_dir, *args], env=env, uid=uid, timeout=timeout,
                                 stdin=stdin)

    def as_workload(self, name, argv, uid=None, env=None, cgroup=None, timeout=60, stdin=None):
        """egret run --workload NAME -- ARGV: as a person runs an unmodified program."""
        return self.run_egret("run", "--workload", name, "--", *argv, uid=uid, env=env, cgroup=cgroup, timeout=timeout,
                              stdin=stdin)

    @property
    def ca(self):
        return self.run_dir / "ca.pem"

    def records(self, *filters):
        """Audit records, oldest first."""
        return self.egret("audit", "list", *filters)

    def mark_now(self):
        """From here on, record() and event() see only what comes after."""
        self.mark = time.time_ns() // 1000

    def fresh(self, count=1, *filters):
        """Records since the mark, once there are that many: the recorder commits in groups."""
        def found():
            rows = [r for r in self.records(*filters) if r["time_us"] >= self.mark]
            return len(rows) >= count and rows

        return wait_for(found, what=f"{count} audit records {filters}")

    def record(self, *filters):
        """The newest record since the mark."""
        return self.fresh(1, *filters)[-1]

    def event(self, reason):
        """The newest event of a reason since the mark."""
        def found():
            return [e for e in self.egret("event", "list", "--reason", reason) if e["time_us"] >= self.mark]

        return wait_for(found, what=f"event {reason}")[-1]

    def children(self, role=None):
        """Pids of the child processes, by role as `egret status` says."""
        rows = self.egret("status")["processes"]
        return [r["pid"] for r in rows if role in (None, r["role"]) and r["state"] == "ready"]

    def kill(self):
        """SIGKILL to the monitor alone; its children end because it is gone."""
        self.proc.send_signal(signal.SIGKILL)
        self.proc.wait(10)
        wait_for(lambda: not members(self.world.daemon_cgroup), what="end of egretd's children")

    def stop(self, release=True):
        """An orderly end; returns egretd's exit status."""
        if self.proc is None or self.proc.poll() is not None:
            return self.proc.returncode if self.proc else None
        if release:
            self.run_egret("daemon", "stop", "--release")
        if self.proc.poll() is None:
            self.proc.terminate()
        try:
            return self.proc.wait(20)
        except subprocess.TimeoutExpired:
            os.kill(self.proc.pid, signal.SIGKILL)
            self.proc.wait()
            raise AssertionError("egretd does not end on SIGTERM:\n" + self.log()) from None

    def close(self):
        self.stop()
        self.nothing_left()

    def fds(self, pid):
        return len(os.listdir(f"/proc/{pid}/fd"))

    def nothing_left(self):
        """After a stop: no process of it, whatever it logged was sane."""
        wait_for(lambda: not [p for p in members(self.world.daemon_cgroup) if alive(p)], what="end of egretd's children")
        for bad in (*(() if self.blamed else ("AddressSanitizer",)), "runtime error:", "LeakSanitizer"):
            assert bad not in self.log(), self.log()
        assert not re.search(r"\b(assert|abort)", self.log()), self.log()


