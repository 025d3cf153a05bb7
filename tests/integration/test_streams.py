# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 as clients use it, and streams: byte for byte, as soon as the provider sent them."""
import hashlib
import json

import pytest

from lib.workload import request
from lib.system import wait_for
from lib.world import KEYS

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**CHAT, "stream": True}


def test_events_arrive_as_soon_as_they_were_sent(agent, sim):
    sim.fail(hold_after=3)
    conn = agent.open()
    conn.send(request("POST", "/v1/chat/completions", STREAM))
    status, headers, _ = conn.head()
    assert (status, dict(headers)["content-type"]) == (200, "text/event-stream; charset=utf-8")
    for _ in range(3):
        conn.until(b"\n\n")
    assert sim.log()["requests"][0]["state"] == "answering"  # the rest is still held there
    sim.ask("release")
    conn.until(b"data: [DONE]\n\n")


def test_a_stream_is_the_same_bytes(agent, sim):
    sim.ask("speech", events=200)
    response = agent.call("POST", "/v1/chat/completions", STREAM)
    events = response.body.split(b"\n\n")
    assert len(events) == 200 + 4 and events[-2:] == [b"data: [DONE]", b""]
    words = "".join(json.loads(e[6:])["choices"][0]["delta"].get("content") or "" for e in events[:-2])
    assert words == " ".join(f"word{n}" for n in range(200))


def test_a_large_answer_is_whole(agent, sim):
    sim.fail(huge=8 << 20)
    response = agent.call("GET", "/v1/models")
    assert hashlib.sha256(response.body).hexdigest() == hashlib.sha256(bytes(8 << 20)).hexdigest()


def test_a_large_body_is_whole(agent, sim):
    body = json.dumps({**CHAT, "x": "y" * (4 << 20)}).encode()
    assert agent.call("POST", "/v1/chat/completions", body, [("Content-Type", "application/json")]).status == 200
    assert sim.only()["body_sha256"] == hashlib.sha256(body).hexdigest()


def test_a_chunked_body_is_whole(agent, sim):
    conn = agent.open()
    body = json.dumps(CHAT).encode()
    conn.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Type: application/json\r\n"
              b"Transfer-Encoding: chunked\r\n\r\n")
    for byte in body:
        conn.send(b"1\r\n%c\r\n" % byte)
    conn.send(b"0\r\n\r\n")
    assert conn.response().status == 200
    assert sim.only()["body"].encode() == body


def test_a_request_may_come_byte_by_byte(agent, sim):
    conn = agent.open()
    for byte in request("POST", "/v1/chat/completions", CHAT):
        conn.send(bytes([byte]))
    assert conn.response().status == 200


def test_many_requests_share_a_connection(agent, sim):
    conn = agent.open()
    for _ in range(20):
        assert conn.ask("POST", "/v1/chat/completions", CHAT).status == 200
    log = sim.log()
    assert len(log["requests"]) == 20 and len({r["connection"] for r in log["requests"]}) == 1


def test_pipelined_requests_are_answered_in_order(agent, sim):
    conn = agent.open()
    conn.send(b"".join(request("POST", "/v1/chat/completions", {**CHAT, "model": f"gpt-4o-{n}"}) for n in range(5)))
    assert [conn.response().json()["model"] for _ in range(5)] == [f"gpt-4o-{n}" for n in range(5)]


def test_a_denial_keeps_the_connection(agent, sim):
    conn = agent.open()
    assert conn.ask("POST", "/v1/chat/completions", {**CHAT, "model": "o1"}).status == 403
    assert conn.ask("POST", "/v1/chat/completions", CHAT).status == 200


def test_connection_close_is_honoured(agent, sim):
    conn = agent.open()
    assert conn.ask("POST", "/v1/chat/completions", CHAT, [("Connection", "close")]).status == 200
    assert conn.rest(timeout=5) == b"" and conn.end in ("eof", "cut")


