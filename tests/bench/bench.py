# SPDX-License-Identifier: Apache-2.0
"""`make bench`: what governing costs, beside nginx, haproxy and a bare TLS relay in the same run; what
the hooks cost who is not governed (fence.py); what passes through (through.py).

2 KB chat request, 1 KB answer, 32 kept connections, TLS 1.3 on both sides. CPU is what the kernel
accounts to all of a proxy's processes, so a slow load generator doesn't flatter anybody. Policy, body
scan and audit are on for egret; nginx and haproxy only relay and put a header in. Every figure is of
several rounds, the proxies by turns in each. About 2 minutes."""
import json
import sys
from pathlib import Path
from statistics import median

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from lib.daemon import Daemon  # noqa: E402
from lib.policies import agent_policy  # noqa: E402
from lib.system import PYTHON  # noqa: E402
from lib.world import PROVIDERS, World  # noqa: E402

import fence  # noqa: E402
import through  # noqa: E402
from measure import Cpu, memory_kib, pinned, plain_tcp  # noqa: E402
from proxies import STREAMS, Direct, Egret, Upstream, haproxy, nginx, relay  # noqa: E402

HERE = Path(__file__).resolve().parent
ROUNDS, SECONDS = 5, 2
FEW_ROUNDS, HANDSHAKE_SECONDS = 3, 1
EVENT_STREAMS, EVENTS, GAP = 8, 500, 0.002
IDLE, FIRST = 400, 100


class BenchWorld(World):
    """Chat at a fast upstream, streams at the simulator."""
    upstream, streams = PROVIDERS, "203.0.113.11"

    def __enter__(self):
        super().__enter__()
        self.counter.stop()  # looks at each packet, which everybody would pay for
        self.counter = None
        for ns in (self.host, self.net):
            plain_tcp(ns)
        return self

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
    with Cpu(proxy.cgroup) as cpu:
        result = wrk(proxy, SECONDS)
    result["us"] = cpu.us / result["requests"]
    result["rps"] = result["requests"] / result["seconds"]
    return result


def handshakes(proxy):
    with Cpu(proxy.cgroup) as cpu:
        result = wrk(proxy, HANDSHAKE_SECONDS, "close")
    return {"handshake": cpu.us / result["requests"]}


def event_cost(proxy):
    proxy.world.sim.ask("speech", events=EVENTS, gap=GAP)
    with Cpu(proxy.cgroup) as cpu:
        count = streams(proxy, "events", EVENT_STREAMS)
    assert count >= EVENT_STREAMS * EVENTS
    return {"event": cpu.us / count}


def first_byte(proxy):
    """Median time to the first byte, µs."""
    proxy.world.sim.ask("speech", events=1, gap=0)
    return {"first": streams(proxy, "first", FIRST)}


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


def by_turns(proxies, rounds, measure):
    """{name: [what measure() found, round by round]}."""
    found = {p.name: [] for p in proxies}
    for i in range(rounds):
        for proxy in proxies if i % 2 == 0 else reversed(proxies):
            found[proxy.name].append(measure(proxy))
    return found


def measure(proxies, direct):
    """A row for each: of each member all rounds."""
    rest = {p.name: memory_kib(p.pids())[1] for p in proxies}
    for proxy in proxies:
        wrk(proxy, 1)
    rows = {p.name: {} for p in proxies + [direct]}
    for rounds, members in ((ROUNDS, [by_turns(proxies, ROUNDS, requests)]),
                            (FEW_ROUNDS, [by_turns(proxies, FEW_ROUNDS, handshakes),
                                          by_turns(proxies, FEW_ROUNDS, event_cost),
                                          by_turns(proxies + [direct], FEW_ROUNDS, first_byte)])):
        for found in members:
            for name, results in found.items():
                rows[name].update({key: [r[key] for r in results] for key in results[0]})
    for proxy in proxies:
        rows[proxy.name].update(idle=idle_memory(proxy), rest=rest[proxy.name])
    return rows


def show(rows):
    base, without = rows["nginx"], min(rows["direct"]["first"])
    print("\nCPU: least of all rounds; ratios: median round by round; times: median of rounds")
    print(f"{'':12}{'CPU/request':>12}{'to nginx':>9}{'requests':>10}{'p50':>8}{'p99':>8}{'handshakes':>12}"
          f"{'CPU/event':>11}{'to nginx':>9}{'first byte':>11}{'idle conn':>11}{'at rest':>10}")
    print(f"{'':12}{'µs':>12}{'':>9}{'/s':>10}{'µs':>8}{'µs':>8}{'/CPU s':>12}{'µs':>11}{'':>9}{'added µs':>11}"
          f"{'KiB':>11}{'KiB':>10}")
    for name, r in rows.items():
        if name == "direct":
            continue
        ratio = {key: median(a / b for a, b in zip(r[key], base[key])) for key in ("us", "event")}
        print(f"{name:12}{min(r['us']):12.1f}{ratio['us']:8.2f}×{median(r['rps']):10.0f}{median(r['p50_us']):8.0f}"
              f"{median(r['p99_us']):8.0f}{1e6 / min(r['handshake']):12.0f}{min(r['event']):11.1f}"
              f"{ratio['event']:8.2f}×{min(r['first']) - without:11}{r['idle']:11.1f}{r['rest']:10}")
    for name, r in rows.items():
        if sum(r.get("bad", [])):
            print(f"{name}: {sum(r['bad'])} of {sum(r['requests'])} requests failed or were denied")
    print("\nat rest: proportional memory of all its processes; the bare relay opens an upstream connection, and a")
    print("TLS handshake, for every client connection; egret's handshake includes a certificate minted at first use.")


def main():
    hooks = fence.measure()
    with BenchWorld() as world:
        daemon = Daemon(world, agent_policy(world), prefix=pinned(0, []))
        upstream = Upstream(world)
        world.closers.append(upstream.stop)
        proxies = [relay(world), nginx(world), haproxy(world), Egret(world, daemon.start())]
        world.closers.extend(p.stop for p in proxies)
        rows = measure(proxies, Direct(world))
        upstream.stop()
        passed = through.measure(world)
    show(rows)
    fence.show(hooks)
    through.show(passed)


if __name__ == "__main__":
    main()
