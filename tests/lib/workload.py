# SPDX-License-Identifier: Apache-2.0
"""A workload that does what a test says, byte by byte (hands.py runs in its cgroup), and a reader of
the HTTP it gets back."""
import base64
import json
import subprocess
from pathlib import Path

from .system import PYTHON

HANDS = Path(__file__).resolve().parent / "hands.py"


class Refused(Exception):
    """A system call or a handshake failed: .error, .errno, .text."""

    def __init__(self, answer):
        super().__init__(str(answer))
        self.error, self.errno, self.text = answer["error"], answer["errno"], answer["text"]


class Response:
    def __init__(self, status, headers, body, raw_head, trailers=()):
        self.status, self.headers, self.body, self.raw_head = status, headers, body, raw_head
        self.trailers = list(trailers)

    def get(self, name):
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


class Conn:
    """One connection of a workload."""

    def __init__(self, workload, made):
        self.workload, self.id, self.made = workload, made["id"], made
        self.held, self.end = b"", None

    def send(self, data):
        self.workload.ask("send", id=self.id, data=base64.b64encode(data).decode())

    def fill(self, **how):
        if "mark" in how:
            how["mark"] = base64.b64encode(how["mark"]).decode()
        answer = self.workload.ask("recv", id=self.id, **how)
        self.held += base64.b64decode(answer["data"])
        self.end = answer["end"]

    def until(self, mark, timeout=20):
        while mark not in self.held:
            assert self.end is None, f"ended ({self.end}) before {mark!r}: {self.held[-500:]!r}"
            self.fill(least=1, timeout=timeout)
        at = self.held.index(mark) + len(mark)
        out, self.held = self.held[:at], self.held[at:]
        return out

    def exactly(self, n, timeout=20):
        while len(self.held) < n:
            assert self.end is None, f"ended ({self.end}) after {len(self.held)} of {n} bytes"
            self.fill(least=1, timeout=timeout)
        out, self.held = self.held[:n], self.held[n:]
        return out

    def rest(self, timeout=20):
        """Everything up to the end; .end then says how it ended."""
        while self.end is None:
            self.fill(timeout=timeout)
        out, self.held = self.held, b""
        return out

    def head(self, timeout=20):
        raw = self.until(b"\r\n\r\n", timeout)
        lines = raw[:-4].decode("latin-1").split("\r\n")
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        return int(lines[0].split(" ")[1]), headers, raw

    def response(self, timeout=20, method="POST"):
        """The next whole response; interim ones (1xx) are responses, too."""
        status, headers, raw = self.head(timeout)
        response = Response(status, headers, b"", raw)
        if status < 200 or status in (204, 304) or method == "HEAD":
            return response
        if (response.get("transfer-encoding") or "").lower() == "chunked":
            self.chunks(response, timeout)
        elif response.get("content-length") is not None:
            response.body = self.exactly(int(response.get("content-length")), timeout)
        else:
            response.body = self.rest(timeout)
        return response

    def chunks(self, response, timeout):
        while size := int(self.until(b"\r\n", timeout), 16):
            response.body += self.exactly(size, timeout)
            assert self.exactly(2, timeout) == b"\r\n"
        while (line := self.until(b"\r\n", timeout)) != b"\r\n":
            response.trailers.append(tuple(p.strip() for p in line.decode("latin-1").split(":", 1)))

    def ask(self, method, path, body=None, headers=(), host=None, **more):
        """Sends a well-formed request and reads its response."""
        self.send(request(method, path, body, headers, host or self.workload.host))
        return self.response(method=method, **more)

    def close(self, how="fin"):
        self.workload.ask("close", id=self.id, how=how)


def request(method, path, body=None, headers=(), host="api.openai.com"):
    """The bytes of a request; a body that is not bytes is sent as JSON."""
    fields = [("Host", host), *headers]
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        fields.append(("Content-Type", "application/json"))
    if body is not None:
        fields.append(("Content-Length", str(len(body))))
    lines = [f"{method} {path} HTTP/1.1"] + [f"{n}: {v}" for n, v in fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


class Workload:
    host = "api.openai.com"

    def __init__(self, world, ca, cgroup=None, uid=None):
        self.ca = str(ca) if ca else None
        self.proc = world.start([PYTHON, HANDS], cgroup or world.load, uid=uid, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
        world.closers.append(self.close)

    def ask(self, op, **more):
        self.proc.stdin.write(json.dumps({"op": op, **more}) + "\n")
        self.proc.stdin.flush()
        answer = json.loads(self.proc.stdout.readline())
        if "error" in answer:
            raise Refused(answer)
        return answer

    def open(self, host=None, **how):
        how.setdefault("ca", self.ca)
        return Conn(self, self.ask("open", host=host or self.host, **how))

    def call(self, method, path, body=None, headers=(), host=None):
        """One request on a connection of its own."""
        conn = self.open(host)
        response = conn.ask(method, path, body, headers, host)
        conn.close()
        return response

    @property
    def pid(self):
        return self.proc.pid

    def close(self):
        if self.proc.poll() is None:
            self.proc.stdin.close()
            self.proc.kill()
            self.proc.wait()
        self.proc.stdout.close()
