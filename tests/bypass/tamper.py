# SPDX-License-Identifier: Apache-2.0
"""What a process might do to egretd and its programs, run by test_tamper.py as several users. Prints
{"ATTEMPT": errno's name, or "ok"}. Arguments: pins, cgroup, and pids and ids of what to attack, as JSON."""
import ctypes
import errno
import json
import os
import socket
import struct
import sys

ask = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
SYS_BPF, SYS_PIDFD_OPEN, SYS_PIDFD_GETFD, SYS_VM_READV, SYS_PTRACE = 321, 434, 438, 310, 101
MAP_CREATE, PROG_LOAD, OBJ_GET, PROG_ATTACH, PROG_DETACH = 0, 5, 7, 8, 9
PROG_BY_ID, MAP_BY_ID, LINK_BY_ID, LINK_NEXT, PROG_NEXT, MAP_NEXT = 13, 14, 30, 31, 11, 12
CGROUP_INET4_CONNECT = 10
seen = {}


def call(number, *args):
    r = libc.syscall(number, *args)
    if r < 0:
        raise OSError(ctypes.get_errno(), "")
    return r


def bpf(command, attr):
    raw = ctypes.create_string_buffer(attr.ljust(144, b"\0"), 144)
    return call(SYS_BPF, command, raw, 144)


def attempt(name, do):
    try:
        do()
        seen[name] = "ok"
    except OSError as e:
        seen[name] = errno.errorcode.get(e.errno, str(e.errno))


def load():
    code = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xb7, 0, 0, 1, 0x95, 0, 0, 0))
    name = ctypes.create_string_buffer(b"GPL")
    bpf(PROG_LOAD, struct.pack("<IIQQ", 18, 2, ctypes.addressof(code), ctypes.addressof(name)) + bytes(44) +
        struct.pack("<I", CGROUP_INET4_CONNECT))


def obj_get(path):
    p = ctypes.create_string_buffer(path.encode())
    bpf(OBJ_GET, struct.pack("<Q", ctypes.addressof(p)))


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def take_fd(pid, fd):
    pidfd = call(SYS_PIDFD_OPEN, pid, 0)
    call(SYS_PIDFD_GETFD, pidfd, fd, 0)


def read_memory(pid):
    buffer = ctypes.create_string_buffer(8)
    local, remote = (ctypes.create_string_buffer(struct.pack("<QQ", a, 8)) for a in (ctypes.addressof(buffer), 4096))
    call(SYS_VM_READV, pid, local, 1, remote, 1, 0)


def daemon_stop():
    s = socket.socket(socket.AF_UNIX)
    s.connect(ask["control"])


for kind, by_id, ids in (("program", PROG_BY_ID, ask["progs"]), ("map", MAP_BY_ID, ask["maps"]),
                         ("link", LINK_BY_ID, ask["links"])):
    for i in ids:
        attempt(f"open {kind} by id", lambda: bpf(by_id, struct.pack("<I", i)))
for kind, command in (("link", LINK_NEXT), ("program", PROG_NEXT), ("map", MAP_NEXT)):
    attempt(f"list {kind} ids", lambda: bpf(command, struct.pack("<I", 0)))
attempt("load a program", load)
attempt("detach programs", lambda: bpf(PROG_DETACH, struct.pack("<III", os.open(ask["cgroup"], os.O_RDONLY), 0,
                                                                CGROUP_INET4_CONNECT)))
attempt("list pins", lambda: os.listdir(ask["pins"]))
for pin in ask["pinned"]:
    attempt("open a pin", lambda: obj_get(f"{ask['pins']}/{pin}"))
    attempt("remove a pin", lambda: os.unlink(f"{ask['pins']}/{pin}"))
attempt("mount over the pins", lambda: call(165, b"none", ask["pins"].encode(), b"tmpfs", 0, None))
attempt("unmount the pins", lambda: call(166, os.path.dirname(ask["pins"]).encode(), 2))
for role, pid in ask["pids"].items():
    attempt(f"end the {role}", lambda: os.kill(pid, 0))  # 0: asked for, not done
    attempt(f"trace the {role}", lambda: call(SYS_PTRACE, 0x4206, pid, 0, 0))
    attempt(f"read the {role}'s memory", lambda: read_memory(pid))
    for fd in range(3, 40):
        attempt(f"take a descriptor of the {role}", lambda: take_fd(pid, fd))
    attempt(f"look at the {role}'s descriptors", lambda: os.readlink(f"/proc/{pid}/fd/3"))
attempt("freeze egretd", lambda: write(f"{ask['daemon_cgroup']}/cgroup.freeze", "0"))
attempt("move egretd", lambda: write(f"{ask['cgroup']}/load/cgroup.procs", str(ask["pids"]["monitor"])))
attempt("the control socket", daemon_stop)
print(json.dumps(seen))
