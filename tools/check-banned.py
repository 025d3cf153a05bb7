#!/usr/bin/env python3
"""Calls that no C source of egret makes, with what to use instead."""

import re

import csource

BANNED = {
    "strcpy strncpy stpcpy strcat strncat": "slice_copy(), or memcpy() with a known length",
    "sprintf vsprintf": "snprintf(), buf_printf()",
    "strtok strtok_r strsep": "slices",
    "atoi atol atoll atof": "strtoull() with all its errors checked",
    "alloca strdupa strndupa": "the heap or a bounded array",
    "gets tmpnam tempnam mktemp": "nothing that races",
    "system popen": "fork() and execve() without a shell",
    "rand srand random srandom": "getrandom()",
    "setenv putenv": "an environment made for execve()",
    "libbpf_get_error IS_ERR": "NULL and errno",
    "bpf_printk": "counters and events",
}
# Tests change their own environment, and want the same numbers each time.
IN_TESTS = {"setenv", "putenv", "rand", "srand", "random", "srandom"}
# Where the process that changes its environment is about to become another one.
ALLOWED = {("userspace/cli/environment.c", "setenv")}

CALLS = {name: instead for names, instead in BANNED.items() for name in names.split()}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(CALLS) + r")\s*\(")


def check(path, text):
    code = csource.code(text)
    for match in CALL.finditer(code):
        name = match.group(1)
        if (path, name) in ALLOWED or (path.startswith("tests/") and name in IN_TESTS):
            continue
        yield csource.line_of(code, match.start()), f"{name}() is banned: use {CALLS[name]}"


csource.main(check, (".c", ".h"), bad=[
    ("x.c", "void f(char *a) { strcpy (a, b); }\n"),
    ("x.c", "int n = atoi(s);\n"),
    ("x.c", "(void)sprintf(a, b);\n"),
    ("userspace/daemon/x.c", "setenv(a, b, 1);\n"),
], good=[
    ("x.c", '/* not strcpy() */ const char *s = "atoi(";\n'),
    ("x.c", "my_strcpy(a); loop->system(b); snprintf(a, 1, b);\n"),
])
