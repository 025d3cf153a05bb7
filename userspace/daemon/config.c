/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config.h"

#include <string.h>

#include "base/buf.h"
#include "daemon/config_table.h"
#include "daemon/trusted.h"

#define PATH_MAX_KEY  64 /* bytes of a dotted key */
#define NAMES_MAX     64 /* members of one object that can be known */
#define OVERRIDE_NAME "--set "

/* Applying one document: which object we are in, as a dotted prefix. */
struct walk {
	struct config *config;
	const struct json_doc *doc;
	struct diag *d;
};

static const struct config_key *find(const char *key)
{
	for (size_t i = 0; i < config_n_keys; i++)
		if (strcmp(config_keys[i].key, key) == 0)
			return &config_keys[i];
	return NULL;
}

/* The names that may stand in the object at `prefix` ("" or "limits."), each once. */
static void names_at(const char *prefix, char (*ret)[PATH_MAX_KEY], const char **ret_list)
{
	size_t n = 0, skip = strlen(prefix);

	for (size_t i = 0; i < config_n_keys && n < NAMES_MAX - 1; i++) {
		const char *key = config_keys[i].key;
		size_t len;
		bool seen = false;

		if (strncmp(key, prefix, skip) != 0)
			continue;
		len = strcspn(key + skip, ".");
		(void)slice_copy(slice_of(key + skip, len), ret[n], PATH_MAX_KEY);
		for (size_t k = 0; k < n; k++)
			seen = seen || strcmp(ret[k], ret[n]) == 0;
		if (!seen) {
			ret_list[n] = ret[n];
			n++;
		}
	}
	ret_list[n] = NULL;
}

static int set_key(struct walk *w, const struct config_key *k, const json_t *parent,
		   const char *member, json_t *value)
{
	struct config_place place = { w->doc, w->d, parent, member };
	int r = config_value_set(w->config, k, &place, value);

	if (r == 0 && json_object_set(w->config->values, k->key, value) < 0)
		r = -ENOMEM;
	return r;
}

static int apply(struct walk *w, const json_t *object, const char *prefix)
{
	char names[NAMES_MAX][PATH_MAX_KEY], path[PATH_MAX_KEY];
	const char *allowed[NAMES_MAX];
	int r;

	names_at(prefix, names, allowed);
	r = json_doc_only(w->doc, w->d, object, allowed);
	for (void *it = json_object_iter((json_t *)(uintptr_t)object); r == 0 && it;
	     it = json_object_iter_next((json_t *)(uintptr_t)object, it)) {
		const char *member = json_object_iter_key(it);
		json_t *value = json_object_iter_value(it);
		const struct config_key *k;

		(void)snprintf(path, sizeof(path), "%s%s", prefix, member);
		k = find(path);
		if (k) {
			r = set_key(w, k, object, member, value);
		} else if (json_is_object(value) && *prefix == '\0') {
			(void)snprintf(path, sizeof(path), "%s.", member);
			r = apply(w, value, path);
		} else {
			r = json_doc_error(w->doc, w->d, object, member, false,
					   "%s: must be an object", member);
		}
	}
	return r;
}

static int apply_doc(struct config *c, const struct json_doc *doc, struct diag *d)
{
	struct walk w = { c, doc, d };

	if (!json_is_object(json_doc_root(doc)))
		return json_doc_error(doc, d, NULL, NULL, false, "must be an object");
	return apply(&w, json_doc_root(doc), "");
}

static void doc_freep(struct json_doc **doc)
{
	*doc = json_doc_free(*doc);
}

/* The shell takes quotes away, and a text without them is no JSON. */
static void hint_quotes(struct diag *d, const char *key, const char *value)
{
	size_t n = d ? strlen(d->text) : 0;

	if (d && *value && !strchr("\"[{-0123456789", *value))
		(void)snprintf(d->text + n, sizeof(d->text) - n,
			       "; a text needs quotes that the shell leaves: --set '%s=\"%.128s\"'",
			       key, value);
}

