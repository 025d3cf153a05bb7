# SPDX-License-Identifier: Apache-2.0
"""Clients and providers that vanish at any byte: nothing hangs, nothing leaks, every request has its record."""
import json

import pytest

from lib.hello import hello
from lib.system import wait_for
from lib.workload import request

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
WHOLE = request("POST", "/v1/chat/completions", CHAT)


def idle(egret):
    """Fds of every process, and no connection of any workload left."""
    wait_for(lambda: egret.egret("flow", "list") == [], what="the end of all flows")
    return {pid: egret.fds(pid) for pid in [egret.proc.pid, *egret.children()]}


@pytest.mark.parametrize("how", ["fin", "cut", "reset"])
def test_a_client_that_vanishes_within_its_request(egret, agent, sim, how):
    agent.call("GET", "/v1/models")
    before = idle(egret)
    for at in range(0, len(WHOLE), 7):
        conn = agent.open()
        if at:
            conn.send(WHOLE[:at])
        conn.close(how)
    after = idle(egret)
    assert all(after[pid] <= before[pid] + 4 for pid in before), (before, after)
    assert [r for r in sim.requests() if r["method"] == "POST"] == []


@pytest.mark.parametrize("how", ["fin", "cut", "reset"])
def test_a_client_that_vanishes_within_the_answer(egret, agent, sim, how):
    sim.ask("speech", events=40)
    before = idle(egret)
    for at in range(1, 8000, 400):
        conn = agent.open()
        conn.send(request("POST", "/v1/chat/completions", {**CHAT, "stream": True}))
        conn.exactly(at)
        conn.close(how)
    after = idle(egret)
    assert all(after[pid] <= before[pid] + 8 for pid in before), (before, after)
    assert {r.get("end", "allowed") for r in egret.fresh(20)} <= {"client_gone", "allowed"}
    sim.wait(open=8)


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_a_client_that_vanishes_within_its_clienthello(egret, agent, sim, how):
    before = idle(egret)
    data = hello()
    for at in range(0, len(data), 23):
        conn = agent.open(tls=False)
        if at:
            conn.send(data[:at])
        conn.close(how)
    after = idle(egret)
    assert all(after[pid] <= before[pid] + 4 for pid in before), (before, after)


@pytest.mark.parametrize("end", ["cut_after", "reset_after"])
def test_a_provider_that_vanishes_within_its_answer(egret, agent, sim, end):
    before = idle(egret)
    for at in range(0, 700, 50):
        sim.fail(**{end: at})
        conn = agent.open()
        conn.send(request("POST", "/v1/chat/completions", {**CHAT, "stream": True}))
        got = conn.rest()
        assert not got.endswith(b"0\r\n\r\n")
    after = idle(egret)
    assert all(after[pid] <= before[pid] + 4 for pid in before), (before, after)
    assert agent.call("POST", "/v1/chat/completions", CHAT).status == 200


def test_many_clients_at_once_are_all_served(egret, agent, sim):
    conns = [agent.open() for _ in range(100)]
    for conn in conns:
        conn.send(WHOLE)
    assert [conn.response().status for conn in conns] == [200] * 100
    for conn in conns:
        conn.close()
    idle(egret)


def test_a_body_cut_into_every_two_pieces(agent, sim):
    head, body = WHOLE.split(b"\r\n\r\n", 1)
    conn = agent.open()
    for at in range(1, len(body)):
        conn.send(head + b"\r\n\r\n" + body[:at])
        conn.send(body[at:])
        assert conn.response().status == 200
    assert {r["body"] for r in sim.requests()} == {json.dumps(CHAT)}
