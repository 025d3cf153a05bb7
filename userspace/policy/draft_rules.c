/* SPDX-License-Identifier: Apache-2.0 */
/* "rules" of a policy: conditions, checked against what exists, and what a rule does. */
#include "policy/draft.h"

#include "base/nearest.h"
#include "policy/draft_value.h"

#define TEXT_MAX       400
#define CONDS_MAX      64
#define MAX_TOKENS_MAX 1000000000

/* What a message calls the rule: its id is known by then. */
#define RULE_FMT       "rule \"" SLICE_FMT "\": "
#define RULE_ARG(r)    SLICE_ARG((r)->id)

static int read_values(struct draft *dr, struct draft_rule *rule, json_t *when, const char *key,
		       struct draft_cond *c)
{
	json_t *json = json_object_get(when, key);
	size_t n = json_is_array(json) ? json_array_size(json) : 1;

	if (!n || !(json_is_string(json) || json_is_array(json)))
		return json_doc_error(dr->doc, dr->d, when, key, false,
				      RULE_FMT "\"%s\" must be a string or a list of strings",
				      RULE_ARG(rule), key);
	c->values = pool_zalloc(&dr->pool, sizeof(*c->values) * n);
	if (!c->values)
		return -ENOMEM;
	for (; c->n_values < n; c->n_values++) {
		json_t *one = json_is_array(json) ? json_array_get(json, c->n_values) : json;
		struct slice value = draft_string(one);
		char why[256];
		int r;

		r = value.p ? draft_value_check(dr, c, value, why, sizeof(why)) : 0;
		if (value.p && r == 0) {
			c->values[c->n_values] = value;
			continue;
		}
		if (r == 0)
			(void)slice_copy(SLICE("must be a string"), why, sizeof(why));
		return json_is_array(json)
			       ? json_doc_error_at(dr->doc, dr->d, json, c->n_values,
						   RULE_FMT "\"%s\" %s", RULE_ARG(rule), key, why)
			       : json_doc_error(dr->doc, dr->d, when, key, false,
						RULE_FMT "\"%s\" %s", RULE_ARG(rule), key, why);
	}
	return 0;
}

/* Which condition a member of "when" is; IMAGE_DIM_COUNT: none. */
static enum image_dim dim_of(const char *key, struct slice *ret_label)
{
	static const char *const keys[IMAGE_DIM_COUNT] = {
		[IMAGE_DIM_WORKLOAD] = "workload",    [IMAGE_DIM_PROVIDER] = "provider",
		[IMAGE_DIM_TRUST] = "provider.trust", [IMAGE_DIM_MODEL] = "model",
		[IMAGE_DIM_OPERATION] = "operation",
	};
	struct slice k = slice_str(key);

	if (slice_has_prefix(k, SLICE("label."))) {
		*ret_label = slice_of(k.p + 6, k.n - 6);
		return IMAGE_DIM_LABEL;
	}
	for (int i = 0; i < IMAGE_DIM_COUNT; i++)
		if (keys[i] && strcmp(keys[i], key) == 0)
			return (enum image_dim)i;
	return IMAGE_DIM_COUNT;
}

static int unknown_cond(struct draft *dr, struct draft_rule *rule, json_t *when, const char *key)
{
	struct nearest near;
	char hint[128];

	nearest_init(&near, slice_str(key));
	nearest_offer(&near, SLICE("workload"));
	nearest_offer(&near, SLICE("provider"));
	nearest_offer(&near, SLICE("provider.trust"));
	nearest_offer(&near, SLICE("model"));
	nearest_offer(&near, SLICE("operation"));
	nearest_hint(&near, hint, sizeof(hint));
	return json_doc_error(dr->doc, dr->d, when, key, true,
			      RULE_FMT "unknown condition \"%.63s\"%s%s", RULE_ARG(rule), key, hint,
			      near.best.n ? ""
					  : "; known: workload, label.NAME, provider, "
					    "provider.trust, model, operation");
}

static int unknown_label(struct draft *dr, struct draft_rule *rule, json_t *when, const char *key,
			 struct slice label)
{
	struct nearest near;
	char hint[128];

