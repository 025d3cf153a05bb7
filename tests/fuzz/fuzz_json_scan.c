/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies against the governed paths: cuts change nothing; and an accepted body means to another,
 * independent reader (jansson) what it means to us.
 */
#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/json_scan.h"

static const struct json_scan_want wants[] = {
	{ "model", 1u << JSON_SCAN_STRING },
	{ "max_tokens", 1u << JSON_SCAN_UINT | 1u << JSON_SCAN_NULL },
	{ "requests[].params.model", 1u << JSON_SCAN_STRING },
};

static enum json_scan_result scan(struct json_scan *s, struct slice body, size_t step)
{
	for (size_t n = step; step && n < body.n; n += step) {
		enum json_scan_result r = json_scan_feed(s, slice_of(body.p, n));

		if (r != JSON_SCAN_OK)
			return r;
	}
	return json_scan_finish(s, body);
}

/* Everything found is what jansson finds under the same key, at the place we say. */
static void check(struct json_scan *s, struct slice body)
{
	const struct json_scan_value *v;
	size_t n = json_scan_values(s, &v), models = 0;
	json_t *doc = json_loadb(body.p, body.n, JSON_ALLOW_NUL, NULL), *model;

	for (size_t i = 0; i < n; i++) {
		assert(v[i].start < v[i].end && v[i].end <= body.n);
		models += v[i].key == 0;
		if (v[i].type == JSON_SCAN_STRING)
			assert(body.p[v[i].start] == '"' && body.p[v[i].end - 1] == '"');
	}
	if (!doc)
		return; /* it refuses more than we do: huge numbers, lone surrogates elsewhere */
	model = json_object_get(doc, "model");
	assert((model != NULL) == (models == 1) && models <= 1);
	for (size_t i = 0; i < n; i++)
		if (v[i].key == 0)
			assert(slice_eq(v[i].text, slice_of(json_string_value(model),
							    json_string_length(model))));
	json_decref(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice body = slice_of(data + 1, size ? size - 1 : 0);
	struct json_scan_plan plan;
	enum json_scan_result r[2];

	if (size < 1)
		return 0;
	assert(json_scan_plan(wants, sizeof(wants) / sizeof(*wants), &plan) == 0);
	for (int i = 0; i < 2; i++) {
		struct json_scan *s;
		struct pool pool;

		pool_init(&pool, 1 << 20);
		s = json_scan_new(&plan, 64, &pool);
		assert(s);
		r[i] = scan(s, body, i ? 1 + data[0] % 31 : 0);
		if (r[i] == JSON_SCAN_OK)
			check(s, body);
		(void)json_scan_free(s);
		pool_clear(&pool, false);
	}
	/* Cut, a syntax error may be met before or after another fault, never instead of
	 * acceptance. */
	assert((r[0] == JSON_SCAN_OK) == (r[1] == JSON_SCAN_OK));
	return 0;
}
