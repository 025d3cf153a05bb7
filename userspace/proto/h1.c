/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h1.h"

#include <llhttp.h>

#include "proto/h1_head.h"

#define HEAD_DEFAULT   65536u
#define FIELDS_DEFAULT 200u
#define TARGET_DEFAULT 16384u
#define EXTENSION_MAX  1024u

/*
 * llhttp runs over every byte and finds where things end; head and trailers are collected as they
 * stand and read a second time, strictly, by h1_head.c when complete. So no decision depends on
 * how the input was cut.
 */
enum phase {
	PHASE_HEAD, /* -> BODY, DONE */
	PHASE_BODY, /* -> TRAILERS, DONE */
	PHASE_TRAILERS, /* -> DONE */
	PHASE_DONE,
	PHASE_FAILED,
};

/* What llhttp's callbacks found before it stopped. */
enum found { FOUND_NOTHING, FOUND_HEAD, FOUND_PIECE, FOUND_LAST_CHUNK, FOUND_END };

struct h1 {
	llhttp_t parser;
	struct h1_limits limits;
	struct pool *pool;
	bool is_request, head_request;
	enum phase phase;
	enum found found;
	const char *error;
	bool too_large;
	bool http10;
	struct slice piece;
	size_t extension; /* bytes of this chunk's extensions */
	char *section; /* head or trailers so far, in the pool */
	size_t section_n, section_size;
	struct http_request req;
	struct http_response res;
	struct h1_fields trailers;
};

static struct h1 *self(llhttp_t *p)
{
	return p->data;
}

static enum h1_event fail(struct h1 *h, const char *why)
{
	h->error = why;
	h->phase = PHASE_FAILED;
	return h->too_large ? H1_TOO_LARGE : H1_ERROR;
}

static enum h1_event fail_large(struct h1 *h, const char *why)
{
	h->too_large = true;
	return fail(h, why);
}

static int on_head(llhttp_t *p)
{
	self(p)->found = FOUND_HEAD;
	return HPE_PAUSED;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
	if (n == 0)
		return 0; /* a run over no bytes, to see whether the message has ended */
	self(p)->piece = slice_of(at, n);
	self(p)->found = FOUND_PIECE;
	return HPE_PAUSED;
}

static int on_chunk_header(llhttp_t *p)
{
	self(p)->extension = 0;
	if (p->content_length)
		return 0;
	self(p)->found = FOUND_LAST_CHUNK;
	return HPE_PAUSED;
}

static int on_extension(llhttp_t *p, const char *at, size_t n)
{
	struct h1 *h = self(p);

	h->extension += n;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)at[i] < 0x20 || at[i] == 0x7f)
			h->extension = EXTENSION_MAX + 1;
	if (h->extension <= EXTENSION_MAX)
		return 0;
	llhttp_set_error_reason(p, "a chunk extension too long or with control characters");
	return HPE_USER;
}

static int on_message(llhttp_t *p)
{
	self(p)->found = FOUND_END;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_headers_complete = on_head,
	.on_body = on_body,
	.on_chunk_header = on_chunk_header,
	.on_chunk_extension_name = on_extension,
	.on_chunk_extension_value = on_extension,
	.on_message_complete = on_message,
};

/* Keeps bytes of the head or the trailers. Room beyond head_max is never asked for. */
static bool collect(struct h1 *h, struct slice in)
{
	size_t size = h->section_size;
	char *to;

	if (h->section_n + in.n > size) {
		/* Mostly all of it comes at once; else it grows. */
		size = h->section_n ? (h->section_n + in.n) * 2 : in.n;
		to = pool_alloc(h->pool, size);
		if (!to)
			return false;
		if (h->section_n)
			memcpy(to, h->section, h->section_n);
		h->section = to;
		h->section_size = size;
	}
	if (in.n)
		memcpy(h->section + h->section_n, in.p, in.n);
	h->section_n += in.n;
	return true;
}

static struct slice take_section(struct h1 *h)
{
	struct slice s = slice_of(h->section ? h->section : "", h->section_n);

