# SPDX-License-Identifier: Apache-2.0
"""A network namespace of a workload's own, as a container engine would make it: behind a veth into
the host of a world, routed by it to the internet."""
import json
import subprocess
import textwrap

from .system import PYTHON, sh

CALL = """
import http.client, json, socket, ssl, sys
ask = json.loads(sys.argv[1])
c = ssl.create_default_context(cafile=ask["ca"])
sock = socket.create_connection((ask["address"], 443), 20)
sock = c.wrap_socket(sock, server_hostname=ask["host"])
h = http.client.HTTPSConnection(ask["host"])
h.sock = sock
h.request("POST", "/v1/chat/completions", json.dumps({"model": "gpt-4o-mini", "messages": []}),
          {"content-type": "application/json"})
r = h.getresponse()
r.read()
print(r.status)
"""

# As clients do: a refused connection is tried once more in a moment.
TRY = """
import socket, time
def connect(address, port=443):
    for _ in range(50):
        s = socket.socket()
        s.settimeout(20)
        if s.connect_ex((address, port)) == 0: return s
        time.sleep(0.1)
    raise SystemExit("refused all the time")
socket.create_connection = lambda to, timeout=None: connect(*to)
"""

# Frames that no cgroup hook sees: ip4(), ip6(), send().
RAW = """
import socket, struct, sys
def checksum(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b)); s = (s & 0xffff) + (s >> 16); s += s >> 16
    return ~s & 0xffff
def ip4(src, dst, proto=17, options=b"", frag=0, payload=b"\\0\\x35\\x01\\xbb\\0\\x0c\\0\\0data"):
    h = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), 7, frag, 64, proto,
                    0, socket.inet_aton(src), socket.inet_aton(dst)) + options
    return h[:10] + struct.pack("!H", checksum(h)) + h[12:] + payload
def ip6(src, dst, proto=17, head=b"", payload=b"\\0\\x35\\x01\\xbb\\0\\x0c\\x12\\x34data"):
    return struct.pack("!IHBB", 6 << 28, len(head) + len(payload), proto, 64) + socket.inet_pton(10, src) + \\
        socket.inet_pton(10, dst) + head + payload
def mac(device):
    return bytes.fromhex(open(f"/sys/class/net/{device}/address").read().replace(":", ""))
def send(frame, gateway, bypass=False, ethertype=0x0800, tags=b""):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind(("eth0", 0))
    if bypass: s.setsockopt(263, 20, 1)  # SOL_PACKET, PACKET_QDISC_BYPASS
    own = s.getsockname()[4]
    s.send(bytes.fromhex(gateway) + own + tags + struct.pack("!H", ethertype) + frame)
"""


class Pod:
    """number: each of a world has its own, 1..200."""

    def __init__(self, world, number=1, cgroup=None, wired=True):
        self.world, self.ns, self.number = world, f"egret-{world.tag}-pod{number}", number
        self.device = f"p{number}"
        self.cgroup = cgroup or world.group(f"load/pod{number}")
        self.address, self.address6 = f"10.77.{number}.2", f"fd77:{number}::2"
        sh("ip", "netns", "add", self.ns)
        world.closers.append(self.close)
        sh("ip", "-n", self.ns, "link", "set", "lo", "up")
        if wired:
            self.wire()

    def wire(self):
        host, net = self.world.host, self.world.net
        sh("ip", "link", "add", self.device, "netns", host, "type", "veth", "peer", "name", "eth0", "netns", self.ns)
        for ns, device, at in ((host, self.device, 1), (self.ns, "eth0", 2)):
            sh("ip", "-n", ns, "addr", "add", f"10.77.{self.number}.{at}/24", "dev", device)
            sh("ip", "-n", ns, "addr", "add", f"fd77:{self.number}::{at}/64", "dev", device, "nodad")
            sh("ip", "-n", ns, "link", "set", device, "up")
        sh("ip", "-n", self.ns, "route", "add", "default", "via", f"10.77.{self.number}.1")
        sh("ip", "-n", self.ns, "route", "add", "default", "via", f"fd77:{self.number}::1")
        sh("ip", "netns", "exec", host, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        sh("ip", "-n", net, "route", "replace", f"10.77.{self.number}.0/24", "via", "198.51.100.2")
        sh("ip", "-n", net, "route", "replace", f"fd77:{self.number}::/64", "via", "2001:db8:1::2")

    @property
    def path(self):
        return f"/run/netns/{self.ns}"

    def gateway(self):
        """Hardware address of the host's side, as hex digits."""
        return sh("ip", "netns", "exec", self.world.host, "cat", f"/sys/class/net/{self.device}/address") \
            .strip().replace(":", "")

    def start(self, argv, **kw):
        return self.world.start(argv, kw.pop("cgroup", self.cgroup), ns=self.path, **kw)

    def python(self, code, cgroup=None, uid=None, timeout=60):
        return self.world.python(textwrap.dedent(code), cgroup or self.cgroup, ns=self.path, uid=uid, timeout=timeout)

    def connect(self, address, port=443, uid=None, cgroup=None):
        """0, or the errno of a TCP connect."""
        family = 10 if ":" in address else 2
        return int(self.python(f"""
            import socket
            s = socket.socket({family}); s.settimeout(10)
            print(s.connect_ex(("{address}", {port})))""", uid=uid, cgroup=cgroup))

    def call(self, ca, address, host="api.openai.com", cgroup=None, ns=None):
        """Status of a chat completion at an address."""
        ask = json.dumps({"ca": str(ca), "address": address, "host": host})
        done = self.world.run_in(cgroup or self.cgroup, [PYTHON, "-c", CALL, ask], ns=ns or self.path)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def close(self):
        subprocess.run(["ip", "netns", "del", self.ns], capture_output=True, check=False)
        subprocess.run(["ip", "-n", self.world.host, "link", "del", self.device], capture_output=True, check=False)
