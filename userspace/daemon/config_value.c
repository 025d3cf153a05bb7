/* SPDX-License-Identifier: Apache-2.0 */
/* From a JSON value to a field of struct config, one function a type. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/slice.h"
#include "daemon/config_table.h"
#include "egret/rpc.h"

int config_bad(const struct config_place *p, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return p->doc ? json_doc_error(p->doc, p->d, p->parent, p->member, false, "%s", text)
		      : diag_at(p->d, 0, 0, "%s", text);
}

int config_bad_element(const struct config_place *p, const json_t *list, size_t i, const char *key,
		       const char *wanted)
{
	return p->doc ? json_doc_error_at(p->doc, p->d, list, i, "%s[%zu]: must be %s", key, i,
					  wanted)
		      : diag_at(p->d, 0, 0, "%s[%zu]: must be %s", key, i, wanted);
}

void config_list_clear(struct config_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct config_list){ 0 };
}

int config_list_set(struct config_list *to, const struct config_place *p, const char *key,
		    const json_t *value, const char *wanted, config_is_fn is_valid)
{
	size_t n = json_array_size(value);

	if (!json_is_array(value) || n > CONFIG_LIST_MAX)
		return config_bad(p, "%s: must be a list of at most %u strings", key,
				  CONFIG_LIST_MAX);
	to->v = calloc(n + 1, sizeof(*to->v));
	if (!to->v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(value, i));

		if (!s || (is_valid && !is_valid(s)))
			return config_bad_element(p, value, i, key, wanted);
		to->v[i] = strdup(s);
		if (!to->v[i])
			return -ENOMEM;
		to->n++;
	}
	return 0;
}

bool config_is_path(const char *s)
{
	return s[0] == '/' && strlen(s) < 4096;
}

/* Names of workloads, credentials, users: what is safe in a path and in a log. */
bool config_is_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n > 0 && n < EG_NAME_MAX && s[n] == '\0' && s[0] != '.' && s[0] != '-';
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
		return config_bad(p, "%s: must be a string", k->key);
	if (!*s && k->type != CONFIG_TEXT && k->type != CONFIG_CHOICE) {
		if (k->min)
			return config_bad(p, "%s: must not be empty", k->key);
		return set_text(to, s);
	}
	if (k->type == CONFIG_PATH && !config_is_path(s))
		return config_bad(p, "%s: must be an absolute path", k->key);
	if (k->type == CONFIG_NAME && !config_is_name(s))
		return config_bad(p, "%s: must be a name of letters, digits, '.', '_' and '-'",
				  k->key);
	if (k->type == CONFIG_CHOICE && !is_chosen(k->choices, s))
		return config_bad(p, "%s: must be one of: %s", k->key, k->choices);
	return set_text(to, s);
}

static int set_number(struct config *c, const struct config_key *k, const struct config_place *p,
		      const json_t *value)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || (uint64_t)n < k->min || (uint64_t)n > k->max)
		return config_bad(p, "%s: must be a whole number from %llu to %llu", k->key,
				  (unsigned long long)k->min, (unsigned long long)k->max);
	*(uint64_t *)(void *)((char *)c + k->offset) = (uint64_t)n;
	return 0;
}

static int set_bool(struct config *c, const struct config_key *k, const struct config_place *p,
		    const json_t *value)
{
	if (!json_is_boolean(value))
		return config_bad(p, "%s: must be true or false", k->key);
	*(bool *)((char *)c + k->offset) = json_is_true(value);
	return 0;
}

static int set_ports(struct config *c, const struct config_place *p, const char *key,
		     const json_t *value)
{
	if (!json_is_array(value) || json_array_size(value) > CONFIG_PORTS_MAX)
		return config_bad(p, "%s: must be a list of at most %u ports", key,
				  CONFIG_PORTS_MAX);
	memset(c->ports, 0, sizeof(c->ports));
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *e = json_array_get(value, i);
		json_int_t n = json_integer_value(e);

		if (!json_is_integer(e) || n < 1 || n > 65535 || n == EG_PROXY_PORT)
			return config_bad_element(
				p, value, i, key,
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
	return config_bad(
		p, "%s: must be an IPv6 prefix of 32, 40, 48, 56, 64 or 96 bits, or empty", key);
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
		return config_list_set(list, p, k->key, value, "an absolute path", config_is_path);
	case CONFIG_CIDRS:
		return config_list_set(list, p, k->key, value, "an address or address/bits",
				       is_prefix);
	case CONFIG_SERVERS:
		return config_list_set(list, p, k->key, value, "an address or address:port",
				       is_server);
	case CONFIG_PORTS:
		return set_ports(c, p, k->key, value);
	case CONFIG_NAT64:
		return set_nat64(c, p, k->key, value);
	case CONFIG_CREDENTIALS:
		return config_credentials_set(c, p, value);
	case CONFIG_RUN:
		return config_run_set(c, p, value);
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
		config_list_clear((struct config_list *)(void *)((char *)c + k->offset));
		break;
	case CONFIG_CREDENTIALS:
		config_credentials_clear(c);
		break;
	case CONFIG_RUN:
		config_run_clear(c);
		break;
	case CONFIG_BOOL:
	case CONFIG_NUMBER:
	case CONFIG_PORTS:
	case CONFIG_NAT64:
		break;
	}
}
