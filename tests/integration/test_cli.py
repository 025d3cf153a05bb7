# SPDX-License-Identifier: Apache-2.0
"""The command line as people and scripts use it, against a control socket that answers as told."""
import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lib.fake_egretd import FakeEgretd

ROOT = Path(__file__).resolve().parents[2]
EGRET = Path(os.environ.get("EGRET", ROOT / "build/egret"))  # another build: EGRET=build/san/egret

RECORD = {
    "request_id": "0123456789abcdef0123456789abcdef", "time_us": 1767268800000000, "decision": "denied_by_rule",
    "end": "allowed", "status": 403, "workload": "dev", "provider": "openai", "operation": "chat",
    "model": "gpt\x1b[2J\u202e", "rule": "r1", "total_us": 4200, "pid": 7, "path": "=1+1", "bytes_in": 2048,
}


@pytest.fixture
def run_dir(tmp_path):
    # A socket's path is short: pytest's own folder may be too long for it.
    folder = Path(f"/tmp/egret-cli-{os.getpid()}")
    folder.mkdir(mode=0o755)
    yield folder
    for entry in folder.iterdir():
        entry.unlink()
    folder.rmdir()


def egret(*args, run_dir="/nonexistent", env=None, **kw):
    command = [EGRET, "--run-dir", str(run_dir), *map(str, args)]
    kw.setdefault("timeout", 60)
    return subprocess.run(command, capture_output=True, text=True, env=env, **kw)


def rows(*objects):
    return [{"row": o} for o in objects] + [{"end": {}}]


# ---- grammar ----


