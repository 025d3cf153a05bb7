# SPDX-License-Identifier: Apache-2.0
"""From "capture" and "egress" in a policy to what cgroups may do, with the real daemon."""
import json

import pytest

from lib.daemon import CommandFailed, Daemon
from lib.policies import agent, agent_policy
from lib.system import wait_for
from lib.world import FREE, PROVIDERS

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


def test_a_name_on_the_list_is_reached_by_its_name(world, start):
    start(**deny("free.example:443"))
    out = world.python("""
import socket
def attempt(host):
    try: socket.create_connection((host, 443), 5).close(); return 0
    except OSError as e: return e.errno
print(attempt("203.0.113.99"), attempt("free.example"), attempt("203.0.113.99"))""", world.load)
    assert out.split() == [str(ECONNREFUSED), "0", "0"]


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
