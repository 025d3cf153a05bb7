# SPDX-License-Identifier: Apache-2.0
"""Every socket call that might get around egret, by an unmodified process in an enforced cgroup: first its
twin outside, which must arrive, then the attack, of which nothing may. Two daemons: one as it comes,
and one that lets raw sockets be made, so that the gate behind `socket()` is attacked, too."""
import pytest

from lib.arena import BOTH, EMBEDDED, FORMS, Arena, errno_names
from lib.system import wait_for

ERRNO = errno_names()
ALL = BOTH + EMBEDDED
V4, V6 = ("IPv4",), ("IPv6",)
REDIRECT = "connect.allowed"
UDP, PORT, PACKET, SOCKET, OPTION = ("connect.k_udp", "connect.k_port", "egress.k_packet", "sock_create.k_protocol",
                                     "setsockopt.k_sockopt")
SENDMSG = "sendmsg.k_udp"

# Row of the list, attack, address forms, what stops it; optionally the port and what the caller sees.
ATTACKS = [
    ("1", "tcp", ALL, REDIRECT),
    ("1", "tcp-nonblocking", ALL, REDIRECT),
    ("1", "tcp-threads", BOTH, REDIRECT),
    ("1", "tcp-vfork", BOTH, REDIRECT),
    ("1", "tcp-orphan", BOTH, REDIRECT),
    ("1b", "tcp", ALL, PORT, 8443),
    ("2", "tfo-sendto", ALL, REDIRECT),
    ("2", "tfo-sendto", BOTH, PORT, 8443),
    ("2", "tfo-sendmsg-nonblocking", BOTH, REDIRECT),
    ("2", "tfo-sendmsg-nonblocking", BOTH, PORT, 8443),
    ("2", "tfo-connect", ALL, REDIRECT),
    ("2", "tfo-connect", BOTH, PORT, 8443),
    ("3", "uring-connect", ALL, REDIRECT),
    ("3", "uring-connect", BOTH, PORT, 8443),
    ("3", "uring-connect-async", BOTH, REDIRECT),
    ("3", "uring-connect-sqpoll", BOTH, REDIRECT),
    ("3", "uring-connect-sqpoll-async", BOTH, REDIRECT),
    ("3", "uring-socket", BOTH, REDIRECT),
    ("3", "uring-socket-async", BOTH, REDIRECT),
    ("3", "uring-socket-sqpoll", BOTH, REDIRECT),
    ("3", "uring-fixed-linked", BOTH, REDIRECT),
    ("3b", "uring-sendmsg", ALL, SENDMSG),
    ("3b", "uring-sendmsg-async", BOTH, SENDMSG),
    ("3b", "uring-sendmsg-sqpoll", BOTH, SENDMSG),
    ("3b", "uring-send-address", BOTH, SENDMSG),
    ("3b", "uring-send-zerocopy", BOTH, SENDMSG),
    ("3b", "uring-sendmsg-zerocopy", BOTH, SENDMSG),
    ("3b", "uring-udp-linked", BOTH, UDP),
    ("4", "mptcp", ("IPv4", "IPv6", "mapped"), SOCKET),
    ("4d", "udplite-connected", BOTH, SOCKET),
    ("4d", "udplite-sendto", BOTH, SOCKET),
    ("6", "udp-connected", ALL, UDP),
    ("6", "udp-connected-anyway", BOTH, UDP, 443, "EDESTADDRREQ"),
    ("6", "udp-sendto", ALL, SENDMSG),
    ("6", "udp-sendto", BOTH, SENDMSG, 4500),
    ("6", "udp-dns-port", BOTH, SENDMSG),
    ("6", "udp-empty", BOTH, SENDMSG),
    ("6", "udp-connected-elsewhere", ALL, SENDMSG),
    ("6", "udp-pktinfo", BOTH, SENDMSG),
    ("6", "udp-sendmmsg", ALL, SENDMSG),
    ("6", "udp-sendmmsg-mixed", ALL, SENDMSG),
    ("6", "udp-reconnect", BOTH, UDP),
    ("6", "udp-corked", BOTH, SENDMSG),
    ("6", "udp-segmented", BOTH, SENDMSG),
    ("6", "udp-large", BOTH, SENDMSG),
    ("6b", "udp-no-family", V4, SENDMSG),
    ("5", "udp4-on-udp6", V4, SENDMSG),
    ("5", "udp4-on-udp6-connected", V4, UDP),
    ("7", "raw-udp", BOTH, SOCKET),
    ("7b", "ping", V4, PACKET),
    ("7b", "ping", V6, PACKET, 443, "ok"),
    ("7b", "ping-connected", BOTH, "connect.k_protocol"),
    ("7c", "route-udp-option", BOTH, OPTION),
    ("7c", "route-tcp-option", BOTH, OPTION),
    ("7c", "route-udp-ancillary", V4, PACKET),
    ("9", "tcp-bound", BOTH, REDIRECT),
    ("9", "tcp-low-port", BOTH, REDIRECT),
    ("9", "tcp-mark", BOTH, REDIRECT),
    ("9b", "tcp-bound-device", BOTH, REDIRECT),
    ("9c", "tcp-transparent", BOTH, REDIRECT, 443, None),
    ("9c", "tcp-freebind", V6, REDIRECT, 443, None),
    ("9d", "tcp-repair", BOTH, OPTION),
    ("12b", "tcp-twice", BOTH, REDIRECT),
    ("12b", "tcp-reconnect", ALL[:3], REDIRECT),
    ("+", "tcp-zerocopy", BOTH, REDIRECT),
    ("+", "tcp-priority", BOTH, REDIRECT),
    ("+", "tcp-flow-label", V6, REDIRECT),
    ("+", "tcp-scope", V6, REDIRECT),
    ("+", "tcp-long-address", BOTH, REDIRECT),
    ("+", "udp-zerocopy", BOTH, SENDMSG),
    ("+", "udp-changed-family", ("mapped",), SENDMSG),
    ("+", "udp-spliced", BOTH, UDP, 443, "EDESTADDRREQ"),
    ("+", "udp-bound-device", BOTH, SENDMSG),
    ("+", "race-sendto", BOTH, SENDMSG),
    ("+", "race-connect", BOTH, UDP),
    ("+", "race-send", BOTH, UDP, 443, None),
]

