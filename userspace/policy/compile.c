/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/compile.h"

#include "policy/emit.h"
#include "policy/draft.h"
#include "policy/modes.h"

#define DRAFT_MEMORY_MAX (256u << 20)

/* No part of the image: read for its errors. */
static int check_modes(struct draft *dr)
{
	struct policy_modes *modes = NULL;
	int r = policy_modes_read(dr->doc, dr->d, &modes);

	(void)policy_modes_free(modes);
	return r;
}

static int read_root(struct draft *dr)
{
	static const char *const members[] = { "$schema",   "version", "direct_keys",
					       "workloads", "rules",   NULL };
	json_t *root = json_doc_root(dr->doc), *version;
	int r;

	if (!json_is_object(root))
		return json_doc_error(dr->doc, dr->d, NULL, NULL, false,
				      "a policy is an object with \"workloads\" and \"rules\"");
	r = json_doc_only(dr->doc, dr->d, root, members);
	if (r < 0)
		return r;
	version = json_object_get(root, "version");
	if (version && (!json_is_integer(version) || json_integer_value(version) != 1))
		return json_doc_error(dr->doc, dr->d, root, "version", false,
				      "\"version\" must be 1, the only one there is");
	r = draft_workloads(dr, root);
	if (r == 0)
		r = check_modes(dr);
	return r < 0 ? r : draft_rules(dr, root);
}

int policy_compile(const struct json_doc *doc, const struct catalogue *cat, struct diag *d,
		   struct buf *ret)
{
	_cleanup_(draft_done) struct draft dr = { .doc = doc, .cat = cat, .d = d };
	int r;

	pool_init(&dr.pool, DRAFT_MEMORY_MAX);
	r = read_root(&dr);
	return r < 0 ? r : emit_image(&dr, ret);
}
