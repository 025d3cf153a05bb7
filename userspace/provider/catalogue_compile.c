/* SPDX-License-Identifier: Apache-2.0 */
#include "egret/names.h"
#include "provider/catalogue.h"
#include "provider/catalogue_host.h"
#include "provider/catalogue_operation.h"
#include "provider/dialect.h"

#define PROVIDERS_MAX  256
#define KEY_PREFIX_MIN 3

static const char *const known_top[] = { "$schema", "providers", NULL };
static const char *const known[] = { "trust",	   "dialect",	  "hosts", "cidrs",
				     "credential", "placeholder", "env",   "key_prefixes",
				     "operations", NULL };
static const char *const known_credential[] = { "field", "prefix", NULL };

/* A provider as written; a later document's takes the place of an earlier one's. */
struct source {
	const char *name;
	const struct json_doc *doc;
	json_t *object;
};

struct sources {
	struct source s[PROVIDERS_MAX];
	uint32_t n;
};

static bool is_trust(struct slice s)
{
	return slice_eq(s, SLICE("public")) || slice_eq(s, SLICE("private"));
}

static bool is_dialect(struct slice s)
{
	return dialect_find(s) != NULL;
}

static bool is_placeholder(struct slice s)
{
	if (s.n > IMAGE_PLACEHOLDER_MAX || !slice_has_suffix(s, SLICE(EG_PLACEHOLDER)))
		return false;
	return catalogue_rule_text.is_valid(s) && !memchr(s.p, ' ', s.n);
}

static bool is_key_prefix(struct slice s)
{
	return s.n >= KEY_PREFIX_MIN && s.n <= IMAGE_KEY_PREFIX_MAX &&
	       catalogue_rule_text.is_valid(s) && !memchr(s.p, ' ', s.n);
}

static const struct catalogue_rule rule_trust = { "\"public\" or \"private\"", is_trust };
static const struct catalogue_rule rule_dialect = { "\"openai\", \"anthropic\" or \"generic\"",
						    is_dialect };
static const struct catalogue_rule rule_placeholder = {
	"the prefix of the provider's keys, then \"" EG_PLACEHOLDER "\"", is_placeholder
};
static const struct catalogue_rule rule_key_prefix = {
	"how keys begin: 3 to 63 characters without spaces", is_key_prefix
};

static int add_source(const struct catalogue_read *c, struct sources *all, json_t *providers,
		      const char *name)
{
	json_t *object = json_object_get(providers, name);
	struct slice s = slice_str(name);
	uint32_t i = 0;

	if (s.n == 0 || !catalogue_rule_name.is_valid(s))
		return json_doc_error(c->doc, c->d, providers, name, true,
				      "a provider's name must be %s", catalogue_rule_name.expected);
	if (!json_is_object(object))
		return json_doc_error(c->doc, c->d, providers, name, false,
				      "a provider must be an object");
	while (i < all->n && strcmp(all->s[i].name, name) != 0)
		i++;
	if (i == PROVIDERS_MAX)
		return json_doc_error(c->doc, c->d, providers, name, true, "more than %d providers",
				      PROVIDERS_MAX);
	all->s[i] = (struct source){ name, c->doc, object };
	if (i == all->n)
		all->n++;
	return 0;
}

