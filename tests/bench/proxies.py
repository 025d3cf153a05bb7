# SPDX-License-Identifier: Apache-2.0
"""The proxies side by side: each ends TLS 1.3, puts a header in, and asks the same upstream over
kept TLS connections, on core 0. The upstream and the load run on core 1."""
import socket
import subprocess
from pathlib import Path

from lib.system import BUILD, members, wait_for

from measure import pinned

HOST, STREAMS = "api.openai.com", "api.anthropic.com"
ANSWER_BYTES = 1024

COMMON = """
daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600; ssl_protocols TLSv1.3;
  ssl_certificate {tls}/leaf.pem; ssl_certificate_key {tls}/leaf.key; client_body_buffer_size 64k;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi; tcp_nodelay on;
"""
UPSTREAM = COMMON + """
  server {{ listen {address}:443 ssl backlog=4096; location / {{ default_type application/json; return 200 '{answer}'; }} }}
}}
"""
RELAY = COMMON + """
  upstream a {{ server {address}:443; keepalive 128; keepalive_requests 1000000000; }}
  upstream b {{ server {streams}:443; keepalive 128; }}
  proxy_http_version 1.1; proxy_ssl_server_name on; proxy_ssl_verify on;
  proxy_ssl_trusted_certificate {tls}/ca.pem; proxy_ssl_protocols TLSv1.3; proxy_buffering off;
  server {{ listen 127.0.0.1:{port} ssl backlog=4096; proxy_ssl_name api.openai.com;
    proxy_set_header Connection ""; proxy_set_header Host api.openai.com; proxy_set_header Authorization "Bearer {openai}";
    location / {{ proxy_pass https://a; }} }}
  server {{ listen 127.0.0.1:{port2} ssl backlog=4096; proxy_ssl_name api.anthropic.com;
    proxy_set_header Connection ""; proxy_set_header Host api.anthropic.com; proxy_set_header x-api-key "{anthropic}";
    location / {{ proxy_pass https://b; }} }}
}}
"""
HAPROXY = """
global
  nbthread 1
  maxconn 4096
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3
defaults
  mode http
  timeout client 600s
  timeout server 600s
  timeout connect 10s
  http-reuse always
frontend a
  bind 127.0.0.1:{port} ssl crt {dir}/leaf.both
  http-request set-header authorization "Bearer {openai}"
  http-request set-header host api.openai.com
  default_backend a
frontend b
  bind 127.0.0.1:{port2} ssl crt {dir}/leaf.both
  http-request set-header x-api-key "{anthropic}"
  http-request set-header host api.anthropic.com
  default_backend b
backend a
  server s {address}:443 ssl verify required ca-file {tls}/ca.pem sni str(api.openai.com)
backend b
  server s {streams}:443 ssl verify required ca-file {tls}/ca.pem sni str(api.anthropic.com)
"""


def answer():
    """A chat answer of exactly ANSWER_BYTES."""
    head, tail = ('{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":'
                  '{"role":"assistant","content":"'), '"},"finish_reason":"stop"}]}'
    return head + "a" * (ANSWER_BYTES - len(head) - len(tail)) + tail


