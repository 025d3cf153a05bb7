/* SPDX-License-Identifier: Apache-2.0 */
/* No credential of the caller's survives, wherever it stands, and nothing else is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "provider/credential.h"

#include "tests/unit/provider/compiled.h"

#define REAL  "sk-proj-AbCdEf0123456789AbCdEf"
#define PH    "sk-egret-placeholder"
#define ANT   "sk-ant-api03-AbCdEf0123456789-xyz"
#define FIELD 12

static struct compiled cat;
static struct pool pool;

struct run {
	struct http_field field[FIELD];
	struct http_request req;
	struct credential_found found;
	int r;
};

static void add(struct run *t, const char *name, const char *value)
{
	struct http_field *f = &t->field[t->req.n_fields++];

	assert_true(t->req.n_fields <= FIELD);
	f->name = slice_str(name);
	f->value = slice_str(value);
	f->id = http_field_id(f->name);
}

static void strip(struct run *t, const char *provider)
{
	int p = catalogue_find_provider(cat.c, slice_str(provider));

	assert_true(p >= 0);
	t->req.method = SLICE("POST");
	if (!t->req.target.p)
		t->req.target = SLICE("/v1/chat/completions");
	t->req.fields = t->field;
	t->r = credential_strip(cat.c, (unsigned)p, &t->req, &pool, &t->found);
	assert_int_equal(t->r, 0);
}

static void expect(struct slice got, const char *wanted)
{
	if (!slice_eq(got, slice_str(wanted)))
		fail_msg("\"" SLICE_FMT "\" is not \"%s\"", SLICE_ARG(got), wanted);
}

/* A field beside harmless ones: gone, and reported as wanted (place NULL: not direct). */
static void one_field(const char *name, const char *value, const char *place, const char *bare)
{
	struct run t = { 0 };

	add(&t, "Host", "api.openai.com");
	add(&t, name, value);
	add(&t, "Content-Type", "application/json");
	strip(&t, "openai");
	if (t.req.n_fields != 2 || t.found.direct != (place != NULL))
		fail_msg("%s: %s: %zu fields, direct %d", name, value, t.req.n_fields,
			 t.found.direct);
	expect(t.req.fields[0].name, "Host");
	expect(t.req.fields[1].name, "Content-Type");
	if (place) {
		expect(t.found.place, place);
		expect(t.found.value, bare);
	}
}

static void takes_a_key_out_of_every_field(void **state)
{
	static const char *const names[] = {
		"Authorization",
		"authorization",
		"AUTHORIZATION",
		"x-api-key",
		"X-API-Key",
		"api-key",
		"Api-Key",
		"x-goog-api-key",
		"Proxy-Authorization",
		"xi-api-key",
		"Cf-Aig-Authorization",
		"apikey",
		"X-Auth-Token",
		"x-access-token",
		"X-Amz-Security-Token",
		"Ocp-Apim-Subscription-Key",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char place[64];

		for (size_t j = 0; j <= strlen(names[i]); j++)
			place[j] = ascii_lower(names[i][j]);
		/* Any value, even one that looks like no key at all. */
		one_field(names[i], "x", place, "x");
		one_field(names[i], REAL, place, REAL);
		one_field(names[i], "Bearer " REAL, place, REAL);
		one_field(names[i], "bearer\t " REAL " ", place, REAL);
		one_field(names[i], "Bearer " PH ", Bearer " REAL, place, PH ", Bearer " REAL);
		one_field(names[i], "", NULL, NULL);
		one_field(names[i], "Bearer", NULL, NULL);
		one_field(names[i], PH, NULL, NULL);
		one_field(names[i], "Bearer " PH, NULL, NULL);
	}
}

static void takes_underscores_for_dashes(void **state)
{
	(void)state;
	one_field("X_Api_Key", "k", "x-api-key", "k");
	one_field("x-api_key", "k", "x-api-key", "k");
	one_field("API_KEY", "k", "api-key", "k");
	one_field("x_goog_api_key", "k", "x-goog-api-key", "k");
	one_field("Proxy_Authorization", "k", "proxy-authorization", "k");
	one_field("xi_api_key", "k", "xi-api-key", "k");
	one_field("cf_aig-authorization", "k", "cf-aig-authorization", "k");
}