@pytest.mark.parametrize("words, message", [
    ([], "no object is given"),
    (["bogus"], 'there is no object "bogus"'),
    (["work"], 'there is no object "work"'),  # no abbreviations
    (["workload"], "no command is given: they are list, show, of"),
    (["workload", "lis"], 'has no command "lis"'),
    (["workload", "show"], "WORKLOAD is missing"),
    (["workload", "show", "a", "b"], "b is one argument too many"),
    (["workload", "of", "x"], '"x" is not a whole number'),
    (["flow", "list", "--model", "x"], "--model is no option here"),
    (["audit", "list", "--limit"], "--limit needs a value"),
    (["audit", "list", "--since", "yesterday"], "is no time"),
    (["audit", "export", "--format", "xml"], "neither json nor csv"),
    (["log", "level", "loud"], "is no level"),
    (["map", "dump", "eg_stamp"], "cannot be read"),
    (["run"], "COMMAND is missing"),
    (["run", "ls"], "ls is one argument too many"),
    (["help", "bogus"], 'there is no object "bogus"'),
    (["workload", "help", "x"], "x is one argument too many"),
])
def test_wrong_usage_is_one_line_and_exit_2(words, message):
    done = egret(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("egret: ")
    assert message in done.stderr


def test_wrong_usage_is_also_a_document_in_json():
    done = egret("-j", "workload", "show")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["reason"] == "usage"


def test_help_lists_every_command_at_every_level():
    everything = json.loads(egret("-j", "help").stdout)
    objects = {row["object"] for row in everything}
    assert objects == set("status check run workload flow endpoint cgroup netns provider policy credential ca audit event "
                          "prog map log daemon version help".split())
    top = egret("help").stdout
    for name in objects:
        assert re.search(rf"^  {name} ", top, re.M)
        level = egret("help", name)
        assert level.returncode == 0
        for row in everything:
            if row["object"] == name:
                assert f"egret {name}{' ' + row['command'] if 'command' in row else ''}" in level.stdout
    assert egret("audit", "help").stdout == egret("audit", "--help").stdout == egret("help", "audit").stdout
    assert "REQUEST" in egret("audit", "show", "--help").stdout
    assert egret("--version").stdout == egret("version").stdout


def test_options_stand_anywhere_but_behind_the_dashes(run_dir):
    with FakeEgretd(run_dir, {"workload.list": rows({"name": "dev"})}):
        for words in (["-j", "workload", "list"], ["workload", "-j", "list"], ["workload", "list", "-j"]):
            assert json.loads(egret(*words, run_dir=run_dir).stdout) == [{"name": "dev"}]


# ---- answers ----


def test_requests_carry_the_arguments(run_dir):
    with FakeEgretd(run_dir, {"audit.list": rows(RECORD)}) as daemon:
        egret("audit", "list", "--since", "2026-01-01", "--workload", "dev", "--model", "gpt*", "--limit", 3,
              "--decision", "denied", run_dir=run_dir)
    assert daemon.requests == [("audit.list", {"since_us": 1767225600000000, "workload": "dev", "model": "gpt*",
                                               "limit": 3, "decision": "denied"})]


def test_what_a_workload_chose_is_escaped(run_dir):
    with FakeEgretd(run_dir, {"audit.list": rows(RECORD), "audit.show": [{"end": RECORD}]}):
        for words in (["audit", "list"], ["audit", "show", "01234567"], ["-j", "audit", "list"]):
            out = egret(*words, run_dir=run_dir).stdout
            assert "\x1b" not in out and "\u202e" not in out
        assert "gpt\\x1b[2J\\u{202e}" in egret("audit", "list", run_dir=run_dir).stdout
        assert json.loads(egret("-j", "audit", "list", run_dir=run_dir).stdout) == [RECORD]


def test_daemon_errors_keep_their_reason_and_place(run_dir):
    error = {"reason": "bad_policy", "message": "rules[2]: \x1b[31mbad", "file": "p.json", "line": 14, "col": 20}
    with FakeEgretd(run_dir, {"policy.load": [{"error": error}]}):
        done = egret("policy", "load", run_dir=run_dir)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "egret: policy load: p.json:14:20: rules[2]: \\x1b[31mbad\n"
        done = egret("-j", "policy", "load", run_dir=run_dir)
        assert done.returncode == 1 and json.loads(done.stdout) == {"error": error}


def test_an_answer_that_breaks_off_is_an_error_and_no_half_list(run_dir):
    with FakeEgretd(run_dir, {"flow.list": [{"row": {"cookie": 1}}], "event.list": [b'{"row":{"a":']}):
        for words in (["flow", "list"], ["event", "list"]):
            done = egret(*words, run_dir=run_dir)
            assert done.returncode == 1 and done.stdout == "" and "broke off" in done.stderr
            done = egret("-j", *words, run_dir=run_dir)
            assert done.returncode == 1 and json.loads(done.stdout)["error"]["reason"] == "unavailable"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400\r\n\r\n", b"\n", b'{"end":1}\n', b'{"end":{},"row":{}}\n', b""])
def test_an_answer_of_no_egretd_is_an_error(run_dir, answer):
    with FakeEgretd(run_dir, {"status": [answer]}):
        done = egret("status", run_dir=run_dir)
    assert done.returncode == 1 and done.stdout == "" and "egretd" in done.stderr


@pytest.mark.parametrize("words", [["status"], ["workload", "list"], ["run", "--", "true"], ["audit", "tail"]])
def test_no_daemon_says_what_to_do(words):
    done = egret(*words)
    assert done.returncode == 1 and "egretd is not running" in done.stderr and "start it" in done.stderr


def test_every_query_asks_the_command_of_the_protocol(run_dir):
    queries = {
        "status": ["status"], "workload.list": ["workload", "list"], "workload.show": ["workload", "show", "a"],
        "workload.of": ["workload", "of", "1"], "flow.list": ["flow", "list"], "flow.show": ["flow", "show", "1"],
        "endpoint.list": ["endpoint", "list"], "cgroup.list": ["cgroup", "list"],
        "cgroup.show": ["cgroup", "show", "/a"], "netns.list": ["netns", "list"], "provider.list": ["provider", "list"],
        "provider.show": ["provider", "show", "a"], "policy.show": ["policy", "show"],
        "policy.explain": ["policy", "explain", "--workload", "a", "--provider", "b", "--operation", "c"],
        "credential.list": ["credential", "list"], "credential.reload": ["credential", "reload"],
        "ca.show": ["ca", "show"], "ca.rotate": ["ca", "rotate"], "audit.list": ["audit", "list"],
        "audit.show": ["audit", "show", "01234567"], "audit.tail": ["audit", "tail"],
        "event.list": ["event", "list"], "event.watch": ["event", "watch"], "prog.list": ["prog", "list"],
        "map.list": ["map", "list"], "map.dump": ["map", "dump", "eg_count"], "log.level": ["log", "level"],
        "daemon.stop": ["daemon", "stop"], "daemon.reload": ["daemon", "reload"],
        "daemon.upgrade": ["daemon", "upgrade"], "policy.load": ["policy", "load"],
    }
    documented = set(re.findall(r"^\| `([a-z]+\.[a-z]+|status)` \|",
                                (ROOT / "userspace/control/PROTOCOL.md").read_text(), re.M))
    assert documented - set(queries) == {"policy.check"}  # it needs a file: below
    with FakeEgretd(run_dir, {name: [{"end": {}}] for name in queries}) as daemon:
        for name, words in queries.items():
            done = egret(*words, run_dir=run_dir)
            assert done.returncode == 0, (words, done.stderr)
            assert daemon.requests[-1][0] == name


def test_policy_is_read_here_and_goes_along(run_dir, tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text('{"rules": ["\\u00e9 \u00e9"]}')
    with FakeEgretd(run_dir, {"policy.check": [{"end": {"workloads": 0, "rules": 0}}]}) as daemon:
        assert egret("policy", "check", policy, run_dir=run_dir).returncode == 0
        assert daemon.requests == [("policy.check", {"file": str(policy), "policy": policy.read_text()})]
        done = egret("policy", "check", tmp_path / "none.json", run_dir=run_dir)
        assert done.returncode == 1 and "No such file" in done.stderr
        policy.write_bytes(b"{}\xff")
        done = egret("policy", "check", policy, run_dir=run_dir)
        assert done.returncode == 1 and "not UTF-8" in done.stderr
        policy.write_bytes(b" " * (8 << 20) + b" ")
        done = egret("policy", "check", policy, run_dir=run_dir)
        assert done.returncode == 1 and "larger than" in done.stderr
        assert len(daemon.requests) == 1


def test_a_policy_of_somebody_elses_is_judged_here(run_dir):
    """To compile takes the daemon's time: it does so for root only."""
    policy = run_dir / "policy.json"
    policy.write_text('{"workloads": {}, "rules": []}')
    policy.chmod(0o644)
    explain = ["explain", "--workload", "unknown", "--provider", "openai", "--operation", "chat", "--policy", policy]
    with FakeEgretd(run_dir, {}) as daemon:
        os.chmod(daemon.path, 0o666)
        for words in (["check", policy], explain):
            done = egret("policy", *words, run_dir=run_dir, user=65534)
            assert done.returncode == 0 and "judged here" in done.stderr
        assert daemon.requests == []


def test_status_is_one_object_with_its_processes(run_dir):
    end = {"version": "0.1.0", "pid": 7, "phase": "serving", "hooks": 11, "hooks_total": 12, "warnings": ["w\n1"],
           "policy": {"source": "/etc/egret/policy.json", "generation": 3}}
    child = {"role": "worker", "index": 0, "pid": 9, "state": "ready"}
    with FakeEgretd(run_dir, {"status": [{"row": child}, {"end": end}]}):
        assert json.loads(egret("-j", "status", run_dir=run_dir).stdout) == end | {"processes": [child]}
        plain = egret("status", run_dir=run_dir).stdout
    assert "11 of 12" in plain and "w\\n1" in plain and re.search(r"^worker +0 +9 +ready", plain, re.M)


def test_tail_prints_each_record_as_it_comes(run_dir):
    lines = [{"row": RECORD}, {"row": RECORD | {"pid": 8}}]
    with FakeEgretd(run_dir, {"audit.tail": lines}):
        done = egret("-j", "audit", "tail", run_dir=run_dir)
    out = [json.loads(line) for line in done.stdout.splitlines()]
    assert [o.get("pid") for o in out[:2]] == [7, 8]
    assert out[2]["error"]["reason"] == "unavailable"  # a daemon that dies ends the stream with why
    assert done.returncode == 1


def test_export_writes_json_lines_and_csv(run_dir):
    with FakeEgretd(run_dir, {"audit.list": rows(RECORD, RECORD)}):
        lines = egret("audit", "export", run_dir=run_dir).stdout.splitlines()
        text = subprocess.run([EGRET, "--run-dir", run_dir, "audit", "export", "--format", "csv"],
                              capture_output=True, check=True).stdout.decode()
    assert [json.loads(line) for line in lines] == [RECORD, RECORD]
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(table) == 2 and table[0]["model"] == RECORD["model"] and table[0]["total_us"] == "4200"
    assert table[0]["path"] == "'=1+1"  # no spreadsheet runs it
    with FakeEgretd(run_dir, {"audit.list": rows()}):
        done = egret("audit", "export", "--format", "csv", run_dir=run_dir)
    assert done.stdout.startswith("request") and done.stdout.count("\n") == 1


def test_a_full_disk_is_no_success(run_dir):
    with FakeEgretd(run_dir, {"flow.list": rows({"cookie": 1})}), open("/dev/full", "w") as full:
        done = subprocess.run([EGRET, "--run-dir", run_dir, "flow", "list"], stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=60)
    assert done.returncode == 1 and "cannot write the output" in done.stderr


# ---- run ----

ANSWER = {"workload": "dev", "cgroup_path": "/egret/run/dev/1", "ca_cert": "/run/egret/ca.pem",
          "ca_bundle": "/run/egret/ca-bundle.pem", "env": {"OPENAI_API_KEY": "egret-placeholder"}, "hosts": []}


def run_env(run_dir, *options, env=None):
    with FakeEgretd(run_dir, {"run": [{"end": ANSWER}]}) as daemon:
        done = egret("run", *options, "--", "env", "-0", run_dir=run_dir,
                     env={"PATH": os.environ["PATH"]} | (env or {}))
    assert done.returncode == 0, done.stderr
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry), daemon


def test_run_sets_trust_whatever_was_set_before(run_dir):
    env, daemon = run_env(run_dir, "--workload", "dev",
                          env={"SSL_CERT_FILE": "/mine.pem", "NODE_EXTRA_CA_CERTS": "/mine.pem", "OTHER": "x"})
    assert daemon.requests == [("run", {"workload": "dev"})]
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO",
                 "AWS_CA_BUNDLE"):
        assert env[name] == ANSWER["ca_bundle"]
    for name in ("NODE_EXTRA_CA_CERTS", "DENO_CERT"):
        assert env[name] == ANSWER["ca_cert"]
    assert env["NODE_USE_SYSTEM_CA"] == "1" and env["OTHER"] == "x"


