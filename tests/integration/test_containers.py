# SPDX-License-Identifier: Apache-2.0
"""Real containers, of runc and podman: nothing in them knows of egret, no route or rule leads to it."""
import json
import os
import textwrap

import pytest

from lib.container import Podman, Runc
from lib.daemon import Daemon
from lib.pod import CALL, RAW, TRY, Pod
from lib.policies import CHAT_MODELS
from lib.system import PYTHON, wait_for
from lib.world import FREE, PROVIDERS


@pytest.fixture
def daemon(world):
    boxes = [{"container": {"runtime": "podman"}}, {"container": {"runtime": "docker"}}]
    rule = {"id": "boxes", "when": {"workload": "box", "provider": ["openai"], "model": CHAT_MODELS}, "allow": {}}
    d = Daemon(world, {"workloads": {"box": {"match": boxes}}, "rules": [rule]}, settings={"log.level": "debug"})
    world.closers.append(d.close)
    return d.start()


def client(address=PROVIDERS):
    """A program that asks OpenAI for a completion and prints the status."""
    ask = json.dumps({"ca": "/egret/run/ca.pem", "address": address, "host": "api.openai.com"})
    return [PYTHON, "-c", TRY + CALL, ask]


def only_row(daemon):
    row, = daemon.egret("netns", "list")
    return row


def wired(daemon):
    """The namespaces with a device of the host's; an engine may pass through others."""
    return [row for row in daemon.egret("netns", "list") if row["devices"]]


def test_a_runc_container_without_a_network_is_served_by_its_identity(world, daemon):
    box = Runc(world, client(), cgroup="docker")
    assert box.output().split() == ["200"]
    record = daemon.record()
    assert record["workload"] == "box" and record["container"] == box.id
    assert record["cgroup_path"] == box.cgroup_path
    assert world.counter.connections(world) == 1  # egret's own


def test_a_container_that_policy_does_not_name_is_denied(world, daemon):
    box = Runc(world, client(), cgroup="load/docker")  # a subgroup anybody might have made proves nothing
    assert box.output().split() == ["403"]
    assert daemon.record()["decision"] == "unknown_workload"


def test_a_runc_container_with_a_veth_is_served_and_fenced(world, daemon):
    """With CAP_NET_RAW, as Docker grants it."""
    pod = Pod(world)  # the wires an engine's plugin lays
    gateway = pod.gateway()
    code = TRY + RAW + textwrap.dedent(f"""
        connect("{PROVIDERS}").close()
        connect("{FREE}").close()
        print("served", flush=True)
        input()
        for dst in ("{FREE}", "{PROVIDERS}", "{PROVIDERS}"):
            for bypass in (False, True): send(ip4("{pod.address}", dst), "{gateway}", bypass)
        print("sent", flush=True)
        import sys; sys.stdin.read()""")
    box = Runc(world, [PYTHON, "-c", code], cgroup="docker", netns=pod.path)
    assert box.proc.stdout.readline() == "served\n"
    wait_for(lambda: wired(daemon), what="the backstop")
    before = sum(world.counter.read(world).values())
    box.proc.stdin.write("\n")
    box.proc.stdin.flush()
    assert box.proc.stdout.readline() == "sent\n"
    assert sum(world.counter.read(world).values()) == before
    assert wired(daemon)[0]["dropped"] == 4
    event = wait_for(lambda: daemon.egret("event", "list", "--reason", "k_veth"), what="event")[0]
    assert event["workload"] == "box"
    box.output()


def test_a_container_outlives_the_daemon_and_is_served_by_the_next(world, daemon):
    code = TRY + textwrap.dedent(f"""
        import sys
        for line in sys.stdin:
            s = socket.socket(); s.settimeout(20)
            print(s.connect_ex(("{PROVIDERS}", 443)), flush=True)""")
    box = Runc(world, [PYTHON, "-c", code], cgroup="docker")

    def ask():
        box.proc.stdin.write("\n")
        box.proc.stdin.flush()
        return int(box.proc.stdout.readline())
    wait_for(lambda: ask() == 0, what="a listener")
    daemon.kill()
    assert ask() == 111
    daemon.start()
    wait_for(lambda: ask() == 0, what="a listener")
    box.output()
    wait_for(lambda: daemon.egret("netns", "list") == [], 20, "end of its namespace")


def test_a_podman_container_without_a_network(world, daemon):
    box = Podman(world, client())
    assert box.output().split() == ["200"]
    record = daemon.record()
    assert record["workload"] == "box" and record["cgroup_path"].endswith("libpod-" + record["container"])
    assert len(record["container"]) == 64


def test_a_podman_container_on_its_own_bridge_resolves_and_is_served(world, daemon):
    """netavark's bridge, masquerade and all, in this world's host."""
    if not os.path.exists("/usr/lib/podman/netavark"):
        pytest.skip("netavark is not installed")
    box = Podman(world, client("api.openai.com"), network="podman",
                 options=("--dns", "203.0.113.53", "--dns", "10.89.0.1"))
    wait_for(lambda: [r["resolvers"] for r in wired(daemon)] == [["203.0.113.53", "10.89.0.1"]], 20, "its resolvers")
    assert box.output().split() == ["200"]
    assert daemon.record()["workload"] == "box"
    assert only_row(daemon)["ipv4"]
    assert world.counter.connections(world) == 1


def test_a_podman_container_that_owns_its_network_stays_behind_the_fence(world, daemon):
    """CAP_NET_ADMIN too, in a network namespace of its own."""
    pod = Pod(world)
    code = TRY + RAW + textwrap.dedent(f"""
        connect("{PROVIDERS}").close()
        print("served", flush=True)
        input()
        for bypass in (False, True): send(ip4("{pod.address}", "{PROVIDERS}"), "{pod.gateway()}", bypass)
        d = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        d.sendto(ip4("{pod.address}", "{PROVIDERS}"), ("eth0", 0x0800, 0, 0, bytes.fromhex("{pod.gateway()}")))
        print("sent", flush=True)
        import sys; sys.stdin.read()""")
    keeper = pod.start(["sleep", "1000"], cgroup=world.outside)  # its path is not mounted where podman is
    box = Podman(world, [PYTHON, "-c", code], network=f"ns:/proc/{keeper.pid}/ns/net",
                 options=("--cap-add=NET_ADMIN,NET_RAW",))
    assert box.proc.stdout.readline() == "served\n", box.proc.stderr.read()
    wait_for(lambda: wired(daemon), what="the backstop")
    before = sum(world.counter.read(world).values())
    box.proc.stdin.write("\n")
    box.proc.stdin.flush()
    assert box.proc.stdout.readline() == "sent\n"
    assert sum(world.counter.read(world).values()) == before
    assert wired(daemon)[0]["dropped"] == 3
    box.output()
    keeper.kill()
    keeper.wait()


def test_many_containers_at_once(world, daemon):
    boxes = [Runc(world, client(), cgroup="docker") for _ in range(6)]
    assert [b.output().split() for b in boxes] == [["200"]] * 6
    assert {r["container"] for r in daemon.fresh(len(boxes))} == {b.id for b in boxes}
