# SPDX-License-Identifier: Apache-2.0
"""Which names the simulated internet has, and whose they are: from egret's provider catalogue."""
import fnmatch
import json
import re


def without_comments(text):
    """Drops // comments, which egret's files may have; strings stay."""
    return re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*', lambda m: m.group(1) or "", text)


def load(path):
    """{host or pattern: provider} from a catalogue file."""
    with open(path, encoding="utf-8") as file:
        providers = json.loads(without_comments(file.read()))["providers"]
    if isinstance(providers, dict):
        providers = [{"name": name, **value} for name, value in providers.items()]
    return {host: p["name"] for p in providers for host in p.get("hosts", [])}


class Names:
    def __init__(self, hosts):
        self.hosts = hosts

    def provider(self, name):
        """Its provider, "" for a name that is only served, None for one that does not exist."""
        name = name.lower().rstrip(".")
        if name in self.hosts:
            return self.hosts[name]
        return next((p for h, p in self.hosts.items() if "*" in h and fnmatch.fnmatchcase(name, h)), None)

    def for_certificate(self):
        """Patterns that X.509 can say (a whole left label), and every plain name."""
        return sorted(h for h in self.hosts if "*" not in h or (h.startswith("*.") and h.count("*") == 1))
