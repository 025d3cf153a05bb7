# SPDX-License-Identifier: Apache-2.0
"""Governed server names sent to addresses that nobody knew, with the real daemon and real clients.

The simulator answers as any provider at 203.0.113.99, too, where only free.example resolves to: what
arrives there as payload under a governed name went around egret. The counter at the far side is the
witness."""
import json
import uuid

import pytest

from lib.counter import Counter
from lib.daemon import Daemon
from lib.pod import Pod
from lib.policies import agent_policy
from lib.system import sh, wait_for
from lib.workload import Refused, Workload
from lib.world import DNS, FREE, FREE6, PROVIDERS, PROVIDERS6, World

ECONNABORTED = 103
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}

# What every client below begins with. `attempt` runs in a cgroup that has learned nothing yet.
HEAD = f"""
import os, socket, ssl
FREE, FREE6, ROOT = "{FREE}", "{FREE6}", "ROOT_CGROUP"
made = 0

def fresh():
    global made
    made += 1
    os.makedirs(f"{{ROOT}}/c{{made}}", exist_ok=True)
    open(f"{{ROOT}}/c{{made}}/cgroup.procs", "w").write("0")

def hello(name, alpn=()):
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    if alpn: c.set_alpn_protocols(list(alpn))
    out = ssl.MemoryBIO()
    try: c.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError: pass
    return out.read()

def connect(to=FREE, mss=0):
    s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET)
    s.setsockopt(6, 1, 1)
    if mss: s.setsockopt(6, 2, mss)
    s.settimeout(30)
    s.connect((to, 443))
    return s

def attempt(*pieces, to=FREE, mss=0):
    "errno of what comes back, or the type of the server's first record"
    fresh()
    s = connect(to, mss)
    try:
        for p in pieces: s.send(p)
        return "record %d" % s.recv(1)[0]
    except OSError as e: return e.errno
    finally: s.close()

def records(h, *cuts):
    "the same hello in several TLS records"
    body, ends = h[5:], [*cuts, len(h) - 5]
    return b"".join(h[:3] + (b - a).to_bytes(2, "big") + body[a:b] for a, b in zip([0, *cuts], ends))
"""


def run(daemon, code, **kw):
    root = daemon.world.group(f"load/{uuid.uuid4().hex[:8]}")
    return daemon.world.python(HEAD.replace("ROOT_CGROUP", str(root)) + code, root, **kw).strip()


@pytest.fixture(scope="module")
def tripwire():
    with World() as world:
        world.far = Counter(world.net, (FREE, FREE6), DNS)
        world.closers.append(world.far.stop)
        for family in ("ip", "ip6"):
            sh("ip", "netns", "exec", world.net, "nft", f"add table {family} more; add chain {family} more in "
               f"{{ type nat hook prerouting priority -100; }}; add rule {family} more in tcp dport 8443 dnat to :443")
        daemon = Daemon(world, agent_policy(world)).start()
        yield daemon
        assert daemon.stop() == 0
        daemon.nothing_left()


@pytest.fixture
def egret(tripwire):
    tripwire.world.sim.reset()
    tripwire.mark_now()
    tripwire.sent_before = tripwire.world.far.payload(tripwire.world)
    return tripwire


def sent(egret):
    """Payload that reached the unknown addresses in this test."""
    return egret.world.far.payload(egret.world) - egret.sent_before


def curl(egret, cgroup, address, name="api.openai.com", port=443):
    return egret.world.run_in(cgroup, [
        "curl", "-sS", "--max-time", "20", "--cacert", egret.ca, "--resolve", f"{name}:{port}:{address}",
        "-H", "Content-Type: application/json", "-d", json.dumps(CHAT), f"https://{name}:{port}/v1/chat/completions"])