static int collect(const struct catalogue_read *c, struct sources *all)
{
	json_t *root = json_doc_root(c->doc), *providers;
	void *it;
	int r;

	if (!json_is_object(root))
		return json_doc_error(c->doc, c->d, NULL, NULL, false,
				      "a catalogue must be an object");
	r = json_doc_only(c->doc, c->d, root, known_top);
	if (r < 0)
		return r;
	providers = json_object_get(root, "providers");
	if (!json_is_object(providers))
		return json_doc_error(c->doc, c->d, root, "providers", false,
				      "\"providers\" must be an object of providers by name");
	for (it = json_object_iter(providers); it; it = json_object_iter_next(providers, it)) {
		r = add_source(c, all, providers, json_object_iter_key(it));
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_text(const struct catalogue_read *c, json_t *object, const char *key,
		    const struct catalogue_rule *rule, bool required, struct image_ref *ret)
{
	struct slice s;
	int r = catalogue_read_text(c, object, key, rule, required, &s);

	return r < 0 ? r : catalogue_build_string(c->b, s, ret);
}

/* Several providers may share a field, a prefix or a placeholder: the first one is named. */
static int put_shared(struct catalogue_build *b, enum image_class class, struct slice text,
		      uint32_t provider)
{
	int r = catalogue_build_put(b, class, 0, text, provider);

	return r == -EEXIST ? 0 : r;
}

static int compile_credential(const struct catalogue_read *c, json_t *object, uint32_t provider,
			      struct image_provider *p)
{
	json_t *credential = json_object_get(object, "credential");
	struct slice field;
	char text[64];
	int r;

	if (!credential && json_array_size(json_object_get(object, "operations")) == 0)
		return 0;
	if (!json_is_object(credential))
		return json_doc_error(c->doc, c->d, object, "credential", false,
				      "a provider with operations needs \"credential\": "
				      "{ \"field\": ..., \"prefix\": ... }");
	r = json_doc_only(c->doc, c->d, credential, known_credential);
	if (r == 0)
		r = put_text(c, credential, "field", &catalogue_rule_field, true,
			     &p->credential_field);
	if (r == 0)
		r = put_text(c, credential, "prefix", &catalogue_rule_text, false,
			     &p->credential_prefix);
	if (r == 0)
		r = catalogue_read_text(c, credential, "field", &catalogue_rule_field, true,
					&field);
	if (r < 0)
		return r;
	/* The rule for names keeps it short enough. */
	(void)image_field_name(field, text, &field);
	return put_shared(c->b, IMAGE_FIELD, field, provider);
}

static int compile_placeholder(const struct catalogue_read *c, json_t *object, uint32_t provider,
			       struct image_provider *p)
{
	struct slice s;
	int r = catalogue_read_text(c, object, "placeholder", &rule_placeholder, false, &s);

	if (r == 0 && s.n == 0)
		s = SLICE(EG_PLACEHOLDER);
	if (r == 0)
		r = catalogue_build_string(c->b, s, &p->placeholder);
	return r < 0 ? r : put_shared(c->b, IMAGE_PLACEHOLDER, s, provider);
}

static int compile_key_prefixes(const struct catalogue_read *c, json_t *object, uint32_t provider,
				struct image_provider *p)
{
	json_t *list;
	int r = catalogue_read_texts(c, object, "key_prefixes", &rule_key_prefix, &p->key_prefixes);

	if (r == 0)
		r = catalogue_read_list(c, object, "key_prefixes", &list);
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		struct slice s;

		r = catalogue_read_element(c, list, i, &rule_key_prefix, &s);
		if (r < 0)
			return r;
		c->b->key_prefix_lengths |= (uint64_t)1 << s.n;
		r = put_shared(c->b, IMAGE_KEY_PREFIX, s, provider);
	}
	return r;
}

static int compile_provider(const struct catalogue_read *c, const struct source *s,
			    uint32_t provider)
{
	struct image_provider p = { 0 };
	int r, root = catalogue_build_node(c->b);

	if (root < 0)
		return root;
	p.root = (uint32_t)root;
	r = json_doc_only(c->doc, c->d, s->object, known);
	if (r == 0)
		r = catalogue_build_string(c->b, slice_str(s->name), &p.name);
	if (r == 0)
		r = catalogue_build_put(c->b, IMAGE_PROVIDER, 0, slice_str(s->name), provider);
	if (r == 0)
		r = put_text(c, s->object, "trust", &rule_trust, true, &p.trust);
	if (r == 0)
		r = put_text(c, s->object, "dialect", &rule_dialect, true, &p.dialect);
	if (r == 0)
		r = compile_credential(c, s->object, provider, &p);
	if (r == 0)
		r = compile_placeholder(c, s->object, provider, &p);
	if (r == 0)
		r = compile_key_prefixes(c, s->object, provider, &p);
	if (r == 0)
		r = catalogue_read_texts(c, s->object, "env", &catalogue_rule_env, &p.env);
	if (r == 0)
		r = catalogue_host_compile(c, s->object, provider, &p.hosts);
	if (r == 0)
		r = catalogue_operation_compile(c, s->object, p.root);
	return r < 0 ? r : catalogue_build_add(c->b, IMAGE_providers, &p, sizeof(p));
}

static int compile_all(const struct sources *all, struct diag *d, struct catalogue_build *b)
{
	int r = all->n ? put_shared(b, IMAGE_PLACEHOLDER, SLICE(EG_PLACEHOLDER), 0) : 0;

	for (uint32_t i = 0; i < all->n && r >= 0; i++) {
		const struct catalogue_read c = { all->s[i].doc, d, b };

		r = compile_provider(&c, &all->s[i], i);
	}
	return r < 0 ? r : 0;
}

int catalogue_compile(const struct json_doc *const *docs, size_t n_docs, struct diag *d,
		      struct buf *ret)
{
	_cleanup_(catalogue_build_done) struct catalogue_build b = { 0 };
	_cleanup_free_ struct sources *all = calloc(1, sizeof(*all));
	int r;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n_docs; i++) {
		const struct catalogue_read c = { docs[i], d, NULL };

		r = collect(&c, all);
		if (r < 0)
			return r;
	}
	r = catalogue_build_init(&b);
	if (r == 0)
		r = compile_all(all, d, &b);
	return r < 0 ? r : catalogue_build_finish(&b, ret);
}
