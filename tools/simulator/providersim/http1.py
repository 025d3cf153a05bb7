# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 as a strict server reads it (RFC 9112). What is not exact is Malformed, so that a test
sees it in the journal: egret must never let it through."""
import hashlib
import re

HEAD_MAX = 1 << 20
KEEP_MAX = 64 << 20  # of a body; what is longer is hashed, not kept
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/(1\.[01])")


class Malformed(Exception):
    """The bytes are not an exact HTTP/1.1 request."""


class Gone(Exception):
    """The peer closed in the middle of a message."""


class Source:
    """Buffered reading from a blocking socket, plain or TLS."""

    def __init__(self, sock):
        self.sock = sock
        self.held = bytearray()

    def fill(self):
        data = self.sock.recv(65536)
        self.held += data
        return len(data) > 0

    def until(self, mark, limit):
        """Bytes up to and with mark; None when the peer closed before the first byte."""
        start = 0
        while True:
            at = self.held.find(mark, start)
            if at >= 0:
                out = bytes(self.held[:at + len(mark)])
                del self.held[:at + len(mark)]
                return out
            if len(self.held) > limit:
                raise Malformed(f"no end of line or head within {limit} bytes")
            start = max(0, len(self.held) - len(mark) + 1)
            if not self.fill():
                if not self.held:
                    return None
                raise Gone("closed within a head")

    def some(self, most):
        if not self.held and not self.fill():
            raise Gone("closed within a body")
        out = bytes(self.held[:most])
        del self.held[:most]
        return out


class Body:
    """What came as a body: hashed as it comes, kept up to KEEP_MAX."""

    def __init__(self):
        self.data = bytearray()
        self.length = 0
        self.hash = hashlib.sha256()
        self.trailers = []

    def add(self, piece):
        self.length += len(piece)
        self.hash.update(piece)
        if self.length <= KEEP_MAX:
            self.data += piece


class Request:
    def __init__(self, method, target, version, headers):
        self.method, self.target, self.version, self.headers = method, target, version, headers
        self.path, _, self.query = target.partition("?")
        self.body = Body()

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name]

    def get(self, name, default=""):
        return (self.all(name) or [default])[0]

    def framing(self):
        """none, length or chunked; refuses what two servers could read differently."""
        te, cl = self.all("transfer-encoding"), self.all("content-length")
        if te and cl:
            raise Malformed("Content-Length and Transfer-Encoding")
        if len(te) > 1 or len(cl) > 1:
            raise Malformed("a repeated framing header")
        if te:
            if te[0] != "chunked" or self.version != "1.1":
                raise Malformed("Transfer-Encoding is not exactly chunked")
            return "chunked"
        if cl:
            if not re.fullmatch(r"[0-9]{1,15}", cl[0]):
                raise Malformed("Content-Length is not a number")
            return "length"
        return "none"

    def keep_alive(self):
        return self.version == "1.1" and "close" not in self.get("connection").lower()


def parse_head(raw):
    lines = raw[:-4].split(b"\r\n")
    match = REQUEST_LINE.fullmatch(lines[0])
    if not match:
        raise Malformed("request line")
    headers = [parse_field(line) for line in lines[1:]]
    method, target, version = (g.decode("ascii") for g in match.groups())
    request = Request(method, target, version, headers)
    if len(request.all("host")) != 1:
        raise Malformed("not exactly one Host")
    if not (target.startswith("/") or (target == "*" and method == "OPTIONS")):
        raise Malformed("request target is not in origin form")
    return request


def parse_field(line):
    name, colon, value = line.partition(b":")
    if not colon or not TOKEN.fullmatch(name):
        raise Malformed("header name")
    value = value.strip(b" \t")
    if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value):
        raise Malformed("control character in a header value")
    return name.decode("ascii"), value.decode("latin-1")


def read_head(source):
    """The next request without its body; None at a clean end of the connection."""
    raw = source.until(b"\r\n\r\n", HEAD_MAX)
    return parse_head(raw) if raw is not None else None


def read_body(source, request):
    framing = request.framing()
    if framing == "length":
        left = int(request.get("content-length"))
        while left:
            piece = source.some(min(left, 65536))
            request.body.add(piece)
            left -= len(piece)
    elif framing == "chunked":
        read_chunks(source, request.body)


def read_chunks(source, body):
    while True:
        line = source.until(b"\r\n", 256)
        if line is None:
            raise Gone("closed within a body")
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}\r\n", line):
            raise Malformed("chunk size")
        left = int(line, 16)
        if left == 0:
            break
        while left:
            piece = source.some(min(left, 65536))
            body.add(piece)
            left -= len(piece)
        if source.until(b"\r\n", 2) != b"\r\n":
            raise Malformed("no line end after a chunk")
    while True:
        line = source.until(b"\r\n", 65536)
        if line is None:
            raise Gone("closed within trailers")
        if line == b"\r\n":
            return
        body.trailers.append(parse_field(line[:-2]))
