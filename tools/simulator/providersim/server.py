# SPDX-License-Identifier: Apache-2.0
"""Listeners and connections: TLS, the requests of a connection one by one, the faults between."""
import select
import socket
import ssl
import threading
import time

from . import anthropic, openai
from .answer import Answer, Out, Stop, close_notify, deliver, head
from .faults import raw_bytes
from .http1 import Gone, Malformed, Source, read_body, read_head
from .journal import shown

IDLE = 120  # seconds a kept connection may wait
HOLD = 60   # seconds a held answer waits for "release"


class World:
    """What all connections share."""

    def __init__(self, names, keys, journal, faults, authority, speech):
        self.names, self.keys, self.journal, self.faults = names, keys, journal, faults
        self.authority, self.speech = authority, speech
        self.released = threading.Event()

    def gate(self):
        """What an answer that begins now waits at: a release that comes before it gets there counts."""
        released = self.released
        return lambda: released.wait(HOLD)

    def api(self, provider):
        return anthropic if provider == "anthropic" else openai


def listen(address, port, world):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family, backlog=512)
    threading.Thread(target=accept_loop, args=(listener, world), daemon=True).start()


def accept_loop(listener, world):
    while True:
        sock, peer = listener.accept()
        threading.Thread(target=connection, args=(sock, peer, world), daemon=True).start()


def connection(sock, peer, world):
    entry = world.journal.connection(sock, peer=peer[0], to=sock.getsockname()[0])
    state = "closed"
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(IDLE)
    try:
        sock = handshake(sock, entry, world)
        serve(sock, entry, world)
    except Stop as stop:
        state = str(stop)
    except ssl.SSLError as error:
        state = f"tls: {error.reason}"
    except (Gone, OSError) as error:
        state = f"gone: {error}"
    finally:
        sock.close()
        world.journal.closed(entry, state)


def handshake(sock, entry, world):
    fault = world.faults.take(tls=True).get("tls")
    if fault in ("garbage", "plain_http", "reset", "close", "silent"):
        no_handshake(sock, fault)
    context = world.authority.contexts[fault]
    secure = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
    secure.asked_for = None
    world.journal.secured(entry, secure)
    try:
        secure.do_handshake()
    except (OSError, ssl.SSLError):
        secure.close()
        raise
    world.journal.update(entry, state="open", sni=secure.asked_for, tls=secure.version(),
                         alpn=secure.selected_alpn_protocol(), resumed=secure.session_reused)
    return secure


def no_handshake(sock, fault):
    sock.recv(65536)
    if fault == "garbage":
        sock.sendall(b"\x16\x03\x03\x40\x00" + b"\xa5" * 200)
    elif fault == "plain_http":
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
    elif fault == "silent":
        while sock.recv(65536):
            pass
    Out(sock, {}).end("reset" if fault == "reset" else "cut")


def serve(sock, entry, world):
    source = Source(sock)
    while True:
        try:
            request = read_head(source)
            if request is None:
                close_notify(sock)
                return
            world.journal.update(entry, requests=entry["requests"] + 1)
            keep = exchange(sock, source, request, entry, world)
        except Malformed as error:
            world.journal.request(connection=entry["n"], sni=entry.get("sni"), malformed=str(error))
            sock.sendall(head(Answer(400), [("content-length", "0"), ("connection", "close")]))
            close_notify(sock)
            return
        if not keep:
            close_notify(sock)
            return


def exchange(sock, source, request, entry, world):
    """One request and its answer; whether the connection goes on."""
    host = request.get("host").lower().split(":")[0]
    provider = world.names.provider(host) or ""
    verdict, places = world.keys.judge(provider, request)
    fault = world.faults.take(host=host, path=request.path)
    line = world.journal.request(
        connection=entry["n"], sni=entry.get("sni"), host=host, provider=provider, method=request.method,
        target=world.keys.mask(request.target), version=request.version,
        headers=world.journal.masked(request.headers), key=verdict, key_places=places, fault=fault,
        framing=request.framing())
    out = Out(sock, fault)
    try:
        before_body(out, source, request)
        if not fault.get("early"):
            read_body(source, request)
            note_body(world, line, request)
        keep = respond(out, request, provider, verdict, world)
        if fault.get("early"):
            read_body(source, request)
            note_body(world, line, request)
        world.journal.update(line, state="answered")
        return keep
    except (Stop, Gone, Malformed, OSError) as error:
        world.journal.update(line, state=f"{type(error).__name__.lower()}: {error}", body_length=request.body.length)
        raise


def note_body(world, line, request):
    world.journal.update(line, state="answering", body_length=request.body.length,
                         body_sha256=request.body.hash.hexdigest(), body=shown(request.body),
                         trailers=world.journal.masked(request.body.trailers))


def before_body(out, source, request):
    fault = out.fault
    if fault.get("stall"):
        wait_for_end(out.sock)
        raise Gone("stalled until the peer left")
    if fault.get("reset") == "before":
        out.end("reset")
    if fault.get("early"):
        return
    if request.get("expect").lower() == "100-continue" and request.version == "1.1":
        out.send(b"HTTP/1.1 100 Continue\r\n\r\n")


def wait_for_end(sock):
    """Until the peer closes, without reading what it sends."""
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLRDHUP)
    poll.poll(IDLE * 1000)


def respond(out, request, provider, verdict, world):
    fault = out.fault
    if fault.get("delay"):
        time.sleep(float(fault["delay"]))
    raw = raw_bytes(fault)
    if raw:
        send_raw(out, *raw)
    for status in fault.get("interim", []):
        out.send(f"HTTP/1.1 {status} Interim\r\nx-interim: yes\r\n\r\n".encode())
    return deliver(out, request, choose(request, provider, verdict, world, fault), world.gate())


def send_raw(out, data, stays):
    out.send(data)
    if stays:
        while out.sock.recv(65536):
            pass
    out.end("clean")


def choose(request, provider, verdict, world, fault):
    api = world.api(provider)
    if "huge" in fault:
        answer = Answer(body=pieces(int(fault["huge"])), content_type="application/octet-stream")
    elif "status" in fault:
        answer = api.failure(int(fault["status"]), "The simulator was told to fail.")
        if "body" in fault:
            answer.body = fault["body"].encode()
    elif verdict != "right" and provider:
        answer = api.unauthorized(verdict)
    elif not provider:
        answer = Answer(body=b"This host is not a provider.\n", content_type="text/plain")
    else:
        answer = api.answer(request, world.speech)
    answer.headers += list(fault.get("headers", {}).items())
    answer.trailers = list(fault.get("trailers", {}).items())
    return answer


def pieces(left):
    block = bytes(65536)
    while left:
        yield block[:min(left, 65536)]
        left -= min(left, 65536)
