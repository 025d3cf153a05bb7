# SPDX-License-Identifier: Apache-2.0
"""Resolvers that workloads have of their own: named in a resolv.conf of their own mount namespace, at an
address in their own network namespace, as container engines set them up. What these say is redirected,
there and nowhere else; and the file is whatever the workload makes of it."""
import json
import os
import shlex
import signal
import subprocess
import textwrap

import pytest

from lib.daemon import Daemon
from lib.dns import a, message
from lib.pod import Pod
from lib.policies import agent_policy
from lib.system import PYTHON, wait_for
from lib.world import FREE

NEW = "203.0.113.77"  # nobody listens there, and no resolver of the host names it
BRIDGE, DOCKER, SIX = "10.89.0.1", "127.0.0.11", "fd89::1"

SERVER = """
import socket, sys
addr, answer = sys.argv[1], bytes.fromhex(sys.argv[2])
u = socket.socket(10 if ":" in addr else 2, 2); u.bind((addr, 53))
print("up", flush=True)
while True: u.sendto(answer, u.recvfrom(4096)[1])
"""

# Does what it is told, line by line; its programs are loaded before it loses sight of them.
BOX = """
import json, os, socket, sys
def ask(addr):
    u = socket.socket(10 if ":" in addr else 2, 2); u.settimeout(10)
    u.connect((addr, 53)); u.send(b"question")
    return u.recv(4096).hex()
def connect(addr):
    s = socket.socket(); s.settimeout(10)
    return s.connect_ex((addr, 443))
def touch():
    socket.socket(2, 2).close()  # the first one in a namespace makes it known
if sys.argv[1]: os.chroot(sys.argv[1])
print(json.dumps("up"), flush=True)
for line in sys.stdin: print(json.dumps(eval(line)), flush=True)
"""


