# SPDX-License-Identifier: Apache-2.0
"""A daemon that runs for long: what each kind of request, reload and death takes is given back."""
import os
import signal

import pytest

from lib.bounds import Bounds, kib
from lib.system import SANITIZED, wait_for
from lib.workload import Workload, request

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
PATH = "/v1/chat/completions"
OWN_KEY = [("Authorization", "Bearer sk-proj-a-key-of-the-workloads-own-0123456789")]
MIB = 1024  # KiB


def answered(world, workload):
    assert workload.call("POST", PATH, CHAT).status == 200


def streamed(world, workload):
    conn = workload.open()
    conn.send(request("POST", PATH, {**CHAT, "stream": True}))
    conn.until(b"[DONE]")
    conn.close()


def large(world, workload):
    body = {**CHAT, "messages": [{"role": "user", "content": "x" * 400000}]}
    assert workload.call("POST", PATH, body).status == 200


def denied(world, workload):
    assert workload.call("POST", PATH, {**CHAT, "model": "o1-pro"}).status == 403


def with_a_key(world, workload):
    assert workload.call("POST", PATH, CHAT, OWN_KEY).status == 403


def malformed(world, workload):
    assert workload.call("POST", PATH, b'{"model":"a","model":"b"}', [("Content-Type", "application/json")]).status == 400


def smuggled(world, workload):
    conn = workload.open()
    conn.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert conn.response().status == 400
    conn.close()


def client_gone(world, workload):
    conn = workload.open()
    conn.send(request("POST", PATH, CHAT)[:-20])
    conn.close("rst")


def upstream_gone(world, workload):
    world.sim.fail(cut_after=1)
    conn = workload.open()
    conn.send(request("POST", PATH, {**CHAT, "stream": True}))
    conn.rest()
    conn.close()


def passed_through(world, workload):
    conn = workload.open("beside.example", ca=str(world.sim.ca))
    assert conn.ask("GET", "/", host="beside.example").status == 200
    conn.close()


def no_tls(world, workload):
    conn = workload.open(tls=False)
    conn.send(b"GET / HTTP/1.0\r\n\r\n")
    conn.rest()
    conn.close()


KINDS = [answered, streamed, large, denied, with_a_key, malformed, smuggled, client_gone, upstream_gone, passed_through, no_tls]


def everything(world, workload, times):
    for _ in range(times):
        for kind in KINDS:
            kind(world, workload)


def reloads(daemon, times):
    for _ in range(times):
        daemon.egret("policy", "load")
        daemon.egret("credential", "reload")
        os.kill(daemon.proc.pid, signal.SIGHUP)
        daemon.egret("flow", "list")
        daemon.egret("audit", "list", "--limit", "5")


def deaths(daemon, times):
    """Of each child by turns; the monitor's own descriptors and memory are what counts."""
    for n in range(times):
        role = ("worker", "vault", "recorder")[n % 3]
        [pid] = daemon.children(role)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda r=role, p=pid: daemon.children(r) not in ([], [p]), 30, f"the next {role}")


def grows(daemon, world, round_of, times, more_kib):
    round_of(max(times // 3, 10))
    bounds = Bounds(daemon, more_kib)
    round_of(times)
    wait_for(lambda: not daemon.egret("flow", "list"), 30, "every connection to be forgotten")
    bounds.check()


def requests(make_daemon, world, times):
    daemon = make_daemon().start()
    workload = Workload(world, daemon.ca)
    grows(daemon, world, lambda n: everything(world, workload, n), times, MIB)


def test_requests_of_every_kind(make_daemon, world):
    requests(make_daemon, world, 40)


@pytest.mark.heavy
def test_thousands_of_requests_of_every_kind(make_daemon, world):
    requests(make_daemon, world, 1000)


def test_reloads(make_daemon, world):
    daemon = make_daemon().start()
    answered(world, Workload(world, daemon.ca))
    grows(daemon, world, lambda n: reloads(daemon, n), 40, MIB)


def test_deaths_of_children(make_daemon, world):
    daemon = make_daemon().start()
    deaths(daemon, 3)
    before, memory = daemon.fds(daemon.proc.pid), kib(daemon.proc.pid)
    deaths(daemon, 12)
    wait_for(lambda: daemon.fds(daemon.proc.pid) <= before, 30, "descriptors to be closed")
    assert SANITIZED or kib(daemon.proc.pid) - memory < MIB
    answered(world, Workload(world, daemon.ca))

