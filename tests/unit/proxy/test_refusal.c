/* SPDX-License-Identifier: Apache-2.0 */
/* Each way a request is refused: status, shape, retry advice, record; and that nothing went out. */
#include "tests/unit/proxy/ends.h"

static struct rig rig;
static struct rig_end c;

static int start(void **state)
{
	(void)state;
	rig_start_with(&rig, "\"body_bytes\":65536,\"head_bytes\":8192");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

/* The refusal that stands in c.text; its record. */
static struct eg_record refused(unsigned status, enum eg_reason reason, const char *name)
{
	char line[64];
	struct eg_record rec;

	rig_until(&c, "egret-request-id");
	rig_until(&c, "\r\n\r\n");
	(void)snprintf(line, sizeof(line), "HTTP/1.1 %u ", status);
	if (strncmp(c.text, line, strlen(line)) != 0)
		fail_msg("wanted %u, got: %s", status, c.text);
	(void)snprintf(line, sizeof(line), "egret-reason: %s\r\n", name);
	assert_non_null(strstr(c.text, line));
	assert_int_equal(!!strstr(c.text, "x-should-retry: false\r\n"), status != 408);
	rec = rig_record(&rig);
	assert_int_equal(rec.decision, reason);
	assert_int_equal(rec.end, EG_REASON_allowed);
	assert_int_equal(rec.status, status);
	assert_true(rec.total_us > 0);
	assert_int_equal(rig.leased, 0);
	assert_false(rig_has_provider_conn(&rig));
	return rec;
}

static void body_tells(const char *what)
{
	rig_until(&c, what);
}

static void unknown_operation_names_the_path(void **state)
{
	struct eg_record rec;

	(void)state;
	rig_open(&rig, &c);
	rig_post(&c, "/v1/realtime?api=1", "", "{}");
	rec = refused(403, EG_REASON_unknown_operation, "unknown_operation");
	body_tells("POST /v1/realtime.");
	assert_string_equal(rec.path, "/v1/realtime");
	rig_forget(&c);
	rig_post(&c, "/v1/sk-proj-0123456789abcdef/sk-short", "", "{}");
	rec = refused(403, EG_REASON_unknown_operation, "unknown_operation");
	assert_string_equal(rec.path, "/v1/sk-proj-****************/sk-short");
	assert_null(strstr(rec.detail, "0123"));
	body_tells("POST /v1/sk-proj-****************/sk-short.");
	assert_string_equal(rec.provider, "openai");
	assert_non_null(strstr(c.text, "\"error\":"));
	assert_non_null(strstr(c.text, "x-request-id: "));
	/* and the connection goes on */
	rig_forget(&c);
	rig_post(&c, "/v1/other", "", "{}");
	(void)refused(403, EG_REASON_unknown_operation, "unknown_operation");
	rig_close(&c);
}

static void model_outside_policy(void **state)
{
	struct eg_record rec;

	(void)state;
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", "{\"model\":\"gpt-4o\"}");
	rec = refused(403, EG_REASON_no_rule, "no_rule");
	assert_string_equal(rec.model, "gpt-4o");
	body_tells("model gpt-4o");
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", "{\"model\":\"gpt-4-huge\"}");
	rec = refused(403, EG_REASON_denied_by_rule, "denied_by_rule");
	assert_string_equal(rec.rule, "no-big");
	body_tells("too dear");
	body_tells("rule no-big");
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", "{\"stream\":true}");
	(void)refused(403, EG_REASON_model_missing, "model_missing");
	rig_close(&c);
}

static void direct_key_is_refused_and_fingerprinted(void **state)
{
	struct eg_record rec, again;

	(void)state;
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "authorization: Bearer sk-proj-stolen0123456789\r\n", RIG_BODY);
	rec = refused(403, EG_REASON_direct_key, "direct_key");
	assert_true(rec.flags & EG_RECORD_DIRECT_KEY);
	assert_true(rec.key_fingerprint != 0);
	assert_null(strstr(rec.detail, "stolen"));
	rig_until(&c, "}");
	assert_null(strstr(c.text, "stolen"));
	rig_forget(&c);
	rig_post(&c, "/v1/models?api_key=sk-proj-stolen0123456789", "", RIG_BODY);
	again = refused(403, EG_REASON_direct_key, "direct_key");
	assert_int_equal(again.key_fingerprint, rec.key_fingerprint);
	assert_string_equal(again.path, "/v1/models");
	rig_close(&c);
}