static void knows_placeholders_exactly(void **state)
{
	(void)state;
	one_field("authorization", "Bearer sk-ant-egret-placeholder", NULL, NULL);
	one_field("authorization", "egret-placeholder", NULL, NULL);
	one_field("authorization", "Token egret-placeholder", NULL, NULL);
	one_field("authorization", "Bearer " PH "x", "authorization", PH "x");
	one_field("authorization", "Bearer x" PH, "authorization", "x" PH);
	one_field("authorization", "Bearer SK-egret-placeholder", "authorization",
		  "SK-egret-placeholder");
	one_field("authorization", "Bearer sk-egret-placeholde", "authorization",
		  "sk-egret-placeholde");
	one_field("authorization", "Bearer Bearer " PH, "authorization", "Bearer " PH);
	one_field("authorization", "Weird " PH, "authorization", "Weird " PH);
	one_field("authorization", "Bearerx", "authorization", "Bearerx");
}

static void reads_basic(void **state)
{
	(void)state;
	/* ":sk-egret-placeholder", "sk-egret-placeholder:", both. */
	one_field("authorization", "Basic OnNrLWVncmV0LXBsYWNlaG9sZGVy", NULL, NULL);
	one_field("authorization", "basic c2stZWdyZXQtcGxhY2Vob2xkZXI6", NULL, NULL);
	one_field("authorization",
		  "Basic c2stZWdyZXQtcGxhY2Vob2xkZXI6c2stZWdyZXQtcGxhY2Vob2xkZXI=", NULL, NULL);
	/* "sk-real:sk-egret-placeholder": the user could be the key. */
	one_field("authorization",
		  "Basic c2stcmVhbDpzay1lZ3JldC1wbGFjZWhvbGRlcg==", "authorization",
		  "c2stcmVhbDpzay1lZ3JldC1wbGFjZWhvbGRlcg==");
	one_field("authorization", "Basic Og==", "authorization", "Og==");
	one_field("authorization", "Basic ????", "authorization", "????");
}

static void takes_known_keys_out_of_unknown_fields(void **state)
{
	(void)state;
	one_field("x-anything", REAL, "another field", REAL);
	one_field("x-anything", "Bearer " ANT, "another field", ANT);
	one_field("user-agent", "AIzaSyA-0123456789abcdefghijklm", "another field",
		  "AIzaSyA-0123456789abcdefghijklm");
	/* A placeholder there goes too, silently. */
	one_field("x-anything", "sk-ant-egret-placeholder", NULL, NULL);
}

static void leaves_other_fields_alone(void **state)
{
	struct run t = { 0 };

	(void)state;
	add(&t, "Accept-Language", "sk-SK,sk;q=0.9");
	add(&t, "User-Agent", "hf_transfer/0.1 sk-proj-AbCdEf0123456789AbCdEf");
	add(&t, "x-client-request-id", "0f1e2d3c-0000-1111-2222-333344445555");
	add(&t, "anthropic-beta", "oauth-2025-04-20,claude-code-20250219");
	add(&t, "OpenAI-Beta", "responses=v1");
	add(&t, "x-empty", "");
	strip(&t, "openai");
	assert_false(t.found.direct);
	assert_int_equal(t.req.n_fields, 6);
	expect(t.req.target, "/v1/chat/completions");
}

static void drops_the_choice_of_an_account_silently(void **state)
{
	(void)state;
	one_field("OpenAI-Organization", "org-abc", NULL, NULL);
	one_field("openai_project", "proj_abc", NULL, NULL);
	one_field("X-Goog-User-Project", "someone", NULL, NULL);
}

static void reports_the_first_and_takes_all(void **state)
{
	struct run t = { 0 };

	(void)state;
	t.req.target = SLICE("/v1/messages?beta=true&key=third");
	add(&t, "authorization", "Bearer " PH);
	add(&t, "x-api-key", ANT);
	add(&t, "X-API-KEY", "second");
	add(&t, "accept", "*/*");
	add(&t, "api-key", "");
	strip(&t, "anthropic");
	assert_true(t.found.direct);
	expect(t.found.place, "x-api-key");
	expect(t.found.value, ANT);
	expect(t.found.provider_hint, "anthropic");
	assert_int_equal(t.req.n_fields, 1);
	expect(t.req.fields[0].name, "accept");
	expect(t.req.target, "/v1/messages?beta=true");
}

