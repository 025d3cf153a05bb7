/* SPDX-License-Identifier: Apache-2.0 */
/* From a JSON value to a field of struct config, one function a type. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/slice.h"
#include "daemon/config_table.h"
#include "egret/rpc.h"

static int bad(const struct config_place *p, const char *fmt, ...) _printf_(2, 3);

static int bad(const struct config_place *p, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return p->doc ? json_doc_error(p->doc, p->d, p->parent, p->member, false, "%s", text)
		      : diag_at(p->d, 0, 0, "%s", text);
}

static struct config_place element(const struct config_place *p, const json_t *object,
				   const char *member)
{
	return (struct config_place){ p->doc, p->d, object, member };
}

static int bad_element(const struct config_place *p, const json_t *list, size_t i, const char *key,
		       const char *wanted)
{
	return p->doc ? json_doc_error_at(p->doc, p->d, list, i, "%s[%zu]: must be %s", key, i,
					  wanted)
		      : diag_at(p->d, 0, 0, "%s[%zu]: must be %s", key, i, wanted);
}

static void list_clear(struct config_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct config_list){ 0 };
}

/* What each element of a list has to be. */
typedef bool (*is_fn)(const char *text);

static int set_list(struct config_list *to, const struct config_place *p, const char *key,
		    const json_t *value, const char *wanted, is_fn is_valid)
{
	size_t n = json_array_size(value);

	if (!json_is_array(value) || n > CONFIG_LIST_MAX)
		return bad(p, "%s: must be a list of at most %u strings", key, CONFIG_LIST_MAX);
	to->v = calloc(n + 1, sizeof(*to->v));
	if (!to->v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(value, i));

		if (!s || (is_valid && !is_valid(s)))
			return bad_element(p, value, i, key, wanted);
		to->v[i] = strdup(s);
		if (!to->v[i])
			return -ENOMEM;
		to->n++;
	}
	return 0;
}

static bool is_path(const char *s)
{
	return s[0] == '/' && strlen(s) < 4096;
}

/* Names of workloads, credentials, users: what is safe in a path and in a log. */
static bool is_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n > 0 && n < EG_NAME_MAX && s[n] == '\0' && s[0] != '.' && s[0] != '-';
}

static bool is_workload(const char *s)
{
	return strcmp(s, "*") == 0 || is_name(s);
}

static int set_text(char **to, const char *s)
{
	*to = strdup(s);
	return *to ? 0 : -ENOMEM;
}

static bool is_chosen(const char *choices, const char *s)
{
	size_t n = strlen(s);

	for (const char *at = choices; n && *at;) {
		size_t len = strcspn(at, " ");

		if (len == n && memcmp(at, s, n) == 0)
			return true;
		at += len + (at[len] == ' ');
	}
	return false;
}

static int set_string(struct config *c, const struct config_key *k, const struct config_place *p,
		      const json_t *value)
{
	char **to = (char **)((char *)c + k->offset);
	const char *s = json_string_value(value);

	if (!s)
		return bad(p, "%s: must be a string", k->key);
	if (!*s && k->type != CONFIG_TEXT && k->type != CONFIG_CHOICE) {
		if (k->min)
			return bad(p, "%s: must not be empty", k->key);
		return set_text(to, s);
	}
	if (k->type == CONFIG_PATH && !is_path(s))
		return bad(p, "%s: must be an absolute path", k->key);
	if (k->type == CONFIG_NAME && !is_name(s))
		return bad(p, "%s: must be a name of letters, digits, '.', '_' and '-'", k->key);
	if (k->type == CONFIG_CHOICE && !is_chosen(k->choices, s))
		return bad(p, "%s: must be one of: %s", k->key, k->choices);
	return set_text(to, s);
}

static int set_number(struct config *c, const struct config_key *k, const struct config_place *p,
		      const json_t *value)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || (uint64_t)n < k->min || (uint64_t)n > k->max)
		return bad(p, "%s: must be a whole number from %llu to %llu", k->key,
			   (unsigned long long)k->min, (unsigned long long)k->max);
	*(uint64_t *)(void *)((char *)c + k->offset) = (uint64_t)n;
	return 0;
}

static int set_bool(struct config *c, const struct config_key *k, const struct config_place *p,
		    const json_t *value)
{
	if (!json_is_boolean(value))
		return bad(p, "%s: must be true or false", k->key);
	*(bool *)((char *)c + k->offset) = json_is_true(value);
	return 0;
}

