#!/usr/bin/env python3
"""No file of ours grows beyond what one sitting reads; no function beyond two screens."""

import re

import csource

FILE_MAX = 600
FUNCTION_MAX = 80
SUFFIXES = (".c", ".h", ".py", ".sh", ".mk", ".md", ".js", ".mjs", "Makefile")
CHECK_MAX = 100  # of the checks themselves


def functions(text):
    """(line, length) of every body that opens and closes in the first column."""
    code = csource.code(text)
    for match in re.finditer(r"^\{\n(.*?)^\}", code, re.M | re.S):
        yield csource.line_of(code, match.start()), match.group(0).count("\n") + 1


def check(path, text):
    lines = text.count("\n")
    limit = CHECK_MAX if re.match(r"tools/check-", path) else FILE_MAX
    if lines > limit:
        yield lines, f"{lines} lines, more than {limit}: two ideas are in this file"
    if path.endswith((".c", ".h")) and not path.startswith("tests/"):
        for line, length in functions(text):
            if length > FUNCTION_MAX:  # tests may be one long table
                yield line, f"a function of {length} lines, more than {FUNCTION_MAX}"


csource.main(check, SUFFIXES, bad=[
    ("x.c", "\n" * (FILE_MAX + 1)),
    ("tools/check-x.py", "\n" * (CHECK_MAX + 1)),
    ("x.c", "int f(void)\n{\n" + "\tg();\n" * FUNCTION_MAX + "}\n"),
], good=[
    ("x.c", "\n" * FILE_MAX),
    ("x.c", "int f(void)\n{\n\tg();\n}\n"),
])