static void hint(const char *provider, const char *value, const char *wanted)
{
	struct run t = { 0 };

	add(&t, "authorization", value);
	strip(&t, provider);
	assert_true(t.found.direct);
	expect(t.found.provider_hint, wanted);
}

static void names_the_owner_of_a_key_by_its_longest_prefix(void **state)
{
	(void)state;
	hint("openai", "Bearer " ANT, "anthropic");
	hint("anthropic", "Bearer " REAL, "openai");
	hint("openai", "sk-or-v1-0123", "openrouter");
	hint("openai", "sk-0123", "openai");
	hint("deepseek", "sk-0123", "deepseek");
	hint("deepseek", "sk-proj-0123", "openai");
	hint("openai", "nothing known", "");
}

static void cookies(const char *value, const char *found)
{
	struct run t = { 0 };

	add(&t, "Cookie", value);
	strip(&t, "openai");
	assert_int_equal(t.req.n_fields, 0);
	assert_int_equal(t.found.direct, found != NULL);
	if (found) {
		expect(t.found.place, "cookie");
		expect(t.found.value, found);
	}
}

static void drops_cookies_and_reports_keys_among_them(void **state)
{
	(void)state;
	cookies("", NULL);
	cookies("__cf_bm=abc.def-1700000000-1.0.1.1; _cfuvid=x", NULL);
	cookies("a=b; sessionKey=sk-ant-sid01-0123456789abcdef; c=d",
		"sk-ant-sid01-0123456789abcdef");
	cookies("k=\"" REAL "\"", REAL);
	cookies(";;" REAL ";", REAL);
	cookies("k=sk-ant-egret-placeholder", NULL);
}

static void protocols(const char *value, const char *kept, const char *found)
{
	struct run t = { 0 };

	add(&t, "Sec-WebSocket-Protocol", value);
	strip(&t, "openai");
	assert_int_equal(t.req.n_fields, kept != NULL);
	if (kept)
		expect(t.req.fields[0].value, kept);
	assert_int_equal(t.found.direct, found != NULL);
	if (found)
		expect(t.found.value, found);
}

static void takes_keys_out_of_subprotocols(void **state)
{
	(void)state;
	protocols("realtime, openai-insecure-api-key." REAL ", openai-beta.realtime-v1",
		  "realtime,openai-beta.realtime-v1", REAL);
	protocols("realtime,openai-insecure-api-key.x", "realtime", "x");
	protocols("openai-insecure-api-key." PH, NULL, NULL);
	protocols("openai-insecure-api-key.", NULL, NULL);
	protocols("token, 0123abcd", "token", "0123abcd");
	protocols(REAL, NULL, REAL);
	protocols("graphql-ws", "graphql-ws", NULL);
	protocols(" , ,", NULL, NULL);
}

static void query(const char *target, const char *wanted, const char *place, const char *value)
{
	struct run t = { 0 };

	t.req.target = slice_str(target);
	strip(&t, "gemini");
	expect(t.req.target, wanted);
	if (t.found.direct != (place != NULL))
		fail_msg("%s: direct %d", target, t.found.direct);
	if (place) {
		expect(t.found.place, place);
		expect(t.found.value, value);
	}
}

static void takes_keys_out_of_the_query(void **state)
{
	(void)state;
	query("/p?key=k", "/p", "query key", "k");
	query("/p?alt=sse&key=k", "/p?alt=sse", "query key", "k");
	query("/p?key=k&alt=sse", "/p?alt=sse", "query key", "k");
	query("/p?a=1&key=k&b=%2F+%20&&c", "/p?a=1&b=%2F+%20&&c", "query key", "k");
	query("/p?key=k&key=l&a", "/p?a", "query key", "k");
	query("/p?a=1;key=k;b=2", "/p?a=1;b=2", "query key", "k");
	query("/p?key=k;b=2", "/p?b=2", "query key", "k");
	query("/p?KEY=k", "/p", "query key", "k");
	query("/p?%6bey=k", "/p", "query key", "k");
	query("/p?%6B%65%79=%6b", "/p", "query key", "k");
	query("/p?ap%69_key=k", "/p", "query api_key", "k");
	query("/p?access_token=k", "/p", "query access_token", "k");
	query("/p?bearer_token=k", "/p", "query bearer_token", "k");
	query("/p?oauth_token=k", "/p", "query oauth_token", "k");
	query("/p?$key=k&%24oauth_token=l", "/p", "query key", "k");
	query("/p?subscription-key=k&api-version=1", "/p?api-version=1", "query subscription-key",
	      "k");
	query("/p?X-Amz-Signature=k&x%2damz-credential=l", "/p", "query x-amz-signature", "k");
	query("/p?xi-api-key=k", "/p", "query field", "k");
	query("/p?key=Bearer+k", "/p", "query key", "k");
	query("/p?key=a=b", "/p", "query key", "a=b");
	query("/p?key=a?b", "/p", "query key", "a?b");
	/* A known key under any name. */
	query("/p?whatever=" REAL "&a=1", "/p?a=1", "query parameter", REAL);
	query("/p?whatever=AIza%53yA-0123456789abcdefghijklm", "/p", "query parameter",
	      "AIzaSyA-0123456789abcdefghijklm");
}