	h->section = NULL;
	h->section_n = h->section_size = 0;
	return s;
}

static enum h1_event refuse(struct h1 *h, const char *why)
{
	return why == h1_too_many ? fail_large(h, why) : fail(h, why);
}

/* Tells llhttp how the body is framed, where its own view is wider than ours. */
static enum h1_event head_done(struct h1 *h, enum http_body body, bool bodyless)
{
	h->parser.upgrade = 0;
	if (bodyless)
		h->parser.flags |= F_SKIPBODY;
	if (!!(h->parser.flags & F_CHUNKED) != (body == HTTP_BODY_CHUNKED))
		return fail(h, "two readings of Transfer-Encoding");
	h->phase = PHASE_BODY;
	return H1_HEAD;
}

static enum h1_event read_request(struct h1 *h)
{
	struct h1_fields f = { .max = h->limits.fields_max, .pool = h->pool };
	struct slice head = take_section(h);
	const char *why;

	/* One empty line in front is what RFC 9112 2.2 asks servers to bear. */
	if (slice_has_prefix(head, SLICE("\r\n")))
		head = slice_of(head.p + 2, head.n - 2);
	why = h1_head_request(head, &f, &h->req, &h->http10);
	if (why)
		return refuse(h, why);
	if (h->req.target.n > h->limits.target_max)
		return fail_large(h, "the request target is too long");
	if (h->req.content_length != h->parser.content_length)
		return fail(h, "two readings of Content-Length");
	return head_done(h, h->req.body, false);
}

static enum h1_event read_response(struct h1 *h)
{
	struct h1_fields f = { .max = h->limits.fields_max, .pool = h->pool };
	const char *why = h1_head_response(take_section(h), &f, &h->res, &h->http10);
	bool bodyless = h->head_request || h->res.status < 200 || h->res.status == 204 ||
			h->res.status == 304;

	if (why)
		return refuse(h, why);
	if (h->res.content_length != h->parser.content_length)
		return fail(h, "two readings of Content-Length");
	if (!bodyless && h->res.body == HTTP_BODY_NONE)
		h->res.body = HTTP_BODY_CLOSE;
	return head_done(h, h->res.body, bodyless);
}

static enum h1_event read_trailers(struct h1 *h)
{
	struct slice section = take_section(h);
	const char *why = NULL;

	h->trailers = (struct h1_fields){ .max = h->limits.fields_max, .pool = h->pool };
	if (h->phase == PHASE_TRAILERS)
		why = h1_head_trailers(section, &h->trailers);
	if (why)
		return refuse(h, why);
	h->phase = PHASE_DONE;
	return H1_DONE;
}

/* One stretch of llhttp: until it stops by itself or has eaten all. *ret_n: bytes consumed. */
static enum h1_event run(struct h1 *h, struct slice in, size_t *ret_n)
{
	llhttp_errno_t e;

	h->found = FOUND_NOTHING;
	e = llhttp_execute(&h->parser, in.p, in.n);
	*ret_n = in.n;
	if (e == HPE_PAUSED && h->found != FOUND_NOTHING) {
		*ret_n = (size_t)(llhttp_get_error_pos(&h->parser) - in.p);
		llhttp_resume(&h->parser);
	} else if (e != HPE_OK) {
		return fail(h, llhttp_get_error_reason(&h->parser));
	}
	return H1_NEED_MORE;
}

static enum h1_event act(struct h1 *h, struct slice *ret_body)
{
	switch (h->found) {
	case FOUND_HEAD:
		return h->is_request ? read_request(h) : read_response(h);
	case FOUND_PIECE:
		*ret_body = h->piece;
		return H1_BODY;
	case FOUND_LAST_CHUNK:
		h->phase = PHASE_TRAILERS;
		return H1_NEED_MORE;
	case FOUND_END:
		return read_trailers(h);
	case FOUND_NOTHING:
		break;
	}
	return H1_NEED_MORE;
}

/* Head and trailers: bounded, and kept. */
static enum h1_event parse_section(struct h1 *h, struct slice in, size_t *ret_n)
{
	size_t room = h->limits.head_max - h->section_n;
	enum h1_event e;

