/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everyone else. Clients of many providers must find the text: Google's read `error.message` and
 * `error.status`, Cohere's a `message` at the top, most others what OpenAI's do.
 */
#include "base/reason.h"
#include "provider/dialect_json.h"

/* Google's canonical codes, as its HTTP mapping has them. */
static const char *status_of(unsigned status)
{
	switch (status) {
	case 401:
		return "UNAUTHENTICATED";
	case 403:
		return "PERMISSION_DENIED";
	case 404:
		return "NOT_FOUND";
	case 429:
		return "RESOURCE_EXHAUSTED";
	case 504:
		return "DEADLINE_EXCEEDED";
	default:
		return status >= 500 ? "UNAVAILABLE" : "INVALID_ARGUMENT";
	}
}

static int write_error(struct buf *out, const struct dialect_error *e)
{
	const struct slice values[] = {
		e->message,
		slice_str(status_of(e->status)),
		slice_str(reason_name(e->reason)),
		e->request_id,
		e->message,
	};
	int r = buf_printf(out, "{\"error\":{\"code\":%u,", e->status);

	if (r < 0)
		return r;
	return dialect_json_format(out,
				   "\"message\":$,\"status\":$,\"reason\":$,\"request_id\":$},"
				   "\"message\":$}",
				   values);
}

const struct dialect dialect_generic = {
	.name = "generic",
	.write_error = write_error,
	.request_id_field = "x-request-id",
};
