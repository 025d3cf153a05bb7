# SPDX-License-Identifier: Apache-2.0
"""policy/schema/providers.json tells editors what the compiler tells the daemon."""
import copy
import json

import jsonschema
import pytest
from lib.catalogue import without_comments
from lib.system import ROOT

SCHEMA = json.loads((ROOT / "policy/schema/providers.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
OPERATION = {"name": "chat", "requests": ["POST /v1/chat"], "body": "json", "model": "model",
             "max_tokens": ["max_tokens"], "stream": "stream", "output": True}
PROVIDER = {"trust": "public", "dialect": "openai", "hosts": ["a.example.com"],
            "credential": {"field": "authorization", "prefix": "Bearer "}, "operations": [OPERATION]}


def errors(document):
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in VALIDATOR.iter_errors(document)]


def with_provider(**members):
    return {"providers": {"a": {**copy.deepcopy(PROVIDER), **members}}}


def with_operation(**members):
    return with_provider(operations=[{k: v for k, v in {**OPERATION, **members}.items() if v is not None}])


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", ["policy/providers.json", *sorted(
    str(p.relative_to(ROOT)) for p in (ROOT / "policy/examples").glob("providers-*.json"))])
def test_files_that_ship_fit(file):
    assert errors(json.loads(without_comments((ROOT / file).read_text()))) == []


def test_the_provider_under_test_fits():
    assert errors(with_provider()) == []
    assert errors(with_operation(requests=["GET /", "POST /v1/{id}:verb/a%3Ab"])) == []
    assert errors(with_operation(requests=["GET /{model}"], model=None)) == []
    assert errors(with_provider(hosts=["*.b.example.com", "x.*.example.com", "*-y.example.com"])) == []


# The same mistakes that tests/unit/provider/test_catalogue_compile.c gives the compiler.
@pytest.mark.parametrize("document", [
    [], {}, {"providers": []}, {"providers": {}, "provider": {}}, {"providers": {"A": PROVIDER}},
    {"providers": {"": PROVIDER}}, {"providers": {"a": {"dialect": "openai"}}},
    *[with_provider(**m) for m in (
        {"trust": "open"}, {"dialect": "x"}, {"hots": []}, {"hosts": "x"}, {"env": ["a"]}, {"env": ["1A"]},
        {"placeholder": "sk-mine"}, {"placeholder": "a egret-placeholder"}, {"key_prefixes": ["sk"]},
        {"key_prefixes": ["sk -"]}, {"credential": {"field": "X-Api-Key"}}, {"credential": {"prefix": "B"}},
        {"credential": {"field": "a", "prefix": "B\r\n"}}, {"cidrs": ["10.0.0.0"]}, {"cidrs": ["10.0.0.0/08"]},
        {"hosts": ["a.example.com", "a.example.com"]})],
    {"providers": {"a": {k: v for k, v in PROVIDER.items() if k != "credential"}}},
    *[with_provider(hosts=[h]) for h in (
        "", "com", "*", "*.com", "*.*.com", "a.*", "a.com.", ".a.com", "a..com", "A.com", "a.com/", "a.com:443",
        "x*.a.com", "*x.a.com", "*-.a.com", "**.a.com", "a.b.c.d.e.f.g.h.i.j.k.l.m")],
    *[with_operation(**m) for m in (
        {"name": None}, {"name": "Chat"}, {"body": None}, {"body": "xml"}, {"requests": None}, {"requests": []},
        {"method": "GET"}, {"model": "a..b"}, {"model": "a[]"}, {"body": "none", "max_tokens": None, "stream": None,
                                                                   "output": None},
        {"body": "none", "model": None}, {"max_tokens": None}, {"output": 1}, {"requests": ["GET /{model}"]},
        {"max_tokens": list("abcdefg")})],
    *[with_operation(requests=[r]) for r in (
        "GET /a/", "GET //a", "GET /a//b", "GET /a/./b", "GET /../a", "GET /a?b", "GET /a#b", "GET /a%2fb", "GET /%61",
        "GET /{", "GET /{}", "GET /{A}", "GET /{a}b", "GET /{a}:", "GET /{a}:v1", "GET /a{b}", "GET /{model}/{model}",
        "GET /{a}:x:y", "GET /a b", "GET /a;b", "GET " + "/a" * 17, "/a", "GET", "get /a", "GET  /a", "GET a", "")],
])
def test_mistakes_do_not_fit(document):
    assert errors(document) != []