class Proxy:
    """A running proxy: where the load goes, and the cgroup that bears its cost."""

    def __init__(self, world, name, port=None, port2=None):
        self.world, self.name = world, name
        self.dir = world.tmp / name
        self.dir.mkdir(exist_ok=True)
        self.port, self.port2 = port, port2
        self.cgroup, self.load = world.outside / name, world.outside
        self.procs = []
        self.client_env = {}

    def url(self, host=HOST):
        return "https://127.0.0.1:" + str(self.port if host == HOST else self.port2)

    def spawn(self, argv, ready=None):
        self.cgroup.mkdir(exist_ok=True)
        out = subprocess.PIPE if ready else subprocess.DEVNULL
        proc = self.world.start(pinned(0, argv), self.cgroup, stdout=out, stderr=open(self.dir / "stderr", "ab"))
        self.procs.append(proc)
        if ready:
            assert proc.stdout.readline() == ready
        else:
            wait_for(lambda: self.listens() or proc.poll() is not None, what=f"listener of {self.name}")
            assert proc.poll() is None, (self.dir / "stderr").read_text()

    def listens(self):
        """Whether its last port is open, from the namespace's own table."""
        table = Path(f"/proc/{self.world.holder.pid}/net/tcp").read_text()
        return f"0100007F:{self.port2:04X} 00000000:0000 0A" in table

    def pids(self):
        return members(self.cgroup)

    def values(self):
        w = self.world
        return {"dir": self.dir, "tls": w.sim.dir / "tls", "port": self.port, "port2": self.port2,
                "address": w.upstream, "streams": w.streams, "openai": w.keys["openai"],
                "anthropic": w.keys["anthropic"]}

    def write(self, name, text):
        path = self.dir / name
        path.write_text(text.format(**self.values()))
        return path

    def stop(self):
        for proc in self.procs:
            proc.kill()
            proc.wait()


def nginx(world):
    proxy = Proxy(world, "nginx", 8441, 8442)
    proxy.spawn(["nginx", "-c", proxy.write("nginx.conf", RELAY), "-e", proxy.dir / "error.log", "-p", proxy.dir])
    return proxy


def haproxy(world):
    proxy = Proxy(world, "haproxy", 8443, 8444)
    tls = world.sim.dir / "tls"
    (proxy.dir / "leaf.both").write_text((tls / "leaf.pem").read_text() + (tls / "leaf.key").read_text())
    proxy.spawn(["haproxy", "-db", "-f", proxy.write("haproxy.cfg", HAPROXY)])
    return proxy


def relay(world):
    proxy = Proxy(world, "bare relay", 8445, 8446)
    tls = world.sim.dir / "tls"
    for port, address, sni in ((8445, world.upstream, HOST), (8446, world.streams, STREAMS)):
        proxy.spawn([BUILD / "tests/bench/relay", tls / "leaf.pem", tls / "leaf.key", port, address, 443, sni],
                    ready=b"ready\n")
    proxy.client_env = {"KEY": world.keys["anthropic"]}
    return proxy


class Direct(Proxy):
    """No proxy at all."""

    def __init__(self, world):
        super().__init__(world, "direct")
        self.client_env = {"KEY": world.keys["anthropic"]}

    def url(self, host=HOST):
        return "https://" + host


class Egret(Proxy):
    """egretd, its workers and the rest; its clients use the provider's real name and are governed."""

    def __init__(self, world, daemon):
        super().__init__(world, "egret")
        self.daemon, self.cgroup, self.load = daemon, world.daemon_cgroup, world.load

    def url(self, host=HOST):
        return "https://" + host

    def stop(self):
        self.daemon.stop()


class Upstream:
    """nginx in the simulated internet: a chat answer of 1 KB."""

    def __init__(self, world):
        self.dir, self.address = world.tmp / "upstream", world.upstream
        self.dir.mkdir()
        conf = self.dir / "nginx.conf"
        conf.write_text(UPSTREAM.format(dir=self.dir, tls=world.sim.dir / "tls", address=world.upstream,
                                        answer=answer()))
        self.proc = subprocess.Popen(
            ["ip", "netns", "exec", world.net, *pinned(1, ["nginx", "-c", conf, "-e", self.dir / "error.log", "-p",
                                                           self.dir])])
        wait_for(self.listens, what="the upstream's listener")

    def listens(self):
        assert self.proc.poll() is None, (self.dir / "error.log").read_text()
        address = socket.inet_aton(self.address)[::-1].hex().upper()
        return f"{address}:01BB 00000000:0000 0A" in Path(f"/proc/{self.proc.pid}/net/tcp").read_text()

    def stop(self):
        self.proc.kill()
        self.proc.wait()
