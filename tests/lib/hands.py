# SPDX-License-Identifier: Apache-2.0
"""A workload's hands: runs inside a cgroup and does what lines of JSON on its input say, so that a
test can send any bytes at any moment as that workload. The other side is workload.py."""
import base64
import json
import os
import socket
import ssl
import struct
import sys

socks = {}


def context(ask):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.minimum_version = ssl.TLSVersion.TLSv1_2
    if ask.get("max_tls") == "1.2":
        c.maximum_version = ssl.TLSVersion.TLSv1_2
    if ask.get("ca"):
        c.load_verify_locations(ask["ca"])
    if not ask.get("verify", True):
        c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    if ask.get("alpn"):
        c.set_alpn_protocols(ask["alpn"])
    return c


def keep(sock):
    number = len(socks)
    socks[number] = sock
    return {"id": number, "peer": sock.getpeername()[0], "local": sock.getsockname()[1]}


def op_open(ask):
    """A TCP connection; with "tls", the handshake on it."""
    sock = socket.create_connection((ask["host"], ask.get("port", 443)), ask.get("timeout", 20))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not ask.get("tls", True):
        return keep(sock)
    try:
        session = socks[ask["session_of"]].session if "session_of" in ask else None
        c = socks[ask["session_of"]].context if session else context(ask)
        sock = c.wrap_socket(sock, server_hostname=ask.get("sni", ask["host"]), session=session)
    except (ssl.SSLError, OSError):
        sock.close()
        raise
    made = keep(sock)
    chain = base64.b64encode(sock.getpeercert(True)).decode()
    return {**made, "version": sock.version(), "alpn": sock.selected_alpn_protocol(), "certificate": chain,
            "resumed": sock.session_reused}


def op_send(ask):
    socks[ask["id"]].sendall(base64.b64decode(ask["data"]))
    return {}


def op_recv(ask):
    """Bytes until `mark` is in them, or `least` are there, or the end; "end" says which end."""
    sock, got, end = socks[ask["id"]], b"", None
    sock.settimeout(ask.get("timeout", 20))
    mark = base64.b64decode(ask.get("mark", ""))
    try:
        while not (mark and mark in got) and not ("least" in ask and len(got) >= ask["least"]):
            piece = sock.recv(ask.get("step", 65536))
            if not piece:
                end = "eof"
                break
            got += piece
    except (TimeoutError, socket.timeout):
        end = "timeout"
    except ConnectionResetError:
        end = "reset"
    except ssl.SSLEOFError:
        end = "cut"  # TCP ended without close_notify
    except ssl.SSLError as e:
        end = f"tls {e.reason}"
    return {"data": base64.b64encode(got).decode(), "end": end}


def op_close(ask):
    """how: fin (orderly), cut (no close_notify), reset."""
    sock, how = socks[ask["id"]], ask.get("how", "fin")
    if how == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how == "fin" and isinstance(sock, ssl.SSLSocket):
        try:
            sock.setblocking(False)
            sock.unwrap()
        except (OSError, ValueError):
            pass
    sock.close()
    return {}


def op_buffer(ask):
    """A small receive buffer, so that not reading is felt soon."""
    socks[ask["id"]].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ask["bytes"])
    return {}


def op_pid(_):
    return {"pid": os.getpid()}


for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = globals()["op_" + request["op"]](request)
    except (OSError, ssl.SSLError) as e:
        answer = {"error": type(e).__name__, "errno": e.errno, "text": getattr(e, "reason", None) or str(e)}
    print(json.dumps(answer), flush=True)
