# SPDX-License-Identifier: Apache-2.0
"""Credentials: where they may come from, where they never go, how they change."""
import json

import pytest

from lib.daemon import CommandFailed, Daemon
from lib.policies import agent_policy
from lib.simulator import header
from lib.workload import Workload
from lib.world import KEYS, World

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
MINE = "sk-proj-a-key-of-the-workloads-own-0123456789"
PLACES = [
    (("Authorization", "Bearer " + MINE), ""), (("authorization", MINE), ""), (("AUTHORIZATION", "Basic " + MINE), ""),
    (("x-api-key", MINE), ""), (("api-key", MINE), ""), (("x-goog-api-key", MINE), ""), (("xi-api-key", MINE), ""),
    (("cf-aig-authorization", "Bearer " + MINE), ""), (("Proxy-Authorization", "Bearer " + MINE), ""),
    (("Cookie", "session=" + MINE), ""), (("Sec-WebSocket-Protocol", "openai-insecure-api-key." + MINE), ""),
    (("X-Whatever", MINE), ""), (("X-Ok", "1"), "?key=" + MINE), (("X-Ok", "1"), "?api_key=" + MINE),
    (("X-Ok", "1"), "?api-key=" + MINE), (("X-Ok", "1"), "?a=1&access_token=" + MINE + "&b=2"),
    (("X-Ok", "1"), "?subscription-key=" + MINE)]


@pytest.mark.parametrize("field, query", PLACES)
def test_a_key_of_the_workloads_own_is_denied_and_stays(egret, agent, sim, field, query):
    response = agent.call("GET", "/v1/models" + query, None, [field])
    assert response.status == 403 and MINE.encode() not in response.body
    record = egret.record()
    assert (record["decision"], record["direct_key"], record["pid"]) == ("direct_key", True, agent.pid)
    assert len(record["key_fingerprint"]) == 16 and MINE not in str(record)
    assert sim.requests() == []


@pytest.fixture(scope="module")
def replacing():
    with World() as world:
        daemon = Daemon(world, agent_policy(world, agent_has={"direct_keys": "replace"})).start()
        yield daemon
        daemon.stop()


@pytest.mark.parametrize("field, query", PLACES)
def test_a_replaced_key_is_nowhere_in_what_is_sent(replacing, field, query):
    sim = replacing.world.sim
    sim.reset()
    workload = Workload(replacing.world, replacing.ca)
    assert workload.call("GET", "/v1/models" + query, None, [field]).status == 200
    request = sim.only()
    assert (request["key"], request["key_places"]) == ("right", ["authorization"])
    assert MINE not in str(request)
    workload.close()


def test_the_same_key_has_the_same_fingerprint_and_another_has_not(egret, agent):
    def fingerprint(key):
        egret.mark_now()
        agent.call("GET", "/v1/models", None, [("Authorization", "Bearer " + key)])
        return egret.record()["key_fingerprint"]
    assert fingerprint(MINE) == fingerprint(MINE) != fingerprint(MINE + "x")


def test_what_is_shown_of_a_credential_is_not_the_credential(egret):
    rows = egret.egret("credential", "list")
    assert {r["provider"] for r in rows} >= {"openai", "anthropic"}
    for row in rows:
        key = KEYS[row["provider"]]
        assert row["last4"] == key[-4:] and key[:-4] not in str(row) and row["state"] == "loaded"


def test_a_rotated_key_is_used_at_once(make_daemon, world):
    daemon = make_daemon().start()
    workload = Workload(world, daemon.ca)
    conn = workload.open()
    assert conn.ask("POST", "/v1/chat/completions", CHAT).status == 200
    fresh = "sk-proj-the-next-key-of-this-provider-987654321"
    daemon.put_credential("openai", fresh)
    world.sim.ask("keys", provider="openai", keys=[fresh])
    daemon.egret("credential", "reload")
    assert conn.ask("POST", "/v1/chat/completions", CHAT).status == 200
    assert world.sim.requests()[-1]["key"] == "right"


def with_second(make_daemon, world, rule, key):
    """A daemon that holds a second key of OpenAI, `openai-research`, in a file of its own."""
    path = world.tmp / "research"
    path.write_text(key)
    path.chmod(0o600)
    second = {"id": "openai-research", "provider": "openai", "file": str(path)}
    return make_daemon(agent_policy(world, rule), settings={"credentials": [second]}).start()


def test_several_keys_of_a_provider_are_chosen_by_rule(make_daemon, world):
    second = "sk-proj-the-research-departments-key-555555555"
    world.sim.ask("keys", provider="openai", keys=[KEYS["openai"], second])
    rule = {"id": "research", "when": {"workload": "agent", "operation": ["chat"], "model": ["gpt-4o-mini"]},
            "allow": {"credential": "openai-research"}}
    daemon = with_second(make_daemon, world, rule, second)
    workload = Workload(world, daemon.ca)
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    assert header(world.sim.only(), "authorization") == ["Bearer <key 1 of openai>"]
    assert daemon.record()["credential"] == "openai-research"


def test_a_file_named_after_provider_and_name_is_a_further_key(make_daemon, world):
    second = "sk-proj-the-research-departments-key-555555555"
    world.sim.ask("keys", provider="openai", keys=[KEYS["openai"], second])
    rule = {"id": "research", "when": {"workload": "agent", "operation": ["chat"], "model": ["gpt-4o-mini"]},
            "allow": {"credential": "openai.research"}}
    daemon = make_daemon(agent_policy(world, rule)).start()
    workload = Workload(world, daemon.ca)
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 403
    assert daemon.record()["decision"] == "no_credential"
    daemon.put_credential("openai.research", second)
    daemon.put_credential("opena1.typo", second)
    daemon.put_credential("openai.not a name", second)
    daemon.egret("credential", "reload")
    listed = {row["id"]: row["provider"] for row in daemon.egret("credential", "list")}
    assert listed == {"anthropic": "anthropic", "openai": "openai", "openai.research": "openai"}
    assert "opena1.typo" in daemon.log() and "not a name" in daemon.log() and second not in daemon.log()
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    assert header(world.sim.only(), "authorization") == ["Bearer <key 1 of openai>"]
    (daemon.credentials_dir / "openai.research").unlink()
    daemon.egret("credential", "reload")
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 403


