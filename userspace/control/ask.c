/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler may ask of its request. */
#include <string.h>

#include "control/conn.h"

json_t *request_args(const struct request *r)
{
	return r->args;
}

const struct control_peer *request_peer(const struct request *r)
{
	return &r->peer;
}

bool request_string(struct request *r, const char *name, const char **ret)
{
	json_t *v = json_object_get(r->args, name);

	if (v && !json_is_string(v)) {
		request_error(r, "bad_request", "%s: must be a string", name);
		return false;
	}
	*ret = json_string_value(v);
	return true;
}

bool request_number(struct request *r, const char *name, uint64_t *ret)
{
	json_t *v = json_object_get(r->args, name);

	if (!v)
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < 0) {
		request_error(r, "bad_request", "%s: must be a whole number from 0", name);
		return false;
	}
	*ret = (uint64_t)json_integer_value(v);
	return true;
}

struct slice request_text(const struct request *r)
{
	struct slice s = buf_slice(&r->in);

	s.n -= s.n && s.p[s.n - 1] == '\n';
	return s;
}

void request_on_gone(struct request *r, request_gone_fn fn, void *ctx)
{
	r->on_gone = fn;
	r->gone_ctx = ctx;
}
