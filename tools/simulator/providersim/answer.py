# SPDX-License-Identifier: Apache-2.0
"""An answer, and the way it goes out: whole and correct, unless a fault says otherwise."""
import json
import socket
import struct
import time

REASONS = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 400: "Bad Request", 401: "Unauthorized",
           403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 429: "Too Many Requests",
           500: "Internal Server Error", 503: "Service Unavailable", 529: "Overloaded"}


class Stop(Exception):
    """The connection ends here, as a fault wants it."""


class Answer:
    """body is bytes, or an iterable of pieces (one a chunk: events of a stream)."""

    def __init__(self, status=200, body=b"", content_type="application/json", headers=()):
        self.status, self.body, self.headers = status, body, list(headers)
        self.trailers = []
        if content_type:
            self.headers.insert(0, ("content-type", content_type))

    @property
    def streams(self):
        return not isinstance(self.body, (bytes, bytearray))


def as_json(value, status=200, headers=()):
    return Answer(status, json.dumps(value).encode(), headers=headers)


def event(data, name=None):
    """One event of an SSE stream as OpenAI (no name) and Anthropic (name) write it."""
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


class Out:
    """Bytes to the client, through the faults that act on bytes."""

    def __init__(self, sock, fault):
        self.sock, self.fault = sock, fault
        self.body_sent = 0

    def send(self, data):
        drip = self.fault.get("drip")
        if not drip:
            self.sock.sendall(data)
            return
        step = int(self.fault.get("drip_bytes", 1))
        for at in range(0, len(data), step):
            self.sock.sendall(data[at:at + step])
            time.sleep(float(drip))

    def send_body(self, data):
        """Body bytes as they stand on the wire; ends the connection where the fault says."""
        for kind in ("cut", "reset"):
            limit = self.fault.get(kind + "_after")
            if limit is not None and self.body_sent + len(data) >= int(limit):
                self.send(data[:int(limit) - self.body_sent])
                self.end(kind)
        self.body_sent += len(data)
        self.send(data)

    def end(self, kind):
        """cut: FIN without a word of TLS. reset: RST. clean: close_notify, then FIN."""
        if kind == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif kind == "clean":
            close_notify(self.sock)
        raise Stop(kind)


def close_notify(sock):
    if hasattr(sock, "unwrap"):
        try:
            sock.setblocking(False)
            sock.unwrap()
        except (OSError, ValueError):
            pass


def head(answer, extra, version="1.1"):
    lines = [f"HTTP/{version} {answer.status} {REASONS.get(answer.status, 'Status')}"]
    lines += [f"{n}: {v}" for n, v in answer.headers + extra]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def deliver(out, request, answer, gate):
    """Sends it; True when the connection may carry another request."""
    fault = out.fault
    close = bool(fault.get("close_delimited") or fault.get("close")) or not request.keep_alive()
    extra = [("date", time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())),
             ("connection", "close" if close else "keep-alive")]
    bodyless = request.method == "HEAD" or answer.status in (204, 304)
    chunked = not fault.get("close_delimited") and (
        answer.streams or fault.get("chunked") or answer.trailers)
    if not bodyless and not fault.get("close_delimited"):
        extra.append(("transfer-encoding", "chunked") if chunked else
                     ("content-length", str(len(answer.body))))
    if chunked and answer.trailers:
        extra.append(("trailer", ", ".join(n for n, _ in answer.trailers)))
    out.send(head(answer, extra))
    if fault.get("reset") == "after":
        out.end("reset")
    if not bodyless:
        send_pieces(out, answer, chunked, gate)
    if fault.get("close_silently"):
        return False
    return not close


def send_pieces(out, answer, chunked, gate):
    hold = out.fault.get("hold_after")
    pieces = answer.body if answer.streams else split(bytes(answer.body), out.fault)
    for n, piece in enumerate(pieces):
        if hold is not None and n == int(hold):
            gate()
        if piece:
            out.send_body(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
    if chunked:
        trailers = "".join(f"{n}: {v}\r\n" for n, v in answer.trailers)
        out.send_body(b"0\r\n" + trailers.encode("latin-1") + b"\r\n")


def split(body, fault):
    """A plain body in pieces, so that a fault can hold it midway."""
    if fault.get("hold_after") is None and not fault.get("chunked"):
        return [body]
    step = max(1, len(body) // 8)
    return [body[at:at + step] for at in range(0, len(body), step)]