/* What nobody reads is not passed on either. */
static void body_where_none_belongs(void **state)
{
	static const char *const heads[] = { "content-length: 2\r\n\r\n{}",
					     "transfer-encoding: chunked\r\n\r\n0\r\n\r\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		rig_open(&rig, &c);
		rig_send(&c, "GET /v1/models HTTP/1.1\r\nhost: " RIG_HOST "\r\n");
		rig_send(&c, heads[i]);
		(void)refused(415, EG_REASON_body_type, "body_type");
		assert_false(rig_has_provider_conn(&rig));
		rig_close(&c);
	}
}

static void unknown_workload_and_why(void **state)
{
	(void)state;
	rig.workload = 0;
	rig.attest_reason = EG_REASON_unknown_workload;
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	(void)refused(403, EG_REASON_unknown_workload, "unknown_workload");
	rig_close(&c);
}

static void changed_program(void **state)
{
	(void)state;
	rig.workload = 0;
	rig.attest_reason = EG_REASON_exe_mismatch;
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	(void)refused(403, EG_REASON_exe_mismatch, "exe_mismatch");
	rig_close(&c);
}

static void other_host(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_send(&c, "GET /v1/models HTTP/1.1\r\nhost: api.anthropic.com\r\n\r\n");
	(void)refused(403, EG_REASON_host_mismatch, "host_mismatch");
	rig_until(&c, "connection: close");
	rig_until(&c, "}}");
	assert_int_equal(rig_ended(&c), 1);
	rig_close(&c);
}

static void upgrade(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_send(&c, "GET /v1/responses HTTP/1.1\r\nhost: " RIG_HOST
		     "\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
	(void)refused(426, EG_REASON_upgrade_refused, "upgrade_refused");
	rig_close(&c);
}

static void smuggling_is_400_and_closes(void **state)
{
	static const char *const heads[] = {
		"content-length: 5\r\ntransfer-encoding: chunked\r\n",
		"transfer-encoding: identity, chunked\r\n",
		"content-length: 5\r\ncontent-length: 5\r\n",
		"host: " RIG_HOST "\r\n",
		"x-folded: 1\r\n 2\r\n",
		"x-space : 1\r\n",
		"content-length: +5\r\n",
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		rig_open(&rig, &c);
		(void)snprintf(text, sizeof(text),
			       "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST "\r\n%s\r\nhello",
			       heads[i]);
		rig_send(&c, text);
		(void)refused(400, EG_REASON_bad_request, "bad_request");
		rig_until(&c, "connection: close");
		while (rig_more(&c))
			;
		rig_close(&c);
	}
}

static void bad_bodies(void **state)
{
	static const struct {
		const char *body;
		unsigned status;
		enum eg_reason reason;
		const char *name;
	} bad[] = {
		{ "{\"model\":", 400, EG_REASON_body_malformed, "body_malformed" },
		{ "", 400, EG_REASON_body_malformed, "body_malformed" },
		{ "{\"model\":\"gpt-4o-mini\"} x", 400, EG_REASON_body_malformed,
		  "body_malformed" },
		{ "{\"model\":\"gpt-4o-mini\",\"x\":\"\xff\"}", 400, EG_REASON_body_malformed,
		  "body_malformed" },
		{ "{\"model\":\"gpt-4o-mini\",\"model\":\"gpt-4o\"}", 400,
		  EG_REASON_body_duplicate_key, "body_duplicate_key" },
		{ "{\"mode\\u006c\":\"gpt-4o-mini\"}", 400, EG_REASON_body_escaped_key,
		  "body_escaped_key" },
		{ "{\"model\":[\"gpt-4o-mini\"]}", 400, EG_REASON_body_bad_value,
		  "body_bad_value" },
		{ "{\"model\":\"gpt-4o-mini\",\"max_tokens\":1.5}", 400, EG_REASON_body_bad_value,
		  "body_bad_value" },
	};

	(void)state;
	rig_open(&rig, &c);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		rig_forget(&c);
		rig_post(&c, RIG_CHAT, "", bad[i].body);
		(void)refused(bad[i].status, bad[i].reason, bad[i].name);
	}
	rig_close(&c);
}

