/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1: whatever the cuts, the same messages come out. The first byte of the input chooses the
 * side and the size of the pieces, the rest is what a peer sent.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/hash.h"
#include "proto/h1.h"
#include "proto/h1_write.h"

struct run {
	uint64_t hash; /* of everything reported, in order */
	unsigned messages;
	enum h1_event last;
};

static uint64_t hash_fields(uint64_t h, const struct http_field *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = hash_bytes(hash_bytes(h, f[i].name), f[i].value);
	return h;
}

/* A head that was accepted must be one that our own writer and parser agree on. */
static void check_request(const struct http_request *r)
{
	struct h1_request_opts o = { .host = r->host, .body = HTTP_BODY_NONE };
	size_t size = 1 << 17, used;
	char *text = malloc(size);
	struct slice body;
	struct pool pool;
	struct h1 *h;
	ssize_t n = h1_write_request(text, size, r, &o);

	assert(n > 0);
	pool_init(&pool, 1 << 20);
	h = h1_new_request(NULL, &pool);
	assert(h1_parse(h, slice_of(text, (size_t)n), &used, &body) == H1_HEAD);
	assert(slice_eq(h1_request(h)->target, r->target));
	(void)h1_free(h);
	pool_clear(&pool, false);
	free(text);
}

static struct run run(bool response, struct slice in, size_t step)
{
	struct run t = { .hash = HASH_SEED, .last = H1_NEED_MORE };
	struct slice body, piece;
	struct pool pool;
	size_t used, at = 0;
	struct h1 *h;

	pool_init(&pool, 1 << 20);
	h = response ? h1_new_response(NULL, &pool) : h1_new_request(NULL, &pool);
	while (h && t.messages < 16) {
		piece = slice_of(in.p + at, in.n - at < step ? in.n - at : step);
		if (piece.n == 0)
			break;
		t.last = h1_parse(h, piece, &used, &body);
		assert(used <= piece.n);
		at += used;
		if (t.last == H1_HEAD && !response) {
			const struct http_request *r = h1_request(h);

			assert(r->host.n || h1_is_http10(h));
			t.hash = hash_bytes(hash_bytes(hash_bytes(t.hash, r->method), r->target),
					    r->host);
			t.hash = hash_fields(t.hash, r->fields, r->n_fields);
			if (step >= in.n)
				check_request(r);
		} else if (t.last == H1_HEAD) {
			const struct http_response *r = h1_response(h);

			t.hash = hash_fields(t.hash + r->status, r->fields, r->n_fields);
		} else if (t.last == H1_BODY) {
			for (size_t i = 0; i < body.n; i++) /* pieces may be cut anywhere */
				t.hash = (t.hash ^ (unsigned char)body.p[i]) * 0x100000001b3u;
		} else if (t.last == H1_DONE) {
			t.messages++;
			h1_next(h);
			pool_clear(&pool, true);
		} else if (t.last == H1_ERROR || t.last == H1_TOO_LARGE) {
			break;
		}
	}
	(void)h1_free(h);
	pool_clear(&pool, false);
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run whole, cut;
	struct slice in;

	if (size < 2)
		return 0;
	in = slice_of(data + 1, size - 1);
	whole = run(data[0] & 1, in, in.n);
	cut = run(data[0] & 1, in, 1 + (data[0] >> 1) % 17);
	assert(whole.messages == cut.messages);
	assert((whole.last == H1_ERROR || whole.last == H1_TOO_LARGE) ==
	       (cut.last == H1_ERROR || cut.last == H1_TOO_LARGE));
	if (whole.last != H1_ERROR && whole.last != H1_TOO_LARGE)
		assert(whole.hash == cut.hash);
	return 0;
}
