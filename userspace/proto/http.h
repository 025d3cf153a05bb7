/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP message, whatever version carried it: the boundary between codecs (h1 now, h2 later) and
 * everything that decides. Slices point into memory the codec names (for requests: the exchange's
 * pool). Field names keep the case they came in; compare them with slice_ieq() or by `id`.
 */
#pragma once

#include "base/pool.h"
#include "base/slice.h"

/* Fields egret itself looks at, recognised once by the codec. */
#define HTTP_FIELDS(X)                                                                             \
	X(other, "")                                                                               \
	X(host, "host")                                                                            \
	X(connection, "connection")                                                                \
	X(keep_alive, "keep-alive")                                                                \
	X(proxy_connection, "proxy-connection")                                                    \
	X(proxy_authorization, "proxy-authorization")                                              \
	X(proxy_authenticate, "proxy-authenticate")                                                \
	X(te, "te")                                                                                \
	X(trailer, "trailer")                                                                      \
	X(transfer_encoding, "transfer-encoding")                                                  \
	X(upgrade, "upgrade")                                                                      \
	X(expect, "expect")                                                                        \
	X(content_length, "content-length")                                                        \
	X(content_type, "content-type")                                                            \
	X(content_encoding, "content-encoding")                                                    \
	X(accept_encoding, "accept-encoding")                                                      \
	X(authorization, "authorization")                                                          \
	X(x_api_key, "x-api-key")                                                                  \
	X(api_key, "api-key")                                                                      \
	X(x_goog_api_key, "x-goog-api-key")                                                        \
	X(cookie, "cookie")                                                                        \
	X(set_cookie, "set-cookie")                                                                \
	X(sec_websocket_protocol, "sec-websocket-protocol")

enum http_field_id {
#define X(id, name) HTTP_##id,
	HTTP_FIELDS(X)
#undef X
		HTTP_FIELD_COUNT
};

/* The id for a field name in any case; HTTP_other when egret does not care. */
enum http_field_id http_field_id(struct slice name);

struct http_field {
	struct slice name, value; /* value trimmed of optional white space */
	enum http_field_id id;
};

enum http_body {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH, /* content_length bytes */
	HTTP_BODY_CHUNKED, /* until the codec says the message is done */
	HTTP_BODY_CLOSE, /* responses only: until the connection ends */
};

struct http_request {
	struct slice method; /* upper-case token */
	struct slice target; /* origin form: path and query, as sent; "*" for OPTIONS */
	struct slice host; /* the Host field or :authority, without port 443, any case */
	struct http_field *fields; /* all but pseudo ones; hop-by-hop ones included */
	size_t n_fields;
	enum http_body body;
	uint64_t content_length;
	bool keep_alive; /* the client wants the connection kept */
	bool expect_continue;
	bool upgrade; /* asks for another protocol */
};

struct http_response {
	unsigned status;
	struct slice reason;
	struct http_field *fields;
	size_t n_fields;
	enum http_body body;
	uint64_t content_length;
	bool keep_alive;
};

/* First field with that id, or NULL. */
static inline const struct http_field *http_find(const struct http_field *f, size_t n,
						 enum http_field_id id)
{
	for (size_t i = 0; i < n; i++)
		if (f[i].id == id)
			return &f[i];
	return NULL;
}
