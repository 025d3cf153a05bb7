#!/usr/bin/env python3
"""Includes point downward only, and each third-party library stays behind its fence."""

import re

import csource

LEVEL = {"egret": 0, "base": 1}
LEVEL |= dict.fromkeys(["provider", "proto", "event"], 2)
LEVEL |= dict.fromkeys(
    ["dataplane", "policy", "quota", "identity", "vault", "tls", "upstream", "audit"], 3)
LEVEL |= dict.fromkeys(["control", "proxy"], 4)
LEVEL |= dict.fromkeys(["daemon", "cli"], 5)

# Sideways, for a reason: a dialect strips and writes HTTP fields.
ALLOWED = {("provider", "proto/http.h")}

FENCES = [  # (system header, who may include it)
    (r"bpf/", {"dataplane"}),
    (r"openssl/", {"tls", "vault", "upstream", "base/digest.c"}),
    (r"ev\.h", {"event"}),
    (r"ares(_\w+)?\.h", {"event"}),
    (r"jansson\.h", {"base/json.h"}),
    (r"sqlite3\.h", {"audit", "quota"}),
    (r"libmnl/", {"dataplane"}),
    (r"nghttp2/", {"proto"}),
    (r"llhttp\.h", {"proto"}),
    (r"yajl/", {"proto"}),
    (r"hs/|hs\.h", {"policy"}),
    (r"hiredis/", {"quota"}),
    (r"(seccomp|cap-ng)\.h", {"daemon"}),
]
MAY_LOG = {"base", "daemon", "proxy", "cli", "vault", "audit"}
# A name without a folder is made by the build: skeletons of BPF programs, embedded data.
GENERATED = re.compile(r"(\w+\.skel|embed_\w+)\.h$")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)


def userspace(path, ours, system):
    name = path.removeprefix("userspace/")
    module = name.split("/")[0]
    if system:
        for pattern, who in FENCES:
            if re.match(pattern, system) and module not in who and name not in who:
                yield f"<{system}> may be included only by {', '.join(sorted(who))}"
        return
    target = ours.split("/")[0]
    if module == "dataplane" and ours.startswith("../../bpf/lib/"):
        return  # pure matching code that the programs share
    if "/" not in ours:
        if not GENERATED.match(ours):
            yield f'"{ours}" must be named with its folder'
    elif target not in LEVEL:
        yield f'"{ours}" is of no layer'
    elif ours == "base/log.h" and module not in MAY_LOG:
        yield f"{module}/ returns errors; it does not log"
    elif target != module and LEVEL[target] >= LEVEL[module] and (module, ours) not in ALLOWED:
        yield f'{module}/ (layer {LEVEL[module]}) may not include "{ours}" (layer {LEVEL[target]})'


def check(path, text):
    top = path.split("/")[0]
    for match in INCLUDE.finditer(text):
        ours, system = match.groups()
        found = []
        if top == "userspace" and path.split("/")[1] in LEVEL:
            found = userspace(path, ours, system)
        elif top == "headers" and not re.match(r"egret/|linux/types\.h", ours or system):
            found = [f"an ABI header includes nothing but <linux/types.h>, not {ours or system}"]
        elif top == "bpf" and ours and not re.match(r"egret/|lib/|vmlinux\.h|bpf/", ours):
            found = [f'BPF programs include lib/ and egret/ only, not "{ours}"']
        for message in found:
            yield csource.line_of(text, match.start()), message


csource.main(check, (".c", ".h"), bad=[
    ("userspace/base/x.c", '#include "event/loop.h"\n'),
    ("userspace/tls/x.c", '#include "vault/vault.h"\n'),
    ("userspace/event/x.h", '#include "proto/h1.h"\n'),
    ("userspace/provider/x.c", '#include "proto/h1.h"\n'),
    ("userspace/proxy/x.c", '#include "daemon/config.h"\n'),
    ("userspace/control/x.c", '#  include <bpf/bpf.h>\n'),
    ("userspace/cli/x.c", "#include <openssl/evp.h>\n"),
    ("userspace/base/secret.c", "#include <openssl/evp.h>\n"),
    ("userspace/policy/x.c", "#include <jansson.h>\n"),
    ("userspace/quota/x.c", '#include "base/log.h"\n'),
    ("userspace/proxy/x.c", '#include "relay.h"\n'),
    ("headers/egret/x.h", "#include <stdint.h>\n"),
    ("bpf/x.bpf.c", '#include "userspace/base/buf.h"\n'),
], good=[
    ("userspace/proxy/x.c", '#include "tls/server.h"\n#include "egret/abi.h"\n#include <errno.h>\n'),
    ("userspace/provider/x.c", '#include "proto/http.h"\n'),
    ("userspace/base/digest.c", "#include <openssl/evp.h>\n"),
    ("userspace/dataplane/x.c", '#include <bpf/bpf.h>\n#include "egret.skel.h"\n'),
    ("bpf/x.bpf.c", '#include "lib/maps.h"\n#include "egret/abi.h"\n'),
])
