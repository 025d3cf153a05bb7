/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/catalogue.h"

#include "provider/catalogue_open.h"
#include "provider/catalogue_path.h"

#define HOST_MAX  253
#define LABEL_MAX 63
#define VERB_MAX  64

/* Value for a key of the table, or -1. */
static int find(const struct catalogue *c, enum image_class class, uint32_t node, struct slice text)
{
	const struct image_entry *e =
		image_probe(c->entries, c->n[IMAGE_entries], c->strings, class, node, text);

	return e && e->class != IMAGE_EMPTY ? (int)e->value : -1;
}

static int match_host(const struct catalogue *c, uint32_t node, struct slice rest);

static int match_child(const struct catalogue *c, uint32_t node, struct slice edge,
		       struct slice rest)
{
	int child = find(c, IMAGE_EDGE, node, edge);

	return child < 0 ? -1 : match_host(c, (uint32_t)child, rest);
}

/* "*-suffix": every dash of the label may be where the suffix begins; the longest one first. */
static int match_ends(const struct catalogue *c, uint32_t node, struct slice label,
		      struct slice rest)
{
	char edge[LABEL_MAX + 2];

	for (size_t i = 1; i < label.n; i++) {
		int provider;

		if (label.p[i] != '-')
			continue;
		edge[0] = '*';
		memcpy(edge + 1, label.p + i, label.n - i);
		provider = match_child(c, node, slice_of(edge, label.n - i + 1), rest);
		if (provider >= 0)
			return provider;
	}
	return -1;
}

/*
 * The more literal pattern wins. Recursion is as deep as the deepest pattern, and each node is met
 * once at most, since the patterns are a tree.
 */
static int match_host(const struct catalogue *c, uint32_t node, struct slice rest)
{
	const struct image_node *at = &c->nodes[node];
	struct slice label;
	int provider;

	if (rest.n == 0)
		return (int)at->host_here - 1;
	label = image_last_label(&rest);
	provider = match_child(c, node, label, rest);
	if (provider < 0)
		provider = match_ends(c, node, label, rest);
	if (provider < 0)
		provider = match_child(c, node, SLICE("*"), rest);
	if (provider < 0)
		provider = (int)at->host_below - 1;
	return provider;
}

/* Lower case, without the root's dot, and only bytes and lengths that a name can have. */
static bool normalise_host(struct slice host, char *to, size_t *ret_n)
{
	size_t label = 0;

	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	if (host.n == 0 || host.n > HOST_MAX)
		return false;
	for (size_t i = 0; i < host.n; i++) {
		char ch = ascii_lower(host.p[i]);

		label = ch == '.' ? 0 : label + 1;
		if (label > LABEL_MAX || ch == '*' || (ch == '.' && (i == 0 || to[i - 1] == '.')))
			return false;
		to[i] = ch;
	}
	*ret_n = host.n;
	return true;
}

int catalogue_find_host(const struct catalogue *c, struct slice host)
{
	char lower[HOST_MAX];
	struct slice name = { lower, 0 };
	int provider;

	if (!normalise_host(host, lower, &name.n))
		return -1;
	provider = find(c, IMAGE_HOST, 0, name);
	return provider >= 0 ? provider : match_host(c, 0, name);
}

size_t catalogue_providers(const struct catalogue *c)
{
	return c->n[IMAGE_providers];
}

const struct catalogue_provider *catalogue_provider(const struct catalogue *c, unsigned provider)
{
	return provider < c->n[IMAGE_providers] ? &c->provider[provider] : NULL;
}

int catalogue_find_provider(const struct catalogue *c, struct slice name)
{
	return find(c, IMAGE_PROVIDER, 0, name);
}

/* Where verbs exist, a colon (also an encoded one) is no part of a plain "{}". */
static bool has_colon(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == ':' || (s.p[i] == '%' && i + 2 < s.n && s.p[i + 1] == '3' &&
				      ascii_lower(s.p[i + 2]) == 'a'))
			return true;
	return false;
}

/* "{}:verb": cuts the verb off *segment. What stands before it holds no other colon. */
static int step_verb(const struct catalogue *c, uint32_t node, struct slice *segment)
{
	const char *colon = memchr(segment->p, ':', segment->n);
	size_t n = colon ? (size_t)(colon - segment->p) : 0, n_edge;
	char edge[2 + VERB_MAX] = "{}";

	if (n == 0 || segment->n - n > VERB_MAX)
		return -1;
	memcpy(edge + 2, colon, segment->n - n);
	n_edge = 2 + segment->n - n;
	segment->n = n;
	return find(c, IMAGE_EDGE, node, slice_of(edge, n_edge));
}

