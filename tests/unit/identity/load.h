/* SPDX-License-Identifier: Apache-2.0 */
/* A policy's workloads, as text, into an identity. */
#pragma once

#include <stdio.h>

#include "identity/identity.h"

static inline int identity_load_text(struct identity *id, const char *workloads,
				     uint32_t generation)
{
	struct json_doc *doc = NULL;
	struct diag d = { 0 };
	char text[4096];
	int r;

	(void)snprintf(text, sizeof(text), "{\"workloads\":{%s}}", workloads);
	r = json_doc_parse("p.json", slice_str(text), sizeof(text), &d, &doc);
	if (r == 0)
		r = identity_load(id, doc, generation, &d);
	(void)json_doc_free(doc);
	return r;
}
