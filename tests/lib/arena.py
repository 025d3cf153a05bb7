# SPDX-License-Identifier: Apache-2.0
"""A world with a real daemon for attacks on it: two governed addresses of each family, one for the
attack and one for its twin, and an oracle that counts what arrived for each."""
import errno
import re
import subprocess

from .daemon import Daemon
from .oracle import Oracle
from .policies import agent_policy
from .system import BUILD, ROOT, sh
from .world import FREE, FREE6, PROVIDERS, PROVIDERS6, World

ATTACK = BUILD / "tests/bypass/attack"
TWIN, TARGET, TWIN6, TARGET6 = PROVIDERS, "203.0.113.11", PROVIDERS6, "2001:db8:2::11"
OWN, OWN6 = "198.51.100.2", "2001:db8:1::2"
MARKER = "203.0.113.98"
SITE_PREFIX = "2001:db8:64::"


class Form:
    """One way to write an address: of the attack's target, of its twin's, of one that is not governed, and
    of this host's own."""

    def __init__(self, target, twin, free=FREE6, own=OWN6):
        self.target, self.twin, self.free, self.own = target, twin, free, own


FORMS = {
    "IPv4": Form(TARGET, TWIN, FREE, OWN),
    "IPv6": Form(TARGET6, TWIN6),
    "mapped": Form("::ffff:" + TARGET, "::ffff:" + TWIN, "::ffff:" + FREE, "::ffff:" + OWN),
    "NAT64": Form("64:ff9b::" + TARGET, "64:ff9b::" + TWIN),
    "NAT64 of the site": Form(SITE_PREFIX + TARGET, SITE_PREFIX + TWIN),
    "6to4": Form("2002:cb00:710b::1", "2002:cb00:710a::1"),
    "compatible": Form("::" + TARGET, "::" + TWIN),
}
BOTH = ("IPv4", "IPv6")
EMBEDDED = ("mapped", "NAT64", "NAT64 of the site", "6to4", "compatible")


def errno_names():
    """{reason: errno's name} as reasons.h gives them."""
    text = (ROOT / "headers/egret/reasons.h").read_text()
    return {name: errno.errorcode[int(number)]
            for name, number in re.findall(r"X\((\w+), \d+, (\d+),", text) if int(number)}


class Arena(World):
    """settings: of the daemon. Starts it; `start_daemon` False leaves that to start()."""

    def __init__(self, settings=None, start_daemon=True):
        super().__init__()
        self.settings = {"nat64": SITE_PREFIX + "/96", **(settings or {})}
        self.start_daemon = start_daemon
        self.daemon = self.oracle = None

    def __enter__(self):
        super().__enter__()
        try:
            self.daemon = Daemon(self, agent_policy(self), settings=self.settings)
            self.closers.append(self.end)
            self.oracle = Oracle(self, {"target": [TARGET, TARGET6], "twin": [TWIN, TWIN6]}, MARKER)
            self.closers.append(self.oracle.stop)
            if self.start_daemon:
                self.daemon.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def end(self):
        self.daemon.stop()
        self.daemon.nothing_left()

    def listen_args(self):
        return [a for at in (TWIN, TARGET, TWIN6, TARGET6) for a in ("--listen", at)]

    def wire(self):
        """A translator would take the embedded forms; here the far side owns them, and answers at once."""
        super().wire()
        for at in (MARKER + "/32", TARGET6 + "/128", *(f.twin + "/128" for n, f in FORMS.items() if n in EMBEDDED[1:])):
            sh("ip", "-n", self.net, "addr", "add", at, "dev", "n0", *(["nodad"] if ":" in at else []))
        sh("ip", "netns", "exec", self.host, "sysctl", "-qw", "net.ipv4.ping_group_range=0 65535",
           "net.ipv4.tcp_fastopen=5")  # data in the SYN without a cookie
        self.gateway = sh("ip", "netns", "exec", self.net, "cat", "/sys/class/net/n0/address").strip().replace(":", "")

    def start_attack(self, name, to, form, port=443, cgroup=None, uid=None, pod=None, move=None, prefix=()):
        """A process that prints what it saw: "ok" or an errno's name. pod: where it is, else on the host;
        move: the cgroup it goes to; prefix: a command that becomes the attack."""
        f, own, at, ns = FORMS[form], FORMS[form].own, ["h0", self.gateway], None
        if pod:
            own, at, ns = pod.address6 if ":" in own else pod.address, ["eth0", pod.gateway()], pod.path
            cgroup = cgroup or pod.cgroup
        argv = [*prefix, ATTACK, name, to, str(port), f.free, own, *at, *([move] if move else [])]
        return self.start(argv, cgroup, uid=uid, ns=ns, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_attack(self, name, to, form, port=443, **how):
        """The same to its end: what it saw."""
        proc = self.start_attack(name, to, form, port, **how)
        out, err = proc.communicate(timeout=60)
        assert proc.returncode == 0, f"{name}: could not be tried: {err}"
        return out.strip()

    def twin(self, name, form, port=443, **how):
        """The attack from outside: it must arrive, or the attack proves nothing."""
        before = self.oracle.read()["twin"]
        self.run_attack(name, FORMS[form].twin, form, port, cgroup=self.outside, **how)
        assert self.oracle.read()["twin"] > before, "the attack does not work at all"

    @property
    def pins(self):
        """Directory of the links' pins, in the mounts of this world."""
        return self.daemon.run_dir / "bpf/v1"

    def counts(self):
        """{"HOOK.REASON": n} of the hooks, both families of one under one name."""
        found = {}
        for row in self.daemon.egret("map", "dump", "eg_count"):
            if "reason" not in row:
                continue  # of all hooks together: answers read, events lost
            key = f"{row['hook'].rstrip('46')}.{row['reason']}"
            found[key] = found.get(key, 0) + row["count"]
        return found
