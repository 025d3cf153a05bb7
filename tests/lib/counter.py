# SPDX-License-Identifier: Apache-2.0
"""Packets as they arrive in the simulated internet: what proves that nothing else left the host."""
import json
import select
import subprocess
import sys
import textwrap

from .system import clean_env

CODE = """
import json, socket, sys
watched, marker_at = json.loads(sys.argv[1]), sys.argv[2]
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
s.bind(("n0", 0))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind((marker_at, 9))
seen = {}
print("ready", flush=True)
while True:
    p, a = s.recvfrom(65535)
    if a[2] == 4:  # outgoing
        continue
    if a[1] == 0x0800:
        dst, proto, at = socket.inet_ntop(socket.AF_INET, p[16:20]), p[9], (p[0] & 15) * 4
    elif a[1] == 0x86dd and p[6] != 58:
        dst, proto, at = socket.inet_ntop(socket.AF_INET6, p[24:40]), p[6], 40
    else:
        continue
    if dst in watched:
        syn = proto == 6 and (p[at + 13] & 0x12) == 2
        if proto == 6:
            total = int.from_bytes(p[2:4], "big") if a[1] == 0x0800 else 40 + int.from_bytes(p[4:6], "big")
            tcp = total - at - (p[at + 12] >> 4) * 4
            seen[f"{dst} bytes"] = seen.get(f"{dst} bytes", 0) + tcp
        key = f"{dst} {proto} " + ("syn" if syn else "data")
        seen[key] = seen.get(key, 0) + 1
    elif dst == marker_at and p[-6:] == b"marker":
        print(json.dumps(seen), flush=True)
"""
MARK = """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"marker", ("{}", 9))
"""


class Counter:
    def __init__(self, ns, watched, marker_at):
        self.marker_at = marker_at
        self.proc = subprocess.Popen(
            ["ip", "netns", "exec", ns, sys.executable, "-c", textwrap.dedent(CODE), json.dumps(watched), marker_at],
            stdout=subprocess.PIPE, text=True, env=clean_env())
        assert self.proc.stdout.readline() == "ready\n"

    def read(self, world):
        """{"ADDRESS PROTOCOL syn|data": packets, "ADDRESS bytes": TCP payload} of all that was sent before this call: a marker to
        an address that is not governed comes after it."""
        world.python(MARK.format(self.marker_at))
        ready, _, _ = select.select([self.proc.stdout], [], [], 10)
        assert ready, "the marker never arrived: ungoverned traffic is broken"
        return json.loads(self.proc.stdout.readline())

    def connections(self, world):
        """How many TCP connections to governed addresses were begun."""
        return sum(n for key, n in self.read(world).items() if key.endswith(" 6 syn"))

    def payload(self, world):
        """Bytes of TCP payload that arrived at watched addresses; retransmissions count, too."""
        return sum(n for key, n in self.read(world).items() if key.endswith(" bytes"))

    def stop(self):
        self.proc.kill()
        self.proc.wait()
        self.proc.stdout.close()
