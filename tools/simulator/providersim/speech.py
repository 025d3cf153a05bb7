# SPDX-License-Identifier: Apache-2.0
"""What the simulated models say, and how it is counted."""
import json
import threading
import time
import uuid

DEFAULT = "Hello from the simulated provider: the key was right and the model is listening."


class Speech:
    """Set by the control command "speech": the text, or `events` numbered words, `gap` apart."""

    def __init__(self):
        self.lock = threading.Lock()
        self.set()

    def set(self, text=DEFAULT, events=None, gap=0.0):
        with self.lock:
            self.gap = float(gap)
            self.words = ([f"word{n}" for n in range(int(events))] if events is not None
                          else text.split(" "))

    def say(self, limit=None):
        """(words with their spaces, whether the limit cut them)."""
        words = self.words if limit is None else self.words[:limit]
        spaced = [w if n == 0 else " " + w for n, w in enumerate(words)]
        return spaced, len(words) < len(self.words)

    def paced(self, events):
        for n, piece in enumerate(events):
            if n and self.gap:
                time.sleep(self.gap)
            yield piece


def read_json(request):
    """The body as an object; None when it is not one."""
    try:
        value = json.loads(bytes(request.body.data).decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def limit_of(body, *names):
    for name in names:
        if isinstance(body.get(name), int):
            return body[name]
    return None


def tokens(value):
    """A count that grows with the text; only its place in the answer matters."""
    return max(1, len(json.dumps(value)) // 4)


def new_id(prefix):
    return prefix + uuid.uuid4().hex[:24]


def form_text(request, name):
    """A text part of a multipart body, or None."""
    kind = request.get("content-type")
    if "boundary=" not in kind:
        return None
    mark = b"--" + kind.split("boundary=")[1].strip('"').encode()
    for part in bytes(request.body.data).split(mark):
        head, _, data = part.partition(b"\r\n\r\n")
        if f'name="{name}"'.encode() in head and b"filename=" not in head:
            return data.rstrip(b"\r\n").decode(errors="replace")
    return None
