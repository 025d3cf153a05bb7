# SPDX-License-Identifier: Apache-2.0
"""Where a provider's key must never be: logs, arguments, environment, the store, core images."""
import subprocess

import pytest

from lib.system import SANITIZED, members, wait_for
from lib.workload import Workload
from lib.world import KEYS

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
MINE = "sk-proj-a-key-of-the-workloads-own-0123456789"
BODY_MARK = "a-sentence-that-only-the-body-holds"
SECRETS = [*KEYS.values(), MINE, BODY_MARK]


@pytest.fixture
def used(make_daemon, world):
    """A daemon that has served, denied, failed, reloaded, at its most talkative."""
    daemon = make_daemon(settings={"log.level": "debug"}).start()
    workload = Workload(world, daemon.ca)
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": BODY_MARK}]}
    for headers in ([], [("Authorization", "Bearer " + MINE)], [("X-Token", MINE)]):
        workload.call("POST", "/v1/chat/completions", body, headers)
    workload.call("GET", "/v1/models?key=" + MINE)
    workload.call("POST", "/v1/messages", {**body, "max_tokens": 5}, [("anthropic-version", "1")], host="api.anthropic.com")
    world.sim.fail(malformed="garbage")
    workload.call("POST", "/v1/chat/completions", body)
    daemon.put_credential("openai", "bad key with spaces " + KEYS["openai"])
    daemon.egret("credential", "reload")
    daemon.put_credential("openai", KEYS["openai"])
    daemon.egret("credential", "reload")
    workload.call("POST", "/v1/chat/completions", body)
    return daemon


def absent(data, where):
    for secret in SECRETS:
        assert secret.encode() not in data, f"{secret[:12]}… in {where}"


def test_not_in_the_log(used):
    absent(used.log().encode(), "the log")


def test_not_in_arguments_or_environment(used, world):
    for pid in members(world.daemon_cgroup):
        for name in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{name}", "rb") as file:
                absent(file.read(), f"/proc/{pid}/{name}")


def test_not_in_any_file_of_state_or_run(used):
    used.records()
    for directory in (used.state_dir, used.run_dir):
        for path in directory.rglob("*"):
            if path.is_file():
                absent(path.read_bytes(), path)


@pytest.mark.parametrize("args", [["status"], ["check"], ["credential", "list"], ["audit", "list"], ["event", "list"],
                                  ["policy", "show"], ["flow", "list"], ["provider", "show", "openai"], ["map", "list"]])
def test_not_in_what_egret_prints(used, args):
    done = used.run_egret("-j", *args)
    absent((done.stdout + done.stderr).encode(), " ".join(args))


MEMORY = pytest.mark.skipif(SANITIZED, reason="a sanitizer's shadow of all memory is terabytes wide")


def core(pid, path):
    """A core image as a debugger running as root takes it, without pages marked as not to be dumped."""
    subprocess.run(["gcore", "-o", path, str(pid)], capture_output=True, check=True)
    image = path.parent / f"{path.name}.{pid}"
    data = image.read_bytes()
    image.unlink()
    return data


@MEMORY
@pytest.mark.parametrize("role", ["monitor", "recorder", "worker", "vault"])
def test_not_in_a_core_image(used, world, role):
    """gdb leaves out pages marked MADV_DONTDUMP, as the kernel does: what is locked stays out of cores."""
    pids = [used.proc.pid] if role == "monitor" else used.children(role)
    for pid in pids:
        data = core(pid, world.tmp / "core")
        assert len(data) > 100000
        for key in KEYS.values():
            assert key.encode() not in data, f"a provider key in the core image of the {role}"


def whole_memory(pid):
    """Every readable page, also those that no core holds."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            span, mode = line.split()[:2]
            if mode[0] != "r" or "[v" in line:
                continue
            begin, end = (int(x, 16) for x in span.split("-"))
            try:
                mem.seek(begin)
                found.append((line.strip(), mem.read(end - begin)))
            except (OSError, ValueError, OverflowError):
                pass
    return found


@MEMORY
@pytest.mark.parametrize("role", ["monitor", "recorder"])
def test_not_in_any_page_of_those_that_need_no_key(used, role):
    pids = [used.proc.pid] if role == "monitor" else used.children(role)
    for pid in pids:
        for where, data in whole_memory(pid):
            for key in KEYS.values():
                assert key.encode() not in data, f"{role}: {where}"


@MEMORY
@pytest.mark.parametrize("role", ["vault", "worker"])
def test_keys_lie_in_locked_pages_only(used, role):
    for pid in used.children(role):
        locked = locked_spans(pid)
        for where, data in whole_memory(pid):
            begin = int(where.split("-")[0], 16)
            for key in KEYS.values():
                at = data.find(key.encode())
                while at >= 0:
                    assert any(b <= begin + at < e for b, e in locked), f"{role}: unlocked at {where}"
                    at = data.find(key.encode(), at + 1)


def locked_spans(pid):
    spans, span = [], None
    with open(f"/proc/{pid}/smaps", encoding="ascii") as file:
        for line in file:
            head = line.split()[0]
            if "-" in head and not head.endswith(":"):
                span = tuple(int(x, 16) for x in head.split("-"))
            elif head == "VmFlags:" and "lo" in line.split():
                spans.append(span)
    return spans


@MEMORY
def test_none_is_left_when_leases_end(make_daemon, world):
    daemon = make_daemon(settings={"credential.lease_ms": 1000}).start()
    Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT)
    worker = daemon.children("worker")[0]
    wait_for(lambda: not any(KEYS["openai"].encode() in data for _, data in whole_memory(worker)), 15,
             "the end of the lease in the worker's memory")
    assert Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT).status == 200


def test_a_workload_cannot_read_the_places_where_keys_are(used, world):
    code = f"""
import os
for path in ("{used.credentials_dir}/openai", "{used.state_dir}", "{used.run_dir}/bpf"):
    try:
        os.listdir(path) if os.path.isdir(path) else open(path)
        print("readable", path)
    except OSError as e:
        pass
for pid in {used.children()}:
    for name in ("mem", "environ", "maps", "root"):
        try:
            open("/proc/%d/%s" % (pid, name)).read(1)
            print("readable", pid, name)
        except OSError:
            pass"""
    assert world.python(code, uid=65534) == ""