def test_run_takes_real_keys_out_of_the_environment(run_dir):
    env, _ = run_env(run_dir, env={"OPENAI_API_KEY": "sk-real"})
    assert env["OPENAI_API_KEY"] == "egret-placeholder"


def test_run_keeps_keys_only_when_told(run_dir):
    env, _ = run_env(run_dir, "--keep-env", env={"OPENAI_API_KEY": "sk-real"})
    assert env["OPENAI_API_KEY"] == "sk-real"


def test_run_becomes_the_command(run_dir):
    with FakeEgretd(run_dir, {"run": [{"end": ANSWER}]}):
        assert egret("run", "--", "sh", "-c", "exit 42", run_dir=run_dir).returncode == 42
        assert egret("run", "--", "sh", "-c", "kill -TERM $$", run_dir=run_dir).returncode == -signal.SIGTERM
        assert egret("run", "--", "/nonexistent/x", run_dir=run_dir).returncode == 127
        assert egret("run", "--", "/etc/passwd", run_dir=run_dir).returncode == 126
        fds = egret("run", "--", "ls", "/proc/self/fd", run_dir=run_dir).stdout.split()
        assert len(fds) == 4  # 0, 1, 2 and the listing's own
        assert egret("run", "--", "echo", "-j", "--run-dir", run_dir=run_dir).stdout == "-j --run-dir\n"


