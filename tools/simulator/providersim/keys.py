# SPDX-License-Identifier: Apache-2.0
"""The keys a provider expects, and where a request may carry one."""
from urllib.parse import parse_qsl

FIELDS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "xi-api-key", "cf-aig-authorization",
          "proxy-authorization", "cookie", "sec-websocket-protocol")
QUERY = ("key", "api_key", "api-key", "apikey", "access_token", "token", "subscription-key")


class Keys:
    def __init__(self, pairs):
        self.expected = {}
        for pair in pairs:
            provider, _, key = pair.partition("=")
            self.expected.setdefault(provider, []).append(key)

    def replace(self, provider, keys):
        self.expected[provider] = list(keys)

    def mask(self, text):
        for provider, keys in self.expected.items():
            for n, key in enumerate(keys):
                text = text.replace(key, f"<key {n} of {provider}>")
        return text

    def judge(self, provider, request):
        """(verdict, places): right, wrong, missing, or several where only one may stand."""
        found = [(n.lower(), v) for n, v in request.headers if n.lower() in FIELDS]
        found += [("query " + n, v) for n, v in parse_qsl(request.query) if n.lower() in QUERY]
        places = [n for n, _ in found]
        if not found:
            return "missing", places
        if len(found) > 1:
            return "several", places
        name, value = found[0]
        if name == "authorization" and value.lower().startswith("bearer "):
            value = value[7:]
        right = value in self.expected.get(provider, [])
        return ("right" if right else "wrong"), places
