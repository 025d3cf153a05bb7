# SPDX-License-Identifier: Apache-2.0
"""Below HTTP: the ClientHello, certificates, what is passed through untouched, who does not trust us."""
import base64
import os
import subprocess

import pytest

from lib.hello import hello
from lib.system import wait_for
from lib.workload import Refused, Workload, request
from lib.world import FREE

HELLO_HEAD = b"\x16\x03\x01"


def plain(agent, data, host="api.openai.com"):
    """A TCP connection that sends bytes of its own in place of TLS; what came back, and the end."""
    conn = agent.open(host, tls=False)
    if data:
        conn.send(data)
    got = conn.rest(timeout=15)
    return got, conn.end


def certificate(conn):
    der = base64.b64decode(conn.made["certificate"])
    return subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-text"], input=der, capture_output=True,
                          check=True).stdout.decode()


@pytest.mark.parametrize("data, reason", [
    (b"GET / HTTP/1.1\r\nHost: api.openai.com\r\n\r\n", "not_tls"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "not_tls"), (bytes(100), "not_tls"),
    (HELLO_HEAD + b"\x00\x05" + b"\x01\x00\x00\x01\x00", "hello_malformed"),
    (HELLO_HEAD + b"\x00\x04" + b"\x02\x00\x00\x00", "hello_malformed"),
    (HELLO_HEAD + b"\xff\xff" + bytes(100), "hello_malformed"),
    ((HELLO_HEAD + b"\x40\x00" + b"\x01\x01\x00\x00" + bytes(0x3ffc)) + (HELLO_HEAD + b"\x40\x00" + bytes(0x4000)) * 5,
     "hello_too_large")], ids=["http", "ssh", "zeros", "cut", "server", "long", "large"])
def test_what_is_no_clienthello_ends_with_an_event(egret, agent, sim, data, reason):
    _, end = plain(agent, data)
    assert end in ("eof", "reset")
    seen = egret.event(reason)
    assert seen["pid"] == agent.pid
    assert sim.log()["connections"] == []


def test_a_hello_without_a_name_is_refused_with_an_alert(egret, agent, sim):
    got, _ = plain(agent, hello(None))
    assert got[:1] == b"\x15" and egret.event("no_sni")["pid"] == agent.pid
    assert sim.log()["connections"] == []


def test_a_hello_may_come_byte_by_byte(agent, sim):
    conn = agent.open(tls=False)
    for byte in hello():
        conn.send(bytes([byte]))
    conn.fill(least=5)
    assert conn.held[:1] == b"\x16"  # a ServerHello


def test_a_hello_in_many_records_is_put_together(agent, sim):
    whole = hello()[5:]
    conn = agent.open(tls=False)
    for at in range(0, len(whole), 50):
        piece = whole[at:at + 50]
        conn.send(HELLO_HEAD + len(piece).to_bytes(2, "big") + piece)
    conn.fill(least=5)
    assert conn.held[:1] == b"\x16"


def test_a_hello_that_does_not_come_is_given_up(make_daemon, world):
    daemon = make_daemon(settings={"limits.hello_ms": 1000}).start()
    workload = Workload(world, daemon.ca)
    assert plain(workload, hello()[:60])[1] in ("eof", "reset")
    assert plain(workload, b"")[1] in ("eof", "reset")
    assert daemon.event("hello_timeout")["pid"] == workload.pid


def test_a_client_that_does_not_trust_egret_becomes_an_event_that_says_so(egret, agent):
    with pytest.raises(Refused) as refused:
        agent.open(ca="/etc/ssl/certs/ca-certificates.crt")
    assert refused.value.text == "CERTIFICATE_VERIFY_FAILED"
    seen = egret.event("tls_untrusted")
    assert seen["pid"] == agent.pid and seen["host"] == "api.openai.com"


def test_the_certificate_is_for_one_name_and_one_day(agent):
    text = certificate(agent.open())
    names = text.split("X509v3 Subject Alternative Name:")[1].splitlines()[1].strip()
    assert names == "DNS:api.openai.com" and "id-ecPublicKey" in text and "CA:FALSE" in text
    other = certificate(agent.open("api.anthropic.com"))
    assert "DNS:api.anthropic.com" in other and "DNS:api.openai.com" not in other