@pytest.mark.parametrize("address, shown", [(FREE, FREE), (FREE6, f"[{FREE6}]")])
@pytest.mark.parametrize("name, port", [("api.openai.com", 443), ("API.OpenAI.COM", 443), ("api.openai.com", 8443)])
def test_the_retry_is_governed(egret, address, shown, name, port):
    """At any port: large front-ends serve all their names at several."""
    cgroup = egret.world.group(f"load/curl-{'6' if ':' in address else '4'}-{name[0]}-{port}")
    first = curl(egret, cgroup, shown, name, port)
    assert first.returncode in (35, 56), first.stderr  # TLS, or the connection, broke off
    event = egret.event("k_tripwire")
    assert event["host"] == f"{shown}:{port}"
    assert event["workload"] == "agent"
    assert "api.openai.com" in event["text"]
    again = curl(egret, cgroup, shown, name, port)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout).get("object") == "chat.completion", again.stdout
    record = egret.record()
    assert (record["workload"], record["provider"], record["decision"]) == ("agent", "openai", "allowed")
    assert sent(egret) == 0
    assert len(egret.world.sim.requests(host="api.openai.com")) == 1


def test_another_name_at_any_port_is_left_alone(egret):
    world, cgroup = egret.world, egret.world.group("load/another")
    passed = lambda: sum(r.get("passed_through", 0) for r in egret.egret("status")["processes"])  # noqa: E731
    before = passed()
    done = world.run_in(cgroup, ["curl", "-sS", "--max-time", "20", "--cacert", world.sim.ca, "--resolve",
                                 f"free.example:8443:{FREE}", "https://free.example:8443/"])
    assert done.returncode == 0 and "not a provider" in done.stdout, done
    assert sent(egret) > 0 and passed() == before


def test_what_is_learned_is_for_that_cgroup_and_decides_nothing(egret):
    """The trap is sprung by one workload; a neighbour's own site at that address is as before, and
    so is the workload's, only through egret."""
    world = egret.world
    passed = lambda: sum(r.get("passed_through", 0) for r in egret.egret("status")["processes"])  # noqa: E731
    cgroup, beside = world.group("load/poisoner"), world.group("load/beside")
    before = passed()
    assert curl(egret, cgroup, FREE).returncode != 0
    workload = Workload(world, world.sim.ca, beside)
    conn = workload.open(FREE, sni="free.example")
    assert conn.ask("GET", "/", host="free.example").status
    assert passed() == before
    mine = Workload(world, world.sim.ca, cgroup)
    conn = mine.open(FREE, sni="free.example")  # verified with the site's own certificate
    assert conn.ask("GET", "/", host="free.example").status
    wait_for(lambda: passed() == before + 1, what="passed-through connection")
    for w in (workload, mine):
        w.close()


@pytest.mark.parametrize("address", ["FREE", "FREE6"])
def test_a_hello_cut_at_every_byte(egret, address):
    out = run(egret, f"""
h = hello("api.openai.com")
print(len(h), set(attempt(h[:i], h[i:], to={address}) for i in range(1, len(h))))""", timeout=200)
    n, answers = out.split(" ", 1)
    assert int(n) > 400 and answers == "{103}"
    assert sent(egret) == 0


def test_a_free_hello_cut_at_every_byte_passes(egret):
    out = run(egret, """
h = hello("free.example")
print(set(attempt(h[:i], h[i:]) for i in range(1, len(h), 3)), attempt(*[h[i:i + 1] for i in range(len(h))]))
""", timeout=200)
    assert out == "{'record 22'} record 22"


def test_byte_by_byte(egret):
    assert run(egret, """
h = hello("api.openai.com")
print(attempt(*[h[i:i + 1] for i in range(len(h))]))""") == "103"
    assert sent(egret) == 0


def test_a_hello_cut_into_records(egret):
    """Not to be read from one record: whoever's it is, it is closed, and goes through egret next."""
    out = run(egret, """
h = hello("api.openai.com")
print(set(attempt(records(h, i)) for i in range(1, len(h) - 5)), attempt(records(h, *range(1, 200))))
""", timeout=200)
    assert out == "{103} 103"
    assert sent(egret) == 0
    assert "capture" in egret.event("k_hello")["text"]


