#!/usr/bin/env python3
"""Every reason is one people can act on: a stable name, a text of its own, a sound status, a user."""

import re

import csource

REASONS = "headers/egret/reasons.h"
ROW = re.compile(r'^\tX\((\w+),\s*(\d+),\s*(\d+),[\s\\]*"([^"]*)"\)', re.M)
# Never 5xx for a decision of ours: agents repeat those in storms. 502 and 504 are the provider's fault.
STATUSES = {0, 400, 403, 408, 413, 415, 426, 431, 502, 504}


def check(path, text):
    names, texts = {}, {}
    if len(ROW.findall(text)) != text.count("\tX(") or not ROW.search(text):
        yield 1, "rows were found that are no X(name, status, errno, text)"
    for match in ROW.finditer(text):
        name, status, _, words = match.groups()
        line = csource.line_of(text, match.start())
        if name in names:
            yield line, f"{name} is there twice"
        if words in texts:
            yield line, f"{name} has the text of {texts[words]}"
        if len(words) < 12 or words.endswith(".") or (words[0].isupper() and not words[1].isupper()):
            yield line, f"{name}: the text is no phrase that can follow a colon"
        if int(status) not in STATUSES:
            yield line, f"{name}: status {status} is none that egret gives"
        if (int(status) >= 500) != (int(status) != 0 and name.startswith("upstream_")
                                    and int(status) != 403):
            yield line, f"{name}: 5xx is for faults of the provider"
        names[name], texts[words] = line, name


def row(name, status, words):
    return f'\tX({name}, {status}, 0, "{words}")\n'


csource.main(check, (REASONS,), bad=[
    (REASONS, ""),
    (REASONS, row("a", 403, "this may not be done") + row("a", 403, "that may not be done")),
    (REASONS, row("a", 403, "this may not be done") + row("b", 403, "this may not be done")),
    (REASONS, row("a", 403, "no")),
    (REASONS, row("a", 503, "egret is overloaded now")),
    (REASONS, row("a", 429, "too many of these requests")),
], good=[
    (REASONS, row("a", 403, "this may not be done") + row("upstream_b", 502, "the provider is gone")),
])
