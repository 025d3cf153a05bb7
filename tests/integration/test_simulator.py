# SPDX-License-Identifier: Apache-2.0
"""The simulator and the harness by themselves: what later tests take for granted."""
import json
import re
import socket

import pytest

from lib import catalogue
from lib.simulator import header
from lib.system import sh
from lib.world import FREE, KEYS, PROVIDERS, PROVIDERS6

from providersim import anthropic as anthropic_api
from providersim import openai as openai_api

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
MESSAGES = {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def world():
    from lib.world import World
    with World() as w:
        yield w


@pytest.fixture(autouse=True)
def fresh(world):
    world.sim.reset()


def curl(world, url, *args, key=KEYS["openai"]):
    auth = ["-H", f"Authorization: Bearer {key}"] if key else []
    return world.run_in(world.load, ["curl", "-sS", "-m", "20", "--http1.1", "--cacert", world.sim.ca, *auth, *args, url])


def openai(world, path, body=None, *args):
    data = ["-H", "content-type: application/json", "-d", json.dumps(body)] if body is not None else []
    return curl(world, "https://api.openai.com" + path, *data, *args)


def anthropic(world, path, body=None, *args):
    data = ["-d", json.dumps(body)] if body is not None else []
    return curl(world, "https://api.anthropic.com" + path, "-H", "x-api-key: " + KEYS["anthropic"], "-H",
                "anthropic-version: 2023-06-01", *data, *args, key=None)


def test_names_resolve_to_the_simulated_internet(world):
    out = world.python("""
import socket
for name in ("api.openai.com", "free.example"):
    print(sorted(a[4][0] for a in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)))
try:
    socket.getaddrinfo("no.such.name.example", 443)
except socket.gaierror as e:
    print(e.errno == socket.EAI_NONAME)""")
    assert out.splitlines() == [str([PROVIDERS6, PROVIDERS]), str(["2001:db8:2::99", FREE]), "True"]


def test_the_host_has_no_way_to_the_real_internet(world):
    code = "import socket; s = socket.socket(); s.settimeout(3); print(s.connect_ex(('192.0.2.1', 443)))"
    assert world.python(code).strip() != "0"


def test_a_right_key_is_answered_and_masked_in_the_log(world):
    done = openai(world, "/v1/chat/completions", CHAT)
    assert json.loads(done.stdout)["choices"][0]["message"]["role"] == "assistant"
    request = world.sim.only()
    assert (request["key"], request["key_places"]) == ("right", ["authorization"])
    assert json.loads(request["body"]) == CHAT
    assert KEYS["openai"] not in json.dumps(world.sim.log())
    assert header(request, "host") == ["api.openai.com"]


@pytest.mark.parametrize("host, shape", [
    ("api.openai.com", {"error": {"message", "type", "param", "code"}}),
    ("api.anthropic.com", {"type": None, "error": {"type", "message"}, "request_id": None})])
def test_a_wrong_key_is_refused_in_the_shape_of_the_provider(world, host, shape):
    done = curl(world, f"https://{host}/v1/models", "-w", "%{http_code}", key="sk-wrong")
    body = json.loads(done.stdout[:-3])
    assert done.stdout.endswith("401") and set(body) == set(shape)
    assert set(body["error"]) == shape["error"]
    assert world.sim.only()["key"] == "wrong"


def test_two_credentials_are_one_too_many(world):
    curl(world, "https://api.openai.com/v1/models", "-H", "x-api-key: sk-other")
    assert world.sim.only()["key"] == "several"


def test_chat_streams_events_and_ends_with_done(world):
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    events = openai(world, "/v1/chat/completions", body).stdout.strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    last = json.loads(events[-2].removeprefix("data: "))
    assert last["choices"] == [] and last["usage"]["total_tokens"] > 0
    assert all(json.loads(e.removeprefix("data: "))["usage"] is None for e in events[:-2])


def test_a_token_limit_cuts_the_answer(world):
    answer = json.loads(openai(world, "/v1/chat/completions", {**CHAT, "max_tokens": 3}).stdout)
    assert (answer["choices"][0]["finish_reason"], answer["usage"]["completion_tokens"]) == ("length", 3)


def test_messages_stream_in_the_order_of_the_provider(world):
    out = anthropic(world, "/v1/messages", {**MESSAGES, "stream": True}).stdout
    kinds = [line.split()[1] for line in out.splitlines() if line.startswith("event:")]
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[3:-3]) == {"content_block_delta"}


