# SPDX-License-Identifier: Apache-2.0
"""A throw-away certificate authority and the TLS contexts of the simulator, made with openssl(1)."""
import ssl
import subprocess
from pathlib import Path


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


class Authority:
    """Writes into a directory: ca.pem (to be trusted by the tests), and what the faults need."""

    def __init__(self, directory, names):
        self.dir = Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.ca("ca", "Simulated Internet CA")
        self.ca("other-ca", "A CA that nobody trusts")
        self.contexts = {
            None: self.leaf("leaf", names),
            "untrusted": self.leaf("untrusted", names, ca="other-ca"),
            "wrong_name": self.leaf("wrong-name", ["wrong.example"]),
            "expired": self.leaf("expired", names, days="-1"),
            "self_signed": self.self_signed(names),
        }
        old = self.context("leaf")
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        self.contexts["tls12"] = old

    def path(self, name, kind=".pem"):
        return str(self.dir / (name + kind))

    def key(self, name):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path(name, ".key"))

    def ca(self, name, subject):
        self.key(name)
        openssl("req", "-x509", "-new", "-key", self.path(name, ".key"), "-subj", f"/CN={subject}",
                "-days", "2", "-out", self.path(name), "-addext", "keyUsage=critical,keyCertSign")

    def extensions(self, name, names):
        text = "subjectAltName=" + ",".join("DNS:" + n for n in names)
        Path(self.path(name, ".ext")).write_text(
            text + "\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\n")

    def leaf(self, name, names, ca="ca", days="1"):
        self.key(name)
        self.extensions(name, names)
        openssl("req", "-new", "-key", self.path(name, ".key"), "-subj", "/CN=simulated provider",
                "-out", self.path(name, ".csr"))
        openssl("x509", "-req", "-in", self.path(name, ".csr"), "-CA", self.path(ca),
                "-CAkey", self.path(ca, ".key"), "-CAcreateserial", "-days", days,
                "-extfile", self.path(name, ".ext"), "-out", self.path(name))
        return self.context(name)

    def self_signed(self, names):
        name = "self-signed"
        self.key(name)
        openssl("req", "-x509", "-new", "-key", self.path(name, ".key"), "-subj", "/CN=self",
                "-days", "1", "-out", self.path(name), "-addext",
                "subjectAltName=" + ",".join("DNS:" + n for n in names))
        return self.context(name)

    def context(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.path(name), self.path(name, ".key"))
        context.set_alpn_protocols(["http/1.1"])
        context.sni_callback = lambda sock, sni, _: setattr(sock, "asked_for", sni)
        return context
