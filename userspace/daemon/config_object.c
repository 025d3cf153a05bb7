/* SPDX-License-Identifier: Apache-2.0 */
/* From JSON to the lists of objects: `credentials` and `run`. */
#include <string.h>

#include "daemon/config_table.h"

static bool is_workload(const char *s)
{
	return strcmp(s, "*") == 0 || config_is_name(s);
}

static int set_text(char **to, const char *s)
{
	*to = strdup(s);
	return *to ? 0 : -ENOMEM;
}

static struct config_place element(const struct config_place *p, const json_t *object,
				   const char *member)
{
	return (struct config_place){ p->doc, p->d, object, member };
}

static void credential_clear(struct config_credential *e)
{
	free(e->id);
	free(e->provider);
	config_list_clear(&e->words);
}

static int take_name(const struct config_place *p, const json_t *object, const char *key, size_t i,
		     const char *member, char **ret)
{
	struct config_place at = element(p, object, member);
	const char *s = json_string_value(json_object_get(object, member));

	if (!s || !config_is_name(s))
		return config_bad(&at,
				  "%s[%zu].%s: must be a name of letters, digits, '.', '_' and '-'",
				  key, i, member);
	return set_text(ret, s);
}

static int set_source(const struct config_place *p, const json_t *object, size_t i,
		      struct config_credential *e)
{
	static const char *const members[] = { "file", "systemd", "command" };
	size_t found = 0;

	for (size_t s = 0; s < ARRAY_SIZE(members); s++) {
		if (json_object_get(object, members[s])) {
			e->source = (enum config_source)s;
			found++;
		}
	}
	if (found != 1) {
		struct config_place at = element(p, object, NULL);

		return config_bad(&at, "credentials[%zu]: must have one of file, systemd, command",
				  i);
	}
	const char *member = members[e->source];
	const json_t *value = json_object_get(object, member);
	struct config_place at = element(p, object, member);
	int r;

	if (e->source == CONFIG_SOURCE_COMMAND) {
		r = config_list_set(&e->words, &at, "command", value, "a word", NULL);
		if (r == 0 && (e->words.n == 0 || !config_is_path(e->words.v[0])))
			r = config_bad(&at,
				       "credentials[%zu].command: must begin with an absolute path",
				       i);
		return r;
	}
	const char *s = json_string_value(value);

	if (!s || !*s || strstr(s, "..") || (e->source == CONFIG_SOURCE_SYSTEMD && strchr(s, '/')))
		return config_bad(&at, "credentials[%zu].%s: must be a %s", i, member,
				  e->source == CONFIG_SOURCE_FILE ? "path without \"..\""
								  : "plain name");
	e->words.v = calloc(2, sizeof(*e->words.v));
	if (!e->words.v)
		return -ENOMEM;
	r = set_text(&e->words.v[0], s);
	e->words.n = r == 0;
	return r;
}

int config_credentials_set(struct config *c, const struct config_place *p, const json_t *value)
{
	static const char *const members[] = {
		"id", "provider", "file", "systemd", "command", NULL
	};
	size_t n = json_array_size(value);

	if (!json_is_array(value) || n > CONFIG_LIST_MAX)
		return config_bad(p, "credentials: must be a list of at most %u objects",
				  CONFIG_LIST_MAX);
	c->credentials = calloc(n + 1, sizeof(*c->credentials));
	if (!c->credentials)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(value, i);
		struct config_credential *e = &c->credentials[i];
		int r;

		if (!json_is_object(o))
			return config_bad_element(p, value, i, "credentials", "an object");
		c->n_credentials++;
		r = p->doc ? json_doc_only(p->doc, p->d, o, members) : 0;
		if (r == 0)
			r = take_name(p, o, "credentials", i, "id", &e->id);
		if (r == 0)
			r = take_name(p, o, "credentials", i, "provider", &e->provider);
		if (r == 0)
			r = set_source(p, o, i, e);
		if (r < 0)
			return r;
		for (size_t k = 0; k < i; k++)
			if (strcmp(c->credentials[k].id, e->id) == 0)
				return config_bad_element(p, value, i, "credentials",
							  "of an id that no other has");
	}
	return 0;
}

int config_run_set(struct config *c, const struct config_place *p, const json_t *value)
{
	static const char *const members[] = { "user", "group", "workloads", NULL };
	size_t n = json_array_size(value);

	if (!json_is_array(value) || n > CONFIG_LIST_MAX)
		return config_bad(p, "run: must be a list of at most %u objects", CONFIG_LIST_MAX);
	c->run = calloc(n + 1, sizeof(*c->run));
	if (!c->run)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(value, i);
		struct config_run *e = &c->run[i];
		struct config_place at = element(p, o, "workloads");
		int r;

		if (!json_is_object(o) ||
		    !json_object_get(o, "user") == !json_object_get(o, "group"))
			return config_bad_element(p, value, i, "run",
						  "an object with a user or a group");
		c->n_run++;
		e->is_group = json_object_get(o, "group");
		r = p->doc ? json_doc_only(p->doc, p->d, o, members) : 0;
		if (r == 0)
			r = take_name(p, o, "run", i, e->is_group ? "group" : "user", &e->name);
		if (r == 0)
			r = config_list_set(&e->workloads, &at, "workloads",
					    json_object_get(o, "workloads"),
					    "a workload's name or \"*\"", is_workload);
		if (r < 0)
			return r;
	}
	return 0;
}

void config_credentials_clear(struct config *c)
{
	for (size_t i = 0; i < c->n_credentials; i++)
		credential_clear(&c->credentials[i]);
	free(c->credentials);
	c->credentials = NULL;
	c->n_credentials = 0;
}

void config_run_clear(struct config *c)
{
	for (size_t i = 0; i < c->n_run; i++) {
		free(c->run[i].name);
		config_list_clear(&c->run[i].workloads);
	}
	free(c->run);
	c->run = NULL;
	c->n_run = 0;
}
