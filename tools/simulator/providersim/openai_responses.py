# SPDX-License-Identifier: Apache-2.0
"""OpenAI's Responses API: one object, or the events that build it."""
import time

from .answer import Answer, as_json, event
from .speech import limit_of, new_id, read_json, tokens

KEPT = {}  # id: response, for GET and DELETE; bounded below
KEPT_MAX = 1000


def responses(request, speech):
    body = read_json(request)
    if body is None:
        return as_json({"error": {"message": "We could not parse the JSON body of your request.",
                                  "type": "invalid_request_error", "param": None, "code": None}}, 400)
    said, cut = speech.say(limit_of(body, "max_output_tokens"))
    response = skeleton(body)
    if body.get("stream"):
        return Answer(body=speech.paced(events(response, said, cut, body)),
                      content_type="text/event-stream; charset=utf-8")
    return as_json(finished(response, said, cut, body, new_id("msg_")))


def skeleton(body):
    return {"id": new_id("resp_"), "object": "response", "created_at": int(time.time()),
            "status": "in_progress", "background": False, "error": None, "incomplete_details": None,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"), "model": body.get("model"),
            "output": [], "parallel_tool_calls": True, "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None}, "store": body.get("store", True),
            "temperature": 1.0, "text": {"format": {"type": "text"}}, "tool_choice": "auto",
            "tools": [], "top_p": 1.0, "truncation": "disabled", "usage": None, "user": None,
            "metadata": {}}


def message(item, text, status):
    content = [{"type": "output_text", "annotations": [], "logprobs": [], "text": text}] if text else []
    return {"id": item, "type": "message", "status": status, "role": "assistant", "content": content}


def finished(response, said, cut, body, item):
    used = tokens(body.get("input"))
    done = {**response, "status": "incomplete" if cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "output": [message(item, "".join(said), "incomplete" if cut else "completed")],
            "usage": {"input_tokens": used, "input_tokens_details": {"cached_tokens": 0},
                      "output_tokens": len(said), "output_tokens_details": {"reasoning_tokens": 0},
                      "total_tokens": used + len(said)}}
    if len(KEPT) < KEPT_MAX:
        KEPT[done["id"]] = done
    return done


def events(response, said, cut, body):
    item, number = new_id("msg_"), iter(range(1 << 30))
    text = "".join(said)
    place = {"item_id": item, "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}

    def one(kind, **fields):
        return event({"type": kind, "sequence_number": next(number), **fields}, kind)

    yield one("response.created", response=response)
    yield one("response.in_progress", response=response)
    yield one("response.output_item.added", output_index=0, item=message(item, "", "in_progress"))
    yield one("response.content_part.added", **place, part=part)
    for word in said:
        yield one("response.output_text.delta", **place, delta=word, logprobs=[])
    yield one("response.output_text.done", **place, text=text, logprobs=[])
    yield one("response.content_part.done", **place, part={**part, "text": text})
    done = finished(response, said, cut, body, item)
    yield one("response.output_item.done", output_index=0, item=done["output"][0])
    yield one("response.incomplete" if cut else "response.completed", response=done)
