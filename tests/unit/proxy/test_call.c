/* SPDX-License-Identifier: Apache-2.0 */
/* A plain call end to end: what the provider gets, what the client gets, what is recorded. */
#include "tests/unit/proxy/ends.h"

static struct rig rig;
static struct rig_end c, u;

static int start(void **state)
{
	(void)state;
	rig_start_with(&rig, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static void key_is_put_in_and_callers_taken_out(void **state)
{
	struct eg_record rec;

	(void)state;
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT,
		 "authorization: Bearer sk-egret-placeholder\r\naccept-encoding: gzip\r\n"
		 "x-team: red\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\n"
		 "X-HTTP-Method-Override: DELETE\r\nx-original-url: /v1/files\r\n"
		 "X_Team: red\r\nx_http_method_override: DELETE\r\n",
		 RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, "\"messages\":[]}");
	assert_non_null(strstr(u.text, "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST "\r\n"));
	assert_non_null(strstr(u.text, "authorization: Bearer " RIG_KEY "\r\n"));
	assert_non_null(strstr(u.text, "accept-encoding: identity\r\n"));
	assert_non_null(strstr(u.text, "x-team: blue\r\n"));
	assert_null(strstr(u.text, "placeholder"));
	assert_null(strstr(u.text, "gzip"));
	assert_null(strstr(u.text, "red"));
	assert_null(strstr(u.text, "x-hop"));
	assert_null(strstr(u.text, "DELETE"));
	assert_null(strstr(u.text, "x-original-url"));
	assert_non_null(strstr(u.text, "content-length: 52\r\n\r\n" RIG_BODY));
	rig_answer(&u, &c);
	assert_non_null(strstr(c.text, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(c.text, "egret-request-id: "));
	assert_non_null(strstr(c.text, "content-length: 11\r\n"));
	rec = rig_record(&rig);
	assert_int_equal(rec.decision, EG_REASON_allowed);
	assert_int_equal(rec.end, EG_REASON_allowed);
	assert_int_equal(rec.status, 200);
	assert_string_equal(rec.workload, "app");
	assert_string_equal(rec.provider, "openai");
	assert_string_equal(rec.operation, "chat");
	assert_string_equal(rec.model, "gpt-4o-mini");
	assert_string_equal(rec.rule, "mini");
	assert_string_equal(rec.credential, "openai-main");
	assert_string_equal(rec.host, RIG_HOST);
	assert_string_equal(rec.method, "POST");
	assert_string_equal(rec.path, RIG_CHAT);
	assert_int_equal(rec.bytes_in, sizeof(RIG_BODY) - 1);
	assert_int_equal(rec.bytes_out, 11);
	assert_int_equal(rec.max_tokens, 5);
	assert_int_equal(rec.worker, 3);
	assert_true(rec.first_us > 0 && rec.total_us >= rec.first_us);
	assert_false(rig_has_record(&rig));
	rig_close(&c);
	rig_close(&u);
}

static void connection_is_kept_on_both_sides(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	for (int i = 0; i < 5; i++) {
		rig_post(&c, RIG_CHAT, "", RIG_BODY);
		if (i == 0)
			rig_accept(&rig, &u);
		rig_forget(&u);
		rig_until(&u, RIG_BODY);
		rig_forget(&c);
		rig_answer(&u, &c);
		assert_int_equal(!!(rig_record(&rig).flags & EG_RECORD_REUSED), i > 0);
	}
	assert_int_equal(rig.attested, 1);
	assert_int_equal(rig.leased, 1);
	rig_close(&c);
	rig_close(&u);
}

static void cap_is_written_into_the_body(void **state)
{
	struct eg_record rec;

	(void)state;
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", "{ \"model\":\"gpt-4o-mini\",\"max_tokens\":5000}");
	rig_accept(&rig, &u);
	rig_until(&u, "{ \"model\":\"gpt-4o-mini\",\"max_tokens\":100}");
	rig_answer(&u, &c);
	rec = rig_record(&rig);
	assert_int_equal(rec.max_tokens, 100);
	assert_true(rec.flags & EG_RECORD_CAPPED);
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", "{\"model\":\"gpt-4o-mini\"}");
	rig_until(&u, "{\"max_completion_tokens\":100,\"model\":\"gpt-4o-mini\"}");
	rig_answer(&u, &c);
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

/* A batch is as allowed as the least allowed of it. */
static void every_model_of_a_batch_counts(void **state)
{
	static const char policy[] =
		"{ \"workloads\": { \"app\": { \"match\": [{ \"user\": \"root\" }] } }, \"rules\": "
		"["
		"  { \"id\": \"a\", \"when\": { \"model\": \"claude-a*\" }, \"allow\": {} },"
		"  { \"id\": \"b\", \"when\": { \"model\": \"claude-b*\" },"
		"    \"allow\": { \"credential\": \"other\" } } ] }";
	static const char *const bodies[][2] = {
		{ "{\"requests\":[{\"params\":{\"model\":\"claude-a\"}},"
		  "{\"params\":{\"model\":\"claude-x\"}}]}",
		  "model claude-x" },
		{ "{\"requests\":[{\"params\":{\"model\":\"claude-a\"}},"
		  "{\"params\":{\"model\":\"claude-b\"}}]}",
		  "different obligations" },
	};
	struct eg_record rec;
	char head[512];

	(void)state;
	rig_set_policy(&rig, policy);
	rig_open_host(&rig, &c, "api.anthropic.com");
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		(void)snprintf(head, sizeof(head),
			       "POST /v1/messages/batches HTTP/1.1\r\nhost: api.anthropic.com\r\n"
			       "content-length: %zu\r\n\r\n%s",
			       strlen(bodies[i][0]), bodies[i][0]);
		rig_send(&c, head);
		rig_until(&c, bodies[i][1]);
		assert_int_equal(rig_record(&rig).decision, EG_REASON_no_rule);
		rig_forget(&c);
	}
	rig_send(&c, "POST /v1/messages/batches HTTP/1.1\r\nhost: api.anthropic.com\r\n"
		     "content-length: 48\r\n\r\n"
		     "{\"requests\":[{\"params\":{\"model\":\"claude-a-1\"}}]}");
	/* Its address is one that must not be dialled: the decision was made before. */
	rig_until(&c, "upstream_refused_address");
	rec = rig_record(&rig);
	assert_int_equal(rec.decision, EG_REASON_allowed);
	assert_string_equal(rec.rule, "a");
	assert_string_equal(rec.credential, "anthropic"); /* the default has the provider's name */
	rig_close(&c);
}

static void head_has_no_body(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_send(&c, "GET /v1/models HTTP/1.1\r\nhost: " RIG_HOST "\r\n\r\n");
	rig_accept(&rig, &u);
	rig_until(&u, "\r\n\r\n");
	assert_null(strstr(u.text, "content-length"));
	rig_send(&u, "HTTP/1.1 204 No Content\r\n\r\n");
	rig_until(&c, "\r\n\r\n");
	assert_null(strstr(c.text, "content-length"));
	(void)rig_record(&rig);
	rig_forget(&c);
	rig_forget(&u);
	rig_send(&c, "GET /v1/models HTTP/1.1\r\nhost: " RIG_HOST "\r\n\r\n");
	rig_until(&u, "\r\n\r\n");
	rig_answer(&u, &c);
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_is_put_in_and_callers_taken_out),
		cmocka_unit_test(connection_is_kept_on_both_sides),
		cmocka_unit_test(cap_is_written_into_the_body),
		cmocka_unit_test(every_model_of_a_batch_counts),
		cmocka_unit_test(head_has_no_body),
	};
	struct CMUnitTest each[ARRAY_SIZE(tests)];

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		each[i] = tests[i];
		each[i].setup_func = start;
		each[i].teardown_func = stop;
	}
	return cmocka_run_group_tests(each, NULL, NULL);
}
