# SPDX-License-Identifier: Apache-2.0
"""A control socket that answers as told (userspace/control/PROTOCOL.md), for tests of the command line."""
import json
import os
import socket
import threading


class FakeEgretd:
    """answers: {command: [line, ...]} where a line is an object, or bytes to send as they are.

    `requests` holds what came: (command, args).
    """

    def __init__(self, run_dir, answers):
        self.path = os.path.join(run_dir, "control.sock")
        self.answers = answers
        self.requests = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        os.unlink(self.path)

    def _serve(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            with conn:
                self._answer(conn)

    def _answer(self, conn):
        data = b""
        while not data.endswith(b"\n"):
            part = conn.recv(65536)
            if not part:
                return
            data += part
        request = json.loads(data)
        self.requests.append((request["cmd"], request.get("args", {})))
        missing = [{"error": {"reason": "unknown_command", "message": request["cmd"] + ": no such command"}}]
        for line in self.answers.get(request["cmd"], missing):
            try:
                conn.sendall(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
            except BrokenPipeError:
                return