def test_run_does_not_start_what_was_refused(run_dir, tmp_path):
    marker = tmp_path / "ran"
    refused = {"reason": "not_allowed", "message": "user 1 may not do this"}
    for answer in ([{"error": refused}], [{"end": {}}], [b""]):
        with FakeEgretd(run_dir, {"run": answer}):
            assert egret("run", "--", "touch", marker, run_dir=run_dir).returncode == 1
    assert not marker.exists()


# ---- policy without a daemon ----

POLICY = """{ "workloads": { "dev": { "match": [{ "user": "nobody" }] } },
  "rules": [{ "id": "small", "when": { "workload": "dev", "provider": "openai", "operation": "chat",
              "model": "gpt-4o-mini*" }, "allow": { "max_tokens": 100 } }] }"""
FACTS = {"workload": "dev", "provider": "openai", "operation": "chat", "model": "gpt-4o-mini"}


@pytest.fixture
def policy(tmp_path):
    (tmp_path / "p.json").write_text(POLICY)
    return tmp_path / "p.json"


def test_policy_is_checked_here_without_a_daemon(policy):
    done = egret("-j", "policy", "check", policy)
    assert json.loads(done.stdout) == {"workloads": 1, "rules": 1} and "judged here" in done.stderr
    policy.write_text(POLICY.replace('"model"', '"modle"'))
    done = egret("policy", "check", "--offline", policy)
    assert done.returncode == 1 and f"{policy}:3:" in done.stderr and "modle" in done.stderr


