# SPDX-License-Identifier: Apache-2.0
"""The control socket: one JSON object a line, one JSON object back.

 {"do":"log"}                                         requests, connections, dns, open connections
 {"do":"reset"}                                       forgets the log, faults, speech and DNS changes
 {"do":"fail","fault":{…},"times":1,"host":…,"path":…} see faults.py
 {"do":"hangup"}                                      ends every open connection that is idle or not
 {"do":"release"}                                     lets held answers go on
 {"do":"speech","text":…|"events":N,"gap":SECONDS}     what the models say
 {"do":"keys","provider":…,"keys":[…]}                 the keys expected from now on
 {"do":"dns","fail":…,"only":[…],"addresses":{…},"ttl":N}
 {"do":"wait","requests":N,"answered":N,"connections":N,"open":N,"seconds":20}  until that many
"""
import json
import os
import socket
import threading

DEFAULT_WAIT = 20


def log(world, _):
    return world.journal.snapshot()


def reset(world, _):
    world.journal.clear()
    world.faults.clear()
    world.speech.set()
    world.zone.set()
    world.released.set()
    world.released = threading.Event()
    return {}


def fail(world, ask):
    world.faults.add(ask["fault"], ask.get("times", 1), ask.get("host"), ask.get("path"))
    return {}


def hangup(world, _):
    """Shuts every connection down for reading and writing; "wait" with open says when all are gone."""
    for sock in world.journal.sockets():
        try:
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # below TLS, whose thread then sees the end
        except OSError:
            pass  # it went by itself
    return {}


def release(world, _):
    world.released.set()
    world.released = threading.Event()
    return {}


def speech(world, ask):
    world.speech.set(**{k: v for k, v in ask.items() if k != "do"})
    return {}


def keys(world, ask):
    world.keys.replace(ask["provider"], ask["keys"])
    return {}


def dns(world, ask):
    world.zone.set(**{k: v for k, v in ask.items() if k != "do"})
    return {}


def wait(world, ask):
    journal = world.journal

    def holds():
        answered = sum(r.get("state") == "answered" for r in journal.requests)
        return (len(journal.requests) >= ask.get("requests", 0)
                and answered >= ask.get("answered", 0)
                and len(journal.connections) >= ask.get("connections", 0)
                and ("open" not in ask or journal.open <= ask["open"]))

    return {"came": journal.wait(holds, ask.get("seconds", DEFAULT_WAIT))}


COMMANDS = {f.__name__: f for f in (log, reset, fail, hangup, release, speech, keys, dns, wait)}


def answer(world, line):
    try:
        ask = json.loads(line)
        return COMMANDS[ask["do"]](world, ask)
    except (ValueError, KeyError, TypeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def client(sock, world):
    with sock, sock.makefile("rwb") as file:
        for line in file:
            file.write(json.dumps(answer(world, line)).encode() + b"\n")
            file.flush()


def accept_loop(listener, world):
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=client, args=(sock, world), daemon=True).start()


def start(path, world):
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(64)
    threading.Thread(target=accept_loop, args=(listener, world), daemon=True).start()


def ask(path, line):
    """What `egret-simulator --control SOCK --ask JSON` prints."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(path)
        with sock.makefile("rwb") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            return file.readline().decode()
