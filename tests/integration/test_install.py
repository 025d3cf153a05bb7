# SPDX-License-Identifier: Apache-2.0
"""make install and uninstall, below a DESTDIR of the test's own."""
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "/opt/egret"


def make(target, dest):
    command = ["make", "-s", target, f"DESTDIR={dest}", f"PREFIX={PREFIX}"]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env=env, timeout=600)


def tree(top):
    return {str(p.relative_to(top)) for p in top.rglob("*") if not p.is_dir()}


@pytest.fixture(scope="module")
def dest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dest")
    make("install", folder)
    return folder


def test_everything_is_in_its_place(dest):
    assert tree(dest / PREFIX[1:]) >= {
        "bin/egret", "sbin/egretd", "share/egret/providers.json", "share/egret/default.json",
        "share/egret/schema/egret.json", "share/doc/egret/examples/egret.json", "share/man/man8/egret.8",
        "share/man/man8/egretd.8",
        "share/man/man5/egret.json.5", "share/man/man5/egret-policy.5",
        "share/bash-completion/completions/egret", "lib/systemd/system/egretd.service", "lib/sysusers.d/egret.conf",
    }
    for schema in (ROOT / "policy/schema").glob("*.json"):
        assert (dest / PREFIX[1:] / "share/egret/schema" / schema.name).read_text() == schema.read_text()
    assert tree(dest) == {PREFIX[1:] + "/" + name for name in tree(dest / PREFIX[1:])}  # and nowhere else


def test_what_is_installed_works(dest):
    top = dest / PREFIX[1:]
    version = subprocess.run([top / "bin/egret", "version"], capture_output=True, text=True, check=True).stdout
    daemon = subprocess.run([top / "sbin/egretd", "--version"], capture_output=True, text=True, check=True).stdout
    assert version.split()[1] == daemon.split()[1]
    for schema in (top / "share/egret/schema").iterdir():
        assert "$schema" in json.loads(schema.read_text())
    for page in (top / "share/man").rglob("*.[58]"):
        subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], check=True)
        assert not re.search(r"@[A-Z]+@", page.read_text())


def test_the_installed_example_configuration_is_valid(dest):
    example = dest / PREFIX[1:] / "share/doc/egret/examples/egret.json"
    done = subprocess.run([dest / PREFIX[1:] / "sbin/egretd", "--config", example, "--check"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, what in ((example, "config"), (example.parents[3] / "egret/schema/egret.json", "schema")):
        printed = subprocess.run([dest / PREFIX[1:] / "sbin/egretd", "--print", what], capture_output=True, text=True)
        assert name.read_text() == printed.stdout  # the files in the repository are as the table says


def test_the_unit_names_what_was_installed(dest):
    unit = (dest / PREFIX[1:] / "lib/systemd/system/egretd.service").read_text()
    assert "/usr/local" not in unit
    programs = re.findall(r"^Exec\w+=[-+!:@]*(\S+)", unit, re.M)
    assert f"{PREFIX}/sbin/egretd" in programs
    for program in programs:
        assert not program.startswith(PREFIX) or (dest / program[1:]).exists()


def test_every_reason_is_in_the_manual(dest):
    page = (dest / PREFIX[1:] / "share/man/man8/egret.8").read_text()
    reasons = re.findall(r"^\tX\((\w+),", (ROOT / "headers/egret/reasons.h").read_text(), re.M)
    assert reasons and all(f".It Li {name}\n" in page for name in reasons)


def test_modes_let_everyone_read_and_nobody_write(dest):
    for path in (dest / PREFIX[1:]).rglob("*"):
        if not path.is_dir():
            executable = path.parent.name in ("bin", "sbin")
            assert path.stat().st_mode & 0o7777 == (0o755 if executable else 0o644), path


def test_uninstall_removes_exactly_what_install_put_there(tmp_path):
    top = tmp_path / PREFIX[1:]
    foreign = [top / "bin/other", top / "share/egret/mine.json", top / "share/man/man8/other.8"]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    make("install", tmp_path)
    assert len(tree(tmp_path)) > len(foreign)
    make("uninstall", tmp_path)
    assert tree(tmp_path) == {str(path.relative_to(tmp_path)) for path in foreign}
    make("uninstall", tmp_path)  # nothing is there any more: fine
    foreign[1].unlink()
    make("install", tmp_path)
    make("uninstall", tmp_path)
    assert not (top / "share/egret").exists() and not (top / "share/doc/egret").exists()


def test_every_member_of_a_policy_is_in_the_manual(dest):
    page = (dest / PREFIX[1:] / "share/man/man5/egret-policy.5").read_text()
    members = set()

    def walk(node):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            if key == "properties":
                members.update(value)
            walk(value)

    walk(json.loads((ROOT / "policy/schema/policy.json").read_text()))
    missing = {m for m in members - {"$schema"} if not re.search(rf"\b{re.escape(m)}\b", page)}
    assert members and not missing
