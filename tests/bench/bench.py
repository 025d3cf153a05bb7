# SPDX-License-Identifier: Apache-2.0
"""`make bench`: what governing costs, beside nginx, haproxy and a bare TLS relay in the same run.

2 KB chat request, 1 KB answer, 32 kept connections, TLS 1.3 on both sides. CPU is what the kernel
accounts to all of a proxy's processes, so a slow load generator doesn't flatter anybody. Policy, body
scan and audit are on for egret; nginx and haproxy only relay and put a header in. About 3 minutes."""
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from lib.daemon import Daemon  # noqa: E402
from lib.policies import agent_policy  # noqa: E402
from lib.system import BUILD, PYTHON  # noqa: E402
from lib.world import FREE, PROVIDERS, World  # noqa: E402

from measure import Cpu, bpf_stats, memory_kib, pinned  # noqa: E402
from proxies import STREAMS, Direct, Egret, Upstream, haproxy, nginx, relay  # noqa: E402

HERE = Path(__file__).resolve().parent
ROUNDS, SECONDS, HANDSHAKE_SECONDS = 2, 5, 3
EVENT_STREAMS, EVENTS, GAP = 8, 500, 0.002
IDLE, FIRST, FIRST_ROUNDS, CONNECTS = 400, 100, 3, 5000


class BenchWorld(World):
    """Chat at a fast upstream, streams at the simulator."""
    upstream, streams = PROVIDERS, "203.0.113.11"

    def simulator_args(self):
        return super().simulator_args() + ["--name", f"{STREAMS}=anthropic@{self.streams}"]

    def listen_args(self):
        return ["--listen", PROVIDERS + ":8443"]  # port 443 there is nginx


def wrk(proxy, seconds, *args):
    done = proxy.world.run_in(proxy.load, pinned(1, ["wrk", "-t1", "-c32", f"-d{seconds}s", "-s", HERE / "chat.lua",
                                                     proxy.url(), "--", *args]), timeout=seconds + 60)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def streams(proxy, mode, n):
    done = proxy.world.run_in(proxy.load, pinned(1, [PYTHON, HERE / "streams.py", proxy.url(STREAMS), mode, n]),
                              env=proxy.client_env, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout)


def requests(proxy):
    wrk(proxy, 1)
    best = None
    for _ in range(ROUNDS):
        with Cpu(proxy.cgroup) as cpu:
            result = wrk(proxy, SECONDS)
        result["us"] = cpu.us / result["requests"]
        result["rps"] = result["requests"] / result["seconds"]
        best = min(best or result, result, key=lambda r: (r["bad"], r["us"]))
    return best


def handshakes(proxy):
    with Cpu(proxy.cgroup) as cpu:
        result = wrk(proxy, HANDSHAKE_SECONDS, "close")
    return result["requests"] / (cpu.us / 1e6)


def event_cost(proxy):
    proxy.world.sim.ask("speech", events=EVENTS, gap=GAP)
    with Cpu(proxy.cgroup) as cpu:
        count = streams(proxy, "events", EVENT_STREAMS)
    assert count >= EVENT_STREAMS * EVENTS
    return cpu.us / count


def first_byte(proxy):
    """µs that the proxy adds to the time to the first byte: medians, the best of a few rounds of each."""
    proxy.world.sim.ask("speech", events=1, gap=0)
    direct = Direct(proxy.world)
    rounds = [(streams(direct, "first", FIRST), streams(proxy, "first", FIRST)) for _ in range(FIRST_ROUNDS)]
    return min(through for _, through in rounds) - min(without for without, _ in rounds)


def idle_memory(proxy):
    """KiB of proportional memory that each of IDLE open connections adds."""
    proxy.world.sim.ask("speech", events=1, gap=0)
    before = memory_kib(proxy.pids())[1]
    client = proxy.world.start(pinned(1, [PYTHON, HERE / "streams.py", proxy.url(STREAMS), "idle", IDLE]), proxy.load,
                               env=proxy.client_env, stdin=-1, stdout=-1)
    assert client.stdout.readline() == b"open\n"
    after = memory_kib(proxy.pids())[1]
    client.communicate(b"")
    return (after - before) / IDLE


def connects(world, cgroup):
    done = world.run_in(cgroup, pinned(1, [BUILD / "tests/bench/connect", FREE, 8080, 9, CONNECTS]))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def measure(proxy):
    row = {"name": proxy.name, "memory": memory_kib(proxy.pids()), **requests(proxy)}
    row["handshakes"] = handshakes(proxy)
    row["event"] = event_cost(proxy)
    row["first"] = first_byte(proxy)
    row["idle"] = idle_memory(proxy)
    return row


def hooks(daemon, world):
    """ns of each hook, and connect() without and with them."""
    outside, inside = connects(world, world.outside), connects(world, world.load)
    with bpf_stats():
        connects(world, world.load)
        progs = daemon.egret("prog", "list")
    return outside, inside, {p["name"]: p["run_ns"] / p["run_cnt"] for p in progs if p.get("run_cnt")}


def show(rows):
    base = next(r for r in rows if r["name"] == "nginx")
    print(f"\n{'':12}{'CPU/request':>12}{'to nginx':>9}{'requests':>10}{'p50':>8}{'p99':>8}{'handshakes':>12}"
          f"{'CPU/event':>11}{'first byte':>11}{'idle conn':>11}{'at rest':>10}")
    print(f"{'':12}{'µs':>12}{'':>9}{'/s':>10}{'µs':>8}{'µs':>8}{'/CPU s':>12}{'µs':>11}{'added µs':>11}{'KiB':>11}"
          f"{'KiB':>10}")
    for r in rows:
        print(f"{r['name']:12}{r['us']:12.1f}{r['us'] / base['us']:8.2f}×{r['rps']:10.0f}{r['p50_us']:8}{r['p99_us']:8}"
              f"{r['handshakes']:12.0f}{r['event']:11.1f}{r['first']:11}{r['idle']:11.1f}{r['memory'][1]:10}")
    for r in rows:
        if r["bad"]:
            print(f"{r['name']}: {r['bad']} of {r['requests']} requests failed or were denied")
    print("\nat rest: proportional memory of all its processes; the bare relay opens an upstream connection, and a")
    print("TLS handshake, for every client connection; egret's handshake includes a certificate minted at first use.")


def show_hooks(outside, inside, progs):
    print(f"\nconnect() to an ungoverned address: {outside['connect_ns']} ns without egret, {inside['connect_ns']} ns with;"
          f" one datagram: {outside['datagram_ns']} and {inside['datagram_ns']} ns")
    for name, ns in sorted(progs.items()):
        print(f"  {name:16}{ns:8.0f} ns a run")


def main():
    with BenchWorld() as world:
        policy = agent_policy(world)
        daemon = Daemon(world, policy, prefix=pinned(0, []))
        upstream = Upstream(world, FREE)
        world.closers.append(upstream.stop)
        rows = []
        for make in (relay, nginx, haproxy, lambda w: Egret(w, daemon.start())):
            proxy = make(world)
            world.closers.append(proxy.stop)
            print(f"measuring {proxy.name} …", flush=True)
            rows.append(measure(proxy))
            if isinstance(proxy, Egret):
                found = hooks(daemon, world)
            proxy.stop()
        show(rows)
        show_hooks(*found)


if __name__ == "__main__":
    main()