def test_http_1_0_is_answered_and_closed(agent, sim):
    conn = agent.open()
    conn.send(b"GET /v1/models HTTP/1.0\r\nHost: api.openai.com\r\n\r\n")
    assert conn.response().status == 200
    assert conn.rest(timeout=5) == b""


def test_a_client_that_offers_only_http_1_0_is_served(agent, sim):
    conn = agent.open(alpn=["http/1.0"])
    assert conn.made["alpn"] == "http/1.0"
    conn.send(b"GET /v1/models HTTP/1.0\r\nHost: api.openai.com\r\n\r\n")
    assert conn.response().status == 200
    assert conn.rest(timeout=5) == b""


def test_continue_is_said_before_the_body(agent, sim):
    body = json.dumps(CHAT).encode()
    conn = agent.open()
    conn.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Type: application/json\r\n"
              b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
    assert conn.response().status == 100
    conn.send(body)
    assert conn.response().status == 200


def test_head_has_no_body(agent, sim):
    conn = agent.open("api.anthropic.com")
    conn.workload.host = "api.anthropic.com"
    response = conn.ask("HEAD", "/api/hello", host="api.anthropic.com")
    again = conn.ask("HEAD", "/api/hello", host="api.anthropic.com")
    assert (response.body, again.body) == (b"", b"")


def test_interim_answers_do_not_disturb(agent, sim):
    sim.fail(interim=[103, 102])
    conn = agent.open()
    conn.send(request("POST", "/v1/chat/completions", CHAT))
    statuses = []
    while not statuses or statuses[-1] < 200:
        statuses.append(conn.response().status)
    assert statuses[-1] == 200 and set(statuses[:-1]) <= {103, 102}


def test_trailers_pass(agent, sim):
    sim.fail(trailers={"x-checksum": "abc"})
    response = agent.call("POST", "/v1/chat/completions", CHAT)
    assert response.status == 200 and response.json()["choices"]
    assert ("x-checksum", "abc") in response.trailers


def test_a_trailer_that_repeats_the_key_does_not_pass(agent, sim):
    sim.fail(trailers={"x-checksum": "abc", "x-echo": KEYS["openai"]})
    response = agent.call("POST", "/v1/chat/completions", CHAT)
    assert response.status == 200 and response.trailers == [("x-checksum", "abc")]


def test_an_answer_that_ends_with_the_connection(agent, sim):
    sim.fail(close_delimited=True)
    conn = agent.open()
    assert conn.ask("POST", "/v1/chat/completions", CHAT).json()["choices"]


def test_a_slow_reader_stops_the_provider(egret, agent, sim):
    """Back-pressure: what nobody reads is not read from the provider either, beyond what buffers hold."""
    size = 64 << 20
    sim.fail(huge=size)
    conn = agent.open()
    agent.ask("buffer", id=conn.id, bytes=65536)
    conn.send(request("GET", "/v1/models"))
    conn.head()
    before = memory(egret)
    assert sim.ask("wait", answered=1, seconds=2)["came"] is False  # still sending: it could not
    assert memory(egret) - before < 8 << 20
    conn.close("reset")
    sim.wait(open=0)


def memory(egret):
    """Resident bytes of the workers."""
    total = 0
    for pid in egret.children("worker"):
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            total += int(file.read().split()[1]) * 4096
    return total


def test_a_client_that_goes_away_frees_the_provider(egret, agent, sim):
    sim.fail(hold_after=1)
    conn = agent.open()
    conn.send(request("POST", "/v1/chat/completions", STREAM))
    conn.head()
    conn.close("reset")
    wait_for(lambda: egret.record()["end"] == "client_gone", what="the record of it")
    sim.ask("release")
    sim.wait(open=0)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_both_versions_of_tls_are_served(agent, sim, version):
    conn = agent.open(max_tls=version)
    assert conn.made["version"] == "TLSv" + version
    assert conn.ask("POST", "/v1/chat/completions", CHAT).status == 200
