# SPDX-License-Identifier: Apache-2.0
"""From "capture" and "egress" in a policy to what cgroups may do, with the real daemon."""
import json
import os
import signal
import subprocess

import pytest

from lib.daemon import CommandFailed, Daemon
from lib.policies import agent, agent_policy
from lib.system import PYTHON, sh, wait_for
from lib.world import DNS, FREE, FREE6, PROVIDERS

ECONNREFUSED = 111
CONNECT = """
import socket
try:
    socket.create_connection(("{}", {}), 5).close(); print(0)
except OSError as e: print(e.errno or -1)
"""


def connect(world, addr, port, cgroup):
    return int(world.python(CONNECT.format(addr, port), cgroup))


def deny(*allow):
    return {"egress": {"default": "deny", "allow": list(allow)}}


@pytest.fixture
def start(world):
    running = []

    def run(**agent_has):
        daemon = Daemon(world, agent_policy(world, agent_has=agent_has)).start()
        running.append(daemon)
        return daemon
    yield run
    for daemon in running:
        daemon.stop()
        daemon.nothing_left()


def test_deny_holds_for_its_cgroup_and_for_no_other(world, start):
    daemon = start(**deny())
    assert connect(world, FREE, 443, world.load) == ECONNREFUSED
    assert connect(world, FREE, 443, world.group("other")) == 0
    assert connect(world, PROVIDERS, 443, world.load) == 0  # through egret
    event, = wait_for(lambda: daemon.egret("event", "list", "--reason", "k_egress_denied"), what="event")[-1:]
    entry = event["text"].split('"')[1]
    assert entry == f"{FREE}:443/tcp"
    daemon.write_policy(agent_policy(world, agent_has=deny(entry)))  # what it says is enough, and no more
    daemon.egret("policy", "load")
    assert connect(world, FREE, 443, world.load) == 0
    assert connect(world, FREE, 80, world.load) == ECONNREFUSED


def test_new_cgroups_get_what_policy_says_of_them(world, start):
    daemon = start(**deny())
    policy = agent_policy(world, agent_has=deny())
    path = "/" + str(world.cgroup.relative_to(world.cgroup.parent))
    policy["workloads"]["late"] = {"match": [{"cgroup": path + "/late-*"}], **deny(f"{FREE}:443")}
    daemon.write_policy(policy)
    daemon.egret("policy", "load")
    late = world.group("late-1/below")
    wait_for(lambda: connect(world, FREE, 80, late) == ECONNREFUSED and
             connect(world, PROVIDERS, 443, late) == 0, what="mode of a new cgroup")
    assert connect(world, FREE, 443, late) == 0
    assert connect(world, FREE, 443, world.group("early")) == 0


def test_what_a_new_cgroup_opened_before_it_had_its_mode_is_ended(world, start):
    """The monitor is held still meanwhile, so that the moment between the two is as long as it can be."""
    daemon = start()
    policy = agent_policy(world)
    policy["workloads"]["late"] = {"match": [{"cgroup": f"/{world.cgroup.name}/late-*"}], **deny(f"{FREE}:443")}
    daemon.write_policy(policy)
    daemon.egret("policy", "load")
    os.kill(daemon.proc.pid, signal.SIGSTOP)
    try:
        late = world.group("late-1/below")
        denied, allowed = Held(world, late, FREE6), Held(world, late, FREE)
        beside = Held(world, world.group("early"), FREE6)
    finally:
        os.kill(daemon.proc.pid, signal.SIGCONT)
    assert denied.after("wait") == ECONNABORTED
    assert [c.after("speak") for c in (allowed, beside)] == [0, 0]


def test_a_name_on_the_list_is_reached_by_its_name(world, start):
    start(**deny("free.example:443"))
    out = world.python("""
import socket
def attempt(host):
    try: socket.create_connection((host, 443), 5).close(); return 0
    except OSError as e: return e.errno
print(attempt("203.0.113.99"), attempt("free.example"), attempt("203.0.113.99"))""", world.load)
    assert out.split() == [str(ECONNREFUSED), "0", "0"]


