/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: the catalogue that ships, or one from a text, compiled and opened. */
#pragma once

#include "base/json.h"
#include "provider/catalogue.h"

#include "embed_providers.h"

struct compiled {
	struct buf image;
	struct catalogue *c;
};

/* 0, or -errno with the diagnostic filled. */
static inline int compiled_try(struct compiled *t, const char *const *texts, size_t n,
			       struct diag *d)
{
	struct json_doc *docs[4] = { NULL };
	const struct json_doc *borrowed[4];
	int r = 0;

	*t = (struct compiled){ 0 };
	buf_init(&t->image, 16u << 20);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = json_doc_parse("t.json", slice_str(texts[i]), 1u << 20, d, &docs[i]);
		borrowed[i] = docs[i];
	}
	if (r == 0)
		r = catalogue_compile(borrowed, n, d, &t->image);
	if (r == 0)
		r = catalogue_open(t->image.p, buf_len(&t->image), &t->c);
	for (size_t i = 0; i < n; i++)
		json_doc_free(docs[i]);
	return r;
}

static inline void compiled_done(struct compiled *t)
{
	t->c = catalogue_free(t->c);
	buf_release(&t->image);
}

/* Fails the test, naming the place, when the text does not compile. */
static inline void compiled_init(struct compiled *t, const char *text)
{
	struct diag d = { 0 };
	char message[1024];

	if (compiled_try(t, &text, 1, &d) == 0)
		return;
	diag_format(&d, message, sizeof(message));
	fail_msg("%s", message);
}