	nearest_init(&near, label);
	for (size_t i = 0; i < dr->label_names.n; i++)
		nearest_offer(&near, dr->label_names.name[i]);
	nearest_hint(&near, hint, sizeof(hint));
	return json_doc_error(dr->doc, dr->d, when, key, true,
			      RULE_FMT "no workload has a label \"%.63s\"%s", RULE_ARG(rule),
			      key + 6, hint);
}

static int read_when(struct draft *dr, struct draft_rule *rule, json_t *json)
{
	json_t *when = json_object_get(json, "when"), *value;
	const char *key;

	if (!when)
		return 0;
	if (!json_is_object(when) || json_object_size(when) > CONDS_MAX)
		return json_doc_error(dr->doc, dr->d, json, "when", false,
				      RULE_FMT
				      "\"when\" must be an object of at most %d conditions",
				      RULE_ARG(rule), CONDS_MAX);
	rule->conds = pool_zalloc(&dr->pool, sizeof(*rule->conds) * (json_object_size(when) + 1));
	if (!rule->conds)
		return -ENOMEM;
	/* Once per kind of condition, so that they come out in that order. */
	for (int dim = 0; dim < IMAGE_DIM_COUNT; dim++) {
		json_object_foreach(when, key, value)
		{
			struct draft_cond c = { 0 };
			int r;

			c.dim = dim_of(key, &c.label);
			if (c.dim == IMAGE_DIM_COUNT)
				return unknown_cond(dr, rule, when, key);
			if ((int)c.dim != dim)
				continue;
			if (c.dim == IMAGE_DIM_LABEL && names_find(&dr->label_names, c.label) < 0)
				return unknown_label(dr, rule, when, key, c.label);
			r = read_values(dr, rule, when, key, &c);
			if (r < 0)
				return r;
			rule->conds[rule->n_conds++] = c;
		}
	}
	return 0;
}

static int read_headers(struct draft *dr, struct draft_rule *rule, json_t *allow)
{
	json_t *all = json_object_get(allow, "headers"), *value;
	const char *name;

	if (!all)
		return 0;
	if (!json_is_object(all) || json_object_size(all) > DRAFT_HEADERS_MAX)
		return json_doc_error(dr->doc, dr->d, allow, "headers", false,
				      RULE_FMT
				      "\"headers\" must be an object of at most %d strings",
				      RULE_ARG(rule), DRAFT_HEADERS_MAX);
	rule->headers =
		pool_zalloc(&dr->pool, sizeof(*rule->headers) * (json_object_size(all) + 1));
	if (!rule->headers)
		return -ENOMEM;
	json_object_foreach(all, name, value)
	{
		struct draft_pair h = { slice_str(name), draft_string(value) };
		char why[256];
		int r = draft_value_header(dr, rule, h, why, sizeof(why));

		if (r < 0)
			return json_doc_error(dr->doc, dr->d, all, name, r == -EDOM, RULE_FMT "%s",
					      RULE_ARG(rule), why);
		rule->headers[rule->n_headers++] = h;
	}
	return 0;
}

static int read_allow(struct draft *dr, struct draft_rule *rule, json_t *json)
{
	static const char *const members[] = { "credential", "max_tokens", "headers", NULL };
	json_t *allow = json_object_get(json, "allow");
	json_t *credential = json_object_get(allow, "credential");
	json_t *max_tokens = json_object_get(allow, "max_tokens");
	int r;

	if (!json_is_object(allow))
		return json_doc_error(dr->doc, dr->d, json, "allow", false,
				      RULE_FMT "\"allow\" must be an object; {} has no obligations",
				      RULE_ARG(rule));
	r = json_doc_only(dr->doc, dr->d, allow, members);
	if (r < 0)
		return r;
	rule->credential = draft_string(credential);
	if (credential && !draft_is_name(rule->credential))
		return json_doc_error(dr->doc, dr->d, allow, "credential", false,
				      RULE_FMT "\"credential\" must be the id of a credential",
				      RULE_ARG(rule));
	if (max_tokens && (!json_is_integer(max_tokens) || json_integer_value(max_tokens) < 1 ||
			   json_integer_value(max_tokens) > MAX_TOKENS_MAX))
		return json_doc_error(dr->doc, dr->d, allow, "max_tokens", false,
				      RULE_FMT "\"max_tokens\" must be a whole number from 1 to %d",
				      RULE_ARG(rule), MAX_TOKENS_MAX);
	rule->max_tokens = max_tokens ? (uint64_t)json_integer_value(max_tokens) : 0;
	return read_headers(dr, rule, allow);
}