def test_a_rule_whose_credential_nobody_has_is_told(make_daemon, world, tmp_path):
    rule = {"id": "research", "when": {"workload": "agent", "operation": ["chat"]}, "allow": {"credential": "openai.research"}}
    policy = agent_policy(world, rule)
    daemon = make_daemon(policy).start()
    said = 'rule "research" gives credential "openai.research", which nobody has'

    def checked():
        done = daemon.run_egret("-j", "check")
        return [(row["state"], row["text"]) for row in json.loads(done.stdout) if row["name"] == "policy"]

    [(state, text)] = checked()
    assert state == "warn" and text.startswith(said)
    (tmp_path / "p.json").write_text(json.dumps(policy))
    for command in "check", "load":
        done = daemon.run_egret("policy", command, tmp_path / "p.json")
        assert done.returncode == 0 and said in done.stderr
        [text] = daemon.egret("policy", command, tmp_path / "p.json")["warnings"]
        assert text.startswith(said)
    daemon.put_credential("openai.research", "sk-proj-the-research-departments-key-555555555")
    daemon.egret("credential", "reload")
    assert checked() == [] and "warnings" not in daemon.egret("policy", "check", tmp_path / "p.json")


def test_connections_of_one_key_never_carry_another(make_daemon, world):
    second = "sk-proj-the-research-departments-key-555555555"
    world.sim.ask("keys", provider="openai", keys=[KEYS["openai"], second])
    rule = {"id": "research", "when": {"workload": "agent", "model": ["gpt-4o-mini"]},
            "allow": {"credential": "openai-research"}}
    daemon = with_second(make_daemon, world, rule, second)
    conn = Workload(world, daemon.ca).open()
    for n in range(6):
        assert conn.ask("POST", "/v1/chat/completions", {**CHAT, "model": ("gpt-4o-mini", "gpt-4o")[n % 2]}).status == 200
    by_connection = {}
    for request in world.sim.requests():
        by_connection.setdefault(request["connection"], set()).update(header(request, "authorization"))
    assert all(len(keys) == 1 for keys in by_connection.values()), by_connection


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_file_others_can_read_is_refused_with_what_to_do(make_daemon, world, mode):
    daemon = make_daemon()
    daemon.put_credential("openai", KEYS["openai"], mode)
    daemon.start()
    row = next(r for r in daemon.egret("credential", "list") if r["provider"] == "openai")
    assert row["state"] == "failed" and "0600" in row["error"]
    response = Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT)
    assert response.status == 403
    assert daemon.record()["decision"] in ("credential_unavailable", "no_credential")


@pytest.mark.parametrize("content", ["", "\n", "two\nlines", "with space", "nul\0", "x" * 100000],
                         ids=["empty", "newline", "lines", "space", "nul", "long"])
def test_a_file_that_holds_no_key_is_refused(make_daemon, world, content):
    daemon = make_daemon(credentials={"anthropic": KEYS["anthropic"], "openai": content}).start()
    row = next(r for r in daemon.egret("credential", "list") if r["provider"] == "openai")
    assert row["state"] == "failed" and row["error"]


def test_a_key_may_come_from_a_command(make_daemon, world):
    how = {"id": "openai", "provider": "openai", "command": ["/bin/echo", KEYS["openai"]]}
    daemon = make_daemon(credentials={}, settings={"credentials": [how]}).start()
    assert Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT).status == 200


def test_a_command_that_fails_is_said(make_daemon, world):
    how = {"id": "openai", "provider": "openai", "command": ["/bin/false"]}
    daemon = make_daemon(credentials={}, settings={"credentials": [how]}).start()
    row = next(r for r in daemon.egret("credential", "list") if r["provider"] == "openai")
    assert row["state"] == "failed" and row["error"]


def test_max_tokens_is_lowered_in_the_body(make_daemon, world):
    rule = {"id": "cap", "when": {"workload": "agent", "model": ["gpt-4o-mini", "claude-*"]}, "allow": {"max_tokens": 7}}
    daemon = make_daemon(agent_policy(world, rule)).start()
    workload = Workload(world, daemon.ca)
    for body, sent in (({**CHAT, "max_tokens": 100}, 7), ({**CHAT, "max_completion_tokens": 100}, 7),
                       (CHAT, 7), ({**CHAT, "max_tokens": 3}, 3)):
        world.sim.reset()
        assert workload.call("POST", "/v1/chat/completions", body).status == 200
        got = json.loads(world.sim.only()["body"])
        assert [v for k, v in got.items() if k.startswith("max_")] == [sent], (body, got)
    assert daemon.record()["rule"] == "cap"


def test_headers_of_a_rule_are_added(make_daemon, world):
    rule = {"id": "org", "when": {"workload": "agent"}, "allow": {"headers": {"OpenAI-Organization": "org-egret"}}}
    daemon = make_daemon(agent_policy(world, rule)).start()
    Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT, [("openai-organization", "org-mine")])
    assert header(world.sim.only(), "openai-organization") == ["org-egret"]


def test_reload_of_credentials_is_for_root_only(egret):
    with pytest.raises(CommandFailed) as failed:
        egret.egret("credential", "reload", uid=65534)
    assert failed.value.error["reason"] == "not_allowed"
