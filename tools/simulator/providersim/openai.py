# SPDX-License-Identifier: Apache-2.0
"""The OpenAI API, and that of the many providers that speak it. Shapes: reference of the API."""
import base64
import re
import struct
import time
from urllib.parse import unquote

from .answer import Answer, as_json, event
from .openai_responses import responses
from .openai_store import STORE
from .speech import form_text, limit_of, new_id, read_json, tokens

MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4.1-mini", "text-embedding-3-small")
PREFIXES = ("/openai", "/api", "/inference", "/compatible-mode")
USAGE_DETAILS = {"prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                 "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
                                               "accepted_prediction_tokens": 0,
                                               "rejected_prediction_tokens": 0}}


def error(status, message, kind="invalid_request_error", code=None, param=None):
    return as_json({"error": {"message": message, "type": kind, "param": param, "code": code}}, status)


def unauthorized(verdict):
    if verdict == "missing":
        return error(401, "You didn't provide an API key. You need to provide your API key in an "
                          "Authorization header using Bearer auth.")
    return error(401, "Incorrect API key provided.", code="invalid_api_key")


def failure(status, message):
    kinds = {429: ("requests", "rate_limit_exceeded"), 500: ("server_error", None), 503: ("server_error", None)}
    kind, code = kinds.get(status, ("invalid_request_error", None))
    return error(status, message, kind, code)


def common_headers():
    return [("openai-organization", "org-simulated"), ("openai-processing-ms", "1"),
            ("openai-version", "2020-10-01"), ("x-request-id", new_id("req_")),
            ("x-ratelimit-limit-requests", "10000"), ("x-ratelimit-remaining-requests", "9999")]


def chat(request, speech):
    body = read_json(request)
    if body is None or not isinstance(body.get("messages"), list):
        return error(400, "We could not parse the JSON body of your request.")
    said, cut = speech.say(limit_of(body, "max_completion_tokens", "max_tokens"))
    prompt = tokens(body["messages"])
    usage = {"prompt_tokens": prompt, "completion_tokens": len(said),
             "total_tokens": prompt + len(said), **USAGE_DETAILS}
    base = {"id": new_id("chatcmpl-"), "object": "chat.completion", "created": int(time.time()),
            "model": body.get("model")}
    finish = "length" if cut else "stop"
    if body.get("stream"):
        return Answer(body=speech.paced(chat_events(base, said, finish, usage, body)),
                      content_type="text/event-stream; charset=utf-8")
    message = {"role": "assistant", "content": "".join(said), "refusal": None, "annotations": []}
    return as_json({**base, "choices": [{"index": 0, "message": message, "logprobs": None,
                                         "finish_reason": finish}],
                    "usage": usage, "service_tier": "default", "system_fingerprint": "fp_simulated"})


def chat_events(base, said, finish, usage, body):
    wants_usage = (body.get("stream_options") or {}).get("include_usage")
    tail = {"usage": None} if wants_usage else {}
    base = {**base, "object": "chat.completion.chunk", "service_tier": "default",
            "system_fingerprint": "fp_simulated"}

    def chunk(delta, reason=None):
        return event({**base, "choices": [{"index": 0, "delta": delta, "logprobs": None,
                                           "finish_reason": reason}], **tail})

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for word in said:
        yield chunk({"content": word})
    yield chunk({}, finish)
    if wants_usage:
        yield event({**base, "choices": [], "usage": usage})
    yield event("[DONE]")


