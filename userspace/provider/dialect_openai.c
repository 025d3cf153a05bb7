/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAI and those who copy its API: {"error": {"message", "type", "param", "code"}}. The official
 * SDKs show `message`; programs can tell egret's reasons apart by `code`.
 */
#include "base/reason.h"
#include "provider/dialect_json.h"

static const char *type_of(unsigned status)
{
	switch (status) {
	case 401:
		return "authentication_error";
	case 403:
		return "permission_error";
	case 404:
		return "not_found_error";
	case 429:
		return "rate_limit_error";
	default:
		return status >= 500 ? "server_error" : "invalid_request_error";
	}
}

static int write_error(struct buf *out, const struct dialect_error *e)
{
	const struct slice values[] = {
		e->message,
		slice_str(type_of(e->status)),
		slice_str(reason_name(e->reason)),
	};

	return dialect_json_format(
		out, "{\"error\":{\"message\":$,\"type\":$,\"param\":null,\"code\":$}}", values);
}

const struct dialect dialect_openai = {
	.name = "openai",
	.write_error = write_error,
	.request_id_field = "x-request-id",
};
