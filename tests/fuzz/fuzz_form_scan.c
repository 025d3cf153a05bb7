/* SPDX-License-Identifier: Apache-2.0 */
/* multipart/form-data: the first line is the Content-Type, the rest the body; cuts change nothing.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/hash.h"
#include "proto/form_scan.h"

static const char *const names[] = { "model", "stream" };

static enum form_scan_result scan(struct slice type, struct slice body, size_t step,
				  uint64_t *ret_hash)
{
	const struct form_scan_value *v;
	enum form_scan_result r = FORM_SCAN_OK;
	struct form_scan *s;
	struct pool pool;

	*ret_hash = HASH_SEED;
	pool_init(&pool, 1 << 20);
	s = form_scan_new(type, names, 2, &pool);
	if (!s)
		return FORM_SCAN_MALFORMED;
	for (size_t i = 0; i < body.n && r == FORM_SCAN_OK; i += step)
		r = form_scan_feed(s, slice_of(body.p + i, body.n - i < step ? body.n - i : step));
	r = form_scan_finish(s);
	for (size_t i = 0, n = form_scan_values(s, &v); i < n; i++)
		*ret_hash = hash_bytes(*ret_hash + v[i].key, v[i].text);
	(void)form_scan_free(s);
	pool_clear(&pool, false);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *lf = size ? memchr(data, '\n', size) : NULL;
	struct slice type, body;
	uint64_t whole, cut;

	if (!lf)
		return 0;
	type = slice_of(data, (size_t)(lf - data));
	body = slice_of(lf + 1, size - (size_t)(lf + 1 - data));
	assert(scan(type, body, body.n + 1, &whole) == scan(type, body, 1 + type.n % 13, &cut));
	assert(whole == cut);
	return 0;
}
