# SPDX-License-Identifier: Apache-2.0
"""tools/simulator as a test sees it: started in a network namespace, asked by its control socket."""
import json
import socket
import subprocess

from .system import PYTHON, ROOT, clean_env

PROGRAM = ROOT / "tools/simulator/egret-simulator"


class Simulator:
    def __init__(self, directory, args, prefix=()):
        self.dir, self.control = directory, directory / "control.sock"
        directory.mkdir(parents=True, exist_ok=True)
        argv = [*prefix, PYTHON, str(PROGRAM), "--dir", str(directory / "tls"), "--control", str(self.control), *args]
        self.errors = open(directory / "stderr", "w+", encoding="utf-8")
        self.proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                     text=True, env=clean_env())
        said = self.proc.stdout.readline()
        assert said == "ready\n", (directory / "stderr").read_text()

    @property
    def ca(self):
        return self.dir / "tls/ca.pem"

    def ask(self, do, **more):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.control))
            sock.sendall(json.dumps({"do": do, **more}).encode() + b"\n")
            answer = json.loads(sock.makefile().readline())
        assert "error" not in answer, answer
        return answer

    def log(self):
        return self.ask("log")

    def requests(self, **match):
        """Requests so far, those whose members are as given."""
        return [r for r in self.log()["requests"] if all(r.get(k) == v for k, v in match.items())]

    def only(self, **match):
        found = self.requests(**match)
        assert len(found) == 1, found
        return found[0]

    def fail(self, times=1, host=None, path=None, **fault):
        self.ask("fail", fault=fault, times=times, host=host, path=path)

    def wait(self, **what):
        assert self.ask("wait", **what)["came"], (what, self.log())

    def hang_up(self):
        """Ends all connections: whoever keeps one in a pool has to make a new one."""
        self.ask("hangup")
        self.wait(open=0)

    def reset(self):
        self.ask("reset")

    def stop(self):
        if self.proc.poll() is None:
            self.proc.stdin.close()
            try:
                self.proc.wait(10)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        self.proc.stdout.close()
        self.errors.close()
        errors = (self.dir / "stderr").read_text()
        assert "Traceback" not in errors, errors


def header(request, name):
    """Values of a header in a request of the simulator's log."""
    return [v for n, v in request["headers"] if n.lower() == name.lower()]