static void deep_body(void **state)
{
	static const char start_of_it[] = "{\"model\":\"gpt-4o-mini\",\"x\":";
	char body[24000];

	(void)state;
	memset(body, '[', 10000);
	memset(body + 10000, ']', 10000);
	memcpy(body, start_of_it, sizeof(start_of_it) - 1);
	body[20000] = '\0';
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", body);
	(void)refused(400, EG_REASON_body_too_deep, "body_too_deep");
	rig_close(&c);
}

static void body_of_another_type(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "content-encoding: gzip\r\n", RIG_BODY);
	(void)refused(415, EG_REASON_body_encoding, "body_encoding");
	rig_forget(&c);
	rig_send(&c, "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST
		     "\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n{}");
	(void)refused(415, EG_REASON_body_type, "body_type");
	rig_forget(&c);
	rig_send(&c, "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST
		     "\r\ncontent-type: application/json; charset=utf-7\r\n"
		     "content-length: 2\r\n\r\n{}");
	(void)refused(415, EG_REASON_body_type, "body_type");
	rig_close(&c);
}

static void too_large(void **state)
{
	static char long_head[16384], body[70000];

	(void)state;
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "expect: 100-continue\r\ncontent-length: 65537\r\n", "");
	/* two lengths: bad; so ask properly */
	(void)refused(400, EG_REASON_bad_request, "bad_request");
	rig_close(&c);

	rig_open(&rig, &c);
	rig_send(&c, "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST
		     "\r\ncontent-length: 65537\r\nexpect: 100-continue\r\n\r\n");
	(void)refused(413, EG_REASON_body_too_large, "body_too_large");
	assert_null(strstr(c.text, "100 Continue"));
	rig_until(&c, "connection: close");
	rig_close(&c);

	rig_open(&rig, &c);
	memset(body, ' ', sizeof(body) - 1);
	rig_send(&c, "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST
		     "\r\ntransfer-encoding: chunked\r\n\r\n11160\r\n");
	rig_send_n(&c, body, 69984);
	(void)refused(413, EG_REASON_body_too_large, "body_too_large");
	rig_close(&c);

	rig_open(&rig, &c);
	memset(long_head, 'a', sizeof(long_head) - 1);
	rig_send(&c, "GET /v1/models HTTP/1.1\r\nhost: " RIG_HOST "\r\nx-long: ");
	rig_send(&c, long_head);
	(void)refused(431, EG_REASON_headers_too_large, "headers_too_large");
	rig_close(&c);
}

static void no_credential(void **state)
{
	struct eg_record rec;

	(void)state;
	rig.lease_status = ENOENT;
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_until(&c, "egret-reason: no_credential");
	rec = rig_record(&rig);
	assert_int_equal(rec.decision, EG_REASON_no_credential);
	rig.lease_status = EIO;
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_until(&c, "egret-reason: credential_unavailable");
	rec = rig_record(&rig);
	assert_int_equal(rec.decision, EG_REASON_credential_unavailable);
	assert_false(rig_has_provider_conn(&rig));
	assert_int_equal(rig.leased, 2); /* what fails is not kept */
	rig_close(&c);
}

static void full_log_serves_nothing(void **state)
{
	struct eg_record *open[64];
	struct slab *slab = rig.w->slab;

	(void)state;
	rig_open(&rig, &c);
	rig_post(&c, "/v1/nothing", "", "{}");
	rig_until(&c, "egret-reason: unknown_operation");
	(void)rig_record(&rig);
	/* The worker rests, and this thread may take its slots. */
	for (size_t i = 0; i < ARRAY_SIZE(open); i++)
		open[i] = slab_open(slab);
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_until(&c, "egret-reason: audit_unavailable");
	rig_until(&c, "\"error\"");
	assert_non_null(strstr(c.text, "HTTP/1.1 403 "));
	assert_false(rig_has_record(&rig));
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_until(&c, "egret-reason: audit_unavailable");
	for (size_t i = 0; i < ARRAY_SIZE(open); i++)
		if (open[i])
			slab_commit(slab, open[i]);
	rig_close(&c);
}

