/* SPDX-License-Identifier: Apache-2.0 */
/* Errors are valid JSON in each provider's shape, whatever stands in the message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/json.h"
#include "provider/dialect.h"

#define ID "0123456789abcdef0123456789abcdef"

static void exact(const char *dialect, unsigned status, enum eg_reason reason, struct slice message,
		  const char *wanted)
{
	const struct dialect_error e = { status, reason, message, SLICE(ID) };
	const struct dialect *d = dialect_find(slice_str(dialect));
	struct buf out;

	buf_init(&out, 65536);
	assert_non_null(d);
	assert_int_equal(d->write_error(&out, &e), 0);
	if (!slice_eq(buf_slice(&out), slice_str(wanted)))
		fail_msg(SLICE_FMT "\n is not\n%s", SLICE_ARG(buf_slice(&out)), wanted);
	buf_release(&out);
}

static void writes_each_shape(void **state)
{
	(void)state;
	exact("openai", 403, EG_REASON_no_rule, SLICE("no rule"),
	      "{\"error\":{\"message\":\"no rule\",\"type\":\"permission_error\",\"param\":null,"
	      "\"code\":\"no_rule\"}}");
	exact("openai", 400, EG_REASON_body_malformed, SLICE("m"),
	      "{\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\",\"param\":null,"
	      "\"code\":\"body_malformed\"}}");
	exact("openai", 502, EG_REASON_upstream_closed, SLICE("m"),
	      "{\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,"
	      "\"code\":\"upstream_closed\"}}");
	exact("anthropic", 403, EG_REASON_denied_by_rule, SLICE("no"),
	      "{\"type\":\"error\",\"error\":{\"type\":\"permission_error\",\"message\":\"no\"},"
	      "\"request_id\":\"" ID "\"}");
	exact("generic", 403, EG_REASON_direct_key, SLICE("no"),
	      "{\"error\":{\"code\":403,\"message\":\"no\",\"status\":\"PERMISSION_DENIED\","
	      "\"reason\":\"direct_key\",\"request_id\":\"" ID "\"},\"message\":\"no\"}");
}

static void anthropic_type(unsigned status, const char *type)
{
	char wanted[256];

	(void)snprintf(wanted, sizeof(wanted),
		       "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"m\"},"
		       "\"request_id\":\"" ID "\"}",
		       type);
	exact("anthropic", status, EG_REASON_no_rule, SLICE("m"), wanted);
}

static void anthropic_tells_the_type_by_status(void **state)
{
	(void)state;
	anthropic_type(400, "invalid_request_error");
	anthropic_type(401, "authentication_error");
	anthropic_type(403, "permission_error");
	anthropic_type(404, "not_found_error");
	anthropic_type(408, "invalid_request_error");
	anthropic_type(413, "request_too_large");
	anthropic_type(415, "invalid_request_error");
	anthropic_type(429, "rate_limit_error");
	anthropic_type(431, "invalid_request_error");
	anthropic_type(500, "api_error");
	anthropic_type(502, "api_error");
	anthropic_type(504, "timeout_error");
	anthropic_type(529, "overloaded_error");
}

static void escapes_what_json_cannot_hold(void **state)
{
	(void)state;
	exact("openai", 403, EG_REASON_no_rule, SLICE("a\"b\\c\nd\te\x01\x7f"),
	      "{\"error\":{\"message\":\"a\\\"b\\\\c\\nd\\u0009e\\u0001\\u007f\",\"type\":"
	      "\"permission_error\",\"param\":null,\"code\":\"no_rule\"}}");
	exact("openai", 403, EG_REASON_no_rule, SLICE("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
	      "{\"error\":{\"message\":\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\",\"type\":"
	      "\"permission_error\",\"param\":null,\"code\":\"no_rule\"}}");
}

/* Every single byte, every lead byte with a wrong follower, cut at the end: still valid JSON. */
static void stays_valid_whatever_the_message(void **state)
{
	static const char *const dialects[] = { "openai", "anthropic", "generic" };
	static const char *const bad[] = { "\x80",
					   "\xc3",
					   "\xc0\xaf",
					   "\xe0\x80\xaf",
					   "\xed\xa0\x80",
					   "\xf0\x80\x80\x80",
					   "\xf4\x90\x80\x80",
					   "\xf5\x80\x80\x80",
					   "\xff",
					   "\xe2\x82",
					   "\xe2\x28\xa1",
					   "a\xf0\x9f\x98",
					   "\xc3\xa9\xc3" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(dialects) * (256 + ARRAY_SIZE(bad)); i++) {
		const struct dialect *d = dialect_find(slice_str(dialects[i % 3]));
		size_t at = i / 3;
		char byte = (char)at;
		struct slice message = at < 256 ? slice_of(&byte, 1) : slice_str(bad[at - 256]);
		const struct dialect_error e = { 403, EG_REASON_no_rule, message, SLICE(ID) };
		struct json_doc *doc = NULL;
		struct diag diag = { 0 };
		struct buf out;

		buf_init(&out, 65536);
		assert_int_equal(d->write_error(&out, &e), 0);
		if (at == 0) /* the reader refuses \u0000, which is what must stand there */
			assert_non_null(memmem(out.p, buf_len(&out), "\\u0000", 6));
		else if (json_doc_parse("e", buf_slice(&out), 65536, &diag, &doc) < 0)
			fail_msg("%zu: %s", at, diag.text);
		json_doc_free(doc);
		buf_release(&out);
	}
}

static void knows_every_reason(void **state)
{
	static const char *const names[] = {
#define X(name, status, error, text) #name,
		EG_REASONS(X)
#undef X
	};

	(void)state;
	for (int i = 0; i < EG_REASON_COUNT; i++) {
		char wanted[256];

		(void)snprintf(wanted, sizeof(wanted),
			       "{\"error\":{\"message\":\"\",\"type\":\"permission_error\","
			       "\"param\":null,\"code\":\"%s\"}}",
			       names[i]);
		exact("openai", 403, (enum eg_reason)i, SLICE(""), wanted);
	}
}

static void says_when_there_is_no_room(void **state)
{
	const struct dialect_error e = { 403, EG_REASON_no_rule, SLICE("message"), SLICE(ID) };
	static const char *const dialects[] = { "openai", "anthropic", "generic" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(dialects); i++)
		for (size_t max = 0; max < 60; max++) {
			struct buf out;

			buf_init(&out, max);
			assert_int_equal(
				dialect_find(slice_str(dialects[i]))->write_error(&out, &e),
				-EMSGSIZE);
			buf_release(&out);
		}
}

static void finds_dialects_by_name_only(void **state)
{
	(void)state;
	assert_null(dialect_find(SLICE("")));
	assert_null(dialect_find(SLICE("OpenAI")));
	assert_null(dialect_find(SLICE("openai2")));
	assert_string_equal(dialect_find(SLICE("openai"))->request_id_field, "x-request-id");
	assert_string_equal(dialect_find(SLICE("anthropic"))->request_id_field, "request-id");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_each_shape),
		cmocka_unit_test(anthropic_tells_the_type_by_status),
		cmocka_unit_test(escapes_what_json_cannot_hold),
		cmocka_unit_test(stays_valid_whatever_the_message),
		cmocka_unit_test(knows_every_reason),
		cmocka_unit_test(says_when_there_is_no_room),
		cmocka_unit_test(finds_dialects_by_name_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