def completions(request, speech):
    body = read_json(request)
    if body is None:
        return error(400, "We could not parse the JSON body of your request.")
    said, cut = speech.say(limit_of(body, "max_tokens"))
    prompt = tokens(body.get("prompt"))
    base = {"id": new_id("cmpl-"), "object": "text_completion", "created": int(time.time()),
            "model": body.get("model")}
    finish = "length" if cut else "stop"
    if body.get("stream"):
        events = [event({**base, "choices": [{"text": w, "index": 0, "logprobs": None,
                                              "finish_reason": None}]}) for w in said]
        events.append(event({**base, "choices": [{"text": "", "index": 0, "logprobs": None,
                                                  "finish_reason": finish}]}))
        return Answer(body=speech.paced(events + [event("[DONE]")]),
                      content_type="text/event-stream; charset=utf-8")
    return as_json({**base, "choices": [{"text": "".join(said), "index": 0, "logprobs": None,
                                         "finish_reason": finish}],
                    "usage": {"prompt_tokens": prompt, "completion_tokens": len(said),
                              "total_tokens": prompt + len(said)}})


def embeddings(request, _):
    body = read_json(request)
    if body is None or "input" not in body:
        return error(400, "We could not parse the JSON body of your request.")
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vector = [0.125, -0.5, 0.25, 1.0]
    coded = (base64.b64encode(struct.pack("<4f", *vector)).decode()
             if body.get("encoding_format") == "base64" else vector)
    used = tokens(inputs)
    return as_json({"object": "list", "model": body.get("model"),
                    "data": [{"object": "embedding", "index": n, "embedding": coded}
                             for n in range(len(inputs))],
                    "usage": {"prompt_tokens": used, "total_tokens": used}})


def moderations(request, _):
    body = read_json(request)
    if body is None:
        return error(400, "We could not parse the JSON body of your request.")
    names = ("harassment", "hate", "self-harm", "sexual", "violence")
    return as_json({"id": new_id("modr-"), "model": body.get("model", "omni-moderation-latest"),
                    "results": [{"flagged": False, "categories": {n: False for n in names},
                                 "category_scores": {n: 0.0001 for n in names}}]})


PIXEL = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")


def images(_request, _):
    return as_json({"created": int(time.time()), "data": [{"b64_json": PIXEL}],
                    "usage": {"input_tokens": 8, "output_tokens": 16, "total_tokens": 24,
                              "input_tokens_details": {"text_tokens": 8, "image_tokens": 0}}})


def speech_audio(_request, _):
    return Answer(body=b"ID3\x04\0\0\0\0\0\0" + b"\xff\xfb\x90\x00" + bytes(413), content_type="audio/mpeg")


def transcription(request, speech):
    if form_text(request, "model") is None:
        return error(400, "you must provide a model parameter")
    said, _ = speech.say()
    return as_json({"text": "".join(said), "usage": {"type": "tokens", "input_tokens": 14,
                                                     "output_tokens": len(said),
                                                     "total_tokens": 14 + len(said)}})


def model_object(name):
    return {"id": name, "object": "model", "created": 1715367049, "owned_by": "system"}


def models(_request, _):
    return as_json({"object": "list", "data": [model_object(m) for m in MODELS]})


def model(_request, _, name):
    if unquote(name) not in MODELS:
        return error(404, f"The model '{unquote(name)}' does not exist", code="model_not_found")
    return as_json(model_object(unquote(name)))


ROUTES = [
    ("POST", r"/v1/chat/completions", chat),
    ("POST", r"/v1/completions", completions),
    ("POST", r"/v1/embeddings", embeddings),
    ("POST", r"/v1/moderations", moderations),
    ("POST", r"/v1/images/(?:generations|edits|variations)", images),
    ("POST", r"/v1/audio/speech", speech_audio),
    ("POST", r"/v1/audio/(?:transcriptions|translations)", transcription),
    ("GET", r"/v1/models", models),
    ("GET", r"/v1/models/([^/]+)", model),
    ("POST", r"/v1/responses(?:/compact)?", responses),
] + STORE


def answer(request, speech):
    path = request.path
    for prefix in PREFIXES:
        path = path.removeprefix(prefix)
    for method, pattern, handler in ROUTES:
        match = re.fullmatch(pattern, path)
        if match and (request.method == method or (request.method, method) == ("HEAD", "GET")):
            result = handler(request, speech, *match.groups())
            result.headers += common_headers()
            return result
    return error(404, f"Invalid URL ({request.method} {request.path})", code="unknown_url")
