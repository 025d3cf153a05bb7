/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue from both sides. Even first byte: a text, which compiles to an image that opens, or
 * is refused with a place. Odd: changes to a good image (offset, byte, ...), then a request.
 */
#include <assert.h>
#include <stdint.h>

#include "base/json.h"
#include "provider/catalogue.h"

#include "embed_providers.h"

static void ask(const struct catalogue *c, struct slice s)
{
	struct slice model = { "", 0 };
	size_t n;
	int host = catalogue_find_host(c, s);

	assert(host < (int)catalogue_providers(c));
	for (unsigned i = 0; i < catalogue_providers(c); i++) {
		int op = catalogue_find_operation(c, i, SLICE("POST"), s, &model);

		assert(op < 0 || catalogue_operation(c, (unsigned)op));
		assert(model.n == 0 || (model.p >= s.p && model.p + model.n <= s.p + s.n));
	}
	(void)catalogue_find_key_prefix(c, s, &n);
	(void)catalogue_is_placeholder(c, s);
	(void)catalogue_find_credential_field(c, s);
}

static int compile(struct slice text, struct diag *d, struct buf *image)
{
	struct json_doc *doc = NULL;
	int r = json_doc_parse("fuzz", text, 1u << 20, d, &doc);

	buf_init(image, 16u << 20);
	if (r == 0)
		r = catalogue_compile((const struct json_doc *const *)&doc, 1, d, image);
	json_doc_free(doc);
	return r;
}

static void attack_compiler(struct slice text)
{
	struct catalogue *c = NULL;
	struct diag d = { 0 };
	struct buf image;
	int r = compile(text, &d, &image);

	assert(r == 0 || (r == -EINVAL && d.line > 0 && d.text[0]));
	if (r == 0) {
		r = catalogue_open(image.p, buf_len(&image), &c);
		assert(r == 0);
		ask(c, SLICE("/v1/m:go"));
		ask(c, SLICE("a.b.c.com"));
	}
	catalogue_free(c);
	buf_release(&image);
}

static void attack_image(struct slice changes)
{
	static char good[1u << 18];
	static size_t n;
	_cleanup_free_ char *copy = NULL;
	struct catalogue *c = NULL;

	if (!n) {
		struct buf image;
		struct diag d = { 0 };
		int r = compile(slice_of(embed_providers, sizeof(embed_providers) - 1), &d, &image);

		assert(r == 0 && buf_len(&image) <= sizeof(good));
		n = buf_len(&image);
		memcpy(good, image.p, n);
		buf_release(&image);
	}
	copy = malloc(n);
	assert(copy);
	memcpy(copy, good, n);
	for (; changes.n >= 4 && changes.p[3]; changes = slice_of(changes.p + 4, changes.n - 4)) {
		size_t at = (unsigned char)changes.p[0] | (size_t)(unsigned char)changes.p[1] << 8 |
			    (size_t)(unsigned char)changes.p[2] << 16;

		copy[at % n] = (char)(copy[at % n] ^ changes.p[3]);
	}
	if (catalogue_open(copy, n, &c) == 0)
		ask(c, changes);
	catalogue_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data + 1, size ? size - 1 : 0);

	if (size < 1 || size > 8192)
		return 0;
	if (data[0] % 2)
		attack_image(rest);
	else
		attack_compiler(rest);
	return 0;
}
