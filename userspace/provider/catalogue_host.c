/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host is a name, or a pattern: "*." in front stands for one label or more, "*" elsewhere for
 * one whole label, and "*-suffix" for a label that ends so. A pattern keeps two literal labels at
 * its end, so that nobody governs ".com" by accident.
 */
#include "provider/catalogue_host.h"

#include <arpa/inet.h>
#include <stdio.h>

#define HOST_MAX       253
#define LABEL_MAX      63
#define PREFIX_MIN_IP4 8
#define PREFIX_MIN_IP6 16

static bool is_label_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* "*", "*-suffix", or a plain label. */
static bool is_label(struct slice s)
{
	size_t i = 0;

	if (s.n == 0 || s.n > LABEL_MAX)
		return false;
	if (s.p[0] == '*') {
		if (s.n > 1 && (s.n == 2 || s.p[1] != '-'))
			return false;
		i = 1;
	}
	for (; i < s.n; i++)
		if (!is_label_byte(s.p[i]))
			return false;
	return true;
}

static bool is_host(struct slice s)
{
	struct slice rest = s;
	unsigned labels = 0;

	if (s.n > HOST_MAX || s.p[0] == '.')
		return false;
	while (rest.n) {
		struct slice label = image_last_label(&rest);

		if (!is_label(label) || ++labels > IMAGE_PATTERN_LABELS_MAX)
			return false;
		if (labels <= 2 && label.p[0] == '*')
			return false;
	}
	return labels >= 2;
}

static const struct catalogue_rule rule_host = {
	"a host name in lower case; \"*.\" in front for any labels, \"*\" for one label, "
	"\"*-x\" for the end of one",
	is_host
};

/* Walks the labels from the right; -EEXIST when another provider has the pattern. */
static int add_pattern(struct catalogue_build *b, struct slice host, uint32_t provider)
{
	bool below = slice_has_prefix(host, SLICE("*."));
	struct slice rest = below ? slice_of(host.p + 2, host.n - 2) : host;
	struct image_node *node;
	uint32_t *owner;
	int at = 0;

	while (rest.n && at >= 0)
		at = catalogue_build_child(b, (uint32_t)at, image_last_label(&rest));
	if (at < 0)
		return at;
	node = catalogue_build_get_node(b, (uint32_t)at);
	owner = below ? &node->host_below : &node->host_here;
	if (*owner)
		return -EEXIST;
	*owner = provider + 1;
	return 0;
}

static int add_name(struct catalogue_build *b, struct slice host, uint32_t provider)
{
	struct image_name name = { .provider = provider };
	int r = catalogue_build_put(b, IMAGE_HOST, 0, host, provider);

	if (r == 0)
		r = catalogue_build_string(b, host, &name.host);
	return r < 0 ? r : catalogue_build_add(b, IMAGE_names, &name, sizeof(name));
}

static int add_hosts(const struct catalogue_read *c, json_t *object, uint32_t provider)
{
	json_t *list;
	int r = catalogue_read_list(c, object, "hosts", &list);

	for (size_t i = 0; i < json_array_size(list) && r >= 0; i++) {
		struct slice host;

		r = catalogue_read_element(c, list, i, &rule_host, &host);
		if (r < 0)
			return r;
		if (memchr(host.p, '*', host.n))
			r = add_pattern(c->b, host, provider);
		else
			r = add_name(c->b, host, provider);
		if (r == -EEXIST)
			return json_doc_error_at(c->doc, c->d, list, i,
						 "the host \"" SLICE_FMT "\" stands in the "
						 "catalogue twice",
						 SLICE_ARG(host));
	}
	return r < 0 ? r : 0;
}

/* True when no bit after the prefix is set. */
static bool is_network(const unsigned char addr[16], unsigned prefix)
{
	for (unsigned bit = prefix; bit < 128; bit++)
		if (addr[bit / 8] & (0x80u >> (bit % 8)))
			return false;
	return true;
}

static bool parse_prefix(const char *s, unsigned max, unsigned *ret)
{
	unsigned v = 0;

	if (!*s || (s[0] == '0' && s[1]))
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		v = v * 10 + (unsigned)(*s - '0');
		if (v > max)
			return false;
	}
	*ret = v;
	return true;
}

static bool parse_cidr(struct slice s, struct eg_endpoint_key *ret)
{
	unsigned char addr[16] = { [10] = 0xff, [11] = 0xff };
	char text[64], *slash;
	unsigned prefix;

	if (s.n >= sizeof(text))
		return false;
	(void)slice_copy(s, text, sizeof(text));
	slash = strchr(text, '/');
	if (!slash)
		return false;
	*slash = '\0';
	if (inet_pton(AF_INET, text, addr + 12) == 1) {
		if (!parse_prefix(slash + 1, 32, &prefix) || prefix < PREFIX_MIN_IP4)
			return false;
		prefix += 96;
	} else if (inet_pton(AF_INET6, text, addr) != 1 || !parse_prefix(slash + 1, 128, &prefix) ||
		   prefix < PREFIX_MIN_IP6) {
		return false;
	}
	if (!is_network(addr, prefix))
		return false;
	ret->prefix_len = prefix;
	memcpy(&ret->addr, addr, sizeof(ret->addr));
	return true;
}

static bool is_cidr(struct slice s)
{
	struct eg_endpoint_key key;

	return parse_cidr(s, &key);
}

static const struct catalogue_rule rule_cidr = {
	"a network such as 203.0.113.0/24 or 2001:db8::/32, no bits set after the prefix, which is "
	"at least /8 or /16",
	is_cidr
};

static int add_cidrs(const struct catalogue_read *c, json_t *object, uint32_t provider)
{
	json_t *list;
	int r = catalogue_read_list(c, object, "cidrs", &list);

	for (size_t i = 0; i < json_array_size(list) && r >= 0; i++) {
		struct image_cidr cidr = { .provider = provider };
		struct slice s;

		r = catalogue_read_element(c, list, i, &rule_cidr, &s);
		if (r < 0)
			return r;
		(void)parse_cidr(s, &cidr.key);
		r = catalogue_build_add(c->b, IMAGE_cidrs, &cidr, sizeof(cidr));
	}
	return r < 0 ? r : 0;
}

int catalogue_host_compile(const struct catalogue_read *c, json_t *object, uint32_t provider,
			   struct image_list *ret_hosts)
{
	int r = add_hosts(c, object, provider);

	if (r == 0)
		r = catalogue_read_texts(c, object, "hosts", &rule_host, ret_hosts);
	return r < 0 ? r : add_cidrs(c, object, provider);
}