def test_a_refusal_names_the_entry_by_the_name_that_dns_taught(world, start):
    daemon = start(**deny())
    assert connect(world, "free.example", 443, world.load) == ECONNREFUSED
    events = wait_for(lambda: daemon.egret("event", "list", "--reason", "k_egress_denied"), what="event")
    entry = events[-1]["text"].split('"')[1]
    assert entry == "free.example:443/tcp"
    daemon.write_policy(agent_policy(world, agent_has=deny(entry)))
    daemon.egret("policy", "load")
    assert connect(world, "free.example", 443, world.load) == 0
    assert connect(world, FREE, 80, world.load) == ECONNREFUSED


def test_a_reload_changes_modes_at_once_and_a_bad_one_nothing(world, start):
    daemon = start(**deny())
    assert connect(world, FREE, 443, world.load) == ECONNREFUSED
    daemon.write_policy(agent_policy(world, agent_has=deny("10.0.0.1/8")))
    with pytest.raises(CommandFailed) as e:
        daemon.egret("policy", "load")
    assert "bits behind its prefix" in json.dumps(e.value.error)
    assert connect(world, FREE, 443, world.load) == ECONNREFUSED
    daemon.write_policy(agent_policy(world, agent_has=deny(FREE)))
    daemon.egret("policy", "load")
    assert connect(world, FREE, 443, world.load) == 0
    daemon.write_policy(agent_policy(world))
    daemon.egret("policy", "load")
    assert connect(world, FREE, 443, world.load) == 0


def test_what_holds_outlives_the_daemon(world, start):
    daemon = start(**deny())
    daemon.kill()
    assert connect(world, FREE, 443, world.load) == ECONNREFUSED
    assert connect(world, FREE, 443, world.group("other")) == 0
    daemon.start()
    assert connect(world, FREE, 443, world.load) == ECONNREFUSED


@pytest.mark.parametrize("member, words", [
    ({"capture": "some"}, '\\"names\\", \\"tls\\" or \\"all\\"'),
    ({"egress": "deny"}, '\\"default\\": \\"deny\\"'),
    ({"egress": {"default": "deny", "allow": ["a.org:0"]}}, "1 to 65535"),
    ({"egress": {"default": "deny", "allow": ["*"]}}, "no lower-case host name"),
    ({"egress": {"default": "deny", "allow": ["a*.org"]}}, "whole labels in front"),
    ({"egress": {"default": "deny", "allow": ["a.org/udp"]}}, "belong behind a port"),
    ({"egress": {"default": "deny", "allow": [7]}}, "not a string"),
    ({"egress": {"default": "deny", "alow": []}}, "alow"),
    ({"capture": "tls", "match": [{"user": "root"}]}, "acts on whole cgroups"),
    ({"egress": {"default": "deny"}, "match": [{"unit": "a.service", "exe": "/bin/sh"}]}, 'take \\"exe\\" out'),
])
def test_mistakes_are_named_with_their_place(world, start, member, words):
    daemon = start()
    policy = agent_policy(world, workloads={"wrong": {**agent(world), **member}})
    daemon.write_policy(policy)
    with pytest.raises(CommandFailed) as e:
        daemon.egret("policy", "load")
    assert words in json.dumps(e.value.error), e.value.error
    assert e.value.error["line"] > 1


def test_captured_workloads_reach_what_is_not_governed(world, start):
    daemon = start(capture="all")
    assert connect(world, FREE, 443, world.load) == 0
    wait_for(lambda: sum(r.get("passed_through", 0) for r in daemon.egret("status")["processes"]) > 0,
             what="passed-through connection")


