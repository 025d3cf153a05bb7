# SPDX-License-Identifier: Apache-2.0
"""Load with streams and idle connections, run as a process of its own on the load's core:

 streams.py BASE_URL events N      reads N streams at once to their ends; prints the events read
 streams.py BASE_URL first N       N streams one by one; prints the median time to the first byte, µs
 streams.py BASE_URL idle N        opens N connections, one request each, prints "open"; then waits
"""
import http.client
import json
import os
import ssl
import statistics
import sys
import threading
import time
from urllib.parse import urlsplit

BODY = json.dumps({"model": "claude-3-5-haiku-latest", "max_tokens": 100000, "stream": True,
                   "messages": [{"role": "user", "content": "hi"}]})
HEADERS = {"Host": "api.anthropic.com", "content-type": "application/json", "anthropic-version": "2023-06-01"}
if "KEY" in os.environ:  # where nobody puts one in
    HEADERS["x-api-key"] = os.environ["KEY"]
INSECURE = ssl._create_unverified_context()  # trust is not what is measured


def connect(url):
    parts = urlsplit(url)
    return http.client.HTTPSConnection(parts.hostname, parts.port or 443, context=INSECURE, timeout=60)


def ask(connection):
    connection.request("POST", "/v1/messages", BODY, HEADERS)
    return connection.getresponse()


def count_events(url, n):
    counts, errors = [], []

    def one():
        try:
            counts.append(sum(line.startswith(b"data:") for line in ask(connect(url))))
        except (OSError, http.client.HTTPException) as e:
            errors.append(e)

    threads = [threading.Thread(target=one) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors
    print(sum(counts))


def first_byte(url, n):
    connection, times = connect(url), []
    for _ in range(n):
        begun = time.perf_counter()
        answer = ask(connection)
        answer.read(1)
        times.append(time.perf_counter() - begun)
        answer.read()
    print(round(statistics.median(times) * 1e6))


def idle(url, n):
    held = []
    for _ in range(n):
        connection = connect(url)
        ask(connection).read()
        held.append(connection)
    print("open", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    {"events": count_events, "first": first_byte, "idle": idle}[sys.argv[2]](sys.argv[1], int(sys.argv[3]))
