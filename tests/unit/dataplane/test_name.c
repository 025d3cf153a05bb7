/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns become keys and rules; the kernel's own matching code says what they cover. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/name.h"

#include "lib/dns.h"

/* Would the trie find the rule for this host, and does it stand for it? */
static bool covers(const struct eg_name_key *key, const struct eg_name *rule, const char *host)
{
	struct dns d = { 0 };
	size_t n = strlen(host);

	d.n = (__u32)n + 2;
	d.msg[0] = 0;
	for (size_t i = 0, label = 0; i <= n; i++) {
		if (i < n && host[i] != '.') {
			d.msg[i + 1] = (__u8)host[i];
			label++;
			continue;
		}
		d.msg[i - label] = (__u8)label;
		label = 0;
	}
	d.msg[n + 1] = 0;
	dns_name_begin(&d, 0);
	for (int i = 0; i < DNS_NAME_ROUNDS && !dns_name_byte(&d); i++)
		;
	assert_int_equal(d.name.n, n + 1);
	for (__u32 i = 0; !name_key_byte(&d.name, i); i++)
		;
	return key->prefix_len <= d.name.n * 8 &&
	       memcmp(key->s, d.name.key.s, key->prefix_len / 8) == 0 &&
	       name_matches(&d.name, rule);
}

static bool pattern_covers(const char *pattern, const char *host)
{
	struct eg_name_key key;
	struct eg_name rule;

	assert_int_equal(name_rule(slice_str(pattern), 1, &key, &rule), 0);
	return covers(&key, &rule, host);
}

static void a_name_stands_for_itself_only(void **state)
{
	(void)state;
	assert_true(pattern_covers("api.openai.com", "api.openai.com"));
	assert_true(pattern_covers("api.openai.com", "API.OpenAI.com"));
	assert_false(pattern_covers("api.openai.com", "x.api.openai.com"));
	assert_false(pattern_covers("api.openai.com", "notapi.openai.com"));
	assert_false(pattern_covers("openai.com", "notopenai.com"));
	assert_false(pattern_covers("api.openai.com", "openai.com"));
}

static void a_pattern_stands_for_what_ends_and_begins_so(void **state)
{
	(void)state;
	assert_true(pattern_covers("*.openai.azure.com", "res.openai.azure.com"));
	/* too much is only redirected, and decided by the server name */
	assert_true(pattern_covers("*.openai.azure.com", "openai.azure.com"));
	assert_false(pattern_covers("*.openai.azure.com", "xopenai.azure.com"));
	assert_true(pattern_covers("*-aiplatform.googleapis.com",
				   "us-east1-aiplatform.googleapis.com"));
	assert_false(pattern_covers("*-aiplatform.googleapis.com", "aiplatform.googleapis.com"));
	assert_true(pattern_covers("bedrock-runtime.*.amazonaws.com",
				   "bedrock-runtime.eu-west-1.amazonaws.com"));
	assert_false(
		pattern_covers("bedrock-runtime.*.amazonaws.com", "s3.eu-west-1.amazonaws.com"));
	assert_false(pattern_covers("bedrock-runtime.*.amazonaws.com",
				    "xbedrock-runtime.eu.amazonaws.com"));
	assert_false(pattern_covers("bedrock-runtime.*.amazonaws.com", "b.amazonaws.com"));
}

static void rules_of_one_key_are_merged(void **state)
{
	struct eg_name_key key, key2;
	struct eg_name a, b;
	char pattern[64];

	(void)state;
	assert_int_equal(name_rule(SLICE("bedrock.*.amazonaws.com"), 1, &key, &a), 0);
	for (int i = 0; i < EG_NAME_PREFIXES - 1; i++) {
		snprintf(pattern, sizeof(pattern), "p%d.*.amazonaws.com", i);
		assert_int_equal(name_rule(slice_str(pattern), 1, &key2, &b), 0);
		assert_memory_equal(&key, &key2, sizeof(key));
		name_merge(&a, &b);
	}
	assert_true(covers(&key, &a, "bedrock.x.amazonaws.com"));
	assert_true(covers(&key, &a, "p6.x.amazonaws.com"));
	assert_false(covers(&key, &a, "p9.x.amazonaws.com"));
	assert_int_equal(name_rule(SLICE("p9.*.amazonaws.com"), 1, &key2, &b), 0);
	name_merge(&a, &b); /* one too many: everything below */
	assert_true(covers(&key, &a, "s3.x.amazonaws.com"));

	assert_int_equal(name_rule(SLICE("x.com"), 1, &key, &a), 0);
	assert_int_equal(name_rule(SLICE("*.x.com"), 1, &key2, &b), 0);
	assert_memory_equal(&key, &key2, sizeof(key));
	name_merge(&a, &b);
	assert_true(covers(&key, &a, "x.com"));
	assert_true(covers(&key, &a, "y.x.com"));
	assert_int_equal(name_rule(SLICE("x.com"), 1, &key, &a), 0);
	name_merge(&a, &a);
	assert_false(covers(&key, &a, "y.x.com"));
}

static void what_is_no_name_is_refused(void **state)
{
	static const char *const bad[] = {
		"",	  ".",	 "a.",	".a",  "*",	"*.",  "*com",
		"*.com.", "A.b", "a b", "a/b", "a.b.*", "*.*", "a\xc3.b"
	};
	struct eg_name_key key;
	struct eg_name rule;
	char longest[EG_NAME_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(name_rule(slice_str(bad[i]), 1, &key, &rule), -EINVAL);
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(name_rule(slice_of(longest, EG_NAME_BYTES), 1, &key, &rule), -EINVAL);
	assert_int_equal(name_rule(slice_of(longest, EG_NAME_BYTES - 1), 1, &key, &rule), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_stands_for_itself_only),
		cmocka_unit_test(a_pattern_stands_for_what_ends_and_begins_so),
		cmocka_unit_test(rules_of_one_key_are_merged),
		cmocka_unit_test(what_is_no_name_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