@pytest.mark.parametrize("path, body, part", [
    ("/v1/responses", {"model": "gpt-4o", "input": "hi"}, "output"),
    ("/v1/completions", {"model": "gpt-3.5", "prompt": "hi"}, "choices"),
    ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "hi"}, "data"),
    ("/v1/moderations", {"input": "hi"}, "results"),
    ("/v1/images/generations", {"prompt": "a bird"}, "data"),
    ("/v1/batches", {"input_file_id": "f", "endpoint": "/v1/responses", "completion_window": "24h"}, "status"),
    ("/v1/models", None, "data"), ("/v1/files", None, "data"), ("/v1/batches", None, "data")])
def test_openai_operations_answer(world, path, body, part):
    assert part in json.loads(openai(world, path, body).stdout)


@pytest.mark.parametrize("path, body, part", [
    ("/v1/messages", MESSAGES, "content"), ("/v1/messages/count_tokens", MESSAGES, "input_tokens"),
    ("/v1/messages/batches", {"requests": []}, "processing_status"), ("/v1/models", None, "data")])
def test_anthropic_operations_answer(world, path, body, part):
    assert part in json.loads(anthropic(world, path, body).stdout)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_every_request_of_the_catalogue_has_an_answer(world, provider):
    """Whatever egret lets through must be something the simulator knows, or tests would see its 404."""
    api = {"openai": openai_api, "anthropic": anthropic_api}[provider]
    routes = api.ROUTES + getattr(api, "SIDE_ROUTES", [])
    for operation, method, path, _ in catalogue.requests(provider):
        known = any(re.fullmatch(p, path) and m == method.replace("HEAD", "GET") for m, p, _ in routes)
        assert known, (operation, method, path)


