"""C sources for the checks beside this file: text without its comments, and the checks' frame.

A check is a function (path, text) -> iterable of (line, message). It brings samples: each bad one must
be found and each good one pass, or the check itself is broken (`CHECK --self-test`).
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_TOKEN = re.compile(
    r"(?P<block>/\*.*?\*/)|(?P<line>//[^\n]*)"
    r'|(?P<string>"(?:\\.|[^"\\\n])*")|(?P<char>\'(?:\\.|[^\'\\\n])*\')',
    re.S,
)


def _blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def code(text):
    """The text with comments, strings and characters blanked; lines and columns stay."""
    return _TOKEN.sub(_blank, text)


def comments(text):
    """(line, comment) of every comment, `//` ones too."""
    for match in _TOKEN.finditer(text):
        if match.group("block") or match.group("line"):
            yield line_of(text, match.start()), match.group(0)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def files(*suffixes):
    """Files of the repository with these suffixes ("": every one), as paths relative to it."""
    command = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [n for n in sorted(set(names)) if n.endswith(suffixes) and (ROOT / n).is_file()]


def self_test(check, bad, good):
    for path, text in bad:
        if not list(check(path, text)):
            sys.exit(f"{sys.argv[0]}: not found in {path}: {text!r}")
    for path, text in good:
        found = list(check(path, text))
        if found:
            sys.exit(f"{sys.argv[0]}: wrongly found in {path}: {found}")


def main(check, suffixes, bad, good):
    if sys.argv[1:] == ["--self-test"]:
        self_test(check, bad, good)
        return
    count = 0
    for path in sys.argv[1:] or files(*suffixes):
        text = (ROOT / path).read_bytes().decode("utf-8", "replace")
        for line, message in check(path, text):
            print(f"{path}:{line}: {message}")
            count += 1
    sys.exit(1 if count else 0)
