/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/allow.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "dataplane/endpoint.h"
#include "dataplane/name.h"

/* One list at a time: [first, end) of v. */
struct compiling {
	const struct dataplane_allow *v;
	const struct eg_endpoint_key *form; /* of the entries that are addresses */
	size_t first, end;
	struct allow_tables *t;
};

static bool is_below(const struct dataplane_allow *a)
{
	return slice_has_prefix(a->name, SLICE("*."));
}

/* "pypi.org" of "*.pypi.org" and of itself. */
static struct slice tail_of(const struct dataplane_allow *a)
{
	return is_below(a) ? slice_of(a->name.p + 2, a->name.n - 2) : a->name;
}

/* Whether `name` is a name below `of`. */
static bool is_name_below(struct slice name, struct slice of)
{
	return name.n > of.n && slice_has_suffix(name, of) && name.p[name.n - of.n - 1] == '.';
}

static int add_service(struct eg_allow *to, const struct dataplane_allow *a, bool *any)
{
	if (a->port == 0)
		*any = true;
	for (uint32_t i = 0; i < to->n; i++)
		if (to->service[i].port == a->port && to->service[i].proto == a->proto)
			return 0;
	if (*any)
		return 0;
	if (to->n == EG_SERVICES_MAX)
		return -E2BIG;
	to->service[to->n++] = (struct eg_service){ .port = a->port, .proto = a->proto };
	return 0;
}

typedef bool (*covers_fn)(const struct compiling *c, size_t entry, size_t of);

/* What all entries that cover entry `of` let through. 1: some do. */
static int collect(const struct compiling *c, size_t of, covers_fn covers, struct eg_allow *ret)
{
	struct eg_allow a = { .list = c->v[of].list };
	bool any = false, some = false;
	int r;

	for (size_t i = c->first; i < c->end; i++) {
		if (!covers(c, i, of))
			continue;
		some = true;
		r = add_service(&a, &c->v[i], &any);
		if (r < 0)
			return r;
	}
	if (any)
		a = (struct eg_allow){ .list = a.list };
	*ret = a;
	return some;
}

static bool covers_address(const struct compiling *c, size_t entry, size_t of)
{
	return !c->v[entry].name.n && endpoint_covers(&c->form[entry], &c->form[of]);
}

static bool covers_self(const struct compiling *c, size_t entry, size_t of)
{
	const struct dataplane_allow *e = &c->v[entry];
	struct slice name = tail_of(&c->v[of]);

	if (!e->name.n)
		return false;
	return is_below(e) ? is_name_below(name, tail_of(e)) : slice_eq(name, e->name);
}

static bool covers_below(const struct compiling *c, size_t entry, size_t of)
{
	const struct dataplane_allow *e = &c->v[entry];
	struct slice name = tail_of(&c->v[of]);

	return e->name.n && is_below(e) &&
	       (slice_eq(name, tail_of(e)) || is_name_below(name, tail_of(e)));
}

/* The same for the same list and name in every run, so that what was learned by it stays good. */
static uint64_t rule_id(uint32_t list, const char *kind, struct slice name)
{
	uint64_t h = hash_bytes(HASH_SEED, slice_of(&list, sizeof(list)));

	h = hash_bytes(hash_bytes(h, slice_str(kind)), name);
	return h ? h : 1;
}

static int add_rule(struct compiling *c, size_t of, const char *kind, covers_fn covers, __u64 *ret)
{
	struct allow_rule *rule = &c->t->rules[c->t->n_rules];
	int r = collect(c, of, covers, &rule->value);

	*ret = 0;
	if (r <= 0)
		return r;
	*ret = rule->key = rule_id(c->v[of].list, kind, tail_of(&c->v[of]));
	c->t->n_rules++;
	return 0;
}