static int set_ports(struct config *c, const struct config_place *p, const char *key,
		     const json_t *value)
{
	if (!json_is_array(value) || json_array_size(value) > CONFIG_PORTS_MAX)
		return bad(p, "%s: must be a list of at most %u ports", key, CONFIG_PORTS_MAX);
	memset(c->ports, 0, sizeof(c->ports));
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *e = json_array_get(value, i);
		json_int_t n = json_integer_value(e);

		if (!json_is_integer(e) || n < 1 || n > 65535 || n == EG_PROXY_PORT)
			return bad_element(p, value, i, key,
					   "a port from 1 to 65535, and not egret's own 15001");
		c->ports[i] = (uint16_t)n;
	}
	return 0;
}

/* A number without sign or space that stands alone; -1 when it is none. */
static long number_of(const char *s, long max)
{
	long n = 0;

	if (!*s)
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		n = n * 10 + (*s - '0');
		if (n > max)
			return -1;
	}
	return n;
}

int config_value_prefix(const char *text, struct eg_endpoint_key *ret)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct eg_endpoint_key key = { 0 };
	char address[INET6_ADDRSTRLEN];
	bool is_v4;
	long bits;

	if (n >= sizeof(address))
		return -EINVAL;
	(void)slice_copy(slice_of(text, n), address, sizeof(address));
	is_v4 = inet_pton(AF_INET, address, &key.addr.a[3]) == 1;
	if (is_v4)
		key.addr.a[2] = htonl(0xffff);
	else if (inet_pton(AF_INET6, address, &key.addr) != 1)
		return -EINVAL;
	bits = slash ? number_of(slash + 1, is_v4 ? 32 : 128) : is_v4 ? 32 : 128;
	if (bits < 0)
		return -EINVAL;
	key.prefix_len = (uint32_t)bits + (is_v4 ? 96 : 0);
	*ret = key;
	return 0;
}

static bool is_prefix(const char *s)
{
	struct eg_endpoint_key key;

	return config_value_prefix(s, &key) == 0;
}

/* "192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]:53" */
static bool is_server(const char *s)
{
	const char *colon = strrchr(s, ':');
	struct slice host = slice_str(s);
	char address[INET6_ADDRSTRLEN];
	struct in6_addr a;

	if (strlen(s) > 64)
		return false;
	if (s[0] == '[' && colon && colon > s && colon[-1] == ']')
		host = slice_of(s + 1, (size_t)(colon - s) - 2);
	else if (colon && strchr(s, ':') == colon)
		host.n = (size_t)(colon - s);
	else
		colon = NULL;
	if (host.n >= sizeof(address) || (colon && number_of(colon + 1, 65535) < 1))
		return false;
	(void)slice_copy(host, address, sizeof(address));
	return inet_pton(AF_INET, address, &a) == 1 || inet_pton(AF_INET6, address, &a) == 1;
}

static int set_nat64(struct config *c, const struct config_place *p, const char *key,
		     const json_t *value)
{
	static const uint32_t allowed[] = { 32, 40, 48, 56, 64, 96 };
	const char *s = json_string_value(value);
	struct eg_endpoint_key prefix = { 0 };

	if (s && !*s) {
		c->nat64 = prefix;
		return 0;
	}
	if (s && strchr(s, ':') && config_value_prefix(s, &prefix) == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
			if (prefix.prefix_len == allowed[i]) {
				c->nat64 = prefix;
				return 0;
			}
		}
	}
	return bad(p, "%s: must be an IPv6 prefix of 32, 40, 48, 56, 64 or 96 bits, or empty", key);
}

static void credential_clear(struct config_credential *e)
{
	free(e->id);
	free(e->provider);
	list_clear(&e->words);
}

static int take_name(const struct config_place *p, const json_t *object, const char *key, size_t i,
		     const char *member, char **ret)
{
	struct config_place at = element(p, object, member);
	const char *s = json_string_value(json_object_get(object, member));

	if (!s || !is_name(s))
		return bad(&at, "%s[%zu].%s: must be a name of letters, digits, '.', '_' and '-'",
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

		return bad(&at, "credentials[%zu]: must have one of file, systemd, command", i);
	}
	const char *member = members[e->source];
	const json_t *value = json_object_get(object, member);
	struct config_place at = element(p, object, member);
	int r;

	if (e->source == CONFIG_SOURCE_COMMAND) {
		r = set_list(&e->words, &at, "command", value, "a word", NULL);
		if (r == 0 && (e->words.n == 0 || !is_path(e->words.v[0])))
			r = bad(&at, "credentials[%zu].command: must begin with an absolute path",
				i);
		return r;
	}
	const char *s = json_string_value(value);

	if (!s || !*s || strstr(s, "..") || (e->source == CONFIG_SOURCE_SYSTEMD && strchr(s, '/')))
		return bad(&at, "credentials[%zu].%s: must be a %s", i, member,
			   e->source == CONFIG_SOURCE_FILE ? "path without \"..\"" : "plain name");
	e->words.v = calloc(2, sizeof(*e->words.v));
	if (!e->words.v)
		return -ENOMEM;
	r = set_text(&e->words.v[0], s);
	e->words.n = r == 0;
	return r;
}

