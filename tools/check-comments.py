#!/usr/bin/env python3
"""Comments: the licence first, then the file's head; block comments only; nothing left for later."""

import re

import csource

LICENCE = re.compile(r"/\* SPDX-License-Identifier: (.+) \*/\n")
LATER = re.compile(r"\b(TODO|FIXME|XXX|HACK|WIP)\b")


def licence_of(path):
    if path.startswith("bpf/"):
        return "(GPL-2.0-only OR BSD-2-Clause)"
    return "(GPL-2.0-only OR BSD-2-Clause)" if path.startswith("headers/") else "Apache-2.0"


def check(path, text):
    match = LICENCE.match(text)
    if not match:
        yield 1, "the first line is not /* SPDX-License-Identifier: ... */"
    elif match.group(1) != licence_of(path):
        yield 1, f"the licence is not {licence_of(path)}"
    elif path.endswith(".h") and not text[match.end():].startswith("/*"):
        yield 2, "no comment says what the header is for"
    for line, comment in csource.comments(text):
        if comment.startswith("//"):
            yield line, "// comments are for trying things out: write /* */"
        if LATER.search(comment):
            yield line, "a comment puts something off: do it, or say why it is right as it is"


HEAD = "/* SPDX-License-Identifier: Apache-2.0 */\n"
csource.main(check, (".c", ".h"), bad=[
    ("userspace/x.c", "int x;\n"),
    ("userspace/x.c", HEAD + "int x; // why\n"),
    ("userspace/x.c", HEAD + "/* TODO: more */\n"),
    ("userspace/x.h", HEAD + "#pragma once\n"),
    ("bpf/x.bpf.c", HEAD),
], good=[
    ("userspace/x.c", HEAD + 'const char *url = "https://x//y"; /* see https://x */\n'),
    ("userspace/x.h", HEAD + "/* What it is. */\n#pragma once\n"),
])
