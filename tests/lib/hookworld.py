# SPDX-License-Identifier: Apache-2.0
"""The hooks without the daemon: tests/lib/hooks.c in network namespaces and cgroups made for a test.

`work` (workload and monitor) --veth-- `far` (the internet: 203.0.113.10 and 2001:db8:1::10 are
governed, .99 and ::99 are not). What proves that nothing leaked is a packet counter in `far`.
"""
import json
import os
import select
import signal
import subprocess
import sys
import textwrap
import uuid

from .system import BUILD, cgroup2, sh

HOOKS = BUILD / "tests/lib/hooks"
OWNER = "65123"  # of the bpffs: any uid that nobody uses
CATALOGUE, RESOLVED = 1, 2
GOVERNED, GOVERNED6, FREE, FREE6 = "203.0.113.10", "2001:db8:1::10", "203.0.113.99", "2001:db8:1::99"


def kill_group(path):
    """Ends what is left in a cgroup that this test made, and waits until it is empty."""
    while True:
        pids = [int(p) for p in (path / "cgroup.procs").read_text().split()]
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitid(os.P_PID, pid, os.WEXITED)
            except (ProcessLookupError, ChildProcessError):
                pass


class Driver:
    """One process of tests/lib/hooks.c inside the attached cgroup: monitor and worker in one."""

    def __init__(self, world, mount=False):
        argv = [str(HOOKS), str(world.cgroup), str(world.pins)] + ([OWNER] if mount else [])
        self.proc = subprocess.Popen(world.inside(argv, world.cgroup), stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True, bufsize=1)
        self.hello = json.loads(self.proc.stdout.readline())
        self.announced = []  # seen by events()

    def do(self, line):
        self.send(line)
        return self.answer()

    def send(self, line):
        self.proc.stdin.write(line + "\n")
        self.proc.stdin.flush()

    def answer(self):
        ready, _, _ = select.select([self.proc.stdout], [], [], 20)
        assert ready, "the driver does not answer"
        return json.loads(self.proc.stdout.readline())

    def ok(self, line):
        answer = self.do(line)
        assert answer["r"] == 0, (line, answer)
        return answer

    def govern(self, addr, bits=128, source=CATALOGUE):
        self.ok(f"endpoint {'::ffff:' + addr if ':' not in addr else addr} {bits} {source}")

    def counts(self):
        return self.ok("counts")

    def events(self):
        answer = self.do("events")
        assert answer["r"] == len(answer["events"]), answer
        # Of the first sockets in a namespace without a listener: no refusals.
        new = [e for e in answer["events"] if (e["hook"], e["reason"]) == ("sock_create", "allowed")]
        self.announced += new
        return [e for e in answer["events"] if e not in new]

    def close(self):
        if self.proc.poll() is None:
            self.proc.stdin.close()
            assert self.proc.wait(20) == 0

    def kill(self):
        self.proc.kill()
        self.proc.wait()


