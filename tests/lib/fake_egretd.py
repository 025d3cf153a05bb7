# SPDX-License-Identifier: Apache-2.0
"""A control socket that answers as told (userspace/control/PROTOCOL.md), for tests of the command line."""
import json
import os

from .unix_server import UnixServer


class FakeEgretd(UnixServer):
    """answers: {command: [line, ...]} where a line is an object, or bytes to send as they are.

    `requests` holds what came: (command, args).
    """

    def __init__(self, run_dir, answers):
        self.answers, self.requests = answers, []
        super().__init__(os.path.join(run_dir, "control.sock"), self._answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

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
            conn.sendall(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
