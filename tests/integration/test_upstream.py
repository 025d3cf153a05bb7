# SPDX-License-Identifier: Apache-2.0
"""A provider that is dead, slow, lying or broken: a clear error at the client, a reason in the record."""
import pytest

from lib.workload import Workload, request
from lib.world import PROVIDERS

@pytest.fixture(autouse=True)
def no_connection_is_kept(request):
    if "egret" in request.fixturenames:
        request.getfixturevalue("sim").hang_up()


CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**CHAT, "stream": True}


def ask(agent):
    return agent.call("POST", "/v1/chat/completions", CHAT)


def verdict(egret):
    record = egret.record()
    return record["end"] if record["decision"] == "allowed" else record["decision"]


@pytest.mark.parametrize("kind", ["wrong_name", "expired", "self_signed", "untrusted"])
def test_a_certificate_that_does_not_verify(egret, agent, sim, kind):
    sim.fail(times=4, tls=kind)
    response = ask(agent)
    assert (response.status, verdict(egret)) == (502, "upstream_untrusted")
    assert sim.requests() == []


@pytest.mark.parametrize("kind", ["garbage", "plain_http", "reset", "close"])
def test_no_tls_at_all(egret, agent, sim, kind):
    sim.fail(times=4, tls=kind)
    assert ask(agent).status == 502
    assert verdict(egret) in ("upstream_unreachable", "upstream_untrusted", "upstream_closed")


def test_tls_1_2_is_enough(agent, sim):
    sim.fail(tls="tls12")
    assert ask(agent).status == 200


MALFORMED = ["bad_chunk", "chunk_overflow", "chunk_overrun", "two_lengths", "length_and_chunked", "negative_length",
             "encoded", "garbage", "no_head", "status_cut", "status_word", "version", "bare_lf", "fold", "nul",
             "space_colon", "header_flood", "header_long", "switching"]


@pytest.mark.parametrize("kind", MALFORMED)
def test_an_answer_that_is_not_http(egret, agent, sim, kind):
    sim.fail(malformed=kind)
    conn = agent.open()
    conn.send(request("POST", "/v1/chat/completions", CHAT))
    got = conn.rest(timeout=20) if kind.startswith(("bad_chunk", "chunk")) else conn.response().raw_head
    assert b"smuggled" not in got
    if not got.startswith(b"HTTP/1.1 200"):
        assert got.startswith(b"HTTP/1.1 502"), got
    assert verdict(egret) in ("upstream_bad_response", "upstream_closed", "upstream_cut")
    assert ask(agent).status == 200  # and the next one has a connection of its own


@pytest.mark.parametrize("kind", ["two_answers", "long_body"])
def test_an_answer_too_many_is_never_somebody_elses(agent, sim, kind):
    sim.fail(malformed=kind)
    conn = agent.open()
    first = conn.ask("POST", "/v1/chat/completions", CHAT)
    assert first.status in (200, 502)
    for _ in range(5):
        response = agent.call("POST", "/v1/chat/completions", CHAT)
        assert response.status == 200 and b"smuggled" not in response.body and response.json()["choices"]


@pytest.mark.parametrize("fault", [{"cut_after": 100}, {"reset_after": 100}, {"malformed": "short_body"}])
def test_an_answer_that_breaks_off_is_not_made_whole(egret, agent, sim, fault):
    sim.fail(**fault)
    conn = agent.open()
    conn.send(request("POST", "/v1/chat/completions", CHAT))
    conn.head()
    conn.rest()
    assert conn.end in ("cut", "reset", "eof")
    assert len(conn.held) < 400 and verdict(egret) == "upstream_cut"


@pytest.mark.parametrize("fault", [{"cut_after": 300}, {"reset_after": 300}])
def test_a_stream_that_breaks_off_has_no_last_chunk(egret, agent, sim, fault):
    sim.fail(**fault)
    conn = agent.open()
    conn.send(request("POST", "/v1/chat/completions", STREAM))
    assert not conn.rest().endswith(b"0\r\n\r\n")
    assert verdict(egret) == "upstream_cut"