class HookWorld:
    def __init__(self, tmp):
        tag = uuid.uuid4().hex[:6]
        self.cgroup = cgroup2() / f"egret-test-{tag}"
        self.load = self.cgroup / "load"
        self.outside = cgroup2() / f"egret-test-{tag}-out"
        self.work, self.far, self.other = (f"egret-{tag}-{n}" for n in ("work", "far", "other"))
        self.pins = tmp / "bpf"
        self.drivers = []
        self.counter = None

    def __enter__(self):
        try:
            for path in (self.cgroup, self.load, self.outside):
                path.mkdir()
            for ns in (self.work, self.far, self.other):
                sh("ip", "netns", "add", ns)
            self.wire()
            self.count_far()
            driver = Driver(self, mount=True)
            self.drivers.append(driver)
            assert driver.hello["r"] == 0, driver.hello
        except BaseException:
            self.__exit__()
            raise
        return self

    def wire(self):
        sh("ip", "link", "add", "w0", "netns", self.work, "type", "veth", "peer", "name", "p0",
           "netns", self.far)
        for ns in (self.work, self.far):
            sh("ip", "-n", ns, "link", "set", "lo", "up")
        for ns, dev, v4, v6 in ((self.work, "w0", ["192.0.2.2/24"], ["2001:db8:1::2/64"]),
                                (self.far, "p0", ["192.0.2.1/24", GOVERNED + "/32", FREE + "/32"],
                                 [GOVERNED6 + "/64", FREE6 + "/64", "2001:db8:1::1/64"])):
            for a in v4:
                sh("ip", "-n", ns, "addr", "add", a, "dev", dev)
            for a in v6:
                sh("ip", "-n", ns, "addr", "add", a, "dev", dev, "nodad")
            sh("ip", "-n", ns, "link", "set", dev, "up")
        sh("ip", "-n", self.work, "route", "add", "default", "via", "192.0.2.1")
        sh("ip", "netns", "exec", self.work, "sysctl", "-qw", "net.ipv4.ping_group_range=0 65535")

    def count_far(self):
        """Counts packets to governed addresses as they arrive at the far side of the wire."""
        code = f"""
        import socket, sys
        s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        s.bind(("p0", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("{FREE}", 9))
        tcp = socket.create_server(("{FREE}", 443))
        leaks = []
        print("ready", flush=True)
        while True:
            p, a = s.recvfrom(65535)
            if a[2] == 4:
                continue
            if a[1] == 0x0800:
                dst, proto = socket.inet_ntop(socket.AF_INET, p[16:20]), p[9]
            elif a[1] == 0x86dd and p[6] != 58:
                dst, proto = socket.inet_ntop(socket.AF_INET6, p[24:40]), p[6]
            else:
                continue
            if dst in ("{GOVERNED}", "{GOVERNED6}"):
                leaks.append((dst, proto))
            if dst == "{FREE}" and p[-6:] == b"marker":
                print(leaks, flush=True)
        """
        self.counter = subprocess.Popen(
            ["ip", "netns", "exec", self.far, sys.executable, "-c", textwrap.dedent(code)],
            stdout=subprocess.PIPE, text=True)
        assert self.counter.stdout.readline() == "ready\n"

    def inside(self, argv, cgroup, ns=None):
        """argv, started in a cgroup and a network namespace."""
        return ["nsenter", f"--net=/run/netns/{ns or self.work}", "sh", "-c",
                'echo $$ >"$0/cgroup.procs" && exec "$@"', str(cgroup)] + argv

    def leaks(self):
        """A marker to an address that is not governed comes after all that was sent before."""
        self.client(f"""
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.sendto(b"marker", ("{FREE}", 9))""")
        ready, _, _ = select.select([self.counter.stdout], [], [], 10)
        assert ready, "the marker never arrived: ungoverned traffic is broken"
        return eval(self.counter.stdout.readline())

    def start(self, code, cgroup=None, ns=None, uid=None):
        head = "import socket, os, sys, struct, json, errno\n"
        drop = f"os.setgid({uid}); os.setuid({uid})\n" if uid else ""
        argv = [sys.executable, "-c", head + drop + textwrap.dedent(code)]
        return subprocess.Popen(self.inside(argv, cgroup or self.load, ns), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)

    def client(self, code, **kw):
        out, _ = self.start(code, **kw).communicate(timeout=30)
        return out.strip()

    def attempt(self, family, kind, proto, addr, port, send=None, **kw):
        """Connects; then sends if asked to. Prints the errno, 0 for success."""
        act = f's.connect(("{addr}", {port}))' if send is None else send
        return int(self.client(f"""
            try:
                s = socket.socket({family}, {kind}, {proto})
                s.settimeout(5)
                {act}
                print(0)
            except OSError as e:
                print(e.errno or -1)""", **kw))

    def tcp(self, addr, port=443, **kw):
        return self.attempt(10 if ":" in addr else 2, 1, 6, addr, port, **kw)

    def driver(self):
        driver = Driver(self)
        self.drivers.append(driver)
        return driver

    def __exit__(self, *_):
        for driver in self.drivers:
            driver.kill()
        if self.counter:
            self.counter.kill()
            self.counter.wait()
        subprocess.run(["umount", str(self.pins)], capture_output=True, check=False)
        for path in (self.load, self.cgroup, self.outside):
            if path.exists():
                kill_group(path)
                for child in path.iterdir():
                    if child.is_dir():
                        kill_group(child)
                        child.rmdir()
                path.rmdir()
        for ns in (self.work, self.far, self.other):
            subprocess.run(["ip", "netns", "del", ns], capture_output=True, check=False)

    def enforce(self):
        """As after a start: endpoints, hooks, listeners."""
        self.d = self.drivers[0]
        self.d.govern(GOVERNED)
        self.d.govern(GOVERNED6)
        self.d.ok("attach")
        self.d.ok("listen 2 1")
        self.d.ok("listen 10 1")
        return self


def redirected(world, family, addr, port=443, setup="", **kw):
    """Connects as a client; returns what the worker saw and what the client saw."""
    p = world.start(f"""
        s = socket.socket({family})
        {setup}
        s.connect(("{addr}", {port}))
        assert s.recv(1) == b"E"
        exe = os.stat("/proc/self/exe")
        start = open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19]
        print(json.dumps(dict(pid=os.getpid(), uid=os.getuid(), peer=s.getpeername(), ino=exe.st_ino,
            dev=exe.st_dev, ticks=int(start), netns=struct.unpack("Q", s.getsockopt(1, 71, 8))[0])))
        """, **kw)
    saw = world.d.do("accept")
    out, _ = p.communicate(timeout=30)
    assert saw["r"] == 0, saw
    return saw["flow"], json.loads(out)
