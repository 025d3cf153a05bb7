/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a policy from its text. */
#pragma once

#include "fake_catalogue.h"

#include <stdio.h>

#include "policy/compile.h"
#include "policy/policy.h"

struct compiled {
	struct buf image;
	struct policy *policy;
	struct diag d;
};

static int compile_text(const char *text, struct compiled *c)
{
	struct json_doc *doc = NULL;
	int r;

	*c = (struct compiled){ 0 };
	buf_init(&c->image, 64u << 20);
	r = json_doc_parse("p.json", slice_str(text), 64u << 20, &c->d, &doc);
	if (r == 0)
		r = policy_compile(doc, &fake_catalogue, &c->d, &c->image);
	if (r == 0)
		r = policy_open(buf_slice(&c->image).p, buf_len(&c->image), &c->policy);
	(void)json_doc_free(doc);
	return r;
}

static void compiled_done(struct compiled *c)
{
	c->policy = policy_free(c->policy);
	buf_release(&c->image);
}
