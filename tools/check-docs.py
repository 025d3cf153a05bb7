#!/usr/bin/env python3
"""Files that documents and comments name exist."""

import re

import csource

# At least one folder and a suffix; not part of a URL, an absolute path, an include or a pattern.
PATH = re.compile(
    r"(?<![\w/<.:~$*})-])([a-z][\w-]*(?:/[\w.-]+)*/[\w.-]+\.(?:c|h|md|json|py|sh|mk|mjs|js|in))\b(?!/)")
# Folders a path may be relative to.
BASES = ("", "userspace", "headers", "bpf", "tests", "policy", "tools")
# Made by the build, or other people's.
PLACEHOLDER = re.compile(r"NAME|DIR|FILE")
FOREIGN = re.compile(r"^(build|gen|include|node_modules|sys|linux|net|netinet|openssl|bpf)/")


def exists(path, name):
    root = csource.ROOT
    folder = (root / path).parent
    return any((root / base / name).exists() for base in BASES) or (folder / name).exists()


def check(path, text):
    if path.endswith((".c", ".h")):
        parts = list(csource.comments(text))
    else:
        parts = list(enumerate(text.splitlines(), 1))
    for line, part in parts:
        for match in PATH.finditer(part):
            name = match.group(1)
            if PLACEHOLDER.search(name):
                continue
            if FOREIGN.match(name) and not name.startswith("bpf/lib"):
                continue
            if not exists(path, name):
                yield line + part.count("\n", 0, match.start()), f"{name} does not exist"


csource.main(check, (".md", ".c", ".h"), bad=[
    ("README.md", "See `userspace/base/gone.c`.\n"),
    ("userspace/base/x.c", "/* see proxy/gone.h */\n"),
], good=[
    ("README.md", "See `tools/check-docs.py`, https://x/a/b.c, /etc/egret/policy.json, base/buf.h.\n"),
    ("x.c", '#include "gone/gone.h"\n/* as in <gone/gone.h> */\n'),
])