static int set_credentials(struct config *c, const struct config_place *p, const json_t *value)
{
	static const char *const members[] = {
		"id", "provider", "file", "systemd", "command", NULL
	};
	size_t n = json_array_size(value);

	if (!json_is_array(value) || n > CONFIG_LIST_MAX)
		return bad(p, "credentials: must be a list of at most %u objects", CONFIG_LIST_MAX);
	c->credentials = calloc(n + 1, sizeof(*c->credentials));
	if (!c->credentials)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(value, i);
		struct config_credential *e = &c->credentials[i];
		int r;

		if (!json_is_object(o))
			return bad_element(p, value, i, "credentials", "an object");
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
				return bad_element(p, value, i, "credentials",
						   "of an id that no other has");
	}
	return 0;
}

static int set_run(struct config *c, const struct config_place *p, const json_t *value)
{
	static const char *const members[] = { "user", "group", "workloads", NULL };
	size_t n = json_array_size(value);

	if (!json_is_array(value) || n > CONFIG_LIST_MAX)
		return bad(p, "run: must be a list of at most %u objects", CONFIG_LIST_MAX);
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
			return bad_element(p, value, i, "run", "an object with a user or a group");
		c->n_run++;
		e->is_group = json_object_get(o, "group");
		r = p->doc ? json_doc_only(p->doc, p->d, o, members) : 0;
		if (r == 0)
			r = take_name(p, o, "run", i, e->is_group ? "group" : "user", &e->name);
		if (r == 0)
			r = set_list(&e->workloads, &at, "workloads",
				     json_object_get(o, "workloads"), "a workload's name or \"*\"",
				     is_workload);
		if (r < 0)
			return r;
	}
	return 0;
}

int config_value_set(struct config *c, const struct config_key *k, const struct config_place *p,
		     const json_t *value)
{
	struct config_list *list = (struct config_list *)(void *)((char *)c + k->offset);

	config_value_clear(c, k);
	switch (k->type) {
	case CONFIG_BOOL:
		return set_bool(c, k, p, value);
	case CONFIG_NUMBER:
		return set_number(c, k, p, value);
	case CONFIG_TEXT:
	case CONFIG_NAME:
	case CONFIG_PATH:
	case CONFIG_CHOICE:
		return set_string(c, k, p, value);
	case CONFIG_LIST:
		return set_list(list, p, k->key, value, "an absolute path", is_path);
	case CONFIG_CIDRS:
		return set_list(list, p, k->key, value, "an address or address/bits", is_prefix);
	case CONFIG_SERVERS:
		return set_list(list, p, k->key, value, "an address or address:port", is_server);
	case CONFIG_PORTS:
		return set_ports(c, p, k->key, value);
	case CONFIG_NAT64:
		return set_nat64(c, p, k->key, value);
	case CONFIG_CREDENTIALS:
		return set_credentials(c, p, value);
	case CONFIG_RUN:
		return set_run(c, p, value);
	}
	return -EINVAL;
}

void config_value_clear(struct config *c, const struct config_key *k)
{
	char **text = (char **)((char *)c + k->offset);

	switch (k->type) {
	case CONFIG_TEXT:
	case CONFIG_NAME:
	case CONFIG_PATH:
	case CONFIG_CHOICE:
		free(*text);
		*text = NULL;
		break;
	case CONFIG_LIST:
	case CONFIG_CIDRS:
	case CONFIG_SERVERS:
		list_clear((struct config_list *)(void *)((char *)c + k->offset));
		break;
	case CONFIG_CREDENTIALS:
		for (size_t i = 0; i < c->n_credentials; i++)
			credential_clear(&c->credentials[i]);
		free(c->credentials);
		c->credentials = NULL;
		c->n_credentials = 0;
		break;
	case CONFIG_RUN:
		for (size_t i = 0; i < c->n_run; i++) {
			free(c->run[i].name);
			list_clear(&c->run[i].workloads);
		}
		free(c->run);
		c->run = NULL;
		c->n_run = 0;
		break;
	case CONFIG_BOOL:
	case CONFIG_NUMBER:
	case CONFIG_PORTS:
	case CONFIG_NAT64:
		break;
	}
}