# With `allow_raw`: the socket is made, and the gate is what is left.
RAW_ATTACKS = [
    ("4d", "udplite-connected", BOTH, PACKET),
    ("4d", "udplite-sendto", BOTH, SENDMSG),
    ("4d", "udplite-spliced", BOTH, PACKET),
    ("4", "mptcp", BOTH, SOCKET),
    ("7", "raw-udp", BOTH, PACKET),
    ("7", "raw-connected", BOTH, PACKET),
    ("7", "raw-tcp-syn", BOTH, PACKET),
    ("7", "raw-icmp", BOTH, PACKET),
    ("7", "raw-header", BOTH, PACKET),
    ("7", "raw-header-differs", BOTH, PACKET),
    ("7", "raw-fragment", V4, PACKET),
    ("7c", "route-raw", BOTH, PACKET),
]

# What no kernel of ours has (row 4c), and what this one makes nothing of: nothing arrives from outside either.
ABSENT = [(name, form) for name in ("sctp", "sctp-one-to-many", "dccp", "smc", "smc-protocol", "l2tp", "tipc", "rds")
          for form in BOTH] + [("route-udp-ancillary", "IPv6"), ("route-udp-ancillary-home", "IPv6")]


@pytest.fixture(scope="module")
def raw_arena():
    with Arena({"allow_raw": True}) as a:
        yield a
        assert a.oracle.read()["target"] == 0


def cases(attacks):
    return [pytest.param(number, attack, form, by, *(rest + [443, ""][len(rest):]),
                         id="-".join([number, attack, form.replace(" ", "-"), *map(str, rest[:1])]))
            for number, attack, forms, by, *rest in attacks for form in forms]


def expected(by, saw):
    """saw "": what the reason's errno says; None: anything but a result that matters."""
    if saw != "" or by == REDIRECT:
        return saw or "ok"
    return ERRNO[by.split(".")[1]]


def attack(arena, found, number, name, form, by, port, saw):
    arena.twin(name, form, port)
    before, counts = arena.oracle.read()["target"], arena.counts()
    got = arena.run_attack(name, FORMS[form].target, form, port)
    after = arena.counts()
    arrived = arena.oracle.read()["target"] - before
    label = name if port == 443 else f"{name} port {port}"
    found(number, label, form, got, "redirected to egret" if by == REDIRECT else by.replace(".", ": "), arrived)
    assert arrived == 0
    assert after.get(by, 0) > counts.get(by, 0), {k: n for k, n in after.items() if n != counts.get(k, 0)}
    if saw is not None:
        assert got == expected(by, saw)


