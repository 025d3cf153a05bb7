/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anthropic: {"type": "error", "error": {"type", "message"}, "request_id"}, the inner type told by
 * the status as its documentation of errors lists them.
 */
#include "provider/dialect_json.h"

static const char *type_of(unsigned status)
{
	switch (status) {
	case 401:
		return "authentication_error";
	case 402:
		return "billing_error";
	case 403:
		return "permission_error";
	case 404:
		return "not_found_error";
	case 413:
		return "request_too_large";
	case 429:
		return "rate_limit_error";
	case 504:
		return "timeout_error";
	case 529:
		return "overloaded_error";
	default:
		return status >= 500 ? "api_error" : "invalid_request_error";
	}
}

static int write_error(struct buf *out, const struct dialect_error *e)
{
	const struct slice values[] = {
		slice_str(type_of(e->status)),
		e->message,
		e->request_id,
	};

	return dialect_json_format(
		out, "{\"type\":\"error\",\"error\":{\"type\":$,\"message\":$},\"request_id\":$}",
		values);
}

const struct dialect dialect_anthropic = {
	.name = "anthropic",
	.write_error = write_error,
	.request_id_field = "request-id",
};