def test_the_ca_is_constrained_to_governed_names(egret):
    text = subprocess.run(["openssl", "x509", "-in", egret.ca, "-noout", "-text"], capture_output=True, text=True,
                          check=True).stdout
    assert "X509v3 Name Constraints: critical" in text
    constrained = text.split("X509v3 Name Constraints: critical")[1]
    assert "DNS:api.openai.com" in constrained and "Permitted:" in constrained
    assert "free.example" not in constrained


def test_a_second_connection_resumes_the_first(agent, sim):
    first = agent.open()
    assert first.ask("GET", "/v1/models").status == 200
    second = agent.open(session_of=first.id)
    assert second.made["resumed"] and second.ask("GET", "/v1/models").status == 200


@pytest.mark.parametrize("alpn, chosen", [(["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), (None, None)])
def test_http_1_1_is_chosen_or_assumed(agent, sim, alpn, chosen):
    conn = agent.open(alpn=alpn)
    assert conn.made["alpn"] == chosen and conn.ask("GET", "/v1/models").status == 200


def test_a_client_that_speaks_only_http_2_is_told_by_an_alert(agent):
    with pytest.raises(Refused) as refused:
        agent.open(alpn=["h2"])
    assert "no application protocol" in refused.value.text.lower().replace("_", " ")


def test_an_ungoverned_name_elsewhere_is_never_touched(egret, agent, sim):
    conn = agent.open("free.example", ca=str(sim.ca))
    assert conn.ask("GET", "/", host="free.example").body == b"This host is not a provider.\n"
    assert conn.made["peer"] in (FREE, "2001:db8:2::99")


def test_an_ungoverned_name_at_a_providers_address_passes_through(egret, agent, sim):
    """Addresses are shared: the name decides. The certificate is the site's own, not egret's."""
    conn = agent.open("beside.example", ca=str(sim.ca))
    assert conn.ask("GET", "/", host="beside.example").body == b"This host is not a provider.\n"
    assert egret.egret("flow", "list")[-1]["state"] == "passthrough"
    conn.close()


def keepalives(world):
    """Milliseconds until the kernel looks whether the peer lives, of each connection to a port 443: those are egretd's."""
    rows = [line.split() for path in ("tcp", "tcp6") for line in open(f"/proc/{world.holder.pid}/net/{path}")]
    timers = [r[5].split(":") for r in rows if r[2].endswith(":01BB") and r[3] == "01"]
    return [int(when, 16) * 1000 // os.sysconf("SC_CLK_TCK") for kind, when in timers if kind == "02"]


@pytest.mark.parametrize("host", ["beside.example", "api.openai.com"])
def test_a_dead_peer_is_looked_for_on_connections_that_rest(shared, egret, agent, sim, host):
    """Passed through there is no other limit: it would be held for ever."""
    sim.hang_up()
    wait_for(lambda: not keepalives(shared.world), what="the end of connections before")
    conn = agent.open(host, **({"ca": str(sim.ca)} if host == "beside.example" else {}))
    assert conn.ask("GET", "/v1/models", host=host).status in (200, 404)
    [left] = wait_for(lambda: keepalives(shared.world), what="the kernel's timer")
    assert left <= 60000
    conn.close()


def test_a_passed_through_connection_carries_much_both_ways(agent, sim):
    sim.fail(huge=16 << 20)
    conn = agent.open("beside.example", ca=str(sim.ca))
    conn.send(request("POST", "/", os.urandom(4 << 20), host="beside.example"))
    assert conn.response().body == bytes(16 << 20)


def test_an_address_that_dns_names_for_the_first_time_is_governed_at_once(make_daemon, world):
    """Providers move: the answer that tells the workload of an address tells egret, too, and first."""
    daemon = make_daemon().start()
    workload = Workload(world, daemon.ca)
    world.sim.ask("dns", addresses={"api.openai.com": [FREE]})
    assert workload.open().ask("GET", "/v1/models").status == 200
    assert world.sim.only()["key"] == "right"
