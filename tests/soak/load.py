# SPDX-License-Identifier: Apache-2.0
"""A workload that never stops trying: TLS requests and bare datagrams to governed addresses, over
and over. Run as: load.py CA HOST PATH ADDRESS... Each line on standard input is answered with a
line of JSON: what was tried so far and how it ended.

  served   answered behind egret's certificate
  refused  no connection, or it was cut: what a workload may see while egretd is dead
  leaked   somebody else's certificate: the connection reached the provider itself"""
import json
import socket
import ssl
import sys
import threading

ca, host, path, *addresses = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
body = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
head = (f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode()
PACE = 0.01  # seconds between tries that end at once: egretd needs the CPUs, too
seen = {"served": 0, "refused": 0, "leaked": 0, "datagrams": 0}
lock = threading.Lock()


def count(what):
    with lock:
        seen[what] += 1


def once(address):
    with socket.create_connection((address, 443), timeout=5) as tcp, \
            context.wrap_socket(tcp, server_hostname=host) as tls:
        tls.sendall(head + body)
        return "served" if tls.recv(65536).startswith(b"HTTP/1.1 200") else "refused"


def try_streams(address):
    pause = threading.Event()
    while not pause.wait(PACE):
        try:
            how = once(address)
        except ssl.SSLCertVerificationError:
            how = "leaked"
        except OSError:
            how = "refused"
        count(how)


def try_datagrams(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    pause = threading.Event()
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        while not pause.wait(PACE):
            try:
                udp.sendto(b"x" * 1200, (address, 443))
            except OSError:
                pass
            count("datagrams")


for work in (try_streams, try_datagrams):
    for each in addresses:
        threading.Thread(target=work, args=(each,), daemon=True).start()
for _ in sys.stdin:
    with lock:
        print(json.dumps(seen), flush=True)
