/* SPDX-License-Identifier: Apache-2.0 */
/* Queries on a real store: filters, order, limits, watches, and requests that make no sense. */
#include "store_fixture.h"

static void filters_select(void **state)
{
	static const struct {
		const char *args;
		size_t n;
	} cases[] = {
		{ "{}", 3000 },
		{ "{\"workload\":\"research\"}", 300 },
		{ "{\"workload\":\"nobody\"}", 0 },
		{ "{\"decision\":\"denied\"}", 600 },
		{ "{\"decision\":\"no_rule\"}", 600 },
		{ "{\"decision\":\"allowed\"}", 2400 },
		{ "{\"model\":\"gpt-4o-1\"}", 1000 },
		{ "{\"model\":\"gpt-*-1\"}", 1000 },
		{ "{\"model\":\"gpt*\"}", 3000 },
		{ "{\"model\":\"gpt-4?-1*\"}", 0 },
		{ "{\"model\":\"gpt-[4]o-1*\"}", 0 },
		{ "{\"provider\":\"openai\",\"workload\":\"research\",\"model\":\"*-2\"}", 100 },
		{ "{\"since_us\":1790000000002990}", 10 },
		{ "{\"until_us\":1790000000000009}", 10 },
		{ "{\"since_us\":1790000000000100,\"until_us\":1790000000000199}", 100 },
		{ "{\"since_us\":1790000000000200,\"until_us\":1790000000000199}", 0 },
		{ "{\"limit\":0}", 0 },
		{ "{\"limit\":7}", 7 },
		{ "{\"limit\":100000}", 3000 },
		{ "{\"limit\":7,\"workload\":\"research\"}", 7 },
		{ "{\"limit\":7,\"workload\":\"nobody\"}", 0 },
		{ "{\"limit\":20,\"since_us\":1790000000002990}", 10 },
		{ "{\"limit\":5,\"until_us\":1790000000000009}", 5 },
		{ "{\"workload\":\"' OR 1=1 --\"}", 0 },
	};
	struct fixture *f = *state;
	char request[512];

	put(f, 0, 3000);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		(void)snprintf(request, sizeof(request), "{\"cmd\":\"audit.list\",\"args\":%s}",
			       cases[i].args);
		if (count_rows(f, request) != cases[i].n)
			fail_msg("%s: not %zu", cases[i].args, cases[i].n);
	}
}

static void limit_takes_the_newest(void **state)
{
	struct fixture *f = *state;
	struct query *q =
		ask("{\"cmd\":\"audit.list\",\"args\":{\"limit\":2,\"workload\":\"research\"}}");
	json_t *row;

	put(f, 0, 2000);
	assert_int_equal(run(f, q), QUERY_ENDED);
	row = take(f, "row");
	assert_int_equal(json_integer_value(json_object_get(row, "time_us")), NOW_US + 1980);
	json_decref(row);
	row = take(f, "row");
	assert_int_equal(json_integer_value(json_object_get(row, "time_us")), NOW_US + 1990);
	json_decref(row);
	(void)query_free(q);
}

static void rows_of_one_moment_are_all_listed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_begin(f->s), 0);
	for (uint32_t n = 0; n < 1700; n++) {
		struct eg_record r = record(n);

		r.time_us = NOW_US;
		assert_int_equal(store_put(f->s, &r), 0);
	}
	assert_int_equal(store_commit(f->s), 0);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\"}"), 1700);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\",\"args\":{\"limit\":900}}"), 900);
}

static void a_list_does_not_grow_while_it_is_read(void **state)
{
	struct fixture *f = *state;
	struct query *q = ask("{\"cmd\":\"audit.list\"}");
	size_t n = 0;
	json_t *row;

	put(f, 0, 700);
	assert_int_equal(query_step(q, f->s, &f->out), QUERY_MORE);
	assert_int_equal(query_step(q, f->s, &f->out), QUERY_MORE);
	put(f, 700, 900);
	assert_int_equal(run(f, q), QUERY_ENDED);
	while ((row = take(f, "row"))) {
		n++;
		json_decref(row);
	}
	assert_int_equal(n, 700);
	(void)query_free(q);
}

static size_t drop_rows(struct fixture *f)
{
	size_t n = 0;
	json_t *row;

	while ((row = take(f, "row"))) {
		n++;
		json_decref(row);
	}
	return n;
}

static void a_watch_sees_each_new_row_once(void **state)
{
	struct fixture *f = *state;
	struct query *q = ask("{\"cmd\":\"audit.tail\",\"args\":{\"decision\":\"denied\"}}");

	put(f, 0, 1000);
	assert_int_equal(run(f, q), QUERY_WAITS);
	assert_int_equal(drop_rows(f), 10);
	assert_int_equal(run(f, q), QUERY_WAITS);
	assert_int_equal(drop_rows(f), 0);
	put(f, 1000, 2200);
	assert_int_equal(run(f, q), QUERY_WAITS);
	assert_int_equal(drop_rows(f), 240);
	/* Late ends of early requests, too. */
	{
		struct eg_record r = record(5000);

		r.time_us = NOW_US - DAY_US;
		assert_int_equal(store_begin(f->s), 0);
		assert_int_equal(store_put(f->s, &r), 0);
		assert_int_equal(store_commit(f->s), 0);
	}
	assert_int_equal(run(f, q), QUERY_WAITS);
	assert_int_equal(drop_rows(f), 1);
	(void)query_free(q);
}