static void drops_placeholders_and_empty_parameters_silently(void **state)
{
	(void)state;
	query("/p?key=", "/p", NULL, NULL);
	query("/p?key", "/p", NULL, NULL);
	query("/p?key=AIza-egret-placeholder&alt=sse", "/p?alt=sse", NULL, NULL);
	query("/p?key=AIza%2Degret%2dplaceholder", "/p", NULL, NULL);
	query("/p?key=AIza-egret-placeholder%01", "/p", "query key", "AIza-egret-placeholder\x01");
}

/* What policy has seen is the request line and Content-Type. */
static void drops_what_overrides_the_head_silently(void **state)
{
	(void)state;
	query("/p?$httpMethod=DELETE", "/p", NULL, NULL);
	query("/p?alt=sse&%24httpmethod=DELETE", "/p?alt=sse", NULL, NULL);
	query("/p?$ct=application/x-protobuf&alt=sse", "/p?alt=sse", NULL, NULL);
	query("/p?_method=DELETE&x-http-method-override=PUT", "/p", NULL, NULL);
}

static void leaves_other_targets_byte_for_byte(void **state)
{
	static const char *const targets[] = {
		"/",
		"*",
		"/p?",
		"/p??",
		"/p?a",
		"/p?&",
		"/p?a=%zz&%",
		"/p?a=%6",
		"/p?keys=k",
		"/p?ct=a&httpMethod=b&$alt=sse&$fields=x",
		"/p?monkey=k&pageToken=x",
		"/p?key%3Dk",
		"/p?%256bey=k",
		"/v1/messages?beta=true",
		"/p?q=sk-SK",
		"/key=k",
		"/p?a=1;b=2",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		query(targets[i], targets[i], NULL, NULL);
}

static void says_when_the_pool_is_full(void **state)
{
	struct http_field f = { .name = SLICE("accept"), .value = SLICE("*/*") };
	struct http_request req = { .target = SLICE("/p?key=kkkkkkkkkkkkkkkkkkkk"),
				    .fields = &f,
				    .n_fields = 1 };
	struct credential_found found;
	struct pool small;

	(void)state;
	pool_init(&small, 8);
	assert_int_equal(credential_strip(cat.c, 0, &req, &small, &found), -EMSGSIZE);
	pool_clear(&small, false);
}

static int set_up(void **state)
{
	(void)state;
	compiled_init(&cat, embed_providers);
	pool_init(&pool, 1u << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pool_clear(&pool, false);
	compiled_done(&cat);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_key_out_of_every_field),
		cmocka_unit_test(takes_underscores_for_dashes),
		cmocka_unit_test(knows_placeholders_exactly),
		cmocka_unit_test(reads_basic),
		cmocka_unit_test(takes_known_keys_out_of_unknown_fields),
		cmocka_unit_test(leaves_other_fields_alone),
		cmocka_unit_test(drops_the_choice_of_an_account_silently),
		cmocka_unit_test(reports_the_first_and_takes_all),
		cmocka_unit_test(names_the_owner_of_a_key_by_its_longest_prefix),
		cmocka_unit_test(drops_cookies_and_reports_keys_among_them),
		cmocka_unit_test(takes_keys_out_of_subprotocols),
		cmocka_unit_test(takes_keys_out_of_the_query),
		cmocka_unit_test(drops_placeholders_and_empty_parameters_silently),
		cmocka_unit_test(drops_what_overrides_the_head_silently),
		cmocka_unit_test(leaves_other_targets_byte_for_byte),
		cmocka_unit_test(says_when_the_pool_is_full),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