def test_a_reset_before_the_answer_is_said(egret, agent, sim):
    sim.fail(reset="before")
    response = ask(agent)
    assert (response.status, verdict(egret)) == (502, "upstream_closed")
    assert len(sim.requests()) == 1  # it had been sent: never twice


def test_a_stale_connection_is_not_the_clients_trouble(agent, sim):
    sim.fail(close_silently=True)
    assert ask(agent).status == 200
    sim.wait(open=0)
    assert ask(agent).status == 200
    assert len(sim.requests()) == 2


def test_a_provider_that_does_not_answer(make_daemon, world):
    daemon = make_daemon(settings={"limits.first_byte_ms": 1000}).start()
    world.sim.fail(malformed="no_end")
    response = Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT)
    assert (response.status, verdict(daemon)) == (504, "upstream_timeout")


def test_interim_answers_without_end_are_ended(egret, agent, sim):
    sim.fail(malformed="interim_flood")
    conn = agent.open()
    conn.send(request("POST", "/v1/chat/completions", CHAT))
    assert len(conn.rest()) < 1 << 20 and verdict(egret) == "upstream_bad_response"


def test_a_provider_that_does_not_shake_hands(make_daemon, world):
    daemon = make_daemon(settings={"upstream.connect_ms": 1000}).start()
    world.sim.fail(times=4, tls="silent")
    response = Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT)
    assert response.status in (502, 504)
    assert verdict(daemon) in ("upstream_unreachable", "upstream_timeout")


def test_a_slow_provider_is_waited_for(agent, sim):
    sim.fail(drip=0.001, drip_bytes=20)
    assert ask(agent).json()["choices"]


def test_an_early_answer_reaches_a_client_that_still_sends(agent, sim):
    sim.fail(early=True, status=413)
    assert ask(agent).status == 413


@pytest.mark.parametrize("address", [
    "127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1",
    "fe80::1", "fc00::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "224.0.0.1", "255.255.255.255"])
def test_a_name_that_points_inside_is_not_dialled(make_daemon, world, address):
    """The workload goes to the address it knew; what egret itself resolves has been turned."""
    world.sim.ask("dns", addresses={"api.openai.com": [address]})
    daemon = make_daemon().start()
    conn = Workload(world, daemon.ca).open(PROVIDERS, sni="api.openai.com", verify=False)
    response = conn.ask("POST", "/v1/chat/completions", CHAT, host="api.openai.com")
    assert (response.status, verdict(daemon)) == (403, "upstream_refused_address")
    governed = {e["address"].split("/")[0] for e in daemon.egret("endpoint", "list") if "cgroup" not in e}
    assert address not in governed  # nor may DNS make the host's own addresses governed


def test_an_address_that_refuses_is_followed_by_the_next(make_daemon, world):
    world.sim.ask("dns", addresses={"api.openai.com": ["203.0.113.53", "2001:db8:2::10", PROVIDERS]})
    daemon = make_daemon().start()
    conn = Workload(world, daemon.ca).open(PROVIDERS, sni="api.openai.com", verify=False)
    assert conn.ask("POST", "/v1/chat/completions", CHAT, host="api.openai.com").status == 200


@pytest.mark.parametrize("way", ["servfail", "nxdomain", "refused", "silent", "garbage", "wrong_id"])
def test_a_name_that_cannot_be_resolved(make_daemon, world, way):
    world.sim.ask("dns", fail=way, only=["api.openai.com"])
    daemon = make_daemon(settings={"upstream.connect_ms": 3000}).start()
    conn = Workload(world, daemon.ca).open(PROVIDERS, sni="api.openai.com", verify=False)
    response = conn.ask("POST", "/v1/chat/completions", CHAT, host="api.openai.com")
    assert response.status in (502, 504) and verdict(daemon) in ("upstream_unresolved", "upstream_timeout")