static void show_wants_one(void **state)
{
	static const struct {
		const char *id;
		const char *reason; /* NULL: found */
	} cases[] = {
		{ "05000000", NULL },
		{ "050000000000000000000000000000ee", NULL },
		{ "050000000000000000000000000000EE", NULL },
		{ "0500000000", NULL },
		{ "050000000000000000000000000000e", NULL },
		{ "99000000", "not_found" },
		{ "00000000", "bad_request" },
	};
	struct fixture *f = *state;
	struct eg_record twin = record(0);

	put(f, 0, 10);
	twin.request_id[8] = 1;
	assert_int_equal(store_begin(f->s), 0);
	assert_int_equal(store_put(f->s, &twin), 0);
	assert_int_equal(store_commit(f->s), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char request[256];
		struct query *q;
		json_t *line;

		(void)snprintf(request, sizeof(request),
			       "{\"cmd\":\"audit.show\",\"args\":{\"request_id\":\"%s\"}}",
			       cases[i].id);
		q = ask(request);
		assert_int_equal(run(f, q), QUERY_ENDED);
		line = take(f, cases[i].reason ? "error" : "end");
		assert_non_null(line);
		if (cases[i].reason)
			assert_text(line, "reason", cases[i].reason);
		assert_int_equal(buf_len(&f->out), 0);
		json_decref(line);
		(void)query_free(q);
	}
}

static void bad_requests_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{",
		"{\"cmd\":1}",
		"{\"cmd\":\"audit.list\",\"args\":[]}",
		"{\"cmd\":\"audit.drop\"}",
		"{\"cmd\":\"audit.list\",\"args\":{\"limit\":-1}}",
		"{\"cmd\":\"audit.list\",\"args\":{\"limit\":\"3\"}}",
		"{\"cmd\":\"audit.list\",\"args\":{\"limit\":1.5}}",
		"{\"cmd\":\"audit.list\",\"args\":{\"workload\":3}}",
		"{\"cmd\":\"audit.list\",\"args\":{\"workloads\":\"a\"}}",
		"{\"cmd\":\"audit.list\",\"args\":{\"decision\":\"maybe\"}}",
		"{\"cmd\":\"audit.list\",\"args\":{\"workload\":\"a\",\"workload\":\"b\"}}",
		"{\"cmd\":\"audit.tail\",\"args\":{\"since_us\":1}}",
		"{\"cmd\":\"audit.show\"}",
		"{\"cmd\":\"audit.show\",\"args\":{\"request_id\":\"1234567\"}}",
		"{\"cmd\":\"audit.show\",\"args\":{\"request_id\":\"1234567x\"}}",
		"{\"cmd\":\"audit.show\",\"args\":{\"request_id\":"
		"\"0500000000000000000000000000000000\"}}",
		"{\"cmd\":\"event.list\",\"args\":{\"model\":\"x\"}}",
		"{\"cmd\":\"event.list\",\"args\":{\"reason\":\"denied\"}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct query_error e = { 0 };
		struct query *q = NULL;

		assert_int_equal(query_new(slice_str(bad[i]), &e, &q), -EINVAL);
		assert_true(e.reason && e.message[0]);
	}
}

static void events_are_kept_and_filtered(void **state)
{
	struct fixture *f = *state;
	struct eg_note n = { .time_us = NOW_US, .reason = EG_REASON_k_udp, .pid = 7, .hook = 2 };
	struct query *q;
	json_t *row;

	(void)snprintf(n.text, sizeof(n.text), "%s", "use TCP");
	assert_int_equal(store_begin(f->s), 0);
	assert_int_equal(store_put_event(f->s, &n), 0);
	n.reason = 4000000;
	memset(n.exe, 'e', sizeof(n.exe));
	assert_int_equal(store_put_event(f->s, &n), 0);
	assert_int_equal(store_commit(f->s), 0);
	assert_int_equal(count_rows(f, "{\"cmd\":\"event.list\"}"), 2);
	q = ask("{\"cmd\":\"event.list\",\"args\":{\"reason\":\"k_udp\"}}");
	assert_int_equal(run(f, q), QUERY_ENDED);
	row = take(f, "row");
	assert_text(row, "hook", "sendmsg4");
	assert_text(row, "text", "use TCP");
	json_decref(row);
	(void)query_free(q);
}

static void every_hook_of_the_kernel_is_named(void **state)
{
	struct fixture *f = *state;
	struct eg_note n = { .time_us = NOW_US, .reason = EG_REASON_k_udp };
	json_t *row;
	unsigned seen = 0;

	assert_int_equal(store_begin(f->s), 0);
	for (n.hook = 0; n.hook < EG_HOOK_COUNT; n.hook++)
		assert_int_equal(store_put_event(f->s, &n), 0);
	assert_int_equal(store_commit(f->s), 0);
	assert_int_equal(count_rows(f, "{\"cmd\":\"event.list\"}"), EG_HOOK_COUNT);
	for (struct query *q = ask("{\"cmd\":\"event.list\"}"); q; q = query_free(q)) {
		assert_int_equal(run(f, q), QUERY_ENDED);
		while ((row = take(f, "row"))) {
			const char *hook = json_string_value(json_object_get(row, "hook"));

			assert_non_null(hook);
			assert_true(*hook);
			json_decref(row);
			seen++;
		}
	}
	assert_int_equal(seen, EG_HOOK_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(filters_select),
		T(limit_takes_the_newest),
		T(rows_of_one_moment_are_all_listed),
		T(a_list_does_not_grow_while_it_is_read),
		T(a_watch_sees_each_new_row_once),
		T(show_wants_one),
		T(bad_requests_are_refused),
		T(events_are_kept_and_filtered),
		T(every_hook_of_the_kernel_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
