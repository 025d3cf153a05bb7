/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks an image and resolves it to what catalogue.h hands out. After this no look-up has to
 * check again: every offset, position and list is inside, every node has at most one parent with
 * a smaller number (so a walk ends), and the table has room for a look-up to end in.
 */
#include "provider/catalogue_open.h"

#include "provider/catalogue.h"

static const size_t element_size[IMAGE_SECTION_COUNT] = {
#define X(name, type) [IMAGE_##name] = sizeof(type),
	IMAGE_SECTIONS(X)
#undef X
};

static bool check_sections(const struct image_header *h, size_t n)
{
	if (h->magic != IMAGE_MAGIC || h->version != IMAGE_VERSION || h->size != n)
		return false;
	for (int i = 0; i < IMAGE_SECTION_COUNT; i++) {
		uint64_t bytes = (uint64_t)h->section[i].n * element_size[i];

		if (h->section[i].off % 8 || h->section[i].off < sizeof(*h) ||
		    h->section[i].off > n || bytes > n - h->section[i].off)
			return false;
	}
	return true;
}

static bool ref_ok(const struct catalogue *c, struct image_ref ref)
{
	uint32_t n = c->n[IMAGE_strings];

	return ref.off <= n && ref.n <= n - ref.off;
}

static bool list_ok(const struct catalogue *c, struct image_list list)
{
	uint32_t n = c->n[IMAGE_refs];

	return list.first <= n && list.n <= n - list.first;
}

static bool providers_ok(const struct catalogue *c)
{
	for (uint32_t i = 0; i < c->n[IMAGE_providers]; i++) {
		const struct image_provider *p = &c->providers[i];

		if (!ref_ok(c, p->name) || !ref_ok(c, p->trust) || !ref_ok(c, p->dialect) ||
		    !ref_ok(c, p->credential_field) || !ref_ok(c, p->credential_prefix) ||
		    !ref_ok(c, p->placeholder) || !list_ok(c, p->env) ||
		    !list_ok(c, p->key_prefixes) || !list_ok(c, p->hosts) ||
		    p->root >= c->n[IMAGE_nodes])
			return false;
	}
	return true;
}

static bool operations_ok(const struct catalogue *c)
{
	for (uint32_t i = 0; i < c->n[IMAGE_operations]; i++) {
		const struct image_operation *o = &c->operations[i];

		if (!ref_ok(c, o->name) || !ref_ok(c, o->model_path) ||
		    !ref_ok(c, o->model_from_path) || !ref_ok(c, o->stream_path) ||
		    !list_ok(c, o->max_tokens_paths) || !list_ok(c, o->refuse_paths) ||
		    o->kind >= c->n[IMAGE_kinds] || o->body > CATALOGUE_BODY_OPAQUE ||
		    o->has_output > 1)
			return false;
	}
	for (uint32_t i = 0; i < c->n[IMAGE_templates]; i++)
		if (c->templates[i].operation >= c->n[IMAGE_operations] ||
		    c->templates[i].model_segment > IMAGE_SEGMENTS_MAX)
			return false;
	return true;
}

static bool rest_ok(const struct catalogue *c)
{
	uint32_t providers = c->n[IMAGE_providers];

	for (uint32_t i = 0; i < c->n[IMAGE_refs]; i++)
		if (!ref_ok(c, c->refs[i]))
			return false;
	for (uint32_t i = 0; i < c->n[IMAGE_kinds]; i++)
		if (!ref_ok(c, c->kinds[i]))
			return false;
	for (uint32_t i = 0; i < c->n[IMAGE_nodes]; i++)
		if (c->nodes[i].host_here > providers || c->nodes[i].host_below > providers)
			return false;
	for (uint32_t i = 0; i < c->n[IMAGE_names]; i++)
		if (!ref_ok(c, c->names[i].host) || c->names[i].provider >= providers)
			return false;
	for (uint32_t i = 0; i < c->n[IMAGE_cidrs]; i++)
		if (c->cidrs[i].key.prefix_len > 128 || c->cidrs[i].provider >= providers)
			return false;
	return true;
}

/* Number of values an entry of this class may have. */
static uint32_t limit_of(const struct catalogue *c, uint32_t class)
{
	switch (class) {
	case IMAGE_EDGE:
		return c->n[IMAGE_nodes];
	case IMAGE_END:
		return c->n[IMAGE_templates];
	case IMAGE_KIND:
		return c->n[IMAGE_kinds];
	default:
		return c->n[IMAGE_providers];
	}
}

