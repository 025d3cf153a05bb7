/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/http.h"

static const struct slice names[HTTP_FIELD_COUNT] = {
#define X(id, name) [HTTP_##id] = { name, sizeof(name) - 1 },
	HTTP_FIELDS(X)
#undef X
};

/* The only candidate of that length and first letter (or the letter named); then one comparison. */
static enum http_field_id candidate(struct slice name)
{
	char first = ascii_lower(name.p[0]);

	switch (name.n) {
	case 2:
		return HTTP_te;
	case 4:
		return HTTP_host;
	case 6:
		return first == 'e' ? HTTP_expect : HTTP_cookie;
	case 7:
		return first == 't' ? HTTP_trailer : first == 'u' ? HTTP_upgrade : HTTP_api_key;
	case 9:
		return HTTP_x_api_key;
	case 10:
		return first == 'c'   ? HTTP_connection
		       : first == 'k' ? HTTP_keep_alive
				      : HTTP_set_cookie;
	case 12:
		return HTTP_content_type;
	case 13:
		return HTTP_authorization;
	case 14:
		return first == 'c' ? HTTP_content_length : HTTP_x_goog_api_key;
	case 15:
		return HTTP_accept_encoding;
	case 16:
		return first == 'c' ? HTTP_content_encoding : HTTP_proxy_connection;
	case 17:
		return HTTP_transfer_encoding;
	case 18:
		return HTTP_proxy_authenticate;
	case 19:
		return HTTP_proxy_authorization;
	case 22:
		return HTTP_sec_websocket_protocol;
	default:
		return HTTP_other;
	}
}

enum http_field_id http_field_id(struct slice name)
{
	enum http_field_id id = name.n ? candidate(name) : HTTP_other;

	return id != HTTP_other && slice_ieq(names[id], name) ? id : HTTP_other;
}
