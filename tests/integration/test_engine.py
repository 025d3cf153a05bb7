# SPDX-License-Identifier: Apache-2.0
"""Workloads by image and labels of their container: what podman says, and what a socket says that is no engine."""
import json
import subprocess

import pytest

from lib.container import Podman, Runc
from lib.daemon import CommandFailed, Daemon
from lib.pod import CALL, TRY
from lib.policies import CHAT_MODELS
from lib.system import PYTHON, wait_for
from lib.unix_server import UnixServer
from lib.world import PROVIDERS

ASK = json.dumps({"ca": "/egret/run/ca.pem", "address": PROVIDERS, "host": "api.openai.com"})
RULE = {"id": "boxes", "when": {"workload": "box", "provider": ["openai"], "model": CHAT_MODELS}, "allow": {}}



def start(world, container, sockets, **settings):
    d = Daemon(world, {"workloads": {"box": {"match": [{"container": container}]}}, "rules": [RULE]},
               settings={"containers.sockets": [str(s) for s in sockets], **settings})
    world.closers.append(d.close)
    return d.start()


def described(box_id, image="docker.io/team/agent:1.2", labels=None, **more):
    return {"Id": box_id, "Image": "sha256:" + "ab" * 32, "Config": {"Image": image, "Labels": labels}, **more}


class Engine(UnixServer):
    """Answers with what `says` makes of a container's id, None being silence; keeps the paths that were asked for."""

    def __init__(self, world, says, name="engine.sock"):
        self.says, self.asked = says, []
        super().__init__(world.tmp / name, self.reply)
        world.closers.append(self.close)

    def reply(self, conn):
        path = conn.recv(65536).decode().split(" ")[1]
        self.asked.append(path)
        said = self.says(path.split("/")[2])
        conn.sendall(said or b"")
        return said is None


def ok(body, status="200 OK", **headers):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Type": "application/json", "Content-Length": len(text), "Connection": "close", **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{k}: {v}" for k, v in fields.items()), "", ""]
    return "\r\n".join(lines).encode() + text


def ask(world):
    """A container that asks for a completion; its status."""
    box = Runc(world, [PYTHON, "-c", TRY + CALL, ASK], cgroup="docker")
    return box.output().strip(), box


def workload_of(daemon):
    return daemon.record()["workload"]