/*
 * The next node for a segment, or -1. A literal segment wins for good: when nothing follows there,
 * "{}" is not tried in its place, since the provider itself would not read it as an id.
 */
static int step(const struct catalogue *c, uint32_t node, struct slice *segment)
{
	int child = find(c, IMAGE_EDGE, node, *segment);

	if (child >= 0)
		return child;
	if (c->nodes[node].verbs && has_colon(*segment))
		return step_verb(c, node, segment);
	return find(c, IMAGE_EDGE, node, SLICE("{}"));
}

int catalogue_find_operation(const struct catalogue *c, unsigned provider, struct slice method,
			     struct slice path, struct slice *ret_model)
{
	struct slice model = { "", 0 };
	struct catalogue_path cut;
	const struct image_template *t;
	int node, end;

	if (provider >= c->n[IMAGE_providers] || !catalogue_path_cut(path, &cut))
		return -1;
	node = (int)c->providers[provider].root;
	for (unsigned i = 0; i < cut.n && node >= 0; i++)
		node = step(c, (uint32_t)node, &cut.segment[i]);
	end = node < 0 ? -1 : find(c, IMAGE_END, (uint32_t)node, method);
	if (end < 0)
		return -1;
	t = &c->templates[end];
	if (t->model_segment > cut.n)
		return -1;
	if (t->model_segment)
		model = cut.segment[t->model_segment - 1];
	/* Policy compares the model as it stands: an encoded one could hide behind its encoding. */
	if (memchr(model.p, '%', model.n))
		return -1;
	*ret_model = model;
	return (int)t->operation;
}

const struct catalogue_operation *catalogue_operation(const struct catalogue *c, unsigned operation)
{
	return operation < c->n[IMAGE_operations] ? &c->operation[operation] : NULL;
}

size_t catalogue_kinds(const struct catalogue *c)
{
	return c->n[IMAGE_kinds];
}

struct slice catalogue_kind_name(const struct catalogue *c, unsigned kind)
{
	return kind < c->n[IMAGE_kinds] ? catalogue_open_slice(c, c->kinds[kind]) : slice_of("", 0);
}

int catalogue_find_kind(const struct catalogue *c, struct slice name)
{
	return find(c, IMAGE_KIND, 0, name);
}

bool catalogue_name_at(const struct catalogue *c, size_t i, struct slice *ret_host,
		       unsigned *ret_provider)
{
	if (i >= c->n[IMAGE_names])
		return false;
	*ret_host = catalogue_open_slice(c, c->names[i].host);
	*ret_provider = c->names[i].provider;
	return true;
}

bool catalogue_cidr_at(const struct catalogue *c, size_t i, struct eg_endpoint_key *ret_key,
		       unsigned *ret_provider)
{
	if (i >= c->n[IMAGE_cidrs])
		return false;
	*ret_key = c->cidrs[i].key;
	*ret_provider = c->cidrs[i].provider;
	return true;
}

int catalogue_find_key_prefix(const struct catalogue *c, struct slice value, size_t *ret_length)
{
	for (size_t n = IMAGE_KEY_PREFIX_MAX; n > 0; n--) {
		int provider;

		if (n > value.n || !(c->header->key_prefix_lengths & (uint64_t)1 << n))
			continue;
		provider = find(c, IMAGE_KEY_PREFIX, 0, slice_of(value.p, n));
		if (provider < 0)
			continue;
		*ret_length = n;
		return provider;
	}
	return -1;
}

bool catalogue_is_placeholder(const struct catalogue *c, struct slice value)
{
	return find(c, IMAGE_PLACEHOLDER, 0, value) >= 0;
}

struct slice catalogue_find_credential_field(const struct catalogue *c, struct slice name)
{
	char text[64];
	struct slice field;
	int provider;

	/* Asked for each field of each request; hardly any is as long as one of these. */
	if (!(c->field_lengths >> (name.n & 63) & 1))
		return slice_of("", 0);
	provider = image_field_name(name, text, &field) ? find(c, IMAGE_FIELD, 0, field) : -1;

	return provider < 0 ? slice_of("", 0) : c->provider[provider].credential_field;
}