@pytest.mark.parametrize("number, name, form, by, port, saw", cases(ATTACKS))
def test_nothing_arrives(arena, found, number, name, form, by, port, saw):
    attack(arena, found, number, name, form, by, port, saw)


@pytest.mark.parametrize("number, name, form, by, port, saw", cases(RAW_ATTACKS))
def test_nothing_arrives_of_raw_sockets(raw_arena, found, number, name, form, by, port, saw):
    attack(raw_arena, found, number, name, form, by, port, saw)


# The test's own process is what the event names: the attacks that make no other.
@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("name", ["tcp", "tfo-sendto", "uring-connect-async", "uring-connect-sqpoll",
                                  "uring-fixed-linked", "tcp-twice"])
def test_what_is_redirected_is_known_by_its_process(arena, name, form):
    cgroup = arena.group(f"load/{name}-{form}")
    proc = arena.start_attack(name, FORMS[form].target, form, cgroup=cgroup)
    proc.communicate(timeout=60)

    def events():
        return [e for e in arena.daemon.egret("event", "list", "--reason", "not_tls") if e["pid"] == proc.pid]
    event = wait_for(events, what="the event")[0]
    assert event["cgroup"] == cgroup.stat().st_ino, event


@pytest.mark.parametrize("form", BOTH)
def test_a_socket_bound_to_a_device_by_a_user_is_refused(arena, found, form):
    """Undoing the bind needs a capability that the caller lacks."""
    before = arena.oracle.read()["target"]
    got = arena.run_attack("tcp-bound-device", FORMS[form].target, form, uid=1234)
    arrived = arena.oracle.read()["target"] - before
    found("9b", "tcp-bound-device, not root", form, got, "connect: k_bound_device", arrived)
    assert (got, arrived) == ("ENETUNREACH", 0)


@pytest.mark.parametrize("name, form", ABSENT)
def test_other_protocols_are_not_in_this_kernel(arena, found, name, form):
    """Where they are, `socket()` is refused by the hook: they are neither TCP nor UDP nor ICMP."""
    outside = arena.run_attack(name, FORMS[form].twin, form, cgroup=arena.outside)
    inside = arena.run_attack(name, FORMS[form].target, form)
    found("7c" if name.startswith("route") else "4c", name, form, inside, "not in this kernel", twin="no")
    assert outside in ("EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EAFNOSUPPORT", "EINVAL"), outside
    assert inside in ("EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EAFNOSUPPORT", "EINVAL"), inside


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("name", ["frame-raw", "frame-dgram", "frame-qdisc-bypass"])
def test_frames_on_the_hosts_own_devices_need_a_capability(arena, found, name, form):
    """No hook sees these: who has CAP_NET_RAW there is out of reach (README), so it must not be had."""
    arena.twin(name, form)
    before = arena.oracle.read()["target"]
    got = arena.run_attack(name, FORMS[form].target, form, uid=1234)
    arrived = arena.oracle.read()["target"] - before
    found("7d", f"{name} on the host, without CAP_NET_RAW", form, got, "the kernel", arrived)
    assert (got, arrived) == ("EPERM", 0)


def test_a_link_local_address_is_nobodys_provider(arena, found):
    """Row 5b: allowed, whatever answers there; the far side has no listener and says so."""
    mac = bytes.fromhex(arena.gateway)
    far = "fe80::%02x%02x:%02xff:fe%02x:%02x%02x" % (mac[0] ^ 2, *mac[1:])
    counts = arena.counts()
    code = f"import socket; s = socket.socket(10); s.settimeout(10); " \
           f"print(s.connect_ex(('{far}', 9443, 0, socket.if_nametoindex('h0'))))"
    assert arena.python(code).strip() == "111"
    moved = {k: n for k, n in arena.counts().items() if k.startswith("connect") and n != counts.get(k, 0)}
    found("5b", "tcp to a link-local address", "IPv6", "its own answer", "nobody: no provider's address", twin="no")
    assert moved == {}