def test_policy_is_explained_here_without_a_daemon(policy):
    words = ["--policy", policy, "--workload", "dev", "--provider", "openai", "--operation", "chat"]
    allowed = json.loads(egret("-j", "policy", "explain", *words, "--model", "gpt-4o-mini").stdout)
    assert (allowed["decision"], allowed["rule"], allowed["max_tokens"]) == ("allowed", "small", 100)
    denied = json.loads(egret("-j", "policy", "explain", *words, "--model", "o1").stdout)
    assert denied["decision"] == "no_rule" and denied["list"][0]["failed"] == "model"
    done = egret("-j", "policy", "explain", *words)
    unknown = json.loads(done.stdout)["list"][0]
    assert (unknown["failed"], unknown["wanted"]) == ("model", "gpt-4o-mini*") and "applies" not in unknown
    assert "without --model" in done.stderr
    assert re.search(r"^small +allow +no +- +model ", egret("policy", "explain", *words).stdout, re.M)
    words[words.index("chat")] = "files"  # has no model, and fails for what it is
    done = egret("-j", "policy", "explain", *words)
    assert json.loads(done.stdout)["list"][0]["applies"] is False and "without --model" not in done.stderr
    words[words.index("dev")] = "nobody"
    assert "the policy has none of that name" in egret("policy", "explain", *words).stderr


@pytest.mark.parametrize("expect, code", [
    ({"decision": "allowed"}, 0), ({"decision": "allowed", "rule": "small", "max_tokens": 100}, 0),
    ({"decision": "allowed", "shadow_rule": None}, 0), ({"decision": "no_rule"}, 1),
    ({"decision": "allowed", "max_tokens": 99}, 1), ({"decision": "allowed", "credential": "x"}, 1),
])
def test_policy_tests_compare_what_they_name(policy, expect, code):
    tests = policy.parent / "t.json"
    for source in ("p.json", json.loads(POLICY)):
        tests.write_text(json.dumps({"policy": source, "tests": [{"name": "n", "facts": FACTS, "expect": expect}]}))
        done = egret("-j", "policy", "test", tests)
        assert done.returncode == code, done.stderr
        assert [row["state"] for row in json.loads(done.stdout)] == ["fail" if code else "ok"]


@pytest.mark.parametrize("broken", [
    "", "[]", "{}", '{"policy": "p.json"}', '{"policy": "p.json", "tests": []}', '{"policy": 1, "tests": [{}]}',
    '{"policy": "none.json", "tests": [{}]}', '{"policy": "p.json", "tests": [1]}',
    '{"policy": "p.json", "tests": [{"name": "n"}]}', '{"policy": "p.json", "tests": [{"nam": "n"}]}',
    '{"policy": "p.json", "tests": [{"name": "n", "facts": {}, "expect": {"decision": "allowed"}}]}',
    '{"policy": "p.json", "tests": [{"name": "n", "facts": {"workload": "x", "provider": "openai", '
    '"operation": "chat"}, "expect": {"decision": "allowed"}}]}',
    '{"policy": "p.json", "tests": [{"name": "n", "facts": {"workload": "dev", "provider": "openai", '
    '"operation": "chat"}, "expect": {"decisoin": "allowed", "decision": "allowed"}}]}',
])
def test_a_broken_file_of_tests_is_an_error(policy, broken):
    tests = policy.parent / "t.json"
    tests.write_text(broken)
    done = egret("policy", "test", tests)
    assert done.returncode == 1 and done.stderr.startswith("egret: policy test: ") and done.stderr.count("\n") == 1


# ---- the program itself ----


def test_openssl_is_not_linked():
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]",
                        subprocess.run(["readelf", "-d", EGRET], capture_output=True, text=True, check=True).stdout)
    assert needed and {name.split(".so")[0] for name in needed} <= {"libbpf", "libjansson", "libelf", "libz", "libc"}


