# SPDX-License-Identifier: Apache-2.0
"""A server on a Unix socket, in a thread of the test's."""
import os
import socket
import threading


class UnixServer:
    """answer(conn) for each connection, one after the other; True: it stays open until the server closes."""

    def __init__(self, path, answer):
        self.path, self.answer, self.held = str(path), answer, []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(64)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            try:
                if self.answer(conn):
                    self.held.append(conn)
                    continue
            except OSError:  # the client has gone
                pass
            conn.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        for conn in self.held:
            conn.close()
        os.unlink(self.path)
