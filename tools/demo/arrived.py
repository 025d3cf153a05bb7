#!/usr/bin/python3
"""Prints the simulator's log (standard input): what arrived at the providers, and with whose key."""
import json
import sys

for r in json.load(sys.stdin)["requests"]:
    secrets = [f"{n}: {v}" for n, v in r["headers"] if n.lower() in ("authorization", "x-api-key")]
    print(f"   {r['host']:18} {r['method']:5}{r['target']:22} the key was {r['key']}   ({', '.join(secrets)})")