def test_check_names_what_is_missing_without_a_daemon(run_dir):
    done = egret("-j", "check", run_dir=run_dir)
    assert done.returncode == 1
    found = {row["name"]: row for row in json.loads(done.stdout)}
    assert found["kernel"]["state"] in ("ok", "warn") and found["cgroup2"]["state"] == "ok"
    assert found["daemon"]["state"] == "fail" and "not running" in found["daemon"]["text"]
    assert found["hooks attached"]["state"] in ("fail", "warn")


def make_certificate(name):
    return subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                           "-keyout", "/dev/null", "-subj", f"/CN={name}", "-days", "1"],
                          capture_output=True, text=True, check=True).stdout


def test_check_finds_the_trust_stores_that_are_behind(run_dir, tmp_path):
    ca, other = make_certificate("egret"), make_certificate("other")
    (run_dir / "ca.pem").write_text(ca)
    (run_dir / "ca-bundle.pem").write_text(other + "# text\n" + ca)
    (tmp_path / "behind.pem").write_text(other)
    daemon_row = {"name": "recorder", "state": "fail", "text": "takes no records", "advice": "free some space"}
    env = dict(os.environ, SSL_CERT_FILE=str(tmp_path / "behind.pem"), CURL_CA_BUNDLE=str(run_dir / "ca-bundle.pem"),
               PIP_CERT=str(tmp_path))
    with FakeEgretd(run_dir, {"status": [{"end": {"version": "1", "phase": "serving"}}], "check": rows(daemon_row)}):
        done = egret("-j", "check", run_dir=run_dir, env=env)
    found = {row["name"]: row for row in json.loads(done.stdout)}
    assert found["trust egret run"]["state"] == "ok" and found["trust CURL_CA_BUNDLE"]["state"] == "ok"
    assert found["trust system"]["state"] == "warn" and "ca install" in found["trust system"]["advice"]
    assert found["trust SSL_CERT_FILE"]["state"] == "warn" and "lacks" in found["trust SSL_CERT_FILE"]["text"]
    assert found["trust PIP_CERT"]["state"] == "warn"
    assert found["recorder"] == daemon_row and done.returncode == 1
    (run_dir / "ca-bundle.pem").write_text(other)
    found = {row["name"]: row for row in json.loads(egret("-j", "check", run_dir=run_dir).stdout)}
    assert found["trust egret run"]["state"] == "fail"


def test_ca_export_prints_the_files_of_the_run_directory(run_dir):
    (run_dir / "ca.pem").write_text("certificate\n")
    (run_dir / "ca-bundle.pem").write_text("bundle\n")
    assert egret("ca", "export", run_dir=run_dir).stdout == "certificate\n"
    assert egret("ca", "export", "--bundle", run_dir=run_dir).stdout == "bundle\n"
    assert "there is no" in egret("ca", "export").stderr


INSTALL = """
set -eu
mount --make-rprivate /
mount -t tmpfs none {tmp}  # overlayfs wants no overlay below
for d in /usr/local/share /etc/ssl /etc/ca-certificates /var/lib; do
    n=$(echo $d | tr / _); mkdir -p {tmp}/up$n {tmp}/work$n
    mount -t overlay -o lowerdir=$d,upperdir={tmp}/up$n,workdir={tmp}/work$n overlay $d
done
egret="{egret} --run-dir {run} -j ca"
certs=/etc/ssl/certs
# The bundle, who is linked to, and whom Java knows.
store() {{
    sha256sum $certs/ca-certificates.crt
    find $certs -type l -printf '%f %l\n' | sort
    if test -e $certs/java/cacerts; then keytool -list -storepass changeit -keystore $certs/java/cacerts | sort; fi
}}
ours() {{ cd /usr/local/share/ca-certificates; ls egret-*; cd /; }}
java_has() {{  # the certificate of this file, where there is a Java
    if test -e $certs/java/cacerts; then
        sum=$(openssl x509 -noout -fingerprint -sha256 -in $1 | cut -d= -f2)
        store | grep -q "$sum"
    fi
}}
dpkg --configure ca-certificates-java >/dev/null 2>&1 || :  # if a trigger of its was ended halfway
update-ca-certificates --fresh >/dev/null  # what this machine itself has not told Java yet
store >{tmp}/before
"""

INSTALLED_TWICE = """
$egret install; ours; $egret install >/dev/null
openssl verify -CAfile $certs/ca-certificates.crt {run}/ca.pem
head -n $(( $(wc -l <{run}/ca.pem) / 2 )) {run}/ca.pem >{run}/one.pem; mv {run}/one.pem {run}/ca.pem
$egret install >/dev/null; ours
test ! -L $certs/egret-ca-2.pem && echo one link
$egret uninstall; $egret uninstall
store | diff {tmp}/before - && echo same
"""

