/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/settings.h"

#include "base/json.h"

#define JSON_MAX 65536u

struct number {
	const char *section, *name;
	size_t at;
	json_int_t min, max;
};

#define DAY_MS 86400000

static const struct number numbers[] = {
	{ "limits", "connections", offsetof(struct settings, connections), 1, 1000000 },
	{ "limits", "head_bytes", offsetof(struct settings, head_bytes), 1024, 1 << 20 },
	{ "limits", "body_bytes", offsetof(struct settings, body_bytes), 0, (json_int_t)1 << 40 },
	{ "limits", "bodies_bytes", offsetof(struct settings, bodies_bytes), 0,
	  (json_int_t)1 << 40 },
	{ "limits", "buffer_bytes", offsetof(struct settings, buffer_bytes), 16384, 1 << 26 },
	{ "limits", "hello_ms", offsetof(struct settings, hello_ms), 1, DAY_MS },
	{ "limits", "handshake_ms", offsetof(struct settings, handshake_ms), 1, DAY_MS },
	{ "limits", "head_ms", offsetof(struct settings, head_ms), 1, DAY_MS },
	{ "limits", "idle_ms", offsetof(struct settings, idle_ms), 1, DAY_MS },
	{ "limits", "body_ms", offsetof(struct settings, body_ms), 1, DAY_MS },
	{ "limits", "first_byte_ms", offsetof(struct settings, first_byte_ms), 1, DAY_MS },
	{ "limits", "stall_ms", offsetof(struct settings, stall_ms), 1, DAY_MS },
	{ "upstream", "connect_ms", offsetof(struct settings, connect_ms), 1, DAY_MS },
	{ "upstream", "idle_ms", offsetof(struct settings, upstream_idle_ms), 0, DAY_MS },
	{ "upstream", "idle_max", offsetof(struct settings, upstream_idle_max), 0, 100000 },
};

static const char *const root_names[] = { "cgroup", "limits", "upstream", "resolve", NULL };

static int read_number(struct settings *s, const struct json_doc *doc, const struct number *n,
		       struct diag *d)
{
	json_t *section = json_object_get(json_doc_root(doc), n->section);
	json_t *v = json_object_get(section, n->name);

	if (!json_is_integer(v) || json_integer_value(v) < n->min || json_integer_value(v) > n->max)
		return json_doc_error(doc, d, section, v ? n->name : NULL, false,
				      "%s.%s: must be a whole number from %lld to %lld", n->section,
				      n->name, (long long)n->min, (long long)n->max);
	*(uint64_t *)(void *)((char *)s + n->at) = (uint64_t)json_integer_value(v);
	return 0;
}

static int read_list(const struct json_doc *doc, const char *name, char **to, size_t *ret_n,
		     struct diag *d)
{
	json_t *section = json_object_get(json_doc_root(doc), "upstream");
	json_t *list = json_object_get(section, name), *v;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > SETTINGS_LIST_MAX)
		return json_doc_error(doc, d, section, list ? name : NULL, false,
				      "upstream.%s: must be a list of at most %d strings", name,
				      SETTINGS_LIST_MAX);
	json_array_foreach(list, i, v)
	{
		if (!json_is_string(v))
			return json_doc_error_at(doc, d, list, i, "upstream.%s: must hold strings",
						 name);
		to[i] = strdup(json_string_value(v));
		if (!to[i])
			return -ENOMEM;
		*ret_n = i + 1;
	}
	return 0;
}

static int read_all(struct settings *s, const struct json_doc *doc, struct diag *d)
{
	json_t *root = json_doc_root(doc), *v;
	int r = json_doc_only(doc, d, root, root_names);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		r = read_number(s, doc, &numbers[i], d);
		if (r < 0)
			return r;
	}
	r = read_list(doc, "allow", s->allow, &s->n_allow, d);
	if (r < 0)
		return r;
	r = read_list(doc, "resolvers", s->resolvers, &s->n_resolvers, d);
	if (r < 0)
		return r;
	v = json_object_get(root, "cgroup");
	if (v && (!json_is_integer(v) || json_integer_value(v) < 0))
		return json_doc_error(doc, d, root, "cgroup", false, "cgroup: must be an id");
	s->cgroup = (uint64_t)json_integer_value(v);
	v = json_object_get(root, "resolve");
	if (!json_is_boolean(v))
		return json_doc_error(doc, d, root, v ? "resolve" : NULL, false,
				      "resolve: must be true or false");
	s->resolve = json_is_true(v);
	return 0;
}

int settings_read(struct settings *s, struct slice json, struct diag *d)
{
	struct json_doc *doc = NULL;
	int r = json_doc_parse("start", json, JSON_MAX, d, &doc);

	if (r < 0)
		return r;
	*s = (struct settings){ 0 };
	r = json_is_object(json_doc_root(doc))
		    ? read_all(s, doc, d)
		    : diag_at(d, 1, 1, "the worker's configuration must be an object");
	doc = json_doc_free(doc);
	if (r < 0)
		settings_done(s);
	return r;
}

void settings_done(struct settings *s)
{
	while (s->n_allow)
		free(s->allow[--s->n_allow]);
	while (s->n_resolvers)
		free(s->resolvers[--s->n_resolvers]);
}
