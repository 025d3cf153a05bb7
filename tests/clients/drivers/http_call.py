# SPDX-License-Identifier: Apache-2.0
"""One call with an unmodified Python HTTP library: http_call.py LIBRARY plain|stream [MODEL [KEY]].

Without KEY no credential is sent at all. Prints what a program sees, as one JSON line."""
import json
import sys

URL = "https://api.openai.com/v1/chat/completions"
library, mode = sys.argv[1:3]
model = sys.argv[3] if len(sys.argv) > 3 else "gpt-4o-mini"
headers = {"Authorization": f"Bearer {sys.argv[4]}"} if len(sys.argv) > 4 else {}
body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": mode == "stream"}


def by_httpx():
    import httpx
    with httpx.stream("POST", URL, json=body, headers=headers, timeout=30) as r:
        return r.status_code, list(r.iter_lines())


def by_requests():
    import requests
    with requests.post(URL, json=body, headers=headers, timeout=30, stream=True) as r:
        return r.status_code, [line.decode() for line in r.iter_lines()]


def by_aiohttp():
    import asyncio

    import aiohttp

    async def call():
        async with aiohttp.ClientSession() as session:
            async with session.post(URL, json=body, headers=headers) as r:
                return r.status, [line.decode() async for line in r.content]
    return asyncio.run(call())


def by_urllib():
    import urllib.error
    import urllib.request
    request = urllib.request.Request(URL, json.dumps(body).encode(), {**headers, "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as r:
            return r.status, r.read().decode().splitlines()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode().splitlines()


def result():
    status, lines = globals()["by_" + library]()
    lines = [line.strip() for line in lines if line.strip()]
    if status != 200:
        return {"status": status, "error": json.loads("".join(lines))["error"]}
    if mode == "plain":
        return {"status": status, "text": json.loads("".join(lines))["choices"][0]["message"]["content"]}
    assert lines[-1] == "data: [DONE]", lines[-1]
    events = [json.loads(line[6:]) for line in lines[:-1]]
    return {"status": status, "events": len(events) + 1,
            "text": "".join(e["choices"][0]["delta"].get("content") or "" for e in events)}


try:
    print(json.dumps(result()))
except Exception as e:  # whatever the library raises is the result
    print(json.dumps({"error": {"class": type(e).__name__, "message": str(e)}}))
