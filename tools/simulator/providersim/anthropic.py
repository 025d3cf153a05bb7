# SPDX-License-Identifier: Apache-2.0
"""The Anthropic API, with the side paths that Claude Code asks on the same host."""
import re
from urllib.parse import unquote

from .answer import Answer, as_json, event
from .anthropic_store import STORE
from .speech import limit_of, new_id, read_json, tokens

MODELS = (("claude-sonnet-4-5", "Claude Sonnet 4.5"), ("claude-3-5-haiku-latest", "Claude Haiku 3.5"))
KINDS = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
         404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error",
         529: "overloaded_error"}


def error(status, message):
    request_id = new_id("req_")
    return as_json({"type": "error", "error": {"type": KINDS.get(status, "api_error"), "message": message},
                    "request_id": request_id}, status, [("request-id", request_id)])


def unauthorized(verdict):
    return error(401, "x-api-key header is required" if verdict == "missing" else "invalid x-api-key")


failure = error


def common_headers():
    return [("request-id", new_id("req_")), ("anthropic-organization-id", "org-simulated"),
            ("anthropic-ratelimit-requests-limit", "4000"), ("anthropic-ratelimit-requests-remaining", "3999")]


def usage(used, made):
    return {"input_tokens": used, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": made, "service_tier": "standard"}


def messages(request, speech):
    body = read_json(request)
    if body is None or not isinstance(body.get("messages"), list):
        return error(400, "messages: Field required")
    limit = limit_of(body, "max_tokens")
    if limit is None:
        return error(400, "max_tokens: Field required")
    said, cut = speech.say(limit)
    base = {"id": new_id("msg_"), "type": "message", "role": "assistant", "model": body.get("model")}
    stop, used = "max_tokens" if cut else "end_turn", tokens(body["messages"])
    if body.get("stream"):
        return Answer(body=speech.paced(events(base, said, stop, used)),
                      content_type="text/event-stream; charset=utf-8")
    return as_json({**base, "content": [{"type": "text", "text": "".join(said)}], "stop_reason": stop,
                    "stop_sequence": None, "usage": usage(used, len(said))})


def events(base, said, stop, used):
    def one(kind, **fields):
        return event({"type": kind, **fields}, kind)

    yield one("message_start", message={**base, "content": [], "stop_reason": None,
                                        "stop_sequence": None, "usage": usage(used, 1)})
    yield one("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield one("ping")
    for word in said:
        yield one("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
    yield one("content_block_stop", index=0)
    yield one("message_delta", delta={"stop_reason": stop, "stop_sequence": None},
              usage={"output_tokens": len(said)})
    yield one("message_stop")


def count_tokens(request, _):
    body = read_json(request)
    if body is None or not isinstance(body.get("messages"), list):
        return error(400, "messages: Field required")
    return as_json({"input_tokens": tokens(body["messages"])})


def model_object(name, title):
    return {"type": "model", "id": name, "display_name": title, "created_at": "2025-09-29T00:00:00Z"}


def models(_request, _):
    data = [model_object(*m) for m in MODELS]
    return as_json({"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]})


def model(_request, _, name):
    known = dict(MODELS)
    name = unquote(name)
    return as_json(model_object(name, known[name])) if name in known else error(404, f"model: {name}")


def complete(request, speech):
    body = read_json(request)
    if body is None or limit_of(body, "max_tokens_to_sample") is None:
        return error(400, "max_tokens_to_sample: Field required")
    said, cut = speech.say(body["max_tokens_to_sample"])
    return as_json({"type": "completion", "id": new_id("compl_"), "completion": "".join(said),
                    "stop_reason": "max_tokens" if cut else "stop_sequence", "model": body.get("model")})


def empty(_request, _):
    return as_json({})


def accepted(_request, _):
    return as_json({"accepted_count": 1, "rejected_count": 0})


def servers(_request, _):
    return as_json({"servers": [], "metadata": {"count": 0}})


ROUTES = [
    ("POST", r"/v1/messages", messages),
    ("POST", r"/v1/messages/count_tokens", count_tokens),
    ("POST", r"/v1/complete", complete),
    ("GET", r"/v1/models", models),
    ("GET", r"/v1/models/([^/]+)", model),
] + STORE

# Asked without a usable version header, and by some clients without a key.
SIDE_ROUTES = [
    ("GET", r"/(?:api/hello)?", empty),
    ("POST", r"/api/eval/[^/]+", empty),
    ("GET", r"/api/claude_code/(?:policy_limits|settings|organizations/metrics_enabled)", empty),
    ("GET", r"/api/claude_cli/bootstrap", empty),
    ("GET", r"/api/claude_code_penguin_mode", empty),
    ("GET", r"/api/directory/server-urls", empty),
    ("GET", r"/mcp-registry/v0/servers", servers),
    ("POST", r"/api/(?:event_logging(?:/v2)?/batch|claude_code/metrics)", accepted),
]


def answer(request, speech):
    for method, pattern, handler in ROUTES + SIDE_ROUTES:
        match = re.fullmatch(pattern, request.path)
        if not match or not (request.method == method or (request.method, method) == ("HEAD", "GET")):
            continue
        if handler not in (empty, accepted, servers) and not request.get("anthropic-version"):
            return error(400, "anthropic-version: header is required")
        result = handler(request, speech, *match.groups())
        result.headers += common_headers()
        return result
    return error(404, "Not found")