	if (in.n > room)
		in.n = room;
	e = run(h, in, ret_n);
	if (e != H1_NEED_MORE)
		return e;
	if (!collect(h, slice_of(in.p, *ret_n)))
		return fail_large(h, "the head does not fit in memory");
	if (h->found == FOUND_NOTHING && h->section_n == h->limits.head_max)
		return fail_large(h, "the head is too large");
	return H1_NEED_MORE;
}

enum h1_event h1_parse(struct h1 *h, struct slice in, size_t *ret_consumed, struct slice *ret_body)
{
	enum h1_event e = H1_NEED_MORE;
	bool may_end = h->phase == PHASE_BODY; /* an empty body ends without another byte */
	size_t n;

	*ret_consumed = 0;
	if (h->phase == PHASE_FAILED)
		return h->too_large ? H1_TOO_LARGE : H1_ERROR;
	while (e == H1_NEED_MORE && h->phase != PHASE_DONE && (in.n || may_end)) {
		may_end = false;
		e = h->phase == PHASE_BODY ? run(h, in, &n) : parse_section(h, in, &n);
		if (e != H1_NEED_MORE)
			break;
		*ret_consumed += n;
		in = slice_of(in.p + n, in.n - n);
		e = act(h, ret_body);
	}
	return e;
}

/* An empty line alone begins nothing. */
static bool is_begun(const struct h1 *h)
{
	return h->section_n && !slice_has_prefix(SLICE("\r\n"), slice_of(h->section, h->section_n));
}

enum h1_event h1_eof(struct h1 *h)
{
	if (h->phase == PHASE_FAILED)
		return h->too_large ? H1_TOO_LARGE : H1_ERROR;
	if (h->phase == PHASE_DONE || (h->phase == PHASE_HEAD && !is_begun(h)))
		return H1_NEED_MORE;
	if (!h->is_request && h->phase == PHASE_BODY && h->res.body == HTTP_BODY_CLOSE) {
		h->phase = PHASE_DONE;
		return H1_DONE;
	}
	return fail(h, "the connection ended inside a message");
}

void h1_next(struct h1 *h)
{
	h->phase = PHASE_HEAD;
	h->found = FOUND_NOTHING;
	h->error = NULL;
	h->too_large = false;
	h->extension = 0;
	h->section = NULL;
	h->section_n = h->section_size = 0;
	h->trailers = (struct h1_fields){ 0 };
	llhttp_init(&h->parser, h->is_request ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
	h->parser.data = h;
}

void h1_expect(struct h1 *h, bool is_head_request)
{
	h->head_request = is_head_request;
}

const char *h1_error(const struct h1 *h)
{
	return h->error ? h->error : "no error";
}

const struct http_request *h1_request(const struct h1 *h)
{
	return &h->req;
}

struct http_request *h1_request_mut(struct h1 *h)
{
	return &h->req;
}

bool h1_is_http10(const struct h1 *h)
{
	return h->http10;
}

const struct http_response *h1_response(const struct h1 *h)
{
	return &h->res;
}

size_t h1_trailers(const struct h1 *h, const struct http_field **ret)
{
	*ret = h->trailers.p;
	return h->trailers.n;
}

static struct h1 *new (bool is_request, const struct h1_limits *l, struct pool *pool)
{
	struct h1 *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->is_request = is_request;
	h->pool = pool;
	h->limits.head_max = l && l->head_max ? l->head_max : HEAD_DEFAULT;
	h->limits.fields_max = l && l->fields_max ? l->fields_max : FIELDS_DEFAULT;
	h->limits.target_max = l && l->target_max ? l->target_max : TARGET_DEFAULT;
	h1_next(h);
	return h;
}

struct h1 *h1_new_request(const struct h1_limits *limits, struct pool *pool)
{
	return new (true, limits, pool);
}

struct h1 *h1_new_response(const struct h1_limits *limits, struct pool *pool)
{
	return new (false, limits, pool);
}

struct h1 *h1_free(struct h1 *h)
{
	free(h);
	return NULL;
}
