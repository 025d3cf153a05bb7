# SPDX-License-Identifier: Apache-2.0
"""What passes through untouched: a connection to a governed address whose server name is not
governed, which egret splices to where it was going; beside no relay, a plain splice(2) relay, and
the same relay behind nftables' REDIRECT. By turns, in one run. All on one core, so that work is compared and not who wakes whom."""
import json
import subprocess
from contextlib import contextmanager
from statistics import median

from lib.hello import hello
from lib.system import BUILD, sh

from measure import Cpu, pinned

PORT, RELAY_PORT, NFT_PORT, REDIRECTED = 443, 8447, 8448, 444
ROUNDS, BLOCKS, CONNECTIONS = 25, 1000, 50
KINDS = ("direct", "splice", "nft", "egret")

RULES = """table ip egret_bench {{
  chain out {{
    type nat hook output priority -100;
    ip daddr {address} tcp dport {redirected} redirect to :{port}
  }}
}}
"""


def spawn(world, argv, ns_of_net):
    """A bench program that says "ready": in the internet, or on the host beside what is not enforced."""
    if ns_of_net:
        proc = subprocess.Popen(["ip", "netns", "exec", world.net, *pinned(0, argv)], stdout=subprocess.PIPE)
    else:
        proc = world.start(pinned(0, argv), world.outside / "splice", stdout=subprocess.PIPE)
    world.closers.append(lambda: (proc.kill(), proc.wait(), proc.stdout.close()))
    assert proc.stdout.readline() == b"ready\n"


@contextmanager
def redirect(world):
    rules = world.tmp / "redirect.nft"
    rules.write_text(RULES.format(address=world.upstream, redirected=REDIRECTED, port=NFT_PORT))
    sh("ip", "netns", "exec", world.host, "nft", "-f", rules)
    try:
        yield
    finally:
        sh("ip", "netns", "exec", world.host, "nft", "delete", "table", "ip", "egret_bench")


def blocks(world, kind, connections, count, window):
    at = {"direct": (world.upstream, PORT), "splice": ("127.0.0.1", RELAY_PORT),
          "nft": (world.upstream, REDIRECTED), "egret": (world.upstream, PORT)}[kind]
    cgroup = world.load if kind == "egret" else world.outside
    bears = world.daemon_cgroup if kind == "egret" else world.outside / "splice"
    with Cpu(bears) as cpu:
        done = world.run_in(cgroup, pinned(0, [BUILD / "tests/bench/blocks", *at, connections, count, window,
                                               world.tmp / "hello"]))
    assert done.returncode == 0, (kind, done.stderr)
    return {**json.loads(done.stdout), "relay_ns": cpu.us * 1000}


def one_round(world, kind):
    turn = blocks(world, kind, 1, BLOCKS, 1)
    bulk = blocks(world, kind, 1, 2 * BLOCKS, 16)
    fresh = blocks(world, kind, CONNECTIONS, 1, 1)
    return {"turn_us": turn["ns"] / BLOCKS / 1000, "mb_s": 2 * BLOCKS * 65536 / bulk["ns"] * 1000,
            "cpu_us": bulk["relay_ns"] / (2 * BLOCKS) / 1000, "fresh_us": fresh["first_ns"] / 1000}


def measure(world):
    """The upstream's port 443 must be free, and egretd be running."""
    (world.outside / "splice").mkdir(exist_ok=True)
    (world.tmp / "hello").write_bytes(hello("free.example"))
    spawn(world, [BUILD / "tests/bench/peer", world.upstream, PORT], True)
    for port in (RELAY_PORT, NFT_PORT):
        spawn(world, [BUILD / "tests/bench/splice", port, world.upstream, PORT], False)
    rounds = {kind: [] for kind in KINDS}
    with redirect(world):
        for i in range(ROUNDS):
            for kind in KINDS if i % 2 == 0 else reversed(KINDS):
                rounds[kind].append(one_round(world, kind))
    return rounds


def show(rounds):
    print("\npassed through: medians of rounds; ratios are medians round by round")
    print(f"{'':12}{'64 KiB and back':>16}{'to direct':>10}{'bulk':>9}{'to direct':>10}{'to splice':>10}{'relay CPU':>11}"
          f"{'new connection, 64 KiB':>24}")
    print(f"{'':12}{'µs':>16}{'':>10}{'MB/s':>9}{'':>10}{'':>10}{'µs/64 KiB':>11}{'µs':>24}")
    for kind, mine in rounds.items():
        mid = {key: median(r[key] for r in mine) for key in mine[0]}
        to_direct = median(a["turn_us"] / b["turn_us"] for a, b in zip(mine, rounds["direct"]))
        bulk = median(b["mb_s"] / a["mb_s"] for a, b in zip(mine, rounds["direct"]))
        to_splice = median(a["mb_s"] / b["mb_s"] for a, b in zip(mine, rounds["splice"]))
        cpu = "" if kind == "direct" else f"{mid['cpu_us']:.1f}"
        print(f"{kind:12}{mid['turn_us']:16.1f}{to_direct:9.2f}×{mid['mb_s']:9.0f}{bulk:9.2f}×{to_splice:9.2f}×{cpu:>11}"
              f"{mid['fresh_us']:24.0f}")
