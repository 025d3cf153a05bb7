# SPDX-License-Identifier: Apache-2.0
"""What the simulator can be told to do wrong. A fault is a flat JSON object; its keys:

 whole answer   status, body, headers {}      an answer of that status instead of the usual one
                huge BYTES                    a body of that length
                trailers {}  interim [1xx…]  chunked  close_delimited  close  close_silently
 time           delay SECONDS before the head; drip SECONDS between drip_bytes BYTES;
                hold_after N pieces of the body, until the control command "release"
 ends           reset "before" | "after" the head; cut_after, reset_after BYTES of the body on the
                wire; early: answers before it read the request's body; stall: never reads it
 malformed      a kind of MALFORMED below, instead of the answer
 raw            base64: these bytes and the end
 tls            a kind of TLS below, instead of a proper handshake (for a connection, not a request)
"""
import base64
import threading

TLS = ("wrong_name", "expired", "self_signed", "untrusted", "tls12", "garbage", "plain_http", "reset",
       "close", "silent")
HELLO = b'{"hello":"world"}'
SMUGGLED = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 8\r\n\r\nsmuggled"


def _head(*lines, status="200 OK"):
    return (f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n".encode() +
            b"".join(line + b"\r\n" for line in lines) + b"\r\n")


# Kind: (bytes, whether the connection then stays open until the client ends it)
MALFORMED = {
    "bad_chunk": (_head(b"transfer-encoding: chunked") + b"zz\r\nhello\r\n0\r\n\r\n", True),
    "chunk_overflow": (_head(b"transfer-encoding: chunked") + b"10000000000000000\r\nhello", True),
    "chunk_overrun": (_head(b"transfer-encoding: chunked") + b"3\r\nhello\r\n0\r\n\r\n", True),
    "two_lengths": (_head(b"content-length: 17", b"content-length: 3") + HELLO, True),
    "length_and_chunked": (_head(b"content-length: 17", b"transfer-encoding: chunked") +
                           b"11\r\n" + HELLO + b"\r\n0\r\n\r\n", True),
    "negative_length": (_head(b"content-length: -1") + HELLO, True),
    "encoded": (_head(b"transfer-encoding: gzip, chunked") + b"0\r\n\r\n", True),
    "garbage": (b"GARBAGE NOT HTTP\r\n\r\n", True),
    "no_head": (HELLO, False),
    "status_cut": (b"HTTP/1.1 20", False),
    "status_word": (b"HTTP/1.1 two OK\r\ncontent-length: 0\r\n\r\n", True),
    "version": (b"HTTP/3.7 200 OK\r\ncontent-length: 0\r\n\r\n", True),
    "bare_lf": (b"HTTP/1.1 200 OK\ncontent-length: 17\n\n" + HELLO, True),
    "fold": (_head(b"x-a: b\r\n c", b"content-length: 17") + HELLO, True),
    "nul": (_head(b"x-a: b\0c", b"content-length: 17") + HELLO, True),
    "space_colon": (_head(b"content-length : 17") + HELLO, True),
    "no_end": (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n", True),
    "header_flood": (_head(*(b"x-flood-%d: %d" % (n, n) for n in range(20000))), True),
    "header_long": (_head(b"x-long: " + b"a" * (1 << 20), b"content-length: 0"), True),
    "switching": (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", True),
    "interim_flood": (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 20000, True),
    "two_answers": (_head(b"content-length: 17") + HELLO + SMUGGLED, True),
    "long_body": (_head(b"content-length: 2") + HELLO, True),
    "short_body": (_head(b"content-length: 400") + HELLO, False),
}


class Queue:
    """Faults waiting for the requests (or connections) they were meant for."""

    def __init__(self):
        self.lock = threading.Lock()
        self.waiting = []

    def add(self, fault, times=1, host=None, path=None):
        check(fault)
        with self.lock:
            self.waiting.append({"fault": fault, "left": times, "host": host, "path": path})

    def take(self, host=None, path=None, tls=False):
        """The fault for this one, {} when there is none. A connection asks before it knows more."""
        with self.lock:
            for entry in self.waiting:
                if bool(entry["fault"].get("tls")) != tls:
                    continue
                if not tls and entry["host"] not in (None, host):
                    continue
                if not tls and entry["path"] not in (None, path):
                    continue
                entry["left"] -= 1
                if entry["left"] == 0:
                    self.waiting.remove(entry)
                return entry["fault"]
        return {}

    def clear(self):
        with self.lock:
            self.waiting.clear()


KEYS = {"status", "body", "headers", "huge", "trailers", "interim", "chunked", "close_delimited", "close",
        "close_silently", "delay", "drip", "drip_bytes", "hold_after", "reset", "cut_after", "reset_after",
        "early", "stall", "malformed", "raw", "tls"}


def check(fault):
    unknown = set(fault) - KEYS
    if unknown:
        raise ValueError(f"unknown fault: {', '.join(sorted(unknown))}")
    if fault.get("malformed", "garbage") not in MALFORMED:
        raise ValueError(f"malformed must be one of: {', '.join(MALFORMED)}")
    if fault.get("tls", "reset") not in TLS:
        raise ValueError(f"tls must be one of: {', '.join(TLS)}")


def raw_bytes(fault):
    """(bytes, stay open) of a fault that replaces the answer by bytes; None: it does not."""
    if "raw" in fault:
        return base64.b64decode(fault["raw"]), False
    if "malformed" in fault:
        return MALFORMED[fault["malformed"]]
    return None