/* KEY=JSON: the value stands in a document of its own, where nothing else may. */
static int apply_set(struct config *c, const char *set, struct diag *d)
{
	_cleanup_(doc_freep) struct json_doc *doc = NULL;
	_cleanup_(buf_release) struct buf text = { 0 };
	const char *equals = strchr(set, '=');
	char key[PATH_MAX_KEY], name[PATH_MAX_KEY + sizeof(OVERRIDE_NAME)];
	const struct config_key *k;
	int r;

	if (!equals || (size_t)(equals - set) >= sizeof(key))
		return diag_at(d, 0, 0,
			       "--set %.64s: must be KEY=JSON, such as --set workers=2 or "
			       "--set 'run_dir=\"/run/x\"'",
			       set);
	(void)slice_copy(slice_of(set, (size_t)(equals - set)), key, sizeof(key));
	(void)snprintf(name, sizeof(name), OVERRIDE_NAME "%s", key);
	k = find(key);
	if (!k)
		return diag_at(d, 0, 0, "%s: there is no such key: see egretd --print config",
			       name);

	buf_init(&text, CONFIG_FILE_MAX);
	r = buf_printf(&text, "{\"value\":%s\n}", equals + 1);
	if (r == 0)
		r = json_doc_parse(name, buf_slice(&text), CONFIG_FILE_MAX, d, &doc);
	if (r == -EINVAL)
		hint_quotes(d, key, equals + 1);
	if (r == 0 && json_object_size(json_doc_root(doc)) != 1)
		r = diag_at(d, 0, 0, "%s: must be one JSON value", name);
	if (r == 0) {
		struct walk w = { c, doc, d };
		json_t *root = json_doc_root(doc);

		r = set_key(&w, k, root, "value", json_object_get(root, "value"));
	}
	if (r == -EINVAL && d)
		d->line = d->col = 0; /* those of a text that nobody wrote */
	return r;
}

static int set_defaults(struct config *c, struct diag *d)
{
	for (size_t i = 0; i < config_n_keys; i++) {
		struct walk w = { c, NULL, d };
		json_t *value = json_loads(config_keys[i].value, JSON_DECODE_ANY, NULL);
		int r = value ? set_key(&w, &config_keys[i], NULL, NULL, value) : -ENOMEM;

		json_decref(value);
		if (r < 0)
			return r;
	}
	return 0;
}

static void config_freep(struct config **c)
{
	*c = config_free(*c);
}

static int build(const struct json_doc *doc, const char *const *sets, size_t n_sets, struct diag *d,
		 struct config **ret)
{
	_cleanup_(config_freep) struct config *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->values = json_object();
	r = c->values ? set_defaults(c, d) : -ENOMEM;
	if (r == 0 && doc)
		r = apply_doc(c, doc, d);
	for (size_t i = 0; r == 0 && i < n_sets; i++)
		r = apply_set(c, sets[i], d);
	if (r == -ENOMEM)
		(void)diag_at(d, 0, 0, "cannot read the configuration: out of memory");
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

int config_parse(const char *file, struct slice text, const char *const *sets, size_t n_sets,
		 struct diag *d, struct config **ret)
{
	_cleanup_(doc_freep) struct json_doc *doc = NULL;
	int r = json_doc_parse(file, text, CONFIG_FILE_MAX, d, &doc);

	return r < 0 ? r : build(doc, sets, n_sets, d, ret);
}

int config_load(const struct config_where *where, struct diag *d, struct config **ret)
{
	_cleanup_(doc_freep) struct json_doc *doc = NULL;
	_cleanup_close_ int fd = -EBADF;
	int r = 0;

	if (where->file)
		r = trusted_open(where->file, CONFIG_FILE_MAX, where->optional, d, &fd);
	if (r == -ENOENT && where->optional)
		r = 0;
	if (r == 0 && fd >= 0)
		r = json_doc_read(where->file, fd, CONFIG_FILE_MAX, d, &doc);
	return r < 0 ? r : build(doc, where->sets, where->n_sets, d, ret);
}

struct config *config_free(struct config *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < config_n_keys; i++)
		config_value_clear(c, &config_keys[i]);
	json_decref(c->values);
	free(c);
	return NULL;
}

int config_keep(struct config *c, const struct config *old, config_kept_fn on_kept, void *ctx)
{
	for (size_t i = 0; i < config_n_keys; i++) {
		const struct config_key *k = &config_keys[i];
		json_t *was = json_object_get(old->values, k->key);
		struct walk w = { c, NULL, NULL };
		int r;

		if (k->reloadable || json_equal(was, json_object_get(c->values, k->key)))
			continue;
		r = set_key(&w, k, NULL, NULL, was);
		if (r < 0)
			return r;
		on_kept(ctx, k->key);
	}
	return 0;
}
