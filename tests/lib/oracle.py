# SPDX-License-Identifier: Apache-2.0
"""What arrived at the far side of a world's wire, whatever a call returned: packets that go to a watched
address or carry it anywhere behind their source (in options, extension headers, inside a tunnel). Counted
apart: resets that carry nothing, which the kernel sends of itself; and, again, how many begin a connection."""
import json
import select
import subprocess

from .system import PYTHON, clean_env

CODE = """
import json, socket, sys
watched = {name: [socket.inet_pton(10 if ":" in a else 2, a) for a in addresses]
           for name, addresses in json.loads(sys.argv[1]).items()}
marker = socket.inet_aton(sys.argv[2])
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
s.bind(("n0", 0))
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sink.bind((sys.argv[2], 9))
seen = {name + kind: 0 for name in watched for kind in ("", " reset", " syn")}
def is_reset(p, at):  # of TCP, without a byte of data: the kernel says that a connection is no more
    return p[9 if at == 20 else 6] == 6 and p[at + 13] & 4 and len(p) == at + (p[at + 12] >> 4) * 4
def is_syn(p, at):
    return p[9 if at == 20 else 6] == 6 and p[at + 13] & 0x12 == 2
print("ready", flush=True)
while True:
    p, a = s.recvfrom(65535)
    if a[2] == 4:  # outgoing
        continue
    version = p[0] >> 4 if p else 0
    if version == 4 and a[1] != 0x0806:
        behind, at = p[16:], (p[0] & 15) * 4
        if p[16:20] == marker and p.endswith(b"marker"):
            lost = s.getsockopt(263, 6, 8)  # SOL_PACKET, PACKET_STATISTICS
            print(json.dumps({**seen, "lost": int.from_bytes(lost[4:], sys.byteorder)}), flush=True)
            continue
    elif version == 6 and not (p[6] == 58 and 133 <= p[40] <= 137):  # neighbours look for addresses
        behind, at = p[24:], 40
    else:
        continue
    for name, addresses in watched.items():
        if any(address in behind for address in addresses):
            seen[name + (" reset" if is_reset(p, at) else "")] += 1
        seen[name + " syn"] += is_syn(p, at) and any(behind.startswith(address) for address in addresses)
"""
MARK = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for line in sys.stdin:
    s.sendto(b"marker", (sys.argv[1], 9))
"""


class Oracle:
    """watched: {name: [addresses]}. marker_at: an address of the far side that is not watched."""

    def __init__(self, world, watched, marker_at):
        piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        argv = ["ip", "netns", "exec", world.net, PYTHON, "-c", CODE, json.dumps(watched), marker_at]
        self.proc = subprocess.Popen(argv, env=clean_env(), **piped)
        assert self.proc.stdout.readline() == "ready\n"
        self.marker = world.start([PYTHON, "-c", MARK, marker_at], world.outside, **piped)

    def read(self):
        """{name: packets} of all that was sent before this call: a marker comes after it."""
        self.marker.stdin.write("\n")
        self.marker.stdin.flush()
        ready, _, _ = select.select([self.proc.stdout], [], [], 20)
        assert ready, "the marker never arrived"
        seen = json.loads(self.proc.stdout.readline())
        assert seen.pop("lost") == 0, "the oracle missed packets"
        return seen

    def stop(self):
        for proc in (self.marker, self.proc):
            proc.kill()
            proc.wait()
            proc.stdin.close()
            proc.stdout.close()