class Box:
    """A process with a mount namespace of its own, in a pod's network namespace or the host's: `prepare` is
    a shell script that runs there first; with a root it is a tmpfs at $R, and the process's root directory."""

    def __init__(self, world, prepare, pod=None, cgroup=None, root=False):
        self.world, self.dir = world, world.tmp / f"box{len(world.closers)}"
        self.dir.mkdir()
        script = f"set -e; R={shlex.quote(str(self.dir))}; "
        if root:
            script += 'mount -t tmpfs none "$R"; mkdir "$R/etc" "$R/tmp"; '
        script += prepare + f'; exec {PYTHON} -c "$0" "$1"'
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, textwrap.dedent(BOX),
                str(self.dir) if root else ""]
        self.proc = world.start(argv, cgroup or (pod.cgroup if pod else world.load), ns=pod and pod.path,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        world.closers.append(self.close)
        assert json.loads(self.proc.stdout.readline()) == "up"

    def do(self, line):
        self.proc.stdin.write(line + "\n")
        self.proc.stdin.flush()
        return json.loads(self.proc.stdout.readline())

    def ask(self, address):
        assert self.do(f"ask('{address}')") == ANSWER.hex()

    def close(self):
        if self.proc.stdin.closed:
            return
        self.proc.communicate("")


ANSWER = message("api.openai.com", a(NEW))


def own_file(world, *servers, name="own.conf"):
    """A resolv.conf, and the script that puts it in place of the world's."""
    path = world.tmp / name
    path.write_text("".join(f"nameserver {s}\n" for s in servers))
    return path, f"mount --bind {path} /etc/resolv.conf"


def serve(world, address, pod=None, answer=ANSWER):
    """A resolver at an address of a pod's loopback device, or of the host's; of a process that is not enforced."""
    host = f"/run/netns/{world.host}"
    family = ["-6"] if ":" in address else []
    if not address.startswith("127."):
        world.run_in(world.outside, ["ip", *family, "addr", "add", address, "dev", "lo", *(["nodad"] if family else [])],
                     ns=pod.path if pod else host)
    p = world.start([PYTHON, "-c", SERVER, address, answer.hex()], world.outside, ns=pod.path if pod else host,
                    stdout=subprocess.PIPE, text=True)

    def end():
        p.kill()
        p.communicate()
    world.closers.append(end)
    assert p.stdout.readline() == "up\n"


@pytest.fixture
def daemon(world):
    d = Daemon(world, agent_policy(world), settings={"workers": 2, "log.level": "debug"})
    world.closers.append(d.close)
    return d.start()


def resolvers(daemon, pod):
    """That are believed in a pod; None: its namespace is not known."""
    rows = [r for r in daemon.egret("netns", "list") if r["ino"] == os.stat(pod.path).st_ino]
    return rows[0]["resolvers"] if rows else None


def read(daemon, pod, *servers):
    wait_for(lambda: resolvers(daemon, pod) == list(servers), 20, f"resolvers {servers}")


def taught(daemon):
    """What own resolvers taught, as (address, last part of the cgroup's path)."""
    rows = [r for r in daemon.egret("endpoint", "list") if r["source"] == "own_dns"]
    return sorted((r["address"], r["provider"], r["cgroup_path"].rsplit("/", 1)[1]) for r in rows)


@pytest.mark.parametrize("address", [BRIDGE, DOCKER, SIX])
def test_a_workload_s_own_resolver_teaches_what_to_redirect(world, daemon, address):
    pod = Pod(world)
    serve(world, address, pod)
    box = Box(world, own_file(world, address)[1], pod)
    box.do("touch()")
    read(daemon, pod, address)
    box.ask(address)
    assert taught(daemon) == [(NEW + "/32", "openai", "pod1")]
    assert box.do(f"connect('{NEW}')") == 0
    assert pod.call(daemon.ca, NEW) == 200
    assert daemon.record()["cgroup_path"].endswith("/load/pod1")
    assert world.counter.connections(world) == 1  # egret's own, to where it knows the provider to be


@pytest.mark.parametrize("address", [BRIDGE, DOCKER])
def test_the_same_resolver_in_another_namespace_teaches_nothing(world, daemon, address):
    pod, other = Pod(world), Pod(world, 2)
    for each in (pod, other, None):
        serve(world, address, each)
    box = Box(world, own_file(world, address)[1], pod)
    stranger = Box(world, own_file(world, "10.89.0.2", name="other.conf")[1], other)
    host = Box(world, own_file(world, address, name="host.conf")[1])  # the host's namespace has the host's
    for each in (box, stranger, host):
        each.do("touch()")
    read(daemon, pod, address)
    read(daemon, other, "10.89.0.2")
    for each in (stranger, host):
        each.ask(address)
        assert taught(daemon) == []
    box.ask(address)
    assert taught(daemon) == [(NEW + "/32", "openai", "pod1")]


@pytest.mark.parametrize("wired", [False, True])
def test_to_be_redirected_by_an_own_resolver_s_word_opens_no_way_out(world, daemon, wired):
    """A free name is passed through by the pod's own routes: those it has, and no others."""
    pod = Pod(world, wired=wired)
    answer = message("api.openai.com", a(FREE))
    serve(world, DOCKER, pod, answer)
    box = Box(world, own_file(world, DOCKER)[1], pod)
    box.do("touch()")
    read(daemon, pod, DOCKER)
    assert box.do(f"ask('{DOCKER}')") == answer.hex()
    assert taught(daemon) == [(FREE + "/32", "openai", "pod1")]
    out = pod.python(f"""
        import socket, ssl
        c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
        try: c.wrap_socket(socket.create_connection(("{FREE}", 443), 10), server_hostname="free.example")
        except OSError: print("stopped")
        else: print("passed")""")
    assert out == ("passed\n" if wired else "stopped\n")


def test_what_the_file_says_now_is_believed(world, daemon):
    """Of each mount namespace in the network namespace, whoever made it known."""
    pod = Pod(world)
    path, bind = own_file(world, BRIDGE)
    box = Box(world, bind, pod)
    box.do("touch()")
    read(daemon, pod, BRIDGE)
    path.write_text("search example.org\n")
    read(daemon, pod)
    path.write_text(f"nameserver {DOCKER}\nnameserver fd89::1%eth0\n")
    read(daemon, pod, DOCKER, SIX)
    beside = Box(world, own_file(world, BRIDGE, name="beside.conf")[1], pod)
    read(daemon, pod, DOCKER, SIX, BRIDGE)
    beside.close()
    read(daemon, pod, DOCKER, SIX)


def test_an_empty_namespace_has_none(world, daemon):
    pod = Pod(world)
    serve(world, BRIDGE, pod)
    bind = own_file(world, BRIDGE)[1]
    box = Box(world, bind, pod)
    box.do("touch()")
    read(daemon, pod, BRIDGE)
    box.close()
    wait_for(lambda: resolvers(daemon, pod) is None, 20, "end of the namespace")
    os.kill(daemon.proc.pid, signal.SIGSTOP)  # it cannot look again
    try:
        Box(world, bind, pod).ask(BRIDGE)
    finally:
        os.kill(daemon.proc.pid, signal.SIGCONT)
    assert taught(daemon) == []


def test_the_next_daemon_reads_again(world, daemon):
    pod = Pod(world)
    serve(world, BRIDGE, pod)
    box = Box(world, own_file(world, BRIDGE)[1], pod)
    box.do("touch()")
    read(daemon, pod, BRIDGE)
    daemon.kill()
    box.ask(BRIDGE)  # what is attached goes on
    daemon.start()
    assert taught(daemon) == [(NEW + "/32", "openai", "pod1")]
    read(daemon, pod, BRIDGE)


HOSTILE = {
    "nothing": "true",
    "fifo": "mkfifo $R/etc/resolv.conf",
    "directory": "mkdir $R/etc/resolv.conf",
    "device": "mknod $R/etc/resolv.conf c 1 5",
    "way-out": "ln -s ../../../../../../HOST $R/etc/resolv.conf",
    "way-out-from-the-root": "ln -s /HOST $R/etc/resolv.conf",
    "loop": "ln -s resolv.conf $R/etc/resolv.conf",
    "huge": "(cat /HOST; head -c 5000 /dev/zero | tr '\\0' '\\n') >$R/etc/resolv.conf",
    "huge-and-empty": "truncate -s 1T $R/etc/resolv.conf",
    "garbage": "(cat /HOST; head -c 64 /dev/urandom; printf '\\0') >$R/etc/resolv.conf",
    "no-address": "echo 'nameserver 10.89.0.1:53' >$R/etc/resolv.conf",
    "overlay": "mkdir -p $R/o; mount -t tmpfs none $R/o; mkdir $R/o/up $R/o/work; cat /HOST >$R/o/up/resolv.conf; "
               "mount -t overlay none $R/etc -o lowerdir=$R/tmp,upperdir=$R/o/up,workdir=$R/o/work; "
               "cat $R/etc/resolv.conf >/dev/null",
    "silent-directory": "exec 3<>/dev/fuse; mount -i -t fuse none $R/etc "
                        "-o fd=3,rootmode=40000,user_id=0,group_id=0,allow_other",
    "silent-file": "cat /HOST >$R/etc/resolv.conf; exec 3<>/dev/fuse; mount -i -t fuse none $R/etc/resolv.conf "
                   "-o fd=3,rootmode=100000,user_id=0,group_id=0,allow_other",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_resolv_conf_is_not_read_and_stops_nobody(world, daemon, kind):
    if "silent" in kind and not os.path.exists("/dev/fuse"):
        pytest.skip("the kernel has no FUSE")
    host = own_file(world, BRIDGE, name="host.conf")[0]
    prepare = HOSTILE[kind].replace("/HOST", str(host))
    pod, after = Pod(world), Pod(world, 2)
    box = Box(world, prepare, pod, root=True)
    box.do("touch()")
    beside = Box(world, own_file(world, "10.89.0.9", name="beside.conf")[1], pod)  # looked at after it
    beside.do("touch()")
    wait_for(lambda: "10.89.0.9" in (resolvers(daemon, pod) or []), 20, "a census")
    good = Box(world, f"cat {host} >$R/etc/resolv.conf", after, root=True)
    good.do("touch()")
    read(daemon, after, BRIDGE)
    assert BRIDGE not in resolvers(daemon, pod)