/* `has_parent` has a byte for each node. */
static bool entry_ok(const struct catalogue *c, const struct image_entry *e, char *has_parent)
{
	if (e->class >= IMAGE_CLASS_COUNT || !ref_ok(c, e->text) ||
	    e->value >= limit_of(c, e->class) || e->node >= c->n[IMAGE_nodes])
		return false;
	if (e->class != IMAGE_EDGE)
		return true;
	return e->value > e->node && !has_parent[e->value]++;
}

static bool entries_ok(const struct catalogue *c)
{
	uint32_t n = c->n[IMAGE_entries], used = 0;
	_cleanup_free_ char *has_parent = calloc(1, (size_t)c->n[IMAGE_nodes] + 1);

	if (!has_parent || n == 0 || (n & (n - 1)) || c->n[IMAGE_nodes] == 0)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (c->entries[i].class == IMAGE_EMPTY)
			continue;
		used++;
		if (!entry_ok(c, &c->entries[i], has_parent))
			return false;
	}
	/* A root has no parent: a walk that begins there meets no node twice. */
	for (uint32_t i = 0; i < c->n[IMAGE_providers]; i++)
		if (has_parent[c->providers[i].root])
			return false;
	return used <= n / 2;
}

static struct slice *resolve_list(const struct catalogue *c, struct image_list list)
{
	return c->slices + list.first;
}

static int resolve(struct catalogue *c)
{
	c->slices = calloc((size_t)c->n[IMAGE_refs] + 1, sizeof(*c->slices));
	c->provider = calloc((size_t)c->n[IMAGE_providers] + 1, sizeof(*c->provider));
	c->operation = calloc((size_t)c->n[IMAGE_operations] + 1, sizeof(*c->operation));
	if (!c->slices || !c->provider || !c->operation)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->n[IMAGE_refs]; i++)
		c->slices[i] = catalogue_open_slice(c, c->refs[i]);
	for (uint32_t i = 0; i < c->n[IMAGE_providers]; i++) {
		const struct image_provider *p = &c->providers[i];

		c->provider[i] = (struct catalogue_provider){
			.name = catalogue_open_slice(c, p->name),
			.trust = catalogue_open_slice(c, p->trust),
			.dialect = catalogue_open_slice(c, p->dialect),
			.credential_field = catalogue_open_slice(c, p->credential_field),
			.credential_prefix = catalogue_open_slice(c, p->credential_prefix),
			.placeholder = catalogue_open_slice(c, p->placeholder),
			.env = resolve_list(c, p->env),
			.n_env = p->env.n,
			.key_prefixes = resolve_list(c, p->key_prefixes),
			.n_key_prefixes = p->key_prefixes.n,
			.hosts = resolve_list(c, p->hosts),
			.n_hosts = p->hosts.n,
		};
		c->field_lengths |= UINT64_C(1) << (p->credential_field.n & 63);
	}
	for (uint32_t i = 0; i < c->n[IMAGE_operations]; i++) {
		const struct image_operation *o = &c->operations[i];

		c->operation[i] = (struct catalogue_operation){
			.name = catalogue_open_slice(c, o->name),
			.kind = o->kind,
			.body = (enum catalogue_body)o->body,
			.model_path = catalogue_open_slice(c, o->model_path),
			.model_from_path = catalogue_open_slice(c, o->model_from_path),
			.max_tokens_paths = resolve_list(c, o->max_tokens_paths),
			.n_max_tokens_paths = o->max_tokens_paths.n,
			.refuse_paths = resolve_list(c, o->refuse_paths),
			.n_refuse_paths = o->refuse_paths.n,
			.stream_path = catalogue_open_slice(c, o->stream_path),
			.has_output = o->has_output != 0,
		};
	}
	return 0;
}

static void point(struct catalogue *c, const struct image_header *h)
{
	const char *base = (const char *)h;

	c->header = h;
	for (int i = 0; i < IMAGE_SECTION_COUNT; i++)
		c->n[i] = h->section[i].n;
#define X(name, type) c->name = (const type *)(const void *)(base + h->section[IMAGE_##name].off);
	IMAGE_SECTIONS(X)
#undef X
}

static void catalogue_freep(struct catalogue **c)
{
	*c = catalogue_free(*c);
}

int catalogue_open(const void *mem, size_t n, struct catalogue **ret)
{
	_cleanup_(catalogue_freep) struct catalogue *c = NULL;
	int r;

	if (n < sizeof(struct image_header) || (uintptr_t)mem % 8)
		return -EINVAL;
	if (!check_sections(mem, n))
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	point(c, mem);
	if (!providers_ok(c) || !operations_ok(c) || !rest_ok(c) || !entries_ok(c))
		return -EINVAL;
	r = resolve(c);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

struct catalogue *catalogue_free(struct catalogue *c)
{
	if (!c)
		return NULL;
	free(c->slices);
	free(c->provider);
	free(c->operation);
	free(c);
	return NULL;
}
