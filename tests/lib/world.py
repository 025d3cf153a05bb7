# SPDX-License-Identifier: Apache-2.0
"""A world for one test: a host and an internet, in namespaces and a cgroup subtree of their own.

  `host` namespace: egretd and workloads   --veth--   `net` namespace: the simulator and its DNS
  198.51.100.2, 2001:db8:1::2                         providers at 203.0.113.10 and 2001:db8:2::10,
                                                      free.example at 203.0.113.99 and 2001:db8:2::99
The cgroup subtree stands for the root. Nothing here touches what lies outside of it.
"""
import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from .counter import Counter
from .simulator import Simulator
from .system import PYTHON, cgroup2, clean_env, remove_cgroup, sh

PROVIDERS, PROVIDERS6 = "203.0.113.10", "2001:db8:2::10"
FREE, FREE6 = "203.0.113.99", "2001:db8:2::99"
DNS = "203.0.113.53"
KEYS = {"openai": "sk-proj-EgretTestsRealOpenAIKey0123456789abcd",
        "anthropic": "sk-ant-api03-EgretTestsRealAnthropicKey0123456789abcd"}


class World:
    def __init__(self, keys=None):
        self.tag = uuid.uuid4().hex[:6]
        self.tmp = Path(tempfile.mkdtemp(prefix=f"egret-test-{self.tag}-"))
        self.tmp.chmod(0o755)  # workloads that are not root read the CA below it
        self.keys = dict(KEYS if keys is None else keys)
        self.host, self.net = f"egret-{self.tag}-host", f"egret-{self.tag}-net"
        self.cgroup = cgroup2() / f"egret-test-{self.tag}"
        self.daemon_cgroup, self.load = self.cgroup / "daemon", self.cgroup / "load"
        self.outside = cgroup2() / f"egret-test-{self.tag}-out"  # not enforced: for comparison
        self.holder = self.sim = self.counter = None
        self.closers = []

    def __enter__(self):
        try:
            for path in (self.cgroup, self.daemon_cgroup, self.load, self.outside):
                path.mkdir()
            for ns in (self.host, self.net):
                sh("ip", "netns", "add", ns)
            self.wire()
            self.hold()
            self.counter = Counter(self.net, (PROVIDERS, PROVIDERS6), FREE)
            self.sim = Simulator(self.tmp / "sim", self.simulator_args(), ["ip", "netns", "exec", self.net])
        except BaseException:
            self.__exit__()
            raise
        return self

    def wire(self):
        sh("ip", "link", "add", "h0", "netns", self.host, "type", "veth", "peer", "name", "n0",
           "netns", self.net)
        addresses = {self.host: ("h0", ["198.51.100.2/24", "2001:db8:1::2/64"]),
                     self.net: ("n0", ["198.51.100.1/24", "2001:db8:1::1/64", PROVIDERS + "/32", FREE + "/32",
                                       "203.0.113.11/32", DNS + "/32", PROVIDERS6 + "/128", FREE6 + "/128"])}
        for ns, (device, owned) in addresses.items():
            sh("ip", "-n", ns, "link", "set", "lo", "up")
            for address in owned:
                extra = ["nodad"] if ":" in address else []
                sh("ip", "-n", ns, "addr", "add", address, "dev", device, *extra)
            sh("ip", "-n", ns, "link", "set", device, "up")
        sh("ip", "-n", self.host, "route", "add", "default", "via", "198.51.100.1")
        sh("ip", "-n", self.host, "-6", "route", "add", "default", "via", "2001:db8:1::1")

    def hold(self):
        """A mount namespace whose resolv.conf names the simulator; the daemon's mounts end with it."""
        resolv = self.tmp / "resolv.conf"
        resolv.write_text(f"nameserver {DNS}\noptions timeout:2 attempts:2\n")
        script = f"mount --bind {resolv} /etc/resolv.conf && echo ready && exec cat"
        self.holder = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.host}", "unshare", "--mount", "--propagation", "private",
             "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "ready\n"

    def simulator_args(self):
        args = [*self.listen_args(), "--dns", DNS,
                "--name", f"free.example@{FREE},{FREE6}", "--name", "beside.example",
                "--name", "api.openai.com=openai", "--name", "api.anthropic.com=anthropic"]
        for provider, key in self.keys.items():
            args += ["--key", f"{provider}={key}"]
        return args

    def listen_args(self):
        return ["--listen", PROVIDERS, "--listen", PROVIDERS6]

    def inside(self, argv, cgroup=None, uid=None, ns=None):
        """argv, to be run on the host of this world (or in another network namespace), in a cgroup, as a user. Into
        the cgroup last: what egretd finds there is in no namespace of this machine."""
        drop = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", f"--net={ns or '/run/netns/' + self.host}",
                "sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(cgroup or self.load),
                *drop, *[str(a) for a in argv]]

    def group(self, path):
        """A cgroup below the one that stands for the root; made when it is not there."""
        cgroup = self.cgroup / path
        cgroup.mkdir(parents=True, exist_ok=True)
        return cgroup

    def start(self, argv, cgroup=None, env=None, uid=None, ns=None, **kw):
        return subprocess.Popen(self.inside(argv, cgroup, uid, ns), env=clean_env(**(env or {})), **kw)

    def run_in(self, cgroup, argv, env=None, uid=None, timeout=60, stdin=None, ns=None):
        """Runs a process to its end in a cgroup; CompletedProcess with text output."""
        return subprocess.run(self.inside(argv, cgroup, uid, ns), env=clean_env(**(env or {})), input=stdin,
                              capture_output=True, text=True, timeout=timeout, check=False)

    def python(self, code, cgroup=None, env=None, uid=None, timeout=60, ns=None):
        """Runs Python code as a workload; its standard output."""
        done = self.run_in(cgroup or self.load, [PYTHON, "-c", code], env, uid, timeout, ns=ns)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def __exit__(self, *_):
        for close in reversed(self.closers):
            close()
        for thing in (self.sim, self.counter):
            if thing:
                thing.stop()
        if self.holder:
            self.holder.stdin.close()
            self.holder.wait(10)
            self.holder.stdout.close()
        remove_cgroup(self.cgroup)
        remove_cgroup(self.outside)
        for ns in (self.host, self.net):
            subprocess.run(["ip", "netns", "del", ns], capture_output=True, check=False)
        shutil.rmtree(self.tmp)
        assert not self.cgroup.exists() and not os.path.exists(f"/run/netns/{self.host}")
