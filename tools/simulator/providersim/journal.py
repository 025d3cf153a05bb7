# SPDX-License-Identifier: Apache-2.0
"""What arrived: every request and connection, in order. Expected keys are masked in it, any other
key stays as it came, so that a test can find what should never have come."""
import threading
import time

BODY_SHOWN = 64 << 10


class Journal:
    def __init__(self, keys):
        self.keys = keys
        self.open, self.live = 0, {}
        self.changed = threading.Condition()
        self.clear()

    def clear(self):
        with self.changed:
            self.requests, self.connections, self.dns = [], [], []
            self.changed.notify_all()

    def sockets(self):
        with self.changed:
            return list(self.live.values())

    def connection(self, sock, **entry):
        with self.changed:
            entry.update(n=len(self.connections), state="handshake", requests=0)
            self.connections.append(entry)
            self.open += 1
            self.live[id(entry)] = sock
            self.changed.notify_all()
        return entry

    def secured(self, entry, sock):
        with self.changed:
            self.live[id(entry)] = sock

    def request(self, **entry):
        with self.changed:
            entry.update(n=len(self.requests), time=time.time(), state="body")
            self.requests.append(entry)
            self.changed.notify_all()
        return entry

    def query(self, **entry):
        with self.changed:
            self.dns.append(entry)
            self.changed.notify_all()

    def update(self, entry, **values):
        with self.changed:
            entry.update(values)
            self.changed.notify_all()

    def closed(self, entry, state):
        with self.changed:
            entry["state"] = state
            self.open -= 1
            self.live.pop(id(entry), None)
            self.changed.notify_all()

    def wait(self, condition, seconds):
        with self.changed:
            return self.changed.wait_for(condition, seconds)

    def snapshot(self):
        with self.changed:
            return {"requests": [dict(r) for r in self.requests],
                    "connections": [dict(c) for c in self.connections],
                    "dns": list(self.dns), "open": self.open}

    def masked(self, headers):
        return [[n, self.keys.mask(v)] for n, v in headers]


def shown(body):
    """A body as text, when it is one and short enough to read."""
    if body.length > BODY_SHOWN:
        return None
    try:
        return bytes(body.data).decode()
    except UnicodeDecodeError:
        return None