def test_responses_stream_ends_with_the_whole_response(world):
    out = openai(world, "/v1/responses", {"model": "gpt-4o", "input": "hi", "stream": True}).stdout
    events = [json.loads(line[6:]) for line in out.splitlines() if line.startswith("data: ")]
    assert [e["sequence_number"] for e in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.completed" and events[-1]["response"]["usage"]


def test_a_file_is_uploaded_in_parts(world):
    done = curl(world, "https://api.openai.com/v1/files", "-F", "purpose=batch", "-F", "file=@/etc/hostname")
    assert json.loads(done.stdout)["purpose"] == "batch"


@pytest.mark.parametrize("fault, code", [
    ({"reset": "before"}, 56), ({"cut_after": 10}, 18), ({"reset_after": 10}, 56), ({"malformed": "garbage"}, 1),
    ({"malformed": "bad_chunk"}, 56), ({"malformed": "short_body"}, 18), ({"tls": "wrong_name"}, 60),
    ({"tls": "expired"}, 60), ({"tls": "self_signed"}, 60), ({"tls": "garbage"}, 35), ({"tls": "tls12"}, 0),
    ({"interim": [103, 103]}, 0), ({"close_delimited": True}, 0), ({"trailers": {"x-end": "1"}}, 0),
    ({"huge": 3 << 20}, 0), ({"delay": 0.01}, 0), ({"drip": 0.0001, "drip_bytes": 50}, 0)])
def test_faults_happen_once_and_only_as_told(world, fault, code):
    world.sim.fail(**fault)
    first, second = (openai(world, "/v1/chat/completions", CHAT, "-o", "/dev/null") for _ in range(2))
    assert (first.returncode, second.returncode) == (code, 0), first.stderr


@pytest.mark.parametrize("status", [429, 500, 529])
def test_failures_have_the_shape_of_the_provider(world, status):
    world.sim.fail(status=status, headers={"retry-after": "1"})
    done = anthropic(world, "/v1/messages", MESSAGES, "-i")
    assert f"HTTP/1.1 {status}" in done.stdout and "retry-after: 1" in done.stdout
    assert '"type": "error"' in done.stdout


def test_a_held_stream_goes_on_when_released(world):
    world.sim.fail(hold_after=2)
    code = """
import http.client, ssl, sys
c = http.client.HTTPSConnection("api.openai.com", context=ssl.create_default_context(cafile=sys.argv[1]), timeout=20)
c.request("POST", "/v1/chat/completions", sys.argv[3], {"Authorization": "Bearer " + sys.argv[2]})
r = c.getresponse()
print(r.readline().decode()[:5], flush=True)
print(len(r.read()) > 0)"""
    p = world.start(["python3", "-c", code, world.sim.ca, KEYS["openai"], json.dumps({**CHAT, "stream": True})],
                    stdout=-1, text=True)
    assert p.stdout.readline() == "data:\n"
    assert world.sim.log()["open"] == 1
    world.sim.ask("release")
    assert p.communicate(timeout=20)[0] == "True\n"


@pytest.mark.parametrize("raw, why", [
    (b"GET / HTTP/1.1\r\n\r\n", "not exactly one Host"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "not exactly one Host"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "Content-Length and"),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "request line"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", "header name")])
def test_what_is_not_exact_http_is_marked_in_the_log(world, raw, why):
    world.python(f"""
import socket, ssl
c = ssl.create_default_context(cafile="{world.sim.ca}")
s = c.wrap_socket(socket.create_connection(("free.example", 443)), server_hostname="free.example")
s.sendall({raw!r})
assert b" 400 " in s.recv(4096)""")
    assert world.sim.only()["malformed"].startswith(why)


def test_dns_fails_as_told(world):
    code = "import socket\ntry: print(len(socket.getaddrinfo('api.openai.com', 443)))\nexcept OSError as e: print(e)"
    world.sim.ask("dns", fail="servfail")
    assert "Temporary failure" in world.python(code)
    world.sim.ask("dns", fail="truncate")
    assert world.python(code).strip().isdigit()
    assert {q["transport"] for q in world.sim.log()["dns"]} == {"udp", "tcp"}


def test_dns_can_point_a_name_elsewhere(world):
    world.sim.ask("dns", addresses={"api.openai.com": ["127.0.0.1"]})
    assert world.python("import socket; print(socket.gethostbyname('api.openai.com'))").strip() == "127.0.0.1"


def test_packets_to_providers_are_counted(world):
    before = world.counter.connections(world)
    openai(world, "/v1/models")
    curl(world, "https://free.example/", key=None)
    assert world.counter.connections(world) == before + 1


def test_a_world_leaves_nothing_behind():
    from lib.world import World
    with World() as w:
        w.start(["sleep", "1000"])
        names, tmp, cgroup, pids = (w.host, w.net), w.tmp, w.cgroup, (w.sim.proc.pid, w.holder.pid)
    assert not cgroup.exists() and not tmp.exists()
    assert not any(name in sh("ip", "netns", "list") for name in names)
    assert not any(alive_as_ours(pid) for pid in pids)


def alive_as_ours(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"egret" in file.read()
    except FileNotFoundError:
        return False


def test_control_refuses_what_it_does_not_know(world):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(world.sim.control))
        s.sendall(b'{"do":"fail","fault":{"explode":1}}\n{"do":"nothing"}\nnot json\n')
        lines = s.makefile()
        assert all("error" in json.loads(lines.readline()) for _ in range(3))