ROTATED = """
$egret install >/dev/null; java_has {run}/ca.pem
openssl verify -CApath $certs {run}/ca.pem
mv {run}/next.pem {run}/ca.pem
$egret install >/dev/null; java_has {run}/ca.pem
openssl verify -CApath $certs {run}/ca.pem
rm /usr/local/share/ca-certificates/egret-ca-1.crt  # by hand: its link stays
$egret uninstall
store | diff {tmp}/before - && echo same
"""


KEPT_BY_JAVA = """
$egret install >/dev/null
chmod -x /etc/ca-certificates/update.d/jks-keystore
for i in 1 2; do
    if $egret uninstall; then exit 1; fi
done
sh -c "$($egret uninstall | sed 's/.*`\\(keytool.*\\)`.*/\\1/')" >&2
$egret uninstall
chmod +x /etc/ca-certificates/update.d/jks-keystore
store | diff {tmp}/before - && echo same
"""


def in_a_copy_of_the_store(script, run_dir, tmp_path):
    script = (INSTALL + script).format(tmp=tmp_path, egret=EGRET, run=run_dir)
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts over the trust store")
def test_ca_install_and_uninstall_leave_the_store_as_it_was(run_dir, tmp_path):
    (run_dir / "ca.pem").write_text(make_certificate("egret-a") + make_certificate("egret-b"))
    lines = in_a_copy_of_the_store(INSTALLED_TWICE, run_dir, tmp_path)
    installed = json.loads(lines[0])
    assert installed["store"] == "debian" and len(installed["installed"]) == 2
    assert lines[1:3] == ["egret-ca-1.crt", "egret-ca-2.crt"] and lines[3].endswith("OK")
    assert lines[4:6] == ["egret-ca-1.crt", "one link"]  # a certificate whose overlap ended goes
    assert len(json.loads(lines[6])["removed"]) == 1 and json.loads(lines[7])["removed"] == []
    assert lines[8:] == ["same"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts over the trust store")
def test_a_rotated_certificate_takes_the_place_of_the_one_before(run_dir, tmp_path):
    (run_dir / "ca.pem").write_text(make_certificate("egret-old"))
    (run_dir / "next.pem").write_text(make_certificate("egret-new"))
    lines = in_a_copy_of_the_store(ROTATED, run_dir, tmp_path)
    assert lines[0].endswith("OK") and lines[1].endswith("OK")
    assert json.loads(lines[2])["removed"] == [] and lines[3:] == ["same"]


@pytest.mark.skipif(os.geteuid() != 0 or not Path("/etc/ca-certificates/update.d/jks-keystore").exists() or
                    not shutil.which("keytool"), reason="mounts over the trust store, and looks at Java's")
def test_ca_uninstall_says_what_java_keeps(run_dir, tmp_path):
    (run_dir / "ca.pem").write_text(make_certificate("egret-a"))
    lines = in_a_copy_of_the_store(KEPT_BY_JAVA, run_dir, tmp_path)
    for line in lines[:2]:
        assert "Java still trusts the certificate" in json.loads(line)["error"]["message"], lines
    assert json.loads(lines[2])["removed"] == [] and lines[3:] == ["same"]


def test_completion_offers_what_the_tables_say():
    script = ROOT / "build/completion/egret"
    assert script.exists(), "make all builds it"

    def complete(line):
        command = f"source {script}; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _egret; " \
                  'printf "%s\\n" "${COMPREPLY[@]}"'
        out = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True,
                             env={"PATH": f"{EGRET.parent}:{os.environ['PATH']}"})
        assert out.stderr == ""
        return out.stdout.split()

    assert "workload" in complete("egret ''") and "--run-dir" in complete("egret --r")
    assert complete("egret wo") == ["workload"] and complete("egret -j audit t") == ["tail"]
    assert complete("egret audit list --si") == ["--since"]
    assert complete("egret audit list --since 1h --si") == []  # given once
    assert complete("egret log level d") == ["debug"]
    assert complete("egret map dump eg_c") == ["eg_count", "eg_cflow"]
    assert complete("egret audit export --format ''") == ["json", "csv"]
