# SPDX-License-Identifier: Apache-2.0
"""Another version of egretd: the one under test by another name and number."""
import subprocess

from lib.daemon import EGRETD

VERSION = subprocess.run([EGRETD, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
NEXT_VERSION = "9" + VERSION[1:]


def make_next(path):
    """Writes it to `path`: the number stands in the program as a string of its own."""
    text = EGRETD.read_bytes()
    assert b"\0" + VERSION.encode() + b"\0" in text
    path.write_bytes(text.replace(b"\0" + VERSION.encode() + b"\0", b"\0" + NEXT_VERSION.encode() + b"\0"))
    path.chmod(0o755)
    return path