def test_podman_says_image_and_labels(world):
    """The real thing: podman's API service, and a container that it made."""
    boxes = Podman(world, ["sleep", "300"], options=["--label", "com.example.team=research", "--name", "box"])
    wait_for(lambda: boxes.proc.poll() is None and named(world, boxes), 60, "the container")
    path = world.tmp / "podman.sock"
    service = world.start([*boxes.base, "system", "service", "--time=0", f"unix://{path}"], world.outside,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    world.closers.append(lambda: (service.terminate(), service.wait(20)))
    wait_for(path.exists, 30, "podman's socket")
    daemon = start(world, {"runtime": "podman", "labels": {"com.example.team": "res*"}}, [path])
    done = world.run_in(world.outside, [*boxes.base, "exec", "box", PYTHON, "-c", TRY + CALL, ASK])
    assert done.stdout.split() == ["200"], done.stderr
    assert workload_of(daemon) == "box"
    daemon.write_policy({"workloads": {"box": {"match": [{"container": {"labels": {"com.example.team": "sales"}}}]}}, "rules": [RULE]})
    daemon.egret("policy", "load")
    daemon.mark_now()
    done = world.run_in(world.outside, [*boxes.base, "exec", "box", PYTHON, "-c", TRY + CALL, ASK])
    assert done.stdout.split() == ["403"], done.stderr
    assert workload_of(daemon) == "unknown"


def named(world, boxes):
    done = world.run_in(world.outside, [*boxes.base, "ps", "-q", "--filter", "name=box"])
    return done.stdout.strip()


@pytest.mark.parametrize("container, status", [
    ({"image": "docker.io/team/*:1.*"}, "200"), ({"image": "sha256:" + "ab" * 32}, "200"),
    ({"labels": {"team": "research", "tier": "?"}}, "200"), ({"image": "docker.io/team/agent"}, "403"),
    ({"image": "docker.io/*"}, "403"), ({"labels": {"team": "Research"}}, "403"),
    ({"labels": {"team": "research", "more": "*"}}, "403"), ({"image": "docker.io/**", "runtime": "podman"}, "403"),
])
def test_what_the_engine_says_decides(world, container, status):
    engine = Engine(world, lambda box: ok(described(box, labels={"team": "research", "tier": "1"})))
    daemon = start(world, container, [engine.path])
    out, box = ask(world)
    assert out == status and daemon.record()["container"] == box.id
    assert set(engine.asked) == {f"/containers/{box.id}/json"} and len(engine.asked) == 1


def test_the_first_that_knows_it_is_believed(world):
    none = Engine(world, lambda box: ok({"message": "no such container"}, "404 Not Found"), "a.sock")
    knows = Engine(world, lambda box: ok(described(box)), "b.sock")
    daemon = start(world, {"image": "**agent*"}, [world.tmp / "nobody.sock", none.path, knows.path])
    assert ask(world)[0] == "200"
    assert len(none.asked) == len(knows.asked) == 1
    assert any("nobody.sock" in w for w in daemon.egret("status")["warnings"])


@pytest.mark.parametrize("says", [
    lambda box: None, lambda box: b"", lambda box: b"SSH-2.0-OpenSSH\r\n", lambda box: b"HTTP/1.1 200 OK\r\n\r\n" + b"{",
    lambda box: ok(described(box[::-1])), lambda box: ok(b"[" * 100000), lambda box: ok(b"x" * (2 << 20)),
    lambda box: ok(described(box), "500 Oops"), lambda box: ok(described(box))[:-3],
    lambda box: ok(described(box, labels={"team": 1})), lambda box: b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100000,
    lambda box: ok(described(box), **{"Transfer-Encoding": "chunked"}),
], ids=["silent", "hangs-up", "ssh", "cut-json", "another", "deep", "huge", "500", "cut", "labels", "head", "smuggled"])
def test_what_is_no_answer_matches_nothing(world, says):
    engine = Engine(world, says)
    daemon = start(world, {"image": "**"}, [engine.path])
    assert ask(world)[0] == "403"
    assert workload_of(daemon) == "unknown" and len(engine.asked) == 1
    [warning] = [w for w in daemon.egret("status")["warnings"] if "engine.sock" in w]
    assert "image or labels" in warning


def test_without_a_socket_a_warning_says_so(world):
    daemon = start(world, {"image": "**"}, [])
    assert any("containers.sockets" in w for w in daemon.egret("status")["warnings"])
    assert ask(world)[0] == "403"


def test_modes_act_on_cgroups_alone(world):
    daemon = start(world, {"runtime": "docker"}, [])
    daemon.write_policy({"workloads": {"box": {"match": [{"container": {"image": "**"}}], "capture": "tls"}}, "rules": []})
    with pytest.raises(CommandFailed) as failed:
        daemon.egret("policy", "load")
    assert '"image"' in str(failed.value) and "whole cgroups" in str(failed.value)


@pytest.mark.parametrize("says, status, reason", [
    (lambda box: ok({"message": "no such container"}, "404 Not Found"), "200", "allowed"),
    (lambda box: ok({}, "500 Oops"), "403", "identity_unavailable")], ids=["unknown-to-it", "in-trouble"])
def test_a_looser_workload_is_not_taken_for_want_of_an_answer(world, says, status, reason):
    engine = Engine(world, says)
    daemon = start(world, {"image": "**agent*"}, [engine.path])
    daemon.write_policy({"workloads": {"box": {"match": [{"container": {"image": "**agent*"}}]},
                                       "any": {"match": [{"container": {"runtime": "docker"}}]}},
                         "rules": [{**RULE, "when": {**RULE["when"], "workload": "any"}}]})
    daemon.egret("policy", "load")
    assert ask(world)[0] == status
    assert daemon.record()["decision"] == reason


def test_what_an_engine_could_not_say_is_asked_again(world):
    """Of the same process: it is not left what it was taken for."""
    says = [None]
    engine = Engine(world, lambda box: ok(described(box)) if says[0] else ok({}, "500 Oops"))
    daemon = start(world, {"image": "**agent*"}, [engine.path])
    loop = TRY + CALL.replace("print(r.status)", "print(r.status, flush=True)")
    box = Runc(world, [PYTHON, "-c", f"import sys\nsys.argv = ['', {ASK!r}]\nfor line in sys.stdin: exec({loop!r})"],
               cgroup="docker")

    def ask_again():
        box.proc.stdin.write("\n")
        box.proc.stdin.flush()
        return box.proc.stdout.readline().strip()

    assert ask_again() == "403"
    says[0] = True
    wait_for(lambda: ask_again() == "200", 20, "the engine's next answer")
    daemon.mark_now()
    assert ask_again() == "200" and workload_of(daemon) == "box"
