#!/usr/bin/env python3
"""The repository speaks of egret alone: no machine it was built on, no tracker, no strange host."""

import re

import csource

WORDS = [
    (re.compile(r"(?<![\w.])/(home|Users)/\w"), "a path of somebody's machine"),
    (re.compile(r"\b(issue|ticket|bug) #?\d+\b|\b[A-Z]{3,}-[1-9]\d{2,4}\b", 0), "a tracker's number"),
    (re.compile(r"\blorem ipsum\b|\bfoo ?bar\b", re.I), "filler"),
]
URL = re.compile(r"\b(?:https?|git)://(?:[^\s/@\"'<>]*@)?\[?([\w.-]+)")
# Hosts that may stand in a URL: documents, providers and clients' own, examples, loopback.
HOSTS = re.compile(
    r"(?:^|\.)(?:example(?:\.\w+)?|invalid|test|localhost|openai\.com|anthropic\.com|claude\.com"
    r"|rfc-editor\.org|ietf\.org|json-schema\.org|apache\.org|kernel\.org|spdx\.org|w3\.org"
    r"|systemd\.io|freedesktop\.org|npmjs\.org|github\.com|kubernetes\.io)$|^[\d.]+$|^\w+$")
STANDARDS = re.compile(r"\b(SHA|AES|RFC|ISO|FIPS|CVE|HMAC|UTF|GPL|BSD)-\d+")


def check(path, text):
    if path.startswith("tools/check-words"):
        return
    clean = STANDARDS.sub("", text)
    for number, line in enumerate(clean.splitlines(), 1):
        for pattern, what in WORDS:
            if pattern.search(line):
                yield number, f"{what}: {pattern.search(line).group(0)}"
        if path.endswith("-lock.json") and '"resolved"' not in line:
            continue  # homepages and funding of packages
        for match in URL.finditer(line):
            if not HOSTS.search(match.group(1)):
                yield number, f"a host that is not known here: {match.group(1)}"


csource.main(check, ("",), bad=[
    ("README.md", "see /home/x\n"),
    ("x.c", "/* see issue 12 */\n"),
    ("x.c", "/* PROJ-1234 */\n"),
    ("lock.json", '"resolved": "https://npm.mirror.corp.net/a.tgz"\n'),
], good=[
    ("README.md", "https://api.openai.com/v1 and http://127.0.0.1:1/ and HMAC-SHA-256, RFC-8446\n"),
])
