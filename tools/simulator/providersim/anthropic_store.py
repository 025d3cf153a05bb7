# SPDX-License-Identifier: Apache-2.0
"""Anthropic's stored objects: message batches and files."""
import json

from .answer import Answer, as_json
from .speech import new_id, read_json


def refused(message):
    return as_json({"type": "error", "error": {"type": "invalid_request_error", "message": message},
                    "request_id": new_id("req_")}, 400)


def page(data):
    return as_json({"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]})


def batch(name, status="in_progress", count=0):
    return {"id": name, "type": "message_batch", "processing_status": status,
            "request_counts": {"processing": count, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
            "ended_at": None, "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z",
            "archived_at": None, "cancel_initiated_at": None, "results_url": None}


def batch_create(request, _):
    body = read_json(request)
    if body is None or not isinstance(body.get("requests"), list):
        return refused("requests: Field required")
    return as_json(batch(new_id("msgbatch_"), count=len(body["requests"])))


def batch_list(_request, _):
    return page([batch("msgbatch_simulated")])


def batch_get(_request, _, name):
    return as_json(batch(name))


def batch_cancel(_request, _, name):
    return as_json(batch(name, "canceling"))


def batch_delete(_request, _, name):
    return as_json({"id": name, "type": "message_batch_deleted"})


def batch_results(_request, _, _name):
    line = {"custom_id": "1", "result": {"type": "expired"}}
    return Answer(body=json.dumps(line).encode() + b"\n", content_type="application/x-jsonl")


def file_object(name, size=17):
    return {"id": name, "type": "file", "filename": "notes.txt", "mime_type": "text/plain", "size_bytes": size,
            "created_at": "2026-01-01T00:00:00Z", "downloadable": False}


def file_create(request, _):
    return as_json(file_object(new_id("file_"), request.body.length))


def file_list(_request, _):
    return page([file_object("file_simulated")])


def file_get(_request, _, name):
    return as_json(file_object(name))


def file_content(_request, _, _name):
    return Answer(body=b"simulated notes\n", content_type="text/plain")


def file_delete(_request, _, name):
    return as_json({"id": name, "type": "file_deleted"})


STORE = [
    ("POST", r"/v1/messages/batches", batch_create),
    ("GET", r"/v1/messages/batches", batch_list),
    ("GET", r"/v1/messages/batches/([^/]+)", batch_get),
    ("POST", r"/v1/messages/batches/([^/]+)/cancel", batch_cancel),
    ("GET", r"/v1/messages/batches/([^/]+)/results", batch_results),
    ("DELETE", r"/v1/messages/batches/([^/]+)", batch_delete),
    ("POST", r"/v1/files", file_create),
    ("GET", r"/v1/files", file_list),
    ("GET", r"/v1/files/([^/]+)", file_get),
    ("GET", r"/v1/files/([^/]+)/content", file_content),
    ("DELETE", r"/v1/files/([^/]+)", file_delete),
]