static void anthropic_shape(void **state)
{
	(void)state;
	rig_open_host(&rig, &c, "api.anthropic.com");
	rig_send(&c, "POST /v1/nothing HTTP/1.1\r\nhost: api.anthropic.com\r\ncontent-length: 2\r\n"
		     "\r\n{}");
	(void)refused(403, EG_REASON_unknown_operation, "unknown_operation");
	body_tells("\"type\":\"error\"");
	assert_non_null(strstr(c.text, "\r\nrequest-id: "));
	rig_close(&c);
}

static void head_is_refused_without_a_body(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_send(&c, "HEAD /v1/nothing HTTP/1.1\r\nhost: " RIG_HOST "\r\n\r\n");
	(void)refused(403, EG_REASON_unknown_operation, "unknown_operation");
	rig_skip(&c, "\r\n\r\n");
	assert_int_equal(c.n, 0);
	rig_send(&c, "HEAD /v1/nothing HTTP/1.1\r\nhost: " RIG_HOST "\r\n\r\n");
	(void)refused(403, EG_REASON_unknown_operation, "unknown_operation");
	rig_close(&c);
}

static void late_head_and_body(void **state)
{
	(void)state;
	rig_stop(&rig);
	rig_start_with(&rig, "\"head_ms\":50,\"body_ms\":50,\"idle_ms\":100");
	rig_open(&rig, &c);
	rig_send(&c, "POST " RIG_CHAT " HTTP/1.1\r\nho");
	(void)refused(408, EG_REASON_header_timeout, "header_timeout");
	rig_close(&c);
	rig_open(&rig, &c);
	rig_send(&c,
		 "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST "\r\ncontent-length: 10\r\n\r\n{");
	(void)refused(408, EG_REASON_body_timeout, "body_timeout");
	rig_close(&c);
	/* and one that says nothing is closed without a record */
	rig_open(&rig, &c);
	assert_int_equal(rig_ended(&c), 1);
	assert_false(rig_has_record(&rig));
	rig_close(&c);
}

static void own_key_is_replaced_where_policy_says(void **state)
{
	static struct rig_end u;
	struct eg_record rec;

	(void)state;
	rig.workload = 2;
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "authorization: Bearer sk-proj-stolen0123456789\r\n", RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	assert_non_null(strstr(u.text, "authorization: Bearer " RIG_KEY "\r\n"));
	assert_null(strstr(u.text, "stolen"));
	rig_answer(&u, &c);
	rec = rig_record(&rig);
	assert_int_equal(rec.decision, EG_REASON_allowed);
	assert_true(rec.flags & EG_RECORD_DIRECT_KEY && rec.flags & EG_RECORD_REPLACED_KEY);
	assert_true(rec.key_fingerprint != 0);
	rig_close(&c);
	rig_close(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_operation_names_the_path),
		cmocka_unit_test(model_outside_policy),
		cmocka_unit_test(direct_key_is_refused_and_fingerprinted),
		cmocka_unit_test(body_where_none_belongs),
		cmocka_unit_test(unknown_workload_and_why),
		cmocka_unit_test(changed_program),
		cmocka_unit_test(other_host),
		cmocka_unit_test(upgrade),
		cmocka_unit_test(smuggling_is_400_and_closes),
		cmocka_unit_test(bad_bodies),
		cmocka_unit_test(deep_body),
		cmocka_unit_test(body_of_another_type),
		cmocka_unit_test(too_large),
		cmocka_unit_test(no_credential),
		cmocka_unit_test(full_log_serves_nothing),
		cmocka_unit_test(anthropic_shape),
		cmocka_unit_test(head_is_refused_without_a_body),
		cmocka_unit_test(late_head_and_body),
		cmocka_unit_test(own_key_is_replaced_where_policy_says),
	};
	struct CMUnitTest each[ARRAY_SIZE(tests)];

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		each[i] = tests[i];
		each[i].setup_func = start;
		each[i].teardown_func = stop;
	}
	return cmocka_run_group_tests(each, NULL, NULL);
}