RETRY = """
def handshake(h_of, name, **how):
    "A handshake over a connection, whose hello is sent as h_of() says; the certificate."
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
    t = c.wrap_bio(i, o, server_hostname=name)
    s, first = connect(**how), True
    while True:
        try: t.do_handshake(); return ssl.DER_cert_to_PEM_cert(t.getpeercert(True))
        except ssl.SSLWantReadError: pass
        data = o.read()
        s.sendall(h_of(data) if first and data else data); first = False
        i.write(s.recv(65536))
"""


@pytest.mark.parametrize("name, issuer", [("api.openai.com", "egret"), ("free.example", "simulator")])
def test_after_records_the_retry_is_served(egret, name, issuer):
    pem = run(egret, RETRY + f"""
print(attempt(records(hello("{name}"), 20)))
print(handshake(lambda h: records(h, 20), "{name}"))""")
    errno, _, pem = pem.partition("\n")
    assert errno == "103"
    (egret.world.tmp / "cert.pem").write_text(pem)
    said = sh("openssl", "x509", "-in", str(egret.world.tmp / "cert.pem"), "-noout", "-issuer").lower()
    ca = egret.ca if issuer == "egret" else egret.world.sim.ca
    assert said.split("=", 1)[1].strip() == sh("openssl", "x509", "-in", str(ca), "-noout", "-subject") \
        .lower().split("=", 1)[1].strip()


LARGE = "['x' * 200 + str(i) for i in range({})]"  # as post-quantum key shares are, and larger


@pytest.mark.parametrize("many", [6, 30])
def test_a_large_hello(egret, many):
    out = run(egret, f"""
alpn = {LARGE.format(many)}
h = hello("api.openai.com", alpn)
print(len(h) > {many} * 200, attempt(h), attempt(h[:1400], h[1400:]))""")
    assert out == "True 103 103"
    assert sent(egret) == 0
    assert run(egret, f"""
print(attempt(hello("free.example", {LARGE.format(many)})))""").startswith("record")


@pytest.mark.parametrize("many, mss", [(6, 100), (40, 0)])
@pytest.mark.parametrize("name", ["api.openai.com", "free.example"])
def test_larger_than_the_first_window_is_closed(egret, name, many, mss):
    """TCP puts no more than half of its first window, five segments, in one packet: it is never there in
    one piece. The retry goes through egret, which reads the stream."""
    out = run(egret, RETRY + f"""
h = hello("{name}", {LARGE.format(many)})
print(attempt(h, mss={mss}))
print(handshake(lambda h: h, "{name}", mss={mss})[:10])""")
    assert out.splitlines() == ["103", "-----BEGIN"]
    assert egret.event("k_hello")["workload"] == "agent"
    if name == "api.openai.com":
        assert sent(egret) == 0


def test_a_hello_that_stops_is_closed(egret):
    assert run(egret, 'print(attempt(hello("api.openai.com")[:-1]))') == "103"
    assert sent(egret) == 0


def test_fast_open_carries_nothing(egret):
    world = egret.world
    sh("ip", "netns", "exec", world.host, "sysctl", "-qw", "net.ipv4.tcp_fastopen=5")  # without a cookie
    sh("ip", "netns", "exec", world.net, "sysctl", "-qw", "net.ipv4.tcp_fastopen=0x602")
    out = run(egret, """
def fast(h):
    fresh()
    s = socket.socket(); s.settimeout(30)
    try: s.sendto(h, 0x20000000, (FREE, 443)); return "record %d" % s.recv(1)[0]
    except OSError as e: return e.errno
print(fast(hello("api.openai.com")))""")
    assert out == "103"
    assert sent(egret) == 0


