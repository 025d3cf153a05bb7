# SPDX-License-Identifier: Apache-2.0
"""OpenAI's stored objects: responses, files and batches."""
import time

from . import openai_responses
from .answer import Answer, as_json
from .speech import form_text, new_id, read_json, tokens


def missing(what):
    return as_json({"error": {"message": f"No such {what}", "type": "invalid_request_error",
                              "param": None, "code": None}}, 404)


def listed(data):
    ids = [d["id"] for d in data]
    return as_json({"object": "list", "data": data, "has_more": False,
                    "first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None})


def response_get(_request, _, name):
    kept = openai_responses.KEPT.get(name)
    return as_json(kept) if kept else missing("response")


def response_delete(_request, _, name):
    kept = openai_responses.KEPT.pop(name, None)
    return as_json({"id": name, "object": "response", "deleted": True}) if kept else missing("response")


def response_items(_request, _, name):
    return listed([]) if name in openai_responses.KEPT else missing("response")


def file_object(name="file-simulated", size=17, purpose="batch"):
    return {"id": name, "object": "file", "bytes": size, "created_at": int(time.time()),
            "filename": "requests.jsonl", "purpose": purpose, "status": "processed"}


def file_create(request, _):
    purpose = form_text(request, "purpose")
    if purpose is None:
        return as_json({"error": {"message": "'purpose' is a required property",
                                  "type": "invalid_request_error", "param": None, "code": None}}, 400)
    return as_json(file_object(new_id("file-"), request.body.length, purpose))


def file_list(_request, _):
    return listed([file_object()])


def file_get(_request, _, name):
    return as_json(file_object(name))


def file_content(_request, _, _name):
    return Answer(body=b'{"custom_id":"1"}', content_type="application/octet-stream")


def file_delete(_request, _, name):
    return as_json({"id": name, "object": "file", "deleted": True})


def batch_object(name, status="validating", source="file-simulated", endpoint="/v1/chat/completions"):
    now = int(time.time())
    return {"id": name, "object": "batch", "endpoint": endpoint, "errors": None,
            "input_file_id": source, "completion_window": "24h", "status": status,
            "output_file_id": None, "error_file_id": None, "created_at": now,
            "expires_at": now + 86400, "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": None}


def batch_create(request, _):
    body = read_json(request) or {}
    return as_json(batch_object(new_id("batch_"), source=body.get("input_file_id"),
                                endpoint=body.get("endpoint")))


def batch_list(_request, _):
    return listed([batch_object("batch_simulated")])


def batch_get(_request, _, name):
    return as_json(batch_object(name))


def batch_cancel(_request, _, name):
    return as_json(batch_object(name, "cancelling"))


def chat_list(_request, _):
    return listed([])


def chat_get(_request, _, name):
    return as_json({"id": name, "object": "chat.completion", "choices": [], "metadata": {}})


def chat_delete(_request, _, name):
    return as_json({"id": name, "object": "chat.completion.deleted", "deleted": True})


def input_tokens(request, _):
    return as_json({"object": "response.input_tokens", "input_tokens": tokens((read_json(request) or {}).get("input"))})


def model_delete(_request, _, name):
    return as_json({"id": name, "object": "model", "deleted": True})


def upload_object(name, status="pending"):
    return {"id": name, "object": "upload", "bytes": 17, "created_at": int(time.time()), "filename": "big.jsonl",
            "purpose": "batch", "status": status, "expires_at": int(time.time()) + 3600}


def upload_create(_request, _):
    return as_json(upload_object(new_id("upload_")))


def upload_part(_request, _, name):
    return as_json({"id": new_id("part_"), "object": "upload.part", "created_at": int(time.time()), "upload_id": name})


def upload_end(_request, _, name, how):
    return as_json(upload_object(name, {"complete": "completed", "cancel": "cancelled"}[how]))


STORE = [
    ("GET", r"/v1/chat/completions", chat_list),
    ("GET", r"/v1/chat/completions/([^/]+)", chat_get),
    ("POST", r"/v1/chat/completions/([^/]+)", chat_get),
    ("DELETE", r"/v1/chat/completions/([^/]+)", chat_delete),
    ("GET", r"/v1/chat/completions/[^/]+/messages", chat_list),
    ("POST", r"/v1/responses/input_tokens", input_tokens),
    ("DELETE", r"/v1/models/([^/]+)", model_delete),
    ("POST", r"/v1/uploads", upload_create),
    ("POST", r"/v1/uploads/([^/]+)/parts", upload_part),
    ("POST", r"/v1/uploads/([^/]+)/(complete|cancel)", upload_end),
    ("GET", r"/v1/responses/([^/]+)", response_get),
    ("DELETE", r"/v1/responses/([^/]+)", response_delete),
    ("POST", r"/v1/responses/([^/]+)/cancel", response_get),
    ("GET", r"/v1/responses/([^/]+)/input_items", response_items),
    ("POST", r"/v1/files", file_create),
    ("GET", r"/v1/files", file_list),
    ("GET", r"/v1/files/([^/]+)", file_get),
    ("GET", r"/v1/files/([^/]+)/content", file_content),
    ("DELETE", r"/v1/files/([^/]+)", file_delete),
    ("POST", r"/v1/batches", batch_create),
    ("GET", r"/v1/batches", batch_list),
    ("GET", r"/v1/batches/([^/]+)", batch_get),
    ("POST", r"/v1/batches/([^/]+)/cancel", batch_cancel),
]
