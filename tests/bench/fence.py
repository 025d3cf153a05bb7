# SPDX-License-Identifier: Apache-2.0
"""What the hooks cost those who are not governed: a connection, a datagram, bulk; without and with
them, turn and turn about in one run. No daemon: the driver of the hook tests attaches them to its
own subtree, which stands for the root."""
import json
import os
import subprocess
import tempfile
from pathlib import Path
from statistics import median

from lib.hookworld import FREE, HookWorld
from lib.system import BUILD, sh

from measure import bpf_stats, pinned, plain_tcp

PORT = 443
ROUNDS, CONNECTS = 15, 1000
BULK_BLOCKS, BULK_WINDOW, BULK_ROUNDS = 2000, 16, 8
DEPTH = 8
CURVE = (1, 10, 100, 1000, 10000)
ALLOW, DENY = 0, 1


class FenceWorld(HookWorld):
    """The far side is a program that takes and forgets everything; no packet is looked at."""

    def count_far(self):
        argv = ["ip", "netns", "exec", self.far, *pinned(1, [BUILD / "tests/bench/peer", FREE, PORT])]
        self.counter = subprocess.Popen(argv, stdout=subprocess.PIPE)
        assert self.counter.stdout.readline() == b"ready\n"

    def wire(self):
        super().wire()
        # No connection waits here after its end: their ports would run out.
        sh("ip", "netns", "exec", self.work, "sysctl", "-qw", "net.ipv4.tcp_max_tw_buckets=0")
        for ns in (self.work, self.far):
            plain_tcp(ns)

    def run(self, cgroup, program, *args):
        argv = pinned(0, [BUILD / "tests/bench" / program, FREE, PORT, *args])
        done = subprocess.run(self.inside(argv, cgroup), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def connects(self, cgroup, count=CONNECTS):
        return self.run(cgroup, "connect", PORT, count)

    def hooks(self, cgroup):
        """ns of each hook, over a round of connections and datagrams from a cgroup."""
        with bpf_stats():
            before = {p["name"]: p for p in self.d.do("inspect")["progs"]}
            self.connects(cgroup)
            after = self.d.do("inspect")["progs"]
        ran = {p["name"]: (p["run_ns"] - before[p["name"]]["run_ns"], p["run_cnt"] - before[p["name"]]["run_cnt"])
               for p in after}
        return {name: ns / n for name, (ns, n) in ran.items() if n}


def least(rows):
    """Member by member, the least of all rounds: what else runs on the machine only adds."""
    return {key: min(r[key] for r in rows) for key in rows[0]}


def side_by_side(world):
    """(without, with) hooks, round by round, by turns."""
    pairs, bulk = [], []
    for i in range(ROUNDS):
        pairs.append(turns(i, world.connects, world))
    for i in range(BULK_ROUNDS):
        bulk.append(turns(i, lambda cgroup: world.run(cgroup, "blocks", 1, BULK_BLOCKS, BULK_WINDOW), world))
    return pairs, bulk


def turns(i, act, world):
    """Each is first as often as the other."""
    cgroups = (world.outside, world.load)
    if i % 2:
        inside, outside = act(cgroups[1]), act(cgroups[0])
    else:
        outside, inside = act(cgroups[0]), act(cgroups[1])
    return outside, inside


def best_hooks(world, cgroup):
    return least([world.hooks(cgroup) for _ in range(3)])


def at_depth(world):
    """Hooks as they are at the top; with modes on, DEPTH levels below, where nothing says anything; and where
    a mode does, on the cgroup above."""
    path = world.load
    for i in range(DEPTH):
        path = path / f"d{i}"
        path.mkdir()
    try:
        rows = [("no modes", best_hooks(world, world.load))]
        world.d.ok("switch 1")
        rows.append((f"modes on, none met, depth {DEPTH}", best_hooks(world, path)))
        world.d.ok(f"mode {world.load} {ALLOW} {ALLOW} 0")
        rows.append((f"modes on, one {DEPTH} levels up", best_hooks(world, path)))
        world.d.ok(f"mode {world.load}")
        world.d.ok("switch 0")
    finally:
        while path != world.load:
            path.rmdir()
            path = path.parent
    return rows


def endpoint(i):
    return f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"


def curve(world):
    """What a connection costs from one of n cgroups, beside n governed addresses."""
    many = world.cgroup / "many"
    many.mkdir()
    made, rows = 0, []
    try:
        for n in CURVE:
            for i in range(made, n):
                (many / f"c{i}").mkdir()
                world.d.govern(endpoint(i))
            made = n
            cgroup = many / f"c{n - 1}"
            cost = least([world.connects(cgroup) for _ in range(8)])
            rows.append((n, cost["pair_ns"], best_hooks(world, cgroup)["eg_connect4"]))
    finally:
        for path in os.scandir(many):
            if path.is_dir():
                os.rmdir(path.path)
        many.rmdir()
    return rows


def measure():
    with tempfile.TemporaryDirectory(prefix="egret-fence-") as tmp, FenceWorld(Path(tmp)) as world:
        world.enforce()
        return {"sides": side_by_side(world), "depth": at_depth(world), "curve": curve(world)}


def show(found):
    pairs, bulk = found["sides"]
    print("\nnot governed: least of all rounds, and the median of ratios, round by round")
    print(f"{'':34}{'none':>10}{'hooks':>10}{'ratio':>9}")
    for text, rounds, key, per in (("connect + close, CPU ns", pairs, "pair_ns", 1),
                                   ("sendto, CPU ns", pairs, "datagram_ns", 1),
                                   ("connect, ns", pairs, "connect_ns", 1),
                                   ("bulk, CPU of sending 64 KiB, ns", bulk, "cpu_ns", BULK_BLOCKS),
                                   ("bulk, 64 KiB, ns", bulk, "ns", BULK_BLOCKS)):
        out, inside = (min(r[i][key] for r in rounds) // per for i in (0, 1))
        ratio = median(r[1][key] / r[0][key] for r in rounds)
        print(f"  {text:32}{out:10}{inside:10}{ratio:8.2f}×")
    print("\nhooks, ns a run (as the kernel counts, its own clock included)")
    names = sorted({n for _, row in found["depth"] for n in row})
    print(f"  {'':32}" + "".join(f"{n.removeprefix('eg_'):>13}" for n in names))
    for text, row in found["depth"]:
        print(f"  {text:32}" + "".join(f"{row[n]:13.0f}" if n in row else f"{'':13}" for n in names))
    print("\ncgroups and governed addresses   connect + close, CPU ns   eg_connect4, ns")
    for n, pair, hook in found["curve"]:
        print(f"{n:30}{pair:26}{hook:18.0f}")

