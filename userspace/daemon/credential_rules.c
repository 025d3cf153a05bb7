/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/credential_rules.h"

#include "policy/explain.h"

#define TOLD_MAX 16u

struct search {
	const struct credentials *credentials;
	json_t *texts;
};

static int look(void *ctx, const struct policy_explained *e)
{
	struct search *s = ctx;
	json_t *text;

	if (!e->credential.n || credentials_has(s->credentials, e->credential))
		return 0;
	text = json_sprintf("rule \"" SLICE_FMT "\" gives credential \"" SLICE_FMT
			    "\", which nobody has: what it allows is denied (no_credential) until "
			    "`credentials` of egret.json names one of that id",
			    SLICE_ARG(e->id), SLICE_ARG(e->credential));
	if (json_array_append_new(s->texts, text) < 0)
		return -ENOMEM;
	return json_array_size(s->texts) == TOLD_MAX;
}

json_t *credential_rules_unserved(const struct policy *p, const struct credentials *c)
{
	struct search s = { .credentials = c, .texts = json_array() };

	if (s.texts && policy_explain(p, NULL, look, &s) < 0) {
		json_decref(s.texts);
		return NULL;
	}
	return s.texts;
}