static int add_name(struct compiling *c, size_t of)
{
	struct allow_name *to = &c->t->names[c->t->n_names];
	struct slice name = tail_of(&c->v[of]);
	struct eg_name_key key;
	struct eg_name unused;
	int r;

	if (memchr(name.p, '*', name.n))
		return -EINVAL;
	r = name_rule(name, 1, &key, &unused);
	if (r < 0)
		return r;
	*to = (struct allow_name){ .key = { .prefix_len = 32 + key.prefix_len,
					    .list = c->v[of].list },
				   .value = { .name_n = (uint32_t)name.n + 1 } };
	memcpy(to->key.s, key.s, sizeof(key.s));
	r = add_rule(c, of, "self", covers_self, &to->value.self);
	if (r == 0)
		r = add_rule(c, of, "below", covers_below, &to->value.below);
	c->t->n_names += r == 0;
	return r;
}

static int add_address(struct compiling *c, size_t of)
{
	struct allow_address *to = &c->t->addresses[c->t->n_addresses++];
	int r = collect(c, of, covers_address, &to->value);

	to->key = (struct eg_allow_key){ .prefix_len = 32 + c->form[of].prefix_len,
					 .list = c->v[of].list,
					 .addr = c->form[of].addr };
	return r < 0 ? r : 0;
}

/* Entries with the same destination become one: the first stands for all. */
static bool is_first(const struct compiling *c, size_t of)
{
	for (size_t i = c->first; i < of; i++)
		if (c->v[of].name.n
			    ? c->v[i].name.n && slice_eq(tail_of(&c->v[i]), tail_of(&c->v[of]))
			    : !c->v[i].name.n &&
				      memcmp(&c->form[i], &c->form[of], sizeof(c->form[i])) == 0)
			return false;
	return true;
}

static int compile_list(struct compiling *c, size_t *ret_at)
{
	for (size_t i = c->first; i < c->end; i++) {
		int r = 0;

		if (is_first(c, i))
			r = c->v[i].name.n ? add_name(c, i) : add_address(c, i);
		if (r < 0) {
			*ret_at = i;
			return r;
		}
	}
	return 0;
}

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct eg_allow_key));
}

static int compare_names(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct eg_allow_name_key));
}

static int compare_rules(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(uint64_t));
}

static int finish(struct allow_tables *t)
{
	qsort(t->addresses, t->n_addresses, sizeof(*t->addresses), compare_addresses);
	qsort(t->names, t->n_names, sizeof(*t->names), compare_names);
	qsort(t->rules, t->n_rules, sizeof(*t->rules), compare_rules);
	for (size_t i = 1; i < t->n_rules; i++)
		if (t->rules[i].key == t->rules[i - 1].key)
			return -EEXIST;
	return 0;
}

static int compile(const struct dataplane_allow *v, size_t n, const struct eg_addr *nat64,
		   unsigned nat64_bits, struct eg_endpoint_key *form, struct allow_tables *t,
		   size_t *ret_at)
{
	struct compiling c = { .v = v, .form = form, .t = t };
	int r = 0;

	for (*ret_at = 0; *ret_at < n && r == 0; *ret_at += r == 0)
		if (!v[*ret_at].name.n)
			r = endpoint_form(&v[*ret_at].addr, nat64, nat64_bits, &form[*ret_at]);
	for (c.first = 0; r == 0 && c.first < n; c.first = c.end) {
		for (c.end = c.first; c.end < n && v[c.end].list == v[c.first].list;)
			c.end++;
		r = compile_list(&c, ret_at);
	}
	return r < 0 ? r : finish(t);
}

int allow_compile(const struct dataplane_allow *v, size_t n, const struct eg_addr *nat64,
		  unsigned nat64_bits, struct allow_tables *ret, size_t *ret_at)
{
	_cleanup_free_ struct eg_endpoint_key *form = calloc(n + 1, sizeof(*form));
	int r = -ENOMEM;

	*ret_at = 0;
	*ret = (struct allow_tables){ .addresses = calloc(n + 1, sizeof(*ret->addresses)),
				      .names = calloc(n + 1, sizeof(*ret->names)),
				      .rules = calloc(2 * n + 1, sizeof(*ret->rules)) };
	if (form && ret->addresses && ret->names && ret->rules)
		r = compile(v, n, nat64, nat64_bits, form, ret, ret_at);
	if (r < 0)
		allow_tables_done(ret);
	return r;
}

void allow_tables_done(struct allow_tables *t)
{
	free(t->addresses);
	free(t->names);
	free(t->rules);
	*t = (struct allow_tables){ 0 };
}