class Held:
    """A connection that a workload made, and what became of it."""

    CODE = """
import socket, ssl, sys
c = ssl.create_default_context(); c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
s = socket.create_connection(("{}", {}), 10)
print("up", flush=True)
line = sys.stdin.readline()
try:
    if line == "wait\\n": s.settimeout(20); s.recv(1)
    if line == "speak\\n": c.wrap_socket(s, server_hostname="free.example")
    print(0)
except OSError as e: print(e.errno or -1)
"""

    def __init__(self, world, cgroup, host, port=443):
        self.proc = world.start([PYTHON, "-c", self.CODE.format(host, port)], cgroup, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
        world.closers.append(self.close)
        assert self.proc.stdout.readline() == "up\n"

    def after(self, word):
        """errno of what it does next: `wait` for the end, or `speak`."""
        return int(self.proc.communicate(word + "\n")[0])

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()


ECONNABORTED = 103


def load(daemon, **agent_has):
    daemon.write_policy(agent_policy(daemon.world, agent_has=agent_has))
    daemon.egret("policy", "load")


def test_a_policy_that_denies_ends_what_it_denies(world, start):
    """Beside each that ends, one that the policy allows, and one of a neighbour's, which go on."""
    daemon = start()
    below = world.group("load/below")
    denied = [Held(world, cgroup, FREE6) for cgroup in (world.load, below)]
    allowed = [Held(world, cgroup, FREE) for cgroup in (world.load, below)]
    beside, dns = Held(world, world.group("other"), FREE6), Held(world, world.load, DNS, 53)
    load(daemon, **deny("203.0.113.96/29:443", f"[{FREE6}]:80"))
    assert [c.after("wait") for c in denied] == [ECONNABORTED] * 2
    assert [c.after("speak") for c in [*allowed, beside]] == [0] * 3
    assert dns.after("close") == 0


def test_a_name_that_leaves_the_list_takes_its_connections_along(world, start):
    daemon = start(**deny("free.example:443", f"[{FREE6}]:443"))
    witness = Held(world, world.group("load/asked-no-resolver"), FREE6)
    first, second = (Held(world, world.load, "free.example") for _ in range(2))
    load(daemon, **deny("free.example:443"))
    assert witness.after("wait") == ECONNABORTED
    assert first.after("speak") == 0
    load(daemon, **deny("free.example:80"))
    assert second.after("wait") == ECONNABORTED


def test_a_policy_that_captures_ends_what_went_past_it(world, start):
    daemon = start()
    old, beside = Held(world, world.load, FREE), Held(world, world.group("other"), FREE)
    other_port = Held(world, world.load, DNS, 53)
    load(daemon, capture="tls")
    assert old.after("wait") == ECONNABORTED
    assert beside.after("speak") == 0
    captured = Held(world, world.load, FREE)
    load(daemon, capture="all")
    assert other_port.after("wait") == ECONNABORTED
    assert captured.after("speak") == 0  # it goes through egret already


def test_what_peers_opened_goes_on_when_all_is_captured(world, start):
    """A server's side of a connection looks like a client's, but for its listener."""
    daemon = start()
    server = world.start([PYTHON, "-c", """
import socket
l = socket.create_server(("198.51.100.2", 8443)); print("up", flush=True)
c, _ = l.accept(); print("in", flush=True)
while c.recv(1): c.send(b"y")"""], world.load, stdout=subprocess.PIPE, text=True)
    world.closers.append(server.kill)
    assert server.stdout.readline() == "up\n"
    client = subprocess.Popen(["ip", "netns", "exec", world.net, PYTHON, "-c", """
import socket, sys
s = socket.create_connection(("198.51.100.2", 8443), 10); print("up", flush=True); sys.stdin.readline()
s.send(b"x"); print(s.recv(1))"""], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert client.stdout.readline() == "up\n" and server.stdout.readline() == "in\n"
    witness = Held(world, world.load, FREE)
    load(daemon, capture="all")
    assert witness.after("wait") == ECONNABORTED  # the sweep has been
    assert client.communicate("go\n")[0] == "b'y'\n"
    server.wait(10)
    server.stdout.close()


def test_a_resolver_that_is_no_longer_named_is_no_longer_believed(world, start):
    """Its port 53 is closed again to whom egress is denied, also by a daemon that adopts what another left."""
    daemon = start(**deny())
    other = "203.0.113.55"
    ask = "import socket\ntry: socket.socket(2, 2).sendto(b'x' * 20, ('{}', 53)); print(0)\nexcept OSError as e: print(e.errno)"

    def asked(resolver):
        return int(world.python(ask.format(resolver), world.load))

    def name(resolver):
        sh("nsenter", f"--mount=/proc/{world.holder.pid}/ns/mnt", "sh", "-c", f"echo nameserver {resolver} >/etc/resolv.conf")

    try:
        assert (asked(DNS), asked(other)) == (0, ECONNREFUSED)
        name(other)
        daemon.egret("daemon", "reload")
        assert (asked(DNS), asked(other)) == (ECONNREFUSED, 0)
        name(DNS)
        daemon.stop(release=False)
        daemon.start()
        assert (asked(DNS), asked(other)) == (0, ECONNREFUSED)
    finally:
        name(DNS)