static int read_deny(struct draft *dr, struct draft_rule *rule, json_t *json)
{
	rule->deny = true;
	rule->text = draft_string(json_object_get(json, "deny"));
	if (!rule->text.p || !rule->text.n || rule->text.n > TEXT_MAX)
		return json_doc_error(dr->doc, dr->d, json, "deny", false,
				      RULE_FMT
				      "\"deny\" must be a text of 1 to %d bytes that tells the "
				      "caller why, and what to do instead",
				      RULE_ARG(rule), TEXT_MAX);
	for (size_t i = 0; i < rule->text.n; i++)
		if ((unsigned char)rule->text.p[i] < 0x20 || rule->text.p[i] == 0x7f)
			return json_doc_error(dr->doc, dr->d, json, "deny", false,
					      RULE_FMT "\"deny\" must not hold control characters",
					      RULE_ARG(rule));
	return 0;
}

static int read_id(struct draft *dr, struct draft_rule *rule, json_t *rules, size_t i, json_t *json)
{
	json_t *id = json_object_get(json, "id");
	bool new;
	int r;

	rule->id = draft_string(id);
	if (!id)
		return json_doc_error_at(dr->doc, dr->d, rules, i, "a rule needs an \"id\"");
	if (!draft_is_name(rule->id))
		return json_doc_error(
			dr->doc, dr->d, json, "id", false,
			"a rule's id is 1 to 63 letters, digits, \".\", \"_\", \"-\", "
			"and begins with a letter or digit");
	r = names_add(&dr->rule_ids, rule->id, &new);
	if (r >= 0 && !new)
		return json_doc_error(dr->doc, dr->d, json, "id", false,
				      "another rule has the id \"" SLICE_FMT
				      "\" too; ids are unique",
				      RULE_ARG(rule));
	return r;
}

static int read_rule(struct draft *dr, struct draft_rule *rule, json_t *rules, size_t i)
{
	static const char *const members[] = { "id", "when", "allow", "deny", "shadow", NULL };
	json_t *json = json_array_get(rules, i), *shadow;
	int r;

	if (!json_is_object(json))
		return json_doc_error_at(dr->doc, dr->d, rules, i, "a rule must be an object");
	r = json_doc_only(dr->doc, dr->d, json, members);
	if (r == 0)
		r = read_id(dr, rule, rules, i, json);
	if (r < 0)
		return r;
	shadow = json_object_get(json, "shadow");
	if (shadow && !json_is_boolean(shadow))
		return json_doc_error(dr->doc, dr->d, json, "shadow", false,
				      RULE_FMT "\"shadow\" must be true or false", RULE_ARG(rule));
	rule->shadow = json_is_true(shadow);
	if (!json_object_get(json, "allow") == !json_object_get(json, "deny"))
		return json_doc_error_at(dr->doc, dr->d, rules, i,
					 RULE_FMT "needs exactly one of \"allow\" and \"deny\"",
					 RULE_ARG(rule));
	r = json_object_get(json, "deny") ? read_deny(dr, rule, json) : read_allow(dr, rule, json);
	return r < 0 ? r : read_when(dr, rule, json);
}

int draft_rules(struct draft *dr, json_t *root)
{
	json_t *rules = json_object_get(root, "rules");
	int r;

	if (!json_is_array(rules))
		return json_doc_error(dr->doc, dr->d, root, rules ? "rules" : NULL, false,
				      "a policy needs \"rules\", a list of rules");
	if (json_array_size(rules) > IMAGE_RULES_MAX)
		return json_doc_error(dr->doc, dr->d, root, "rules", false, "more than %u rules",
				      IMAGE_RULES_MAX);
	dr->rules = pool_zalloc(&dr->pool, sizeof(*dr->rules) * (json_array_size(rules) + 1));
	if (!dr->rules)
		return -ENOMEM;
	for (; dr->n_rules < json_array_size(rules); dr->n_rules++) {
		r = read_rule(dr, &dr->rules[dr->n_rules], rules, dr->n_rules);
		if (r < 0)
			return r;
	}
	return 0;
}