@pytest.mark.parametrize("first", [b"GET / HTTP/1.0\r\n\r\n", b"SSH-2.0-x\r\n", b"\x16\x10\x00\x00\x01\x02"])
def test_other_first_bytes_pass(egret, first):
    assert run(egret, f"""
fresh(); s = connect(); s.send({first!r})
try: s.shutdown(1); s.recv(9)  # the server may have gone already
except OSError: pass""") == ""
    assert sent(egret) >= len(first)


@pytest.mark.parametrize("first", [r"\x15\x03\x01\0\x02\x01\0", r"\x14\x03\x01\0\x01\x01", r"\x15\x02\x01\0\x02\x01\x5a", ""])
def test_what_hides_a_hello_is_not_passed_on_by_egret(egret, first):
    """An alert in front of it, or a version that nobody has: the first attempt is ended by the kernel,
    the next one by the worker, which does not take it for another protocol."""
    assert run(egret, f"""
h = hello("api.openai.com")
h = b"{first}" + h if b"{first}" else h[:1] + b"\\2" + h[2:]
print(attempt(h))
s = connect(); s.send(h)
print(s.recv(9).hex())""").split() == ["103", "15030300020232"]  # decode_error
    assert sent(egret) == 0
    assert egret.event("hello_malformed")


# Of a connection whose byte in the middle is urgent: "end" when the other side ends it.
URGENT = f"""
s = connect("{PROVIDERS}")
BEFORE
s.send(b"X", socket.MSG_OOB)
try:
    s.send(b"more")
    while s.recv(65536): pass
except ConnectionError: pass
print("end")"""


def test_urgent_data_ends_what_passes_through(egret):
    """splice(2) stops before it for good, and the worker would hear of what is behind it without end."""
    assert run(egret, URGENT.replace("BEFORE", 's.send(hello("free.example")); s.recv(1)')) == "end"


def test_urgent_data_ends_a_hello(egret):
    assert run(egret, URGENT.replace("BEFORE", r's.send(b"\x16\3")')) == "end"
    assert egret.event("hello_malformed")


def test_socket_repair_is_refused(egret):
    """With it a process could send other bytes in place of those that passed."""
    assert run(egret, """
fresh(); s = connect()
try: s.setsockopt(6, 19, 1); print(0)
except OSError as e: print(e.errno)""") == "1"


def test_connections_older_than_enforcement_go_on():
    with World() as world:
        workload = Workload(world, world.sim.ca)
        conn = workload.open(FREE, sni="free.example")
        daemon = Daemon(world, agent_policy(world)).start()
        assert conn.ask("GET", "/", host="free.example").status
        assert daemon.stop() == 0
        daemon.nothing_left()


@pytest.mark.parametrize("number, address", [(1, FREE), (2, FREE6)])
def test_in_a_network_namespace_of_its_own(egret, number, address):
    """The connection is found and ended there, and the retry meets the listener there."""
    world = egret.world
    pod, beside = Pod(world, number), Pod(world, number + 2)
    for provider in (PROVIDERS, PROVIDERS6):
        wait_for(lambda p=provider: pod.connect(p) == 0, what="listener in the namespace")
    first = pod.python(f"""
        import socket, ssl
        s = socket.create_connection(("{address}", 443), 20)
        try: ssl.create_default_context().wrap_socket(s, server_hostname="api.openai.com"); print(0)
        except OSError as e: print(e.errno)""")
    assert int(first) == ECONNABORTED
    assert pod.call(egret.ca, address) == 200
    assert sent(egret) == 0
    made = world.far.connections(world)
    assert beside.connect(address) == 0
    assert world.far.connections(world) == made + 1  # the neighbour's own, not through egret


def test_a_client_learns_of_it_by_an_error(egret):
    workload = Workload(egret.world, egret.ca, egret.world.group("load/error"))
    with pytest.raises(Refused) as e:
        workload.open(FREE, sni="api.openai.com")
    assert e.value.errno == ECONNABORTED
    assert workload.open(FREE, sni="api.openai.com").ask("GET", "/v1/models").status == 200
    workload.close()
