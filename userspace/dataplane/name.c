/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/name.h"

static bool is_pattern(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
		      c == '_' || c == '*'))
			return false;
	}
	return s.n > 0 && s.p[0] != '.' && s.p[s.n - 1] != '.' && s.p[s.n - 1] != '*';
}

/* Bytes up to and without the first star; all when there is none. */
static size_t before_star(struct slice s)
{
	const char *star = memchr(s.p, '*', s.n);

	return star ? (size_t)(star - s.p) : s.n;
}

static struct slice behind_last_star(struct slice s)
{
	size_t n = 0;

	while (n < s.n && s.p[s.n - 1 - n] != '*')
		n++;
	return slice_of(s.p + s.n - n, n);
}

static void set_prefix(struct slice s, struct eg_name *rule)
{
	uint8_t want[EG_NAME_PREFIX_BYTES] = { '.' }, mask[EG_NAME_PREFIX_BYTES] = { 0xff };
	size_t n = s.n < sizeof(want) - 1 ? s.n : sizeof(want) - 1;

	memcpy(want + 1, s.p, n);
	memset(mask + 1, 0xff, n);
	memcpy(rule->prefix[0].want, want, sizeof(want));
	memcpy(rule->prefix[0].mask, mask, sizeof(mask));
	rule->n_prefixes = 1;
}

int name_rule(struct slice pattern, uint32_t provider, struct eg_name_key *ret_key,
	      struct eg_name *ret_rule)
{
	struct eg_name rule = { .provider = provider };
	size_t head = is_pattern(pattern) ? before_star(pattern) : 0;
	struct slice tail = pattern;
	struct eg_name_key key = { 0 };

	if (!is_pattern(pattern) || pattern.n >= EG_NAME_BYTES)
		return -EINVAL;
	rule.exact = head == pattern.n;
	if (!rule.exact) {
		tail = behind_last_star(pattern);
		if (!memchr(tail.p, '.', tail.n - 1)) /* "*com": half the internet */
			return -EINVAL;
		if (head)
			set_prefix(slice_of(pattern.p, head), &rule);
	}
	for (size_t i = 0; i < tail.n; i++)
		key.s[i] = (uint8_t)tail.p[tail.n - 1 - i];
	rule.name_n = (uint32_t)tail.n;
	if (rule.exact)
		key.s[rule.name_n++] = '.';
	key.prefix_len = rule.name_n * 8;
	*ret_key = key;
	*ret_rule = rule;
	return 0;
}

void name_merge(struct eg_name *into, const struct eg_name *more)
{
	if (into->exact && more->exact)
		return;
	if (into->exact || more->exact || !into->n_prefixes || !more->n_prefixes ||
	    into->n_prefixes + more->n_prefixes > EG_NAME_PREFIXES) {
		into->exact = 0;
		into->n_prefixes = 0;
		return;
	}
	for (uint32_t i = 0; i < more->n_prefixes; i++)
		into->prefix[into->n_prefixes++] = more->prefix[i];
}
