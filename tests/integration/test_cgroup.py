# SPDX-License-Identifier: Apache-2.0
"""`egret cgroup`: what holds where, from the daemon and, when it is dead, from the pins."""
import pytest

from lib.daemon import CommandFailed, Daemon
from lib.policies import agent_policy
from lib.world import PROVIDERS


@pytest.fixture
def daemon(world):
    for path in ("load/below", "plain/below"):
        world.group(path)
    has = {"capture": "tls", "egress": {"default": "deny", "allow": ["free.example:443"]}}
    made = Daemon(world, agent_policy(world, agent_has=has)).start()
    yield made
    made.stop()
    made.nothing_left()


def rows_of(daemon, *args):
    return {row["cgroup_path"]: row for row in daemon.egret("cgroup", "list", *args)}


def test_what_begins_where(daemon, world):
    top = "/" + world.cgroup.name
    rows = rows_of(daemon)
    root, load = rows[top], rows[top + "/load"]
    assert (root["capture"], root["egress"], root["depth"]) == ("names", "allow", 0)
    assert (load["workload"], load["capture"], load["egress"], load["own"]) == ("agent", "tls", "deny", True)
    assert load["cgroup"] == (world.load).stat().st_ino
    assert top + "/plain" not in rows and top + "/load/below" not in rows
    every = rows_of(daemon, "--all")
    below = every[top + "/load/below"]
    assert (below["workload"], below["capture"], below["egress"], below["own"]) == ("agent", "tls", "deny", False)
    assert every[top + "/plain/below"]["egress"] == "allow"
    assert set(every) >= set(rows)


def test_processes_are_counted_where_they_are(daemon, world):
    proc = world.start(["sleep", "60"], world.group("plain/below"))
    world.closers.append(proc.kill)
    path = f"/{world.cgroup.name}/plain/below"
    assert rows_of(daemon, "--all")[path]["processes"] == 1
    assert rows_of(daemon, "--all")[path[:-len("/below")]]["processes"] == 0


def test_one_with_its_programs(daemon, world):
    for name in (f"/{world.cgroup.name}/load", str(world.load)):
        shown = daemon.egret("cgroup", "show", name)
        assert shown["workload"] == "agent" and shown["egress"] == "deny"
        assert len(shown["programs"]) > 8 and all(p["attached"] for p in shown["programs"])
    text = daemon.run_egret("cgroup", "show", str(world.load)).stdout
    assert "eg_connect4" in text and "agent" in text
    with pytest.raises(CommandFailed) as failed:
        daemon.egret("cgroup", "show", "/nobody/here")
    assert failed.value.error["reason"] == "not_found"


def test_the_tree_is_indented(daemon, world):
    lines = daemon.run_egret("cgroup", "tree", "--all").stdout.splitlines()
    assert lines[0].startswith(f"/{world.cgroup.name}  capture=names egress=allow")
    at = next(i for i, line in enumerate(lines) if line.startswith("  load  workload=agent  capture=tls egress=deny"))
    assert lines[at + 1].startswith("    below  workload=agent  processes=")


def test_the_tree_leaves_no_part_of_a_path_out(world, make_daemon):
    """Between what is shown may lie cgroups where nothing begins."""
    world.group("plain/deep/down/under")
    deep = {"match": [{"cgroup": f"/{world.cgroup.name}/plain/deep"}]}
    under = {"match": [{"cgroup": f"/{world.cgroup.name}/plain/deep/down/under"}]}
    daemon = make_daemon(agent_policy(world, workloads={"under": under, "deep": deep})).start()
    lines = daemon.run_egret("cgroup", "tree").stdout.splitlines()
    at = lines.index("  plain/deep  workload=deep  processes=0")
    assert lines[at + 1] == "    down/under  workload=under  processes=0", lines


def test_modes_are_read_from_the_pins(daemon, world):
    alive = rows_of(daemon, "--all")
    daemon.kill()
    dead = rows_of(daemon, "--all")
    for path in (f"/{world.cgroup.name}/load", f"/{world.cgroup.name}/load/below", f"/{world.cgroup.name}/plain"):
        assert dead[path]["from"] == "pins"
        for key in ("cgroup", "capture", "egress", "own", "depth"):
            assert dead[path][key] == alive[path][key]
    assert f"/{world.cgroup.name}/load" in rows_of(daemon)
    shown = daemon.egret("cgroup", "show", str(world.load))
    assert (shown["from"], shown["capture"], shown["egress"]) == ("pins", "tls", "deny")
    assert len(shown["programs"]) > 8 and all(p["attached"] for p in shown["programs"])
    assert "eg_connect4" in daemon.run_egret("cgroup", "show", str(world.load)).stdout
    nobody = daemon.run_egret("cgroup", "show", "/nobody/here")
    assert nobody.returncode == 1 and "/nobody/here: egret enforces no cgroup" in nobody.stderr
    daemon.start()


def test_thousands_of_cgroups_are_listed_while_others_are_served(daemon, world):
    many = [world.group(f"plain/{i}") for i in range(3000)]
    assert len(rows_of(daemon, "--all")) >= len(many)
    for cgroup in many:
        cgroup.rmdir()
    code = f"import socket; socket.create_connection(({PROVIDERS!r}, 443), 5); print('served')"
    assert world.python(code, world.load).strip() == "served"


def test_what_a_cgroup_learned_is_among_the_endpoints(daemon, world):
    def learned(*args):
        return [(r["address"], r["source"], r["provider"], r["cgroup_path"])
                for r in daemon.egret("endpoint", "list", *args) if "cgroup" in r]

    row = (PROVIDERS + "/32", "dns", "openai", f"/{world.cgroup.name}/plain/below")
    assert row not in learned()
    world.python("import socket; socket.getaddrinfo('api.openai.com', 443, socket.AF_INET)", world.group("plain/below"))
    assert row in learned() and row in learned("--provider", "openai")
    assert row not in learned("--provider", "anthropic")
    assert daemon.egret("cgroup", "show", f"/{world.cgroup.name}/plain/below")["learned"] > 0
    assert "cgroup" not in str(daemon.egret("map", "dump", "eg_endpoint"))
