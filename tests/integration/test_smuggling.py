# SPDX-License-Identifier: Apache-2.0
"""Requests that two parsers could read differently, through the whole proxy: refused with 400 and the
connection ended, and not one byte of them at the provider."""
import pytest

BODY = b'{"model":"gpt-4o-mini","messages":[]}'
HIDDEN = b"DELETE /v1/files/hidden HTTP/1.1\r\nHost: api.openai.com\r\n\r\n"
LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"


def post(*fields, line=b"POST /v1/chat/completions HTTP/1.1", body=BODY, host=b"Host: api.openai.com", end=b"\r\n"):
    fields = [f for f in (host, b"Content-Type: application/json", *fields) if f is not None]
    return end.join([line, *fields, b"", b""]) + body


FORMS = {
    "length and chunked": post(LENGTH, CHUNKED, body=CHUNKS),
    "chunked and length": post(CHUNKED, LENGTH, body=CHUNKS),
    "two lengths": post(LENGTH, b"Content-Length: 3"),
    "two equal lengths": post(LENGTH, LENGTH),
    "a list of lengths": post(LENGTH + b", " + LENGTH[16:]),
    "a signed length": post(b"Content-Length: +%d" % len(BODY)),
    "a negative length": post(b"Content-Length: -1"),
    "a hexadecimal length": post(b"Content-Length: 0x25"),
    "a length with a space": post(b"Content-Length: 3 7"),
    "an empty length": post(b"Content-Length:"),
    "an overflowing length": post(b"Content-Length: 18446744073709551653"),
    "a length with an underscore": post(b"Content_Length: 0", LENGTH),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked", body=CHUNKS),
    "chunked in two headers": post(CHUNKED, CHUNKED, body=CHUNKS),
    "identity, chunked": post(b"Transfer-Encoding: identity, chunked", body=CHUNKS),
    "chunked, identity": post(b"Transfer-Encoding: chunked, identity", body=CHUNKS),
    "xchunked": post(b"Transfer-Encoding: xchunked", body=CHUNKS),
    "chunked with a vertical tab": post(b"Transfer-Encoding: \x0bchunked", body=CHUNKS),
    "gzip coding": post(b"Transfer-Encoding: gzip, chunked", body=CHUNKS),
    "a folded coding": post(b"Transfer-Encoding:\r\n chunked", body=CHUNKS),
    "a folded header": post(LENGTH, b"X-A: b\r\n c"),
    "space before the colon": post(b"Content-Length : %d" % len(BODY)),
    "space before the name": post(b" X-A: b", LENGTH),
    "a name with a space": post(b"X A: b", LENGTH),
    "no colon": post(b"Nonsense", LENGTH),
    "an empty name": post(b": b", LENGTH),
    "NUL in a value": post(b"X-A: b\0c", LENGTH),
    "CR in a value": post(b"X-A: b\rTransfer-Encoding: chunked", LENGTH),
    "a control character in a name": post(b"X\x01: b", LENGTH),
    "bare line feeds": post(LENGTH, end=b"\n"),
    "a bare line feed in the head": post(LENGTH, b"X-A: b\nX-B: c"),
    "bare carriage returns": post(LENGTH, end=b"\r"),
    "no host": post(LENGTH, host=None),
    "two hosts": post(b"Host: api.openai.com", LENGTH),
    "an empty host": post(LENGTH, host=b"Host:"),
    "a host with a path": post(LENGTH, host=b"Host: api.openai.com/v1"),
    "a host with a user": post(LENGTH, host=b"Host: a@api.openai.com"),
    "chunked in HTTP/1.0": post(CHUNKED, line=b"POST /v1/chat/completions HTTP/1.0", body=CHUNKS),
    "HTTP/1.2": post(LENGTH, line=b"POST /v1/chat/completions HTTP/1.2"),
    "HTTP/2.0": post(LENGTH, line=b"POST /v1/chat/completions HTTP/2.0"),
    "HTTP/0.9": post(LENGTH, line=b"POST /v1/chat/completions"),
    "a lower-case version": post(LENGTH, line=b"POST /v1/chat/completions http/1.1"),
    "absolute form": post(LENGTH, line=b"POST https://api.openai.com/v1/chat/completions HTTP/1.1"),
    "absolute form of another host": post(LENGTH, line=b"POST http://evil.example/v1/chat/completions HTTP/1.1"),
    "authority form": post(line=b"CONNECT api.openai.com:443 HTTP/1.1", body=b""),
    "asterisk form": post(LENGTH, line=b"POST * HTTP/1.1"),
    "two spaces in the line": post(LENGTH, line=b"POST  /v1/chat/completions HTTP/1.1"),
    "a tab in the line": post(LENGTH, line=b"POST\t/v1/chat/completions HTTP/1.1"),
    "a space in the target": post(LENGTH, line=b"POST /v1/chat completions HTTP/1.1"),
    "a fragment": post(LENGTH, line=b"POST /v1/chat/completions#x HTTP/1.1"),
    "a raw byte in the target": post(LENGTH, line=b"POST /v1/chat/\xff HTTP/1.1"),
    "a chunk size with a space": post(CHUNKED, body=b"25 \r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk size with a sign": post(CHUNKED, body=b"+25\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk size of letters": post(CHUNKED, body=b"zz\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "an overflowing chunk size": post(CHUNKED, body=b"10000000000000025\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "an empty chunk size": post(CHUNKED, body=b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk longer than its size": post(CHUNKED, body=b"3\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk ended by a line feed": post(CHUNKED, body=b"25\n" + BODY + b"\n0\n\n"),
    "a length among the trailers": post(CHUNKED, body=CHUNKS[:-2] + b"Content-Length: 5\r\n\r\n"),
    "an unknown expectation": post(LENGTH, b"Expect: 200-maybe"),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_refused_and_ended(agent, sim, form):
    conn = agent.open()
    conn.send(FORMS[form] + HIDDEN)
    response = conn.response(timeout=10)
    assert 400 <= response.status < 500, response
    conn.rest(timeout=10)
    assert conn.end in ("eof", "cut", "reset")
    assert sim.requests() == []


@pytest.mark.parametrize("path", [
    "/v1/models/../organization/admin_api_keys", "/v1/chat/%2e%2e/models", "/v1//models", "/v1/models/%2F..%2Fx",
    "/v1/./models", "/v1/models;x=1", "/v1/%6dodels", "/v1\\models", "/%76%31/models", "/v1/models/", "/V1/models",
    "/v1/models%00", "/v1/models%0d%0aX-A:b"])
def test_no_spelling_of_a_path_becomes_an_operation(agent, sim, path):
    assert agent.call("GET", path).status in (400, 403)
    assert sim.requests() == []


@pytest.mark.parametrize("field", [
    "Connection: keep-alive, x-api-key", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: trailers, gzip",
    "Proxy-Authorization: Basic egret-placeholder", "Upgrade-Insecure-Requests: 1", "X-HTTP-Method-Override: DELETE"])
def test_headers_of_one_hop_go_no_further(agent, sim, field):
    name, value = field.split(": ")
    agent.call("GET", "/v1/models", None, [(name, value)])
    for request in sim.requests():
        names = [n.lower() for n, _ in request["headers"]]
        assert not {"keep-alive", "proxy-connection", "te", "proxy-authorization", "x-api-key"} & set(names)
        assert names.count("connection") <= 1


@pytest.mark.parametrize("field", [b"Authorization: Bearer sk-mine", b"x-api-key: sk-mine", b"X-Thing: sk-proj-mine"])
def test_a_key_among_the_trailers_goes_no_further(agent, sim, field):
    conn = agent.open()
    conn.send(post(CHUNKED, body=CHUNKS[:-2] + field + b"\r\n\r\n"))
    conn.response()
    assert "sk-mine" not in str(sim.log()) and "sk-proj-mine" not in str(sim.log())


def test_a_pipelined_request_is_decided_on_its_own(agent, sim):
    conn = agent.open()
    conn.send(b"GET /v1/models HTTP/1.1\r\nHost: api.openai.com\r\n\r\n" + HIDDEN)
    assert conn.response().status == 200
    assert conn.response().status == 403
    assert [r["target"] for r in sim.requests()] == ["/v1/models"]


